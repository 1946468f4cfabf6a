/* Who may be told what, on what ground. Rules 1 to 6 of README.md. Uncertain means no.
 *
 * A disclosure of one category needs the signatures that the patient's age asks for at that moment:
 *
 *     age at the disclosure      behavioral health          drug and alcohol
 *     under bh_signing_age       a guardian                 the patient (and a guardian, where the state says so)
 *     until adult_age            the patient                the patient (and a guardian, where the state says so)
 *     from adult_age on          the patient, or a guardian whom a court appointed
 *
 * Both categories, or an unknown one, need what each of them needs. Each signature stands on a release that is active
 * and names the recipient, the direction, the category and today among its dates of treatment. */
#ifndef HANDOFF_CORE_CONSENT_H
#define HANDOFF_CORE_CONSENT_H

#include "core/rules.h"

struct consent_question {
    const struct rules *rules;
    const struct site *site;
    const Handoff__V1__PatientRecord *record;
    Handoff__V1__Party party; /* whom it would be disclosed to */
    const char *id;
    Handoff__V1__DiagnosisCategory category; /* UNSPECIFIED: as both */
    int64_t now_ms;
    const char *except_id; /* a release that does not count; NULL: all count */
};

enum consent_answer {
    CONSENT_NONE,      /* nobody who must sign has signed */
    CONSENT_UNCERTAIN, /* somebody signed, and custody is unknown or another guardian objects: ask compliance */
    CONSENT_COVERS
};

/* On what ground: one release, and the one with a second signature where a second is needed. */
struct consent_ground {
    const Handoff__V1__Consent *consent, *also;
};

/* The ground is filled when the answer is CONSENT_COVERS, else empty. */
enum consent_answer consent_ask(const struct consent_question *question, struct consent_ground *ret_ground);

/* The consent that covers a disclosure to this recipient at this moment, or NULL. */
const Handoff__V1__Consent *consent_for(const struct rules *rules, const struct site *site,
                                        const Handoff__V1__PatientRecord *record, Handoff__V1__Party party,
                                        const char *id, Handoff__V1__DiagnosisCategory category, int64_t now_ms);

/* Everyone who is not program workforce is an outside recipient. */
bool consent_is_outside(const struct rules *rules, Handoff__V1__Party party, const char *id);
/* Does telling them need a release? Patients hear of themselves; so does the guardian who signs for a child. */
bool consent_is_needed(const struct consent_question *question);

/* Does the patient sign for what this is about? Then a guardian is an outside recipient like others. An unknown category
 * counts as behavioral health, an unknown age as a child's. */
bool consent_is_patients(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                         Handoff__V1__DiagnosisCategory category, int64_t now_ms);

/* Does a revocation that names these recipients (none: everyone) mean this one? A party without an id means all of it.
 */
bool consent_revokes(const Handoff__V1__ConsentRevoked *revoked, Handoff__V1__Party party, const char *id);
/* The same for any list of recipients. */
bool consent_lists(Handoff__V1__Recipient *const *recipients, size_t count, Handoff__V1__Party party, const char *id);

/* --- what a release of information lacks ------------------------------------------------------------------------ */
/* Bits. Every form under the release's id is looked at: two people may sign the same one. */
enum consent_gap {
    GAP_DATES = 1 << 0,
    GAP_CATEGORY = 1 << 1,
    GAP_DIRECTION = 1 << 2,
    GAP_RECIPIENTS = 1 << 3,
    GAP_SIGNER_NAME = 1 << 4,
    GAP_SIGNER = 1 << 5,         /* signed by somebody who never can: an agency, a school */
    GAP_SIGNATURE_DATE = 1 << 6, /* the date of the signature has not come */
    GAP_BIRTH_DATE = 1 << 7,     /* then nobody can say who must sign */
    GAP_PATIENT = 1 << 8,        /* the patient must sign and has not */
    GAP_GUARDIAN = 1 << 9,       /* a guardian with legal authority must sign and has not */
    GAP_CUSTODY = 1 << 10,       /* the guardian who signed may not be allowed to: nobody knows */
    GAP_AGREEMENT = 1 << 11,     /* another guardian objects */
    GAP_GUARDIAN_TOO = 1 << 12   /* complete; the site asks for a guardian's signature beside the patient's own */
};
enum { GAPS_CONTENT = GAP_BIRTH_DATE - 1, GAPS_OPEN = GAP_GUARDIAN_TOO - 1 };

/* 0: complete. */
uint32_t consent_gaps(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                      const char *consent_id, int64_t now_ms);
/* The name of a gap in pathways ("dates") and in words for the sender; NULL past the last. */
const char *consent_gap_name(size_t position);
const char *consent_gap_words(size_t position);

/* The newest form under an id; NULL: there is none. */
const Handoff__V1__Consent *consent_find(const Handoff__V1__PatientRecord *record, const char *consent_id);

/* The next birthday at which who must sign changes: the instant its local day begins, later than now; 0: none. */
int64_t consent_next_birthday(const struct rules *rules, const struct site *site,
                              const Handoff__V1__PatientRecord *record, int64_t now_ms);

/* Has this guardian a say: legal authority, or nobody knows? */
bool consent_has_say(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party, const char *id);

/* May this referrer ask for this level of care? */
bool authority_allows(const struct rules *rules, Handoff__V1__Party referrer, Handoff__V1__LevelOfCare level);

/* Full years on the site's local day; -1 when the birth date is unknown. */
int32_t patient_age(const struct site *site, const Handoff__V1__PatientRecord *record, int64_t now_ms);

#endif
