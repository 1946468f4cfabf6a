/* A pathway as the interpreter sees it: immutable, built once by pathway/load.c from YAML and checked by
 * pathway/verify.c. The grammar and its meaning are in daemon/pathways/README.md; this page is its shape in memory.
 *
 * Everything lives in the arena it was loaded into. Names are kept for people; the interpreter works with
 * positions: a state is its index in its machine, and so on. Records store those positions, which are stable
 * because an episode stays on the version (the text) it began with.
 *
 * Scope. What a timer's firing, a hold or a concern asked for is withdrawn when that timer stops, that hold is
 * lifted, that concern settled. A Cause names its scope by these numbers:
 *     0 none | SCOPE_TIMER + t | SCOPE_HOLD + h | SCOPE_CONCERN + c                                              */
#ifndef HANDOFF_CORE_PATHWAY_H
#define HANDOFF_CORE_PATHWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>
#include "handoff/v1/common.pb-c.h"
#include "handoff/v1/event.pb-c.h"
#include "handoff/v1/record.pb-c.h"
#include "handoff/v1/emission.pb-c.h"

enum {
    PATHWAY_STATES_MAX = 64,  /* in one machine */
    PATHWAY_REGIONS_MAX = 8,
    PATHWAY_TIMERS_MAX = 64,
    PATHWAY_HOLDS_MAX = 16,
    PATHWAY_CONCERNS_MAX = 16,
    PATHWAY_VARIABLES_MAX = 16,
    PATHWAY_GUARD_DEPTH_MAX = 32
};
enum { SCOPE_NONE = 0, SCOPE_TIMER = 1, SCOPE_HOLD = 256, SCOPE_CONCERN = 512 };

/* --- delays -------------------------------------------------------------------------------------------------- */
enum delay_op {
    DELAY_CLOCK,            /* amount: ms. The first three may be negative where the timer counts from a date */
    DELAY_DAYS,  /* amount: calendar days, same local time */
    DELAY_BUSINESS_DAYS,    /* amount: days */
    DELAY_BUSINESS_MINUTES, /* amount: open minutes */
    DELAY_EARLIEST,         /* of a and b */
    DELAY_LATEST,           /* of a and b */
    DELAY_OPENING,          /* a, moved to the next opening if that falls outside working hours */
    DELAY_CLOSING,          /* the close of the working day that a falls on (or of the next) */
    DELAY_AT,               /* amount: local minute of the day that a falls on; the next day if that has passed */
    DELAY_MIDNIGHT,         /* the end of the local day that a falls on */
    DELAY_COMPRESSED        /* a, but never more than an even share of what is left until episode.<field>:
                               amount: shares; field 0 or past: a */
};
struct delay {
    enum delay_op op;
    int64_t amount;
    const struct delay *a, *b;
    const ProtobufCFieldDescriptor *field; /* of Episode, int64 */
};
/* One of the two is used by the episode's rate: urgent when its priority is urgent or the patient is flagged. */
struct wait {
    const struct delay *routine, *urgent; /* both set; the same where the file gives one */
};

/* --- guards -------------------------------------------------------------------------------------------------- */
enum guard_op {
    GUARD_AND, GUARD_OR, GUARD_NOT,
    GUARD_EQ, GUARD_NE, GUARD_LT, GUARD_LE, GUARD_GT, GUARD_GE,
    GUARD_IN,        /* left in (list): right is a chain of GUARD_LIST */
    GUARD_LIST,      /* left: an element, right: the rest or NULL */
    GUARD_TIMES,     /* left * right, of numbers */
    GUARD_NUMBER,    /* number; enum values and booleans too */
    GUARD_TEXT,      /* text */
    GUARD_FIELD,     /* object + field */
    GUARD_VARIABLE,  /* number: position */
    GUARD_CALL       /* predicate with argument */
};
/* What a field path starts with. Absent objects (no task named by the event) read as zero and empty. */
enum guard_object {
    OBJECT_EVENT,    /* the event's body; in a timer's firing there is none: such guards do not load */
    OBJECT_PATIENT,  /* PatientRecord */
    OBJECT_EPISODE,  /* Episode: the one this pathway runs */
    OBJECT_REFERRAL, /* Episode: the referral the event names, or the only open one */
    OBJECT_TASK,     /* Task: the one the event names */
    OBJECT_VISIT     /* Appointment: the one the event names, or a per-appointment timer's */
};
struct guard {
    enum guard_op op;
    const struct guard *left, *right;
    int64_t number;
    const char *text;
    enum guard_object object;
    const ProtobufCFieldDescriptor *field;   /* int32/uint32/int64/uint64/bool/enum/string, not repeated; a Count
                                                field is followed through: absent reads as -1 */
    const struct predicate *predicate;
    int64_t argument[2];                     /* party, position of a hold, state, ... by the predicate's kinds */
    const char *argument_text;
};

