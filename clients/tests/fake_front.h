/* A front and a doorbell for tests, in a thread of their own: keeps a journal in memory and misbehaves on
 * request.
 *
 * The test steers it over an inproc REQ/REP pair, so that each change is made between two requests and is in
 * force when the call returns; nothing is shared but what `fake_counts` copies out. */
#ifndef HANDOFF_FAKE_FRONT_H
#define HANDOFF_FAKE_FRONT_H

#include "fake_delivery.h"
#include "handoff.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define FAKE_EVENTS    4096
#define FAKE_EMISSIONS 1024
#define FAKE_NOW_MS    1772746800000

enum fake_kind {
    FAKE_STOP,
    FAKE_COUNTS,
    FAKE_RESTART,          /* both sockets go and come back; the journal stays */
    FAKE_EMIT,             /* an entry with `count` emissions; rings if `is_rung` */
    FAKE_SWALLOW,          /* the next `count` replies are dropped */
    FAKE_UNAVAILABLE,      /* the next `count` requests are answered UNAVAILABLE as a whole */
    FAKE_HALF_UNAVAILABLE, /* of the next `count` publishes every other event is */
    FAKE_PAGE,             /* a page has at most `count` emissions */
    FAKE_REWIND,           /* the journal ends at `count` */
    FAKE_DELIVER,          /* `count` more messages for workers */
    FAKE_FORGET,           /* who is subscribed, and what they hold */
    FAKE_TAKE_BACK,        /* every lease has ended */
    FAKE_LEASE,            /* `count` ms, of those who subscribe from now on */
    FAKE_REFUSE_SUBSCRIBE, /* the next `count` */
};

struct fake_order {
    enum fake_kind kind;
    uint32_t count;
    bool is_rung;
};

struct fake_counts {
    uint32_t requests, publishes, clocks;
    uint32_t most_events; /* in one publish */
    size_t most_bytes;    /* of one request */
    uint64_t last_sequence;
    uint32_t stored; /* distinct events */
    struct fake_delivery_counts delivery;
};

struct fake {
    pthread_t thread;
    void *steering; /* context of the inproc pair */
    void *order_socket;
    char front[64], stream[64];
    /* of the thread alone */
    void *context, *router, *bell, *order_reply;
    struct fake_counts counts;
    uint32_t swallow, unavailable, half_unavailable, page;
    char *ids[FAKE_EVENTS];
    uint64_t id_sequences[FAKE_EVENTS];
    struct {
        uint64_t sequence;
        uint32_t position;
    } emissions[FAKE_EMISSIONS];
    size_t emission_count;
    uint64_t last_bell;
    struct fake_delivery delivery;
    uint8_t peer[256]; /* who asks */
    int peer_len;
};

/* --- sockets
 * --------------------------------------------------------------------------------------------------- */

static inline void fake_bind(void *socket, char endpoint[64])
{
    size_t size = 64;
    int linger = 0, all = 1;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &all, sizeof all);
    int failed = zmq_bind(socket, *endpoint ? endpoint : "tcp://127.0.0.1:*");
    assert(!failed);
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size);
}

static inline void fake_up(struct fake *fake)
{
    fake->context = zmq_ctx_new();
    fake->router = zmq_socket(fake->context, ZMQ_ROUTER);
    fake->bell = zmq_socket(fake->context, ZMQ_XPUB);
    fake_bind(fake->router, fake->front);
    fake_bind(fake->bell, fake->stream);
}

/* Terminating the context waits until the ports are free. */
static inline void fake_down(struct fake *fake)
{
    zmq_close(fake->router);
    zmq_close(fake->bell);
    zmq_ctx_term(fake->context);
}

/* --- requests
 * -------------------------------------------------------------------------------------------------- */

