/* The front socket: see front.h. */
#include "net/front.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "net/limits.h"
#include "net/request.h"

#include "base/banned.h"

enum { ROUTING_ID_BYTES = 5, ENDPOINT_BYTES = 256, FRAMES = 3 };

struct front {
    void *socket;
    struct inbox *inbox;
    struct front_counts counts;
    char endpoint[ENDPOINT_BYTES];
};

/* A message as it arrived; more frames than these are read, thrown away and counted. */
struct arrival {
    zmq_msg_t frames[FRAMES];
    size_t count;
};

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* No ZMQ_HEARTBEAT_IVL: libzmq 4.3.4 aborts the process when that timer fires for a connection that was reset while
 * its requests still waited. The kernel finds dead peers instead: after 30 s of silence, 3 probes 10 s apart. */
int front_set_options(void *socket, const char *endpoint)
{
    const struct {
        int option, value;
    } options[] = {
        {ZMQ_ROUTER_MANDATORY, 1},        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, NET_SEND_QUEUE},     {ZMQ_RCVHWM, NET_RECEIVE_QUEUE},
        {ZMQ_HANDSHAKE_IVL, 5000},        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 30},     {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_KEEPALIVE_INTVL, 10},
        {ZMQ_IPV6, strchr(endpoint, '[') != NULL},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int rc = set_int(socket, options[i].option, options[i].value);
        if (rc < 0) return rc;
    }
    int64_t frame_bytes = LIMIT_FRAME_BYTES;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes, sizeof frame_bytes) == 0 ? 0 : -errno;
}

static int bind_front(struct front *front, const char *endpoint)
{
    int rc = front_set_options(front->socket, endpoint);
    if (rc < 0) return rc;
    if (zmq_bind(front->socket, endpoint) != 0) return -errno;
    size_t size = sizeof front->endpoint;
    return zmq_getsockopt(front->socket, ZMQ_LAST_ENDPOINT, front->endpoint, &size) == 0 ? 0 : -errno;
}

int front_open(void *zmq, const char *endpoint, struct front **ret_front)
{
    struct front *front = calloc(1, sizeof *front);
    if (front == NULL) return -ENOMEM;
    front->inbox = inbox_new();
    front->socket = zmq_socket(zmq, ZMQ_ROUTER);
    int rc = front->inbox == NULL ? -ENOMEM : front->socket == NULL ? -errno : bind_front(front, endpoint);
    if (rc < 0) {
        front_close(front);
        return rc;
    }
    *ret_front = front;
    return 0;
}

void front_close(struct front *front)
{
    if (front == NULL) return;
    inbox_free(front->inbox);
    if (front->socket != NULL) zmq_close(front->socket);
    free(front);
}

void *front_socket(const struct front *front) { return front->socket; }
const char *front_endpoint(const struct front *front) { return front->endpoint; }
const struct front_counts *front_counts(const struct front *front) { return &front->counts; }
size_t front_waiting(const struct front *front) { return inbox_messages(front->inbox); }