/* The predicates a guard may call: core/guard.c has the table. */
enum argument_kind {
    ARGUMENT_NONE,
    ARGUMENT_PARTY,
    ARGUMENT_HOLD,
    ARGUMENT_CONCERN,
    ARGUMENT_TIMER,
    ARGUMENT_REGION_STATE,
    ARGUMENT_STATE,
    ARGUMENT_ASPECT,
    ARGUMENT_TASK_KIND,
    ARGUMENT_PATHWAY,
    ARGUMENT_BARRIER,
    ARGUMENT_DAYS,   /* two numbers of days, the first no later than the second */
    ARGUMENT_GAP,    /* bit of enum consent_gap */
    ARGUMENT_COVERAGE
};
struct moment; /* core/moment.h: what a guard is asked about */
struct predicate {
    const char *name;
    bool is_number; /* else a boolean */
    enum argument_kind argument;
    int64_t (*ask)(const struct moment *m, const struct guard *call);
};
const struct predicate *predicate_find(const char *name, size_t len);
/* 0 or NULL terminated name table end: the i-th predicate, NULL past the last (for documents and suggestions). */
const struct predicate *predicate_at(size_t i);

/* What a hold may pause besides named timers. */
enum aspect {
    ASPECT_SENDING = 1 << 0,     /* the referral itself */
    ASPECT_REMINDERS = 1 << 1,   /* to patient and family about visits */
    ASPECT_MISSES = 1 << 2,      /* the count of missed visits */
    ASPECT_FAMILY = 1 << 3       /* everything to patient and family */
};

/* --- actions ------------------------------------------------------------------------------------------------- */
/* Whom something is about or goes to: a party, with the id resolved from the episode, event or care team. */
enum party_from {
    PARTY_FROM_PARTY, /* party; id of the episode's agency, insurer or referrer where it is one, else the care team's */
    PARTY_FROM_REFERRER, /* the episode's referrer, whoever that is */
    PARTY_FROM_RECIPIENT /* TASK: the recipient of the release that the episode is about */
};
enum action_op {
    ACTION_TASK, ACTION_WITHDRAW, ACTION_WITHDRAW_FAMILY, ACTION_START, ACTION_STOP, ACTION_STOP_VISIT, ACTION_RAISE, ACTION_RESOLVE,
    ACTION_HOLD, ACTION_LIFT, ACTION_CONCERN, ACTION_SETTLE, ACTION_SET, ACTION_COUNT,
    ACTION_TAKE, ACTION_FORGET, ACTION_MARK, ACTION_UNMARK, ACTION_OPEN, ACTION_SIGNAL, ACTION_STATUS, ACTION_MOVE, ACTION_REFUSE,
    ACTION_NOTE, ACTION_REMIND, ACTION_IF, ACTION_DOUBT, ACTION_BASELINE, ACTION_PLAN, ACTION_WITHHOLD
};
struct action {
    enum action_op op;
    uint32_t rule;                         /* position in pathway->rules: line and reason */
    uint32_t position; /* timer, hold, concern, variable, region, pathway name's position in opens */
    uint32_t state;                        /* MOVE: target state in the region */
    Handoff__V1__TaskKind task;            /* TASK, WITHDRAW */
    Handoff__V1__Role role;                /* TASK: owner or UNSPECIFIED for the policy's */
    uint32_t roles;                        /* RAISE: bit set 1 << Role; told together, one escalation */
    uint32_t roles_out_of_hours;           /* RAISE: and these when the site is closed */
    Handoff__V1__Severity severity;        /* UNSPECIFIED: the task's, urgent while the episode is */
    bool is_as_found;                      /* TASK, RAISE: the severity is the episode's finding's */
    bool is_reporters;                     /* TASK: of whoever raised the flag; role or the policy's when that is nobody
                                              of the roster */
    struct wait due;                       /* TASK: NULLs for the policy's; PLAN: the default */
    struct wait latest;                    /* PLAN */
    Handoff__V1__Party party;              /* TASK subject, STATUS recipient, HOLD's recipient; UNSPECIFIED: none */
    enum party_from party_from;
    bool is_each;                          /* TASK: one for each member of the care team of that party */
    bool is_again;                         /* TASK: another event that asks is another cause, and told */
    bool is_before_visit;                  /* TASK: due no later than the patient's next booked visit */
    Handoff__V1__StatusKind status;        /* STATUS */
    bool is_replacing;                     /* OPEN: the new episode takes over from this one */
    int64_t number;                        /* SET: the value; BASELINE: ms */
    const char *text;                      /* REFUSE, NOTE; OPEN: pathway's name; SIGNAL: name */
    const ProtobufCFieldDescriptor *from, *to; /* TAKE: of the event's body, of Episode; FORGET: to, a text; MARK,
                                              UNMARK, PLAN: to, a time of Episode (PLAN's from: NULL: the event has none) */
    bool is_to_all;                        /* SIGNAL: to every other open episode of the patient; else the replaced */
    const struct guard *when;              /* IF */
    const struct action *then, *otherwise; /* IF */
    uint32_t then_count, otherwise_count;
};

