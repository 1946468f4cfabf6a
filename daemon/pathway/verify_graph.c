/* See verify_parts.h: how states are reached and left. A set of states is a mask, since a machine has at most 64. */
#include "pathway/verify_parts.h"

#include <string.h>
#include "pathway/walk.h"

static_assert(PATHWAY_STATES_MAX <= 64, "a machine's states fit a mask");

#define STATE(i) (UINT64_C(1) << (i))

/* --- reachable ------------------------------------------------------------------------------------------------ */

static uint64_t targets_of(const struct transition *list, uint32_t count)
{
    uint64_t targets = 0;
    for (uint32_t i = 0; i < count; i++) targets |= list[i].target < 0 ? 0 : STATE(list[i].target);
    return targets;
}

static uint64_t timer_targets(const struct pathway *p, const struct state *state)
{
    uint64_t targets = 0;
    for (uint32_t t = 0; t < state->timer_count; t++) {
        const struct timer_kind *timer = &p->timers[state->timers[t]];
        for (uint32_t f = 0; f < timer->firing_count; f++)
            targets |= timer->firings[f].target < 0 ? 0 : STATE(timer->firings[f].target);
    }
    return targets;
}

struct moves {
    uint32_t region;
    uint64_t targets;
};

static void note_move(const struct action *action, enum walk_origin origin, void *data)
{
    struct moves *moves = data;
    (void)origin;
    if (action->op == ACTION_MOVE && action->position == moves->region) moves->targets |= STATE(action->state);
}

/* Where a machine may begin or be put from outside. */
static uint64_t entries_of(const struct verifier *v, uint32_t machine)
{
    uint64_t entries = STATE(verify_machine(v, machine)->initial);
    for (uint32_t i = 0; i < v->pathway->open_count && machine == 0; i++)
        entries |= v->pathway->opens[i].target < 0 ? 0 : STATE(v->pathway->opens[i].target);
    if (machine == 0) return entries;
    struct moves moves = {machine - 1, 0};
    walk_pathway(v->pathway, &(struct walk){.action = note_move, .data = &moves});
    return entries | moves.targets;
}

static uint64_t reached_from(const struct pathway *p, const struct machine *m, uint64_t reached)
{
    uint64_t before = 0;
    while (before != reached) { /* each round adds a state */
        before = reached;
        for (uint32_t s = 0; s < m->state_count; s++) {
            const struct state *state = &m->states[s];
            if (!(before & STATE(s)) || state->is_final) continue;
            reached |= targets_of(state->on, state->on_count) | targets_of(state->always, state->always_count) |
                       targets_of(m->any, m->any_count) | timer_targets(p, state);
        }
    }
    return reached;
}

static void refuse_unreachable(const struct verifier *v, uint32_t machine)
{
    const struct machine *m = verify_machine(v, machine);
    uint64_t reached = reached_from(v->pathway, m, entries_of(v, machine));
    for (uint32_t s = 0; s < m->state_count; s++)
        if (!(reached & STATE(s)))
            verify_add(v, v->source->states[machine][s],
                       "nothing leads to the state \"%s\"; remove it or say how it is reached", m->states[s].name);
}

/* --- circles -------------------------------------------------------------------------------------------------- */

static uint64_t reached_always(const struct machine *m, uint32_t from)
{
    uint64_t before = 0, reached = targets_of(m->states[from].always, m->states[from].always_count);
    while (before != reached) { /* each round adds a state */
        before = reached;
        for (uint32_t s = 0; s < m->state_count; s++)
            if (before & STATE(s)) reached |= targets_of(m->states[s].always, m->states[s].always_count);
    }
    return reached;
}

/* Said once a circle, at its first state. */
static void refuse_circles(const struct verifier *v, uint32_t machine)
{
    const struct machine *m = verify_machine(v, machine);
    uint64_t said = 0;
    for (uint32_t s = 0; s < m->state_count; s++) {
        uint64_t reached = reached_always(m, s);
        if (!(reached & STATE(s)) || (said & STATE(s))) continue;
        VERIFY_AT_RULE(v, m->states[s].always[0].rule,
                       "`always` goes in a circle and comes back to \"%s\"; let an event break it", m->states[s].name);
        said |= reached;
    }
}

/* --- ends ----------------------------------------------------------------------------------------------------- */

