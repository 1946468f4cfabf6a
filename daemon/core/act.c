/* A pathway's actions, carried out. */
#include "core/moment.h"
#include "core/reach.h"

#include <string.h>

#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME

/* --- holds and concerns -------------------------------------------------------------------------------------- */
bool act_is_held(const Handoff__V1__Episode *episode, uint32_t hold)
{
    for (size_t i = 0; i < episode->n_holds; i++)
        if (episode->holds[i]->kind == hold) return true;
    return false;
}

bool act_is_paused(const struct pathway *p, const Handoff__V1__Episode *episode, uint32_t aspect)
{
    for (size_t i = 0; i < episode->n_holds; i++)
        if (p->holds[episode->holds[i]->kind].aspects & aspect) return true;
    return false;
}

bool act_pauses_timer(const struct pathway *p, const Handoff__V1__Episode *episode, uint32_t timer)
{
    for (size_t i = 0; i < episode->n_holds; i++) {
        const struct hold_kind *h = &p->holds[episode->holds[i]->kind];
        for (uint32_t t = 0; t < h->pause_count; t++)
            if (h->pauses[t] == timer) return true;
    }
    return false;
}

static Handoff__V1__Hold *find_hold(const Handoff__V1__Episode *episode, uint32_t kind, const char *recipient_id)
{
    for (size_t i = 0; i < episode->n_holds; i++)
        if (episode->holds[i]->kind == kind && strcmp(episode->holds[i]->recipient_id, recipient_id) == 0)
            return episode->holds[i];
    return NULL;
}

static const char *recipient_of(const struct moment *m, const struct action *a)
{
    const char *id = a->party ? act_party_id(m, a->party) : NULL;
    return id ? id : "";
}

void act_begin_hold(struct moment *m, uint32_t hold, const char *recipient)
{
    const struct hold_kind *k = &m->pathway->holds[hold];
    if (find_hold(m->episode, hold, recipient)) return;
    bool is_first = !act_is_held(m->episode, hold);
    Handoff__V1__Hold *h = MESSAGE_NEW(m->arena, Handoff__V1__Hold, hold);
    h->kind = hold;
    h->sequence = m->input->sequence;
    h->recipient_id = arena_string(m->arena, recipient);
    list_append(m->arena, &m->episode->holds, &m->episode->n_holds, h);
    m->is_used = m->is_changed = true;
    timer_pause_resume(m);
    uint32_t outer = m->scope;
    m->scope = SCOPE_HOLD + hold;
    act_do(m, k->actions, k->action_count);
    for (uint32_t i = 0; i < k->timer_count && is_first; i++) timer_start(m, k->timers[i]);
    m->scope = outer;
}

static void begin_hold(struct moment *m, const struct action *a)
{
    act_begin_hold(m, a->position, m->pathway->holds[a->position].is_per_recipient ? recipient_of(m, a) : "");
}

static void end_if_lifted(struct moment *m, uint32_t hold)
{
    const struct hold_kind *k = &m->pathway->holds[hold];
    if (act_is_held(m->episode, hold)) return;
    m->is_used = m->is_changed = true;
    for (uint32_t i = 0; i < k->timer_count; i++) timer_stop(m, k->timers[i]);
    work_withdraw(m, 0, SCOPE_HOLD + hold);
    work_resolve_scope(m, SCOPE_HOLD + hold);
    timer_pause_resume(m);
}

static void end_hold(struct moment *m, const struct action *a)
{
    const struct hold_kind *k = &m->pathway->holds[a->position];
    const char *recipient = k->is_per_recipient && a->party ? recipient_of(m, a) : NULL; /* none named: all of it */
    bool was_held = false;
    for (size_t i = m->episode->n_holds; i-- > 0;) {
        if (m->episode->holds[i]->kind != a->position) continue;
        if (recipient && strcmp(m->episode->holds[i]->recipient_id, recipient) != 0) continue;
        list_remove(&m->episode->holds, &m->episode->n_holds, i);
        was_held = true;
    }
    if (was_held) end_if_lifted(m, a->position);
}

