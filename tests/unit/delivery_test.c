/* Durable delivery over a real engine: what workers are handed, what becomes of what they say, and what is left of it
 * when commits fail, journals fill up and daemons are killed. */
#include "unit/delivery_world.h"

#define TASKS settings(STREAM(TASK))

/* Patients with three tasks of one entry each. */
static void storms(unsigned count)
{
    char patient[32];
    for (unsigned i = 0; i < count; i++) {
        snprintf(patient, sizeof patient, "pat-%u", i);
        storm(patient);
    }
    advance(2 * WORLD_HOUR);
}

static Handoff__V1__SubscriptionSettings *quick(Handoff__V1__Stream stream, uint32_t attempts)
{
    Handoff__V1__SubscriptionSettings *s = settings(stream);
    s->lease_ms = 500;
    s->attempts = attempts;
    s->backoff_first_ms = 100;
    s->backoff_most_ms = 1000;
    return s;
}

static void disclose(const char *patient)
{
    publish(patient, "patient.registered", REGISTERED);
    publish(patient, "consent.granted", GRANTED);
    publish(patient, "disclosure.requested", ASKED);
}

/* --- handing out -------------------------------------------------------------------------------------------------- */
static void of_one_patient_one_is_out_at_a_time_in_order(void **state)
{
    (void)state;
    begin();
    storms(3);
    subscribe(1, "board", TASKS, true, 100);
    assert_int_equal(x->got_count, 3);
    for (size_t i = 0; i < 9; i++) {
        const struct got *next = &x->got[i];
        assert_int_equal(next->position, i / 3);
        acknowledge(1, "board", next->number);
    }
    assert_int_equal(x->got_count, 9);
    assert_int_equal(of("board")->ledger.acknowledged, 9);
}

static void what_is_acknowledged_in_the_middle_of_an_entry_stays_so(void **state)
{
    (void)state;
    begin();
    storms(2);
    subscribe(1, "board", TASKS, true, 1);
    acknowledge(1, "board", newest()->number); /* the first of the first entry; its second is out now */
    credit(1, "board", 2);
    acknowledge(1, "board", newest()->number); /* of the other patient: another entry of the ledger */
    assert_int_equal(of("board")->ledger.acknowledged, 2);
    restart();
    x->got_count = 0;
    subscribe(2, "board", NULL, true, 100);
    assert_int_equal(x->got_count, 2);
    for (size_t i = 0; i < x->got_count; i++)
        assert_int_equal(x->got[i].position, 1);
}

static void what_was_done_ahead_is_remembered_though_it_was_not_looked_at_again(void **state)
{
    (void)state;
    begin();
    storms(3);
    subscribe(1, "board", quick(STREAM(TASK), 1), true, 100);
    reject(1, "board", x->got[0].number, 1); /* its only attempt: a dead letter */
    acknowledge(1, "board", x->got[2].number);
    struct got done = x->got[2];
    restart();
    ask(9, dead_letter_request("board", 0, 0, false)); /* an entry before anything was looked at */
    restart();
    x->got_count = 0;
    subscribe(2, "board", NULL, true, 100);
    assert_int_equal(x->got_count, 3);
    for (size_t i = 0; i < x->got_count; i++)
        assert_string_not_equal(x->got[i].id, done.id);
}

static void credit_bounds_what_is_out(void **state)
{
    (void)state;
    begin();
    storms(10);
    subscribe(1, "board", TASKS, true, 3);
    assert_int_equal(x->got_count, 3);
    credit(1, "board", 5);
    assert_int_equal(x->got_count, 5);
    credit(1, "board", 0);
    acknowledge(1, "board", x->got[0].number);
    assert_int_equal(x->got_count, 5);
    assert_int_equal(credit(1, "board", DELIVERY_CREDIT_MAX + 1)->code, CODE(BAD_VALUE));
}

static void two_workers_share_what_there_is(void **state)
{
    (void)state;
    begin();
    storms(10);
    subscribe(1, "board", TASKS, true, 4);
    subscribe(2, "board", TASKS, true, 4);
    assert_int_equal(x->got_count, 8);
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(x->got[i].id, x->got[k].id);
}

/* --- leases, attempts ----------------------------------------------------------------------------------------------- */
static void a_lease_that_ends_gives_the_message_to_others_after_the_backoff(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", quick(STREAM(TASK), 5), true, 1);
    wait_ms(400);
    assert_int_equal(aside_count("board", ASIDE(RETRY)), 0);
    wait_ms(300);
    assert_int_equal(aside_count("board", ASIDE(RETRY)), 1);
    subscribe(2, "board", NULL, true, 1);
    wait_ms(200);
    assert_int_equal(x->got_count, 2);
    assert_int_equal(newest()->connection, 2);
    assert_int_equal(newest()->attempt, 2);
    assert_string_equal(newest()->id, x->got[0].id);
}

static void who_let_a_lease_end_gets_nothing_until_it_says_something(void **state)
{
    (void)state;
    begin();
    storms(2);
    subscribe(1, "board", quick(STREAM(TASK), 5), true, 1);
    wait_ms(600);
    wait_ms(400);
    assert_int_equal(x->got_count, 1);
    subscribe(1, "board", NULL, true, 1);
    assert_int_equal(x->got_count, 2);
}

