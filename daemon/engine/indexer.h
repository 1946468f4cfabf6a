/* Writes a frozen generation of changes to the index: on a thread of its own, in three passes, each in the order of its
 * tree (due rows by time, subjects' rows by key), in short transactions, so that neither the loop nor the index's
 * readers wait for it.
 *
 *      IDLE --begin--> WORKING --(written)--> DONE --poll--> IDLE
 *                         ^  \--(failed)--> FAILED --again--> WORKING
 *
 * What it is lent by indexer_begin it only reads, and the loop's thread only reads it too, until poll says DONE. */
#ifndef HANDOFF_ENGINE_INDEXER_H
#define HANDOFF_ENGINE_INDEXER_H

#include "engine/changes.h"
#include "engine/places.h"

enum { INDEXER_CHUNK = 1000 /* changes in one transaction */ };

struct sweep {
    const struct index_change *rows;
    uint32_t count;
    const uint64_t *rules; /* sequences of rules entries among them */
    uint32_t rules_count;
    uint64_t indexed_sequence; /* when all of it is written */
    const struct places *places; /* is prepared for so many subjects meanwhile; NULL: nothing is */
    uint64_t subjects;
};

/* All of it, on the caller's thread; 0 or INDEX_E_. What was written before a failure may be written again. `between`
 * (NULL: nothing) is called after each transaction. */
int sweep_write(struct index *index, const struct sweep *sweep, void (*between)(void *context), void *context);

enum indexer_state { INDEXER_IDLE, INDEXER_WORKING, INDEXER_DONE, INDEXER_FAILED };
struct indexer;

/* on_done is called on the indexing thread, after every sweep: to wake the loop, nothing else. May be NULL. */
struct indexer *indexer_new(struct index *index, void (*on_done)(void *context), void *context);
/* Waits for the sweep at work. */
void indexer_free(struct indexer *x);
/* When IDLE. */
void indexer_begin(struct indexer *x, const struct sweep *sweep);
/* When FAILED: the same sweep once more. */
void indexer_again(struct indexer *x);
/* DONE is reported once, and is IDLE then. FAILED: *ret_error is the index's. */
enum indexer_state indexer_poll(struct indexer *x, int *ret_error);
/* Between transactions it rests for as long as the last one took, so that the journal has the disk at least half of the
 * time, unless somebody waits for it. */
void indexer_hurry(struct indexer *x, bool is_awaited);
/* Until it is no longer WORKING, in a hurry. */
void indexer_wait(struct indexer *x);

#endif
