/* What the interpreter is looking at while it works on one input: the rules, the record in the making, the input,
 * and the episode, task and visit in focus. Guards read it; everything else changes the record through it.
 *
 * The parts of core/step, from the leaves up: facts.c (what an event says of the patient), work.c (tasks and
 * escalations), timers.c, act.c (a pathway's actions), machine.c (transitions), episodes.c (whom an event is for),
 * answers.c (what people answer), step.c (one input from end to end). */
#ifndef HANDOFF_CORE_MOMENT_H
#define HANDOFF_CORE_MOMENT_H

#include "base/arena.h"
#include "base/limits.h"
#include "core/calendar.h"
#include "core/consent.h"
#include "core/message.h"
#include "core/pathway.h"
#include "core/rules.h"
#include "core/step.h"

struct moment {
    const struct rules *rules;
    const struct site *site;
    Handoff__V1__PatientRecord *record; /* the record after, in the making */
    const struct step_input *input;
    const Handoff__V1__Event *event; /* NULL in a firing */
    const char *event_agency;        /* the agency the event speaks of; "" when none */
    const char *event_consent;       /* the release the event speaks of; "" when none */
    Handoff__V1__RiskKind event_risk; /* the kind of risk the event speaks of; UNSPECIFIED: none */
    int64_t now_ms;                  /* journal time */
    int64_t occurred_ms;             /* when it happened: never later than now */
    int64_t due_ms;                  /* of what fires */
    const struct pathway *pathway;   /* of the episode in focus */
    Handoff__V1__Episode *episode;
    const Handoff__V1__Episode *referral;
    const Handoff__V1__Task *task;   /* the one the event names, as the event found it */
    Handoff__V1__Appointment *visit;
    struct arena *arena;
    uint32_t scope;                  /* of what is being done now; see core/pathway.h */
    int depth;                       /* automatic transitions and signals so far */
    const char *fault;               /* set: an invariant would break; the input is parked with this sentence */
    const char *sentence;            /* what the sender should know */
    bool is_used;                    /* somebody had a use for the event */
    bool is_ignored;                 /* a pathway knows the event to be harmless here */
    bool is_changed;                 /* beyond the facts of the record */
    bool is_overtaken;
    bool names_nothing; /* the event names a task, escalation or episode that is not open: nobody is offered it */
    bool is_exhausted;               /* the task in focus was attempted for the last time */
    bool is_new_visit;               /* the event told of a visit for the first time */
    Handoff__V1__Recipient **struck; /* whom the event took off a release */
    size_t struck_count;
    Handoff__V1__Outcome *out;
};

/* --- outcome (outcome.c) ------------------------------------------------------------------------------------- */
enum { EMISSIONS_MAX = 256, APPLIED_MAX = 64 };
/* A new emission with its rule and episode filled; NULL after a fault. */
Handoff__V1__Emission *moment_emit(struct moment *m, uint32_t rule);
void moment_apply(struct moment *m, Handoff__V1__AppliedKind kind, uint32_t machine, uint32_t from, uint32_t to,
                  uint32_t rule);
void moment_audit(struct moment *m, Handoff__V1__AuditKind kind, const char *text,
                  const Handoff__V1__Recipient *recipient, uint32_t rule);
void moment_fault(struct moment *m, const char *sentence);
/* The event says how a referral stands: requested, received, accepted, ..., agency.selected. */
bool moment_is_course(const struct moment *m);
/* Urgent values hold while the episode is urgent or stat, or the patient has an open safety flag. */
bool moment_is_urgent(const struct moment *m);
const struct delay *moment_wait(const struct moment *m, const struct wait *wait);
int64_t moment_resolve(const struct moment *m, const struct delay *delay, int64_t base_ms);

/* --- guards (guard.c) ---------------------------------------------------------------------------------------- */
bool guard_holds(const struct guard *guard, const struct moment *m);

/* --- facts (facts.c) ----------------------------------------------------------------------------------------- */
/* Keeps what the event says of the patient, and finds the visit it speaks of. */
void facts_apply(struct moment *m);
Handoff__V1__Appointment *facts_visit(const Handoff__V1__PatientRecord *record, uint32_t number);
/* Somebody has looked at the patient's safety: what was found until then is assessed. */
void facts_assessed(struct moment *m);
/* A safety finding's severity; UNSPECIFIED: the event is none. */
Handoff__V1__Severity facts_finding(const Handoff__V1__Event *event);

