/* Stored messages written in one pass, from the last field to the first: see stored.h. */
#include "base/stored.h"

#include <string.h>

#include "base/stored_plan.h"

/* Seven bits of a number for each byte: 56 bits at once. */
static inline uint64_t spread_sevens(uint64_t number)
{
    number = (number & UINT64_C(0x000000000fffffff)) | (number & UINT64_C(0x00fffffff0000000)) << 4;
    number = (number & UINT64_C(0x00003fff00003fff)) | (number & UINT64_C(0x0fffc0000fffc000)) << 2;
    return (number & UINT64_C(0x007f007f007f007f)) | (number & UINT64_C(0x3f803f803f803f80)) << 1;
}

/* --- bytes and numbers ------------------------------------------------------------------------------------------------ */
struct out {
    uint8_t *begin, *at;
    bool is_refused;
};

/* Whatever comes after is refused as well. */
static void refuse(struct out *o)
{
    o->begin = o->at;
    o->is_refused = true;
}

static void put_bytes(struct out *o, const void *data, size_t bytes)
{
    if (bytes > (size_t)(o->at - o->begin)) {
        refuse(o);
        return;
    }
    o->at -= bytes;
    if (bytes) memcpy(o->at, data, bytes);
}

static void put_long_varint(struct out *o, uint64_t value)
{
    size_t bytes = (size_t)(63 - __builtin_clzll(value)) / 7 + 1, room = (size_t)(o->at - o->begin);
    if (bytes > room) {
        refuse(o);
        return;
    }
    if (bytes <= 8 && room >= 8) { /* as a word that ends where the number ends; what is before it comes later */
        uint64_t continued = STORED_CONTINUES >> 8 * (8 - bytes) & ~(UINT64_C(0x80) << 8 * (bytes - 1));
        store_u64(o->at - 8, (spread_sevens(value) | continued) << 8 * (8 - bytes));
        o->at -= bytes;
        return;
    }
    uint8_t *at = o->at -= bytes;
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at = (uint8_t)value;
}

static inline void put_varint(struct out *o, uint64_t value)
{
    if (value < 0x80 && o->at > o->begin) *--o->at = (uint8_t)value;
    else put_long_varint(o, value | (value == 0)); /* a zero comes here only when there is no room */
}

/* --- writing what was not changed -------------------------------------------------------------------------------------- */
/* NULL: it is no copy of one that was read. The one that was read itself may have been changed. */
static const ProtobufCMessage *kept_of(const ProtobufCMessage *message)
{
    const void *kept = message->n_unknown_fields ? NULL : message->unknown_fields;
    return kept == message ? NULL : kept;
}

static bool is_as_kept(const struct plan *plan, const ProtobufCMessage *message, const ProtobufCMessage *kept);

static bool is_list_as_kept(const struct part *p, const void *list, const void *kept, size_t count)
{
    const ProtobufCMessage *const *messages = list, *const *kept_messages = kept;
    if (!p->plan) return count == 0 || memcmp(list, kept, count * p->element_bytes) == 0;
    for (size_t i = 0; i < count; i++) {
        if (kept_of(messages[i]) != kept_messages[i]) return false;
        if (!is_as_kept(p->plan, messages[i], kept_messages[i])) return false;
    }
    return true;
}

/* A text that has not moved is the same: nobody writes into one. */
static bool is_as_kept(const struct plan *plan, const ProtobufCMessage *message, const ProtobufCMessage *kept)
{
    const uint8_t *at = (const uint8_t *)message, *was = (const uint8_t *)kept;
    for (const struct stretch *s = plan->flat; s < plan->flat + plan->flat_count; s++)
        if (memcmp(at + s->begin, was + s->begin, (size_t)(s->end - s->begin)) != 0) return false;
    for (uint32_t i = 0; i < plan->link_count; i++) {
        const struct part *p = plan->links[i];
        size_t count = count_at(p, at);
        if (count != count_at(p, was) || !is_list_as_kept(p, list_at(p, at), list_at(p, was), count)) return false;
    }
    return true;
}

static bool put_as_kept(struct out *o, const struct plan *plan, const ProtobufCMessage *message)
{
    const ProtobufCMessage *was = kept_of(message);
    if (!was || !is_as_kept(plan, message, was)) return false;
    const struct kept *kept = (const struct kept *)(const void *)was - 1;
    put_bytes(o, kept->bytes, kept->len);
    return true;
}

/* --- writing each value ------------------------------------------------------------------------------------------------ */
static void put_message(struct out *o, const struct plan *plan, const ProtobufCMessage *message);

