/* What readers see: records, tasks, escalations, timelines and emissions with the names, persons and sentences that
 * the journal stores as numbers.
 *
 * Pure rendering from rules, an entry and a record; it looks nothing up and decides nothing but what the gate
 * withholds. Reasons come from the pathway's rule, else from the policy's task. Everything it returns lives in the
 * view's arena or points into what it was given (rules, record, entry), which must live as long.
 *
 * view.c: records, tasks, escalations. view_entry.c: entries, emissions. view_site.c: what is a site's or a source's.
 * view_words.c: the words. */
#ifndef HANDOFF_ENGINE_VIEW_H
#define HANDOFF_ENGINE_VIEW_H

#include "base/arena.h"
#include "core/rules.h"
#include "handoff/v1/api.pb-c.h"
#include "store/entry.h"

/* Why core itself escalates: nobody coordinates the patient yet, or no pathway asks anybody. */
#define VIEW_ALERT_REASON                                                                                              \
    "A discharge (finding, notice) of somebody nobody had told us of, or that no pathway looks after: somebody looks " \
    "now."

struct view {
    const struct rules *rules;
    struct arena *arena;
    int64_t now_ms;
};
/* Whose: the subject's key as text (32 letters) and a record of it. */
struct view_subject {
    const char *key;
    const Handoff__V1__PatientRecord *record;
};

/* --- records -------------------------------------------------------------------------------------------------- */
Handoff__V1__PatientReply *view_patient(const struct view *v, const struct view_subject *of, uint64_t sequence, int64_t at_ms);
Handoff__V1__TaskView *view_task(const struct view *v, const struct view_subject *of, const Handoff__V1__Task *task);
Handoff__V1__EscalationView *view_escalation(const struct view *v, const struct view_subject *of,
                                             const Handoff__V1__Escalation *escalation);

/* What the directory has for a task of this kind and episode now; NULL: nothing. */
Handoff__V1__Match **view_matches(const struct view *v, const Handoff__V1__PatientRecord *record,
                                  Handoff__V1__TaskKind kind, uint32_t episode, size_t *ret_count);

/* --- entries -------------------------------------------------------------------------------------------------- */
/* Unpacks the entry's sections. NULL: they do not unpack (the journal is damaged there). */
struct view_entry {
    const struct entry *entry;
    const Handoff__V1__Outcome *outcome;
    const Handoff__V1__PatientRecord *record; /* after it; NULL where the entry has none */
    const Handoff__V1__Event *event;          /* EVENT, or the event that a COMMAND shares with a patient */
    const Handoff__V1__TimerInput *firing;    /* TIMER */
    const Handoff__V1__CommandInput *command; /* COMMAND */
    char key[33];
};
struct view_entry *view_open_entry(const struct view *v, const struct entry *entry);

/* As history, for the workforce: the gate is not asked. with_event: the event itself too. */
Handoff__V1__TimelineEntry *view_timeline_entry(const struct view *v, const struct view_entry *of, bool with_event);
/* A firing that has not happened (engine_forecast). */
Handoff__V1__TimelineEntry *view_forecast(const struct view *v, const struct view_subject *after, int64_t at_ms,
                                          const Handoff__V1__TimerInput *firing, const Handoff__V1__Outcome *outcome);

/* The stream an emission goes out on. */
Handoff__V1__Stream view_stream(const Handoff__V1__Emission *emission);
/* Rings on the stream `record`: an input that was accepted about somebody. */
bool view_is_record(const struct entry *entry);
/* To be delivered: the gate is asked about the newest record (NULL: the entry's own), and what it does not deliver is
 * shown without a body and with the gate's reason. */
Handoff__V1__Emission *view_emission(const struct view *v, const struct view_entry *of,
                                     const Handoff__V1__PatientRecord *now, uint32_t position);
/* The same when the gate was asked and lets it out. Of the entry only emissions and record must be unpacked. */
struct gate_decision;
Handoff__V1__Emission *view_delivered(const struct view *v, const struct view_entry *of,
                                      const Handoff__V1__PatientRecord *now, uint32_t position,
                                      const struct gate_decision *decision);
