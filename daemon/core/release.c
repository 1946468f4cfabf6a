/* A release of information as an episode: when it ends, who still needs it, what has taken its place. The times are
 * computed here and kept in the episode, so that its timers move with the patient's birth date and care team. */
#include "core/moment.h"
#include "core/consent.h"

#include <string.h>

#define BODY(NAME)  HANDOFF__V1__EVENT__BODY_##NAME
#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME

/* The release that this is about: the episode's, or the one that the event names. */
static const char *id_of(const struct moment *m)
{
    return m->episode ? m->episode->consent_id : m->event_consent;
}

static uint32_t gaps_at(const struct moment *m, int64_t at_ms)
{
    return consent_gaps(m->rules, m->site, m->record, id_of(m), at_ms);
}

bool release_lacks(const struct moment *m, uint32_t gap)
{
    return (gaps_at(m, m->now_ms) & gap) != 0;
}

bool release_is_complete(const struct moment *m)
{
    return (gaps_at(m, m->now_ms) & GAPS_OPEN) == 0;
}

bool release_is_on_file(const struct moment *m)
{
    return consent_find(m->record, id_of(m)) != NULL;
}

/* --- times ------------------------------------------------------------------------------------------------------- */
/* The first birthday before the release ends at which it begins or ceases to be rightly signed; 0: none. */
static int64_t signer_until(const struct moment *m, int64_t expires_ms)
{
    bool is_complete = release_is_complete(m);
    if (gaps_at(m, m->now_ms) & GAPS_CONTENT) return 0;
    int64_t at_ms = consent_next_birthday(m->rules, m->site, m->record, m->now_ms);
    for (; at_ms && at_ms < expires_ms; at_ms = consent_next_birthday(m->rules, m->site, m->record, at_ms))
        if (((gaps_at(m, at_ms) & GAPS_OPEN) == 0) != is_complete) return at_ms;
    return 0;
}

/* True when a time changed. */
static bool put(int64_t *at, int64_t value)
{
    bool is_changed = *at != value;
    *at = value;
    return is_changed;
}

static const ProtobufCFieldDescriptor *field(const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(&handoff__v1__episode__descriptor, name);
}

/* is_new: on entering a state, whose timers have not begun. */
void release_fill(struct moment *m, bool is_new)
{
    Handoff__V1__Episode *e = m->episode;
    const Handoff__V1__Consent *c = consent_find(m->record, e->consent_id);
    if (!c) return; /* revoked: its episode ends */
    bool is_other_end = put(&e->expires_at_ms, c->expires_at_ms);
    bool is_other_day = put(&e->signer_until_ms, signer_until(m, c->expires_at_ms));
    if (is_other_end && !is_new) timer_follow(m, field("expires_at_ms"));
    if (is_other_day && !is_new) timer_follow(m, field("signer_until_ms"));
}

/* What may change who signed, who may sign, or when the patient comes of age. */
static bool concerns_releases(Handoff__V1__Event__BodyCase body)
{
    return body == BODY(CONSENT_GRANTED) || body == BODY(CONSENT_REVOKED) || body == BODY(CONSENT_DECLINED) ||
           body == BODY(PATIENT_REGISTERED) || body == BODY(PATIENT_UPDATED) || body == BODY(CARE_TEAM_UPDATED);
}

void release_follow(struct moment *m)
{
    if (!concerns_releases(m->event->body_case)) return;
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        const struct pathway *p = rules_pathway(m->rules, m->record->episodes[i]->pathway);
        if (!p || p->subject != SUBJECT_CONSENT) continue;
        machine_focus(m, m->record->episodes[i]);
        release_fill(m, false);
    }
    machine_focus(m, NULL);
}

/* What is known of the patient is not what it was: read as a patient.updated that this episode alone hears of. */
static void offer_update(struct moment *m)
{
    const Handoff__V1__Event *outer = m->event;
    Handoff__V1__Event *e = MESSAGE_NEW(m->arena, Handoff__V1__Event, event);
    e->body_case = BODY(PATIENT_UPDATED);
    e->patient_updated = MESSAGE_NEW(m->arena, Handoff__V1__PatientUpdated, patient_updated);
    m->event = e;
    machine_offer(m);
    m->event = outer;
}

/* Two records became one. A guardian of the one may object to what the other's signed, or nobody may sign any more;
 * and the others hear of the releases that each of them did not have. */
void release_reconsider(struct moment *m)
{
    uint32_t until = m->record->last_episode;
    for (uint32_t number = 1; number <= until && !m->fault; number++) {
        machine_focus(m, machine_episode(m->record, number));
        if (!m->pathway || m->pathway->subject != SUBJECT_CONSENT) continue;
        m->depth = 0;
        release_fill(m, false);
        offer_update(m);
        if (machine_episode(m->record, number)) machine_signal_all(m, "release-signed");
    }
    machine_focus(m, NULL);
}

/* --- who needs it ------------------------------------------------------------------------------------------------ */
static Handoff__V1__DiagnosisCategory category_of(const struct moment *m, const Handoff__V1__Episode *e)
{
    return e && e->category ? e->category : m->record->category;
}