/* Without its tag. */
static inline void put_value(struct out *o, const struct part *p, const uint8_t *at)
{
    const uint8_t *end = o->at;
    const ProtobufCMessage *message;
    switch ((enum value_kind)p->value) {
    case VALUE_UNUSUAL:
        refuse(o);
        return;
    case VALUE_SIGNED_32:
        put_varint(o, (uint64_t)(int64_t)(int32_t)load_u32(at));
        return;
    case VALUE_UNSIGNED_32:
        put_varint(o, load_u32(at));
        return;
    case VALUE_BOOL:
        put_varint(o, load_u32(at) != 0);
        return;
    case VALUE_64:
        put_varint(o, load_u64(at));
        return;
    case VALUE_FIXED_64:
        put_bytes(o, at, 8); /* little-endian: base/bytes.h */
        return;
    case VALUE_TEXT: {
        const char *text = *(const char *const *)(const void *)at;
        put_bytes(o, text, text ? strlen(text) : 0);
        break;
    }
    case VALUE_BYTES: {
        const ProtobufCBinaryData *data = (const void *)at;
        put_bytes(o, data->data, data->len);
        break;
    }
    case VALUE_MESSAGE:
        message = *(const ProtobufCMessage *const *)(const void *)at;
        if (!put_as_kept(o, p->plan, message)) put_message(o, p->plan, message);
        break;
    }
    put_varint(o, (uint64_t)(end - o->at));
}

static void put_list(struct out *o, const struct part *p, const uint8_t *message)
{
    const uint8_t *list = *(const uint8_t *const *)(const void *)(message + p->value_at);
    for (size_t i = load_u64(message + p->quantifier_at); i-- > 0 && !o->is_refused;) {
        put_value(o, p, list + i * p->element_bytes);
        put_varint(o, p->tag);
    }
}

static void put_packed(struct out *o, const struct part *p, const uint8_t *message)
{
    const uint8_t *list = *(const uint8_t *const *)(const void *)(message + p->value_at), *end = o->at;
    size_t count = load_u64(message + p->quantifier_at);
    if (p->value == VALUE_FIXED_64) put_bytes(o, list, 8 * count);
    else
        for (size_t i = count; i-- > 0 && !o->is_refused;) put_value(o, p, list + i * p->element_bytes);
    put_varint(o, (uint64_t)(end - o->at));
    put_varint(o, p->tag);
}

/* What proto3 leaves out, and the probe did not tell. */
static inline bool is_left_out(const struct part *p, const uint8_t *message)
{
    const uint8_t *at = message + p->value_at;
    bool is_member = p->form == FORM_MEMBER;
    if (is_member && load_u32(message + p->quantifier_at) != p->number) return true;
    if (p->value == VALUE_MESSAGE) return !load_u64(at);
    if (p->value != VALUE_TEXT) return false;
    const char *text = *(const char *const *)(const void *)at;
    return !text || (is_member ? text == protobuf_c_empty_string : !text[0]);
}

static void put_part(struct out *o, const struct part *p, const uint8_t *message)
{
    switch ((enum part_form)p->form) {
    case FORM_LIST:
        put_list(o, p, message);
        return;
    case FORM_PACKED:
        put_packed(o, p, message);
        return;
    case FORM_ONE:
    case FORM_MEMBER:
        if (is_left_out(p, message)) return;
        put_value(o, p, message + p->value_at);
        put_varint(o, p->tag);
        return;
    }
}

/* A number that is there, and its tag. */
static inline void put_plain(struct out *o, const struct part *p, const uint8_t *at)
{
    if (p->plain_bytes == 8) put_varint(o, load_u64(at));
    else if (p->value == VALUE_SIGNED_32) put_varint(o, (uint64_t)(int64_t)(int32_t)load_u32(at));
    else put_varint(o, load_u32(at));
    put_varint(o, p->tag);
}

/* Most fields of most messages are absent. */
static void put_message(struct out *o, const struct plan *plan, const ProtobufCMessage *message)
{
    const struct part *const begin = plan->parts;
    const uint8_t *at = (const uint8_t *)message;
    if (message->n_unknown_fields) refuse(o);
    for (const struct part *p = plan->parts_end; p-- > begin;) {
        if ((load_u64(at + p->probe_at) & p->mask) == p->initial) continue;
        if (p->plain_bytes) put_plain(o, p, at + p->value_at);
        else put_part(o, p, at);
    }
}

uint8_t *stored_write(const ProtobufCMessage *message, uint8_t *begin, uint8_t *end)
{
    struct out out = {begin, end, false};
    const struct plan *plan = stored_plan(message->descriptor);
    if (!plan) return NULL;
    put_message(&out, plan, message);
    return out.is_refused ? NULL : out.at;
}
