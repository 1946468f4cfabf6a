/* Latencies, counted as HdrHistogram counts them (Debian has no C library of it): 128 buckets for each power of two of
 * nanoseconds, so a value is right to 0.8 %, from a nanosecond to centuries; the largest is kept exactly. */
#ifndef HANDOFF_BENCH_HISTOGRAM_H
#define HANDOFF_BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    HISTOGRAM_PARTS_BITS = 7,
    HISTOGRAM_PARTS = 1 << HISTOGRAM_PARTS_BITS,
    HISTOGRAM_BUCKETS = 64 * HISTOGRAM_PARTS
};

struct histogram {
    uint64_t count, most;
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
    if (ns > h->most) h->most = ns;
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
    return h->most;
}

static inline double histogram_ms(const struct histogram *h, double share)
{
    return (double)histogram_share(h, share) / 1e6;
}

/* "p50_ms": ..., and so on, for an object of JSON. */
static inline void histogram_print(FILE *to, const struct histogram *h)
{
    fprintf(to,
            "\"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, \"p9999_ms\": %.3f, "
            "\"worst_ms\": %.3f",
            histogram_ms(h, 0.5), histogram_ms(h, 0.9), histogram_ms(h, 0.99), histogram_ms(h, 0.999),
            histogram_ms(h, 0.9999), (double)h->most / 1e6);
}

/* The percentile file of HdrHistogram, in milliseconds, for its plotter: value, share, count up to there, 1/(1-share). */
static inline void histogram_write(FILE *to, const struct histogram *h)
{
    uint64_t passed = 0;
    fprintf(to, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        if (!h->buckets[bucket]) continue;
        passed += h->buckets[bucket];
        double share = (double)passed / (double)h->count;
        fprintf(to, "%12.4f %14.12f %10llu ", (double)histogram_value(bucket) / 1e6, share, (unsigned long long)passed);
        if (passed < h->count)
            fprintf(to, "%14.2f\n", 1 / (1 - share));
        else
            fputs("\n", to);
    }
    fprintf(to, "#[Max     = %12.4f, Total count    = %12llu]\n", (double)h->most / 1e6, (unsigned long long)h->count);
}

#endif
