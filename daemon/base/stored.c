/* Stored messages in one pass: see stored.h. */
#include "base/stored.h"

#include <stdbool.h>
#include <string.h>

enum {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_32 = 5,
    WIRE_UNUSUAL = 8,
    DEPTH_MAX = 8,
    VARINT_BYTES_MAX = 10
};

/* How a type is written, and how wide it is in the generated structs. Types that no stored message has are missing. */
static const struct shape {
    uint8_t wire, bytes;
} shapes[] = {
    [PROTOBUF_C_TYPE_INT32] = {WIRE_VARINT, 4},   [PROTOBUF_C_TYPE_SINT32] = {WIRE_UNUSUAL, 0},
    [PROTOBUF_C_TYPE_SFIXED32] = {WIRE_UNUSUAL, 0}, [PROTOBUF_C_TYPE_INT64] = {WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_SINT64] = {WIRE_UNUSUAL, 0}, [PROTOBUF_C_TYPE_SFIXED64] = {WIRE_UNUSUAL, 0},
    [PROTOBUF_C_TYPE_UINT32] = {WIRE_VARINT, 4},  [PROTOBUF_C_TYPE_FIXED32] = {WIRE_UNUSUAL, 0},
    [PROTOBUF_C_TYPE_UINT64] = {WIRE_VARINT, 8},  [PROTOBUF_C_TYPE_FIXED64] = {WIRE_64, 8},
    [PROTOBUF_C_TYPE_FLOAT] = {WIRE_UNUSUAL, 0},  [PROTOBUF_C_TYPE_DOUBLE] = {WIRE_UNUSUAL, 0},
    [PROTOBUF_C_TYPE_BOOL] = {WIRE_VARINT, sizeof(protobuf_c_boolean)},
    [PROTOBUF_C_TYPE_ENUM] = {WIRE_VARINT, sizeof(int)},
    [PROTOBUF_C_TYPE_STRING] = {WIRE_BYTES, sizeof(char *)},
    [PROTOBUF_C_TYPE_BYTES] = {WIRE_BYTES, sizeof(ProtobufCBinaryData)},
    [PROTOBUF_C_TYPE_MESSAGE] = {WIRE_BYTES, sizeof(void *)},
};
static_assert(sizeof(protobuf_c_boolean) == 4 && sizeof(int) == 4,
              "booleans and enums are as wide as numbers of 32 bits");

static inline unsigned wire_of(ProtobufCType type) { return shapes[type].wire; }
static inline size_t element_bytes(ProtobufCType type) { return shapes[type].bytes; }

static bool is_absent_member(const void *message, const ProtobufCFieldDescriptor *f)
{
    uint32_t which;
    if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) return false;
    memcpy(&which, (const char *)message + f->quantifier_offset, sizeof which);
    return which != f->id;
}

/* --- writing, backwards ----------------------------------------------------------------------------------------- */
struct out {
    uint8_t *begin, *at;
    bool is_refused;
};

static inline uint8_t *claim(struct out *o, size_t bytes)
{
    if (bytes > (size_t)(o->at - o->begin)) {
        o->is_refused = true;
        return NULL;
    }
    return o->at -= bytes;
}

static void put_bytes(struct out *o, const void *data, size_t bytes)
{
    uint8_t *at = claim(o, bytes);
    if (at && bytes) memcpy(at, data, bytes);
}

static void put_long_varint(struct out *o, uint64_t value)
{
    uint8_t *at = claim(o, (size_t)(63 - __builtin_clzll(value)) / 7 + 1);
    if (!at) return;
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at = (uint8_t)value;
}

static inline void put_varint(struct out *o, uint64_t value)
{
    if (value < 0x80 && o->at > o->begin) *--o->at = (uint8_t)value;
    else if (value < 0x80) o->is_refused = true;
    else put_long_varint(o, value);
}

static inline void put_tag(struct out *o, uint32_t id, unsigned wire)
{
    put_varint(o, (uint64_t)id << 3 | wire);
}

