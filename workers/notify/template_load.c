/* Reads a folder of templates and refuses what is wrong in them, with file, line and sentence. See template.h. */
#include "notify/template_parts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "notify/text.h"

enum { FAULT_BYTES = 400 };

/* Where the reading is: its file, and the line of it. */
struct reading {
    struct template_set *set;
    struct template_error *error;
    const char *path;
    unsigned number;
};

static int refuse(const struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(const struct reading *reading, const char *format, ...)
{
    char sentence[FAULT_BYTES], place[16] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (reading->number) snprintf(place, sizeof place, ":%u", reading->number);
    snprintf(reading->error->sentence, sizeof reading->error->sentence, "%.150s%s: %.340s", reading->path, place,
             sentence);
    return -1;
}

/* --- a file --------------------------------------------------------------------------------------------------------
 */

/* The set keeps the text. A mark at the beginning and CR at the ends of lines are what some editors write. */
static int read_text(struct reading *reading, char **ret_text)
{
    if (reading->set->text_count == TEMPLATE_FILES_MAX) return refuse(reading, "there are too many files");
    FILE *file = fopen(reading->path, "re");
    if (!file) return refuse(reading, "cannot be read: %s", strerror(errno));
    char *text = calloc(1, TEMPLATE_FILE_MAX_BYTES + 1);
    size_t bytes = text ? fread(text, 1, TEMPLATE_FILE_MAX_BYTES + 1, file) : 0;
    fclose(file);
    if (!text) return refuse(reading, "there is not enough memory");
    reading->set->texts[reading->set->text_count++] = text;
    if (bytes > TEMPLATE_FILE_MAX_BYTES) return refuse(reading, "the file has more than 64 KiB");
    if (strlen(text) != bytes || !text_is_clean(text, "\r\n\t")) {
        return refuse(reading, "the text is not UTF-8, or holds control characters");
    }
    *ret_text = strncmp(text, "\xef\xbb\xbf", 3) ? text : text + 3;
    return 0;
}

/* The next line, without what ends it; NULL at the end. */
static char *next_line(struct reading *reading, char **rest)
{
    char *line = *rest && **rest ? strsep(rest, "\n") : NULL;
    if (!line) return NULL;
    reading->number++;
    for (size_t len = strlen(line); len && (isspace((unsigned char)line[len - 1])); len--) line[len - 1] = '\0';
    return line;
}

/* "Key: value"; the key's length, and the value. */
static bool split(char *line, char **ret_value)
{
    char *colon = strchr(line, ':');
    if (!colon) return false;
    *colon = '\0';
    *ret_value = colon + 1 + strspn(colon + 1, " ");
    return true;
}

/* --- a template -------------------------------------------------------------------------------------------------- */

static void template_free(struct template **template)
{
    if (!*template) return;
    line_free(&(*template)->subject);
    for (size_t i = 0; i < (*template)->part_count; i++) line_free(&(*template)->item[i]);
    for (size_t i = 0; i < (*template)->count; i++) line_free(&(*template)->body[i]);
    free((*template)->body);
    free(*template);
    *template = NULL;
}

static int read_line(struct reading *reading, const char *text, uint32_t allowed, struct line *line)
{
    char fault[FAULT_BYTES];
    if (!line_parse(text, field_names, FIELDS, allowed, line, fault, sizeof fault)) return 0;
    return refuse(reading, "%s", fault);
}

/* Each Item line is a line of the item. */
static int read_item(struct reading *reading, char *text, uint32_t allowed, struct template *template)
{
    size_t begin = template->part_count;
    while (text) {
        char *end = strstr(text, " | "), *next = end ? end + 3 : NULL;
        if (end) *end = '\0';
        if (template->part_count == TEMPLATE_PARTS_MAX) {
            return refuse(reading, "Item: has more than %d parts", TEMPLATE_PARTS_MAX);
        }
        if (read_line(reading, text, allowed, &template->item[template->part_count])) return -1;
        template->begins_line[template->part_count] = template->part_count == begin;
        template->part_count++;
        text = next;
    }
    return 0;
}

static int read_head_line(struct reading *reading, char *line, const struct kind_fields *fields,
                          struct template *template)
{
    char *value = NULL;
    bool is_split = split(line, &value);
    bool is_subject = is_split && !strcmp(line, "Subject"), is_item = is_split && !strcmp(line, "Item");
    if (is_item && !fields->item) return refuse(reading, "%s has no list, and so no Item line", fields->name);
    if (!is_subject && !is_item) {
        return refuse(reading, "before the first empty line there are Subject:%s and lines with # alone",
                      fields->item ? ", Item:" : "");
    }
    if (is_subject && template->subject.count) {
        return refuse(reading, "%s: is here a second time", line);
    }
    if (!*value) return refuse(reading, "%s: is empty", line);
    if (is_item) return read_item(reading, value, fields->item, template);
    return read_line(reading, value, fields->subject, &template->subject);
}

static int read_head(struct reading *reading, char **rest, const struct kind_fields *fields, struct template *template)
{
    for (char *line; (line = next_line(reading, rest)) && *line;) {
        if (*line != '#' && read_head_line(reading, line, fields, template)) return -1;
    }
    if (!template->subject.count) return refuse(reading, "there is no line Subject: at the top");
    return 0;
}

/* The list stands on lines of its own. */
static bool is_items_misplaced(const struct line *line)
{
    for (size_t i = 0; i < line->count; i++) {
        if (line->pieces[i].field == FIELD_ITEMS) return line->count != 1;
    }
    return false;
}

static bool is_items(const struct line *line)
{
    return line->count == 1 && line->pieces[0].field == FIELD_ITEMS;
}

static int read_body_line(struct reading *reading, const char *text, const struct kind_fields *fields,
                          struct template *template)
{
    struct line *line = &template->body[template->count];
    if (template->count == TEMPLATE_LINES_MAX)
        return refuse(reading, "the text has more than %d lines", TEMPLATE_LINES_MAX);
    if (read_line(reading, text, fields->body, line)) return -1;
    template->count++;
    if (is_items_misplaced(line)) return refuse(reading, "{items} must stand alone on its line");
    if (is_items(line) && !template->part_count) return refuse(reading, "{items} wants a line Item: at the top");
    return 0;
}

static int read_body(struct reading *reading, char *rest, const struct kind_fields *fields, struct template *template)
{
    for (char *line; (line = next_line(reading, &rest));) {
        if (read_body_line(reading, line, fields, template)) return -1;
    }
    while (template->count && !template->body[template->count - 1].count) line_free(&template->body[--template->count]);
    return template->count ? 0 : refuse(reading, "there is no text below the first empty line");
}

static int read_template(struct reading *reading, char *text, enum template_kind kind, struct template **ret_template)
{
    struct template *template = calloc(1, sizeof *template);
    if (template) template->body = calloc(TEMPLATE_LINES_MAX, sizeof *template->body);
    if (!template || !template->body) {
        free(template);
        return refuse(reading, "there is not enough memory");
    }
    const struct kind_fields *fields = &kind_fields[kind];
    if (read_head(reading, &text, fields, template) || read_body(reading, text, fields, template)) {
        template_free(&template);
        return -1;
    }
    template_free(ret_template);
    *ret_template = template;
    return 0;
}

/* --- words ------------------------------------------------------------------------------------------------------- */

static void words_free(struct language_words **words)
{
    if (!*words) return;
    line_free(&(*words)->day);
    line_free(&(*words)->time);
    free(*words);
    *words = NULL;
}

static int fill_words(struct reading *reading, char *rest, struct language_words *words)
{
    char fault[FAULT_BYTES];
    for (char *line, *value; (line = next_line(reading, &rest));) {
        if (!*line || *line == '#') continue;
        if (!split(line, &value) || !*value)
            return refuse(reading, "a line here is a key, a colon and the words for it");
        if (words_read(words, line, value, fault, sizeof fault)) return refuse(reading, "%s", fault);
    }
    reading->number = 0;
    const char *missing = words_lack(words);
    return missing ? refuse(reading, "it lacks %s", missing) : 0;
}

static int read_words(struct reading *reading, char *text, struct language_words **ret_words)
{
    struct language_words *words = calloc(1, sizeof *words);
    if (!words) return refuse(reading, "there is not enough memory");
    if (fill_words(reading, text, words)) {
        words_free(&words);
        return -1;
    }
    words_free(ret_words);
    *ret_words = words;
    return 0;
}

/* --- a folder ---------------------------------------------------------------------------------------------------- */

/* "reminder-details.es-MX.txt" */
struct file_name {
    char kind[64], tag[TEMPLATE_TAG_BYTES];
};

static bool is_tag(const char *tag)
{
    size_t len = 0;
    while (isalnum((unsigned char)tag[len]) || tag[len] == '-') len++;
    return len >= 2 && !tag[len] && isalpha((unsigned char)tag[0]);
}

static bool read_name(const char *name, struct file_name *ret)
{
    int end = 0;
    return sscanf(name, "%63[^.].%35[^.].txt%n", ret->kind, ret->tag, &end) == 2 && end && !name[end] &&
           is_tag(ret->tag);
}

static int find_kind(const char *name)
{
    for (int kind = 0; kind < TEMPLATE_KINDS; kind++) {
        if (!strcmp(kind_fields[kind].name, name)) return kind;
    }
    return -1;
}

static struct language *language_of(struct template_set *set, const char *tag)
{
    for (size_t i = 0; i < set->language_count; i++) {
        if (!strcasecmp(set->languages[i].tag, tag)) return &set->languages[i];
    }
    if (set->language_count == TEMPLATE_LANGUAGES_MAX) return NULL;
    struct language *language = &set->languages[set->language_count++];
    snprintf(language->tag, sizeof language->tag, "%s", tag);
    return language;
}

static int refuse_kind(struct reading *reading, const char *kind)
{
    char kinds[300] = "words";
    size_t len = strlen(kinds);
    for (int i = 0; i < TEMPLATE_KINDS && len < sizeof kinds; i++) {
        len += (size_t)snprintf(kinds + len, sizeof kinds - len, ", %s", kind_fields[i].name);
    }
    return refuse(reading, "there is no kind \"%s\"; there are %s", kind, kinds);
}

static int read_file(struct reading *reading, const char *name)
{
    struct file_name parts;
    char *text = NULL;
    if (!read_name(name, &parts))
        return refuse(reading, "a template's file is called KIND.LANGUAGE.txt, as notice.en.txt");
    bool is_words = !strcmp(parts.kind, "words");
    int kind = find_kind(parts.kind);
    if (!is_words && kind < 0) return refuse_kind(reading, parts.kind);
    if (read_text(reading, &text)) return -1;
    struct language *language = language_of(reading->set, parts.tag);
    if (!language) return refuse(reading, "there are more than %d languages", TEMPLATE_LANGUAGES_MAX);
    if (is_words) return read_words(reading, text, &language->words);
    return read_template(reading, text, (enum template_kind)kind, &language->templates[kind]);
}

static int is_text_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 4 && !strcmp(entry->d_name + len - 4, ".txt");
}

