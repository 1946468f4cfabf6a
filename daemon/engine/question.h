/* What a journaled entry asked of step: its input section, as the engine gave it to step when it decided. For all who
 * decide again: verify, with the same rules and record, and backtest, with others. */
#ifndef HANDOFF_ENGINE_QUESTION_H
#define HANDOFF_ENGINE_QUESTION_H

#include "core/rules.h"
#include "engine/merging.h"

struct question_about {
    const struct entry *entry;
    const struct rules *rules;                /* as of the entry */
    const Handoff__V1__PatientRecord *before; /* NULL: the subject is new */
    const char *subject_name;                 /* of the record after it */
    struct chains_read chains;                /* the journal as of the entry; its arena is the question's. entry NULL:
                                                 retractions and merges are not gathered for, nor aliases followed */
};

struct question {
    struct step_input input; /* all of it lives in the arena or the entry */
    struct patient_key key;  /* the subject that this input has: the entry's own */
    Handoff__V1__Event *event;
    struct merging merging;
};

/* False: the input does not unpack, or is of a kind that step is not asked about. */
bool question_ask(const struct question_about *about, struct question *ret_question);
/* Asks step. 0, or an error: what was merged cannot be read. */
int question_step(const struct question_about *about, struct question *question, struct outcome *ret_outcome);

#endif
