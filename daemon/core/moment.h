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

/* An episode whose signal is being answered, and the one whose signal it answers by that. */
struct sender {
    uint32_t number;
    const struct sender *outer;
};

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
    uint32_t scope_visit;            /* the visit whose timer fires; 0: none */
    const Handoff__V1__Episode *continued; /* it is being opened again: what it told once it does not tell again */
    const struct sender *senders;    /* of the signals being answered, the innermost first */
    int depth;                       /* automatic transitions and signals so far */
    const char *fault;               /* set: an invariant would break; the input is parked with this sentence */
    const char *sentence;            /* what the sender should know */
    const char *refused_end;         /* set: the answer would end an episode that may not end: nothing of it is done */
    bool is_used;                    /* somebody had a use for the event */
    bool is_ignored;                 /* a pathway knows the event to be harmless here */
    bool is_asked;                   /* somebody has a task because of it, perhaps since before */
    bool is_changed;                 /* beyond the facts of the record */
    bool is_overtaken;
    bool names_nothing; /* the event names a task, escalation or episode that is not open, or was refused: nobody is
                           offered it */
    bool takes_back;                 /* the event took back another, just now */
    bool was_taken_back;             /* the event itself, before it came: it is not acted on, or only as a finding */
    bool is_exhausted;               /* the task in focus was attempted for the last time */
    bool is_new_visit;               /* the event told of a visit for the first time */
    bool is_higher_finding;          /* the event is a safety finding graver than what stands */
    Handoff__V1__Recipient **struck; /* whom the event took off a release */
    size_t struck_count;
    bool is_county_changed;          /* the event told of another county than the one on file */
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
/* The event is recorded, what it asks is not done, and its sender is told why. */
void moment_refuse(struct moment *m, const char *sentence, uint32_t rule);
bool moment_is_out_of_hours(const struct moment *m);
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
/* --- facts of safety (facts_risk.c) */
void facts_flag_raised(struct moment *m);
void facts_screened(struct moment *m);
void facts_cleared(struct moment *m);
/* Somebody has looked at the patient's safety: what was found until then is assessed. */
void facts_assessed(struct moment *m);
/* A safety finding's severity; UNSPECIFIED: the event is none. */
Handoff__V1__Severity facts_finding(const Handoff__V1__Event *event);
/* The kind of risk that an event speaks of. */
Handoff__V1__RiskKind facts_risk_of(const Handoff__V1__Event *event);
/* NULL: no flag of that kind is open. */
Handoff__V1__SafetyFlag *facts_flag(const Handoff__V1__PatientRecord *record, Handoff__V1__RiskKind kind);
/* The open episode that watches this kind of risk; NULL: none does. */
const Handoff__V1__Episode *facts_watch(const struct moment *m, Handoff__V1__RiskKind kind);
/* On the roster with a clinical role; a medical risk is the PCP's too. */
bool facts_is_clinician(const struct moment *m, const char *person_id, bool is_medical);
/* Why this answer does not end a safety-check, or why a safety flag forbids that an episode ends; NULL: it does not. */
const char *facts_refuse_check(const struct moment *m, const Handoff__V1__Task *task);
const char *facts_refuse_closing(const struct moment *m);
bool facts_is_unassessed(const Handoff__V1__PatientRecord *record); /* a flag that no clinician has assessed */
void facts_flags_return(struct moment *m, const Handoff__V1__PatientRecord *before, const Handoff__V1__PatientRecord *after);

/* Of signatures, refusals and revocations (facts_consent.c), and of how people may be reached (reach_facts.c). */
void facts_granted(struct moment *m);
void facts_refused(struct moment *m);
void facts_revoked(struct moment *m);
void facts_preference(struct moment *m);
void facts_declined(struct moment *m);
/* A talk without the interpreter that the family needs has not reached it: the event is read so. */
void reach_judge(struct moment *m);
/* Nobody of the family may be reached by a message any more: somebody finds a way. Done after the facts. */
void reach_find_contact(struct moment *m);
/* Somebody finds out how this person is reached (UNSPECIFIED: anybody of the family), unless somebody does already. */
void reach_look_for(struct moment *m, Handoff__V1__Party party, const char *id);

