/* What must hold of every record and of every step, whatever a pathway or this code gets wrong. The numbers are those
 * of README.md; a set of invariants has bit 1 << number for each.
 *
 * Asked at the end of every step, of what it made. step.c decides what becomes of an input that breaks one. */
#ifndef HANDOFF_CORE_INVARIANTS_H
#define HANDOFF_CORE_INVARIANTS_H

#include "core/rules.h"
#include "core/step.h"

enum invariant {
    INVARIANT_PENDING = 1,      /* no open episode without a pending timer; an open task's due time counts */
    INVARIANT_OWNED = 2,        /* no open task without owner, due time and ladder */
    INVARIANT_GROUNDED = 3,     /* no disclosure without a consent or an exception that a human invoked */
    INVARIANT_ONE_TIMER = 4,    /* one live timer for each subject and kind */
    INVARIANT_ONCE = 5,         /* a firing emits once, and what has fired does not fire again */
    INVARIANT_IDLE_END = 6,     /* an end has no timers, no open tasks, nothing that climbs */
    INVARIANT_ALERTED = 7,      /* a finding reaches a human in the same entry; no timer clears a flag */
    INVARIANT_LEFT_ALONE = 9,   /* nothing goes to the deceased or opted out */
    INVARIANT_CLIMBING = 10,    /* a ladder never falls, and never ends untold */
    INVARIANT_HUMAN_END = 11,   /* no end is reached by a timer */
    INVARIANT_REACHABLE = 14    /* no alert without somebody who can be reached */
};
#define INVARIANT(NAME) (UINT32_C(1) << INVARIANT_##NAME)

struct invariants_step {
    const struct rules *rules;
    const struct site *site;
    const struct step_input *input;
    const Handoff__V1__PatientRecord *before; /* NULL: it began */
    const Handoff__V1__PatientRecord *after;
    const Handoff__V1__Outcome *outcome;
};

/* Those that a record breaks: 1, 2, 4, 6. */
uint32_t invariants_of_record(const struct rules *rules, const Handoff__V1__PatientRecord *record);
/* Those that a step breaks, by its record or by what it did and told. */
uint32_t invariants_of_step(const struct invariants_step *s);
/* What is wrong, of the first of them; NULL: of none. */
const char *invariants_sentence(uint32_t broken);

#endif
