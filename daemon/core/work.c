/* Tasks and escalations: what people are asked to do, and what climbs when they do not.
 *
 *   task:        open --attempted--> open (next attempt) --3rd--> exhausted
 *                     --completed / cancelled / withdrawn--> gone (the journal has it)
 *                     --due time passes--> overdue: its escalation keeps the time from here on
 *   escalation:  open --a rung's time--> open, one rung up --at the top--> repeated
 *                     --in between, where the ladder says so--> reminded until acknowledged
 *                     --acknowledged--> still for one rung's time, then resumes one rung up
 *                     --resolved--> gone
 *
 * A ladder never falls: a rung whose person already holds the matter is skipped, the top repeats. Several roles may be
 * told together: one matter, of which each hears by an emission of its own, and which any of them may acknowledge. */
#include "core/moment.h"
#include "core/consent.h"
#include "core/roster.h"

#include <string.h>

#define CHANGE(NAME) HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_##NAME
#define CLIMB(NAME) HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME
#define SEVERITY(NAME) HANDOFF__V1__SEVERITY__SEVERITY_##NAME
#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME
enum {
    CAUSES_MAX = 16,
    ESCALATIONS_MAX = LIMIT_RECORD_TASKS + 64,
    ATTEMPTS_DEFAULT = 3,
    ROLES_MAX = 32,
    TASK_KIND_LAST = 63
};

static const struct task_rule *task_rule(const struct moment *m, Handoff__V1__TaskKind kind)
{
    return &m->rules->policy.tasks[kind];
}

static const struct ladder_rule *ladder(const struct moment *m, Handoff__V1__Severity severity)
{
    return &m->rules->policy.ladder[severity ? severity : SEVERITY(ROUTINE)];
}

/* Under which patient id it was made, if that became this one since: its id stays. */
static void tell_origin(const struct moment *m, Handoff__V1__Emission *e, const Handoff__V1__Origin *origin)
{
    const ProtobufCBinaryData *key = merge_origin_key(m->record, origin);
    if (!key) return;
    e->origin_key = *key;
    e->origin_number = origin->number;
}

/* --- tasks --------------------------------------------------------------------------------------------------- */
static Handoff__V1__TaskEmission *tell_task(struct moment *m, Handoff__V1__Task *t, Handoff__V1__TaskChange change,
                                            uint32_t rule)
{
    Handoff__V1__Emission *e = moment_emit(m, rule);
    if (t->n_causes) e->episode = t->causes[0]->episode;
    tell_origin(m, e, t->origin);
    e->body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    Handoff__V1__TaskEmission *told = MESSAGE_NEW(m->arena, Handoff__V1__TaskEmission, task_emission);
    e->task = told;
    told->change = change;
    told->number = t->number;
    told->kind = t->kind;
    told->owner = t->owner;
    told->severity = t->severity;
    told->due_at_ms = t->due_at_ms;
    told->attempts = t->attempts;
    told->channels = t->channels;
    told->subject = t->subject;
    told->owner_id = t->owner_id;
    told->instead_of = t->instead_of;
    told->is_undelivered = t->n_causes && t->causes[t->n_causes - 1]->is_undelivered;
    told->generation = ++t->generation;
    if (change == CHANGE(OPENED) || change == CHANGE(REOPENED)) t->told_generation = t->generation;
    return told;
}

/* Its owner hears of it when it must be done sooner, is graver, or asks something else. Another cause alone is in the
 * work list. */
static void tell_joined(struct moment *m, Handoff__V1__Task *t, uint32_t rule, bool is_told)
{
    tell_task(m, t, CHANGE(JOINED), rule);
    if (is_told) t->told_generation = t->generation;
}

static uint32_t rule_of(const Handoff__V1__Task *t) { return t->n_causes ? t->causes[0]->rule : 0; }

static bool is_about(const Handoff__V1__Task *t, Handoff__V1__TaskKind kind, Handoff__V1__Party party, const char *id)
{
    if (t->kind != kind) return false;
    if (!t->subject) return party == HANDOFF__V1__PARTY__PARTY_UNSPECIFIED;
    return t->subject->party == party && strcmp(t->subject->id, id) == 0;
}

/* The visit whose timer asks; 0: none does. */
static uint32_t asking_visit(const struct moment *m)
{
    return m->scope >= SCOPE_TIMER && m->scope < SCOPE_HOLD ? m->scope_visit : 0;
}

static Handoff__V1__Cause *new_cause(struct moment *m, uint32_t rule)
{
    Handoff__V1__Cause *c = MESSAGE_NEW(m->arena, Handoff__V1__Cause, cause);
    c->sequence = m->input->sequence;
    c->episode = m->episode ? m->episode->number : 0;
    c->scope = m->scope;
    c->rule = rule;
    c->appointment = asking_visit(m);
    return c;
}

/* A rule that asks again is the same cause; without a rule each input is its own. */
static bool has_cause(const Handoff__V1__Task *t, const Handoff__V1__Cause *c)
{
    for (size_t i = 0; i < t->n_causes; i++) {
        const Handoff__V1__Cause *o = t->causes[i];
        bool is_same = o->episode == c->episode && o->scope == c->scope && o->rule == c->rule &&
                       o->appointment == c->appointment;
        if (is_same && (c->episode || c->rule || o->sequence == c->sequence)) return true;
    }
    return false;
}

static void repeat(struct moment *m, Handoff__V1__Escalation *e, Handoff__V1__Severity severity);

/* A second cause: never later, never less severe; told only when somebody must act sooner or for another reason. */
static void join(struct moment *m, Handoff__V1__Task *t, Handoff__V1__Cause *cause, Handoff__V1__Severity severity,
                 int64_t due_ms, bool is_again)
{
    bool is_new_cause = is_again || !has_cause(t, cause);
    if (is_new_cause && t->n_causes < CAUSES_MAX) list_append(m->arena, &t->causes, &t->n_causes, cause);
    bool is_sooner = !t->is_overdue && due_ms < t->due_at_ms, is_graver = severity > t->severity;
    if (is_sooner) t->due_at_ms = due_ms;
    if (is_graver) t->severity = severity;
    Handoff__V1__Escalation *e = work_find_escalation(m->record, t->escalation);
    if (e && severity > e->severity) repeat(m, e, severity);
    review_note(m, t);
    m->is_changed = m->is_used = true;
    if (is_new_cause || is_sooner || is_graver) tell_joined(m, t, cause->rule, is_sooner || is_graver || is_again);
}

static Handoff__V1__Severity severity_for(const struct moment *m, Handoff__V1__Severity ordered,
                                          const struct task_rule *rule)
{
    if (ordered) return ordered;
    if (rule->severity) return rule->severity;
    return moment_is_urgent(m) ? SEVERITY(URGENT) : SEVERITY(ROUTINE);
}

