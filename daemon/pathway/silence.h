/* How long a state may leave everybody untold: for every set of holds, the soonest of the timers that then run,
 * each taken at its slowest. What counts as telling is a task or an escalation; both sides of an `if` must tell. */
#ifndef HANDOFF_PATHWAY_SILENCE_H
#define HANDOFF_PATHWAY_SILENCE_H

#include "pathway/verify.h"

#define SILENCE_ENDLESS INT64_MAX

enum { FIRING_TELLS_NOBODY = -1 };

struct told { /* the longest that a running timer leaves everybody untold */
    int64_t ms;
    uint32_t roles;
    bool is_by_policy;
};

/* Fills source->silences and the pathway's longest_silence_ms. A state that no timer watches in some set of holds gets
 * SILENCE_ENDLESS with timer -1; one whose timers never tell, SILENCE_ENDLESS with a timer. */
void silence_measure(const struct pathway_source *source, const struct verify_options *options);

/* Do these actions surely ask or tell a human, whatever their guards say? */
bool silence_tells(const struct action *actions, uint32_t count, const struct policy *policy, struct told *told);

#endif
