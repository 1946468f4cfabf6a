/* See invariants.h. It reads and never changes; its neighbours are step.c, which asks, and core_invariants_test.c, which
 * breaks each on purpose.
 *
 * This runs after every step, so a record is gone through once: episodes are told apart by their position, in a set,
 * and two timers are only compared when their marks in a small table are the same. */
#include "core/invariants.h"

#include "core/consent.h"
#include "core/moment.h"
#include "core/roster.h"

#define ESCALATED(NAME) HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME
#define EMITTED(NAME) HANDOFF__V1__EMISSION__BODY_##NAME
#define DUE(NAME) HANDOFF__V1__DUE_KIND__DUE_KIND_##NAME

static_assert(LIMIT_RECORD_EPISODES <= 32, "the open episodes of a record fit a set");

/* --- the record ---------------------------------------------------------------------------------------------- */
enum { NOWHERE = 32 };

struct look {
    const Handoff__V1__PatientRecord *record;
    uint32_t pending; /* episodes by position: something of theirs comes due */
    uint32_t broken;
};

static size_t position_of(const Handoff__V1__PatientRecord *r, uint32_t episode)
{
    for (size_t i = 0; i < r->n_episodes && i < NOWHERE; i++)
        if (r->episodes[i]->number == episode) return i;
    return NOWHERE;
}

/* Of a timer, task or escalation: its episode, unless it has none, is open, and now something of it is pending. */
static void look_at_episode(struct look *l, uint32_t episode, bool is_pending)
{
    size_t at = episode ? position_of(l->record, episode) : NOWHERE;
    if (episode && at == NOWHERE) l->broken |= INVARIANT(IDLE_END);
    if (at < NOWHERE && is_pending) l->pending |= UINT32_C(1) << at;
}

static bool is_same_timer(const Handoff__V1__Timer *a, const Handoff__V1__Timer *b)
{
    bool is_same_subject = a->episode == b->episode && a->kind == b->kind && a->appointment == b->appointment;
    return is_same_subject || a->generation == b->generation;
}

static bool has_twin(const Handoff__V1__PatientRecord *r, size_t position)
{
    for (size_t i = 0; i < position; i++)
        if (is_same_timer(r->timers[i], r->timers[position])) return true;
    return false;
}

static uint64_t mark_of(uint32_t number) { return UINT64_C(1) << (number & 63); }

static void look_at_timers(struct look *l)
{
    uint64_t subjects = 0, generations = 0;
    for (size_t i = 0; i < l->record->n_timers; i++) {
        const Handoff__V1__Timer *t = l->record->timers[i];
        uint64_t subject = mark_of(t->episode * 23 + t->kind + t->appointment * 41), generation = mark_of(t->generation);
        bool may_have_twin = (subjects & subject) || (generations & generation);
        if (may_have_twin && has_twin(l->record, i)) l->broken |= INVARIANT(ONE_TIMER);
        subjects |= subject;
        generations |= generation;
        look_at_episode(l, t->episode, !t->is_paused && t->due_at_ms > 0);
    }
}

/* Before its due time a task is pending by itself; after it, by the escalation that was raised for it. */
static void look_at_tasks(struct look *l)
{
    for (size_t i = 0; i < l->record->n_tasks; i++) {
        const Handoff__V1__Task *t = l->record->tasks[i];
        bool is_timed = t->due_at_ms > 0 && (!t->is_overdue || work_find_escalation(l->record, t->escalation));
        if (!t->owner || !t->severity || !is_timed || !t->n_causes) l->broken |= INVARIANT(OWNED);
        for (size_t c = 0; c < t->n_causes; c++) look_at_episode(l, t->causes[c]->episode, is_timed);
    }
}

static void look_at_escalations(struct look *l)
{
    for (size_t i = 0; i < l->record->n_escalations; i++) {
        const Handoff__V1__Escalation *e = l->record->escalations[i];
        if (!e->rung || !e->severity || e->next_at_ms <= 0) l->broken |= INVARIANT(OWNED);
        if (e->cause) look_at_episode(l, e->cause->episode, false);
    }
}

static bool is_at_end(const struct rules *rules, const Handoff__V1__Episode *e)
{
    const struct pathway *p = rules_pathway(rules, e->pathway);
    return p && e->state < p->main.state_count && p->main.states[e->state].is_final;
}