/* When the patient is seen next, as far as anything is booked. */
static int64_t next_visit_ms(const struct moment *m)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < m->record->n_appointments; i++) {
        const Handoff__V1__Appointment *a = m->record->appointments[i];
        if (a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED && a->starts_at_ms > m->now_ms &&
            a->starts_at_ms < next_ms)
            next_ms = a->starts_at_ms;
    }
    return next_ms;
}

static bool is_of_family(Handoff__V1__Party party)
{
    return party == HANDOFF__V1__PARTY__PARTY_PATIENT || party == HANDOFF__V1__PARTY__PARTY_GUARDIAN;
}

static Handoff__V1__Task *find_open(const struct moment *m, const struct task_order *order, const char *subject_id)
{
    for (size_t i = 0; i < m->record->n_tasks; i++)
        if (is_about(m->record->tasks[i], order->kind, order->party, subject_id)) return m->record->tasks[i];
    return NULL;
}

static Handoff__V1__Recipient *subject_of(const struct moment *m, const struct task_order *order, const char *subject_id)
{
    if (!order->party) return NULL;
    Handoff__V1__Recipient *subject = MESSAGE_NEW(m->arena, Handoff__V1__Recipient, recipient);
    subject->party = order->party;
    subject->id = arena_string(m->arena, subject_id);
    return subject;
}

/* Two tasks for the same call are one: whoever is to call the family does so by calling one of it, and a call that was
 * nobody's yet becomes the first one's that is asked for by name. */
static Handoff__V1__Task *find_same_call(const struct moment *m, const struct task_order *order, const char *subject_id)
{
    if (order->kind != HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY) return NULL;
    if (order->party && !is_of_family(order->party)) return NULL;
    for (size_t i = 0; i < m->record->n_tasks; i++) {
        Handoff__V1__Task *t = m->record->tasks[i];
        if (t->kind != order->kind || !t->subject != !!order->party) continue;
        if (t->subject && !is_of_family(t->subject->party)) continue;
        if (!t->subject) t->subject = subject_of(m, order, subject_id);
        return t;
    }
    return NULL;
}

/* Nobody is asked to speak with the family of the deceased. Of one that declined all contact, staff decide how the
 * matter goes on without it: in the time that the act itself would have had, and once for all that is asked meanwhile. */
static void ask_staff_instead(struct moment *m, const struct task_order *order)
{
    const struct task_rule *rule = task_rule(m, order->kind);
    struct task_order instead = *order;
    m->is_used = true;
    if (m->record->is_deceased) return;
    instead.kind = HANDOFF__V1__TASK_KIND__TASK_KIND_REVIEW_NEEDS;
    instead.instead_of = order->kind;
    instead.owner = HANDOFF__V1__ROLE__ROLE_UNSPECIFIED;
    instead.party = HANDOFF__V1__PARTY__PARTY_UNSPECIFIED;
    instead.subject_id = "";
    instead.severity = severity_for(m, order->severity, rule);
    instead.due = order->due                     ? order->due
                  : rule->due[instead.severity] ? rule->due[instead.severity]
                                                : ladder(m, instead.severity)->due;
    work_open_task(m, &instead);
}

void work_open_task(struct moment *m, const struct task_order *order)
{
    if (family_is_asked(order->kind) && (m->record->is_deceased || m->record->is_opted_out)) {
        ask_staff_instead(m, order);
        return;
    }
    const struct task_rule *rule = task_rule(m, order->kind);
    Handoff__V1__Severity severity = severity_for(m, order->severity, rule);
    const struct delay *due = order->due             ? order->due
                              : rule->due[severity] ? rule->due[severity]
                                                    : ladder(m, severity)->due;
    int64_t due_ms = late_due(m, due);
    if (order->is_before_visit && next_visit_ms(m) < due_ms) due_ms = next_visit_ms(m);
    Handoff__V1__Cause *cause = new_cause(m, order->rule);
    cause->is_undelivered = order->is_undelivered;
    if (order->visit) cause->appointment = order->visit;
    const char *subject_id = order->subject_id ? order->subject_id : "";
    m->is_asked = true;
    Handoff__V1__Task *open = find_open(m, order, subject_id);
    if (!open) open = find_same_call(m, order, subject_id);
    if (open) {
        join(m, open, cause, severity, due_ms, order->is_again);
        return;
    }
    bool is_defect = order->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_REVIEW_DEFECT; /* one place is kept for it */
    if (m->record->n_tasks + !is_defect >= LIMIT_RECORD_TASKS) {
        moment_fault(m, "more open tasks than a record holds");
        return;
    }
    Handoff__V1__Task *t = MESSAGE_NEW(m->arena, Handoff__V1__Task, task);
    t->number = ++m->record->last_task;
    t->kind = order->kind;
    t->owner = order->owner ? order->owner : rule->owner;
    if (order->owner_id) t->owner_id = arena_string(m->arena, order->owner_id);
    t->severity = severity;
    t->due_at_ms = due_ms;
    t->opened_at_ms = m->now_ms;
    t->instead_of = order->instead_of;
    t->subject = subject_of(m, order, subject_id);
    list_append(m->arena, &t->causes, &t->n_causes, cause);
    list_append(m->arena, &m->record->tasks, &m->record->n_tasks, t);
    review_note(m, t);
    m->is_used = true;
    tell_task(m, t, CHANGE(OPENED), order->rule);
}

Handoff__V1__Task *work_find_task(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; i < record->n_tasks; i++)
        if (record->tasks[i]->number == number) return record->tasks[i];
    return NULL;
}

/* The escalation that covers a task ends with its last task, unless a pathway raised it: that one stands for more. */
static void leave_escalation(struct moment *m, Handoff__V1__Task *t)
{
    Handoff__V1__Escalation *e = work_find_escalation(m->record, t->escalation);
    t->escalation = 0;
    if (!e || !e->task) return;
    for (size_t i = 0; i < m->record->n_tasks; i++)
        if (m->record->tasks[i] != t && m->record->tasks[i]->escalation == e->number) {
            e->task = m->record->tasks[i]->number;
            return;
        }
    work_resolve(m, e);
}

static void remove_task(struct moment *m, Handoff__V1__Task *t)
{
    leave_escalation(m, t);
    for (size_t i = 0; i < m->record->n_tasks; i++)
        if (m->record->tasks[i] == t) list_remove(&m->record->tasks, &m->record->n_tasks, i);
}

void work_complete(struct moment *m, Handoff__V1__Task *t, Handoff__V1__TaskOutcome outcome)
{
    tell_task(m, t, CHANGE(COMPLETED), rule_of(t))->outcome = outcome;
    bool is_done = outcome == HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_DONE ||
                   outcome == HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_REACHED;
    if (t->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK && is_done) facts_assessed(m);
    bool is_about_death = t->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_CONFIRM_DEATH;
    if (is_about_death && is_done) {
        m->record->is_deceased = m->record->is_death_confirmed = true;
        m->record->deceased_sequence = m->input->sequence;
    }
    if (is_about_death && outcome == HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_REFUTED)
        m->record->is_deceased = m->record->is_death_confirmed = false;
    remove_task(m, t);
}

