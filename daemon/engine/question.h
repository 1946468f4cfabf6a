/* What a journaled entry asked of step: its input section, as the engine gave it to step when it decided. For all who
 * decide again: verify, with the same rules and record, and backtest, with others. */
#ifndef HANDOFF_ENGINE_QUESTION_H
#define HANDOFF_ENGINE_QUESTION_H

#include "core/rules.h"
#include "engine/subject.h"

struct question_about {
    const struct entry *entry;
    const struct rules *rules; /* as of the entry */
    const uint8_t *hash_key;
    const Handoff__V1__PatientRecord *before; /* NULL: the subject is new */
    const char *subject_name;                 /* of the record after it */
    struct arena *arena;
};

struct question {
    struct step_input input; /* all of it lives in the arena or the entry */
    struct patient_key key;  /* the subject that this input has: the entry's own */
    Handoff__V1__Event *event;
};

/* False: the input does not unpack, or is of a kind that step is not asked about. */
bool question_ask(const struct question_about *about, struct question *ret_question);

#endif
