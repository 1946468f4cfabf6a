/* Entries, firings and emissions for readers: see view.h. */
#include "engine/view.h"

#include <string.h>

#include "base/stored.h"
#include "core/gate.h"
#include "core/message.h"
#include "core/roster.h"
#include "core/step.h"

#include "base/banned.h"

#define PARTS_42 "42 CFR part 2 prohibits unauthorized use or disclosure of these records."

static char *text(const char *borrowed) { return (char *)(uintptr_t)(borrowed != NULL ? borrowed : ""); }

static const char *make_id(struct arena *arena, const char *key, const char *letters, uint32_t number,
                           uint32_t generation)
{
    char id[STEP_ID_BYTES];
    step_id(id, key, letters, number, generation);
    return arena_string(arena, id);
}

/* --- emissions ------------------------------------------------------------------------------------------------ */
Handoff__V1__Stream view_stream(const Handoff__V1__Emission *emission)
{
    switch (emission->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
    case HANDOFF__V1__EMISSION__BODY_REMINDER: return HANDOFF__V1__STREAM__STREAM_TASK;
    case HANDOFF__V1__EMISSION__BODY_ESCALATION: return HANDOFF__V1__STREAM__STREAM_ESCALATION;
    case HANDOFF__V1__EMISSION__BODY_STATUS: return HANDOFF__V1__STREAM__STREAM_STATUS;
    case HANDOFF__V1__EMISSION__BODY_AUDIT: return HANDOFF__V1__STREAM__STREAM_AUDIT;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return HANDOFF__V1__STREAM__STREAM_UNSPECIFIED;
}

/* What an emission's id is made of. Notices (reminders, status, audit) have a number of their own and no changes. */
struct subject_number {
    const char *letters;
    uint32_t number, generation;
};
static struct subject_number subject_number(const Handoff__V1__Emission *e)
{
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK: return (struct subject_number){"t", e->task->number, e->task->generation};
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        return (struct subject_number){"e", e->escalation->number, e->escalation->generation};
    case HANDOFF__V1__EMISSION__BODY_STATUS: return (struct subject_number){"n", e->status->notice_number, 0};
    case HANDOFF__V1__EMISSION__BODY_REMINDER: return (struct subject_number){"n", e->reminder->notice_number, 0};
    case HANDOFF__V1__EMISSION__BODY_AUDIT: return (struct subject_number){"n", e->audit->notice_number, 0};
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return (struct subject_number){"n", 0, 0};
}

/* What was made under a patient id that became this one keeps the id that it had there. */
static const char *emission_id(struct arena *arena, const char *key, const Handoff__V1__Emission *e, bool with_generation)
{
    char there[33];
    struct subject_number n = subject_number(e);
    uint32_t generation = with_generation ? n.generation : 0;
    if (e->origin_key.len != PATIENT_KEY_BYTES) return make_id(arena, key, n.letters, n.number, generation);
    view_key_text(e->origin_key.data, there);
    return make_id(arena, there, n.letters, e->origin_number, generation);
}

const char *view_subject_id(struct arena *arena, const char *key, const Handoff__V1__Emission *emission)
{
    return emission_id(arena, key, emission, false);
}

const char *view_emission_id(struct arena *arena, const char *key, const Handoff__V1__Emission *emission)
{
    return emission_id(arena, key, emission, true);
}

Handoff__V1__Severity view_severity(const Handoff__V1__Emission *e)
{
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) return e->task->severity;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) return e->escalation->severity;
    return HANDOFF__V1__SEVERITY__SEVERITY_UNSPECIFIED;
}

