/* Shared by the parts of the verifier: verify.c (the order, silence), verify_graph.c (states and how they are reached),
 * verify_use.c (timers, holds, concerns and tasks), verify_stops.c (what may not be stopped). */
#ifndef HANDOFF_PATHWAY_VERIFY_PARTS_H
#define HANDOFF_PATHWAY_VERIFY_PARTS_H

#include "pathway/verify.h"

struct verifier {
    const struct pathway_source *source;
    const struct pathway *pathway;
    const struct verify_options *options;
    struct yaml_errors *errors;
};

void verify_add(const struct verifier *v, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* At a transition, an action or a firing. */
#define VERIFY_AT_RULE(v, rule, ...) verify_add((v), (v)->source->rules[(rule)], __VA_ARGS__)

/* 0: main; 1 + r: region r. */
/* Never at rest here: its last `always` has no guard. */
bool verify_is_passed(const struct state *state);
const struct machine *verify_machine(const struct verifier *v, uint32_t i);

void verify_graph(const struct verifier *v);
void verify_use(const struct verifier *v);
void verify_stops(const struct verifier *v);

#endif
