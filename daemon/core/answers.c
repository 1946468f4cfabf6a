/* What people and their systems answer: to a task, an escalation or an episode. Done before pathways are asked, so that
 * they see the task as it was and the record as it is. */
#include "core/moment.h"
#include "core/roster.h"

#include <string.h>

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
#define KIND(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME

static void task_event(struct moment *m)
{
    Handoff__V1__Task *t = work_find_task(m->record, step_id_number(m->event->task_id, "t"));
    m->is_used = true;
    if (!t) {
        m->names_nothing = true;
        m->sentence = "no such open task: nothing changed";
        return;
    }
    const char *refusal = facts_refuse_check(m, t);
    if (refusal) {
        m->names_nothing = true;
        moment_refuse(m, refusal, 0);
        return;
    }
    m->task = message_copy(t, m->arena);
    if (m->event->body_case == BODY(TASK_COMPLETED)) work_complete(m, t, m->event->task_completed->outcome);
    else if (m->event->body_case == BODY(TASK_ATTEMPTED)) work_attempt(m, t);
    else work_cancel(m, t);
}

static void escalation_event(struct moment *m)
{
    Handoff__V1__Escalation *e = work_find_escalation(m->record, step_id_number(m->event->escalation_id, "e"));
    m->is_used = true;
    m->names_nothing = !e;
    if (!e) m->sentence = "no such open escalation: nothing changed";
    else if (m->event->body_case == BODY(ESCALATION_RESOLVED)) work_resolve(m, e);
    else work_acknowledge(m, e, m->event->escalation_acknowledged->by);
}

static const char only_clinician[] = "an episode about a risk says what its safety flag says: a clinician completes the "
                                     "safety-check or clears the flag; nothing changed";

/* The open state of that name; -1: there is none. */
static int open_state(const struct pathway *p, const char *name)
{
    for (uint32_t i = 0; i < p->main.state_count; i++)
        if (strcmp(p->main.states[i].name, name) == 0 && !p->main.states[i].is_final) return (int)i;
    return -1;
}

/* The state in which an episode goes on. One about a risk says what the record's flag says: what nobody has assessed
 * begins anew where a finding begins. NULL: the human may not choose it. */
static const char *state_to_go_on(const struct moment *m, const struct pathway *newest)
{
    const char *asked = m->event->episode_opened->state;
    const char *stands = m->pathway->main.states[m->episode->state].name;
    if (m->pathway->subject != SUBJECT_RISK) return asked[0] ? asked : stands;
    const Handoff__V1__SafetyFlag *flag = facts_flag(m->record, m->episode->risk);
    bool is_unseen = flag && !flag->is_assessed && !m->record->is_death_confirmed;
    const char *is = is_unseen ? newest->main.states[newest->main.initial].name : stands;
    return asked[0] && strcmp(asked, is) != 0 ? NULL : is;
}

/* A human ends an episode and begins it again on the pathway's newest version. */
static void episode_reopened(struct moment *m)
{
    const Handoff__V1__EpisodeOpened *o = m->event->episode_opened;
    Handoff__V1__Episode *e = machine_episode(m->record, step_id_number(o->reopens, "ep"));
    m->is_used = m->names_nothing = true; /* it is for this one alone */
    if (!e) {
        m->sentence = "no such open episode: nothing changed";
        return;
    }
    machine_focus(m, e);
    const struct pathway *p = m->pathway ? rules_pathway_by_name(m->rules, m->pathway->name) : NULL;
    if (!p || (o->pathway[0] && strcmp(o->pathway, p->name) != 0)) {
        m->sentence = p ? "the episode is on another pathway: nothing changed" : "no version of its pathway is in force: nothing changed";
        return;
    }
    const char *name = state_to_go_on(m, p);
    if (!name) {
        moment_refuse(m, only_clinician, 0);
        return;
    }
    int state = open_state(p, name);
    if (state < 0) m->sentence = "the newest version has no open state of that name, say which: nothing changed";
    else machine_continue(m, p, (uint32_t)state);
}

static void episode_opened(struct moment *m)
{
    if (m->event->episode_opened->reopens[0]) {
        episode_reopened(m);
        return;
    }
    const struct pathway *p = rules_pathway_by_name(m->rules, m->event->episode_opened->pathway);
    m->is_used = true;
    if (!p) {
        m->sentence = "no pathway of that name is loaded: nothing was opened";
    } else if (p->subject == SUBJECT_RISK) {
        m->sentence = "a finding begins such an episode: raise a safety flag instead; nothing was opened";
    } else if (episode_is_open_for(m, p)) {
        m->sentence = "such an episode is open already: nothing was opened";
    } else {
        m->record->is_known = true;
        machine_open(m, p, NULL, NULL, false);
    }
}

