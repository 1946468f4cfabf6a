/* Latencies, counted: 64 buckets for each power of two of nanoseconds, so a percentile is right to 1.6 %. */
#ifndef HANDOFF_BENCH_HISTOGRAM_H
#define HANDOFF_BENCH_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

enum { HISTOGRAM_PARTS_BITS = 6, HISTOGRAM_PARTS = 1 << HISTOGRAM_PARTS_BITS, HISTOGRAM_BUCKETS = 64 * HISTOGRAM_PARTS };

struct histogram {
    uint64_t count;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline void histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}

static inline unsigned histogram_bucket(uint64_t ns)
{
    if (ns < HISTOGRAM_PARTS) return (unsigned)ns;
    unsigned power = 63 - (unsigned)__builtin_clzll(ns);
    unsigned part = (unsigned)(ns >> (power - HISTOGRAM_PARTS_BITS)) & (HISTOGRAM_PARTS - 1);
    return (power - HISTOGRAM_PARTS_BITS + 1) * HISTOGRAM_PARTS + part;
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    h->buckets[histogram_bucket(ns)]++;
    h->count++;
}

/* The lower end of a bucket. */
static inline uint64_t histogram_value(unsigned bucket)
{
    if (bucket < HISTOGRAM_PARTS) return bucket;
    unsigned power = bucket / HISTOGRAM_PARTS + HISTOGRAM_PARTS_BITS - 1;
    return (uint64_t)(HISTOGRAM_PARTS + bucket % HISTOGRAM_PARTS) << (power - HISTOGRAM_PARTS_BITS);
}

/* share: 0.5 for the median. 0 when nothing was counted. */
static inline uint64_t histogram_share(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)((double)h->count * share), passed = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        passed += h->buckets[bucket];
        if (passed > wanted) return histogram_value(bucket);
    }
    return 0;
}

#endif
