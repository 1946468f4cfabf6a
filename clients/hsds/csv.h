/* CSV (RFC 4180, as spreadsheets write it), on libcsv: quoted cells, doubled quotes, line breaks inside cells, either
 * line end, a byte order mark. A row that cannot be read costs itself alone: reading goes on at the next line. */
#ifndef HANDOFF_HSDS_CSV_H
#define HANDOFF_HSDS_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csv_row {
    uint32_t line; /* where it begins, from 1 */
    char *const *cells; /* trimmed, with a NUL behind each; as many as the header's */
    const size_t *lengths;
    size_t count;
};
struct csv_reader {
    void *context;
    bool has_comments; /* lines that begin with # */
    /* The first row is the header. May be NULL where the header does not matter. */
    void (*on_header)(void *context, const struct csv_row *row);
    void (*on_row)(void *context, const struct csv_row *row);
    void (*on_fault)(void *context, uint32_t line, const char *sentence);
};
/* 0, or -1: no memory. */
int csv_read(const char *text, size_t bytes, const struct csv_reader *reader);

#endif
