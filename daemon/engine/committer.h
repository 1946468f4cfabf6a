/* Makes a decided batch durable: seals it and appends it, on the caller's thread or on one of its own, so that the next
 * batch is decided meanwhile.
 *
 *      idle --begin--> at work --(appended, or not)--> done --take--> idle
 *
 * One batch at a time: the next one rests on its digest. What it is lent by committer_begin nobody else touches until
 * committer_take returns. Decides nothing: what a failure means is the engine's (commit.c). */
#ifndef HANDOFF_ENGINE_COMMITTER_H
#define HANDOFF_ENGINE_COMMITTER_H

#include <stdbool.h>
#include "store/journal.h"

struct commit {
    struct journal *journal;
    struct batch_builder *builder;
    uint64_t first_sequence;
    uint32_t count;
    int64_t totals[TOTAL_COUNT];
    uint8_t digest_before[DIGEST_BYTES];
    /* What came of it. */
    uint8_t digest[DIGEST_BYTES];
    int code; /* JOURNAL_E_ */
    int64_t took_ns;
};

/* On the caller's thread. */
void commit_now(struct commit *c);

struct committer;
/* on_done is called on the committing thread, after every append: to wake the loop, nothing else. May be NULL. The
 * result is NULL when there is no thread. */
struct committer *committer_new(void (*on_done)(void *context), void *context);
/* Waits for the append at work. */
void committer_free(struct committer *x);
/* When idle. */
void committer_begin(struct committer *x, struct commit *c);
/* Whether committer_take would return at once. */
bool committer_is_done(const struct committer *x);
/* Waits until it is done; idle then. */
void committer_take(struct committer *x);

#endif
