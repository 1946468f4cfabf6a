/* See reach.h. */
#include "core/reach.h"

#include "core/consent.h"

#include <string.h>

#define PARTY(NAME)   HANDOFF__V1__PARTY__PARTY_##NAME
#define CONTENT(NAME) HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_##NAME

static bool is_family(Handoff__V1__Party party)
{
    return party == PARTY(PATIENT) || party == PARTY(GUARDIAN);
}

const Handoff__V1__Preference *reach_preference(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party,
                                                const char *id)
{
    for (size_t i = 0; i < record->n_preferences; i++) {
        const Handoff__V1__Preference *p = record->preferences[i];
        if (p->person == party && (party == PARTY(PATIENT) || strcmp(p->person_id, id) == 0)) return p;
    }
    return NULL;
}

/* A letter and a talk in person do not carry a message in time. */
bool reach_carries_message(Handoff__V1__Channel channel)
{
    return channel == HANDOFF__V1__CHANNEL__CHANNEL_PHONE || channel == HANDOFF__V1__CHANNEL__CHANNEL_SMS ||
           channel == HANDOFF__V1__CHANNEL__CHANNEL_EMAIL || channel == HANDOFF__V1__CHANNEL__CHANNEL_PORTAL;
}

static bool is_usable(const Handoff__V1__Preference *p)
{
    if (!p) return true;
    if (p->has_no_channel || p->is_opted_out) return false;
    for (size_t i = 0; i < p->n_permitted; i++)
        if (reach_carries_message(p->permitted[i])) return true;
    return p->n_permitted == 0;
}

bool reach_person(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party, const char *id)
{
    return is_usable(reach_preference(record, party, id));
}

bool reach_may_know(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                    Handoff__V1__DiagnosisCategory category, const char *guardian_id, int64_t now_ms)
{
    struct consent_question q = {rules, site, record, PARTY(GUARDIAN), guardian_id, category, now_ms, NULL};
    struct consent_ground ground;
    if (!consent_is_patients(rules, site, record, category, now_ms)) return true;
    return !consent_is_needed(&q) || consent_ask(&q, &ground) == CONSENT_COVERS;
}

/* A guardian without custody is not asked for the family. */
static bool reaches_guardian(const Handoff__V1__PatientRecord *record, bool *is_any)
{
    bool is_reached = false;
    for (size_t i = 0; i < record->n_care_team; i++) {
        const Handoff__V1__CareTeamMember *m = record->care_team[i];
        if (m->party != PARTY(GUARDIAN) || m->custody == HANDOFF__V1__CUSTODY__CUSTODY_NONE) continue;
        *is_any = true;
        is_reached |= reach_person(record, m->party, m->id);
    }
    for (size_t i = 0; i < record->n_preferences; i++) {
        const Handoff__V1__Preference *p = record->preferences[i];
        if (p->person != PARTY(GUARDIAN)) continue;
        *is_any = true;
        is_reached |= is_usable(p) && consent_has_say(record, p->person, p->person_id);
    }
    return is_reached;
}

bool reach_family(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                  int64_t now_ms)
{
    if (record->n_preferences == 0) return true;
    bool has_guardian = false;
    if (reaches_guardian(record, &has_guardian)) return true;
    const Handoff__V1__Preference *own = reach_preference(record, PARTY(PATIENT), "");
    bool is_of_age = patient_age(site, record, now_ms) >= (int32_t)rules->policy.bh_signing_age;
    return own ? is_usable(own) : is_of_age || !has_guardian;
}

int64_t reach_permitted_from(const struct site *site, const Handoff__V1__Preference *p, int64_t now_ms)
{
    if (!p || !is_family(p->person) || p->latest_minute <= p->earliest_minute) return now_ms;
    int32_t day = calendar_local_day(&site->calendar, now_ms), minute = calendar_local_minute(&site->calendar, now_ms);
    int32_t from = (int32_t)p->earliest_minute;
    if (minute < from) return calendar_instant(&site->calendar, day, from);
    return minute >= (int32_t)p->latest_minute ? calendar_instant(&site->calendar, day + 1, from) : now_ms;
}

Handoff__V1__MessageContent reach_content(const Handoff__V1__Preference *p)
{
    Handoff__V1__MessageContent content = p && p->message_content ? p->message_content : CONTENT(NAME_AND_NUMBER);
    return p && p->is_phone_shared && content == CONTENT(DETAILS) ? CONTENT(NAME_AND_NUMBER) : content;
}
