/* What the interpreter is looking at while it works on one input: the rules, the record in the making, the input,
 * and the episode, task and visit in focus. Guards read it; actions change the record through it. */
#ifndef HANDOFF_CORE_MOMENT_H
#define HANDOFF_CORE_MOMENT_H

#include "base/arena.h"
#include "core/calendar.h"
#include "core/pathway.h"
#include "core/step.h"

struct moment {
    const struct rules *rules;
    const struct site *site;
    Handoff__V1__PatientRecord *record; /* the record after, in the making */
    const struct step_input *input;
    const Handoff__V1__Event *event; /* NULL in a firing */
    int64_t now_ms;                  /* journal time */
    int64_t occurred_ms;             /* when it happened: never later than now */
    const struct pathway *pathway;   /* of the episode in focus */
    Handoff__V1__Episode *episode;
    Handoff__V1__Episode *referral;
    Handoff__V1__Task *task;         /* the one the event names, or the one that fired */
    Handoff__V1__Task task_before;   /* as the event found it: guards see a completed task too */
    Handoff__V1__Appointment *visit;
    struct outcome_builder *out;
    struct arena *arena;
    uint32_t scope;                  /* of what is being done now; see core/pathway.h */
    const char *signal;              /* name of the signal being delivered, or NULL */
    int depth;                       /* automatic transitions and signals so far */
    const char *fault;               /* set: an invariant would break; the input is parked with this sentence */
    const char *refusal;             /* a rule that forbids what the event asks */
    bool is_used;                    /* some pathway had a use for the event */
    bool is_changed;
    bool is_overtaken;
};

#endif
