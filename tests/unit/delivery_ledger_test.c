/* The ledger of a subscription: a fold over its entries, which refuses what does not fit and is then as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/message.h"
#include "delivery/ledger.h"

#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME

static struct arena *arena;
static struct ledger ledger;

static int begin(void **state)
{
    (void)state;
    arena = arena_new((size_t)1024 * 1024 * 1024);
    return arena == NULL || ledger_open(&ledger) != 0;
}

static int end(void **state)
{
    (void)state;
    ledger_close(&ledger);
    arena_free(arena);
    return 0;
}

/* --- entries ---------------------------------------------------------------------------------------------------- */
static int make(uint64_t after)
{
    Handoff__V1__DeliveryInput input = HANDOFF__V1__DELIVERY_INPUT__INIT;
    Handoff__V1__SubscriptionMade made = HANDOFF__V1__SUBSCRIPTION_MADE__INIT;
    made.settings = MESSAGE_NEW(arena, Handoff__V1__SubscriptionSettings, subscription_settings);
    made.settings->stream = HANDOFF__V1__STREAM__STREAM_TASK;
    made.settings->lease_ms = 500;
    made.after_sequence = after;
    input.body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_MADE;
    input.made = &made;
    return ledger_apply(&ledger, &input);
}

static Handoff__V1__Settled *settled(uint64_t through)
{
    Handoff__V1__Settled *s = MESSAGE_NEW(arena, Handoff__V1__Settled, settled);
    s->through_sequence = through;
    return s;
}

static void add_done(Handoff__V1__Settled *s, uint64_t first, uint32_t first_position, uint64_t last, uint32_t last_position)
{
    Handoff__V1__MessageRange *r = MESSAGE_NEW(arena, Handoff__V1__MessageRange, message_range);
    r->first_sequence = first;
    r->first_position = first_position;
    r->last_sequence = last;
    r->last_position = last_position;
    list_append(arena, &s->done, &s->n_done, r);
}

static Handoff__V1__Aside *add_row(Handoff__V1__Settled *s, uint64_t sequence, uint32_t position, Handoff__V1__AsideKind kind)
{
    static uint8_t key[PATIENT_KEY_BYTES] = {1, 2, 3};
    Handoff__V1__Aside *row = MESSAGE_NEW(arena, Handoff__V1__Aside, aside);
    row->sequence = sequence;
    row->position = position;
    row->kind = kind;
    row->key = (ProtobufCBinaryData){PATIENT_KEY_BYTES, key};
    list_append(arena, &s->aside, &s->n_aside, row);
    return row;
}

static int apply(Handoff__V1__Settled *s)
{
    Handoff__V1__DeliveryInput input = HANDOFF__V1__DELIVERY_INPUT__INIT;
    input.body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_SETTLED;
    input.settled = s;
    return ledger_apply(&ledger, &input);
}

static struct bytes packed(const struct ledger *l)
{
    Handoff__V1__Ledger *whole = ledger_snapshot(l, arena);
    size_t len = handoff__v1__ledger__get_packed_size(whole);
    uint8_t *data = arena_alloc(arena, len + 1);
    handoff__v1__ledger__pack(whole, data);
    return (struct bytes){data, len};
}

/* The entry is refused, and the ledger is as it was. */
static void assert_refused(Handoff__V1__Settled *s)
{
    struct bytes before = packed(&ledger);
    assert_int_equal(apply(s), -EBADMSG);
    struct bytes after = packed(&ledger);
    assert_int_equal(after.len, before.len);
    assert_memory_equal(after.data, before.data, after.len);
}

static bool is_past(uint64_t sequence, uint32_t position) { return ledger_is_past(&ledger, place_of(sequence, position)); }

/* --- folding ------------------------------------------------------------------------------------------------------ */
static void what_the_cursor_has_passed_is_past(void **state)
{
    (void)state;
    assert_int_equal(make(10), 0);
    assert_true(is_past(10, 7));
    assert_false(is_past(11, 0));
    assert_int_equal(apply(settled(12)), 0);
    assert_true(is_past(12, 3));
    assert_false(is_past(13, 0));
}

static void what_is_done_ahead_of_the_cursor_is_past_and_what_lies_between_is_not(void **state)
{
    (void)state;
    assert_int_equal(make(0), 0);
    Handoff__V1__Settled *s = settled(4);
    add_done(s, 5, 0, 5, 1);
    add_done(s, 7, 2, 9, 0);
    assert_int_equal(apply(s), 0);
    assert_true(is_past(5, 0) && is_past(5, 1) && is_past(7, 2) && is_past(8, 5) && is_past(9, 0));
    assert_false(is_past(5, 2) || is_past(6, 0) || is_past(7, 1) || is_past(9, 1));
}

static void each_entry_says_all_of_what_is_done_ahead(void **state)
{
    (void)state;
    assert_int_equal(make(0), 0);
    Handoff__V1__Settled *s = settled(0);
    add_done(s, 5, 0, 5, 1);
    assert_int_equal(apply(s), 0);
    assert_int_equal(apply(settled(0)), 0);
    assert_false(is_past(5, 0));
}

