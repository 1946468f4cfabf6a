/* See consent.h. Each condition of a release is a small question; consent_for asks them all. */
#include "core/consent.h"

#include <string.h>

#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME
#define CATEGORY(NAME) HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_##NAME

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

bool consent_is_outside(const struct rules *rules, Handoff__V1__Party party, const char *id)
{
    const struct policy *p = &rules->policy;
    if (party == PARTY(COORDINATOR)) return false;
    if (party == PARTY(PCP)) return !p->is_pcp_workforce;
    for (uint32_t i = 0; i < p->workforce_agency_count && party == PARTY(AGENCY); i++)
        if (strcmp(p->workforce_agencies[i], id) == 0) return false;
    return true;
}

/* "Some agency" names nobody: where the recipient has an id, the consent must say it. */
static bool names_recipient(const Handoff__V1__Consent *c, Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < c->n_recipients; i++)
        if (c->recipients[i]->party == party && strcmp(c->recipients[i]->id, id) == 0) return true;
    return false;
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

/* Drug and alcohol: the patient at any age. Behavioral health, and both or an unknown category: the patient from the
 * signing age on. Behavioral health before that: a guardian with legal authority. Adults: the patient or a
 * court-appointed guardian. */
static bool is_right_signer(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                            const Handoff__V1__Consent *c, Handoff__V1__DiagnosisCategory category, int32_t age)
{
    if (c->signer == PARTY(PATIENT))
        return category == CATEGORY(DRUG_AND_ALCOHOL) || (age >= 0 && age >= (int32_t)rules->policy.bh_signing_age);
    if (age < 0) return false;
    const Handoff__V1__CareTeamMember *guardian = find_member(record, c->signer, c->signer_id);
    if (!guardian || guardian->custody != HANDOFF__V1__CUSTODY__CUSTODY_LEGAL_AUTHORITY) return false;
    if (age >= (int32_t)rules->policy.adult_age) return guardian->is_court_appointed;
    return category == CATEGORY(BEHAVIORAL_HEALTH) && age < (int32_t)rules->policy.bh_signing_age;
}

static bool covers_dates(const struct site *site, const Handoff__V1__Consent *c, int64_t now_ms)
{
    uint32_t today = date_from_day(calendar_local_day(&site->calendar, now_ms));
    if (!c->treatment_from || today < c->treatment_from) return false;
    return c->treatment_to == 0 || today <= c->treatment_to;
}

static bool covers_category(const Handoff__V1__Consent *c, Handoff__V1__DiagnosisCategory category)
{
    return c->category == CATEGORY(BOTH) || (category != CATEGORY(UNSPECIFIED) && c->category == category);
}

const Handoff__V1__Consent *consent_for(const struct rules *rules, const struct site *site,
                                        const Handoff__V1__PatientRecord *record, Handoff__V1__Party party,
                                        const char *id, Handoff__V1__DiagnosisCategory category, int64_t now_ms)
{
    if (party == PARTY(AGENCY) && id[0] == '\0') return NULL; /* "some agency" is not a recipient */
    int32_t age = patient_age(site, record, now_ms);
    for (size_t i = 0; i < record->n_consents; i++) {
        const Handoff__V1__Consent *c = record->consents[i];
        if (now_ms >= c->signed_at_ms && now_ms < c->expires_at_ms && names_recipient(c, party, id) &&
            c->direction != HANDOFF__V1__DIRECTION__DIRECTION_OBTAIN_FROM && covers_category(c, category) &&
            covers_dates(site, c, now_ms) && is_right_signer(rules, record, c, category, age))
            return c;
    }
    return NULL;
}

bool consent_revokes(const Handoff__V1__ConsentRevoked *revoked, Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < revoked->n_recipients; i++) {
        const Handoff__V1__Recipient *r = revoked->recipients[i];
        if (r->party == party && (!r->id[0] || strcmp(r->id, id) == 0)) return true;
    }
    return revoked->n_recipients == 0;
}

const char *consent_missing(const Handoff__V1__ConsentGranted *grant)
{
    if (!grant->treatment_from) return "the dates of treatment are missing";
    if (grant->category == CATEGORY(UNSPECIFIED))
        return "the category (behavioral health, drug and alcohol, or both) is missing";
    if (grant->direction == HANDOFF__V1__DIRECTION__DIRECTION_UNSPECIFIED) return "the direction is missing";
    if (grant->n_recipients == 0) return "the recipients are missing";
    if (grant->signer != PARTY(PATIENT) && grant->signer_id[0] == '\0') return "the signer's name is missing";
    return NULL;
}
