/* What a patient's tasks, escalations and episodes are, independent of their numbers, so that what people did about
 * them in the journal finds the same thing in another course of events:
 *
 *     episode      pathway, what it is about (referral, release, kind of risk), which one of these
 *     task         episode, kind, whom it is about, which one of these
 *     escalation   episode, kind of the overdue task if it is one's, rung on which it was raised, which one of these
 *
 * One `struct names` follows the journal, one each fold; each is fed with what was decided, in order. */
#ifndef HANDOFF_REPLAY_NAMES_H
#define HANDOFF_REPLAY_NAMES_H

#include <stdbool.h>
#include "base/arena.h"
#include "core/rules.h"
#include "handoff/v1/journal.pb-c.h"
#include "handoff/v1/record.pb-c.h"

struct named_origin { /* made under the id of a patient that became this one; 0: made here */
    uint32_t merged;  /* position in names->merged, from 1 */
    uint32_t number;  /* there */
};
struct named_patient {
    const char *patient_id;
    char key[33];
};
struct named_episode {
    uint32_t number;
    struct named_origin origin;
    const char *pathway, *about, *referral_id;
    uint32_t ordinal; /* 1: the first on this pathway about this */
    bool is_open;
};
struct named_task {
    uint32_t number;
    struct named_origin origin;
    uint32_t episode; /* position in names->episodes + 1; 0: no pathway's */
    Handoff__V1__TaskKind kind;
    Handoff__V1__Party party;
    const char *subject_id;
    uint32_t ordinal;
    bool is_open;
};
struct named_escalation {
    uint32_t number, episode;
    struct named_origin origin;
    Handoff__V1__TaskKind task_kind;
    Handoff__V1__Role rung;
    uint32_t ordinal;
    bool is_open;
};

struct names {
    struct arena *arena; /* of this patient */
    struct named_episode *episodes;
    struct named_task *tasks;
    struct named_escalation *escalations;
    struct named_patient *merged; /* as the record that it began with has them */
    uint32_t merged_count;
    uint32_t episode_count, episode_max, task_count, task_max, escalation_count, escalation_max;
};

/* Begins a patient; record NULL: nothing is known. What is open in it is the first of its kind. */
void names_begin(struct names *n, struct arena *arena, const struct rules *rules,
                 const Handoff__V1__PatientRecord *record);
/* Whether names_take needs the record: an episode began, or one is meant that nobody told of. */
bool names_want_record(const struct names *n, const Handoff__V1__Outcome *outcome);
/* after: may be NULL if it is not wanted. */
void names_take(struct names *n, const struct rules *rules, const Handoff__V1__Outcome *outcome,
                const Handoff__V1__PatientRecord *after);

const struct named_task *names_task(const struct names *n, uint32_t number); /* NULL: never heard of */
const struct named_escalation *names_escalation(const struct names *n, uint32_t number);
const struct named_episode *names_episode(const struct names *n, uint32_t number);
/* The number of what an event about this patient calls so: "t4", "KEY-t4". 0: it is no such id, or of nothing open that
 * came with a merge. patient_id: the event's. */
uint32_t names_number(const struct names *n, const char *letters, const char *id, const char *patient_id);
/* The pathway of a number of an episode; "": no pathway's. */
const char *names_pathway(const struct names *n, uint32_t episode_number);

enum match {
    MATCH_EXACT,     /* the same thing */
    MATCH_BY_KIND,   /* another one of this kind is open: whoever did the one would have done it */
    MATCH_IDLE,      /* it named nothing open in the journal either */
    MATCH_NOT_ASKED, /* nothing of the kind was asked for, or not yet */
    MATCH_ENDED      /* it has ended already */
};
/* What the journal calls `number` is in the other course *ret_number. */
enum match names_match_task(const struct names *journal, uint32_t number, const struct names *other,
                            uint32_t *ret_number);
enum match names_match_escalation(const struct names *journal, uint32_t number, const struct names *other,
                                  uint32_t *ret_number);
enum match names_match_episode(const struct names *journal, uint32_t number, const struct names *other,
                               uint32_t *ret_number);
static inline bool match_is_made(enum match m)
{
    return m == MATCH_EXACT || m == MATCH_BY_KIND;
}

#endif
