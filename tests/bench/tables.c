/* The unit of work as most would write it on LMDB: one transaction a batch, a table for each thing.
 *
 *     patient    key -> record                      dedupe   hash of source and id -> sequence
 *     timers     (due, key) -> nothing              journal  sequence -> the event and its outcome
 *     outbox     sequence -> emission, until it is acknowledged
 *
 * Same socket, same unpacking, same group commit with its sync, same replies as floor.c; the records, outcomes and
 * emissions have the sizes that handoffd's have (-r, -o, -m), their content is not decided but made up. A consumer that
 * acknowledges in order is played by deleting the oldest of the outbox when more than a thousand wait. What is measured is
 * what random pages of trees cost. Ends by SIGTERM. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <lmdb.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "handoff/v1/api.pb-c.h"
#include "net/front.h"

enum {
    ROUTING_ID_BYTES = 5,
    REPLY_BYTES = 512,
    OUTBOX_WAITING = 1000,
    KEY_BYTES = 16,
    VALUE_BYTES_MAX = 8192,
    DAY_MS = 86400000
};
#define MAP_BYTES ((size_t)256 << 30)

struct waiting {
    uint8_t routing_id[ROUTING_ID_BYTES];
    uint64_t tag;
    uint32_t first, count; /* of its events, in the batch */
};

/* A patient's row begins with this. */
struct row {
    uint64_t due_ms, changes;
};

struct tables {
    void *socket;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi patients, timers, dedupe, journal, outbox;
    struct arena *arena;
    uint8_t hash_key[crypto_shorthash_KEYBYTES * 2];
    uint64_t last_sequence, outbox_first;
    struct waiting waiting[LIMIT_BATCH_EVENTS];
    uint32_t count, events;
    uint8_t value[VALUE_BYTES_MAX];
    uint32_t record_bytes, outcome_bytes, emission_bytes;
};

static volatile sig_atomic_t is_ending;
static void on_end(int signal)
{
    (void)signal;
    is_ending = 1;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "tables: %s: %s\n", what, why);
    exit(1);
}

static void check(const char *what, int code)
{
    if (code) fail(what, mdb_strerror(code));
}

static void put(struct tables *t, MDB_dbi table, const void *key, size_t key_bytes, const void *value, size_t bytes,
                unsigned flags)
{
    MDB_val k = {key_bytes, (void *)(uintptr_t)key}, v = {bytes, (void *)(uintptr_t)value};
    check("writing", mdb_put(t->txn, table, &k, &v, flags));
}

/* --- the unit ---------------------------------------------------------------------------------------------------- */
static uint64_t big_endian(uint64_t value)
{
    return __builtin_bswap64(value);
}

static void move_timer(struct tables *t, const uint8_t key[KEY_BYTES], uint64_t before_ms, uint64_t after_ms)
{
    uint8_t due[8 + KEY_BYTES];
    uint64_t at = big_endian(before_ms);
    memcpy(due + 8, key, KEY_BYTES);
    memcpy(due, &at, 8);
    MDB_val k = {sizeof due, due};
    if (before_ms) check("a timer", mdb_del(t->txn, t->timers, &k, NULL));
    at = big_endian(after_ms);
    memcpy(due, &at, 8);
    put(t, t->timers, due, sizeof due, "", 0, 0);
}

/* False: it was there before. */
static bool remember(struct tables *t, const Handoff__V1__Event *event, uint64_t sequence)
{
    char id[300];
    uint8_t hash[crypto_shorthash_siphashx24_BYTES];
    int len = snprintf(id, sizeof id, "%s\n%s", event->source, event->id);
    crypto_shorthash_siphashx24(hash, (const uint8_t *)id, (size_t)len, t->hash_key);
    MDB_val k = {sizeof hash, hash}, v = {sizeof sequence, &sequence};
    int code = mdb_put(t->txn, t->dedupe, &k, &v, MDB_NOOVERWRITE);
    if (code != MDB_KEYEXIST) check("dedupe", code);
    return code == 0;
}

