/* The tables of a directory in memory, whichever form they came in: rows of named cells, each knowing where it stood,
 * found by the ids that link them. Internal to hsds/. */
#ifndef HANDOFF_HSDS_TABLES_H
#define HANDOFF_HSDS_TABLES_H

#include "hsds/hsds.h"

#include <jansson.h>
#include <stdbool.h>

enum hsds_table {
    TABLE_ORGANIZATIONS, TABLE_SERVICES, TABLE_LOCATIONS, TABLE_SERVICES_AT_LOCATION, TABLE_PHONES, TABLE_LANGUAGES,
    TABLE_SERVICE_AREAS, TABLE_ADDRESSES, TABLE_COST_OPTIONS, TABLE_PAYMENTS, TABLE_ELIGIBILITY, TABLE_TERMS,
    TABLE_ATTRIBUTES, TABLE_CONTACTS, TABLE_CAPACITY,
    TABLE_COUNT, TABLE_NONE = TABLE_COUNT
};
enum hsds_link { LINK_ID, LINK_SERVICE, LINK_ORGANIZATION, LINK_LOCATION, LINK_CONTACT, LINK_NAME, LINK_ANY, LINK_COUNT };

struct hsds_row {
    json_t *cells;    /* strings by column, in lower case */
    const char *file; /* as people know it; lives as long as the tables */
    uint32_t line;    /* of a CSV file; 0: `number` counts */
    uint32_t number;  /* among its table's rows */
    enum hsds_table table;
};

struct hsds_tables {
    struct {
        struct hsds_row *rows;
        size_t count, room;
        json_t *index[LINK_COUNT]; /* id to positions; NULL: not asked for yet */
    } of[TABLE_COUNT];
    json_t *files; /* names, kept */
    size_t rows;
    const struct hsds_listener *listener;
    bool is_out_of_memory;
};

/* The table that a file or a member of that name holds ("services", "service", "payments_accepted"); TABLE_NONE. */
enum hsds_table tables_find(const char *name, size_t len);
const char *tables_name(enum hsds_table table); /* "services" */

void tables_free(struct hsds_tables *t);
const char *tables_keep_name(struct hsds_tables *t, const char *file);
/* Takes the cells. */
void tables_add(struct hsds_tables *t, enum hsds_table table, const char *file, uint32_t line, json_t *cells);

/* The cell's text, trimmed; "" where there is none. `or_column` is its name in an older version, or NULL. */
const char *row_cell(const struct hsds_row *row, const char *column, const char *or_column);

/* Rows that link to an id, in the order read. The index is built when first asked for: add no rows afterwards. */
struct hsds_found {
    const struct hsds_tables *tables;
    enum hsds_table table;
    json_t *positions; /* NULL: none */
    size_t count;
};
struct hsds_found tables_rows(struct hsds_tables *t, enum hsds_table table, enum hsds_link link, const char *id);
const struct hsds_row *found_at(const struct hsds_found *found, size_t at);
/* The first; NULL. */
const struct hsds_row *tables_row(struct hsds_tables *t, enum hsds_table table, enum hsds_link link, const char *id);

__attribute__((format(printf, 4, 5))) void tables_report(const struct hsds_tables *t, enum hsds_gravity gravity,
                                                         const struct hsds_row *row, const char *format, ...);
__attribute__((format(printf, 4, 5))) void tables_report_at(const struct hsds_tables *t, const char *file,
                                                            uint32_t line, const char *format, ...);

/* source.c: fills the tables from a folder, an archive or JSON. 0, or -1 after a report. */
int source_read(const char *path, struct hsds_tables *t);
/* agency.c: one organization's listing; NULL: it has nothing to offer any more, or cannot be read (reported). Free with
 * handoff__v1__agency_listed__free_unpacked(). */
Handoff__V1__AgencyListed *agency_read(struct hsds_tables *t, const struct hsds_map *map,
                                       const struct hsds_row *organization);

#endif
