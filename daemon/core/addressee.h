/* Whom an emission is for, one by one, when it is carried to people; and whether it may go to each of them now.
 *
 * Tasks and escalations have one: the person who holds them at this moment (key ""). A reminder has everyone of the
 * family to whom it may ever go, in a stable order (key "PATIENT", "GUARDIAN:id"). A status has its recipient (key
 * ""); without an address of its own, the subscriber knows how to reach it. Audit has none: it is not for people. */
#ifndef HANDOFF_CORE_ADDRESSEE_H
#define HANDOFF_CORE_ADDRESSEE_H

#include "core/gate.h"
#include "handoff/v1/delivery.pb-c.h"

enum { ADDRESSEES_MAX = 8 };

/* Resolved from the newest record and the rules of this moment; in the arena. Returns how many, at least one but for
 * audit: a message that nobody can be told has an addressee without addresses, and the gate says what becomes of it. */
size_t addressees_of(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                     const Handoff__V1__Emission *emission, int64_t now_ms, struct arena *arena,
                     Handoff__V1__Addressee *ret_addressees[ADDRESSEES_MAX]);
/* The gate for one of them: all that gate() asks, and the addressee's hours. Notices to staff wait by severity:
 * emergent ones and what a safety finding asks for not at all, urgent ones for the person's working hours, routine ones for the first
 * opening of those hours after the emission's time (emission->at_ms), so that they come as one morning digest. What
 * is stale is dropped. Without a usable address: WITHHOLD. */
struct gate_decision gate_addressed(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                    const Handoff__V1__Emission *emission, const Handoff__V1__Addressee *to,
                                    int64_t now_ms);

#endif
