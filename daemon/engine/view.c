/* Records, tasks and escalations for readers: see view.h. */
#include "engine/view.h"

#include <string.h>

#include "core/message.h"
#include "core/roster.h"
#include "core/step.h"

#include "base/banned.h"

/* Generated structs have no const strings; what is put there is never written to. */
static char *text(const char *borrowed) { return (char *)(uintptr_t)(borrowed != NULL ? borrowed : ""); }

static char *id_text(const struct view *v, const struct view_subject *of, const char *letters, uint32_t number)
{
    return text(view_id(v->arena, of->key, of->record, letters, number));
}

static char *person(const struct view *v, const Handoff__V1__PatientRecord *record, Handoff__V1__Role role,
                    const Handoff__V1__Task *task)
{
    if (role == HANDOFF__V1__ROLE__ROLE_UNSPECIFIED) return text("");
    return text(roster_holder(v->rules, rules_site(v->rules, record->site), record, role, task, v->now_ms));
}

/* --- tasks and escalations ------------------------------------------------------------------------------------ */
static const char *policy_reason(const struct rules *rules, Handoff__V1__TaskKind kind)
{
    return (uint32_t)kind < RULES_TASK_KINDS ? rules->policy.tasks[kind].reason : NULL;
}

static const char *cause_reason(const struct view *v, const Handoff__V1__PatientRecord *record,
                                const Handoff__V1__Cause *cause, Handoff__V1__TaskKind kind)
{
    if (cause != NULL && cause->is_undelivered && (uint32_t)kind < RULES_TASK_KINDS)
        return v->rules->policy.tasks[kind].undelivered;
    return cause == NULL ? NULL : view_rule_text(view_pathway(v->rules, record, cause->episode), cause->rule);
}

/* Each reason once, in the order in which they came: a task with several causes says all that is asked. */
static const char *join_reasons(const struct view *v, const Handoff__V1__PatientRecord *record,
                                const Handoff__V1__Task *task)
{
    const char *all = NULL;
    for (size_t i = 0; i < task->n_causes; i++) {
        const char *reason = cause_reason(v, record, task->causes[i], task->kind);
        if (reason == NULL || !reason[0] || (all != NULL && strstr(all, reason) != NULL)) continue;
        all = all == NULL ? reason : view_format(v->arena, "%s %s", all, reason);
    }
    return all;
}

static const char *task_reason(const struct view *v, const Handoff__V1__PatientRecord *record,
                               const Handoff__V1__Task *task)
{
    if (task->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SOURCE_SILENT) return view_silence(v, record);
    const char *reason = join_reasons(v, record, task);
    if (reason == NULL) reason = policy_reason(v->rules, task->instead_of ? task->instead_of : task->kind);
    if (task->instead_of) return view_instead(v, reason, task->instead_of);
    if (reason == NULL || !reason[0])
        reason = view_word(v->arena, &handoff__v1__task_kind__descriptor, (int)task->kind);
    return view_unused(v, reason, task);
}

static char *pathway_name(const struct view *v, const Handoff__V1__PatientRecord *record, uint32_t episode)
{
    const struct pathway *p = view_pathway(v->rules, record, episode);
    return text(p != NULL ? p->name : "");
}

Handoff__V1__TaskView *view_task(const struct view *v, const struct view_subject *of, const Handoff__V1__Task *task)
{
    Handoff__V1__TaskView *view = MESSAGE_NEW(v->arena, Handoff__V1__TaskView, task_view);
    const Handoff__V1__Cause *cause = task->n_causes > 0 ? task->causes[0] : NULL;
    view->task_id = id_text(v, of, "t", task->number);
    view->patient_id = of->record->patient_id;
    view->made_under = text(view_made_under(of->record, task->origin));
    view->site = text(rules_site(v->rules, of->record->site)->name);
    view->kind = task->kind;
    view->owner = task->owner;
    view->person_id = person(v, of->record, task->owner, task);
    view->severity = task->severity;
    view->due_at_ms = task->due_at_ms;
    view->opened_at_ms = task->opened_at_ms;
    view->attempts = task->attempts;
    view->subject = task->subject;
    view->reason = text(view_tries(v, task_reason(v, of->record, task), task->attempts, task->channels));
    view->is_overdue = task->is_overdue || task->due_at_ms < v->now_ms;
    view->escalation_id = id_text(v, of, "e", task->escalation);
    if (cause == NULL) return view;
    view->pathway = pathway_name(v, of->record, cause->episode);
    view->episode_id = id_text(v, of, "ep", cause->episode);
    view->cause_sequence = cause->sequence;
    return view;
}

