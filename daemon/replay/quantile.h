/* Median and 90th percentile of durations, in bounded memory: buckets as wide as 1/128 of what they hold. Each keeps
 * the smallest duration that came, which stands for all of them; where most durations are the very same, as those that
 * a pathway sets, that is the exact one. */
#ifndef HANDOFF_REPLAY_QUANTILE_H
#define HANDOFF_REPLAY_QUANTILE_H

#include <stdint.h>

enum { QUANTILE_BUCKETS = 3328 /* up to 68 years */, QUANTILE_NONE = -1 };

struct quantile {
    struct {
        uint64_t count;
        int64_t least_ms;
    } buckets[QUANTILE_BUCKETS];
    uint64_t count;
};

/* Negative durations count as 0. */
void quantile_add(struct quantile *q, int64_t ms);
/* The least duration that `per_cent` of them do not exceed; QUANTILE_NONE: there are none. */
int64_t quantile_at(const struct quantile *q, uint32_t per_cent);
/* How many are longer, give or take those of the same bucket, which are not. */
uint64_t quantile_above(const struct quantile *q, int64_t ms);

#endif
