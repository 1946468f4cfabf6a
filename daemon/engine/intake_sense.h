/* What the parts of an event mean together: dates in their order, instruments within their ranges. The walk has looked
 * at each field for itself (intake.c). */
#ifndef HANDOFF_ENGINE_INTAKE_SENSE_H
#define HANDOFF_ENGINE_INTAKE_SENSE_H

#include <stdbool.h>
#include <stdint.h>
#include "handoff/v1/api.pb-c.h"
#include "handoff/v1/event.pb-c.h"

struct nonsense {
    Handoff__V1__Code code;
    const char *field;   /* of the body */
    const char *problem; /* continues the field's name */
};

/* True when it makes sense. now_ms: the daemon's time. */
bool intake_makes_sense(const Handoff__V1__Event *event, int64_t now_ms, struct nonsense *ret_nonsense);

#endif