static const Handoff__V1__Task *find_task(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; i < record->n_tasks; i++)
        if (record->tasks[i]->number == number) return record->tasks[i];
    return NULL;
}

static const char *escalation_reason(const struct view *v, const Handoff__V1__PatientRecord *record,
                                     const Handoff__V1__Escalation *e)
{
    const Handoff__V1__Task *task = e->task != 0 ? find_task(record, e->task) : NULL;
    if (task != NULL) {
        bool is_waiting = e->unreached != 0 && !task->is_overdue; /* it climbed since a message did not arrive */
        return view_format(v->arena, "%s t%u %s: %s", is_waiting ? "a message did not arrive about" : "nobody has done",
                           task->number, view_word(v->arena, &handoff__v1__task_kind__descriptor, (int)task->kind),
                           task_reason(v, record, task));
    }
    struct view_undelivered u = {e->subscription, e->why, e->severity};
    if (e->why[0]) return view_undelivered(v, &u);
    if (e->about[0]) return view_ending(v, e->about, 0);
    const char *reason = cause_reason(v, record, e->cause, HANDOFF__V1__TASK_KIND__TASK_KIND_UNSPECIFIED);
    return reason != NULL ? reason : VIEW_ALERT_REASON;
}

static void show_roles(const struct view *v, const Handoff__V1__Escalation *e, Handoff__V1__EscalationView *view)
{
    if (e->roles) view->roles = ARENA_ARRAY(v->arena, Handoff__V1__Role, (size_t)__builtin_popcount(e->roles));
    for (uint32_t role = 1; role < 32; role++)
        if (e->roles >> role & 1) view->roles[view->n_roles++] = (Handoff__V1__Role)role;
}

Handoff__V1__EscalationView *view_escalation(const struct view *v, const struct view_subject *of,
                                             const Handoff__V1__Escalation *e)
{
    Handoff__V1__EscalationView *view = MESSAGE_NEW(v->arena, Handoff__V1__EscalationView, escalation_view);
    view->escalation_id = id_text(v, of, "e", e->number);
    view->patient_id = of->record->patient_id;
    view->made_under = text(view_made_under(of->record, e->origin));
    view->site = text(rules_site(v->rules, of->record->site)->name);
    view->state = e->state;
    view->severity = e->severity;
    view->rung = e->rung;
    view->person_id = person(v, of->record, e->rung, find_task(of->record, e->task));
    view->raised_at_ms = e->raised_at_ms;
    view->next_at_ms = e->next_at_ms;
    view->reason = text(escalation_reason(v, of->record, e));
    view->task_id = id_text(v, of, "t", e->task);
    view->acknowledged_by = e->acknowledged_by;
    show_roles(v, e, view);
    if (e->cause == NULL) return view;
    view->pathway = pathway_name(v, of->record, e->cause->episode);
    view->episode_id = id_text(v, of, "ep", e->cause->episode);
    view->cause_sequence = e->cause->sequence;
    return view;
}

/* --- episodes and timers -------------------------------------------------------------------------------------- */
static const char *state_name(const struct machine *m, uint32_t state)
{
    return state < m->state_count ? m->states[state].name : "?";
}

static void append_text(const struct view *v, char ***list, size_t *count, const char *item)
{
    list_append(v->arena, list, count, text(item));
}

static void name_holds(const struct view *v, const struct pathway *p, const Handoff__V1__Episode *e,
                       Handoff__V1__EpisodeView *view)
{
    for (size_t i = 0; i < e->n_holds; i++) {
        const Handoff__V1__Hold *hold = e->holds[i];
        const char *name = hold->kind < p->hold_count ? p->holds[hold->kind].name : "?";
        if (hold->recipient_id[0]) name = view_format(v->arena, "%s: %s", name, hold->recipient_id);
        append_text(v, &view->holds, &view->n_holds, name);
    }
}

