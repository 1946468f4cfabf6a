/* Pathway timers in the record. A due time is absolute: a restart does not move it. One live timer for each
 * (episode, kind, appointment). */
#include "core/moment.h"

static uint32_t next_generation(struct moment *m) { return ++m->record->last_generation; }

Handoff__V1__Timer *timer_find(const struct moment *m, uint32_t kind, uint32_t appointment)
{
    for (size_t i = 0; i < m->record->n_timers; i++) {
        Handoff__V1__Timer *t = m->record->timers[i];
        if (t->episode == m->episode->number && t->kind == kind && (!appointment || t->appointment == appointment))
            return t;
    }
    return NULL;
}

static int64_t started_at(const struct moment *m)
{
    return m->due_ms ? m->due_ms : m->event ? m->occurred_ms : m->now_ms; /* a late event carries out what was due */
}

/* A time that only `mark` sets is when something happened: until then such a timer counts like any other. */
static bool is_from_start(const struct moment *m, const struct timer_kind *k)
{
    return k->from == TIMER_FROM_EVENT || (k->is_of_past && !*(const int64_t *)field_at(m->episode, k->field));
}

/* The instant a timer's first wait counts from; 0: it does not start. */
static int64_t base_of(const struct moment *m, const struct timer_kind *k, const Handoff__V1__Appointment *visit)
{
    switch (k->from) {
    case TIMER_FROM_EVENT: return started_at(m);
    case TIMER_FROM_OPENED: return m->episode->opened_at_ms;
    case TIMER_FROM_VISIT: return visit ? visit->starts_at_ms : 0;
    case TIMER_FROM_FIELD:
        return is_from_start(m, k) ? started_at(m) : *(const int64_t *)field_at(m->episode, k->field);
    }
    return 0;
}

static void remove_timer(struct moment *m, size_t position)
{
    list_remove(&m->record->timers, &m->record->n_timers, position);
    m->is_changed = true;
}

static void remove_kind(struct moment *m, uint32_t kind, uint32_t appointment)
{
    for (size_t i = m->record->n_timers; i-- > 0;) {
        const Handoff__V1__Timer *t = m->record->timers[i];
        if (t->episode == m->episode->number && t->kind == kind && (!appointment || t->appointment == appointment))
            remove_timer(m, i);
    }
}

/* Asked for before a visit that has begun meanwhile: nothing can be prepared any more. */
static bool is_too_late(const struct moment *m, const struct timer_kind *k, int64_t base_ms, int64_t due_ms)
{
    return k->from == TIMER_FROM_VISIT && due_ms < base_ms && base_ms <= m->now_ms;
}

static void start_one(struct moment *m, uint32_t kind, const Handoff__V1__Appointment *visit)
{
    const struct timer_kind *k = &m->pathway->timers[kind];
    remove_kind(m, kind, visit ? visit->number : 0);
    int64_t base = base_of(m, k, visit);
    if (!base) return;
    int64_t due = moment_resolve(m, moment_wait(m, &k->firings[0].wait), base);
    bool is_from_late_firing = is_from_start(m, k) && !m->event && due <= m->now_ms;
    if (is_from_late_firing) due = moment_resolve(m, moment_wait(m, &k->firings[0].wait), m->now_ms);
    if (k->is_reminder && due <= m->now_ms) return; /* booked later than that reminder's moment */
    if (is_too_late(m, k, base, due)) return;
    Handoff__V1__Timer *t = MESSAGE_NEW(m->arena, Handoff__V1__Timer, timer);
    t->kind = kind;
    t->episode = m->episode->number;
    t->due_at_ms = due;
    t->generation = next_generation(m);
    t->cause_sequence = m->input->sequence;
    t->appointment = visit ? visit->number : 0;
    t->is_paused = act_pauses_timer(m->pathway, m->episode, kind);
    list_append(m->arena, &m->record->timers, &m->record->n_timers, t);
    m->is_changed = true;
}

static bool is_of_episode(const struct moment *m, const Handoff__V1__Appointment *visit)
{
    return visit && visit->episode == m->episode->number;
}

void timer_start(struct moment *m, uint32_t kind)
{
    if (!m->pathway->timers[kind].is_per_appointment) {
        start_one(m, kind, NULL);
    } else if (m->visit) {
        start_one(m, kind, m->visit);
    } else {
        for (size_t i = 0; i < m->record->n_appointments; i++) {
            const Handoff__V1__Appointment *a = m->record->appointments[i];
            if (is_of_episode(m, a) && a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED)
                start_one(m, kind, a);
        }
    }
}

void timer_stop(struct moment *m, uint32_t kind)
{
    bool is_one_visit = m->pathway->timers[kind].is_per_appointment && is_of_episode(m, m->visit);
    uint32_t visit = is_one_visit ? m->visit->number : 0;
    remove_kind(m, kind, visit);
    work_withdraw_visit(m, 0, SCOPE_TIMER + kind, visit);
    work_resolve_visit(m, SCOPE_TIMER + kind, visit);
}

void timer_stop_visit(struct moment *m)
{
    for (uint32_t i = 0; i < m->pathway->timer_count; i++)
        if (m->pathway->timers[i].is_per_appointment) timer_stop(m, i);
}

/* From the lifting of a hold on a paused timer runs its whole wait again. What counts to or from a date, a visit's or
 * the episode's, still does while that time has not come; a visit's that has passed runs from now. */
