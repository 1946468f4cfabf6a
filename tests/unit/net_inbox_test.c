/* Turns between connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>

#include "net/inbox.h"
#include "net/limits.h"

static const struct inbox_filter nobody; /* is held */

static bool put(struct inbox *inbox, uint32_t peer, size_t bytes)
{
    zmq_msg_t m;
    zmq_msg_init_size(&m, bytes);
    memset(zmq_msg_data(&m), (int)peer, bytes);
    bool is_in = inbox_put(inbox, (struct peer){peer, false}, &m);
    zmq_msg_close(&m);
    return is_in;
}

static uint32_t take(struct inbox *inbox)
{
    struct peer from = {0};
    zmq_msg_t m;
    assert_true(inbox_take(inbox, &nobody, &from, &m));
    zmq_msg_close(&m);
    return from.id;
}

static void a_connection_is_served_in_the_order_it_sent(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new();
    for (size_t bytes = 1; bytes <= 50; bytes++)
        assert_true(put(inbox, 7, bytes));
    for (size_t bytes = 1; bytes <= 50; bytes++) {
        struct peer from;
        zmq_msg_t m;
        assert_true(inbox_take(inbox, &nobody, &from, &m));
        assert_int_equal(zmq_msg_size(&m), bytes);
        assert_int_equal(from.id, 7);
        zmq_msg_close(&m);
    }
    assert_int_equal(inbox_messages(inbox), 0);
    inbox_free(inbox);
}

static void one_publisher_of_big_batches_cannot_starve_small_ones(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new();
    for (int i = 0; i < 20; i++)
        put(inbox, 1, 200 * 1024);
    for (int i = 0; i < 100; i++)
        put(inbox, 2, 200);
    uint32_t big = 0, small = 0;
    while (small < 100) {
        if (take(inbox) == 1)
            big++;
        else
            small++;
    }
    assert_in_range(big, 0, 1); /* 100 small ones cost less than one quantum for each 32 of them */
    inbox_free(inbox);
}

static void bytes_are_shared_evenly_between_equal_publishers(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new();
    uint32_t served[4] = {0};
    for (uint32_t peer = 1; peer <= 3; peer++)
        for (int i = 0; i < 200; i++)
            put(inbox, peer, 1000 * peer);
    for (int i = 0; i < 200; i++)
        served[take(inbox)]++;
    assert_true(served[1] > 2 * served[3] && served[3] > 0);
    inbox_free(inbox);
}

static void a_connection_with_too_much_waiting_is_refused_and_others_are_not(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new();
    for (int i = 0; i < NET_PEER_MESSAGES; i++)
        assert_true(put(inbox, 1, 10));
    assert_false(put(inbox, 1, 10));
    assert_true(put(inbox, 2, 10));
    assert_false(inbox_is_full(inbox));
    inbox_free(inbox);
}

static void it_is_full_when_every_message_is_taken_and_empties_again(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new();
    for (uint32_t i = 0; i < NET_INBOX_MESSAGES; i++)
        assert_true(put(inbox, 1 + i % 64, 10));
    assert_true(inbox_is_full(inbox));
    take(inbox);
    assert_false(inbox_is_full(inbox));
    inbox_free(inbox);
}

static void many_connections_come_and_go(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new();
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t sum = 0;
        for (uint32_t peer = 0; peer < 2000; peer++)
            assert_true(put(inbox, round * 1000 + peer, 10));
        for (uint32_t peer = 0; peer < 2000; peer++)
            sum += take(inbox) - round * 1000;
        assert_int_equal(sum, 2000 * 1999 / 2);
    }
    assert_int_equal(inbox_messages(inbox), 0);
    inbox_free(inbox);
}

static bool is_seven(void *context, uint32_t peer_id)
{
    ++*(int *)context;
    return peer_id == 7;
}

static void a_connection_that_is_held_keeps_its_messages_and_stops_nobody(void **state)
{
    (void)state;
    int asked = 0;
    const struct inbox_filter filter = {is_seven, &asked};
    struct inbox *inbox = inbox_new();
    struct peer from;
    zmq_msg_t m;
    for (uint32_t peer = 6; peer <= 8; peer++)
        for (int i = 0; i < 3; i++)
            assert_true(put(inbox, peer, 100 * 1024));
    for (int i = 0; i < 6; i++) {
        assert_true(inbox_take(inbox, &filter, &from, &m));
        assert_int_not_equal(from.id, 7);
        zmq_msg_close(&m);
    }
    assert_false(inbox_take(inbox, &filter, &from, &m));
    assert_int_equal(inbox_messages(inbox), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(inbox), 7);
    assert_true(asked > 0);
    inbox_free(inbox);
}

static void what_comes_next_can_be_looked_at_and_stays(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new();
    struct bytes body;
    assert_false(inbox_peek(inbox, 0, &body));
    for (uint32_t peer = 6; peer <= 8; peer++)
        for (size_t i = 0; i < 3; i++)
            assert_true(put(inbox, peer, 10 * peer + i));
    for (size_t ahead = 0; ahead < 9; ahead++) {
        assert_true(inbox_peek(inbox, ahead, &body));
        assert_int_equal(body.len, 10 * (6 + ahead / 3) + ahead % 3);
    }
    assert_false(inbox_peek(inbox, 9, &body));
    assert_int_equal(inbox_messages(inbox), 9);
    for (uint32_t i = 0; i < 9; i++) {
        assert_true(inbox_peek(inbox, 0, &body));
        uint8_t first = body.data[0];
        assert_int_equal(take(inbox), first);
    }
    inbox_free(inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_is_held_keeps_its_messages_and_stops_nobody),
        cmocka_unit_test(a_connection_is_served_in_the_order_it_sent),
        cmocka_unit_test(one_publisher_of_big_batches_cannot_starve_small_ones),
        cmocka_unit_test(bytes_are_shared_evenly_between_equal_publishers),
        cmocka_unit_test(a_connection_with_too_much_waiting_is_refused_and_others_are_not),
        cmocka_unit_test(it_is_full_when_every_message_is_taken_and_empties_again),
        cmocka_unit_test(many_connections_come_and_go),
        cmocka_unit_test(what_comes_next_can_be_looked_at_and_stays),
    };
    return cmocka_run_group_tests_name("net inbox", tests, NULL, NULL);
}
