/* The interpreter of a pathway's machines: main and regions, transitions, automatic transitions, firings. */
#include "core/moment.h"
#include "base/bytes.h"

#include <string.h>

enum { CLOSED_MAX = 8, MACHINE_MAIN = 0 };

static const struct machine *machine_at(const struct pathway *p, uint32_t machine)
{
    return machine == MACHINE_MAIN ? &p->main : &p->regions[machine - 1];
}

static uint32_t *state_of(Handoff__V1__Episode *e, uint32_t machine)
{
    return machine == MACHINE_MAIN ? &e->state : &e->region_states[machine - 1];
}

static int64_t *moved_at(Handoff__V1__Episode *e, uint32_t machine)
{
    return machine == MACHINE_MAIN ? &e->moved_at_ms : &e->region_moved_at_ms[machine - 1];
}

Handoff__V1__Episode *machine_episode(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; number && i < record->n_episodes; i++)
        if (record->episodes[i]->number == number) return record->episodes[i];
    return NULL;
}

void machine_focus(struct moment *m, Handoff__V1__Episode *episode)
{
    m->episode = episode;
    m->pathway = episode ? rules_pathway(m->rules, episode->pathway) : NULL;
}

static bool is_open(const struct moment *m)
{
    return m->episode && machine_episode(m->record, m->episode->number) == m->episode;
}

/* --- entering and leaving ------------------------------------------------------------------------------------ */
static bool lists_timer(const struct state *s, uint32_t timer)
{
    for (uint32_t i = 0; i < s->timer_count; i++)
        if (s->timers[i] == timer) return true;
    return false;
}

static void leave(struct moment *m, const struct state *from, const struct state *to)
{
    for (uint32_t i = 0; i < from->timer_count; i++)
        if (from == to || !lists_timer(to, from->timers[i])) timer_stop(m, from->timers[i]);
}

/* An end has no timers, no open tasks and no open escalations. */
static void close_episode(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__Episode *e = m->episode;
    timer_end_episode(m);
    work_withdraw(m, 0, SCOPE_NONE); /* first: a ladder of a task that others want as well goes on */
    work_resolve_scope(m, SCOPE_NONE);
    Handoff__V1__ClosedEpisode *c = MESSAGE_NEW(m->arena, Handoff__V1__ClosedEpisode, closed_episode);
    c->number = e->number;
    c->pathway = e->pathway;
    c->state = e->state;
    c->referral_id = e->referral_id;
    c->closed_at_ms = m->now_ms;
    c->level_of_care = e->level_of_care;
    c->agency_id = e->agency_id;
    c->origin = e->origin;
    c->opened_sequence = e->opened_sequence;
    c->need_id = e->need_id;
    if (r->n_closed_episodes >= CLOSED_MAX) list_remove(&r->closed_episodes, &r->n_closed_episodes, 0);
    list_append(m->arena, &r->closed_episodes, &r->n_closed_episodes, c);
    for (size_t i = 0; i < r->n_episodes; i++)
        if (r->episodes[i] == e) list_remove(&r->episodes, &r->n_episodes, i);
}

void machine_end(struct moment *m, Handoff__V1__CloseReason reason)
{
    moment_apply(m, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_CLOSED, MACHINE_MAIN, m->episode->state, m->episode->state,
                 0);
    close_episode(m);
    m->record->closed_episodes[m->record->n_closed_episodes - 1]->reason = reason;
}

/* A timer that the state before lists too runs on, also when its last firing is behind it. */
static void enter(struct moment *m, const struct state *s, const struct state *from)
{
    act_do(m, s->actions, s->action_count);
    for (uint32_t i = 0; i < s->timer_count && is_open(m); i++) {
        bool runs_on = from && from != s && lists_timer(from, s->timers[i]);
        if (!runs_on && !timer_find(m, s->timers[i], 0)) timer_start(m, s->timers[i]);
    }
}

