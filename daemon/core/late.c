/* An event that arrives late: its times count from when it happened, and nobody is asked for yesterday's steps.
 *
 *     happened            arrives
 *        |---- 1 ---- 2 ---- 3 -|--- 4 ----      firings of the timers that the event begins
 *              recorded             goes on
 *
 * If the event itself asked somebody, all of 1 to 3 are left behind. If not, one of them is carried out in the same
 * entry: the newest that asks for an act, and not one that only tells somebody above, who was not let wait.
 * A firing that moves a machine says where the patient stands, so it is carried out however late. */
#include "core/moment.h"

#define CLASS_OF(m) (event_kind_of((m)->event->body_case)->class)
enum { MINUTES_PER_DAY = 1440, TODAY_HOURS = 4, SKIPPED_MAX = 10000, PASSED_MAX = 32, MOVES_MAX = 8 };

/* --- due times ------------------------------------------------------------------------------------------------ */
/* Safety and discharge: today, but at least four hours; anything else: the next business morning. */
static int64_t latest_due(const struct moment *m)
{
    const struct calendar *c = &m->site->calendar;
    int32_t today = calendar_local_day(c, m->now_ms);
    int64_t midnight_ms = calendar_instant(c, today, MINUTES_PER_DAY);
    if (CLASS_OF(m) != EVENT_SAFETY && CLASS_OF(m) != EVENT_DISCHARGE) return calendar_next_opening(c, midnight_ms);
    int64_t end_ms = midnight_ms - MS_PER_MINUTE, least_ms = m->now_ms + TODAY_HOURS * MS_PER_HOUR;
    return end_ms > least_ms ? end_ms : least_ms;
}

int64_t late_due(const struct moment *m, const struct delay *delay)
{
    bool is_late = m->event && m->episode && m->occurred_ms < m->now_ms;
    int64_t happened_ms = !is_late ? m->now_ms : m->due_ms ? m->due_ms : m->occurred_ms;
    int64_t due_ms = moment_resolve(m, delay, happened_ms);
    if (!is_late || due_ms > m->now_ms) return due_ms;
    int64_t from_now_ms = moment_resolve(m, delay, m->now_ms), latest_ms = latest_due(m);
    return from_now_ms < latest_ms ? from_now_ms : latest_ms;
}

/* --- firings already past ------------------------------------------------------------------------------------- */
static const struct firing *firing_at(const struct timer_kind *k, uint32_t i)
{
    return &k->firings[i < k->firing_count ? i : k->firing_count - 1];
}

/* Begun by this event, and due after it happened and before it arrived. */
static bool is_past(const struct moment *m, const Handoff__V1__Timer *t)
{
    if (t->cause_sequence != m->input->sequence || t->is_paused || t->firings || !t->episode) return false;
    return t->due_at_ms > m->occurred_ms && t->due_at_ms <= m->now_ms;
}

/* Where a timer stands in its series. */
struct place {
    uint32_t firing;
    int64_t due_ms; /* 0: the series has ended */
};

static struct place place_after(const struct moment *m, const struct timer_kind *k, struct place at)
{
    if (k->is_once && at.firing + 1 >= k->firing_count) return (struct place){at.firing + 1, 0};
    int64_t due_ms = moment_resolve(m, moment_wait(m, &firing_at(k, at.firing + 1)->wait), at.due_ms);
    return (struct place){at.firing + 1, due_ms > at.due_ms ? due_ms : at.due_ms + MS_PER_MINUTE};
}

static bool does_raise(const struct action *actions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (actions[i].op == ACTION_RAISE || does_raise(actions[i].then, actions[i].then_count) ||
            does_raise(actions[i].otherwise, actions[i].otherwise_count))
            return true;
    return false;
}

/* A timer whose time had come before anybody could know. */
struct passed {
    Handoff__V1__Timer *timer;
    const struct timer_kind *kind;
    struct place step; /* the newest that asks for an act; where each only tells somebody above, the newest */
    bool is_raise;
    struct place next; /* the first that is still to come, or one that moves the machine */
};

static struct passed walk_series(const struct moment *m, Handoff__V1__Timer *t)
{
    const struct timer_kind *k = &m->pathway->timers[t->kind];
    struct passed p = {.timer = t, .kind = k, .next = {0, t->due_at_ms}, .is_raise = true};
    for (int i = 0; i < SKIPPED_MAX && p.next.due_ms && p.next.due_ms <= m->now_ms; i++) {
        const struct firing *f = firing_at(k, p.next.firing);
        if (f->target >= 0) return p;
        bool is_raise = does_raise(f->actions, f->action_count);
        if (p.is_raise || !is_raise) p.step = p.next, p.is_raise = is_raise;
        p.next = place_after(m, k, p.next);
    }
    return p;
}

