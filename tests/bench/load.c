/* The load generator: the patients of life.h, one event a message, each acknowledgement timed.
 *
 * It is driven by lines on standard input and answers each with one line of JSON, so that a runner can take turns
 * between servers while the patients live on:
 *
 *     open                     registers every patient and opens its referral, in large publishes
 *     assume                   takes the patients for opened: for a server that keeps no state, or a folder that fill made
 *     skew S                   from now on patients are drawn by Zipf's law with this exponent (below 1); 0: uniformly
 *     measure IN_FLIGHT S      closed loop: so many events in flight, for so many seconds
 *     sustain IN_FLIGHT S W    the same, with a line for each window of W seconds before the last one
 *     pace RATE S W            open loop: so many events a second, whatever the server does; windows as above. A latency
 *                              counts from when the event should have been sent, so a stall is charged to all of those
 *                              that had to wait for it (no coordinated omission)
 *     histogram FILE           the last measurement's latencies, as HdrHistogram writes percentiles
 *     connect ENDPOINT         goes on with another server
 *     accepted                 how many events were acknowledged since the program began
 *
 * SIGUSR1 ends a measurement at once, for a server that is killed under it; `connect` then goes on with the next one.
 * A reply that is not ACCEPTED ends it with an error and without a figure. */
#include <getopt.h>
#include <poll.h>
#include <sys/prctl.h>

#include "client.h"
#include "life.h"

enum {
    OPEN_EVENTS = 128,  /* in one publish, while opening */
    OPEN_PUBLISHES = 8, /* in flight, while opening */
    PATH_BYTES = 1024
};

struct load {
    struct client *client;
    struct life life;
    struct life_event event;
};

/* What a measurement says of the time since it was last told. */
struct window {
    int64_t began_ns, until_ns;
    double length_s; /* 0: no windows */
    uint64_t accepted;
    struct histogram *latencies; /* of the windows before */
    int64_t stall_ns;
};

static void send_next(struct load *l, int64_t since_ns)
{
    uint8_t bytes[CLIENT_EVENT_BYTES];
    uint32_t patient = life_draw(&l->life);
    life_next(&l->life, patient, client_wall_ms(), &l->event);
    ProtobufCBinaryData event = client_pack(&l->event.event, bytes);
    client_send(l->client, patient, &event, 1, since_ns);
}

/* --- opening ---------------------------------------------------------------------------------------------------- */
static void print_verdicts(const struct client *c)
{
    printf("\"applied\": %llu, \"recorded\": %llu, \"review\": %llu, \"parked\": %llu}\n",
           (unsigned long long)c->verdicts[HANDOFF__V1__VERDICT__VERDICT_APPLIED],
           (unsigned long long)c->verdicts[HANDOFF__V1__VERDICT__VERDICT_RECORDED],
           (unsigned long long)c->verdicts[HANDOFF__V1__VERDICT__VERDICT_REVIEW],
           (unsigned long long)c->verdicts[HANDOFF__V1__VERDICT__VERDICT_PARKED]);
    fflush(stdout);
}

static void open_all(struct load *l)
{
    static uint8_t bytes[OPEN_EVENTS][CLIENT_EVENT_BYTES];
    ProtobufCBinaryData events[OPEN_EVENTS];
    uint32_t count = 0;
    client_count_anew(l->client);
    client_spread(l->client, 1); /* publishes of many patients stay in order, too */
    int64_t began_ns = client_now_ns();
    for (uint32_t patient = 0; patient < l->life.count; patient++) {
        unsigned step = 0;
        while (life_open(&l->life, patient, &step, client_wall_ms(), &l->event)) {
            events[count] = client_pack(&l->event.event, bytes[count]);
            if (++count < OPEN_EVENTS) continue;
            client_send(l->client, 0, events, count, client_now_ns());
            count = 0;
            if (client_in_flight(l->client) >= OPEN_PUBLISHES) client_receive_some(l->client);
        }
    }
    if (count) client_send(l->client, 0, events, count, client_now_ns());
    client_drain(l->client);
    double seconds = (double)(client_now_ns() - began_ns) / 1e9;
    printf("{\"events\": %llu, \"seconds\": %.4f, ", (unsigned long long)l->client->accepted, seconds);
    print_verdicts(l->client);
}

static void assume_all(struct load *l)
{
    for (uint32_t patient = 0; patient < l->life.count; patient++) {
        unsigned step = 0;
        while (life_open(&l->life, patient, &step, client_wall_ms(), &l->event)) continue;
    }
}

