/* A worker of a subscription, against a front that loses replies, forgets, and takes messages back. */
#include "fake_front.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATIENCE_MS 20000 /* until something that must come; never waited for in full */

struct world {
    struct fake *fake;
    handoff_client *client;
    handoff_subscriber *subscriber;
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
    handoff_subscriber_close(&world->subscriber);
    handoff_close(&world->client);
    fake_stop(world->fake);
    free(world);
    return 0;
}

static void open_subscriber(struct world *world, uint32_t credit)
{
    const struct handoff_subscriber_options options = {.name = "worker", .credit = credit};
    assert_int_equal(handoff_subscriber_open(world->client, &options, &world->subscriber), 0);
}

static struct fake_delivery_counts counts(const struct world *world)
{
    return fake_order(world->fake, FAKE_COUNTS, 0).delivery;
}

/* The next one, which must be message `wanted`; its number. */
static uint64_t assert_next(struct world *world, uint32_t wanted, uint32_t attempt)
{
    Handoff__V1__Delivery *delivery = NULL;
    char id[16];
    assert_int_equal(handoff_subscriber_next(world->subscriber, PATIENCE_MS, &delivery), 0);
    snprintf(id, sizeof id, "m%u", wanted);
    assert_string_equal(delivery->emission->id, id);
    assert_int_equal(delivery->attempt, attempt);
    uint64_t number = delivery->number;
    assert_true(handoff_subscriber_holds(world->subscriber, number));
    handoff_delivery_free(&delivery);
    assert_null(delivery);
    return number;
}

static void assert_nothing_more(struct world *world)
{
    Handoff__V1__Delivery *delivery = NULL;
    assert_int_equal(handoff_subscriber_next(world->subscriber, 0, &delivery), HANDOFF_TIMEOUT);
    assert_null(delivery);
}

static void ack(struct world *world, uint64_t number)
{
    assert_int_equal(handoff_subscriber_ack(world->subscriber, number), 0);
    assert_false(handoff_subscriber_holds(world->subscriber, number));
}

static void flush(struct world *world)
{
    assert_int_equal(handoff_subscriber_flush(world->subscriber, PATIENCE_MS), 0);
}

/* Turns the subscriber until the front has counted so many. */
#define AWAIT(world, field, wanted)                                                                                    \
    do {                                                                                                               \
        for (int i_ = 0; counts(world).field < (wanted); i_++) {                                                       \
            assert_true(i_ < PATIENCE_MS);                                                                             \
            assert_int_equal(handoff_subscriber_poll((world)->subscriber, 1), 0);                                      \
        }                                                                                                              \
    } while (0)

/* --- handing out
 * -------------------------------------------------------------------------------------------------- */

static void messages_come_in_order_and_are_acknowledged(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 300);
    open_subscriber(world, 0);
    for (uint32_t i = 1; i <= 300; i++) ack(world, assert_next(world, i, 1));
    flush(world);
    assert_nothing_more(world);
    assert_int_equal(counts(world).done, 300);
    assert_int_equal(handoff_subscriber_forgotten(world->subscriber), 0);
}

static void what_comes_later_is_waited_for(void **state)
{
    struct world *world = *state;
    open_subscriber(world, 0);
    assert_nothing_more(world);
    fake_order(world->fake, FAKE_DELIVER, 1);
    ack(world, assert_next(world, 1, 1));
    flush(world);
    assert_int_equal(counts(world).done, 1);
}

static void no_more_than_the_credit_is_out(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 40);
    open_subscriber(world, 3);
    uint64_t first = assert_next(world, 1, 1);
    assert_next(world, 2, 1);
    assert_next(world, 3, 1);
    assert_nothing_more(world);
    assert_int_equal(counts(world).most_out, 3);
    ack(world, first);
    for (uint32_t i = 4; i <= 40; i++) ack(world, assert_next(world, i, 1));
    assert_int_equal(counts(world).most_out, 3);
}

static void acknowledgements_are_gathered_into_ranges(void **state)
{
    struct world *world = *state;
    uint64_t numbers[200];
    fake_order(world->fake, FAKE_DELIVER, 200);
    open_subscriber(world, 1000);
    for (uint32_t i = 0; i < 200; i++) numbers[i] = assert_next(world, i + 1, 1);
    uint32_t settles = counts(world).settles;
    for (uint32_t i = 0; i < 200; i++) ack(world, numbers[i]);
    flush(world);
    assert_int_equal(counts(world).done, 200);
    assert_true(counts(world).settles - settles < 100);
    assert_true(counts(world).ranges < 100);
}

