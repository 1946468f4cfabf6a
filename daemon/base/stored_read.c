/* Stored messages read in one pass: see stored.h. Each function returns where it has got to, or NULL: something is
 * unusual, or the room is spent. */
#include "base/stored.h"

#include <string.h>

#include "base/stored_plan.h"

enum { DEPTH_MAX = 8, VARINT_BYTES_MAX = 10, SHORT_TEXT_BYTES = 16 };

/* The seven bits of each byte as a number: 56 bits at once. */
static inline uint64_t join_sevens(uint64_t bytes)
{
    bytes = (bytes & UINT64_C(0x007f007f007f007f)) | (bytes & UINT64_C(0x7f007f007f007f00)) >> 1;
    bytes = (bytes & UINT64_C(0x00003fff00003fff)) | (bytes & UINT64_C(0x3fff00003fff0000)) >> 2;
    return (bytes & UINT64_C(0x000000000fffffff)) | (bytes & UINT64_C(0x0fffffff00000000)) >> 4;
}

struct in {
    const uint8_t *limit; /* of all bytes: so far whole words can be loaded */
    struct arena *arena;
    char *text;           /* room for all texts, each with a NUL: a tag and a length are more than that */
    size_t left;          /* bytes of the arena that may still be used */
    const struct stored_fields *without; /* of the outermost message; NULL: all are asked for */
    struct keeping *keeping; /* each message remembers its bytes; NULL: none does */
};

/* Where pointers are, while the outermost message is read; more than there are places, and it is copied as others are. */
enum { POINTERS_MAX = 1024 };
struct keeping {
    const uint8_t *begin; /* the outermost message */
    uint32_t pointer_count;
    uint32_t pointers_at[POINTERS_MAX];
};

static inline void note_pointer(struct in *in, const void *at)
{
    struct keeping *k = in->keeping;
    if (!k) return;
    if (k->pointer_count < POINTERS_MAX) k->pointers_at[k->pointer_count] = (uint32_t)((const uint8_t *)at - k->begin);
    k->pointer_count++;
}

static void *take_room(struct in *in, size_t bytes)
{
    if (bytes > in->left) return NULL;
    in->left -= bytes;
    return arena_room(in->arena, bytes);
}

static const uint8_t *take_long_varint(const struct in *in, const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (in->limit - at >= 8) {
        uint64_t word = load_u64(at), stops = ~word & STORED_CONTINUES;
        size_t bytes = stops ? (size_t)__builtin_ctzll(stops) / 8 + 1 : 9;
        if (bytes <= 8 && bytes <= (size_t)(end - at)) {
            *ret_value = join_sevens(word & (stops ^ (stops - 1)) & ~STORED_CONTINUES);
            return at + bytes;
        }
    }
    for (unsigned i = 0; i < VARINT_BYTES_MAX && at < end; i++) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        *ret_value = value;
        return at;
    }
    return NULL;
}

static inline const uint8_t *take_varint(const struct in *in, const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
    if (at == end || *at >= 0x80) return take_long_varint(in, at, end, ret_value);
    *ret_value = *at;
    return at + 1;
}

/* Where a section begins that is all there. */
static inline const uint8_t *take_length(const struct in *in, const uint8_t *at, const uint8_t *end, size_t *ret_bytes)
{
    uint64_t bytes;
    at = take_varint(in, at, end, &bytes);
    if (!at || bytes > (uint64_t)(end - at)) return NULL;
    *ret_bytes = bytes;
    return at;
}

/* With a NUL behind it. A short one is copied as two words where so much can be loaded; what is too much is overwritten
 * by the next text, and there is room for it behind the last. */
static char *copy_text(struct in *in, const uint8_t *at, size_t bytes)
{
    char *copy = in->text;
    if (bytes <= SHORT_TEXT_BYTES && in->limit - at >= SHORT_TEXT_BYTES) memcpy(copy, at, SHORT_TEXT_BYTES);
    else memcpy(copy, at, bytes);
    copy[bytes] = '\0';
    in->text += bytes + 1;
    return copy;
}

