/* The load generator for Redis: the same patients and the same bytes as `load`, the unit of work of unit.lua, and a
 * consumer that acknowledges the outbox. Redis executes what has arrived from all connections, syncs its log once, and
 * then answers; but of one connection it reads 16 KiB a turn. So it is fastest with a few connections that each keep as
 * many events in flight as fit there (-n): fewer connections make more syncs, more connections make more system calls.
 *
 *     open | skew S | measure IN_FLIGHT SECONDS       on standard input, as for `load`
 *
 * -r BYTES: of the record that the unit stores. -n EVENTS: in flight on one connection. The consumer has a connection of
 * its own in the same thread; it reads and acknowledges by the thousand, and trims what is acknowledged. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdbool.h>
#include <time.h>

#include "histogram.h"
#include "life.h"

enum {
    CONNECTIONS_MAX = 1024,
    RING = 1024, /* in flight on one connection, at most */
    OPEN_IN_FLIGHT = 1024,
    EVENT_BYTES = 512,
    RECORD_BYTES_MAX = 4096,
    SCRIPT_BYTES = 8192,
    TAKE = 1000,
    DAY_MS = 86400000
};

struct connection {
    redisContext *redis;
    int64_t sent_ns[RING]; /* replies come in order */
    uint64_t sent, answered;
};