static void rows_are_put_replaced_and_ended(void **state)
{
    (void)state;
    assert_int_equal(make(0), 0);
    Handoff__V1__Settled *s = settled(9);
    Handoff__V1__Aside *mother = add_row(s, 8, 1, ASIDE(RETRY)), *father = add_row(s, 8, 1, ASIDE(WAITS));
    add_row(s, 3, 0, ASIDE(WITHHELD));
    mother->addressee = (char *)"GUARDIAN:mother";
    mother->attempts = 2;
    father->addressee = (char *)"GUARDIAN:father";
    father->until_ms = 77;
    assert_int_equal(apply(s), 0);
    assert_int_equal(ledger.aside_count, 3);
    assert_int_equal(ledger.aside[0].at.sequence, 3); /* in the stream's order, then by addressee */
    assert_int_equal(ledger_find(&ledger, place_of(8, 1), "GUARDIAN:mother")->attempts, 2);
    assert_int_equal(ledger_find(&ledger, place_of(8, 1), "GUARDIAN:father")->until_ms, 77);
    assert_null(ledger_find(&ledger, place_of(8, 1), ""));

    s = settled(9);
    add_row(s, 8, 1, ASIDE(DEAD))->addressee = (char *)"GUARDIAN:father";
    add_row(s, 3, 0, ASIDE(UNSPECIFIED));
    add_row(s, 99, 0, ASIDE(UNSPECIFIED)); /* was not there: nothing ends */
    assert_int_equal(apply(s), 0);
    assert_int_equal(ledger.aside_count, 2);
    assert_int_equal(ledger_count(&ledger, ASIDE(DEAD)), 1);
    assert_int_equal(ledger_count(&ledger, ASIDE(RETRY)), 1);
    assert_null(ledger_find(&ledger, place_of(3, 0), ""));
}

static void to_begin_anew_forgets_all_but_the_settings_that_it_names(void **state)
{
    (void)state;
    assert_int_equal(make(0), 0);
    Handoff__V1__Settled *s = settled(4);
    add_done(s, 6, 0, 6, 0);
    add_row(s, 3, 0, ASIDE(DEAD));
    s->acknowledged = 5;
    s->dropped = 2;
    assert_int_equal(apply(s), 0);
    assert_int_equal(ledger.acknowledged, 5);
    assert_int_equal(make(2), 0);
    assert_int_equal(ledger.through, 2);
    assert_int_equal(ledger.aside_count + ledger.ahead_count + ledger.acknowledged + ledger.dropped, 0);
    assert_false(is_past(6, 0));
}

static void a_snapshot_makes_any_ledger_the_same(void **state)
{
    (void)state;
    assert_int_equal(make(3), 0);
    Handoff__V1__Settled *s = settled(20);
    add_done(s, 22, 1, 23, 0);
    for (uint32_t i = 0; i < 40; i++) {
        Handoff__V1__Aside *row = add_row(s, 1 + (i * 7) % 19, i, 1 + i % 4);
        row->attempts = i;
        row->until_ms = i * 1000;
        row->delay_ms = i;
        row->authorised_sequence = i % 3;
        row->reason = (char *)"no paper";
    }
    s->acknowledged = 12;
    assert_int_equal(apply(s), 0);
    struct bytes before = packed(&ledger);
    Handoff__V1__DeliveryInput input = HANDOFF__V1__DELIVERY_INPUT__INIT;
    input.ledger = ledger_snapshot(&ledger, arena);

    struct ledger folded = ledger;
    assert_int_equal(ledger_open(&ledger), 0);
    assert_int_equal(make(77), 0);
    assert_int_equal(apply(settled(99)), 0);
    assert_int_equal(ledger_apply(&ledger, &input), 0);
    struct bytes after = packed(&ledger);
    assert_int_equal(after.len, before.len);
    assert_memory_equal(after.data, before.data, after.len);
    ledger_close(&folded);
}

static void an_attempt_that_has_begun_is_not_in_a_snapshot(void **state)
{
    (void)state;
    assert_int_equal(make(0), 0);
    Handoff__V1__Settled *s = settled(4);
    add_row(s, 3, 0, ASIDE(RETRY))->attempts = 1;
    assert_int_equal(apply(s), 0);
    ledger.aside[0].attempts++;
    ledger.aside[0].number = 1234;
    assert_int_equal(ledger_snapshot(&ledger, arena)->aside[0]->attempts, 1);
}

static void text_is_cut_between_characters(void **state)
{
    (void)state;
    char to[6];
    ledger_copy_text(to, sizeof to, "abcde");
    assert_string_equal(to, "abcde");
    ledger_copy_text(to, sizeof to, "abcdef");
    assert_string_equal(to, "abcde");
    ledger_copy_text(to, sizeof to, "abc\xe2\x82\xac");
    assert_string_equal(to, "abc");
    ledger_copy_text(to, sizeof to, "ab\xe2\x82\xac" "d");
    assert_string_equal(to, "ab\xe2\x82\xac");
    ledger_copy_text(to, sizeof to, "");
    assert_string_equal(to, "");
}

