/* The arena: bounds, alignment, zeroing, and what a rewind forgets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

enum { CAPACITY = 64 * 1024 };

static int set_up(void **state)
{
    return (*state = arena_new(CAPACITY)) ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static void allocations_are_aligned_and_do_not_overlap(void **state)
{
    uint8_t *end = NULL;
    for (size_t bytes = 0; bytes < 200; bytes++) {
        uint8_t *at = arena_alloc(*state, bytes);
        assert_int_equal((uintptr_t)at % 16, 0);
        assert_true(at >= end);
        end = at + bytes;
    }
}

static void memory_handed_out_again_after_a_reset_is_zeroed(void **state)
{
    memset(arena_alloc(*state, 1000), 0xff, 1000);
    arena_reset(*state);
    const uint8_t *at = arena_alloc(*state, 1000);
    for (int i = 0; i < 1000; i++) assert_int_equal(at[i], 0);
}

static void the_whole_capacity_can_be_used_and_not_a_byte_more(void **state)
{
    assert_int_equal(arena_left(*state), CAPACITY);
    assert_non_null(arena_try_alloc(*state, CAPACITY));
    assert_int_equal(arena_left(*state), 0);
    assert_null(arena_try_alloc(*state, 1));
    assert_int_equal(arena_used(*state), CAPACITY);
}

static void a_request_near_the_largest_size_is_refused_without_overflow(void **state)
{
    assert_non_null(arena_try_alloc(*state, 32));
    assert_null(arena_try_alloc(*state, SIZE_MAX));
    assert_null(arena_try_alloc(*state, SIZE_MAX - 15));
    assert_int_equal(arena_used(*state), 32);
}

static void a_rewind_forgets_what_came_after_its_mark(void **state)
{
    char *kept = arena_string(*state, "kept");
    size_t mark = arena_used(*state);
    char *forgotten = arena_string(*state, "forgotten");
    arena_rewind(*state, mark);
    assert_ptr_equal(arena_string(*state, "next"), forgotten);
    assert_string_equal(kept, "kept");
}

static void a_copy_has_the_same_bytes_at_another_address(void **state)
{
    static const uint8_t from[5] = {1, 2, 3, 4, 5};
    const uint8_t *copy = arena_copy(*state, from, sizeof from);
    assert_ptr_not_equal(copy, from);
    assert_memory_equal(copy, from, sizeof from);
    assert_non_null(arena_copy(*state, NULL, 0));
}

static void the_protobuf_allocator_returns_null_when_full(void **state)
{
    ProtobufCAllocator *allocator = arena_protobuf(*state);
    void *first = allocator->alloc(allocator->allocator_data, CAPACITY - 16);
    assert_non_null(first);
    allocator->free(allocator->allocator_data, first);
    assert_null(allocator->alloc(allocator->allocator_data, 17));
    assert_non_null(allocator->alloc(allocator->allocator_data, 16));
}

static void running_out_aborts(void **state)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        arena_alloc(*state, CAPACITY + 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void a_capacity_the_system_refuses_gives_null(void **state)
{
    (void)state;
    assert_null(arena_new(SIZE_MAX / 2));
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(allocations_are_aligned_and_do_not_overlap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_handed_out_again_after_a_reset_is_zeroed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_whole_capacity_can_be_used_and_not_a_byte_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_request_near_the_largest_size_is_refused_without_overflow, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_rewind_forgets_what_came_after_its_mark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_has_the_same_bytes_at_another_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_protobuf_allocator_returns_null_when_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(running_out_aborts, set_up, tear_down),
        cmocka_unit_test(a_capacity_the_system_refuses_gives_null),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