/* Of what no pathway raised: the overdue task's, or that of the safety net. */
static const char *escalated_reason(const struct view *v, const Handoff__V1__EscalationEmission *e)
{
    struct view_undelivered u = {e->subscription, e->is_over ? NULL : e->why, e->severity};
    if (e->why[0]) return view_undelivered(v, &u);
    if (e->about[0] && e->is_taken_back) return view_staying(v, e->about, e->taken_back);
    if (e->about[0]) return view_ending(v, e->about, e->total);
    bool is_of_task = e->task != 0 && (uint32_t)e->task_kind < RULES_TASK_KINDS;
    const char *reason = is_of_task ? v->rules->policy.tasks[e->task_kind].reason : NULL;
    return reason != NULL ? reason : VIEW_ALERT_REASON;
}

/* NULL: as any other of its kind. */
static const char *undelivered_reason(const struct view *v, const Handoff__V1__TaskEmission *t)
{
    const char *reason = (uint32_t)t->kind < RULES_TASK_KINDS ? v->rules->policy.tasks[t->kind].undelivered : NULL;
    return reason != NULL && reason[0] ? reason : NULL;
}

static const char *emission_reason(const struct view *v, const struct pathway *p, const Handoff__V1__Emission *e)
{
    const char *reason = e->episode != 0 ? view_rule_text(p, e->rule) : NULL;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && e->task->is_undelivered) reason = undelivered_reason(v, e->task);
    if (reason == NULL && e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && e->task->n_lines > 0)
        reason = view_hand_over(v, e->task);
    if (reason == NULL && e->body_case == HANDOFF__V1__EMISSION__BODY_TASK &&
        (uint32_t)e->task->kind < RULES_TASK_KINDS && (uint32_t)e->task->instead_of < RULES_TASK_KINDS)
        reason = v->rules->policy.tasks[e->task->instead_of ? e->task->instead_of : e->task->kind].reason;
    if (reason == NULL && e->body_case == HANDOFF__V1__EMISSION__BODY_AUDIT) reason = e->audit->text;
    if (reason == NULL && e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION)
        reason = escalated_reason(v, e->escalation);
    if (reason == NULL && e->body_case == HANDOFF__V1__EMISSION__BODY_STATUS &&
        e->status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT)
        reason = "The daemon's own heartbeat: where it comes through, messages do.";
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && e->escalation->unreached)
        reason = view_unreached(v, reason, e->escalation->unreached);
    return reason;
}

static const char *resolve(const struct view *v, const Handoff__V1__PatientRecord *record, Handoff__V1__Role role,
                           const Handoff__V1__Task *task)
{
    return role == HANDOFF__V1__ROLE__ROLE_UNSPECIFIED
               ? ""
               : roster_holder(v->rules, rules_site(v->rules, record->site), record, role, task, v->now_ms);
}

static const Handoff__V1__Task *open_task(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; i < record->n_tasks; i++)
        if (record->tasks[i]->number == number) return record->tasks[i];
    return NULL;
}

/* A task that is done is nobody's list any more, but history still says whose it was. */
static const char *resolve_task(const struct view *v, const Handoff__V1__PatientRecord *record,
                                const Handoff__V1__TaskEmission *e)
{
    Handoff__V1__Task task = HANDOFF__V1__TASK__INIT;
    task.kind = e->kind;
    task.owner = e->owner;
    task.subject = e->subject;
    task.owner_id = e->owner_id;
    return resolve(v, record, e->owner, &task);
}

static const char *date_words(const struct view *v, uint32_t date)
{
    return view_format(v->arena, "%04u-%02u-%02u", date / 10000, date / 100 % 100, date % 100);
}

/* "consent roi-1, scope behavioral-health, treatment from 2026-01-01": the scope as 42 CFR 2.32 wants it explained. */
static const char *scope_words(const struct view *v, const Handoff__V1__Consent *c)
{
    const char *category = view_word(v->arena, &handoff__v1__diagnosis_category__descriptor, (int)c->category);
    return view_format(v->arena, "consent %s, scope %s, treatment from %s%s%s", c->id, category,
                       date_words(v, c->treatment_from), c->treatment_to ? " to " : "",
                       c->treatment_to ? date_words(v, c->treatment_to) : "");
}

