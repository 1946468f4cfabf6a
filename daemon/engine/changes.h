/* A generation of the table of changes: where each subject's newest record is, for what the index does not say yet,
 * and the due times lodged since. Two of them make the engine's memory of the recent: the active one takes what
 * commits, the frozen one is being written to the index and is only read.
 *
 * Address space for all of it is reserved at start, so a change can never fail for want of memory: `max` is the
 * caller's business (engine_can_accept). Rows stay where they are until changes_clear. */
#ifndef HANDOFF_ENGINE_CHANGES_H
#define HANDOFF_ENGINE_CHANGES_H

#include <stdbool.h>
#include "store/index.h"

struct due {
    int64_t at_ms;
    struct patient_key key;
};

struct changes {
    struct index_change *rows; /* in the order of their coming. unlodge_at_ms: what the index has lodged (or will
                                  have, once the generation before is written); NO_DUE: nothing */
    uint32_t count, max;
    uint32_t *slots;           /* row + 1; 0: free. Open addressing, linear */
    uint32_t mask, mask_max;
    struct due *heap;          /* smallest first; may hold what no row names any more */
    uint32_t heap_count, heap_max;
};

/* 0, or -1: the system refuses the address space. */
int changes_init(struct changes *c, uint32_t max);
void changes_destroy(struct changes *c);
void changes_clear(struct changes *c);

/* NULL when this generation knows nothing of it. */
struct index_change *changes_find(const struct changes *c, const struct patient_key *key);
/* Soon the key is asked for: its slot; later, what that names. */
void changes_fetch(const struct changes *c, const struct patient_key *key);
void changes_fetch_row(const struct changes *c, const struct patient_key *key);
/* The row of a key that changes_find does not find; all but the key is the caller's to fill. */
struct index_change *changes_add(struct changes *c, const struct patient_key *key);

/* In the order of their keys, which is that of the index's trees: who reads or writes there in this order touches each page
 * once. Room for `count`; may ask the system for as much again meanwhile. */
struct change_order {
    uint64_t begins; /* the key's first eight bytes as a number: nearly always they decide, and the row is not looked at */
    uint32_t at;     /* in rows */
};
void changes_order(const struct index_change *rows, uint32_t count, struct change_order *ret_order);

void changes_push_due(struct changes *c, int64_t at_ms, const struct patient_key *key);
static inline const struct due *changes_first_due(const struct changes *c)
{
    return c->heap_count ? c->heap : NULL;
}
void changes_pop_due(struct changes *c);

#endif