bool front_is_awaited(const struct front *front)
{
    int events = 0;
    size_t size = sizeof events;
    if (inbox_messages(front->inbox) > 0) return true;
    return zmq_getsockopt(front->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

bool front_next(struct front *front, const struct inbox_filter *filter, struct peer *ret_from, zmq_msg_t *ret_payload)
{
    return inbox_take(front->inbox, filter, ret_from, ret_payload);
}

bool front_peek(const struct front *front, size_t ahead, struct bytes *ret_payload)
{
    return inbox_peek(front->inbox, ahead, ret_payload);
}

/* --- receiving ------------------------------------------------------------------------------------------------ */
static bool is_generated(zmq_msg_t *id)
{
    return zmq_msg_size(id) == ROUTING_ID_BYTES && *(const uint8_t *)zmq_msg_data(id) == 0;
}

/* Reads one message whole. False: nothing has arrived. */
static bool read_arrival(struct front *front, struct arrival *a)
{
    bool has_more = true;
    a->count = 0;
    /* The bound is the sender's: libzmq hands over only messages that arrived whole. */
    while (has_more) {
        zmq_msg_t spare;
        zmq_msg_t *frame = a->count < FRAMES ? &a->frames[a->count] : &spare;
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, front->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(frame);
            break;
        }
        has_more = zmq_msg_more(frame);
        if (frame == &spare) zmq_msg_close(&spare);
        a->count++;
    }
    return a->count > 0;
}

static void close_arrival(struct arrival *a)
{
    size_t kept = a->count < FRAMES ? a->count : FRAMES;
    for (size_t i = 0; i < kept; i++)
        zmq_msg_close(&a->frames[i]);
}

static zmq_msg_t *payload_of(struct arrival *a)
{
    if (a->count == 2 && zmq_msg_size(&a->frames[1]) > 0) return &a->frames[1];
    if (a->count == 3 && zmq_msg_size(&a->frames[1]) == 0) return &a->frames[2];
    return NULL;
}

static struct bytes message_bytes(zmq_msg_t *m) { return (struct bytes){zmq_msg_data(m), zmq_msg_size(m)}; }

static void accept_payload(struct front *front, struct peer from, zmq_msg_t *payload)
{
    uint64_t tag = request_tag(message_bytes(payload));
    if (zmq_msg_size(payload) > LIMIT_PUBLISH_BYTES) {
        front->counts.too_large++;
        front_refuse(front, from, tag, HANDOFF__V1__CODE__CODE_TOO_LARGE,
                     "the request is larger than 256 KiB; publish fewer events at once", NULL);
        return;
    }
    if (!inbox_put(front->inbox, from, payload)) {
        front->counts.over_quota++;
        front_refuse(front, from, tag, HANDOFF__V1__CODE__CODE_UNAVAILABLE,
                     "too many requests of this connection are waiting; await replies, then retry with the same ids",
                     NULL);
    }
}

static int send_raw(struct front *front, zmq_msg_t *id, bool has_delimiter, const Handoff__V1__Reply *reply);

static void refuse_frames(struct front *front, struct arrival *a, const char *sentence)
{
    Handoff__V1__Error error = HANDOFF__V1__ERROR__INIT;
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    error.code = HANDOFF__V1__CODE__CODE_MALFORMED;
    error.sentence = (char *)(uintptr_t)sentence;
    reply.body_case = HANDOFF__V1__REPLY__BODY_ERROR;
    reply.error = &error;
    if (payload_of(a) != NULL) reply.tag = request_tag(message_bytes(payload_of(a)));
    front->counts.malformed_frames++;
    bool has_delimiter = a->count > 2 && zmq_msg_size(&a->frames[1]) == 0;
    if (send_raw(front, &a->frames[0], has_delimiter, &reply) != 0) front->counts.replies_dropped++;
}

static void accept_arrival(struct front *front, struct arrival *a)
{
    zmq_msg_t *payload = payload_of(a);
    front->counts.received++;
    if (!is_generated(&a->frames[0])) {
        refuse_frames(front, a, "the connection has a routing id of its own; leave it unset");
        return;
    }
    if (payload == NULL) {
        refuse_frames(front, a, "a request is one frame that is not empty, or an empty frame and then that one");
        return;
    }
    struct peer from = {load_u32((const uint8_t *)zmq_msg_data(&a->frames[0]) + 1), a->count == 3};
    accept_payload(front, from, payload);
}

void front_receive(struct front *front)
{
    struct arrival a;
    for (int i = 0; i < NET_TURN_RECEIVE && !inbox_is_full(front->inbox); i++) {
        if (!read_arrival(front, &a)) return;
        accept_arrival(front, &a);
        close_arrival(&a);
    }
}

/* --- replying ------------------------------------------------------------------------------------------------- */
static bool pack(const Handoff__V1__Reply *reply, zmq_msg_t *ret_payload)
{
    size_t size = handoff__v1__reply__get_packed_size(reply);
    if (zmq_msg_init_size(ret_payload, size) != 0) return false;
    handoff__v1__reply__pack(reply, zmq_msg_data(ret_payload));
    return true;
}

/* The routing id decides: once it is taken, the frames behind it are. It is consumed. */
static bool send_frames(struct front *front, zmq_msg_t *id, bool has_delimiter, zmq_msg_t *payload)
{
    if (zmq_msg_send(id, front->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) return false;
    if (has_delimiter && zmq_send(front->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) return false;
    return zmq_msg_send(payload, front->socket, ZMQ_DONTWAIT) >= 0;
}

/* 0, or -errno. */
static int send_raw(struct front *front, zmq_msg_t *id, bool has_delimiter, const Handoff__V1__Reply *reply)
{
    zmq_msg_t payload;
    if (!pack(reply, &payload)) return -ENOMEM;
    if (send_frames(front, id, has_delimiter, &payload)) {
        front->counts.replies++;
        return 0;
    }
    int rc = -zmq_errno();
    zmq_msg_close(&payload);
    return rc;
}

int front_push(struct front *front, struct peer to, const Handoff__V1__Reply *reply)
{
    zmq_msg_t id;
    if (zmq_msg_init_size(&id, ROUTING_ID_BYTES) != 0) return -ENOMEM;
    uint8_t *bytes = zmq_msg_data(&id);
    bytes[0] = 0;
    store_u32(bytes + 1, to.id);
    int rc = send_raw(front, &id, to.has_delimiter, reply);
    zmq_msg_close(&id);
    return rc;
}

void front_reply(struct front *front, struct peer to, const Handoff__V1__Reply *reply)
{
    if (front_push(front, to, reply) != 0) front->counts.replies_dropped++;
}

void front_refuse(struct front *front, struct peer to, uint64_t tag, Handoff__V1__Code code, const char *sentence,
                  const char *field)
{
    Handoff__V1__Error error = HANDOFF__V1__ERROR__INIT;
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    error.code = code;
    error.sentence = (char *)(uintptr_t)sentence;
    if (field != NULL) error.field = (char *)(uintptr_t)field;
    reply.tag = tag;
    reply.body_case = HANDOFF__V1__REPLY__BODY_ERROR;
    reply.error = &error;
    front_reply(front, to, &reply);
}