/* --- damaged entries ------------------------------------------------------------------------------------------------ */
static void what_does_not_fit_is_refused_whole(void **state)
{
    (void)state;
    assert_refused(settled(1)); /* of nothing that was made */
    assert_int_equal(make(5), 0);
    Handoff__V1__Settled *s = settled(9);
    add_row(s, 8, 0, ASIDE(RETRY));
    add_done(s, 11, 0, 12, 0);
    assert_int_equal(apply(s), 0);

    assert_refused(settled(8)); /* a cursor goes on */
    s = settled(10);
    add_done(s, 13, 0, 12, 0); /* ends before it begins */
    assert_refused(s);
    s = settled(10);
    add_done(s, 13, 0, 14, 0);
    add_done(s, 14, 0, 15, 0); /* begins before the one before has ended */
    assert_refused(s);
    s = settled(10);
    add_row(s, 8, 0, ASIDE(UNSPECIFIED));
    add_row(s, 0, 0, ASIDE(RETRY)); /* nowhere */
    assert_refused(s);
    s = settled(10);
    add_row(s, 8, 0, ASIDE(UNSPECIFIED));
    add_row(s, 9, 0, ASIDE(RETRY))->key.len = 15;
    assert_refused(s);
    s = settled(10);
    add_row(s, 8, 0, ASIDE(UNSPECIFIED));
    add_row(s, 9, 0, (Handoff__V1__AsideKind)5);
    assert_refused(s);
    s = settled(10);
    add_row(s, 9, 0, ASIDE(RETRY))->addressee = (char *)memset(arena_alloc(arena, 200), 'a', 199);
    assert_refused(s);
    s = settled(10);
    add_row(s, 8, 0, ASIDE(UNSPECIFIED));
    add_row(s, 9, 0, ASIDE(RETRY));
    add_row(s, 8, 0, ASIDE(DEAD)); /* the same twice */
    assert_refused(s);
}

static void entries_of_no_ledger_are_refused(void **state)
{
    (void)state;
    Handoff__V1__DeliveryInput input = HANDOFF__V1__DELIVERY_INPUT__INIT;
    Handoff__V1__SubscriptionGone gone = HANDOFF__V1__SUBSCRIPTION_GONE__INIT;
    Handoff__V1__SubscriptionMade made = HANDOFF__V1__SUBSCRIPTION_MADE__INIT;
    Handoff__V1__Ledger whole = HANDOFF__V1__LEDGER__INIT;
    assert_int_equal(ledger_apply(&ledger, &input), -EBADMSG);
    input.body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_GONE;
    input.gone = &gone;
    assert_int_equal(ledger_apply(&ledger, &input), -EBADMSG);
    input.body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_MADE;
    input.made = &made;
    assert_int_equal(ledger_apply(&ledger, &input), -EBADMSG); /* without settings */
    input.ledger = &whole;
    assert_int_equal(ledger_apply(&ledger, &input), -EBADMSG);
    assert_null(ledger.settings);
}

static void fill(uint32_t rows)
{
    Handoff__V1__Settled *s = settled(100000);
    for (uint32_t i = 0; i < rows; i++)
        add_row(s, 1 + i, 0, ASIDE(DEAD));
    assert_int_equal(apply(s), 0);
}

static void as_many_rows_as_may_be_and_not_one_more(void **state)
{
    (void)state;
    assert_int_equal(make(0), 0);
    fill(LEDGER_ASIDE_MAX);
    assert_int_equal(ledger.aside_count, LEDGER_ASIDE_MAX);
    assert_false(ledger_has_room(&ledger, 1));
    Handoff__V1__Settled *s = settled(100000);
    add_row(s, 50000, 0, ASIDE(RETRY));
    assert_refused(s);
    add_row(s, 17, 0, ASIDE(UNSPECIFIED)); /* one ends in the same entry */
    assert_int_equal(apply(s), 0);
    assert_int_equal(ledger.aside_count, LEDGER_ASIDE_MAX);
    s = settled(100000);
    add_row(s, 18, 0, ASIDE(RETRY)); /* another state of one that is there needs no room */
    assert_int_equal(apply(s), 0);
    assert_int_equal(ledger_count(&ledger, ASIDE(RETRY)), 2);
}

#define SENTENCE(NAME) cmocka_unit_test_setup_teardown(NAME, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(what_the_cursor_has_passed_is_past),
        SENTENCE(what_is_done_ahead_of_the_cursor_is_past_and_what_lies_between_is_not),
        SENTENCE(each_entry_says_all_of_what_is_done_ahead),
        SENTENCE(rows_are_put_replaced_and_ended),
        SENTENCE(to_begin_anew_forgets_all_but_the_settings_that_it_names),
        SENTENCE(a_snapshot_makes_any_ledger_the_same),
        SENTENCE(an_attempt_that_has_begun_is_not_in_a_snapshot),
        SENTENCE(text_is_cut_between_characters),
        SENTENCE(what_does_not_fit_is_refused_whole),
        SENTENCE(entries_of_no_ledger_are_refused),
        SENTENCE(as_many_rows_as_may_be_and_not_one_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