/* A number of 32 bits that has a sign is written as one of 64. */
static inline uint64_t load_number(const void *at, ProtobufCType type)
{
    if (element_bytes(type) == 8) return load_u64(at);
    uint32_t narrow = load_u32(at);
    if (type == PROTOBUF_C_TYPE_BOOL) return narrow != 0;
    return type == PROTOBUF_C_TYPE_UINT32 ? narrow : (uint64_t)(int64_t)(int32_t)narrow;
}

static void put_message(struct out *o, const ProtobufCMessage *message);

/* Without its tag. */
static void put_value(struct out *o, const void *at, ProtobufCType type)
{
    const uint8_t *end = o->at;
    if (type == PROTOBUF_C_TYPE_MESSAGE) {
        put_message(o, *(const ProtobufCMessage *const *)at);
    } else if (type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(const char *const *)at;
        put_bytes(o, text, text ? strlen(text) : 0);
    } else if (type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *data = at;
        put_bytes(o, data->data, data->len);
    } else {
        uint64_t number = load_number(at, type);
        if (type == PROTOBUF_C_TYPE_FIXED64) put_bytes(o, &number, sizeof number); /* little-endian: base/bytes.h */
        else put_varint(o, number);
        return;
    }
    if (!o->is_refused) put_varint(o, (uint64_t)(end - o->at));
}

/* What proto3 leaves out; in a oneof a zero is written, because its presence says something. */
static bool is_left_out(const void *message, const ProtobufCFieldDescriptor *f)
{
    const void *at = (const char *)message + f->offset;
    bool is_member = f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
    if (is_member && is_absent_member(message, f)) return true;
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return !*(void *const *)at;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)at;
        return !text || text == f->default_value || (!is_member && !text[0]);
    }
    case PROTOBUF_C_TYPE_BYTES:
        return !is_member && ((const ProtobufCBinaryData *)at)->len == 0;
    default:
        return !is_member && load_number(at, f->type) == 0;
    }
}

static void put_list(struct out *o, const void *message, const ProtobufCFieldDescriptor *f)
{
    size_t count, bytes = element_bytes(f->type);
    const char *list;
    memcpy(&count, (const char *)message + f->quantifier_offset, sizeof count);
    memcpy(&list, (const char *)message + f->offset, sizeof list);
    bool is_packed = f->flags & PROTOBUF_C_FIELD_FLAG_PACKED;
    const uint8_t *end = o->at;
    for (size_t i = count; i-- > 0 && !o->is_refused;) {
        put_value(o, list + i * bytes, f->type);
        if (!is_packed) put_tag(o, f->id, wire_of(f->type));
    }
    if (!is_packed || !count || o->is_refused) return;
    put_varint(o, (uint64_t)(end - o->at));
    put_tag(o, f->id, WIRE_BYTES);
}

static void put_field(struct out *o, const void *message, const ProtobufCFieldDescriptor *f)
{
    unsigned wire = wire_of(f->type);
    if (wire == WIRE_UNUSUAL) {
        o->is_refused = true;
    } else if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        put_list(o, message, f);
    } else if (f->label != PROTOBUF_C_LABEL_NONE) {
        o->is_refused = true;
    } else if (!is_left_out(message, f)) {
        put_value(o, (const char *)message + f->offset, f->type);
        put_tag(o, f->id, wire);
    }
}

