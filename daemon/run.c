/* handoffd run: puts the parts together, in this order, and takes them apart in the reverse one:
 *
 *     configuration, command line -> journal, index, clock -> engine -> rules -> sockets -> the loop
 *
 * Nothing is served before the rules are in force, and nothing is acknowledged before it is durable. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "commands.h"
#include "net/loop.h"
#include "ops/sd_notify.h"
#include "engine/view.h"
#include "run_crash.h"
#include "run_ops.h"
#include "run_rules.h"

#include "base/banned.h"

enum { PATH_BYTES = 4096, REPORT_BYTES = 4 * 1024 * 1024 };

static const char usage[] =
    "usage: handoffd run [OPTION...]\n\n"
    "  --config FILE       configuration; " HANDOFF_CONFIG_FILE " unless given\n"
    "  --data DIR          journal and index; made if it does not exist\n"
    "  --pathways DIR      pathways and policy.yaml\n"
    "  --clock KIND        system, scaled:N or manual; a folder keeps the kind it began with\n"
    "  --clock-start TIME  where a manual or scaled clock begins in a new folder: 2026-06-11T12:40:00Z\n"
    "  --front ENDPOINT    tcp://ADDRESS:PORT or ipc://PATH; tcp://127.0.0.1:* takes a free port\n"
    "  --stream ENDPOINT   the doorbell's socket\n"
    "  --http ADDRESS      ADDRESS:PORT of /metrics, /healthz, /readyz; \"\" for none\n\n"
    "SIGHUP reloads sites, pathways, policy and heartbeat, or keeps the old ones and says why. SIGTERM ends cleanly.\n"
    "The endpoints in use are written to DIR/endpoints.\n";

struct run {
    const char *config_file;
    struct config *config;
    int64_t clock_start_ms;
    char journal_folder[PATH_BYTES], index_folder[PATH_BYTES], endpoints_file[PATH_BYTES], crash_file[PATH_BYTES];
    struct clock clock;
    struct journal *journal;
    struct index *index;
    struct engine *engine;
    struct loop *loop;
    struct run_ops *ops;
    struct arena *report;
};

/* --- the command line ----------------------------------------------------------------------------------------- */
/* The keys of the configuration that an option stands for. */
static const struct {
    const char *option, *key;
} overrides[] = {
    {"data", "data"},           {"pathways", "pathways"},     {"clock", "clock"},
    {"front", "listen.front"},  {"stream", "listen.stream"},  {"http", "listen.http"},
};
enum { OVERRIDES = sizeof overrides / sizeof *overrides, OPTION_CONFIG = 256, OPTION_CLOCK_START, OPTION_HELP };

/* 2026-06-11T12:40:00Z, and nothing else. */
static int parse_time(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    char rest = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &rest) != 6 ||
        text[strlen(text) - 1] != 'Z')
        return -1;
    uint32_t date = (uint32_t)(tm.tm_year * 10000 + tm.tm_mon * 100 + tm.tm_mday);
    if (!date_is_valid(date) || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59 || tm.tm_hour < 0) return -1;
    *ret_ms = date_to_day(date) * MS_PER_DAY + tm.tm_hour * MS_PER_HOUR + tm.tm_min * MS_PER_MINUTE + tm.tm_sec * 1000;
    return 0;
}

struct arguments {
    const char *config_file;
    const char *values[OVERRIDES];
    int64_t clock_start_ms;
};