/* --- machines ------------------------------------------------------------------------------------------------ */
struct transition {
    Handoff__V1__Event__BodyCase event; /* 0: `always`, or a signal */
    const char *name;                   /* signal.NAME and custom.NAME: NAME; else NULL */
    bool is_signal;
    bool is_ignore;                     /* known to be harmless here: nothing happens, no review */
    const struct guard *when;           /* NULL: always */
    int32_t target;                     /* state; -1: stay (internal). Target = own state: leave and enter again */
    const struct action *actions;
    uint32_t action_count;
    uint32_t rule;
};

/* Kinds of events, a bit each: what is not in the set need not be looked for. (From 256 on kinds share bits, and are
 * looked for in vain.) */
struct event_set {
    uint64_t words[4];
};

static inline void event_set_add(struct event_set *set, Handoff__V1__Event__BodyCase event)
{
    set->words[(unsigned)event / 64 % 4] |= UINT64_C(1) << (unsigned)event % 64;
}

static inline bool event_set_has(const struct event_set *set, Handoff__V1__Event__BodyCase event)
{
    return set->words[(unsigned)event / 64 % 4] >> (unsigned)event % 64 & 1;
}

struct state {
    const char *name;
    bool is_final;
    bool is_lapse;                    /* final: a document runs out by its own terms, so a timer may lead here */
    const struct transition *on;      /* in the order of the file */
    uint32_t on_count;
    struct event_set heard;           /* what any of them is for */
    const struct transition *always;
    uint32_t always_count;
    const uint32_t *timers;           /* `after`: run while the machine is in this state */
    uint32_t timer_count;
    const struct action *actions;     /* `do`: on entry */
    uint32_t action_count;
    int64_t max_silence_ms;           /* 0: the pathway's */
    int64_t longest_silence_ms;       /* computed by the verifier */
    uint32_t line;
};

struct machine {
    const char *name; /* "" for the main machine */
    uint32_t initial;
    const struct state *states;
    uint32_t state_count;
    const struct transition *any; /* hold in every open state, tried after the state's own */
    uint32_t any_count;
    struct event_set heard; /* what any of these is for */
};

struct firing {
    struct wait wait;       /* before this firing: from the timer's base for the first, else from the one before */
    const struct action *actions;
    uint32_t action_count;
    int32_t target;         /* of the machine whose state owns the timer; -1: none. No final state but a lapse */
    uint32_t rule;
};

