/* See silence.h. The sets of holds are walked as a tree, one hold a level; at a leaf the running timers are a mask
 * whose lowest bit, in the order of how soon they tell, is the answer. */
#include "pathway/silence.h"

#include <stdlib.h>
#include <string.h>
#include "pathway/delay_bounds.h"

struct measure {
    const struct pathway *pathway;
    const struct verify_options *options;
    struct told told[PATHWAY_TIMERS_MAX];
    uint8_t by_told[PATHWAY_TIMERS_MAX]; /* timers, the soonest to tell first */
    uint64_t bit[PATHWAY_TIMERS_MAX];    /* of a timer in that order; 0: does not count against silence */
    uint64_t hold_runs[PATHWAY_HOLDS_MAX], hold_pauses[PATHWAY_HOLDS_MAX];
    uint64_t state_runs;
    struct silence worst;
};

/* --- what tells ---------------------------------------------------------------------------------------------- */

static bool action_tells(const struct action *a, const struct policy *policy, struct told *told)
{
    struct told branches = *told;
    if (a->op == ACTION_RAISE) {
        told->roles |= a->roles;
        return true;
    }
    if (a->op == ACTION_TASK && !a->is_each) { /* `each` may be nobody */
        Handoff__V1__Role owner = a->role ? a->role : policy ? policy->tasks[a->task].owner : 0;
        told->roles |= owner ? UINT32_C(1) << owner : 0;
        told->is_by_policy |= !owner;
        return true;
    }
    if (a->op != ACTION_IF || !silence_tells(a->then, a->then_count, policy, &branches) ||
        !silence_tells(a->otherwise, a->otherwise_count, policy, &branches))
        return false;
    *told = branches;
    return true;
}

bool silence_tells(const struct action *actions, uint32_t count, const struct policy *policy, struct told *told)
{
    bool tells = false;
    for (uint32_t i = 0; i < count; i++) tells |= action_tells(&actions[i], policy, told);
    return tells;
}

/* --- a timer -------------------------------------------------------------------------------------------------- */

static int64_t longest_wait(const struct wait *wait, const struct verify_options *options)
{
    int64_t most = 0;
    for (size_t i = 0; i < options->calendar_count; i++) {
        int64_t routine = delay_memo_bounds(options->memo, wait->routine, options->calendars[i]).most_ms;
        int64_t urgent = delay_memo_bounds(options->memo, wait->urgent, options->calendars[i]).most_ms;
        if (routine > most) most = routine;
        if (urgent > most) most = urgent;
    }
    return most;
}

/* The machine whose states list the timer; the main one when none does. */
static const struct machine *machine_of(const struct pathway *p, uint32_t timer)
{
    for (uint32_t r = 0; r < p->region_count; r++)
        for (uint32_t s = 0; s < p->regions[r].state_count; s++)
            for (uint32_t t = 0; t < p->regions[r].states[s].timer_count; t++)
                if (p->regions[r].states[s].timers[t] == timer) return &p->regions[r];
    return &p->main;
}

static bool firing_tells(const struct measure *m, uint32_t timer, const struct firing *firing, struct told *told)
{
    bool tells = silence_tells(firing->actions, firing->action_count, m->options->policy, told);
    if (firing->target < 0) return tells;
    const struct state *target = &machine_of(m->pathway, timer)->states[firing->target];
    return silence_tells(target->actions, target->action_count, m->options->policy, told) || tells;
}

static bool state_lists(const struct state *state, uint32_t timer)
{
    for (uint32_t i = 0; i < state->timer_count; i++)
        if (state->timers[i] == timer) return true;
    return false;
}

/* A firing that does not tell but moves to where the timer no longer runs ends the series untold. */
static bool goes_on(const struct measure *m, uint32_t timer, const struct firing *firing)
{
    return firing->target < 0 || state_lists(&machine_of(m->pathway, timer)->states[firing->target], timer);
}

static struct told measure_timer(const struct measure *m, uint32_t timer)
{
    const struct timer_kind *kind = &m->pathway->timers[timer];
    struct told longest = {.ms = -1}, endless = {.ms = SILENCE_ENDLESS};
    int64_t untold_ms = 0;
    for (uint32_t i = 0; i < kind->firing_count; i++) {
        struct told told = {0};
        untold_ms += longest_wait(&kind->firings[i].wait, m->options);
        bool tells = firing_tells(m, timer, &kind->firings[i], &told);
        if (!tells && (i + 1 == kind->firing_count || !goes_on(m, timer, &kind->firings[i]))) return endless;
        if (!tells) continue;
        told.ms = untold_ms;
        if (told.ms > longest.ms) longest = told;
        untold_ms = 0;
    }
    return longest.ms < 0 ? endless : longest;
}

/* Only what surely starts and surely goes on bounds silence: a timer that counts from a time of the episode does not
 * start while that is unknown, unless it is a time that only `mark` sets. */
