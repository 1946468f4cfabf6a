/* See walk.h. The depth of `if` is bounded by the depth of the YAML it came from. */
#include "pathway/walk.h"

static void visit_guard(const struct walk *walk, const struct guard *guard, uint32_t rule)
{
    if (guard && walk->guard) walk->guard(guard, rule, walk->data);
}

static void visit_actions(const struct walk *walk, const struct action *actions, uint32_t count,
                          enum walk_origin origin)
{
    for (uint32_t i = 0; i < count; i++) {
        if (walk->action) walk->action(&actions[i], origin, walk->data);
        visit_guard(walk, actions[i].when, actions[i].rule);
        visit_actions(walk, actions[i].then, actions[i].then_count, origin);
        visit_actions(walk, actions[i].otherwise, actions[i].otherwise_count, origin);
    }
}

static void visit_transitions(const struct walk *walk, const struct transition *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        visit_guard(walk, list[i].when, list[i].rule);
        bool is_always = !list[i].event && !list[i].is_signal;
        visit_actions(walk, list[i].actions, list[i].action_count, is_always ? WALK_ALWAYS : WALK_TRANSITION);
    }
}

static void visit_machine(const struct walk *walk, const struct machine *machine)
{
    for (uint32_t i = 0; i < machine->state_count; i++) {
        const struct state *state = &machine->states[i];
        visit_actions(walk, state->actions, state->action_count, WALK_STATE);
        visit_transitions(walk, state->on, state->on_count);
        visit_transitions(walk, state->always, state->always_count);
    }
    visit_transitions(walk, machine->any, machine->any_count);
}

static void visit_timer(const struct walk *walk, const struct timer_kind *timer)
{
    for (uint32_t i = 0; i < timer->firing_count; i++)
        visit_actions(walk, timer->firings[i].actions, timer->firings[i].action_count, WALK_FIRING);
}

void walk_pathway(const struct pathway *p, const struct walk *walk)
{
    for (uint32_t i = 0; i < p->open_count; i++) {
        visit_guard(walk, p->opens[i].when, p->opens[i].rule);
        visit_actions(walk, p->opens[i].actions, p->opens[i].action_count, WALK_OPENING);
    }
    visit_machine(walk, &p->main);
    for (uint32_t i = 0; i < p->region_count; i++) visit_machine(walk, &p->regions[i]);
    for (uint32_t i = 0; i < p->timer_count; i++) visit_timer(walk, &p->timers[i]);
    for (uint32_t i = 0; i < p->hold_count; i++)
        visit_actions(walk, p->holds[i].actions, p->holds[i].action_count, WALK_HOLD);
    for (uint32_t i = 0; i < p->concern_count; i++)
        visit_actions(walk, p->concerns[i].actions, p->concerns[i].action_count, WALK_CONCERN);
}
