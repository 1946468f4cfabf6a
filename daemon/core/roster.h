/* Who a role is, for one patient, at one time.
 *
 *     the person assigned to the patient in this role, else one of the site who has it
 *         --away, or no longer on the roster--> their delegate, and that one's, ... --> the site's queue
 *         --> the supervisor --> on-call
 *
 * An absence counts from its first moment to its last; a role is asked for anew whenever something is sent or read, so
 * a person who is back has their work again. */
#ifndef HANDOFF_CORE_ROSTER_H
#define HANDOFF_CORE_ROSTER_H

#include "core/rules.h"

/* Somebody with an address: who has none is as one who is away, unless nobody there has one; such a site does not load.
 * Never NULL; "" only when the site has nobody at all. The supervisor is the coordinator's own, as far as the roster
 * knows one; the second on-call is the second person on call, or the first again. */
const char *roster_resolve(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                           Handoff__V1__Role role, int64_t at_ms);
/* Who holds a task, or an escalation about it, at a rung of the ladder: as above; but a list for a new owner is that
 * person's while it stands with its owner, and so is an act of a named person. task NULL: no task. */
const char *roster_holder(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                          Handoff__V1__Role role, const Handoff__V1__Task *task, int64_t at_ms);
/* Who does a person's work then: that person, or the first delegate who is there. NULL: nobody was named, or all of
 * them are away too, or the one who would have it has no address or is not on the roster. */
const char *roster_stand_in(const struct rules *rules, const struct site *site, const char *person_id, int64_t at_ms);
/* A person's own working hours in the site's time zone, else the site's. The site's holidays are everybody's. */
struct calendar roster_hours(const struct site *site, const Handoff__V1__Person *person);
/* NULL: not on the roster. */
const Handoff__V1__Person *roster_person(const struct site *site, const char *person_id);

#endif
