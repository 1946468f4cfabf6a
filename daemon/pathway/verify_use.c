/* See verify_parts.h: whether timers, holds, concerns and tasks are used in a way that works. */
#include "pathway/verify_parts.h"

#include "pathway/delay_bounds.h"
#include "pathway/walk.h"
#include "pathway/words.h"

/* Who lists a timer in `after`, and which actions speak of what. */
struct uses {
    const struct verifier *v;
    uint32_t machines[PATHWAY_TIMERS_MAX]; /* bit set: 0 main, 1 + r region */
    uint32_t holds[PATHWAY_TIMERS_MAX], concerns[PATHWAY_TIMERS_MAX];
    uint64_t started; /* timers */
    uint32_t held, concerned;
};

/* --- who lists what ------------------------------------------------------------------------------------------- */

static void note_machine(struct uses *u, uint32_t machine)
{
    const struct machine *m = verify_machine(u->v, machine);
    for (uint32_t s = 0; s < m->state_count; s++)
        for (uint32_t t = 0; t < m->states[s].timer_count; t++)
            u->machines[m->states[s].timers[t]] |= UINT32_C(1) << machine;
}

static void note_lists(struct uses *u)
{
    const struct pathway *p = u->v->pathway;
    for (uint32_t i = 0; i <= p->region_count; i++) note_machine(u, i);
    for (uint32_t h = 0; h < p->hold_count; h++)
        for (uint32_t t = 0; t < p->holds[h].timer_count; t++) u->holds[p->holds[h].timers[t]] |= UINT32_C(1) << h;
    for (uint32_t c = 0; c < p->concern_count; c++)
        for (uint32_t t = 0; t < p->concerns[c].timer_count; t++)
            u->concerns[p->concerns[c].timers[t]] |= UINT32_C(1) << c;
}

static bool is_listed(const struct uses *u, uint32_t timer)
{
    return u->machines[timer] || u->holds[timer] || u->concerns[timer];
}

/* --- actions -------------------------------------------------------------------------------------------------- */

/* A firing that starts a timer anew could put it off for ever. */
static void check_start(struct uses *u, const struct action *a, enum walk_origin origin)
{
    u->started |= UINT64_C(1) << a->position;
    if (origin == WALK_FIRING && is_listed(u, a->position))
        VERIFY_AT_RULE(u->v, a->rule,
                       "a firing cannot start the timer %s anew, which a state, hold or concern lists; it could be put "
                       "off for ever",
                       u->v->pathway->timers[a->position].name);
}

static void check_task(const struct uses *u, const struct action *a)
{
    const struct policy *policy = u->v->options->policy;
    char name[WORD_BYTES];
    if (!policy || a->role || (policy->tasks[a->task].is_set && policy->tasks[a->task].owner)) return;
    VERIFY_AT_RULE(u->v, a->rule, "the task %s has no owner: give it one here, or a row in policy.yaml",
                   word_of(&handoff__v1__task_kind__descriptor, WORD_KEBAB, (int)a->task, name));
}

static void check_hold(struct uses *u, const struct action *a)
{
    const struct hold_kind *hold = &u->v->pathway->holds[a->position];
    bool has_recipient = a->party || a->party_from == PARTY_FROM_REFERRER;
    if (a->op == ACTION_HOLD) u->held |= UINT32_C(1) << a->position;
    if (has_recipient && !hold->is_per_recipient)
        VERIFY_AT_RULE(u->v, a->rule, "the hold %s is not per: recipient, so it takes none", hold->name);
    if (a->op == ACTION_HOLD && !has_recipient && hold->is_per_recipient)
        VERIFY_AT_RULE(u->v, a->rule, "the hold %s is per: recipient; say for whom: {name: %s, recipient: AGENCY}",
                       hold->name, hold->name);
}

static void check_action(const struct action *a, enum walk_origin origin, void *data)
{
    struct uses *u = data;
    if (a->op == ACTION_START) check_start(u, a, origin);
    if (a->op == ACTION_TASK) check_task(u, a);
    if (a->op == ACTION_HOLD || a->op == ACTION_LIFT) check_hold(u, a);
    if (a->op == ACTION_CONCERN) u->concerned |= UINT32_C(1) << a->position;
}

