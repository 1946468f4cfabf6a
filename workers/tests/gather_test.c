/* What goes together, and when it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "notify/gather.h"

static void add(struct gather *gather, const char *key, uint64_t number, int64_t now_ms)
{
    Handoff__V1__Delivery *delivery = malloc(sizeof *delivery);
    handoff__v1__delivery__init(delivery);
    delivery->number = number;
    assert_true(gather_add(gather, key, &delivery, now_ms));
    assert_null(delivery);
}

/* The numbers of the next letter, as one decimal number: 1, 3 is 13. */
static uint64_t take(struct gather *gather, size_t most)
{
    Handoff__V1__Delivery *members[8];
    uint64_t numbers = 0;
    size_t count = gather_take(gather, members, most);
    for (size_t i = 0; i < count; i++) {
        numbers = 10 * numbers + members[i]->number;
        free(members[i]);
    }
    return numbers;
}

static void it_closes_a_moment_after_the_last(void **state)
{
    (void)state;
    struct gather *gather = gather_new(2000, 10000);
    assert_true(gather_due_ms(gather) == INT64_MAX);
    add(gather, "a", 1, 100);
    assert_int_equal(gather_due_ms(gather), 2100);
    add(gather, "a", 2, 1500);
    assert_int_equal(gather_due_ms(gather), 3500);
    gather_free(&gather);
}

static void it_closes_at_its_bound_though_more_keep_coming(void **state)
{
    (void)state;
    struct gather *gather = gather_new(2000, 10000);
    for (int64_t now_ms = 0; now_ms < 9500; now_ms += 500) add(gather, "a", 1, now_ms);
    assert_int_equal(gather_due_ms(gather), 10000);
    gather_free(&gather);
}

static void it_closes_at_once_when_it_is_full(void **state)
{
    (void)state;
    struct gather *gather = gather_new(2000, 10000);
    for (int i = 0; i < GATHER_MOST; i++) add(gather, "a", 1, 7);
    assert_int_equal(gather_due_ms(gather), 7);
    Handoff__V1__Delivery other = HANDOFF__V1__DELIVERY__INIT, *more = &other;
    assert_false(gather_add(gather, "a", &more, 7));
    assert_ptr_equal(more, &other);
    gather_free(&gather);
}

static void each_person_gets_theirs_in_the_order_it_came(void **state)
{
    (void)state;
    struct gather *gather = gather_new(2000, 10000);
    add(gather, "coordinator", 1, 0);
    add(gather, "supervisor", 2, 0);
    add(gather, "coordinator", 3, 0);
    add(gather, "supervisor", 4, 0);
    assert_int_equal(take(gather, 8), 13);
    assert_int_equal(gather_count(gather), 2);
    assert_int_equal(gather_number(gather, 1), 4);
    assert_int_equal(take(gather, 8), 24);
    assert_int_equal(take(gather, 8), 0);
    gather_free(&gather);
}

static void a_long_list_goes_in_parts(void **state)
{
    (void)state;
    struct gather *gather = gather_new(2000, 10000);
    for (uint64_t i = 1; i <= 5; i++) add(gather, "a", i, 0);
    assert_int_equal(take(gather, 2), 12);
    assert_int_equal(take(gather, 2), 34);
    assert_int_equal(take(gather, 2), 5);
    gather_free(&gather);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_closes_a_moment_after_the_last),
        cmocka_unit_test(it_closes_at_its_bound_though_more_keep_coming),
        cmocka_unit_test(it_closes_at_once_when_it_is_full),
        cmocka_unit_test(each_person_gets_theirs_in_the_order_it_came),
        cmocka_unit_test(a_long_list_goes_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
