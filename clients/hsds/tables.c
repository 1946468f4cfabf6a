/* See tables.h. */
#include "hsds/tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WHERE_BYTES 256

/* The first name of each is HSDS 3.0's; the others are those of 2.0.1 and before, and the singular. */
static const struct {
    enum hsds_table table;
    const char *name;
} names[] = {
    {TABLE_ORGANIZATIONS, "organizations"},
    {TABLE_ORGANIZATIONS, "organization"},
    {TABLE_SERVICES, "services"},
    {TABLE_SERVICES, "service"},
    {TABLE_LOCATIONS, "locations"},
    {TABLE_LOCATIONS, "location"},
    {TABLE_SERVICES_AT_LOCATION, "service_at_locations"},
    {TABLE_SERVICES_AT_LOCATION, "service_at_location"},
    {TABLE_SERVICES_AT_LOCATION, "services_at_location"},
    {TABLE_SERVICES_AT_LOCATION, "services_at_locations"},
    {TABLE_PHONES, "phones"},
    {TABLE_PHONES, "phone"},
    {TABLE_LANGUAGES, "languages"},
    {TABLE_LANGUAGES, "language"},
    {TABLE_SERVICE_AREAS, "service_areas"},
    {TABLE_SERVICE_AREAS, "service_area"},
    {TABLE_ADDRESSES, "addresses"},
    {TABLE_ADDRESSES, "address"},
    {TABLE_ADDRESSES, "physical_addresses"},
    {TABLE_ADDRESSES, "physical_address"},
    {TABLE_COST_OPTIONS, "cost_options"},
    {TABLE_COST_OPTIONS, "cost_option"},
    {TABLE_PAYMENTS, "payments_accepted"},
    {TABLE_PAYMENTS, "payment_accepted"},
    {TABLE_ELIGIBILITY, "eligibility"},
    {TABLE_TERMS, "taxonomy_terms"},
    {TABLE_TERMS, "taxonomy_term"},
    {TABLE_TERMS, "taxonomy"},
    {TABLE_ATTRIBUTES, "attributes"},
    {TABLE_ATTRIBUTES, "attribute"},
    {TABLE_ATTRIBUTES, "service_attributes"},
    {TABLE_ATTRIBUTES, "other_attributes"},
    {TABLE_ATTRIBUTES, "services_taxonomy"},
    {TABLE_ATTRIBUTES, "service_taxonomy"},
    {TABLE_CONTACTS, "contacts"},
    {TABLE_CONTACTS, "contact"},
    {TABLE_CAPACITY, "service_capacity"},
    {TABLE_CAPACITY, "service_capacities"},
};

static const char *const link_columns[LINK_COUNT] = {"id",          "service_id", "organization_id",
                                                     "location_id", "contact_id", "name",
                                                     "link_id"};

enum hsds_table tables_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == len && strncasecmp(names[i].name, name, len) == 0) return names[i].table;
    return TABLE_NONE;
}

const char *tables_name(enum hsds_table table)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].table == table) return names[i].name;
    return "";
}

void tables_free(struct hsds_tables *t)
{
    for (int i = 0; i < TABLE_COUNT; i++) {
        for (size_t k = 0; k < t->of[i].count; k++) json_decref(t->of[i].rows[k].cells);
        for (int k = 0; k < LINK_COUNT; k++) json_decref(t->of[i].index[k]);
        free(t->of[i].rows);
    }
    json_decref(t->files);
}

const char *tables_keep_name(struct hsds_tables *t, const char *file)
{
    if (!t->files) t->files = json_array();
    json_t *name = json_string_nocheck(file);
    if (json_array_append_new(t->files, name)) {
        t->is_out_of_memory = true;
        return "?";
    }
    return json_string_value(name);
}

