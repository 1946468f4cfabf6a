/* What one step costs: the events of the benchmark's patients through core alone, with the shipped pathways. No
 * journal, no socket: a change of a few nanoseconds shows here that `make bench` cannot tell from the weather.
 *
 *     build/bench/step [PATIENTS [EVENTS [ROUNDS]]]      prints nanoseconds an event, the least of the rounds
 *
 * Instructions an event, which no busy machine disturbs:
 *     valgrind --tool=callgrind --toggle-collect=step build/bench/step 500 10000 1 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/limits.h"
#include "core/rules.h"
#include "core/step.h"
#include "life.h"
#include "rules.h"

enum { START_S = 1772442000 /* 2026-03-02 09:00 UTC, a Monday */ };

struct record {
    uint8_t *bytes;
    size_t len;
};

struct bench {
    struct arena *arena; /* of one step */
    const struct rules *rules;
    struct life life;
    struct record *records;
    uint64_t sequence, parked;
    int64_t step_ns, now_ms;
};

static void fail(const char *sentence)
{
    fprintf(stderr, "step: %s\n", sentence);
    exit(1);
}

static const struct rules *load_rules(struct arena *arena)
{
    static struct yaml_errors errors;
    struct ruleset *ruleset = ruleset_new();
    const struct rules_changes *changes = ruleset ? bench_rules(ruleset, arena) : NULL;
    if (!changes) fail("the shipped pathways do not load; run it where the tree begins");
    for (size_t i = 0; i < changes->count; i++)
        if (ruleset_apply(ruleset, changes->list[i], i + 1, &errors)) fail("a rule does not apply");
    return ruleset_build(ruleset);
}

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The record is read and written as between two batches; only the step is timed. */
static void take(struct bench *b, uint32_t patient, struct step_input *input)
{
    struct record *r = &b->records[patient];
    struct outcome out;
    arena_reset(b->arena);
    const Handoff__V1__PatientRecord *before =
        r->len ? handoff__v1__patient_record__unpack(arena_protobuf(b->arena), r->len, r->bytes) : NULL;
    input->sequence = ++b->sequence;
    input->now_ms = b->now_ms;
    int64_t begun_ns = clock_ns();
    step(b->rules, before, input, b->arena, &out);
    b->step_ns += clock_ns() - begun_ns;
    b->parked += out.journaled.verdict == HANDOFF__V1__VERDICT__VERDICT_PARKED;
    r->len = handoff__v1__patient_record__get_packed_size(out.after);
    r->bytes = realloc(r->bytes, r->len + 1);
    if (!r->bytes) fail("out of memory");
    handoff__v1__patient_record__pack(out.after, r->bytes);
}

static void tell(struct bench *b, uint32_t patient, struct life_event *e)
{
    take(b, patient,
         &(struct step_input){.kind = STEP_EVENT, .event = &e->event, .subject_name = e->patient_id, .seen_hash = b->sequence + 1});
}

static void open_all(struct bench *b)
{
    struct life_event e;
    for (uint32_t i = 0; i < b->life.count; i++)
        for (unsigned step = 0; life_open(&b->life, i, &step, b->now_ms, &e);) tell(b, i, &e);
}

/* Nanoseconds an event. */
static int64_t measure(struct bench *b, uint32_t events)
{
    struct life_event e;
    b->step_ns = 0;
    for (uint32_t i = 0; i < events; i++) {
        uint32_t patient = life_draw(&b->life);
        b->now_ms += 1000;
        life_next(&b->life, patient, b->now_ms, &e);
        tell(b, patient, &e);
    }
    return b->step_ns / events;
}

int main(int argc, char **argv)
{
    uint32_t patients = argc > 1 ? (uint32_t)atoi(argv[1]) : 500, events = argc > 2 ? (uint32_t)atoi(argv[2]) : 50000;
    int rounds = argc > 3 ? atoi(argv[3]) : 7;
    struct arena *rules_arena = arena_new(LIMIT_ARENA_BYTES);
    struct bench b = {.arena = arena_new(LIMIT_ARENA_BYTES), .rules = load_rules(rules_arena), .now_ms = START_S * INT64_C(1000)};
    if (!patients || !events || rounds < 1) fail("patients, events and rounds are numbers from 1");
    life_begin(&b.life, patients, 1, "step");
    b.records = calloc(patients, sizeof *b.records);
    if (!b.records) fail("out of memory");
    open_all(&b);
    int64_t least_ns = INT64_MAX;
    for (int i = 0; i < rounds; i++) {
        int64_t ns = measure(&b, events);
        if (ns < least_ns) least_ns = ns;
        printf("%lld ns\n", (long long)ns);
    }
    printf("least: %lld ns an event, %llu parked\n", (long long)least_ns, (unsigned long long)b.parked);
    return b.parked > 0;
}
