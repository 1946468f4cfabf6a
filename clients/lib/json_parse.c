/* JSON to messages; the mapping is in handoff.h. Messages are built with malloc, as protobuf-c's own
 * unpacking does, so that protobuf_c_message_free_unpacked() frees them, half-built ones too. Bounds: 1 MiB
 * of text, JSON_DEPTH. */
#include "json_names.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES   (1024 * 1024)
#define NUMBER_BYTES 32

struct reader {
    struct handoff_json_error *error;
    char path[128];
    unsigned depth;
};

static int parse_message(struct reader *reader, const ProtobufCMessageDescriptor *descriptor, json_t *json,
                         ProtobufCMessage **ret_message);

__attribute__((format(printf, 2, 3))) static int bad(struct reader *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->error->sentence, sizeof reader->error->sentence, format, arguments);
    va_end(arguments);
    snprintf(reader->error->path, sizeof reader->error->path, "%s", reader->path);
    return HANDOFF_BAD_JSON;
}

/* --- numbers
 * --------------------------------------------------------------------------------------------------- */

static bool has_fraction(double real)
{
    return real != (double)(long long)real;
}

/* The number in digits, from a number or a string. Booleans are no numbers. */
static int number_text(struct reader *reader, json_t *json, char text[NUMBER_BYTES])
{
    if (json_is_integer(json)) {
        snprintf(text, NUMBER_BYTES, "%lld", (long long)json_integer_value(json));
        return 0;
    }
    if (json_is_real(json)) {
        double real = json_real_value(json);
        if (real > -9.0e15 && real < 9.0e15 && !has_fraction(real)) {
            snprintf(text, NUMBER_BYTES, "%lld", (long long)real);
            return 0;
        }
        return bad(reader, "is not a whole number");
    }
    if (!json_is_string(json)) return bad(reader, "should be a number");
    const char *string = json_string_value(json);
    size_t len = strlen(string);
    size_t sign = *string == '-' || *string == '+' ? 1 : 0;
    bool is_digits = len > sign && strspn(string + sign, "0123456789") == len - sign;
    if (!is_digits || len >= NUMBER_BYTES) return bad(reader, "should be a number in decimal digits");
    memcpy(text, string, len + 1);
    return 0;
}

static int parse_signed(struct reader *reader, json_t *json, int64_t least, int64_t most, int64_t *ret_value)
{
    char text[NUMBER_BYTES];
    int error = number_text(reader, json, text);
    if (error) return error;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno || value < least || value > most) return bad(reader, "is out of range");
    *ret_value = value;
    return 0;
}

static int parse_unsigned(struct reader *reader, json_t *json, uint64_t most, uint64_t *ret_value)
{
    char text[NUMBER_BYTES];
    int error = number_text(reader, json, text);
    if (error) return error;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno || (*text == '-' && value) || value > most) return bad(reader, "is out of range");
    *ret_value = value;
    return 0;
}

static int parse_real(struct reader *reader, json_t *json, double *ret_value)
{
    if (!json_is_number(json)) return bad(reader, "should be a number");
    *ret_value = json_number_value(json);
    return 0;
}

/* --- values
 * ---------------------------------------------------------------------------------------------------- */

/* By name; a number, or a number's digits in a string, is taken as it is: proto3 enums are open. */
static int parse_enum(struct reader *reader, const ProtobufCEnumDescriptor *descriptor, json_t *json,
                      int *ret_value)
{
    if (json_is_string(json)) {
        const char *name = json_string_value(json);
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(descriptor, name);
        if (value) {
            *ret_value = value->value;
            return 0;
        }
        if (!*name || strspn(name, "+-0123456789") != strlen(name)) {
            return bad(reader, "has no value \"%.64s\"", name);
        }
    }
    int64_t number = 0;
    int error = parse_signed(reader, json, INT_MIN, INT_MAX, &number);
    if (!error) *ret_value = (int)number;
    return error;
}

static int parse_string(struct reader *reader, json_t *json, char **ret_value)
{
    if (!json_is_string(json)) return bad(reader, "should be a string");
    char *copy = strdup(json_string_value(json));
    if (!copy) return HANDOFF_NO_MEMORY;
    *ret_value = copy;
    return 0;
}

static int parse_bytes(struct reader *reader, json_t *json, ProtobufCBinaryData *ret_value)
{
    if (!json_is_string(json)) return bad(reader, "should be a string in base64");
    size_t len = json_string_length(json);
    uint8_t *data = malloc(len + 1);
    if (!data) return HANDOFF_NO_MEMORY;
    if (!base64_decode(json_string_value(json), len, data, &ret_value->len)) {
        free(data);
        return bad(reader, "is not base64");
    }
    ret_value->data = data;
    return 0;
}

/* Writes one value at `at`, which holds the default. */
static int parse_value(struct reader *reader, const ProtobufCFieldDescriptor *field, json_t *json, void *at)
{
    int64_t number = 0;
    uint64_t unsigned_number = 0;
    double real = 0;
    int error = 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        error = parse_signed(reader, json, INT32_MIN, INT32_MAX, &number);
        if (!error) *(int32_t *)at = (int32_t)number;
        return error;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        error = parse_unsigned(reader, json, UINT32_MAX, &unsigned_number);
        if (!error) *(uint32_t *)at = (uint32_t)unsigned_number;
        return error;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return parse_signed(reader, json, INT64_MIN, INT64_MAX, at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return parse_unsigned(reader, json, UINT64_MAX, at);
    case PROTOBUF_C_TYPE_FLOAT:
        error = parse_real(reader, json, &real);
        if (!error) *(float *)at = (float)real;
        return error;
    case PROTOBUF_C_TYPE_DOUBLE:
        return parse_real(reader, json, at);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(json)) return bad(reader, "should be true or false");
        *(protobuf_c_boolean *)at = json_is_true(json);
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
        return parse_enum(reader, field->descriptor, json, at);
    case PROTOBUF_C_TYPE_STRING:
        return parse_string(reader, json, at);
    case PROTOBUF_C_TYPE_BYTES:
        return parse_bytes(reader, json, at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return parse_message(reader, field->descriptor, json, at);
    }
    return bad(reader, "is of a type that the mapping does not know");
}