/* --- measuring -------------------------------------------------------------------------------------------------- */
static struct window window_new(struct load *l, double length_s)
{
    struct window w = {.length_s = length_s, .latencies = calloc(1, sizeof *w.latencies)};
    if (!w.latencies) client_fail("out of memory");
    client_count_anew(l->client);
    w.began_ns = client_now_ns();
    w.until_ns = w.began_ns + (int64_t)(length_s * 1e9);
    return w;
}

static void print_figures(const struct client *c, uint64_t accepted, double seconds, int64_t stall_ns)
{
    printf("\"seconds\": %.3f, \"events\": %llu, \"events_per_s\": %.0f, \"stall_ms\": %.2f, ", seconds,
           (unsigned long long)accepted, (double)accepted / seconds, (double)stall_ns / 1e6);
    histogram_print(stdout, c->latencies);
}

static void add_up(struct histogram *to, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) to->buckets[i] += from->buckets[i];
    to->count += from->count;
    if (from->most > to->most) to->most = from->most;
}

/* Into the total; from the next event on the counts are another window's. */
static void fold(struct window *w, struct client *c)
{
    add_up(w->latencies, c->latencies);
    histogram_clear(c->latencies);
    if (c->stall_ns > w->stall_ns) w->stall_ns = c->stall_ns;
    c->stall_ns = 0;
    w->accepted = c->accepted;
}

static void tell_window(struct window *w, struct client *c)
{
    int64_t now_ns = client_now_ns();
    if (w->length_s <= 0 || now_ns < w->until_ns) return;
    double seconds = w->length_s + (double)(now_ns - w->until_ns) / 1e9;
    printf("{\"window\": true, \"at_s\": %.2f, ", (double)(now_ns - w->began_ns) / 1e9);
    print_figures(c, c->accepted - w->accepted, seconds, c->stall_ns);
    puts("}");
    fflush(stdout);
    fold(w, c);
    w->until_ns = now_ns + (int64_t)(w->length_s * 1e9);
}

static double seconds_of(const struct window *w)
{
    return (double)(client_now_ns() - w->began_ns) / 1e9;
}

/* What comes after the end counts for nothing, but nobody is told before it is there: the server may be stopped next. */
static void end_window(struct window *w, struct client *c, double seconds)
{
    fold(w, c);
    client_drain(c);
    *c->latencies = *w->latencies; /* `histogram` writes these */
    print_figures(c, w->accepted, seconds, w->stall_ns);
    fputs(", ", stdout);
    print_verdicts(c);
    free(w->latencies);
}

static void measure(struct load *l, uint32_t wanted, double seconds, double window_s)
{
    client_spread(l->client, wanted);
    struct window w = window_new(l, window_s);
    int64_t until_ns = w.began_ns + (int64_t)(seconds * 1e9);
    while (client_now_ns() < until_ns && !client_is_interrupted) {
        while (client_in_flight(l->client) < wanted) send_next(l, client_now_ns());
        client_receive_some(l->client);
        tell_window(&w, l->client);
    }
    printf("{\"in_flight\": %u, ", wanted);
    end_window(&w, l->client, seconds_of(&w));
}