/* As view_open_entry, without the input; is_newest false: of the record only what view_delivered reads beside the newest
 * one, which is not this. */
struct view_entry *view_open_outcome(const struct view *v, const struct entry *entry, bool is_newest);
/* Fields of a record that no reader is told, and the gate does not ask. */
struct stored_fields;
extern const struct stored_fields view_untold;
/* The id of what an emission is about, "KEY-t4", and of the emission itself, "KEY-t4.2". */
const char *view_subject_id(struct arena *arena, const char *key, const Handoff__V1__Emission *emission);
const char *view_emission_id(struct arena *arena, const char *key, const Handoff__V1__Emission *emission);
Handoff__V1__Severity view_severity(const Handoff__V1__Emission *emission);

/* --- ids (view_ids.c) ----------------------------------------------------------------------------------------- */
/* Of what the record has under a number: "KEY-t4"; "" for 0. What was made under a patient id that became this one has
 * the key and number that it had there. record NULL: none is known. */
const char *view_id(struct arena *arena, const char *key, const Handoff__V1__PatientRecord *record, const char *letters,
                    uint32_t number);
/* The patient id under which it was made, where that became the record's; "". */
const char *view_made_under(const Handoff__V1__PatientRecord *record, const Handoff__V1__Origin *origin);
void view_key_text(const uint8_t key[PATIENT_KEY_BYTES], char ret_text[33]);
/* An emission of an entry of that key, as the newest record numbers what it is about: its patient may have become
 * another since. */
const Handoff__V1__Emission *view_as_of_now(struct arena *arena, const char *key, const Handoff__V1__PatientRecord *then,
                                            const Handoff__V1__PatientRecord *now, const Handoff__V1__Emission *emission);

/* --- words ---------------------------------------------------------------------------------------------------- */
/* TASK_KIND_CALL_FAMILY: "call-family". A number without a name: the number. */
const char *view_word(struct arena *arena, const ProtobufCEnumDescriptor *of, int value);
const char *view_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A review-event's reason, and which events it is about: "... referral.accepted, id e-7 from agency-feed". */
const char *view_unused(const struct view *v, const char *reason, const Handoff__V1__Task *task);
/* Why the supervisor hears of an agency's end: with its name, and how many it concerns (0: not said). */
const char *view_ending(const struct view *v, const char *agency_id, uint32_t total);
/* Why the supervisor's list is over: what said so was taken back, and `why`. */
const char *view_staying(const struct view *v, const char *agency_id, const char *why);
/* What is not delivered as it should be. */
struct view_undelivered {
    const char *subscription; /* "": all of them may be concerned */
    const char *why;          /* NULL: it is delivered again */
    Handoff__V1__Severity severity; /* EMERGENT: escalations are among it */
};
const char *view_undelivered(const struct view *v, const struct view_undelivered *u);
/* Why a new owner gets a list. */
const char *view_hand_over(const struct view *v, const Handoff__V1__TaskEmission *e);
/* A reason, and how often and in what way it was tried already. */
/* The family declined all contact: what it would have been asked for, and why. */
const char *view_instead(const struct view *v, const char *reason, Handoff__V1__TaskKind kind);
/* A matter that climbed at once says why: "A message to the supervisor did not arrive. ..." */
const char *view_unreached(const struct view *v, const char *reason, Handoff__V1__Role role);
const char *view_tries(const struct view *v, const char *reason, uint32_t attempts, uint32_t channels);
/* That a source is silent, since when, and which pathways are blind meanwhile. */
const char *view_silence(const struct view *v, const Handoff__V1__PatientRecord *source);
/* 1: "1st" */
const char *view_ordinal(struct arena *arena, uint32_t n);
/* The sentence of a pathway's rule, or NULL. */
const char *view_rule_text(const struct pathway *pathway, uint32_t rule);
/* The pathway of an episode, open or closed, as the record knows it; NULL. */
const struct pathway *view_pathway(const struct rules *rules, const Handoff__V1__PatientRecord *record, uint32_t episode);

#endif
