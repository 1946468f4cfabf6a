/* What an event costs from its bytes to its committed entry, without sockets: the events of the benchmark's patients
 * through the real engine, with the shipped pathways, journal and index in LMDB. A change that the weather of a shared
 * machine hides from `make bench` shows here, above all in instructions:
 *
 *     valgrind --tool=callgrind --toggle-collect='run_turn*' build/bench/engine 2000 8000 256 1
 *
 *     build/bench/engine [PATIENTS [EVENTS [BATCH [ROUNDS]]]]      prints CPU nanoseconds an event of the loop's thread,
 *                                                                  the least of the rounds */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "life.h"
#include "rules.h"

enum { BATCH_MAX = 1024, PATH_BYTES = 256 };
#define FOLDER_TEMPLATE "build/bench/engine-XXXXXX"

struct bench {
    struct journal *journal;
    struct index *index;
    struct clock clock;
    struct engine *engine;
    struct arena *arena; /* of a batch's events */
    struct life life;
    struct bytes events[BATCH_MAX];
    uint32_t pending, batch;
    uint64_t accepted, told, emissions, record_bytes, outcome_bytes;
    int64_t spent_ns;
    char folder[sizeof FOLDER_TEMPLATE];
};

static void fail(const char *sentence)
{
    fprintf(stderr, "engine: %s\n", sentence);
    exit(1);
}

static int64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- what a front and a stream would hear ------------------------------------------------------------------------- */
static void on_entry(void *context, const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key_text)
{
    struct bench *b = context;
    (void)key_text;
    b->record_bytes += entry->record.len;
    b->outcome_bytes += entry->outcome.len;
    b->emissions += outcome ? outcome->n_emissions : 0;
}

static void on_result(void *context, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result)
{
    struct bench *b = context;
    (void)ticket, (void)position;
    if (result->code != HANDOFF__V1__CODE__CODE_ACCEPTED) fail(result->sentence);
    b->accepted++;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */
static const char *path_in(const struct bench *b, const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    return path;
}

static void begin(struct bench *b)
{
    const char *why = "";
    struct arena *rules_arena = arena_new(LIMIT_ARENA_BYTES);
    struct journal_options options = {.ahead_bytes = 0};
    strcpy(b->folder, FOLDER_TEMPLATE);
    if (!mkdtemp(b->folder)) fail("run it where the tree begins, after make");
    if (journal_lmdb_open(path_in(b, "journal"), &options, &b->journal)) fail("the journal does not open");
    if (index_lmdb_open(path_in(b, "index"), 0, &b->index)) fail("the index does not open");
    if (clock_parse(&b->clock, "system")) fail("no clock");
    int code = engine_open(&(struct engine_options){.journal = b->journal,
                                                    .index = b->index,
                                                    .clock = &b->clock,
                                                    .listener = {.context = b, .on_entry = on_entry, .on_result = on_result},
                                                    .code_version = "bench"},
                           &b->engine, &why);
    if (code) fail(why);
    const struct rules_changes *changes = bench_rules(engine_ruleset(b->engine), rules_arena);
    if (!changes) fail("the shipped pathways do not load");
    if (engine_change_rules(b->engine, changes->list, changes->count)) fail("the rules do not become journaled");
}

static void end(struct bench *b)
{
    static const char *const files[] = {"journal/data.mdb", "journal/lock.mdb", "index/data.mdb", "index/lock.mdb"};
    engine_close(b->engine);
    b->index->ops->close(b->index);
    journal_close(b->journal);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(path_in(b, files[i]));
    rmdir(path_in(b, "journal"));
    rmdir(path_in(b, "index"));
    rmdir(b->folder);
}

/* --- turns -------------------------------------------------------------------------------------------------------- */
/* All that is measured. */
__attribute__((noinline)) static void run_turn(struct bench *b)
{
    engine_turn_begin(b->engine);
    for (uint32_t i = 0; i < b->pending; i++) engine_publish(b->engine, b->events[i], i, 0);
    if (engine_turn_commit(b->engine)) fail("a batch was not committed");
}

static void take_turn(struct bench *b)
{
    int64_t begun_ns = thread_ns();
    run_turn(b);
    b->spent_ns += thread_ns() - begun_ns;
    b->told += b->pending;
    b->pending = 0;
    arena_reset(b->arena);
}

static void tell(struct bench *b, const struct life_event *e)
{
    size_t len = handoff__v1__event__get_packed_size(&e->event);
    uint8_t *data = arena_alloc(b->arena, len);
    handoff__v1__event__pack(&e->event, data);
    b->events[b->pending++] = (struct bytes){data, len};
    if (b->pending == b->batch) take_turn(b);
}

static void open_all(struct bench *b)
{
    struct life_event e;
    for (uint32_t i = 0; i < b->life.count; i++)
        for (unsigned step = 0; life_open(&b->life, i, &step, engine_now_ms(b->engine), &e);) tell(b, &e);
}

static int64_t measure(struct bench *b, uint32_t events)
{
    struct life_event e;
    b->spent_ns = 0;
    b->told = 0;
    while (b->told < events) {
        uint32_t patient = life_draw(&b->life);
        life_next(&b->life, patient, engine_now_ms(b->engine), &e);
        tell(b, &e);
    }
    return b->spent_ns / (int64_t)b->told;
}

static uint32_t number(int argc, char **argv, int position, uint32_t otherwise)
{
    int given = argc > position ? atoi(argv[position]) : (int)otherwise;
    if (given < 1) fail("patients, events, batch and rounds are numbers from 1");
    return (uint32_t)given;
}

int main(int argc, char **argv)
{
    static struct bench b;
    uint32_t patients = number(argc, argv, 1, 20000), events = number(argc, argv, 2, 50000);
    uint32_t rounds = number(argc, argv, 4, 5);
    b.batch = number(argc, argv, 3, 512);
    if (b.batch > BATCH_MAX) fail("a batch has at most 1024 events");
    b.arena = arena_new(LIMIT_ARENA_BYTES);
    begin(&b);
    life_begin(&b.life, patients, 1, "engine");
    open_all(&b);
    printf("opened: %llu events, %lld ns each\n", (unsigned long long)b.told, (long long)(b.spent_ns / (int64_t)(b.told + 1)));
    int64_t least_ns = INT64_MAX;
    for (uint32_t i = 0; i < rounds; i++) {
        int64_t ns = measure(&b, events);
        if (ns < least_ns) least_ns = ns;
        printf("%lld ns\n", (long long)ns);
    }
    double count = (double)b.accepted;
    printf("least: %lld ns an event; each with %.2f emissions, a record of %.0f bytes, an outcome of %.0f\n",
           (long long)least_ns, (double)b.emissions / count, (double)b.record_bytes / count,
           (double)b.outcome_bytes / count);
    end(&b);
    return 0;
}