static void *read_message(struct in *in, const struct plan *plan, const uint8_t *at, const uint8_t *end, int depth);

static inline const uint8_t *read_number(const struct in *in, size_t bytes, const uint8_t *at, const uint8_t *end,
                                         uint8_t *ret_at)
{
    uint64_t value;
    at = take_varint(in, at, end, &value);
    if (!at) return NULL;
    if (bytes == 8) store_u64(ret_at, value);
    else store_u32(ret_at, (uint32_t)value);
    return at;
}

static const uint8_t *read_bool(const struct in *in, const uint8_t *at, const uint8_t *end, uint8_t *ret_at)
{
    uint64_t value;
    at = take_varint(in, at, end, &value);
    if (at) store_u32(ret_at, value != 0);
    return at;
}

static const uint8_t *read_section(struct in *in, const struct part *p, const uint8_t *at, const uint8_t *end,
                                   uint8_t *ret_at, int depth)
{
    size_t bytes;
    at = take_length(in, at, end, &bytes);
    if (!at) return NULL;
    void *value = p->value == VALUE_MESSAGE ? read_message(in, p->plan, at, at + bytes, depth + 1) : copy_text(in, at, bytes);
    if (p->value == VALUE_BYTES) *(ProtobufCBinaryData *)(void *)ret_at = (ProtobufCBinaryData){bytes, value};
    else *(void **)(void *)ret_at = value;
    if (p->value == VALUE_MESSAGE) note_pointer(in, ret_at);
    return value ? at + bytes : NULL;
}

/* Behind its tag. */
static inline const uint8_t *read_value(struct in *in, const struct part *p, const uint8_t *at, const uint8_t *end,
                                        uint8_t *ret_at, int depth)
{
    switch ((enum value_kind)p->value) {
    case VALUE_UNUSUAL:
        return NULL;
    case VALUE_SIGNED_32:
    case VALUE_UNSIGNED_32:
    case VALUE_64:
        return read_number(in, p->element_bytes, at, end, ret_at);
    case VALUE_BOOL:
        return read_bool(in, at, end, ret_at);
    case VALUE_FIXED_64:
        if (end - at < 8) return NULL;
        memcpy(ret_at, at, 8);
        return at + 8;
    case VALUE_TEXT:
    case VALUE_BYTES:
    case VALUE_MESSAGE:
        return read_section(in, p, at, end, ret_at, depth);
    }
    return NULL;
}

static void set_list(struct in *in, uint8_t *message, const struct part *p, size_t count, void *list)
{
    store_u64(message + p->quantifier_at, count);
    *(void **)(void *)(message + p->value_at) = list;
    note_pointer(in, message + p->value_at);
}

static size_t count_packed(const struct part *p, const uint8_t *at, const uint8_t *end)
{
    size_t count = 0;
    if (p->value == VALUE_FIXED_64) return (size_t)(end - at) / 8;
    for (; at < end; at++) count += *at < 0x80;
    return count;
}

static const uint8_t *read_packed(struct in *in, const struct part *p, uint8_t *message, const uint8_t *at,
                                  const uint8_t *end)
{
    size_t bytes;
    at = take_length(in, at, end, &bytes);
    if (!at) return NULL;
    end = at + bytes;
    size_t count = count_packed(p, at, end);
    uint8_t *list = take_room(in, count * p->element_bytes);
    if (!list) return NULL;
    set_list(in, message, p, count, list);
    if (p->value == VALUE_FIXED_64) {
        memcpy(list, at, 8 * count);
        at += 8 * count;
    } else {
        for (; count-- && at; list += p->element_bytes) at = read_value(in, p, at, end, list, 0);
    }
    return at == end ? at : NULL;
}

