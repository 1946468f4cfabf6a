/* Messages to JSON; the mapping is in handoff.h. Driven by protobuf-c's descriptors, over jansson.
 *
 * In a generated struct a field's value is at `offset`. What stands at `quantifier_offset` depends: the case
 * of its oneof, the count of a repeated field, or nothing (proto3 fields have no presence, but messages, by
 * their pointer). */
#include "json_names.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *print_message(const ProtobufCMessage *message, unsigned depth);

static json_t *print_i64(int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return json_string(text);
}

static json_t *print_u64(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return json_string(text);
}

static json_t *print_bytes(const ProtobufCBinaryData *bytes)
{
    char *text = malloc(base64_bytes(bytes->len));
    if (!text) return NULL;
    base64_encode(bytes->data, bytes->len, text);
    json_t *json = json_string(text);
    free(text);
    return json;
}

static json_t *print_enum(const ProtobufCEnumDescriptor *descriptor, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(descriptor, number);
    return value ? json_string(value->name) : json_integer(number);
}

/* `at` points to one value, in the struct or in an array. */
static json_t *print_value(const ProtobufCFieldDescriptor *field, const void *at, unsigned depth)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return print_i64(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return print_u64(*(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_real((double)*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return print_enum(field->descriptor, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(const char *const *)at ? *(const char *const *)at : "");
    case PROTOBUF_C_TYPE_BYTES:
        return print_bytes(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return print_message(*(const ProtobufCMessage *const *)at, depth + 1);
    }
    return NULL;
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *at)
{
    static const uint8_t zero[8];
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(const char *const *)at;
        return !text || !*text;
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) return ((const ProtobufCBinaryData *)at)->len == 0;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) return *(const void *const *)at == NULL;
    return memcmp(at, zero, json_value_size(field->type)) == 0;
}

static bool is_absent(const ProtobufCFieldDescriptor *field, const uint8_t *base)
{
    const void *at = base + field->offset;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t set_case = *(const uint32_t *)(const void *)(base + field->quantifier_offset);
        bool is_null = field->type == PROTOBUF_C_TYPE_MESSAGE && *(const void *const *)at == NULL;
        return set_case != field->id || is_null;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return *(const size_t *)(const void *)(base + field->quantifier_offset) == 0;
    }
    return is_default(field, at);
}

static json_t *print_list(const ProtobufCFieldDescriptor *field, const uint8_t *base, unsigned depth)
{
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const uint8_t *values = *(const uint8_t *const *)(const void *)(base + field->offset);
    size_t size = json_value_size(field->type);
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++) {
        if (json_array_append_new(list, print_value(field, values + i * size, depth))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *print_message(const ProtobufCMessage *message, unsigned depth)
{
    if (depth > JSON_DEPTH) return NULL;
    json_t *object = json_object();
    const uint8_t *base = (const uint8_t *)message;
    for (unsigned i = 0; object && i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (is_absent(field, base)) continue;
        char name[JSON_NAME_BYTES];
        json_name_of(field->name, name, sizeof name);
        json_t *value = field->label == PROTOBUF_C_LABEL_REPEATED
                            ? print_list(field, base, depth)
                            : print_value(field, base + field->offset, depth);
        if (json_object_set_new(object, name, value)) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

char *handoff_json_print(const ProtobufCMessage *message, bool is_indented)
{
    json_t *json = print_message(message, 0);
    if (!json) return NULL;
    char *text = json_dumps(json, JSON_PRESERVE_ORDER | (is_indented ? JSON_INDENT(2) : 0));
    json_decref(json);
    return text;
}
