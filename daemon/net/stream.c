/* The doorbell: see stream.h. */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "engine/view.h"
#include "net/limits.h"

#include "base/banned.h"

enum { ENDPOINT_BYTES = 256, READS_PER_TURN = 1024 };

static const char *const names[STREAM_COUNT] = {NULL, "task", "escalation", "status", "record", "audit"};

struct stream {
    void *socket;
    uint64_t previous[STREAM_COUNT]; /* sequence that last rang; 0: not known */
    uint64_t rung;
    uint32_t listeners[STREAM_COUNT]; /* subscriptions that take its topic in; without one nothing is sent */
    char endpoint[ENDPOINT_BYTES];
};

const char *stream_name(Handoff__V1__Stream which) { return (uint32_t)which < STREAM_COUNT ? names[which] : NULL; }

static int set_options(void *socket, const char *endpoint)
{
    const struct {
        int option, value;
    } options[] = {
        {ZMQ_LINGER, 0},           {ZMQ_SNDHWM, NET_STREAM_QUEUE}, {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_TCP_KEEPALIVE, 1},    {ZMQ_TCP_KEEPALIVE_IDLE, 30},   {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_KEEPALIVE_INTVL, 10}, /* not ZMQ_HEARTBEAT_IVL: see front.c */
        {ZMQ_IPV6, strchr(endpoint, '[') != NULL},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof options[i].value) != 0) return -errno;
    int64_t frame_bytes = NET_STREAM_FRAME_BYTES;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes, sizeof frame_bytes) == 0 ? 0 : -errno;
}

static int bind_stream(struct stream *stream, const char *endpoint)
{
    int rc = set_options(stream->socket, endpoint);
    if (rc < 0) return rc;
    if (zmq_bind(stream->socket, endpoint) != 0) return -errno;
    size_t size = sizeof stream->endpoint;
    return zmq_getsockopt(stream->socket, ZMQ_LAST_ENDPOINT, stream->endpoint, &size) == 0 ? 0 : -errno;
}

int stream_open(void *zmq, const char *endpoint, struct stream **ret_stream)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) return -ENOMEM;
    stream->socket = zmq_socket(zmq, ZMQ_XPUB);
    int rc = stream->socket == NULL ? -errno : bind_stream(stream, endpoint);
    if (rc < 0) {
        stream_close(stream);
        return rc;
    }
    *ret_stream = stream;
    return 0;
}

void stream_close(struct stream *stream)
{
    if (stream == NULL) return;
    if (stream->socket != NULL) zmq_close(stream->socket);
    free(stream);
}

void *stream_socket(const struct stream *stream) { return stream->socket; }
const char *stream_endpoint(const struct stream *stream) { return stream->endpoint; }
uint64_t stream_rung(const struct stream *stream) { return stream->rung; }

/* A subscription is 1 and the beginning of a topic, its end 0 and the same. XPUB tells of each beginning once, however
 * many subscribe to it, and of its end when the last is gone. */
static void note_subscription(struct stream *stream, const uint8_t *message, size_t bytes)
{
    if (bytes < 1 || bytes > NET_STREAM_FRAME_BYTES || message[0] > 1) return;
    for (int i = 1; i < STREAM_COUNT; i++) {
        bool is_meant = bytes - 1 <= strlen(names[i]) && memcmp(names[i], message + 1, bytes - 1) == 0;
        if (!is_meant) continue;
        if (message[0] == 1) stream->listeners[i]++;
        else if (stream->listeners[i] > 0) stream->listeners[i]--;
    }
}

void stream_read(struct stream *stream)
{
    uint8_t message[NET_STREAM_FRAME_BYTES];
    for (int i = 0; i < READS_PER_TURN; i++) {
        int bytes = zmq_recv(stream->socket, message, sizeof message, ZMQ_DONTWAIT);
        if (bytes < 0) return;
        note_subscription(stream, message, (size_t)bytes);
    }
}

/* --- ringing -------------------------------------------------------------------------------------------------- */
static const char *kind_word(struct arena *arena, const Handoff__V1__Emission *e)
{
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
        return view_word(arena, &handoff__v1__task_kind__descriptor, (int)e->task->kind);
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        return view_word(arena, &handoff__v1__escalation_change__descriptor, (int)e->escalation->change);
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        return view_word(arena, &handoff__v1__status_kind__descriptor, (int)e->status->kind);
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
        return view_word(arena, &handoff__v1__audit_kind__descriptor, (int)e->audit->kind);
    case HANDOFF__V1__EMISSION__BODY_REMINDER: return "reminder";
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return "";
}

/* Counts an emission in its stream's doorbell; the most severe one is the one that it names. */
static void add(Handoff__V1__Doorbell *bell, const Handoff__V1__Emission *e, const char *key, struct arena *arena)
{
    Handoff__V1__Severity severity = view_severity(e);
    if (bell->count++ > 0 && severity <= bell->severity) return;
    bell->severity = severity;
    bell->subject_id = (char *)(uintptr_t)view_subject_id(arena, key, e);
    bell->kind = (char *)(uintptr_t)kind_word(arena, e);
    bell->rung = e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION ? e->escalation->rung
                                                                         : HANDOFF__V1__ROLE__ROLE_UNSPECIFIED;
}

/* A slow subscriber's doorbell is dropped by libzmq; it sees the gap. Nothing here can block. */
static void send_bell(struct stream *stream, const Handoff__V1__Doorbell *bell)
{
    uint8_t packed[512];
    size_t size = handoff__v1__doorbell__get_packed_size(bell);
    const char *topic = names[bell->stream];
    assert(size <= sizeof packed);
    handoff__v1__doorbell__pack(bell, packed);
    if (zmq_send(stream->socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) return;
    zmq_send(stream->socket, packed, size, ZMQ_DONTWAIT);
    stream->rung++;
}

static void gather(const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key, struct arena *arena,
                   Handoff__V1__Doorbell bells[STREAM_COUNT])
{
    for (int i = 0; i < STREAM_COUNT; i++)
        handoff__v1__doorbell__init(&bells[i]);
    for (size_t i = 0; i < outcome->n_emissions; i++)
        add(&bells[view_stream(outcome->emissions[i])], outcome->emissions[i], key, arena);
    if (!view_is_record(entry)) return;
    Handoff__V1__Doorbell *record = &bells[HANDOFF__V1__STREAM__STREAM_RECORD];
    record->count = 1;
    record->subject_id = (char *)(uintptr_t)key;
    record->kind = (char *)(uintptr_t)(entry->kind == ENTRY_EVENT   ? "event"
                                       : entry->kind == ENTRY_TIMER ? "timer"
                                                                    : "command");
}

void stream_ring(struct stream *stream, const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key,
                 struct arena *arena)
{
    Handoff__V1__Doorbell bells[STREAM_COUNT];
    size_t mark = arena_used(arena);
    gather(entry, outcome, key, arena, bells);
    for (int i = 1; i < STREAM_COUNT; i++) {
        if (bells[i].count == 0) continue;
        bells[i].stream = (Handoff__V1__Stream)i;
        bells[i].sequence = entry->sequence;
        bells[i].previous_sequence = stream->previous[i];
        if (stream->listeners[i] > 0) send_bell(stream, &bells[i]);
        stream->previous[i] = entry->sequence;
    }
    arena_rewind(arena, mark);
}

void stream_recall(struct stream *stream, const struct entry *entry, const Handoff__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_emissions; i++)
        stream->previous[view_stream(outcome->emissions[i])] = entry->sequence;
    if (view_is_record(entry)) stream->previous[HANDOFF__V1__STREAM__STREAM_RECORD] = entry->sequence;
}
