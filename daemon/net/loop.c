/* The loop and its turn: see loop.h. */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/log.h"
#include "net/service_delivery.h"
#include "net/limits.h"
#include "net/zmq_watcher.h"

#include "base/banned.h"

#define ARENA_BYTES ((size_t)32 * 1024 * 1024)
static const double WAITING_S = 0.005; /* between looks at what another thread works on */
static const double HELD_S = 1.0;      /* between looks at timers that may not fire */
enum { RETRY_SECONDS = 3 };            /* between attempts to write to a full disk */
enum { ALONE_MAX = 4 };                /* entries of one event */
enum { SEND_ON_MIN = 16 };             /* entries; a smaller batch waits for the end of its turn */
enum {
    HAND_OUT_SHARE = 16,      /* one part in so many of a turn */
    HAND_OUT_NS = 10000000   /* without publishers: then others have their turn */
};

struct loop {
    struct loop_options options;
    struct ev_loop *ev;
    void *zmq;
    struct front *front;
    struct stream *stream;
    struct service *service;
    struct delivery *delivery;
    struct arena *arena; /* doorbells and reloads */
    struct zmq_watcher front_watcher, stream_watcher;
    ev_check turn;
    ev_idle busy;     /* on while there is more to do */
    ev_timer due;     /* the next due timer of a patient */
    ev_timer waiting; /* on while another thread works for us */
    ev_timer second;
    ev_async wake;
    uint64_t staged_batch; /* holds what delivery staged last; 0: nothing is under way */
    bool owes_hand_out;    /* it had to wait for that batch */
    bool was_crowded;      /* the last batch had no room for what workers settled */
    ev_signal on_term, on_int, on_hup;
    uint32_t seconds;
    int64_t hand_out_ns; /* what is left of the time for handing out beside publishers */
};

static void on_wake(struct ev_loop *ev, ev_async *w, int revents) { (void)ev; (void)w; (void)revents; }

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    l->ev = ev_loop_new(EVFLAG_AUTO);
    l->zmq = zmq_ctx_new();
    l->arena = arena_new(ARENA_BYTES);
    ev_async_init(&l->wake, on_wake); /* the indexing thread may send before the loop runs */
    if (l->ev != NULL && l->zmq != NULL && l->arena != NULL) {
        ev_async_start(l->ev, &l->wake);
        return l;
    }
    loop_free(l);
    return NULL;
}

const char *loop_front_endpoint(const struct loop *l) { return front_endpoint(l->front); }
const char *loop_stream_endpoint(const struct loop *l) { return stream_endpoint(l->stream); }
const struct front_counts *loop_front_counts(const struct loop *l) { return front_counts(l->front); }
const struct service_counts *loop_service_counts(const struct loop *l) { return service_counts(l->service); }
struct delivery *loop_delivery(const struct loop *l) { return l->delivery; }

/* --- what the engine tells ------------------------------------------------------------------------------------ */
static void on_entry(void *context, const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key)
{
    struct loop *l = context;
    if (l->stream != NULL && outcome != NULL) stream_ring(l->stream, entry, outcome, key, l->arena);
    if (l->delivery != NULL) delivery_on_entry(l->delivery, entry, outcome);
}

static void on_result(void *context, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result)
{
    struct loop *l = context;
    assert(l->service != NULL);
    service_result(l->service, ticket, position, result);
}

/* Delivery's part was in one batch, perhaps one before the last. */
static void on_batch(void *context, uint64_t number, int code)
{
    struct loop *l = context;
    if (number != l->staged_batch || l->delivery == NULL) return;
    l->staged_batch = 0;
    delivery_turn_end(l->delivery, code);
}

/* On the indexing thread, or the committing one. */
static void on_done(void *context)
{
    struct loop *l = context;
    ev_async_send(l->ev, &l->wake);
}

struct engine_listener loop_listener(struct loop *l)
{
    return (struct engine_listener){
        .context = l,
        .on_entry = on_entry,
        .on_result = on_result,
        .on_indexed = on_done,
        .on_committed = on_done,
        .on_batch = on_batch,
    };
}

/* --- a turn --------------------------------------------------------------------------------------------------- */
static bool is_read_only(struct loop *l)
{
    struct engine_state state;
    engine_state(l->options.engine, &state);
    return state.is_read_only;
}

static bool may_fire(struct loop *l) { return !l->options.clock->is_held && !is_read_only(l); }

/* How long until a moment of journal time, in seconds; negative: no need to wake for it. */
static double journal_in(struct loop *l, int64_t at_ms)
{
    if (at_ms <= clock_now_ms(l->options.clock)) return 0;
    int64_t wait_ms = clock_wait_ms(l->options.clock, at_ms);
    if (wait_ms == INT64_MAX) return -1;
    return wait_ms < 3600000 ? (double)wait_ms / 1000 : 3600;
}