static inline void fake_result(struct fake *fake, const ProtobufCBinaryData *bytes, bool is_unavailable,
                               Handoff__V1__PublishResult *result)
{
    handoff__v1__publish_result__init(result);
    if (is_unavailable) {
        result->code = HANDOFF__V1__CODE__CODE_UNAVAILABLE;
        return;
    }
    Handoff__V1__Event *event = handoff__v1__event__unpack(NULL, bytes->len, bytes->data);
    assert(event);
    if (strcmp(event->patient_id, "nobody") == 0) {
        result->code = HANDOFF__V1__CODE__CODE_BAD_ID;
        result->sentence = (char *)(uintptr_t) "nobody is not a patient";
        result->field = (char *)(uintptr_t) "patient_id";
        handoff__v1__event__free_unpacked(event, NULL);
        return;
    }
    uint32_t at = 0;
    while (at < fake->counts.stored && strcmp(fake->ids[at], event->id) != 0) at++;
    bool is_new = at == fake->counts.stored;
    if (is_new) {
        assert(at < FAKE_EVENTS);
        fake->ids[at] = strdup(event->id);
        fake->id_sequences[at] = ++fake->counts.last_sequence;
        fake->counts.stored++;
    }
    result->code = is_new ? HANDOFF__V1__CODE__CODE_ACCEPTED : HANDOFF__V1__CODE__CODE_DUPLICATE;
    result->sequence = fake->id_sequences[at];
    handoff__v1__event__free_unpacked(event, NULL);
}

static inline size_t fake_publish(struct fake *fake, const Handoff__V1__PublishRequest *publish,
                                  Handoff__V1__Reply *reply, uint8_t *to)
{
    Handoff__V1__PublishResult results[HANDOFF_PUBLISH_EVENTS], *rows[HANDOFF_PUBLISH_EVENTS];
    assert(publish->n_events <= HANDOFF_PUBLISH_EVENTS);
    fake->counts.publishes++;
    if (publish->n_events > fake->counts.most_events) fake->counts.most_events = (uint32_t)publish->n_events;
    bool is_half = fake->half_unavailable > 0;
    if (is_half) fake->half_unavailable--;
    for (size_t i = 0; i < publish->n_events; i++) {
        fake_result(fake, &publish->events[i], is_half && i % 2 == 1, &results[i]);
        rows[i] = &results[i];
    }
    Handoff__V1__PublishReply body = HANDOFF__V1__PUBLISH_REPLY__INIT;
    body.n_results = publish->n_events;
    body.results = rows;
    reply->body_case = HANDOFF__V1__REPLY__BODY_PUBLISH;
    reply->publish = &body;
    return handoff__v1__reply__pack(reply, to);
}

/* Cuts pages in the middle of an entry too, which the library has to bear. */
static inline size_t fake_emissions(struct fake *fake, const Handoff__V1__EmissionsRequest *request,
                                    Handoff__V1__Reply *reply, uint8_t *to)
{
    static Handoff__V1__Emission rows[FAKE_EMISSIONS], *pointers[FAKE_EMISSIONS];
    static Handoff__V1__RecordEmission records[FAKE_EMISSIONS], *record_pointers[FAKE_EMISSIONS];
    static Handoff__V1__TimelineEntry entries[FAKE_EMISSIONS];
    Handoff__V1__EmissionsReply body = HANDOFF__V1__EMISSIONS_REPLY__INIT;
    uint64_t through = fake->counts.last_sequence;
    size_t count = 0;
    for (size_t i = 0; i < fake->emission_count; i++) {
        uint64_t sequence = fake->emissions[i].sequence;
        if (sequence <= request->after_sequence) continue;
        if (count == fake->page) {
            through = sequence - 1;
            break;
        }
        handoff__v1__emission__init(&rows[count]);
        handoff__v1__record_emission__init(&records[count]);
        handoff__v1__timeline_entry__init(&entries[count]);
        rows[count].sequence = entries[count].sequence = sequence;
        rows[count].position = fake->emissions[i].position;
        records[count].entry = &entries[count];
        pointers[count] = &rows[count];
        record_pointers[count] = &records[count];
        count++;
    }
    bool is_record = request->stream == HANDOFF__V1__STREAM__STREAM_RECORD;
    body.n_emissions = is_record ? 0 : count;
    body.emissions = pointers;
    body.n_records = is_record ? count : 0;
    body.records = record_pointers;
    body.through_sequence = through;
    body.last_sequence = fake->counts.last_sequence;
    reply->body_case = HANDOFF__V1__REPLY__BODY_EMISSIONS;
    reply->emissions = &body;
    return handoff__v1__reply__pack(reply, to);
}

