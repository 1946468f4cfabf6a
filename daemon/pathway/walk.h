/* Every action and every guard of a pathway, wherever they stand. */
#ifndef HANDOFF_PATHWAY_WALK_H
#define HANDOFF_PATHWAY_WALK_H

#include "core/pathway.h"

enum walk_origin { WALK_TRANSITION, WALK_ALWAYS, WALK_STATE, WALK_FIRING, WALK_HOLD, WALK_CONCERN, WALK_OPENING };

struct walk {
    /* Each may be NULL. Branches of an `if` are visited too. */
    void (*action)(const struct action *action, enum walk_origin origin, void *data);
    void (*guard)(const struct guard *guard, uint32_t rule, void *data); /* the whole, not its parts */
    void *data;
};
void walk_pathway(const struct pathway *pathway, const struct walk *walk);

#endif