void work_cancel(struct moment *m, Handoff__V1__Task *t)
{
    tell_task(m, t, CHANGE(CANCELLED), rule_of(t));
    remove_task(m, t);
}

/* By the middle of that working day, or by its close: whichever half of the day the last attempt was not in. */
static int64_t other_half(const struct calendar *c, int64_t at_ms, int64_t attempt_ms)
{
    int64_t opens_ms = calendar_next_opening(c, calendar_instant(c, calendar_local_day(c, at_ms), 0));
    int64_t closes_ms = calendar_closing(c, at_ms), middle_ms = opens_ms + (closes_ms - opens_ms) / 2;
    bool was_early = calendar_local_minute(c, attempt_ms) < calendar_local_minute(c, middle_ms);
    return was_early ? closes_ms : middle_ms;
}

/* Unless the policy says how long after: the next working day, at another time of day. What is emergent waits less. */
static int64_t next_attempt(const struct moment *m, const Handoff__V1__Task *t)
{
    const struct calendar *c = &m->site->calendar;
    const struct task_rule *rule = task_rule(m, t->kind);
    if (rule->attempt_again[t->severity]) return moment_resolve(m, rule->attempt_again[t->severity], m->now_ms);
    if (t->severity == SEVERITY(EMERGENT)) return moment_resolve(m, ladder(m, t->severity)->rung, m->now_ms);
    return other_half(c, calendar_add_business_days(c, m->now_ms, 1), m->now_ms);
}

static void note_channel(const struct moment *m, Handoff__V1__Task *t)
{
    bool is_told = m->event && m->event->body_case == HANDOFF__V1__EVENT__BODY_TASK_ATTEMPTED;
    if (is_told && m->event->task_attempted->channel)
        t->channels |= UINT32_C(1) << m->event->task_attempted->channel;
}

/* Two tries within an hour are one: attempts are spread over days, unless the next is due sooner than that. */
static void note_day(const struct moment *m, Handoff__V1__Task *t)
{
    const struct calendar *c = &m->site->calendar;
    bool is_sooner = task_rule(m, t->kind)->attempt_again[t->severity] || t->severity == SEVERITY(EMERGENT);
    bool is_same_day = t->tried_at_ms && calendar_local_day(c, t->tried_at_ms) == calendar_local_day(c, m->occurred_ms);
    t->tried_days += is_sooner || !is_same_day;
    t->tried_at_ms = m->occurred_ms;
}

/* Three are enough if they went two ways. Who was tried in one way alone is tried once more, in another. */
static bool is_exhausted(const struct moment *m, const Handoff__V1__Task *t)
{
    const struct task_rule *rule = task_rule(m, t->kind);
    bool is_one_way = t->channels && (t->channels & (t->channels - 1)) == 0;
    bool may_end = t->kind != HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK || !m->record->n_flags;
    return may_end && t->tried_days >= (rule->max_attempts ? rule->max_attempts : ATTEMPTS_DEFAULT) + is_one_way;
}

/* An attempt is the act that was asked for: it meets the due time and arms the next attempt. */
void work_attempt(struct moment *m, Handoff__V1__Task *t)
{
    Handoff__V1__Escalation *e = work_find_escalation(m->record, t->escalation);
    t->attempts++;
    note_channel(m, t);
    note_day(m, t);
    if (e && e->task)
        leave_escalation(m, t); /* what a pathway raised stands until it is resolved, and covers the task */
    t->is_overdue = false;
    m->is_exhausted = is_exhausted(m, t);
    if (m->is_exhausted) {
        tell_task(m, t, CHANGE(EXHAUSTED), rule_of(t));
        remove_task(m, t);
        return;
    }
    t->due_at_ms = next_attempt(m, t);
    tell_task(m, t, CHANGE(ATTEMPTED), rule_of(t));
}

static bool drop_causes(Handoff__V1__Task *t, uint32_t episode, uint32_t scope, uint32_t visit)
{
    bool is_dropped = false;
    for (size_t i = t->n_causes; i-- > 0;) {
        if (t->causes[i]->episode != episode || (scope && t->causes[i]->scope != scope)) continue;
        if (visit && t->causes[i]->appointment != visit) continue;
        list_remove(&t->causes, &t->n_causes, i);
        is_dropped = true;
    }
    return is_dropped;
}

/* The ladder of an overdue task goes on for the causes that are left. */
static void hand_on(struct moment *m, const Handoff__V1__Task *t)
{
    Handoff__V1__Escalation *e = work_find_escalation(m->record, t->escalation);
    if (e && e->task == t->number) e->cause = message_copy(t->causes[0], m->arena);
}

static void withdraw(struct moment *m, Handoff__V1__Task *t, uint32_t scope, uint32_t visit)
{
    uint32_t rule = rule_of(t);
    if (!drop_causes(t, m->episode ? m->episode->number : 0, scope, visit)) return;
    m->is_changed = true;
    if (t->n_causes) {
        hand_on(m, t);
        return;
    }
    tell_task(m, t, CHANGE(WITHDRAWN), rule);
    remove_task(m, t);
}

void work_withdraw(struct moment *m, Handoff__V1__TaskKind kind, uint32_t scope)
{
    work_withdraw_visit(m, kind, scope, 0);
}

void work_withdraw_visit(struct moment *m, Handoff__V1__TaskKind kind, uint32_t scope, uint32_t visit)
{
    for (size_t i = m->record->n_tasks; i-- > 0;)
        if (!kind || m->record->tasks[i]->kind == kind) withdraw(m, m->record->tasks[i], scope, visit);
}

void work_withdraw_task(struct moment *m, Handoff__V1__Task *task)
{
    withdraw(m, task, SCOPE_NONE, 0);
}

void work_fall_silent(struct moment *m)
{
    for (size_t i = m->record->n_tasks; i-- > 0;) {
        Handoff__V1__Task *t = m->record->tasks[i];
        if (!family_is_asked(t->kind)) continue;
        tell_task(m, t, CHANGE(WITHDRAWN), rule_of(t));
        remove_task(m, t);
        m->is_changed = true;
    }
}

void work_withdraw_family(struct moment *m)
{
    for (int kind = 1; kind <= TASK_KIND_LAST; kind++)
        if (family_is_asked((Handoff__V1__TaskKind)kind)) work_withdraw(m, (Handoff__V1__TaskKind)kind, SCOPE_NONE);
}