enum timer_from {
    TIMER_FROM_EVENT,   /* occurred_at of what started it; in a firing the due time */
    TIMER_FROM_OPENED,  /* occurred_at of the opening event */
    TIMER_FROM_VISIT,   /* start of the appointment (timer is `per: appointment`) */
    TIMER_FROM_FIELD    /* an int64 time of Episode; 0: the timer does not start, unless it is_of_past */
};
struct timer_kind {
    const char *name;
    enum timer_from from;
    const ProtobufCFieldDescriptor *field;
    bool is_of_past;    /* of a field that `mark` alone sets, so it is never in the future; unknown: from the event */
    bool is_per_appointment;
    bool is_once;           /* ends after its last firing; does not count against silence */
    bool is_reminder;       /* a firing whose moment has passed is dropped and recorded */
    const struct firing *firings; /* the last repeats unless is_once */
    uint32_t firing_count;
    uint32_t line;
};

struct hold_kind {
    const char *name;
    uint32_t aspects;        /* enum aspect, what it pauses */
    const uint32_t *pauses;  /* timers */
    uint32_t pause_count;
    const uint32_t *timers;  /* `after`: run while it holds */
    uint32_t timer_count;
    const struct action *actions; /* `do`: when it begins */
    uint32_t action_count;
    bool is_per_recipient;
    uint32_t line;
};

struct concern_kind {
    const char *name;
    const uint32_t *timers;
    uint32_t timer_count;
    const struct action *actions;
    uint32_t action_count;
    uint32_t line;
};

/* How an episode begins. Tried in order when an event has no open episode of this pathway with the same subject. */
struct opening_rule {
    Handoff__V1__Event__BodyCase event; /* 0: only by another pathway's `open` or a human's episode.opened */
    const struct guard *when;
    int32_t target;
    const struct action *actions;
    uint32_t action_count;
    bool is_offered; /* the event is then offered to the new episode as to any open one */
    uint32_t rule;
};

struct rule_text {
    uint32_t line;      /* in the file */
    const char *text;   /* the reason in one sentence, or the transition in words */
};

enum pathway_subject {
    SUBJECT_REFERRAL, /* an event that names another referral is not for this episode */
    SUBJECT_PATIENT,  /* every event of the patient is offered; one open episode at a time */
    SUBJECT_RISK,     /* the same, one for each kind of risk: a finding of another kind is not for this episode */
    SUBJECT_CONSENT   /* the same, one for each release: an event that names another is not for this episode */
};

struct pathway {
    const char *name;
    const char *about;
    uint32_t version;   /* the file's own */
    uint32_t number;    /* the journal's; set by whoever loads */
    bool is_retired;    /* no new episode begins on it */
    enum pathway_subject subject;
    int64_t max_silence_ms;
    int64_t longest_silence_ms; /* over all states */
    struct machine main;
    const struct machine *regions;
    uint32_t region_count;
    const struct timer_kind *timers;
    uint32_t timer_count;
    const struct hold_kind *holds;
    uint32_t hold_count;
    const struct concern_kind *concerns;
    uint32_t concern_count;
    const char *const *variables;
    uint32_t variable_count;
    const struct opening_rule *opens;
    uint32_t open_count;
    struct event_set opening_events;
    const struct rule_text *rules;
    uint32_t rule_count;
};

/* The event vocabulary: core/vocabulary.c. */
enum event_class {
    EVENT_SAFETY,    /* always acts, also for an unknown patient, however late */
    EVENT_DISCHARGE, /* the same */
    EVENT_LOOP,      /* unused by every pathway: review-event */
    EVENT_FACT,      /* visits, coverage, plan, directory, patient: unused, it is journaled only */
    EVENT_WORK       /* about a task, escalation, episode or member of staff: core handles it */
};
struct event_kind {
    Handoff__V1__Event__BodyCase body;
    const char *name; /* dotted: referral.requested */
    enum event_class class;
    const ProtobufCMessageDescriptor *message;
    const char *required; /* fields that must be set, space separated; "" for none */
};
extern const struct event_kind event_kinds[];
extern const size_t event_kind_count;
/* NULL when unknown. Dots and underscores are the same. */
const struct event_kind *event_kind_by_name(const char *name);
const struct event_kind *event_kind_of(Handoff__V1__Event__BodyCase body);

#endif
