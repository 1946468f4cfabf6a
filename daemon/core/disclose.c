/* Telling people outside the workforce: what a pathway tells, and what somebody asks to be told. Every disclosure
 * stands on a release or on the emergency exception, and its record says on which (rules 2, 5, 6, 7).
 *
 *   asked ---- inside, or a release covers ----------------------> told
 *         ---- emergency, by a person of the roster -------------> told under the exception; compliance hears today
 *         ---- uncertain ----------------------------------------> withheld, ask-compliance
 *         ---- nobody has signed --------------------------------> withheld, obtain-roi
 *
 * It refuses to let a timer invoke the exception: only an event that names a human does. */
#include "core/moment.h"
#include "core/consent.h"
#include "core/roster.h"

#include <string.h>

#define PARTY(NAME)    HANDOFF__V1__PARTY__PARTY_##NAME
#define CATEGORY(NAME) HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_##NAME
#define AUDIT(NAME)    HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_##NAME
#define KIND(NAME)     HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME

/* The rules by name: what may be told in an emergency. */
#define EXCEPTION_HARM    "serious and imminent threat (45 CFR 164.512(j))"
#define EXCEPTION_MEDICAL "medical emergency (42 CFR 2.51)"

enum { TOLD_MAX = 32 }; /* of one episode; more than the shipped pathways can tell */

static bool is_family(Handoff__V1__Party party)
{
    return party == PARTY(PATIENT) || party == PARTY(GUARDIAN);
}

static Handoff__V1__Recipient *recipient_of(const struct moment *m, const struct disclosure *d)
{
    Handoff__V1__Recipient *to = MESSAGE_NEW(m->arena, Handoff__V1__Recipient, recipient);
    to->party = d->party;
    to->id = arena_string(m->arena, d->id);
    return to;
}

static Handoff__V1__StatusEmission *emit(struct moment *m, const struct disclosure *d)
{
    Handoff__V1__Emission *e = moment_emit(m, d->rule);
    Handoff__V1__StatusEmission *s = MESSAGE_NEW(m->arena, Handoff__V1__StatusEmission, status_emission);
    e->body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    e->status = s;
    s->kind = d->kind;
    s->recipient = recipient_of(m, d);
    if (m->episode) s->referral_id = m->episode->referral_id;
    if (m->episode) s->state_number = m->episode->state;
    s->category = d->category;
    s->notice_number = ++m->record->last_notice;
    return s;
}

/* --- what was told before ---------------------------------------------------------------------------------------- */
static bool has_told(const Handoff__V1__Episode *e, const Handoff__V1__Told *what)
{
    for (size_t i = 0; i < e->n_told; i++)
        if (message_equal(e->told[i], what)) return true;
    return false;
}

void disclose_remember(struct moment *m, Handoff__V1__Episode *episode, const Handoff__V1__Told *told)
{
    if (has_told(episode, told)) return;
    if (episode->n_told >= TOLD_MAX) list_remove(&episode->told, &episode->n_told, 0);
    list_append(m->arena, &episode->told, &episode->n_told, message_copy(told, m->arena));
}

/* How a referral stands is another word in another state; the referral itself is sent once. */
static const Handoff__V1__Told *what_is_told(const struct moment *m, const struct disclosure *d)
{
    Handoff__V1__Told *told = MESSAGE_NEW(m->arena, Handoff__V1__Told, told);
    told->kind = d->kind;
    told->recipient = recipient_of(m, d);
    if (d->kind != HANDOFF__V1__STATUS_KIND__STATUS_KIND_REFERRAL_SENT)
        told->state = arena_string(m->arena, m->pathway->main.states[m->episode->state].name);
    return told;
}

/* Entering a state anew because of a new text is no news for anybody outside. */
static bool is_told_already(const struct moment *m, const struct disclosure *d)
{
    return m->continued && m->continued == m->episode && has_told(m->episode, what_is_told(m, d));
}

static void withhold(struct moment *m, const struct disclosure *d, const char *why)
{
    moment_audit(m, AUDIT(WITHHELD), why, recipient_of(m, d), d->rule);
}

void disclose_withheld(struct moment *m, Handoff__V1__Party party, const char *id, uint32_t rule)
{
    struct disclosure d = {.party = party, .id = id, .rule = rule};
    withhold(m, &d, "no active consent covers this recipient");
}

/* Of abuse or neglect nobody outside hears before a human names who may: a request by name is one, a pathway is not. */
static bool is_unnamed(const struct moment *m, const struct disclosure *d)
{
    return m->episode && m->episode->risk == HANDOFF__V1__RISK_KIND__RISK_KIND_ABUSE_OR_NEGLECT &&
           consent_is_outside(m->rules, d->party, d->id);
}