/* --- messages (disclosed.c, unreached.c) --------------------------------------------------------------------- */
/* What deliveries say of the messages about a patient, a site or a source: it is audited, and moves no pathway. */
void disclosed_by_command(struct moment *m);
/* A message of this id was not received by whom it was for (their key or id; "": nobody says whom). */
void unreached_message(struct moment *m, const char *emission_id, const char *addressee);
/* A reminder that waits, since no address is known. */
void unreached_nobody(struct moment *m);
void unreached_failed(struct moment *m);     /* message.failed */
void unreached_arrived(struct moment *m);    /* message.sent: nobody has to call in its stead any more */
void unreached_visit_over(struct moment *m); /* appointment.*: nobody has to be reminded of it any more */

/* --- ends (ends.c) -------------------------------------------------------------------------------------------- */
/* May the episode in focus end in that state of its main machine? No: the task whose completion would end it stays open,
 * or the end waits. is_by_itself: by `always`, nobody asks for it. */
bool ends_may(struct moment *m, uint32_t target, bool is_by_itself);
/* The end that the episode in focus waited for and may have now; -1: none. It waits no more. */
int64_t ends_waited_for(struct moment *m);
/* Something else has happened in it since. */
void ends_forget(struct moment *m);
/* The episode's end waits for a safety flag, and the flag for a clinician. */
bool ends_are_awaited(const Handoff__V1__PatientRecord *record, const Handoff__V1__Episode *episode);

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
void release_reconsider(struct moment *m); /* the same after two records became one */

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
/* The episode has told that; kept, so that it is not told again when the episode is opened again. */
void disclose_remember(struct moment *m, Handoff__V1__Episode *episode, const Handoff__V1__Told *told);
/* What a human would have sent and a pathway does not ask for, since no release covers it. */
void disclose_withheld(struct moment *m, Handoff__V1__Party party, const char *id, uint32_t rule);
/* disclosure.requested: told, told under the emergency exception, or withheld and somebody asked. */
void disclose_requested(struct moment *m);

/* --- days, stays and visits (days.c) -------------------------------------------------------------------------- */
/* Keeps what an admission or discharge, or its cancelling, says of whether the patient is in a facility. */
void days_keep_stay(struct moment *m);
/* An admission, a discharge, or the cancelling of one: their order is kept by the stay, not by other events. */
bool days_is_encounter(const Handoff__V1__Event *event);

/* --- late events (late.c) ------------------------------------------------------------------------------------- */
/* Of what an event begins that arrives late, the steps already past are recorded; one, the newest, is carried out now
 * if the event itself asked nobody. */
void late_settle(struct moment *m);
/* When a task is due whose wait counts from when the event happened. */
int64_t late_due(const struct moment *m, const struct delay *delay);

/* --- scores (scores.c) ---------------------------------------------------------------------------------------- */
void scores_keep(struct moment *m);
/* Scores older than this are no baseline any more; the newest of the others is. */
void scores_rebase(struct moment *m, int64_t length_ms);

/* --- episodes (episodes.c) ----------------------------------------------------------------------------------- */
/* An event that names another referral, visit, task or agency is not for this episode. */
bool episode_is_meant(const struct moment *m, const Handoff__V1__Episode *e, const struct pathway *p);
bool episode_is_open_for(const struct moment *m, const struct pathway *p); /* one with the event's subject */
bool episode_was_closed(const struct moment *m);                           /* since the event occurred */
/* The course of care that the event's referral led to, completed before it happened; NULL: there is none. */
const Handoff__V1__ClosedEpisode *episode_completed(const struct moment *m);
bool episode_has_task(const Handoff__V1__Task *t, const Handoff__V1__Episode *e);

