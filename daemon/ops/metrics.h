/* What the daemon measures of itself, as the Prometheus text format shows it.
 *
 * The loop's thread writes, any thread renders: every value is one atomic, so a rendering waits for nothing and never
 * touches what the loop works on. Subscriptions come and go: their lines are written by the loop's thread and handed over
 * whole. Names, types and help texts are tables in metrics.c. Numbers only: no label ever holds an id of anybody. */
#ifndef HANDOFF_OPS_METRICS_H
#define HANDOFF_OPS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "handoff/v1/delivery.pb-c.h"

enum metric {
    METRIC_EVENTS,  /* counter by enum metric_verdict */
    METRIC_REFUSED, /* counter by refusal code */
    METRIC_TIMERS_FIRED,
    METRIC_REPLIES_DROPPED,
    METRIC_JOURNAL_SEQUENCE, /* gauges from here on */
    METRIC_INDEX_SEQUENCE,
    METRIC_JOURNAL_BYTES,
    METRIC_CHANGES,
    METRIC_OPEN_EPISODES,
    METRIC_OPEN_TASKS,
    METRIC_OPEN_ESCALATIONS,
    METRIC_TIMERS_PENDING,
    METRIC_OLDEST_OVERDUE_TIMER_MS, /* given in ms, shown in seconds */
    METRIC_LONGEST_SILENCE_MS,
    METRIC_LONGEST_SILENCE_PROVEN_MS,
    METRIC_READY,
    METRIC_CLOCK_HELD,
    METRIC_HEARTBEAT_DELAY_MS, /* these two are shown once they are known */
    METRIC_HEARTBEAT_AGE_MS,
    METRIC_COUNT
};

enum metric_verdict {
    METRIC_ACCEPTED,
    METRIC_DUPLICATE,
    METRIC_DUPLICATE_DIFFERS,
    METRIC_WAS_REFUSED,
    METRIC_UNAVAILABLE,
    METRIC_PARKED,
    METRIC_VERDICT_COUNT
};

enum { METRIC_LABELS_MAX = 64 }; /* values of one label; counts of a code beyond them are kept under the last */

struct metrics;

/* refusal_names[code] is the label of that code, NULL where a code is not used; borrowed for the lifetime.
 * NULL when there is no memory. */
struct metrics *metrics_new(const char *version, const char *const refusal_names[], size_t refusal_count);
void metrics_free(struct metrics *m);

void metrics_add(struct metrics *m, enum metric metric, size_t label, uint64_t amount); /* label 0 where it has none */
void metrics_set(struct metrics *m, enum metric metric, int64_t value);
void metrics_unset(struct metrics *m, enum metric metric); /* not known any more: not shown */
/* All subscriptions, as they are now. Nothing of them is kept. */
void metrics_set_subscriptions(struct metrics *m, Handoff__V1__SubscriptionView *const *views, size_t count);
/* One commit: how long it took and how many entries it held. */
void metrics_observe_commit(struct metrics *m, uint64_t duration_ns, uint64_t entries);

/* Everything, as text to free(); NULL when there is no memory. From any thread. */
char *metrics_render(struct metrics *m, size_t *ret_bytes);

#endif