void machine_enter(struct moment *m, uint32_t machine, uint32_t target, const struct action *actions, uint32_t count,
                   Handoff__V1__AppliedKind kind, uint32_t rule)
{
    const struct machine *x = machine_at(m->pathway, machine);
    uint32_t from = *state_of(m->episode, machine), outer_scope = m->scope;
    if (++m->depth > LIMIT_CASCADE) {
        moment_fault(m, "transitions that do not come to rest");
        return;
    }
    const struct state *left = kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_OPENED ? NULL : &x->states[from];
    if (left) leave(m, left, &x->states[target]);
    bool is_end = machine == MACHINE_MAIN && x->states[target].is_final;
    *state_of(m->episode, machine) = target;
    if (m->event && m->occurred_ms > *moved_at(m->episode, machine)) *moved_at(m->episode, machine) = m->occurred_ms;
    if (machine == MACHINE_MAIN) {
        m->episode->entered_at_ms = m->now_ms;
        ends_forget(m);
    }
    if (m->pathway->subject == SUBJECT_CONSENT) release_fill(m, true);
    moment_apply(m, is_end ? HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_CLOSED : kind, machine, from, target, rule);
    m->scope = SCOPE_NONE;
    act_do(m, actions, count);
    if (is_open(m) && *state_of(m->episode, machine) == target) enter(m, &x->states[target], left);
    m->scope = outer_scope;
    if (is_end && is_open(m)) close_episode(m);
}

/* --- choosing ------------------------------------------------------------------------------------------------ */
static bool matches(const struct transition *t, const struct moment *m)
{
    if (t->event != m->event->body_case) return false;
    if (t->event == HANDOFF__V1__EVENT__BODY_CUSTOM && strcmp(t->name, m->event->custom->name) != 0) return false;
    return guard_holds(t->when, m);
}

static const struct transition *
choose(const struct machine *x, uint32_t state, const struct moment *m,
       bool (*does_match)(const struct transition *, const struct moment *, const char *), const char *name)
{
    const struct state *s = &x->states[state];
    for (uint32_t i = 0; i < s->on_count; i++)
        if (does_match(&s->on[i], m, name)) return &s->on[i];
    for (uint32_t i = 0; i < x->any_count; i++)
        if (does_match(&x->any[i], m, name)) return &x->any[i];
    return NULL;
}

static bool matches_event(const struct transition *t, const struct moment *m, const char *name)
{
    (void)name;
    return !t->is_signal && matches(t, m);
}

static bool matches_signal(const struct transition *t, const struct moment *m, const char *name)
{
    return t->is_signal && strcmp(t->name, name) == 0 && guard_holds(t->when, m);
}

static bool is_end(const struct moment *m, uint32_t machine, const struct transition *t)
{
    return machine == MACHINE_MAIN && t->target >= 0 && m->pathway->main.states[t->target].is_final;
}

static void take(struct moment *m, uint32_t machine, const struct transition *t)
{
    m->is_used = true;
    m->is_ignored |= t->is_ignore;
    if (t->is_ignore) return;
    if (is_end(m, machine, t) && !ends_may(m, (uint32_t)t->target, !t->event && !t->is_signal)) return;
    if (machine == MACHINE_MAIN && t->event && event_kind_of(t->event)->class != EVENT_WORK) ends_forget(m);
    if (t->target >= 0) {
        machine_enter(m, machine, (uint32_t)t->target, t->actions, t->action_count,
                      HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_MOVED, t->rule);
        return;
    }
    uint32_t state = *state_of(m->episode, machine);
    moment_apply(m, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_ACTED, machine, state, state, t->rule);
    act_do(m, t->actions, t->action_count);
}

/* What a later event overtook changes nothing: a word on how the referral stands, and whatever would move the machine.
 * Findings and discharges act however late, and so does a human. So does what asks for care and moves nothing, such as
 * a death, a complaint, an admission or a revocation. */
static bool is_too_late(const struct moment *m, uint32_t machine, const struct transition *t)
{
    const struct event_kind *k = event_kind_of(m->event->body_case);
    bool may_be_overtaken =
        k && (k->class == EVENT_LOOP || k->class == EVENT_FACT) && (t->target >= 0 || moment_is_course(m));
    if (days_is_encounter(m->event)) return false; /* whoever minds their order asks is_admitted, is_after_discharge */
    if (m->event->appointment_id[0] && m->visit) return m->is_overtaken; /* each visit has its own order */
    if (m->pathway->subject == SUBJECT_CONSENT) return false; /* the record has put late signatures in their order */
    return may_be_overtaken && m->occurred_ms < *moved_at(m->episode, machine);
}