/* --- what is kept of a patient, field by field (particulars.c) ----------------------------------------------------- */
/* Says something of the patient, not of the work: what a retraction puts back and a merge unites. */
bool particulars_has(const ProtobufCFieldDescriptor *field);
/* Two elements of a list that speak of the same: the same consent, the same member of the care team. */
bool particulars_is_same(const ProtobufCFieldDescriptor *field, const void *a, const void *b);
/* What was so before, and was changed to what it is now: is again as it was. */
void particulars_undo(struct moment *m, const Handoff__V1__PatientRecord *before,
                      const Handoff__V1__PatientRecord *after);

/* Takes in what is kept of another patient id for the same patient; appointments get numbers of this record's. */
void particulars_unite(struct moment *m, Handoff__V1__PatientRecord *other);

/* --- two that become one (merge.c) ------------------------------------------------------------------------------ */
void merge_leave(struct moment *m); /* patient.merged, on the record of the one that becomes the other */
void merge_join(struct moment *m);  /* on the survivor's */
/* The event with its task, escalation and episode named as this record numbers them: an id keeps the patient under
 * which it was made. */
const Handoff__V1__Event *merge_translate(const struct moment *m, const Handoff__V1__Event *event);
/* The key of what was made under another patient id; NULL: made here. */
const ProtobufCBinaryData *merge_origin_key(const Handoff__V1__PatientRecord *record, const Handoff__V1__Origin *origin);

/* --- taking back (retract.c) ------------------------------------------------------------------------------------ */
void retract_apply(struct moment *m); /* event.retracted */
/* The event was taken back before it came: it is not acted on, unless it is a finding, and a human looks. */
bool retract_was_awaited(struct moment *m);
void retract_review_awaited(struct moment *m);

/* --- answers (answers.c) ------------------------------------------------------------------------------------- */
/* Carries out an event about a task, an escalation or an episode; then no episode is in focus. */
void answers_apply(struct moment *m);

/* --- family (family.c) ----------------------------------------------------------------------------------------- */
/* The act is to speak with the patient or the family. */
bool family_is_asked(Handoff__V1__TaskKind kind);

/* --- work (work.c) ------------------------------------------------------------------------------------------- */
struct task_order {
    Handoff__V1__TaskKind kind;
    Handoff__V1__Role owner;       /* UNSPECIFIED: the policy's */
    Handoff__V1__Severity severity;
    const struct delay *due;       /* NULL: the policy's */
    Handoff__V1__Party party;      /* subject; UNSPECIFIED: none */
    const char *subject_id;
    const char *owner_id;          /* a named person, who must do it themselves; NULL: whoever the role is */
    bool is_before_visit;          /* due no later than the next booked visit */
    bool is_again;                 /* asked again it is told again: another question */
    Handoff__V1__TaskKind instead_of; /* an act with a family that declined all contact; UNSPECIFIED: none */
    bool is_undelivered;           /* since a message to the family did not arrive, or may not have */
    uint32_t visit;                /* about which the message was; 0: none */
    uint32_t rule;
};
/* Opens a task, or adds a cause to the open one of the same kind and subject. */
void work_open_task(struct moment *m, const struct task_order *order);
/* A review-event names what came (review.c): the input's event is one of those it is about; one that was taken back is
 * none of them any more; two that became one task speak of both's. Other tasks stay as they are. */
void review_note(struct moment *m, Handoff__V1__Task *task);
void review_forget(Handoff__V1__Task *task, uint64_t sequence);
void review_join(struct moment *m, Handoff__V1__Task *kept, const Handoff__V1__Task *gone);
Handoff__V1__Task *work_find_task(const Handoff__V1__PatientRecord *record, uint32_t number);
/* Withdraws this episode's causes (without one in focus: those that are no pathway's) from tasks of a kind (0: of any)
 * made in a scope (0: any). */