static void a_range_over_what_was_lost_is_refused_so_that_nobody_takes_it_for_settled(void **state)
{
    (void)state;
    begin();
    storms(3);
    subscribe(1, "board", quick(STREAM(TASK), 5), true, 3);
    uint64_t first = x->got[0].number, last = x->got[2].number;
    wait_ms(400);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_extend(r, first);
    add_extend(r, last);
    settle(1, r);
    wait_ms(400); /* the lease of the one between has ended */
    r = settlement("board");
    add_ack(r, first, last);
    const struct replied *reply = settle(1, r);
    assert_int_equal(reply->refused_count, 1);
    assert_true(reply->refused[0] == first);
    assert_int_equal(of("board")->ledger.acknowledged, 2);
}

static void an_extended_lease_does_not_end(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", quick(STREAM(TASK), 5), true, 1);
    for (int i = 0; i < 10; i++) {
        Handoff__V1__SettleRequest *r = settlement("board");
        add_extend(r, x->got[0].number);
        wait_ms(300);
        assert_int_equal(settle(1, r)->refused_count, 0);
    }
    acknowledge(1, "board", x->got[0].number);
}

static void waits_between_attempts_double_up_to_the_most_and_are_never_the_same_for_all(void **state)
{
    (void)state;
    uint32_t least = 100;
    begin();
    storms(2);
    subscribe(1, "board", quick(STREAM(TASK), 100), true, 2);
    for (int i = 0; i < 8; i++) {
        Handoff__V1__SettleRequest *r = settlement("board");
        add_nack(r, x->got[x->got_count - 2].number, 0);
        add_nack(r, x->got[x->got_count - 1].number, 0);
        settle(1, r);
        const struct aside *rows = of("board")->ledger.aside;
        assert_int_equal(of("board")->ledger.aside_count, 2);
        for (int k = 0; k < 2; k++)
            assert_in_range(rows[k].delay_ms, least * 3 / 4, least);
        assert_int_not_equal(rows[0].delay_ms, rows[1].delay_ms);
        wait_ms(1000);
        least = least * 2 > 1000 ? 1000 : least * 2;
    }
}

static void a_nack_can_say_when(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", quick(STREAM(TASK), 100), true, 1);
    reject(1, "board", newest()->number, 5000);
    credit(1, "board", 1);
    for (int i = 0; i < 16; i++) {
        wait_ms(300);
        credit(1, "board", 1); /* a sign of life */
    }
    assert_int_equal(x->got_count, 1);
    wait_ms(300);
    assert_int_equal(x->got_count, 2);
}

static void what_waits_for_another_attempt_holds_up_its_patient_alone(void **state)
{
    (void)state;
    begin();
    storms(2);
    subscribe(1, "board", TASKS, true, 10);
    reject(1, "board", x->got[0].number, 1000);
    acknowledge(1, "board", x->got[1].number);
    assert_int_equal(x->got_count, 3);
    assert_string_equal(newest()->patient, x->got[1].patient);
    wait_ms(1000);
    assert_string_equal(newest()->id, x->got[0].id);
}

static void after_its_attempts_a_message_is_a_dead_letter_and_the_patient_s_timeline_says_so(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", quick(STREAM(TASK), 2), true, 1);
    reject(1, "board", newest()->number, 1);
    wait_ms(10);
    reject(1, "board", newest()->number, 1);
    assert_int_equal(aside_count("board", ASIDE(DEAD)), 1);
    assert_int_equal(audits(AUDIT(DEAD_LETTER)), 1);
    assert_int_equal(newest()->position, 1); /* it holds up nobody */
    assert_int_equal(ask(9, dead_letter_request("board", x->got[0].sequence, 0, false))->count, 1);
    acknowledge(1, "board", newest()->number);
    assert_string_equal(newest()->id, x->got[0].id);
    assert_int_equal(newest()->attempt, 1);
}

static void a_permanent_failure_is_a_dead_letter_at_once_and_an_unspent_attempt_does_not_count(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", quick(STREAM(TASK), 2), true, 1);
    for (int i = 0; i < 5; i++) {
        Handoff__V1__SettleRequest *r = settlement("board");
        add_nack(r, newest()->number, 1)->is_unspent = true;
        settle(1, r);
        wait_ms(10);
        assert_int_equal(newest()->attempt, 1);
    }
    Handoff__V1__SettleRequest *r = settlement("board");
    add_nack(r, newest()->number, 1)->is_permanent = true;
    settle(1, r);
    assert_int_equal(aside_count("board", ASIDE(DEAD)), 1);
    assert_int_equal(ask(9, dead_letter_request("board", 0, 0, true))->count, 1);
    assert_int_equal(aside_count("board", ASIDE(DEAD)), 0);
    assert_int_equal(ask(9, dead_letter_request("board", 0, 0, true))->code, CODE(UNKNOWN_ID));
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    (void)state;
    char reason[400] = "x";
    for (int i = 0; i < 120; i++)
        memcpy(reason + 1 + i * 3, "\xe2\x82\xac", 4);
    begin();
    storms(1);
    subscribe(1, "board", TASKS, true, 1);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_nack(r, newest()->number, 1)->reason = reason;
    settle(1, r);
    size_t len = strlen(of("board")->ledger.aside[0].reason);
    assert_in_range(len, 190, 199);
    assert_int_equal((len - 1) % 3, 0);
}

