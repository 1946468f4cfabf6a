/* What there is to do: tasks and escalations, listed. Lists are fetched page by page at one sequence, so that
 * together they show one moment. Neighbours: answer.c answers them. */
#include "cli.h"
#include "describe.h"
#include "table.h"
#include "views.h"
#include "when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS  1000
#define PAGES_MOST 10000

/* --- tables
 * ------------------------------------------------------------------------------------------------------- */

/* What is the usual takes no room: a routine severity, no attempt yet. */
static const char *severity_word(Handoff__V1__Severity severity, char word[64])
{
    if (severity <= HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE) return "";
    return word_of(&handoff__v1__severity__descriptor, (int)severity, word);
}

/* Whose it is: the person, or the role while nobody holds it. */
static const char *holder(const char *person_id, Handoff__V1__Role role, char word[64])
{
    return *person_id ? person_id : word_of(&handoff__v1__role__descriptor, (int)role, word);
}

static void add_task(struct libscols_table *table, const Handoff__V1__TaskView *task)
{
    struct libscols_line *line = table_line(table, NULL);
    char when[WHEN_TEXT_BYTES], about[160], word[64];
    bool has_subject = *describe_recipient(task->subject, about, sizeof about) != 0;
    table_cellf(line, 0, "%s%s", when_format(task->due_at_ms, when), task->is_overdue ? " overdue" : "");
    table_cell(line, 1, task->patient_id);
    table_cell(line, 2, *task->made_under ? task->task_id : short_id(task->task_id));
    table_cellf(line, 3, "%s%s%s", WORD(handoff__v1__task_kind__descriptor, task->kind),
                has_subject ? " about " : "", about);
    table_cell(line, 4, holder(task->person_id, task->owner, word));
    table_cell(line, 5, severity_word(task->severity, word));
    if (task->attempts) table_cellf(line, 6, "%u", task->attempts);
    table_cell(line, 7, task->reason);
}

void print_tasks(Handoff__V1__TaskView *const *tasks, size_t count, bool has_patient, const char *title,
                 const char *if_empty)
{
    static const struct column columns[] = {{.name = "DUE"},
                                            {.name = "PATIENT"},
                                            {.name = "TASK"},
                                            {.name = "WHAT", .share = 0.2},
                                            {.name = "FOR"},
                                            {.name = "SEVERITY"},
                                            {.name = "TRIES", .is_right = true},
                                            {.name = "REASON", .share = 0.3}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    if (!has_patient) scols_column_set_flags(scols_table_get_column(table, 1), SCOLS_FL_HIDDEN);
    for (size_t i = 0; i < count; i++) add_task(table, tasks[i]);
    table_print(table, title, if_empty);
}

static void add_escalation(struct libscols_table *table, const Handoff__V1__EscalationView *escalation)
{
    struct libscols_line *line = table_line(table, NULL);
    char when[WHEN_TEXT_BYTES], word[64];
    table_cell(line, 0, when_format(escalation->next_at_ms, when));
    table_cell(line, 1, escalation->patient_id);
    table_cell(line, 2, *escalation->made_under ? escalation->escalation_id : short_id(escalation->escalation_id));
    table_cellf(line, 3, "%s%s%s", WORD(handoff__v1__escalation_state__descriptor, escalation->state),
                *escalation->acknowledged_by ? " by " : "", escalation->acknowledged_by);
    table_cell(line, 4, WORD(handoff__v1__role__descriptor, escalation->rung));
    table_cell(line, 5, escalation->person_id);
    table_cell(line, 6, severity_word(escalation->severity, word));
    table_cell(line, 7, short_id(escalation->task_id));
    table_cell(line, 8, when_format(escalation->raised_at_ms, when));
    table_cell(line, 9, escalation->reason);
}

void print_escalations(Handoff__V1__EscalationView *const *escalations, size_t count, bool has_patient,
                       const char *title, const char *if_empty)
{
    static const struct column columns[] = {
        {.name = "NEXT"},  {.name = "PATIENT"},  {.name = "ID"},   {.name = "STATE", .share = 0.15},
        {.name = "RUNG"},  {.name = "FOR"},      {.name = "SEVERITY"}, {.name = "TASK"},
        {.name = "RAISED"}, {.name = "REASON", .share = 0.3}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    scols_column_set_flags(scols_table_get_column(table, has_patient ? 8 : 1), SCOLS_FL_HIDDEN); /* for room */
    for (size_t i = 0; i < count; i++) add_escalation(table, escalations[i]);
    table_print(table, title, if_empty);
}

/* --- pages
 * -------------------------------------------------------------------------------------------------------- */

/* Moves the rows of a page to the end of all; both are arrays of pointers to messages. */
static int move_rows(void ***all, size_t *all_count, void **page, size_t *page_count)
{
    void **larger = realloc(*all, (*all_count + *page_count) * sizeof **all + 1);
    if (!larger) return cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY));
    if (*page_count) memcpy(larger + *all_count, page, *page_count * sizeof *page);
    *all = larger;
    *all_count += *page_count;
    *page_count = 0;
    return EXIT_DONE;
}

