/* Following a stream, against a doorbell that loses rings and a front that restarts. */
#include "fake_front.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATIENCE_MS 20000 /* until something that must come; never waited for in full */

struct world {
    struct fake *fake;
    handoff_client *client;
    handoff_watch *watch;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->fake = fake_start();
    const struct handoff_options options = {.front = world->fake->front, .timeout_ms = 20000, .retry_ms = 20};
    assert_int_equal(handoff_open(&options, &world->client), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    handoff_watch_close(&world->watch);
    handoff_close(&world->client);
    fake_stop(world->fake);
    free(world);
    return 0;
}

static void open_watch(struct world *world, bool is_from_now, uint64_t after_sequence)
{
    const struct handoff_watch_options options = {.stream = HANDOFF__V1__STREAM__STREAM_TASK,
                                                  .is_from_now = is_from_now,
                                                  .after_sequence = after_sequence};
    handoff_watch_close(&world->watch);
    assert_int_equal(handoff_watch_open(world->client, &options, &world->watch), 0);
}

static void assert_next(struct world *world, uint64_t sequence, uint32_t position)
{
    struct handoff_watch_item item;
    assert_int_equal(handoff_watch_next(world->watch, PATIENCE_MS, &item), 0);
    assert_int_equal(item.sequence, sequence);
    assert_non_null(item.emission);
    assert_null(item.record);
    assert_int_equal(item.emission->sequence, sequence);
    assert_int_equal(item.emission->position, position);
    assert_int_equal(item.position, position);
}

static void assert_nothing_more(struct world *world)
{
    struct handoff_watch_item item;
    assert_int_equal(handoff_watch_next(world->watch, 0, &item), HANDOFF_TIMEOUT);
    assert_int_equal(handoff_watch_next(world->watch, 150, &item), HANDOFF_TIMEOUT);
}

static void a_watch_from_the_beginning_tells_everything_in_order(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5; i++) fake_emit(world->fake, 2, false);
    open_watch(world, false, 0);
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        assert_next(world, sequence, 0);
        assert_next(world, sequence, 1);
    }
    assert_nothing_more(world);
}

static void a_watch_from_now_leaves_out_the_past(void **state)
{
    struct world *world = *state;
    fake_emit(world->fake, 1, false);
    open_watch(world, true, 0);
    assert_nothing_more(world);
    fake_emit(world->fake, 1, true);
    assert_next(world, 2, 0);
}

static void what_no_doorbell_announced_is_fetched_with_the_next(void **state)
{
    struct world *world = *state;
    open_watch(world, true, 0);
    fake_emit(world->fake, 1, false);
    fake_emit(world->fake, 2, false);
    fake_emit(world->fake, 1, true);
    assert_next(world, 1, 0);
    assert_next(world, 2, 0);
    assert_next(world, 2, 1);
    assert_next(world, 3, 0);
    assert_nothing_more(world);
}

static void what_no_doorbell_announced_is_told_without_any(void **state)
{
    struct world *world = *state;
    open_watch(world, true, 0);
    fake_emit(world->fake, 1, false);
    assert_next(world, 1, 0);
}

static void a_doorbell_that_was_not_heard_is_counted(void **state)
{
    struct world *world = *state;
    open_watch(world, true, 0);
    /* Ring until one is heard: the subscription takes effect some time after opening. */
    uint64_t heard = fake_emit(world->fake, 1, true);
    assert_next(world, heard, 0);
    fake_emit(world->fake, 1, false);
    uint64_t gaps = handoff_watch_gaps(world->watch);
    for (int i = 0; i < 100000 && handoff_watch_gaps(world->watch) == gaps; i++) {
        struct handoff_watch_item item;
        fake_emit(world->fake, i < 900 ? 1 : 0, true);
        handoff_watch_next(world->watch, 1, &item);
    }
    assert_true(handoff_watch_gaps(world->watch) > gaps);
}

static void entries_that_emit_nothing_here_do_not_disturb(void **state)
{
    struct world *world = *state;
    open_watch(world, true, 0);
    for (int i = 0; i < 10; i++) fake_emit(world->fake, 0, false);
    fake_emit(world->fake, 1, true);
    assert_next(world, 11, 0);
    assert_nothing_more(world);
    assert_int_equal(handoff_watch_position(world->watch), 11);
}

static void pages_that_end_within_an_entry_repeat_nothing(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_PAGE, 5);
    for (int i = 0; i < 8; i++) fake_emit(world->fake, 3, false);
    open_watch(world, false, 0);
    for (uint64_t sequence = 1; sequence <= 8; sequence++) {
        for (uint32_t position = 0; position < 3; position++) assert_next(world, sequence, position);
    }
    assert_nothing_more(world);
}

static void a_restart_of_the_daemon_loses_and_repeats_nothing(void **state)
{
    struct world *world = *state;
    open_watch(world, false, 0);
    uint64_t expected = 0;
    for (int round = 0; round < 3; round++) {
        fake_emit(world->fake, 1, true);
        fake_emit(world->fake, 1, false);
        assert_next(world, ++expected, 0);
        fake_order(world->fake, FAKE_RESTART, 0);
        fake_emit(world->fake, 1, true); /* before anybody has subscribed again */
        assert_next(world, ++expected, 0);
        assert_next(world, ++expected, 0);
    }
    assert_nothing_more(world);
}

