/* One patient's course of events under one set of rules: outside events as they are given, and between them whatever
 * falls due, each at its time, as a daemon that is never late would.
 *
 * Sequences are the journal's, times FOLD_STEPS, plus the count of firings since: so every input has one of its own,
 * in order, and the journal's can be read from it. */
#ifndef HANDOFF_REPLAY_FOLD_H
#define HANDOFF_REPLAY_FOLD_H

#include "core/step.h"
#include "replay/timeline.h"

enum { FOLD_STEPS = 1 << 20 };

/* What one input did. Valid during the call. */
struct fold_told {
    int64_t at_ms;
    int64_t cause_ms; /* when the outside event occurred that set it off, maybe through timers and tasks */
    const Handoff__V1__Outcome *outcome;
    const Handoff__V1__PatientRecord *after;
    const struct rules *rules;
    bool is_firing;
};

struct fold_root { /* when that occurred which an input goes back to */
    uint64_t sequence;
    int64_t occurred_ms;
};

/* The number, in the timeline's rules, of a pathway's version in the journal. */
typedef uint32_t fold_number(const void *context, uint32_t journaled);

struct fold {
    const struct timeline *timeline;
    struct arena *arena; /* the record, and what it shares with the events */
    uint8_t *packed;     /* to move the record by */
    size_t packed_max;
    const void *number_context;
    fold_number *number; /* NULL: the same */
    void *context;
    void (*on_told)(void *context, const struct fold_told *told);

    Handoff__V1__PatientRecord *record; /* NULL: nothing is known yet */
    int64_t now_ms;
    uint64_t sequence;     /* of the newest input */
    int64_t hold_until_ms; /* something due did not go away: nothing fires before */
    uint32_t firings_now;  /* at this very moment */
    struct fold_root *roots;
    size_t root_count, root_max;
    uint64_t steps; /* of all patients */
};

/* 0, or -1: no memory. context and on_told are the caller's to set, also later. */
int fold_new(struct fold *f, const struct timeline *timeline);
void fold_free(struct fold *f);

/* Begins a patient with a record of the journal (packed), or without one (len 0). 0, or -1: it does not unpack. */
int fold_begin(struct fold *f, struct bytes record, uint64_t sequence, int64_t at_ms);
/* Goes on from the journal's record after this entry, whatever was folded before. */
int fold_rebase(struct fold *f, const struct entry *entry);
/* What an entry of the journal before the beginning goes back to; before any step, ascending. */
void fold_add_root(struct fold *f, uint64_t sequence, int64_t occurred_ms);

/* When something fires next; NO_DUE. */
int64_t fold_next_ms(const struct fold *f);
/* Fires all that is due up to this time, and is then there. */
void fold_advance(struct fold *f, int64_t to_ms);
/* An event that was journaled at this sequence and time, after fold_advance to that time. The event lives in
 * fold_arena. */
void fold_event(struct fold *f, const struct step_input *input, uint64_t sequence, int64_t at_ms);
/* Room for an event: until the next call of fold_advance or fold_event. */
struct arena *fold_arena(struct fold *f);

#endif
