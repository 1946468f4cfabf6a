/* Reads a whole journal and says what is wrong with it; for `handoffd verify`. Writes nothing.
 *
 *   every batch:  frame, checksums, digest, and the digest of the batch before (the chain)
 *   every entry:  consecutive, its subject's previous sequence, its key, due time and flags, time that never runs back
 *   totals:       counted again from the records
 *   decisions:    in epochs that this version of the code wrote, step is asked again with the rules as of then, the
 *                 record before and the input: it must answer with the same bytes
 *
 * After a damage it goes on with what can still be read. What cannot be known then is not reported as damage: the
 * entries of a subject after one of its entries was lost are not decided again until the chain is whole. */
#ifndef HANDOFF_ENGINE_AUDIT_H
#define HANDOFF_ENGINE_AUDIT_H

#include "store/journal.h"

struct audit {
    const char *code_version;
    void *context;
    /* batch: its first sequence; sequence: the entry's, 0 when it is about the batch. */
    void (*on_damage)(void *context, uint64_t batch, uint64_t sequence, const char *sentence);
};

struct audit_summary {
    uint64_t batches, entries, subjects, decided_again, damages, first_sequence, last_sequence;
};

/* 0: all of it was read, damages or not; -1: memory, or the journal cannot be read at all (on_damage said why). */
int audit_journal(struct journal *journal, const struct audit *audit, struct audit_summary *ret_summary);

#endif
