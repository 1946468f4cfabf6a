/* From an organization, its services and all that hangs on them to one agency.listed. See tables.h.
 *
 * What is said of a level of care (ages, places, how one gets there) stays with the service that says it; what helps
 * whoever comes (languages, insurers, counties, transport) is gathered over all services that are running. */
#include "hsds/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEVEL(NAME)    HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_##NAME
#define KIND(NAME)     HANDOFF__V1__AGENCY_KIND__AGENCY_KIND_##NAME
#define CAPACITY(NAME) HANDOFF__V1__CAPACITY__CAPACITY_##NAME

#define AGE_MOST    130
#define LEVELS_MOST 16 /* of one service */

struct gathering {
    struct hsds_tables *tables;
    const struct hsds_map *map;
    const struct hsds_row *organization;
    Handoff__V1__AgencyListed *listing;
    const char *intake; /* the best number so far */
    int intake_rank;
    bool is_everywhere, is_county_cut;
    bool was_service_gone, is_out_of_memory;
};

/* One service, while it is read. */
struct service {
    const struct hsds_row *row;
    Handoff__V1__LevelOfCare levels[LEVELS_MOST];
    size_t level_count;
    uint32_t youngest, oldest;
    Handoff__V1__Capacity capacity;
    bool has_home_visits, has_telehealth;
    bool is_gone, is_understood;
};

/* --- building a message ---------------------------------------------------------------------------------------- */
static char *empty_text(void) { return (char *)(uintptr_t)protobuf_c_empty_string; }

static void set_text(struct gathering *g, char **field, const char *text)
{
    if (!*text || *field != empty_text()) return;
    size_t len = strlen(text);
    if (len > HSDS_TEXT_MOST) {
        len = HSDS_TEXT_MOST;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) len--;
        tables_report(g->tables, HSDS_NOTE, g->organization, "a text was cut at %d bytes", HSDS_TEXT_MOST);
    }
    char *copy = strndup(text, len);
    if (copy) *field = copy;
    else g->is_out_of_memory = true;
}

/* Adds a copy, once. False: the list is full. */
static bool add_text(struct gathering *g, char ***list, size_t *count, const char *text)
{
    for (size_t i = 0; i < *count; i++)
        if (strcasecmp((*list)[i], text) == 0) return true;
    if (*count == HSDS_LIST_MOST) return false;
    char **more = realloc(*list, (*count + 1) * sizeof *more);
    if (more) *list = more;
    char *copy = more ? strdup(text) : NULL;
    if (copy) more[(*count)++] = copy;
    else g->is_out_of_memory = true;
    return true;
}

static void add_number(struct gathering *g, int **list, size_t *count, int value)
{
    for (size_t i = 0; i < *count; i++)
        if ((*list)[i] == value) return;
    int *more = *count < HSDS_LIST_MOST ? realloc(*list, (*count + 1) * sizeof *more) : NULL;
    if (!more) {
        g->is_out_of_memory |= *count < HSDS_LIST_MOST;
        return;
    }
    more[(*count)++] = value;
    *list = more;
}

static void add_service(struct gathering *g, const struct service *s, Handoff__V1__LevelOfCare level)
{
    Handoff__V1__AgencyListed *a = g->listing;
    if (a->n_services == HSDS_LIST_MOST) {
        tables_report(g->tables, HSDS_NOTE, s->row, "left out: an agency has at most %d services", HSDS_LIST_MOST);
        return;
    }
    Handoff__V1__AgencyService **more = realloc(a->services, (a->n_services + 1) * sizeof *more);
    Handoff__V1__AgencyService *one = malloc(sizeof *one);
    if (more) a->services = more;
    if (!more || !one) {
        g->is_out_of_memory = true;
        free(one);
        return;
    }
    handoff__v1__agency_service__init(one);
    set_text(g, &one->name, row_cell(s->row, "name", NULL));
    one->level_of_care = level;
    one->youngest_age = s->youngest;
    one->oldest_age = s->oldest;
    one->capacity = s->capacity;
    one->has_home_visits = s->has_home_visits;
    one->has_telehealth = s->has_telehealth;
    a->services[a->n_services++] = one;
}

