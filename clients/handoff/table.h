/* Tables for people, on libsmartcols. On a terminal long sentences are wrapped; elsewhere a line stays a
 * line. */
#ifndef HANDOFF_TABLE_H
#define HANDOFF_TABLE_H

#include <libsmartcols/libsmartcols.h>
#include <stdbool.h>

struct column {
    const char *name;
    double share;  /* of the terminal's width, beyond which sentences are wrapped; 0: never */
    bool is_tree;  /* shows which line belongs to which */
    bool is_right; /* numbers */
};

/* Ends the process without memory, like everything here. */
struct libscols_table *table_open(const struct column *columns, size_t count);
/* `parent` NULL: a line of its own. */
struct libscols_line *table_line(struct libscols_table *table, struct libscols_line *parent);
/* Copies the text; NULL is empty. */
void table_cell(struct libscols_line *line, size_t column, const char *text);
__attribute__((format(printf, 3, 4))) void table_cellf(struct libscols_line *line, size_t column,
                                                       const char *format, ...);
/* Prints and frees; columns without any text are left out. `title` may be NULL; with one, an empty table is
 * left out, otherwise `if_empty` is said.
 */
void table_print(struct libscols_table *table, const char *title, const char *if_empty);

#endif
