/* A worker on a durable subscription, as plain as one can be: it unpacks what it is handed, and acknowledges all that
 * has arrived with one `settle`. Whatever is not as it should be ends the program without a figure. */
#ifndef HANDOFF_BENCH_WORKER_H
#define HANDOFF_BENCH_WORKER_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#include "base/arena.h"
#include "handoff/v1/api.pb-c.h"

enum {
    WORKER_RANGES = 256,   /* in one settle */
    WORKER_SETTLES = 1024, /* without a reply */
    WORKER_TAKE = 2048,    /* deliveries before one settle */
    WORKER_PATIENCE_MS = 20000
};

struct worker {
    void *socket;
    const char *name;
    struct arena *arena; /* one message */
    Handoff__V1__NumberRange ranges[WORKER_RANGES];
    uint32_t range_count, taken; /* not settled yet */
    uint32_t settles[WORKER_SETTLES]; /* acknowledgements that wait for their reply, by tag */
    uint64_t settled_tag, replied_tag;
    uint64_t delivered, acknowledged, redelivered;
    int64_t acknowledged_ns; /* when the last one was answered */
    void *context;
    void (*on_delivery)(void *context, const Handoff__V1__Delivery *delivery); /* may be NULL */
};

static inline void worker_fail(const char *what, const char *why)
{
    fprintf(stderr, "worker: %s: %s\n", what, why);
    exit(1);
}

static inline int64_t worker_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void worker_set(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) worker_fail("an option", zmq_strerror(errno));
}

static inline void *worker_dealer(void *zmq, const char *endpoint)
{
    void *socket = zmq_socket(zmq, ZMQ_DEALER);
    worker_set(socket, ZMQ_LINGER, 0);
    worker_set(socket, ZMQ_SNDHWM, 0);
    worker_set(socket, ZMQ_RCVHWM, 0);
    worker_set(socket, ZMQ_RCVTIMEO, WORKER_PATIENCE_MS);
    if (zmq_connect(socket, endpoint) != 0) worker_fail(endpoint, zmq_strerror(errno));
    return socket;
}

static inline void worker_send(void *socket, const Handoff__V1__Request *request)
{
    zmq_msg_t msg;
    if (zmq_msg_init_size(&msg, handoff__v1__request__get_packed_size(request)) != 0) worker_fail("sending", "no memory");
    handoff__v1__request__pack(request, zmq_msg_data(&msg));
    if (zmq_msg_send(&msg, socket, 0) < 0) worker_fail("sending", zmq_strerror(errno));
}

/* NULL: nothing has arrived, and flags said not to wait. Lives until the next. */
static inline Handoff__V1__Reply *worker_read(struct worker *w, int flags)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, w->socket, flags) < 0) {
        if (!(flags & ZMQ_DONTWAIT)) worker_fail(w->name, "nothing came");
        return NULL;
    }
    arena_reset(w->arena);
    Handoff__V1__Reply *reply =
        handoff__v1__reply__unpack(arena_protobuf(w->arena), zmq_msg_size(&msg), zmq_msg_data(&msg));
    zmq_msg_close(&msg);
    if (!reply) worker_fail(w->name, "a reply does not unpack");
    if (reply->body_case == HANDOFF__V1__REPLY__BODY_ERROR) worker_fail(w->name, reply->error->sentence);
    return reply;
}

/* --- taking ------------------------------------------------------------------------------------------------------ */
static inline void worker_take(struct worker *w, const Handoff__V1__Delivery *d)
{
    Handoff__V1__NumberRange *last = w->range_count ? &w->ranges[w->range_count - 1] : NULL;
    w->delivered++;
    w->taken++;
    w->redelivered += d->attempt > 1;
    if (w->on_delivery) w->on_delivery(w->context, d);
    if (last && last->last + 1 == d->number) {
        last->last = d->number;
        return;
    }
    if (w->range_count == WORKER_RANGES) worker_fail(w->name, "numbers with too many gaps");
    w->ranges[w->range_count] = (Handoff__V1__NumberRange)HANDOFF__V1__NUMBER_RANGE__INIT;
    w->ranges[w->range_count].first = w->ranges[w->range_count].last = d->number;
    w->range_count++;
}

static inline void worker_settle(struct worker *w)
{
    Handoff__V1__NumberRange *acks[WORKER_RANGES];
    Handoff__V1__SettleRequest settle = HANDOFF__V1__SETTLE_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    if (!w->taken) return;
    if (w->settled_tag - w->replied_tag == WORKER_SETTLES) worker_fail(w->name, "too many settles without a reply");
    for (uint32_t i = 0; i < w->range_count; i++) acks[i] = &w->ranges[i];
    settle.name = (char *)(uintptr_t)w->name;
    settle.acks = acks;
    settle.n_acks = w->range_count;
    request.tag = ++w->settled_tag;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SETTLE;
    request.settle = &settle;
    w->settles[request.tag % WORKER_SETTLES] = w->taken;
    worker_send(w->socket, &request);
    w->taken = w->range_count = 0;
}

