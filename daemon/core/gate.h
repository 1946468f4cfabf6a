/* The one gate before every delivery, asked at the moment of each attempt, never when queueing.
 * Rules 2 to 7 and 11 to 13, invariants 3 and 9 of README.md. */
#ifndef HANDOFF_CORE_GATE_H
#define HANDOFF_CORE_GATE_H

#include "core/rules.h"
#include "handoff/v1/emission.pb-c.h"

enum gate_answer { GATE_DELIVER, GATE_WAIT, GATE_WITHHOLD, GATE_DROP };

struct gate_decision {
    enum gate_answer answer;
    int64_t until_ms;       /* WAIT */
    const char *reason;     /* WITHHOLD, DROP: a sentence */
    const Handoff__V1__Consent *consent; /* DELIVER of a disclosure: on what ground */
    const Handoff__V1__Consent *also;    /* and the release with a second signature, where one was needed */
    bool is_silent;      /* DROP: it never was a notice to people, or says no more than a newer one: nothing is recorded */
    bool is_unreachable; /* WITHHOLD of a reminder to this person: there is no way; as gate_addressed says it, to
                            nobody of the family, so that somebody has to call (MessageUnreachable) */
};

/* recipient NULL: the workforce (tasks, escalations, audit); else whom it is for. The record is the newest. */
struct gate_decision gate(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                          const Handoff__V1__Emission *emission, const Handoff__V1__Recipient *recipient,
                          int64_t now_ms);

#endif
