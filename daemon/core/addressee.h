/* Whom an emission is for, one by one, when it is carried to people; and whether it may go to each of them now. It is
 * asked at each attempt: people change, leave, move and change their minds between two. It sends nothing, and knows no
 * channel.
 *
 *     task, escalation   whoever holds it at this moment (roster.h); key ""
 *     reminder           everyone of the family to whom it may go; key "PATIENT", "GUARDIAN:id"
 *     status             its recipient; key "". Without an address here the subscriber knows how to reach it
 *     audit              nobody: it is for readers
 *
 * What people are told of a task: that it was opened or stands again, that it must be done sooner or is graver than they
 * were told, that something else is asked, or that there is another list. Of an escalation: that it was raised, climbed, is
 * repeated or resumed, that the list it was about was taken back, or that messages are delivered again. All else
 * (completed, attempted, acknowledged, ...) answers what somebody did, and is for read models: the gate drops it silently.
 *
 * When staff are told: what is emergent, and what a safety finding asks for, at once, at any hour (but what is due only
 * after they open again can wait until then, unless it is the safety-check); what is urgent in the person's working hours, or at once where it is on-call who is told, since they are told because nobody works; what is
 * routine in their working hours too, from the first opening of a day on that is not before the emission: so that a
 * day's come together the next morning.
 *
 * What is stale is dropped: what is not open any more; what a newer notice to the same role about the same has overtaken;
 * unless it is emergent, also what somebody has acted on or acknowledged since. */
#ifndef HANDOFF_CORE_ADDRESSEE_H
#define HANDOFF_CORE_ADDRESSEE_H

#include "base/arena.h"
#include "core/gate.h"
#include "handoff/v1/delivery.pb-c.h"

enum { ADDRESSEES_MAX = 8 }; /* of a family: those that are named first */

/* The record is the newest, and the emission speaks of it by its numbers (view_as_of_now). The answer lives in the arena
 * and borrows from record and rules. Returns how many: at least one, but none of what is for no person. Where nobody may
 * be told there is one without addresses, and the gate says what becomes of it.
 *
 * Of the family are: guardians of the care team and of the preferences, unless they have no custody, want no messages, or
 * the patient signs and no release names them; and the patient, if old enough to sign, without guardians, or with
 * wishes of their own on file. Somebody whose address nobody knows is one of them. */
size_t addressees_of(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                     const Handoff__V1__Emission *emission, int64_t now_ms, struct arena *arena,
                     Handoff__V1__Addressee *ret_addressees[ADDRESSEES_MAX]);

/* The one of that key, as of now. Whoever is not among them any more comes back without addresses, for the gate to say
 * why. NULL: no emission of this kind has such a key. */
Handoff__V1__Addressee *addressee_of(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                     const Handoff__V1__Emission *emission, const char *key, int64_t now_ms,
                                     struct arena *arena);

/* Whom of the family a key names; false: nobody. */
bool addressee_person(const char *key, Handoff__V1__Party *ret_party, const char **ret_id);

/* The gate for one of them: all that gate() asks, and the above. emission->at_ms must be filled. */
struct gate_decision gate_addressed(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                    const Handoff__V1__Emission *emission, const Handoff__V1__Addressee *to,
                                    int64_t now_ms);

#endif
