/* What an instrument's scores mean, as the policy says. */
#ifndef HANDOFF_CORE_SCORES_H
#define HANDOFF_CORE_SCORES_H

#include "core/rules.h"
#include "handoff/v1/event.pb-c.h"

/* The dotted field that is out of its instrument's range; NULL: none is. */
const char *scores_out_of_range(const struct policy *policy, const Handoff__V1__Event *event);

#endif
