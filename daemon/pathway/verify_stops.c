/* See verify_parts.h: an action must not stop the timer that bounds the silence of the state it leads to or stays in,
 * nor one that a hold lists. Other timers, those of regions, of concerns and of other states, may be stopped. */
#include "pathway/verify_parts.h"

#include <string.h>

struct stops {
    const struct verifier *v;
    uint64_t by_state[PATHWAY_STATES_MAX]; /* timers that each state of the main machine lists */
    uint64_t by_any_state, by_holds;
};

static uint64_t mask_of(const uint32_t *timers, uint32_t count)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < count; i++) mask |= UINT64_C(1) << timers[i];
    return mask;
}

static void refuse(const struct stops *s, const struct action *actions, uint32_t count, uint64_t listed)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct action *a = &actions[i];
        if (a->op == ACTION_STOP && (listed | s->by_holds) >> a->position & 1)
            VERIFY_AT_RULE(s->v, a->rule,
                           "this would stop the timer %s, which a hold or the state it happens in lists, and leave "
                           "nobody told; leave it running",
                           s->v->pathway->timers[a->position].name);
        refuse(s, a->then, a->then_count, listed);
        refuse(s, a->otherwise, a->otherwise_count, listed);
    }
}

/* Taken in this state of the main machine. */
static void check_transition(const struct stops *s, const struct transition *t, uint32_t state)
{
    refuse(s, t->actions, t->action_count, s->by_state[t->target >= 0 ? (uint32_t)t->target : state]);
}

static bool is_same_event(const struct transition *a, const struct transition *b)
{
    return a->event == b->event && a->is_signal == b->is_signal &&
           (!a->name || !b->name ? a->name == b->name : strcmp(a->name, b->name) == 0);
}

/* The state answers this event by itself, whatever else is true. */
static bool is_answered(const struct state *state, const struct transition *any)
{
    for (uint32_t i = 0; i < state->on_count; i++)
        if (!state->on[i].when && is_same_event(&state->on[i], any)) return true;
    return false;
}

static void check_any(const struct stops *s, const struct transition *any)
{
    const struct machine *m = &s->v->pathway->main;
    uint64_t listed = 0;
    for (uint32_t i = 0; i < m->state_count && any->target < 0; i++)
        if (!m->states[i].is_final && !is_answered(&m->states[i], any)) listed |= s->by_state[i];
    refuse(s, any->actions, any->action_count, any->target >= 0 ? s->by_state[any->target] : listed);
}

static void check_main(const struct stops *s)
{
    const struct machine *m = &s->v->pathway->main;
    for (uint32_t i = 0; i < m->state_count; i++) {
        const struct state *state = &m->states[i];
        refuse(s, state->actions, state->action_count, s->by_state[i]);
        for (uint32_t t = 0; t < state->on_count; t++) check_transition(s, &state->on[t], i);
        for (uint32_t t = 0; t < state->always_count; t++) check_transition(s, &state->always[t], i);
    }
    for (uint32_t t = 0; t < m->any_count; t++) check_any(s, &m->any[t]);
}

static void check_list(const struct stops *s, const struct transition *list, uint32_t count)
{
    for (uint32_t t = 0; t < count; t++) refuse(s, list[t].actions, list[t].action_count, s->by_any_state);
}

/* A region moves in whatever state the main machine is. */
static void check_region(const struct stops *s, const struct machine *m)
{
    for (uint32_t i = 0; i < m->state_count; i++) {
        refuse(s, m->states[i].actions, m->states[i].action_count, s->by_any_state);
        check_list(s, m->states[i].on, m->states[i].on_count);
        check_list(s, m->states[i].always, m->states[i].always_count);
    }
    check_list(s, m->any, m->any_count);
}

static void check_others(const struct stops *s)
{
    const struct pathway *p = s->v->pathway;
    for (uint32_t i = 0; i < p->region_count; i++) check_region(s, &p->regions[i]);
    for (uint32_t i = 0; i < p->hold_count; i++)
        refuse(s, p->holds[i].actions, p->holds[i].action_count, s->by_any_state);
    for (uint32_t i = 0; i < p->concern_count; i++)
        refuse(s, p->concerns[i].actions, p->concerns[i].action_count, s->by_any_state);
    for (uint32_t t = 0; t < p->timer_count; t++)
        for (uint32_t i = 0; i < p->timers[t].firing_count; i++)
            refuse(s, p->timers[t].firings[i].actions, p->timers[t].firings[i].action_count, s->by_any_state);
    for (uint32_t i = 0; i < p->open_count; i++)
        if (p->opens[i].target >= 0)
            refuse(s, p->opens[i].actions, p->opens[i].action_count, s->by_state[p->opens[i].target]);
}

void verify_stops(const struct verifier *v)
{
    const struct pathway *p = v->pathway;
    struct stops s = {.v = v};
    for (uint32_t i = 0; i < p->main.state_count; i++) {
        s.by_state[i] = mask_of(p->main.states[i].timers, p->main.states[i].timer_count);
        s.by_any_state |= s.by_state[i];
    }
    for (uint32_t i = 0; i < p->hold_count; i++) s.by_holds |= mask_of(p->holds[i].timers, p->holds[i].timer_count);
    check_main(&s);
    check_others(&s);
}