/* Of signatures, refusals and revocations (facts_consent.c), and of how people may be reached (reach_facts.c). */
void facts_granted(struct moment *m);
void facts_refused(struct moment *m);
void facts_revoked(struct moment *m);
void facts_preference(struct moment *m);
void facts_declined(struct moment *m);
/* A talk without the interpreter that the family needs has not reached it: the event is read so. */
void reach_judge(struct moment *m);
/* The family was called and not reached: that is an attempt, however it is told. */
bool reach_is_attempt(const struct moment *m, const Handoff__V1__Task *task);
/* Nobody of the family may be reached by a message any more: somebody finds a way. Done after the facts. */
void reach_find_contact(struct moment *m);

/* --- releases of information (release.c) --------------------------------------------------------------------- */
/* Of the episode in focus; without one, of the release that the event names. gap: enum consent_gap. */
bool release_lacks(const struct moment *m, uint32_t gap);
bool release_is_complete(const struct moment *m);
bool release_is_on_file(const struct moment *m);
bool release_is_needed(const struct moment *m);     /* an open course of care has nothing else when this one ends */
bool release_is_superseded(const struct moment *m); /* others cover all that it names */
bool release_is_declined(const struct moment *m);   /* by the event */
/* Whom its tasks are about; NULL: it names nobody. */
const Handoff__V1__Recipient *release_recipient(const struct moment *m);
/* Computes the times of the episode in focus. is_new: its timers have not begun. */
void release_fill(struct moment *m, bool is_new);
void release_follow(struct moment *m); /* of all releases, after an event that may change them */

/* --- telling others (disclose.c) ------------------------------------------------------------------------------ */
struct disclosure {
    Handoff__V1__StatusKind kind;
    Handoff__V1__Party party;
    const char *id;
    Handoff__V1__DiagnosisCategory category;
    uint32_t rule;
};
/* With a ground it is told, without one a record says that it was withheld. */
enum consent_answer disclose_tell(struct moment *m, const struct disclosure *d);
/* disclosure.requested: told, told under the emergency exception, or withheld and somebody asked. */
void disclose_requested(struct moment *m);

/* --- episodes (episodes.c) ----------------------------------------------------------------------------------- */
/* An event that names another referral, visit, task or agency is not for this episode. */
bool episode_is_meant(const struct moment *m, const Handoff__V1__Episode *e, const struct pathway *p);
bool episode_is_open_for(const struct moment *m, const struct pathway *p); /* one with the event's subject */
bool episode_was_closed(const struct moment *m);                           /* since the event occurred */
bool episode_has_task(const Handoff__V1__Task *t, const Handoff__V1__Episode *e);

/* --- answers (answers.c) ------------------------------------------------------------------------------------- */
/* Carries out an event about a task, an escalation or an episode; then no episode is in focus. */
void answers_apply(struct moment *m);

/* --- work (work.c) ------------------------------------------------------------------------------------------- */
struct task_order {
    Handoff__V1__TaskKind kind;
    Handoff__V1__Role owner;       /* UNSPECIFIED: the policy's */
    Handoff__V1__Severity severity;
    const struct delay *due;       /* NULL: the policy's */
    Handoff__V1__Party party;      /* subject; UNSPECIFIED: none */
    const char *subject_id;
    uint32_t rule;
};
/* Opens a task, or adds a cause to the open one of the same kind and subject. */
void work_open_task(struct moment *m, const struct task_order *order);
Handoff__V1__Task *work_find_task(const Handoff__V1__PatientRecord *record, uint32_t number);
/* Withdraws this episode's causes (without one in focus: those that are no pathway's) from tasks of a kind (0: of any)
 * made in a scope (0: any). */
void work_withdraw(struct moment *m, Handoff__V1__TaskKind kind, uint32_t scope);
/* The same from one task. */
void work_withdraw_task(struct moment *m, Handoff__V1__Task *task);
void work_complete(struct moment *m, Handoff__V1__Task *task, Handoff__V1__TaskOutcome outcome);
void work_attempt(struct moment *m, Handoff__V1__Task *task); /* sets is_exhausted */
void work_cancel(struct moment *m, Handoff__V1__Task *task);
void work_fire_task(struct moment *m, Handoff__V1__Task *task);

