/* See metrics.h. */
#include "ops/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

static const char *const verdict_names[METRIC_VERDICT_COUNT] = {"accepted", "duplicate",   "duplicate_differs",
                                                                "refused",  "unavailable", "parked"};

static const struct row {
    const char *name, *type, *label, *help;
    int64_t per_unit; /* the value is kept in this many parts of what is shown */
} rows[METRIC_COUNT] = {
    [METRIC_EVENTS] = {"handoff_events_total", "counter", "verdict", "Published events by what was answered.", 1},
    [METRIC_REFUSED] = {"handoff_refused_total", "counter", "code", "Refused events by reason.", 1},
    [METRIC_TIMERS_FIRED] = {"handoff_timers_fired_total", "counter", NULL, "Timers that fired.", 1},
    [METRIC_REPLIES_DROPPED] = {"handoff_replies_dropped_total", "counter", NULL,
                                "Replies dropped because their client did not read; it retries with the same id.", 1},
    [METRIC_JOURNAL_SEQUENCE] = {"handoff_journal_sequence", "gauge", NULL, "Last committed entry.", 1},
    [METRIC_INDEX_SEQUENCE] = {"handoff_index_sequence", "gauge", NULL, "Last entry that is in the index.", 1},
    [METRIC_JOURNAL_BYTES] = {"handoff_journal_bytes", "gauge", NULL, "Size of the journal.", 1},
    [METRIC_CHANGES] = {"handoff_changes", "gauge", NULL, "Patients whose newest state is not yet in the index.", 1},
    [METRIC_OPEN_EPISODES] = {"handoff_open_episodes", "gauge", NULL, "Episodes not ended.", 1},
    [METRIC_OPEN_TASKS] = {"handoff_open_tasks", "gauge", NULL, "Tasks not done.", 1},
    [METRIC_OPEN_ESCALATIONS] = {"handoff_open_escalations", "gauge", NULL, "Escalations not resolved.", 1},
    [METRIC_TIMERS_PENDING] = {"handoff_timers_pending", "gauge", NULL, "Timers that wait.", 1},
    [METRIC_OLDEST_OVERDUE_TIMER_MS] = {"handoff_oldest_overdue_timer_seconds", "gauge", NULL,
                                        "How late the oldest due timer is.", 1000},
    [METRIC_LONGEST_SILENCE_MS] = {"handoff_longest_silence_seconds", "gauge", NULL,
                                   "Longest time an open episode has gone without anybody being told.", 1000},
    [METRIC_LONGEST_SILENCE_PROVEN_MS] = {"handoff_longest_silence_proven_seconds", "gauge", NULL,
                                          "Longest silence that the loaded pathways allow.", 1000},
    [METRIC_READY] = {"handoff_ready", "gauge", NULL, "1 when /readyz answers 200.", 1},
    [METRIC_CLOCK_HELD] = {"handoff_clock_held", "gauge", NULL, "1 while a jump of the clock holds the timers.", 1},
    [METRIC_HEARTBEAT_DELAY_MS] = {"handoff_heartbeat_delay_seconds", "gauge", NULL,
                                   "From when the newest heartbeat that came through was due until it was delivered.", 1000},
    [METRIC_HEARTBEAT_AGE_MS] = {"handoff_heartbeat_age_seconds", "gauge", NULL,
                                 "Since a heartbeat was last delivered, or since it was turned on.", 1000},
};

enum { BUCKETS_MAX = 12 };

struct buckets { /* upper bounds, ascending; one more bucket takes the rest */
    const char *name, *help;
    size_t count;
    uint64_t bound[BUCKETS_MAX];
    double per_unit;
};

static const struct buckets commit_seconds = {
    "handoff_commit_seconds", "Duration of a commit, with its sync.", 12,
    {100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, 100000000, 250000000, 1000000000},
    1e9};
static const struct buckets commit_entries = {
    "handoff_commit_events", "Entries in a commit.", 11, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}, 1};

struct histogram {
    _Atomic uint64_t bucket[BUCKETS_MAX + 1];
    _Atomic uint64_t sum;
};

/* A number of each subscription. */
struct subscription_row {
    const char *name, *type, *help;
    double (*value)(const Handoff__V1__SubscriptionView *view);
};

