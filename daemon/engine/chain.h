/* The ids of the events in a few long chains of entries, by hash, so that a chain is walked once and not for each event
 * that is as old as what its record forgot: an import of a directory, a source that repeats a year.
 *
 * What is here is only a way to find an entry; the entry says whether it is the one. A chain that does not fit, or that gave
 * way to one that was asked for later, is walked, and tried again after as many steps as it had events: trying costs no more
 * than the walks before did. */
#ifndef HANDOFF_ENGINE_CHAIN_H
#define HANDOFF_ENGINE_CHAIN_H

#include <stdbool.h>
#include "store/entry.h"

struct chains;
struct chain;

struct chains *chains_new(void); /* NULL: out of memory */
void chains_free(struct chains *c);
/* After a batch that did not become durable. */
void chains_forget(struct chains *c);

/* NULL: this one may be begun. When nothing of it is here (chain_newest is 0) it is to be walked. */
struct chain *chains_find(struct chains *c, const struct patient_key *key);
/* An empty one, in the place of the one that was not asked for the longest time. */
struct chain *chains_begin(struct chains *c, const struct patient_key *key);

/* Everything of the chain up to this sequence is here; 0: nothing. */
uint64_t chain_newest(const struct chain *c);
void chain_reach(struct chain *c, uint64_t sequence);
/* False: no room for it. Then the chain is to be given up. */
bool chain_add(struct chain *c, uint64_t hash, uint64_t sequence);
void chain_give_up(struct chain *c);
/* Of one that nothing is here of. Afterwards it may be nobody's. */
void chain_walked(struct chain *c, uint64_t steps);
void chain_forget(struct chain *c);
/* A sequence with this hash, 0: no more of them. *at is 0 to begin with. */
uint64_t chain_next(const struct chain *c, uint64_t hash, uint32_t *at);

#endif
