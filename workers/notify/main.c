/* handoff-notify: carries reminders and notices to people. The only place that exits. */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handoff.h"
#include "notify/config.h"
#include "notify/lane.h"
#include "notify/ledger.h"
#include "notify/log.h"
#include "notify/service.h"
#include "notify/wording.h"

#define DEFAULT_CONFIG "/etc/handoff/handoff-notify.yaml"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3 };
enum { LANES_MOST = CONFIG_LANES_MOST + 1, THREADS_MOST = 128, PRUNE_EVERY_MS = 3600 * 1000, STUCK_SLACK_MS = 30000 };

static const char usage[] =
    "usage: handoff-notify COMMAND [--config FILE]\n\n"
    "  run    carry reminders and notices to people, until SIGTERM\n"
    "  check  read configuration, templates and secrets, and say what is wrong with them\n"
    "  test CHANNEL ADDRESS\n"
    "         send a test message, such as: test email coordinator@example.org\n"
    "  help   print this\n\n"
    "FILE is " DEFAULT_CONFIG " unless given. Exit codes: 0 done, 1 failed, 2 the command line is\n"
    "not understood, 3 configuration, a template or a secret is refused.\n";

/* What is read before anything begins. */
struct setup {
    struct notify_config *config;
    struct wording *wording; /* borrows the configuration */
};

static void setup_free(struct setup *setup)
{
    wording_close(&setup->wording);
    config_free(&setup->config);
}

static int check_ways(const struct notify_config *config)
{
    char sentence[512];
    struct ways ways;
    if (ways_open(config, &ways, sentence, sizeof sentence)) {
        fprintf(stderr, "%s\n", sentence);
        return -1;
    }
    ways_close(&ways);
    return 0;
}

static int setup_read(const char *path, struct setup *ret_setup)
{
    char sentences[8192];
    struct template_error error = {0};
    struct setup setup = {.config = config_load(path, sentences, sizeof sentences)};
    if (!setup.config) {
        fputs(sentences, stderr);
        return -1;
    }
    int failed = wording_open(setup.config, &setup.wording, &error);
    if (failed) fprintf(stderr, "%s\n", error.sentence);
    failed |= check_ways(setup.config);
    if (failed)
        setup_free(&setup);
    else
        *ret_setup = setup;
    return failed ? -1 : 0;
}

static int command_check(const char *path, char **arguments)
{
    (void)arguments;
    struct setup setup;
    if (setup_read(path, &setup)) return EXIT_CONFIG;
    printf("%s is in order: subscriptions: %u, sites: %u\n", path, setup.config->lanes_count, setup.config->sites_count);
    setup_free(&setup);
    return EXIT_DONE;
}

/* --- a test message ------------------------------------------------------------------------------------------ */

static int send_test(const struct setup *setup, struct channel *channel, const char *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t at_ms = (int64_t)now.tv_sec * 1000;
    const struct site_config *site = &setup->config->sites[0];
    struct rendered rendered = {0};
    if (wording_write_test(setup->wording, site, at_ms, &rendered)) return EXIT_FAILED;
    char id[64];
    snprintf(id, sizeof id, "test-%lld", (long long)at_ms);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", "handoff.message", "id", id, "kind", "test",
                             "to", to, "subject", rendered.subject, "text", rendered.body);
    char *text = json_dumps(json, JSON_COMPACT);
    const struct outgoing outgoing = {.id = id,
                                      .to = to,
                                      .from_name = site->name,
                                      .from = site->from,
                                      .subject = rendered.subject,
                                      .body = rendered.body,
                                      .language = rendered.language,
                                      .kind = "test",
                                      .json = text ? text : "{}",
                                      .at_ms = at_ms};
    struct send_report report = channel_send(channel, &outgoing);
    printf("%s: %s\n", send_result_word(report.result), report.reason);
    free(text);
    json_decref(json);
    rendered_free(&rendered);
    return report.result == SEND_DONE ? EXIT_DONE : EXIT_FAILED;
}

static int command_test(const char *path, char **arguments)
{
    struct setup setup;
    struct ways ways;
    char sentence[512];
    const ProtobufCEnumValue *value = handoff_enum_find(&handoff__v1__channel__descriptor, arguments[0]);
    if (setup_read(path, &setup)) return EXIT_CONFIG;
    int code = ways_open(setup.config, &ways, sentence, sizeof sentence) ? EXIT_CONFIG : EXIT_USAGE;
    if (code == EXIT_CONFIG) {
        fprintf(stderr, "%s\n", sentence);
    } else {
        struct channel *channel = value && value->value < WAYS_CHANNELS ? ways.channels[value->value] : NULL;
        if (channel)
            code = send_test(&setup, channel, arguments[1]);
        else
            fprintf(stderr, "handoff-notify: no channel \"%s\" is configured\n", arguments[0]);
        ways_close(&ways);
    }
    setup_free(&setup);
    return code;
}

/* --- running ------------------------------------------------------------------------------------------------- */

struct crew {
    struct setup setup;
    struct ledger *ledger;
    struct lane lanes[THREADS_MOST];
    size_t count;
    atomic_bool is_stopping;
    atomic_bool is_whole; /* every lane turns, and the daemon serves it */
};

static void *lane_thread(void *lane)
{
    lane_run(lane);
    return NULL;
}