/* --- escalations --------------------------------------------------------------------------------------------- */
/* Everybody who holds it: those told together, and the rung that it has reached. */
static uint32_t holders(const Handoff__V1__Escalation *e) { return e->roles | UINT32_C(1) << e->rung; }

/* What was told to a role before is overtaken by what it is told now. */
static void note_notice(struct moment *m, Handoff__V1__Escalation *e, Handoff__V1__Role role)
{
    Handoff__V1__RoleTold *told = MESSAGE_NEW(m->arena, Handoff__V1__RoleTold, role_told);
    told->role = role;
    told->generation = e->generation;
    for (size_t i = 0; i < e->n_told; i++) {
        if (e->told[i]->role != role) continue;
        e->told[i] = told;
        return;
    }
    list_append(m->arena, &e->told, &e->n_told, told);
}

static void tell_role(struct moment *m, Handoff__V1__Escalation *e, Handoff__V1__Role role,
                      Handoff__V1__EscalationChange change)
{
    Handoff__V1__Emission *told = moment_emit(m, e->cause ? e->cause->rule : 0);
    if (e->cause) told->episode = e->cause->episode;
    tell_origin(m, told, e->origin);
    told->body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    Handoff__V1__EscalationEmission *x = MESSAGE_NEW(m->arena, Handoff__V1__EscalationEmission, escalation_emission);
    told->escalation = x;
    const Handoff__V1__Task *t = work_find_task(m->record, e->task);
    x->change = change;
    x->number = e->number;
    x->severity = e->severity;
    x->rung = role;
    x->task = e->task;
    x->task_kind = t ? t->kind : HANDOFF__V1__TASK_KIND__TASK_KIND_UNSPECIFIED;
    x->generation = ++e->generation;
    x->next_at_ms = e->next_at_ms;
    x->about = e->about;
    x->subscription = e->subscription;
    x->why = e->why;
    if (change != CLIMB(ACKNOWLEDGED) && change != CLIMB(RESOLVED)) note_notice(m, e, role);
}

/* An acknowledgement and the end are said once; anything else each who holds the matter hears. What changed is the
 * rung's, unless all are new to it. */
static void tell_escalation(struct moment *m, Handoff__V1__Escalation *e, Handoff__V1__EscalationChange change)
{
    bool is_said_once = change == CLIMB(ACKNOWLEDGED) || change == CLIMB(RESOLVED);
    uint32_t told = is_said_once ? UINT32_C(1) << e->rung : holders(e);
    for (int role = 1; role < ROLES_MAX; role++) {
        bool is_changed = role == (int)e->rung || change == CLIMB(RAISED);
        if (told >> role & 1) tell_role(m, e, (Handoff__V1__Role)role, is_changed ? change : CLIMB(REPEATED));
    }
}

Handoff__V1__Escalation *work_find_escalation(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; number && i < record->n_escalations; i++)
        if (record->escalations[i]->number == number) return record->escalations[i];
    return NULL;
}

/* --- rungs */
/* Position of a role on the ladder of a severity; the ladder's length when it is not on it. */
static uint32_t rung_position(const struct ladder_rule *l, Handoff__V1__Role role)
{
    uint32_t i = 0;
    while (i < l->rung_count && l->rungs[i] != role) i++;
    return i;
}

static bool is_on_ladder(const struct ladder_rule *l, Handoff__V1__Role role)
{
    return rung_position(l, role) < l->rung_count;
}

static bool is_held_by(const struct moment *m, const Handoff__V1__Escalation *e, const char *person_id)
{
    const Handoff__V1__Task *task = work_find_task(m->record, e->task);
    for (int role = 1; role < ROLES_MAX; role++)
        if (holders(e) >> role & 1 &&
            strcmp(roster_holder(m->rules, m->site, m->record, (Handoff__V1__Role)role, task, m->now_ms), person_id) == 0)
            return true;
    return false;
}

/* The next rung above whose person does not hold the matter already; the same rung when there is none. */
static Handoff__V1__Role rung_above(const struct moment *m, const Handoff__V1__Escalation *e)
{
    const struct ladder_rule *l = ladder(m, e->severity);
    uint32_t at = rung_position(l, e->rung);
    uint32_t next = at < l->rung_count ? at + 1 : e->task ? 0 : rung_position(l, ROLE(SUPERVISOR));
    for (; next < l->rung_count; next++)
        if (!is_held_by(m, e, roster_resolve(m->rules, m->site, m->record, l->rungs[next], m->now_ms)))
            return l->rungs[next];
    return e->rung;
}

/* The highest of these roles on the ladder; where none is on it, the first. */
static Handoff__V1__Role highest(const struct ladder_rule *l, uint32_t roles)
{
    for (uint32_t i = l->rung_count; i-- > 0;)
        if (roles >> l->rungs[i] & 1) return l->rungs[i];
    return (Handoff__V1__Role)__builtin_ctz(roles);
}

/* --- times */
/* A safety finding asks for it: of the pathway that watches the risk, a safety-check, or the alert of one that none took. */
static bool is_about_safety(const struct moment *m, const Handoff__V1__Cause *cause, uint32_t task)
{
    const Handoff__V1__Task *t = work_find_task(m->record, task);
    if (t && t->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK) return true;
    const Handoff__V1__Episode *e = cause ? machine_episode(m->record, cause->episode) : NULL;
    const struct pathway *p = e ? rules_pathway(m->rules, e->pathway) : NULL;
    return p ? p->subject == SUBJECT_RISK : !t && m->event && facts_finding(m->event);
}

static const struct delay *rung_wait(const struct moment *m, const Handoff__V1__Escalation *e)
{
    const struct ladder_rule *l = ladder(m, e->severity);
    return e->is_safety && l->safety ? l->safety : l->rung;
}

/* It climbs at that time. On the way up whoever holds it is reminded until then, unless somebody acknowledged it. */
static void climb_at(const struct moment *m, Handoff__V1__Escalation *e, int64_t climbs_ms)
{
    const struct ladder_rule *l = ladder(m, e->severity);
    bool is_reminded = l->remind && e->state == HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_OPEN &&
                       rung_above(m, e) != e->rung;
    int64_t reminder_ms = is_reminded ? moment_resolve(m, l->remind, m->now_ms) : climbs_ms;
    e->climbs_at_ms = reminder_ms < climbs_ms ? climbs_ms : 0;
    e->next_at_ms = reminder_ms < climbs_ms ? reminder_ms : climbs_ms;
}

static int64_t climbs_ms(const Handoff__V1__Escalation *e) { return e->climbs_at_ms ? e->climbs_at_ms : e->next_at_ms; }

/* A rung has its time; the top is told again more seldom. */
static void arm_rung(const struct moment *m, Handoff__V1__Escalation *e)
{
    bool is_climbed_top = rung_above(m, e) == e->rung && e->generation > 0;
    climb_at(m, e, moment_resolve(m, is_climbed_top ? ladder(m, e->severity)->repeat : rung_wait(m, e), m->now_ms));
}