bool act_end_holds_of(struct moment *m, uint64_t sequence)
{
    bool was_held = false;
    for (size_t i = m->episode->n_holds; i-- > 0;) {
        if (i >= m->episode->n_holds || m->episode->holds[i]->sequence != sequence) continue;
        uint32_t hold = m->episode->holds[i]->kind;
        list_remove(&m->episode->holds, &m->episode->n_holds, i);
        end_if_lifted(m, hold);
        was_held = true;
    }
    return was_held;
}

void act_begin_concern(struct moment *m, uint32_t concern)
{
    if (m->episode->concerns >> concern & 1) return;
    const struct concern_kind *k = &m->pathway->concerns[concern];
    m->episode->concerns |= UINT32_C(1) << concern;
    m->is_used = m->is_changed = true;
    uint32_t outer = m->scope;
    m->scope = SCOPE_CONCERN + concern;
    act_do(m, k->actions, k->action_count);
    for (uint32_t i = 0; i < k->timer_count; i++) timer_start(m, k->timers[i]);
    m->scope = outer;
}

static void settle_concern(struct moment *m, uint32_t concern)
{
    if (!(m->episode->concerns >> concern & 1)) return;
    const struct concern_kind *k = &m->pathway->concerns[concern];
    m->episode->concerns &= ~(UINT32_C(1) << concern);
    m->is_used = m->is_changed = true;
    for (uint32_t i = 0; i < k->timer_count; i++) timer_stop(m, k->timers[i]);
    work_withdraw(m, 0, SCOPE_CONCERN + concern);
    work_resolve_scope(m, SCOPE_CONCERN + concern);
}

/* --- people -------------------------------------------------------------------------------------------------- */
static const char *member_id(const struct moment *m, Handoff__V1__Party party)
{
    for (size_t i = 0; i < m->record->n_care_team; i++)
        if (m->record->care_team[i]->party == party) return m->record->care_team[i]->id;
    return NULL;
}

static const char *insurer_id(const struct moment *m)
{
    if (m->episode && m->episode->insurer_id[0]) return m->episode->insurer_id;
    for (size_t i = 0; i < m->record->n_coverages; i++)
        if (m->record->coverages[i]->status == HANDOFF__V1__COVERAGE_STATUS__COVERAGE_STATUS_ACTIVE)
            return m->record->coverages[i]->insurer_id;
    return NULL;
}

const char *act_party_id(const struct moment *m, Handoff__V1__Party party)
{
    const char *id = NULL;
    if (m->episode && m->episode->referrer == party && party != PARTY(AGENCY)) id = m->episode->referrer_id;
    if (party == PARTY(AGENCY) || party == PARTY(AGENCY_SUPERVISOR))
        id = m->episode && m->episode->agency_id[0] ? m->episode->agency_id : NULL;
    if (party == PARTY(INSURER)) id = insurer_id(m);
    if (party == PARTY(COUNTY) && m->record->county[0]) id = m->record->county;
    if (party == PARTY(PATIENT)) id = m->record->patient_id;
    return id ? id : member_id(m, party);
}

/* --- asking and telling -------------------------------------------------------------------------------------- */
/* As grave as what was found: where nothing is known of it, urgent. */
static Handoff__V1__Severity severity_of(const struct moment *m, const struct action *a)
{
    if (!a->is_as_found) return a->severity;
    return m->episode && m->episode->severity ? m->episode->severity : HANDOFF__V1__SEVERITY__SEVERITY_URGENT;
}

/* Whoever raised the flag, when that is somebody of the roster; else the task stays its owner's. */
static void give_to_reporter(const struct moment *m, struct task_order *order)
{
    bool is_flag = m->event && m->event->body_case == HANDOFF__V1__EVENT__BODY_SAFETY_FLAG_RAISED;
    const char *by = is_flag ? m->event->safety_flag_raised->raised_by : "";
    for (size_t i = 0; by[0] && i < m->site->roster->n_people; i++) {
        const Handoff__V1__Person *p = m->site->roster->people[i];
        if (strcmp(p->id, by) != 0 || p->n_roles == 0) continue;
        order->owner = p->roles[0];
        order->owner_id = p->id;
    }
}

/* What a PCP outside the program is to do, the coordinator asks of them, as far as a release allows. */
static Handoff__V1__Role owner_of(const struct moment *m, const struct action *a)
{
    bool is_outsiders = a->role == HANDOFF__V1__ROLE__ROLE_PCP && !m->rules->policy.is_pcp_workforce;
    return is_outsiders ? HANDOFF__V1__ROLE__ROLE_COORDINATOR : a->role;
}

