/* Publishing and asking, against a front that loses replies and cannot commit. */
#include "fake_front.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct world {
    struct fake *fake;
    handoff_client *client;
};

/* Retries are quick, the whole wait is long enough for a slow machine. */
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
    handoff_close(&world->client);
    fake_stop(world->fake);
    free(world);
    return 0;
}

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* The event is made of the caller's parts, so that nothing needs freeing. */
struct draft {
    Handoff__V1__Event event;
    Handoff__V1__IntakeCompleted body;
    char id[32];
};

static void make_event(struct draft *draft, unsigned number)
{
    handoff__v1__event__init(&draft->event);
    handoff__v1__intake_completed__init(&draft->body);
    snprintf(draft->id, sizeof draft->id, "event-%u", number);
    draft->event.id = draft->id;
    draft->event.source = text_of("test");
    draft->event.patient_id = text_of("mary");
    draft->event.occurred_at_ms = FAKE_NOW_MS;
    draft->event.body_case = HANDOFF__V1__EVENT__BODY_INTAKE_COMPLETED;
    draft->event.intake_completed = &draft->body;
}

/* --- one call
 * -------------------------------------------------------------------------------------------------- */

static void an_event_whose_reply_is_lost_is_published_again_and_stored_once(void **state)
{
    struct world *world = *state;
    struct draft draft;
    struct handoff_result result;
    make_event(&draft, 1);
    fake_order(world->fake, FAKE_SWALLOW, 1);
    assert_int_equal(handoff_publish(world->client, &draft.event, 1, &result), 0);
    assert_int_equal(result.code, HANDOFF__V1__CODE__CODE_DUPLICATE);
    assert_int_equal(result.sequence, 1);
    assert_true(handoff_is_accepted(&result));
    struct fake_counts counts = fake_order(world->fake, FAKE_COUNTS, 0);
    assert_int_equal(counts.stored, 1);
    assert_int_equal(counts.publishes, 2);
}

static void a_daemon_that_never_answers_leaves_the_outcome_unknown(void **state)
{
    struct world *world = *state;
    handoff_client *hasty = NULL;
    const struct handoff_options options = {.front = world->fake->front, .timeout_ms = 100, .retry_ms = 20};
    assert_int_equal(handoff_open(&options, &hasty), 0);
    struct draft draft;
    struct handoff_result result;
    make_event(&draft, 1);
    fake_order(world->fake, FAKE_SWALLOW, 1000000);
    assert_int_equal(handoff_publish(hasty, &draft.event, 1, &result), HANDOFF_TIMEOUT);
    assert_int_equal(result.code, HANDOFF__V1__CODE__CODE_UNAVAILABLE);
    assert_false(handoff_is_accepted(&result));
    handoff_close(&hasty);
}

static void a_daemon_that_is_not_there_is_a_timeout(void **state)
{
    (void)state;
    handoff_client *client = NULL;
    const struct handoff_options options = {.front = "ipc:///nonexistent/handoff", .timeout_ms = 50};
    assert_int_equal(handoff_open(&options, &client), 0);
    struct draft draft;
    struct handoff_result result;
    make_event(&draft, 1);
    assert_int_equal(handoff_publish(client, &draft.event, 1, &result), HANDOFF_TIMEOUT);
    handoff_close(&client);
}

static void an_endpoint_that_is_none_does_not_open(void **state)
{
    (void)state;
    handoff_client *client = NULL;
    const struct handoff_options options = {.front = "nowhere"};
    assert_int_equal(handoff_open(&options, &client), HANDOFF_SOCKET);
    assert_null(client);
}

static void a_publish_that_was_unavailable_is_tried_again(void **state)
{
    struct world *world = *state;
    struct draft draft;
    struct handoff_result result;
    make_event(&draft, 1);
    fake_order(world->fake, FAKE_UNAVAILABLE, 2);
    assert_int_equal(handoff_publish(world->client, &draft.event, 1, &result), 0);
    assert_int_equal(result.code, HANDOFF__V1__CODE__CODE_ACCEPTED);
}

static void only_the_events_that_were_unavailable_are_sent_again(void **state)
{
    struct world *world = *state;
    struct draft drafts[6];
    Handoff__V1__Event events[6];
    struct handoff_result results[6];
    for (unsigned i = 0; i < 6; i++) {
        make_event(&drafts[i], i);
        events[i] = drafts[i].event;
    }
    fake_order(world->fake, FAKE_HALF_UNAVAILABLE, 1);
    assert_int_equal(handoff_publish(world->client, events, 6, results), 0);
    for (unsigned i = 0; i < 6; i++) assert_int_equal(results[i].code, HANDOFF__V1__CODE__CODE_ACCEPTED);
    assert_int_equal(results[4].sequence, 3);
    assert_int_equal(results[1].sequence, 4);
    struct fake_counts counts = fake_order(world->fake, FAKE_COUNTS, 0);
    assert_int_equal(counts.publishes, 2);
    assert_int_equal(counts.stored, 6);
}