struct metrics {
    const char *version;
    const char *const *refusal_names;
    size_t refusal_count;
    _Atomic int64_t values[METRIC_COUNT][METRIC_LABELS_MAX];
    struct histogram seconds, entries;
    pthread_mutex_t lock;
    char *subscriptions; /* their lines, under the lock */
    size_t subscriptions_bytes;
};

#define UNKNOWN_VALUE INT64_MIN

struct metrics *metrics_new(const char *version, const char *const refusal_names[], size_t refusal_count)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->version = version;
    m->refusal_names = refusal_names;
    m->refusal_count = refusal_count < METRIC_LABELS_MAX ? refusal_count : METRIC_LABELS_MAX;
    metrics_unset(m, METRIC_HEARTBEAT_DELAY_MS);
    metrics_unset(m, METRIC_HEARTBEAT_AGE_MS);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m) return;
    pthread_mutex_destroy(&m->lock);
    free(m->subscriptions);
    free(m);
}

void metrics_add(struct metrics *m, enum metric metric, size_t label, uint64_t amount)
{
    if (label >= METRIC_LABELS_MAX) label = METRIC_LABELS_MAX - 1;
    atomic_fetch_add_explicit(&m->values[metric][label], (int64_t)amount, memory_order_relaxed);
}

void metrics_set(struct metrics *m, enum metric metric, int64_t value)
{
    atomic_store_explicit(&m->values[metric][0], value, memory_order_relaxed);
}

void metrics_unset(struct metrics *m, enum metric metric)
{
    metrics_set(m, metric, UNKNOWN_VALUE);
}

static void observe(struct histogram *h, const struct buckets *b, uint64_t value)
{
    size_t i = 0;
    while (i < b->count && value > b->bound[i]) i++;
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

void metrics_observe_commit(struct metrics *m, uint64_t duration_ns, uint64_t entries)
{
    observe(&m->seconds, &commit_seconds, duration_ns);
    observe(&m->entries, &commit_entries, entries);
}

static void render_head(FILE *to, const char *name, const char *type, const char *help)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* --- subscriptions ----------------------------------------------------------------------------------------- */

#define NUMBER(FIELD)                                                                                                  \
    static double FIELD(const Handoff__V1__SubscriptionView *view)                                                     \
    {                                                                                                                  \
        return (double)view->FIELD;                                                                                    \
    }
NUMBER(workers)
NUMBER(waiting)
NUMBER(in_flight)
NUMBER(retrying)
NUMBER(waiting_for_hours)
NUMBER(withheld)
NUMBER(dead)
NUMBER(acknowledged)
NUMBER(redelivered)
NUMBER(dropped)
NUMBER(is_unserved)
#undef NUMBER
static double oldest_waiting(const Handoff__V1__SubscriptionView *view)
{
    return (double)view->oldest_waiting_ms / 1000;
}

static const struct subscription_row subscription_rows[] = {
    {"handoff_subscription_workers", "gauge", "Workers that are connected.", workers},
    {"handoff_subscription_waiting", "gauge", "Messages that could go now.", waiting},
    {"handoff_subscription_in_flight", "gauge", "Messages that a worker holds.", in_flight},
    {"handoff_subscription_retrying", "gauge", "Messages that wait for another attempt.", retrying},
    {"handoff_subscription_waiting_for_hours", "gauge", "Messages that wait for a permitted hour.", waiting_for_hours},
    {"handoff_subscription_withheld", "gauge", "Messages that the gate does not let out.", withheld},
    {"handoff_subscription_dead", "gauge", "Messages that were given up.", dead},
    {"handoff_subscription_oldest_waiting_seconds", "gauge", "How long the oldest that could go has waited.",
     oldest_waiting},
    {"handoff_subscription_unserved", "gauge", "1 without a worker for too long, or too far behind.", is_unserved},
    {"handoff_subscription_acknowledged_total", "counter", "Messages that a worker has done with.", acknowledged},
    {"handoff_subscription_redelivered_total", "counter", "Attempts after the first.", redelivered},
    {"handoff_subscription_dropped_total", "counter", "Messages that the gate dropped.", dropped},
};
enum { SUBSCRIPTION_ROWS = sizeof subscription_rows / sizeof *subscription_rows };

static void render_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        if (*text == '\n')
            fputs("\\n", to);
        else
            fputc(*text, to);
    }
}

