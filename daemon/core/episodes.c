/* Which episodes an event is for. */
#include "core/days.h"
#include "core/moment.h"

#include <string.h>

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME

bool episode_has_task(const Handoff__V1__Task *t, const Handoff__V1__Episode *e)
{
    for (size_t i = 0; i < t->n_causes; i++)
        if (t->causes[i]->episode == e->number) return true;
    return false;
}

/* A choice that does not say for which referral is for the only open one; with several, a human looks. */
static bool is_only_referral(const struct moment *m, const Handoff__V1__Episode *e)
{
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        const struct pathway *p = rules_pathway(m->rules, m->record->episodes[i]->pathway);
        if (m->record->episodes[i] != e && p && p->subject == SUBJECT_REFERRAL) return false;
    }
    return true;
}

/* A death, a stay, a finding and a release are the patient's: what is kept of them counts for every episode, so each
 * hears of them, whichever episode or referral their sender was looking at. So does each of the answer about a death. */
static bool is_the_patients(const Handoff__V1__Event *v)
{
    switch (v->body_case) {
    case BODY(PATIENT_DECEASED):
    case BODY(SAFETY_FLAG_RAISED):
    case BODY(SAFETY_CLEARED):
    case BODY(SCREENING_SCORED):
    case BODY(CONSENT_GRANTED):
    case BODY(CONSENT_DECLINED):
    case BODY(CONSENT_REVOKED): return true;
    default: return days_is_encounter(v);
    }
}

/* The open referral that a visit belongs to; 0: none. */
static uint32_t referral_of_visit(const struct moment *m)
{
    return m->visit && machine_episode(m->record, m->visit->episode) ? m->visit->episode : 0;
}

/* An event that names another referral, visit, task or agency is not for this episode. */
bool episode_is_meant(const struct moment *m, const Handoff__V1__Episode *e, const struct pathway *p)
{
    const Handoff__V1__Event *v = m->event;
    bool is_about_death = m->task && m->task->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_CONFIRM_DEATH;
    if (m->task) return is_about_death || episode_has_task(m->task, e);
    bool is_all = is_the_patients(v);
    uint32_t of_visit = is_all ? 0 : referral_of_visit(m);
    if (of_visit && p->subject == SUBJECT_REFERRAL) return of_visit == e->number;
    if (v->episode_id[0] && !is_all && !of_visit && step_id_number(v->episode_id, "ep") != e->number) return false;
    bool is_closed_unnamed = v->body_case == BODY(EPISODE_CLOSED) && !v->episode_id[0];
    if (is_closed_unnamed && p->subject == SUBJECT_RISK) return false; /* a clinician clears the risk instead */
    if (v->body_case == BODY(EPISODE_CLOSED) && p->subject == SUBJECT_CONSENT) return v->episode_id[0] != '\0';
    if (v->body_case == BODY(EPISODE_CLOSED) && v->referral_id[0] && !v->episode_id[0])
        return strcmp(v->referral_id, e->referral_id) == 0;
    if (p->subject == SUBJECT_RISK) return !m->event_risk || m->event_risk == e->risk;
    if (p->subject == SUBJECT_CONSENT) return !m->event_consent[0] || strcmp(m->event_consent, e->consent_id) == 0;
    if (p->subject == SUBJECT_PATIENT || is_all) return true;
    if (v->referral_id[0]) return !e->referral_id[0] || strcmp(v->referral_id, e->referral_id) == 0;
    if (m->visit && m->visit->episode) return m->visit->episode == e->number;
    if (v->body_case == BODY(AGENCY_SELECTED)) return is_only_referral(m, e);
    return v->body_case == BODY(REFERRAL_REQUESTED) || !m->event_agency[0] || !e->agency_id[0] ||
           strcmp(m->event_agency, e->agency_id) == 0;
}

static bool is_same_subject(const struct moment *m, const struct pathway *p, const Handoff__V1__Episode *e)
{
    switch (p->subject) {
    case SUBJECT_PATIENT: return true;
    case SUBJECT_REFERRAL: return strcmp(e->referral_id, m->event->referral_id) == 0;
    case SUBJECT_RISK: return e->risk == m->event_risk;
    case SUBJECT_CONSENT: return strcmp(e->consent_id, m->event_consent) == 0;
    }
    return false;
}

bool episode_is_open_for(const struct moment *m, const struct pathway *p)
{
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        const Handoff__V1__Episode *e = m->record->episodes[i];
        const struct pathway *of = rules_pathway(m->rules, e->pathway);
        if (!of || strcmp(of->name, p->name) != 0) continue;
        if (is_same_subject(m, p, e)) return true;
    }
    return false;
}

/* A request that is repeated under another event id after its referral ended opens nothing anew. What was entered in
 * error never was one, and what goes on as another is asked there. */
bool episode_was_closed(const struct moment *m)
{
    for (size_t i = 0; m->event->referral_id[0] && i < m->record->n_closed_episodes; i++)
        if (strcmp(m->record->closed_episodes[i]->referral_id, m->event->referral_id) == 0 &&
            !m->record->closed_episodes[i]->reason &&
            m->occurred_ms < m->record->closed_episodes[i]->closed_at_ms)
            return true;
    return false;
}