static void a_refused_event_does_not_stop_the_others(void **state)
{
    struct world *world = *state;
    struct draft drafts[3];
    Handoff__V1__Event events[3];
    struct handoff_result results[3];
    for (unsigned i = 0; i < 3; i++) {
        make_event(&drafts[i], i);
        if (i == 1) drafts[i].event.patient_id = text_of("nobody");
        events[i] = drafts[i].event;
    }
    assert_int_equal(handoff_publish(world->client, events, 3, results), 0);
    assert_true(handoff_is_accepted(&results[0]));
    assert_int_equal(results[1].code, HANDOFF__V1__CODE__CODE_BAD_ID);
    assert_string_equal(results[1].sentence, "nobody is not a patient");
    assert_string_equal(results[1].field, "patient_id");
    assert_true(handoff_is_accepted(&results[2]));
}

static void an_event_that_is_too_large_is_not_sent(void **state)
{
    struct world *world = *state;
    struct draft draft;
    struct handoff_result result;
    make_event(&draft, 1);
    char *long_text = malloc(HANDOFF_EVENT_BYTES + 1);
    memset(long_text, 'a', HANDOFF_EVENT_BYTES);
    long_text[HANDOFF_EVENT_BYTES] = 0;
    draft.body.agency_id = long_text;
    assert_int_equal(handoff_publish(world->client, &draft.event, 1, &result), HANDOFF_TOO_LARGE);
    assert_int_equal(fake_order(world->fake, FAKE_COUNTS, 0).requests, 0);
    free(long_text);
}

/* --- the publisher
 * --------------------------------------------------------------------------------------------- */

#define MANY 2000

struct tally {
    uint32_t results[MANY];
    uint32_t accepted;
};

static void count_result(void *context, void *event_context, const struct handoff_result *result)
{
    struct tally *tally = context;
    tally->results[(uintptr_t)event_context]++;
    tally->accepted += handoff_is_accepted(result);
}

static void publish_many(struct world *world, struct tally *tally, size_t text_bytes)
{
    const struct handoff_publisher_options options = {.on_result = count_result, .context = tally};
    handoff_publisher *publisher = NULL;
    assert_int_equal(handoff_publisher_open(world->client, &options, &publisher), 0);
    char *text = calloc(1, text_bytes + 1);
    memset(text, 'a', text_bytes);
    for (unsigned i = 0; i < MANY; i++) {
        struct draft draft;
        make_event(&draft, i);
        draft.body.agency_id = text;
        assert_int_equal(handoff_publisher_add(publisher, &draft.event, (void *)(uintptr_t)i), 0);
    }
    assert_int_equal(handoff_publisher_flush(publisher), 0);
    handoff_publisher_close(&publisher);
    free(text);
}

static void assert_each_once(const struct tally *tally)
{
    for (unsigned i = 0; i < MANY; i++) assert_int_equal(tally->results[i], 1);
    assert_int_equal(tally->accepted, MANY);
}

static void each_of_many_events_gets_its_result_once(void **state)
{
    struct world *world = *state;
    struct tally tally = {0};
    publish_many(world, &tally, 10);
    assert_each_once(&tally);
    struct fake_counts counts = fake_order(world->fake, FAKE_COUNTS, 0);
    assert_int_equal(counts.stored, MANY);
    assert_int_equal(counts.most_events, HANDOFF_PUBLISH_EVENTS);
}

static void lost_replies_neither_lose_nor_repeat_a_result(void **state)
{
    struct world *world = *state;
    struct tally tally = {0};
    fake_order(world->fake, FAKE_SWALLOW, 3);
    publish_many(world, &tally, 10);
    assert_each_once(&tally);
    assert_int_equal(fake_order(world->fake, FAKE_COUNTS, 0).stored, MANY);
}

static void a_batch_never_exceeds_the_bytes_of_a_request(void **state)
{
    struct world *world = *state;
    struct tally tally = {0};
    publish_many(world, &tally, 5000);
    assert_each_once(&tally);
    struct fake_counts counts = fake_order(world->fake, FAKE_COUNTS, 0);
    assert_true(counts.most_bytes <= HANDOFF_PUBLISH_BYTES);
    assert_true(counts.most_bytes > HANDOFF_PUBLISH_BYTES - 2 * 5100);
}

static void closing_drops_what_was_not_flushed_without_calling_back(void **state)
{
    struct world *world = *state;
    struct tally tally = {0};
    const struct handoff_publisher_options options = {.on_result = count_result, .context = &tally};
    handoff_publisher *publisher = NULL;
    struct draft draft;
    make_event(&draft, 0);
    assert_int_equal(handoff_publisher_open(world->client, &options, &publisher), 0);
    assert_int_equal(handoff_publisher_add(publisher, &draft.event, NULL), 0);
    handoff_publisher_close(&publisher);
    assert_null(publisher);
    assert_int_equal(tally.results[0], 0);
}