static void acknowledgements_out_of_order_reach_what_they_name(void **state)
{
    struct world *world = *state;
    uint64_t numbers[600];
    fake_order(world->fake, FAKE_DELIVER, 600);
    open_subscriber(world, 600);
    for (uint32_t i = 0; i < 600; i++) numbers[i] = assert_next(world, i + 1, 1);
    for (uint32_t i = 0; i < 600; i += 2) ack(world, numbers[i]);
    flush(world);
    assert_int_equal(counts(world).done, 300);
    for (uint32_t i = 599; i < 600; i -= 2) ack(world, numbers[i]);
    flush(world);
    assert_int_equal(counts(world).done, 600);
    assert_int_equal(counts(world).refused, 0);
}

static void one_that_is_held_long_does_not_hold_up_the_others(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 500);
    open_subscriber(world, 4);
    uint64_t first = assert_next(world, 1, 1);
    for (uint32_t i = 2; i <= 500; i++) ack(world, assert_next(world, i, 1));
    assert_true(handoff_subscriber_holds(world->subscriber, first));
    ack(world, first);
    flush(world);
    assert_int_equal(counts(world).done, 500);
}

/* --- failing
 * ------------------------------------------------------------------------------------------------------ */

static void what_failed_comes_again(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 2);
    open_subscriber(world, 0);
    const struct handoff_nack nack = {.delay_ms = 7000, .reason = "the gateway is down"};
    assert_int_equal(handoff_subscriber_nack(world->subscriber, assert_next(world, 1, 1), &nack), 0);
    ack(world, assert_next(world, 2, 1));
    uint64_t again = assert_next(world, 1, 2);
    assert_int_equal(counts(world).last_delay_ms, 7000);
    assert_string_equal(counts(world).last_reason, "the gateway is down");
    ack(world, again);
    flush(world);
    assert_int_equal(counts(world).done, 2);
}

static void what_cannot_succeed_does_not_come_again(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    const struct handoff_nack nack = {.is_permanent = true, .reason = "no such mailbox"};
    assert_int_equal(handoff_subscriber_nack(world->subscriber, assert_next(world, 1, 1), &nack), 0);
    flush(world);
    assert_nothing_more(world);
    assert_int_equal(counts(world).dead, 1);
}

static void an_attempt_can_be_left_unspent(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    const struct handoff_nack nack = {.is_unspent = true};
    assert_int_equal(handoff_subscriber_nack(world->subscriber, assert_next(world, 1, 1), &nack), 0);
    ack(world, assert_next(world, 1, 1));
    assert_int_equal(handoff_subscriber_nack(world->subscriber, 1, NULL), 0); /* it is settled */
}

static void a_reason_that_is_too_long_is_cut(void **state)
{
    struct world *world = *state;
    char reason[1000];
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    const struct handoff_nack nack = {.reason = reason, .is_permanent = true};
    assert_int_equal(handoff_subscriber_nack(world->subscriber, assert_next(world, 1, 1), &nack), 0);
    flush(world);
    assert_int_equal(strlen(counts(world).last_reason), HANDOFF_REASON_BYTES - 1);
}

static void many_that_failed_at_once_are_told_in_several_requests(void **state)
{
    struct world *world = *state;
    uint64_t numbers[1000];
    const struct handoff_nack nack = {.is_permanent = true, .reason = "the address is none"};
    fake_order(world->fake, FAKE_DELIVER, 1000);
    open_subscriber(world, 1000);
    for (uint32_t i = 0; i < 1000; i++) numbers[i] = assert_next(world, i + 1, 1);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(handoff_subscriber_nack(world->subscriber, numbers[i], &nack), 0);
    flush(world);
    assert_int_equal(counts(world).dead, 1000);
}

/* --- leases
 * ------------------------------------------------------------------------------------------------------- */

static void a_lease_is_extended_at_once(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    uint64_t number = assert_next(world, 1, 1);
    assert_int_equal(handoff_subscriber_extend(world->subscriber, number), 0);
    AWAIT(world, extends, 1);
    ack(world, number);
    assert_int_equal(handoff_subscriber_extend(world->subscriber, number), 0); /* settled: nothing to extend */
    flush(world);
    assert_int_equal(counts(world).extends, 1);
    assert_int_equal(counts(world).done, 1);
}