static void render_status(const struct view *v, const struct pathway *p, Handoff__V1__StatusEmission *s,
                          const struct gate_decision *decision)
{
    if (p != NULL && s->state_number < p->main.state_count) s->state = text(p->main.states[s->state_number].name);
    if (decision->consent != NULL) {
        s->consent_id = decision->consent->id;
        s->also_consent_id = text(decision->also != NULL ? decision->also->id : "");
        s->notice = text(view_format(v->arena, "Disclosed under %s%s%s. " PARTS_42, scope_words(v, decision->consent),
                                     decision->also != NULL ? " and " : "",
                                     decision->also != NULL ? scope_words(v, decision->also) : ""));
    } else if (s->exception[0]) {
        s->notice = text(view_format(v->arena, "Disclosed under exception %s. " PARTS_42, s->exception));
    }
}

/* What must not leave is shown without its content: the head says that something is there and why it stays. */
static void withhold(const struct view *v, Handoff__V1__Emission *e, const struct gate_decision *decision)
{
    static const char *const words[] = {"", "waits", "withheld", "dropped"};
    const char *why = decision->answer == GATE_WAIT ? "outside the hours that are permitted" : decision->reason;
    e->reason = text(view_format(v->arena, "%s: %s", words[decision->answer], why != NULL ? why : ""));
    e->body_case = HANDOFF__V1__EMISSION__BODY__NOT_SET;
    e->task = NULL;
    e->person_id = text("");
}

/* now: the record that the gate is asked about, unless it has decided; NULL: it is not asked. */
static void render_body(const struct view *v, const char *key, const struct pathway *p,
                        const Handoff__V1__PatientRecord *then, const Handoff__V1__PatientRecord *now,
                        const struct gate_decision *decided, Handoff__V1__Emission *e)
{
    struct gate_decision decision = {.answer = GATE_DELIVER};
    if (decided != NULL)
        decision = *decided;
    else if (now != NULL)
        decision = gate(v->rules, now, view_as_of_now(v->arena, key, then, now, e), NULL, v->now_ms);
    if (now == NULL) now = then;
    if (decision.answer != GATE_DELIVER) {
        withhold(v, e, &decision);
        return;
    }
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) {
        e->task->task_id = text(emission_id(v->arena, key, e, false));
        e->person_id = text(resolve_task(v, now, e->task));
        if (e->task->change < HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_COMPLETED) /* while there is something to do with it */
            e->task->matches = view_matches(v, now, e->task->kind, e->episode, &e->task->n_matches);
    } else if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) {
        e->escalation->escalation_id = text(emission_id(v->arena, key, e, false));
        e->person_id = text(resolve(v, now, e->escalation->rung, open_task(now, e->escalation->task)));
    } else if (e->body_case == HANDOFF__V1__EMISSION__BODY_STATUS) {
        render_status(v, p, e->status, &decision);
    }
}

/* Where an emission stands. */
struct place {
    const char *key;
    uint64_t sequence;
    uint32_t position;
    int64_t at_ms;
};

/* now: the newest record, when it is rendered to be delivered and the gate must be asked, unless it has decided; NULL:
 * as history. */
