/* The one function that decides.
 *
 *     step(rules, record, input, arena) -> outcome
 *
 * Pure: no clock, no I/O, no randomness, no global. The same arguments give the same outcome, byte for byte, on
 * every machine. The input carries journal time. Nothing it is given is changed; what it returns lives in the arena.
 *
 * It cannot fail. What a pathway gets wrong for one patient comes back as VERDICT_PARKED with the record unchanged
 * but for a safety-net timer and a task for a human. */
#ifndef HANDOFF_CORE_STEP_H
#define HANDOFF_CORE_STEP_H

#include <stdbool.h>

#include "base/arena.h"
#include "handoff/v1/journal.pb-c.h"
#include "handoff/v1/record.pb-c.h"
#include "handoff/v1/rules.pb-c.h"

struct rules; /* core/rules.h */
struct site;

enum subject_kind { SUBJECT_IS_PATIENT, SUBJECT_IS_SITE, SUBJECT_IS_SOURCE };

/* The synthetic patient's id (core/heartbeat.c). Nobody else has it. */
#define HEARTBEAT_PATIENT "handoffd-heartbeat"

/* EVENT of a subject that is not the event's own: an event of the site that concerns this patient too.
 * JOIN: on the survivor's record, right after the patient.merged on the other's. */
enum step_kind { STEP_EVENT, STEP_FIRING, STEP_UNKNOWN_SUBJECT, STEP_COMMAND, STEP_JOIN, STEP_DIFFERS };

/* What an event.retracted takes back, as the journal has it. */
struct step_disclosure {
    uint64_t sequence;
    const Handoff__V1__StatusEmission *status;
};
struct step_retraction {
    uint64_t sequence;                         /* of the entry of the event that is taken back */
    const Handoff__V1__Event *event;
    const Handoff__V1__PatientRecord *before;  /* NULL: the record began with it */
    const Handoff__V1__PatientRecord *after;
    const Handoff__V1__Outcome *outcome;
    const struct step_disclosure *disclosures; /* its own, and the later ones of the episodes that it opened or that
                                                  stand on the release that it granted */
    size_t disclosure_count;
    bool is_elsewhere; /* it was of a patient that has become this one since: its numbers are others */
};

/* What was told on the release that this event granted. */
bool step_rests_on(const Handoff__V1__Event *event, const Handoff__V1__StatusEmission *told);

/* What a patient.merged meets. */
enum merge_answer {
    MERGE_NO_SURVIVOR, /* nobody knows the patient that it names */
    MERGE_NO_PATIENT,  /* nor the one that it is about */
    MERGE_SAME,        /* with itself, or the two are one already the other way round */
    MERGE_ALREADY,     /* they are one already, as it says */
    MERGE_OF_ALIAS,    /* it speaks of one that has become another already */
    MERGE_TOO_DEEP,    /* too many became one another in a row */
    MERGE_TOO_LARGE,   /* together they are more than a record holds */
    MERGE_POSSIBLE     /* the record becomes an alias; the survivor's STEP_JOIN follows in the same batch */
};
struct step_merge {
    enum merge_answer answer;
    const char *survivor_id; /* POSSIBLE: whom it becomes, aliases followed */
};

struct step_input {
    enum step_kind kind;
    uint64_t sequence;               /* the entry's */
    int64_t now_ms;                  /* journal time */
    enum subject_kind subject;
    const char *subject_name;        /* patient id, site or source; for a record that begins */
    uint64_t seen_hash;              /* keyed hash of (source, id): dedupe. Events only */
    const Handoff__V1__Event *event; /* STEP_EVENT */
    uint64_t retracted_hash;                        /* event.retracted: the keyed hash of what it names */
    const struct step_retraction *retraction;       /* event.retracted: NULL: that event has not come */
    const struct step_merge *merge;                 /* patient.merged; NULL: nobody knows */
    const Handoff__V1__PatientJoined *joined;       /* STEP_JOIN */
    const Handoff__V1__RepeatDiffers *differs;      /* STEP_DIFFERS */
    const Handoff__V1__PatientRecord *loser, *alias; /* STEP_JOIN: the other's record before it became an alias, and after */
    const Handoff__V1__TimerInput *firing;          /* STEP_FIRING */
    const Handoff__V1__UnknownSubject *unknown;     /* STEP_UNKNOWN_SUBJECT, on a source's record */
    const Handoff__V1__CommandInput *command;       /* STEP_COMMAND: what the daemon itself has to say to a record
                                                       (round_wanted, source_heard, delivery_served ...) */
};

