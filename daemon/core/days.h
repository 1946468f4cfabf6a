/* What guards ask about days, stays, visits and scores: predicates for the table in guard.c. */
#ifndef HANDOFF_CORE_DAYS_H
#define HANDOFF_CORE_DAYS_H

#include "core/moment.h"

int64_t ask_is_admitted(const struct moment *m, const struct guard *g);
int64_t ask_days_since_discharge(const struct moment *m, const struct guard *g);
int64_t ask_days_here(const struct moment *m, const struct guard *g);
int64_t ask_business_days_expected(const struct moment *m, const struct guard *g);
int64_t ask_days_late(const struct moment *m, const struct guard *g);
int64_t ask_is_after_discharge(const struct moment *m, const struct guard *g);
int64_t ask_age_at_discharge(const struct moment *m, const struct guard *g);
/* Behavioral-health visits of any episode whose day, counted from the discharge, is from the one to the other. */
int64_t ask_booked_between(const struct moment *m, const struct guard *g);
int64_t ask_kept_between(const struct moment *m, const struct guard *g);
int64_t ask_is_booked_elsewhere(const struct moment *m, const struct guard *g);
int64_t ask_is_same_service(const struct moment *m, const struct guard *g);

/* scores.c */
int64_t ask_days_since_scored(const struct moment *m, const struct guard *g);
int64_t ask_has_instrument(const struct moment *m, const struct guard *g);
int64_t ask_is_judged(const struct moment *m, const struct guard *g);
int64_t ask_is_worse(const struct moment *m, const struct guard *g);
int64_t ask_is_unresponsive(const struct moment *m, const struct guard *g);

#endif
