/* Long chains by hash: right or not there, and all of them in one bound of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "engine/chain.h"

static struct patient_key key_of(uint64_t subject)
{
    struct patient_key key = {{0}};
    store_u64(key.bytes, subject);
    return key;
}

static uint64_t hash_of(uint64_t sequence)
{
    return sequence * UINT64_C(0x9e3779b97f4a7c15);
}

static struct chain *begin(struct chains *all, uint64_t subject, uint32_t events)
{
    struct patient_key key = key_of(subject);
    struct chain *c = chains_begin(all, &key);
    for (uint64_t sequence = 1; sequence <= events; sequence++) assert_true(chain_add(c, hash_of(sequence), sequence));
    chain_reach(c, events);
    return c;
}

static struct chain *find(struct chains *all, uint64_t subject)
{
    struct patient_key key = key_of(subject);
    return chains_find(all, &key);
}

static void assert_has(const struct chain *c, uint64_t sequence)
{
    uint32_t at = 0;
    assert_int_equal(chain_next(c, hash_of(sequence), &at), sequence);
    assert_int_equal(chain_next(c, hash_of(sequence), &at), 0);
}

static void each_chain_has_its_own(void **state)
{
    struct chains *all = chains_new();
    for (uint64_t subject = 1; subject <= 64; subject++) begin(all, subject, 100 * (uint32_t)subject);
    for (uint64_t subject = 1; subject <= 64; subject++) {
        uint32_t at = 0;
        assert_non_null(find(all, subject));
        assert_has(find(all, subject), 100 * subject);
        assert_int_equal(chain_next(find(all, subject), hash_of(100 * subject + 1), &at), 0);
    }
    chains_free(all);
    (void)state;
}

static void a_chain_has_room_for_so_many_and_no_more(void **state)
{
    struct chains *all = chains_new();
    struct chain *c = begin(all, 1, LIMIT_CHAIN_EVENTS);
    assert_has(c, LIMIT_CHAIN_EVENTS);
    assert_false(chain_add(c, 1, LIMIT_CHAIN_EVENTS + 1));
    chains_free(all);
    (void)state;
}

/* Two of the longest are all that fits. */
static void those_asked_for_longest_ago_give_way_to_one_that_grows(void **state)
{
    struct chains *all = chains_new();
    begin(all, 1, LIMIT_CHAIN_EVENTS);
    begin(all, 2, LIMIT_CHAIN_EVENTS);
    assert_non_null(find(all, 1));
    struct chain *grows = begin(all, 3, LIMIT_CHAIN_EVENTS / 2);
    assert_int_equal(chain_newest(find(all, 2)), 0);
    assert_has(find(all, 1), LIMIT_CHAIN_EVENTS);
    assert_has(grows, LIMIT_CHAIN_EVENTS / 2);
    chains_forget(all);
    assert_null(find(all, 1));
    begin(all, 4, LIMIT_CHAIN_EVENTS); /* what was forgotten counts no more */
    begin(all, 5, LIMIT_CHAIN_EVENTS);
    assert_has(find(all, 4), 1);
    chains_free(all);
    (void)state;
}

/* So that trying costs no more than the walks that it is to save. */
static void what_was_given_up_is_tried_again_after_as_many_steps_as_it_had_events(void **state)
{
    enum { EVENTS = 300 };
    struct chains *all = chains_new();
    chain_give_up(begin(all, 1, EVENTS));
    for (int i = 0; i < EVENTS; i += 100) {
        assert_int_equal(chain_newest(find(all, 1)), 0);
        chain_walked(find(all, 1), 100);
    }
    chain_walked(find(all, 1), 1);
    assert_null(find(all, 1));
    assert_has(begin(all, 1, EVENTS), EVENTS);
    assert_int_equal(chain_newest(find(all, 1)), EVENTS);
    chain_walked(find(all, 1), EVENTS + 1); /* of one that is here it says nothing */
    assert_int_equal(chain_newest(find(all, 1)), EVENTS);
    chains_free(all);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_chain_has_its_own),
        cmocka_unit_test(a_chain_has_room_for_so_many_and_no_more),
        cmocka_unit_test(what_was_given_up_is_tried_again_after_as_many_steps_as_it_had_events),
        cmocka_unit_test(those_asked_for_longest_ago_give_way_to_one_that_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
