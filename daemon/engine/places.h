/* Where the newest records of many subjects are: rows of the index, remembered, so that most events need no walk down
 * its trees. A row here is what the index says of a subject, or will say once all changes are written; who looks for a
 * subject asks the changes first.
 *
 * It forgets what it has no room for: two rows share a line of the processor's cache, and a third one pushes the older
 * out. Subjects are told apart by 64 bits of their key and those that choose the line: with ten million patients some
 * 85 bits of a keyed hash. */
#ifndef HANDOFF_ENGINE_PLACES_H
#define HANDOFF_ENGINE_PLACES_H

#include <stdbool.h>
#include "store/index.h"

struct places_line;

struct places {
    struct places_line *lines;
    uint32_t mask, mask_max;
};

/* For so many subjects at most; 0, or -1: the system refuses the address space. */
int places_init(struct places *p, uint64_t subjects_max);
void places_destroy(struct places *p);
/* Nothing is known any more. */
void places_clear(struct places *p);
/* Room for so many subjects, if it is allowed; to grow is to forget. */
void places_grow(struct places *p, uint64_t subjects);
/* Takes the memory that places_grow will use, so that nobody waits for it later. On any thread. */
void places_prepare(const struct places *p, uint64_t subjects);

bool places_get(const struct places *p, const struct patient_key *key, struct index_row *ret_row);
void places_put(struct places *p, const struct patient_key *key, const struct index_row *row);
/* Soon the key is asked for. */
void places_fetch(const struct places *p, const struct patient_key *key);

#endif