/* A socket's file descriptor only says that something has changed: all is read before it is waited for. */
static void find_descriptors(const struct client *c, struct pollfd *ret_items)
{
    for (uint32_t s = 0; s < c->socket_count; s++) {
        int fd;
        size_t size = sizeof fd;
        if (zmq_getsockopt(c->sockets[s], ZMQ_FD, &fd, &size) != 0) client_fail(zmq_strerror(errno));
        ret_items[s] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

static void wait_until(const struct client *c, struct pollfd *items, int64_t until_ns)
{
    int64_t left_ns = until_ns - client_now_ns();
    if (left_ns <= 0) return;
    struct timespec left = {left_ns / 1000000000, left_ns % 1000000000};
    ppoll(items, c->socket_count, &left, NULL);
}

static void pace(struct load *l, double rate, double seconds, double window_s)
{
    client_spread(l->client, CLIENT_SOCKETS * CLIENT_SOCKET_LOAD); /* a stall lets many wait */
    struct window w = window_new(l, window_s);
    int64_t until_ns = w.began_ns + (int64_t)(seconds * 1e9);
    double pause_ns = 1e9 / rate;
    uint64_t sent = 0;
    uint32_t most = 0;
    struct pollfd items[CLIENT_SOCKETS];
    find_descriptors(l->client, items);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    for (int64_t now_ns = client_now_ns(); now_ns < until_ns; now_ns = client_now_ns()) {
        int64_t due_ns = w.began_ns + (int64_t)((double)sent * pause_ns);
        while (due_ns <= now_ns && l->client->free_count) {
            send_next(l, due_ns);
            due_ns = w.began_ns + (int64_t)((double)++sent * pause_ns);
        }
        if (client_in_flight(l->client) > most) most = client_in_flight(l->client);
        client_receive_rest(l->client);
        tell_window(&w, l->client);
        wait_until(l->client, items, due_ns < until_ns ? due_ns : until_ns);
    }
    double took_s = seconds_of(&w);
    uint64_t in_time = l->client->accepted;
    client_drain(l->client); /* the slowest count, too */
    printf("{\"rate\": %.0f, \"most_in_flight\": %u, \"in_time\": %llu, ", rate, most, (unsigned long long)in_time);
    end_window(&w, l->client, took_s);
}

/* --- commands --------------------------------------------------------------------------------------------------- */
static void write_histogram(const struct load *l, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) client_fail("the histogram cannot be written");
    histogram_write(file, l->client->latencies);
    fclose(file);
}

static void done(void)
{
    puts("{}");
    fflush(stdout);
}

static void tell_accepted(const struct load *l)
{
    printf("{\"accepted\": %llu}\n", (unsigned long long)l->client->accepted_ever);
    fflush(stdout);
}

/* A command with a word behind it; false: it is none of them. */
static bool obey_named(struct load *l, const char *line)
{
    char word[16], name[PATH_BYTES];
    if (sscanf(line, "%15s %1023s", word, name) != 2) return false;
    if (strcmp(word, "connect") == 0)
        client_connect(l->client, name);
    else if (strcmp(word, "histogram") == 0)
        write_histogram(l, name);
    else if (strcmp(word, "skew") == 0)
        life_skew(&l->life, atof(name));
    else
        return false;
    done();
    return true;
}

static void obey(struct load *l, const char *line)
{
    unsigned wanted;
    double seconds, window_s, rate;
    if (strcmp(line, "open\n") == 0)
        open_all(l);
    else if (strcmp(line, "assume\n") == 0) {
        assume_all(l);
        done();
    } else if (strcmp(line, "accepted\n") == 0)
        tell_accepted(l);
    else if (sscanf(line, "measure %u %lf", &wanted, &seconds) == 2 && wanted >= 1 && wanted <= CLIENT_IN_FLIGHT)
        measure(l, wanted, seconds, 0);
    else if (sscanf(line, "sustain %u %lf %lf", &wanted, &seconds, &window_s) == 3 && wanted >= 1 &&
             wanted <= CLIENT_IN_FLIGHT)
        measure(l, wanted, seconds, window_s);
    else if (sscanf(line, "pace %lf %lf %lf", &rate, &seconds, &window_s) == 3 && rate > 0)
        pace(l, rate, seconds, window_s);
    else if (!obey_named(l, line))
        client_fail("a line that is not understood");
}

static void on_interrupt(int signal)
{
    (void)signal;
    client_is_interrupted = 1;
}

int main(int argc, char **argv)
{
    static struct load l;
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    const char *endpoint = NULL;
    uint32_t patients = 100000, first = 0;
    uint64_t seed = 1;
    char line[PATH_BYTES + 16], prefix[24];
    for (int option; (option = getopt(argc, argv, "e:p:s:f:")) != -1;) {
        if (option == 'e')
            endpoint = optarg;
        else if (option == 'p')
            patients = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            first = (uint32_t)strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (!endpoint || !patients || optind != argc) {
        fputs("usage: load -e ENDPOINT [-p PATIENTS] [-f FIRST] [-s SEED]; commands on standard input\n", stderr);
        return 2;
    }
    snprintf(prefix, sizeof prefix, "e%llx-%u", (unsigned long long)seed, first);
    life_begin(&l.life, patients, seed, prefix);
    l.life.first = first;
    sigaction(SIGUSR1, &interrupt, NULL);
    l.client = client_new();
    client_connect(l.client, endpoint);
    while (fgets(line, sizeof line, stdin)) obey(&l, line);
    client_free(l.client);
    free(l.life.patients);
    return 0;
}