static Handoff__V1__Emission *render(const struct view *v, const struct place *at,
                                     const Handoff__V1__PatientRecord *then, const Handoff__V1__PatientRecord *now,
                                     const struct gate_decision *decided, const Handoff__V1__Emission *stored)
{
    Handoff__V1__Emission *e = message_copy(stored, v->arena);
    const struct pathway *p = view_pathway(v->rules, then, e->episode);
    e->id = text(view_emission_id(v->arena, at->key, stored));
    e->sequence = at->sequence;
    e->position = at->position;
    e->at_ms = at->at_ms;
    e->patient_id = then->patient_id;
    e->site = text(rules_site(v->rules, then->site)->name);
    bool is_silence = e->body_case == HANDOFF__V1__EMISSION__BODY_TASK &&
                      e->task->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SOURCE_SILENT;
    const char *reason = is_silence ? view_silence(v, then) : emission_reason(v, p, e);
    bool is_task = e->body_case == HANDOFF__V1__EMISSION__BODY_TASK;
    const Handoff__V1__Task *open = is_task ? open_task(then, e->task->number) : NULL;
    if (open != NULL && reason != NULL) reason = view_unused(v, reason, open);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && e->task->instead_of)
        reason = view_instead(v, reason, e->task->instead_of);
    bool is_tried = e->body_case == HANDOFF__V1__EMISSION__BODY_TASK &&
                    e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_ATTEMPTED && reason != NULL;
    if (is_tried) reason = view_tries(v, reason, e->task->attempts, e->task->channels);
    e->reason = text(reason);
    e->episode_id = text(view_id(v->arena, at->key, then, "ep", e->episode));
    if (p != NULL) e->pathway = text(p->name);
    struct view of = *v;
    if (now == NULL) of.now_ms = at->at_ms; /* history: whose it was then */
    render_body(&of, at->key, p, then, now, decided, e);
    return e;
}

/* --- what the input was, in words ----------------------------------------------------------------------------- */
static const char *event_words(const struct view *v, const Handoff__V1__Event *event)
{
    const struct event_kind *kind = event_kind_of(event->body_case);
    if (event->body_case == HANDOFF__V1__EVENT__BODY_CUSTOM)
        return view_format(v->arena, "custom.%s", event->custom->name);
    return kind != NULL ? kind->name : "event";
}

/* Which firing of its timer this was: the timer counts while it runs, else the rule of the firing tells. 0: unknown. */
static uint32_t firing_ordinal(const Handoff__V1__PatientRecord *after, const struct pathway *p,
                               const Handoff__V1__TimerInput *firing, const Handoff__V1__Outcome *outcome)
{
    for (size_t i = 0; i < after->n_timers; i++) {
        const Handoff__V1__Timer *t = after->timers[i];
        if (t->episode == firing->episode && t->kind == firing->timer && t->appointment == firing->appointment &&
            t->firings > 0)
            return t->firings;
    }
    if (p == NULL || firing->timer >= p->timer_count) return 0;
    const struct timer_kind *kind = &p->timers[firing->timer];
    for (size_t i = 0; i < outcome->n_applied; i++)
        for (uint32_t f = 0; f < kind->firing_count; f++)
            if (outcome->applied[i]->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_FIRED &&
                outcome->applied[i]->rule == kind->firings[f].rule)
                return f + 1;
    return 0;
}

static const char *timer_words(const struct view *v, const Handoff__V1__PatientRecord *after,
                               const Handoff__V1__TimerInput *firing, const Handoff__V1__Outcome *outcome)
{
    const struct pathway *p = view_pathway(v->rules, after, firing->episode);
    const char *name = firing->episode == 0                         ? "safety-net"
                       : p != NULL && firing->timer < p->timer_count ? p->timers[firing->timer].name
                                                                      : "?";
    uint32_t ordinal = firing_ordinal(after, p, firing, outcome);
    if (ordinal == 0) return view_format(v->arena, "timer %s", name);
    return view_format(v->arena, "timer %s (%s)", name, view_ordinal(v->arena, ordinal));
}

static Handoff__V1__TaskKind task_kind(const Handoff__V1__PatientRecord *after, const Handoff__V1__Outcome *outcome,
                                       uint32_t number)
{
    for (size_t i = 0; i < after->n_tasks; i++)
        if (after->tasks[i]->number == number) return after->tasks[i]->kind;
    for (size_t i = 0; i < outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = outcome->emissions[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && e->task->number == number) return e->task->kind;
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && e->escalation->task == number)
            return e->escalation->task_kind;
    }
    return HANDOFF__V1__TASK_KIND__TASK_KIND_UNSPECIFIED;
}