static inline size_t fake_info(struct fake *fake, Handoff__V1__Reply *reply, uint8_t *to)
{
    Handoff__V1__InfoReply body = HANDOFF__V1__INFO_REPLY__INIT;
    body.last_sequence = fake->counts.last_sequence;
    body.now_ms = FAKE_NOW_MS;
    body.stream_endpoint = fake->stream;
    reply->body_case = HANDOFF__V1__REPLY__BODY_INFO;
    reply->info = &body;
    return handoff__v1__reply__pack(reply, to);
}

static inline size_t fake_error(Handoff__V1__Code code, Handoff__V1__Reply *reply, uint8_t *to)
{
    Handoff__V1__Error body = HANDOFF__V1__ERROR__INIT;
    body.code = code;
    body.sentence = (char *)(uintptr_t) "not now";
    reply->body_case = HANDOFF__V1__REPLY__BODY_ERROR;
    reply->error = &body;
    return handoff__v1__reply__pack(reply, to);
}

static inline size_t fake_answer_worker(struct fake *fake, const Handoff__V1__Request *request,
                                        Handoff__V1__Reply *reply, uint8_t *to)
{
    Handoff__V1__SubscribeReply subscribed = HANDOFF__V1__SUBSCRIBE_REPLY__INIT;
    Handoff__V1__SubscriptionSettings settings = HANDOFF__V1__SUBSCRIPTION_SETTINGS__INIT;
    Handoff__V1__SettleReply settled = HANDOFF__V1__SETTLE_REPLY__INIT;
    Handoff__V1__UnsubscribeReply unsubscribed = HANDOFF__V1__UNSUBSCRIBE_REPLY__INIT;
    int worker = fake_worker(&fake->delivery, fake->peer, fake->peer_len);
    if (request->body_case == HANDOFF__V1__REQUEST__BODY_SUBSCRIBE) {
        if (!fake_subscribe(&fake->delivery, fake->peer, fake->peer_len, request->tag, request->subscribe))
            return fake_error(HANDOFF__V1__CODE__CODE_SETTINGS_DIFFER, reply, to);
        settings.lease_ms = fake->delivery.lease_ms;
        subscribed.settings = &settings;
        reply->body_case = HANDOFF__V1__REPLY__BODY_SUBSCRIBE;
        reply->subscribe = &subscribed;
    } else if (worker < 0) {
        return fake_error(HANDOFF__V1__CODE__CODE_NOT_SUBSCRIBED, reply, to);
    } else if (request->body_case == HANDOFF__V1__REQUEST__BODY_SETTLE) {
        fake_settle(&fake->delivery, worker, request->settle, &settled);
        reply->body_case = HANDOFF__V1__REPLY__BODY_SETTLE;
        reply->settle = &settled;
    } else {
        fake->delivery.counts.unsubscribes++;
        fake_take_back(&fake->delivery, worker, true);
        fake->delivery.workers[worker].credit = 0;
        reply->body_case = HANDOFF__V1__REPLY__BODY_UNSUBSCRIBE;
        reply->unsubscribe = &unsubscribed;
    }
    return handoff__v1__reply__pack(reply, to);
}