static Handoff__V1__Escalation *new_escalation(struct moment *m, uint32_t roles, Handoff__V1__Severity severity,
                                               Handoff__V1__Cause *cause, uint32_t task)
{
    if (m->record->n_escalations >= ESCALATIONS_MAX) {
        moment_fault(m, "more open escalations than a record holds");
        return NULL;
    }
    Handoff__V1__Escalation *e = MESSAGE_NEW(m->arena, Handoff__V1__Escalation, escalation);
    e->number = ++m->record->last_escalation;
    e->state = HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_OPEN;
    e->severity = severity;
    e->rung = highest(ladder(m, severity), roles);
    e->roles = roles & (roles - 1) ? roles : 0;
    e->raised_at_ms = m->now_ms;
    e->cause = cause;
    e->task = task;
    e->is_safety = is_about_safety(m, cause, task);
    arm_rung(m, e);
    list_append(m->arena, &m->record->escalations, &m->record->n_escalations, e);
    return e;
}

static bool is_in_scope(const struct moment *m, const Handoff__V1__Cause *c, uint32_t scope)
{
    return c && m->episode && c->episode == m->episode->number && (scope == 0 || c->scope == scope);
}

/* Of what a timer, hold or concern asks for the scope is the matter; of anything else, the rule, or that several of an
 * episode were told together and it is some of them again. */
static bool is_same_matter(const struct moment *m, const Handoff__V1__Escalation *e, uint32_t roles, uint32_t rule)
{
    uint32_t episode = m->episode ? m->episode->number : 0, common = e->roles & roles;
    const Handoff__V1__Cause *c = e->cause;
    if (!c || c->episode != episode || c->scope != m->scope) return false;
    return m->scope || c->rule == rule || (episode && common & (common - 1));
}

/* Is whoever is to be told now told already, or somebody above them? */
static bool reaches(const struct moment *m, const Handoff__V1__Escalation *e, uint32_t roles)
{
    const struct ladder_rule *l = ladder(m, e->severity);
    if (holders(e) & roles) return true;
    if (roles & (roles - 1)) return false;
    Handoff__V1__Role role = highest(l, roles);
    return is_on_ladder(l, e->rung) && is_on_ladder(l, role) && rung_position(l, e->rung) >= rung_position(l, role);
}

/* What was raised for the same matter before and is still open. */
static Handoff__V1__Escalation *standing(const struct moment *m, uint32_t roles, uint32_t rule)
{
    for (size_t i = 0; i < m->record->n_escalations; i++) {
        Handoff__V1__Escalation *e = m->record->escalations[i];
        if (!e->task && is_same_matter(m, e, roles, rule) && reaches(m, e, roles)) return e;
    }
    return NULL;
}

/* The overdue escalation of a task that this scope asked for: it is promoted instead of a second one beside it. */
static Handoff__V1__Escalation *overdue_in_scope(const struct moment *m, uint32_t roles)
{
    for (size_t i = 0; m->scope && i < m->record->n_tasks; i++) {
        Handoff__V1__Task *t = m->record->tasks[i];
        Handoff__V1__Escalation *e = work_find_escalation(m->record, t->escalation);
        bool may_climb = e && is_on_ladder(ladder(m, e->severity), highest(ladder(m, e->severity), roles));
        for (size_t c = 0; may_climb && e->task && c < t->n_causes; c++)
            if (is_in_scope(m, t->causes[c], m->scope)) return e;
    }
    return NULL;
}

/* From here on this escalation keeps the time of every open task that the same scope asked for. */
static void cover_tasks(struct moment *m, Handoff__V1__Escalation *e)
{
    for (size_t i = 0; m->scope && i < m->record->n_tasks; i++) {
        Handoff__V1__Task *t = m->record->tasks[i];
        for (size_t c = 0; c < t->n_causes; c++) {
            if (!is_in_scope(m, t->causes[c], m->scope) || t->escalation == e->number) continue;
            leave_escalation(m, t);
            t->escalation = e->number;
        }
    }
}

/* Told once more. That never puts off the next rung: what is raised day after day still climbs. */
static void repeat(struct moment *m, Handoff__V1__Escalation *e, Handoff__V1__Severity severity)
{
    if (severity > e->severity) e->severity = severity;
    int64_t rung_ms = moment_resolve(m, rung_wait(m, e), m->now_ms), stands_ms = climbs_ms(e);
    bool is_its_repeat = stands_ms <= m->now_ms && rung_above(m, e) == e->rung; /* due now: nobody is told twice at once */
    e->repeats++;
    e->state = HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_OPEN;
    if (is_its_repeat) arm_rung(m, e);
    else climb_at(m, e, rung_ms < stands_ms ? rung_ms : stands_ms);
    tell_escalation(m, e, CLIMB(REPEATED));
}

/* These are told as well from now on. It never falls. */
static void add_holders(const struct moment *m, Handoff__V1__Escalation *e, uint32_t roles)
{
    const struct ladder_rule *l = ladder(m, e->severity);
    Handoff__V1__Role top = highest(l, roles);
    bool is_several = (roles & (roles - 1)) != 0;
    if (is_several) e->roles = holders(e) | roles;
    if (!is_on_ladder(l, e->rung) || (is_on_ladder(l, top) && rung_position(l, top) > rung_position(l, e->rung)))
        e->rung = top;
}

/* Who was told by the ladder already hears it once more, and what stands above them comes no later for that. */
static void promote(struct moment *m, Handoff__V1__Escalation *e, uint32_t roles, Handoff__V1__Severity severity,
                    uint32_t rule)
{
    Handoff__V1__Role stood_on = e->rung;
    e->task = 0; /* it stands for the matter now, not for one task */
    e->cause = new_cause(m, rule);
    e->is_safety |= is_about_safety(m, e->cause, 0);
    if (severity > e->severity) e->severity = severity;
    add_holders(m, e, roles);
    if (e->rung == stood_on) {
        repeat(m, e, severity);
        return;
    }
    e->repeats = 0;
    e->state = HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_OPEN;
    arm_rung(m, e);
    tell_escalation(m, e, CLIMB(CLIMBED));
}

void work_raise(struct moment *m, uint32_t roles, Handoff__V1__Severity severity, uint32_t rule)
{
    if (!severity) severity = moment_is_urgent(m) ? SEVERITY(URGENT) : SEVERITY(ROUTINE);
    m->is_used = true;
    Handoff__V1__Escalation *e = standing(m, roles, rule);
    if (e) {
        if (roles & (roles - 1)) add_holders(m, e, roles);
        if (rule) e->cause->rule = rule; /* the newest sentence, and the newest visit: what is raised again has grown */
        e->cause->appointment = asking_visit(m);
        repeat(m, e, severity);
    } else if ((e = overdue_in_scope(m, roles))) {
        promote(m, e, roles, severity, rule);
    } else if ((e = new_escalation(m, roles, severity, new_cause(m, rule), 0))) {
        tell_escalation(m, e, CLIMB(RAISED));
    }
    if (e) cover_tasks(m, e);
}

