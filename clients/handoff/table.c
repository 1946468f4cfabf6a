/* Tables for people: a thin hand on libsmartcols that leaves its errors in one place. */
#include "table.h"
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void check(bool is_done)
{
    if (!is_done) exit(cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY)));
}

struct libscols_table *table_open(const struct column *columns, size_t count)
{
    struct libscols_table *table = scols_new_table();
    check(table != NULL);
    for (size_t i = 0; i < count; i++) {
        int flags = (columns[i].is_wrapped ? SCOLS_FL_WRAP : 0) | (columns[i].is_tree ? SCOLS_FL_TREE : 0) |
                    (columns[i].is_right ? SCOLS_FL_RIGHT : 0);
        double width_hint = columns[i].is_wrapped ? 0.4 : 1;
        check(scols_table_new_column(table, columns[i].name, width_hint, flags) != NULL);
    }
    return table;
}

struct libscols_line *table_line(struct libscols_table *table, struct libscols_line *parent)
{
    struct libscols_line *line = scols_table_new_line(table, parent);
    check(line != NULL);
    return line;
}

void table_cell(struct libscols_line *line, size_t column, const char *text)
{
    check(scols_line_set_data(line, column, text ? text : "") == 0);
}

void table_cellf(struct libscols_line *line, size_t column, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    check(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    check(scols_line_refer_data(line, column, text) == 0);
}

void table_print(struct libscols_table *table, const char *title, const char *if_empty)
{
    bool is_empty = scols_table_is_empty(table);
    if (!is_empty && title) printf("\n%s\n", title);
    fflush(stdout);
    if (!is_empty) scols_print_table(table);
    if (is_empty && if_empty) puts(if_empty);
    scols_unref_table(table);
}
