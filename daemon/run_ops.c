/* Numbers and conditions from the loop to those who watch the daemon: see run_ops.h. The loop's thread writes; the
 * thread of ops/http reads. */
#include "run_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "delivery/delivery.h"
#include "ops/http.h"
#include "ops/sd_notify.h"

#include "base/banned.h"

#define HEARTBEAT_MAX_MS 10000
#define OVERDUE_MAX_MS (10 * MS_PER_MINUTE) /* a timer later than this: not ready */

#define RECORD_BYTES (16 * 1024 * 1024) /* of address space */

enum { CODES = 64 };

struct run_ops {
    struct metrics *metrics;
    struct readiness *readiness;
    struct heartbeat heartbeat;
    struct http *http;
    struct arena *arena; /* one record at a time */
    struct engine *engine;
    struct clock *clock;
    struct journal *const *journal;
    const struct loop *loop;
    uint64_t last_sequence;      /* of the last commit that was measured */
    struct engine_state before;  /* at the last look, for what only grows */
    uint64_t told[CODES];        /* refusals, by code, told so far */
    uint64_t verdicts[METRIC_VERDICT_COUNT];
    uint64_t dropped;
};

static const char *const refusal_names[CODES] = {
    [HANDOFF__V1__CODE__CODE_UNAVAILABLE] = "unavailable",
    [HANDOFF__V1__CODE__CODE_MALFORMED] = "malformed",
    [HANDOFF__V1__CODE__CODE_TOO_LARGE] = "too_large",
    [HANDOFF__V1__CODE__CODE_UNKNOWN_REQUEST] = "unknown_request",
    [HANDOFF__V1__CODE__CODE_MISSING_BODY] = "missing_body",
    [HANDOFF__V1__CODE__CODE_MISSING_FIELD] = "missing_field",
    [HANDOFF__V1__CODE__CODE_UNKNOWN_VALUE] = "unknown_value",
    [HANDOFF__V1__CODE__CODE_BAD_TEXT] = "bad_text",
    [HANDOFF__V1__CODE__CODE_BAD_ID] = "bad_id",
    [HANDOFF__V1__CODE__CODE_BAD_TIME] = "bad_time",
    [HANDOFF__V1__CODE__CODE_BAD_VALUE] = "bad_value",
    [HANDOFF__V1__CODE__CODE_TOO_MANY] = "too_many",
    [HANDOFF__V1__CODE__CODE_UNKNOWN_PATIENT] = "unknown_patient",
    [HANDOFF__V1__CODE__CODE_UNKNOWN_ID] = "unknown_id",
    [HANDOFF__V1__CODE__CODE_NOT_ALLOWED] = "not_allowed",
    [HANDOFF__V1__CODE__CODE_WRONG_CLOCK] = "wrong_clock",
    [HANDOFF__V1__CODE__CODE_INTERNAL] = "internal",
};

static int start_http(struct run_ops *ops, const char *address)
{
    if (address[0] == 0) return 0;
    return http_start(&(struct http_options){.address = address,
                                             .metrics = ops->metrics,
                                             .readiness = ops->readiness,
                                             .heartbeat = &ops->heartbeat,
                                             .heartbeat_max_ms = HEARTBEAT_MAX_MS},
                      &ops->http);
}

int run_ops_new(const char *version, const char *http, struct run_ops **ret_ops)
{
    struct run_ops *ops = calloc(1, sizeof *ops);
    if (ops == NULL) return -ENOMEM;
    ops->metrics = metrics_new(version, refusal_names, CODES);
    ops->readiness = readiness_new();
    ops->arena = arena_new(RECORD_BYTES);
    int rc = -ENOMEM;
    if (ops->metrics != NULL && ops->readiness != NULL && ops->arena != NULL) {
        readiness_fail(ops->readiness, "start", "the daemon is starting");
        heartbeat_beat(&ops->heartbeat);
        rc = start_http(ops, http);
    }
    if (rc < 0) {
        run_ops_free(ops);
        return rc;
    }
    *ret_ops = ops;
    return 0;
}

void run_ops_free(struct run_ops *ops)
{
    if (ops == NULL) return;
    http_stop(ops->http);
    readiness_free(ops->readiness);
    metrics_free(ops->metrics);
    arena_free(ops->arena);
    free(ops);
}

uint16_t run_ops_port(const struct run_ops *ops) { return ops->http != NULL ? http_port(ops->http) : 0; }

/* --- conditions ----------------------------------------------------------------------------------------------- */
static void condition(struct run_ops *ops, const char *name, bool is_good, const char *sentence)
{
    if (is_good)
        readiness_pass(ops->readiness, name);
    else
        readiness_fail(ops->readiness, name, sentence);
}

static void look_at_conditions(struct run_ops *ops, const struct engine_state *state)
{
    const char *why = state->sentence != NULL && state->sentence[0] ? state->sentence : "the journal takes no entries";
    condition(ops, "journal", !state->is_read_only, why);
    condition(ops, "rules", engine_rules(ops->engine) != NULL, "no pathways and policy are loaded");
    condition(ops, "clock", !ops->clock->is_held,
              "the clock jumped and timers are held; handoff clock accept lets them go");
}