/* The count grows with each element that is whole, so that a half-read list can be freed. */
static int parse_list(struct reader *reader, const ProtobufCFieldDescriptor *field, json_t *json,
                      uint8_t *base)
{
    if (!json_is_array(json)) return bad(reader, "should be a list");
    size_t count = json_array_size(json);
    if (!count) return 0;
    size_t size = json_value_size(field->type);
    uint8_t *values = calloc(count, size);
    if (!values) return HANDOFF_NO_MEMORY;
    *(uint8_t **)(void *)(base + field->offset) = values;
    for (size_t i = 0; i < count; i++) {
        json_t *element = json_array_get(json, i);
        if (json_is_null(element)) return bad(reader, "has null in its list");
        int error = parse_value(reader, field, element, values + i * size);
        if (error) return error;
        *(size_t *)(void *)(base + field->quantifier_offset) = i + 1;
    }
    return 0;
}

/* --- messages
 * -------------------------------------------------------------------------------------------------- */

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor,
                                                  const char *name)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        char json_name[JSON_NAME_BYTES];
        json_name_of(descriptor->fields[i].name, json_name, sizeof json_name);
        if (strcmp(json_name, name) == 0 || strcmp(descriptor->fields[i].name, name) == 0) {
            return &descriptor->fields[i];
        }
    }
    return NULL;
}

/* A oneof's members share their place and their case. The case is set once the value is whole. */
static int parse_oneof(struct reader *reader, const ProtobufCFieldDescriptor *field, json_t *json,
                       uint8_t *base)
{
    uint32_t *set_case = (uint32_t *)(void *)(base + field->quantifier_offset);
    if (*set_case) return bad(reader, "is one of several of which only one may be given");
    void *at = base + field->offset;
    memset(at, 0, json_value_size(field->type));
    int error = parse_value(reader, field, json, at);
    if (!error) *set_case = field->id;
    return error;
}

static int parse_field(struct reader *reader, const ProtobufCFieldDescriptor *field, json_t *json,
                       uint8_t *base)
{
    if (json_is_null(json)) return 0;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) return parse_oneof(reader, field, json, base);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return parse_list(reader, field, json, base);
    return parse_value(reader, field, json, base + field->offset);
}

static bool is_given_twice(const ProtobufCFieldDescriptor *field, json_t *object)
{
    char json_name[JSON_NAME_BYTES];
    json_name_of(field->name, json_name, sizeof json_name);
    return strcmp(json_name, field->name) != 0 && json_object_get(object, json_name) &&
           json_object_get(object, field->name);
}

static int parse_fields(struct reader *reader, json_t *object, ProtobufCMessage *message)
{
    const char *name;
    json_t *value;
    size_t path_len = strlen(reader->path);
    json_object_foreach(object, name, value)
    {
        snprintf(reader->path + path_len, sizeof reader->path - path_len, "%s%s", path_len ? "." : "", name);
        const ProtobufCFieldDescriptor *field = find_field(message->descriptor, name);
        if (!field) return bad(reader, "is not a field of %s", message->descriptor->short_name);
        if (is_given_twice(field, object)) return bad(reader, "is given twice, under both its names");
        int error = parse_field(reader, field, value, (uint8_t *)message);
        if (error) return error;
        reader->path[path_len] = 0;
    }
    return 0;
}

static int parse_message(struct reader *reader, const ProtobufCMessageDescriptor *descriptor, json_t *json,
                         ProtobufCMessage **ret_message)
{
    if (!json_is_object(json)) return bad(reader, "should be an object");
    if (reader->depth >= JSON_DEPTH) return bad(reader, "is nested too deeply");
    ProtobufCMessage *message = malloc(descriptor->sizeof_message);
    if (!message) return HANDOFF_NO_MEMORY;
    protobuf_c_message_init(descriptor, message);
    reader->depth++;
    int error = parse_fields(reader, json, message);
    reader->depth--;
    if (error) {
        protobuf_c_message_free_unpacked(message, NULL);
        return error;
    }
    *ret_message = message;
    return 0;
}

int handoff_json_parse(const ProtobufCMessageDescriptor *descriptor, const char *text, size_t text_bytes,
                       struct handoff_json_error *error, ProtobufCMessage **ret_message)
{
    struct handoff_json_error unwanted;
    struct reader reader = {.error = error ? error : &unwanted};
    *reader.error = (struct handoff_json_error){0};
    if (text_bytes > TEXT_BYTES) {
        bad(&reader, "is larger than 1 MiB");
        return HANDOFF_TOO_LARGE;
    }
    json_error_t at;
    json_t *json = json_loadb(text, text_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
    if (!json) return bad(&reader, "is not JSON: %s at column %d", at.text, at.column);
    int code = parse_message(&reader, descriptor, json, ret_message);
    json_decref(json);
    return code;
}