/* --- workers that are no good ----------------------------------------------------------------------------------------- */
static void who_does_not_read_is_handed_nothing_and_others_go_on(void **state)
{
    (void)state;
    begin();
    storms(4);
    x->way[1] = WAY_CHOKED;
    queue_request(1, subscribe_request("board", TASKS, true, 2));
    subscribe(2, "board", TASKS, true, 2);
    assert_int_equal(x->got_count, 2);
    assert_int_equal(newest()->connection, 2);
    x->way[1] = WAY_OPEN;
    wait_ms(300);
    assert_int_equal(x->got_count, 4);
    assert_int_equal(newest()->attempt, 1);
}

static void what_a_vanished_worker_held_goes_to_others_at_once(void **state)
{
    (void)state;
    begin();
    storms(4);
    subscribe(1, "board", TASKS, true, 3);
    x->way[1] = WAY_GONE;
    Handoff__V1__SettleRequest *last = settlement("board");
    add_ack(last, x->got[2].number, 0);
    queue_request(1, request_of(REQUEST(SETTLE), last));
    settle_down(); /* the next hand-out finds nobody */
    assert_int_equal(of("board")->sessions[0].is_open, false);
    subscribe(2, "board", TASKS, true, 10);
    assert_int_equal(x->got_count, 7);
    assert_int_equal(x->got[3].attempt, 2);
    assert_string_equal(x->got[3].id, x->got[0].id);
    assert_int_equal(of("board")->ledger.acknowledged, 1);
}

static void what_every_worker_dies_of_is_a_dead_letter_in_the_end(void **state)
{
    (void)state;
    begin();
    storms(1);
    for (uint64_t worker = 1; worker < 20; worker++) {
        subscribe(worker, "board", quick(STREAM(TASK), 3), true, 1);
        x->way[worker] = WAY_GONE;
        Handoff__V1__SettleRequest *last = settlement("board");
        last->credit = MESSAGE_NEW(x->w->arena, Handoff__V1__Count, count);
        last->credit->value = 100;
        queue_request(worker, request_of(REQUEST(SETTLE), last));
        storms(2); /* something more for it: the hand-out finds nobody */
        wait_ms(251);
        if (aside_count("board", ASIDE(DEAD)) > 0) break;
    }
    assert_true(aside_count("board", ASIDE(DEAD)) > 0);
    assert_int_equal(of("board")->ledger.aside[0].attempts, 3);
}

static void who_leaves_gives_back_what_it_held_and_it_does_not_count(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", TASKS, true, 1);
    Handoff__V1__UnsubscribeRequest *r = MESSAGE_NEW(x->w->arena, Handoff__V1__UnsubscribeRequest, unsubscribe_request);
    r->name = (char *)"board";
    assert_int_equal(ask(1, request_of(REQUEST(UNSUBSCRIBE), r))->body, REPLY(UNSUBSCRIBE));
    assert_int_equal(ask(1, request_of(REQUEST(UNSUBSCRIBE), r))->code, CODE(NOT_SUBSCRIBED));
    subscribe(2, "board", TASKS, true, 1);
    assert_int_equal(newest()->attempt, 1);
    assert_int_equal(newest()->connection, 2);
}

static void what_is_not_held_is_refused_and_the_rest_is_settled(void **state)
{
    (void)state;
    begin();
    storms(3);
    subscribe(1, "board", TASKS, true, 2);
    subscribe(2, "board", TASKS, true, 1);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_ack(r, x->got[0].number, 0);
    add_ack(r, x->got[2].number, 0); /* the other's */
    add_ack(r, UINT64_MAX, UINT64_MAX);
    add_nack(r, x->got[0].number, 0); /* acknowledged by then */
    add_extend(r, 0);
    const struct replied *reply = settle(1, r);
    assert_int_equal(reply->refused_count, 4);
    assert_int_equal(of("board")->ledger.acknowledged, 1);
}

static void nobody_stops_the_others_with_ranges_without_end(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", TASKS, true, 1);
    Handoff__V1__SettleRequest *r = settlement("board");
    for (int i = 0; i < 2000; i++)
        add_ack(r, 1, newest()->number - 1);
    add_ack(r, newest()->number, 0);
    const struct replied *reply = settle(1, r);
    assert_true(reply->refused_count > 1900);
    acknowledge(1, "board", x->got[0].number);
}

/* --- many ---------------------------------------------------------------------------------------------------------------- */
static void make_many(unsigned patients)
{
    char patient[32];
    for (unsigned i = 0; i < patients; i++) {
        snprintf(patient, sizeof patient, "many-%u", i);
        say(patient, "episode.opened", "with: {pathway: storm, by: nurse-1, reason: to see}");
        if (x->event_count == 256 || i + 1 == patients) settle_down();
    }
    advance(2 * WORLD_HOUR);
}

static void acknowledge_all(uint64_t connection, const char *name, size_t *from)
{
    Handoff__V1__SettleRequest *r = settlement(name);
    size_t end_of = x->got_count;
    for (; *from < end_of; (*from)++)
        add_ack(r, x->got[*from].number, 0);
    assert_int_equal(settle(connection, r)->refused_count, 0);
}

