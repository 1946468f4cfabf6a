/* See history.h. The engine gathers the same from the journal (engine/retraction.c). */
#include "pathway/history.h"

#include <string.h>

enum { DISCLOSURES_MAX = 64 };

struct past {
    const struct past *older;
    uint64_t sequence;
    const Handoff__V1__Event *event; /* NULL: a firing */
    const Handoff__V1__PatientRecord *before, *after;
    const Handoff__V1__Outcome *outcome;
};

void history_note(struct history *h, struct arena *arena, const struct step_input *input,
                  const Handoff__V1__PatientRecord *before, const struct outcome *outcome)
{
    struct past *p = ARENA_NEW(arena, struct past);
    *p = (struct past){h->newest, input->sequence, input->event, before, outcome->after,
                       arena_copy(arena, &outcome->journaled, sizeof outcome->journaled)};
    h->newest = p;
}

const Handoff__V1__Event *history_event(const struct history *h, uint64_t sequence)
{
    const struct past *p = h->newest;
    while (p && p->sequence != sequence) p = p->older;
    return p ? p->event : NULL;
}

static bool is_opened_by(const Handoff__V1__PatientRecord *r, uint32_t episode, uint64_t sequence)
{
    for (size_t i = 0; i < r->n_episodes; i++)
        if (r->episodes[i]->number == episode) return r->episodes[i]->opened_sequence == sequence;
    for (size_t i = 0; i < r->n_closed_episodes; i++)
        if (r->closed_episodes[i]->number == episode) return r->closed_episodes[i]->opened_sequence == sequence;
    return false;
}

static size_t disclosed_in(const struct past *p, const struct past *taken_back, struct step_disclosure *list,
                           size_t count)
{
    for (size_t i = 0; i < p->outcome->n_emissions && count < DISCLOSURES_MAX; i++) {
        const Handoff__V1__Emission *e = p->outcome->emissions[i];
        if (e->body_case != HANDOFF__V1__EMISSION__BODY_STATUS) continue;
        if (p == taken_back || is_opened_by(p->after, e->episode, taken_back->sequence) ||
            step_rests_on(taken_back->event, e->status))
            list[count++] = (struct step_disclosure){p->sequence, e->status};
    }
    return count;
}

const struct step_retraction *history_retraction(const struct history *h, struct arena *arena,
                                                 const Handoff__V1__EventRetracted *retracted)
{
    const struct past *p = h->newest;
    while (p && (!p->event || strcmp(p->event->id, retracted->retracted_id) != 0 ||
                 strcmp(p->event->source, retracted->retracted_source) != 0))
        p = p->older;
    if (!p) return NULL;
    struct step_retraction *r = ARENA_NEW(arena, struct step_retraction);
    struct step_disclosure *list = ARENA_ARRAY(arena, struct step_disclosure, DISCLOSURES_MAX);
    size_t count = disclosed_in(p, p, list, 0);
    for (const struct past *later = h->newest; later != p; later = later->older)
        count = disclosed_in(later, p, list, count);
    *r = (struct step_retraction){.sequence = p->sequence,
                                  .event = p->event,
                                  .before = p->before,
                                  .after = p->after,
                                  .outcome = p->outcome,
                                  .disclosures = list,
                                  .disclosure_count = count};
    return r;
}
