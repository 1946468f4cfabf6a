/* How a kind of message is stored, compiled once from its descriptor: for stored_*.c alone.
 *
 * A descriptor says everything and nothing quickly: label, type, flags and quantifier of each field are asked anew for
 * each message. A plan says it in the form in which writing and reading ask: is there anything in this field (one word
 * compared), which bytes are its tag, which field has this number. Plans are made when first needed, never change after
 * and are shared by all threads; there are as many as kinds of stored messages. */
#ifndef HANDOFF_BASE_STORED_PLAN_H
#define HANDOFF_BASE_STORED_PLAN_H

#include <protobuf-c/protobuf-c.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2 };

/* What is in a field, and how it is stored. Types that no stored message has are UNUSUAL: they are refused, and
 * protobuf-c does them. */
enum value_kind {
    VALUE_UNUSUAL,
    VALUE_SIGNED_32, /* also enums: written as a number of 64 bits */
    VALUE_UNSIGNED_32,
    VALUE_BOOL,
    VALUE_64,
    VALUE_FIXED_64,
    VALUE_TEXT,
    VALUE_BYTES,
    VALUE_MESSAGE
};

enum part_form { FORM_ONE, FORM_MEMBER /* of a oneof */, FORM_LIST, FORM_PACKED };

/* One field. */
struct part {
    /* The aligned word that tells at once that there is nothing to write: then it is as message_init leaves it. Of a
     * member no word does. */
    uint64_t mask, initial;
    uint16_t probe_at;
    uint16_t value_at, quantifier_at;
    uint8_t value, form; /* value_kind, part_form */
    uint8_t element_bytes;
    uint8_t plain_bytes; /* of a number alone that is a varint: 4 or 8; else 0 */
    uint32_t tag;        /* number << 3 | wire */
    uint32_t number;
    const struct plan *plan; /* of the message that it holds */
};

/* Of a struct: from, up to. */
struct stretch {
    uint16_t begin, end;
};

struct plan {
    const ProtobufCMessageDescriptor *descriptor;
    const struct part *parts, *parts_end; /* by ascending number */
    const uint8_t *places; /* by tag: position in parts + 1; 0: there is no such field, or it is of another wire */
    uint32_t place_count;
    /* What lies outside of the struct and may be changed: lists and messages. What they are not is flat. */
    const struct part *const *links;
    const struct stretch *flat;
    uint32_t link_count, flat_count;
};

/* NULL: there is no room for another, or the message is more than plans are for. */
const struct plan *stored_plan(const ProtobufCMessageDescriptor *descriptor);

/* --- lists and messages within --- */
static inline bool is_list(const struct part *p) { return p->form == FORM_LIST || p->form == FORM_PACKED; }

/* Of a message alone: 1 when it is there. */
static inline size_t count_at(const struct part *p, const uint8_t *message)
{
    if (is_list(p)) return load_u64(message + p->quantifier_at);
    if (p->form == FORM_MEMBER && load_u32(message + p->quantifier_at) != p->number) return 0;
    return load_u64(message + p->value_at) != 0;
}

/* A message alone is a list of one, in its place. */
static inline void *list_at(const struct part *p, const uint8_t *message)
{
    void *held = (void *)(uintptr_t)(message + p->value_at);
    return is_list(p) ? *(void **)held : held;
}

/* --- what was read --- */
/* In front of a message that was read to be changed. A copy of it has its address in the place of unknown fields, which
 * it has none of: so whoever copies a struct need not know. */
struct kept {
    const uint8_t *bytes;
    uint32_t len;
    bool is_whole; /* it has a struct whole in front */
};
static_assert(sizeof(struct kept) == 16, "a message behind it is aligned as the arena aligns");

/* In front of the outermost one: it and all within it lie in one stretch, texts apart, and at these offsets there are
 * pointers into the stretch. So all of it is copied at once. */
struct whole {
    alignas(sizeof(struct kept)) size_t bytes;
    const uint32_t *pointers_at;
    uint32_t pointer_count;
};
static_assert(sizeof(struct whole) % 16 == 0, "what is behind it is aligned as the arena aligns");

/* NULL: it is no such message, or a copy of one. */
static inline const struct whole *whole_of(const ProtobufCMessage *message)
{
    const struct kept *kept = (const struct kept *)(const void *)message - 1;
    bool is_read = !message->n_unknown_fields && (const void *)message->unknown_fields == message;
    return is_read && kept->is_whole ? (const struct whole *)(const void *)kept - 1 : NULL;
}

/* Of each byte of a varint the highest bit: another follows. */
#define STORED_CONTINUES UINT64_C(0x8080808080808080)

#endif
