/* The load generator: one DEALER that keeps N events in flight, one event a message, and times each acknowledgement.
 *
 * It is driven by lines on standard input and answers each with one line of JSON, so that a runner can alternate
 * between servers while the patients live on:
 *
 *     open                     registers every patient and opens its referral, in large publishes
 *     assume                   takes the patients for opened: for a server that keeps no state
 *     measure IN_FLIGHT SECONDS
 *
 * A reply that is not ACCEPTED ends it with an error and without a figure. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "base/arena.h"
#include "handoff/v1/api.pb-c.h"
#include "histogram.h"
#include "life.h"

enum {
    IN_FLIGHT_MAX = 16384,
    OPEN_EVENTS = 128,   /* in one publish, while opening */
    OPEN_PUBLISHES = 8,  /* in flight, while opening */
    PATIENCE_MS = 20000, /* for a reply; then the server is taken for dead */
    EVENT_BYTES = 512,
    VERDICTS = 7,
};

struct publish {
    int64_t sent_ns;
    uint32_t events;
};

struct load {
    void *zmq, *socket;
    struct life life;
    struct arena *arena; /* one reply */
    struct publish publishes[IN_FLIGHT_MAX]; /* by tag - 1 */
    uint32_t free_tags[IN_FLIGHT_MAX], free_count;
    uint64_t accepted, verdicts[VERDICTS];
    struct histogram *latencies;
    struct life_event event;
};

static void fail(const char *sentence)
{
    fprintf(stderr, "load: %s\n", sentence);
    exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t machine_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
static int64_t wall_ms(void) { return clock_ns(CLOCK_REALTIME) / 1000000; }

/* --- sending ---------------------------------------------------------------------------------------------------- */
static void send_events(struct load *l, ProtobufCBinaryData *events, uint32_t count)
{
    Handoff__V1__PublishRequest publish = HANDOFF__V1__PUBLISH_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    uint32_t tag = l->free_tags[--l->free_count];
    zmq_msg_t msg;
    publish.n_events = count;
    publish.events = events;
    request.tag = tag + 1;
    request.body_case = HANDOFF__V1__REQUEST__BODY_PUBLISH;
    request.publish = &publish;
    if (zmq_msg_init_size(&msg, handoff__v1__request__get_packed_size(&request)) != 0) fail("out of memory");
    handoff__v1__request__pack(&request, zmq_msg_data(&msg));
    l->publishes[tag] = (struct publish){machine_ns(), count};
    if (zmq_msg_send(&msg, l->socket, 0) < 0) fail(zmq_strerror(errno));
}

static ProtobufCBinaryData pack_event(const struct load *l, uint8_t bytes[EVENT_BYTES])
{
    ProtobufCBinaryData packed = {handoff__v1__event__get_packed_size(&l->event.event), bytes};
    if (packed.len > EVENT_BYTES) fail("an event is larger than was thought");
    handoff__v1__event__pack(&l->event.event, bytes);
    return packed;
}

static void send_next(struct load *l)
{
    uint8_t bytes[EVENT_BYTES];
    life_next(&l->life, life_draw(&l->life), wall_ms(), &l->event);
    ProtobufCBinaryData event = pack_event(l, bytes);
    send_events(l, &event, 1);
}

/* --- receiving -------------------------------------------------------------------------------------------------- */
static void refuse(const Handoff__V1__PublishResult *result, const Handoff__V1__Error *error)
{
    fprintf(stderr, "load: not accepted: code %d, %s (%s)\n", (int)(result ? result->code : error->code),
            result ? result->sentence : error->sentence, result ? result->field : error->field);
    exit(1);
}

static void check_reply(struct load *l, const Handoff__V1__Reply *reply)
{
    if (!reply) fail("a reply does not unpack");
    if (reply->body_case == HANDOFF__V1__REPLY__BODY_ERROR) refuse(NULL, reply->error);
    if (reply->body_case != HANDOFF__V1__REPLY__BODY_PUBLISH || !reply->tag || reply->tag > IN_FLIGHT_MAX)
        fail("a reply to something that was not asked");
    struct publish *publish = &l->publishes[reply->tag - 1];
    if (reply->publish->n_results != publish->events) fail("a reply with another number of results");
    for (size_t i = 0; i < reply->publish->n_results; i++) {
        const Handoff__V1__PublishResult *result = reply->publish->results[i];
        if (result->code != HANDOFF__V1__CODE__CODE_ACCEPTED) refuse(result, NULL);
        if ((unsigned)result->verdict < VERDICTS) l->verdicts[result->verdict]++;
        l->accepted++;
    }
    histogram_add(l->latencies, (uint64_t)(machine_ns() - publish->sent_ns));
    publish->events = 0; /* a second reply to it is one too many */
    l->free_tags[l->free_count++] = (uint32_t)(reply->tag - 1);
}

/* False: nothing has arrived (and flags said not to wait). */
static bool receive(struct load *l, int flags)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, l->socket, flags) < 0) {
        if (errno != EAGAIN || !(flags & ZMQ_DONTWAIT)) fail("no reply came");
        zmq_msg_close(&msg);
        return false;
    }
    arena_reset(l->arena);
    check_reply(l, handoff__v1__reply__unpack(arena_protobuf(l->arena), zmq_msg_size(&msg), zmq_msg_data(&msg)));
    zmq_msg_close(&msg);
    return true;
}