static void decide(struct tables *t, const Handoff__V1__Event *event, ProtobufCBinaryData bytes)
{
    uint8_t key[KEY_BYTES];
    uint64_t sequence = ++t->last_sequence;
    if (!remember(t, event, sequence)) fail("an event", "it came twice");
    crypto_shorthash_siphashx24(key, (const uint8_t *)event->patient_id, strlen(event->patient_id), t->hash_key);
    MDB_val k = {sizeof key, key}, v;
    struct row row = {0};
    int code = mdb_get(t->txn, t->patients, &k, &v);
    if (code == 0)
        memcpy(&row, v.mv_data, sizeof row);
    else if (code != MDB_NOTFOUND)
        check("a patient", code);
    uint64_t due_ms = (uint64_t)event->occurred_at_ms + DAY_MS * (1 + row.changes % 5);
    move_timer(t, key, row.due_ms, due_ms);
    row = (struct row){due_ms, row.changes + 1};
    memcpy(t->value, &row, sizeof row);
    put(t, t->patients, key, sizeof key, t->value, t->record_bytes, 0);
    memcpy(t->value, bytes.data, bytes.len);
    put(t, t->journal, &sequence, sizeof sequence, t->value, bytes.len + t->outcome_bytes, MDB_APPEND);
    put(t, t->outbox, &sequence, sizeof sequence, t->value, t->emission_bytes, MDB_APPEND);
}

static void acknowledge(struct tables *t)
{
    for (; t->last_sequence - t->outbox_first > OUTBOX_WAITING; t->outbox_first++) {
        MDB_val k = {sizeof t->outbox_first, &t->outbox_first};
        check("the outbox", mdb_del(t->txn, t->outbox, &k, NULL));
    }
}

/* --- the socket -------------------------------------------------------------------------------------------------- */
static void take(struct tables *t, const uint8_t *routing_id, zmq_msg_t *payload)
{
    arena_reset(t->arena);
    ProtobufCAllocator *allocator = arena_protobuf(t->arena);
    const Handoff__V1__Request *request =
        handoff__v1__request__unpack(allocator, zmq_msg_size(payload), zmq_msg_data(payload));
    if (!request || request->body_case != HANDOFF__V1__REQUEST__BODY_PUBLISH) return; /* see floor.c */
    struct waiting *w = &t->waiting[t->count++];
    memcpy(w->routing_id, routing_id, ROUTING_ID_BYTES);
    *w = (struct waiting){.tag = request->tag, .first = t->events, .count = (uint32_t)request->publish->n_events};
    memcpy(w->routing_id, routing_id, ROUTING_ID_BYTES);
    for (uint32_t i = 0; i < w->count; i++) {
        const Handoff__V1__Event *event =
            handoff__v1__event__unpack(allocator, request->publish->events[i].len, request->publish->events[i].data);
        if (!event) fail("an event", "it does not unpack");
        decide(t, event, request->publish->events[i]);
    }
    t->events += w->count;
}

/* One message; false: there is none (or a signal came). */
static bool receive(struct tables *t, int flags)
{
    uint8_t routing_id[ROUTING_ID_BYTES];
    zmq_msg_t payload;
    if (zmq_recv(t->socket, routing_id, sizeof routing_id, flags) != ROUTING_ID_BYTES) return false;
    zmq_msg_init(&payload);
    if (zmq_msg_recv(&payload, t->socket, 0) < 0) fail("a message", zmq_strerror(errno));
    if (!t->txn) check("a transaction", mdb_txn_begin(t->env, NULL, 0, &t->txn));
    take(t, routing_id, &payload);
    zmq_msg_close(&payload);
    return true;
}

static void reply(struct tables *t, const struct waiting *w, uint64_t before)
{
    static Handoff__V1__PublishResult results[LIMIT_PUBLISH_EVENTS], *list[LIMIT_PUBLISH_EVENTS];
    static uint8_t packed[LIMIT_PUBLISH_EVENTS * 32 + REPLY_BYTES];
    Handoff__V1__PublishReply publish = HANDOFF__V1__PUBLISH_REPLY__INIT;
    Handoff__V1__Reply message = HANDOFF__V1__REPLY__INIT;
    for (uint32_t i = 0; i < w->count; i++) {
        results[i] = (Handoff__V1__PublishResult)HANDOFF__V1__PUBLISH_RESULT__INIT;
        results[i].code = HANDOFF__V1__CODE__CODE_ACCEPTED;
        results[i].sequence = before + w->first + i + 1;
        list[i] = &results[i];
    }
    publish.n_results = w->count;
    publish.results = list;
    message.tag = w->tag;
    message.body_case = HANDOFF__V1__REPLY__BODY_PUBLISH;
    message.publish = &publish;
    size_t bytes = handoff__v1__reply__pack(&message, packed);
    zmq_send(t->socket, w->routing_id, ROUTING_ID_BYTES, ZMQ_SNDMORE);
    zmq_send(t->socket, packed, bytes, 0);
}