static int read_folder(struct template_set *set, const char *folder, struct template_error *error)
{
    struct dirent **entries = NULL;
    struct reading reading = {set, error, folder, 0};
    int count = scandir(folder, &entries, is_text_file, alphasort), code = 0;
    if (count < 0) return refuse(&reading, "the folder of templates cannot be read: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        reading.path = path;
        reading.number = 0;
        if (!code) code = read_file(&reading, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return code;
}

/* --- the set ----------------------------------------------------------------------------------------------------- */

static bool has_template(const struct language *language)
{
    for (int kind = 0; kind < TEMPLATE_KINDS; kind++) {
        if (language->templates[kind]) return true;
    }
    return false;
}

/* Every kind in the default language, and words of its own, or of the language that it is a kind of, for each other. */
static int check(const struct template_set *set, const char *folder, struct template_error *error)
{
    struct reading reading = {NULL, error, folder, 0};
    const struct language *usual = &set->languages[set->default_language];
    for (int kind = 0; kind < TEMPLATE_KINDS; kind++) {
        if (!usual->templates[kind]) {
            return refuse(&reading, "there is no %s.%s.txt, and %s is the default language", kind_fields[kind].name,
                          usual->tag, usual->tag);
        }
    }
    if (!usual->words) return refuse(&reading, "there is no words.%s.txt", usual->tag);
    for (size_t i = 0; i < set->language_count; i++) {
        const struct language *language = &set->languages[i];
        const struct language *words = language_with_words(set, language->tag);
        size_t len = strlen(words->tag);
        bool is_its_own =
            !strncasecmp(words->tag, language->tag, len) && (!language->tag[len] || language->tag[len] == '-');
        if (has_template(language) && !is_its_own) return refuse(&reading, "there is no words.%s.txt", language->tag);
    }
    return 0;
}

static int fill(struct template_set *set, const char *folder, const char *own_folder, const char *default_language,
                struct template_error *error)
{
    struct reading reading = {set, error, folder, 0};
    if (!is_tag(default_language) || strlen(default_language) >= TEMPLATE_TAG_BYTES) {
        return refuse(&reading, "\"%s\" is no tag of a language, such as en or es-MX", default_language);
    }
    set->default_language = (size_t)(language_of(set, default_language) - set->languages);
    if (read_folder(set, folder, error) || (own_folder && read_folder(set, own_folder, error))) return -1;
    return check(set, folder, error);
}

int templates_load(const char *folder, const char *own_folder, const char *default_language,
                   struct template_set **ret_set, struct template_error *error)
{
    struct template_set *set = calloc(1, sizeof *set);
    if (!set) {
        snprintf(error->sentence, sizeof error->sentence, "there is not enough memory");
        return -1;
    }
    if (fill(set, folder, own_folder, default_language, error)) {
        templates_free(&set);
        return -1;
    }
    *ret_set = set;
    return 0;
}

void templates_free(struct template_set **set)
{
    if (!*set) return;
    for (size_t i = 0; i < (*set)->language_count; i++) {
        for (int kind = 0; kind < TEMPLATE_KINDS; kind++) template_free(&(*set)->languages[i].templates[kind]);
        words_free(&(*set)->languages[i].words);
    }
    for (size_t i = 0; i < (*set)->text_count; i++) free((*set)->texts[i]);
    free(*set);
    *set = NULL;
}