/* Until a patient's timer is due. */
static double due_in(struct loop *l)
{
    int64_t next_ms = engine_next_due(l->options.engine);
    if (next_ms == NO_DUE) return -1;
    return may_fire(l) ? journal_in(l, next_ms) : HELD_S;
}

static int64_t machine_ms(void) { return clock_machine_ns() / 1000000; }

/* Until a lease may end, a retry is due, or an hour is permitted. */
static double delivery_in(struct loop *l)
{
    if (l->staged_batch != 0) return -1; /* the commit wakes the loop */
    int64_t next_ms = delivery_next_ms(l->delivery), journal_ms = delivery_next_journal_ms(l->delivery);
    double in_s = next_ms == INT64_MAX ? -1 : next_ms <= machine_ms() ? 0 : (double)(next_ms - machine_ms()) / 1000;
    double journal_s = journal_ms == INT64_MAX ? -1 : journal_in(l, journal_ms);
    if (in_s < 0 || (journal_s >= 0 && journal_s < in_s)) return journal_s;
    return in_s;
}

static double sooner(double a_s, double b_s) { return a_s < 0 || (b_s >= 0 && b_s < a_s) ? b_s : a_s; }

static void arm(struct loop *l)
{
    double due_s = sooner(due_in(l), delivery_in(l));
    ev_timer_stop(l->ev, &l->due);
    if (due_s >= 0) {
        ev_now_update(l->ev);
        ev_timer_set(&l->due, due_s, 0);
        ev_timer_start(l->ev, &l->due);
    }
    bool may_stage = !engine_is_committing(l->options.engine); /* else the commit wakes the loop */
    if (service_is_busy(l->service) || (may_stage && delivery_is_busy(l->delivery)))
        ev_idle_start(l->ev, &l->busy);
    else
        ev_idle_stop(l->ev, &l->busy);
    if (service_is_waiting(l->service))
        ev_timer_again(l->ev, &l->waiting);
    else
        ev_timer_stop(l->ev, &l->waiting);
}

static void begin_turn(struct loop *l)
{
    engine_turn_begin(l->options.engine);
    if (l->staged_batch == 0) delivery_turn_begin(l->delivery, machine_ms());
}

/* What delivery has to say goes into this batch, and it hears what became of it when that is known. */
static void stage(struct loop *l)
{
    struct engine *e = l->options.engine;
    uint32_t before = engine_batch_entries(e);
    if (l->staged_batch != 0) return;
    l->staged_batch = engine_batch(e);
    delivery_stage(l->delivery);
    if (engine_batch_entries(e) == before) on_batch(l, l->staged_batch, 0);
}

/* Whoever publishes one event and waits for it is spared the way to another thread and back. */
static bool is_alone(struct loop *l)
{
    return service_pending(l->service) <= 1 && engine_batch_entries(l->options.engine) <= ALONE_MAX &&
           !engine_is_committing(l->options.engine);
}

/* Errors were told to the publishers and workers; engine_state keeps them. While a batch is on its way to the disk this
 * one stays open, for what the next turns bring; the last moment to stage is when it cannot. */
static void end_turn(struct loop *l)
{
    struct engine *e = l->options.engine;
    l->was_crowded = engine_is_batch_full(e);
    if (!l->owes_hand_out && (l->was_crowded || !engine_is_committing(e))) stage(l);
    if (is_alone(l))
        engine_turn_commit(e);
    else
        engine_turn_end(e);
}

/* In a turn: until delivery has heard of what it staged before. */
static void await_delivery(void *context)
{
    struct loop *l = context;
    if (l->staged_batch == 0) return;
    engine_await_commit(l->options.engine);
    if (l->staged_batch != 0) {
        engine_turn_commit(l->options.engine);
        engine_turn_begin(l->options.engine);
    }
    delivery_turn_begin(l->delivery, machine_ms());
}

/* Who reads sees all that was decided before. */
static void commit(struct loop *l)
{
    await_delivery(l);
    l->was_crowded = engine_is_batch_full(l->options.engine);
    stage(l);
    engine_turn_commit(l->options.engine);
}

/* What was decided while the batch before was on its way follows it at once. */
static void send_on(struct loop *l)
{
    struct engine *e = l->options.engine;
    if (engine_is_committing(e) || !(engine_has_decided(e) || delivery_wants_batch(l->delivery))) return;
    end_turn(l);
    begin_turn(l);
}

/* A full batch: what workers settled does not wait for publishers. */
static void stage_late(struct loop *l)
{
    if (!l->was_crowded || l->staged_batch != 0 || !delivery_wants_batch(l->delivery)) return;
    begin_turn(l);
    stage(l);
    if (service_wants_to_read(l->service))
        engine_turn_commit(l->options.engine);
    else
        engine_turn_end(l->options.engine);
}

