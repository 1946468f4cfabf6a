/* words.LANG.txt: how a language writes days and times, and its words for what the daemon has codes for. */
#include "notify/template_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handoff.h"

enum { NAME_MAX_BYTES = 24, FORM_MAX_BYTES = 60 };
static_assert(2 * NAME_MAX_BYTES + FORM_MAX_BYTES + 12 < TEMPLATE_TIME_BYTES, "no character is cut");

enum {
    DATE_BITS = 1u << DATE_WEEKDAY | 1u << DATE_MONTH | 1u << DATE_DAY | 1u << DATE_YEAR,
    TIME_BITS = 1u << TIME_HOUR | 1u << TIME_HOUR12 | 1u << TIME_MINUTE | 1u << TIME_HALF
};

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* Days and times are written where there is room for TEMPLATE_TIME_BYTES. */
static int say_long(char *fault, size_t fault_size)
{
    snprintf(fault, fault_size, "a name must have 1 to %d bytes, and a form no more than %d", NAME_MAX_BYTES,
             FORM_MAX_BYTES);
    return -1;
}

static int read_list(char *value, const char **ret_names, size_t count, char *fault, size_t fault_size)
{
    size_t found = 0;
    for (char *rest = value, *name; (name = strsep(&rest, ",")); found++) {
        name += strspn(name, " ");
        if (!*name || strlen(name) > NAME_MAX_BYTES) return say_long(fault, fault_size);
        if (found < count) ret_names[found] = name;
    }
    if (found == count) return 0;
    snprintf(fault, fault_size, "there must be %zu names with commas between them, and there are %zu", count, found);
    return -1;
}

static int read_format(const char *value, uint32_t allowed, struct line *line, char *fault, size_t fault_size)
{
    if (strlen(value) > FORM_MAX_BYTES) return say_long(fault, fault_size);
    line_free(line);
    return line_parse(value, date_field_names, DATE_FIELDS, allowed, line, fault, fault_size);
}

/* "task call-family" */
static int read_word(struct language_words *words, char *key, const char *value, char *fault, size_t fault_size)
{
    char *code = strchr(key, ' ');
    for (size_t group = 0; code && group < WORDS_GROUPS; group++) {
        if (strlen(word_groups[group]) != (size_t)(code - key) || memcmp(key, word_groups[group], (size_t)(code - key)))
            continue;
        const ProtobufCEnumValue *found = handoff_enum_find(word_enums[group], code + 1);
        if (!found || found->value <= 0 || found->value >= WORDS_MAX) {
            snprintf(fault, fault_size, "there is no %s \"%s\"", word_groups[group], code + 1);
            return -1;
        }
        words->of[group][found->value] = value;
        return 0;
    }
    snprintf(
        fault, fault_size,
        "\"%s\" is unknown here; there are day, time, weekdays, months, before noon, after noon, and severity, role, "
        "task, change, escalation with a code behind them",
        key);
    return -1;
}

int words_read(struct language_words *words, char *key, char *value, char *fault, size_t fault_size)
{
    if (!strcmp(key, "day")) return read_format(value, DATE_BITS, &words->day, fault, fault_size);
    if (!strcmp(key, "time")) return read_format(value, TIME_BITS, &words->time, fault, fault_size);
    if (!strcmp(key, "weekdays")) return read_list(value, words->weekdays, 7, fault, fault_size);
    if (!strcmp(key, "months")) return read_list(value, words->months, 12, fault, fault_size);
    bool is_before = !strcmp(key, "before noon");
    if (!is_before && strcmp(key, "after noon")) return read_word(words, key, value, fault, fault_size);
    if (strlen(value) > NAME_MAX_BYTES) return say_long(fault, fault_size);
    words->halves[!is_before] = value;
    return 0;
}

static bool uses(const struct line *line, int field)
{
    for (size_t i = 0; i < line->count; i++) {
        if (line->pieces[i].field == field) return true;
    }
    return false;
}

const char *words_lack(const struct language_words *words)
{
    if (!words->day.count) return "day";
    if (!words->time.count) return "time";
    if (uses(&words->day, DATE_WEEKDAY) && !words->weekdays[0]) return "weekdays";
    if (uses(&words->day, DATE_MONTH) && !words->months[0]) return "months";
    bool has_halves = words->halves[0] && words->halves[1];
    return uses(&words->time, TIME_HALF) && !has_halves ? "before noon, after noon" : NULL;
}

/* --- using ------------------------------------------------------------------------------------------------------- */

const char *template_word(const struct template_set *set, const char *language, enum template_words group, int value)
{
    if (value <= 0) return "";
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(word_enums[group], value);
    if (!found) return "";
    if (value >= WORDS_MAX) return found->name;
    const struct language *own = language_with_words(set, language);
    const char *word = own->words->of[group][value];
    if (!word) word = set->languages[set->default_language].words->of[group][value];
    return word ? word : found->name;
}

static int write_date_field(const struct language_words *words, int field, const struct tm *tm, char *text, size_t size)
{
    switch ((enum date_field)field) {
    case DATE_WEEKDAY:
        return snprintf(text, size, "%s", words->weekdays[(tm->tm_wday + 6) % 7]);
    case DATE_MONTH:
        return snprintf(text, size, "%s", words->months[tm->tm_mon]);
    case DATE_DAY:
        return snprintf(text, size, "%d", tm->tm_mday);
    case DATE_YEAR:
        return snprintf(text, size, "%d", tm->tm_year + 1900);
    case TIME_HOUR:
        return snprintf(text, size, "%02d", tm->tm_hour);
    case TIME_HOUR12:
        return snprintf(text, size, "%d", (tm->tm_hour + 11) % 12 + 1);
    case TIME_MINUTE:
        return snprintf(text, size, "%02d", tm->tm_min);
    case TIME_HALF:
        return snprintf(text, size, "%s", words->halves[tm->tm_hour >= 12]);
    case DATE_FIELDS:
        break;
    }
    return 0;
}

static void write_moment(const struct language_words *words, const struct line *format, const struct tm *tm,
                         char text[TEMPLATE_TIME_BYTES])
{
    size_t len = 0;
    for (size_t i = 0; i < format->count && len < TEMPLATE_TIME_BYTES; i++) {
        const struct piece *piece = &format->pieces[i];
        size_t left = TEMPLATE_TIME_BYTES - len;
        int written = piece->field < 0 ? snprintf(text + len, left, "%.*s", (int)piece->len, piece->text)
                                       : write_date_field(words, piece->field, tm, text + len, left);
        len += written > 0 ? (size_t)written : 0;
    }
}

void template_day(const struct template_set *set, const char *language, const struct zone *zone, int64_t at_ms,
                  char text[TEMPLATE_TIME_BYTES])
{
    const struct language_words *words = language_with_words(set, language)->words;
    struct tm tm = zone_local(zone, at_ms);
    write_moment(words, &words->day, &tm, text);
}

void template_time(const struct template_set *set, const char *language, const struct zone *zone, int64_t at_ms,
                   char text[TEMPLATE_TIME_BYTES])
{
    const struct language_words *words = language_with_words(set, language)->words;
    struct tm tm = zone_local(zone, at_ms);
    write_moment(words, &words->time, &tm, text);
}
