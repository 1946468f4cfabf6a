/* The ring of messages at hand, and the table of busy patients against a simple model: exact, whatever is deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "delivery/window.h"

static struct window w;

static int begin(void **state)
{
    (void)state;
    return window_open(&w);
}

static int end(void **state)
{
    (void)state;
    window_close(&w);
    return 0;
}

static uint64_t chance_state = 17;
static uint64_t chance(void) /* splitmix64 */
{
    uint64_t z = (chance_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* --- the ring ----------------------------------------------------------------------------------------------------- */
static struct patient_key key_of(uint32_t home, uint32_t which)
{
    struct patient_key key = {{0}};
    memcpy(key.bytes, &home, sizeof home);
    memcpy(key.bytes + 4, &which, sizeof which);
    return key;
}

static void add(uint32_t count)
{
    struct patient_key key = key_of(1, 1);
    for (uint32_t i = 0; i < count; i++)
        window_add(&w, place_of(w.end + 1, 0), &key, 5);
}

static void it_holds_as_many_as_it_says_and_goes_round(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        add(WINDOW_MAX - (uint32_t)(w.end - w.first));
        assert_true(window_is_full(&w));
        for (uint64_t p = w.first; p < w.end; p++) {
            assert_int_equal(window_at(&w, p)->at.sequence, p + 1);
            assert_int_equal(window_at(&w, p)->state, MESSAGE_READY);
        }
        for (uint64_t p = w.first; p < w.first + 1000; p++)
            window_at(&w, p)->state = MESSAGE_PAST;
        window_trim(&w);
        assert_int_equal(w.end - w.first, WINDOW_MAX - 1000);
        assert_true(w.ready_from >= w.first);
    }
}

static void only_the_past_ones_at_the_beginning_go(void **state)
{
    (void)state;
    add(5);
    window_at(&w, 0)->state = window_at(&w, 1)->state = window_at(&w, 3)->state = MESSAGE_PAST;
    window_trim(&w);
    assert_int_equal(w.first, 2);
    window_at(&w, 2)->state = MESSAGE_PAST;
    window_trim(&w);
    assert_int_equal(w.first, 4);
    window_at(&w, 4)->state = MESSAGE_PAST;
    window_trim(&w);
    assert_true(w.first == w.end);
}

static void what_is_given_back_is_ready_and_is_looked_at_again(void **state)
{
    (void)state;
    add(5);
    window_at(&w, 1)->state = MESSAGE_OUT;
    window_at(&w, 1)->number = 77;
    w.ready_from = 4;
    window_give_back(&w, 1);
    assert_int_equal(window_at(&w, 1)->state, MESSAGE_READY);
    assert_int_equal(window_at(&w, 1)->number, 0);
    assert_int_equal(w.ready_from, 1);
}

static void a_cleared_window_is_empty_and_nobody_is_busy(void **state)
{
    (void)state;
    struct patient_key key = key_of(3, 4);
    add(5);
    window_add_busy(&w, &key, 1, 1);
    window_clear(&w);
    assert_true(w.first == w.end && w.ready_from == w.end && w.key_count == 0);
    assert_null(window_busy(&w, &key));
}

/* --- busy patients ------------------------------------------------------------------------------------------------ */
enum { PEOPLE = 3000 };
static struct busy_key model[PEOPLE];

static void check_model(void)
{
    uint32_t count = 0;
    for (int i = 0; i < PEOPLE; i++) {
        const struct busy_key *k = window_busy(&w, &model[i].key);
        bool is_busy = model[i].out != 0 || model[i].retries != 0;
        count += is_busy;
        assert_true((k != NULL) == is_busy);
        if (k == NULL) continue;
        assert_int_equal(k->out, model[i].out);
        assert_int_equal(k->retries, model[i].retries);
    }
    assert_int_equal(w.key_count, count);
}

static void change(struct busy_key *m)
{
    uint32_t out = chance() % 2, retries = chance() % 3 == 0;
    if (chance() % 2) {
        window_add_busy(&w, &m->key, out, retries);
        m->out += out;
        m->retries += retries;
        return;
    }
    if (out > m->out) out = m->out;
    if (retries > m->retries) retries = m->retries;
    window_end_busy(&w, &m->key, out, retries);
    m->out -= out;
    m->retries -= retries;
}

/* homes: how many places their keys would have; few, so that they push each other along, and over the table's end. */
static void live(uint32_t homes, uint32_t first_home)
{
    for (uint32_t i = 0; i < PEOPLE; i++)
        model[i] = (struct busy_key){.key = key_of(first_home + (uint32_t)(chance() % homes), i)};
    for (int step = 0; step < 60; step++) {
        for (int i = 0; i < 800; i++)
            change(&model[chance() % PEOPLE]);
        check_model();
    }
    for (int i = 0; i < PEOPLE; i++) {
        window_end_busy(&w, &model[i].key, model[i].out, model[i].retries);
        model[i].out = model[i].retries = 0;
    }
    check_model();
}

static void who_is_busy_is_exact(void **state)
{
    (void)state;
    live(UINT32_MAX, 0);
}

static void who_is_busy_is_exact_where_keys_collide(void **state)
{
    (void)state;
    live(16, 100);
}

static void who_is_busy_is_exact_over_the_end_of_the_table(void **state)
{
    (void)state;
    live(40, WINDOW_KEYS - 20);
}

static void it_has_room_for_all_that_can_be_busy_at_once(void **state)
{
    (void)state;
    enum { ALL = WINDOW_MAX + LEDGER_ASIDE_MAX };
    for (uint32_t i = 0; i < ALL; i++) {
        struct patient_key key = key_of(i / 64, i);
        window_add_busy(&w, &key, 1, 0);
    }
    assert_int_equal(w.key_count, ALL);
    for (uint32_t i = 0; i < ALL; i += 2) {
        struct patient_key key = key_of(i / 64, i);
        window_end_busy(&w, &key, 1, 0);
    }
    for (uint32_t i = 0; i < ALL; i++) {
        struct patient_key key = key_of(i / 64, i);
        assert_true((window_busy(&w, &key) != NULL) == (i % 2 == 1));
    }
}

#define SENTENCE(NAME) cmocka_unit_test_setup_teardown(NAME, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(it_holds_as_many_as_it_says_and_goes_round),
        SENTENCE(only_the_past_ones_at_the_beginning_go),
        SENTENCE(what_is_given_back_is_ready_and_is_looked_at_again),
        SENTENCE(a_cleared_window_is_empty_and_nobody_is_busy),
        SENTENCE(who_is_busy_is_exact),
        SENTENCE(who_is_busy_is_exact_where_keys_collide),
        SENTENCE(who_is_busy_is_exact_over_the_end_of_the_table),
        SENTENCE(it_has_room_for_all_that_can_be_busy_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