static Handoff__V1__DiagnosisCategory category_of(const struct moment *m)
{
    return m->episode && m->episode->category ? m->episode->category : m->record->category;
}

static bool is_patients_matter(const struct moment *m)
{
    return consent_is_patients(m->rules, m->site, m->record, category_of(m), m->now_ms);
}

static bool may_know(const struct moment *m, const Handoff__V1__CareTeamMember *member)
{
    return member->party != PARTY(GUARDIAN) ||
           reach_may_know(m->rules, m->site, m->record, category_of(m), member->id, m->now_ms);
}

/* A guardian without a say is not asked for the family, nor one who declined to be called. */
static bool may_be_asked(const struct moment *m, const Handoff__V1__CareTeamMember *member)
{
    const Handoff__V1__Preference *p = reach_preference(m->record, member->party, member->id);
    bool has_no_say = member->party == PARTY(GUARDIAN) && member->custody == HANDOFF__V1__CUSTODY__CUSTODY_NONE;
    return !has_no_say && !(p && p->is_opted_out) && may_know(m, member);
}

/* Nobody of that party may be asked, or none is on file: the act is asked all the same, of the patient who signs. */
static void ask_of_nobody(struct moment *m, struct task_order *order)
{
    bool is_of_patient = order->party == PARTY(GUARDIAN) && is_patients_matter(m);
    if (is_of_patient) {
        order->party = PARTY(PATIENT);
        order->subject_id = m->record->patient_id;
    }
    work_open_task(m, order);
}

static void ask(struct moment *m, const struct action *a)
{
    struct task_order order = {.kind = a->task,
                               .owner = owner_of(m, a),
                               .severity = severity_of(m, a),
                               .party = a->party,
                               .rule = a->rule,
                               .is_before_visit = a->is_before_visit,
                               .is_again = a->is_again,
                               .due = a->due.routine ? moment_wait(m, &a->due) : NULL,
                               .subject_id = ""};
    if (a->is_reporters) give_to_reporter(m, &order);
    const Handoff__V1__Recipient *recipient = a->party_from == PARTY_FROM_RECIPIENT ? release_recipient(m) : NULL;
    if (recipient) {
        order.party = recipient->party;
        order.subject_id = recipient->id;
    }
    if (!a->is_each) {
        if (a->party) order.subject_id = act_party_id(m, a->party);
        work_open_task(m, &order);
        return;
    }
    size_t asked = 0;
    for (size_t i = 0; i < m->record->n_care_team; i++) {
        if (m->record->care_team[i]->party != a->party || !may_be_asked(m, m->record->care_team[i])) continue;
        order.subject_id = m->record->care_team[i]->id;
        work_open_task(m, &order);
        asked++;
    }
    if (asked == 0) ask_of_nobody(m, &order);
}

static void raise_to_roles(struct moment *m, const struct action *a)
{
    uint32_t roles = a->roles | (moment_is_out_of_hours(m) ? a->roles_out_of_hours : 0);
    uint32_t pcp = UINT32_C(1) << HANDOFF__V1__ROLE__ROLE_PCP;
    if (roles & pcp && !m->rules->policy.is_pcp_workforce) roles &= ~pcp; /* outside: no alert, but by a release */
    if (roles) work_raise(m, roles, severity_of(m, a), a->rule);
}

static void tell(struct moment *m, const struct action *a, Handoff__V1__Party party, const char *id)
{
    disclose_tell(m, &(struct disclosure){a->status, party, id, category_of(m), a->rule});
}

static void tell_status(struct moment *m, const struct action *a)
{
    if (a->party_from == PARTY_FROM_REFERRER) {
        if (m->episode->referrer && m->episode->referrer != PARTY(GUARDIAN) && m->episode->referrer != PARTY(PATIENT))
            tell(m, a, m->episode->referrer, m->episode->referrer_id);
        return;
    }
    const char *id = act_party_id(m, a->party);
    if (id && (a->party == PARTY(AGENCY) || a->party == PARTY(INSURER) || a->party == PARTY(COUNTY))) {
        tell(m, a, a->party, id);
        return;
    }
    for (size_t i = 0; i < m->record->n_care_team; i++)
        if (m->record->care_team[i]->party == a->party) tell(m, a, a->party, m->record->care_team[i]->id);
}