void tables_add(struct hsds_tables *t, enum hsds_table table, const char *file, uint32_t line, json_t *cells)
{
    if (t->of[table].count == t->of[table].room) {
        size_t room = t->of[table].room ? t->of[table].room * 2 : 64;
        struct hsds_row *more = realloc(t->of[table].rows, room * sizeof *more);
        if (!more) {
            t->is_out_of_memory = true;
            json_decref(cells);
            return;
        }
        t->of[table].rows = more;
        t->of[table].room = room;
    }
    uint32_t number = (uint32_t)++t->of[table].count;
    t->of[table].rows[number - 1] = (struct hsds_row){cells, file, line, number, table};
    t->rows++;
}

static const char *text_of(const struct hsds_row *row, const char *column)
{
    const char *text = column ? json_string_value(json_object_get(row->cells, column)) : NULL;
    return text ? text : "";
}

const char *row_cell(const struct hsds_row *row, const char *column, const char *or_column)
{
    const char *text = text_of(row, column);
    return *text ? text : text_of(row, or_column);
}

/* --- links --------------------------------------------------------------------------------------------------- */
static json_t *build_index(struct hsds_tables *t, enum hsds_table table, enum hsds_link link)
{
    json_t *index = json_object();
    for (size_t i = 0; i < t->of[table].count; i++) {
        const char *id = text_of(&t->of[table].rows[i], link_columns[link]);
        if (!*id) continue;
        json_t *positions = json_object_get(index, id);
        if (!positions) {
            positions = json_array();
            if (json_object_set_new(index, id, positions)) t->is_out_of_memory = true;
        }
        if (json_array_append_new(positions, json_integer((json_int_t)i))) t->is_out_of_memory = true;
    }
    return index;
}

struct hsds_found tables_rows(struct hsds_tables *t, enum hsds_table table, enum hsds_link link, const char *id)
{
    struct hsds_found found = {t, table, NULL, 0};
    if (!*id) return found;
    if (!t->of[table].index[link]) t->of[table].index[link] = build_index(t, table, link);
    found.positions = json_object_get(t->of[table].index[link], id);
    found.count = json_array_size(found.positions);
    return found;
}

const struct hsds_row *found_at(const struct hsds_found *found, size_t at)
{
    return &found->tables->of[found->table].rows[json_integer_value(json_array_get(found->positions, at))];
}

const struct hsds_row *tables_row(struct hsds_tables *t, enum hsds_table table, enum hsds_link link, const char *id)
{
    struct hsds_found found = tables_rows(t, table, link, id);
    return found.count ? found_at(&found, 0) : NULL;
}

/* --- reports ------------------------------------------------------------------------------------------------- */
__attribute__((format(printf, 4, 0))) static void say(const struct hsds_tables *t, enum hsds_gravity gravity, const char *where, const char *format,
                va_list arguments)
{
    char sentence[HSDS_SENTENCE_BYTES];
    vsnprintf(sentence, sizeof sentence, format, arguments);
    const struct hsds_report report = {gravity, where, sentence};
    t->listener->on_report(t->listener->context, &report);
}

void tables_report(const struct hsds_tables *t, enum hsds_gravity gravity, const struct hsds_row *row,
                   const char *format, ...)
{
    char where[WHERE_BYTES];
    va_list arguments;
    if (row->line) snprintf(where, sizeof where, "%s:%u", row->file, row->line);
    else snprintf(where, sizeof where, "%s: %s %u", row->file, tables_name(row->table), row->number);
    va_start(arguments, format);
    say(t, gravity, where, format, arguments);
    va_end(arguments);
}

void tables_report_at(const struct hsds_tables *t, const char *file, uint32_t line, const char *format, ...)
{
    char where[WHERE_BYTES];
    va_list arguments;
    if (line) snprintf(where, sizeof where, "%s:%u", file, line);
    else snprintf(where, sizeof where, "%s", file);
    va_start(arguments, format);
    say(t, HSDS_FAULT, where, format, arguments);
    va_end(arguments);
}
