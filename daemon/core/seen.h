/* The repeats that a record remembers: of each event 20 bits of its hash and the sequence of its entry, in one word. Twenty
 * bits may be another's: whoever finds a word that fits looks at the entry. A journal has fewer than 2^44 entries,
 * which is five years of 100,000 a second. */
#ifndef HANDOFF_CORE_SEEN_H
#define HANDOFF_CORE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

enum { SEEN_SEQUENCE_BITS = 44 };

static inline uint64_t seen_pack(uint64_t hash, uint64_t sequence)
{
    return hash << SEEN_SEQUENCE_BITS | sequence;
}

static inline uint64_t seen_sequence(uint64_t seen)
{
    return seen & (((uint64_t)1 << SEEN_SEQUENCE_BITS) - 1);
}

static inline bool seen_fits(uint64_t seen, uint64_t hash)
{
    return (seen >> SEEN_SEQUENCE_BITS) == (hash << SEEN_SEQUENCE_BITS) >> SEEN_SEQUENCE_BITS;
}

#endif