/* A later reminder of the same visit that is due too makes this one pointless. */
static bool is_superseded(const struct moment *m)
{
    for (size_t i = 0; i < m->record->n_timers; i++) {
        const Handoff__V1__Timer *t = m->record->timers[i];
        if (t->episode == m->episode->number && t->appointment == m->visit->number && !t->is_paused &&
            m->pathway->timers[t->kind].is_reminder && t->due_at_ms <= m->now_ms)
            return true;
    }
    return false;
}

static void remind(struct moment *m, const struct action *a)
{
    if (!m->visit || act_is_paused(m->pathway, m->episode, ASPECT_REMINDERS | ASPECT_FAMILY)) return;
    bool is_silent = m->record->is_deceased || m->record->is_opted_out;
    if (!is_silent && !reach_family(m->rules, m->site, m->record, m->now_ms)) { /* never dropped: somebody calls */
        work_open_task(m, &(struct task_order){.kind = HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY, .rule = a->rule});
        return;
    }
    Handoff__V1__Emission *e = moment_emit(m, a->rule);
    e->body_case = HANDOFF__V1__EMISSION__BODY_REMINDER;
    Handoff__V1__ReminderEmission *r = MESSAGE_NEW(m->arena, Handoff__V1__ReminderEmission, reminder_emission);
    e->reminder = r;
    r->appointment = m->visit->number;
    r->appointment_id = m->visit->id;
    r->starts_at_ms = m->visit->starts_at_ms;
    r->kind = m->visit->kind;
    r->notice_number = ++m->record->last_notice;
    r->is_dropped = m->visit->starts_at_ms <= m->now_ms || is_silent || is_superseded(m);
}

static void refuse(struct moment *m, const struct action *a)
{
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_REFUSED_ACTION, a->text, NULL, a->rule);
    m->sentence = a->text;
    m->is_used = true;
}

/* What the episode no longer knows: the agency that the family left. */
static void forget(struct moment *m, const struct action *a)
{
    char **text = (char **)(void *)((char *)m->episode + a->to->offset);
    *text = arena_string(m->arena, "");
    m->is_changed = true;
}

static bool is_absent(const void *member, const ProtobufCFieldDescriptor *f, size_t bytes)
{
    static const char zeros[8];
    if (f->type == PROTOBUF_C_TYPE_STRING) return **(const char *const *)member == '\0';
    return f->type != PROTOBUF_C_TYPE_BOOL && memcmp(member, zeros, bytes) == 0; /* a message that is not told: NULL */
}

/* What the event does not tell stays as it was known. */
static void take(struct moment *m, const struct action *a)
{
    if (!m->event) return;
    const char *body = (const char *)m->event->referral_requested;
    char *episode = (char *)m->episode;
    size_t bytes = a->to->type == PROTOBUF_C_TYPE_STRING || a->to->type == PROTOBUF_C_TYPE_MESSAGE ? sizeof(char *)
                   : a->to->type == PROTOBUF_C_TYPE_INT64 || a->to->type == PROTOBUF_C_TYPE_UINT64 ? 8
                   : a->to->type == PROTOBUF_C_TYPE_BOOL ? sizeof(protobuf_c_boolean) : 4;
    bool was_urgent = moment_is_urgent(m);
    if (is_absent(body + a->from->offset, a->from, bytes) ||
        memcmp(episode + a->to->offset, body + a->from->offset, bytes) == 0)
        return;
    memcpy(episode + a->to->offset, body + a->from->offset, bytes);
    m->is_changed = true;
    if (a->to->type == PROTOBUF_C_TYPE_INT64) timer_follow(m, a->to);
    if (!was_urgent && moment_is_urgent(m)) timer_hasten(m);
}

static void set_time(struct moment *m, const struct action *a, int64_t at_ms)
{
    int64_t *time_ms = (int64_t *)(void *)((char *)m->episode + a->to->offset), before_ms = *time_ms;
    *time_ms = at_ms;
    m->episode->marked_before_ms = before_ms;
    m->is_changed = true;
    timer_follow(m, a->to);
}

