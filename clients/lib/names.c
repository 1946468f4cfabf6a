/* Names as people write and read them: dotted event types, enum words without their prefix. Driven by the
 * descriptors, so a new event or value needs no change here. */
#include "handoff.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool handoff_is_event_body(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE && (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
}

const ProtobufCFieldDescriptor *handoff_event_field(const char *type)
{
    char name[64];
    size_t len = strlen(type);
    if (len >= sizeof name) return NULL;
    for (size_t i = 0; i <= len; i++) name[i] = type[i] == '.' ? '_' : type[i];
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(&handoff__v1__event__descriptor, name);
    return field && handoff_is_event_body(field) ? field : NULL;
}

/* The dot stands after the subject's name: one word, but for "care team" and "care plan". */
void handoff_event_type(const ProtobufCFieldDescriptor *field, char *type, size_t size)
{
    snprintf(type, size, "%s", field->name);
    size_t from = strncmp(type, "care_", 5) == 0 ? 5 : 0;
    char *dot = strchr(type + from, '_');
    if (dot) *dot = '.';
}

/* LEVEL_OF_CARE_ of LEVEL_OF_CARE_UNSPECIFIED: every enum's zero is named so. */
static size_t prefix_len(const ProtobufCEnumDescriptor *descriptor)
{
    const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(descriptor, 0);
    const char *end = zero ? strstr(zero->name, "UNSPECIFIED") : NULL;
    return end ? (size_t)(end - zero->name) : 0;
}

static bool is_same_word(const char *name, const char *word)
{
    for (; *name && *word; name++, word++) {
        int c = *word == '-' || *word == ' ' || *word == '.' ? '_' : toupper((unsigned char)*word);
        if (*name != c) return false;
    }
    return !*name && !*word;
}

const ProtobufCEnumValue *handoff_enum_find(const ProtobufCEnumDescriptor *descriptor, const char *word)
{
    size_t prefix = prefix_len(descriptor);
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        const ProtobufCEnumValue *value = &descriptor->values[i];
        if (is_same_word(value->name + prefix, word) || is_same_word(value->name, word)) return value;
    }
    return NULL;
}

void handoff_enum_word(const ProtobufCEnumDescriptor *descriptor, int value, char *word, size_t size)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(descriptor, value);
    if (!found) {
        snprintf(word, size, "%d", value);
        return;
    }
    snprintf(word, size, "%s", value == 0 ? "" : found->name + prefix_len(descriptor));
    for (char *at = word; *at; at++) *at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
}