static void lost_pages_are_fetched_again(void **state)
{
    struct world *world = *state;
    open_watch(world, false, 0);
    fake_emit(world->fake, 2, false);
    fake_order(world->fake, FAKE_SWALLOW, 2);
    assert_next(world, 1, 0);
    assert_next(world, 1, 1);
    fake_order(world->fake, FAKE_UNAVAILABLE, 2);
    fake_emit(world->fake, 1, true);
    assert_next(world, 2, 0);
}

static void a_later_watch_goes_on_at_the_position_of_the_first(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) fake_emit(world->fake, 2, false);
    open_watch(world, false, 0);
    assert_int_equal(handoff_watch_position(world->watch), 0);
    assert_next(world, 1, 0);
    assert_int_equal(handoff_watch_position(world->watch), 0); /* the entry is not told in full */
    assert_next(world, 1, 1);
    assert_int_equal(handoff_watch_position(world->watch), 1);
    assert_next(world, 2, 0);
    open_watch(world, false, handoff_watch_position(world->watch));
    assert_next(world, 2, 0); /* again: the first watch had not told all of it */
    assert_next(world, 2, 1);
    assert_next(world, 3, 0);
    assert_next(world, 3, 1);
    assert_int_equal(handoff_watch_position(world->watch), 3);
}

static void a_later_watch_goes_on_behind_any_item(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) fake_emit(world->fake, 3, false);
    for (uint32_t position = 0; position < 3; position++) {
        const struct handoff_watch_options options = {.stream = HANDOFF__V1__STREAM__STREAM_TASK,
                                                      .after_sequence = 2,
                                                      .is_within = true,
                                                      .after_position = position};
        handoff_watch_close(&world->watch);
        assert_int_equal(handoff_watch_open(world->client, &options, &world->watch), 0);
        for (uint32_t next = position + 1; next < 3; next++) assert_next(world, 2, next);
        assert_next(world, 3, 0);
    }
}

static void a_journal_that_ends_before_the_position_is_another_one(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) fake_emit(world->fake, 1, false);
    const struct handoff_watch_options options = {.stream = HANDOFF__V1__STREAM__STREAM_TASK,
                                                  .after_sequence = 9};
    assert_int_equal(handoff_watch_open(world->client, &options, &world->watch), HANDOFF_REWOUND);
    assert_null(world->watch);
    open_watch(world, true, 0);
    fake_order(world->fake, FAKE_REWIND, 1);
    struct handoff_watch_item item;
    assert_int_equal(handoff_watch_next(world->watch, PATIENCE_MS, &item), HANDOFF_REWOUND);
}

static void the_record_stream_tells_entries(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) fake_emit(world->fake, 1, false);
    const struct handoff_watch_options options = {.stream = HANDOFF__V1__STREAM__STREAM_RECORD};
    assert_int_equal(handoff_watch_open(world->client, &options, &world->watch), 0);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        struct handoff_watch_item item;
        assert_int_equal(handoff_watch_next(world->watch, PATIENCE_MS, &item), 0);
        assert_null(item.emission);
        assert_int_equal(item.record->entry->sequence, sequence);
        assert_int_equal(item.sequence, sequence);
    }
    assert_nothing_more(world);
}

static void a_stream_that_is_none_cannot_be_watched(void **state)
{
    struct world *world = *state;
    struct handoff_watch_options options = {.stream = HANDOFF__V1__STREAM__STREAM_UNSPECIFIED};
    assert_int_equal(handoff_watch_open(world->client, &options, &world->watch), HANDOFF_BAD_ARGUMENT);
    options.stream = (Handoff__V1__Stream)99;
    assert_int_equal(handoff_watch_open(world->client, &options, &world->watch), HANDOFF_BAD_ARGUMENT);
    assert_null(world->watch);
}

static void publishing_and_watching_share_a_client(void **state)
{
    struct world *world = *state;
    open_watch(world, false, 0);
    Handoff__V1__InfoRequest info = HANDOFF__V1__INFO_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_INFO;
    request.info = &info;
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        fake_emit(world->fake, 1, true);
        Handoff__V1__Reply *reply = NULL;
        assert_int_equal(handoff_request(world->client, &request, &reply), 0);
        handoff_reply_free(&reply);
        assert_next(world, sequence, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_watch_from_the_beginning_tells_everything_in_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_watch_from_now_leaves_out_the_past, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_doorbell_announced_is_fetched_with_the_next, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_no_doorbell_announced_is_told_without_any, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_doorbell_that_was_not_heard_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_that_emit_nothing_here_do_not_disturb, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pages_that_end_within_an_entry_repeat_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restart_of_the_daemon_loses_and_repeats_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_pages_are_fetched_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_later_watch_goes_on_at_the_position_of_the_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_later_watch_goes_on_behind_any_item, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_journal_that_ends_before_the_position_is_another_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_record_stream_tells_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_that_is_none_cannot_be_watched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(publishing_and_watching_share_a_client, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
