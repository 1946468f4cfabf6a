/* A publisher for measuring: a DEALER (or a few, where one connection may not have so much waiting), publishes in flight
 * by their tag, each acknowledgement timed and counted. A reply that is not ACCEPTED ends the program with an error and
 * without a figure. */
#ifndef HANDOFF_BENCH_CLIENT_H
#define HANDOFF_BENCH_CLIENT_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#include "base/arena.h"
#include "handoff/v1/api.pb-c.h"
#include "histogram.h"

enum {
    CLIENT_IN_FLIGHT = 65536,
    CLIENT_SOCKETS = 16,
    CLIENT_SOCKET_LOAD = 2500,  /* in flight on one of them, on average; the daemon takes 4,096 */
    CLIENT_PATIENCE_MS = 60000, /* for a reply; then the server is taken for dead */
    CLIENT_EVENT_BYTES = 512,
    CLIENT_VERDICTS = 7
};

struct client_publish {
    int64_t since_ns; /* when it was sent, or should have been */
    uint32_t events;
};

struct client {
    void *zmq, *sockets[CLIENT_SOCKETS];
    uint32_t socket_count; /* in use */
    char endpoint[1024];
    struct arena *arena;                               /* one reply */
    struct client_publish publishes[CLIENT_IN_FLIGHT]; /* by tag - 1 */
    uint32_t free_tags[CLIENT_IN_FLIGHT], free_count;
    uint64_t accepted, verdicts[CLIENT_VERDICTS], accepted_ever;
    struct histogram *latencies;
    int64_t heard_ns, stall_ns; /* the last reply; the longest time without one while some were awaited */
};

/* Set by a signal: the measurement ends at once, and what is in flight is given up (the server was killed). */
static volatile sig_atomic_t client_is_interrupted;

static inline void client_fail(const char *sentence)
{
    fprintf(stderr, "load: %s\n", sentence);
    exit(1);
}

static inline int64_t client_clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t client_now_ns(void)
{
    return client_clock_ns(CLOCK_MONOTONIC);
}
static inline int64_t client_wall_ms(void)
{
    return client_clock_ns(CLOCK_REALTIME) / 1000000;
}
static inline uint32_t client_in_flight(const struct client *c)
{
    return CLIENT_IN_FLIGHT - c->free_count;
}

/* --- sending ---------------------------------------------------------------------------------------------------- */
/* One patient's events go by one socket, so that they stay in order. */
static inline void client_send(struct client *c, uint32_t patient, ProtobufCBinaryData *events, uint32_t count,
                               int64_t since_ns)
{
    Handoff__V1__PublishRequest publish = HANDOFF__V1__PUBLISH_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    zmq_msg_t msg;
    if (client_in_flight(c) == 0) c->heard_ns = since_ns;
    uint32_t tag = c->free_tags[--c->free_count];
    publish.n_events = count;
    publish.events = events;
    request.tag = tag + 1;
    request.body_case = HANDOFF__V1__REQUEST__BODY_PUBLISH;
    request.publish = &publish;
    if (zmq_msg_init_size(&msg, handoff__v1__request__get_packed_size(&request)) != 0) client_fail("out of memory");
    handoff__v1__request__pack(&request, zmq_msg_data(&msg));
    c->publishes[tag] = (struct client_publish){since_ns, count};
    if (zmq_msg_send(&msg, c->sockets[patient % c->socket_count], 0) < 0) client_fail(zmq_strerror(errno));
}

static inline ProtobufCBinaryData client_pack(const Handoff__V1__Event *event, uint8_t bytes[CLIENT_EVENT_BYTES])
{
    ProtobufCBinaryData packed = {handoff__v1__event__get_packed_size(event), bytes};
    if (packed.len > CLIENT_EVENT_BYTES) client_fail("an event is larger than was thought");
    handoff__v1__event__pack(event, bytes);
    return packed;
}

/* --- receiving -------------------------------------------------------------------------------------------------- */
static inline void client_refuse(const Handoff__V1__PublishResult *result, const Handoff__V1__Error *error)
{
    fprintf(stderr, "load: not accepted: code %d, %s (%s)\n", (int)(result ? result->code : error->code),
            result ? result->sentence : error->sentence, result ? result->field : error->field);
    exit(1);
}

static inline void client_count(struct client *c, const struct client_publish *publish)
{
    int64_t now_ns = client_now_ns();
    histogram_add(c->latencies, (uint64_t)(now_ns - publish->since_ns));
    if (now_ns - c->heard_ns > c->stall_ns) c->stall_ns = now_ns - c->heard_ns;
    c->heard_ns = now_ns;
}