struct load {
    int port;
    redisContext *redis, *consumer; /* redis: for what is not measured */
    struct connection connections[CONNECTIONS_MAX];
    uint32_t connection_count, per_connection;
    struct pollfd polled[CONNECTIONS_MAX + 1];
    struct life life;
    struct life_event event;
    struct histogram *latencies;
    uint64_t sent, answered, acknowledged;
    uint32_t record_bytes;
    char record[RECORD_BYTES_MAX], sha[64];
    bool is_reading; /* the consumer's XREADGROUP waits for its reply */
    uint32_t settling;             /* replies to XACK and XDEL that are outstanding */
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "redis: %s: %s\n", what, why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static redisReply *check(redisContext *c, void *reply)
{
    redisReply *r = reply;
    if (!r) fail("the connection", c->errstr);
    if (r->type == REDIS_REPLY_ERROR) fail("an error", r->str);
    return r;
}

/* --- sending ---------------------------------------------------------------------------------------------------- */
static void send_event(struct load *l, struct connection *c, uint32_t patient)
{
    char seen[96], key[32], next[8], due[24];
    uint8_t bytes[EVENT_BYTES];
    const struct life_patient *p = &l->life.patients[patient];
    size_t len = handoff__v1__event__get_packed_size(&l->event.event);
    if (len > sizeof bytes) fail("an event", "it is larger than was thought");
    handoff__v1__event__pack(&l->event.event, bytes);
    int seen_len = snprintf(seen, sizeof seen, "seen:%s:%s", l->event.event.source, l->event.id);
    int key_len = snprintf(key, sizeof key, "patient:%u", patient);
    int next_len = snprintf(next, sizeof next, "%u", p->chapter);
    int due_len =
        snprintf(due, sizeof due, "%lld", (long long)(l->event.event.occurred_at_ms + DAY_MS * (1 + p->chapter % 5)));
    const char *argv[] = {"EVALSHA",           l->sha, "4", seen,     key, "timers", "outbox", l->event.id,
                          (const char *)bytes, next,   due, l->record};
    size_t lens[] = {7, strlen(l->sha),      1,   (size_t)seen_len, (size_t)key_len, 6,
                     6, strlen(l->event.id), len, (size_t)next_len, (size_t)due_len, l->record_bytes};
    memcpy(l->record, &l->sent, sizeof l->sent); /* no two records are alike */
    l->sent++;
    c->sent_ns[c->sent++ % RING] = now_ns();
    if (redisAppendCommandArgv(c->redis, sizeof argv / sizeof *argv, argv, lens) != REDIS_OK)
        fail("sending", c->redis->errstr);
}

static void send_next(struct load *l, struct connection *c)
{
    uint32_t patient = life_draw(&l->life);
    life_next(&l->life, patient, wall_ms(), &l->event);
    send_event(l, c, patient);
}

static void flush(redisContext *c)
{
    for (int done = 0; !done;)
        if (redisBufferWrite(c, &done) != REDIS_OK) fail("writing", c->errstr);
}

/* --- receiving -------------------------------------------------------------------------------------------------- */
static void take_replies(struct load *l, struct connection *c)
{
    void *reply = NULL;
    if (redisBufferRead(c->redis) != REDIS_OK) fail("reading", c->redis->errstr);
    while (redisGetReplyFromReader(c->redis, &reply) == REDIS_OK && reply) {
        redisReply *r = check(c->redis, reply);
        if (r->type != REDIS_REPLY_STRING || strcmp(r->str, "accepted") != 0)
            fail("not accepted", r->str ? r->str : "no word");
        histogram_add(l->latencies, (uint64_t)(now_ns() - c->sent_ns[c->answered++ % RING]));
        l->answered++;
        freeReplyObject(r);
    }
}

/* --- the consumer ------------------------------------------------------------------------------------------------ */
static void ask(struct load *l)
{
    if (redisAppendCommand(l->consumer, "XREADGROUP GROUP workers one COUNT %d BLOCK 1000 STREAMS outbox >", TAKE) !=
        REDIS_OK)
        fail("the consumer", l->consumer->errstr);
    l->is_reading = true;
    flush(l->consumer);
}

/* One command for all that was read; and what lies before the last of them is done with. */
static void settle(struct load *l, const redisReply *r)
{
    const char *argv[TAKE + 3] = {"XACK", "outbox", "workers"};
    size_t lens[TAKE + 3] = {4, 6, 7}, count = 3;
    if (r->type != REDIS_REPLY_ARRAY || !r->elements) return;
    const redisReply *messages = r->element[0]->element[1];
    for (size_t i = 0; i < messages->elements && i < TAKE; i++, count++) {
        argv[count] = messages->element[i]->element[0]->str;
        lens[count] = (size_t)messages->element[i]->element[0]->len;
    }
    if (redisAppendCommandArgv(l->consumer, (int)count, argv, lens) != REDIS_OK ||
        redisAppendCommand(l->consumer, "XTRIM outbox MINID %s", argv[count - 1]) != REDIS_OK)
        fail("the consumer", l->consumer->errstr);
    l->settling += 2;
    l->acknowledged += messages->elements;
}

static void consume(struct load *l)
{
    void *reply = NULL;
    if (redisBufferRead(l->consumer) != REDIS_OK) fail("the consumer", l->consumer->errstr);
    while (redisGetReplyFromReader(l->consumer, &reply) == REDIS_OK && reply) {
        redisReply *r = check(l->consumer, reply);
        if (l->settling) {
            l->settling--;
        } else {
            l->is_reading = false;
            settle(l, r);
        }
        freeReplyObject(r);
    }
    if (!l->is_reading && !l->settling)
        ask(l);
    else
        flush(l->consumer);
}

static void wait_and_take(struct load *l)
{
    uint32_t count = l->connection_count;
    for (uint32_t i = 0; i < count; i++) {
        flush(l->connections[i].redis);
        l->polled[i] = (struct pollfd){.fd = l->connections[i].redis->fd, .events = POLLIN};
    }
    l->polled[count] = (struct pollfd){.fd = l->consumer->fd, .events = POLLIN};
    if (poll(l->polled, count + 1, 60000) <= 0) fail("waiting", "no reply came");
    for (uint32_t i = 0; i < count; i++)
        if (l->polled[i].revents) take_replies(l, &l->connections[i]);
    if (l->polled[count].revents) consume(l);
}

/* All that was sent is answered, and all that it put into the outbox acknowledged. */
static void drain(struct load *l)
{
    while (l->answered < l->sent || l->acknowledged < l->answered || l->settling) wait_and_take(l);
}

static redisContext *connect_to(int port)
{
    redisContext *c = redisConnect("127.0.0.1", port);
    if (!c || c->err) fail("connecting", c ? c->errstr : "out of memory");
    return c;
}

/* So many connections that each keeps at most per_connection in flight. Nothing is in flight now. */
static void spread(struct load *l, uint32_t in_flight)
{
    l->connection_count = (in_flight + l->per_connection - 1) / l->per_connection;
    if (l->connection_count > CONNECTIONS_MAX) fail("in flight", "more than these connections carry: give a larger -n");
    for (uint32_t i = 0; i < l->connection_count; i++)
        if (!l->connections[i].redis) l->connections[i].redis = connect_to(l->port);
}

/* Sends until so many are in flight, evenly. */
static void fill_up(struct load *l, uint32_t in_flight)
{
    uint32_t count = l->connection_count;
    for (uint32_t i = 0; i < count; i++) {
        struct connection *c = &l->connections[i];
        uint32_t share = in_flight / count + (i < in_flight % count);
        while (c->sent - c->answered < share) send_next(l, c);
    }
}

/* --- commands --------------------------------------------------------------------------------------------------- */
static void done(void)
{
    puts("{}");
    fflush(stdout);
}

static void open_all(struct load *l)
{
    int64_t began_ns = now_ns();
    uint64_t before = l->answered;
    spread(l, OPEN_IN_FLIGHT);
    for (uint32_t patient = 0; patient < l->life.count; patient++) {
        unsigned step = 0;
        while (life_open(&l->life, patient, &step, wall_ms(), &l->event)) {
            struct connection *c = &l->connections[patient % l->connection_count]; /* its events stay in order */
            while (c->sent - c->answered >= l->per_connection) wait_and_take(l);
            send_event(l, c, patient);
        }
    }
    drain(l);
    printf("{\"events\": %llu, \"seconds\": %.3f}\n", (unsigned long long)(l->answered - before),
           (double)(now_ns() - began_ns) / 1e9);
    fflush(stdout);
}

static void measure(struct load *l, uint32_t wanted, double seconds)
{
    spread(l, wanted);
    histogram_clear(l->latencies);
    int64_t began_ns = now_ns(), until_ns = began_ns + (int64_t)(seconds * 1e9);
    uint64_t before = l->answered, acknowledged = l->acknowledged;
    while (now_ns() < until_ns) {
        fill_up(l, wanted);
        wait_and_take(l);
    }
    double took_s = (double)(now_ns() - began_ns) / 1e9;
    uint64_t accepted = l->answered - before, in_time = l->acknowledged - acknowledged;
    printf("{\"in_flight\": %u, \"seconds\": %.3f, \"events\": %llu, \"events_per_s\": %.0f, \"acknowledged_in_time\": %llu, ",
           wanted, took_s, (unsigned long long)accepted, (double)accepted / took_s, (unsigned long long)in_time);
    histogram_print(stdout, l->latencies);
    drain(l);
    printf(", \"acknowledged\": %llu, \"seconds_until_taken\": %.3f}\n", (unsigned long long)(l->acknowledged - acknowledged),
           (double)(now_ns() - began_ns) / 1e9);
    fflush(stdout);
}

static void obey(struct load *l, const char *line)
{
    unsigned wanted;
    double seconds;
    if (strcmp(line, "open\n") == 0)
        open_all(l);
    else if (sscanf(line, "measure %u %lf", &wanted, &seconds) == 2 && wanted >= 1)
        measure(l, wanted, seconds);
    else if (strncmp(line, "skew ", 5) == 0) {
        life_skew(&l->life, atof(line + 5));
        done();
    } else
        fail(line, "a line that is not understood");
}

/* --- beginning --------------------------------------------------------------------------------------------------- */
static void load_script(struct load *l, const char *path)
{
    char script[SCRIPT_BYTES];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(script, 1, sizeof script, file) : 0;
    if (!len || len == sizeof script) fail(path, "it cannot be read");
    fclose(file);
    redisReply *r = check(l->redis, redisCommand(l->redis, "SCRIPT LOAD %b", script, len));
    snprintf(l->sha, sizeof l->sha, "%s", r->str);
    freeReplyObject(r);
}

static void begin_consumer(struct load *l)
{
    freeReplyObject(check(l->redis, redisCommand(l->redis, "XGROUP CREATE outbox workers 0 MKSTREAM")));
    l->consumer = connect_to(l->port);
    ask(l);
}

int main(int argc, char **argv)
{
    static struct load l = {.record_bytes = 490, .per_connection = 16};
    uint32_t patients = 100000;
    uint64_t seed = 1;
    char line[128], prefix[24];
    for (int option; (option = getopt(argc, argv, "e:p:s:r:n:")) != -1;) {
        if (option == 'e')
            l.port = atoi(optarg);
        else if (option == 'p')
            patients = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'r')
            l.record_bytes = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'n')
            l.per_connection = (uint32_t)strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (!l.port || !l.per_connection || l.per_connection > RING || !patients || l.record_bytes < 8 ||
        l.record_bytes > RECORD_BYTES_MAX || optind != argc) {
        fputs("usage: redis -e PORT [-p PATIENTS] [-s SEED] [-r RECORD_BYTES] [-n EVENTS]; commands on standard "
              "input\n",
              stderr);
        return 2;
    }
    l.redis = connect_to(l.port);
    l.latencies = malloc(sizeof *l.latencies);
    if (!l.latencies) fail("beginning", "out of memory");
    snprintf(prefix, sizeof prefix, "e%llx-0", (unsigned long long)seed);
    life_begin(&l.life, patients, seed, prefix);
    for (uint32_t i = 0; i < RECORD_BYTES_MAX; i++) l.record[i] = (char)life_random(&l.life);
    load_script(&l, "tests/bench/unit.lua");
    begin_consumer(&l);
    while (fgets(line, sizeof line, stdin)) obey(&l, line);
    redisFree(l.redis);
    for (uint32_t i = 0; i < CONNECTIONS_MAX && l.connections[i].redis; i++) redisFree(l.connections[i].redis);
    redisFree(l.consumer);
    free(l.life.patients);
    free(l.latencies);
    return 0;
}
