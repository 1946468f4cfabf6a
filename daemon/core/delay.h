/* Delays resolved to instants. Pure; see struct delay in core/pathway.h for what each means. */
#ifndef HANDOFF_CORE_DELAY_H
#define HANDOFF_CORE_DELAY_H

#include "core/calendar.h"
#include "core/pathway.h"

/* episode may be NULL: then compressed(a, ...) is a. */
int64_t delay_resolve(const struct delay *delay, const struct calendar *calendar, const Handoff__V1__Episode *episode,
                      int64_t base_ms);

#endif