static void refuse_busy_end(const struct verifier *v, uint32_t s)
{
    const struct state *state = &v->pathway->main.states[s];
    struct place place = v->source->states[0][s];
    if (state->on_count || state->always_count)
        verify_add(v, place, "\"%s\" is final: an end has no transitions; remove them or `final`", state->name);
    if (state->timer_count)
        verify_add(v, place, "\"%s\" is final: an end has no timers; remove `after` or `final`", state->name);
}

static void refuse_final_beginnings(const struct verifier *v)
{
    const struct machine *m = &v->pathway->main;
    for (uint32_t i = 0; i < v->pathway->open_count; i++)
        if (v->pathway->opens[i].target >= 0 && m->states[v->pathway->opens[i].target].is_final)
            VERIFY_AT_RULE(v, v->pathway->opens[i].rule,
                           "an episode cannot begin at its end; open it in an open state");
    if (m->states[m->initial].is_final)
        verify_add(v, v->source->states[0][m->initial], "an episode cannot begin at its end; choose another `initial`");
}

static bool is_listed_by_main(const struct pathway *p, uint32_t timer)
{
    for (uint32_t s = 0; s < p->main.state_count; s++)
        for (uint32_t t = 0; t < p->main.states[s].timer_count; t++)
            if (p->main.states[s].timers[t] == timer) return true;
    return false;
}

static bool tells_the_others(const struct firing *f)
{
    for (uint32_t i = 0; i < f->action_count; i++)
        if (f->actions[i].op == ACTION_SIGNAL && f->actions[i].is_to_all) return true;
    return false;
}

/* A document runs out on a date of its own, and whoever relied on it hears of it in the same firing. */
static void refuse_untold_lapse(const struct verifier *v, const struct timer_kind *timer, uint32_t firing)
{
    const struct firing *f = &timer->firings[firing];
    if (timer->from != TIMER_FROM_FIELD)
        VERIFY_AT_RULE(v, f->rule, "a lapse is reached on a date of the document; let this timer count `from` a time "
                                   "of the episode");
    if (!tells_the_others(f))
        VERIFY_AT_RULE(v, f->rule, "what runs out is missed by others; send them a signal, such as signal: {name: "
                                   "release-ended, to: all}");
}

/* Care has no such end: an open course of care is closed by a human. */
static void refuse_lapse(const struct verifier *v, uint32_t s)
{
    const struct state *state = &v->pathway->main.states[s];
    if (!state->is_lapse) return;
    if (!state->is_final)
        verify_add(v, v->source->states[0][s], "\"%s\" is no end: lapse stands beside final: true", state->name);
    if (v->pathway->subject != SUBJECT_CONSENT)
        verify_add(v, v->source->states[0][s],
                   "only a document may lapse (subject: consent); the end of care is set by a human");
}

static void refuse_timers_to_ends(const struct verifier *v)
{
    const struct machine *m = &v->pathway->main;
    for (uint32_t t = 0; t < v->pathway->timer_count; t++) {
        const struct timer_kind *timer = &v->pathway->timers[t];
        for (uint32_t f = 0; f < timer->firing_count && is_listed_by_main(v->pathway, t); f++) {
            int32_t target = timer->firings[f].target;
            if (target >= 0 && m->states[target].is_lapse) refuse_untold_lapse(v, timer, f);
            else if (target >= 0 && m->states[target].is_final)
                VERIFY_AT_RULE(v, timer->firings[f].rule,
                               "a timer leads to the end \"%s\"; ask a human to end the episode instead",
                               m->states[target].name);
        }
    }
}

/* Which variables change by anything but an event, as bits. */
static void note_variable(const struct action *action, enum walk_origin origin, void *data)
{
    bool is_by_event = origin == WALK_TRANSITION || origin == WALK_OPENING;
    if ((action->op == ACTION_SET || action->op == ACTION_COUNT) && !is_by_event)
        *(uint32_t *)data |= UINT32_C(1) << action->position;
}

/* Nothing but variables that events alone change: then no timer can make it true. */
static bool is_up_to_events(const struct guard *guard, uint32_t changed_otherwise)
{
    if (!guard) return true;
    if (guard->op == GUARD_FIELD || guard->op == GUARD_CALL) return false;
    if (guard->op == GUARD_VARIABLE) return !(changed_otherwise >> guard->number & 1);
    return is_up_to_events(guard->left, changed_otherwise) && is_up_to_events(guard->right, changed_otherwise);
}