static void a_worker_that_waits_shows_that_it_lives(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_LEASE, 60);
    open_subscriber(world, 0);
    Handoff__V1__Delivery *delivery = NULL;
    for (int i = 0; counts(world).empty_settles < 3; i++) {
        assert_true(i < PATIENCE_MS / 20);
        assert_int_equal(handoff_subscriber_next(world->subscriber, 20, &delivery), HANDOFF_TIMEOUT);
    }
}

static void a_worker_that_asks_other_things_shows_that_it_lives(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_LEASE, 60);
    open_subscriber(world, 0);
    Handoff__V1__InfoRequest info = HANDOFF__V1__INFO_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_INFO;
    request.info = &info;
    for (int i = 0; counts(world).empty_settles < 3; i++) {
        Handoff__V1__Reply *reply = NULL;
        assert_true(i < 1000000);
        assert_int_equal(handoff_request(world->client, &request, &reply), 0);
        handoff_reply_free(&reply);
    }
}

static void what_waited_behind_others_is_given_back_unspent(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_LEASE, 400);
    fake_order(world->fake, FAKE_DELIVER, 3);
    open_subscriber(world, 0);
    uint64_t first = assert_next(world, 1, 1); /* and works on it */
    AWAIT(world, unspent, 2);
    assert_int_equal(handoff_subscriber_extend(world->subscriber, first), 0);
    assert_next(world, 2, 1);
    ack(world, first);
    flush(world);
    assert_int_equal(counts(world).done, 1);
}

static void what_came_during_a_long_silence_is_not_handed_out(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_LEASE, 30);
    fake_order(world->fake, FAKE_DELIVER, 3);
    open_subscriber(world, 1);
    uint64_t first = assert_next(world, 1, 1);
    while (handoff_subscriber_holds(world->subscriber, first)) counts(world); /* works longer than its lease */
    fake_order(world->fake, FAKE_TAKE_BACK, 0); /* and lent once more, under a number that lies in the socket */
    ack(world, assert_next(world, 1, 2));
    flush(world);
    assert_int_equal(counts(world).done, 1);
    assert_true(counts(world).unspent >= 1);
}

static void a_message_that_was_taken_back_comes_again_and_the_old_number_is_void(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    uint64_t old = assert_next(world, 1, 1);
    fake_order(world->fake, FAKE_TAKE_BACK, 0);
    uint64_t fresh = assert_next(world, 1, 2);
    assert_true(fresh > old);
    ack(world, old);
    flush(world);
    assert_int_equal(counts(world).done, 0);
    assert_int_equal(handoff_subscriber_forgotten(world->subscriber), 1);
    ack(world, fresh);
    flush(world);
    assert_int_equal(counts(world).done, 1);
}

static void a_front_that_lends_more_than_the_credit_costs_no_memory(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 5);
    open_subscriber(world, 5);
    for (int round = 0; round < 50; round++) fake_order(world->fake, FAKE_TAKE_BACK, 0);
    /* All that was taken back still arrives; what came last is what is held. */
    uint64_t number = 0;
    for (int i = 0; i < 100000 && counts(world).done < 5; i++) {
        Handoff__V1__Delivery *delivery = NULL;
        if (handoff_subscriber_next(world->subscriber, 0, &delivery)) continue;
        assert_true(delivery->number > number);
        number = delivery->number;
        ack(world, number);
        handoff_delivery_free(&delivery);
    }
    assert_int_equal(counts(world).done, 5);
}

/* --- lost connections
 * ---------------------------------------------------------------------------------------------- */

static void a_restarted_daemon_is_subscribed_to_again(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 3);
    open_subscriber(world, 1);
    for (uint32_t round = 1; round <= 3; round++) {
        uint64_t number = assert_next(world, round, 1);
        fake_order(world->fake, FAKE_RESTART, 0);
        ack(world, number); /* on its way to a daemon that does not know of it */
        uint64_t again = assert_next(world, round, 2);
        assert_true(again > number);
        assert_false(handoff_subscriber_holds(world->subscriber, number));
        ack(world, number);
        ack(world, again);
        flush(world);
        assert_int_equal(counts(world).done, round);
    }
    assert_int_equal(counts(world).subscribes, 4);
}

static void an_idle_worker_notices_a_restart_without_waiting_for_its_sign_of_life(void **state)
{
    struct world *world = *state;
    open_subscriber(world, 0); /* its lease is half a minute */
    fake_order(world->fake, FAKE_RESTART, 0);
    fake_order(world->fake, FAKE_DELIVER, 1);
    ack(world, assert_next(world, 1, 1));
}