/* A time of the episode that is still to come: the one that the event states, but no later than the latest; without one
 * the default. */
static void plan(struct moment *m, const struct action *a)
{
    const char *body = m->event ? (const char *)m->event->referral_requested : NULL;
    int64_t stated = body && a->from ? *(const int64_t *)(const void *)(body + a->from->offset) : 0;
    int64_t latest = moment_resolve(m, moment_wait(m, &a->latest), m->occurred_ms);
    int64_t time = stated > m->occurred_ms ? stated : moment_resolve(m, moment_wait(m, &a->due), m->occurred_ms);
    if (time > latest) time = latest;
    memcpy((char *)m->episode + a->to->offset, &time, sizeof time);
    m->is_changed = true;
    timer_follow(m, a->to);
}

/* What was marked last was not so. */
static void unmark(struct moment *m, const struct action *a)
{
    set_time(m, a, m->episode->marked_before_ms);
    m->episode->marked_before_ms = 0;
}

static void open_other(struct moment *m, const struct action *a)
{
    const struct pathway *p = rules_pathway_by_name(m->rules, a->text);
    if (!p) {
        moment_fault(m, "a pathway to be opened is not loaded");
        return;
    }
    Handoff__V1__Episode *from = m->episode;
    machine_open(m, p, NULL, from, a->is_replacing);
    machine_focus(m, from);
}

static void act(struct moment *m, const struct action *a)
{
    switch (a->op) {
    case ACTION_TASK: ask(m, a); return;
    case ACTION_WITHDRAW: work_withdraw(m, a->task, SCOPE_NONE); return;
    case ACTION_WITHDRAW_FAMILY: work_withdraw_family(m); return;
    case ACTION_START: timer_start(m, a->position); return;
    case ACTION_STOP: timer_stop(m, a->position); return;
    case ACTION_STOP_VISIT: timer_stop_visit(m); return;
    case ACTION_RAISE: raise_to_roles(m, a); return;
    case ACTION_RESOLVE: work_resolve_scope(m, SCOPE_NONE); return;
    case ACTION_HOLD: begin_hold(m, a); return;
    case ACTION_LIFT: end_hold(m, a); return;
    case ACTION_CONCERN: act_begin_concern(m, a->position); return;
    case ACTION_SETTLE: settle_concern(m, a->position); return;
    case ACTION_SET: m->episode->variables[a->position] = a->number; m->is_changed = true; return;
    case ACTION_COUNT: m->episode->variables[a->position]++; m->is_changed = true; return;
    case ACTION_TAKE: take(m, a); return;
    case ACTION_OPEN: open_other(m, a); return;
    case ACTION_FORGET: forget(m, a); return;
    case ACTION_MARK: set_time(m, a, m->occurred_ms); return;
    case ACTION_UNMARK: unmark(m, a); return;
    case ACTION_PLAN: plan(m, a); return;
    case ACTION_SIGNAL:
        if (a->is_to_all) machine_signal_all(m, a->text);
        else machine_signal(m, a->text, m->episode->replaces);
        return;
    case ACTION_STATUS: tell_status(m, a); return;
    case ACTION_MOVE:
        if (m->episode->region_states[a->position] != a->state)
            machine_enter(m, a->position + 1, a->state, NULL, 0, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_MOVED,
                          a->rule);
        return;
    case ACTION_REFUSE: refuse(m, a); return;
    case ACTION_NOTE: moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_NOTE, a->text, NULL, a->rule); return;
    case ACTION_REMIND: remind(m, a); return;
    case ACTION_WITHHOLD: disclose_withheld(m, a->party, recipient_of(m, a), a->rule); return;
    case ACTION_BASELINE: scores_rebase(m, a->number); return;
    case ACTION_DOUBT:
        moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_DIRECTORY_DOUBTFUL, recipient_of(m, a), NULL, a->rule);
        return;
    case ACTION_IF:
        if (guard_holds(a->when, m)) act_do(m, a->then, a->then_count);
        else act_do(m, a->otherwise, a->otherwise_count);
        return;
    }
}

void act_do(struct moment *m, const struct action *actions, uint32_t count)
{
    for (uint32_t i = 0; i < count && !m->fault; i++) act(m, &actions[i]);
}