void work_withdraw(struct moment *m, Handoff__V1__TaskKind kind, uint32_t scope);
/* The same from one task. */
void work_withdraw_task(struct moment *m, Handoff__V1__Task *task);
/* The same, of what one visit's timer asked for (0: any). */
void work_withdraw_visit(struct moment *m, Handoff__V1__TaskKind kind, uint32_t scope, uint32_t visit);
void work_fall_silent(struct moment *m); /* the family may not be spoken with: what asks for that is withdrawn */
void work_withdraw_family(struct moment *m); /* this episode's, of acts that mean speaking with the family */
void work_complete(struct moment *m, Handoff__V1__Task *task, Handoff__V1__TaskOutcome outcome);
void work_attempt(struct moment *m, Handoff__V1__Task *task); /* sets is_exhausted */
void work_cancel(struct moment *m, Handoff__V1__Task *task);
void work_fire_task(struct moment *m, Handoff__V1__Task *task);

/* roles: bit set 1 << Role. Several are told together: one matter, which climbs from the highest of them. */
void work_raise(struct moment *m, uint32_t roles, Handoff__V1__Severity severity, uint32_t rule);
Handoff__V1__Escalation *work_find_escalation(const Handoff__V1__PatientRecord *record, uint32_t number);
void work_acknowledge(struct moment *m, Handoff__V1__Escalation *e, const char *by);
void work_resolve(struct moment *m, Handoff__V1__Escalation *e);
/* This episode's, made in a scope (0: any). */
void work_resolve_scope(struct moment *m, uint32_t scope);
void work_resolve_visit(struct moment *m, uint32_t scope, uint32_t visit);
void work_fire_escalation(struct moment *m, Handoff__V1__Escalation *e);
/* The notice of that generation did not arrive: whoever is above hears of it now. Once for each; nothing comes of what
 * a newer one has overtaken, or of what somebody above, or who acknowledged it, knows already. */
void work_unreached_task(struct moment *m, Handoff__V1__Task *task, uint32_t generation);
void work_unreached_escalation(struct moment *m, Handoff__V1__Escalation *e, uint32_t generation);
/* Causes that a message about this visit gave. Of a task alone: work_withdraw_undelivered_of(). */
void work_withdraw_undelivered(struct moment *m, uint32_t visit);
void work_withdraw_undelivered_of(struct moment *m, Handoff__V1__Task *t, uint32_t visit);
/* Of a round about an event: one list to the person whose work it is now, or one escalation about an agency. */
void work_hand_over(struct moment *m, uint64_t round, const Handoff__V1__RoundList *list);
void work_raise_list(struct moment *m, uint64_t round, const char *about, const Handoff__V1__RoundList *list);
/* Messages are not delivered as they should be: raised to one role, until they are. */
struct undelivered {
    Handoff__V1__Role role;
    Handoff__V1__Severity severity;
    const char *subscription; /* "": all of them may be concerned */
    const char *why;
};
uint32_t work_raise_undelivered(struct moment *m, const struct undelivered *u); /* its number; 0 after a fault */
void work_resolve_undelivered(struct moment *m, uint32_t number); /* if it still stands */
/* What the event alone asked for by its lists is withdrawn or resolved: it was taken back. */
void work_forget_hand_over(struct moment *m, uint64_t round);
void work_forget_list(struct moment *m, uint64_t round, const char *reason);

/* --- rounds (rounds.c): on a site's record ------------------------------------------------------------------- */
void rounds_by_event(struct moment *m);
void rounds_by_retraction(struct moment *m, const struct step_retraction *taken_back);
void rounds_by_command(struct moment *m);
bool rounds_fire(struct moment *m, const Handoff__V1__TimerInput *firing);

/* Takes an entry out of the causes of tasks and escalations; what is left without a cause is withdrawn. Not those of
 * which is_kept says so. */
