/* The floor: the least that any server of this protocol on this storage must do, and nothing else.
 *
 *     ROUTER -> unpack Request and Event -> append to the LMDB journal -> one commit (fsync) -> reply
 *
 * No state, no decision, no repeats found, no emissions, no index. What handoffd is measured against: same socket
 * options, same format of batches and same builder, input section only. It takes what has arrived, at most a batch,
 * commits and answers; with one event in flight that is one commit an event. Ends by SIGTERM. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "handoff/v1/api.pb-c.h"
#include "net/front.h"
#include "store/journal.h"

enum { ROUTING_ID_BYTES = 5, REPLY_BYTES = 256, AHEAD_MIB = 256 };

struct waiting {
    uint8_t routing_id[ROUTING_ID_BYTES];
    uint64_t tag, sequence;
};

struct floor {
    void *socket;
    struct journal *journal;
    struct batch_builder *builder;
    struct arena *arena;
    uint64_t last_sequence;
    uint8_t digest[DIGEST_BYTES];
    struct waiting waiting[LIMIT_BATCH_EVENTS];
    uint32_t count;
};

static volatile sig_atomic_t is_ending;
static void on_end(int signal) { (void)signal; is_ending = 1; }

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}


static void take(struct floor *f, const uint8_t *routing_id, zmq_msg_t *payload)
{
    arena_reset(f->arena);
    ProtobufCAllocator *allocator = arena_protobuf(f->arena);
    const Handoff__V1__Request *request =
        handoff__v1__request__unpack(allocator, zmq_msg_size(payload), zmq_msg_data(payload));
    if (!request || request->body_case != HANDOFF__V1__REQUEST__BODY_PUBLISH || request->publish->n_events != 1)
        return; /* another program's client that looks for a server which had this port before */
    ProtobufCBinaryData bytes = request->publish->events[0];
    const Handoff__V1__Event *event = handoff__v1__event__unpack(allocator, bytes.len, bytes.data);
    if (!event) fail("an event", "it does not unpack");
    struct waiting *w = &f->waiting[f->count++];
    memcpy(w->routing_id, routing_id, ROUTING_ID_BYTES);
    w->tag = request->tag;
    w->sequence = f->last_sequence + f->count;
    batch_add(f->builder, &(struct entry){.sequence = w->sequence,
                                          .time_ms = event->occurred_at_ms,
                                          .due_at_ms = NO_DUE,
                                          .kind = ENTRY_EVENT,
                                          .format = ENTRY_FORMAT_PROTOBUF,
                                          .input = {bytes.data, bytes.len}});
}

/* One message; false: there is none (or a signal came). */
static bool receive(struct floor *f, int flags)
{
    uint8_t routing_id[ROUTING_ID_BYTES];
    zmq_msg_t payload;
    if (zmq_recv(f->socket, routing_id, sizeof routing_id, flags) != ROUTING_ID_BYTES) return false;
    zmq_msg_init(&payload);
    if (zmq_msg_recv(&payload, f->socket, 0) < 0) fail("a message", zmq_strerror(errno));
    take(f, routing_id, &payload);
    zmq_msg_close(&payload);
    return true;
}

static void commit(struct floor *f)
{
    int64_t totals[TOTAL_COUNT] = {0};
    struct bytes blob = batch_seal(f->builder, totals, f->digest, f->digest);
    int code = journal_append(f->journal, f->last_sequence, f->last_sequence + 1, f->count, blob);
    if (code) fail("the journal", journal_error(code));
    f->last_sequence += f->count;
}

static void reply(struct floor *f, const struct waiting *w)
{
    uint8_t packed[REPLY_BYTES];
    Handoff__V1__PublishResult result = HANDOFF__V1__PUBLISH_RESULT__INIT, *results[] = {&result};
    Handoff__V1__PublishReply publish = HANDOFF__V1__PUBLISH_REPLY__INIT;
    Handoff__V1__Reply message = HANDOFF__V1__REPLY__INIT;
    result.code = HANDOFF__V1__CODE__CODE_ACCEPTED;
    result.sequence = w->sequence;
    publish.n_results = 1;
    publish.results = results;
    message.tag = w->tag;
    message.body_case = HANDOFF__V1__REPLY__BODY_PUBLISH;
    message.publish = &publish;
    size_t bytes = handoff__v1__reply__pack(&message, packed);
    zmq_send(f->socket, w->routing_id, ROUTING_ID_BYTES, ZMQ_SNDMORE);
    zmq_send(f->socket, packed, bytes, 0);
}

static void serve(struct floor *f)
{
    while (!is_ending) {
        f->count = 0;
        batch_begin(f->builder, f->last_sequence + 1);
        if (!receive(f, 0)) continue;
        while (f->count < LIMIT_BATCH_EVENTS && receive(f, ZMQ_DONTWAIT)) continue;
        if (!f->count) continue;
        commit(f);
        for (uint32_t i = 0; i < f->count; i++) reply(f, &f->waiting[i]);
    }
}

int main(int argc, char **argv)
{
    static struct floor f;
    char endpoint[256];
    size_t size = sizeof endpoint;
    if (argc != 2) {
        fputs("usage: floor FOLDER; prints its endpoint\n", stderr);
        return 2;
    }
    struct journal_options options = {.ahead_bytes = (uint64_t)AHEAD_MIB << 20};
    int code = journal_lmdb_open(argv[1], &options, &f.journal);
    if (code) fail(argv[1], journal_error(code));
    f.builder = batch_builder_new();
    f.arena = arena_new(1 << 20);
    void *zmq = zmq_ctx_new();
    f.socket = zmq_socket(zmq, ZMQ_ROUTER);
    if (!f.builder || !f.arena || !f.socket) fail("starting", "out of memory");
    if (front_set_options(f.socket, "tcp://127.0.0.1:*") != 0 || zmq_bind(f.socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(f.socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        fail("the socket", zmq_strerror(errno));
    struct sigaction action = {.sa_handler = on_end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    puts(endpoint);
    fflush(stdout);
    serve(&f);
    zmq_close(f.socket);
    zmq_ctx_term(zmq);
    journal_close(f.journal);
    batch_builder_free(f.builder);
    arena_free(f.arena);
    return 0;
}
