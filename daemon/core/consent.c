/* See consent.h. A disclosure is decided part by part (behavioral health, drug and alcohol): which signatures the part
 * needs, and whether each stands on a release that holds. What a release lacks is in consent_gaps.c. */
#include "core/consent.h"
#include "core/consent_parts.h"

#include <string.h>

#define PARTY(NAME)    HANDOFF__V1__PARTY__PARTY_##NAME
#define CATEGORY(NAME) HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_##NAME
#define CUSTODY(NAME)  HANDOFF__V1__CUSTODY__CUSTODY_##NAME

int32_t patient_age(const struct site *site, const Handoff__V1__PatientRecord *record, int64_t now_ms)
{
    if (!record->birth_date) return -1;
    return date_age(record->birth_date, calendar_local_day(&site->calendar, now_ms));
}

bool authority_allows(const struct rules *rules, Handoff__V1__Party referrer, Handoff__V1__LevelOfCare level)
{
    if ((int)level < 0 || (int)level >= RULES_LEVELS) return false;
    uint32_t allowed = rules->policy.authority[level];
    return allowed == 0 || (allowed & (UINT32_C(1) << referrer));
}

/* --- recipients ------------------------------------------------------------------------------------------------ */
bool consent_is_outside(const struct rules *rules, Handoff__V1__Party party, const char *id)
{
    const struct policy *p = &rules->policy;
    if (party == PARTY(COORDINATOR)) return false;
    if (party == PARTY(PCP)) return !p->is_pcp_workforce;
    for (uint32_t i = 0; i < p->workforce_agency_count && party == PARTY(AGENCY); i++)
        if (strcmp(p->workforce_agencies[i], id) == 0) return false;
    return true;
}

bool consent_lists(Handoff__V1__Recipient *const *recipients, size_t count, Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (recipients[i]->party == party && (!recipients[i]->id[0] || strcmp(recipients[i]->id, id) == 0)) return true;
    return count == 0;
}

bool consent_revokes(const Handoff__V1__ConsentRevoked *revoked, Handoff__V1__Party party, const char *id)
{
    return consent_lists(revoked->recipients, revoked->n_recipients, party, id);
}

static const Handoff__V1__CareTeamMember *find_member(const Handoff__V1__PatientRecord *record,
                                                      Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < record->n_care_team; i++) {
        const Handoff__V1__CareTeamMember *m = record->care_team[i];
        if (m->party == party && strcmp(m->id, id) == 0) return m;
    }
    return NULL;
}

bool consent_is_guardian(Handoff__V1__Party party)
{
    return party == PARTY(GUARDIAN) || party == PARTY(COUNTY) || party == PARTY(COURT);
}

static const Handoff__V1__CareTeamMember *find_guardian(const Handoff__V1__PatientRecord *record,
                                                        Handoff__V1__Party party, const char *id)
{
    return consent_is_guardian(party) ? find_member(record, party, id) : NULL;
}

bool consent_has_say(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party, const char *id)
{
    if (!consent_is_guardian(party)) return false;
    const Handoff__V1__CareTeamMember *m = find_member(record, party, id);
    return !m || m->custody != CUSTODY(NONE);
}

/* A patient who signs names the guardians without writing them down, unless they are struck. At the age of an adult
 * only one whom a court appointed still is a guardian. */
static bool names_by_default(const struct consent_question *q, const Handoff__V1__Consent *c)
{
    if (c->signer != PARTY(PATIENT) || c->is_guardian_struck) return false;
    const Handoff__V1__CareTeamMember *m = find_guardian(q->record, q->party, q->id);
    if (!m || m->custody != CUSTODY(LEGAL_AUTHORITY)) return false;
    int32_t age = patient_age(q->site, q->record, q->now_ms);
    return m->is_court_appointed || (age >= 0 && age < (int32_t)q->rules->policy.adult_age);
}