void work_forget(struct moment *m, uint64_t sequence, bool (*is_kept)(const struct moment *m, const Handoff__V1__Cause *c));
/* The same act about the same, or the same call: to the family, and to one of it. */
bool work_asks_the_same(const Handoff__V1__Task *a, const Handoff__V1__Task *b);
/* One act asked for twice: the first takes over the causes of the second, which is withdrawn. */
void work_join_tasks(struct moment *m, Handoff__V1__Task *kept, Handoff__V1__Task *gone);
void work_take_causes(struct moment *m, Handoff__V1__Task *kept, const Handoff__V1__Task *from);
/* One matter raised twice: the higher one stays. */
void work_join_escalations(struct moment *m);
/* It stands again as it was, under the number it had; generation: its last one told. */
void work_restore_task(struct moment *m, const Handoff__V1__Task *was, uint32_t generation);
void work_restore_escalation(struct moment *m, const Handoff__V1__Escalation *was, uint32_t generation);

/* --- opening an episode again (carry.c) ------------------------------------------------------------------------ */
/* What the episode in focus has raised, and the tasks that have a ladder, are of the episode with that number from now on. */
void carry_raised(struct moment *m, const struct pathway *to, uint32_t number);

/* --- timers (timers.c) --------------------------------------------------------------------------------------- */
/* of the episode in focus */
Handoff__V1__Timer *timer_find(const struct moment *m, uint32_t kind, uint32_t appointment);
/* Replaces a running one. Per appointment: m->visit's; without a visit of each that is booked in the episode. */
void timer_start(struct moment *m, uint32_t kind);
/* Stops it and withdraws what its firings asked for. Per appointment: m->visit's; without a visit all. */
void timer_stop(struct moment *m, uint32_t kind);
void timer_stop_visit(struct moment *m); /* all that count from m->visit; without a visit from any of the episode's */
void timer_pause_resume(struct moment *m);         /* after a change of holds */
void timer_follow(struct moment *m,
                  const ProtobufCFieldDescriptor *field); /* after a change of a time of the episode */
void timer_hasten(struct moment *m); /* after a change to urgent: none is later than its urgent value from now */
void timer_end_episode(struct moment *m);
/* Of the episode in focus: as they were before an input that left them as they were after it. What is past fires. */
void timer_put_back(struct moment *m, const Handoff__V1__PatientRecord *before, const Handoff__V1__PatientRecord *after);

/* --- acting (act.c) ------------------------------------------------------------------------------------------ */
void act_do(struct moment *m, const struct action *actions, uint32_t count);
void act_begin_hold(struct moment *m, uint32_t hold, const char *recipient);
bool act_end_holds_of(struct moment *m, uint64_t sequence); /* those that entry began in the episode in focus */
void act_begin_concern(struct moment *m, uint32_t concern);
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
/* Ends the episode in focus and goes on with its particulars on another version of its pathway, in this state: holds,
 * concerns, regions and variables of the same name are kept, tasks and timers begin anew. */
void machine_continue(struct moment *m, const struct pathway *pathway, uint32_t state);
void machine_fire(struct moment *m, Handoff__V1__Timer *timer);
/* Ends the episode in focus where it stands, without what its pathway does at an end. */
void machine_end(struct moment *m, Handoff__V1__CloseReason reason);
Handoff__V1__Episode *machine_episode(const Handoff__V1__PatientRecord *record, uint32_t number);
/* Puts an episode in focus. */
void machine_focus(struct moment *m, Handoff__V1__Episode *episode);

/* --- sources (sources.c): on a source's record --------------------------------------------------------------- */
void sources_by_command(struct moment *m);
bool sources_fire(struct moment *m, const Handoff__V1__TimerInput *firing);

/* --- who serves a subscription (served.c): on a site's record -------------------------------------------------- */
void served_by_command(struct moment *m);
void served_by_event(struct moment *m); /* after the answers: what a human resolved though nobody serves it yet */
bool served_fire(struct moment *m, const Handoff__V1__TimerInput *firing);

/* --- the synthetic patient (heartbeat.c) ------------------------------------------------------------------------ */
void heartbeat_by_command(struct moment *m);
bool heartbeat_by_event(struct moment *m); /* false: the record is another's */
bool heartbeat_fire(struct moment *m, const Handoff__V1__TimerInput *firing);

#endif