static const struct transition *choose_by_event(const struct machine *x, uint32_t state, const struct moment *m)
{
    Handoff__V1__Event__BodyCase event = m->event->body_case;
    bool is_heard = event_set_has(&x->states[state].heard, event) || event_set_has(&x->heard, event);
    return is_heard ? choose(x, state, m, matches_event, NULL) : NULL;
}

void machine_offer(struct moment *m)
{
    for (uint32_t machine = 0; machine <= m->pathway->region_count && is_open(m) && !m->fault; machine++) {
        const struct transition *t = choose_by_event(machine_at(m->pathway, machine), *state_of(m->episode, machine), m);
        if (!t) continue;
        if (is_too_late(m, machine, t)) m->is_overtaken = m->is_used = true;
        else take(m, machine, t);
    }
    machine_settle(m);
}

/* An end that may not be is passed over. */
static const struct transition *choose_always(struct moment *m, uint32_t machine)
{
    const struct state *s = &machine_at(m->pathway, machine)->states[*state_of(m->episode, machine)];
    for (uint32_t i = 0; i < s->always_count; i++) {
        const struct transition *t = &s->always[i];
        if (guard_holds(t->when, m) && (!is_end(m, machine, t) || ends_may(m, (uint32_t)t->target, true))) return t;
    }
    return NULL;
}

void machine_settle(struct moment *m)
{
    bool is_resting = false;
    while (!is_resting && !m->fault) { /* bounded: each round takes a transition, LIMIT_CASCADE of them fault */
        is_resting = true;
        for (uint32_t machine = 0; is_open(m) && machine <= m->pathway->region_count && is_resting; machine++) {
            const struct transition *t = choose_always(m, machine);
            if (!t) continue;
            if (t->target < 0) moment_fault(m, "an automatic transition that goes nowhere");
            else take(m, machine, t);
            is_resting = false;
        }
    }
    int64_t end = is_open(m) && !m->fault ? ends_waited_for(m) : -1;
    if (end >= 0)
        machine_enter(m, MACHINE_MAIN, (uint32_t)end, NULL, 0, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_MOVED, 0);
}

void machine_signal_all(struct moment *m, const char *name)
{
    uint32_t sender = m->episode->number, until = m->record->last_episode;
    for (uint32_t number = 1; number <= until && !m->fault; number++)
        if (number != sender) machine_signal(m, name, number);
}

static bool is_sending(const struct moment *m, uint32_t number)
{
    const struct sender *s = m->senders;
    while (s && s->number != number) s = s->outer;
    return s != NULL;
}

/* Whoever is still sending is in the midst of its actions: it hears an answer, and comes to rest when they are done. */
void machine_signal(struct moment *m, const char *name, uint32_t number)
{
    Handoff__V1__Episode *sender = m->episode, *receiver = machine_episode(m->record, number);
    uint32_t outer_scope = m->scope; /* the sender's, which means nothing to the receiver */
    struct sender sending = {sender->number, m->senders};
    if (!receiver) return;
    m->senders = &sending;
    m->scope = SCOPE_NONE;
    machine_focus(m, receiver);
    for (uint32_t machine = 0; machine <= m->pathway->region_count && is_open(m); machine++) {
        const struct transition *t =
            choose(machine_at(m->pathway, machine), *state_of(m->episode, machine), m, matches_signal, name);
        if (t) take(m, machine, t);
    }
    if (!is_sending(m, number)) machine_settle(m);
    machine_focus(m, sender);
    m->scope = outer_scope;
    m->senders = sending.outer;
}

/* --- beginning ----------------------------------------------------------------------------------------------- */
/* An episode takes over every field of the same name and type that is told: 10 to 21, and from 60 on. */
static bool is_adopted(const ProtobufCFieldDescriptor *to)
{
    return to->label != PROTOBUF_C_LABEL_REPEATED && ((to->id >= 10 && to->id <= 21) || to->id >= 60);
}

/* A yes or no is always told. */
static bool is_told(const ProtobufCFieldDescriptor *f, const void *value)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING: return **(const char *const *)value;
    case PROTOBUF_C_TYPE_INT64: return load_u64(value);
    case PROTOBUF_C_TYPE_ENUM: return load_u32(value);
    case PROTOBUF_C_TYPE_BOOL: return true;
    case PROTOBUF_C_TYPE_MESSAGE: return *(const void *const *)value;
    default: return false;
    }
}