/* Waits for one reply and takes what else is there. */
static void receive_some(struct load *l)
{
    receive(l, 0);
    for (uint32_t i = 0; i < IN_FLIGHT_MAX && receive(l, ZMQ_DONTWAIT); i++) continue;
}

static uint32_t in_flight(const struct load *l) { return IN_FLIGHT_MAX - l->free_count; }

static void drain(struct load *l)
{
    while (in_flight(l)) receive_some(l);
}

/* --- commands --------------------------------------------------------------------------------------------------- */
static void begin_count(struct load *l)
{
    l->accepted = 0;
    memset(l->verdicts, 0, sizeof l->verdicts);
    histogram_clear(l->latencies);
}

static double milliseconds(const struct load *l, double share) { return (double)histogram_share(l->latencies, share) / 1e6; }

/* Of the whole drain, so that each accepted event is counted once. */
static void print_verdicts(const struct load *l)
{
    printf("\"applied\": %llu, \"recorded\": %llu, \"review\": %llu, \"parked\": %llu}\n",
           (unsigned long long)l->verdicts[HANDOFF__V1__VERDICT__VERDICT_APPLIED],
           (unsigned long long)l->verdicts[HANDOFF__V1__VERDICT__VERDICT_RECORDED],
           (unsigned long long)l->verdicts[HANDOFF__V1__VERDICT__VERDICT_REVIEW],
           (unsigned long long)l->verdicts[HANDOFF__V1__VERDICT__VERDICT_PARKED]);
    fflush(stdout);
}

static void open_all(struct load *l)
{
    static uint8_t bytes[OPEN_EVENTS][EVENT_BYTES];
    ProtobufCBinaryData events[OPEN_EVENTS];
    uint32_t count = 0;
    begin_count(l);
    int64_t began_ns = machine_ns();
    for (uint32_t patient = 0; patient < l->life.count; patient++) {
        unsigned step = 0;
        while (life_open(&l->life, patient, &step, wall_ms(), &l->event)) {
            events[count] = pack_event(l, bytes[count]);
            if (++count < OPEN_EVENTS) continue;
            send_events(l, events, count);
            count = 0;
            if (in_flight(l) >= OPEN_PUBLISHES) receive_some(l);
        }
    }
    if (count) send_events(l, events, count);
    drain(l);
    double seconds = (double)(machine_ns() - began_ns) / 1e9;
    printf("{\"events\": %llu, \"seconds\": %.3f, ", (unsigned long long)l->accepted, seconds);
    print_verdicts(l);
}

