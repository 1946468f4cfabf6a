/* From publish to delivery: one thread publishes events at a steady rate, whatever becomes of them (an open loop), and
 * another takes what a durable subscription hands out, and acknowledges it.
 *
 *     pace -e ENDPOINT -r EVENTS_PER_S -t SECONDS -w STREAM [-p PATIENTS] [-s SEED]
 *
 * Prints one line of JSON. A delivery counts from the moment at which its event was due to be published, so that an
 * event that had to wait for its turn is not left out (coordinated omission). So does its acknowledgement. Its event is the one that was accepted with
 * the sequence that the delivery names. */
#include <getopt.h>
#include <pthread.h>
#include <string.h>

#include "histogram.h"
#include "life.h"
#include "worker.h"

enum { EVENT_BYTES = 512, OPEN_EVENTS = 64, FIRST_PATIENT = 1000000, NS_PER_S = 1000000000, SEQUENCES = 1 << 24 };

struct arrival {
    uint64_t sequence;
    int64_t at_ns;
};

struct pace {
    const char *endpoint;
    unsigned rate;
    double seconds;
    uint32_t patients;
    void *zmq, *socket; /* the publisher's */
    struct arena *arena;
    struct life life;
    struct life_event event;
    int64_t *due_ns; /* by tag */
    int64_t *due_by_sequence_ns; /* of each accepted event, from the first sequence on */
    uint64_t first_sequence, sent, answered;
    struct histogram accepted;   /* from when it was due to its acknowledgement */
    struct worker worker;
    struct arrival *arrivals; /* the worker's thread's until it has ended */
    size_t arrival_count, arrival_max;
    bool is_over;
};

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- publishing -------------------------------------------------------------------------------------------------- */
static void publish(struct pace *p, const struct life_event *events, uint32_t count, uint64_t tag)
{
    static uint8_t bytes[OPEN_EVENTS][EVENT_BYTES];
    ProtobufCBinaryData packed[OPEN_EVENTS];
    Handoff__V1__PublishRequest publish = HANDOFF__V1__PUBLISH_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    for (uint32_t i = 0; i < count; i++) {
        packed[i] = (ProtobufCBinaryData){handoff__v1__event__get_packed_size(&events[i].event), bytes[i]};
        if (packed[i].len > EVENT_BYTES) worker_fail("publishing", "an event is larger than was thought");
        handoff__v1__event__pack(&events[i].event, bytes[i]);
    }
    publish.events = packed;
    publish.n_events = count;
    request.tag = tag;
    request.body_case = HANDOFF__V1__REQUEST__BODY_PUBLISH;
    request.publish = &publish;
    worker_send(p->socket, &request);
}

static void note_accepted(struct pace *p, uint64_t tag, const Handoff__V1__PublishResult *result)
{
    if (result->code != HANDOFF__V1__CODE__CODE_ACCEPTED) worker_fail("publishing", result->sentence);
    p->answered++;
    if (tag == 0) return; /* opening */
    if (p->first_sequence == 0) p->first_sequence = result->sequence;
    histogram_add(&p->accepted, (uint64_t)(worker_clock_ns() - p->due_ns[tag]));
    uint64_t at = result->sequence - p->first_sequence;
    if (at >= SEQUENCES) worker_fail("publishing", "more entries than were thought");
    p->due_by_sequence_ns[at] = p->due_ns[tag];
}

/* False: no reply is there. */
static bool read_reply(struct pace *p, int flags)
{
    struct worker reader = {.name = "publishing", .socket = p->socket, .arena = p->arena};
    const Handoff__V1__Reply *reply = worker_read(&reader, flags);
    if (!reply) return false;
    if (reply->body_case != HANDOFF__V1__REPLY__BODY_PUBLISH) worker_fail("publishing", "a reply of another kind");
    for (size_t i = 0; i < reply->publish->n_results; i++) note_accepted(p, reply->tag, reply->publish->results[i]);
    return true;
}

static void open_patients(struct pace *p)
{
    static struct life_event events[OPEN_EVENTS];
    uint32_t count = 0;
    for (uint32_t patient = 0; patient < p->patients; patient++)
        for (unsigned step = 0; life_open(&p->life, patient, &step, wall_ms(), &events[count]);) {
            p->sent++;
            if (++count < OPEN_EVENTS) continue;
            publish(p, events, count, 0);
            read_reply(p, 0);
            count = 0;
        }
    if (count) publish(p, events, count, 0);
    while (p->answered < p->sent) read_reply(p, 0);
}