static const char *escalation_words(const struct view *v, const Handoff__V1__Outcome *outcome, uint32_t number)
{
    const char *verb = "is due";
    for (size_t i = 0; i < outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = outcome->emissions[i];
        if (e->body_case != HANDOFF__V1__EMISSION__BODY_ESCALATION || e->escalation->number != number) continue;
        if (e->escalation->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_CLIMBED) verb = "climbs";
        if (e->escalation->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_REPEATED) verb = "repeats";
        if (e->escalation->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESUMED) verb = "resumes";
    }
    return view_format(v->arena, "escalation e%u %s", number, verb);
}

static const char *firing_words(const struct view *v, const Handoff__V1__PatientRecord *after,
                                const Handoff__V1__TimerInput *firing, const Handoff__V1__Outcome *outcome)
{
    if (firing->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ROUND) return "work changes hands";
    if (firing->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_SOURCE) return "source silent";
    if (firing->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_UNSERVED) return "subscription still not served";
    if (firing->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_HEARTBEAT) return "heartbeat";
    if (firing->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION) return escalation_words(v, outcome, firing->number);
    if (firing->kind != HANDOFF__V1__DUE_KIND__DUE_KIND_TASK) return timer_words(v, after, firing, outcome);
    Handoff__V1__TaskKind kind = task_kind(after, outcome, firing->number);
    if (kind == HANDOFF__V1__TASK_KIND__TASK_KIND_UNSPECIFIED)
        return view_format(v->arena, "task t%u overdue", firing->number);
    return view_format(v->arena, "task t%u %s overdue", firing->number,
                       view_word(v->arena, &handoff__v1__task_kind__descriptor, (int)kind));
}

static const char *command_words(const struct view *v, const Handoff__V1__CommandInput *command)
{
    switch (command->body_case) {
    case HANDOFF__V1__COMMAND_INPUT__BODY_CLOCK_ADVANCED: return "clock advanced";
    case HANDOFF__V1__COMMAND_INPUT__BODY_CLOCK_ACCEPTED: return "clock jump accepted";
    case HANDOFF__V1__COMMAND_INPUT__BODY_UNKNOWN_SUBJECT:
        return view_format(v->arena, "%s for an unknown patient", command->unknown_subject->event);
    case HANDOFF__V1__COMMAND_INPUT__BODY_REPEAT_DIFFERS: return "a repeat with other content";
    case HANDOFF__V1__COMMAND_INPUT__BODY_SHARED_EVENT: return event_words(v, command->shared_event->event);
    case HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_WANTED: return "patients change hands";
    case HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_DONE: return "list of patients";
    case HANDOFF__V1__COMMAND_INPUT__BODY_SOURCE_HEARD:
        return command->source_heard->is_configured ? "source expected" : "source heard";
    case HANDOFF__V1__COMMAND_INPUT__BODY_PATIENT_JOINED:
        return view_format(v->arena, "joined by %s", command->patient_joined->patient_id);
    case HANDOFF__V1__COMMAND_INPUT__BODY_DISCLOSURE_AUTHORISED: return "disclosure authorised";
    case HANDOFF__V1__COMMAND_INPUT__BODY_DISCLOSED: return "disclosed";
    case HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_DROPPED: return "message dropped";
    case HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_DEAD: return "message given up";
    case HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_UNREACHABLE: return "message without an address";
    case HANDOFF__V1__COMMAND_INPUT__BODY_DELIVERY_SERVED:
        return command->delivery_served->is_served ? "subscription served" : "subscription not served";
    case HANDOFF__V1__COMMAND_INPUT__BODY_HEARTBEAT_SET:
        return command->heartbeat_set->every_ms ? "heartbeat on" : "heartbeat off";
    case HANDOFF__V1__COMMAND_INPUT__BODY__NOT_SET:
    case _HANDOFF__V1__COMMAND_INPUT__BODY__CASE_IS_INT_SIZE: break;
    }
    return "command";
}

