/* See words.h. */
#include "pathway/words.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/yaml.h"

enum { CANDIDATES_MAX = 128, NAME_MAX_BYTES = 48 };

/* ContactOutcome: its values begin with CONTACT_OUTCOME_. Gives the length of that. */
static size_t prefix_bytes(const ProtobufCEnumDescriptor *type)
{
    size_t bytes = 1;
    for (const char *at = type->short_name; *at; at++)
        bytes += at != type->short_name && isupper((unsigned char)*at) ? 2 : 1;
    return bytes;
}

static void write_word(const char *name, enum word_case kind, char *buffer)
{
    size_t i = 0;
    for (; name[i] && i < WORD_BYTES - 1; i++) {
        char lower = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
        buffer[i] = kind == WORD_KEBAB ? lower : name[i];
    }
    buffer[i] = 0;
}

bool word_find(const ProtobufCEnumDescriptor *type, enum word_case kind, const char *text, int *ret_value)
{
    size_t prefix = prefix_bytes(type);
    char word[WORD_BYTES];
    for (unsigned i = 0; i < type->n_values; i++) {
        if (kind == WORD_KEBAB && type->values[i].value == 0) continue;
        write_word(type->values[i].name + prefix, kind, word);
        if (strcmp(word, text) != 0) continue;
        *ret_value = type->values[i].value;
        return true;
    }
    return false;
}

const char *word_of(const ProtobufCEnumDescriptor *type, enum word_case kind, int value, char *buffer)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    if (!found) return "?";
    write_word(found->name + prefix_bytes(type), kind, buffer);
    return buffer;
}

const char *word_nearest(const ProtobufCEnumDescriptor *type, enum word_case kind, const char *text, char *buffer)
{
    static const char *const nothing[] = {NULL};
    char words[CANDIDATES_MAX][WORD_BYTES];
    const char *candidates[CANDIDATES_MAX + 1] = {NULL};
    size_t count = 0, prefix = prefix_bytes(type);
    for (unsigned i = 0; i < type->n_values && count < CANDIDATES_MAX; i++) {
        if (type->values[i].value == 0) continue;
        write_word(type->values[i].name + prefix, kind, words[count]);
        candidates[count] = words[count];
        count++;
    }
    const char *nearest = yaml_nearest(text, count ? candidates : nothing);
    if (!nearest) return NULL;
    snprintf(buffer, WORD_BYTES, "%s", nearest);
    return buffer;
}

const char *word_nearest_field(const ProtobufCMessageDescriptor *type, const char *text)
{
    const char *candidates[CANDIDATES_MAX + 1] = {NULL};
    for (unsigned i = 0; i < type->n_fields && i < CANDIDATES_MAX; i++) candidates[i] = type->fields[i].name;
    return yaml_nearest(text, candidates);
}

bool word_is_name(const char *text, char joint)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes > NAME_MAX_BYTES || !islower((unsigned char)text[0])) return false;
    for (size_t i = 1; i < bytes; i++)
        if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != joint) return false;
    return true;
}

void word_explain(struct parse_error *error, size_t offset, const char *nearest, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(error->sentence, sizeof error->sentence, format, args);
    va_end(args);
    error->offset = offset;
    if (!nearest || bytes < 0 || (size_t)bytes >= sizeof error->sentence) return;
    snprintf(error->sentence + bytes, sizeof error->sentence - (size_t)bytes, "; did you mean \"%s\"?", nearest);
}