/* --- what texts mean ------------------------------------------------------------------------------------------- */
static void add_level(struct service *s, Handoff__V1__LevelOfCare level)
{
    for (size_t i = 0; i < s->level_count; i++)
        if (s->levels[i] == level) return;
    if (s->level_count < LEVELS_MOST) s->levels[s->level_count++] = level;
}

/* True: it says what the service is, so that its name need not be asked. */
static bool apply(struct gathering *g, struct service *s, const struct hsds_map_row *m)
{
    Handoff__V1__AgencyListed *a = g->listing;
    switch (m->meaning) {
    case MEANS_LEVEL: add_level(s, (Handoff__V1__LevelOfCare)m->value); return true;
    case MEANS_SUPPORT: add_number(g, (int **)(void *)&a->supports, &a->n_supports, m->value); return true;
    case MEANS_KIND: a->kind = (Handoff__V1__AgencyKind)m->value; return true;
    case MEANS_CAPACITY: s->capacity = (Handoff__V1__Capacity)m->value; return false;
    case MEANS_INSURER: add_text(g, &a->insurers, &a->n_insurers, m->text); return false;
    case MEANS_LANGUAGE: add_text(g, &a->languages, &a->n_languages, m->text); return false;
    case MEANS_TRANSPORT: a->helps_with_transport = true; return true;
    case MEANS_HOME_VISITS: s->has_home_visits = true; return false;
    case MEANS_TELEHEALTH: s->has_telehealth = true; return false;
    case MEANS_INTERPRETERS: a->has_interpreters = true; return false;
    case MEANS_CHILDCARE: a->has_childcare = true; return false;
    case MEANS_REDUCED_FEES: a->has_reduced_fees = true; return false;
    case MEANS_EVERYWHERE: g->is_everywhere = true; return false;
    case MEANS_GONE: s->is_gone = true; return false;
    case MEANS_NOTHING: case MEANS_INTAKE: case MEANS_SUPERVISOR: return false;
    }
    return false;
}

/* All that a text means. */
static bool apply_all(struct gathering *g, struct service *s, const struct hsds_map_row *m)
{
    bool says_what = apply(g, s, m);
    while (m->has_more) says_what |= apply(g, s, ++m);
    return says_what;
}

static const struct hsds_map_row *find(const struct gathering *g, enum hsds_place place, const char *text)
{
    return hsds_map_find(g->map, place, text);
}

/* --- terms ----------------------------------------------------------------------------------------------------- */
/* The first of a term's texts that is in the table counts. */
static bool apply_terms(struct gathering *g, struct service *s, const char *const *texts, size_t count)
{
    bool says_what = false, is_known = false;
    for (size_t i = 0; i < count && !is_known; i++) {
        const struct hsds_map_row *m = find(g, PLACE_TERM, texts[i]);
        if (!m) continue;
        is_known = true;
        says_what = apply_all(g, s, m);
    }
    return says_what;
}

static bool read_attributes(struct gathering *g, struct service *s, enum hsds_link link, const char *id)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_ATTRIBUTES, link, id);
    bool says_what = false;
    for (size_t i = 0; i < found.count; i++) {
        const struct hsds_row *row = found_at(&found, i);
        const char *term_id = row_cell(row, "taxonomy_term_id", "taxonomy_id");
        const struct hsds_row *term = tables_row(g->tables, TABLE_TERMS, LINK_ID, term_id);
        const char *texts[] = {term ? row_cell(term, "code", NULL) : "", term ? row_cell(term, "name", "term") : "",
                               row_cell(row, "label", NULL), row_cell(row, "value", "taxonomy_detail"), term_id};
        if (*term_id && !term) tables_report(g->tables, HSDS_NOTE, row, "there is no taxonomy term %s", term_id);
        says_what |= apply_terms(g, s, texts, sizeof texts / sizeof *texts);
    }
    return says_what;
}