void work_acknowledge(struct moment *m, Handoff__V1__Escalation *e, const char *by)
{
    e->state = HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_ACKNOWLEDGED;
    e->acknowledged_by = arena_string(m->arena, by);
    climb_at(m, e, moment_resolve(m, rung_wait(m, e), m->now_ms));
    tell_escalation(m, e, CLIMB(ACKNOWLEDGED));
}

/* The tasks it covered are asked for anew: an open task always has a time. */
void work_resolve(struct moment *m, Handoff__V1__Escalation *e)
{
    e->next_at_ms = 0;
    tell_escalation(m, e, CLIMB(RESOLVED));
    for (size_t i = 0; i < m->record->n_tasks; i++) {
        Handoff__V1__Task *t = m->record->tasks[i];
        if (t->escalation != e->number) continue;
        t->escalation = 0;
        const struct ladder_rule *l = ladder(m, t->severity);
        if (t->is_overdue) t->due_at_ms = moment_resolve(m, e->is_safety && l->safety ? l->safety : l->rung, m->now_ms);
        t->is_overdue = false;
    }
    for (size_t i = 0; i < m->record->n_escalations; i++)
        if (m->record->escalations[i] == e) list_remove(&m->record->escalations, &m->record->n_escalations, i);
}

void work_resolve_scope(struct moment *m, uint32_t scope) { work_resolve_visit(m, scope, 0); }

void work_resolve_visit(struct moment *m, uint32_t scope, uint32_t visit)
{
    for (size_t i = m->record->n_escalations; i-- > 0;) {
        const Handoff__V1__Cause *c = m->record->escalations[i]->cause;
        if (is_in_scope(m, c, scope) && (!visit || c->appointment == visit)) work_resolve(m, m->record->escalations[i]);
    }
}

/* --- firing -------------------------------------------------------------------------------------------------- */
void work_fire_task(struct moment *m, Handoff__V1__Task *t)
{
    t->is_overdue = true;
    m->is_changed = true;
    if (work_find_escalation(m->record, t->escalation)) return; /* somebody above has been told already */
    Handoff__V1__Cause *cause = t->n_causes ? message_copy(t->causes[0], m->arena) : new_cause(m, 0);
    Handoff__V1__Escalation *e = new_escalation(m, UINT32_C(1) << t->owner, t->severity, cause, t->number);
    if (!e) return;
    t->escalation = e->number;
    tell_escalation(m, e, CLIMB(RAISED));
}

static void remind(struct moment *m, Handoff__V1__Escalation *e)
{
    e->repeats++;
    climb_at(m, e, e->climbs_at_ms);
    tell_escalation(m, e, CLIMB(REPEATED));
}

void work_fire_escalation(struct moment *m, Handoff__V1__Escalation *e)
{
    bool was_acknowledged = e->state == HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_ACKNOWLEDGED;
    if (e->climbs_at_ms > m->now_ms) {
        remind(m, e);
        return;
    }
    Handoff__V1__Role above = rung_above(m, e);
    bool is_top = above == e->rung;
    e->state = HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_OPEN;
    e->rung = above;
    e->repeats = is_top ? e->repeats + 1 : 0;
    arm_rung(m, e);
    tell_escalation(m, e, was_acknowledged ? CLIMB(RESUMED) : is_top ? CLIMB(REPEATED) : CLIMB(CLIMBED));
}

/* --- what did not arrive --------------------------------------------------------------------------------------- */
/* One rung up, as if its time had passed. Nobody is above: whoever is on call is told as well. */
static void lift(struct moment *m, Handoff__V1__Escalation *e, Handoff__V1__Role unreached, Handoff__V1__EscalationChange change)
{
    uint32_t on_call = UINT32_C(1) << ROLE(ON_CALL);
    Handoff__V1__Role above = rung_above(m, e);
    size_t before = m->out->n_emissions;
    if (above == e->rung && (holders(e) & on_call)) return;
    if (above == e->rung) e->roles = holders(e) | on_call;
    e->rung = above;
    e->repeats = 0;
    arm_rung(m, e);
    tell_escalation(m, e, change);
    for (size_t i = before; i < m->out->n_emissions; i++) m->out->emissions[i]->escalation->unreached = unreached;
}

/* It is not overdue: until its own time its owner may still do it, and whoever hears of it can see to that. */
void work_unreached_task(struct moment *m, Handoff__V1__Task *t, uint32_t generation)
{
    if (generation < t->told_generation || t->unreached_generation >= generation) return;
    t->unreached_generation = generation;
    m->is_changed = m->is_used = true;
    if (work_find_escalation(m->record, t->escalation)) return;
    Handoff__V1__Cause *cause = t->n_causes ? message_copy(t->causes[0], m->arena) : new_cause(m, 0);
    Handoff__V1__Escalation *e = new_escalation(m, UINT32_C(1) << t->owner, t->severity, cause, t->number);
    if (!e) return;
    t->escalation = e->number;
    e->unreached = UINT32_C(1) << t->owner;
    lift(m, e, t->owner, CLIMB(RAISED));
}

/* Of several who were told together the others have it; of what is emergent one who has not is one too many. */
void work_unreached_escalation(struct moment *m, Handoff__V1__Escalation *e, uint32_t generation)
{
    Handoff__V1__Role role = ROLE(UNSPECIFIED);
    for (size_t i = 0; i < e->n_told; i++)
        if (e->told[i]->generation == generation) role = e->told[i]->role;
    if (!role || e->unreached >> role & 1) return;
    e->unreached |= UINT32_C(1) << role;
    m->is_changed = m->is_used = true;
    bool is_held = e->state == HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_ACKNOWLEDGED;
    if (is_held || (role != e->rung && e->severity != SEVERITY(EMERGENT))) return;
    lift(m, e, role, CLIMB(CLIMBED));
}

void work_withdraw_undelivered_of(struct moment *m, Handoff__V1__Task *t, uint32_t visit)
{
    uint32_t rule = rule_of(t);
    size_t count = t->n_causes;
    for (size_t c = count; c-- > 0;)
        if (t->causes[c]->is_undelivered && t->causes[c]->appointment == visit) list_remove(&t->causes, &t->n_causes, c);
    if (t->n_causes == count) return;
    m->is_changed = true;
    if (t->n_causes) {
        hand_on(m, t);
        return;
    }
    tell_task(m, t, CHANGE(WITHDRAWN), rule);
    remove_task(m, t);
}

