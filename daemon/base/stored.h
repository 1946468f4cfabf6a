/* Stored messages, written and read in one pass each, by the same descriptors that protobuf-c works with.
 *
 * It is protobuf, byte for byte what protobuf-c packs; only the way there is shorter. Writing goes backwards, from the
 * last field to the first, so that each length is known when it is put before its bytes: no pass for sizes, nothing
 * moved. Reading expects fields in ascending order and lists in one piece, as this writer puts them: no look-ups, no
 * list of what was seen. Whatever is unusual (fields in another order, unknown ones, a type not used in stored
 * messages) is refused with NULL and left to protobuf-c: what can be stored never depends on this file.
 *
 * For what this daemon wrote and the checksum vouches for, and for events that engine/intake has walked through. Whatever
 * the bytes, nothing outside of them is read. `handoffd verify` reads with protobuf-c, so that the two are compared over
 * whole journals. */
#ifndef HANDOFF_BASE_STORED_H
#define HANDOFF_BASE_STORED_H

#include "base/arena.h"
#include "base/bytes.h"

/* Puts the message so that it ends before `end`, and not before `begin`. Returns where it begins (its length is up to
 * `end`, and may be 0), or NULL: it does not fit, or has a field of an unusual kind. */
uint8_t *stored_write(const ProtobufCMessage *message, uint8_t *begin, uint8_t *end);

/* A message in the arena that shares nothing with the bytes; NULL: something is unusual, or the arena is full. */
void *stored_read(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena);
/* The same; NULL also when it would take more of the arena than that: few bytes can say that there are many messages. */
void *stored_read_within(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, size_t most_bytes,
                         struct arena *arena);
/* Fields of a message that are not asked for, a bit 1 << id each; those from 128 on always are. */
struct stored_fields {
    uint64_t ids[2];
};
/* As stored_read, and what is unusual is read by protobuf-c. NULL: it is no such message, or the arena is full. */
void *stored_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena);
/* The same without these fields (NULL: with all); by protobuf-c, with them. */
void *stored_unpack_without(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                            const struct stored_fields *without, struct arena *arena);

/* --- a message that is read, changed and written again ----------------------------------------------------------- */
/* As stored_unpack, and each message within knows how it was stored: stored_write copies that where nothing in it was
 * changed. So what was read stays as it is, and what is changed is a copy of it (stored_copy, which copies the
 * outermost one in one piece, or any that copies the struct). Both, and whatever took a message of theirs over, are
 * written before the arena is rewound, or never. */
void *stored_unpack_kept(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena);
/* A deep copy that shares texts alone, and bytes. Aborts when the arena is full (base/arena.h). */
void *stored_copy(const ProtobufCMessage *message, struct arena *arena);

#endif