/* Does another release cover this recipient at that moment? */
static bool is_covered_elsewhere(const struct moment *m, const Handoff__V1__Recipient *r,
                                 Handoff__V1__DiagnosisCategory category, int64_t at_ms)
{
    struct consent_question q = {m->rules, m->site, m->record, r->party, r->id, category, at_ms, id_of(m)};
    struct consent_ground ground;
    return consent_ask(&q, &ground) == CONSENT_COVERS;
}

static bool is_on_team(const Handoff__V1__PatientRecord *record, const Handoff__V1__Recipient *r)
{
    for (size_t i = 0; i < record->n_care_team; i++)
        if (record->care_team[i]->party == r->party && strcmp(record->care_team[i]->id, r->id) == 0) return true;
    return false;
}

/* An open course of care that speaks with this recipient. */
static bool speaks_with(const struct moment *m, const Handoff__V1__Episode *e, const Handoff__V1__Recipient *r)
{
    if (r->party == PARTY(AGENCY) && r->id[0] && strcmp(e->agency_id, r->id) == 0) return true;
    if (r->party == PARTY(INSURER) && r->id[0] && strcmp(e->insurer_id, r->id) == 0) return true;
    if (e->referrer == r->party && strcmp(e->referrer_id, r->id) == 0) return true;
    return is_on_team(m->record, r);
}

static bool is_needed_for(const struct moment *m, const Handoff__V1__Recipient *r, int64_t end_ms)
{
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        const Handoff__V1__Episode *e = m->record->episodes[i];
        const struct pathway *p = rules_pathway(m->rules, e->pathway);
        if (!p || p->subject == SUBJECT_CONSENT || !speaks_with(m, e, r)) continue;
        if (!is_covered_elsewhere(m, r, category_of(m, e), end_ms)) return true;
    }
    return false;
}

bool release_is_needed(const struct moment *m)
{
    const Handoff__V1__Consent *c = consent_find(m->record, id_of(m));
    const Handoff__V1__Episode *e = m->episode;
    if (!c || !e) return false;
    int64_t end_ms = e->signer_until_ms ? e->signer_until_ms : e->expires_at_ms;
    for (size_t i = 0; i < c->n_recipients; i++)
        if (is_needed_for(m, c->recipients[i], end_ms)) return true;
    return false;
}

/* Others cover all that this release names: now, and from the day on which its signer would come of age. */
bool release_is_superseded(const struct moment *m)
{
    const Handoff__V1__Consent *c = consent_find(m->record, id_of(m));
    int64_t at_ms = m->episode && m->episode->signer_until_ms ? m->episode->signer_until_ms : m->now_ms;
    for (size_t i = 0; c && i < c->n_recipients; i++)
        if (!is_covered_elsewhere(m, c->recipients[i], c->category ? c->category : m->record->category, at_ms))
            return false;
    return c && c->n_recipients > 0;
}

/* --- declined ---------------------------------------------------------------------------------------------------- */
static bool lists_one_of(const Handoff__V1__ConsentDeclined *d, const Handoff__V1__Consent *c)
{
    for (size_t i = 0; i < c->n_recipients; i++)
        if (consent_lists(d->recipients, d->n_recipients, c->recipients[i]->party, c->recipients[i]->id)) return true;
    return false;
}

/* By whoever signed it, or must. */
bool release_is_declined(const struct moment *m)
{
    const Handoff__V1__Consent *c = consent_find(m->record, id_of(m));
    if (!c || !m->event || m->event->body_case != BODY(CONSENT_DECLINED)) return false;
    const Handoff__V1__ConsentDeclined *d = m->event->consent_declined;
    if (!lists_one_of(d, c)) return false;
    if (c->signer == d->by && (d->by == PARTY(PATIENT) || strcmp(c->signer_id, d->by_id) == 0)) return true;
    if (release_lacks(m, GAPS_CONTENT)) return (c->signer == PARTY(PATIENT)) == (d->by == PARTY(PATIENT));
    return release_lacks(m, d->by == PARTY(PATIENT) ? GAP_PATIENT : GAP_GUARDIAN);
}

/* --- whom its tasks are about ------------------------------------------------------------------------------------ */
static bool is_asked_for(const struct moment *m, const Handoff__V1__Recipient *r)
{
    for (size_t i = 0; i < m->record->n_tasks; i++) {
        const Handoff__V1__Task *t = m->record->tasks[i];
        if (t->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_OBTAIN_ROI && t->subject && t->subject->party == r->party &&
            strcmp(t->subject->id, r->id) == 0)
            return true;
    }
    return false;
}

static bool is_referred_to(const struct moment *m, const Handoff__V1__Recipient *r)
{
    for (size_t i = 0; i < m->record->n_episodes && r->party == PARTY(AGENCY); i++)
        if (r->id[0] && strcmp(m->record->episodes[i]->agency_id, r->id) == 0) return true;
    return false;
}

/* One form is one task, also for several recipients: the one a release is already asked for, else the agency of an
 * open referral, else the first. So what a referral asks for and what its release asks for are one. */
const Handoff__V1__Recipient *release_recipient(const struct moment *m)
{
    const Handoff__V1__Consent *c = consent_find(m->record, id_of(m));
    for (size_t i = 0; c && i < c->n_recipients; i++)
        if (is_asked_for(m, c->recipients[i])) return c->recipients[i];
    for (size_t i = 0; c && i < c->n_recipients; i++)
        if (is_referred_to(m, c->recipients[i])) return c->recipients[i];
    return c && c->n_recipients ? c->recipients[0] : NULL;
}
