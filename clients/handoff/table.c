/* Tables for people: a thin hand on libsmartcols that leaves its errors in one place. */
#include "table.h"
#include "cli.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LEAST_WRAP   16
#define TREE_WIDTH   2
#define COLUMNS_MOST 16

static void check(bool is_done)
{
    if (!is_done) exit(cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY)));
}

struct libscols_table *table_open(const struct column *columns, size_t count)
{
    struct libscols_table *table = scols_new_table();
    check(table != NULL);
    assert(count <= COLUMNS_MOST);
    for (size_t i = 0; i < count; i++) {
        bool is_wrapped = columns[i].share > 0;
        int flags = (is_wrapped ? SCOLS_FL_WRAP : 0) | (columns[i].is_tree ? SCOLS_FL_TREE : 0) |
                    (columns[i].is_right ? SCOLS_FL_RIGHT : 0);
        double width_hint = is_wrapped ? columns[i].share : 1;
        struct libscols_column *column = scols_table_new_column(table, columns[i].name, width_hint, flags);
        check(column != NULL);
        if (!is_wrapped) continue;
        scols_column_set_wrapfunc(column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
        scols_column_set_safechars(column, "\n");
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

static bool is_column_empty(struct libscols_table *table, size_t column)
{
    struct libscols_iter *lines = scols_new_iter(SCOLS_ITER_FORWARD);
    struct libscols_line *line = NULL;
    bool is_empty = true;
    check(lines != NULL);
    while (is_empty && scols_table_next_line(table, lines, &line) == 0) {
        const char *text = scols_cell_get_data(scols_line_get_cell(line, column));
        is_empty = !text || !*text;
    }
    scols_free_iter(lines);
    return is_empty;
}

/* What nobody has takes no room. */
static void hide_empty_columns(struct libscols_table *table)
{
    size_t count = scols_table_get_ncols(table);
    for (size_t i = 0; i < count; i++) {
        struct libscols_column *column = scols_table_get_column(table, i);
        if (is_column_empty(table, i)) scols_column_set_flags(column, SCOLS_FL_HIDDEN);
    }
}

/* Breaks lines at spaces, so that none is wider than `width` where a word allows it. Counts characters. */
static void wrap_words(char *text, size_t width)
{
    char *space = NULL;
    size_t column = 0, column_at_space = 0;
    for (char *at = text; *at; at++) {
        if (*at == ' ') {
            space = at;
            column_at_space = column;
        }
        bool is_continued = ((unsigned char)*at & 0xC0) == 0x80; /* of the character before */
        if (!is_continued) column++;
        if (column <= width || !space) continue;
        *space = '\n';
        column -= column_at_space + 1;
        space = NULL;
    }
}

static void wrap_column(struct libscols_table *table, size_t column, size_t width)
{
    struct libscols_iter *lines = scols_new_iter(SCOLS_ITER_FORWARD);
    struct libscols_line *line = NULL;
    check(lines != NULL);
    while (scols_table_next_line(table, lines, &line) == 0) {
        const char *text = scols_cell_get_data(scols_line_get_cell(line, column));
        char *wrapped = text ? strdup(text) : NULL;
        if (!wrapped) continue;
        wrap_words(wrapped, width);
        check(scols_line_refer_data(line, column, wrapped) == 0);
    }
    scols_free_iter(lines);
}

static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; text && *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static size_t column_width(struct libscols_table *table, size_t column)
{
    struct libscols_cell *header = scols_column_get_header(scols_table_get_column(table, column));
    struct libscols_iter *lines = scols_new_iter(SCOLS_ITER_FORWARD);
    struct libscols_line *line = NULL;
    size_t widest = text_width(scols_cell_get_data(header));
    check(lines != NULL);
    while (scols_table_next_line(table, lines, &line) == 0) {
        size_t width = text_width(scols_cell_get_data(scols_line_get_cell(line, column)));
        if (width > widest) widest = width;
    }
    scols_free_iter(lines);
    return widest;
}

/* Columns of the terminal, or those that COLUMNS asks for; 0: lines are not wrapped. */
static size_t choose_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col) return size.ws_col;
    long width = columns ? strtol(columns, NULL, 10) : 0;
    return width > 0 && width < 10000 ? (size_t)width : 0;
}

static bool is_shown(const struct libscols_column *column)
{
    return !scols_column_is_hidden(column);
}

/* What the columns take that are never wrapped, and the spaces between all. */
static size_t fixed_width(struct libscols_table *table, const bool *is_wrapped)
{
    size_t fixed = 0, count = scols_table_get_ncols(table);
    for (size_t i = 0; i < count; i++) {
        const struct libscols_column *column = scols_table_get_column(table, i);
        if (!is_shown(column)) continue;
        fixed += 1 + (scols_column_is_tree(column) ? TREE_WIDTH : 0);
        if (!is_wrapped[i]) fixed += column_width(table, i);
    }
    return fixed ? fixed - 1 : 0; /* none after the last */
}

/* What is left for a column by its share. */
static size_t shared_width(struct libscols_table *table, size_t column, size_t left, const bool *is_wrapped)
{
    double shares = 0;
    for (size_t i = 0; i < scols_table_get_ncols(table); i++) {
        if (is_wrapped[i]) shares += scols_column_get_whint(scols_table_get_column(table, i));
    }
    return (size_t)((double)left * scols_column_get_whint(scols_table_get_column(table, column)) / shares);
}

/* A column that needs less than its share is not wrapped; the others have the rest. */
static bool release_a_narrow_one(struct libscols_table *table, size_t left, bool *is_wrapped)
{
    for (size_t i = 0; i < scols_table_get_ncols(table); i++) {
        if (!is_wrapped[i] || column_width(table, i) > shared_width(table, i, left, is_wrapped)) continue;
        is_wrapped[i] = false;
        return true;
    }
    return false;
}

/* What the other columns leave is shared among the wrapped ones. If that is too little, lines overflow. */
static void wrap_to_terminal(struct libscols_table *table)
{
    bool is_wrapped[COLUMNS_MOST] = {0};
    size_t wanted = choose_width(), count = scols_table_get_ncols(table), left = 0;
    if (!wanted) return;
    scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER); /* it would cut words */
    for (size_t i = 0; i < count; i++) {
        const struct libscols_column *column = scols_table_get_column(table, i);
        is_wrapped[i] = is_shown(column) && scols_column_is_wrap(column);
    }
    do {
        size_t fixed = fixed_width(table, is_wrapped);
        left = wanted > fixed ? wanted - fixed : 0;
    } while (release_a_narrow_one(table, left, is_wrapped));
    for (size_t i = 0; i < count; i++) {
        if (!is_wrapped[i]) continue;
        size_t width = shared_width(table, i, left, is_wrapped);
        wrap_column(table, i, width > LEAST_WRAP ? width : LEAST_WRAP);
    }
}

void table_print(struct libscols_table *table, const char *title, const char *if_empty)
{
    bool is_empty = scols_table_is_empty(table);
    if (!is_empty && title) printf("\n%s\n", title);
    fflush(stdout);
    hide_empty_columns(table);
    wrap_to_terminal(table);
    if (!is_empty) scols_print_table(table);
    if (is_empty && if_empty) puts(if_empty);
    scols_unref_table(table);
}
