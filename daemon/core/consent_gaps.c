/* See consent.h: what a release of information lacks before it can cover anything, by name. */
#include "core/consent.h"
#include "core/consent_parts.h"

#include <string.h>

#define PARTY(NAME)    HANDOFF__V1__PARTY__PARTY_##NAME
#define CATEGORY(NAME) HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_##NAME
#define PART(NAME)     HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_##NAME

static const struct {
    const char *name, *words;
} gaps[] = {
    /* in the order of the bits */
    {"dates", "the dates of treatment are missing"},
    {"category", "the category (behavioral health, drug and alcohol, or both) is missing"},
    {"direction", "the direction is missing"},
    {"recipients", "the recipients are missing"},
    {"signer-name", "the signer's name is missing"},
    {"signer", "only the patient, a guardian, the county or a court can sign"},
    {"signature-date", "the date of the signature has not come"},
    {"birth-date", "the patient's birth date is missing, which decides who signs"},
    {"patient", "the patient has to sign"},
    {"guardian", "a guardian with legal authority has to sign"},
    {"custody", "it is unknown whether this guardian may sign"},
    {"agreement", "another guardian objects"},
    {"guardian-too", "a guardian's signature is asked for too"},
};

const char *consent_gap_name(size_t position)
{
    return position < sizeof gaps / sizeof *gaps ? gaps[position].name : NULL;
}

const char *consent_gap_words(size_t position)
{
    return position < sizeof gaps / sizeof *gaps ? gaps[position].words : NULL;
}

/* --- forms ------------------------------------------------------------------------------------------------------ */
static bool is_form(const Handoff__V1__Consent *c, const char *consent_id)
{
    return strcmp(c->id, consent_id) == 0;
}

const Handoff__V1__Consent *consent_find(const Handoff__V1__PatientRecord *record, const char *consent_id)
{
    for (size_t i = record->n_consents; i-- > 0;)
        if (is_form(record->consents[i], consent_id)) return record->consents[i];
    return NULL;
}

static uint32_t content_gaps(const Handoff__V1__Consent *c, int64_t now_ms)
{
    uint32_t lacks = 0;
    if (!c->treatment_from) lacks |= GAP_DATES;
    if (!c->category) lacks |= GAP_CATEGORY;
    if (!c->direction) lacks |= GAP_DIRECTION;
    if (c->n_recipients == 0) lacks |= GAP_RECIPIENTS;
    if (c->signer != PARTY(PATIENT) && !consent_is_guardian(c->signer)) lacks |= GAP_SIGNER;
    else if (c->signer != PARTY(PATIENT) && !c->signer_id[0]) lacks |= GAP_SIGNER_NAME;
    if (c->signed_at_ms > now_ms) lacks |= GAP_SIGNATURE_DATE;
    return lacks;
}

/* --- signatures --------------------------------------------------------------------------------------------------- */
static bool shares_recipient(const Handoff__V1__Consent *a, const Handoff__V1__Consent *b)
{
    for (size_t i = 0; i < a->n_recipients; i++)
        for (size_t k = 0; k < b->n_recipients; k++)
            if (a->recipients[i]->party == b->recipients[k]->party &&
                strcmp(a->recipients[i]->id, b->recipients[k]->id) == 0)
                return true;
    return false;
}

struct asked {
    const struct rules *rules;
    const struct site *site;
    const Handoff__V1__PatientRecord *record;
    const Handoff__V1__Consent *form;
    int64_t now_ms;
    int32_t age;
};

/* Whose signatures there are for one part: on this release, or on another for the same people. */
static uint32_t signatures(const struct asked *q, Handoff__V1__DiagnosisCategory part)
{
    uint32_t signed_by = 0;
    for (size_t i = 0; i < q->record->n_consents; i++) {
        const Handoff__V1__Consent *c = q->record->consents[i];
        bool is_same = is_form(c, q->form->id) || shares_recipient(c, q->form);
        if (is_same && c->treatment_from && consent_has_part(c, part) && consent_is_in_force(c, q->now_ms))
            signed_by |= consent_signature(q->rules, q->record, c, q->age);
    }
    return signed_by;
}

/* The release's own signatures must be of use: what others signed elsewhere does not make it right. */
static bool has_use(const struct asked *q, Handoff__V1__DiagnosisCategory part, uint32_t needs)
{
    for (size_t i = 0; i < q->record->n_consents; i++) {
        const Handoff__V1__Consent *c = q->record->consents[i];
        uint32_t by = is_form(c, q->form->id) && consent_has_part(c, part)
                          ? consent_signature(q->rules, q->record, c, q->age)
                          : 0;
        if ((by | by >> SIGNED_PERHAPS) & needs) return true;
    }
    return false;
}

static bool is_objected(const struct asked *q)
{
    for (size_t i = 0; i < q->form->n_recipients; i++)
        if (consent_is_objected(q->record, q->form->recipients[i]->party, q->form->recipients[i]->id)) return true;
    return false;
}

static uint32_t one_signature(uint32_t needs, uint32_t by, uint32_t bit, uint32_t gap)
{
    if (!(needs & bit) || (by & bit)) return 0;
    return by & bit << SIGNED_PERHAPS ? GAP_CUSTODY : gap;
}