/* Publishers come first: while they wait, handing out takes a share of the time that they take, so that workers who are
 * behind slow them down by no more. What is spent too much is taken off next time. */
static void hand_out(struct loop *l, bool has_published, int64_t took_ns)
{
    int64_t began_ns = clock_machine_ns();
    l->hand_out_ns += took_ns / HAND_OUT_SHARE;
    if (l->hand_out_ns > HAND_OUT_NS) l->hand_out_ns = HAND_OUT_NS;
    l->owes_hand_out = l->staged_batch != 0;
    if (l->owes_hand_out) return;
    delivery_hand_out(l->delivery, has_published ? l->hand_out_ns : HAND_OUT_NS);
    l->hand_out_ns -= clock_machine_ns() - began_ns;
    if (l->hand_out_ns < -HAND_OUT_NS) l->hand_out_ns = -HAND_OUT_NS;
}

static void take_turn(struct ev_loop *ev, ev_check *check, int revents)
{
    struct loop *l = check->data;
    int64_t began_ns = clock_machine_ns();
    const struct service_counts before = *service_counts(l->service);
    (void)ev;
    (void)revents;
    front_receive(l->front);
    engine_is_committing(l->options.engine);
    if (l->owes_hand_out) hand_out(l, true, 0);
    begin_turn(l);
    send_on(l);
    service_serve(l->service);
    if (may_fire(l)) engine_fire(l->options.engine, l->options.fire_per_turn);
    if (service_wants_to_read(l->service))
        commit(l);
    else
        end_turn(l);
    hand_out(l, service_counts(l->service)->events != before.events, clock_machine_ns() - began_ns);
    stage_late(l);
    service_answer(l->service);
    bool is_stuck = service_is_busy(l->service) && service_counts(l->service)->requests == before.requests;
    if (is_stuck) engine_await_commit(l->options.engine); /* no place for more before that */
    l->options.after_turn(l->options.context);
    arm(l);
}

/* --- wakers --------------------------------------------------------------------------------------------------- */
/* The turn looks at everything; these only end the sleep. */
static void on_front(void *context, int events) { (void)context; (void)events; }
static void on_stream(void *context, int events)
{
    (void)events;
    stream_read(((struct loop *)context)->stream);
}
static void on_idle(struct ev_loop *ev, ev_idle *w, int revents) { (void)ev; (void)w; (void)revents; }
static void on_timer(struct ev_loop *ev, ev_timer *w, int revents) { (void)ev; (void)w; (void)revents; }

static void on_second(struct ev_loop *ev, ev_timer *w, int revents)
{
    struct loop *l = w->data;
    (void)ev;
    (void)revents;
    if (++l->seconds % RETRY_SECONDS == 0 && is_read_only(l)) engine_retry(l->options.engine);
    l->options.every_second(l->options.context);
}

static void on_end(struct ev_loop *ev, ev_signal *w, int revents)
{
    struct loop *l = w->data;
    (void)revents;
    l->options.on_stop(l->options.context, w->signum == SIGTERM ? "SIGTERM" : "SIGINT");
    ev_break(ev, EVBREAK_ALL);
}

static void on_reload(struct ev_loop *ev, ev_signal *w, int revents)
{
    struct loop *l = w->data;
    (void)ev;
    (void)revents;
    size_t mark = arena_used(l->arena);
    l->options.reload(l->options.context, l->arena);
    arena_rewind(l->arena, mark);
}

static struct reload_report reload_for_service(void *context, struct arena *arena)
{
    struct loop *l = context;
    return l->options.reload(l->options.context, arena);
}

static void wake_for_service(void *context)
{
    struct loop *l = context;
    ev_async_send(l->ev, &l->wake);
}

/* --- opening -------------------------------------------------------------------------------------------------- */
static void start_signal(struct loop *l, ev_signal *w, int signal, void (*callback)(struct ev_loop *, ev_signal *, int))
{
    ev_signal_init(w, callback, signal);
    w->data = l;
    ev_signal_start(l->ev, w);
}

static void start_watchers(struct loop *l)
{
    ev_check_init(&l->turn, take_turn);
    l->turn.data = l;
    ev_set_priority(&l->turn, EV_MINPRI); /* after the sockets', timers' and signals' own */
    ev_check_start(l->ev, &l->turn);
    ev_idle_init(&l->busy, on_idle);
    ev_timer_init(&l->due, on_timer, 0, 0);
    ev_timer_init(&l->waiting, on_timer, 0, WAITING_S);
    ev_timer_init(&l->second, on_second, 1, 1);
    l->second.data = l;
    ev_timer_start(l->ev, &l->second);
    start_signal(l, &l->on_term, SIGTERM, on_end);
    start_signal(l, &l->on_int, SIGINT, on_end);
    start_signal(l, &l->on_hup, SIGHUP, on_reload);
}

