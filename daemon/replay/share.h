/* A journal read patient by patient, in bounded memory and without the index: all entries are looked at by their
 * headers, and where those of a share of the subjects are is kept, sorted by subject and sequence. A journal of more
 * entries than a share holds is looked at several times.
 *
 * Read-only: the folder may be in use. What is appended after share_open is not looked at; a snapshot is held only for
 * as long as entries are read between two calls of share_rest, so that a daemon's file is not kept from being reused.
 */
#ifndef HANDOFF_REPLAY_SHARE_H
#define HANDOFF_REPLAY_SHARE_H

#include <stdbool.h>
#include "store/journal.h"

enum { SHARE_PLACES = 2 * 1024 * 1024 }; /* about so many a share: 96 MiB */

struct place { /* of an entry */
    struct patient_key key;
    uint64_t sequence, batch;
    uint32_t offset;
};
/* A subject's entries, oldest first. */
struct chain_places {
    const struct place *places;
    size_t count;
};

struct shares;

struct share_listener { /* each may be NULL */
    void *context;
    /* In the first look: the folder's own entries (epochs, changes of rules), in order. batch_end: the last sequence of
     * its batch, from which on a change of rules holds. */
    int (*on_own)(void *context, const struct entry *entry, uint64_t batch_end);
    /* Headers looked at, of all that will be. */
    void (*on_look)(void *context, uint64_t done, uint64_t total);
};

/* places_max 0: SHARE_PLACES. 0, or JOURNAL_E_. */
int share_open(struct journal *journal, uint32_t places_max, const struct share_listener *listener,
               struct shares **ret_shares);
void share_close(struct shares *s);

uint64_t share_last_sequence(const struct shares *s);
int64_t share_last_time_ms(const struct shares *s); /* after the first look */
uint64_t share_entries(const struct shares *s);

/* The next share, from the first again after share_rewind. 1; 0: there is none left; JOURNAL_E_. */
int share_next(struct shares *s);
void share_rewind(struct shares *s);
/* The next subject of the share; false: none left. */
bool share_chain(struct shares *s, struct chain_places *ret_chain);
/* 0, or JOURNAL_E_. What is given out is valid until share_rest. */
int share_entry(struct shares *s, const struct place *at, struct entry *ret_entry);
void share_rest(struct shares *s);

#endif
