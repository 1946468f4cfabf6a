/* Workers on durable subscriptions, driven by lines on standard input, each answered with one line of JSON:
 *
 *     drain STREAM WORKERS CREDIT COUNT   a new subscription from the beginning of the journal, until COUNT deliveries
 *                                         are acknowledged and answered so; all workers share its name
 *     idle CONNECTED ALONE                subscriptions that take nothing: some with a worker whose filter matches
 *                                         nothing, some that would take every task, and have no worker
 *     busy STREAM...                      a worker on a new subscription of each; they work until `stop`. What they
 *                                         have done is the answer to it, and to `told` before
 *     forget                              deletes all subscriptions of `idle` and `busy`
 *
 * STREAM is task, escalation, status, record or audit; with a + behind it for people (is_addressed). */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

enum { WORKERS_MAX = 64, NAMES_MAX = 64, NAME_BYTES = 32, CREDIT = 4096 };

struct deliver {
    const char *endpoint;
    void *zmq;
    struct worker workers[WORKERS_MAX];
    uint32_t worker_count;
    char names[NAMES_MAX][NAME_BYTES];
    uint32_t name_count, made; /* made: ever, so that no name is used twice */
};

static const char *new_name(struct deliver *d, const char *what)
{
    if (d->name_count == NAMES_MAX) worker_fail(what, "too many subscriptions");
    char *name = d->names[d->name_count++];
    snprintf(name, NAME_BYTES, "bench-%s-%u", what, ++d->made);
    return name;
}

static struct worker_order order_of(struct deliver *d, const char *stream, const char *name)
{
    char word[NAME_BYTES] = "STREAM_";
    size_t len = strlen(word);
    struct worker_order order = {.endpoint = d->endpoint, .name = name, .credit = CREDIT};
    for (; *stream && len < sizeof word - 1; stream++) {
        if (*stream == '+') order.is_addressed = true;
        else word[len++] = (char)(*stream >= 'a' && *stream <= 'z' ? *stream - 'a' + 'A' : *stream);
    }
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(&handoff__v1__stream__descriptor, word);
    if (!value) worker_fail(word, "no such stream");
    order.stream = (Handoff__V1__Stream)value->value;
    return order;
}

static struct worker *add_worker(struct deliver *d, const struct worker_order *order)
{
    if (d->worker_count == WORKERS_MAX) worker_fail(order->name, "too many workers");
    struct worker *w = &d->workers[d->worker_count++];
    *w = (struct worker){0};
    worker_begin(w, d->zmq, order);
    return w;
}

static void end_workers(struct deliver *d)
{
    while (d->worker_count) worker_end(&d->workers[--d->worker_count]);
}

/* --- deleting ---------------------------------------------------------------------------------------------------- */
static void forget(struct deliver *d)
{
    struct worker w = {.name = "deleting", .arena = arena_new(1 << 20), .socket = worker_dealer(d->zmq, d->endpoint)};
    while (d->name_count) worker_delete(&w, d->names[--d->name_count]);
    worker_end(&w);
    end_workers(d);
}

/* --- working ----------------------------------------------------------------------------------------------------- */
static uint64_t total_of(const struct deliver *d, size_t field)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < d->worker_count; i++) total += *(const uint64_t *)(const void *)((const char *)&d->workers[i] + field);
    return total;
}
#define TOTAL(D, FIELD) total_of(D, offsetof(struct worker, FIELD))

/* Waits until something is there for a worker, or on standard input; returns whether that was a line. */
static bool work(struct deliver *d, bool reads_lines)
{
    zmq_pollitem_t items[WORKERS_MAX + 1];
    uint32_t count = d->worker_count;
    for (uint32_t i = 0; i < count; i++) items[i] = (zmq_pollitem_t){.socket = d->workers[i].socket, .events = ZMQ_POLLIN};
    items[count] = (zmq_pollitem_t){.fd = STDIN_FILENO, .events = ZMQ_POLLIN};
    int ready = zmq_poll(items, (int)count + reads_lines, reads_lines ? -1 : WORKER_PATIENCE_MS);
    if (ready <= 0) worker_fail("waiting", "nothing came");
    for (uint32_t i = 0; i < count; i++)
        if (items[i].revents) worker_work(&d->workers[i], ZMQ_DONTWAIT);
    return reads_lines && items[count].revents;
}

