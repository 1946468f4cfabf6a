/* How the journal is asked while an input is decided: by the engine, which has a batch of its own on top, and by the
 * audit, which has what came before. What core needs beside the record (what a retraction takes back, whom a merge
 * joins) is gathered through it, so that both give core the same. */
#ifndef HANDOFF_ENGINE_CHAINS_READ_H
#define HANDOFF_ENGINE_CHAINS_READ_H

#include "base/arena.h"
#include "core/step.h"
#include "engine/subject.h"
#include "store/entry.h"

struct chains_read {
    void *context;
    struct arena *arena; /* of this input */
    const uint8_t *hash_key;
    /* An entry by its sequence. 0, or an error that the caller hears. */
    int (*entry)(void *context, uint64_t sequence, struct entry *ret_entry);
    /* Along a subject's chain from its newest entry on: 1 and the entry with the event of this source and id, 0, or an
     * error. NULL: it is walked. */
    int (*seek)(void *context, const struct patient_key *key, uint64_t newest, const char *source, const char *id,
                struct entry *ret_entry);
    /* The newest of a subject; its sequence 0: it has none. */
    int (*newest)(void *context, const struct patient_key *key, struct entry *ret_entry);
};

/* --- retraction.c --------------------------------------------------------------------------------------------- */
/* What an event.retracted on this record takes back. record: the subject's newest, at the sequence `newest`. *ret NULL:
 * nothing of that source and id has come. */
int retraction_gather(const struct chains_read *from, const Handoff__V1__EventRetracted *retracted,
                      const Handoff__V1__PatientRecord *record, uint64_t newest, const struct step_retraction **ret);

#endif