static void a_full_window_goes_on_when_there_is_room(void **state)
{
    (void)state;
    size_t settled = 0;
    begin();
    make_many(3000);
    subscribe(1, "board", TASKS, true, 10000);
    assert_true(of("board")->window.end - of("board")->window.first > WINDOW_MAX - 3);
    while (settled < x->got_count) {
        size_t mark = arena_used(x->w->arena);
        acknowledge_all(1, "board", &settled);
        arena_rewind(x->w->arena, mark);
    }
    assert_int_equal(x->got_count, 9000);
    assert_int_equal(of("board")->ledger.acknowledged, 9000);
    assert_true(of("board")->window.end == of("board")->window.first);
}

static void numbers_go_round_though_some_were_tried_again(void **state)
{
    (void)state;
    size_t settled = 1;
    begin();
    make_many(20);
    subscribe(1, "board", quick(STREAM(TASK), 1000), true, 100);
    reject(1, "board", x->got[0].number, 1);
    wait_ms(10);
    while (x->got_count < HELD_MAX + 500) { /* each is out again at once, without an entry */
        size_t mark = arena_used(x->w->arena);
        settled = x->got_count;
        subscribe(1, "board", NULL, true, 100);
        assert_true(x->got_count > settled);
        arena_rewind(x->w->arena, mark);
    }
    settled = x->got_count - 20;
    acknowledge_all(1, "board", &settled);
    assert_true(x->got_count > HELD_MAX + 500);
}

static void fill_aside(unsigned patients)
{
    make_many(patients);
    subscribe(1, "board", quick(STREAM(TASK), 1), true, 10000);
    for (size_t at = 0; aside_count("board", ASIDE(DEAD)) < LEDGER_ASIDE_MAX && at < x->got_count;) {
        size_t mark = arena_used(x->w->arena);
        Handoff__V1__SettleRequest *r = settlement("board");
        uint32_t most = LEDGER_ASIDE_MAX - aside_count("board", ASIDE(DEAD));
        for (uint32_t i = 0; i < most && at < x->got_count; i++)
            add_nack(r, x->got[at++].number, 0);
        assert_int_equal(settle(1, r)->refused_count, 0);
        arena_rewind(x->w->arena, mark);
    }
    assert_int_equal(aside_count("board", ASIDE(DEAD)), LEDGER_ASIDE_MAX);
}

static void as_much_aside_as_may_be_is_said_and_what_goes_well_goes_on(void **state)
{
    (void)state;
    begin();
    fill_aside(1500);
    wait_ms(300);
    Handoff__V1__SubscriptionView **views;
    assert_int_equal(delivery_views(x->d, "board", x->w->arena, &views), 1);
    assert_true(views[0]->is_unserved && strstr(views[0]->sentence, "set aside") != NULL);

    const struct got *last = newest();
    const struct replied *reply = reject(1, "board", last->number, 0);
    assert_int_equal(reply->refused_count, 1);
    assert_non_null(strstr(reply->sentence, "set aside"));
    acknowledge(1, "board", last->number);

    size_t before = x->got_count;
    wait_ms(600); /* a lease ends: it comes again from its place */
    subscribe(2, "board", NULL, true, 10000);
    assert_true(x->got_count > before);
    assert_int_equal(aside_count("board", ASIDE(RETRY)), 0);

    assert_int_equal(ask(9, dead_letter_request("board", 0, 0, true))->count, LEDGER_ASIDE_MAX);
    assert_int_equal(of("board")->ledger.aside_count, 0);
    restart();
    assert_int_equal(of("board")->ledger.aside_count, 0);
}

static void more_that_waits_for_hours_than_may_stand_aside_comes_in_the_end(void **state)
{
    (void)state;
    size_t settled = 0;
    begin();
    make_many(1500);
    Handoff__V1__SubscriptionSettings *s = settings(STREAM(TASK));
    s->is_addressed = true;
    subscribe(1, "staff", s, true, 10000);
    assert_in_range(aside_count("staff", ASIDE(WAITS)), LEDGER_ASIDE_MAX - 2 * ADDRESSEES_MAX, LEDGER_ASIDE_MAX);
    assert_int_equal(x->got_count, 0);
    advance(23 * WORLD_HOUR);
    for (int i = 0; i < 4 && x->got_count < 4500; i++)
        acknowledge_all(1, "staff", &settled);
    acknowledge_all(1, "staff", &settled);
    assert_int_equal(settled, 4500);
    assert_int_equal(of("staff")->ledger.aside_count, 0);
}

static void as_many_subscriptions_and_workers_as_there_may_be(void **state)
{
    (void)state;
    char name[32];
    begin();
    for (int i = 0; i < DELIVERY_SUBSCRIPTIONS_MAX; i++) {
        snprintf(name, sizeof name, "board-%d", i);
        assert_int_equal(subscribe(1, name, TASKS, false, 1)->body, REPLY(SUBSCRIBE));
    }
    assert_int_equal(subscribe(1, "another", TASKS, false, 1)->code, CODE(TOO_MANY));
    for (uint64_t i = 1; i <= DELIVERY_SESSIONS_MAX; i++)
        assert_int_equal(subscribe(i, "board-0", NULL, false, 1)->body, REPLY(SUBSCRIBE));
    assert_int_equal(subscribe(1000, "board-0", NULL, false, 1)->code, CODE(TOO_MANY));
    ask(9, delete_request("board-7"));
    assert_int_equal(subscribe(1, "another", TASKS, false, 1)->body, REPLY(SUBSCRIBE));
    restart();
    assert_int_equal(x->d->count, DELIVERY_SUBSCRIPTIONS_MAX);
}