/* States of the main machine that a timer may lead to, on its own or by `always` from there. */
static uint64_t reached_by_timers(const struct verifier *v)
{
    const struct machine *m = &v->pathway->main;
    uint64_t targets = 0, reached;
    for (uint32_t s = 0; s < m->state_count; s++) targets |= timer_targets(v->pathway, &m->states[s]);
    reached = targets;
    for (uint32_t s = 0; s < m->state_count; s++)
        if (targets & STATE(s)) reached |= reached_always(m, s);
    return reached;
}

static bool is_signalled(const struct transition *list, uint32_t count, uint32_t target)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i].is_signal && list[i].target == (int32_t)target) return true;
    return false;
}

/* Passed through, and only on an event: no timer fires there, and no other pathway's firing leads there. */
static bool is_passed_on_events(const struct machine *m, uint32_t state, uint64_t by_timers)
{
    bool is_by_signal = is_signalled(m->any, m->any_count, state);
    for (uint32_t s = 0; s < m->state_count; s++)
        is_by_signal |= is_signalled(m->states[s].on, m->states[s].on_count, state);
    return verify_is_passed(&m->states[state]) && !is_by_signal && !(by_timers & STATE(state));
}

static void refuse_always_to_ends(const struct verifier *v)
{
    const struct machine *m = &v->pathway->main;
    uint64_t by_timers = reached_by_timers(v);
    uint32_t changed_otherwise = 0;
    walk_pathway(v->pathway, &(struct walk){.action = note_variable, .data = &changed_otherwise});
    for (uint32_t s = 0; s < m->state_count; s++)
        for (uint32_t i = 0; i < m->states[s].always_count; i++) {
            const struct transition *t = &m->states[s].always[i];
            if (t->target < 0 || !m->states[t->target].is_final || m->states[t->target].is_lapse) continue;
            if (!(by_timers & STATE(s)) && t->when && is_up_to_events(t->when, changed_otherwise)) continue;
            if (is_passed_on_events(m, s, by_timers)) continue;
            VERIFY_AT_RULE(v, t->rule,
                           "a timer could lead through this `always` to the end \"%s\"; let an event end it, or ask "
                           "only variables that events set",
                           m->states[t->target].name);
        }
}

static void refuse_ends_by_time(const struct verifier *v)
{
    for (uint32_t s = 0; s < v->pathway->main.state_count; s++) {
        if (v->pathway->main.states[s].is_final) refuse_busy_end(v, s);
        refuse_lapse(v, s);
    }
    refuse_final_beginnings(v);
    refuse_timers_to_ends(v);
    refuse_always_to_ends(v);
}

/* --- order ---------------------------------------------------------------------------------------------------- */

static bool is_same_event(const struct transition *a, const struct transition *b)
{
    if (a->event != b->event || a->is_signal != b->is_signal) return false;
    return !a->name || !b->name ? a->name == b->name : strcmp(a->name, b->name) == 0;
}

static void refuse_shadowed(const struct verifier *v, const struct transition *list, uint32_t count)
{
    for (uint32_t later = 1; later < count; later++)
        for (uint32_t earlier = 0; earlier < later; earlier++) {
            if (list[earlier].when || !is_same_event(&list[earlier], &list[later])) continue;
            VERIFY_AT_RULE(
                v, list[later].rule,
                "this is never tried, because the one on line %u holds always; give that a guard or put it last",
                v->source->rules[list[earlier].rule].line);
            break;
        }
}

static void refuse_shadowed_openings(const struct verifier *v)
{
    const struct pathway *p = v->pathway;
    for (uint32_t later = 1; later < p->open_count; later++)
        for (uint32_t earlier = 0; earlier < later; earlier++) {
            if (p->opens[earlier].when || p->opens[earlier].event != p->opens[later].event) continue;
            VERIFY_AT_RULE(
                v, p->opens[later].rule,
                "this is never tried, because the one on line %u holds always; give that a guard or put it last",
                v->source->rules[p->opens[earlier].rule].line);
            break;
        }
}

static void refuse_shadowed_in(const struct verifier *v, const struct machine *m)
{
    for (uint32_t s = 0; s < m->state_count; s++) {
        refuse_shadowed(v, m->states[s].on, m->states[s].on_count);
        refuse_shadowed(v, m->states[s].always, m->states[s].always_count);
    }
    refuse_shadowed(v, m->any, m->any_count);
}

void verify_graph(const struct verifier *v)
{
    for (uint32_t i = 0; i <= v->pathway->region_count; i++) {
        refuse_unreachable(v, i);
        refuse_circles(v, i);
        refuse_shadowed_in(v, verify_machine(v, i));
    }
    refuse_shadowed_openings(v);
    refuse_ends_by_time(v);
}