static void render_subscriptions(FILE *to, Handoff__V1__SubscriptionView *const *views, size_t count)
{
    for (size_t r = 0; r < SUBSCRIPTION_ROWS && count; r++) {
        const struct subscription_row *row = &subscription_rows[r];
        render_head(to, row->name, row->type, row->help);
        for (size_t i = 0; i < count; i++) {
            fprintf(to, "%s{name=\"", row->name);
            render_escaped(to, views[i]->name);
            fprintf(to, "\"} %.15g\n", row->value(views[i]));
        }
    }
}

/* Without memory the lines of before stay. */
void metrics_set_subscriptions(struct metrics *m, Handoff__V1__SubscriptionView *const *views, size_t count)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to) return;
    render_subscriptions(to, views, count);
    bool is_whole = !ferror(to);
    if (fclose(to) != 0 || !is_whole) {
        free(text);
        return;
    }
    pthread_mutex_lock(&m->lock);
    char *before = m->subscriptions;
    m->subscriptions = text;
    m->subscriptions_bytes = bytes;
    pthread_mutex_unlock(&m->lock);
    free(before);
}

/* --- rendering ------------------------------------------------------------------------------------------- */

static void render_value(FILE *to, const struct row *row, const char *label, int64_t value)
{
    fputs(row->name, to);
    if (label) fprintf(to, "{%s=\"%s\"}", row->label, label);
    if (row->per_unit == 1)
        fprintf(to, " %" PRId64 "\n", value);
    else
        fprintf(to, " %.3f\n", (double)value / (double)row->per_unit);
}

static void render_labels(FILE *to, const struct metrics *m, enum metric metric, const char *const names[],
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = atomic_load_explicit(&m->values[metric][i], memory_order_relaxed);
        if (names[i]) render_value(to, &rows[metric], names[i], value);
    }
}

static void render_metric(FILE *to, const struct metrics *m, enum metric metric)
{
    static const char *const none[] = {NULL};
    const struct row *row = &rows[metric];
    int64_t value = atomic_load_explicit(&m->values[metric][0], memory_order_relaxed);
    if (value == UNKNOWN_VALUE) return;
    render_head(to, row->name, row->type, row->help);
    if (metric == METRIC_EVENTS)
        render_labels(to, m, metric, verdict_names, METRIC_VERDICT_COUNT);
    else if (metric == METRIC_REFUSED)
        render_labels(to, m, metric, m->refusal_count ? m->refusal_names : none, m->refusal_count);
    else
        render_value(to, row, NULL, value);
}

/* The count is the sum of the buckets as they were read, so that a rendering always agrees with itself. */
static void render_histogram(FILE *to, const struct histogram *h, const struct buckets *b)
{
    uint64_t sum = atomic_load_explicit(&h->sum, memory_order_relaxed), seen = 0;
    render_head(to, b->name, "histogram", b->help);
    for (size_t i = 0; i < b->count; i++) {
        seen += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        fprintf(to, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", b->name, (double)b->bound[i] / b->per_unit, seen);
    }
    seen += atomic_load_explicit(&h->bucket[b->count], memory_order_relaxed);
    fprintf(to, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", b->name, seen);
    fprintf(to, "%s_sum %.15g\n%s_count %" PRIu64 "\n", b->name, (double)sum / b->per_unit, b->name, seen);
}

char *metrics_render(struct metrics *m, size_t *ret_bytes)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to) return NULL;
    for (int metric = 0; metric < METRIC_COUNT; metric++) render_metric(to, m, (enum metric)metric);
    render_histogram(to, &m->seconds, &commit_seconds);
    render_histogram(to, &m->entries, &commit_entries);
    pthread_mutex_lock(&m->lock);
    if (m->subscriptions) fwrite(m->subscriptions, 1, m->subscriptions_bytes, to);
    pthread_mutex_unlock(&m->lock);
    render_head(to, "handoff_build_info", "gauge", "The running version.");
    fprintf(to, "handoff_build_info{version=\"%s\"} 1\n", m->version);
    bool is_whole = !ferror(to);
    if (fclose(to) != 0 || !is_whole) {
        free(text);
        return NULL;
    }
    *ret_bytes = bytes;
    return text;
}