static void a_late_ack_never_hits_another_message_under_the_same_number(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 2);
    open_subscriber(world, 1);
    uint64_t void_number = assert_next(world, 1, 1);
    fake_order(world->fake, FAKE_FORGET, 0);                                        /* and counts from 1 again */
    assert_int_equal(handoff_subscriber_extend(world->subscriber, void_number), 0); /* so it is noticed */
    uint64_t fresh = assert_next(world, 1, 2);
    ack(world, void_number);
    flush(world);
    assert_int_equal(counts(world).done, 0);
    ack(world, fresh);
    ack(world, assert_next(world, 2, 1));
    flush(world);
    assert_int_equal(counts(world).done, 2);
}

static void what_was_not_handed_out_is_dropped_when_it_is_void(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 10);
    open_subscriber(world, 10);
    uint64_t number = assert_next(world, 1, 1);
    fake_order(world->fake, FAKE_FORGET, 0);
    assert_int_equal(handoff_subscriber_extend(world->subscriber, number), 0);
    AWAIT(world, subscribes, 2);
    for (uint32_t i = 1; i <= 10; i++) ack(world, assert_next(world, i, 2));
    flush(world);
    assert_int_equal(counts(world).done, 10);
}

static void a_lost_settle_reply_is_asked_for_again(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 50);
    open_subscriber(world, 20);
    for (uint32_t i = 1; i <= 50; i++) {
        uint64_t number = assert_next(world, i, 1);
        fake_order(world->fake, FAKE_SWALLOW, i % 3);
        ack(world, number);
    }
    fake_order(world->fake, FAKE_SWALLOW, 1);
    flush(world);
    assert_int_equal(counts(world).done, 50);
    assert_int_equal(counts(world).subscribes, 1);
}

static void a_lost_subscribe_reply_is_asked_for_again(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 3);
    fake_order(world->fake, FAKE_SWALLOW, 2);
    open_subscriber(world, 2);
    for (uint32_t i = 1; i <= 3; i++) ack(world, assert_next(world, i, 1));
    flush(world);
    assert_int_equal(counts(world).subscribes, 3);
    assert_int_equal(counts(world).done, 3);
    assert_int_equal(counts(world).refused, 0);
}

static void a_daemon_that_cannot_commit_is_asked_again(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    uint64_t number = assert_next(world, 1, 1);
    fake_order(world->fake, FAKE_UNAVAILABLE, 2);
    ack(world, number);
    flush(world);
    assert_int_equal(counts(world).done, 1);
}

static void a_flush_ends_though_nobody_answers(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    uint64_t number = assert_next(world, 1, 1);
    fake_order(world->fake, FAKE_SWALLOW, 1000000);
    ack(world, number);
    assert_int_equal(handoff_subscriber_flush(world->subscriber, 50), HANDOFF_TIMEOUT);
    fake_order(world->fake, FAKE_SWALLOW, 0);
    flush(world);
    assert_int_equal(handoff_subscriber_forgotten(world->subscriber), 0);
}

static void a_daemon_that_is_silent_for_a_lease_is_known_to_be_away(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_LEASE, 60);
    open_subscriber(world, 0);
    assert_true(handoff_subscriber_is_served(world->subscriber));
    fake_order(world->fake, FAKE_SWALLOW, 1000000);
    for (int i = 0; handoff_subscriber_is_served(world->subscriber); i++) {
        assert_true(i < PATIENCE_MS);
        assert_int_equal(handoff_subscriber_poll(world->subscriber, 1), 0);
    }
    fake_order(world->fake, FAKE_SWALLOW, 0);
    for (int i = 0; !handoff_subscriber_is_served(world->subscriber); i++) {
        assert_true(i < PATIENCE_MS);
        assert_int_equal(handoff_subscriber_poll(world->subscriber, 1), 0);
    }
}

/* One of the faults above, or none; the front goes on at once. */
static void disturb(struct world *world, uint32_t dice)
{
    static const enum fake_kind faults[] = {FAKE_RESTART, FAKE_FORGET, FAKE_TAKE_BACK, FAKE_SWALLOW, FAKE_UNAVAILABLE};
    size_t at = dice % 20;
    if (at < sizeof faults / sizeof *faults) fake_order(world->fake, faults[at], 1 + dice % 3);
}

