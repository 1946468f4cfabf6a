/* What the two directions of the JSON mapping share. Internal to the library. */
#ifndef HANDOFF_JSON_NAMES_H
#define HANDOFF_JSON_NAMES_H

#include "handoff.h"

/* The schema has no recursive messages; this bounds what we walk all the same. */
#define JSON_DEPTH      16
#define JSON_NAME_BYTES 96

/* "occurred_at_ms" becomes "occurredAtMs", as protoc does it. */
static inline void json_name_of(const char *name, char *to, size_t size)
{
    size_t len = 0;
    bool is_upper = false;
    for (; *name && len + 1 < size; name++) {
        if (*name == '_') {
            is_upper = true;
            continue;
        }
        char c = *name;
        to[len++] = is_upper && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        is_upper = false;
    }
    to[len] = 0;
}

/* Bytes of one value in a generated struct or its arrays. */
static inline size_t json_value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    }
    return 0;
}

/* base64.c. `to` holds base64_bytes(len) bytes, its NUL included. */
size_t base64_bytes(size_t len);
void base64_encode(const uint8_t *bytes, size_t len, char *to);
/* Reads both alphabets, padded or not. `to` holds len bytes. False if it is no base64. */
bool base64_decode(const char *text, size_t len, uint8_t *to, size_t *ret_len);

#endif