/* A human closes one episode: the one they name, by its id or its referral's, or the only one there is. Whatever the
 * pathway, an open safety flag refuses that. */
static void episode_closed(struct moment *m)
{
    size_t meant = 0;
    Handoff__V1__Episode *episode = NULL;
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        Handoff__V1__Episode *e = m->record->episodes[i];
        const struct pathway *p = rules_pathway(m->rules, e->pathway);
        if (!p || !episode_is_meant(m, e, p)) continue;
        episode = e;
        meant++;
    }
    const char *refusal = meant == 1 ? facts_refuse_closing(m) : NULL;
    if (meant == 1 && !refusal) {
        if (m->record->n_flags) episode->is_closing_decided = true; /* a clinician has; its loop may close */
        return;
    }
    m->is_used = m->names_nothing = true;
    if (refusal) {
        moment_refuse(m, refusal, 0);
        return;
    }
    m->sentence = meant ? "several episodes are open: name the one to close" : "no such open episode: nothing changed";
}

static void episode_corrected(struct moment *m)
{
    Handoff__V1__Episode *e = machine_episode(m->record, step_id_number(m->event->episode_id, "ep"));
    m->is_used = true;
    if (!e) {
        m->sentence = "no such open episode: nothing changed";
        return;
    }
    machine_focus(m, e);
    if (m->pathway && m->pathway->subject == SUBJECT_RISK) {
        m->names_nothing = true;
        moment_refuse(m, only_clinician, 0);
        return;
    }
    int state = m->pathway ? open_state(m->pathway, m->event->episode_corrected->state) : -1;
    if (state < 0) {
        m->sentence = "the pathway has no open state of that name: nothing changed";
        return;
    }
    machine_enter(m, 0, (uint32_t)state, NULL, 0, HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_MOVED, 0);
    machine_settle(m);
}

/* Journaled on the site's record. Whoever told it hears at once when it will not do what they meant. */
static void staff_absent(struct moment *m)
{
    const Handoff__V1__StaffAbsent *a = m->event->staff_absent;
    m->is_used = true;
    if (!roster_person(m->site, a->person_id))
        m->sentence = "nobody of that id (person_id) is on the roster of this site: it changes nothing";
    else if (a->delegate_id[0] && !roster_person(m->site, a->delegate_id))
        m->sentence = "the delegate (delegate_id) is not on the roster of this site: whoever else has the role, the site "
                      "queue or the supervisor is told instead";
}

static const struct {
    Handoff__V1__Event__BodyCase body;
    void (*handle)(struct moment *m);
} work_events[] = {
    {BODY(TASK_COMPLETED), task_event},
    {BODY(TASK_ATTEMPTED), task_event},
    {BODY(TASK_CANCELLED), task_event},
    {BODY(ESCALATION_ACKNOWLEDGED), escalation_event},
    {BODY(ESCALATION_RESOLVED), escalation_event},
    {BODY(EPISODE_OPENED), episode_opened},
    {BODY(EPISODE_CLOSED), episode_closed},
    {BODY(EPISODE_CORRECTED), episode_corrected},
    {BODY(EVENT_RETRACTED), retract_apply},
    {BODY(PATIENT_MERGED), merge_leave},
    {BODY(STAFF_ABSENT), staff_absent},
    {BODY(DISCLOSURE_REQUESTED), disclose_requested},
    {BODY(PREFERENCE_UPDATED), reach_find_contact},
    {BODY(MESSAGE_FAILED), unreached_failed},
    {BODY(MESSAGE_SENT), unreached_arrived},
    {BODY(APPOINTMENT_FULFILLED), unreached_visit_over},
    {BODY(APPOINTMENT_ARRIVED), unreached_visit_over},
    {BODY(APPOINTMENT_NO_SHOW), unreached_visit_over},
    {BODY(APPOINTMENT_CANCELLED), unreached_visit_over},
    {BODY(APPOINTMENT_RETRACTED), unreached_visit_over},
};

void answers_apply(struct moment *m)
{
    for (size_t i = 0; i < sizeof work_events / sizeof *work_events; i++)
        if (work_events[i].body == m->event->body_case) work_events[i].handle(m);
    machine_focus(m, NULL);
}