static void whatever_happens_each_message_is_done_once_in_the_end(void **state)
{
    struct world *world = *state;
    unsigned seed = 4711;
    uint32_t sent = 0, done = 0;
    open_subscriber(world, 7);
    for (int round = 0; done < 600; round++) {
        Handoff__V1__Delivery *delivery = NULL;
        assert_true(round < 200000);
        if (sent < 600 && rand_r(&seed) % 4 == 0) {
            fake_order(world->fake, FAKE_DELIVER, 20);
            sent += 20;
        }
        if (round < 500) disturb(world, (uint32_t)rand_r(&seed));
        int error = handoff_subscriber_next(world->subscriber, 1, &delivery);
        assert_true(!error || error == HANDOFF_TIMEOUT);
        if (delivery && rand_r(&seed) % 8 == 0) {
            assert_int_equal(handoff_subscriber_nack(world->subscriber, delivery->number, NULL), 0);
        } else if (delivery && rand_r(&seed) % 8) {
            assert_int_equal(handoff_subscriber_ack(world->subscriber, delivery->number), 0);
        } else if (delivery) {
            fake_order(world->fake, FAKE_TAKE_BACK, 0); /* forgotten by its worker: its lease ends */
        }
        handoff_delivery_free(&delivery);
        done = counts(world).done;
    }
    assert_int_equal(sent, 600);
    assert_nothing_more(world);
}

/* --- refusals and ends
 * ---------------------------------------------------------------------------------------------- */

static void a_refused_subscription_is_told_with_its_reason(void **state)
{
    struct world *world = *state;
    const struct handoff_subscriber_options options = {.name = "worker"};
    fake_order(world->fake, FAKE_REFUSE_SUBSCRIBE, 1);
    assert_int_equal(handoff_subscriber_open(world->client, &options, &world->subscriber), HANDOFF_REFUSED);
    assert_null(world->subscriber);
    assert_int_equal(handoff_refusal(world->client)->code, HANDOFF__V1__CODE__CODE_SETTINGS_DIFFER);
    assert_string_equal(handoff_refusal(world->client)->sentence, "not now");
}

static void a_refusal_after_a_restart_is_told_and_asking_goes_on(void **state)
{
    struct world *world = *state;
    Handoff__V1__Delivery *delivery = NULL;
    fake_order(world->fake, FAKE_DELIVER, 1);
    open_subscriber(world, 0);
    uint64_t number = assert_next(world, 1, 1);
    fake_order(world->fake, FAKE_REFUSE_SUBSCRIBE, 2);
    fake_order(world->fake, FAKE_FORGET, 0);
    ack(world, number);
    assert_int_equal(handoff_subscriber_next(world->subscriber, PATIENCE_MS, &delivery), HANDOFF_REFUSED);
    assert_int_equal(handoff_subscriber_next(world->subscriber, PATIENCE_MS, &delivery), HANDOFF_REFUSED);
    ack(world, assert_next(world, 1, 2));
}

static void bad_options_are_refused_here(void **state)
{
    struct world *world = *state;
    struct handoff_subscriber_options options = {.name = NULL};
    assert_int_equal(handoff_subscriber_open(world->client, &options, &world->subscriber), HANDOFF_BAD_ARGUMENT);
    options = (struct handoff_subscriber_options){.name = "worker", .credit = HANDOFF_MOST_CREDIT + 1};
    assert_int_equal(handoff_subscriber_open(world->client, &options, &world->subscriber), HANDOFF_BAD_ARGUMENT);
    assert_null(world->subscriber);
    assert_int_equal(counts(world).subscribes, 0);
}

static void nobody_there_is_told_in_time(void **state)
{
    struct world *world = *state;
    handoff_client *client = NULL;
    handoff_subscriber *subscriber = NULL;
    const struct handoff_options nowhere = {.front = "tcp://127.0.0.1:9", .timeout_ms = 30};
    const struct handoff_subscriber_options options = {.name = "worker"};
    (void)world;
    assert_int_equal(handoff_open(&nowhere, &client), 0);
    assert_int_equal(handoff_subscriber_open(client, &options, &subscriber), HANDOFF_TIMEOUT);
    assert_null(subscriber);
    handoff_close(&client);
}

static void closing_gives_back_what_is_held_and_keeps_what_was_settled(void **state)
{
    struct world *world = *state;
    fake_order(world->fake, FAKE_DELIVER, 5);
    open_subscriber(world, 0);
    uint64_t first = assert_next(world, 1, 1);
    assert_next(world, 2, 1);
    ack(world, first);
    handoff_subscriber_close(&world->subscriber);
    assert_int_equal(counts(world).done, 1);
    assert_int_equal(counts(world).unsubscribes, 1);
    assert_int_equal(counts(world).waiting, 4);
    open_subscriber(world, 0);
    assert_next(world, 2, 2);
}