static bool counts(const struct timer_kind *kind)
{
    return !kind->is_once && !kind->is_per_appointment &&
           (kind->from == TIMER_FROM_EVENT || kind->from == TIMER_FROM_OPENED || kind->is_of_past);
}

static void sort_timers(struct measure *m)
{
    uint32_t count = m->pathway->timer_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && m->told[m->by_told[at - 1]].ms > m->told[i].ms; at--) m->by_told[at] = m->by_told[at - 1];
        m->by_told[at] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < count; i++)
        m->bit[m->by_told[i]] = counts(&m->pathway->timers[m->by_told[i]]) ? UINT64_C(1) << i : 0;
}

/* --- a state -------------------------------------------------------------------------------------------------- */

static uint64_t mask_of(const struct measure *m, const uint32_t *timers, uint32_t count)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < count; i++) mask |= m->bit[timers[i]];
    return mask;
}

static bool is_worse(const struct silence *a, const struct silence *b)
{
    if (a->ms != b->ms) return a->ms > b->ms;
    if ((a->timer < 0) != (b->timer < 0)) return a->timer < 0;
    return __builtin_popcount(a->holds) < __builtin_popcount(b->holds);
}

static void weigh(struct measure *m, uint64_t running, uint32_t holds)
{
    struct silence silence = {.ms = SILENCE_ENDLESS, .timer = -1, .holds = holds};
    if (running) {
        uint8_t timer = m->by_told[__builtin_ctzll(running)];
        silence.ms = m->told[timer].ms;
        silence.roles = m->told[timer].roles;
        silence.timer = timer;
        silence.is_by_policy = m->told[timer].is_by_policy;
    }
    if (is_worse(&silence, &m->worst)) m->worst = silence;
}

static void weigh_holds(struct measure *m, uint32_t hold, uint64_t runs, uint64_t pauses, uint32_t holds)
{
    if (hold == m->pathway->hold_count) return weigh(m, (m->state_runs | runs) & ~pauses, holds);
    weigh_holds(m, hold + 1, runs, pauses, holds);
    weigh_holds(m, hold + 1, runs | m->hold_runs[hold], pauses | m->hold_pauses[hold], holds | UINT32_C(1) << hold);
}

static bool is_ever_paused(const struct pathway *p, uint32_t timer)
{
    for (uint32_t h = 0; h < p->hold_count; h++)
        for (uint32_t i = 0; i < p->holds[h].pause_count; i++)
            if (p->holds[h].pauses[i] == timer) return true;
    return false;
}

/* The timer by which the document that this state is about runs out; -1: none. */
static int32_t lapse_of(const struct pathway *p, const struct state *state)
{
    for (uint32_t i = 0; i < state->timer_count; i++) {
        const struct timer_kind *t = &p->timers[state->timers[i]];
        for (uint32_t f = 0; f < t->firing_count && p->subject == SUBJECT_CONSENT; f++)
            if (t->firings[f].target >= 0 && p->main.states[t->firings[f].target].is_lapse &&
                !is_ever_paused(p, state->timers[i]))
                return (int32_t)state->timers[i];
    }
    return -1;
}

static void measure_states(struct measure *m, const struct pathway_source *source)
{
    struct pathway *p = source->pathway;
    p->longest_silence_ms = 0;
    for (uint32_t i = 0; i < p->main.state_count; i++) {
        struct state *state = &source->main_states[i];
        if (state->is_final) continue;
        m->state_runs = mask_of(m, state->timers, state->timer_count);
        m->worst = (struct silence){.ms = -1};
        weigh_holds(m, 0, 0, 0, 0);
        int32_t lapse = m->worst.ms == SILENCE_ENDLESS ? lapse_of(p, state) : -1;
        source->silences[i] = m->worst;
        if (lapse >= 0) {
            source->silences[i] = (struct silence){.ms = SILENCE_ENDLESS, .timer = lapse, .is_lapsing = true};
            state->longest_silence_ms = 0;
            continue;
        }
        state->longest_silence_ms = m->worst.ms;
        if (m->worst.ms > p->longest_silence_ms) p->longest_silence_ms = m->worst.ms;
    }
}

void silence_measure(const struct pathway_source *source, const struct verify_options *options)
{
    const struct pathway *p = source->pathway;
    struct measure m = {.pathway = p, .options = options};
    for (uint32_t i = 0; i < p->timer_count; i++) m.told[i] = measure_timer(&m, i);
    sort_timers(&m);
    for (uint32_t i = 0; i < p->hold_count; i++) {
        m.hold_runs[i] = mask_of(&m, p->holds[i].timers, p->holds[i].timer_count);
        m.hold_pauses[i] = mask_of(&m, p->holds[i].pauses, p->holds[i].pause_count);
    }
    measure_states(&m, source);
}
