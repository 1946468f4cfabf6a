/* The site beside its patients: what an event of the site means for it, and the one list that a round over the records
 * makes (core/rounds.h). The daemon goes through all records; here all are those of the scenario. */
#include "pathway/scenario_inner.h"

#include <stdlib.h>
#include <string.h>
#include "base/limits.h"
#include "core/message.h"
#include "core/rounds.h"

static int by_risk(const void *a, const void *b)
{
    return round_order(*(Handoff__V1__ListLine *const *)a, *(Handoff__V1__ListLine *const *)b);
}

/* What a patient adds to the list of a round. */
static void add_lines(struct scenario *site, struct scenario *patient, const Handoff__V1__Round *round,
                      Handoff__V1__RoundList *list)
{
    static struct round_line lines[ROUND_RECORD_LINES_MAX];
    bool is_told = !round_is_about_tasks(round); /* who heard of it belongs to the list, as does who has the work */
    if (!patient->record || (is_told && !round_concerns(patient->rules, patient->record, round))) return;
    size_t count = round_lines(patient->rules, patient->record, "", round, site->now_ms, site->arena, lines);
    for (size_t i = 0; i < count; i++) {
        Handoff__V1__ListLine *line = arena_copy(site->arena, &lines[i].line, sizeof lines[i].line);
        list->person_id = arena_string(site->arena, lines[i].person_id);
        list_append(site->arena, &list->lines, &list->n_lines, line);
    }
}

/* One list of all that the scenario's patients add; the daemon makes one for each who receives any. */
static void finish_round(struct scenario *site, struct scenario *leader, const Handoff__V1__Round *round)
{
    Handoff__V1__CommandInput *command = MESSAGE_NEW(site->arena, Handoff__V1__CommandInput, command_input);
    Handoff__V1__RoundDone *done = MESSAGE_NEW(site->arena, Handoff__V1__RoundDone, round_done);
    Handoff__V1__RoundList *list = MESSAGE_NEW(site->arena, Handoff__V1__RoundList, round_list);
    add_lines(site, leader, round, list);
    for (size_t i = 0; i < leader->other_count; i++) add_lines(site, leader->others[i], round, list);
    if (list->n_lines) qsort(list->lines, list->n_lines, sizeof *list->lines, by_risk);
    list->total = (uint32_t)list->n_lines;
    done->sequence = round->sequence;
    done->kind = round->kind;
    done->about = arena_string(site->arena, round->about);
    done->taken_back = round->since_sequence;
    if (list->n_lines) list_append(site->arena, &done->lists, &done->n_lists, list);
    command->body_case = HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_DONE;
    command->round_done = done;
    scenario_take_step(site, (struct step_input){.kind = STEP_COMMAND, .command = command});
}

static void finish_rounds(struct scenario *site, struct scenario *leader)
{
    for (size_t i = 0; site->record && i < site->record->n_rounds;) {
        if (site->record->rounds[i]->is_begun)
            finish_round(site, leader, site->record->rounds[i]); /* which takes it away */
        else
            i++;
    }
}

/* `site: {escalations: [supervisor], list: 80}`; `resolved` and `withdrawn` where the file speaks of them */
static void expect_site(struct scenario *site, struct yaml_node expect)
{
    static struct words expected;
    static const struct {
        const char *key;
        enum happened what;
        bool is_exact;
    } keys[] = {{"tasks", TASKS, true},
                {"escalations", ESCALATIONS, true},
                {"resolved", RESOLVED, false},
                {"withdrawn", WITHDRAWN, false}};
    int64_t length = 0;
    struct yaml_errors ignored = {0};
    if (!yaml_is_present(expect)) return;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct yaml_node at = yaml_get(expect, keys[i].key);
        if (!keys[i].is_exact && !yaml_is_present(at)) continue;
        scenario_read_words(at, &expected);
        scenario_compare(site, keys[i].key, &site->happened[keys[i].what], &expected);
    }
    if (!yaml_is_present(yaml_get(expect, "list"))) return;
    yaml_read_int(yaml_get(expect, "list"), 0, PATIENTS_MAX * ROUND_RECORD_LINES_MAX, &length, &ignored);
    scenario_check(site, site->list_length == length, "a list of %lld (got %u)", (long long)length, site->list_length);
}

/* After its patients: their records are as the list shows them. */
static void run_site_step(struct scenario *site, struct scenario *leader, struct yaml_node step,
                          struct yaml_errors *errors)
{
    Handoff__V1__Event *event = NULL;
    scenario_begin_step(site);
    site->step = leader->step;
    scenario_advance(site, leader->now_ms);
    finish_rounds(site, leader);
    if (yaml_text(yaml_get(step, "of"))) event = scenario_event(step, site->calendar, site->arena, errors);
    if (event) {
        site->patient = leader->patient; /* the event is named as the others name it */
        scenario_fill_envelope(site, step, event);
        site->patient = rules_site(site->rules, "")->name;
        event->patient_id = arena_string(site->arena, "");
        scenario_make_known(site, event, errors);
        for (int delivery = 0; delivery <= site->report->is_twice; delivery++) scenario_receive(site, event);
        finish_rounds(site, leader);
    }
    expect_site(site, yaml_get(yaml_get(step, "expect"), "site"));
}

static struct scenario *open_other(const struct scenario *leader, const char *patient, enum subject_kind subject)
{
    struct scenario *o = calloc(1, sizeof *o);
    struct arena *arena = arena_new(LIMIT_ARENA_BYTES);
    if (!o || !arena) {
        arena_free(arena);
        free(o);
        return NULL;
    }
    *o = (struct scenario){.rules = leader->rules,
                           .calendar = leader->calendar,
                           .report = leader->report,
                           .arena = arena,
                           .name = leader->name,
                           .patient = arena_string(arena, patient),
                           .subject = subject,
                           .now_ms = leader->now_ms,
                           .is_other = subject == SUBJECT_IS_PATIENT};
    return o;
}

/* `patients: 80` */
void scenario_open_others(struct scenario *r, struct yaml_node at, struct yaml_errors *errors)
{
    int64_t count = 1;
    char name[TEXT_BYTES];
    if (yaml_is_present(at)) yaml_read_int(at, 1, PATIENTS_MAX, &count, errors);
    r->site = open_other(r, rules_site(r->rules, "")->name, SUBJECT_IS_SITE);
    r->others = calloc((size_t)count, sizeof *r->others);
    bool is_whole = r->site && r->others;
    for (int64_t i = 1; i < count && is_whole; i++) {
        snprintf(name, sizeof name, "%s-%lld", r->patient, (long long)i + 1);
        r->others[r->other_count] = open_other(r, name, SUBJECT_IS_PATIENT);
        is_whole = r->others[r->other_count] != NULL;
        r->other_count += is_whole;
    }
    if (!is_whole) yaml_error_at(errors, r->name, 0, 0, "no memory");
}

/* The transcript is the first one's. */
void scenario_run_others(struct scenario *r, struct yaml_node step, struct yaml_errors *errors)
{
    unsigned failed = r->report->failed;
    FILE *transcript = r->report->transcript;
    r->report->transcript = NULL;
    for (size_t i = 0; i < r->other_count; i++) {
        r->others[i]->step = r->step;
        scenario_run_step(r->others[i], step, errors);
    }
    if (r->other_count)
        scenario_check(r, r->report->failed == failed, "the other %zu come out the same", r->other_count);
    run_site_step(r->site, r, step, errors);
    r->report->transcript = transcript;
}
