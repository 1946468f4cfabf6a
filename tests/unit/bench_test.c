/* What the benchmark counts with: a histogram that is wrong makes every figure wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/histogram.h"
#include "bench/life.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_is_kept_to_a_hundredth),
        cmocka_unit_test(test_buckets_ascend_with_their_values),
        cmocka_unit_test(test_a_share_is_the_value_that_so_many_stay_below),
        cmocka_unit_test(test_a_histogram_of_nothing_says_zero),
        cmocka_unit_test(test_uniformly_drawn_patients_come_about_as_often),
        cmocka_unit_test(test_by_zipf_one_patient_comes_as_often_as_the_law_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