static const char *input_words(const struct view *v, const struct view_entry *of)
{
    if (of->event != NULL) return event_words(v, of->event);
    if (of->firing != NULL && of->record != NULL) return firing_words(v, of->record, of->firing, of->outcome);
    if (of->command != NULL) return command_words(v, of->command);
    return of->entry->kind == ENTRY_RULES ? "rules changed" : of->entry->kind == ENTRY_EPOCH ? "epoch" : "entry";
}

/* --- entries -------------------------------------------------------------------------------------------------- */
bool view_is_record(const struct entry *entry)
{
    return entry->record.len > 0 &&
           (entry->kind == ENTRY_EVENT || entry->kind == ENTRY_TIMER || entry->kind == ENTRY_COMMAND);
}

static bool unpack_input(const struct view *v, struct view_entry *of)
{
    ProtobufCAllocator *in = arena_protobuf(v->arena);
    struct bytes input = of->entry->input;
    if (of->entry->kind == ENTRY_EVENT)
        return (of->event = stored_unpack(&handoff__v1__event__descriptor, input, v->arena)) != NULL;
    if (of->entry->kind == ENTRY_TIMER)
        return (of->firing = handoff__v1__timer_input__unpack(in, input.len, input.data)) != NULL;
    if (of->entry->kind != ENTRY_COMMAND) return true;
    of->command = handoff__v1__command_input__unpack(in, input.len, input.data);
    if (of->command == NULL || of->command->body_case != HANDOFF__V1__COMMAND_INPUT__BODY_SHARED_EVENT)
        return of->command != NULL;
    return (of->event = of->command->shared_event->event) != NULL;
}

#define BIT(ID) (UINT64_C(1) << (ID) % 64)

/* What only `step` looks at: timers, and what repeats are told by. */
const struct stored_fields view_untold = {{BIT(42) | BIT(60), BIT(67)}};
/* Of the record after an entry that is not the newest, `render` reads whose it is and where, visits, ids from before a
 * merge, episodes and work. What may be done now, and by whom, the newest one says. */
static const struct stored_fields untold_of_then = {{BIT(20) | BIT(21) | BIT(23) | BIT(24) | BIT(25) | BIT(26) | BIT(27) |
                                                         BIT(28) | BIT(29) | BIT(30) | BIT(42) | BIT(60),
                                                     BIT(67)}};

static struct view_entry *open_entry(const struct view *v, const struct entry *entry, const struct stored_fields *without)
{
    struct view_entry *of = ARENA_NEW(v->arena, struct view_entry);
    of->entry = entry;
    view_key_text(entry->key.bytes, of->key);
    of->outcome = stored_unpack(&handoff__v1__outcome__descriptor, entry->outcome, v->arena);
    if (of->outcome == NULL) return NULL;
    if (entry->record.len == 0) return of;
    of->record = stored_unpack_without(&handoff__v1__patient_record__descriptor, entry->record, without, v->arena);
    return of->record != NULL ? of : NULL;
}

struct view_entry *view_open_outcome(const struct view *v, const struct entry *entry, bool is_newest)
{
    return open_entry(v, entry, is_newest ? &view_untold : &untold_of_then);
}

/* A firing is told by its timer. */
struct view_entry *view_open_entry(const struct view *v, const struct entry *entry)
{
    bool is_quiet = entry->kind != ENTRY_TIMER && !(entry->flags & ENTRY_HAS_EMISSIONS);
    struct view_entry *of = open_entry(v, entry, entry->kind == ENTRY_TIMER ? NULL : is_quiet ? &untold_of_then : &view_untold);
    return of != NULL && unpack_input(v, of) ? of : NULL;
}