uint32_t invariants_of_record(const struct rules *rules, const Handoff__V1__PatientRecord *r)
{
    struct look l = {.record = r};
    look_at_timers(&l);
    look_at_tasks(&l);
    look_at_escalations(&l);
    if (r->n_episodes > NOWHERE) l.broken |= INVARIANT(PENDING);
    for (size_t i = 0; i < r->n_episodes && i < NOWHERE; i++) {
        if (!(l.pending >> i & 1) && !ends_are_awaited(r, r->episodes[i])) l.broken |= INVARIANT(PENDING);
        if (is_at_end(rules, r->episodes[i])) l.broken |= INVARIANT(IDLE_END);
    }
    return l.broken;
}

/* --- what was told ------------------------------------------------------------------------------------------- */
static bool is_family(Handoff__V1__Party party)
{
    return party == HANDOFF__V1__PARTY__PARTY_PATIENT || party == HANDOFF__V1__PARTY__PARTY_GUARDIAN;
}

static bool is_left_alone(const struct invariants_step *s) { return s->after->is_deceased || s->after->is_opted_out; }

/* Only an event that says who invoked it makes an exception. */
static bool is_exception(const struct invariants_step *s, const Handoff__V1__StatusEmission *status)
{
    const Handoff__V1__Event *e = s->input->kind == STEP_EVENT ? s->input->event : NULL;
    return status->exception[0] && e && e->body_case == HANDOFF__V1__EVENT__BODY_DISCLOSURE_REQUESTED &&
           e->disclosure_requested->is_emergency && e->disclosure_requested->invoked_by[0];
}

static uint32_t look_at_status(const struct invariants_step *s, const Handoff__V1__StatusEmission *status)
{
    const Handoff__V1__Recipient *to = status->recipient;
    if (status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT && s->after->heartbeat) return 0;
    if (!to) return INVARIANT(GROUNDED);
    struct consent_question q = {s->rules,         s->site,          s->after, to->party, to->id,
                                 status->category, s->input->now_ms, NULL};
    bool has_ground = !consent_is_needed(&q) || is_exception(s, status) ||
                      (status->consent_id[0] && consent_find(s->after, status->consent_id));
    uint32_t broken = has_ground ? 0 : INVARIANT(GROUNDED);
    return is_family(to->party) && is_left_alone(s) ? broken | INVARIANT(LEFT_ALONE) : broken;
}

static bool can_be_reached(const struct invariants_step *s, const Handoff__V1__EscalationEmission *e)
{
    const Handoff__V1__Task *task = work_find_task(s->after, e->task);
    const char *id = roster_holder(s->rules, s->site, s->after, e->rung, task, s->input->now_ms);
    const Handoff__V1__Person *person = roster_person(s->site, id);
    return person && person->n_addresses > 0;
}