static bool read_all_attributes(struct gathering *g, struct service *s, enum hsds_link link, const char *id)
{
    bool by_link = read_attributes(g, s, LINK_ANY, id);
    return read_attributes(g, s, link, id) || by_link;
}

/* --- numbers --------------------------------------------------------------------------------------------------- */
/* Full years: 17.99 is 17. Absent is 0. */
static bool read_age(struct gathering *g, const struct hsds_row *row, const char *column, uint32_t *ret)
{
    const char *text = row_cell(row, column, NULL);
    char *end = NULL;
    if (!*text) return true;
    double years = strtod(text, &end);
    if (end == text || *end || !(years >= 0 && years <= AGE_MOST)) {
        tables_report(g->tables, HSDS_FAULT, row, "%s \"%.40s\" is not an age in years", column, text);
        return false;
    }
    *ret = (uint32_t)years;
    return true;
}

static bool read_ages(struct gathering *g, const struct hsds_row *row, struct service *s)
{
    if (!read_age(g, row, "minimum_age", &s->youngest) || !read_age(g, row, "maximum_age", &s->oldest)) return false;
    if (s->oldest == 0 || s->youngest <= s->oldest) return true;
    tables_report(g->tables, HSDS_FAULT, row, "minimum_age %u is above maximum_age %u", s->youngest, s->oldest);
    return false;
}

/* --- what hangs on a service or an organization ---------------------------------------------------------------- */
static void read_languages(struct gathering *g, enum hsds_link link, const char *id)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_LANGUAGES, link, id);
    for (size_t i = 0; i < found.count; i++) {
        const struct hsds_row *row = found_at(&found, i);
        const char *code = row_cell(row, "code", NULL), *name = row_cell(row, "name", "language");
        const struct hsds_map_row *m = find(g, PLACE_LANGUAGE, name);
        bool is_tag = strlen(name) == 2 || (strlen(name) == 3 && name[0] >= 'a');
        const char *tag = *code ? code : m && m->meaning == MEANS_LANGUAGE ? m->text : is_tag ? name : NULL;
        if (tag) add_text(g, &g->listing->languages, &g->listing->n_languages, tag);
        else tables_report(g->tables, HSDS_NOTE, row, "the language \"%.40s\" is not in the table", name);
    }
}

/* By the table, or by the name of an insurer of the same directory. */
static void add_payment(struct gathering *g, struct service *s, const struct hsds_row *row, const char *text)
{
    Handoff__V1__AgencyListed *a = g->listing;
    const struct hsds_map_row *m = find(g, PLACE_PAYMENT, text);
    const struct hsds_row *insurer = m ? NULL : tables_row(g->tables, TABLE_ORGANIZATIONS, LINK_NAME, text);
    if (m) {
        apply_all(g, s, m);
    } else if (insurer) {
        add_text(g, &a->insurers, &a->n_insurers, row_cell(insurer, "id", NULL));
    } else if (*text) {
        a->takes_other_insurers = true; /* it would be wrong to rule somebody out by a list that is not understood */
        tables_report(g->tables, HSDS_NOTE, row, "the payment \"%.60s\" is not in the table", text);
    }
}

static void read_payments(struct gathering *g, struct service *s, const char *id)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_PAYMENTS, LINK_SERVICE, id);
    for (size_t i = 0; i < found.count; i++) {
        const struct hsds_row *row = found_at(&found, i);
        add_payment(g, s, row, row_cell(row, "payment", NULL));
    }
    found = tables_rows(g->tables, TABLE_COST_OPTIONS, LINK_SERVICE, id);
    for (size_t i = 0; i < found.count; i++) {
        const struct hsds_row *row = found_at(&found, i);
        const char *amount = row_cell(row, "amount", NULL), *text = row_cell(row, "option", "amount_description");
        if (*amount && strtod(amount, NULL) <= 0 && !*text) g->listing->has_reduced_fees = true;
        add_payment(g, s, row, text);
    }
}

