/* The clock: kinds, scale, and jumps seen with injected clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/clock.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

struct machine {
    int64_t real_ms, boot_ms;
};

static int64_t real_of(void *context)
{
    return ((struct machine *)context)->real_ms;
}

static int64_t boot_of(void *context)
{
    return ((struct machine *)context)->boot_ms;
}

static struct machine machine;
static const struct clock_source source = {&machine, real_of, boot_of};

static struct clock start(const char *text, int64_t start_ms)
{
    struct clock c = {.source = &source};
    machine = (struct machine){1767618000000, 5000};
    assert_int_equal(clock_parse(&c, text), 0);
    clock_start(&c, start_ms);
    return c;
}

static void pass(int64_t ms)
{
    machine.real_ms += ms;
    machine.boot_ms += ms;
}

static void a_kind_of_clock_is_read_or_refused(void **state)
{
    static const char *const bad[] = {"", "sundial", "scaled", "scaled:", "scaled:0", "scaled:-1", "scaled:2x", "scaled:nan", "scaled:inf", "Manual"};
    struct clock c = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(clock_parse(&c, bad[i]), -1);
    assert_int_equal(clock_parse(&c, "scaled:60"), 0);
    assert_string_equal(clock_kind_name(c.kind), "scaled");
    assert_int_equal(clock_parse(&c, "system"), 0);
    assert_string_equal(clock_kind_name(c.kind), "system");
    (void)state;
}

static void a_manual_clock_moves_when_told_and_never_back(void **state)
{
    struct clock c = start("manual", 0);
    assert_true(clock_now_ms(&c) == CLOCK_MANUAL_START_MS);
    pass(DAY);
    assert_true(clock_now_ms(&c) == CLOCK_MANUAL_START_MS);
    assert_true(clock_wait_ms(&c, CLOCK_MANUAL_START_MS) == INT64_MAX);
    clock_set_ms(&c, CLOCK_MANUAL_START_MS + DAY);
    clock_set_ms(&c, CLOCK_MANUAL_START_MS);
    assert_true(clock_now_ms(&c) == CLOCK_MANUAL_START_MS + DAY);
    (void)state;
}

static void a_scaled_clock_runs_n_times_as_fast(void **state)
{
    struct clock c = start("scaled:60", 0);
    int64_t began = machine.real_ms;
    pass(1000);
    assert_true(clock_now_ms(&c) == began + 60000);
    assert_true(clock_wait_ms(&c, began + 60000) == 0);
    assert_true(clock_wait_ms(&c, began + 120000) >= 1000);
    assert_true(clock_wait_ms(&c, began + 120000) <= 1001);
    c = start("scaled:60", 42);
    assert_true(clock_now_ms(&c) == 42);
    (void)state;
}

static void small_steps_of_the_real_clock_are_followed(void **state)
{
    struct clock c = start("system", 0);
    for (int i = 0; i < 100; i++) {
        pass(HOUR);
        machine.real_ms += i % 2 ? 50 * 60000 : -50 * 60000;
        assert_true(clock_now_ms(&c) == machine.real_ms);
        assert_false(c.is_held);
    }
    assert_true(clock_wait_ms(&c, machine.real_ms + 7) == 7);
    (void)state;
}

static void a_jump_forward_holds_timers_and_does_not_move_time(void **state)
{
    struct clock c = start("system", 0);
    int64_t before = clock_now_ms(&c);
    machine.real_ms += 3650 * DAY;
    pass(1000);
    assert_true(clock_now_ms(&c) == before + 1000);
    assert_true(c.is_held);
    assert_true(c.jump_ms == 3650 * DAY);
    assert_true(clock_wait_ms(&c, before) == INT64_MAX);
    assert_true(clock_latest_ms(&c) == before + 1000 + 3650 * DAY);
    pass(2 * HOUR);
    assert_true(clock_now_ms(&c) == before + 1000 + 2 * HOUR);
    assert_true(c.is_held);
    clock_accept(&c);
    assert_false(c.is_held);
    assert_true(clock_now_ms(&c) == machine.real_ms);
    (void)state;
}

static void a_jump_that_is_taken_back_ends_by_itself(void **state)
{
    struct clock c = start("system", 0);
    machine.real_ms += 2 * DAY;
    clock_now_ms(&c);
    assert_true(c.is_held);
    pass(1000);
    machine.real_ms -= 2 * DAY;
    assert_true(clock_now_ms(&c) == machine.real_ms);
    assert_false(c.is_held);
    (void)state;
}

static void a_jump_backward_neither_holds_nor_runs_back(void **state)
{
    struct clock c = start("system", 0);
    int64_t before = clock_now_ms(&c);
    machine.real_ms -= 30 * DAY;
    pass(HOUR);
    assert_true(clock_now_ms(&c) == before + HOUR);
    assert_false(c.is_held);
    assert_true(c.is_adrift);
    assert_true(c.jump_ms == -30 * DAY);
    (void)state;
}

static void a_long_absence_holds_a_system_clock(void **state)
{
    struct clock c = start("system", 0);
    clock_resume(&c, machine.real_ms - 6 * DAY);
    assert_false(c.is_held);
    clock_resume(&c, machine.real_ms - 8 * DAY);
    assert_true(c.is_held);
    pass(1000);
    assert_true(clock_now_ms(&c) == machine.real_ms);
    assert_true(c.is_held);
    clock_accept(&c);
    assert_false(c.is_held);
    c = start("manual", 1);
    clock_resume(&c, machine.real_ms);
    assert_false(c.is_held);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_of_clock_is_read_or_refused),
        cmocka_unit_test(a_manual_clock_moves_when_told_and_never_back),
        cmocka_unit_test(a_scaled_clock_runs_n_times_as_fast),
        cmocka_unit_test(small_steps_of_the_real_clock_are_followed),
        cmocka_unit_test(a_jump_forward_holds_timers_and_does_not_move_time),
        cmocka_unit_test(a_jump_that_is_taken_back_ends_by_itself),
        cmocka_unit_test(a_jump_backward_neither_holds_nor_runs_back),
        cmocka_unit_test(a_long_absence_holds_a_system_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
