/* Stored messages in one pass: see stored.h. */
#include "base/stored.h"

#include <stdbool.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5, WIRE_UNUSUAL = 8, DEPTH_MAX = 8, VARINT_BYTES_MAX = 10 };

static unsigned wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_FIXED64:
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break; /* not used in stored messages */
    }
    return WIRE_UNUSUAL;
}

/* Of an element in a message or a list: sizes are those of the generated structs. */
static size_t element_bytes(ProtobufCType type)
{
    switch (wire_of(type)) {
    case WIRE_64:
        return 8;
    case WIRE_BYTES:
        return type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(void *);
    default:
        return type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64 ? 8 : 4;
    }
}
static_assert(sizeof(protobuf_c_boolean) == 4 && sizeof(int) == 4, "booleans and enums are as wide as numbers of 32 bits");

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

static uint8_t *claim(struct out *o, size_t bytes)
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

static void put_varint(struct out *o, uint64_t value)
{
    uint8_t *at = claim(o, value < 0x80 ? 1 : (size_t)(63 - __builtin_clzll(value)) / 7 + 1);
    if (!at) return;
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at = (uint8_t)value;
}

static void put_tag(struct out *o, uint32_t id, unsigned wire)
{
    put_varint(o, (uint64_t)id << 3 | wire);
}

/* A number of 32 bits that has a sign is written as one of 64. */
static uint64_t load_number(const void *at, ProtobufCType type)
{
    uint32_t narrow;
    uint64_t wide;
    if (type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
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

static void put_message(struct out *o, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    if (message->n_unknown_fields) o->is_refused = true;
    for (unsigned i = d->n_fields; i-- > 0 && !o->is_refused;) put_field(o, message, &d->fields[i]);
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

static inline bool take_varint(struct in *in, uint64_t *ret_value)
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

static bool take_section(struct in *in, struct in *ret_section)
{
    uint64_t len;
    if (!take_varint(in, &len) || len > (uint64_t)(in->end - in->at)) return false;
    *ret_section = (struct in){in->at, in->at + len};
    in->at += len;
    return true;
}

static void *room(struct arena *arena, size_t bytes)
{
    ProtobufCAllocator *allocator = arena_protobuf(arena);
    return allocator->alloc(allocator->allocator_data, bytes);
}

static bool read_number(struct in *in, ProtobufCType type, void *ret_at)
{
    uint64_t value;
    if (type == PROTOBUF_C_TYPE_FIXED64) {
        if (in->end - in->at < 8) return false;
        memcpy(ret_at, in->at, 8);
        in->at += 8;
        return true;
    }
    if (!take_varint(in, &value)) return false;
    if (type == PROTOBUF_C_TYPE_BOOL) value = value != 0;
    memcpy(ret_at, &value, element_bytes(type));
    return true;
}

static void *copy_section(const struct in *section, size_t more, struct arena *arena)
{
    size_t bytes = (size_t)(section->end - section->at);
    char *copy = room(arena, bytes + more);
    if (!copy) return NULL;
    memcpy(copy, section->at, bytes);
    memset(copy + bytes, 0, more);
    return copy;
}

static void *read_message(const ProtobufCMessageDescriptor *d, struct in in, struct arena *arena, int depth);

/* Behind its tag. */
static bool read_value(struct in *in, const ProtobufCFieldDescriptor *f, void *ret_at, struct arena *arena, int depth)
{
    struct in section;
    void *value;
    if (wire_of(f->type) != WIRE_BYTES) return read_number(in, f->type, ret_at);
    if (!take_section(in, &section)) return false;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        value = read_message(f->descriptor, section, arena, depth + 1);
    } else {
        value = copy_section(&section, f->type == PROTOBUF_C_TYPE_STRING, arena);
        if (f->type == PROTOBUF_C_TYPE_BYTES) memcpy(ret_at, &(size_t){(size_t)(section.end - section.at)}, sizeof(size_t));
    }
    size_t at = f->type == PROTOBUF_C_TYPE_BYTES ? offsetof(ProtobufCBinaryData, data) : 0;
    memcpy((char *)ret_at + at, &value, sizeof value);
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
    char *list = room(arena, count * bytes);
    if (!list) return false;
    for (size_t i = 0; i < count; i++)
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

static bool read_list(struct in *in, const ProtobufCFieldDescriptor *f, uint64_t tag, void *message, struct arena *arena,
                      int depth)
{
    size_t bytes = element_bytes(f->type), count = count_sections(*in, tag);
    char *list = count ? room(arena, count * bytes) : NULL;
    uint64_t skipped;
    if (!list) return false;
    for (size_t i = 0; i < count; i++) {
        if (i && !take_varint(in, &skipped)) return false;
        if (!read_value(in, f, list + i * bytes, arena, depth)) return false;
    }
    return set_list(message, f, count, list);
}

static bool read_field(struct in *in, const ProtobufCFieldDescriptor *f, uint64_t tag, void *message, struct arena *arena,
                       int depth)
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

static void *read_message(const ProtobufCMessageDescriptor *d, struct in in, struct arena *arena, int depth)
{
    const ProtobufCFieldDescriptor *f = d->fields, *end = d->fields + d->n_fields;
    void *message = depth < DEPTH_MAX ? room(arena, d->sizeof_message) : NULL;
    if (!message) return NULL;
    d->message_init(message);
    while (in.at < in.end) {
        uint64_t tag;
        if (!take_varint(&in, &tag)) return NULL;
        while (f < end && f->id < tag >> 3) f++;
        if (f == end || f->id != tag >> 3 || !read_field(&in, f, tag, message, arena, depth)) return NULL;
        f++;
    }
    return message;
}

void *stored_read(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena)
{
    return read_message(descriptor, (struct in){bytes.data, bytes.data + bytes.len}, arena, 0);
}

void *stored_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes, struct arena *arena)
{
    size_t mark = arena_used(arena);
    void *message = stored_read(descriptor, bytes, arena);
    if (message) return message;
    arena_rewind(arena, mark);
    return protobuf_c_message_unpack(descriptor, arena_protobuf(arena), bytes.len, bytes.data);
}
