/* See forecast.h. First all patients are read for what is usual, then each newest record goes on, day by day:
 *
 *     whatever is due, or the completion that is planned next, whichever is earlier; at the same time people first   */
#include "replay/forecast.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/stored.h"
#include "core/message.h"
#include "replay/fold.h"
#include "replay/folder.h"

enum { FAILED = -1, PATIENTS_A_SNAPSHOT = 64, PLANS_MAX = LIMIT_RECORD_TASKS };
#define CHANGE(NAME) HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_##NAME
#define CLIMB(NAME)  HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME

struct plan { /* that somebody completes a task */
    uint32_t number;
    Handoff__V1__TaskKind kind;
    int64_t at_ms;
};

struct forecast {
    const struct forecast_options *options;
    struct forecast_result *result;
    struct folder folder;
    struct fold fold;
    struct arena *arena;
    const struct rules *rules;
    const struct calendar *calendar; /* of the first site: whose days these are */
    const struct calendar *here;     /* of the patient's site */
    int32_t first_day;
    uint32_t day; /* the one that is gone through */
    struct plan plans[PLANS_MAX];
    uint32_t plan_count;
    uint32_t owed[RULES_TASK_KINDS]; /* thousandths of a completion */
    uint64_t done;                   /* entries, for the progress */
    const char **sentence;
};

static int fail(struct forecast *f, const char *sentence)
{
    *f->sentence = sentence;
    return FAILED;
}

static void tell_progress(void *context)
{
    const struct forecast *f = context;
    if (!f->options->on_progress) return;
    uint64_t entries = f->folder.shares ? share_entries(f->folder.shares) : 1;
    f->options->on_progress(f->options->context, f->done, 2 * entries);
}

/* --- what is usual ---------------------------------------------------------------------------------------------------
 */

static int observe_entry(struct forecast *f, const struct place *place, const struct calendar *calendar)
{
    struct entry entry;
    arena_reset(f->fold.arena); /* the record has the other one */
    int code = share_entry(f->folder.shares, place, &entry);
    if (code || !entry.outcome.len || !(entry.flags & ENTRY_HAS_EMISSIONS)) return code;
    const Handoff__V1__Outcome *outcome =
        stored_unpack(&handoff__v1__outcome__descriptor, entry.outcome, f->fold.arena);
    if (!outcome) return JOURNAL_E_CORRUPT;
    usual_take(f->result->usual, calendar, outcome, entry.time_ms);
    return 0;
}

static int observe_patient(struct forecast *f, const struct chain_places *chain,
                           const Handoff__V1__PatientRecord *newest)
{
    const struct calendar *calendar = &rules_site(f->rules, newest->site)->calendar;
    for (size_t i = 0; i < chain->count; i++) {
        int code = observe_entry(f, &chain->places[i], calendar);
        if (code) return fail(f, folder_error(code));
    }
    usual_end_patient(f->result->usual, newest, f->result->from_ms);
    return 0;
}

/* --- what people will do
 * ---------------------------------------------------------------------------------------------- */

/* Of a kind of which three in four are completed, three in four are: the first, the second, not the third, the fourth.
 */
static bool is_somebody_acting(struct forecast *f, Handoff__V1__TaskKind kind)
{
    if (f->options->is_nobody || (uint32_t)kind >= RULES_TASK_KINDS) return false;
    f->owed[kind] += usual_per_mille(f->result->usual, kind);
    bool is_acting = f->owed[kind] >= 1000;
    if (is_acting) f->owed[kind] -= 1000;
    return is_acting;
}

static void plan_completion(struct forecast *f, uint32_t number, Handoff__V1__TaskKind kind,
                            Handoff__V1__Severity severity, int64_t asked_ms)
{
    if (f->plan_count == PLANS_MAX || !is_somebody_acting(f, kind)) return;
    int64_t at_ms = usual_completion_ms(f->result->usual, f->here, kind, severity, asked_ms);
    if (at_ms <= asked_ms) at_ms = asked_ms + MS_PER_MINUTE; /* what is done at once may be asked for at once again */
    if (at_ms < f->result->from_ms) /* it has taken longer than usual: as if it were asked for now */
        at_ms = usual_completion_ms(f->result->usual, f->here, kind, severity, f->result->from_ms);
    f->plans[f->plan_count++] = (struct plan){number, kind, at_ms};
}

static void drop_plan(struct forecast *f, uint32_t number)
{
    for (uint32_t i = f->plan_count; i-- > 0;)
        if (f->plans[i].number == number) f->plans[i] = f->plans[--f->plan_count];
}

