/* What is kept of signatures, refusals and revocations. Each counts from when it was given, not from when it was told:
 * a release signed before a revocation stays revoked, one signed after it stands. */
#include "core/moment.h"
#include "core/consent.h"

#include <string.h>

#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME
enum { CONSENTS_MAX = 32, REVOCATIONS_MAX = 8, OBJECTIONS_MAX = 8 };

static bool is_set(const char *text)
{
    return text && *text;
}

/* --- what a grant says ------------------------------------------------------------------------------------------- */
static int64_t expiry(const struct moment *m, const Handoff__V1__ConsentGranted *g, int64_t signed_ms)
{
    const struct calendar *c = &m->site->calendar;
    int64_t latest = calendar_add_days(c, signed_ms, (int32_t)m->rules->policy.roi_max_days);
    int64_t stated =
        g->expires_at_ms ? g->expires_at_ms : calendar_add_days(c, signed_ms, (int32_t)m->rules->policy.roi_days);
    return stated < latest ? stated : latest;
}

static Handoff__V1__Consent *new_consent(struct moment *m, const Handoff__V1__ConsentGranted *g)
{
    Handoff__V1__Consent *c = MESSAGE_NEW(m->arena, Handoff__V1__Consent, consent);
    c->id = g->consent_id;
    c->signer = g->signer;
    c->signer_id = g->signer_id;
    c->n_recipients = g->n_recipients;
    c->recipients = g->recipients;
    c->direction = g->direction;
    c->category = g->category;
    c->treatment_from = g->treatment_from;
    c->treatment_to = g->treatment_to;
    c->signed_at_ms = g->signed_at_ms ? g->signed_at_ms : m->occurred_ms;
    c->expires_at_ms = expiry(m, g, c->signed_at_ms);
    c->is_guardian_struck = g->is_guardian_struck;
    return c;
}

/* --- revocations ------------------------------------------------------------------------------------------------- */
static bool names_guardian(const Handoff__V1__ConsentRevoked *v)
{
    for (size_t i = 0; i < v->n_recipients; i++)
        if (v->recipients[i]->party == PARTY(GUARDIAN)) return true;
    return false;
}

/* A patient's release names the guardians without writing them down. When one of them is struck, the others are. */
static void strike_guardian(struct moment *m, Handoff__V1__Consent *c, const Handoff__V1__ConsentRevoked *v)
{
    if (c->signer != PARTY(PATIENT) || c->is_guardian_struck || !names_guardian(v)) return;
    c->is_guardian_struck = true;
    for (size_t i = 0; i < m->record->n_care_team; i++) {
        const Handoff__V1__CareTeamMember *member = m->record->care_team[i];
        bool is_named =
            member->party == PARTY(GUARDIAN) && member->custody == HANDOFF__V1__CUSTODY__CUSTODY_LEGAL_AUTHORITY;
        if (!is_named || consent_revokes(v, member->party, member->id)) continue;
        Handoff__V1__Recipient *r = MESSAGE_NEW(m->arena, Handoff__V1__Recipient, recipient);
        r->party = member->party;
        r->id = member->id;
        list_append(m->arena, &c->recipients, &c->n_recipients, r);
    }
}

/* Takes the recipients that a revocation means off a consent. */
static void strike(struct moment *m, Handoff__V1__Consent *c, const Handoff__V1__ConsentRevoked *v)
{
    if (is_set(v->consent_id) && strcmp(v->consent_id, c->id) != 0) return;
    size_t n = c->n_recipients;
    Handoff__V1__Recipient **kept = ARENA_ARRAY(m->arena, Handoff__V1__Recipient *, n + 1);
    c->n_recipients = 0;
    for (size_t i = 0; i < n; i++) {
        if (consent_revokes(v, c->recipients[i]->party, c->recipients[i]->id))
            list_append(m->arena, &m->struck, &m->struck_count, c->recipients[i]);
        else
            kept[c->n_recipients++] = c->recipients[i];
    }
    c->recipients = kept;
    if (c->n_recipients) strike_guardian(m, c, v);
}

/* A release that was signed before a revocation is told after it: what was revoked stays so. */
static void strike_revoked(struct moment *m, Handoff__V1__Consent *c)
{
    size_t n = c->n_recipients;
    for (size_t i = 0; i < m->record->n_revocations; i++)
        if (m->record->revocations[i]->at_ms > c->signed_at_ms) strike(m, c, m->record->revocations[i]->what);
    if (n && c->n_recipients == 0) m->is_overtaken = true;
}

static void remember_revocation(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    if (r->n_revocations >= REVOCATIONS_MAX) list_remove(&r->revocations, &r->n_revocations, 0);
    Handoff__V1__Revocation *v = MESSAGE_NEW(m->arena, Handoff__V1__Revocation, revocation);
    v->what = m->event->consent_revoked;
    v->at_ms = m->occurred_ms;
    list_append(m->arena, &r->revocations, &r->n_revocations, v);
}

void facts_revoked(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = r->n_consents; i-- > 0;) {
        if (r->consents[i]->signed_at_ms > m->occurred_ms) continue;
        strike(m, r->consents[i], m->event->consent_revoked);
        if (r->consents[i]->n_recipients == 0) list_remove(&r->consents, &r->n_consents, i);
    }
    remember_revocation(m);
}

/* --- objections -------------------------------------------------------------------------------------------------- */
static bool has_signed_since(const struct moment *m, const Handoff__V1__ConsentDeclined *d)
{
    for (size_t i = 0; i < m->record->n_consents; i++) {
        const Handoff__V1__Consent *c = m->record->consents[i];
        if (c->signer == d->by && strcmp(c->signer_id, d->by_id) == 0 && c->signed_at_ms > m->occurred_ms) return true;
    }
    return false;
}