/* --- commits that fail ------------------------------------------------------------------------------------------------ */
/* The n-th append of it fails, whichever that is: what was answered is so, what was not may be. */
static void live_with_failure(int appends_left, int code, bool is_written, uint32_t batch_events)
{
    begin_with(batch_events);
    storms(3);
    subscribe(1, "board", quick(STREAM(TASK), 5), true, 100);
    fail_commit(appends_left, code, is_written);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_ack(r, x->got[0].number, 0);
    uint64_t acked = queue_request(1, request_of(REQUEST(SETTLE), r));
    turn();
    r = settlement("board");
    add_nack(r, x->got[1].number, 1);
    queue_request(1, request_of(REQUEST(SETTLE), r));
    turn();
    queue_request(2, subscribe_request("other", TASKS, true, 1));
    turn();
    queue_request(9, delete_request("other"));
    turn();
    retry();
    bool is_acked = reply_to(acked) != NULL && reply_to(acked)->body == REPLY(SETTLE);
    char id[96];
    snprintf(id, sizeof id, "%s", x->got[0].id);
    restart();
    x->got_count = 0;
    uint64_t worker = 10;
    subscribe(worker, "board", NULL, true, 100);
    for (size_t settled = 0; settled < x->got_count;) {
        assert_true(!is_acked || strcmp(x->got[settled].id, id) != 0);
        acknowledge(worker, "board", x->got[settled++].number);
        if (settled == x->got_count) wait_ms(200);
    }
    assert_true(of("board")->ledger.acknowledged == 9);
    end(NULL);
}

static void a_commit_that_fails_settles_nothing_and_loses_nothing(void **state)
{
    (void)state;
    for (int n = 0; n < 8; n++)
        for (int batch = 0; batch < 2; batch++) {
            live_with_failure(n, JOURNAL_E_FULL, false, batch ? 4 : 0);
            live_with_failure(n, JOURNAL_E_IO, false, batch ? 4 : 0);
            live_with_failure(n, JOURNAL_E_UNKNOWN, false, batch ? 4 : 0);
            live_with_failure(n, JOURNAL_E_UNKNOWN, true, batch ? 4 : 0);
        }
}

static void what_was_thought_lost_and_is_not_counts_and_workers_begin_anew(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", TASKS, true, 1);
    fail_commit(0, JOURNAL_E_UNKNOWN, true);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_ack(r, newest()->number, 0);
    assert_int_equal(settle(1, r)->code, CODE(UNAVAILABLE));
    assert_int_equal(of("board")->ledger.acknowledged, 0);
    retry();
    assert_int_equal(of("board")->ledger.acknowledged, 1);
    assert_int_equal(settle(1, settlement("board"))->code, CODE(NOT_SUBSCRIBED));
    subscribe(1, "board", NULL, true, 1);
    assert_int_equal(newest()->position, 1);
}

static void while_nothing_can_be_written_workers_hear_so_and_nothing_spins(void **state)
{
    (void)state;
    begin();
    storms(3);
    disclose("mary");
    subscribe(1, "board", TASKS, true, 1);
    fail_commit(0, JOURNAL_E_FULL, false);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_ack(r, newest()->number, 0);
    assert_int_equal(settle(1, r)->code, CODE(UNAVAILABLE));
    assert_int_equal(settle(1, r)->code, CODE(UNAVAILABLE));
    assert_int_equal(subscribe(2, "new", TASKS, true, 1)->code, CODE(UNAVAILABLE));
    assert_null(delivery_find(x->d, "new"));
    wait_ms(100000); /* leases do not end either; nothing is busy (settle_down) */
    assert_int_equal(settle(1, settlement("board"))->body, REPLY(SETTLE)); /* a sign of life needs no entry */
    retry();
    assert_int_equal(settle(1, r)->body, REPLY(SETTLE));
}

/* --- small batches -------------------------------------------------------------------------------------------------------- */
static void an_entry_that_does_not_fit_the_batch_goes_into_a_later_one(void **state)
{
    (void)state;
    begin_with(4);
    storms(4);
    for (uint64_t i = 1; i <= 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "board-%u", (unsigned)i);
        queue_request(i, subscribe_request(name, TASKS, true, 10));
    }
    settle_down();
    assert_int_equal(x->got_count, 16);
    uint64_t tags[16];
    for (size_t i = 0; i < 16; i++) {
        Handoff__V1__SettleRequest *r = settlement(x->got[i].name);
        add_ack(r, x->got[i].number, 0);
        tags[i] = queue_request(x->got[i].connection, request_of(REQUEST(SETTLE), r));
        say("mary", "safety.flag_raised", FLAG);
    }
    settle_down();
    for (size_t i = 0; i < 16; i++)
        assert_true(reply_to(tags[i])->body == REPLY(SETTLE) && reply_to(tags[i])->refused_count == 0);
    restart();
}

