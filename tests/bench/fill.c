/* Makes a data folder full of patients, by the engine itself without sockets, as `load` with `open` would make it:
 *
 *     build/bench/fill -d FOLDER -p PATIENTS [-s SEED] [-c CONFIG] [-w PATHWAYS]
 *     build/bench/fill ... -u UNIX_SECONDS -t SPAN_S      of each patient only the opened referral, at such times that
 *                                                         its first timers come due from then on, spread over the span
 *
 * The clock of `handoffd run --clock system` opens it. Prints one line of JSON; progress goes to standard error. */
#include <getopt.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "commands.h"
#include "engine/engine.h"
#include "life.h"
#include "ops/config.h"
#include "run_rules.h"

enum { EVENT_BYTES = 512, REPORT_BYTES = 4 * 1024 * 1024, WAIT_US = 1000, GUESSES = 4, PATH_BYTES = 4096, TELL_S = 10 };

struct fill {
    const char *folder, *config_file, *pathways;
    uint32_t patients;
    uint64_t seed;
    double span_s; /* 0: the real time */
    int64_t due_at_ms;
    int64_t now_ms, least_due_ms, most_due_ms;
    uint64_t events, taken, dues; /* dues: of patients whose referral was opened */
    struct clock clock;
    struct clock_source source;
    struct engine *engine;
    struct journal *journal;
    struct index *index;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "fill: %s: %s\n", what, why);
    exit(1);
}

static int64_t real_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- time -------------------------------------------------------------------------------------------------------- */
static int64_t told_ms(void *context)
{
    return ((struct fill *)context)->now_ms;
}

static void set_time(struct fill *f, double share, int64_t begin_ms)
{
    f->now_ms = f->span_s > 0 ? begin_ms + (int64_t)(share * f->span_s * 1000) : real_ms(CLOCK_REALTIME);
}

/* --- the engine -------------------------------------------------------------------------------------------------- */
static void on_result(void *context, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result)
{
    (void)context, (void)ticket, (void)position;
    if (result->code != HANDOFF__V1__CODE__CODE_ACCEPTED) fail("an event is refused", result->sentence);
}

static void on_entry(void *context, const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key)
{
    struct fill *f = context;
    (void)outcome, (void)key;
    if (entry->kind != ENTRY_EVENT || ++f->taken % LIFE_OPENING || entry->due_at_ms == NO_DUE) return;
    if (!f->dues++ || entry->due_at_ms < f->least_due_ms) f->least_due_ms = entry->due_at_ms;
    if (entry->due_at_ms > f->most_due_ms) f->most_due_ms = entry->due_at_ms;
}

static void load_rules(struct fill *f)
{
    struct yaml_errors errors = {0};
    char **changes;
    const char *why = "";
    struct arena *report = arena_new(REPORT_BYTES);
    struct config *config = config_load(f->config_file, &errors);
    if (!config || !report) fail(f->config_file, "it does not load");
    config_override(config, "pathways", f->pathways, &errors);
    if (run_rules_update(f->engine, config, report, &errors, &changes, &why) < 0) fail(f->pathways, why);
    config_free(config);
    arena_free(report);
}

static void open_engine(struct fill *f)
{
    const char *why = "";
    f->source = (struct clock_source){f, told_ms, told_ms};
    f->clock = (struct clock){.source = &f->source};
    if (clock_parse(&f->clock, "system") != 0) fail("the clock", "it has no kind");
    f->least_due_ms = f->most_due_ms = 0;
    f->dues = f->taken = 0;
    if (engine_open(&(struct engine_options){.journal = f->journal,
                                             .index = f->index,
                                             .clock = &f->clock,
                                             .listener = {.context = f, .on_entry = on_entry, .on_result = on_result},
                                             .code_version = HANDOFF_VERSION},
                    &f->engine, &why) != 0)
        fail("the engine", why);
    load_rules(f);
}

static void close_engine(struct fill *f)
{
    engine_close(f->engine);
    f->index->ops->close(f->index);
    journal_close(f->journal);
}

static void open_folder(struct fill *f)
{
    char path[PATH_BYTES];
    struct journal_options options = {.ahead_bytes = 0};
    if (mkdir(f->folder, 0700) != 0) fail(f->folder, "the folder is there already, or cannot be made");
    snprintf(path, sizeof path, "%s/journal", f->folder);
    int code = journal_lmdb_open(path, &options, &f->journal);
    if (code) fail(path, journal_error(code));
    snprintf(path, sizeof path, "%s/index", f->folder);
    code = index_lmdb_open(path, 0, &f->index);
    if (code) fail(path, index_error(code));
    open_engine(f);
}

/* --- events ------------------------------------------------------------------------------------------------------ */
static void begin_turn(struct fill *f)
{
    engine_turn_begin(f->engine);
    while (!engine_can_accept(f->engine)) { /* the index is behind */
        engine_turn_commit(f->engine);
        usleep(WAIT_US);
        engine_turn_begin(f->engine);
    }
}