static int64_t last_acknowledged_ns(const struct deliver *d)
{
    int64_t last_ns = 0;
    for (uint32_t i = 0; i < d->worker_count; i++)
        if (d->workers[i].acknowledged_ns > last_ns) last_ns = d->workers[i].acknowledged_ns;
    return last_ns;
}

static void print_totals(const struct deliver *d, double seconds)
{
    printf("{\"delivered\": %llu, \"acknowledged\": %llu, \"redelivered\": %llu, \"seconds\": %.4f, \"per_s\": %.0f, "
           "\"last_ns\": %lld}\n",
           (unsigned long long)TOTAL(d, delivered), (unsigned long long)TOTAL(d, acknowledged),
           (unsigned long long)TOTAL(d, redelivered), seconds, (double)TOTAL(d, acknowledged) / seconds,
           (long long)last_acknowledged_ns(d));
    fflush(stdout);
}

static void drain(struct deliver *d, const char *stream, uint32_t workers, uint32_t credit, uint64_t wanted)
{
    struct worker_order order = order_of(d, stream, new_name(d, "drain"));
    order.is_from_beginning = true;
    order.credit = credit;
    int64_t began_ns = worker_clock_ns();
    for (uint32_t i = 0; i < workers; i++) add_worker(d, &order);
    while (TOTAL(d, acknowledged) < wanted) work(d, false);
    double seconds = (double)(worker_clock_ns() - began_ns) / 1e9;
    print_totals(d, seconds);
    forget(d);
}

static void leave(struct deliver *d)
{
    struct worker *w = &d->workers[--d->worker_count];
    Handoff__V1__UnsubscribeRequest unsubscribe = HANDOFF__V1__UNSUBSCRIBE_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    unsubscribe.name = (char *)(uintptr_t)w->name;
    request.body_case = HANDOFF__V1__REQUEST__BODY_UNSUBSCRIBE;
    request.unsubscribe = &unsubscribe;
    worker_send(w->socket, &request);
    worker_read(w, 0);
    worker_end(w);
}

static void idle(struct deliver *d, uint32_t connected, uint32_t alone)
{
    for (uint32_t i = 0; i < connected; i++) {
        struct worker_order order = order_of(d, "task", new_name(d, "idle"));
        order.kind = "source-silent";
        add_worker(d, &order);
    }
    for (uint32_t i = 0; i < alone; i++) {
        struct worker_order order = order_of(d, "task", new_name(d, "alone"));
        order.credit = 0;
        add_worker(d, &order);
        leave(d);
    }
    puts("{}");
    fflush(stdout);
}

static void busy(struct deliver *d, char *streams)
{
    char line[128];
    for (char *stream = strtok(streams, " \n"); stream; stream = strtok(NULL, " \n")) {
        struct worker_order order = order_of(d, stream, new_name(d, "busy"));
        add_worker(d, &order);
    }
    puts("{}");
    fflush(stdout);
    int64_t began_ns = worker_clock_ns();
    do {
        while (!work(d, true)) continue;
        if (!fgets(line, sizeof line, stdin)) exit(1);
        print_totals(d, (double)(worker_clock_ns() - began_ns) / 1e9);
    } while (strcmp(line, "told\n") == 0);
}

static void obey(struct deliver *d, char *line)
{
    char stream[16];
    unsigned a, b;
    unsigned long long wanted;
    if (sscanf(line, "drain %15s %u %u %llu", stream, &a, &b, &wanted) == 4)
        drain(d, stream, a, b, wanted);
    else if (sscanf(line, "idle %u %u", &a, &b) == 2)
        idle(d, a, b);
    else if (strncmp(line, "busy ", 5) == 0)
        busy(d, line + 5);
    else if (strcmp(line, "forget\n") == 0) {
        forget(d);
        puts("{}");
        fflush(stdout);
    } else
        worker_fail(line, "a line that is not understood");
}

int main(int argc, char **argv)
{
    static struct deliver d;
    char line[256];
    for (int option; (option = getopt(argc, argv, "e:")) != -1;) {
        if (option != 'e') return 2;
        d.endpoint = optarg;
    }
    if (!d.endpoint || optind != argc) {
        fputs("usage: deliver -e ENDPOINT; commands on standard input\n", stderr);
        return 2;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* what is there shows in a poll */
    d.zmq = zmq_ctx_new();
    while (fgets(line, sizeof line, stdin)) obey(&d, line);
    end_workers(&d);
    zmq_ctx_term(d.zmq);
    return 0;
}