static void adopt(Handoff__V1__Episode *episode, const ProtobufCMessage *from)
{
    const ProtobufCMessageDescriptor *d = &handoff__v1__episode__descriptor;
    for (unsigned i = 0; i < from->descriptor->n_fields; i++) { /* an event has few fields, an episode many */
        const ProtobufCFieldDescriptor *f = &from->descriptor->fields[i];
        if (f->label == PROTOBUF_C_LABEL_REPEATED || !is_told(f, field_at(from, f))) continue;
        const ProtobufCFieldDescriptor *to =
            from->descriptor == d ? f : protobuf_c_message_descriptor_get_field_by_name(d, f->name);
        if (!to || !is_adopted(to) || to->type != f->type) continue;
        if (to->type == PROTOBUF_C_TYPE_MESSAGE && to->descriptor != f->descriptor) continue;
        memcpy((char *)episode + to->offset, field_at(from, f), message_element_bytes(to));
    }
}

static Handoff__V1__Episode *new_episode(struct moment *m, const struct pathway *p)
{
    Handoff__V1__Episode *e = MESSAGE_NEW(m->arena, Handoff__V1__Episode, episode);
    e->number = ++m->record->last_episode;
    e->pathway = p->number;
    e->n_region_states = e->n_region_moved_at_ms = p->region_count;
    e->region_states = ARENA_ARRAY(m->arena, uint32_t, p->region_count + 1);
    e->region_moved_at_ms = ARENA_ARRAY(m->arena, int64_t, p->region_count + 1);
    for (uint32_t i = 0; i < p->region_count; i++) e->region_states[i] = p->regions[i].initial;
    e->n_variables = p->variable_count;
    e->variables = ARENA_ARRAY(m->arena, int64_t, p->variable_count + 1);
    e->opened_at_ms = m->occurred_ms;
    e->opened_sequence = m->input->sequence;
    return e;
}

/* A referral that another one gave rise to has an id of its own: the first's and the episode's. */
static char *sibling_id(const struct moment *m, const char *id, uint32_t number)
{
    size_t len = strlen(id);
    char *sibling = arena_alloc(m->arena, len + STEP_ID_BYTES);
    memcpy(sibling, id, len);
    step_id(sibling + len, "", "ep", number, 0); /* "-ep2" */
    return sibling;
}

/* The level of care that the patient had or was referred to at an agency. */
static Handoff__V1__LevelOfCare level_at(const struct moment *m, const char *agency_id)
{
    const Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = r->n_episodes; agency_id[0] && i-- > 0;)
        if (strcmp(r->episodes[i]->agency_id, agency_id) == 0) return r->episodes[i]->level_of_care;
    for (size_t i = r->n_closed_episodes; agency_id[0] && i-- > 0;)
        if (strcmp(r->closed_episodes[i]->agency_id, agency_id) == 0 && !r->closed_episodes[i]->reason) return r->closed_episodes[i]->level_of_care;
    return HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_UNSPECIFIED;
}

static void fill_episode(struct moment *m, Handoff__V1__Episode *e, const Handoff__V1__Episode *from)
{
    if (from) adopt(e, &from->base);
    if (m->event) adopt(e, (const ProtobufCMessage *)(const void *)m->event->referral_requested);
    if (m->event && m->event->referral_id[0]) e->referral_id = m->event->referral_id;
    if (from && from->referral_id[0] && strcmp(e->referral_id, from->referral_id) == 0)
        e->referral_id = sibling_id(m, from->referral_id, e->number);
    const Handoff__V1__ClosedEpisode *completed = m->event && !from ? episode_completed(m) : NULL;
    if (completed && !e->agency_id[0]) e->agency_id = completed->agency_id;
    if (m->event_risk) e->risk = m->event_risk;
    const Handoff__V1__SafetyFlag *flag = m->event_risk ? facts_flag(m->record, m->event_risk) : NULL;
    if (flag) e->severity = flag->severity;
    if (!e->category) e->category = m->record->category;
    if (!e->level_of_care) e->level_of_care = level_at(m, e->agency_id);
}