static void serve(struct tables *t)
{
    while (!is_ending) {
        uint64_t before = t->last_sequence;
        t->count = t->events = 0;
        if (!receive(t, 0)) continue;
        while (t->count < LIMIT_BATCH_EVENTS && t->events < LIMIT_BATCH_EVENTS && receive(t, ZMQ_DONTWAIT)) continue;
        acknowledge(t);
        check("a commit", mdb_txn_commit(t->txn));
        t->txn = NULL;
        for (uint32_t i = 0; i < t->count; i++) reply(t, &t->waiting[i], before);
    }
}

/* --- beginning --------------------------------------------------------------------------------------------------- */
static void open_tables(struct tables *t, const char *folder)
{
    check("LMDB", mdb_env_create(&t->env));
    check("LMDB", mdb_env_set_mapsize(t->env, MAP_BYTES));
    check("LMDB", mdb_env_set_maxdbs(t->env, 8));
    check(folder, mdb_env_open(t->env, folder, MDB_NORDAHEAD, 0600));
    check("LMDB", mdb_txn_begin(t->env, NULL, 0, &t->txn));
    check("a table", mdb_dbi_open(t->txn, "patients", MDB_CREATE, &t->patients));
    check("a table", mdb_dbi_open(t->txn, "timers", MDB_CREATE, &t->timers));
    check("a table", mdb_dbi_open(t->txn, "dedupe", MDB_CREATE, &t->dedupe));
    check("a table", mdb_dbi_open(t->txn, "journal", MDB_CREATE | MDB_INTEGERKEY, &t->journal));
    check("a table", mdb_dbi_open(t->txn, "outbox", MDB_CREATE | MDB_INTEGERKEY, &t->outbox));
    check("LMDB", mdb_txn_commit(t->txn));
    t->txn = NULL;
}

int main(int argc, char **argv)
{
    static struct tables t = {.outbox_first = 1, .record_bytes = 490, .outcome_bytes = 100, .emission_bytes = 150};
    char endpoint[256];
    size_t size = sizeof endpoint;
    for (int option; (option = getopt(argc, argv, "r:o:m:")) != -1;) {
        if (option == 'r')
            t.record_bytes = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'o')
            t.outcome_bytes = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'm')
            t.emission_bytes = (uint32_t)strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (optind + 1 != argc || t.record_bytes < sizeof(struct row) || t.record_bytes > VALUE_BYTES_MAX / 2 ||
        t.outcome_bytes > VALUE_BYTES_MAX / 2 || t.emission_bytes > VALUE_BYTES_MAX / 2) {
        fputs("usage: tables [-r RECORD_BYTES] [-o OUTCOME_BYTES] [-m EMISSION_BYTES] FOLDER; prints its endpoint\n",
              stderr);
        return 2;
    }
    if (sodium_init() < 0) fail("starting", "libsodium does not");
    randombytes_buf(t.hash_key, sizeof t.hash_key);
    randombytes_buf(t.value, sizeof t.value);
    open_tables(&t, argv[optind]);
    t.arena = arena_new(8 << 20);
    void *zmq = zmq_ctx_new();
    t.socket = zmq_socket(zmq, ZMQ_ROUTER);
    if (!t.arena || !t.socket) fail("starting", "out of memory");
    if (front_set_options(t.socket, "tcp://127.0.0.1:*") != 0 || zmq_bind(t.socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(t.socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        fail("the socket", zmq_strerror(errno));
    struct sigaction action = {.sa_handler = on_end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    puts(endpoint);
    fflush(stdout);
    serve(&t);
    zmq_close(t.socket);
    zmq_ctx_term(zmq);
    mdb_env_close(t.env);
    arena_free(t.arena);
    return 0;
}