/* --- timers --------------------------------------------------------------------------------------------------- */

static void check_owner(const struct uses *u, uint32_t timer)
{
    const struct timer_kind *kind = &u->v->pathway->timers[timer];
    struct place place = u->v->source->timers[timer];
    int machines = __builtin_popcount(u->machines[timer]),
        others = __builtin_popcount(u->holds[timer]) + __builtin_popcount(u->concerns[timer]);
    if (machines + others > 1)
        verify_add(u->v, place,
                   "the timer %s is listed in `after` by more than one part (a machine, a hold or a concern); give "
                   "each its own",
                   kind->name);
    if (machines + others > 0 && kind->is_per_appointment)
        verify_add(u->v, place,
                   "the timer %s is per: appointment; start it by an action when a visit is booked, not in `after`",
                   kind->name);
    if (machines + others == 0 && !(u->started >> timer & 1))
        verify_add(u->v, place, "nothing lists or starts the timer %s; remove it or say when it runs", kind->name);
}

static struct delay_bounds bounds_of(const struct verifier *v, const struct delay *delay)
{
    struct delay_bounds all = {INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < v->options->calendar_count; i++) {
        struct delay_bounds bounds = delay_memo_bounds(v->options->memo, delay, v->options->calendars[i]);
        if (bounds.least_ms < all.least_ms) all.least_ms = bounds.least_ms;
        if (bounds.most_ms > all.most_ms) all.most_ms = bounds.most_ms;
    }
    return all;
}

static void check_wait(const struct verifier *v, const struct timer_kind *kind, uint32_t i, const struct delay *delay)
{
    const struct firing *firing = &kind->firings[i];
    bool is_last = i + 1 == kind->firing_count, repeats = is_last && !kind->is_once,
         may_look_back = i == 0 && (kind->from == TIMER_FROM_VISIT || kind->from == TIMER_FROM_FIELD);
    if (repeats && delay_has(delay, DELAY_COMPRESSED)) {
        VERIFY_AT_RULE(v, firing->rule,
                       "the last firing repeats, and compressed(...) would shrink to nothing; add a firing without it");
        return;
    }
    int64_t least_ms = bounds_of(v, delay).least_ms;
    if (least_ms < 0 && !may_look_back)
        VERIFY_AT_RULE(v, firing->rule,
                       "this wait may be negative; only the first firing of a timer that counts from a visit or a time "
                       "of the episode looks back");
    else if (repeats && least_ms <= 0)
        VERIFY_AT_RULE(v, firing->rule,
                       "the last firing repeats, and this wait may be zero: it would never end; wait longer, add a "
                       "firing, or say once: true");
}

static void check_firings(const struct verifier *v, uint32_t timer)
{
    const struct timer_kind *kind = &v->pathway->timers[timer];
    for (uint32_t i = 0; i < kind->firing_count; i++) {
        const struct firing *firing = &kind->firings[i];
        if (firing->action_count == 0 && firing->target < 0)
            VERIFY_AT_RULE(v, firing->rule,
                           "this firing of %s tells nobody and does nothing; give it a task, a raise or a target",
                           kind->name);
        check_wait(v, kind, i, firing->wait.routine);
        if (!delay_is_same(firing->wait.routine, firing->wait.urgent)) check_wait(v, kind, i, firing->wait.urgent);
    }
}

void verify_use(const struct verifier *v)
{
    const struct pathway *p = v->pathway;
    struct uses u = {.v = v};
    note_lists(&u);
    walk_pathway(p, &(struct walk){.action = check_action, .data = &u});
    for (uint32_t t = 0; t < p->timer_count; t++) {
        check_owner(&u, t);
        check_firings(v, t);
    }
    verify_stops(v);
    for (uint32_t h = 0; h < p->hold_count; h++)
        if (!(u.held >> h & 1))
            verify_add(v, v->source->holds[h], "nothing begins the hold %s; remove it or say when it begins",
                       p->holds[h].name);
    for (uint32_t c = 0; c < p->concern_count; c++)
        if (!(u.concerned >> c & 1))
            verify_add(v, v->source->concerns[c], "nothing begins the concern %s; remove it or say when it begins",
                       p->concerns[c].name);
}
