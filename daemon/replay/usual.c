/* See usual.h. */
#include "replay/usual.h"

#include <stdlib.h>

#define CHANGE(NAME) HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_##NAME
enum { MEDIAN = 50 };

struct usual *usual_new(void)
{
    return calloc(1, sizeof(struct usual));
}

void usual_free(struct usual *u)
{
    if (u) free(u->tasks);
    free(u);
}

/* NULL: a kind that this version does not know. */
static struct usual_kind *kind_of(struct usual *u, Handoff__V1__TaskKind kind)
{
    return (uint32_t)kind < RULES_TASK_KINDS ? &u->kinds[kind] : NULL;
}

static void remember(struct usual *u, const Handoff__V1__TaskEmission *t, int64_t at_ms)
{
    if (u->task_count == u->task_max) {
        size_t max = u->task_max ? 2 * u->task_max : 64;
        struct usual_task *larger = realloc(u->tasks, max * sizeof *larger);
        if (!larger) return; /* then it counts as never completed */
        u->tasks = larger;
        u->task_max = max;
    }
    u->tasks[u->task_count++] = (struct usual_task){t->number, t->kind, at_ms};
}

static void complete(struct usual *u, struct usual_kind *k, const struct calendar *calendar,
                     const Handoff__V1__TaskEmission *t, int64_t at_ms)
{
    k->completed++;
    k->outcomes[(uint32_t)t->outcome % USUAL_OUTCOMES]++;
    for (size_t i = 0; i < u->task_count; i++) {
        if (u->tasks[i].number != t->number) continue;
        quantile_add(&k->clock, at_ms - u->tasks[i].opened_ms);
        quantile_add(&k->business, calendar_business_minutes(calendar, u->tasks[i].opened_ms, at_ms) * MS_PER_MINUTE);
    }
}

static void forget(struct usual *u, uint32_t number)
{
    for (size_t i = u->task_count; i-- > 0;)
        if (u->tasks[i].number == number) u->tasks[i] = u->tasks[--u->task_count];
}

static void take_task(struct usual *u, const struct calendar *calendar, const Handoff__V1__TaskEmission *t,
                      int64_t at_ms)
{
    struct usual_kind *k = kind_of(u, t->kind);
    if (!k) return;
    if (t->change == CHANGE(OPENED)) {
        k->opened++;
        remember(u, t, at_ms);
        return;
    }
    if (t->change == CHANGE(COMPLETED))
        complete(u, k, calendar, t, at_ms);
    else if (t->change == CHANGE(WITHDRAWN))
        k->withdrawn++;
    else if (t->change == CHANGE(CANCELLED) || t->change == CHANGE(EXHAUSTED))
        k->ended++;
    else
        return;
    forget(u, t->number);
}

void usual_take(struct usual *u, const struct calendar *calendar, const Handoff__V1__Outcome *outcome, int64_t at_ms)
{
    for (size_t i = 0; i < outcome->n_emissions; i++)
        if (outcome->emissions[i]->body_case == HANDOFF__V1__EMISSION__BODY_TASK)
            take_task(u, calendar, outcome->emissions[i]->task, at_ms);
}

void usual_end_patient(struct usual *u, const Handoff__V1__PatientRecord *newest, int64_t now_ms)
{
    u->task_count = 0;
    for (size_t i = 0; i < newest->n_tasks; i++) {
        struct usual_kind *k = kind_of(u, newest->tasks[i]->kind);
        if (k) quantile_add(&k->ages, now_ms - newest->tasks[i]->opened_at_ms);
    }
}

uint32_t usual_per_mille(const struct usual *u, Handoff__V1__TaskKind kind)
{
    const struct usual_kind *k = (uint32_t)kind < RULES_TASK_KINDS ? &u->kinds[kind] : NULL;
    if (!k || !k->completed) return 0;
    uint64_t all = k->completed + k->ended + quantile_above(&k->ages, quantile_at(&k->clock, MEDIAN));
    return (uint32_t)(k->completed * 1000 / all);
}

Handoff__V1__TaskOutcome usual_outcome(const struct usual *u, Handoff__V1__TaskKind kind)
{
    uint32_t most = HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_DONE;
    for (uint32_t i = 0; (uint32_t)kind < RULES_TASK_KINDS && i < USUAL_OUTCOMES; i++)
        if (u->kinds[kind].outcomes[i] > u->kinds[kind].outcomes[most]) most = i;
    return (Handoff__V1__TaskOutcome)most;
}

int64_t usual_completion_ms(const struct usual *u, const struct calendar *calendar, Handoff__V1__TaskKind kind,
                            Handoff__V1__Severity severity, int64_t asked_ms)
{
    const struct usual_kind *k = &u->kinds[(uint32_t)kind % RULES_TASK_KINDS];
    int64_t clock_ms = quantile_at(&k->clock, MEDIAN), business_ms = quantile_at(&k->business, MEDIAN);
    if (clock_ms == QUANTILE_NONE) return INT64_MAX;
    if (severity == HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT) return asked_ms + clock_ms;
    return calendar_add_business_minutes(calendar, asked_ms, business_ms / MS_PER_MINUTE);
}
