/* What a run of steps without a journal remembers, so that an event can be taken back in it: scenarios and tests. */
#ifndef HANDOFF_PATHWAY_HISTORY_H
#define HANDOFF_PATHWAY_HISTORY_H

#include "base/arena.h"
#include "core/step.h"

struct history {
    struct past *newest;
};

/* Everything is borrowed: it lives in the arena, or as long. */
void history_note(struct history *h, struct arena *arena, const struct step_input *input,
                  const Handoff__V1__PatientRecord *before, const struct outcome *outcome);
/* The event that was taken in the step of this sequence; NULL: none. */
const Handoff__V1__Event *history_event(const struct history *h, uint64_t sequence);
/* For an event.retracted; NULL: what it names has not come. */
const struct step_retraction *history_retraction(const struct history *h, struct arena *arena,
                                                 const Handoff__V1__EventRetracted *retracted);

#endif
