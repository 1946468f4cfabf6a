/* handoff directory: what is in the resource directory, and who of it suits a patient. Importing is in
 * directory_import.c. */
#include "directory.h"
#include "describe.h"
#include "hsds/map.h"
#include "table.h"
#include "views.h"
#include "when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS  1000
#define PAGES_MOST 1000

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text; /* protobuf-c's structs have no const; packing only reads */
}

/* --- pages
 * -------------------------------------------------------------------------------------------------------- */

static int take_page(Handoff__V1__DirectoryListReply *all, Handoff__V1__DirectoryListReply *page)
{
    Handoff__V1__DirectoryRow **more = realloc(all->rows, (all->n_rows + page->n_rows + 1) * sizeof *more);
    if (!more) return cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY));
    all->rows = more;
    if (page->n_rows) memcpy(all->rows + all->n_rows, page->rows, page->n_rows * sizeof *more);
    all->n_rows += page->n_rows;
    all->agencies = page->agencies;
    page->n_rows = 0; /* they are the list's now */
    return EXIT_DONE;
}

int fetch_directory(struct cli *cli, Handoff__V1__DirectoryListRequest *filter, Handoff__V1__DirectoryListReply *all)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_DIRECTORY_LIST;
    request.directory_list = filter;
    filter->limit = PAGE_ROWS;
    for (int page = 0; page < PAGES_MOST; page++) {
        Handoff__V1__Reply *reply = NULL;
        int code = cli_request(cli, &request, &reply);
        if (code) return code;
        bool is_last = *reply->directory_list->next == 0;
        code = take_page(all, reply->directory_list);
        handoff_reply_free(&reply);
        if (code || is_last) return code;
        filter->after = all->rows[all->n_rows - 1]->listing->agency_id;
    }
    return cli_say(EXIT_REFUSED, "the directory does not end");
}

/* --- words
 * -------------------------------------------------------------------------------------------------------- */

/* "outpatient, intensive-outpatient"; nothing when the kinds do not fit. */
static const char *words_of(const ProtobufCEnumDescriptor *of, const void *values, size_t count, char *text, size_t size)
{
    const int *list = values;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        char word[64];
        size_t len = strlen(text);
        snprintf(text + len, size - len, "%s%s", i ? ", " : "", word_of(of, list[i], word));
    }
    return text;
}

static const char *ages(uint32_t from, uint32_t to, char *text, size_t size)
{
    if (from && to) snprintf(text, size, "%u-%u", from, to);
    else if (from) snprintf(text, size, "%u+", from);
    else if (to) snprintf(text, size, "to %u", to);
    else text[0] = 0;
    return text;
}

/* Of all its services: the youngest and the oldest that one of them sees. */
static const char *ages_of(const Handoff__V1__AgencyListed *a, char *text, size_t size)
{
    uint32_t from = a->youngest_age, to = a->oldest_age;
    for (size_t i = 0; i < a->n_services; i++) {
        uint32_t youngest = a->services[i]->youngest_age, oldest = a->services[i]->oldest_age;
        if (i == 0 || youngest < from) from = youngest;
        if (i == 0 || (to && (oldest == 0 || oldest > to))) to = oldest;
    }
    return ages(from, to, text, size);
}

static const char *capacity_of(const Handoff__V1__AgencyListed *a, char word[64])
{
    Handoff__V1__Capacity best = a->capacity;
    for (size_t i = 0; i < a->n_services; i++) {
        Handoff__V1__Capacity one = a->services[i]->capacity;
        if (one && (!best || one < best)) best = one;
    }
    return word_of(&handoff__v1__capacity__descriptor, (int)best, word);
}

static const char *remark(const Handoff__V1__DirectoryRow *row)
{
    return row->is_delisted ? "delisted" : row->is_doubtful ? "intake number doubtful" : "";
}

static const char *kind_of(const Handoff__V1__AgencyListed *a, char word[64])
{
    bool is_agency = a->kind == HANDOFF__V1__AGENCY_KIND__AGENCY_KIND_UNSPECIFIED;
    return word_of(&handoff__v1__agency_kind__descriptor,
                   is_agency ? (int)HANDOFF__V1__AGENCY_KIND__AGENCY_KIND_AGENCY : (int)a->kind, word);
}

/* --- list
 * --------------------------------------------------------------------------------------------------------- */

