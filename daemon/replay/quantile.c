/* See quantile.h. Bucket b: 0 to 127 are the seconds below 128; from there on each doubling has 128. */
#include "replay/quantile.h"

enum { STEPS = 128, STEP_BITS = 7 };

static uint32_t bucket_of(int64_t ms)
{
    uint64_t seconds = ms > 0 ? (uint64_t)ms / 1000 : 0;
    if (seconds < STEPS) return (uint32_t)seconds;
    uint32_t doubling = 63 - (uint32_t)__builtin_clzll(seconds) - STEP_BITS; /* 0: 128 to 255 */
    uint32_t bucket = doubling * STEPS + (uint32_t)(seconds >> doubling);    /* the second is at least STEPS */
    return bucket < QUANTILE_BUCKETS ? bucket : QUANTILE_BUCKETS - 1;
}

void quantile_add(struct quantile *q, int64_t ms)
{
    uint32_t b = bucket_of(ms);
    if (ms < 0) ms = 0;
    if (!q->buckets[b].count++ || ms < q->buckets[b].least_ms) q->buckets[b].least_ms = ms;
    q->count++;
}

int64_t quantile_at(const struct quantile *q, uint32_t per_cent)
{
    uint64_t rank = (q->count * per_cent + 99) / 100, below = 0;
    if (!q->count) return QUANTILE_NONE;
    for (uint32_t b = 0; b < QUANTILE_BUCKETS; b++) {
        below += q->buckets[b].count;
        if (below && below >= rank) return q->buckets[b].least_ms;
    }
    return QUANTILE_NONE;
}

uint64_t quantile_above(const struct quantile *q, int64_t ms)
{
    uint64_t above = 0;
    for (uint32_t b = bucket_of(ms) + 1; b < QUANTILE_BUCKETS; b++) above += q->buckets[b].count;
    return above;
}
