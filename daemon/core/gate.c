/* See gate.h. One answer a kind of emission: reminders, disclosures, and the workforce's own. */
#include "core/gate.h"

#include "core/consent.h"
#include "core/reach.h"

#include <string.h>

static struct gate_decision deliver(const Handoff__V1__Consent *consent)
{
    return (struct gate_decision){.answer = GATE_DELIVER, .consent = consent};
}
static struct gate_decision drop(const char *reason)
{
    return (struct gate_decision){.answer = GATE_DROP, .reason = reason};
}
static struct gate_decision withhold(const char *reason)
{
    return (struct gate_decision){.answer = GATE_WITHHOLD, .reason = reason};
}

static const Handoff__V1__Appointment *find_appointment(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; i < record->n_appointments; i++)
        if (record->appointments[i]->number == number) return record->appointments[i];
    return NULL;
}

static bool is_family(Handoff__V1__Party party)
{
    return party == HANDOFF__V1__PARTY__PARTY_PATIENT || party == HANDOFF__V1__PARTY__PARTY_GUARDIAN;
}

/* The hours in which the family may be reached; the first stated ones of patient or guardian. */
static int64_t family_permitted_from(const struct site *site, const Handoff__V1__PatientRecord *record, int64_t now_ms)
{
    for (size_t i = 0; i < record->n_preferences; i++) {
        const Handoff__V1__Preference *p = record->preferences[i];
        if (is_family(p->person) && p->latest_minute > p->earliest_minute) return reach_permitted_from(site, p, now_ms);
    }
    return now_ms;
}

static const char nobody[] = "no safe channel is known; somebody calls instead";

/* Why no reminder goes to this person, or to anybody of the family; NULL: it may. */
static const char *is_shut(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                           const Handoff__V1__Recipient *to, int64_t now_ms)
{
    if (!to) return reach_family(rules, site, record, now_ms) ? NULL : nobody;
    if (!is_family(to->party)) return "reminders go to the family alone";
    if (!reach_person(record, to->party, to->id)) return nobody;
    if (to->party == HANDOFF__V1__PARTY__PARTY_PATIENT) return NULL;
    if (!consent_has_say(record, to->party, to->id)) return "this guardian has no custody";
    return reach_may_know(rules, site, record, record->category, to->id, now_ms)
               ? NULL
               : "the patient signs, and no release names this guardian";
}

static struct gate_decision reminder(const struct rules *rules, const struct site *site,
                                     const Handoff__V1__PatientRecord *record, const Handoff__V1__ReminderEmission *r,
                                     const Handoff__V1__Recipient *to, int64_t now_ms)
{
    if (r->is_dropped) return drop("its moment had passed");
    if (record->is_deceased) return drop("the patient has died");
    if (record->is_opted_out) return drop("the family declined all contact");
    const Handoff__V1__Appointment *a = find_appointment(record, r->appointment);
    if (!a || a->status != HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED) return drop("the visit is no longer booked");
    if (a->starts_at_ms != r->starts_at_ms) return drop("the visit was moved");
    if (a->starts_at_ms <= now_ms) return drop("the visit has begun");
    const char *shut = is_shut(rules, site, record, to, now_ms);
    if (shut) return (struct gate_decision){.answer = GATE_WITHHOLD, .reason = shut, .is_unreachable = to && shut == nobody};
    int64_t from = to ? reach_permitted_from(site, reach_preference(record, to->party, to->id), now_ms)
                      : family_permitted_from(site, record, now_ms);
    if (from >= a->starts_at_ms) return drop("no permitted hour is left before the visit");
    if (from > now_ms) return (struct gate_decision){.answer = GATE_WAIT, .until_ms = from};
    return deliver(NULL);
}

static struct gate_decision disclosure(const struct rules *rules, const struct site *site,
                                       const Handoff__V1__PatientRecord *record, const Handoff__V1__StatusEmission *s,
                                       const Handoff__V1__Recipient *to, int64_t now_ms)
{
    struct consent_question q = {rules, site, record, to->party, to->id, s->category, now_ms, NULL};
    struct consent_ground ground;
    if (is_family(to->party) && (record->is_deceased || record->is_opted_out))
        return drop("nothing goes to the family any more");
    if (!consent_is_needed(&q)) return deliver(NULL);
    if (s->exception[0]) return deliver(NULL); /* invoked by a named human and journaled with its rule */
    switch (consent_ask(&q, &ground)) {
    case CONSENT_COVERS: return (struct gate_decision){.answer = GATE_DELIVER, .consent = ground.consent, .also = ground.also};
    case CONSENT_UNCERTAIN: return withhold("it is uncertain whether the release covers this recipient");
    case CONSENT_NONE: break;
    }
    return withhold("no active consent covers this recipient");
}

/* An event that should never have been said caused it, or opened the episode that did. */
static bool is_taken_back(const Handoff__V1__PatientRecord *record, const Handoff__V1__Emission *e)
{
    for (size_t i = 0; e->sequence && i < record->n_retracted; i++)
        if (record->retracted[i] == e->sequence) return true;
    for (size_t i = 0; e->episode && i < record->n_closed_episodes; i++)
        if (record->closed_episodes[i]->number == e->episode)
            return record->closed_episodes[i]->reason == HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_ENTERED_IN_ERROR;
    return false;
}

/* The newest says all that an older one would, so nothing is recorded of that. */
static struct gate_decision heartbeat(const Handoff__V1__PatientRecord *record, const Handoff__V1__StatusEmission *s)
{
    const Handoff__V1__Heartbeat *h = record->heartbeat;
    bool is_newest = h && h->every_ms && h->notice_number == s->notice_number;
    struct gate_decision dropped = drop("a newer heartbeat has fired, or it was turned off");
    dropped.is_silent = true;
    return is_newest ? deliver(NULL) : dropped;
}

struct gate_decision gate(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                          const Handoff__V1__Emission *emission, const Handoff__V1__Recipient *recipient,
                          int64_t now_ms)
{
    const struct site *site = rules_site(rules, record->site);
    bool is_for_others = emission->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER ||
                         emission->body_case == HANDOFF__V1__EMISSION__BODY_STATUS;
    if (is_for_others && is_taken_back(record, emission)) return withhold("its cause was taken back");
    if (emission->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER)
        return reminder(rules, site, record, emission->reminder, recipient, now_ms);
    if (emission->body_case != HANDOFF__V1__EMISSION__BODY_STATUS) return deliver(NULL);
    if (emission->status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT)
        return heartbeat(record, emission->status);
    const Handoff__V1__Recipient *to = recipient ? recipient : emission->status->recipient;
    if (!to) return withhold("it names no recipient");
    return disclosure(rules, site, record, emission->status, to, now_ms);
}
