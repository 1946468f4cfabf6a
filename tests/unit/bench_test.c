/* What the benchmark counts with: a histogram that is wrong makes every figure wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "bench/histogram.h"
#include "bench/life.h"
#include "bench/rules.h"
#include "core/rules.h"
#include "core/step.h"

static struct histogram h;

static void test_a_value_is_kept_to_a_hundredth(void **state)
{
    (void)state;
    for (uint64_t ns = 1; ns < UINT64_C(1) << 60; ns += ns / 8 + 1) {
        uint64_t kept = histogram_value(histogram_bucket(ns));
        assert_true(kept <= ns);
        assert_true(ns - kept <= ns / 100);
    }
}

static void test_buckets_ascend_with_their_values(void **state)
{
    (void)state;
    for (unsigned bucket = 1; bucket < histogram_bucket(UINT64_C(1) << 62); bucket++) {
        assert_true(histogram_value(bucket) > histogram_value(bucket - 1));
        assert_int_equal(histogram_bucket(histogram_value(bucket)), bucket);
    }
}

static void test_a_share_is_the_value_that_so_many_stay_below(void **state)
{
    (void)state;
    histogram_clear(&h);
    for (uint64_t i = 1; i <= 1000; i++) histogram_add(&h, i * 1000);
    assert_in_range(histogram_share(&h, 0.5), 495000, 505000);
    assert_in_range(histogram_share(&h, 0.99), 980000, 1000000);
    assert_int_equal(histogram_share(&h, 1), 1000000); /* the most, exactly */
}

static void test_a_histogram_of_nothing_says_zero(void **state)
{
    (void)state;
    histogram_clear(&h);
    assert_int_equal(histogram_share(&h, 0.99), 0);
}

enum { PATIENTS = 1000, DRAWS = 200000 };

static uint32_t draws_of_the_most_frequent(double skew)
{
    static uint32_t counts[PATIENTS];
    struct life life;
    uint32_t most = 0;
    life_begin(&life, PATIENTS, 1, "test");
    life_skew(&life, skew);
    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint32_t patient = life_draw(&life);
        assert_true(patient < PATIENTS);
        if (++counts[patient] > most) most = counts[patient];
    }
    free(life.patients);
    return most;
}

static void test_uniformly_drawn_patients_come_about_as_often(void **state)
{
    (void)state;
    assert_in_range(draws_of_the_most_frequent(0), DRAWS / PATIENTS, DRAWS / PATIENTS * 3 / 2);
}

/* The first rank's share of a thousand by Zipf with 0.99 is 1 / 7.73. */
static void test_by_zipf_one_patient_comes_as_often_as_the_law_says(void **state)
{
    (void)state;
    assert_in_range(draws_of_the_most_frequent(0.99), DRAWS / 8, DRAWS / 7);
}

/* As between two batches: what a step leaves still points into its event. */
static Handoff__V1__PatientRecord *stored_anew(const Handoff__V1__PatientRecord *record, struct arena *arena)
{
    size_t len = handoff__v1__patient_record__get_packed_size(record);
    uint8_t *bytes = arena_alloc(arena, len);
    handoff__v1__patient_record__pack(record, bytes);
    return handoff__v1__patient_record__unpack(arena_protobuf(arena), len, bytes);
}

/* The lives number tasks as the pathways do: whoever adds a task to a pathway adds it to the lives, or from then on each event
 * is about another task than it should be, referrals do not end, and records grow without end. */
static void test_a_life_leaves_nothing_open_behind_it(void **state)
{
    static struct yaml_errors errors;
    struct arena *arena = arena_new(LIMIT_ARENA_BYTES), *rules_arena = arena_new(LIMIT_ARENA_BYTES);
    struct ruleset *ruleset = ruleset_new();
    const struct rules_changes *changes = bench_rules(ruleset, rules_arena);
    assert_non_null(changes);
    for (size_t i = 0; i < changes->count; i++) assert_int_equal(ruleset_apply(ruleset, changes->list[i], i + 1, &errors), 0);
    const struct rules *rules = ruleset_build(ruleset);
    Handoff__V1__PatientRecord *record = NULL;
    struct life life;
    struct life_event e;
    struct outcome out;
    unsigned opening = 0;
    uint64_t sequence = 0;
    int64_t now_ms = INT64_C(1772442000000); /* 2026-03-02 09:00 UTC, a Monday */
    life_begin(&life, 1, 1, "test");
    while (sequence < LIFE_OPENING + 4 * LIFE_CHAPTERS) {
        bool is_opening = life_open(&life, 0, &opening, now_ms, &e);
        if (!is_opening) life_next(&life, 0, now_ms, &e);
        now_ms += 1000;
        sequence++;
        struct step_input input = {.kind = STEP_EVENT, .event = &e.event, .subject_name = e.patient_id,
                                   .seen_hash = sequence, .sequence = sequence, .now_ms = now_ms};
        step(rules, record, &input, arena, &out);
        record = stored_anew(out.after, arena);
        bool is_used = out.journaled.verdict == HANDOFF__V1__VERDICT__VERDICT_APPLIED ||
                       out.journaled.verdict == HANDOFF__V1__VERDICT__VERDICT_RECORDED;
        assert_true(is_used);
        if (is_opening || life.patients[0].chapter != 0) continue;
        assert_int_equal(record->n_tasks, 0);
        assert_int_equal(record->n_episodes, 3); /* its release, its monitoring, and the referral that has just begun */
    }
    ruleset_free(ruleset);
    arena_free(rules_arena);
    arena_free(arena);
    free(life.patients);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_is_kept_to_a_hundredth),
        cmocka_unit_test(test_buckets_ascend_with_their_values),
        cmocka_unit_test(test_a_share_is_the_value_that_so_many_stay_below),
        cmocka_unit_test(test_a_histogram_of_nothing_says_zero),
        cmocka_unit_test(test_uniformly_drawn_patients_come_about_as_often),
        cmocka_unit_test(test_a_life_leaves_nothing_open_behind_it),
        cmocka_unit_test(test_by_zipf_one_patient_comes_as_often_as_the_law_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