static uint32_t look_at_emission(const struct invariants_step *s, const Handoff__V1__Emission *e)
{
    switch (e->body_case) {
    case EMITTED(STATUS): return look_at_status(s, e->status);
    case EMITTED(REMINDER): return !e->reminder->is_dropped && is_left_alone(s) ? INVARIANT(LEFT_ALONE) : 0;
    case EMITTED(ESCALATION):
        if (e->escalation->change == ESCALATED(RESOLVED) || can_be_reached(s, e->escalation)) return 0;
        return INVARIANT(REACHABLE);
    case EMITTED(TASK):
    case EMITTED(AUDIT):
    case EMITTED(_NOT_SET):
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return 0;
}

/* What a consumer recognises a repeat by; see step_id. */
struct told {
    Handoff__V1__Emission__BodyCase body; /* NOT_SET: neither a task nor an escalation */
    uint32_t number, generation;
};

static struct told told_of(const Handoff__V1__Emission *e)
{
    switch (e->body_case) {
    case EMITTED(TASK): return (struct told){e->body_case, e->task->number, e->task->generation};
    case EMITTED(ESCALATION): return (struct told){e->body_case, e->escalation->number, e->escalation->generation};
    case EMITTED(STATUS): return (struct told){.number = e->status->notice_number};
    case EMITTED(REMINDER): return (struct told){.number = e->reminder->notice_number};
    case EMITTED(AUDIT): return (struct told){.number = e->audit->notice_number};
    case EMITTED(_NOT_SET):
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return (struct told){0};
}

/* The newest generation that was told before this step. */
static uint32_t told_before(const Handoff__V1__PatientRecord *before, const struct told *t)
{
    const Handoff__V1__Task *task = before && t->body == EMITTED(TASK) ? work_find_task(before, t->number) : NULL;
    const Handoff__V1__Escalation *e =
        before && t->body == EMITTED(ESCALATION) ? work_find_escalation(before, t->number) : NULL;
    return task ? task->generation : e ? e->generation : 0;
}

/* Under an id that was told already a consumer takes it for a repeat, and nobody hears of it. */
static bool is_told_twice(const struct invariants_step *s, size_t position)
{
    struct told t = told_of(s->outcome->emissions[position]);
    if (!t.body && s->before && t.number <= s->before->last_notice) return true;
    if (t.body && t.generation <= told_before(s->before, &t)) return true;
    for (size_t i = 0; i < position; i++) {
        struct told o = told_of(s->outcome->emissions[i]);
        if (o.body == t.body && o.number == t.number && o.generation == t.generation) return true;
    }
    return !t.number;
}

static uint32_t look_at_emissions(const struct invariants_step *s)
{
    uint32_t broken = 0;
    for (size_t i = 0; i < s->outcome->n_emissions; i++) {
        broken |= look_at_emission(s, s->outcome->emissions[i]);
        if (is_told_twice(s, i)) broken |= INVARIANT(ONCE);
    }
    return broken;
}

/* --- firings ------------------------------------------------------------------------------------------------- */
/* The same firing, delivered again, would be carried out again; and the clock would not get past it. */
static bool is_due_again(const Handoff__V1__PatientRecord *r, const Handoff__V1__TimerInput *f)
{
    const Handoff__V1__Task *t = f->kind == DUE(TASK) ? work_find_task(r, f->number) : NULL;
    const Handoff__V1__Escalation *e = f->kind == DUE(ESCALATION) ? work_find_escalation(r, f->number) : NULL;
    if (t && !t->is_overdue && t->due_at_ms == f->due_at_ms) return true;
    if (e && e->next_at_ms == f->due_at_ms) return true;
    if (f->kind == DUE(ROUND) && f->number <= r->n_rounds && !r->rounds[f->number - 1]->is_begun &&
        r->rounds[f->number - 1]->begins_at_ms == f->due_at_ms)
        return true;
    if (f->kind == DUE(SOURCE) && r->silent_at_ms == f->due_at_ms) return true;
    if (f->kind == DUE(UNSERVED) && f->number && f->number <= r->n_unserved &&
        r->unserved[f->number - 1]->again_at_ms == f->due_at_ms)
        return true;
    if (f->kind == DUE(HEARTBEAT) && r->heartbeat && r->heartbeat->next_at_ms == f->due_at_ms) return true;
    for (size_t i = 0; f->kind == DUE(TIMER) && i < r->n_timers; i++)
        if (r->timers[i]->generation == f->generation && r->timers[i]->due_at_ms == f->due_at_ms) return true;
    return false;
}

/* A document may lapse on its date; care ends by a human. */
static bool is_ended(const struct invariants_step *s)
{
    for (size_t i = 0; i < s->outcome->n_applied; i++) {
        const Handoff__V1__Applied *a = s->outcome->applied[i];
        if (a->kind != HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_CLOSED) continue;
        const struct pathway *p = rules_pathway(s->rules, a->pathway);
        if (!p || a->to_state >= p->main.state_count || !p->main.states[a->to_state].is_lapse) return true;
    }
    return false;
}

static uint32_t look_at_firing(const struct invariants_step *s)
{
    uint32_t broken = 0;
    bool is_no_op = s->outcome->verdict == HANDOFF__V1__VERDICT__VERDICT_NO_OP;
    if (!is_no_op && is_due_again(s->after, s->input->firing)) broken |= INVARIANT(ONCE);
    if (is_ended(s)) broken |= INVARIANT(HUMAN_END);
    if (s->before && s->after->n_flags < s->before->n_flags) broken |= INVARIANT(ALERTED);
    return broken;
}

/* --- ladders ------------------------------------------------------------------------------------------------- */
/* Position on a ladder; its length when the role is not on it. */
static uint32_t rung_position(const struct ladder_rule *l, Handoff__V1__Role role)
{
    uint32_t i = 0;
    while (i < l->rung_count && l->rungs[i] != role) i++;
    return i;
}

/* To a lower rung, or away from one of those who hold it together. */
static bool has_fallen(const struct policy *p, const Handoff__V1__Escalation *was, const Handoff__V1__Escalation *is)
{
    const struct ladder_rule *l = &p->ladder[is->severity];
    uint32_t from = rung_position(l, was->rung), to = rung_position(l, is->rung);
    bool is_left = (was->roles & ~(is->roles | UINT32_C(1) << is->rung)) != 0;
    return is->severity < was->severity || is_left || (from < l->rung_count && to < from);
}

static bool is_told_resolved(const struct invariants_step *s, uint32_t number)
{
    for (size_t i = 0; i < s->outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = s->outcome->emissions[i];
        if (e->body_case == EMITTED(ESCALATION) && e->escalation->number == number &&
            e->escalation->change == ESCALATED(RESOLVED))
            return true;
    }
    return false;
}

/* Taking back what raised it is no fall: a human says that it should never have been so high. What became another
 * patient's climbs on there. */
static uint32_t look_at_ladders(const struct invariants_step *s)
{
    const Handoff__V1__Event *e = s->input->kind == STEP_EVENT ? s->input->event : NULL;
    bool is_taken_back = e && e->body_case == HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    bool is_gone = s->after->merged_into[0];
    for (size_t i = 0; s->before && !is_taken_back && !is_gone && i < s->before->n_escalations; i++) {
        const Handoff__V1__Escalation *was = s->before->escalations[i];
        const Handoff__V1__Escalation *is = work_find_escalation(s->after, was->number);
        if (is ? has_fallen(&s->rules->policy, was, is) : !is_told_resolved(s, was->number)) return INVARIANT(CLIMBING);
    }
    return 0;
}

/* --- findings ------------------------------------------------------------------------------------------------ */
static bool is_alert(const Handoff__V1__Emission *e)
{
    if (e->body_case == EMITTED(ESCALATION)) return e->escalation->change != ESCALATED(RESOLVED);
    if (e->body_case != EMITTED(TASK)) return false;
    Handoff__V1__TaskChange change = e->task->change;
    return change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED ||
           change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_JOINED ||
           change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_REOPENED;
}

/* The flag stands as it stood, and whoever was to be alerted was: what is not graver is recorded. */
static bool is_known_finding(const struct invariants_step *s)
{
    Handoff__V1__RiskKind kind = facts_risk_of(s->input->event);
    const Handoff__V1__SafetyFlag *was = s->before ? facts_flag(s->before, kind) : NULL, *is = facts_flag(s->after, kind);
    return was && is && is->severity <= was->severity && is->is_assessed == was->is_assessed;
}

static uint32_t look_at_finding(const struct invariants_step *s)
{
    if (s->input->kind != STEP_EVENT || !facts_finding(s->input->event) || is_known_finding(s)) return 0;
    for (size_t i = 0; i < s->outcome->n_emissions; i++)
        if (is_alert(s->outcome->emissions[i])) return 0;
    return INVARIANT(ALERTED);
}

uint32_t invariants_of_step(const struct invariants_step *s)
{
    uint32_t broken = invariants_of_record(s->rules, s->after);
    if (s->outcome->n_emissions) broken |= look_at_emissions(s);
    if (s->input->kind == STEP_FIRING) broken |= look_at_firing(s);
    return broken | look_at_ladders(s) | look_at_finding(s);
}

/* --- in words ------------------------------------------------------------------------------------------------ */
const char *invariants_sentence(uint32_t broken)
{
    static const char *const sentences[] = {
        [INVARIANT_PENDING] = "an open episode without a pending timer",
        [INVARIANT_OWNED] = "an open task or escalation without an owner, a due time or a ladder",
        [INVARIANT_GROUNDED] = "a disclosure without a consent or an exception",
        [INVARIANT_ONE_TIMER] = "two live timers of one kind",
        [INVARIANT_ONCE] = "a firing that would be told twice",
        [INVARIANT_IDLE_END] = "an ended episode that still waits or asks",
        [INVARIANT_ALERTED] = "a safety finding that reaches no human, or was cleared by none",
        [INVARIANT_LEFT_ALONE] = "something for a family that is to be left alone",
        [INVARIANT_CLIMBING] = "a ladder that fell, or ended untold",
        [INVARIANT_HUMAN_END] = "an end that a timer reached",
        [INVARIANT_REACHABLE] = "an alert for which nobody can be reached",
    };
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (broken >> i & 1 && sentences[i]) return sentences[i];
    return NULL;
}