/* The earliest; of several the task with the lowest number. NULL: none. */
static const struct plan *next_plan(const struct forecast *f)
{
    const struct plan *first = NULL;
    for (uint32_t i = 0; i < f->plan_count; i++) {
        const struct plan *p = &f->plans[i];
        if (!first || p->at_ms < first->at_ms || (p->at_ms == first->at_ms && p->number < first->number)) first = p;
    }
    return first;
}

static void carry_out(struct forecast *f, struct plan plan)
{
    char task_id[STEP_ID_BYTES];
    struct arena *arena = fold_arena(&f->fold);
    Handoff__V1__Event *event = MESSAGE_NEW(arena, Handoff__V1__Event, event);
    drop_plan(f, plan.number);
    snprintf(task_id, sizeof task_id, "t%u", plan.number);
    event->id = event->source = arena_string(arena, "forecast");
    event->patient_id = f->fold.record->patient_id;
    event->site = f->fold.record->site;
    event->occurred_at_ms = plan.at_ms;
    event->task_id = arena_string(arena, task_id);
    event->body_case = HANDOFF__V1__EVENT__BODY_TASK_COMPLETED;
    event->task_completed = MESSAGE_NEW(arena, Handoff__V1__TaskCompleted, task_completed);
    event->task_completed->outcome = usual_outcome(f->result->usual, plan.kind);
    event->task_completed->by = arena_string(arena, "somebody");
    struct step_input input = {
        .kind = STEP_EVENT, .subject = SUBJECT_IS_PATIENT, .subject_name = event->patient_id, .event = event};
    fold_event(&f->fold, &input, f->result->last_sequence + 1, plan.at_ms);
}

/* --- counting
 * ----------------------------------------------------------------------------------------------------------- */

static struct forecast_cell *cell_of(struct forecast *f, int64_t day, Handoff__V1__Role role)
{
    return &f->result->cells[day][(uint32_t)role % FORECAST_ROLES];
}

/* A day ahead that a task is due on, if it is one of those. */
static void count_due(struct forecast *f, Handoff__V1__Role owner, int64_t due_ms)
{
    int64_t day = (int64_t)calendar_local_day(f->calendar, due_ms) - f->first_day;
    if (due_ms >= f->result->from_ms && day >= 0 && day <= f->result->days) cell_of(f, day, owner)->due++;
}

static void count_task(struct forecast *f, const Handoff__V1__TaskEmission *t, int64_t at_ms)
{
    struct forecast_cell *cell = cell_of(f, f->day, t->owner);
    bool is_asked = t->change == CHANGE(OPENED);
    cell->opened += is_asked;
    cell->done += t->change == CHANGE(COMPLETED);
    if (is_asked) count_due(f, t->owner, t->due_at_ms);
    if (is_asked) plan_completion(f, t->number, t->kind, t->severity, at_ms);
    if (t->change == CHANGE(COMPLETED) || t->change == CHANGE(CANCELLED) || t->change == CHANGE(WITHDRAWN) ||
        t->change == CHANGE(EXHAUSTED))
        drop_plan(f, t->number);
}

static void count_escalation(struct forecast *f, const Handoff__V1__EscalationEmission *e)
{
    struct forecast_cell *cell = cell_of(f, f->day, e->rung);
    cell->escalations += e->change == CLIMB(RAISED) || e->change == CLIMB(CLIMBED) || e->change == CLIMB(RESUMED);
    cell->repeats += e->change == CLIMB(REPEATED);
}

static void on_told(void *context, const struct fold_told *told)
{
    for (size_t i = 0; i < told->outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = told->outcome->emissions[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) count_task(context, e->task, told->at_ms);
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) count_escalation(context, e->escalation);
    }
}

static void count_end_of_day(struct forecast *f)
{
    const Handoff__V1__PatientRecord *r = f->fold.record;
    for (size_t i = 0; i < r->n_tasks; i++) {
        struct forecast_cell *cell = cell_of(f, f->day, r->tasks[i]->owner);
        cell->open++;
        cell->overdue += r->tasks[i]->is_overdue;
    }
}

/* --- a patient
 * ----------------------------------------------------------------------------------------------------------- */

static void begin_patient(struct forecast *f)
{
    const Handoff__V1__PatientRecord *r = f->fold.record;
    f->here = &rules_site(f->rules, r->site)->calendar;
    f->plan_count = 0;
    for (size_t i = 0; i < r->n_tasks; i++) {
        const Handoff__V1__Task *t = r->tasks[i];
        if (!t->is_overdue) count_due(f, t->owner, t->due_at_ms);
        plan_completion(f, t->number, t->kind, t->severity, t->opened_at_ms);
    }
}

