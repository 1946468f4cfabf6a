/* Words for readers: see view.h. */
#include "engine/view.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

const char *view_format(struct arena *arena, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return arena_string(arena, text);
}

/* TaskKind names its values TASK_KIND_...: a letter for each of its own, and one more for each word. */
static size_t prefix_length(const char *enum_name)
{
    size_t length = 1;
    for (const char *at = enum_name; *at; at++)
        length += 1 + (at > enum_name && isupper((unsigned char)*at) ? 1 : 0);
    return length;
}

const char *view_word(struct arena *arena, const ProtobufCEnumDescriptor *of, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(of, value);
    if (known == NULL) return view_format(arena, "%d", value);
    size_t prefix = prefix_length(of->short_name);
    char *word = arena_string(arena, strlen(known->name) > prefix ? known->name + prefix : known->name);
    for (char *at = word; *at; at++)
        *at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
    return word;
}

const char *view_ordinal(struct arena *arena, uint32_t n)
{
    static const char *const endings[] = {"th", "st", "nd", "rd"};
    bool is_teen = n % 100 >= 11 && n % 100 <= 13;
    return view_format(arena, "%u%s", n, endings[!is_teen && n % 10 <= 3 ? n % 10 : 0]);
}

const char *view_rule_text(const struct pathway *pathway, uint32_t rule)
{
    if (pathway == NULL || rule >= pathway->rule_count) return NULL;
    const char *text = pathway->rules[rule].text;
    return text != NULL && text[0] != 0 ? text : NULL;
}

const struct pathway *view_pathway(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                   uint32_t episode)
{
    if (record == NULL || episode == 0) return NULL;
    for (size_t i = 0; i < record->n_episodes; i++)
        if (record->episodes[i]->number == episode) return rules_pathway(rules, record->episodes[i]->pathway);
    for (size_t i = 0; i < record->n_closed_episodes; i++)
        if (record->closed_episodes[i]->number == episode)
            return rules_pathway(rules, record->closed_episodes[i]->pathway);
    return NULL;
}
