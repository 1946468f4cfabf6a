/* Texts to fields. What a text means follows from the field's type and name: times end in _at_ms, dates of
 * the calendar in _date (and treatment_from, treatment_to), minutes of the day in _minute. Messages are
 * key=value lists, where a comma in a value is "\,". Values are allocated as protobuf-c's unpacking does it,
 * so that free_unpacked frees them. */
#include "flags.h"
#include "when.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct mistake {
    char *text;
    size_t size;
};

static int parse_message(const ProtobufCMessageDescriptor *descriptor, const char *text,
                         struct mistake *mistake, ProtobufCMessage **ret_message);

__attribute__((format(printf, 2, 3))) static int bad(struct mistake *mistake, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(mistake->text, mistake->size, format, arguments);
    va_end(arguments);
    return HANDOFF_BAD_ARGUMENT;
}

bool field_is_date(const ProtobufCFieldDescriptor *field)
{
    bool is_named_so = ends_with(field->name, "_date") || strncmp(field->name, "treatment_", 10) == 0;
    return field->type == PROTOBUF_C_TYPE_UINT32 && is_named_so;
}

static size_t value_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return 8;
    default:
        return 4;
    }
}
static_assert(sizeof(void *) == 8, "pointers and 64-bit numbers are of one size here");

/* --- values
 * ------------------------------------------------------------------------------------------------------ */

static int parse_enum(const ProtobufCEnumDescriptor *descriptor, const char *text, struct mistake *mistake,
                      int *ret)
{
    const ProtobufCEnumValue *value = handoff_enum_find(descriptor, text);
    if (value && value->value != 0) {
        *ret = value->value;
        return 0;
    }
    char words[768] = "";
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        char word[64];
        if (descriptor->values[i].value == 0) continue;
        handoff_enum_word(descriptor, descriptor->values[i].value, word, sizeof word);
        size_t len = strlen(words);
        snprintf(words + len, sizeof words - len, "%s%s", len ? ", " : "", word);
    }
    return bad(mistake, "cannot be \"%s\": one of %s", text, words);
}

static int parse_bool(const char *text, struct mistake *mistake, protobuf_c_boolean *ret)
{
    static const char *const yes[] = {"yes", "true", "1"}, *const no[] = {"no", "false", "0"};
    for (size_t i = 0; i < 3; i++) {
        if (strcasecmp(text, yes[i]) == 0) return *ret = 1, 0;
        if (strcasecmp(text, no[i]) == 0) return *ret = 0, 0;
    }
    return bad(mistake, "cannot be \"%s\": yes or no", text);
}

static int parse_number(const char *text, int64_t least, int64_t most, struct mistake *mistake, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most) {
        return bad(mistake, "cannot be \"%s\": a whole number from %lld to %lld", text, (long long)least,
                   (long long)most);
    }
    *ret = value;
    return 0;
}

static int parse_u32(const ProtobufCFieldDescriptor *field, const char *text, struct mistake *mistake,
                     uint32_t *ret)
{
    if (field_is_date(field)) {
        return when_parse_date(text, ret) ? 0
                                          : bad(mistake, "cannot be \"%s\": a date like 2018-04-30", text);
    }
    if (ends_with(field->name, "_minute")) {
        return when_parse_minute(text, ret)
                   ? 0
                   : bad(mistake, "cannot be \"%s\": a time of day like 08:30", text);
    }
    int64_t number = 0;
    int error = parse_number(text, 0, UINT32_MAX, mistake, &number);
    if (!error) *ret = (uint32_t)number;
    return error;
}

static int parse_i64(const ProtobufCFieldDescriptor *field, const char *text, struct mistake *mistake,
                     int64_t *ret)
{
    if (!ends_with(field->name, "_at_ms")) return parse_number(text, INT64_MIN, INT64_MAX, mistake, ret);
    if (when_parse(text, ret)) return 0;
    return bad(mistake, "cannot be \"%s\": a time like '2026-03-05 16:40' or 2026-03-05T16:40:00-05:00",
               text);
}

static int parse_count(const char *text, struct mistake *mistake, ProtobufCMessage **ret_message)
{
    int64_t number = 0;
    int error = parse_number(text, 0, UINT32_MAX, mistake, &number);
    if (error) return error;
    Handoff__V1__Count *count = malloc(sizeof *count);
    if (!count) return HANDOFF_NO_MEMORY;
    handoff__v1__count__init(count);
    count->value = (uint32_t)number;
    *ret_message = &count->base;
    return 0;
}

static int parse_string(const char *text, char **ret)
{
    char *copy = strdup(text);
    if (!copy) return HANDOFF_NO_MEMORY;
    *ret = copy;
    return 0;
}