void work_raise(struct moment *m, Handoff__V1__Role role, Handoff__V1__Severity severity, uint32_t rule);
Handoff__V1__Escalation *work_find_escalation(const Handoff__V1__PatientRecord *record, uint32_t number);
void work_acknowledge(struct moment *m, Handoff__V1__Escalation *e, const char *by);
void work_resolve(struct moment *m, Handoff__V1__Escalation *e);
/* This episode's, made in a scope (0: any). */
void work_resolve_scope(struct moment *m, uint32_t scope);
void work_fire_escalation(struct moment *m, Handoff__V1__Escalation *e);
/* Of a round: one list to the person whose work it is now, or one escalation about an agency. */
void work_hand_over(struct moment *m, const Handoff__V1__RoundList *list);
void work_raise_list(struct moment *m, const char *about, const Handoff__V1__RoundList *list);

/* --- rounds (rounds.c): on a site's record ------------------------------------------------------------------- */
void rounds_by_event(struct moment *m);
void rounds_by_command(struct moment *m);
bool rounds_fire(struct moment *m, const Handoff__V1__TimerInput *firing);

/* --- timers (timers.c) --------------------------------------------------------------------------------------- */
/* of the episode in focus */
Handoff__V1__Timer *timer_find(const struct moment *m, uint32_t kind, uint32_t appointment);
void timer_start(struct moment *m, uint32_t kind); /* replaces a running one; per appointment: m->visit's */
/* Stops it and withdraws what its firings asked for. Per appointment: m->visit's; without a visit all. */
void timer_stop(struct moment *m, uint32_t kind);
void timer_pause_resume(struct moment *m);         /* after a change of holds */
void timer_follow(struct moment *m,
                  const ProtobufCFieldDescriptor *field); /* after a change of a time of the episode */
void timer_hasten(struct moment *m); /* after a change to urgent: none is later than its urgent value from now */
void timer_end_episode(struct moment *m);

/* --- acting (act.c) ------------------------------------------------------------------------------------------ */
void act_do(struct moment *m, const struct action *actions, uint32_t count);
bool act_is_held(const Handoff__V1__Episode *episode, uint32_t hold);
bool act_is_paused(const struct pathway *p, const Handoff__V1__Episode *episode, uint32_t aspect);
bool act_pauses_timer(const struct pathway *p, const Handoff__V1__Episode *episode, uint32_t timer);
/* The id of a party as this episode knows it; NULL: there is none. */
const char *act_party_id(const struct moment *m, Handoff__V1__Party party);

/* --- machines (machine.c) ------------------------------------------------------------------------------------ */
/* Offers the event to the episode in focus: main machine, then each region. */
void machine_offer(struct moment *m);
/* Takes automatic transitions until none holds. */
void machine_settle(struct moment *m);
/* machine 0: main, n: region n-1. */
void machine_enter(struct moment *m, uint32_t machine, uint32_t target, const struct action *actions, uint32_t count,
                   Handoff__V1__AppliedKind kind, uint32_t rule);
void machine_signal(struct moment *m, const char *name, uint32_t episode);
/* To every other open episode of the patient. */
void machine_signal_all(struct moment *m, const char *name);
/* Opens an episode on a pathway. rule NULL: in its initial state (a human's or another pathway's wish). */
void machine_open(struct moment *m, const struct pathway *pathway, const struct opening_rule *rule,
                  const Handoff__V1__Episode *from, bool is_replacing);
void machine_fire(struct moment *m, Handoff__V1__Timer *timer);
Handoff__V1__Episode *machine_episode(const Handoff__V1__PatientRecord *record, uint32_t number);
/* Puts an episode in focus. */
void machine_focus(struct moment *m, Handoff__V1__Episode *episode);

/* --- sources (sources.c): on a source's record --------------------------------------------------------------- */
void sources_by_command(struct moment *m);
bool sources_fire(struct moment *m, const Handoff__V1__TimerInput *firing);

#endif
