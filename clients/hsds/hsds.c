/* See hsds.h: the tables are read, their links checked, and each organization becomes a listing. */
#include "hsds/hsds.h"

#include "hsds/tables.h"

#include <stdlib.h>
#include <string.h>

#define ID_BYTES_MOST 128

/* --- rows that cannot be used ---------------------------------------------------------------------------------- */
static bool has_id(const struct hsds_tables *t, const struct hsds_row *row)
{
    const char *id = row_cell(row, "id", NULL);
    if (!*id) tables_report(t, HSDS_FAULT, row, "id is empty");
    else if (strlen(id) > ID_BYTES_MOST) tables_report(t, HSDS_FAULT, row, "id is longer than %d bytes", ID_BYTES_MOST);
    return *id && strlen(id) <= ID_BYTES_MOST;
}

/* The first row of an id stands. */
static bool is_first(struct hsds_tables *t, const struct hsds_row *row)
{
    const char *id = row_cell(row, "id", NULL);
    const struct hsds_row *first = tables_row(t, row->table, LINK_ID, id);
    if (first == row) return true;
    tables_report(t, HSDS_FAULT, row, "the id %.60s stood in line %u already", id, first->line);
    return false;
}

static void check_link(struct hsds_tables *t, const struct hsds_row *row, const char *column, enum hsds_table to)
{
    const char *id = row_cell(row, column, NULL);
    if (*id && !tables_row(t, to, LINK_ID, id))
        tables_report(t, HSDS_FAULT, row, "%s %.60s is in no row of %s", column, id, tables_name(to));
}

static void check_services(struct hsds_tables *t)
{
    for (size_t i = 0; i < t->of[TABLE_SERVICES].count; i++) {
        const struct hsds_row *row = &t->of[TABLE_SERVICES].rows[i];
        if (!has_id(t, row) || !is_first(t, row)) continue;
        if (!*row_cell(row, "organization_id", NULL)) tables_report(t, HSDS_FAULT, row, "organization_id is empty");
        else check_link(t, row, "organization_id", TABLE_ORGANIZATIONS);
    }
}

static void check_links(struct hsds_tables *t)
{
    for (int table = 0; table < TABLE_COUNT; table++) {
        if (table == TABLE_ORGANIZATIONS || table == TABLE_SERVICES || table == TABLE_TERMS) continue;
        for (size_t i = 0; i < t->of[table].count; i++) {
            const struct hsds_row *row = &t->of[table].rows[i];
            check_link(t, row, "service_id", TABLE_SERVICES);
            check_link(t, row, "organization_id", TABLE_ORGANIZATIONS);
            check_link(t, row, "location_id", TABLE_LOCATIONS);
        }
    }
}

/* --- organizations --------------------------------------------------------------------------------------------- */
static int by_id(const void *a, const void *b)
{
    const Handoff__V1__AgencyListed *const *one = a, *const *other = b;
    return strcmp((*one)->agency_id, (*other)->agency_id);
}

static int read_organizations(struct hsds_tables *t, const struct hsds_map *map, struct hsds_directory *d)
{
    size_t count = t->of[TABLE_ORGANIZATIONS].count;
    d->agencies = calloc(count + 1, sizeof(Handoff__V1__AgencyListed *));
    if (!d->agencies) return -1;
    for (size_t i = 0; i < count; i++) {
        const struct hsds_row *row = &t->of[TABLE_ORGANIZATIONS].rows[i];
        if (!has_id(t, row) || !is_first(t, row)) continue;
        if (!*row_cell(row, "name", "alternate_name")) {
            tables_report(t, HSDS_FAULT, row, "name is empty");
            continue;
        }
        Handoff__V1__AgencyListed *listing = agency_read(t, map, row);
        if (listing) d->agencies[d->count++] = listing;
    }
    if (d->count) qsort(d->agencies, d->count, sizeof *d->agencies, by_id);
    return 0;
}

static int read_all(struct hsds_tables *t, const struct hsds_map *map, const char *path, struct hsds_directory *d)
{
    if (source_read(path, t)) return -1;
    if (t->of[TABLE_ORGANIZATIONS].count == 0) {
        tables_report_at(t, path, 0, "there are no organizations in it");
        return -1;
    }
    check_services(t);
    check_links(t);
    int error = read_organizations(t, map, d);
    if (t->is_out_of_memory || error) tables_report_at(t, path, 0, "there is not enough memory for it");
    d->rows = t->rows;
    return t->is_out_of_memory || error ? -1 : 0;
}

int hsds_read(const char *path, const struct hsds_map *map, const struct hsds_listener *listener,
              struct hsds_directory **ret_directory)
{
    struct hsds_tables tables = {.listener = listener};
    struct hsds_directory *d = calloc(1, sizeof *d);
    if (!d) return -1;
    int error = read_all(&tables, map, path, d);
    tables_free(&tables);
    if (error) hsds_free(&d);
    else *ret_directory = d;
    return error;
}

void hsds_free(struct hsds_directory **directory)
{
    if (!*directory) return;
    for (size_t i = 0; i < (*directory)->count; i++)
        handoff__v1__agency_listed__free_unpacked((*directory)->agencies[i], NULL);
    free((*directory)->agencies);
    free(*directory);
    *directory = NULL;
}