/* Most fields of most messages: told apart at once. */
static inline bool is_zero(const void *message, const ProtobufCFieldDescriptor *f)
{
    const void *at = (const char *)message + f->offset;
    if (f->label != PROTOBUF_C_LABEL_NONE || (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) return false;
    return element_bytes(f->type) == 8 ? load_u64(at) == 0 : element_bytes(f->type) == 4 && load_u32(at) == 0;
}

static void put_message(struct out *o, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    if (message->n_unknown_fields) o->is_refused = true;
    for (unsigned i = d->n_fields; i-- > 0 && !o->is_refused;)
        if (!is_zero(message, &d->fields[i])) put_field(o, message, &d->fields[i]);
}

uint8_t *stored_write(const ProtobufCMessage *message, uint8_t *begin, uint8_t *end)
{
    struct out out = {begin, end, false};
    put_message(&out, message);
    return out.is_refused ? NULL : out.at;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */
struct in {
    const uint8_t *at, *end;
};

static bool take_long_varint(struct in *in, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && in->at < in->end; i++) {
        uint8_t byte = *in->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        *ret_value = value;
        return true;
    }
    return false;
}

static inline bool take_varint(struct in *in, uint64_t *ret_value)
{
    if (in->at == in->end || *in->at >= 0x80) return take_long_varint(in, ret_value);
    *ret_value = *in->at++;
    return true;
}

static bool take_section(struct in *in, struct in *ret_section)
{
    uint64_t len;
    if (!take_varint(in, &len) || len > (uint64_t)(in->end - in->at)) return false;
    *ret_section = (struct in){in->at, in->at + len};
    in->at += len;
    return true;
}

static bool read_number(struct in *in, ProtobufCType type, void *ret_at)
{
    uint64_t value;
    if (type == PROTOBUF_C_TYPE_FIXED64) {
        if (in->end - in->at < 8) return false;
        value = load_u64(in->at);
        in->at += 8;
    } else if (!take_varint(in, &value)) {
        return false;
    }
    if (type == PROTOBUF_C_TYPE_BOOL) value = value != 0;
    if (element_bytes(type) == 8) store_u64(ret_at, value);
    else store_u32(ret_at, (uint32_t)value);
    return true;
}

/* With a NUL behind it. */
static void *copy_section(const struct in *section, struct arena *arena)
{
    size_t bytes = (size_t)(section->end - section->at);
    char *copy = arena_room(arena, bytes + 1);
    if (!copy) return NULL;
    memcpy(copy, section->at, bytes);
    copy[bytes] = '\0';
    return copy;
}

static void *read_message(const ProtobufCMessageDescriptor *d, struct in in, struct arena *arena, int depth);

/* Behind its tag. */
static bool read_value(struct in *in, const ProtobufCFieldDescriptor *f, void *ret_at, struct arena *arena, int depth)
{
    struct in section;
    if (wire_of(f->type) != WIRE_BYTES) return read_number(in, f->type, ret_at);
    if (!take_section(in, &section)) return false;
    void *value = f->type == PROTOBUF_C_TYPE_MESSAGE ? read_message(f->descriptor, section, arena, depth + 1)
                                                     : copy_section(&section, arena);
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        *(ProtobufCBinaryData *)ret_at = (ProtobufCBinaryData){(size_t)(section.end - section.at), value};
    else
        *(void **)ret_at = value;
    return value != NULL;
}

static bool set_list(void *message, const ProtobufCFieldDescriptor *f, size_t count, void *list)
{
    memcpy((char *)message + f->quantifier_offset, &count, sizeof count);
    memcpy((char *)message + f->offset, &list, sizeof list);
    return true;
}

static bool read_packed(struct in *in, const ProtobufCFieldDescriptor *f, void *message, struct arena *arena)
{
    struct in section;
    size_t count = 0, bytes = element_bytes(f->type);
    if (!take_section(in, &section)) return false;
    if (f->type == PROTOBUF_C_TYPE_FIXED64) count = (size_t)(section.end - section.at) / 8;
    else for (const uint8_t *at = section.at; at < section.end; at++) count += *at < 0x80;
    char *list = arena_room(arena, count * bytes);
    if (!list) return false;
    if (f->type == PROTOBUF_C_TYPE_FIXED64) { /* little-endian, as here: base/bytes.h */
        memcpy(list, section.at, count * bytes);
        section.at += count * bytes;
    }
    for (size_t i = 0; i < count && section.at < section.end; i++)
        if (!read_number(&section, f->type, list + i * bytes)) return false;
    return section.at == section.end && set_list(message, f, count, list);
}

/* How many sections with this tag stand one behind the other. in is behind the first tag. */
static size_t count_sections(struct in in, uint64_t tag)
{
    struct in section;
    size_t count = 0;
    uint64_t next = tag;
    while (next == tag && take_section(&in, &section)) {
        count++;
        if (!take_varint(&in, &next)) break;
    }
    return count;
}

static bool read_list(struct in *in, const ProtobufCFieldDescriptor *f, uint64_t tag, void *message,
                      struct arena *arena, int depth)
{
    size_t bytes = element_bytes(f->type), count = count_sections(*in, tag);
    char *list = count ? arena_room(arena, count * bytes) : NULL;
    uint64_t skipped;
    if (!list) return false;
    for (size_t i = 0; i < count; i++) {
        if (i && !take_varint(in, &skipped)) return false;
        if (!read_value(in, f, list + i * bytes, arena, depth)) return false;
    }
    return set_list(message, f, count, list);
}

static bool read_field(struct in *in, const ProtobufCFieldDescriptor *f, uint64_t tag, void *message,
                       struct arena *arena, int depth)
{
    unsigned wire = wire_of(f->type);
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        if ((tag & 7) != WIRE_BYTES) return false;
        if (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) return read_packed(in, f, message, arena);
        return wire == WIRE_BYTES && read_list(in, f, tag, message, arena, depth);
    }
    if (f->label != PROTOBUF_C_LABEL_NONE || (tag & 7) != wire) return false;
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *which = (uint32_t *)(void *)((char *)message + f->quantifier_offset);
        if (*which) return false;
        *which = f->id;
    }
    return read_value(in, f, (char *)message + f->offset, arena, depth);
}