static void add_row(struct libscols_table *table, const Handoff__V1__DirectoryRow *row)
{
    const Handoff__V1__AgencyListed *a = row->listing;
    struct libscols_line *line = table_line(table, NULL);
    char text[DESCRIPTION_BYTES], word[64];
    table_cell(line, 0, a->agency_id);
    table_cell(line, 1, a->name);
    table_cell(line, 2, kind_of(a, word));
    table_cell(line, 3, words_of(&handoff__v1__level_of_care__descriptor, a->levels, a->n_levels, text, sizeof text));
    if (a->n_supports) table_cell(line, 3, words_of(&handoff__v1__support_kind__descriptor, a->supports, a->n_supports, text, sizeof text));
    table_cell(line, 4, ages_of(a, text, sizeof text));
    table_cell(line, 5, a->county);
    table_cell(line, 6, capacity_of(a, word));
    table_cell(line, 7, a->intake_number);
    table_cell(line, 8, remark(row));
}

static void print_rows(const Handoff__V1__DirectoryListReply *all)
{
    static const struct column columns[] = {{.name = "ID"},
                                            {.name = "NAME", .share = 0.2},
                                            {.name = "KIND"},
                                            {.name = "OFFERS", .share = 0.25},
                                            {.name = "AGES"},
                                            {.name = "COUNTY"},
                                            {.name = "PLACES"},
                                            {.name = "INTAKE"},
                                            {.name = "REMARK"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < all->n_rows; i++) add_row(table, all->rows[i]);
    table_print(table, NULL, all->agencies ? "nothing in the directory fits" : "the directory is empty");
}

static error_t parse_list(int key, char *argument, struct argp_state *state)
{
    Handoff__V1__DirectoryListRequest *filter = state->input;
    switch (key) {
    case 'l':
        filter->level_of_care =
            (Handoff__V1__LevelOfCare)cli_enum(state, &handoff__v1__level_of_care__descriptor, argument);
        return 0;
    case 'k':
        filter->kind = (Handoff__V1__AgencyKind)cli_enum(state, &handoff__v1__agency_kind__descriptor, argument);
        return 0;
    case 's':
        filter->support = (Handoff__V1__SupportKind)cli_enum(state, &handoff__v1__support_kind__descriptor, argument);
        return 0;
    case 'c':
        filter->county = argument;
        return 0;
    case 'd':
        filter->with_delisted = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int run_directory_list(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"level", 'l', "LEVEL", 0, "that offer this level of care: outpatient, residential, ...", 0},
        {"county", 'c', "NAME", 0, "that are in this county or serve it", 0},
        {"kind", 'k', "KIND", 0, "agency, insurer, county-office, crisis-line or community-support", 0},
        {"support", 's', "KIND", 0, "that offer food, housing, transport, peers, groups or childcare", 0},
        {"delisted", 'd', NULL, 0, "those that are no longer offered too", 0},
        {0},
    };
    Handoff__V1__DirectoryListRequest filter = HANDOFF__V1__DIRECTORY_LIST_REQUEST__INIT;
    const struct syntax syntax = {.summary = "Lists the resource directory by id.",
                                  .options = options,
                                  .parse = parse_list,
                                  .input = &filter};
    cli_parse(cli, &syntax, argc, argv, NULL);
    Handoff__V1__DirectoryListReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__directory_list_reply__init(all);
    int code = fetch_directory(cli, &filter, all);
    if (!code && cli->is_json) code = cli_print_json(&all->base, true);
    else if (!code) print_rows(all);
    handoff__v1__directory_list_reply__free_unpacked(all, NULL);
    return code;
}

/* --- show
 * --------------------------------------------------------------------------------------------------------- */

static void print_fact(const char *name, const char *text)
{
    char line[HANDOFF_SENTENCE_BYTES];
    if (!*text) return;
    snprintf(line, sizeof line, "%s", text);
    printf("%-15s %s\n", name, make_printable(line));
}

static void print_help(const Handoff__V1__AgencyListed *a)
{
    const struct {
        bool is_so;
        const char *words;
    } helps[] = {{a->helps_with_transport, "transport"}, {a->has_home_visits, "home visits"},
                 {a->has_telehealth, "telehealth"},      {a->has_interpreters, "interpreters"},
                 {a->has_childcare, "childcare"},        {a->has_reduced_fees, "reduced fees"}};
    char text[DESCRIPTION_BYTES] = "";
    for (size_t i = 0; i < sizeof helps / sizeof *helps; i++) {
        size_t len = strlen(text);
        if (helps[i].is_so) snprintf(text + len, sizeof text - len, "%s%s", len ? ", " : "", helps[i].words);
    }
    print_fact("helps with", text);
}

static void print_services(const Handoff__V1__AgencyListed *a)
{
    static const struct column columns[] = {{.name = "SERVICE", .share = 0.4}, {.name = "LEVEL"}, {.name = "AGES"},
                                            {.name = "PLACES"}, {.name = "HOW"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < a->n_services; i++) {
        const Handoff__V1__AgencyService *s = a->services[i];
        struct libscols_line *line = table_line(table, NULL);
        char text[64];
        table_cell(line, 0, s->name);
        table_cell(line, 1, WORD(handoff__v1__level_of_care__descriptor, s->level_of_care));
        table_cell(line, 2, ages(s->youngest_age, s->oldest_age, text, sizeof text));
        table_cell(line, 3, WORD(handoff__v1__capacity__descriptor, s->capacity));
        table_cellf(line, 4, "%s%s%s", s->has_home_visits ? "home visits" : "",
                    s->has_home_visits && s->has_telehealth ? ", " : "", s->has_telehealth ? "telehealth" : "");
    }
    table_print(table, "services", "");
}

static void print_row(const Handoff__V1__DirectoryRow *row)
{
    const Handoff__V1__AgencyListed *a = row->listing;
    char text[DESCRIPTION_BYTES], word[64];
    print_fact("id", a->agency_id);
    print_fact("name", a->name);
    print_fact("kind", kind_of(a, word));
    print_fact("remark", remark(row));
    if (row->effective_at_ms) print_fact("services end", when_format(row->effective_at_ms, (char[WHEN_TEXT_BYTES]){0}));
    print_fact("levels", words_of(&handoff__v1__level_of_care__descriptor, a->levels, a->n_levels, text, sizeof text));
    print_fact("supports", words_of(&handoff__v1__support_kind__descriptor, a->supports, a->n_supports, text, sizeof text));
    print_fact("ages", ages_of(a, text, sizeof text));
    print_fact("places", capacity_of(a, word));
    print_fact("insurers", describe_list(a->insurers, a->n_insurers, text, sizeof text));
    if (a->takes_other_insurers) print_fact("", "and others: ask");
    print_fact("languages", describe_list(a->languages, a->n_languages, text, sizeof text));
    print_help(a);
    print_fact("county", a->county);
    print_fact("serves", describe_list(a->counties, a->n_counties, text, sizeof text));
    print_fact("intake number", a->intake_number);
    print_fact("intake process", a->intake_process);
    print_fact("supervisor", a->supervisor_contact);
    if (a->n_services) print_services(a);
}

int run_directory_show(struct cli *cli, int argc, char **argv)
{
    const char *arguments[1];
    const struct syntax syntax = {
        .arguments = "ID", .summary = "Shows what the directory has of an agency.", .least = 1, .most = 1};
    cli_parse(cli, &syntax, argc, argv, arguments);
    Handoff__V1__DirectoryListRequest filter = HANDOFF__V1__DIRECTORY_LIST_REQUEST__INIT;
    Handoff__V1__DirectoryListReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__directory_list_reply__init(all);
    filter.agency_id = borrow(arguments[0]);
    filter.with_delisted = true;
    int code = fetch_directory(cli, &filter, all);
    if (!code && all->n_rows == 0) code = cli_say(EXIT_REFUSED, "there is no %s in the directory", arguments[0]);
    else if (!code && cli->is_json) code = cli_print_json(&all->rows[0]->base, true);
    else if (!code) print_row(all->rows[0]);
    handoff__v1__directory_list_reply__free_unpacked(all, NULL);
    return code;
}

/* --- match
 * -------------------------------------------------------------------------------------------------------- */

static void add_match(struct libscols_table *table, const Handoff__V1__Match *m)
{
    struct libscols_line *line = table_line(table, NULL);
    char text[DESCRIPTION_BYTES];
    table_cellf(line, 0, "%u", m->score);
    table_cell(line, 1, m->agency_id);
    table_cell(line, 2, m->name);
    table_cell(line, 3, m->intake_number);
    table_cell(line, 4, describe_list(m->reasons, m->n_reasons, text, sizeof text));
}

void print_matches(Handoff__V1__Match *const *matches, size_t count, const char *title, const char *if_empty)
{
    static const struct column columns[] = {{.name = "SCORE", .is_right = true}, {.name = "ID"},
                                            {.name = "NAME", .share = 0.2},      {.name = "INTAKE"},
                                            {.name = "BECAUSE", .share = 0.5}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) add_match(table, matches[i]);
    table_print(table, title, if_empty);
}

static void print_match_reply(const Handoff__V1__DirectoryMatchReply *reply)
{
    char nobody[128];
    snprintf(nobody, sizeof nobody, "nobody in the directory suits this patient at level %s",
             WORD(handoff__v1__level_of_care__descriptor, reply->level_of_care));
    print_matches(reply->matches, reply->n_matches, NULL, nobody);
    print_matches(reply->crisis_lines, reply->n_crisis_lines, "crisis lines", "");
    print_matches(reply->county_offices, reply->n_county_offices, "county offices", "");
}

static error_t parse_match(int key, char *argument, struct argp_state *state)
{
    Handoff__V1__DirectoryMatchRequest *request = state->input;
    switch (key) {
    case 'e':
        request->episode_id = argument;
        return 0;
    case 'l':
        request->level_of_care =
            (Handoff__V1__LevelOfCare)cli_enum(state, &handoff__v1__level_of_care__descriptor, argument);
        return 0;
    case 'n': {
        uint64_t limit = cli_number(state, argument);
        if (limit < 1 || limit > 10) argp_error(state, "--limit is from 1 to 10");
        request->limit = (uint32_t)limit;
        return 0;
    }
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The daemon names the request's field; here it is an option. */
static int request_match(struct cli *cli, const Handoff__V1__Request *request, Handoff__V1__Reply **ret_reply)
{
    int code = cli_connect(cli);
    if (code) return code;
    int error = handoff_request(cli->client, request, ret_reply);
    if (!error) return EXIT_DONE;
    const struct handoff_result *refusal = handoff_refusal(cli->client);
    bool lacks_level = error == HANDOFF_REFUSED && refusal->code == HANDOFF__V1__CODE__CODE_MISSING_FIELD &&
                       strcmp(refusal->field, "level_of_care") == 0;
    if (!lacks_level) return cli_failed(cli, error);
    return cli_say(EXIT_REFUSED, "%s has no open episode with a level of care: say which with --level",
                   request->directory_match->patient_id);
}

int run_directory_match(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"episode", 'e', "ID", 0, "for this episode, at its own level of care (the newest open referral)", 0},
        {"level", 'l', "LEVEL", 0, "for no episode, at this level of care", 0},
        {"limit", 'n', "COUNT", 0, "at most so many (10)", 0},
        {0},
    };
    Handoff__V1__DirectoryMatchRequest match = HANDOFF__V1__DIRECTORY_MATCH_REQUEST__INIT;
    const char *arguments[1];
    const struct syntax syntax = {.arguments = "PATIENT",
                                  .summary = "Shows who of the directory suits a patient, the best first, and why.",
                                  .options = options,
                                  .parse = parse_match,
                                  .input = &match,
                                  .least = 1,
                                  .most = 1};
    cli_parse(cli, &syntax, argc, argv, arguments);
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__Reply *reply = NULL;
    match.patient_id = borrow(arguments[0]);
    request.body_case = HANDOFF__V1__REQUEST__BODY_DIRECTORY_MATCH;
    request.directory_match = &match;
    int code = request_match(cli, &request, &reply);
    if (code) return code;
    if (cli->is_json) code = cli_print_json(&reply->directory_match->base, true);
    else print_match_reply(reply->directory_match);
    handoff_reply_free(&reply);
    return code;
}

/* --- map
 * ---------------------------------------------------------------------------------------------------------- */

int run_directory_map(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {
        .summary = "Prints the table that says what an import's texts mean: a site's own begins as a copy of it."};
    cli_parse(cli, &syntax, argc, argv, NULL);
    fputs(hsds_map_default_text(), stdout);
    return EXIT_DONE;
}
