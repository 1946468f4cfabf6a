/* See csv.h. libcsv is given one line at a time, so that the line of each row is known, and begins anew behind a row
 * that went wrong: a quotation mark that is never closed would otherwise take the rest of the file. */
#include "hsds/csv.h"

#include <csv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MOST 200 /* of one row */
#define CELLS_MOST 500

struct reading {
    const struct csv_reader *reader;
    struct csv_parser parser;
    char *cells[CELLS_MOST];
    size_t lengths[CELLS_MOST];
    size_t count;
    size_t columns; /* of the header; 0: not read yet */
    uint32_t row_line;
    size_t row_at;  /* where the open row begins */
    bool is_open;   /* a row has begun and not ended */
    bool is_wrong;  /* the row that just ended cannot be used, and may have taken lines that are not its own */
    bool is_out_of_memory;
};

static void drop_cells(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++) free(r->cells[i]);
    r->count = 0;
}

static void on_cell(void *text, size_t bytes, void *context)
{
    struct reading *r = context;
    if (r->count == CELLS_MOST) return;
    char *copy = malloc(bytes + 1);
    if (!copy) {
        r->is_out_of_memory = true;
        return;
    }
    if (bytes) memcpy(copy, text, bytes);
    copy[bytes] = 0;
    r->lengths[r->count] = bytes;
    r->cells[r->count++] = copy;
}

static void fault(struct reading *r, const char *sentence)
{
    r->reader->on_fault(r->reader->context, r->row_line, sentence);
}

static void use_row(struct reading *r)
{
    const struct csv_row row = {r->row_line, r->cells, r->lengths, r->count};
    char sentence[96];
    if (r->columns == 0) {
        r->columns = r->count;
        if (r->reader->on_header) r->reader->on_header(r->reader->context, &row);
    } else if (r->count == r->columns) {
        r->reader->on_row(r->reader->context, &row);
    } else {
        snprintf(sentence, sizeof sentence, "the row has %zu cells, but the header has %zu", r->count, r->columns);
        fault(r, sentence);
        r->is_wrong = true;
    }
}

static void on_end(int c, void *context)
{
    struct reading *r = context;
    (void)c;
    if (!r->is_out_of_memory && !r->is_wrong) use_row(r);
    drop_cells(r);
    r->is_open = false;
}

static int begin(struct reading *r)
{
    r->is_open = r->is_wrong = false;
    return csv_init(&r->parser, CSV_APPEND_NULL);
}

/* Nothing at all is no row, unless it is inside of one. */
static bool is_blank(const struct reading *r, const char *line, size_t bytes)
{
    size_t i = 0;
    while (i < bytes && line[i] && strchr(" \t\r\n,", line[i])) i++;
    return i == bytes || (r->reader->has_comments && line[0] == '#');
}

/* The last line may lack its end. */
static void parse_line(struct reading *r, const char *line, size_t bytes)
{
    bool is_ended = line[bytes - 1] == '\n';
    if (csv_parse(&r->parser, line, bytes, on_cell, on_end, r) != bytes) r->is_out_of_memory = true;
    if (!is_ended && csv_parse(&r->parser, "\n", 1, on_cell, on_end, r) != 1) r->is_out_of_memory = true;
}

static size_t line_bytes(const char *text, size_t bytes)
{
    const char *end_of_line = memchr(text, '\n', bytes);
    return end_of_line ? (size_t)(end_of_line - text) + 1 : bytes;
}

/* From one place until the end or until a row goes wrong: then *ret_at and *ret_line are behind its first line. */
static int read_from(struct reading *r, const char *text, size_t bytes, size_t *ret_at, uint32_t *ret_line)
{
    size_t at = *ret_at;
    uint32_t line = *ret_line;
    if (begin(r)) return -1;
    while (at < bytes && !r->is_wrong && !r->is_out_of_memory) {
        size_t len = line_bytes(text + at, bytes - at);
        bool is_row = r->is_open || !is_blank(r, text + at, len);
        if (!r->is_open && is_row) {
            r->is_open = true;
            r->row_line = line;
            r->row_at = at;
        }
        if (is_row) parse_line(r, text + at, len);
        at += len;
        line++;
        if (r->is_open && line - r->row_line >= LINES_MOST) break;
    }
    drop_cells(r);
    csv_free(&r->parser);
    if (r->is_open && !r->is_wrong) {
        fault(r, "a quotation mark that opens a cell is not closed");
        r->is_wrong = true;
    }
    if (r->is_wrong) {
        at = r->row_at + line_bytes(text + r->row_at, bytes - r->row_at);
        line = r->row_line + 1;
    }
    *ret_at = at;
    *ret_line = line;
    return r->is_out_of_memory ? -1 : 0;
}

int csv_read(const char *text, size_t bytes, const struct csv_reader *reader)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct reading *r = calloc(1, sizeof *r);
    if (!r) return -1;
    size_t at = bytes >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    uint32_t line = 1;
    int error = 0;
    r->reader = reader;
    while (at < bytes && !error) error = read_from(r, text, bytes, &at, &line);
    free(r);
    return error;
}