/* --- counters: what grew since the last look ------------------------------------------------------------------ */
static void add_growth(struct run_ops *ops, enum metric metric, size_t label, uint64_t now, uint64_t *before)
{
    if (now > *before) metrics_add(ops->metrics, metric, label, now - *before);
    *before = now;
}

static uint64_t refusals(const struct run_ops *ops, int code)
{
    const struct service_counts *s = loop_service_counts(ops->loop);
    const struct front_counts *f = loop_front_counts(ops->loop);
    uint64_t count = s->refused[code] + (code >= HANDOFF__V1__CODE__CODE_MALFORMED ? s->results[code] : 0);
    if (code == HANDOFF__V1__CODE__CODE_MALFORMED) count += f->malformed_frames;
    if (code == HANDOFF__V1__CODE__CODE_TOO_LARGE) count += f->too_large;
    if (code == HANDOFF__V1__CODE__CODE_UNAVAILABLE) count += f->over_quota;
    return count;
}

static void count_events(struct run_ops *ops, const struct engine_state *state)
{
    const struct service_counts *s = loop_service_counts(ops->loop);
    const uint64_t by_verdict[METRIC_VERDICT_COUNT] = {
        [METRIC_ACCEPTED] = s->results[HANDOFF__V1__CODE__CODE_ACCEPTED],
        [METRIC_DUPLICATE] = s->results[HANDOFF__V1__CODE__CODE_DUPLICATE],
        [METRIC_DUPLICATE_DIFFERS] = s->results[HANDOFF__V1__CODE__CODE_DUPLICATE_DIFFERS],
        [METRIC_UNAVAILABLE] = s->results[HANDOFF__V1__CODE__CODE_UNAVAILABLE],
        [METRIC_PARKED] = (uint64_t)state->totals[TOTAL_PARKED],
    };
    uint64_t refused = 0;
    for (int code = HANDOFF__V1__CODE__CODE_MALFORMED; code < CODES; code++)
        refused += s->results[code];
    for (int i = 0; i < METRIC_VERDICT_COUNT; i++)
        add_growth(ops, METRIC_EVENTS, (size_t)i, i == METRIC_WAS_REFUSED ? refused : by_verdict[i], &ops->verdicts[i]);
    for (int code = 0; code < CODES; code++)
        if (refusal_names[code] != NULL)
            add_growth(ops, METRIC_REFUSED, (size_t)code, refusals(ops, code), &ops->told[code]);
    add_growth(ops, METRIC_REPLIES_DROPPED, 0, loop_front_counts(ops->loop)->replies_dropped, &ops->dropped);
}

static void set_gauges(struct run_ops *ops, const struct engine_state *state)
{
    struct metrics *m = ops->metrics;
    metrics_set(m, METRIC_JOURNAL_SEQUENCE, (int64_t)state->last_sequence);
    metrics_set(m, METRIC_INDEX_SEQUENCE, (int64_t)state->indexed_sequence);
    metrics_set(m, METRIC_CHANGES, (int64_t)state->changes);
    metrics_set(m, METRIC_OPEN_EPISODES, state->totals[TOTAL_OPEN_EPISODES]);
    metrics_set(m, METRIC_OPEN_TASKS, state->totals[TOTAL_OPEN_TASKS]);
    metrics_set(m, METRIC_OPEN_ESCALATIONS, state->totals[TOTAL_OPEN_ESCALATIONS]);
    metrics_set(m, METRIC_TIMERS_PENDING, state->totals[TOTAL_PENDING_TIMERS]);
    metrics_set(m, METRIC_LONGEST_SILENCE_MS, state->longest_silence_ms);
    metrics_set(m, METRIC_CLOCK_HELD, ops->clock->is_held);
}

static int64_t proven_silence_ms(const struct rules *rules)
{
    int64_t longest_ms = 0;
    for (uint32_t i = 0; rules != NULL && i < rules->pathway_count; i++)
        if (rules->pathways[i] != NULL && rules->pathways[i]->longest_silence_ms > longest_ms)
            longest_ms = rules->pathways[i]->longest_silence_ms;
    return longest_ms;
}

/* --- the way to a worker and back ----------------------------------------------------------------------------- */
/* NULL: it has never beaten. */
static const Handoff__V1__Heartbeat *read_heartbeat(struct run_ops *ops)
{
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    arena_reset(ops->arena);
    engine_subject_key(ops->engine, SUBJECT_IS_PATIENT, HEARTBEAT_PATIENT, &key);
    return engine_record(ops->engine, &key, ops->arena, &record, &sequence, &time_ms) == 0 ? record->heartbeat : NULL;
}

static int64_t not_negative(int64_t value) { return value > 0 ? value : 0; }