void machine_open(struct moment *m, const struct pathway *p, const struct opening_rule *rule,
                  const Handoff__V1__Episode *from, bool is_replacing)
{
    if (m->record->n_episodes >= LIMIT_RECORD_EPISODES) {
        moment_fault(m, "more open episodes than a record holds");
        return;
    }
    Handoff__V1__Episode *e = new_episode(m, p);
    fill_episode(m, e, from);
    if (from && is_replacing) e->replaces = from->number;
    list_append(m->arena, &m->record->episodes, &m->record->n_episodes, e);
    machine_focus(m, e);
    uint32_t state = rule ? (uint32_t)rule->target : p->main.initial;
    machine_enter(m, MACHINE_MAIN, state, rule ? rule->actions : NULL, rule ? rule->action_count : 0,
                  HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_OPENED, rule ? rule->rule : 0);
    uint32_t outer_scope = m->scope;
    m->scope = SCOPE_NONE;
    for (uint32_t i = 0; i < p->region_count && is_open(m); i++)
        enter(m, &p->regions[i].states[e->region_states[i]], NULL);
    m->scope = outer_scope;
    machine_settle(m);
}

/* --- going on, on another version ------------------------------------------------------------------------------- */
static int named_state(const struct machine *x, const char *name)
{
    for (uint32_t i = 0; i < x->state_count; i++)
        if (strcmp(x->states[i].name, name) == 0) return (int)i;
    return -1;
}

static void keep_regions(const struct pathway *from, const Handoff__V1__Episode *old, const struct pathway *to,
                         Handoff__V1__Episode *e)
{
    for (uint32_t i = 0; i < to->region_count; i++)
        for (uint32_t k = 0; k < from->region_count; k++) {
            if (strcmp(to->regions[i].name, from->regions[k].name) != 0) continue;
            int state = named_state(&to->regions[i], from->regions[k].states[old->region_states[k]].name);
            if (state >= 0) e->region_states[i] = (uint32_t)state;
            e->region_moved_at_ms[i] = old->region_moved_at_ms[k];
        }
}

static void keep_variables(const struct pathway *from, const Handoff__V1__Episode *old, const struct pathway *to,
                           Handoff__V1__Episode *e)
{
    for (uint32_t i = 0; i < to->variable_count; i++)
        for (uint32_t k = 0; k < from->variable_count && k < old->n_variables; k++)
            if (strcmp(to->variables[i], from->variables[k]) == 0) e->variables[i] = old->variables[k];
}

/* They ask for what they ask for anew; a recipient's stays that recipient's. */
static void keep_holds(struct moment *m, const struct pathway *from, const Handoff__V1__Episode *old)
{
    for (uint32_t i = 0; i < m->pathway->hold_count && is_open(m); i++)
        for (size_t k = 0; k < old->n_holds; k++)
            if (strcmp(m->pathway->holds[i].name, from->holds[old->holds[k]->kind].name) == 0)
                act_begin_hold(m, i, m->pathway->holds[i].is_per_recipient ? old->holds[k]->recipient_id : "");
    for (uint32_t i = 0; i < m->pathway->concern_count && is_open(m); i++)
        for (uint32_t k = 0; k < from->concern_count; k++)
            if ((old->concerns >> k & 1) && strcmp(m->pathway->concerns[i].name, from->concerns[k].name) == 0)
                act_begin_concern(m, i);
}

/* Reminders and the like of booked visits: what no state lists would not begin by itself. */
static void keep_visit_timers(struct moment *m, const struct pathway *from, const Handoff__V1__PatientRecord *before,
                              uint32_t number)
{
    Handoff__V1__Appointment *visit = m->visit;
    for (size_t i = 0; i < before->n_timers && is_open(m); i++) {
        const Handoff__V1__Timer *t = before->timers[i];
        if (t->episode != number || !t->appointment) continue;
        m->visit = facts_visit(m->record, t->appointment);
        for (uint32_t k = 0; k < m->pathway->timer_count && m->visit; k++)
            if (m->pathway->timers[k].is_per_appointment && strcmp(m->pathway->timers[k].name, from->timers[t->kind].name) == 0)
                timer_start(m, k);
    }
    m->visit = visit;
}

/* The human has moved it on: what only the timers of the state before asked for is over, as with any move. */
static void leave_behind(struct moment *m, const struct pathway *from, const struct state *left)
{
    const struct state *entered = &m->pathway->main.states[m->episode->state];
    for (uint32_t i = 0; i < left->timer_count && is_open(m); i++)
        for (uint32_t k = 0; k < m->pathway->timer_count; k++)
            if (strcmp(m->pathway->timers[k].name, from->timers[left->timers[i]].name) == 0 && !lists_timer(entered, k))
                timer_stop(m, k);
}