static inline bool is_without(const struct stored_fields *without, uint64_t id)
{
    return id < 128 && (without->ids[id / 64] >> id % 64 & 1);
}

/* Behind its tag. */
static bool skip_value(struct in *in, unsigned wire)
{
    uint64_t number;
    struct in section;
    if (wire == WIRE_VARINT) return take_varint(in, &number);
    if (wire == WIRE_BYTES) return take_section(in, &section);
    if (wire != WIRE_64 || in->end - in->at < 8) return false;
    in->at += 8;
    return true;
}

static void *read_fields(const ProtobufCMessageDescriptor *d, struct in in, const struct stored_fields *without,
                         struct arena *arena, int depth)
{
    const ProtobufCFieldDescriptor *f = d->fields, *end = d->fields + d->n_fields;
    void *message = depth < DEPTH_MAX ? arena_room(arena, d->sizeof_message) : NULL;
    if (!message) return NULL;
    d->message_init(message);
    while (in.at < in.end) {
        uint64_t tag;
        if (!take_varint(&in, &tag)) return NULL;
        if (is_without(without, tag >> 3)) {
            if (!skip_value(&in, tag & 7)) return NULL;
            continue;
        }
        while (f < end && f->id < tag >> 3) f++;
        if (f == end || f->id != tag >> 3 || !read_field(&in, f, tag, message, arena, depth)) return NULL;
        f++;
    }
    return message;
}

static const struct stored_fields none = {{0, 0}};

static void *read_message(const ProtobufCMessageDescriptor *d, struct in in, struct arena *arena, int depth)
{
    return read_fields(d, in, &none, arena, depth);
}

void *stored_read(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena)
{
    return read_message(descriptor, (struct in){bytes.data, bytes.data + bytes.len}, arena, 0);
}

void *stored_unpack_without(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                            const struct stored_fields *without, struct arena *arena)
{
    size_t mark = arena_used(arena);
    struct in in = {bytes.data, bytes.data + bytes.len};
    void *message = read_fields(descriptor, in, without ? without : &none, arena, 0);
    if (message) return message;
    arena_rewind(arena, mark);
    return protobuf_c_message_unpack(descriptor, arena_protobuf(arena), bytes.len, bytes.data);
}

void *stored_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena)
{
    return stored_unpack_without(descriptor, bytes, NULL, arena);
}