/* "Some agency" names nobody: where the recipient has an id, the consent must say it. */
static bool names_recipient(const struct consent_question *q, const Handoff__V1__Consent *c)
{
    for (size_t i = 0; i < c->n_recipients; i++)
        if (c->recipients[i]->party == q->party && strcmp(c->recipients[i]->id, q->id) == 0) return true;
    return names_by_default(q, c);
}

/* --- what a release says --------------------------------------------------------------------------------------- */
bool consent_is_in_force(const Handoff__V1__Consent *c, int64_t now_ms)
{
    return now_ms >= c->signed_at_ms && now_ms < c->expires_at_ms;
}

bool consent_has_part(const Handoff__V1__Consent *c, Handoff__V1__DiagnosisCategory part)
{
    return c->category == part || c->category == CATEGORY(BOTH);
}

static bool covers_dates(const struct site *site, const Handoff__V1__Consent *c, int64_t now_ms)
{
    uint32_t today = date_from_day(calendar_local_day(&site->calendar, now_ms));
    if (!c->treatment_from || today < c->treatment_from) return false;
    return c->treatment_to == 0 || today <= c->treatment_to;
}

static bool discloses(const Handoff__V1__Consent *c)
{
    return c->direction == HANDOFF__V1__DIRECTION__DIRECTION_DISCLOSE_TO ||
           c->direction == HANDOFF__V1__DIRECTION__DIRECTION_BOTH;
}

/* --- signatures ------------------------------------------------------------------------------------------------ */
uint32_t consent_needs(const struct rules *rules, Handoff__V1__DiagnosisCategory part, int32_t age)
{
    const struct policy *p = &rules->policy;
    bool is_adult = age >= (int32_t)p->adult_age;
    if (part == CATEGORY(BEHAVIORAL_HEALTH)) {
        if (age < 0) return SIGNED_BY_NOBODY;
        return age < (int32_t)p->bh_signing_age ? SIGNED_BY_GUARDIAN : SIGNED_BY_PATIENT;
    }
    return p->is_guardian_needed_for_da && !is_adult ? SIGNED_BY_PATIENT | SIGNED_BY_GUARDIAN : SIGNED_BY_PATIENT;
}

uint32_t consent_signature(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                           const Handoff__V1__Consent *c, int32_t age)
{
    if (c->signer == PARTY(PATIENT)) return SIGNED_BY_PATIENT;
    const Handoff__V1__CareTeamMember *m = find_guardian(record, c->signer, c->signer_id);
    if (!m || m->custody == CUSTODY(NONE)) return 0;
    bool is_adult = age >= (int32_t)rules->policy.adult_age;
    if (is_adult && !m->is_court_appointed) return 0;
    uint32_t as = is_adult ? SIGNED_BY_PATIENT : SIGNED_BY_GUARDIAN; /* appointed: in the patient's place */
    return m->custody == CUSTODY(LEGAL_AUTHORITY) ? as : as << SIGNED_PERHAPS;
}

bool consent_is_objected(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < record->n_objections; i++) {
        const Handoff__V1__Objection *o = record->objections[i];
        if (consent_has_say(record, o->by, o->by_id) && consent_lists(o->recipients, o->n_recipients, party, id))
            return true;
    }
    return false;
}

/* --- the answer ------------------------------------------------------------------------------------------------ */
/* The release with one of these signatures that holds for the question's recipient and moment, for one part. */
static const Handoff__V1__Consent *find_signed(const struct consent_question *q, Handoff__V1__DiagnosisCategory part,
                                               uint32_t signature, int32_t age)
{
    for (size_t i = 0; i < q->record->n_consents; i++) {
        const Handoff__V1__Consent *c = q->record->consents[i];
        if (q->except_id && strcmp(c->id, q->except_id) == 0) continue;
        if (consent_is_in_force(c, q->now_ms) && discloses(c) && consent_has_part(c, part) &&
            covers_dates(q->site, c, q->now_ms) && names_recipient(q, c) &&
            (consent_signature(q->rules, q->record, c, age) & signature))
            return c;
    }
    return NULL;
}

