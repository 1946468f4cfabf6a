/* Stored messages, written and read in one pass each, by the same descriptors that protobuf-c works with.
 *
 * It is protobuf, byte for byte what protobuf-c packs; only the way there is shorter. Writing goes backwards, from the
 * last field to the first, so that each length is known when it is put before its bytes: no pass for sizes, nothing
 * moved. Reading expects fields in ascending order and lists in one piece, as this writer puts them: no look-ups, no
 * list of what was seen. Whatever is unusual (fields in another order, unknown ones, a type not used in stored
 * messages) is refused with NULL and left to protobuf-c: what can be stored never depends on this file.
 *
 * For what this daemon wrote and the checksum vouches for. Bytes from the wire go through engine/intake and protobuf-c;
 * `handoffd verify` reads with protobuf-c, so that the two are compared over whole journals. */
#ifndef HANDOFF_BASE_STORED_H
#define HANDOFF_BASE_STORED_H

#include "base/arena.h"
#include "base/bytes.h"

/* Puts the message so that it ends before `end`, and not before `begin`. Returns where it begins (its length is up to
 * `end`, and may be 0), or NULL: it does not fit, or has a field of an unusual kind. */
uint8_t *stored_write(const ProtobufCMessage *message, uint8_t *begin, uint8_t *end);

/* A message in the arena that shares nothing with the bytes; NULL: something is unusual, or the arena is full. */
void *stored_read(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena);
/* Fields of a message that are not asked for, a bit 1 << id each; those from 128 on always are. */
struct stored_fields {
    uint64_t ids[2];
};
/* As stored_read, and what is unusual is read by protobuf-c. NULL: it is no such message, or the arena is full. */
void *stored_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena);
/* The same without these fields (NULL: with all); by protobuf-c, with them. */
void *stored_unpack_without(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                            const struct stored_fields *without, struct arena *arena);

#endif
