/* Rendering. See template.h. */
#include "notify/template_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- which language ---------------------------------------------------------------------------------------------- */

static const struct language *find_language(const struct template_set *set, const char *tag, size_t len)
{
    for (size_t i = 0; i < set->language_count; i++) {
        const struct language *language = &set->languages[i];
        if (strlen(language->tag) == len && !strncasecmp(language->tag, tag, len)) return language;
    }
    return NULL;
}

/* "zh-Hant-TW", "zh-Hant", "zh", then the default: the first that `has` what is asked for. */
static const struct language *nearest(const struct template_set *set, const char *tag,
                                      bool (*has)(const struct language *language, int what), int what)
{
    size_t len = tag ? strlen(tag) : 0;
    while (len) {
        const struct language *language = find_language(set, tag, len);
        if (language && has(language, what)) return language;
        while (len && tag[--len] != '-') {
        }
    }
    return &set->languages[set->default_language];
}

static bool has_template(const struct language *language, int kind)
{
    return language->templates[kind];
}

static bool has_words(const struct language *language, int what)
{
    (void)what;
    return language->words;
}

const struct language *language_with_template(const struct template_set *set, const char *tag, enum template_kind kind)
{
    return nearest(set, tag, has_template, (int)kind);
}

const struct language *language_with_words(const struct template_set *set, const char *tag)
{
    return nearest(set, tag, has_words, 0);
}

const char *template_language(const struct template_set *set, enum template_kind kind, const char *language)
{
    return language_with_template(set, language, kind)->tag;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static const char *value_of(const struct template_values *values, int field)
{
    return values->text[field] ? values->text[field] : "";
}

/* What comes from outside stays on its line; a notice of several lines keeps them in the text. */
static void write_value(FILE *out, const char *value, bool keeps_lines)
{
    for (; *value; value++) {
        bool is_control = (unsigned char)*value < ' ' || *value == 0x7f;
        fputc(is_control && !(keeps_lines && *value == '\n') ? ' ' : *value, out);
    }
}

static void write_line(FILE *out, const struct line *line, const struct template_values *values, bool keeps_lines)
{
    for (size_t i = 0; i < line->count; i++) {
        const struct piece *piece = &line->pieces[i];
        if (piece->field < 0) {
            fwrite(piece->text, 1, piece->len, out);
        } else {
            write_value(out, value_of(values, piece->field), keeps_lines);
        }
    }
}

/* "Reason: {reason}" without a reason says nothing and is left out. */
static bool is_said(const struct line *line, const struct template_values *values)
{
    for (size_t i = 0; i < line->count; i++) {
        if (line->pieces[i].field >= 0 && *value_of(values, line->pieces[i].field)) return true;
    }
    return !line->has_fields;
}

static bool is_items(const struct line *line)
{
    return line->count == 1 && line->pieces[0].field == FIELD_ITEMS;
}

/* Of an item, the parts that say something; its further lines stand under the first, a little to the right. */
static void write_item(FILE *out, const struct template *template, const struct template_values *values)
{
    bool is_first = true, is_new_line = true;
    for (size_t i = 0; i < template->part_count; i++) {
        is_new_line |= template->begins_line[i];
        if (!is_said(&template->item[i], values)) continue;
        fputs(is_first ? "" : is_new_line ? "\n  " : " | ", out);
        write_line(out, &template->item[i], values, false);
        is_first = is_new_line = false;
    }
    fputc('\n', out);
}

static bool has_several_lines(const struct template *template)
{
    for (size_t i = 1; i < template->part_count; i++)
        if (template->begins_line[i]) return true;
    return false;
}

static void write_items(FILE *out, const struct template *template, const struct template_values *values)
{
    for (size_t i = 0; i < values->item_count; i++) {
        if (i && has_several_lines(template)) fputc('\n', out);
        write_item(out, template, &values->items[i]);
    }
}

/* Of what is left out, the empty line before it is left out too where one follows. */
static void write_body(FILE *out, const struct template *template, const struct template_values *values)
{
    bool is_first = true, is_waiting = false;
    for (size_t i = 0; i < template->count; i++) {
        const struct line *line = &template->body[i];
        bool is_empty = !line->count, is_list = is_items(line);
        if (is_empty) is_waiting = !is_first;
        if (is_empty || (is_list ? !values->item_count : !is_said(line, values))) continue;
        if (is_waiting) fputc('\n', out);
        is_waiting = is_first = false;
        if (is_list) {
            write_items(out, template, values);
            continue;
        }
        write_line(out, line, values, true);
        fputc('\n', out);
    }
}

/* "Escalation: {task}" without a task ends before the colon. */
static void end_subject(char *text)
{
    size_t len = strlen(text);
    while (len && strchr(" :,-", text[len - 1])) len--;
    text[len] = '\0';
}

static char *written(const struct template *template, const struct template_values *values, bool is_subject)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    if (is_subject) {
        write_line(out, &template->subject, values, false);
    } else {
        write_body(out, template, values);
    }
    bool is_bad = ferror(out);
    if (fclose(out) || is_bad) {
        free(text);
        return NULL;
    }
    if (is_subject) end_subject(text);
    return text;
}

int template_render(const struct template_set *set, enum template_kind kind, const char *language,
                    const struct template_values *values, struct rendered *ret_rendered)
{
    const struct language *found = language_with_template(set, language, kind);
    const struct template *template = found->templates[kind];
    struct rendered rendered = {.subject = written(template, values, true), .body = written(template, values, false)};
    if (!rendered.subject || !rendered.body) {
        rendered_free(&rendered);
        return -1;
    }
    snprintf(rendered.language, sizeof rendered.language, "%s", found->tag);
    *ret_rendered = rendered;
    return 0;
}

void rendered_free(struct rendered *rendered)
{
    free(rendered->subject);
    free(rendered->body);
    *rendered = (struct rendered){0};
}