struct outcome {
    Handoff__V1__PatientRecord *after; /* never NULL */
    Handoff__V1__Outcome journaled;    /* verdict, applied rules, emissions, sentence */
    bool is_new;                       /* the record did not exist */
    bool tells_source;                 /* the patient is unknown and nothing acted: the source's record gets a
                                          STEP_UNKNOWN_SUBJECT in the same batch */
    bool takes_back;                   /* an event.retracted that has undone another: what a site's had made known is taken
                                          out of the rules in the same batch */
    bool was_taken_back;               /* the event was, before it came: nothing of it is made known */
    const char *hands_over_to;         /* NULL, or the person whose work this patient's open tasks have become: the
                                          site's record gets a round_wanted in the same batch */
};

/* before NULL: the subject has no record yet. before is not changed; parts of it may be shared by after. */
void step(const struct rules *rules, const Handoff__V1__PatientRecord *before, const struct step_input *input,
          struct arena *arena, struct outcome *ret_outcome);

/* Is this event a repeat? BEFORE: most likely of *ret_sequence; if that is another, ask again. NEW: certainly not. MAYBE: it is
 * not among the newest, but as old as what was pushed out of the record: look along the chain of entries. *at: 0 at first. */
enum seen { SEEN_NEW, SEEN_BEFORE, SEEN_MAYBE };
enum seen step_seen(const Handoff__V1__PatientRecord *record, uint64_t seen_hash, int64_t occurred_at_ms, size_t *at,
                    uint64_t *ret_sequence);

/* The earliest due thing in a record: fills *ret_firing and returns its due time; NO due: INT64_MAX. Ties go
 * timers, then tasks, then escalations, each in stored order. */
int64_t step_next_due(const Handoff__V1__PatientRecord *record, Handoff__V1__TimerInput *ret_firing);

/* The longest silence that this step ended: how long an open episode had told nobody, in its state, until now.
 * 0: it told nobody. The verifier's proven bound is for the same quantity. */
int64_t step_silence_ended(const Handoff__V1__PatientRecord *before, const Handoff__V1__PatientRecord *after);

/* Counts that the journal's running totals keep. */
struct record_totals {
    int64_t open_episodes, open_tasks, open_escalations, pending_timers;
};
void step_totals(const Handoff__V1__PatientRecord *record, struct record_totals *ret_totals);

/* The ids people and consumers see. key: the subject's hash, as lower-case hexadecimal of 32 letters.
 * "KEY-t4", "KEY-e2", "KEY-ep1"; an emission's adds ".generation". Buffer: STEP_ID_BYTES. */
enum { STEP_ID_BYTES = 64 };
void step_id(char *buffer, const char *key, const char *letters, uint32_t number, uint32_t generation);
/* Parses t4 or KEY-t4 with these letters; 0 when it is not one. */
uint32_t step_id_number(const char *id, const char *letters);

/* An emission's id taken apart; false: it is none. letters: "t", "e" or "n" (a notice, which has no generation). */
struct step_emission {
    char id[STEP_ID_BYTES]; /* without the generation */
    const char *letters;
    uint32_t generation;
};
bool step_emission_parse(const char *id, struct step_emission *ret);

/* The same where the record took in other patient ids: an id keeps the patient under which it was made. key: the record's
 * own. */
void step_id_in(char *buffer, const char *key, const char *letters, uint32_t number,
                const Handoff__V1__PatientRecord *record, const Handoff__V1__Origin *origin);
/* The number here of what an id names, given with this patient id; 0: nothing that is open. */
uint32_t step_number_in(const Handoff__V1__PatientRecord *record, const char *patient_id, const char *id, const char *letters);

#endif