static void publish(struct fill *f, const struct life_event *e)
{
    uint8_t bytes[EVENT_BYTES];
    size_t len = handoff__v1__event__get_packed_size(&e->event);
    if (len > sizeof bytes) fail("an event", "it is larger than was thought");
    handoff__v1__event__pack(&e->event, bytes);
    engine_publish(f->engine, (struct bytes){bytes, len}, f->events, 0);
    f->events++;
    if (f->events % LIMIT_BATCH_EVENTS) return;
    if (engine_turn_commit(f->engine) != 0) fail("the journal", "a commit failed");
    begin_turn(f);
}

static void open_patient(struct fill *f, struct life *life, uint32_t patient)
{
    struct life_event e;
    unsigned step = 0;
    while ((f->span_s <= 0 || step < LIFE_OPENING) && life_open(life, patient, &step, f->now_ms, &e)) publish(f, &e);
}

static void tell(const struct fill *f, uint32_t patient, int64_t *told_at_ms)
{
    if (patient % 1024 || real_ms(CLOCK_MONOTONIC) - *told_at_ms < TELL_S * 1000) return;
    fprintf(stderr, "fill: %u of %u patients, %llu events\n", patient, f->patients, (unsigned long long)f->events);
    *told_at_ms = real_ms(CLOCK_MONOTONIC);
}

static void open_patients(struct fill *f, uint32_t count, int64_t begin_ms)
{
    struct life life;
    char prefix[24];
    int64_t told_at_ms = real_ms(CLOCK_MONOTONIC);
    snprintf(prefix, sizeof prefix, "e%llx-0", (unsigned long long)f->seed);
    life_begin(&life, count, f->seed, prefix);
    begin_turn(f);
    for (uint32_t i = 0; i < count; i++) {
        set_time(f, (double)i / count, begin_ms);
        open_patient(f, &life, i);
        tell(f, i, &told_at_ms);
    }
    if (engine_turn_commit(f->engine) != 0) fail("the journal", "a commit failed");
    free(life.patients);
}

/* --- when to begin, so that timers come due at a time ------------------------------------------------------------- */
/* When one patient's first timer comes due, with everything in memory. */
static int64_t try_one(struct fill *f, int64_t begin_ms)
{
    f->now_ms = begin_ms;
    if (journal_memory_open(&f->journal) || index_memory_open(&f->index)) fail("trying", "out of memory");
    open_engine(f);
    open_patients(f, 1, begin_ms);
    if (!f->dues) fail("trying", "no timer comes due");
    close_engine(f);
    f->events = 0;
    return f->most_due_ms;
}

static int64_t find_beginning(struct fill *f)
{
    int64_t begin_ms = f->due_at_ms - 3600000;
    for (int guess = 0; guess < GUESSES; guess++) {
        int64_t due_ms = try_one(f, begin_ms);
        if (due_ms == f->due_at_ms) return begin_ms;
        begin_ms += f->due_at_ms - due_ms;
    }
    fail("the beginning",
         "no time is found at which the first timers come due as wished: use a site that is always open");
    return 0;
}

int main(int argc, char **argv)
{
    struct fill f = {.patients = 100000, .seed = 1, .config_file = "tests/site.yaml", .pathways = "daemon/pathways"};
    for (int option; (option = getopt(argc, argv, "d:p:s:c:w:u:t:")) != -1;) {
        if (option == 'd')
            f.folder = optarg;
        else if (option == 'p')
            f.patients = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            f.seed = strtoull(optarg, NULL, 10);
        else if (option == 'c')
            f.config_file = optarg;
        else if (option == 'w')
            f.pathways = optarg;
        else if (option == 'u')
            f.due_at_ms = strtoll(optarg, NULL, 10) * 1000;
        else if (option == 't')
            f.span_s = atof(optarg);
        else
            return 2;
    }
    if (!f.folder || !f.patients || optind != argc || (f.span_s > 0) != (f.due_at_ms > 0)) {
        fputs("usage: fill -d FOLDER [-p PATIENTS] [-s SEED] [-c CONFIG] [-w PATHWAYS] [-u UNIX_SECONDS -t SPAN_S]\n",
              stderr);
        return 2;
    }
    int64_t begin_ms = f.span_s > 0 ? find_beginning(&f) : 0, began_ms = real_ms(CLOCK_MONOTONIC);
    f.now_ms = f.span_s > 0 ? begin_ms : real_ms(CLOCK_REALTIME);
    open_folder(&f);
    open_patients(&f, f.patients, begin_ms);
    close_engine(&f);
    printf("{\"patients\": %u, \"events\": %llu, \"seconds\": %.2f", f.patients, (unsigned long long)f.events,
           (double)(real_ms(CLOCK_MONOTONIC) - began_ms) / 1000);
    if (f.span_s > 0)
        printf(", \"first_due_ms\": %lld, \"last_due_ms\": %lld", (long long)f.least_due_ms, (long long)f.most_due_ms);
    puts("}");
    return 0;
}