static inline void worker_handle(struct worker *w, const Handoff__V1__Reply *reply)
{
    if (reply->body_case == HANDOFF__V1__REPLY__BODY_DELIVERIES) {
        for (size_t i = 0; i < reply->deliveries->n_deliveries; i++) worker_take(w, reply->deliveries->deliveries[i]);
    } else if (reply->body_case == HANDOFF__V1__REPLY__BODY_SETTLE) {
        if (reply->settle->n_refused) worker_fail(w->name, reply->settle->refused[0]->sentence);
        w->acknowledged += w->settles[reply->tag % WORKER_SETTLES];
        w->acknowledged_ns = worker_clock_ns();
        w->replied_tag = reply->tag;
    } else {
        worker_fail(w->name, "a reply to something that was not asked");
    }
}

/* Takes what is there, and acknowledges it at once. False: there was nothing. */
static inline bool worker_work(struct worker *w, int flags)
{
    bool has_any = false;
    while (w->taken < WORKER_TAKE) {
        const Handoff__V1__Reply *reply = worker_read(w, has_any ? ZMQ_DONTWAIT : flags);
        if (!reply) break;
        worker_handle(w, reply);
        has_any = true;
    }
    worker_settle(w);
    return has_any;
}

/* --- beginning and ending ---------------------------------------------------------------------------------------- */
struct worker_order {
    const char *endpoint, *name;
    Handoff__V1__Stream stream;
    uint32_t credit;
    bool is_from_beginning, is_addressed;
    const char *kind; /* the only one that is wanted; NULL: all */
};

static inline void worker_subscribe(struct worker *w, const struct worker_order *order)
{
    Handoff__V1__SubscribeRequest subscribe = HANDOFF__V1__SUBSCRIBE_REQUEST__INIT;
    Handoff__V1__SubscriptionSettings settings = HANDOFF__V1__SUBSCRIPTION_SETTINGS__INIT;
    Handoff__V1__SubscriptionFilter filter = HANDOFF__V1__SUBSCRIPTION_FILTER__INIT;
    Handoff__V1__SubscriptionStart start = HANDOFF__V1__SUBSCRIPTION_START__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    char *kinds[] = {(char *)(uintptr_t)order->kind};
    settings.stream = order->stream;
    settings.is_addressed = order->is_addressed;
    settings.lease_ms = 600000;
    settings.absent_ms = settings.behind_ms = 86400000; /* that some are not served is part of the plan */
    settings.filter = &filter;
    filter.kinds = kinds;
    filter.n_kinds = order->kind != NULL;
    start.from_case = order->is_from_beginning ? HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING
                                               : HANDOFF__V1__SUBSCRIPTION_START__FROM_NOW;
    start.beginning = start.now = true;
    subscribe.name = (char *)(uintptr_t)order->name;
    subscribe.settings = &settings;
    subscribe.start = &start;
    subscribe.credit = order->credit;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SUBSCRIBE;
    request.subscribe = &subscribe;
    worker_send(w->socket, &request);
}

/* Answered before the first delivery. */
static inline void worker_begin(struct worker *w, void *zmq, const struct worker_order *order)
{
    w->name = order->name;
    w->arena = arena_new((size_t)64 << 20);
    if (!w->arena) worker_fail(w->name, "no memory");
    w->socket = worker_dealer(zmq, order->endpoint);
    worker_subscribe(w, order);
    if (worker_read(w, 0)->body_case != HANDOFF__V1__REPLY__BODY_SUBSCRIBE) worker_fail(w->name, "is not subscribed");
}

static inline void worker_delete(struct worker *w, const char *name)
{
    Handoff__V1__SubscriptionDeleteRequest gone = HANDOFF__V1__SUBSCRIPTION_DELETE_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    gone.name = (char *)(uintptr_t)name;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SUBSCRIPTION_DELETE;
    request.subscription_delete = &gone;
    worker_send(w->socket, &request);
    while (worker_read(w, 0)->body_case != HANDOFF__V1__REPLY__BODY_SUBSCRIPTION_DELETE) continue;
}

static inline void worker_end(struct worker *w)
{
    zmq_close(w->socket);
    arena_free(w->arena);
    *w = (struct worker){0};
}

#endif