static int compare_ms(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_tasks(const void *a, const void *b)
{
    const Handoff__V1__TaskView *const *one = a, *const *other = b;
    int order = compare_ms((*one)->due_at_ms, (*other)->due_at_ms);
    if (!order) order = strcmp((*one)->patient_id, (*other)->patient_id);
    return order ? order : strverscmp((*one)->task_id, (*other)->task_id); /* t9 before t10 */
}

static int compare_escalations(const void *a, const void *b)
{
    const Handoff__V1__EscalationView *const *one = a, *const *other = b;
    int order = compare_ms((*one)->next_at_ms, (*other)->next_at_ms);
    if (!order) order = strcmp((*one)->patient_id, (*other)->patient_id);
    return order ? order : strverscmp((*one)->escalation_id, (*other)->escalation_id);
}

void sort_tasks(Handoff__V1__TaskView **tasks, size_t count)
{
    if (count) qsort(tasks, count, sizeof *tasks, compare_tasks);
}

void sort_escalations(Handoff__V1__EscalationView **escalations, size_t count)
{
    if (count) qsort(escalations, count, sizeof *escalations, compare_escalations);
}

/* The page's cursor goes into the next request; it is borrowed from `all`, which keeps the last one. */
static void keep_cursor(ProtobufCBinaryData *kept, ProtobufCBinaryData *page)
{
    free(kept->data);
    *kept = *page;
    *page = (ProtobufCBinaryData){0};
}

int fetch_tasks(struct cli *cli, Handoff__V1__TasksRequest *filter, Handoff__V1__TasksReply *all)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_TASKS;
    request.tasks = filter;
    filter->limit = PAGE_ROWS;
    for (int page = 0; page < PAGES_MOST; page++) {
        Handoff__V1__Reply *reply = NULL;
        int code = cli_request(cli, &request, &reply);
        if (code) return code;
        Handoff__V1__TasksReply *tasks = reply->tasks;
        code = move_rows((void ***)&all->tasks, &all->n_tasks, (void **)tasks->tasks, &tasks->n_tasks);
        keep_cursor(&all->next, &tasks->next);
        all->as_of = tasks->as_of;
        handoff_reply_free(&reply);
        if (code || !all->next.len) return code;
        filter->after = all->next;
        filter->as_of = all->as_of;
    }
    return cli_say(EXIT_REFUSED, "the list does not end");
}

int fetch_escalations(struct cli *cli, Handoff__V1__EscalationsRequest *filter,
                             Handoff__V1__EscalationsReply *all)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_ESCALATIONS;
    request.escalations = filter;
    filter->limit = PAGE_ROWS;
    for (int page = 0; page < PAGES_MOST; page++) {
        Handoff__V1__Reply *reply = NULL;
        int code = cli_request(cli, &request, &reply);
        if (code) return code;
        Handoff__V1__EscalationsReply *list = reply->escalations;
        code = move_rows((void ***)&all->escalations, &all->n_escalations, (void **)list->escalations,
                         &list->n_escalations);
        keep_cursor(&all->next, &list->next);
        all->as_of = list->as_of;
        handoff_reply_free(&reply);
        if (code || !all->next.len) return code;
        filter->after = all->next;
        filter->as_of = all->as_of;
    }
    return cli_say(EXIT_REFUSED, "the list does not end");
}

/* --- tasks
 * -------------------------------------------------------------------------------------------------------- */

enum { OF_PATIENT = 0x100 }; /* no letter is left that would say it */

