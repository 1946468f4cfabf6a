/* Median and 90th percentile in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/calendar.h"
#include "replay/quantile.h"

static struct quantile *q;

static int begin(void **state)
{
    (void)state;
    q = calloc(1, sizeof *q);
    return q == NULL;
}
static int end(void **state)
{
    (void)state;
    free(q);
    return 0;
}

static void of_nothing_there_is_no_median(void **state)
{
    (void)state;
    assert_int_equal(quantile_at(q, 50), QUANTILE_NONE);
}

static void of_one_duration_every_quantile_is_that_one(void **state)
{
    (void)state;
    quantile_add(q, 3 * MS_PER_DAY + 17);
    assert_int_equal(quantile_at(q, 50), 3 * MS_PER_DAY + 17);
    assert_int_equal(quantile_at(q, 90), 3 * MS_PER_DAY + 17);
}

static void the_delay_that_most_have_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) quantile_add(q, 2 * MS_PER_DAY);
    for (int i = 0; i < 90; i++) quantile_add(q, 2 * MS_PER_DAY + MS_PER_MINUTE + i);
    for (int i = 0; i < 200; i++) quantile_add(q, 9 * MS_PER_DAY);
    assert_int_equal(quantile_at(q, 50), 2 * MS_PER_DAY);
    assert_int_equal(quantile_at(q, 90), 9 * MS_PER_DAY);
}

static void seconds_up_to_two_minutes_are_told_apart(void **state)
{
    (void)state;
    for (int second = 1; second <= 100; second++) quantile_add(q, second * 1000);
    assert_int_equal(quantile_at(q, 50), 50000);
    assert_int_equal(quantile_at(q, 90), 90000);
    assert_int_equal(quantile_at(q, 1), 1000);
    assert_int_equal(quantile_at(q, 100), 100000);
}

static void an_even_spread_is_right_within_one_in_128(void **state)
{
    (void)state;
    for (int64_t minute = 1; minute <= 100000; minute++) quantile_add(q, minute * MS_PER_MINUTE);
    for (uint32_t per_cent = 1; per_cent <= 100; per_cent++) {
        int64_t exact = (int64_t)per_cent * 1000 * MS_PER_MINUTE, got = quantile_at(q, per_cent);
        assert_in_range(got, exact - exact / 128, exact);
    }
}

static void a_cause_after_its_effect_counts_as_none(void **state)
{
    (void)state;
    quantile_add(q, -5000);
    assert_int_equal(quantile_at(q, 50), 0);
}

static void a_century_fits(void **state)
{
    (void)state;
    quantile_add(q, INT64_MAX);
    assert_int_equal(quantile_at(q, 50), INT64_MAX);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_nothing_there_is_no_median),
        TEST(of_one_duration_every_quantile_is_that_one),
        TEST(the_delay_that_most_have_is_exact),
        TEST(seconds_up_to_two_minutes_are_told_apart),
        TEST(an_even_spread_is_right_within_one_in_128),
        TEST(a_cause_after_its_effect_counts_as_none),
        TEST(a_century_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