/* "Allegheny County, PA" is allegheny's name as it is; the word county is dropped. */
static void add_county(struct gathering *g, const char *text)
{
    static const char suffix[] = " county";
    char name[128];
    snprintf(name, sizeof name, "%s", text);
    size_t len = strlen(name), more = sizeof suffix - 1;
    if (len > more && strcasecmp(name + len - more, suffix) == 0) name[len - more] = 0;
    if (!add_text(g, &g->listing->counties, &g->listing->n_counties, name)) g->is_county_cut = true;
}

static void read_areas(struct gathering *g, struct service *s, const char *id)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_SERVICE_AREAS, LINK_SERVICE, id);
    for (size_t i = 0; i < found.count; i++) {
        const char *name = row_cell(found_at(&found, i), "name", "service_area");
        const struct hsds_map_row *m = find(g, PLACE_AREA, name);
        if (m) apply_all(g, s, m);
        else if (*name && strlen(name) <= 60) add_county(g, name); /* longer: a description */
    }
}

/* Intake of a service first, then intake of the organization, then any number. */
static void read_phones(struct gathering *g, enum hsds_link link, const char *id, int rank)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_PHONES, link, id);
    for (size_t i = 0; i < found.count; i++) {
        const struct hsds_row *row = found_at(&found, i);
        const struct hsds_map_row *type = find(g, PLACE_PHONE, row_cell(row, "type", NULL));
        const struct hsds_map_row *about = find(g, PLACE_PHONE, row_cell(row, "description", "department"));
        bool is_none = (type && type->meaning == MEANS_GONE) || (about && about->meaning == MEANS_GONE);
        bool is_intake = (type && type->meaning == MEANS_INTAKE) || (about && about->meaning == MEANS_INTAKE);
        int here = rank + (is_intake ? 10 : 0);
        is_none |= *row_cell(row, "contact_id", NULL) != 0; /* that person's own */
        if (is_none || here <= g->intake_rank || !*row_cell(row, "number", NULL)) continue;
        g->intake_rank = here;
        char number[160];
        const char *extension = row_cell(row, "extension", NULL);
        snprintf(number, sizeof number, "%.100s%s%.40s", row_cell(row, "number", NULL), *extension ? " x" : "", extension);
        if (g->listing->intake_number != empty_text()) free(g->listing->intake_number);
        g->listing->intake_number = empty_text();
        set_text(g, &g->listing->intake_number, number);
    }
}

static void read_contacts(struct gathering *g, enum hsds_link link, const char *id)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_CONTACTS, link, id);
    for (size_t i = 0; i < found.count; i++) {
        const struct hsds_row *row = found_at(&found, i);
        const struct hsds_map_row *m = find(g, PLACE_CONTACT, row_cell(row, "title", NULL));
        if (!m) m = find(g, PLACE_CONTACT, row_cell(row, "department", NULL));
        if (!m || m->meaning != MEANS_SUPERVISOR) continue;
        const struct hsds_row *phone = tables_row(g->tables, TABLE_PHONES, LINK_CONTACT, row_cell(row, "id", NULL));
        const char *parts[] = {row_cell(row, "name", NULL), row_cell(row, "title", NULL),
                               phone ? row_cell(phone, "number", NULL) : "", row_cell(row, "email", NULL)};
        char text[512] = "";
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            size_t len = strlen(text);
            if (*parts[k]) snprintf(text + len, sizeof text - len, "%s%.100s", len ? ", " : "", parts[k]);
        }
        set_text(g, &g->listing->supervisor_contact, text);
    }
}