static int add_lane(struct crew *crew, const struct lane_config *config)
{
    char sentence[512];
    struct lane *lane = &crew->lanes[crew->count];
    *lane = (struct lane){.config = crew->setup.config,
                          .lane = config,
                          .ledger = crew->ledger,
                          .words = {wording_write, crew->setup.wording},
                          .is_stopping = &crew->is_stopping,
                          .is_whole = &crew->is_whole};
    atomic_store(&lane->turned_ms, lane_now_ms());
    if (ways_open(crew->setup.config, &lane->ways, sentence, sizeof sentence)) {
        notify_log(NOTIFY_ERROR, "%s", sentence);
        return -1;
    }
    crew->count++;
    return 0;
}

static int add_lanes(struct crew *crew)
{
    for (unsigned i = 0; i < crew->setup.config->lanes_count; i++) {
        const struct lane_config *lane = &crew->setup.config->lanes[i];
        for (uint32_t k = 0; k < lane->workers; k++) {
            if (crew->count == THREADS_MOST) {
                notify_log(NOTIFY_ERROR, "subscriptions have more than %d workers together", THREADS_MOST);
                return -1;
            }
            if (add_lane(crew, lane)) return -1;
        }
    }
    return 0;
}

/* False: a thread stands still, and whoever watches us shall begin us anew. */
static bool is_alive(struct crew *crew, size_t *ret_served)
{
    int64_t now_ms = lane_now_ms(), most_ms = (int64_t)crew->setup.config->lease_s * 1000 + STUCK_SLACK_MS;
    *ret_served = 0;
    for (size_t i = 0; i < crew->count; i++) {
        if (now_ms - atomic_load(&crew->lanes[i].turned_ms) > most_ms) return false;
        *ret_served += atomic_load(&crew->lanes[i].is_served);
    }
    return true;
}

static void prune(struct crew *crew)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t before_ms = ((int64_t)now.tv_sec - (int64_t)crew->setup.config->keep_days * 86400) * 1000;
    if (ledger_prune(crew->ledger, before_ms)) notify_log(NOTIFY_WARN, "the ledger: %s", ledger_error(crew->ledger));
}

static void watch_over(struct crew *crew, const sigset_t *signals)
{
    int64_t pruned_ms = INT64_MIN / 2;
    const struct timespec second = {.tv_sec = 1};
    do {
        size_t served = 0;
        bool is_alive_now = is_alive(crew, &served);
        if (is_alive_now) service_alive();
        atomic_store(&crew->is_whole, is_alive_now && served == crew->count);
        service_status("%zu of %zu workers are served by the daemon", served, crew->count);
        if (lane_now_ms() - pruned_ms > PRUNE_EVERY_MS) {
            prune(crew);
            pruned_ms = lane_now_ms();
        }
    } while (sigtimedwait(signals, NULL, &second) < 0);
}

static int run_lanes(struct crew *crew, const sigset_t *signals)
{
    size_t begun = 0;
    while (begun < crew->count && !pthread_create(&crew->lanes[begun].thread, NULL, lane_thread, &crew->lanes[begun]))
        begun++;
    bool is_whole = begun == crew->count;
    if (is_whole) {
        service_ready();
        notify_log(NOTIFY_INFO, "ready: %zu workers of %u subscriptions", crew->count, crew->setup.config->lanes_count);
        watch_over(crew, signals);
    } else {
        notify_log(NOTIFY_ERROR, "threads cannot be made: %s", strerror(errno));
    }
    service_stopping();
    notify_log(NOTIFY_INFO, "stopping: what is on its way is finished, the rest goes back");
    atomic_store(&crew->is_stopping, true);
    for (size_t i = 0; i < begun; i++) pthread_join(crew->lanes[i].thread, NULL);
    return is_whole ? EXIT_DONE : EXIT_FAILED;
}

static int run_crew(struct crew *crew)
{
    char sentence[512];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* threads inherit it: signals are the main thread's */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk, which has its own answer */
    if (access(crew->setup.config->ledger, F_OK))
        notify_log(NOTIFY_WARN, "there is no ledger %s, and one is begun: it knows of nothing that was sent before",
                   crew->setup.config->ledger);
    if (ledger_open(crew->setup.config->ledger, sentence, sizeof sentence, &crew->ledger)) {
        notify_log(NOTIFY_ERROR, "%s", sentence);
        return EXIT_FAILED;
    }
    int code = add_lanes(crew) ? EXIT_CONFIG : run_lanes(crew, &signals);
    for (size_t i = 0; i < crew->count; i++) ways_close(&crew->lanes[i].ways);
    ledger_close(&crew->ledger);
    return code;
}

static int command_run(const char *path, char **arguments)
{
    (void)arguments;
    static struct crew crew;
    if (setup_read(path, &crew.setup)) return EXIT_CONFIG;
    int code = run_crew(&crew);
    setup_free(&crew.setup);
    return code;
}

static int command_help(const char *path, char **arguments)
{
    (void)arguments;
    (void)path;
    fputs(usage, stdout);
    return EXIT_DONE;
}

static const struct {
    const char *name;
    int arguments;
    int (*run)(const char *path, char **arguments);
} commands[] = {
    {"run", 0, command_run}, {"check", 0, command_check}, {"test", 2, command_test}, {"help", 0, command_help}};

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *path = DEFAULT_CONFIG;
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) >= 0;) {
        if (option == 'h') return command_help(path, NULL);
        if (option != 'c') return EXIT_USAGE;
        path = optarg;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
    for (size_t i = 0; optind < argc && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[optind], commands[i].name) == 0 && argc - optind - 1 == commands[i].arguments)
            return commands[i].run(path, argv + optind + 1);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
