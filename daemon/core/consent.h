/* Who may be told what, on what ground. Rules 1 to 6 of README.md. Uncertain means no. */
#ifndef HANDOFF_CORE_CONSENT_H
#define HANDOFF_CORE_CONSENT_H

#include "core/rules.h"

/* The consent that covers a disclosure to this recipient at this moment, or NULL. It is active, names the recipient
 * (party, and id where the recipient has one), has the direction, includes the category and today among its dates of
 * treatment, and was signed by the person who must sign at the patient's age today. category UNSPECIFIED: only a
 * consent for both will do. */
const Handoff__V1__Consent *consent_for(const struct rules *rules, const struct site *site,
                                        const Handoff__V1__PatientRecord *record, Handoff__V1__Party party,
                                        const char *id, Handoff__V1__DiagnosisCategory category, int64_t now_ms);

/* Everyone who is not program workforce is an outside recipient. */
bool consent_is_outside(const struct rules *rules, Handoff__V1__Party party, const char *id);

/* Does a revocation that names these recipients (none: everyone) mean this one? A party without an id means all of it.
 */
bool consent_revokes(const Handoff__V1__ConsentRevoked *revoked, Handoff__V1__Party party, const char *id);

/* What a grant lacks to become active, in words; NULL: nothing. */
const char *consent_missing(const Handoff__V1__ConsentGranted *grant);

/* May this referrer ask for this level of care? */
bool authority_allows(const struct rules *rules, Handoff__V1__Party referrer, Handoff__V1__LevelOfCare level);

/* Full years on the site's local day; -1 when the birth date is unknown. */
int32_t patient_age(const struct site *site, const Handoff__V1__PatientRecord *record, int64_t now_ms);

#endif