void work_withdraw_undelivered(struct moment *m, uint32_t visit)
{
    for (size_t i = m->record->n_tasks; i-- > 0;) work_withdraw_undelivered_of(m, m->record->tasks[i], visit);
}

/* --- lists --------------------------------------------------------------------------------------------------- */
static Handoff__V1__Severity severity_of_list(const Handoff__V1__RoundList *list)
{
    bool is_urgent = list->n_lines && (list->lines[0]->is_flagged || list->lines[0]->severity >= SEVERITY(URGENT));
    return is_urgent ? SEVERITY(URGENT) : SEVERITY(ROUTINE);
}

static void note_round(const struct moment *m, Handoff__V1__Task *t, uint64_t round)
{
    for (size_t i = 0; i < t->n_causes; i++)
        if (t->causes[i]->sequence == m->input->sequence) t->causes[i]->round = round;
}

void work_hand_over(struct moment *m, uint64_t round, const Handoff__V1__RoundList *list)
{
    const struct task_order order = {.kind = HANDOFF__V1__TASK_KIND__TASK_KIND_TAKE_OVER,
                                     .severity = severity_of_list(list),
                                     .party = HANDOFF__V1__PARTY__PARTY_COORDINATOR,
                                     .subject_id = list->person_id};
    size_t told_before = m->out->n_emissions;
    work_open_task(m, &order);
    for (size_t i = 0; !m->fault && i < m->record->n_tasks; i++) {
        Handoff__V1__Task *t = m->record->tasks[i];
        if (!is_about(t, order.kind, order.party, order.subject_id)) continue;
        note_round(m, t, round);
        if (m->out->n_emissions == told_before) tell_task(m, t, CHANGE(JOINED), 0);
        Handoff__V1__TaskEmission *told = m->out->emissions[m->out->n_emissions - 1]->task;
        told->lines = list->lines;
        told->n_lines = list->n_lines;
        told->total = list->total;
        t->told_generation = t->generation; /* the newest list is theirs */
        return;
    }
}

/* The newest few are kept: a reason more for it to stand. */
static void add_round(struct moment *m, Handoff__V1__Escalation *e, uint64_t round)
{
    uint64_t *rounds = ARENA_ARRAY(m->arena, uint64_t, CAUSES_MAX);
    size_t dropped = e->n_rounds < CAUSES_MAX ? 0 : 1;
    for (size_t i = dropped; i < e->n_rounds; i++) rounds[i - dropped] = e->rounds[i];
    rounds[e->n_rounds - dropped] = round;
    e->n_rounds += 1 - dropped;
    e->rounds = rounds;
}

void work_raise_list(struct moment *m, uint64_t round, const char *about, const Handoff__V1__RoundList *list)
{
    Handoff__V1__Escalation *e = NULL;
    for (size_t i = 0; i < m->record->n_escalations; i++)
        if (strcmp(m->record->escalations[i]->about, about) == 0) e = m->record->escalations[i];
    if (e) {
        e->cause = new_cause(m, 0); /* readers find the newest list there */
        repeat(m, e, SEVERITY(URGENT));
    } else {
        e = new_escalation(m, UINT32_C(1) << ROLE(SUPERVISOR), SEVERITY(URGENT), new_cause(m, 0), 0);
        if (!e) return;
        e->about = arena_string(m->arena, about);
        tell_escalation(m, e, CLIMB(RAISED));
    }
    add_round(m, e, round);
    Handoff__V1__EscalationEmission *told = m->out->emissions[m->out->n_emissions - 1]->escalation;
    told->lines = list->lines;
    told->n_lines = list->n_lines;
    told->total = list->total;
}

/* --- what is not delivered ----------------------------------------------------------------------------------- */
uint32_t work_raise_undelivered(struct moment *m, const struct undelivered *u)
{
    Handoff__V1__Escalation *e = new_escalation(m, UINT32_C(1) << u->role, u->severity, new_cause(m, 0), 0);
    if (!e) return 0;
    e->subscription = arena_string(m->arena, u->subscription);
    e->why = arena_string(m->arena, u->why);
    tell_escalation(m, e, CLIMB(RAISED));
    return e->number;
}

void work_resolve_undelivered(struct moment *m, uint32_t number)
{
    Handoff__V1__Escalation *e = work_find_escalation(m->record, number);
    if (!e) return;
    work_resolve(m, e);
    m->out->emissions[m->out->n_emissions - 1]->escalation->is_over = true;
}

/* --- taking back --------------------------------------------------------------------------------------------- */
void work_forget(struct moment *m, uint64_t sequence, bool (*is_kept)(const struct moment *m, const Handoff__V1__Cause *c))
{
    for (size_t i = m->record->n_tasks; i-- > 0;) {
        Handoff__V1__Task *t = m->record->tasks[i];
        uint32_t rule = rule_of(t);
        size_t count = t->n_causes;
        for (size_t c = t->n_causes; c-- > 0;)
            if (t->causes[c]->sequence == sequence && !is_kept(m, t->causes[c]))
                list_remove(&t->causes, &t->n_causes, c);
        if (t->n_causes == count) continue;
        m->is_changed = true;
        review_forget(t, sequence);
        if (t->n_causes) {
            hand_on(m, t);
            continue;
        }
        tell_task(m, t, CHANGE(WITHDRAWN), rule);
        remove_task(m, t);
    }
    for (size_t i = m->record->n_escalations; i-- > 0;) {
        Handoff__V1__Escalation *e = m->record->escalations[i];
        if (!e->task && e->cause && e->cause->sequence == sequence && !is_kept(m, e->cause)) work_resolve(m, e);
    }
}

void work_forget_hand_over(struct moment *m, uint64_t round)
{
    for (size_t i = m->record->n_tasks; i-- > 0;) {
        Handoff__V1__Task *t = m->record->tasks[i];
        uint32_t rule = rule_of(t);
        size_t count = t->n_causes;
        for (size_t c = t->n_causes; c-- > 0;)
            if (t->causes[c]->round == round) list_remove(&t->causes, &t->n_causes, c);
        if (t->n_causes || t->n_causes == count) continue;
        tell_task(m, t, CHANGE(WITHDRAWN), rule);
        remove_task(m, t);
    }
}

static bool drop_round(Handoff__V1__Escalation *e, uint64_t round)
{
    size_t kept = 0, count = e->n_rounds;
    for (size_t i = 0; i < count; i++)
        if (e->rounds[i] != round) e->rounds[kept++] = e->rounds[i];
    e->n_rounds = kept;
    return kept < count;
}

void work_forget_list(struct moment *m, uint64_t round, const char *reason)
{
    for (size_t i = m->record->n_escalations; i-- > 0;) {
        Handoff__V1__Escalation *e = m->record->escalations[i];
        if (!drop_round(e, round) || e->n_rounds) continue;
        work_resolve(m, e);
        Handoff__V1__EscalationEmission *told = m->out->emissions[m->out->n_emissions - 1]->escalation;
        told->is_taken_back = true;
        told->taken_back = arena_string(m->arena, reason);
    }
}

