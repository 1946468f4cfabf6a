/* One line of a template, taken apart at its braces. See template_parts.h. */
#include "notify/template_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find_name(const char *const *names, size_t count, const char *text, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == len && !memcmp(names[i], text, len)) return (int)i;
    }
    return -1;
}

static void list_allowed(FILE *out, const char *const *names, size_t count, uint32_t allowed)
{
    const char *before = "";
    for (size_t i = 0; i < count; i++) {
        if (!(allowed >> i & 1)) continue;
        fprintf(out, "%s{%s}", before, names[i]);
        before = ", ";
    }
}

static int say_unknown(const char *text, size_t len, const char *const *names, size_t count, uint32_t allowed,
                       char *fault, size_t fault_size)
{
    FILE *out = fmemopen(fault, fault_size, "w");
    if (!out) return -1;
    fprintf(out, "{%.*s} %s here; there are ", (int)len, text,
            find_name(names, count, text, len) < 0 ? "is no field that I know" : "may not stand");
    list_allowed(out, names, count, allowed);
    fclose(out);
    return -1;
}

static void add(struct line *line, const char *text, size_t len, int field)
{
    if (!len) return;
    line->pieces[line->count++] = (struct piece){text, len, field};
    line->has_fields |= field >= 0;
}

/* Each brace makes two pieces at most: what is before it, and its field. */
static size_t pieces_most(const char *text)
{
    size_t count = 1;
    for (; *text; text++) count += *text == '{' ? 2 : 0;
    return count;
}

static int fill(struct line *line, const char *text, const char *const *names, size_t count, uint32_t allowed,
                char *fault, size_t fault_size)
{
    for (;;) {
        size_t len = strcspn(text, "{}");
        add(line, text, len, -1);
        text += len;
        if (!*text) return 0;
        size_t name_len = strcspn(text + 1, "{}");
        if (*text == '}' || text[1 + name_len] != '}') {
            snprintf(fault, fault_size, "a field is a name in braces, as {site}; a single brace cannot be written");
            return -1;
        }
        int field = find_name(names, count, text + 1, name_len);
        if (field < 0 || !(allowed >> field & 1)) {
            return say_unknown(text + 1, name_len, names, count, allowed, fault, fault_size);
        }
        add(line, text, name_len + 2, field);
        text += name_len + 2;
    }
}

int line_parse(const char *text, const char *const *names, size_t name_count, uint32_t allowed, struct line *ret_line,
               char *fault, size_t fault_size)
{
    struct line line = {.pieces = calloc(pieces_most(text), sizeof *line.pieces)};
    if (!line.pieces) {
        snprintf(fault, fault_size, "there is not enough memory");
        return -1;
    }
    if (fill(&line, text, names, name_count, allowed, fault, fault_size)) {
        line_free(&line);
        return -1;
    }
    *ret_line = line;
    return 0;
}

void line_free(struct line *line)
{
    free(line->pieces);
    *line = (struct line){0};
}