static void name_parts(const struct view *v, const struct pathway *p, const Handoff__V1__Episode *e,
                       Handoff__V1__EpisodeView *view)
{
    for (size_t i = 0; i < e->n_region_states && i < p->region_count; i++)
        append_text(
            v, &view->regions, &view->n_regions,
            view_format(v->arena, "%s: %s", p->regions[i].name, state_name(&p->regions[i], e->region_states[i])));
    for (uint32_t i = 0; i < p->concern_count; i++)
        if (e->concerns & (UINT32_C(1) << i)) append_text(v, &view->concerns, &view->n_concerns, p->concerns[i].name);
    for (size_t i = 0; i < e->n_variables && i < p->variable_count; i++)
        append_text(v, &view->variables, &view->n_variables,
                    view_format(v->arena, "%s: %lld", p->variables[i], (long long)e->variables[i]));
    name_holds(v, p, e, view);
}

static Handoff__V1__EpisodeView *view_episode(const struct view *v, const struct view_subject *of,
                                              Handoff__V1__Episode *e)
{
    Handoff__V1__EpisodeView *view = MESSAGE_NEW(v->arena, Handoff__V1__EpisodeView, episode_view);
    const struct pathway *p = rules_pathway(v->rules, e->pathway);
    view->episode_id = id_text(v, of, "ep", e->number);
    view->episode = e;
    if (p == NULL) return view;
    view->pathway = text(p->name);
    view->version = p->version;
    view->state = text(state_name(&p->main, e->state));
    name_parts(v, p, e, view);
    return view;
}

static const char *appointment_id(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; i < record->n_appointments && number != 0; i++)
        if (record->appointments[i]->number == number) return record->appointments[i]->id;
    return "";
}

static Handoff__V1__NamedTimer *view_timer(const struct view *v, const struct view_subject *of,
                                           const Handoff__V1__Timer *t)
{
    Handoff__V1__NamedTimer *view = MESSAGE_NEW(v->arena, Handoff__V1__NamedTimer, named_timer);
    const struct pathway *p = view_pathway(v->rules, of->record, t->episode);
    view->name = text(t->episode == 0                         ? "safety-net"
                      : p != NULL && t->kind < p->timer_count ? p->timers[t->kind].name
                                                              : "?");
    view->episode_id = id_text(v, of, "ep", t->episode);
    view->due_at_ms = t->due_at_ms;
    view->firings = t->firings;
    view->appointment_id = text(appointment_id(of->record, t->appointment));
    view->is_paused = t->is_paused;
    return view;
}

Handoff__V1__PatientReply *view_patient(const struct view *v, const struct view_subject *of, uint64_t sequence,
                                        int64_t at_ms)
{
    Handoff__V1__PatientReply *reply = MESSAGE_NEW(v->arena, Handoff__V1__PatientReply, patient_reply);
    const Handoff__V1__PatientRecord *record = of->record;
    reply->record = (Handoff__V1__PatientRecord *)(uintptr_t)record;
    reply->sequence = sequence;
    reply->at_ms = at_ms;
    for (size_t i = 0; i < record->n_episodes; i++)
        list_append(v->arena, &reply->episodes, &reply->n_episodes, view_episode(v, of, record->episodes[i]));
    for (size_t i = 0; i < record->n_timers; i++)
        list_append(v->arena, &reply->timers, &reply->n_timers, view_timer(v, of, record->timers[i]));
    for (size_t i = 0; i < record->n_tasks; i++) {
        const Handoff__V1__Task *task = record->tasks[i];
        Handoff__V1__TaskView *row = view_task(v, of, task);
        uint32_t episode = task->n_causes > 0 ? task->causes[0]->episode : 0;
        row->matches = view_matches(v, record, task->kind, episode, &row->n_matches);
        list_append(v->arena, &reply->tasks, &reply->n_tasks, row);
    }
    for (size_t i = 0; i < record->n_escalations; i++)
        list_append(v->arena, &reply->escalations, &reply->n_escalations,
                    view_escalation(v, of, record->escalations[i]));
    return reply;
}
