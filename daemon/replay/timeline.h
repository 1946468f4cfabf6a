/* The rules over time: what was in force at each entry, and at each moment between two.
 *
 *     the journal's changes, in order --> timeline_take --> timeline_journaled ----> what was
 *                                                       \-> timeline_candidate ----> what would have been */
#ifndef HANDOFF_REPLAY_TIMELINE_H
#define HANDOFF_REPLAY_TIMELINE_H

#include "pathway/candidate.h"
#include "store/entry.h"

struct timeline_point {
    uint64_t from_sequence; /* of the first entry that is decided by them */
    int64_t at_ms;          /* things that fall due later are decided by them */
    const struct rules *rules;
};
struct timeline {
    struct timeline_point *points; /* ascending */
    size_t count, max;
};

const struct rules *timeline_at_sequence(const struct timeline *t, uint64_t sequence); /* NULL: none yet */
/* For what falls due at this time. The first ones, if it is before them. */
const struct rules *timeline_at_time(const struct timeline *t, int64_t at_ms);
const struct rules *timeline_newest(const struct timeline *t);
void timeline_free(struct timeline *t);

/* The changes as they were journaled. */
struct changes_over_time;
struct changes_over_time *timeline_changes_new(void); /* NULL: no memory */
void timeline_changes_free(struct changes_over_time *c);
/* 0, or -1: no memory. */
int timeline_take(struct changes_over_time *c, const struct entry *entry, uint64_t batch_end);

/* 0, or -EINVAL with the reasons: a change does not load with this version of handoffd. rs is empty. */
int timeline_journaled(struct changes_over_time *c, struct ruleset *rs, struct timeline *ret_timeline,
                       struct yaml_errors *errors);
/* After timeline_journaled. since_ms INT64_MIN: from the beginning. journaled: what timeline_journaled has filled. */
int timeline_candidate(const struct changes_over_time *c, struct candidate *candidate, const struct ruleset *journaled,
                       int64_t since_ms, struct timeline *ret_timeline, struct yaml_errors *errors);

#endif