static error_t parse_tasks(int key, char *argument, struct argp_state *state)
{
    Handoff__V1__TasksRequest *filter = state->input;
    switch (key) {
    case 'o':
        filter->owner = (Handoff__V1__Role)cli_enum(state, &handoff__v1__role__descriptor, argument);
        return 0;
    case 'p':
        filter->person_id = argument;
        return 0;
    case 'a':
        filter->subject_id = argument;
        return 0;
    case 'd':
        filter->is_overdue = true;
        return 0;
    case 'k':
        filter->kind = (Handoff__V1__TaskKind)cli_enum(state, &handoff__v1__task_kind__descriptor, argument);
        return 0;
    case 's':
        filter->at_least =
            (Handoff__V1__Severity)cli_enum(state, &handoff__v1__severity__descriptor, argument);
        return 0;
    case 'w':
        filter->site = argument;
        return 0;
    case OF_PATIENT:
        filter->patient_id = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int run_tasks(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"owner", 'o', "ROLE", 0, "of this role: coordinator, supervisor, ...", 0},
        {"person", 'p', "ID", 0, "that this person has", 0},
        {"about", 'a', "ID", 0, "about this agency, guardian, ...: one call for all that it is to be asked", 0},
        {"overdue", 'd', NULL, 0, "that are overdue", 0},
        {"kind", 'k', "KIND", 0, "of this kind: call-family, obtain-roi, ...", 0},
        {"severity", 's', "SEVERITY", 0, "at least routine, urgent or emergent", 0},
        {"site", 'w', "NAME", 0, "of this site", 0},
        {"patient", OF_PATIENT, "ID", 0, "of this patient, or of the site or source of that name", 0},
        {0},
    };
    Handoff__V1__TasksRequest filter = HANDOFF__V1__TASKS_REQUEST__INIT;
    const struct syntax syntax = {.summary = "Lists open tasks by due time.",
                                  .options = options,
                                  .parse = parse_tasks,
                                  .input = &filter};
    cli_parse(cli, &syntax, argc, argv, NULL);
    Handoff__V1__TasksReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__tasks_reply__init(all);
    int code = fetch_tasks(cli, &filter, all);
    if (!code) {
        sort_tasks(all->tasks, all->n_tasks);
        if (cli->is_json) {
            code = cli_print_json(&all->base, true);
        } else {
            print_tasks(all->tasks, all->n_tasks, true, NULL, "no open tasks");
        }
    }
    handoff__v1__tasks_reply__free_unpacked(all, NULL);
    return code;
}

/* --- escalations
 * -------------------------------------------------------------------------------------------------- */

static error_t parse_escalations(int key, char *argument, struct argp_state *state)
{
    Handoff__V1__EscalationsRequest *filter = state->input;
    switch (key) {
    case 'r':
        filter->rung = (Handoff__V1__Role)cli_enum(state, &handoff__v1__role__descriptor, argument);
        return 0;
    case 'p':
        filter->person_id = argument;
        return 0;
    case 's':
        filter->at_least =
            (Handoff__V1__Severity)cli_enum(state, &handoff__v1__severity__descriptor, argument);
        return 0;
    case 'w':
        filter->site = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int run_escalations(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"rung", 'r', "ROLE", 0, "that this role holds now: supervisor, director, ...", 0},
        {"person", 'p', "ID", 0, "that this person has", 0},
        {"severity", 's', "SEVERITY", 0, "at least routine, urgent or emergent", 0},
        {"site", 'w', "NAME", 0, "of this site", 0},
        {0},
    };
    Handoff__V1__EscalationsRequest filter = HANDOFF__V1__ESCALATIONS_REQUEST__INIT;
    const struct syntax syntax = {.summary = "Lists open escalations by the time they climb or repeat.",
                                  .options = options,
                                  .parse = parse_escalations,
                                  .input = &filter};
    cli_parse(cli, &syntax, argc, argv, NULL);
    Handoff__V1__EscalationsReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__escalations_reply__init(all);
    int code = fetch_escalations(cli, &filter, all);
    if (!code) {
        sort_escalations(all->escalations, all->n_escalations);
        if (cli->is_json) {
            code = cli_print_json(&all->base, true);
        } else {
            print_escalations(all->escalations, all->n_escalations, true, NULL, "no open escalations");
        }
    }
    handoff__v1__escalations_reply__free_unpacked(all, NULL);
    return code;
}