static void read_location(struct gathering *g, struct service *s, const char *id)
{
    const struct hsds_row *location = tables_row(g->tables, TABLE_LOCATIONS, LINK_ID, id);
    struct hsds_found addresses = tables_rows(g->tables, TABLE_ADDRESSES, LINK_LOCATION, id);
    if (location && strcasecmp(row_cell(location, "location_type", NULL), "virtual") == 0 && s) s->has_telehealth = true;
    for (size_t i = 0; i < addresses.count; i++) {
        char region[128];
        static const char suffix[] = " county";
        snprintf(region, sizeof region, "%s", row_cell(found_at(&addresses, i), "region", NULL));
        size_t len = strlen(region), more = sizeof suffix - 1;
        if (len > more && strcasecmp(region + len - more, suffix) == 0) region[len - more] = 0;
        set_text(g, &g->listing->county, region);
    }
    read_languages(g, LINK_LOCATION, id);
    read_phones(g, LINK_LOCATION, id, 1);
}

static void read_locations_of(struct gathering *g, struct service *s, const char *service_id)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_SERVICES_AT_LOCATION, LINK_SERVICE, service_id);
    for (size_t i = 0; i < found.count; i++) read_location(g, s, row_cell(found_at(&found, i), "location_id", NULL));
}

static void read_capacity(struct gathering *g, struct service *s, const char *id)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_CAPACITY, LINK_SERVICE, id);
    for (size_t i = 0; i < found.count; i++) {
        const char *available = row_cell(found_at(&found, i), "available", NULL);
        if (!*available) continue;
        bool is_open = strtod(available, NULL) > 0;
        if (is_open || s->capacity != CAPACITY(OPEN)) s->capacity = is_open ? CAPACITY(OPEN) : CAPACITY(WAITLIST);
    }
}

static void apply_cell(struct gathering *g, struct service *s, enum hsds_place place, const char *column, const char *old)
{
    const struct hsds_map_row *m = find(g, place, row_cell(s->row, column, old));
    if (m) apply_all(g, s, m);
}

/* --- one service ----------------------------------------------------------------------------------------------- */
/* What is only true of the organization when the service is running is read after it is known to run. */
static void read_running(struct gathering *g, struct service *s, const char *id)
{
    apply_cell(g, s, PLACE_FEE, "fees_description", "fees");
    apply_cell(g, s, PLACE_WAIT, "wait_time", NULL);
    apply_cell(g, s, PLACE_STATUS, "status", NULL); /* temporarily closed outweighs a wait time */
    read_capacity(g, s, id);
    if (*row_cell(s->row, "interpretation_services", NULL)) g->listing->has_interpreters = true;
    read_languages(g, LINK_SERVICE, id);
    read_payments(g, s, id);
    read_areas(g, s, id);
    read_locations_of(g, s, id);
    read_phones(g, LINK_SERVICE, id, 3);
    read_contacts(g, LINK_SERVICE, id);
    set_text(g, &g->listing->intake_process, row_cell(s->row, "application_process", NULL));
}

static bool is_gone(const struct gathering *g, const struct hsds_row *row)
{
    const struct hsds_map_row *m = find(g, PLACE_STATUS, row_cell(row, "status", NULL));
    return m && m->meaning == MEANS_GONE;
}

static void keep_levels(struct gathering *g, const struct service *s)
{
    Handoff__V1__AgencyListed *a = g->listing;
    for (size_t i = 0; i < s->level_count; i++) {
        add_number(g, (int **)(void *)&a->levels, &a->n_levels, (int)s->levels[i]);
        add_service(g, s, s->levels[i]);
    }
    if (s->level_count > 0) return;
    a->has_home_visits |= s->has_home_visits;
    a->has_telehealth |= s->has_telehealth;
    if (!a->capacity) a->capacity = s->capacity;
}

