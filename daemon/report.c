/* See report.h. */
#define HANDOFF_MAY_READ_CLOCK
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/calendar.h"
#include "engine/clock.h"

#include "base/banned.h"

enum { PATH_BYTES = 4096, CELL_BYTES = 256, BAR_CELLS = 40 };

/* --- folder ------------------------------------------------------------------------------------------------------- */

struct journal *report_open_folder(const char *command, const char *folder)
{
    char path[PATH_BYTES];
    struct journal *journal;
    struct journal_options options = {.is_read_only = 1};
    snprintf(path, sizeof path, "%s/journal", folder);
    int code = journal_lmdb_open(path, &options, &journal);
    if (code) {
        fprintf(stderr, "handoffd %s: the journal in %s does not open: %s\n", command, folder,
                code == JOURNAL_E_NOT_FOUND ? "there is none" : journal_error(code));
        return NULL;
    }
    snprintf(path, sizeof path, "%s/endpoints", folder);
    if (access(path, F_OK) == 0)
        fprintf(stderr, "A daemon serves %s: it is not disturbed, and what comes after entry %llu is not looked at.\n",
                folder, (unsigned long long)journal_last_sequence(journal));
    return journal;
}

/* --- progress ----------------------------------------------------------------------------------------------------- */

void report_progress_begin(struct report_progress *p)
{
    *p = (struct report_progress){.is_shown = isatty(STDERR_FILENO), .began_ns = clock_machine_ns()};
}

void report_progress_draw(struct report_progress *p, uint64_t done, uint64_t total)
{
    char bar[BAR_CELLS + 1];
    int64_t now_ns = p->is_shown ? clock_machine_ns() : 0;
    if (!p->is_shown || !total || now_ns - p->drawn_ns < 100 * INT64_C(1000000)) return;
    p->drawn_ns = now_ns;
    if (done > total) done = total;
    for (uint64_t i = 0; i < BAR_CELLS; i++) bar[i] = i * total < done * BAR_CELLS ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r[%s] %3d %%", bar, (int)(done * 100 / total));
    fflush(stderr);
}

double report_progress_end(struct report_progress *p)
{
    if (p->is_shown) fprintf(stderr, "\r%*s\r", BAR_CELLS + 10, "");
    return (double)(clock_machine_ns() - p->began_ns) / 1e9;
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

struct report_table {
    const struct report_column *columns;
    size_t column_count, cell_count, cell_max;
    char **cells;
};

struct report_table *report_table_new(const struct report_column *columns, size_t count)
{
    struct report_table *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->columns = columns;
    t->column_count = count;
    return t;
}

void report_cell(struct report_table *t, const char *format, ...)
{
    char text[CELL_BYTES];
    va_list arguments;
    if (!t) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (t->cell_count == t->cell_max) {
        size_t max = t->cell_max ? 2 * t->cell_max : 256;
        char **larger = realloc(t->cells, max * sizeof *larger);
        if (!larger) return;
        t->cells = larger;
        t->cell_max = max;
    }
    t->cells[t->cell_count++] = strdup(text);
}

static int width_of(const struct report_table *t, size_t column)
{
    size_t width = strlen(t->columns[column].name);
    for (size_t i = column; i < t->cell_count; i += t->column_count) {
        size_t bytes = t->cells[i] ? strlen(t->cells[i]) : 0;
        if (bytes > width) width = bytes;
    }
    return (int)width;
}

static void print_line(const struct report_table *t, const int *widths, char *const *cells, FILE *to)
{
    for (size_t c = 0; c < t->column_count; c++) {
        const char *text = cells ? cells[c] : t->columns[c].name;
        bool is_last = c + 1 == t->column_count;
        if (t->columns[c].is_right)
            fprintf(to, "%*s", widths[c], text ? text : "");
        else
            fprintf(to, "%-*s", is_last ? 0 : widths[c], text ? text : "");
        fputs(is_last ? "\n" : "  ", to);
    }
}

void report_table_end(struct report_table *t, FILE *to)
{
    int *widths = t ? calloc(t->column_count, sizeof *widths) : NULL;
    for (size_t c = 0; widths && c < t->column_count; c++) widths[c] = width_of(t, c);
    if (widths) print_line(t, widths, NULL, to);
    for (size_t i = 0; widths && i + t->column_count <= t->cell_count; i += t->column_count)
        print_line(t, widths, t->cells + i, to);
    for (size_t i = 0; t && i < t->cell_count; i++) free(t->cells[i]);
    if (t) free(t->cells);
    free(widths);
    free(t);
}

/* --- words ---------------------------------------------------------------------------------------------------------
 */

void report_json_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(to, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            fprintf(to, "\\u%04x", (unsigned)*c);
        else
            fputc(*c, to);
    }
    fputc('"', to);
}

uint32_t report_parse_date(const char *text)
{
    unsigned year, month, day;
    char rest;
    if (strlen(text) != 10 || sscanf(text, "%4u-%2u-%2u%c", &year, &month, &day, &rest) != 3) return 0;
    uint32_t date = year * 10000 + month * 100 + day;
    return date_is_valid(date) ? date : 0;
}
