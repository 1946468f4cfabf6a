/* handoff list: the list behind a take-over task, or behind an escalation about many patients. */
#include "cli.h"
#include "describe.h"
#include "table.h"
#include "views.h"
#include "when.h"

#include <stdlib.h>
#include <string.h>

#define ID_BYTES 80

static bool is_meant(const char *patient, const char *whole, const char *const *arguments)
{
    return strcmp(patient, arguments[0]) == 0 && strcmp(short_id(whole), arguments[1]) == 0;
}

static int find_task(struct cli *cli, const char *const *arguments, char id[ID_BYTES])
{
    Handoff__V1__TasksRequest filter = HANDOFF__V1__TASKS_REQUEST__INIT;
    Handoff__V1__TasksReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__tasks_reply__init(all);
    int code = fetch_tasks(cli, &filter, all);
    for (size_t i = 0; !code && i < all->n_tasks; i++) {
        if (is_meant(all->tasks[i]->patient_id, all->tasks[i]->task_id, arguments))
            strncpy(id, all->tasks[i]->task_id, ID_BYTES - 1);
    }
    handoff__v1__tasks_reply__free_unpacked(all, NULL);
    return code;
}

static int find_escalation(struct cli *cli, const char *const *arguments, char id[ID_BYTES])
{
    Handoff__V1__EscalationsRequest filter = HANDOFF__V1__ESCALATIONS_REQUEST__INIT;
    Handoff__V1__EscalationsReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__escalations_reply__init(all);
    int code = fetch_escalations(cli, &filter, all);
    for (size_t i = 0; !code && i < all->n_escalations; i++) {
        if (is_meant(all->escalations[i]->patient_id, all->escalations[i]->escalation_id, arguments))
            strncpy(id, all->escalations[i]->escalation_id, ID_BYTES - 1);
    }
    handoff__v1__escalations_reply__free_unpacked(all, NULL);
    return code;
}

/* As tables show it, t4 or e2, or whole. */
static int find_id(struct cli *cli, const char *const *arguments, char id[ID_BYTES])
{
    memset(id, 0, ID_BYTES);
    if (strchr(arguments[1], '-')) {
        strncpy(id, arguments[1], ID_BYTES - 1);
        return EXIT_DONE;
    }
    int code = arguments[1][0] == 'e' ? find_escalation(cli, arguments, id) : find_task(cli, arguments, id);
    if (code || *id) return code;
    return cli_say(EXIT_REFUSED, "there is no open task or escalation %s of %s", arguments[1], arguments[0]);
}

static void add_line(struct libscols_table *table, const Handoff__V1__ListLine *line)
{
    struct libscols_line *row = table_line(table, NULL);
    char when[WHEN_TEXT_BYTES];
    table_cell(row, 0, line->patient_id);
    table_cell(row, 1, line->is_flagged ? "open safety flag" : "");
    if (line->severity > HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE)
        table_cell(row, 2, WORD(handoff__v1__severity__descriptor, line->severity));
    if (line->due_at_ms) table_cell(row, 3, when_format(line->due_at_ms, when));
    if (line->kind) table_cell(row, 4, WORD(handoff__v1__task_kind__descriptor, line->kind));
    table_cell(row, 5, short_id(line->id));
}

static void print_list(const Handoff__V1__ListReply *list)
{
    static const struct column columns[] = {{.name = "PATIENT"}, {.name = "RISK"}, {.name = "SEVERITY"},
                                            {.name = "DUE"},     {.name = "WHAT"}, {.name = "TASK"}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < list->n_lines; i++) add_line(table, list->lines[i]);
    table_print(table, NULL, "there is no list behind it");
    if (list->total > list->n_lines) printf("and %zu more\n", (size_t)list->total - list->n_lines);
}

int run_list(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {
        .arguments = "PATIENT ID",
        .summary = "Shows the list behind a take-over task, or behind an escalation about many patients: those most "
                   "at risk first. PATIENT and ID as `handoff tasks` and `handoff escalations` show them.",
        .least = 2,
        .most = 2};
    const char *arguments[2];
    char id[ID_BYTES];
    cli_parse(cli, &syntax, argc, argv, arguments);
    int code = cli_connect(cli);
    if (!code) code = find_id(cli, arguments, id);
    if (code) return code;
    Handoff__V1__ListRequest list = HANDOFF__V1__LIST_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__Reply *reply = NULL;
    list.id = id;
    request.body_case = HANDOFF__V1__REQUEST__BODY_LIST;
    request.list = &list;
    code = cli_request(cli, &request, &reply);
    if (code) return code;
    if (cli->is_json)
        code = cli_print_json(&reply->list->base, true);
    else
        print_list(reply->list);
    handoff_reply_free(&reply);
    return code;
}
