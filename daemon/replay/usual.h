/* What people usually do about each kind of task in a folder: how many of them they complete, how long after they were
 * asked, and with what outcome. Counted from the journal, whoever did it; no chance in it. */
#ifndef HANDOFF_REPLAY_USUAL_H
#define HANDOFF_REPLAY_USUAL_H

#include "core/rules.h"
#include "handoff/v1/journal.pb-c.h"
#include "handoff/v1/record.pb-c.h"
#include "replay/quantile.h"

enum { USUAL_OUTCOMES = 16 };

struct usual_kind {
    uint64_t opened, completed, withdrawn;
    uint64_t ended;                    /* cancelled, or the attempts are exhausted */
    uint64_t outcomes[USUAL_OUTCOMES]; /* of the completed */
    struct quantile clock, business;   /* from asked to completed; business: open time of the patient's site */
    struct quantile ages;              /* of those that are open still */
};

struct usual_task { /* of the patient at hand */
    uint32_t number;
    Handoff__V1__TaskKind kind;
    int64_t opened_ms;
};

struct usual {
    struct usual_kind kinds[RULES_TASK_KINDS];
    struct usual_task *tasks;
    size_t task_count, task_max;
};

struct usual *usual_new(void); /* NULL: no memory */
void usual_free(struct usual *u);

/* A patient's outcomes in order, then the newest record. */
void usual_take(struct usual *u, const struct calendar *calendar, const Handoff__V1__Outcome *outcome, int64_t at_ms);
void usual_end_patient(struct usual *u, const Handoff__V1__PatientRecord *newest, int64_t now_ms);

/* Of a kind, of a thousand tasks that nobody withdrew, how many are completed. Those that have been open for less than
 * the usual time count for neither. */
uint32_t usual_per_mille(const struct usual *u, Handoff__V1__TaskKind kind);
Handoff__V1__TaskOutcome usual_outcome(const struct usual *u, Handoff__V1__TaskKind kind); /* the most frequent */
/* When a task that was asked for at this time is completed; emergent ones by the clock, others in open time. */
int64_t usual_completion_ms(const struct usual *u, const struct calendar *calendar, Handoff__V1__TaskKind kind,
                            Handoff__V1__Severity severity, int64_t asked_ms);

#endif