/* --- the whole of it ------------------------------------------------------------------------------------------------------ */
static void a_subscription_begins_anew_whatever_is_out_or_aside(void **state)
{
    (void)state;
    begin();
    storms(4);
    subscribe(1, "board", quick(STREAM(TASK), 1), true, 3);
    reject(1, "board", x->got[0].number, 0);
    acknowledge(1, "board", x->got[1].number);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_ack(r, x->got[2].number, 0);
    queue_request(1, request_of(REQUEST(SETTLE), r)); /* in the very turn */
    assert_int_equal(begin_anew("board")->body, REPLY(SUBSCRIPTION_RESET));
    assert_int_equal(settle(1, settlement("board"))->code, CODE(NOT_SUBSCRIBED));
    x->got_count = 0;
    subscribe(2, "board", NULL, true, 100);
    assert_int_equal(x->got_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(x->got[i].position, 0);
    assert_int_equal(of("board")->ledger.acknowledged, 0);
    restart();
    assert_int_equal(begin_anew("nobody's")->code, CODE(UNKNOWN_SUBSCRIPTION));
}

static void a_deleted_subscription_is_gone_also_after_a_restart(void **state)
{
    (void)state;
    begin();
    storms(4);
    subscribe(1, "board", TASKS, true, 3);
    subscribe(1, "other", TASKS, true, 3);
    reject(1, "board", x->got[0].number, 50);
    queue_request(9, delete_request("board"));
    uint64_t late = queue_request(2, subscribe_request("board", NULL, true, 1));
    settle_down();
    assert_int_equal(reply_to(late)->code, CODE(UNAVAILABLE));
    assert_null(delivery_find(x->d, "board"));
    restart();
    assert_null(delivery_find(x->d, "board"));
    assert_non_null(delivery_find(x->d, "other"));
    assert_true(subscribe(3, "board", TASKS, true, 100)->is_new);
    assert_int_equal(newest()->attempt, 1);
    restart();
    assert_non_null(delivery_find(x->d, "board"));
}

static void who_subscribes_and_begins_anew_in_one_turn_is_answered(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", TASKS, true, 1);
    uint64_t tag = queue_request(2, subscribe_request("board", NULL, true, 1));
    begin_anew("board");
    assert_int_equal(reply_to(tag)->body, REPLY(SUBSCRIBE));
}

static void a_number_of_an_earlier_life_means_nothing(void **state)
{
    (void)state;
    begin();
    storms(1);
    subscribe(1, "board", TASKS, true, 1);
    uint64_t old = newest()->number;
    restart();
    assert_int_equal(settle(1, settlement("board"))->code, CODE(NOT_SUBSCRIBED));
    subscribe(1, "board", TASKS, true, 1);
    assert_true(newest()->number > old);
    Handoff__V1__SettleRequest *r = settlement("board");
    add_ack(r, old, 0);
    assert_int_equal(settle(1, r)->refused_count, 1);
    assert_int_equal(of("board")->ledger.acknowledged, 0);
}

/* --- the gate ---------------------------------------------------------------------------------------------------------------- */
static void a_disclosure_is_journaled_before_it_leaves_and_again_when_it_was_taken(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    subscribe(1, "told", quick(STREAM(STATUS), 10), true, 10);
    assert_int_equal(x->got_count, 1);
    assert_string_equal(newest()->consent, "roi-1");
    assert_int_equal(audits(AUDIT(AUTHORISED)), 1);
    reject(1, "told", newest()->number, 1);
    wait_ms(10);
    assert_int_equal(newest()->attempt, 2); /* asked again, not said again */
    assert_int_equal(audits(AUDIT(AUTHORISED)), 1);
    assert_int_equal(audits(AUDIT(DISCLOSED)), 0);
    restart();
    subscribe(2, "told", NULL, true, 10);
    wait_ms(10);
    assert_int_equal(audits(AUDIT(AUTHORISED)), 1);
    acknowledge(2, "told", newest()->number);
    assert_int_equal(audits(AUDIT(DISCLOSED)), 1);
}

static void what_was_revoked_one_entry_earlier_stays_in_and_leaves_when_consent_comes(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    publish("mary", "consent.revoked", REVOKED);
    subscribe(1, "told", settings(STREAM(STATUS)), true, 10);
    assert_int_equal(x->got_count, 0);
    assert_int_equal(aside_count("told", ASIDE(WITHHELD)), 1);
    assert_int_equal(audits(AUDIT(AUTHORISED)), 0);
    publish("mary", "consent.granted", GRANTED);
    assert_int_equal(x->got_count, 1);
    assert_int_equal(audits(AUDIT(AUTHORISED)), 1);
}

static void what_is_revoked_in_the_turn_of_its_commit_stays_in(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    queue_request(1, subscribe_request("told", settings(STREAM(STATUS)), true, 10));
    turn(); /* chosen; what must be journaled is said in the next turn */
    assert_int_equal(of("told")->preparation_count, 1);
    say("mary", "consent.revoked", REVOKED);
    settle_down();
    assert_int_equal(x->got_count, 0);
    assert_int_equal(audits(AUDIT(AUTHORISED)), 0);
    assert_int_equal(aside_count("told", ASIDE(WITHHELD)), 1);
}

static void what_is_revoked_after_it_was_authorised_stays_in_and_another_ground_is_said_anew(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    subscribe(1, "told", settings(STREAM(STATUS)), true, 10);
    reject(1, "told", newest()->number, 1000);
    publish("mary", "consent.revoked", REVOKED);
    wait_ms(1000);
    assert_int_equal(x->got_count, 1);
    assert_int_equal(aside_count("told", ASIDE(WITHHELD)), 1);
    publish("mary", "consent.granted", GRANTED);
    assert_int_equal(x->got_count, 2);
    assert_int_equal(audits(AUDIT(AUTHORISED)), 2);
}

static void consent_that_came_just_before_a_kill_is_seen_after_it(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    publish("mary", "consent.revoked", REVOKED);
    subscribe(1, "told", settings(STREAM(STATUS)), true, 10);
    assert_int_equal(aside_count("told", ASIDE(WITHHELD)), 1);
    say("mary", "consent.granted", GRANTED);
    turn_without_hand_out();
    restart();
    subscribe(2, "told", NULL, true, 10);
    assert_int_equal(x->got_count, 1);
}

static void a_commit_that_fails_authorises_nothing(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    queue_request(1, subscribe_request("told", settings(STREAM(STATUS)), true, 10));
    turn();
    fail_commit(0, JOURNAL_E_FULL, false);
    turn();
    assert_int_equal(x->got_count, 0);
    retry();
    assert_int_equal(x->got_count, 1);
    assert_int_equal(audits(AUDIT(AUTHORISED)), 1);
}

static void a_commit_that_fails_forgets_nobody_s_consent(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    publish("mary", "consent.revoked", REVOKED);
    subscribe(1, "told", settings(STREAM(STATUS)), true, 10);
    say("mary", "consent.granted", GRANTED);
    turn(); /* asked again; what must be journaled is said in the next turn */
    fail_commit(0, JOURNAL_E_FULL, false);
    turn();
    assert_int_equal(x->got_count, 0);
    retry();
    assert_int_equal(x->got_count, 1);
}

static void what_waited_for_another_message_of_its_patient_goes_when_that_is_settled(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    publish("mary", "consent.revoked", REVOKED);
    subscribe(1, "told", settings(STREAM(STATUS)), true, 10);
    publish("mary", "disclosure.requested", "with: {recipient: {party: PCP, id: family-practice}, purpose: care}");
    assert_int_equal(x->got_count, 1);
    publish("mary", "consent.granted", GRANTED);
    assert_int_equal(x->got_count, 1); /* one of a patient is out */
    acknowledge(1, "told", newest()->number);
    assert_int_equal(x->got_count, 2);
}

/* Its entry does not fit the batches of its turn, and consent comes before it is durable. */
static bool consent_comes_while_what_is_withheld_is_late(uint64_t place)
{
    static const char *const others[] = {"a", "b", "c"};
    begin_with(4);
    storms(4);
    disclose("mary");
    publish("mary", "consent.revoked", REVOKED);
    for (uint64_t i = 0; i < 3; i++) { /* whose turn it is depends on who came when */
        if (i == place) subscribe(9, "told", settings(STREAM(STATUS)), false, 10);
        subscribe(i, others[i], TASKS, true, 1);
    }
    if (place == 3) subscribe(9, "told", settings(STREAM(STATUS)), false, 10);
    begin_anew("told");
    queue_request(9, subscribe_request("told", NULL, false, 10));
    turn();
    size_t mine = x->got_count;
    for (size_t i = mine - 3; i < mine; i++) {
        Handoff__V1__SettleRequest *r = settlement(x->got[i].name);
        add_ack(r, x->got[i].number, 0);
        queue_request(x->got[i].connection, request_of(REQUEST(SETTLE), r));
    }
    say("other", "patient.registered", REGISTERED);
    turn();
    bool is_late = of("told")->is_late;
    say("mary", "consent.granted", GRANTED);
    settle_down();
    unsigned told = 0;
    for (size_t i = 0; i < x->got_count; i++)
        told += strcmp(x->got[i].name, "told") == 0;
    assert_int_equal(told, 1);
    end(NULL);
    return is_late;
}

static void consent_that_comes_before_the_withholding_is_durable_is_seen(void **state)
{
    (void)state;
    unsigned late = 0;
    for (uint64_t i = 0; i < 4; i++)
        late += consent_comes_while_what_is_withheld_is_late(i);
    assert_true(late > 0);
}

static void what_is_withheld_of_a_patient_that_became_another_waits_for_that_one(void **state)
{
    (void)state;
    begin();
    publish("mary", "patient.registered", REGISTERED);
    disclose("mary-2");
    publish("mary-2", "consent.revoked", REVOKED);
    subscribe(1, "told", settings(STREAM(STATUS)), true, 10);
    assert_int_equal(aside_count("told", ASIDE(WITHHELD)), 1);
    publish("mary-2", "patient.merged", "with: {survivor_patient_id: mary}");
    restart();
    subscribe(2, "told", NULL, true, 10);
    assert_int_equal(x->got_count, 0);
    publish("mary", "consent.granted", "with: {consent_id: roi-2, signer: GUARDIAN, signer_id: mom, recipients: [{party: "
                                       "AGENCY, id: riverside}], direction: BOTH, category: BEHAVIORAL_HEALTH, "
                                       "treatment_from: 1970-01-01}");
    assert_int_equal(x->got_count, 1);
    assert_string_equal(newest()->consent, "roi-2");
}

static void a_disclosure_is_not_overtaken_by_what_was_told_later(void **state)
{
    (void)state;
    begin();
    disclose("mary");
    publish("mary", "disclosure.requested", "with: {recipient: {party: PCP, id: family-practice}, purpose: care}");
    subscribe(1, "told", settings(STREAM(STATUS)), true, 10);
    assert_int_equal(x->got_count, 1);
    assert_string_equal(newest()->consent, "roi-1");
    acknowledge(1, "told", newest()->number);
    assert_int_equal(x->got_count, 2);
    assert_string_equal(newest()->consent, "");
}

static void what_is_routine_waits_for_the_next_opening_and_is_stale_when_it_was_overtaken(void **state)
{
    (void)state;
    begin();
    storms(2);
    Handoff__V1__SubscriptionSettings *s = settings(STREAM(TASK));
    s->is_addressed = s->is_unordered = true;
    subscribe(1, "staff", s, true, 100);
    assert_int_equal(x->got_count, 0);
    assert_int_equal(aside_count("staff", ASIDE(WAITS)), 6);
    restart();
    subscribe(2, "staff", NULL, true, 100);
    publish("pat-0", "episode.closed", "episode: ep1, with: {reason: OTHER, by: nurse-1, note: over}");
    advance(25 * WORLD_HOUR);
    assert_int_equal(x->got_count, 3); /* of one patient, together */
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(x->got[i].patient, "pat-1");
    assert_true(of("staff")->ledger.dropped >= 3);
    assert_true(audits(AUDIT(DROPPED)) >= 3);
    for (size_t i = 0; i < 3; i++)
        acknowledge(2, "staff", x->got[i].number);
    assert_int_equal(of("staff")->ledger.aside_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(of_one_patient_one_is_out_at_a_time_in_order),
        SENTENCE(what_is_acknowledged_in_the_middle_of_an_entry_stays_so),
        SENTENCE(what_was_done_ahead_is_remembered_though_it_was_not_looked_at_again),
        SENTENCE(credit_bounds_what_is_out),
        SENTENCE(two_workers_share_what_there_is),
        SENTENCE(a_lease_that_ends_gives_the_message_to_others_after_the_backoff),
        SENTENCE(who_let_a_lease_end_gets_nothing_until_it_says_something),
        SENTENCE(a_range_over_what_was_lost_is_refused_so_that_nobody_takes_it_for_settled),
        SENTENCE(an_extended_lease_does_not_end),
        SENTENCE(waits_between_attempts_double_up_to_the_most_and_are_never_the_same_for_all),
        SENTENCE(a_nack_can_say_when),
        SENTENCE(what_waits_for_another_attempt_holds_up_its_patient_alone),
        SENTENCE(after_its_attempts_a_message_is_a_dead_letter_and_the_patient_s_timeline_says_so),
        SENTENCE(a_permanent_failure_is_a_dead_letter_at_once_and_an_unspent_attempt_does_not_count),
        SENTENCE(a_long_reason_is_cut_between_characters),
        SENTENCE(who_does_not_read_is_handed_nothing_and_others_go_on),
        SENTENCE(what_a_vanished_worker_held_goes_to_others_at_once),
        SENTENCE(what_every_worker_dies_of_is_a_dead_letter_in_the_end),
        SENTENCE(who_leaves_gives_back_what_it_held_and_it_does_not_count),
        SENTENCE(what_is_not_held_is_refused_and_the_rest_is_settled),
        SENTENCE(nobody_stops_the_others_with_ranges_without_end),
        SENTENCE(a_full_window_goes_on_when_there_is_room),
        SENTENCE(numbers_go_round_though_some_were_tried_again),
        SENTENCE(as_much_aside_as_may_be_is_said_and_what_goes_well_goes_on),
        SENTENCE(more_that_waits_for_hours_than_may_stand_aside_comes_in_the_end),
        SENTENCE(as_many_subscriptions_and_workers_as_there_may_be),
        SENTENCE(a_commit_that_fails_settles_nothing_and_loses_nothing),
        SENTENCE(what_was_thought_lost_and_is_not_counts_and_workers_begin_anew),
        SENTENCE(while_nothing_can_be_written_workers_hear_so_and_nothing_spins),
        SENTENCE(an_entry_that_does_not_fit_the_batch_goes_into_a_later_one),
        SENTENCE(a_subscription_begins_anew_whatever_is_out_or_aside),
        SENTENCE(a_deleted_subscription_is_gone_also_after_a_restart),
        SENTENCE(who_subscribes_and_begins_anew_in_one_turn_is_answered),
        SENTENCE(a_number_of_an_earlier_life_means_nothing),
        SENTENCE(a_disclosure_is_journaled_before_it_leaves_and_again_when_it_was_taken),
        SENTENCE(what_was_revoked_one_entry_earlier_stays_in_and_leaves_when_consent_comes),
        SENTENCE(what_is_revoked_in_the_turn_of_its_commit_stays_in),
        SENTENCE(what_is_revoked_after_it_was_authorised_stays_in_and_another_ground_is_said_anew),
        SENTENCE(consent_that_came_just_before_a_kill_is_seen_after_it),
        SENTENCE(a_commit_that_fails_authorises_nothing),
        SENTENCE(a_commit_that_fails_forgets_nobody_s_consent),
        SENTENCE(what_waited_for_another_message_of_its_patient_goes_when_that_is_settled),
        SENTENCE(consent_that_comes_before_the_withholding_is_durable_is_seen),
        SENTENCE(what_is_withheld_of_a_patient_that_became_another_waits_for_that_one),
        SENTENCE(a_disclosure_is_not_overtaken_by_what_was_told_later),
        SENTENCE(what_is_routine_waits_for_the_next_opening_and_is_stale_when_it_was_overtaken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