static inline size_t fake_answer(struct fake *fake, const Handoff__V1__Request *request, uint8_t *to)
{
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    Handoff__V1__ClockReply clock = HANDOFF__V1__CLOCK_REPLY__INIT;
    reply.tag = request->tag;
    if (fake->unavailable) {
        fake->unavailable--;
        return fake_error(HANDOFF__V1__CODE__CODE_UNAVAILABLE, &reply, to);
    }
    switch ((int)request->body_case) {
    case HANDOFF__V1__REQUEST__BODY_PUBLISH:
        return fake_publish(fake, request->publish, &reply, to);
    case HANDOFF__V1__REQUEST__BODY_EMISSIONS:
        return fake_emissions(fake, request->emissions, &reply, to);
    case HANDOFF__V1__REQUEST__BODY_INFO:
        return fake_info(fake, &reply, to);
    case HANDOFF__V1__REQUEST__BODY_CLOCK:
        fake->counts.clocks++;
        reply.body_case = HANDOFF__V1__REPLY__BODY_CLOCK;
        reply.clock = &clock;
        return handoff__v1__reply__pack(&reply, to);
    case HANDOFF__V1__REQUEST__BODY_SUBSCRIBE:
    case HANDOFF__V1__REQUEST__BODY_SETTLE:
    case HANDOFF__V1__REQUEST__BODY_UNSUBSCRIBE:
        return fake_answer_worker(fake, request, &reply, to);
    default:
        return fake_error(HANDOFF__V1__CODE__CODE_UNKNOWN_REQUEST, &reply, to);
    }
}

static inline void fake_serve(struct fake *fake)
{
    static uint8_t to[FAKE_REPLY_BYTES];
    zmq_msg_t frame;
    fake->peer_len = zmq_recv(fake->router, fake->peer, sizeof fake->peer, 0);
    assert(fake->peer_len > 0);
    zmq_msg_init(&frame);
    int len = zmq_msg_recv(&frame, fake->router, 0);
    assert(len >= 0 && !zmq_msg_more(&frame));
    fake->counts.requests++;
    if ((size_t)len > fake->counts.most_bytes) fake->counts.most_bytes = (size_t)len;
    Handoff__V1__Request *request = handoff__v1__request__unpack(NULL, (size_t)len, zmq_msg_data(&frame));
    assert(request);
    size_t reply_len = fake_answer(fake, request, to);
    handoff__v1__request__free_unpacked(request, NULL);
    zmq_msg_close(&frame);
    if (fake->swallow) {
        fake->swallow--;
        return;
    }
    if (zmq_send(fake->router, fake->peer, (size_t)fake->peer_len, ZMQ_SNDMORE) >= 0)
        zmq_send(fake->router, to, reply_len, 0);
}

/* --- orders
 * ---------------------------------------------------------------------------------------------------- */