static void polling_sends_a_batch_that_is_not_full(void **state)
{
    struct world *world = *state;
    struct tally tally = {0};
    const struct handoff_publisher_options options = {.on_result = count_result, .context = &tally};
    handoff_publisher *publisher = NULL;
    struct draft draft;
    make_event(&draft, 0);
    assert_int_equal(handoff_publisher_open(world->client, &options, &publisher), 0);
    assert_int_equal(handoff_publisher_add(publisher, &draft.event, NULL), 0);
    assert_int_equal(handoff_publisher_poll(publisher, 20000), 0);
    assert_int_equal(tally.results[0], 1);
    handoff_publisher_close(&publisher);
}

/* --- requests
 * -------------------------------------------------------------------------------------------------- */

static int ask(handoff_client *client, Handoff__V1__ClockRequest *clock, Handoff__V1__Reply **reply)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_CLOCK;
    request.clock = clock;
    return handoff_request(client, &request, reply);
}

static void reading_is_asked_again_when_its_reply_is_lost(void **state)
{
    struct world *world = *state;
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    Handoff__V1__Reply *reply = NULL;
    fake_order(world->fake, FAKE_SWALLOW, 2);
    assert_int_equal(ask(world->client, &clock, &reply), 0);
    assert_int_equal(reply->body_case, HANDOFF__V1__REPLY__BODY_CLOCK);
    handoff_reply_free(&reply);
    assert_null(reply);
    assert_true(fake_order(world->fake, FAKE_COUNTS, 0).clocks >= 3);
}

static void an_advance_by_a_duration_is_sent_once(void **state)
{
    struct world *world = *state;
    handoff_client *hasty = NULL;
    const struct handoff_options options = {.front = world->fake->front, .timeout_ms = 300, .retry_ms = 10};
    assert_int_equal(handoff_open(&options, &hasty), 0);
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    clock.advance_ms = 1000;
    Handoff__V1__Reply *reply = NULL;
    fake_order(world->fake, FAKE_SWALLOW, 1);
    assert_int_equal(ask(hasty, &clock, &reply), HANDOFF_TIMEOUT);
    assert_null(reply);
    assert_int_equal(fake_order(world->fake, FAKE_COUNTS, 0).clocks, 1);
    handoff_close(&hasty);
}

static void a_refused_request_says_why(void **state)
{
    struct world *world = *state;
    Handoff__V1__StatisticsRequest statistics = HANDOFF__V1__STATISTICS_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_STATISTICS;
    request.statistics = &statistics;
    Handoff__V1__Reply *reply = NULL;
    assert_int_equal(handoff_request(world->client, &request, &reply), HANDOFF_REFUSED);
    assert_null(reply);
    assert_int_equal(handoff_refusal(world->client)->code, HANDOFF__V1__CODE__CODE_UNKNOWN_REQUEST);
    assert_string_equal(handoff_refusal(world->client)->sentence, "not now");
}

static void a_request_survives_a_restart_of_the_daemon(void **state)
{
    struct world *world = *state;
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    for (int i = 0; i < 3; i++) {
        Handoff__V1__Reply *reply = NULL;
        assert_int_equal(ask(world->client, &clock, &reply), 0);
        handoff_reply_free(&reply);
        fake_order(world->fake, FAKE_RESTART, 0);
    }
}

static void every_error_has_a_sentence(void **state)
{
    (void)state;
    for (int code = 0; code >= HANDOFF_INTERRUPTED; code--) assert_true(strlen(handoff_error(code)) > 5);
    assert_string_equal(handoff_error(1), "an unknown error");
    assert_string_equal(handoff_error(-1000), "an unknown error");
    assert_string_equal(handoff_error(INT32_MIN), "an unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_whose_reply_is_lost_is_published_again_and_stored_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_daemon_that_never_answers_leaves_the_outcome_unknown, set_up,
                                        tear_down),
        cmocka_unit_test(a_daemon_that_is_not_there_is_a_timeout),
        cmocka_unit_test(an_endpoint_that_is_none_does_not_open),
        cmocka_unit_test_setup_teardown(a_publish_that_was_unavailable_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_events_that_were_unavailable_are_sent_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_refused_event_does_not_stop_the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_that_is_too_large_is_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_of_many_events_gets_its_result_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_replies_neither_lose_nor_repeat_a_result, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_never_exceeds_the_bytes_of_a_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closing_drops_what_was_not_flushed_without_calling_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(polling_sends_a_batch_that_is_not_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading_is_asked_again_when_its_reply_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_advance_by_a_duration_is_sent_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_request_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_survives_a_restart_of_the_daemon, set_up, tear_down),
        cmocka_unit_test(every_error_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