/* --- with a release ---------------------------------------------------------------------------------------------- */
enum consent_answer disclose_tell(struct moment *m, const struct disclosure *d)
{
    struct consent_question q = {m->rules, m->site, m->record, d->party, d->id, d->category, m->now_ms, NULL};
    struct consent_ground ground = {NULL, NULL};
    if (is_told_already(m, d)) return CONSENT_COVERS;
    if (is_family(d->party) && (m->record->is_deceased || m->record->is_opted_out)) {
        withhold(m, d, "nothing goes to the family any more");
        return CONSENT_COVERS;
    }
    if (is_unnamed(m, d)) {
        withhold(m, d, "nobody outside was named who may know");
        return CONSENT_COVERS;
    }
    enum consent_answer answer = consent_is_needed(&q) ? consent_ask(&q, &ground) : CONSENT_COVERS;
    if (answer != CONSENT_COVERS) {
        withhold(m, d,
                 answer == CONSENT_UNCERTAIN ? "it is uncertain whether the release covers this recipient"
                                             : "no active consent covers this recipient");
        return answer;
    }
    Handoff__V1__StatusEmission *s = emit(m, d);
    if (ground.consent) s->consent_id = ground.consent->id;
    if (ground.also) s->also_consent_id = ground.also->id;
    if (m->episode) disclose_remember(m, m->episode, what_is_told(m, d));
    return answer;
}

/* --- the emergency exception ------------------------------------------------------------------------------------- */
static bool is_on_roster(const struct moment *m, const char *person_id)
{
    for (size_t i = 0; i < m->site->roster->n_people; i++) {
        const Handoff__V1__Person *p = m->site->roster->people[i];
        if (!p->is_queue && strcmp(p->id, person_id) == 0) return true;
    }
    return false;
}

static bool is_medical(const struct moment *m, Handoff__V1__Party party)
{
    return m->rules->policy.medical_personnel >> party & 1;
}

/* Why the exception may not be used; NULL: it may. Drug and alcohol: only for those who treat the emergency, and only
 * with a record of what it is. */
static const char *is_barred(const struct moment *m, const struct disclosure *d)
{
    const Handoff__V1__DisclosureRequested *r = m->event->disclosure_requested;
    if (!is_on_roster(m, r->invoked_by))
        return "the emergency exception is invoked by a person of the roster, by name (invoked_by)";
    if (is_family(d->party) && (m->record->is_deceased || m->record->is_opted_out))
        return "nothing goes to the family any more"; /* nor would the gate let it */
    if (d->category == CATEGORY(BEHAVIORAL_HEALTH)) return NULL;
    if (!is_medical(m, d->party))
        return "drug and alcohol information goes to medical personnel only, also in an emergency";
    if (!d->id[0] || !r->nature[0])
        return "say which medical personnel (recipient.id) and what the emergency is (nature)";
    return NULL;
}

/* The same calendar day, at any hour. */
static const struct delay now_delay = {.op = DELAY_CLOCK};
static const struct delay today = {.op = DELAY_AT, .amount = 23 * 60 + 59, .a = &now_delay};

static void ask_compliance(struct moment *m, const struct delay *due)
{
    work_open_task(m, &(struct task_order){.kind = KIND(ASK_COMPLIANCE), .due = due});
}

static void tell_in_emergency(struct moment *m, const struct disclosure *d)
{
    const Handoff__V1__DisclosureRequested *r = m->event->disclosure_requested;
    const char *rule = d->category == CATEGORY(BEHAVIORAL_HEALTH) ? EXCEPTION_HARM : EXCEPTION_MEDICAL;
    emit(m, d)->exception = arena_string(m->arena, rule);
    moment_audit(m, AUDIT(EMERGENCY), rule, recipient_of(m, d), d->rule);
    Handoff__V1__AuditEmission *a = m->out->emissions[m->out->n_emissions - 1]->audit;
    a->by = r->invoked_by;
    a->nature = r->nature;
    ask_compliance(m, &today);
}

/* --- asked ------------------------------------------------------------------------------------------------------- */
static void ask_for_release(struct moment *m, const struct disclosure *d, enum consent_answer answer)
{
    if (answer == CONSENT_UNCERTAIN) {
        m->sentence = "withheld: it is uncertain whether this may be told; compliance is asked";
        ask_compliance(m, NULL);
        return;
    }
    m->sentence = "withheld: no active release covers this recipient";
    work_open_task(m, &(struct task_order){.kind = KIND(OBTAIN_ROI), .party = d->party, .subject_id = d->id});
}

void disclose_requested(struct moment *m)
{
    const Handoff__V1__DisclosureRequested *r = m->event->disclosure_requested;
    struct disclosure d = {.kind = HANDOFF__V1__STATUS_KIND__STATUS_KIND_ANSWER,
                           .party = r->recipient->party,
                           .id = r->recipient->id,
                           .category = r->category ? r->category : m->record->category};
    struct consent_question q = {m->rules, m->site, m->record, d.party, d.id, d.category, m->now_ms, NULL};
    struct consent_ground ground;
    m->is_used = true;
    bool is_covered = !consent_is_needed(&q) || consent_ask(&q, &ground) == CONSENT_COVERS;
    const char *barred = r->is_emergency && !is_covered ? is_barred(m, &d) : NULL;
    if (barred) {
        moment_audit(m, AUDIT(REFUSED_ACTION), barred, recipient_of(m, &d), 0);
        m->sentence = barred;
        ask_compliance(m, &today);
    } else if (r->is_emergency && !is_covered) {
        tell_in_emergency(m, &d);
    } else {
        enum consent_answer answer = disclose_tell(m, &d);
        if (answer != CONSENT_COVERS) ask_for_release(m, &d, answer);
    }
}