/* A guardian who declines does not want these recipients told, whoever else signs. Beyond what a record holds the last
 * objection is taken to mean everybody: uncertain means no. */
void facts_refused(struct moment *m)
{
    const Handoff__V1__ConsentDeclined *d = m->event->consent_declined;
    Handoff__V1__PatientRecord *r = m->record;
    if (!consent_has_say(r, d->by, d->by_id)) return;
    if (has_signed_since(m, d)) {
        m->is_overtaken = true;
        return;
    }
    if (r->n_objections >= OBJECTIONS_MAX) {
        r->objections[OBJECTIONS_MAX - 1]->n_recipients = 0;
        return;
    }
    Handoff__V1__Objection *o = MESSAGE_NEW(m->arena, Handoff__V1__Objection, objection);
    o->by = d->by;
    o->by_id = d->by_id;
    o->recipients = d->recipients;
    o->n_recipients = d->n_recipients;
    o->at_ms = m->occurred_ms;
    list_append(m->arena, &r->objections, &r->n_objections, o);
}

static bool is_met_by(const Handoff__V1__Objection *o, const Handoff__V1__Consent *c)
{
    for (size_t i = 0; i < c->n_recipients; i++)
        if (consent_lists(o->recipients, o->n_recipients, c->recipients[i]->party, c->recipients[i]->id)) return true;
    return false;
}

/* Whoever objected and then signs for the same people objects no more. */
static void settle_objections(struct moment *m, const Handoff__V1__Consent *c)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = r->n_objections; i-- > 0;) {
        const Handoff__V1__Objection *o = r->objections[i];
        bool is_signer = o->by == c->signer && strcmp(o->by_id, c->signer_id) == 0;
        if (is_signer && o->at_ms <= c->signed_at_ms && is_met_by(o, c))
            list_remove(&r->objections, &r->n_objections, i);
    }
}

/* --- grants ------------------------------------------------------------------------------------------------------ */
static void drop_oldest_ended(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_consents && r->n_consents >= CONSENTS_MAX; i++)
        if (r->consents[i]->expires_at_ms <= m->now_ms) list_remove(&r->consents, &r->n_consents, i--);
}

/* The same person's signature on the same release; a form that lacked the signer's name is completed by any. */
static bool is_same_form(const Handoff__V1__Consent *a, const Handoff__V1__Consent *b)
{
    if (strcmp(a->id, b->id) != 0 || a->signer != b->signer) return false;
    return a->signer == PARTY(PATIENT) || !a->signer_id[0] || strcmp(a->signer_id, b->signer_id) == 0;
}

/* The newest form of a release stands last. False: a newer one by the same signer is on file. */
static bool make_room(struct moment *m, const Handoff__V1__Consent *c)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = r->n_consents; i-- > 0;) {
        if (!is_same_form(r->consents[i], c)) continue;
        if (r->consents[i]->signed_at_ms > c->signed_at_ms) return false;
        list_remove(&r->consents, &r->n_consents, i);
    }
    drop_oldest_ended(m);
    return true;
}

static void say(struct moment *m, const char *more)
{
    size_t len = m->sentence ? strlen(m->sentence) : 0, more_len = strlen(more);
    char *longer = arena_alloc(m->arena, len + more_len + 3);
    if (len) {
        memcpy(longer, m->sentence, len);
        longer[len++] = ';';
        longer[len++] = ' ';
    }
    memcpy(longer + len, more, more_len + 1);
    m->sentence = longer;
}

static void tell_cap(struct moment *m, const Handoff__V1__ConsentGranted *g, const Handoff__V1__Consent *c)
{
    if (g->expires_at_ms <= c->expires_at_ms) return;
    say(m, "the release was capped: it lasts no longer than a year from its signature");
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_CONSENT_CAPPED, m->sentence, NULL, 0);
}

static void tell_gaps(struct moment *m, const char *consent_id)
{
    uint32_t lacks = consent_gaps(m->rules, m->site, m->record, consent_id, m->now_ms) & GAPS_OPEN;
    if (!lacks) return;
    for (size_t i = 0; consent_gap_words(i); i++)
        if (lacks >> i & 1) say(m, consent_gap_words(i));
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_CONSENT_DRAFT, m->sentence, NULL, 0);
}

/* What somebody was asked for because a disclosure was requested has happened. */
static void withdraw_answered(struct moment *m)
{
    for (size_t i = m->record->n_tasks; i-- > 0;) {
        Handoff__V1__Task *t = m->record->tasks[i];
        if (t->kind != HANDOFF__V1__TASK_KIND__TASK_KIND_OBTAIN_ROI || !t->subject) continue;
        if (consent_for(m->rules, m->site, m->record, t->subject->party, t->subject->id, m->record->category,
                        m->now_ms))
            work_withdraw_task(m, t);
    }
}

void facts_granted(struct moment *m)
{
    const Handoff__V1__ConsentGranted *g = m->event->consent_granted;
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__Consent *c = new_consent(m, g);
    strike_revoked(m, c);
    if (m->is_overtaken) return;
    if (!make_room(m, c)) {
        m->is_overtaken = true;
        return;
    }
    if (r->n_consents >= CONSENTS_MAX) {
        moment_fault(m, "more active consents than a record holds");
        return;
    }
    list_append(m->arena, &r->consents, &r->n_consents, c);
    settle_objections(m, c);
    withdraw_answered(m);
    tell_cap(m, g, c);
    tell_gaps(m, c->id);
    m->is_used = true;
}
