/* What a journal says besides its patients: the folder's hash key, its rules over time. Shared by all who read a folder
 * patient by patient. */
#ifndef HANDOFF_REPLAY_FOLDER_H
#define HANDOFF_REPLAY_FOLDER_H

#include "engine/subject.h"
#include "replay/share.h"
#include "replay/timeline.h"

struct folder {
    struct shares *shares;
    struct changes_over_time *changes;
    struct ruleset *rules; /* journaled, all of them */
    struct timeline journaled;
    uint8_t hash_key[HASH_KEY_BYTES];
    bool has_key;
    uint64_t looked, to_look; /* at headers */
    void *context;
    void (*on_look)(void *context);
};

/* Looks at all headers once, and stands before the first share's subjects. 0, or -1 and a sentence; -2 and errors: a
 * change of rules does not load. On failure folder_close too. */
int folder_open(struct folder *f, struct journal *journal, uint32_t places_max, struct yaml_errors *errors,
                const char **ret_sentence);
void folder_close(struct folder *f);
/* The next patient's entries, through all shares; sites, sources and the folder's own chains are passed over. 1 and
 * the newest record, in the arena; 0: no more; -1 and a sentence. */
int folder_next(struct folder *f, struct arena *arena, struct chain_places *ret_chain,
                Handoff__V1__PatientRecord **ret_newest, const char **ret_sentence);
/* Again from the first. */
int folder_rewind(struct folder *f, const char **ret_sentence);
/* A sentence for a JOURNAL_E_. */
const char *folder_error(int code);

#endif