void work_restore_task(struct moment *m, const Handoff__V1__Task *was, uint32_t generation)
{
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__Task *t = message_copy(was, m->arena);
    size_t place = 0;
    while (place < r->n_tasks && r->tasks[place]->number < t->number) place++;
    list_insert(m->arena, &r->tasks, &r->n_tasks, place, t);
    t->generation = generation;
    tell_task(m, t, CHANGE(REOPENED), rule_of(t));
}

void work_restore_escalation(struct moment *m, const Handoff__V1__Escalation *was, uint32_t generation)
{
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__Escalation *e = message_copy(was, m->arena);
    size_t place = 0;
    while (place < r->n_escalations && r->escalations[place]->number < e->number) place++;
    list_insert(m->arena, &r->escalations, &r->n_escalations, place, e);
    e->generation = generation;
    tell_escalation(m, e, CLIMB(RAISED));
}

/* --- two that are one ---------------------------------------------------------------------------------------- */
static void go_on_from(struct moment *m, Handoff__V1__Escalation *kept, const Handoff__V1__Escalation *gone);

/* The escalation that keeps the time of the one that goes: it keeps the other's. Where that has one of its own, this one
 * is as grave and as high as the two were. */
static void hand_over(struct moment *m, Handoff__V1__Task *kept, Handoff__V1__Task *gone)
{
    Handoff__V1__Escalation *e = work_find_escalation(m->record, gone->escalation);
    Handoff__V1__Escalation *own = work_find_escalation(m->record, kept->escalation);
    Handoff__V1__Severity severity = e && e->severity > kept->severity ? e->severity : kept->severity;
    if (e && !own) {
        if (e->task == gone->number) e->task = kept->number;
        kept->escalation = e->number;
        kept->is_overdue |= gone->is_overdue;
        gone->escalation = 0;
        own = e;
    }
    if (own && own->severity < severity) repeat(m, own, severity);
    if (e && own != e) go_on_from(m, own, e);
}

/* Asked for again by what asked for another one before. */
void work_take_causes(struct moment *m, Handoff__V1__Task *kept, const Handoff__V1__Task *from)
{
    size_t count = kept->n_causes;
    for (size_t i = 0; i < from->n_causes && kept->n_causes < CAUSES_MAX; i++)
        if (!has_cause(kept, from->causes[i])) list_append(m->arena, &kept->causes, &kept->n_causes, from->causes[i]);
    if (kept->n_causes != count) tell_joined(m, kept, rule_of(from), false);
}

void work_join_tasks(struct moment *m, Handoff__V1__Task *kept, Handoff__V1__Task *gone)
{
    bool is_new_cause = false;
    uint32_t rule = rule_of(gone);
    for (size_t i = 0; i < gone->n_causes && kept->n_causes < CAUSES_MAX; i++) {
        if (has_cause(kept, gone->causes[i])) continue;
        list_append(m->arena, &kept->causes, &kept->n_causes, gone->causes[i]);
        is_new_cause = true;
    }
    bool is_sooner = !kept->is_overdue && gone->due_at_ms < kept->due_at_ms, is_graver = gone->severity > kept->severity;
    if (is_sooner) kept->due_at_ms = gone->due_at_ms;
    if (is_graver) kept->severity = gone->severity;
    if (!kept->subject) kept->subject = gone->subject;
    if (gone->attempts > kept->attempts) kept->attempts = gone->attempts;
    if (gone->tried_days > kept->tried_days) kept->tried_days = gone->tried_days;
    if (gone->tried_at_ms > kept->tried_at_ms) kept->tried_at_ms = gone->tried_at_ms;
    if (gone->opened_at_ms < kept->opened_at_ms) kept->opened_at_ms = gone->opened_at_ms;
    kept->channels |= gone->channels;
    review_join(m, kept, gone);
    hand_over(m, kept, gone);
    tell_task(m, gone, CHANGE(WITHDRAWN), rule);
    remove_task(m, gone);
    if (is_new_cause || is_sooner || is_graver) tell_joined(m, kept, rule_of(kept), is_sooner || is_graver);
}

static bool is_above(const struct moment *m, const Handoff__V1__Escalation *a, const Handoff__V1__Escalation *b)
{
    const struct ladder_rule *l = ladder(m, b->severity);
    return rung_position(l, a->rung) > rung_position(l, b->rung);
}

bool work_asks_the_same(const Handoff__V1__Task *a, const Handoff__V1__Task *b)
{
    if (a->kind != b->kind) return false;
    if (message_equal(a->subject, b->subject)) return true;
    const Handoff__V1__Recipient *named = a->subject ? a->subject : b->subject;
    bool is_one_unnamed = !a->subject != !b->subject;
    return is_one_unnamed && a->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY && is_of_family(named->party);
}

static bool is_one_matter(const Handoff__V1__Escalation *a, const Handoff__V1__Escalation *b)
{
    const Handoff__V1__Cause *x = a->cause, *y = b->cause;
    if (a->task || b->task || !x || !y || x->episode != y->episode) return false;
    return x->scope == y->scope && x->rule == y->rule && a->roles == b->roles;
}

/* The graver one may stand on a lower rung: then it goes on from where the other had climbed to, and no later. */
static void go_on_from(struct moment *m, Handoff__V1__Escalation *kept, const Handoff__V1__Escalation *gone)
{
    const struct ladder_rule *l = ladder(m, kept->severity);
    uint32_t at = rung_position(l, gone->rung);
    bool is_lifted = at < l->rung_count && (!is_on_ladder(l, kept->rung) || at > rung_position(l, kept->rung));
    if (is_lifted) kept->rung = gone->rung;
    if (is_lifted) kept->repeats = 0;
    if (climbs_ms(gone) < climbs_ms(kept)) climb_at(m, kept, climbs_ms(gone));
    if (is_lifted) tell_escalation(m, kept, CLIMB(CLIMBED));
}

void work_join_escalations(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_escalations; i++)
        for (size_t k = r->n_escalations; k-- > i + 1;) {
            Handoff__V1__Escalation *a = r->escalations[i], *b = r->escalations[k];
            if (!is_one_matter(a, b)) continue;
            bool is_higher = b->severity > a->severity || (b->severity == a->severity && is_above(m, b, a));
            Handoff__V1__Escalation *kept = is_higher ? b : a, *gone = is_higher ? a : b;
            for (size_t t = 0; t < r->n_tasks; t++)
                if (r->tasks[t]->escalation == gone->number) r->tasks[t]->escalation = kept->number;
            go_on_from(m, kept, gone);
            work_resolve(m, gone);
            if (gone == a) k = r->n_escalations; /* another stands in its place */
        }
}