static void pass_day(struct forecast *f, int64_t until_ms)
{
    for (;;) {
        const struct plan *plan = next_plan(f);
        int64_t next_ms = fold_next_ms(&f->fold), plan_ms = plan ? plan->at_ms : NO_DUE;
        if (plan_ms <= next_ms && plan_ms < until_ms)
            carry_out(f, *plan);
        else if (next_ms < until_ms)
            fold_advance(&f->fold, next_ms);
        else
            break;
    }
}

static int go_on(struct forecast *f, const struct chain_places *chain, const Handoff__V1__PatientRecord *newest)
{
    struct entry entry;
    Handoff__V1__TimerInput due = HANDOFF__V1__TIMER_INPUT__INIT;
    f->result->patients++;
    if (!newest->n_tasks && step_next_due(newest, &due) >= f->result->until_ms) return 0;
    f->result->patients_with_work++;
    int code = share_entry(f->folder.shares, &chain->places[chain->count - 1], &entry);
    if (code || fold_begin(&f->fold, entry.record, entry.sequence, f->result->from_ms))
        return fail(f, folder_error(code ? code : JOURNAL_E_CORRUPT));
    begin_patient(f);
    for (f->day = 0; f->day <= f->result->days; f->day++) {
        int64_t midnight_ms = calendar_instant(f->calendar, f->first_day + (int32_t)f->day + 1, 0);
        pass_day(f, midnight_ms);
        count_end_of_day(f);
    }
    return 0;
}

/* --- all of them
 * ----------------------------------------------------------------------------------------------------------- */

static int for_each_patient(struct forecast *f, int (*visit)(struct forecast *f, const struct chain_places *chain,
                                                             const Handoff__V1__PatientRecord *newest))
{
    struct chain_places chain;
    Handoff__V1__PatientRecord *newest;
    int code = 1;
    for (uint64_t count = 1; code == 1; count++) {
        arena_reset(f->arena);
        code = folder_next(&f->folder, f->arena, &chain, &newest, f->sentence);
        if (code != 1) break;
        if (visit(f, &chain, newest)) code = FAILED;
        f->done += chain.count;
        if (count % PATIENTS_A_SNAPSHOT == 0) share_rest(f->folder.shares);
        tell_progress(f);
    }
    return code;
}

static int prepare(struct forecast *f, struct yaml_errors *errors)
{
    struct forecast_result *r = f->result;
    f->arena = arena_new(LIMIT_ARENA_BYTES);
    r->cells = calloc(f->options->days + 1, sizeof *r->cells);
    r->usual = usual_new();
    if (!f->arena || !r->cells || !r->usual) return fail(f, folder_error(JOURNAL_E_MEMORY));
    int code = folder_open(&f->folder, f->options->journal, f->options->places_max, errors, f->sentence);
    if (code) return code;
    f->rules = timeline_newest(&f->folder.journaled);
    if (!f->rules) return fail(f, "the folder has no rules yet");
    if (fold_new(&f->fold, &f->folder.journaled)) return fail(f, folder_error(JOURNAL_E_MEMORY));
    f->fold.context = f;
    f->calendar = &f->rules->sites[0].calendar;
    r->days = f->options->days;
    r->last_sequence = share_last_sequence(f->folder.shares);
    r->from_ms = share_last_time_ms(f->folder.shares);
    f->first_day = calendar_local_day(f->calendar, r->from_ms);
    r->first_date = date_from_day(f->first_day);
    r->until_ms = calendar_instant(f->calendar, f->first_day + (int32_t)r->days + 1, 0);
    return 0;
}

static int run(struct forecast *f, struct yaml_errors *errors)
{
    int code = prepare(f, errors);
    if (!code) code = for_each_patient(f, observe_patient);
    if (!code) code = folder_rewind(&f->folder, f->sentence);
    for (int kind = 0; kind < RULES_TASK_KINDS; kind++) f->owed[kind] = 500; /* the first of two halves acts */
    f->fold.on_told = on_told;
    if (!code) code = for_each_patient(f, go_on);
    return code;
}

int forecast_run(const struct forecast_options *options, struct forecast_result *ret_result, struct yaml_errors *errors,
                 const char **ret_sentence)
{
    struct forecast_result result = {0};
    struct forecast *f = calloc(1, sizeof *f);
    *ret_sentence = folder_error(JOURNAL_E_MEMORY);
    if (!f) return FAILED;
    f->options = options;
    f->result = &result;
    f->sentence = ret_sentence;
    int code = run(f, errors);
    fold_free(&f->fold);
    folder_close(&f->folder);
    if (f->arena) arena_free(f->arena);
    free(f);
    if (code)
        forecast_free(&result);
    else
        *ret_result = result;
    return code;
}

void forecast_free(struct forecast_result *result)
{
    free(result->cells);
    usual_free(result->usual);
    *result = (struct forecast_result){0};
}
