/* What the commands that read a whole folder have in common: opening it read-only, a progress bar, tables and JSON. */
#ifndef HANDOFF_REPORT_H
#define HANDOFF_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "store/journal.h"

/* NULL: standard error says why. With a word on standard error if a daemon serves the folder. */
struct journal *report_open_folder(const char *command, const char *folder);

/* --- progress: on standard error, if that is a terminal ---------------------------------------------------------- */
struct report_progress {
    bool is_shown;
    int64_t drawn_ns, began_ns;
};
void report_progress_begin(struct report_progress *p);
void report_progress_draw(struct report_progress *p, uint64_t done, uint64_t total);
/* Clears the bar; how long it took. */
double report_progress_end(struct report_progress *p);

/* --- tables: columns as wide as their widest cell ----------------------------------------------------------------- */
struct report_column {
    const char *name;
    bool is_right; /* numbers */
};
struct report_table;
struct report_table *report_table_new(const struct report_column *columns, size_t count); /* NULL: no memory */
/* The next cell, from left to right and line by line. */
void report_cell(struct report_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints and frees. */
void report_table_end(struct report_table *t, FILE *to);

/* --- JSON ------------------------------------------------------------------------------------------------------------
 */
void report_json_text(FILE *to, const char *text);

/* 2026-02-28 as 20260228; 0: it is no date. */
uint32_t report_parse_date(const char *text);

#endif