/* Replies are read as they come, but for the last millisecond. */
static void wait_until(struct pace *p, int64_t at_ns)
{
    zmq_pollitem_t item = {.socket = p->socket, .events = ZMQ_POLLIN};
    for (int64_t left_ms; (left_ms = (at_ns - worker_clock_ns()) / 1000000) > 0;)
        if (zmq_poll(&item, 1, (long)left_ms) > 0) read_reply(p, ZMQ_DONTWAIT);
    struct timespec t = {at_ns / NS_PER_S, at_ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

static void publish_steadily(struct pace *p)
{
    uint64_t count = (uint64_t)(p->rate * p->seconds);
    int64_t began_ns = worker_clock_ns();
    p->sent = p->answered = 0;
    for (uint64_t tag = 1; tag <= count; tag++) {
        p->due_ns[tag] = began_ns + (int64_t)(tag * NS_PER_S / p->rate);
        wait_until(p, p->due_ns[tag]);
        life_next(&p->life, life_draw(&p->life), wall_ms(), &p->event);
        publish(p, &p->event, 1, tag);
        p->sent++;
        while (read_reply(p, ZMQ_DONTWAIT)) continue;
    }
    while (p->answered < p->sent) read_reply(p, 0);
}

/* --- taking ------------------------------------------------------------------------------------------------------ */
static void note_arrival(void *context, const Handoff__V1__Delivery *d)
{
    struct pace *p = context;
    if (p->arrival_count == p->arrival_max) worker_fail("taking", "more deliveries than were thought");
    p->arrivals[p->arrival_count++] =
        (struct arrival){d->record ? d->record->entry->sequence : d->emission->sequence, worker_clock_ns()};
}

static void *take(void *context)
{
    struct pace *p = context;
    zmq_pollitem_t item = {.socket = p->worker.socket, .events = ZMQ_POLLIN};
    while (zmq_poll(&item, 1, 200) > 0 || !__atomic_load_n(&p->is_over, __ATOMIC_ACQUIRE))
        worker_work(&p->worker, ZMQ_DONTWAIT);
    if (p->worker.settled_tag != p->worker.replied_tag) worker_fail("taking", "a settle was not answered");
    return NULL;
}

static void begin_worker(struct pace *p, const char *stream)
{
    static char name[64];
    char word[32];
    snprintf(name, sizeof name, "pace-%s-%s", stream, p->life.prefix); /* of an earlier run there may be one, behind */
    snprintf(word, sizeof word, "STREAM_%s", stream);
    for (char *c = word; *c; c++)
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(&handoff__v1__stream__descriptor, word);
    if (!value) worker_fail(word, "no such stream");
    p->worker.context = p;
    p->worker.on_delivery = note_arrival;
    worker_begin(&p->worker, p->zmq,
                 &(struct worker_order){.endpoint = p->endpoint,
                                        .name = name,
                                        .stream = (Handoff__V1__Stream)value->value,
                                        .credit = 1000});
}

/* --- what came of it --------------------------------------------------------------------------------------------- */
static void report(const struct pace *p, const char *stream)
{
    static struct histogram h;
    for (size_t i = 0; i < p->arrival_count; i++) {
        uint64_t at = p->arrivals[i].sequence - p->first_sequence;
        if (at < SEQUENCES && p->due_by_sequence_ns[at]) /* else a timer's, or of somebody else's event */
            histogram_add(&h, (uint64_t)(p->arrivals[i].at_ns - p->due_by_sequence_ns[at]));
    }
    if (h.count == 0) worker_fail(stream, "nothing was delivered");
    printf("{\"stream\": \"%s\", \"events\": %llu, \"events_per_s\": %u, \"deliveries\": %llu, \"redelivered\": %llu, "
           "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"worst_ms\": %.3f, \"accepted_p50_ms\": %.4f}\n",
           stream, (unsigned long long)p->answered, p->rate, (unsigned long long)h.count,
           (unsigned long long)p->worker.redelivered, (double)histogram_share(&h, 0.5) / 1e6,
           (double)histogram_share(&h, 0.99) / 1e6, (double)histogram_share(&h, 0.99999) / 1e6,
           (double)histogram_share(&p->accepted, 0.5) / 1e6);
}

static void run(struct pace *p, const char *stream)
{
    pthread_t taker;
    open_patients(p);
    begin_worker(p, stream);
    if (pthread_create(&taker, NULL, take, p) != 0) worker_fail("taking", "no thread");
    publish_steadily(p);
    __atomic_store_n(&p->is_over, true, __ATOMIC_RELEASE);
    pthread_join(taker, NULL);
    report(p, stream);
    worker_delete(&p->worker, p->worker.name);
    worker_end(&p->worker);
}

static void prepare(struct pace *p, uint64_t seed)
{
    char prefix[24];
    size_t events = (size_t)(p->rate * p->seconds) + 1;
    p->arrival_max = 8 * events + 1024;
    p->arena = arena_new((size_t)16 << 20);
    p->due_ns = calloc(events + 1, sizeof *p->due_ns);
    p->due_by_sequence_ns = calloc(SEQUENCES, sizeof *p->due_by_sequence_ns);
    p->arrivals = calloc(p->arrival_max, sizeof *p->arrivals);
    if (!p->arena || !p->due_ns || !p->due_by_sequence_ns || !p->arrivals) worker_fail("beginning", "no memory");
    snprintf(prefix, sizeof prefix, "p%llx-%llx", (unsigned long long)seed, (unsigned long long)wall_ms());
    life_begin(&p->life, p->patients, seed, prefix);
    p->life.first = FIRST_PATIENT + (uint32_t)(seed * p->patients);
    p->zmq = zmq_ctx_new();
    p->socket = worker_dealer(p->zmq, p->endpoint);
}

int main(int argc, char **argv)
{
    static struct pace p = {.rate = 1000, .seconds = 5, .patients = 1000};
    const char *stream = "record";
    uint64_t seed = 1;
    for (int option; (option = getopt(argc, argv, "e:r:t:w:p:s:")) != -1;) {
        if (option == 'e') p.endpoint = optarg;
        else if (option == 'r') p.rate = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 't') p.seconds = strtod(optarg, NULL);
        else if (option == 'w') stream = optarg;
        else if (option == 'p') p.patients = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's') seed = strtoull(optarg, NULL, 10);
        else return 2;
    }
    if (!p.endpoint || !p.rate || !p.patients || optind != argc) {
        fputs("usage: pace -e ENDPOINT [-r EVENTS_PER_S] [-t SECONDS] [-w STREAM] [-p PATIENTS] [-s SEED]\n", stderr);
        return 2;
    }
    prepare(&p, seed);
    run(&p, stream);
    zmq_close(p.socket);
    zmq_ctx_term(p.zmq);
    arena_free(p.arena);
    free(p.life.patients);
    free(p.due_ns);
    free(p.due_by_sequence_ns);
    free(p.arrivals);
    return 0;
}