static void read_service(struct gathering *g, const struct hsds_row *row)
{
    const char *id = row_cell(row, "id", NULL);
    struct service s = {.row = row};
    if (is_gone(g, row)) {
        g->was_service_gone = true;
        return;
    }
    const struct hsds_row *eligibility = tables_row(g->tables, TABLE_ELIGIBILITY, LINK_SERVICE, id);
    if ((eligibility && !read_ages(g, eligibility, &s)) || !read_ages(g, row, &s)) return;
    s.is_understood = read_all_attributes(g, &s, LINK_SERVICE, id);
    if (!s.is_understood) {
        const struct hsds_map_row *m = find(g, PLACE_SERVICE, row_cell(row, "name", NULL));
        s.is_understood = m && apply_all(g, &s, m);
    }
    read_running(g, &s, id);
    keep_levels(g, &s);
    if (!s.is_understood)
        tables_report(g->tables, HSDS_NOTE, row, "no level of care, support or kind is known by its terms or its name");
}

/* --- one organization ------------------------------------------------------------------------------------------ */
static void read_services(struct gathering *g, const char *id, size_t *ret_count)
{
    struct hsds_found found = tables_rows(g->tables, TABLE_SERVICES, LINK_ORGANIZATION, id);
    for (size_t i = 0; i < found.count; i++) read_service(g, found_at(&found, i));
    *ret_count = found.count;
}

static void read_own(struct gathering *g, const char *id)
{
    struct service all = {.row = g->organization};
    read_all_attributes(g, &all, LINK_ORGANIZATION, id);
    struct hsds_found locations = tables_rows(g->tables, TABLE_LOCATIONS, LINK_ORGANIZATION, id);
    for (size_t i = 0; i < locations.count; i++)
        read_location(g, NULL, row_cell(found_at(&locations, i), "id", NULL));
    read_phones(g, LINK_ORGANIZATION, id, 2);
    read_contacts(g, LINK_ORGANIZATION, id);
    keep_levels(g, &all);
}

static void settle(struct gathering *g)
{
    Handoff__V1__AgencyListed *a = g->listing;
    bool is_wide = g->is_everywhere || g->is_county_cut;
    if (g->is_county_cut)
        tables_report(g->tables, HSDS_NOTE, g->organization, "more than %d areas: it serves everywhere", HSDS_LIST_MOST);
    for (size_t i = 0; i < a->n_counties && is_wide; i++) free(a->counties[i]);
    if (is_wide) a->n_counties = 0;
    if (!*a->county && a->n_counties == 1) {
        a->county = a->counties[0];
        a->n_counties = 0;
    }
    if (g->is_everywhere && a->kind != KIND(UNSPECIFIED) && a->kind != KIND(AGENCY) && *a->county) {
        free(a->county); /* a line that serves everywhere is nowhere */
        a->county = empty_text();
    }
    if (a->kind == KIND(UNSPECIFIED))
        a->kind = a->n_levels == 0 && a->n_supports > 0 ? KIND(COMMUNITY_SUPPORT) : KIND(AGENCY);
}

Handoff__V1__AgencyListed *agency_read(struct hsds_tables *t, const struct hsds_map *map,
                                       const struct hsds_row *organization)
{
    const char *id = row_cell(organization, "id", NULL);
    struct gathering g = {.tables = t, .map = map, .organization = organization};
    size_t services = 0;
    g.listing = malloc(sizeof *g.listing);
    if (!g.listing) {
        t->is_out_of_memory = true;
        return NULL;
    }
    handoff__v1__agency_listed__init(g.listing);
    set_text(&g, &g.listing->agency_id, id);
    set_text(&g, &g.listing->name, row_cell(organization, "name", "alternate_name"));
    read_services(&g, id, &services);
    read_own(&g, id);
    settle(&g);
    bool is_gone_all = g.was_service_gone && g.listing->n_services == 0 && g.listing->n_supports == 0;
    if (is_gone_all) tables_report(t, HSDS_NOTE, organization, "left out: none of its services is running");
    t->is_out_of_memory |= g.is_out_of_memory;
    if (!is_gone_all) return g.listing;
    handoff__v1__agency_listed__free_unpacked(g.listing, NULL);
    return NULL;
}