static void measure_heartbeat(struct run_ops *ops)
{
    const Handoff__V1__Heartbeat *h = read_heartbeat(ops);
    metrics_unset(ops->metrics, METRIC_HEARTBEAT_DELAY_MS);
    metrics_unset(ops->metrics, METRIC_HEARTBEAT_AGE_MS);
    if (h == NULL || h->every_ms == 0) return;
    int64_t since_ms = h->delivered_at_ms > h->began_at_ms ? h->delivered_at_ms : h->began_at_ms;
    metrics_set(ops->metrics, METRIC_HEARTBEAT_AGE_MS, not_negative(engine_now_ms(ops->engine) - since_ms));
    if (h->delivered_at_ms == 0) return;
    metrics_set(ops->metrics, METRIC_HEARTBEAT_DELAY_MS, not_negative(h->delivered_at_ms - h->delivered_due_at_ms));
}

/* A worker that is away is no reason not to be ready: the daemon serves, and a restart would bring nobody back. */
static void note_unserved(struct run_ops *ops, Handoff__V1__SubscriptionView *const *views, size_t count)
{
    char sentence[READINESS_SENTENCE_BYTES];
    const Handoff__V1__SubscriptionView *first = NULL;
    size_t unserved = 0;
    for (size_t i = 0; i < count; i++) {
        if (!views[i]->is_unserved) continue;
        if (first == NULL) first = views[i];
        unserved++;
    }
    if (first == NULL) {
        readiness_pass(ops->readiness, "subscriptions");
        return;
    }
    int len = snprintf(sentence, sizeof sentence, "%.64s is not served: %.120s", first->name, first->sentence);
    if (unserved > 1) snprintf(sentence + len, sizeof sentence - (size_t)len, " (and %zu more)", unserved - 1);
    readiness_note(ops->readiness, "subscriptions", sentence);
}

/* For each subscription its numbers, as `handoff subscriptions` shows them. */
static void measure_subscriptions(struct run_ops *ops)
{
    Handoff__V1__SubscriptionView **views;
    arena_reset(ops->arena);
    size_t count = delivery_views(loop_delivery(ops->loop), NULL, ops->arena, &views);
    metrics_set_subscriptions(ops->metrics, views, count);
    note_unserved(ops, views, count);
}

/* --- the loop's hooks ----------------------------------------------------------------------------------------- */
void run_ops_turn(struct run_ops *ops)
{
    struct engine_state state;
    engine_state(ops->engine, &state);
    heartbeat_beat(&ops->heartbeat);
    if (state.last_sequence != ops->last_sequence) {
        metrics_observe_commit(ops->metrics, state.last_commit_ns, state.last_commit_events);
        ops->last_sequence = state.last_sequence;
    }
    uint64_t fired = (uint64_t)ops->before.totals[TOTAL_FIRINGS];
    add_growth(ops, METRIC_TIMERS_FIRED, 0, (uint64_t)state.totals[TOTAL_FIRINGS], &fired);
    if (state.is_read_only != ops->before.is_read_only) {
        if (state.is_read_only)
            log_error("the journal takes no entries; publishing resumes by itself when it does",
                      log_text("why", state.sentence));
        else
            log_info("the journal takes entries again");
    }
    ops->before = state;
    count_events(ops, &state);
    set_gauges(ops, &state);
    look_at_conditions(ops, &state);
}

void run_ops_second(struct run_ops *ops)
{
    uint64_t file_bytes = 0, used_bytes = 0;
    int64_t overdue_ms = engine_oldest_overdue_ms(ops->engine);
    if (*ops->journal != NULL) (*ops->journal)->ops->sizes(*ops->journal, &file_bytes, &used_bytes);
    metrics_set(ops->metrics, METRIC_JOURNAL_BYTES, (int64_t)used_bytes);
    metrics_set(ops->metrics, METRIC_OLDEST_OVERDUE_TIMER_MS, overdue_ms);
    metrics_set(ops->metrics, METRIC_LONGEST_SILENCE_PROVEN_MS, proven_silence_ms(engine_rules(ops->engine)));
    measure_subscriptions(ops);
    measure_heartbeat(ops);
    condition(ops, "timers", overdue_ms < OVERDUE_MAX_MS,
              "timers are due and do not fire; look at the clock and the journal");
    metrics_set(ops->metrics, METRIC_READY, readiness_is_ready(ops->readiness));
    if (sd_notify_watchdog_ms() > 0) sd_notify_watchdog();
}

void run_ops_ready(struct run_ops *ops, struct engine *engine, struct clock *clock, struct journal *const *journal,
                   const struct loop *loop)
{
    ops->engine = engine;
    ops->clock = clock;
    ops->journal = journal;
    ops->loop = loop;
    engine_state(engine, &ops->before);
    ops->last_sequence = ops->before.last_sequence;
    ops->verdicts[METRIC_PARKED] = (uint64_t)ops->before.totals[TOTAL_PARKED];
    readiness_pass(ops->readiness, "start");
    run_ops_turn(ops);
    run_ops_second(ops);
    sd_notify_ready();
}

void run_ops_stopping(struct run_ops *ops)
{
    readiness_fail(ops->readiness, "stop", "the daemon is stopping");
    sd_notify_stopping();
}