/* --- going on ------------------------------------------------------------------------------------------------- */
static void record(struct moment *m, const struct passed *p, bool is_carried_out)
{
    for (uint32_t i = 0; i < p->next.firing && m->out->n_applied < PASSED_MAX; i++)
        if (!is_carried_out || i != p->step.firing)
            moment_apply(m, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_PASSED, 0, m->episode->state, m->episode->state,
                         firing_at(p->kind, i)->rule);
}

static void go_on(struct moment *m, const struct passed *p)
{
    record(m, p, false);
    p->timer->firings = p->next.firing;
    p->timer->due_at_ms = p->next.due_ms;
    for (size_t i = 0; i < m->record->n_timers && !p->next.due_ms; i++)
        if (m->record->timers[i] == p->timer) list_remove(&m->record->timers, &m->record->n_timers, i);
}

/* Its next firing counts from now: whoever is asked today gets the time that the next step leaves. */
static void carry_out(struct moment *m, const struct passed *p)
{
    record(m, p, true);
    p->timer->firings = p->step.firing;
    p->timer->due_at_ms = m->due_ms = p->step.due_ms;
    machine_fire(m, p->timer);
    m->due_ms = 0;
}

static bool has_asked(const struct moment *m, const Handoff__V1__Episode *e)
{
    for (size_t i = 0; i < m->out->n_emissions; i++) {
        const Handoff__V1__Emission *told = m->out->emissions[i];
        bool asks = told->body_case == HANDOFF__V1__EMISSION__BODY_TASK
                        ? told->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED ||
                              told->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_JOINED
                        : told->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION &&
                              told->escalation->change != HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESOLVED;
        if (asks && told->episode == e->number) return true;
    }
    return false;
}

static bool is_better(const struct passed *a, const struct passed *b)
{
    if (!b) return true;
    return a->is_raise != b->is_raise ? b->is_raise : a->step.due_ms > b->step.due_ms;
}

static size_t find_passed(const struct moment *m, struct passed *list)
{
    size_t count = 0;
    for (size_t i = 0; i < m->record->n_timers; i++) {
        Handoff__V1__Timer *t = m->record->timers[i];
        if (t->episode != m->episode->number || !is_past(m, t) || m->pathway->timers[t->kind].is_reminder) continue;
        list[count++] = walk_series(m, t);
    }
    return count;
}

/* Says where the patient stands by now. */
static bool is_moving(const struct moment *m, const struct passed *p)
{
    return p->next.due_ms && p->next.due_ms <= m->now_ms && firing_at(p->kind, p->next.firing)->target >= 0;
}

/* The first that moves the machine, whose other timers may stop by that. */
static bool move(struct moment *m, struct passed *list, size_t count)
{
    struct passed *first = NULL;
    for (size_t i = 0; i < count; i++)
        if (is_moving(m, &list[i]) && (!first || list[i].next.due_ms < first->next.due_ms)) first = &list[i];
    if (!first) return false;
    first->step = first->next;
    carry_out(m, first);
    return true;
}

/* False: nothing is left to settle. */
static bool settle_timers(struct moment *m)
{
    struct passed *list = ARENA_ARRAY(m->arena, struct passed, m->record->n_timers + 1), *chosen = NULL;
    size_t count = find_passed(m, list);
    if (move(m, list, count)) return true;
    bool is_asked = has_asked(m, m->episode);
    for (size_t i = 0; i < count && !is_asked; i++)
        if (list[i].next.firing > 0 && is_better(&list[i], chosen)) chosen = &list[i];
    for (size_t i = 0; i < count; i++)
        if (&list[i] != chosen) go_on(m, &list[i]);
    if (chosen) carry_out(m, chosen);
    return false;
}

static void settle_episode(struct moment *m, Handoff__V1__Episode *e)
{
    machine_focus(m, e);
    for (int i = 0; i < MOVES_MAX && m->pathway && !m->fault && machine_episode(m->record, e->number); i++) {
        m->depth = 0;
        if (!settle_timers(m)) return;
    } /* what goes round more often than that fires by itself, in later turns */
}

void late_settle(struct moment *m)
{
    bool is_any_past = false;
    for (size_t i = 0; i < m->record->n_timers && m->occurred_ms < m->now_ms; i++)
        is_any_past |= is_past(m, m->record->timers[i]);
    if (!is_any_past) return;
    uint32_t until = m->record->last_episode;
    for (uint32_t number = 1; number <= until && !m->fault; number++) {
        Handoff__V1__Episode *e = machine_episode(m->record, number);
        if (e) settle_episode(m, e);
    }
    machine_focus(m, NULL);
}