static int send_to_worker(void *context, uint64_t connection, const Handoff__V1__Reply *reply)
{
    return front_push(((struct loop *)context)->front, service_peer(connection), reply);
}

static bool is_awaited(void *context) { return front_is_awaited(((struct loop *)context)->front); }

static void on_notice(void *context, const char *sentence, const char *subscription)
{
    (void)context;
    log_warn(sentence, log_text("subscription", subscription));
}

static int open_delivery(struct loop *l)
{
    struct delivery_options options = {
        .engine = l->options.engine, .context = l, .send = send_to_worker, .is_awaited = is_awaited, .on_notice = on_notice};
    int rc = delivery_open(&options, machine_ms(), &l->delivery);
    if (rc != 0) log_error("subscriptions do not read back; run handoffd verify", log_int("error", rc));
    return rc == 0 ? 0 : -EIO;
}

/* The disk is idle, and half of what is there is decided: the other half is, while this is committed. */
static bool has_enough(void *context)
{
    struct loop *l = context;
    if (engine_is_committing(l->options.engine)) return false;
    uint32_t decided = engine_batch_entries(l->options.engine);
    return decided >= SEND_ON_MIN && decided >= front_waiting(l->front);
}

static int open_service(struct loop *l)
{
    const struct loop_options *o = &l->options;
    l->service = service_new(&(struct service_options){
        .engine = o->engine,
        .clock = o->clock,
        .journal = o->journal,
        .front = l->front,
        .delivery = l->delivery,
        .version = o->version,
        .stream_endpoint = stream_endpoint(l->stream),
        .batch_events = o->batch_events,
        .context = l,
        .reload = reload_for_service,
        .await_delivery = await_delivery,
        .has_enough = has_enough,
        .wake = wake_for_service,
    });
    return l->service != NULL ? 0 : -ENOMEM;
}

static bool recall_entry(void *context, const struct entry *entry)
{
    struct loop *l = context;
    size_t mark = arena_used(l->arena);
    Handoff__V1__Outcome *outcome =
        handoff__v1__outcome__unpack(arena_protobuf(l->arena), entry->outcome.len, entry->outcome.data);
    if (outcome != NULL) stream_recall(l->stream, entry, outcome);
    arena_rewind(l->arena, mark);
    return true;
}

/* So that the first doorbells refer to what rang before. What lies further back reads as 0: ask the front. */
static void recall(struct loop *l)
{
    struct engine_state state;
    uint64_t last;
    engine_state(l->options.engine, &state);
    uint64_t from = state.last_sequence > NET_STREAM_RECALL ? state.last_sequence - NET_STREAM_RECALL : 1;
    if (engine_scan(l->options.engine, from, NET_STREAM_RECALL + 1, l, recall_entry, &last) != 0)
        log_warn("the newest doorbells are not known; subscribers will ask the front");
}

int loop_open(struct loop *l, const struct loop_options *options, const char **ret_endpoint)
{
    l->options = *options;
    *ret_endpoint = options->stream_endpoint;
    int rc = stream_open(l->zmq, options->stream_endpoint, &l->stream);
    if (rc < 0) return rc;
    *ret_endpoint = options->front_endpoint;
    rc = front_open(l->zmq, options->front_endpoint, &l->front);
    if (rc < 0) return rc;
    rc = open_delivery(l);
    if (rc == 0) rc = open_service(l);
    if (rc < 0) return rc;
    recall(l);
    start_watchers(l);
    rc = zmq_watcher_start(&l->front_watcher, l->ev, front_socket(l->front), ZMQ_POLLIN, l, on_front);
    if (rc < 0) return rc;
    return zmq_watcher_start(&l->stream_watcher, l->ev, stream_socket(l->stream), ZMQ_POLLIN, l, on_stream);
}

void loop_await_backup(struct loop *l)
{
    if (l->service != NULL) service_await_backup(l->service);
}

void loop_run(struct loop *l)
{
    ev_run(l->ev, 0);
    begin_turn(l); /* what was decided is told while there are sockets */
    commit(l);
}

void loop_close(struct loop *l)
{
    service_free(l->service); /* waits for a backup, which may still wake the loop */
    l->service = NULL;
    delivery_close(l->delivery);
    l->delivery = NULL;
    if (l->ev != NULL) {
        zmq_watcher_stop(&l->front_watcher, l->ev);
        zmq_watcher_stop(&l->stream_watcher, l->ev);
    }
    front_close(l->front);
    stream_close(l->stream);
    l->front = NULL;
    l->stream = NULL;
}

void loop_free(struct loop *l)
{
    if (l == NULL) return;
    loop_close(l);
    if (l->zmq != NULL) zmq_ctx_term(l->zmq);
    arena_free(l->arena);
    if (l->ev != NULL) ev_loop_destroy(l->ev);
    free(l);
}