/* Writes one value at `at`. */
static int parse_value(const ProtobufCFieldDescriptor *field, const char *text, struct mistake *mistake,
                       void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_ENUM:
        return parse_enum(field->descriptor, text, mistake, at);
    case PROTOBUF_C_TYPE_BOOL:
        return parse_bool(text, mistake, at);
    case PROTOBUF_C_TYPE_UINT32:
        return parse_u32(field, text, mistake, at);
    case PROTOBUF_C_TYPE_INT64:
        return parse_i64(field, text, mistake, at);
    case PROTOBUF_C_TYPE_STRING:
        return parse_string(text, at);
    case PROTOBUF_C_TYPE_MESSAGE:
        if (field->descriptor == &handoff__v1__count__descriptor) return parse_count(text, mistake, at);
        return parse_message(field->descriptor, text, mistake, at);
    default:
        return bad(mistake, "is of a type that has no flag; use --jsonl");
    }
}

/* --- lists
 * ------------------------------------------------------------------------------------------------------- */

static int append_value(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *text,
                        struct mistake *mistake)
{
    uint8_t *base = (uint8_t *)message;
    size_t *count = (size_t *)(void *)(base + field->quantifier_offset);
    uint8_t **values = (uint8_t **)(void *)(base + field->offset);
    size_t size = value_size(field);
    uint64_t value = 0;
    int error = parse_value(field, text, mistake, &value);
    if (error) return error;
    uint8_t *larger = realloc(*values, (*count + 1) * size);
    if (!larger) return HANDOFF_NO_MEMORY;
    memcpy(larger + *count * size, &value, size);
    *values = larger;
    (*count)++;
    return 0;
}

/* Enums may also come as one list: --permitted phone,sms. */
static int append_words(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *text,
                        struct mistake *mistake)
{
    char *words = strdup(text), *rest = words, *word;
    int error = words ? 0 : HANDOFF_NO_MEMORY;
    while (!error && (word = strsep(&rest, ","))) error = append_value(message, field, word, mistake);
    free(words);
    return error;
}

int field_set(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *text,
              char *mistake_text, size_t size)
{
    struct mistake mistake = {.text = mistake_text, .size = size};
    bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (!text) text = "yes";
    if (is_list && field->type == PROTOBUF_C_TYPE_ENUM) return append_words(message, field, text, &mistake);
    if (is_list) return append_value(message, field, text, &mistake);

    void *at = (uint8_t *)message + field->offset;
    bool is_pointer = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
    void *before = is_pointer ? *(void **)at : NULL;
    int error = parse_value(field, text, &mistake, at);
    if (error) return error;
    /* Given twice, the last one counts. */
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && before) protobuf_c_message_free_unpacked(before, NULL);
    if (field->type == PROTOBUF_C_TYPE_STRING && before != (const void *)protobuf_c_empty_string)
        free(before);
    return 0;
}

/* --- key=value lists
 * --------------------------------------------------------------------------------------------- */

static const ProtobufCFieldDescriptor *find_part(const ProtobufCMessageDescriptor *descriptor,
                                                 const char *key)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char name[FLAG_NAME_BYTES];
        field_flag_name(descriptor, field, name, sizeof name);
        if (strcmp(name, key) == 0 || strcmp(field->name, key) == 0) return field;
    }
    return NULL;
}

/* Cuts the next part off `rest` at a comma that no backslash protects, and takes the backslashes out. */
static char *next_part(char **rest)
{
    if (!*rest) return NULL;
    char *part = *rest, *from = part, *to = part;
    while (*from && *from != ',') {
        if (*from == '\\' && (from[1] == ',' || from[1] == '\\')) from++;
        *to++ = *from++;
    }
    *rest = *from ? from + 1 : NULL;
    *to = 0;
    return part;
}

static int set_part(ProtobufCMessage *message, char *part, struct mistake *mistake)
{
    char *equals = strchr(part, '=');
    if (equals) *equals = 0;
    const ProtobufCFieldDescriptor *field = find_part(message->descriptor, part);
    if (!field) return bad(mistake, "has no part \"%s\"", part);
    if (!equals && field->type != PROTOBUF_C_TYPE_BOOL)
        return bad(mistake, "needs a value for %s: %s=...", part, part);
    char reason[512] = "";
    int error = field_set(message, field, equals ? equals + 1 : NULL, reason, sizeof reason);
    if (error && *reason) bad(mistake, "part %s %s", part, reason);
    return error;
}

static int parse_message(const ProtobufCMessageDescriptor *descriptor, const char *text,
                         struct mistake *mistake, ProtobufCMessage **ret_message)
{
    ProtobufCMessage *message = malloc(descriptor->sizeof_message);
    if (!message) return HANDOFF_NO_MEMORY;
    protobuf_c_message_init(descriptor, message);
    char *parts = strdup(text), *rest = parts, *part;
    int error = parts ? 0 : HANDOFF_NO_MEMORY;
    while (!error && (part = next_part(&rest))) error = set_part(message, part, mistake);
    free(parts);
    if (error) {
        protobuf_c_message_free_unpacked(message, NULL);
        return error;
    }
    *ret_message = message;
    return 0;
}