static void assume_all(struct load *l)
{
    for (uint32_t patient = 0; patient < l->life.count; patient++) {
        unsigned step = 0;
        while (life_open(&l->life, patient, &step, wall_ms(), &l->event)) continue;
    }
    puts("{}");
    fflush(stdout);
}

static void measure(struct load *l, uint32_t wanted, double seconds)
{
    begin_count(l);
    int64_t began_ns = machine_ns(), until_ns = began_ns + (int64_t)(seconds * 1e9);
    while (machine_ns() < until_ns) {
        while (in_flight(l) < wanted) send_next(l);
        receive_some(l);
    }
    double took_s = (double)(machine_ns() - began_ns) / 1e9;
    uint64_t accepted = l->accepted;
    double p50_ms = milliseconds(l, 0.5), p99_ms = milliseconds(l, 0.99), worst_ms = milliseconds(l, 0.99999);
    drain(l);
    printf("{\"in_flight\": %u, \"events\": %llu, \"events_per_s\": %.0f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, "
           "\"worst_ms\": %.3f, ",
           wanted, (unsigned long long)accepted, (double)accepted / took_s, p50_ms, p99_ms, worst_ms);
    print_verdicts(l);
}

static void obey(struct load *l, const char *line)
{
    unsigned wanted;
    double seconds;
    if (strcmp(line, "open\n") == 0)
        open_all(l);
    else if (strcmp(line, "assume\n") == 0)
        assume_all(l);
    else if (sscanf(line, "measure %u %lf", &wanted, &seconds) == 2 && wanted >= 1 && wanted <= IN_FLIGHT_MAX)
        measure(l, wanted, seconds);
    else
        fail("a line that is not understood");
}

static void set_int(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) fail(zmq_strerror(errno));
}

static struct load *connect_load(const char *endpoint, uint32_t patients, uint64_t seed)
{
    struct load *l = calloc(1, sizeof *l);
    char prefix[24];
    if (!l || !(l->latencies = malloc(sizeof *l->latencies)) || !(l->arena = arena_new(1 << 20))) fail("out of memory");
    for (uint32_t i = 0; i < IN_FLIGHT_MAX; i++) l->free_tags[l->free_count++] = IN_FLIGHT_MAX - 1 - i;
    snprintf(prefix, sizeof prefix, "e%llx", (unsigned long long)seed);
    life_begin(&l->life, patients, seed, prefix);
    l->zmq = zmq_ctx_new();
    l->socket = zmq_socket(l->zmq, ZMQ_DEALER);
    set_int(l->socket, ZMQ_LINGER, 0);
    set_int(l->socket, ZMQ_SNDHWM, 0);
    set_int(l->socket, ZMQ_RCVHWM, 0);
    set_int(l->socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    if (zmq_connect(l->socket, endpoint) != 0) fail(zmq_strerror(errno));
    return l;
}

int main(int argc, char **argv)
{
    const char *endpoint = NULL;
    uint32_t patients = 100000;
    uint64_t seed = 1;
    char line[128];
    for (int option; (option = getopt(argc, argv, "e:p:s:")) != -1;) {
        if (option == 'e') endpoint = optarg;
        else if (option == 'p') patients = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's') seed = strtoull(optarg, NULL, 10);
        else return 2;
    }
    if (!endpoint || !patients || optind != argc) {
        fputs("usage: load -e ENDPOINT [-p PATIENTS] [-s SEED]; commands on standard input\n", stderr);
        return 2;
    }
    struct load *l = connect_load(endpoint, patients, seed);
    while (fgets(line, sizeof line, stdin)) obey(l, line);
    zmq_close(l->socket);
    zmq_ctx_term(l->zmq);
    arena_free(l->arena);
    free(l->life.patients);
    free(l->latencies);
    free(l);
    return 0;
}