static inline void fake_ring(struct fake *fake, uint64_t sequence, uint64_t previous)
{
    static const char topic[] = "task", near_topic[] = "tasks";
    Handoff__V1__Doorbell bell = HANDOFF__V1__DOORBELL__INIT;
    uint8_t bytes[64];
    bell.stream = HANDOFF__V1__STREAM__STREAM_TASK;
    bell.sequence = sequence;
    bell.previous_sequence = previous;
    size_t len = handoff__v1__doorbell__pack(&bell, bytes);
    zmq_send(fake->bell, near_topic, strlen(near_topic), ZMQ_SNDMORE); /* noise that a prefix lets through */
    zmq_send(fake->bell, "\xff", 1, 0);
    zmq_send(fake->bell, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(fake->bell, bytes, len, 0);
}

static inline void fake_emit_now(struct fake *fake, uint32_t count, bool is_rung)
{
    uint64_t sequence = ++fake->counts.last_sequence;
    for (uint32_t i = 0; i < count; i++) {
        assert(fake->emission_count < FAKE_EMISSIONS);
        fake->emissions[fake->emission_count].sequence = sequence;
        fake->emissions[fake->emission_count].position = i;
        fake->emission_count++;
    }
    if (!count) return;
    if (is_rung) fake_ring(fake, sequence, fake->last_bell);
    fake->last_bell = sequence;
}

static inline bool fake_obey(struct fake *fake)
{
    struct fake_order order;
    int len = zmq_recv(fake->order_reply, &order, sizeof order, 0);
    assert(len == sizeof order);
    switch (order.kind) {
    case FAKE_RESTART:
        fake_down(fake);
        fake_forget(&fake->delivery);
        fake_up(fake);
        break;
    case FAKE_EMIT:
        fake_emit_now(fake, order.count, order.is_rung);
        break;
    case FAKE_SWALLOW:
        fake->swallow = order.count;
        break;
    case FAKE_UNAVAILABLE:
        fake->unavailable = order.count;
        break;
    case FAKE_HALF_UNAVAILABLE:
        fake->half_unavailable = order.count;
        break;
    case FAKE_PAGE:
        fake->page = order.count;
        break;
    case FAKE_REWIND:
        fake->counts.last_sequence = order.count;
        break;
    case FAKE_DELIVER:
        fake_add_messages(&fake->delivery, order.count);
        break;
    case FAKE_FORGET:
        fake_forget(&fake->delivery);
        break;
    case FAKE_TAKE_BACK:
        fake_take_back(&fake->delivery, -1, true);
        break;
    case FAKE_LEASE:
        fake->delivery.lease_ms = order.count;
        break;
    case FAKE_REFUSE_SUBSCRIBE:
        fake->delivery.refusals = order.count;
        break;
    case FAKE_STOP:
    case FAKE_COUNTS:
        break;
    }
    fake_count_waiting(&fake->delivery);
    fake->counts.delivery = fake->delivery.counts;
    zmq_send(fake->order_reply, &fake->counts, sizeof fake->counts, 0);
    return order.kind != FAKE_STOP;
}

static inline void *fake_run(void *argument)
{
    struct fake *fake = argument;
    bool goes_on = true;
    while (goes_on) {
        zmq_pollitem_t items[] = {{.socket = fake->router, .events = ZMQ_POLLIN},
                                  {.socket = fake->bell, .events = ZMQ_POLLIN},
                                  {.socket = fake->order_reply, .events = ZMQ_POLLIN}};
        zmq_poll(items, 3, -1);
        uint8_t subscription[64];
        if (items[0].revents) fake_serve(fake);
        if (items[1].revents) zmq_recv(fake->bell, subscription, sizeof subscription, 0);
        if (items[2].revents) goes_on = fake_obey(fake);
        fake_push(&fake->delivery, fake->router);
    }
    fake_down(fake);
    zmq_close(fake->order_reply);
    return NULL;
}

/* --- for the test
 * ---------------------------------------------------------------------------------------------- */

static inline struct fake_counts fake_order(struct fake *fake, enum fake_kind kind, uint32_t count)
{
    struct fake_order order = {.kind = kind, .count = count};
    struct fake_counts counts;
    zmq_send(fake->order_socket, &order, sizeof order, 0);
    int len = zmq_recv(fake->order_socket, &counts, sizeof counts, 0);
    assert(len == sizeof counts);
    return counts;
}

/* One entry with `count` emissions on the stream; its sequence. */
static inline uint64_t fake_emit(struct fake *fake, uint32_t count, bool is_rung)
{
    struct fake_order order = {.kind = FAKE_EMIT, .count = count, .is_rung = is_rung};
    struct fake_counts counts;
    zmq_send(fake->order_socket, &order, sizeof order, 0);
    int len = zmq_recv(fake->order_socket, &counts, sizeof counts, 0);
    assert(len == sizeof counts);
    return counts.last_sequence;
}

static inline struct fake *fake_start(void)
{
    struct fake *fake = calloc(1, sizeof *fake);
    fake->page = FAKE_EMISSIONS;
    fake->delivery.lease_ms = 30000;
    fake_up(fake);
    fake->steering = zmq_ctx_new();
    fake->order_reply = zmq_socket(fake->steering, ZMQ_REP);
    fake->order_socket = zmq_socket(fake->steering, ZMQ_REQ);
    zmq_bind(fake->order_reply, "inproc://orders");
    zmq_connect(fake->order_socket, "inproc://orders");
    int failed = pthread_create(&fake->thread, NULL, fake_run, fake);
    assert(!failed);
    return fake;
}

static inline void fake_stop(struct fake *fake)
{
    fake_order(fake, FAKE_STOP, 0);
    pthread_join(fake->thread, NULL);
    zmq_close(fake->order_socket);
    zmq_ctx_term(fake->steering);
    for (uint32_t i = 0; i < fake->counts.stored; i++) free(fake->ids[i]);
    free(fake);
}

#endif