static void add_ground(struct consent_ground *g, const Handoff__V1__Consent *c)
{
    if (!g->consent)
        g->consent = c;
    else if (g->consent != c && strcmp(g->consent->id, c->id) != 0 && !g->also)
        g->also = c;
}

static enum consent_answer ask_part(const struct consent_question *q, Handoff__V1__DiagnosisCategory part, int32_t age,
                                    struct consent_ground *ground)
{
    static const uint32_t signatures[] = {SIGNED_BY_PATIENT, SIGNED_BY_GUARDIAN};
    uint32_t needs = consent_needs(q->rules, part, age);
    enum consent_answer answer = CONSENT_COVERS;
    if (needs == SIGNED_BY_NOBODY) return CONSENT_NONE;
    for (size_t i = 0; i < 2; i++) {
        if (!(needs & signatures[i])) continue;
        const Handoff__V1__Consent *c = find_signed(q, part, signatures[i], age);
        if (!c && !find_signed(q, part, signatures[i] << SIGNED_PERHAPS, age)) return CONSENT_NONE;
        if (!c)
            answer = CONSENT_UNCERTAIN;
        else
            add_ground(ground, c);
    }
    bool is_guardians = (needs & SIGNED_BY_GUARDIAN) != 0;
    return is_guardians && consent_is_objected(q->record, q->party, q->id) ? CONSENT_UNCERTAIN : answer;
}

enum consent_answer consent_ask(const struct consent_question *q, struct consent_ground *ret)
{
    int32_t age = patient_age(q->site, q->record, q->now_ms);
    struct consent_ground ground = {NULL, NULL};
    enum consent_answer bh = CONSENT_COVERS, da = CONSENT_COVERS, answer;
    *ret = ground;
    if (q->party == PARTY(AGENCY) && q->id[0] == '\0') return CONSENT_NONE; /* "some agency" is not a recipient */
    if (q->category != CATEGORY(BEHAVIORAL_HEALTH)) da = ask_part(q, CATEGORY(DRUG_AND_ALCOHOL), age, &ground);
    if (q->category != CATEGORY(DRUG_AND_ALCOHOL)) bh = ask_part(q, CATEGORY(BEHAVIORAL_HEALTH), age, &ground);
    answer = bh < da ? bh : da;
    if (answer == CONSENT_COVERS) *ret = ground;
    return answer;
}

const Handoff__V1__Consent *consent_for(const struct rules *rules, const struct site *site,
                                        const Handoff__V1__PatientRecord *record, Handoff__V1__Party party,
                                        const char *id, Handoff__V1__DiagnosisCategory category, int64_t now_ms)
{
    struct consent_question q = {rules, site, record, party, id, category, now_ms, NULL};
    struct consent_ground ground;
    consent_ask(&q, &ground);
    return ground.consent;
}

bool consent_is_patients(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                         Handoff__V1__DiagnosisCategory category, int64_t now_ms)
{
    if (category == CATEGORY(DRUG_AND_ALCOHOL) || category == CATEGORY(BOTH)) return true;
    return consent_needs(rules, CATEGORY(BEHAVIORAL_HEALTH), patient_age(site, record, now_ms)) == SIGNED_BY_PATIENT;
}

/* A guardian with legal authority speaks for the child as long as it is the guardian who signs. */
bool consent_is_needed(const struct consent_question *q)
{
    if (!consent_is_outside(q->rules, q->party, q->id)) return false;
    if (q->party == PARTY(PATIENT)) return false;
    const Handoff__V1__CareTeamMember *m = find_guardian(q->record, q->party, q->id);
    if (!m || m->custody != CUSTODY(LEGAL_AUTHORITY)) return true;
    int32_t age = patient_age(q->site, q->record, q->now_ms);
    bool is_in_place = m->is_court_appointed && age >= (int32_t)q->rules->policy.adult_age;
    bool is_for_child =
        q->category == CATEGORY(BEHAVIORAL_HEALTH) && age >= 0 && age < (int32_t)q->rules->policy.bh_signing_age;
    return !is_in_place && !is_for_child;
}