static void the_settings_in_force_are_told(void **state)
{
    struct world *world = *state;
    Handoff__V1__SubscriptionSettings settings = HANDOFF__V1__SUBSCRIPTION_SETTINGS__INIT;
    Handoff__V1__SubscriptionStart start = HANDOFF__V1__SUBSCRIPTION_START__INIT;
    settings.stream = HANDOFF__V1__STREAM__STREAM_TASK;
    start.from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING;
    start.beginning = true;
    const struct handoff_subscriber_options options = {.name = "worker", .settings = &settings, .start = &start};
    fake_order(world->fake, FAKE_LEASE, 12345);
    assert_int_equal(handoff_subscriber_open(world->client, &options, &world->subscriber), 0);
    assert_int_equal(handoff_subscriber_settings(world->subscriber)->lease_ms, 12345);
}

static void two_workers_share_a_client(void **state)
{
    struct world *world = *state;
    handoff_client *client = NULL;
    handoff_subscriber *other = NULL;
    const struct handoff_options options = {.front = world->fake->front, .retry_ms = 20};
    const struct handoff_subscriber_options worker = {.name = "worker", .credit = 2};
    open_subscriber(world, 2);
    assert_int_equal(handoff_open(&options, &client), 0);
    assert_int_equal(handoff_subscriber_open(client, &worker, &other), 0);
    fake_order(world->fake, FAKE_DELIVER, 40);
    for (int done = 0; done < 40;) {
        handoff_subscriber *both[] = {world->subscriber, other};
        for (int i = 0; i < 2; i++) {
            Handoff__V1__Delivery *delivery = NULL;
            if (handoff_subscriber_next(both[i], 0, &delivery)) continue;
            assert_int_equal(delivery->attempt, 1);
            assert_int_equal(handoff_subscriber_ack(both[i], delivery->number), 0);
            handoff_delivery_free(&delivery);
            done++;
        }
    }
    flush(world);
    assert_int_equal(handoff_subscriber_flush(other, PATIENCE_MS), 0);
    assert_int_equal(counts(world).done, 40);
    handoff_subscriber_close(&other);
    handoff_close(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_come_in_order_and_are_acknowledged),
        TEST(what_comes_later_is_waited_for),
        TEST(no_more_than_the_credit_is_out),
        TEST(acknowledgements_are_gathered_into_ranges),
        TEST(acknowledgements_out_of_order_reach_what_they_name),
        TEST(one_that_is_held_long_does_not_hold_up_the_others),
        TEST(what_failed_comes_again),
        TEST(what_cannot_succeed_does_not_come_again),
        TEST(an_attempt_can_be_left_unspent),
        TEST(a_reason_that_is_too_long_is_cut),
        TEST(many_that_failed_at_once_are_told_in_several_requests),
        TEST(a_lease_is_extended_at_once),
        TEST(a_worker_that_waits_shows_that_it_lives),
        TEST(a_worker_that_asks_other_things_shows_that_it_lives),
        TEST(what_waited_behind_others_is_given_back_unspent),
        TEST(what_came_during_a_long_silence_is_not_handed_out),
        TEST(a_message_that_was_taken_back_comes_again_and_the_old_number_is_void),
        TEST(a_front_that_lends_more_than_the_credit_costs_no_memory),
        TEST(a_restarted_daemon_is_subscribed_to_again),
        TEST(an_idle_worker_notices_a_restart_without_waiting_for_its_sign_of_life),
        TEST(a_late_ack_never_hits_another_message_under_the_same_number),
        TEST(what_was_not_handed_out_is_dropped_when_it_is_void),
        TEST(a_lost_settle_reply_is_asked_for_again),
        TEST(a_lost_subscribe_reply_is_asked_for_again),
        TEST(a_daemon_that_cannot_commit_is_asked_again),
        TEST(a_flush_ends_though_nobody_answers),
        TEST(a_daemon_that_is_silent_for_a_lease_is_known_to_be_away),
        TEST(whatever_happens_each_message_is_done_once_in_the_end),
        TEST(a_refused_subscription_is_told_with_its_reason),
        TEST(a_refusal_after_a_restart_is_told_and_asking_goes_on),
        TEST(bad_options_are_refused_here),
        TEST(nobody_there_is_told_in_time),
        TEST(closing_gives_back_what_is_held_and_keeps_what_was_settled),
        TEST(the_settings_in_force_are_told),
        TEST(two_workers_share_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