static Handoff__V1__TimelineStep *view_step(const struct view *v, const struct view_subject *of,
                                            const Handoff__V1__Applied *a)
{
    Handoff__V1__TimelineStep *step = MESSAGE_NEW(v->arena, Handoff__V1__TimelineStep, timeline_step);
    const struct pathway *p = rules_pathway(v->rules, a->pathway);
    step->kind = a->kind;
    step->episode_id = text(view_id(v->arena, of->key, of->record, "ep", a->episode));
    if (p == NULL || a->machine > p->region_count) return step;
    const struct machine *m = a->machine == 0 ? &p->main : &p->regions[a->machine - 1];
    step->pathway = text(p->name);
    step->machine = text(m->name);
    if (a->from_state < m->state_count) step->from_state = text(m->states[a->from_state].name);
    if (a->to_state < m->state_count) step->to_state = text(m->states[a->to_state].name);
    step->rule = text(view_rule_text(p, a->rule));
    return step;
}

static void add_steps(const struct view *v, const struct view_subject *of, const Handoff__V1__Outcome *outcome,
                      Handoff__V1__TimelineEntry *t)
{
    t->verdict = outcome->verdict;
    t->sentence = outcome->sentence;
    for (size_t i = 0; i < outcome->n_applied; i++)
        list_append(v->arena, &t->steps, &t->n_steps, view_step(v, of, outcome->applied[i]));
}

static struct place place_of(const struct view_entry *of, uint32_t position)
{
    return (struct place){of->key, of->entry->sequence, position, of->entry->time_ms};
}

Handoff__V1__TimelineEntry *view_timeline_entry(const struct view *v, const struct view_entry *of,
                                                bool with_event)
{
    Handoff__V1__TimelineEntry *t = MESSAGE_NEW(v->arena, Handoff__V1__TimelineEntry, timeline_entry);
    t->sequence = of->entry->sequence;
    t->at_ms = t->occurred_at_ms = of->entry->time_ms;
    t->input = text(input_words(v, of));
    add_steps(v, &(struct view_subject){of->key, of->record}, of->outcome, t);
    if (of->event != NULL) {
        t->occurred_at_ms = of->event->occurred_at_ms;
        t->source = of->event->source;
        t->event_id = of->event->id;
        if (with_event) t->event = (Handoff__V1__Event *)(uintptr_t)of->event;
    }
    if (of->firing != NULL) t->occurred_at_ms = of->firing->due_at_ms;
    for (size_t i = 0; i < of->outcome->n_emissions && of->record != NULL; i++) {
        struct place at = place_of(of, (uint32_t)i);
        list_append(v->arena, &t->emissions, &t->n_emissions,
                    render(v, &at, of->record, NULL, NULL, of->outcome->emissions[i]));
    }
    return t;
}

Handoff__V1__Emission *view_emission(const struct view *v, const struct view_entry *of,
                                     const Handoff__V1__PatientRecord *now, uint32_t position)
{
    struct place at = place_of(of, position);
    return render(v, &at, of->record, now != NULL ? now : of->record, NULL, of->outcome->emissions[position]);
}

Handoff__V1__Emission *view_delivered(const struct view *v, const struct view_entry *of,
                                      const Handoff__V1__PatientRecord *now, uint32_t position,
                                      const struct gate_decision *decision)
{
    struct place at = place_of(of, position);
    return render(v, &at, of->record, now, decision, of->outcome->emissions[position]);
}

Handoff__V1__TimelineEntry *view_forecast(const struct view *v, const struct view_subject *after, int64_t at_ms,
                                          const Handoff__V1__TimerInput *firing, const Handoff__V1__Outcome *outcome)
{
    Handoff__V1__TimelineEntry *t = MESSAGE_NEW(v->arena, Handoff__V1__TimelineEntry, timeline_entry);
    struct view then = *v;
    then.now_ms = at_ms;
    t->at_ms = t->occurred_at_ms = at_ms;
    t->input = text(firing_words(v, after->record, firing, outcome));
    add_steps(v, after, outcome, t);
    for (size_t i = 0; i < outcome->n_emissions; i++) {
        struct place at = {after->key, 0, (uint32_t)i, at_ms};
        list_append(v->arena, &t->emissions, &t->n_emissions,
                    render(&then, &at, after->record, NULL, NULL, outcome->emissions[i]));
    }
    return t;
}