/* How many sections with this tag stand one behind the other. at is behind the first tag. */
static size_t count_sections(const struct in *in, const struct part *p, const uint8_t *at, const uint8_t *end)
{
    size_t count = 0, bytes;
    uint64_t tag = p->tag;
    while (at && tag == p->tag && (at = take_length(in, at, end, &bytes))) {
        count++;
        at = take_varint(in, at + bytes, end, &tag);
    }
    return count;
}

static const uint8_t *read_list(struct in *in, const struct part *p, uint8_t *message, const uint8_t *at,
                                const uint8_t *end, int depth)
{
    size_t count = count_sections(in, p, at, end);
    uint8_t *list = count ? take_room(in, count * p->element_bytes) : NULL;
    uint64_t skipped;
    if (!list) return NULL;
    set_list(in, message, p, count, list);
    for (size_t i = 0; i < count && at; i++, list += p->element_bytes) {
        if (i) at = take_varint(in, at, end, &skipped);
        if (at) at = read_section(in, p, at, end, list, depth);
    }
    return at;
}

static const uint8_t *read_part(struct in *in, const struct part *p, uint8_t *message, const uint8_t *at,
                                       const uint8_t *end, int depth)
{
    switch ((enum part_form)p->form) {
    case FORM_ONE:
        break;
    case FORM_MEMBER:
        if (load_u32(message + p->quantifier_at)) return NULL;
        store_u32(message + p->quantifier_at, p->number);
        break;
    case FORM_LIST:
        return p->value == VALUE_UNUSUAL ? NULL : read_list(in, p, message, at, end, depth);
    case FORM_PACKED:
        return p->value == VALUE_UNUSUAL ? NULL : read_packed(in, p, message, at, end);
    }
    return read_value(in, p, at, end, message + p->value_at, depth);
}

static ProtobufCMessage *begin_message(struct in *in, const ProtobufCMessageDescriptor *d, struct bytes bytes)
{
    size_t kept_bytes = in->keeping ? sizeof(struct kept) : 0;
    uint8_t *room = take_room(in, kept_bytes + d->sizeof_message);
    if (!room) return NULL;
    ProtobufCMessage *message = (ProtobufCMessage *)(void *)(room + kept_bytes);
    d->message_init(message);
    if (!in->keeping) return message;
    *(struct kept *)(void *)room = (struct kept){bytes.data, (uint32_t)bytes.len, false};
    message->unknown_fields = (void *)message;
    if (!in->keeping->begin) in->keeping->begin = (const uint8_t *)message;
    return message;
}

/* Of one byte or two: no field has a higher number. */
static inline const uint8_t *take_tag(const uint8_t *at, const uint8_t *end, uint32_t *ret_tag)
{
    uint32_t tag = *at++;
    if (tag >= 0x80) {
        if (at == end) return NULL;
        tag = (tag & 0x7f) | (uint32_t)*at++ << 7;
    }
    *ret_tag = tag;
    return at;
}

static inline bool is_without(const struct stored_fields *without, uint32_t id)
{
    return without && id < 128 && (without->ids[id / 64] >> id % 64 & 1);
}

/* Behind its tag. */
static const uint8_t *skip_value(const struct in *in, const uint8_t *at, const uint8_t *end, unsigned wire)
{
    uint64_t number;
    size_t bytes = 8;
    if (wire == WIRE_VARINT) return take_varint(in, at, end, &number);
    if (wire == WIRE_BYTES) at = take_length(in, at, end, &bytes);
    else if (wire != WIRE_64 || end - at < 8) return NULL;
    return at ? at + bytes : NULL;
}