void machine_continue(struct moment *m, const struct pathway *p, uint32_t state)
{
    const struct pathway *from = m->pathway;
    const Handoff__V1__PatientRecord *before = message_copy(m->record, m->arena);
    const Handoff__V1__Episode *old = message_copy(m->episode, m->arena);
    Handoff__V1__Episode *e = new_episode(m, p);
    carry_raised(m, p, e->number);
    machine_end(m, HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_CONTINUED);
    adopt(e, &old->base);
    e->told = old->told;
    e->n_told = old->n_told;
    e->opened_at_ms = old->opened_at_ms;
    keep_regions(from, old, p, e);
    keep_variables(from, old, p, e);
    list_append(m->arena, &m->record->episodes, &m->record->n_episodes, e);
    for (size_t i = 0; i < m->record->n_appointments; i++)
        if (m->record->appointments[i]->episode == old->number) m->record->appointments[i]->episode = e->number;
    machine_focus(m, e);
    m->continued = e;
    e->state = state;
    keep_holds(m, from, old);
    machine_enter(m, MACHINE_MAIN, state, NULL, 0, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_OPENED, 0);
    bool has_moved = strcmp(p->main.states[state].name, from->main.states[old->state].name) != 0;
    if (has_moved) leave_behind(m, from, &from->main.states[old->state]);
    else e->moved_at_ms = old->moved_at_ms; /* what was late for the old one is late for this one, no more */
    for (uint32_t i = 0; i < p->region_count && is_open(m); i++)
        enter(m, &p->regions[i].states[e->region_states[i]], NULL);
    keep_visit_timers(m, from, before, old->number);
    machine_settle(m);
    m->continued = NULL;
}

/* --- firing -------------------------------------------------------------------------------------------------- */
/* Which machine is in a state that lists this timer. */
static int machine_of(const struct moment *m, uint32_t timer)
{
    for (uint32_t i = 0; i <= m->pathway->region_count; i++)
        if (lists_timer(&machine_at(m->pathway, i)->states[*state_of(m->episode, i)], timer)) return (int)i;
    return -1;
}

/* Every firing arms its next: counted from the due time, or from now when that has passed as well. */
static void arm_next(struct moment *m, const struct timer_kind *k, Handoff__V1__Timer *t)
{
    t->firings++;
    if (k->is_once && t->firings >= k->firing_count) {
        for (size_t i = 0; i < m->record->n_timers; i++)
            if (m->record->timers[i] == t) list_remove(&m->record->timers, &m->record->n_timers, i);
        return;
    }
    const struct firing *next = &k->firings[t->firings < k->firing_count ? t->firings : k->firing_count - 1];
    const struct delay *wait = moment_wait(m, &next->wait);
    int64_t due = moment_resolve(m, wait, t->due_at_ms);
    t->due_at_ms = due > m->now_ms ? due : moment_resolve(m, wait, m->now_ms);
    t->generation = ++m->record->last_generation;
}

void machine_fire(struct moment *m, Handoff__V1__Timer *t)
{
    uint32_t kind = t->kind;
    const struct timer_kind *k = &m->pathway->timers[kind];
    const struct firing *f = &k->firings[t->firings < k->firing_count ? t->firings : k->firing_count - 1];
    m->visit = facts_visit(m->record, t->appointment);
    if (m->visit) m->event_agency = m->visit->agency_id;
    int machine = machine_of(m, kind);
    arm_next(m, k, t);
    uint32_t told_of = machine >= 0 ? (uint32_t)machine : MACHINE_MAIN;
    uint32_t state = *state_of(m->episode, told_of);
    moment_apply(m, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_FIRED, told_of, state, state, f->rule);
    m->scope = SCOPE_TIMER + kind;
    m->scope_visit = k->is_per_appointment && m->visit ? m->visit->number : 0;
    act_do(m, f->actions, f->action_count);
    m->scope = SCOPE_NONE;
    m->scope_visit = 0;
    if (f->target >= 0 && machine >= 0 && is_open(m))
        machine_enter(m, (uint32_t)machine, (uint32_t)f->target, NULL, 0, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_MOVED,
                      f->rule);
    machine_settle(m);
}