/* -1: go on; else the exit code. */
static int read_arguments(int argc, char **argv, struct arguments *ret)
{
    struct option options[OVERRIDES + 4] = {{"config", required_argument, NULL, OPTION_CONFIG},
                                            {"clock-start", required_argument, NULL, OPTION_CLOCK_START},
                                            {"help", no_argument, NULL, OPTION_HELP}};
    for (int i = 0; i < OVERRIDES; i++)
        options[3 + i] = (struct option){overrides[i].option, required_argument, NULL, i};
    *ret = (struct arguments){.config_file = HANDOFF_CONFIG_FILE};
    for (int chosen; (chosen = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (chosen >= 0 && chosen < OVERRIDES) {
            ret->values[chosen] = optarg;
        } else if (chosen == OPTION_CONFIG) {
            ret->config_file = optarg;
        } else if (chosen == OPTION_HELP) {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else if (chosen != OPTION_CLOCK_START || parse_time(optarg, &ret->clock_start_ms) != 0) {
            if (chosen == OPTION_CLOCK_START)
                fprintf(stderr, "handoffd run: %s is not a time like 2026-06-11T12:40:00Z\n", optarg);
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc) return -1;
    fputs(usage, stderr);
    return EXIT_USAGE;
}

static struct config *read_config(const struct arguments *arguments)
{
    struct yaml_errors errors = {0};
    struct config *config = config_load(arguments->config_file, &errors);
    for (int i = 0; config != NULL && i < OVERRIDES; i++)
        if (arguments->values[i] != NULL) config_override(config, overrides[i].key, arguments->values[i], &errors);
    if (errors.count == 0) return config;
    yaml_errors_print(stderr, &errors);
    config_free(config);
    return NULL;
}

/* --- storage -------------------------------------------------------------------------------------------------- */
static int open_journal(struct run *run)
{
    struct journal_options options = {.ahead_bytes = (uint64_t)run->config->journal_ahead_bytes};
    int rc = journal_lmdb_open(run->journal_folder, &options, &run->journal);
    if (rc != 0) run->journal = NULL;
    return rc;
}

/* After a write error: what the disk holds is what counts. */
static struct journal *reopen_journal(void *context)
{
    struct run *run = context;
    loop_await_backup(run->loop);
    journal_close(run->journal);
    int rc = open_journal(run);
    if (rc == 0)
        log_warn("the journal was opened again after a write error");
    else
        log_error("the journal does not open again; retrying", log_text("why", journal_error(rc)));
    return run->journal;
}

/* It says nothing that the journal does not: a new one is filled from there. */
static struct index *empty_index(void *context)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    struct run *run = context;
    char path[PATH_BYTES + 16];
    if (run->index != NULL) run->index->ops->close(run->index);
    run->index = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", run->index_folder, files[i]);
        if (unlink(path) != 0 && errno != ENOENT) return NULL;
    }
    return index_lmdb_open(run->index_folder, 0, &run->index) == 0 ? run->index : NULL;
}

static int open_index(struct run *run)
{
    if (run_crash_happened()) {
        log_warn("the daemon crashed here before; the index is made anew from the journal", log_text("folder", run->index_folder));
        if (empty_index(run) == NULL) return INDEX_E_IO;
        run_crash_forget();
        return 0;
    }
    int rc = index_lmdb_open(run->index_folder, 0, &run->index);
    return rc == 0 || (rc != INDEX_E_BUSY && empty_index(run) != NULL) ? 0 : rc;
}

static int open_storage(struct run *run)
{
    if (mkdir(run->config->data, 0700) != 0 && errno != EEXIST) {
        log_error("the data folder cannot be made", log_text("folder", run->config->data),
                  log_text("why", strerror(errno)));
        return -1;
    }
    unlink(run->endpoints_file); /* of a daemon that was killed */
    int rc = open_journal(run);
    if (rc != 0) {
        log_error("the journal does not open", log_text("folder", run->journal_folder),
                  log_text("why", journal_error(rc)));
        return -1;
    }
    run_crash_watch(run->crash_file); /* the journal is ours, so nobody else's crash is meant */
    rc = open_index(run);
    if (rc == 0) return 0;
    log_error("the index does not open", log_text("folder", run->index_folder), log_text("why", index_error(rc)));
    return -1;
}

/* --- engine and rules ----------------------------------------------------------------------------------------- */
static void on_notice(void *context, const char *sentence)
{
    (void)context;
    log_warn(sentence);
}

static int open_engine(struct run *run)
{
    const char *why = "";
    int rc = engine_open(&(struct engine_options){.journal = run->journal,
                                                  .index = run->index,
                                                  .clock = &run->clock,
                                                  .listener = loop_listener(run->loop),
                                                  .batch_events = (uint32_t)run->config->limit_batch_events,
                                                  .fire_per_turn = (uint32_t)run->config->limit_fire_per_turn,
                                                  .changes_max = (uint32_t)run->config->limit_changes,
                                                  .clock_start_ms = run->clock_start_ms,
                                                  .code_version = HANDOFF_VERSION,
                                                  .decides_ahead = true,
                                                  .reopen_journal = reopen_journal,
                                                  .empty_index = empty_index,
                                                  .storage_context = run,
                                                  .on_notice = on_notice},
                         &run->engine, &why);
    if (rc != 0)
        log_error("the data folder is not opened", log_text("folder", run->config->data), log_text("why", why));
    return rc;
}

static void log_refused(const struct yaml_errors *errors)
{
    for (size_t i = 0; i < errors->count && i < YAML_MAX_ERRORS; i++) {
        const struct yaml_error *e = &errors->list[i];
        if (e->line != 0)
            log_error("refused", log_text("file", e->file), log_int("line", e->line), log_int("column", e->column),
                      log_text("why", e->sentence));
        else if (e->file[0] != 0)
            log_error("refused", log_text("file", e->file), log_text("why", e->sentence));
        else
            log_error("refused", log_text("why", e->sentence));
    }
}

/* An exit code. */
static int refuse_start(const struct run *run, const struct yaml_errors *errors, const char *why)
{
    log_refused(errors);
    if (errors->count > 0) {
        log_error("pathways, policy or sites are refused; nothing is served", log_text("folder", run->config->pathways),
                  log_uint("mistakes", errors->count));
        return EXIT_REFUSED;
    }
    log_error("the rules could not be journaled; nothing is served", log_text("folder", run->config->data),
              log_text("why", why));
    return EXIT_FAILED;
}

/* The synthetic patient beats as often as the configuration says. */
static void set_heartbeat(struct engine *engine, const struct config *config)
{
    int rc = engine_rules(engine) != NULL ? engine_set_heartbeat(engine, config->heartbeat_every_ms) : 0;
    if (rc != 0) log_warn("the heartbeat is as it was; the journal did not take the change", log_int("code", rc));
}

/* 0, or an exit code. */
static int begin_rules(struct run *run)
{
    struct yaml_errors errors = {0};
    const char *why;
    char **changes;
    int count = run_rules_update(run->engine, run->config, run->report, &errors, &changes, &why);
    if (count < 0) return refuse_start(run, &errors, why);
    for (int i = 0; i < count; i++)
        log_info("rules changed", log_text("change", changes[i]));
    arena_reset(run->report);
    set_heartbeat(run->engine, run->config);
    return 0;
}

static struct reload_report refuse_reload(struct run *run, struct arena *arena, const struct yaml_errors *errors,
                                          const char *why)
{
    (void)run;
    char first[YAML_ERROR_TEXT_BYTES];
    if (errors->count > 0) yaml_error_write(&errors->list[0], first, sizeof first);
    const char *refusal = arena_string(arena, errors->count > 0 ? first : why);
    log_refused(errors);
    log_error("reload refused; the old rules stay in force", log_text("why", refusal));
    return (struct reload_report){.refusal = refusal};
}

/* Sites, pathways, policy and the heartbeat. The rest of the configuration counts from the next start. */
static struct reload_report reload(void *context, struct arena *arena)
{
    struct run *run = context;
    struct yaml_errors errors = {0};
    const char *why = "";
    struct reload_report report = {0};
    sd_notify_reloading();
    struct config *config = config_load(run->config_file, &errors);
    if (config != NULL) config_override(config, "pathways", run->config->pathways, &errors);
    int count = errors.count > 0 || config == NULL
                    ? -1
                    : run_rules_update(run->engine, config, arena, &errors, &report.changes, &why);
    if (count >= 0) set_heartbeat(run->engine, config);
    config_free(config);
    sd_notify_ready();
    if (count < 0) return refuse_reload(run, arena, &errors, why);
    report.change_count = (size_t)count;
    log_info("reloaded", log_int("changes", count));
    for (int i = 0; i < count; i++)
        log_info("rules changed", log_text("change", report.changes[i]));
    return report;
}

/* --- serving -------------------------------------------------------------------------------------------------- */
static void after_turn(void *context) { run_ops_turn(((struct run *)context)->ops); }
static void every_second(void *context) { run_ops_second(((struct run *)context)->ops); }
static void on_stop(void *context, const char *signal)
{
    log_info("stopping", log_text("signal", signal));
    run_ops_stopping(((struct run *)context)->ops);
}

static int open_sockets(struct run *run)
{
    const char *endpoint = "";
    int rc = loop_open(run->loop,
                       &(struct loop_options){.engine = run->engine,
                                              .clock = &run->clock,
                                              .journal = &run->journal,
                                              .version = HANDOFF_VERSION,
                                              .front_endpoint = run->config->listen_front,
                                              .stream_endpoint = run->config->listen_stream,
                                              .batch_events = (uint32_t)run->config->limit_batch_events,
                                              .fire_per_turn = (uint32_t)run->config->limit_fire_per_turn,
                                              .context = run,
                                              .reload = reload,
                                              .after_turn = after_turn,
                                              .every_second = every_second,
                                              .on_stop = on_stop},
                       &endpoint);
    if (rc < 0) log_error("a socket cannot be bound", log_text("endpoint", endpoint), log_text("why", strerror(-rc)));
    return rc;
}

/* The address as configured, with the port in use. */
static void http_endpoint(const struct run *run, char *ret_text, size_t bytes)
{
    const char *address = run->config->listen_http;
    const char *colon = strrchr(address, ':');
    ret_text[0] = 0;
    if (run_ops_port(run->ops) != 0 && colon != NULL)
        snprintf(ret_text, bytes, "%.*s:%u", (int)(colon - address), address, run_ops_port(run->ops));
}

/* Written aside and renamed: whoever sees the file sees all of it. */
static int write_endpoints(const struct run *run, const char *http)
{
    char aside[PATH_BYTES + 8];
    snprintf(aside, sizeof aside, "%s.new", run->endpoints_file);
    FILE *file = fopen(aside, "w");
    if (file == NULL) return -errno;
    fprintf(file, "front=%s\nstream=%s\nhttp=%s\n", loop_front_endpoint(run->loop), loop_stream_endpoint(run->loop),
            http);
    if (fclose(file) != 0 || rename(aside, run->endpoints_file) != 0) return -errno;
    return 0;
}

static void announce(struct run *run)
{
    char http[128];
    struct engine_state state;
    http_endpoint(run, http, sizeof http);
    int rc = write_endpoints(run, http);
    if (rc < 0)
        log_warn("the endpoints are not written", log_text("file", run->endpoints_file),
                 log_text("why", strerror(-rc)));
    engine_state(run->engine, &state);
    run_ops_ready(run->ops, run->engine, &run->clock, &run->journal, run->loop);
    log_info("ready", log_text("front", loop_front_endpoint(run->loop)),
             log_text("stream", loop_stream_endpoint(run->loop)), log_text("http", http),
             log_text("data", run->config->data), log_text("clock", clock_kind_name(run->clock.kind)),
             log_uint("sequence", state.last_sequence), log_text("version", HANDOFF_VERSION));
}

/* --- all of it ------------------------------------------------------------------------------------------------ */
static int open_parts(struct run *run)
{
    int rc = run_ops_new(HANDOFF_VERSION, run->config->listen_http, &run->ops);
    if (rc < 0) {
        log_error("metrics cannot be served", log_text("address", run->config->listen_http),
                  log_text("why", strerror(-rc)));
        return EXIT_FAILED;
    }
    run->report = arena_new(REPORT_BYTES);
    run->loop = loop_new();
    if (run->report == NULL || run->loop == NULL) {
        log_error("out of memory");
        return EXIT_FAILED;
    }
    if (open_storage(run) != 0 || open_engine(run) != 0) return EXIT_FAILED;
    rc = begin_rules(run);
    if (rc != 0) return rc;
    return open_sockets(run) < 0 ? EXIT_FAILED : 0;
}

static void close_parts(struct run *run)
{
    if (run->loop != NULL) loop_close(run->loop);
    engine_close(run->engine);
    loop_free(run->loop);
    if (run->index != NULL) run->index->ops->close(run->index);
    journal_close(run->journal);
    run_ops_free(run->ops);
    arena_free(run->report);
}

static int serve(struct run *run)
{
    int rc = open_parts(run);
    if (rc == 0) {
        announce(run);
        loop_run(run->loop);
        unlink(run->endpoints_file);
    }
    close_parts(run);
    if (rc == 0) log_info("stopped");
    return rc;
}

static bool name_files(struct run *run)
{
    const char *data = run->config->data;
    int journal = snprintf(run->journal_folder, PATH_BYTES, "%s/journal", data);
    int index = snprintf(run->index_folder, PATH_BYTES, "%s/index", data);
    int endpoints = snprintf(run->endpoints_file, PATH_BYTES, "%s/endpoints", data);
    int crash = snprintf(run->crash_file, PATH_BYTES, "%s/crashed", data);
    return journal < PATH_BYTES && index < PATH_BYTES && endpoints < PATH_BYTES && crash < PATH_BYTES;
}

int command_run(int argc, char **argv)
{
    struct arguments arguments;
    int code = read_arguments(argc, argv, &arguments);
    if (code >= 0) return code;
    signal(SIGPIPE, SIG_IGN); /* whoever read the log may go; the daemon stays */
    signal(SIGHUP, SIG_IGN);  /* until the loop listens: there is nothing to reload yet */
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) return EXIT_FAILED;
    run->config_file = arguments.config_file;
    run->clock_start_ms = arguments.clock_start_ms;
    run->config = read_config(&arguments);
    code = EXIT_REFUSED;
    if (run->config != NULL && name_files(run) && clock_parse(&run->clock, run->config->clock) == 0) {
        log_set_level(run->config->log_level);
        code = serve(run);
    }
    config_free(run->config);
    free(run);
    return code;
}