static inline void client_check(struct client *c, const Handoff__V1__Reply *reply)
{
    if (!reply) client_fail("a reply does not unpack");
    if (reply->body_case == HANDOFF__V1__REPLY__BODY_ERROR) client_refuse(NULL, reply->error);
    if (reply->body_case != HANDOFF__V1__REPLY__BODY_PUBLISH || !reply->tag || reply->tag > CLIENT_IN_FLIGHT)
        client_fail("a reply to something that was not asked");
    struct client_publish *publish = &c->publishes[reply->tag - 1];
    if (reply->publish->n_results != publish->events) client_fail("a reply with another number of results");
    for (size_t i = 0; i < reply->publish->n_results; i++) {
        const Handoff__V1__PublishResult *result = reply->publish->results[i];
        if (result->code != HANDOFF__V1__CODE__CODE_ACCEPTED) client_refuse(result, NULL);
        if ((unsigned)result->verdict < CLIENT_VERDICTS) c->verdicts[result->verdict]++;
        c->accepted++;
        c->accepted_ever++;
    }
    client_count(c, publish);
    publish->events = 0; /* a second reply to it is one too many */
    c->free_tags[c->free_count++] = (uint32_t)(reply->tag - 1);
}

/* False: nothing has arrived (and flags said not to wait). */
static inline bool client_receive(struct client *c, void *socket, int flags)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, socket, flags) < 0) {
        if (!client_is_interrupted && (errno != EAGAIN || !(flags & ZMQ_DONTWAIT))) client_fail("no reply came");
        zmq_msg_close(&msg);
        return false;
    }
    arena_reset(c->arena);
    client_check(c, handoff__v1__reply__unpack(arena_protobuf(c->arena), zmq_msg_size(&msg), zmq_msg_data(&msg)));
    zmq_msg_close(&msg);
    return true;
}

static inline void client_receive_rest(struct client *c)
{
    for (uint32_t s = 0; s < c->socket_count; s++)
        for (uint32_t i = 0; i < CLIENT_IN_FLIGHT && client_receive(c, c->sockets[s], ZMQ_DONTWAIT); i++) continue;
}

/* Waits for a reply and takes what else is there. */
static inline void client_receive_some(struct client *c)
{
    zmq_pollitem_t items[CLIENT_SOCKETS];
    for (uint32_t s = 0; s < c->socket_count; s++)
        items[s] = (zmq_pollitem_t){.socket = c->sockets[s], .events = ZMQ_POLLIN};
    if (c->socket_count == 1)
        client_receive(c, c->sockets[0], 0);
    else if (zmq_poll(items, (int)c->socket_count, CLIENT_PATIENCE_MS) <= 0 && !client_is_interrupted)
        client_fail("no reply came");
    client_receive_rest(c);
}

static inline void client_drain(struct client *c)
{
    while (client_in_flight(c) && !client_is_interrupted) client_receive_some(c);
}

/* --- counting --------------------------------------------------------------------------------------------------- */
static inline void client_count_anew(struct client *c)
{
    c->accepted = 0;
    c->stall_ns = 0;
    memset(c->verdicts, 0, sizeof c->verdicts);
    histogram_clear(c->latencies);
}

/* --- beginning and ending --------------------------------------------------------------------------------------- */
static inline void client_set(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) client_fail(zmq_strerror(errno));
}

static inline void *client_dealer(const struct client *c)
{
    void *socket = zmq_socket(c->zmq, ZMQ_DEALER);
    client_set(socket, ZMQ_LINGER, 0);
    client_set(socket, ZMQ_SNDHWM, 0);
    client_set(socket, ZMQ_RCVHWM, 0);
    client_set(socket, ZMQ_RCVTIMEO, CLIENT_PATIENCE_MS);
    if (zmq_connect(socket, c->endpoint) != 0) client_fail(zmq_strerror(errno));
    return socket;
}

/* So many sockets as carry this. Nothing is in flight. */
static inline void client_spread(struct client *c, uint32_t in_flight)
{
    c->socket_count = in_flight < 4096 ? 1 : in_flight / CLIENT_SOCKET_LOAD + 1;
    if (c->socket_count > CLIENT_SOCKETS) c->socket_count = CLIENT_SOCKETS;
    for (uint32_t s = 0; s < c->socket_count; s++)
        if (!c->sockets[s]) c->sockets[s] = client_dealer(c);
}

static inline void client_close(struct client *c)
{
    for (uint32_t s = 0; s < CLIENT_SOCKETS; s++) {
        if (c->sockets[s]) zmq_close(c->sockets[s]);
        c->sockets[s] = NULL;
    }
}

/* Another server, or the same one started again. */
static inline void client_connect(struct client *c, const char *endpoint)
{
    client_close(c);
    snprintf(c->endpoint, sizeof c->endpoint, "%s", endpoint);
    client_is_interrupted = 0;
    c->free_count = 0;
    for (uint32_t i = 0; i < CLIENT_IN_FLIGHT; i++) c->free_tags[c->free_count++] = CLIENT_IN_FLIGHT - 1 - i;
    client_spread(c, 1);
}

static inline struct client *client_new(void)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || !(c->latencies = malloc(sizeof *c->latencies)) || !(c->arena = arena_new(1 << 20)))
        client_fail("out of memory");
    c->zmq = zmq_ctx_new();
    return c;
}

static inline void client_free(struct client *c)
{
    client_close(c);
    zmq_ctx_term(c->zmq);
    arena_free(c->arena);
    free(c->latencies);
    free(c);
}

#endif