static uint32_t part_gaps(const struct asked *q, Handoff__V1__DiagnosisCategory part)
{
    uint32_t needs = consent_needs(q->rules, part, q->age);
    if (needs == SIGNED_BY_NOBODY) return GAP_BIRTH_DATE;
    uint32_t by = has_use(q, part, needs) ? signatures(q, part) : 0;
    uint32_t lacks = one_signature(needs, by, SIGNED_BY_PATIENT, GAP_PATIENT) |
                     one_signature(needs, by, SIGNED_BY_GUARDIAN, GAP_GUARDIAN);
    if (!lacks && (needs & SIGNED_BY_GUARDIAN) && is_objected(q)) lacks = GAP_AGREEMENT;
    return lacks;
}

/* Of a form that is not filled in yet: whose signature it will need beside what is on it. A name that is missing may
 * still be the right one. */
static uint32_t signer_gaps(const struct asked *q, Handoff__V1__DiagnosisCategory part)
{
    uint32_t needs = consent_needs(q->rules, part, q->age), by = 0;
    if (needs == SIGNED_BY_NOBODY) return GAP_BIRTH_DATE;
    for (size_t i = 0; i < q->record->n_consents; i++) {
        const Handoff__V1__Consent *c = q->record->consents[i];
        if (!is_form(c, q->form->id)) continue;
        by |= consent_signature(q->rules, q->record, c, q->age);
        if (consent_is_guardian(c->signer) && !c->signer_id[0]) by |= SIGNED_BY_GUARDIAN;
    }
    if ((by | by >> SIGNED_PERHAPS) & needs) return 0;
    return (needs & SIGNED_BY_PATIENT ? GAP_PATIENT : 0) | (needs & SIGNED_BY_GUARDIAN ? GAP_GUARDIAN : 0);
}

/* Without a category only what is wrong either way. */
static uint32_t draft_gaps(const struct asked *q)
{
    uint32_t bh = signer_gaps(q, PART(BEHAVIORAL_HEALTH)), da = signer_gaps(q, PART(DRUG_AND_ALCOHOL));
    switch (q->form->category) {
    case CATEGORY(BEHAVIORAL_HEALTH): return bh;
    case CATEGORY(DRUG_AND_ALCOHOL): return da;
    case CATEGORY(BOTH): return bh | da;
    case CATEGORY(UNSPECIFIED):
    case _HANDOFF__V1__DIAGNOSIS_CATEGORY_IS_INT_SIZE: break;
    }
    return bh & da;
}

/* The patient, not yet of age, signed for behavioral health: the site asks for a guardian's signature as well. */
static bool wants_guardian_too(const struct asked *q)
{
    const struct policy *p = &q->rules->policy;
    if (!p->is_guardian_asked_too || !consent_has_part(q->form, PART(BEHAVIORAL_HEALTH))) return false;
    if (q->age < (int32_t)p->bh_signing_age || q->age >= (int32_t)p->adult_age) return false;
    uint32_t by = signatures(q, PART(BEHAVIORAL_HEALTH));
    return !((by | by >> SIGNED_PERHAPS) & SIGNED_BY_GUARDIAN);
}

uint32_t consent_gaps(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                      const char *consent_id, int64_t now_ms)
{
    const Handoff__V1__Consent *c = consent_find(record, consent_id);
    if (!c) return GAP_RECIPIENTS;
    struct asked q = {rules, site, record, c, now_ms, patient_age(site, record, now_ms)};
    uint32_t lacks = content_gaps(c, now_ms);
    bool is_both = c->category == CATEGORY(BOTH);
    if (lacks) return lacks | draft_gaps(&q);
    if (is_both || c->category == CATEGORY(BEHAVIORAL_HEALTH)) lacks |= part_gaps(&q, PART(BEHAVIORAL_HEALTH));
    if (is_both || c->category == CATEGORY(DRUG_AND_ALCOHOL)) lacks |= part_gaps(&q, PART(DRUG_AND_ALCOHOL));
    return lacks == 0 && wants_guardian_too(&q) ? GAP_GUARDIAN_TOO : lacks;
}

/* --- birthdays ---------------------------------------------------------------------------------------------------- */
/* Born on 29 February: in a common year on 1 March, as date_age has it. */
static int64_t birthday_ms(const struct site *site, uint32_t born, uint32_t age)
{
    uint32_t date = born + age * 10000;
    if (!date_is_valid(date)) date = date / 10000 * 10000 + 301;
    return calendar_instant(&site->calendar, date_to_day(date), 0);
}

int64_t consent_next_birthday(const struct rules *rules, const struct site *site,
                              const Handoff__V1__PatientRecord *record, int64_t now_ms)
{
    int64_t next_ms = 0;
    const uint32_t ages[] = {rules->policy.bh_signing_age, rules->policy.adult_age};
    for (size_t i = 0; i < 2 && record->birth_date; i++) {
        int64_t at_ms = birthday_ms(site, record->birth_date, ages[i]);
        if (at_ms > now_ms && (!next_ms || at_ms < next_ms)) next_ms = at_ms;
    }
    return next_ms;
}