/* Fields ascend, so none comes twice. */
static void *read_message(struct in *in, const struct plan *plan, const uint8_t *at, const uint8_t *end, int depth)
{
    struct bytes bytes = {at, (size_t)(end - at)};
    const struct stored_fields *without = depth ? NULL : in->without;
    uint8_t *message = depth < DEPTH_MAX ? (uint8_t *)begin_message(in, plan->descriptor, bytes) : NULL;
    if (!message) return NULL;
    for (unsigned last = 0; at < end;) {
        uint32_t tag;
        at = take_tag(at, end, &tag);
        if (at && is_without(without, tag >> 3)) {
            at = skip_value(in, at, end, tag & 7);
            if (!at) return NULL;
            continue;
        }
        unsigned place = at && tag < plan->place_count ? plan->places[tag] : 0;
        if (place <= last) return NULL;
        const struct part *p = &plan->parts[place - 1];
        if (p->plain_bytes) at = read_number(in, p->plain_bytes, at, end, message + p->value_at);
        else at = read_part(in, p, message, at, end, depth);
        if (!at) return NULL;
        last = place;
    }
    return message;
}

/* Texts have their room already, so that all else lies in one stretch. */
static void *read_whole(struct in *in, const struct plan *plan, struct bytes bytes)
{
    struct keeping *k = in->keeping;
    struct whole *whole = take_room(in, sizeof *whole);
    size_t used = arena_used(in->arena) + sizeof(struct kept);
    uint8_t *message = whole ? read_message(in, plan, bytes.data, in->limit, 0) : NULL;
    if (!message || k->pointer_count > POINTERS_MAX) return message;
    size_t whole_bytes = arena_used(in->arena) - used, pointer_bytes = k->pointer_count * sizeof *k->pointers_at;
    uint32_t *pointers_at = take_room(in, pointer_bytes);
    if (!pointers_at) return NULL;
    memcpy(pointers_at, k->pointers_at, pointer_bytes);
    *whole = (struct whole){.bytes = whole_bytes, .pointers_at = pointers_at, .pointer_count = k->pointer_count};
    ((struct kept *)(void *)message - 1)->is_whole = true;
    return message;
}

static void *read_into(struct in *in, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes)
{
    const struct plan *plan = stored_plan(descriptor);
    in->limit = bytes.len ? bytes.data + bytes.len : bytes.data; /* nothing at all may be nowhere */
    in->text = plan ? take_room(in, bytes.len + SHORT_TEXT_BYTES) : NULL;
    if (!in->text) return NULL;
    return in->keeping ? read_whole(in, plan, bytes) : read_message(in, plan, bytes.data, in->limit, 0);
}

void *stored_read(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena)
{
    return stored_read_within(descriptor, bytes, SIZE_MAX, arena);
}

void *stored_read_within(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, size_t most_bytes,
                         struct arena *arena)
{
    return read_into(&(struct in){.arena = arena, .left = most_bytes}, descriptor, bytes);
}

void *stored_unpack_without(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                            const struct stored_fields *without, struct arena *arena)
{
    size_t mark = arena_used(arena);
    void *message = read_into(&(struct in){.arena = arena, .left = SIZE_MAX, .without = without}, descriptor, bytes);
    if (message) return message;
    arena_rewind(arena, mark);
    return protobuf_c_message_unpack(descriptor, arena_protobuf(arena), bytes.len, bytes.data);
}

void *stored_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena)
{
    return stored_unpack_without(descriptor, bytes, NULL, arena);
}

void *stored_unpack_kept(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena)
{
    struct keeping keeping;
    size_t mark = arena_used(arena);
    uint8_t *copy = arena_room(arena, bytes.len);
    if (!copy) return NULL;
    if (bytes.len) memcpy(copy, bytes.data, bytes.len);
    keeping.begin = NULL;
    keeping.pointer_count = 0; /* the rest is written before it is read */
    struct in in = {.arena = arena, .left = SIZE_MAX, .keeping = &keeping};
    void *message = read_into(&in, descriptor, (struct bytes){copy, bytes.len});
    if (message) return message;
    arena_rewind(arena, mark);
    return protobuf_c_message_unpack(descriptor, arena_protobuf(arena), bytes.len, bytes.data);
}
