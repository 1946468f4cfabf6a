/* Words: what happened in a step, or what should have, as texts that are compared; and the lines of the report. */
#include "pathway/scenario_inner.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- words --------------------------------------------------------------------------------------------------- */
void scenario_add_word(struct words *w, const char *format, ...)
{
    if (w->count == WORDS_MAX) { /* then nothing that is expected matches */
        snprintf(w->list[WORDS_MAX - 1], TEXT_BYTES, "and more than a step can show");
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->list[w->count++], TEXT_BYTES, format, arguments);
    va_end(arguments);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}
static void sort_words(struct words *w)
{
    qsort(w->list, w->count, TEXT_BYTES, by_text);
}

static bool is_same(struct words *a, struct words *b)
{
    sort_words(a);
    sort_words(b);
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (strcmp(a->list[i], b->list[i]) != 0) return false;
    return a->count == b->count;
}

static void join_words(const struct words *w, char *buffer, size_t bytes)
{
    size_t n = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < w->count && n < bytes; i++)
        n += (size_t)snprintf(buffer + n, bytes - n, "%s%s", i ? ", " : "", w->list[i]);
}

void scenario_read_words(struct yaml_node at, struct words *w)
{
    w->count = 0;
    for (size_t i = 0; i < yaml_size(at); i++) scenario_add_word(w, "%s", yaml_text(yaml_item(at, i)));
}

/* --- reporting ----------------------------------------------------------------------------------------------- */
void scenario_check(struct scenario *r, bool is_so, const char *format, ...)
{
    char what[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    bool is_beside = r->is_other || r->subject == SUBJECT_IS_SITE;
    if (r->is_other && is_so) return;
    unsigned number = r->report->passed + r->report->failed + 1;
    fprintf(r->report->tap, "%sok %u - %s%s%s, step %zu: %s\n", is_so ? "" : "not ", number, r->name,
            is_beside ? ", " : "", is_beside ? r->patient : "", r->step, what);
    if (is_so)
        r->report->passed++;
    else
        r->report->failed++;
}

void scenario_compare(struct scenario *r, const char *key, struct words *got, struct words *expected)
{
    char a[2048], b[2048];
    bool is_so = is_same(got, expected);
    join_words(got, a, sizeof a);
    join_words(expected, b, sizeof b);
    if (is_so)
        scenario_check(r, true, "%s: %s", key, b[0] ? b : "none");
    else
        scenario_check(r, false, "%s: expected [%s], got [%s]", key, b, a);
}