static void resume(struct moment *m, Handoff__V1__Timer *t)
{
    const struct timer_kind *k = &m->pathway->timers[t->kind];
    const struct delay *wait =
        moment_wait(m, &k->firings[t->firings < k->firing_count ? t->firings : k->firing_count - 1].wait);
    bool is_dated = t->firings == 0 && (k->from == TIMER_FROM_VISIT || k->from == TIMER_FROM_FIELD);
    int64_t base = is_dated ? base_of(m, k, facts_visit(m->record, t->appointment)) : 0;
    t->is_paused = false;
    t->due_at_ms = moment_resolve(m, wait, base ? base : m->now_ms);
    if (t->due_at_ms <= m->now_ms && k->from == TIMER_FROM_VISIT && !k->is_reminder)
        t->due_at_ms = moment_resolve(m, wait, m->now_ms);
    t->generation = next_generation(m);
}

void timer_pause_resume(struct moment *m)
{
    for (size_t i = 0; i < m->record->n_timers; i++) {
        Handoff__V1__Timer *t = m->record->timers[i];
        if (t->episode != m->episode->number) continue;
        bool should_pause = act_pauses_timer(m->pathway, m->episode, t->kind);
        if (should_pause && !t->is_paused) t->is_paused = true;
        else if (!should_pause && t->is_paused) resume(m, t);
    }
}

static bool lists(const struct machine *x, uint32_t state, uint32_t timer)
{
    for (uint32_t i = 0; i < x->states[state].timer_count; i++)
        if (x->states[state].timers[i] == timer) return true;
    return false;
}

static bool is_listed(const struct moment *m, uint32_t timer)
{
    bool is = lists(&m->pathway->main, m->episode->state, timer);
    for (uint32_t i = 0; i < m->pathway->region_count && !is; i++)
        is = lists(&m->pathway->regions[i], m->episode->region_states[i], timer);
    return is;
}

void timer_follow(struct moment *m, const ProtobufCFieldDescriptor *field)
{
    for (uint32_t i = 0; i < m->pathway->timer_count; i++) {
        const struct timer_kind *k = &m->pathway->timers[i];
        if (k->from == TIMER_FROM_FIELD && k->field == field && (timer_find(m, i, 0) || is_listed(m, i)))
            timer_start(m, i);
    }
}

void timer_hasten(struct moment *m)
{
    Handoff__V1__Episode *focus = m->episode;
    for (size_t i = 0; i < m->record->n_timers; i++) {
        Handoff__V1__Timer *t = m->record->timers[i];
        Handoff__V1__Episode *episode = machine_episode(m->record, t->episode);
        if (!episode || t->is_paused || t->appointment) continue;
        machine_focus(m, episode);
        const struct timer_kind *k = &m->pathway->timers[t->kind];
        const struct wait *w = &k->firings[t->firings < k->firing_count ? t->firings : k->firing_count - 1].wait;
        if (!moment_is_urgent(m) || w->urgent == w->routine) continue;
        int64_t urgent_due = moment_resolve(m, w->urgent, m->now_ms);
        if (urgent_due >= t->due_at_ms) continue;
        t->due_at_ms = urgent_due;
        t->generation = next_generation(m);
    }
    machine_focus(m, focus);
}

void timer_end_episode(struct moment *m)
{
    for (size_t i = m->record->n_timers; i-- > 0;)
        if (m->record->timers[i]->episode == m->episode->number) remove_timer(m, i);
}

/* --- taking back --------------------------------------------------------------------------------------------- */
static const Handoff__V1__Timer *same_timer(const Handoff__V1__PatientRecord *r, const Handoff__V1__Timer *t)
{
    for (size_t i = 0; i < r->n_timers; i++)
        if (r->timers[i]->episode == t->episode && r->timers[i]->kind == t->kind &&
            r->timers[i]->appointment == t->appointment)
            return r->timers[i];
    return NULL;
}

/* What the input began stops; what it changed, and nothing has since, is as before. */
static void undo_timer(struct moment *m, Handoff__V1__Timer *t, const Handoff__V1__Timer *before,
                       const Handoff__V1__Timer *after)
{
    if (!after) return;
    if (!before) {
        uint32_t kind = t->kind;
        remove_kind(m, kind, t->appointment);
        if (timer_find(m, kind, 0)) return;
        work_withdraw(m, 0, SCOPE_TIMER + kind);
        work_resolve_scope(m, SCOPE_TIMER + kind);
        return;
    }
    if (after->generation != t->generation || message_equal(before, after)) return;
    *t = *before;
    t->generation = next_generation(m);
    m->is_changed = true;
}

void timer_put_back(struct moment *m, const Handoff__V1__PatientRecord *before, const Handoff__V1__PatientRecord *after)
{
    for (size_t i = m->record->n_timers; i-- > 0;) {
        Handoff__V1__Timer *t = i < m->record->n_timers ? m->record->timers[i] : NULL;
        if (t && t->episode == m->episode->number) undo_timer(m, t, same_timer(before, t), same_timer(after, t));
    }
    for (size_t i = 0; i < before->n_timers; i++) {
        const Handoff__V1__Timer *was = before->timers[i];
        if (was->episode != m->episode->number || same_timer(after, was) || same_timer(m->record, was)) continue;
        Handoff__V1__Timer *t = message_copy(was, m->arena);
        t->generation = next_generation(m);
        list_append(m->arena, &m->record->timers, &m->record->n_timers, t);
        m->is_changed = true;
    }
}
