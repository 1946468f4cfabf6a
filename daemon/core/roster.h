/* Who a role is, for one patient, now. */
#ifndef HANDOFF_CORE_ROSTER_H
#define HANDOFF_CORE_ROSTER_H

#include "core/rules.h"

/* The person assigned to the patient in this role; else by role: the coordinator's supervisor, whoever of the site
 * has the role; else the site's queue; else its on-call. Never NULL; "" only when the site has nobody at all. */
const char *roster_resolve(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                           Handoff__V1__Role role);

#endif
