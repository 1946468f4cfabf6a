/* What consent.c and consent_gaps.c share: signatures, and what a single release says. */
#ifndef HANDOFF_CORE_CONSENT_PARTS_H
#define HANDOFF_CORE_CONSENT_PARTS_H

#include "core/consent.h"

/* Whose signature, as bits; shifted by SIGNED_PERHAPS where nobody knows whether that guardian has the authority. */
enum {
    SIGNED_BY_PATIENT = 1 << 0,
    SIGNED_BY_GUARDIAN = 1 << 1,
    SIGNED_BY_NOBODY = 1 << 4, /* as a need: the age is unknown, so no signature will do */
    SIGNED_PERHAPS = 2
};

/* The signatures that one category needs at an age (-1: unknown). part: behavioral health, or drug and alcohol. */
uint32_t consent_needs(const struct rules *rules, Handoff__V1__DiagnosisCategory part, int32_t age);
/* Who can hold the authority over a child: a parent or other guardian, the county, a court. */
bool consent_is_guardian(Handoff__V1__Party party);
/* What the signature on a release counts for at an age; 0: nothing. */
uint32_t consent_signature(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                           const Handoff__V1__Consent *consent, int32_t age);
bool consent_is_in_force(const Handoff__V1__Consent *consent, int64_t now_ms);
bool consent_has_part(const Handoff__V1__Consent *consent, Handoff__V1__DiagnosisCategory part);
/* Does a guardian who has a say not want this recipient told? */
bool consent_is_objected(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party, const char *id);

#endif
