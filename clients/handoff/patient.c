/* handoff patient: what is, what was and why, what will be if nobody acts. */
#include "cli.h"
#include "describe.h"
#include "table.h"
#include "views.h"
#include "when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ENTRIES 500
#define PAGES_MOST   10000

struct patient_input {
    const char *at;
    const char *limit;
    int64_t at_ms;
    uint64_t entries; /* 0: all */
    uint64_t most;    /* of `entries` */
};

enum { KEY_AT = 'a', KEY_LIMIT = 'n' };

static const struct argp_option option_at = {"at", KEY_AT, "TIME", 0, "as it was then (now)", 0};

/* Read at the end, when the time zone is known. */
static error_t parse_patient(int key, char *argument, struct argp_state *state)
{
    struct patient_input *input = state->input;
    switch (key) {
    case KEY_AT:
        input->at = argument;
        return 0;
    case KEY_LIMIT:
        input->limit = argument;
        return 0;
    case ARGP_KEY_END:
        if (input->at) input->at_ms = cli_time(state, input->at);
        if (input->limit) input->entries = cli_number(state, input->limit);
        if (input->entries > input->most) argp_error(state, "at most %" PRIu64, input->most);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text; /* protobuf-c's structs have no const; packing only reads */
}

/* --- show
 * ----------------------------------------------------------------------------------------------------------
 */

static void print_fact(const char *name, const char *text)
{
    char line[512];
    if (!*text) return;
    snprintf(line, sizeof line, "%-14s%s", name, text);
    puts(make_printable(line));
}

static void print_facts(const Handoff__V1__PatientReply *patient)
{
    static const Handoff__V1__PatientRecord nobody = HANDOFF__V1__PATIENT_RECORD__INIT;
    const Handoff__V1__PatientRecord *record = patient->record ? patient->record : &nobody;
    char text[256], when[WHEN_TEXT_BYTES];
    snprintf(text, sizeof text, "%s%s%s%s", record->patient_id, *record->name ? ", " : "", record->name,
             record->is_known ? "" : " (not registered)");
    print_fact("patient", text);
    uint32_t born = record->birth_date;
    if (born) snprintf(text, sizeof text, "%04u-%02u-%02u", born / 10000, born / 100 % 100, born % 100);
    print_fact("born", born ? text : "");
    print_fact("site", record->site);
    print_fact("language", record->language);
    if (record->needs_interpreter) print_fact("interpreter", "needed");
    if (record->is_deceased) print_fact("deceased", "yes");
    if (record->is_opted_out) print_fact("contact", "declined");
    snprintf(text, sizeof text, "#%" PRIu64 ", %s", patient->sequence, when_format_zone(patient->at_ms, when));
    print_fact("as of", text);
}

static void print_episodes(const Handoff__V1__PatientReply *patient)
{
    static const struct column columns[] = {{.name = "EPISODE"}, {.name = "PATHWAY"},  {.name = "STATE"},
                                            {.name = "REGIONS"}, {.name = "HOLDS"},    {.name = "CONCERNS"},
                                            {.name = "AGENCY"},  {.name = "REFERRAL"}, {.name = "SINCE"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < patient->n_episodes; i++) {
        const Handoff__V1__EpisodeView *view = patient->episodes[i];
        struct libscols_line *line = table_line(table, NULL);
        char text[DESCRIPTION_BYTES], when[WHEN_TEXT_BYTES];
        table_cell(line, 0, short_id(view->episode_id));
        table_cell(line, 1, view->pathway);
        table_cell(line, 2, view->state);
        table_cell(line, 3, describe_list(view->regions, view->n_regions, text, sizeof text));
        table_cell(line, 4, describe_list(view->holds, view->n_holds, text, sizeof text));
        table_cell(line, 5, describe_list(view->concerns, view->n_concerns, text, sizeof text));
        if (!view->episode) continue;
        table_cell(line, 6, view->episode->agency_id);
        table_cell(line, 7, view->episode->referral_id);
        table_cell(line, 8, when_format(view->episode->opened_at_ms, when));
    }
    table_print(table, "Episodes", "\nno open episode");
}

/* Paused ones last: their time does not count. */
static int compare_timers(const void *a, const void *b)
{
    const Handoff__V1__NamedTimer *const *one = a, *const *other = b;
    if ((*one)->is_paused != (*other)->is_paused) return (*one)->is_paused ? 1 : -1;
    return ((*one)->due_at_ms > (*other)->due_at_ms) - ((*one)->due_at_ms < (*other)->due_at_ms);
}

static void print_timers(const Handoff__V1__PatientReply *patient)
{
    static const struct column columns[] = {{.name = "DUE"},
                                            {.name = "TIMER"},
                                            {.name = "EPISODE"},
                                            {.name = "FIRED", .is_right = true},
                                            {.name = "VISIT"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    if (patient->n_timers) qsort(patient->timers, patient->n_timers, sizeof *patient->timers, compare_timers);
    for (size_t i = 0; i < patient->n_timers; i++) {
        const Handoff__V1__NamedTimer *timer = patient->timers[i];
        struct libscols_line *line = table_line(table, NULL);
        char when[WHEN_TEXT_BYTES];
        table_cell(line, 0, timer->is_paused ? "paused" : when_format(timer->due_at_ms, when));
        table_cell(line, 1, timer->name);
        table_cell(line, 2, short_id(timer->episode_id));
        table_cellf(line, 3, "%u", timer->firings);
        table_cell(line, 4, timer->appointment_id);
    }
    table_print(table, "Timers", NULL);
}

static void print_visits(const Handoff__V1__PatientRecord *record)
{
    static const struct column columns[] = {
        {.name = "VISIT"}, {.name = "STARTS"}, {.name = "STATUS"}, {.name = "AGENCY"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < record->n_appointments; i++) {
        const Handoff__V1__Appointment *visit = record->appointments[i];
        struct libscols_line *line = table_line(table, NULL);
        char when[WHEN_TEXT_BYTES];
        table_cell(line, 0, visit->id);
        table_cell(line, 1, when_format(visit->starts_at_ms, when));
        table_cell(line, 2, WORD(handoff__v1__visit_status__descriptor, visit->status));
        table_cell(line, 3, visit->agency_id);
    }
    table_print(table, "Visits", NULL);
}

static void print_consents(const Handoff__V1__PatientRecord *record)
{
    static const struct column columns[] = {{.name = "CONSENT"},
                                            {.name = "SIGNER"},
                                            {.name = "RECIPIENTS"},
                                            {.name = "CATEGORY"},
                                            {.name = "EXPIRES"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < record->n_consents; i++) {
        const Handoff__V1__Consent *consent = record->consents[i];
        struct libscols_line *line = table_line(table, NULL);
        char when[WHEN_TEXT_BYTES], who[DESCRIPTION_BYTES] = "";
        for (size_t k = 0; k < consent->n_recipients; k++) {
            char one[160];
            size_t len = strlen(who);
            snprintf(who + len, sizeof who - len, "%s%s", k ? ", " : "",
                     describe_recipient(consent->recipients[k], one, sizeof one));
        }
        table_cell(line, 0, consent->id);
        table_cell(line, 1, WORD(handoff__v1__party__descriptor, consent->signer));
        table_cell(line, 2, who);
        table_cell(line, 3, WORD(handoff__v1__diagnosis_category__descriptor, consent->category));
        table_cell(line, 4, when_format(consent->expires_at_ms, when));
    }
    table_print(table, "Consents", NULL);
}

static void print_care_team(const Handoff__V1__PatientRecord *record)
{
    static const struct column columns[] = {
        {.name = "PARTY"}, {.name = "ID"}, {.name = "NAME"}, {.name = "CUSTODY"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < record->n_care_team; i++) {
        const Handoff__V1__CareTeamMember *member = record->care_team[i];
        struct libscols_line *line = table_line(table, NULL);
        table_cell(line, 0, WORD(handoff__v1__party__descriptor, member->party));
        table_cell(line, 1, member->id);
        table_cell(line, 2, member->name);
        table_cell(line, 3, WORD(handoff__v1__custody__descriptor, member->custody));
    }
    table_print(table, "Care team", NULL);
}

static void print_flags(const Handoff__V1__PatientRecord *record)
{
    static const struct column columns[] = {
        {.name = "RISK"}, {.name = "SEVERITY"}, {.name = "RAISED"}, {.name = "ASSESSED"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < record->n_flags; i++) {
        const Handoff__V1__SafetyFlag *flag = record->flags[i];
        struct libscols_line *line = table_line(table, NULL);
        char when[WHEN_TEXT_BYTES];
        table_cell(line, 0, WORD(handoff__v1__risk_kind__descriptor, flag->kind));
        table_cell(line, 1, WORD(handoff__v1__severity__descriptor, flag->severity));
        table_cell(line, 2, when_format(flag->raised_at_ms, when));
        table_cell(line, 3, flag->is_assessed ? "yes" : "no");
    }
    table_print(table, "Safety flags", NULL);
}

/* Under the tasks: who can be offered with them. */
static void print_offer(const Handoff__V1__TaskView *task)
{
    char title[128];
    snprintf(title, sizeof title, "For %s, %s", short_id(task->task_id),
             WORD(handoff__v1__task_kind__descriptor, task->kind));
    print_matches(task->matches, task->n_matches, title, NULL);
}

static void print_patient(Handoff__V1__PatientReply *patient)
{
    sort_tasks(patient->tasks, patient->n_tasks);
    sort_escalations(patient->escalations, patient->n_escalations);
    print_facts(patient);
    if (patient->record) print_flags(patient->record);
    print_episodes(patient);
    print_escalations(patient->escalations, patient->n_escalations, false, "Escalations", NULL);
    print_tasks(patient->tasks, patient->n_tasks, false, "Tasks", NULL);
    for (size_t i = 0; i < patient->n_tasks; i++) print_offer(patient->tasks[i]);
    print_timers(patient);
    if (!patient->record) return;
    print_visits(patient->record);
    print_consents(patient->record);
    print_care_team(patient->record);
}

int run_patient_show(struct cli *cli, int argc, char **argv)
{
    const struct argp_option options[] = {option_at, {0}};
    struct patient_input input = {0};
    const struct syntax syntax = {
        .arguments = "ID",
        .summary = "Shows a patient: episodes, escalations, tasks, timers, visits, consents.",
        .options = options,
        .parse = parse_patient,
        .input = &input,
        .least = 1,
        .most = 1};
    const char *id = NULL;
    cli_parse(cli, &syntax, argc, argv, &id);
    Handoff__V1__PatientRequest patient = HANDOFF__V1__PATIENT_REQUEST__INIT;
    patient.patient_id = borrow(id);
    patient.at_ms = input.at_ms;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_PATIENT;
    request.patient = &patient;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    if (cli->is_json) {
        code = cli_print_json(&reply->patient->base, true);
    } else {
        print_patient(reply->patient);
    }
    handoff_reply_free(&reply);
    return code;
}

/* --- timeline and next
 * --------------------------------------------------------------------------------------------- */

static struct libscols_table *open_timeline(void)
{
    static const struct column columns[] = {
        {.name = "WHEN"}, {.name = "WHAT", .is_tree = true, .share = 0.45}, {.name = "WHY", .share = 0.3}};
    return table_open(columns, sizeof columns / sizeof *columns);
}

/* Where it came from: an event's source and time, if it came late; a verdict that is not the usual one. */
static void fill_entry_why(struct libscols_line *line, const Handoff__V1__TimelineEntry *entry)
{
    char verdict[64] = "", when[WHEN_TEXT_BYTES] = "", number[24] = "";
    bool is_usual = entry->verdict == HANDOFF__V1__VERDICT__VERDICT_APPLIED || !entry->sequence;
    bool is_late = entry->occurred_at_ms && entry->at_ms - entry->occurred_at_ms > 60000;
    if (!is_usual)
        handoff_enum_word(&handoff__v1__verdict__descriptor, (int)entry->verdict, verdict, sizeof verdict);
    if (is_late) when_format(entry->occurred_at_ms, when);
    if (entry->sequence) snprintf(number, sizeof number, "#%" PRIu64, entry->sequence);
    table_cellf(line, 2, "%s%s%s%s%s%s%s%s%s", number, *entry->source ? " from " : "", entry->source,
                is_late ? ", occurred " : "", when, *verdict ? ", " : "", verdict,
                *entry->sentence ? ": " : "", entry->sentence);
}

static void add_entry(struct libscols_table *table, const Handoff__V1__TimelineEntry *entry)
{
    char text[DESCRIPTION_BYTES] = "", when[WHEN_TEXT_BYTES];
    struct libscols_line *line = table_line(table, NULL);
    if (entry->event) describe_event_body(entry->event, text, sizeof text);
    table_cell(line, 0, when_format(entry->at_ms, when));
    table_cellf(line, 1, "%s%s%s", entry->input, *text ? ": " : "", text);
    fill_entry_why(line, entry);
    for (size_t i = 0; i < entry->n_steps; i++) {
        if (entry->steps[i]->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_FIRED) continue; /* the input */
        struct libscols_line *step = table_line(table, line);
        table_cell(step, 1, describe_step(entry->steps[i], text, sizeof text));
        table_cell(step, 2, entry->steps[i]->rule);
    }
    for (size_t i = 0; i < entry->n_emissions; i++) {
        struct libscols_line *emission = table_line(table, line);
        table_cell(emission, 1, describe_emission(entry->emissions[i], text, sizeof text));
        table_cell(emission, 2, entry->emissions[i]->reason);
    }
}

/* The page's entries go to the end of all: both are newest first. */
static int move_entries(Handoff__V1__TimelineReply *all, Handoff__V1__TimelineReply *page)
{
    size_t count = all->n_entries + page->n_entries;
    Handoff__V1__TimelineEntry **larger = realloc(all->entries, count * sizeof *larger + 1);
    if (!larger) return cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY));
    if (page->n_entries) memcpy(larger + all->n_entries, page->entries, page->n_entries * sizeof *larger);
    all->entries = larger;
    all->n_entries = count;
    page->n_entries = 0;
    return EXIT_DONE;
}

static int fetch_timeline(struct cli *cli, const char *id, const struct patient_input *input,
                          Handoff__V1__TimelineReply *all)
{
    Handoff__V1__TimelineRequest timeline = HANDOFF__V1__TIMELINE_REQUEST__INIT;
    timeline.patient_id = borrow(id);
    timeline.at_ms = input->at_ms;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_TIMELINE;
    request.timeline = &timeline;
    for (int page = 0; page < PAGES_MOST; page++) {
        uint64_t left = input->entries ? input->entries - all->n_entries : PAGE_ENTRIES;
        timeline.limit = left < PAGE_ENTRIES ? (uint32_t)left : PAGE_ENTRIES;
        Handoff__V1__Reply *reply = NULL;
        int code = cli_request(cli, &request, &reply);
        if (code) return code;
        timeline.before_sequence = reply->timeline->next_before_sequence;
        code = move_entries(all, reply->timeline);
        handoff_reply_free(&reply);
        bool is_enough = input->entries && all->n_entries >= input->entries;
        all->next_before_sequence = is_enough ? timeline.before_sequence : 0;
        if (code || !timeline.before_sequence || is_enough) return code;
    }
    return cli_say(EXIT_REFUSED, "the timeline does not end");
}

int run_patient_timeline(struct cli *cli, int argc, char **argv)
{
    const struct argp_option options[] = {
        option_at, {"limit", KEY_LIMIT, "N", 0, "only the newest N entries (all)", 0}, {0}};
    struct patient_input input = {.most = UINT32_MAX};
    const struct syntax syntax = {
        .arguments = "ID",
        .summary = "Shows what happened, oldest first: each input, the rules that applied to "
                   "it, and what came of it.",
        .options = options,
        .parse = parse_patient,
        .input = &input,
        .least = 1,
        .most = 1};
    const char *id = NULL;
    cli_parse(cli, &syntax, argc, argv, &id);
    Handoff__V1__TimelineReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__timeline_reply__init(all);
    int code = fetch_timeline(cli, id, &input, all);
    if (!code && cli->is_json) {
        code = cli_print_json(&all->base, true);
    } else if (!code) {
        struct libscols_table *table = open_timeline();
        for (size_t i = all->n_entries; i > 0; i--) add_entry(table, all->entries[i - 1]);
        table_print(table, NULL, "nothing happened yet");
    }
    handoff__v1__timeline_reply__free_unpacked(all, NULL);
    return code;
}

int run_patient_next(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"limit", KEY_LIMIT, "N", 0, "look this many firings ahead (10; at most 100)", 0}, {0}};
    struct patient_input input = {.most = 100};
    const struct syntax syntax = {.arguments = "ID",
                                  .summary = "Shows what will happen if nobody acts, and when.",
                                  .options = options,
                                  .parse = parse_patient,
                                  .input = &input,
                                  .least = 1,
                                  .most = 1};
    const char *id = NULL;
    cli_parse(cli, &syntax, argc, argv, &id);
    Handoff__V1__NextRequest next = HANDOFF__V1__NEXT_REQUEST__INIT;
    next.patient_id = borrow(id);
    next.limit = (uint32_t)input.entries;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_NEXT;
    request.next = &next;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    if (cli->is_json) {
        code = cli_print_json(&reply->next->base, true);
    } else {
        struct libscols_table *table = open_timeline();
        for (size_t i = 0; i < reply->next->n_entries; i++) add_entry(table, reply->next->entries[i]);
        table_print(table, NULL, "nothing will happen: no episode is open");
    }
    handoff_reply_free(&reply);
    return code;
}
