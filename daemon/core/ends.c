/* May an episode end? The one place that says so, whichever way leads to the end: a human, a task, an event, or what is so.
 *
 * While a safety flag of the patient is not assessed none may. A task whose completion would be the end stays open, and
 * whoever completes it is told why. What others tell is so all the same, and so is that nothing is left to do: then the
 * end waits until the flag is assessed or cleared; the safety episode, which watches the flag, keeps the time. Once it is
 * assessed, a human's act needs a clinician's decision (facts_refuse_closing).
 *
 * Not of this kind: the episode that watches the risk, which a clinician ends; a document that runs out or is revoked;
 * a death that a human confirmed. What never was (retracted, merged) is taken away, not ended. */
#include "core/moment.h"

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME

static bool is_exempt(const struct moment *m)
{
    if (!m->record->n_flags || m->pathway->subject == SUBJECT_RISK || m->pathway->subject == SUBJECT_CONSENT) return true;
    return m->record->is_deceased && m->record->is_death_confirmed;
}

static bool is_of_task(const struct moment *m)
{
    return m->event && m->event->body_case == BODY(TASK_COMPLETED) && m->task && episode_has_task(m->task, m->episode);
}

static void wait_for(struct moment *m, uint32_t target, const char *refusal)
{
    if (m->episode->waiting_end == target + 1) return;
    m->episode->waiting_end = target + 1;
    m->is_used = m->is_changed = true;
    m->sentence = refusal;
}

bool ends_may(struct moment *m, uint32_t target, bool is_by_itself)
{
    if (is_exempt(m)) return true;
    bool is_task = !is_by_itself && is_of_task(m);
    bool is_humans = is_task || (!is_by_itself && m->event && m->event->body_case == BODY(EPISODE_CLOSED));
    const char *refusal = is_humans || facts_is_unassessed(m->record) ? facts_refuse_closing(m) : NULL;
    if (!refusal) return true;
    if (is_task) m->refused_end = refusal;
    else wait_for(m, target, refusal);
    return false;
}

static bool is_by_itself(const struct moment *m, uint32_t target)
{
    const struct state *s = &m->pathway->main.states[m->episode->state];
    for (uint32_t i = 0; i < s->always_count; i++)
        if (s->always[i].target == (int32_t)target) return true;
    return false;
}

int64_t ends_waited_for(struct moment *m)
{
    if (!m->episode->waiting_end || (!is_exempt(m) && facts_is_unassessed(m->record))) return -1;
    uint32_t end = m->episode->waiting_end - 1;
    ends_forget(m);
    return is_by_itself(m, end) ? -1 : (int64_t)end; /* what is so now says whether it ends */
}

void ends_forget(struct moment *m) { m->episode->waiting_end = 0; }

bool ends_are_awaited(const Handoff__V1__PatientRecord *r, const Handoff__V1__Episode *e)
{
    return e->waiting_end && facts_is_unassessed(r);
}
