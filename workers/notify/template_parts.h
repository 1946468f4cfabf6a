/* What template_load.c reads and template.c renders. Everything borrows from the files' own texts, which the set keeps.
 */
#ifndef HANDOFF_NOTIFY_TEMPLATE_PARTS_H
#define HANDOFF_NOTIFY_TEMPLATE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notify/template.h"

enum {
    TEMPLATE_LANGUAGES_MAX = 32,
    TEMPLATE_TAG_BYTES = 36,
    TEMPLATE_LINES_MAX = 200,
    TEMPLATE_PARTS_MAX = 12, /* of an Item line */
    TEMPLATE_FILE_MAX_BYTES = 64 * 1024,
    TEMPLATE_FILES_MAX = 1000,
    WORDS_MAX = 256, /* values of an enum that can have words */
};

/* Text, or a field's place in it. */
struct piece {
    const char *text;
    size_t len;
    int field; /* -1: the text */
};
struct line {
    struct piece *pieces;
    size_t count;
    bool has_fields;
};
struct template
{
    struct line subject, *body;
    size_t count;
    struct line item[TEMPLATE_PARTS_MAX]; /* between its " | " */
    bool begins_line[TEMPLATE_PARTS_MAX]; /* each of its Item lines does */
    size_t part_count;
};
enum date_field {
    DATE_WEEKDAY,
    DATE_MONTH,
    DATE_DAY,
    DATE_YEAR,
    TIME_HOUR,
    TIME_HOUR12,
    TIME_MINUTE,
    TIME_HALF,
    DATE_FIELDS
};
struct language_words {
    struct line day, time;
    const char *weekdays[7]; /* from Monday */
    const char *months[12];
    const char *halves[2]; /* before noon, after noon */
    const char *of[WORDS_GROUPS][WORDS_MAX];
};
struct language {
    char tag[TEMPLATE_TAG_BYTES];
    struct template *templates[TEMPLATE_KINDS];
    struct language_words *words;
};
struct template_set {
    struct language languages[TEMPLATE_LANGUAGES_MAX];
    size_t language_count;
    size_t default_language;
    char *texts[TEMPLATE_FILES_MAX]; /* of the files */
    size_t text_count;
};

/* --- template_fields.c: what each kind may say ------------------------------------------------------------------ */

/* Bits 1 << enum template_field. */
struct kind_fields {
    const char *name;
    uint32_t subject, body, item; /* item 0: this kind has no list */
};
extern const struct kind_fields kind_fields[TEMPLATE_KINDS];
extern const char *const field_names[FIELDS];
extern const char *const date_field_names[DATE_FIELDS];
/* "severity", "role", ...; and the enum whose values have words. */
extern const char *const word_groups[WORDS_GROUPS];
extern const struct ProtobufCEnumDescriptor *const word_enums[WORDS_GROUPS];

/* --- template_line.c --------------------------------------------------------------------------------------------- */

/* Takes "Call {number}." apart. `allowed` has a bit for each of the names. -1: *ret_fault says what is wrong with it,
 * in a text of `fault_size`. */
int line_parse(const char *text, const char *const *names, size_t name_count, uint32_t allowed, struct line *ret_line,
               char *fault, size_t fault_size);
void line_free(struct line *line);

/* --- template_words.c -------------------------------------------------------------------------------------------- */

/* One line of words.LANG.txt, its text lasting as long as the set. -1: fault says what is wrong. */
int words_read(struct language_words *words, char *key, char *value, char *fault, size_t fault_size);
/* What is missing; NULL: nothing. */
const char *words_lack(const struct language_words *words);

/* The language itself, or the nearest that has what is asked for; NULL: not even the default one has. */
const struct language *language_with_template(const struct template_set *set, const char *tag, enum template_kind kind);
const struct language *language_with_words(const struct template_set *set, const char *tag);

#endif
