/* Deciding ahead: a batch is on its way to the disk while the next one is decided on top of it. */
#include "unit/engine_world.h"

#include <pthread.h>
#include "engine/audit.h"

/* --- a journal that appends when it is let ------------------------------------------------------------------------- */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void shut(bool is_shut)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_shut = is_shut;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static int gated_append(struct journal *j, uint64_t expected, uint64_t first, uint32_t count, struct bytes blob)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.is_shut) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return failing_append(j, expected, first, count, blob);
}

static struct world *ahead_world(bool is_lmdb, uint32_t sweep_changes)
{
    struct world *w = world_prepare(is_lmdb);
    w->failing_ops.append = gated_append;
    w->options.decides_ahead = true;
    w->options.sweep_changes = sweep_changes;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    engine_turn_begin(w->engine);
    engine_turn_commit(w->engine);
    return w;
}

static void note_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    (void)context;
    fprintf(stderr, "batch %llu, entry %llu: %s\n", (unsigned long long)batch, (unsigned long long)sequence, sentence);
}

static void expect_sound(struct world *w)
{
    struct audit_summary summary;
    struct audit audit = {"test", NULL, note_damage};
    assert_int_equal(audit_journal(w->journal, &audit, &summary), 0);
    assert_int_equal(summary.damages, 0);
}

static void end(struct world *w)
{
    shut(false);
    assert_int_equal(engine_commit_all(w->engine), 0);
    expect_sound(w);
    world_free(w);
}

/* A turn of its own that does not wait. */
static void say(struct world *w, struct bytes event, uint64_t ticket)
{
    w->results[ticket] = (struct world_result){0};
    engine_turn_begin(w->engine);
    engine_publish(w->engine, event, ticket, 0);
    engine_turn_end(w->engine);
}

/* --- on top of what is not durable ----------------------------------------------------------------------------------- */
static void a_batch_is_decided_on_the_one_that_is_on_its_way(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = ahead_world(is_lmdb, 0);
        Handoff__V1__PatientRecord *record;
        uint64_t sequence, before = world_state(w).last_sequence;
        shut(true);
        say(w, world_opened(w, "e1", "mary"), 1);
        say(w, world_updated(w, "e2", "mary", "Mary"), 2);
        say(w, world_opened(w, "e3", "david"), 3);
        for (int i = 1; i <= 3; i++) assert_false(w->results[i].is_known);
        assert_int_equal(world_record(w, "mary", &record, &sequence), ENGINE_E_UNKNOWN);
        assert_int_equal(world_state(w).last_sequence, before);
        assert_int_equal(world_state(w).totals[TOTAL_EVENTS], 0);
        shut(false);
        assert_int_equal(engine_await_commit(w->engine), 0);
        assert_int_equal(w->results[1].code, CODE(ACCEPTED));
        assert_false(w->results[2].is_known);
        assert_int_equal(world_record(w, "mary", &record, &sequence), 0);
        assert_int_equal(sequence, before + 1);
        assert_int_equal(engine_commit_all(w->engine), 0);
        assert_int_equal(w->results[2].code, CODE(ACCEPTED));
        assert_int_equal(w->results[3].sequence, before + 3);
        assert_int_equal(world_record(w, "mary", &record, &sequence), 0);
        assert_int_equal(sequence, before + 2);
        assert_int_equal(record->n_episodes, 1);
        assert_int_equal(world_state(w).totals[TOTAL_EVENTS], 3);
        assert_int_equal(world_state(w).totals[TOTAL_PATIENTS], 2);
        end(w);
    }
    (void)state;
}

static void a_repeat_of_what_is_on_its_way_is_answered_after_it(void **state)
{
    struct world *w = ahead_world(false, 0);
    shut(true);
    say(w, world_opened(w, "e1", "mary"), 1);
    say(w, world_opened(w, "e1", "mary"), 2);
    say(w, world_updated(w, "e1", "mary", "Mary"), 3);
    assert_false(w->results[2].is_known);
    assert_false(w->results[3].is_known);
    shut(false);
    assert_int_equal(engine_commit_all(w->engine), 0);
    assert_int_equal(w->results[1].code, CODE(ACCEPTED));
    assert_int_equal(w->results[2].code, CODE(DUPLICATE));
    assert_int_equal(w->results[3].code, CODE(DUPLICATE_DIFFERS));
    assert_int_equal(w->results[2].sequence, w->results[1].sequence);
    end(w);
    (void)state;
}

/* Nothing to append: its answers wait for the batch before alone. */
static void a_batch_of_repeats_alone_ends_with_the_one_before(void **state)
{
    struct world *w = ahead_world(false, 0);
    shut(true);
    say(w, world_opened(w, "e1", "mary"), 1);
    say(w, world_opened(w, "e1", "mary"), 2);
    shut(false);
    assert_int_equal(engine_await_commit(w->engine), 0);
    assert_false(w->results[2].is_known);
    engine_turn_begin(w->engine);
    engine_turn_end(w->engine);
    assert_int_equal(w->results[2].code, CODE(DUPLICATE));
    assert_false(engine_is_committing(w->engine));
    end(w);
    (void)state;
}

/* --- in order ---------------------------------------------------------------------------------------------------------- */
static uint64_t told[WORLD_RESULTS];
static uint32_t told_count;

static void note_result(void *context, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *r)
{
    told[told_count++] = ticket;
    world_on_result(context, ticket, position, r);
}

static void results_and_entries_come_in_order_over_many_batches(void **state)
{
    struct world *w = world_prepare(false);
    char id[16];
    uint64_t n = 1;
    w->options.decides_ahead = true;
    w->options.batch_events = 8; /* full again and again */
    w->options.listener.on_result = note_result;
    told_count = 0;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    for (int turn = 0; turn < 40; turn++) {
        engine_turn_begin(w->engine);
        for (int i = 0; i < turn; i++, n++) {
            snprintf(id, sizeof id, "e%u", (unsigned)n);
            engine_publish(w->engine, world_opened(w, id, i % 3 ? "mary" : id), n, 0);
        }
        engine_turn_end(w->engine);
    }
    assert_int_equal(engine_commit_all(w->engine), 0);
    assert_int_equal(told_count, n - 1);
    for (uint64_t i = 1; i < n; i++) {
        assert_int_equal(told[i - 1], i);
        assert_int_equal(w->results[i].code, CODE(ACCEPTED));
        if (i > 1) assert_true(w->results[i].sequence > w->results[i - 1].sequence);
    }
    end(w);
    (void)state;
}

/* --- failing ------------------------------------------------------------------------------------------------------------- */
static const struct fault {
    int code;
    bool is_written;
} faults[] = {{JOURNAL_E_FULL, false},   {JOURNAL_E_IO, false},      {JOURNAL_E_UNKNOWN, false},
              {JOURNAL_E_UNKNOWN, true}, {JOURNAL_E_MEMORY, false}};
enum { FAULTS = sizeof faults / sizeof *faults };

static void fail_after(struct world *w, const struct fault *fault, int appends)
{
    w->failing.appends_left = appends;
    w->failing.code = fault->code;
    w->failing.is_written = fault->is_written;
}

static void what_rests_on_a_batch_that_fails_is_dropped_with_it(void **state)
{
    for (size_t f = 0; f < FAULTS; f++) {
        struct world *w = ahead_world(false, 0);
        uint64_t before = world_state(w).last_sequence, sequence;
        Handoff__V1__PatientRecord *record;
        fail_after(w, &faults[f], 0);
        shut(true);
        say(w, world_opened(w, "e1", "mary"), 1);
        say(w, world_updated(w, "e2", "mary", "Mary"), 2);
        say(w, world_opened(w, "e1", "mary"), 3);
        shut(false);
        assert_int_not_equal(engine_await_commit(w->engine), 0);
        for (int i = 1; i <= 3; i++) assert_int_equal(w->results[i].code, CODE(UNAVAILABLE));
        assert_true(world_state(w).is_read_only);
        assert_int_equal(world_state(w).last_sequence, before);
        assert_int_equal(world_record(w, "mary", &record, &sequence), ENGINE_E_UNKNOWN);
        say(w, world_opened(w, "e4", "sarah"), 4);
        assert_int_equal(w->results[4].code, CODE(UNAVAILABLE));
        w->failing.appends_left = -1;
        assert_int_equal(engine_retry(w->engine), 0);
        assert_int_equal(world_publish(w, world_opened(w, "e1", "mary"))->code,
                         faults[f].is_written ? CODE(DUPLICATE) : CODE(ACCEPTED));
        assert_int_equal(world_publish(w, world_updated(w, "e2", "mary", "Mary"))->code, CODE(ACCEPTED));
        assert_int_equal(world_state(w).totals[TOTAL_EVENTS], 2);
        end(w);
    }
    (void)state;
}

/* Some events a turn, each published again until it is acknowledged. */
enum { EVENTS = 48, PER_TURN = 3 };

static void publish_some(struct world *w, int *next, bool is_open[EVENTS])
{
    static const char *const names[] = {"mary", "david", "sarah", "ryan", "karen"};
    char id[16];
    engine_turn_begin(w->engine);
    engine_fire(w->engine, 100);
    for (int said = 0; said < PER_TURN && *next < EVENTS; (*next)++) {
        struct world_result *r = &w->results[*next];
        if (is_open[*next] || r->code == CODE(ACCEPTED) || r->code == CODE(DUPLICATE)) continue;
        snprintf(id, sizeof id, "e%d", *next);
        *r = (struct world_result){0};
        is_open[*next] = true;
        engine_publish(w->engine, world_opened(w, id, names[*next % 5]), (uint64_t)*next, 0);
        said++;
    }
    engine_turn_end(w->engine);
}

/* False: all are acknowledged. */
static bool go_through(struct world *w)
{
    bool is_open[EVENTS] = {false}, is_done = true;
    for (int next = 0; next < EVENTS;) {
        publish_some(w, &next, is_open);
        if (world_state(w).is_read_only) break;
    }
    engine_commit_all(w->engine);
    for (int i = 0; i < EVENTS; i++) {
        if (is_open[i]) assert_true(w->results[i].is_known);
        is_done &= w->results[i].code == CODE(ACCEPTED) || w->results[i].code == CODE(DUPLICATE);
    }
    return !is_done;
}

static void whichever_commit_fails_each_event_counts_once(void **state)
{
    for (size_t f = 0; f < FAULTS; f++) {
        for (int k = 0; k < 18; k++) {
            struct world *w = ahead_world(false, 4);
            int rounds = 0;
            fail_after(w, &faults[f], k);
            while (go_through(w)) {
                assert_true(++rounds < 4);
                w->failing.appends_left = -1;
                assert_int_equal(engine_retry(w->engine), 0);
            }
            struct engine_state s = world_state(w);
            assert_int_equal(s.totals[TOTAL_EVENTS], EVENTS);
            assert_int_equal(s.totals[TOTAL_PATIENTS], 5);
            assert_int_equal(s.totals[TOTAL_ENTRIES], s.last_sequence);
            end(w);
        }
    }
    (void)state;
}

/* --- killed ---------------------------------------------------------------------------------------------------------------- */
static void a_crash_keeps_what_was_appended_and_nothing_that_rested_on_it(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = ahead_world(is_lmdb, 0);
        shut(true);
        say(w, world_opened(w, "e1", "mary"), 1);
        say(w, world_opened(w, "e2", "mary"), 2);
        shut(false);
        world_crash(w); /* nobody was told of either */
        assert_false(w->results[1].is_known);
        assert_int_equal(world_publish(w, world_opened(w, "e1", "mary"))->code, CODE(DUPLICATE));
        assert_int_equal(world_publish(w, world_opened(w, "e2", "mary"))->code, CODE(ACCEPTED));
        end(w);
    }
    (void)state;
}

static void a_close_commits_what_was_decided(void **state)
{
    struct world *w = ahead_world(false, 0);
    say(w, world_opened(w, "e1", "mary"), 1);
    say(w, world_opened(w, "e2", "david"), 2);
    engine_close(w->engine);
    assert_int_equal(w->results[1].code, CODE(ACCEPTED));
    assert_int_equal(w->results[2].code, CODE(ACCEPTED));
    assert_int_equal(world_start(w), 0);
    assert_int_equal(world_state(w).totals[TOTAL_EVENTS], 2);
    end(w);
    (void)state;
}

/* --- timers ------------------------------------------------------------------------------------------------------------------ */
static uint32_t fire(struct world *w)
{
    engine_turn_begin(w->engine);
    uint32_t fired = engine_fire(w->engine, 100);
    engine_turn_end(w->engine);
    return fired;
}

static void what_fires_on_its_way_does_not_fire_again(void **state)
{
    for (int goes_to_index = 0; goes_to_index < 2; goes_to_index++) {
        struct world *w = ahead_world(false, 0);
        world_publish(w, world_opened(w, "e1", "mary"));
        if (goes_to_index) assert_int_equal(engine_index_flush(w->engine), 0);
        clock_set_ms(&w->clock, engine_now_ms(w->engine) + 2 * WORLD_HOUR);
        shut(true);
        assert_int_equal(fire(w), 1);
        assert_int_equal(fire(w), 0);
        assert_int_equal(fire(w), 0);
        assert_int_equal(w->firings, 0);
        shut(false);
        assert_int_equal(engine_commit_all(w->engine), 0);
        assert_int_equal(w->firings, 1);
        assert_int_equal(fire(w), 0);
        end(w);
    }
    (void)state;
}

static void due_times_of_both_batches_are_given_back(void **state)
{
    for (int goes_to_index = 0; goes_to_index < 2; goes_to_index++) {
        struct world *w = ahead_world(false, 0);
        world_publish(w, world_opened(w, "e1", "mary"));
        clock_set_ms(&w->clock, engine_now_ms(w->engine) + WORLD_HOUR / 2);
        world_publish(w, world_opened(w, "e2", "david"));
        if (goes_to_index) assert_int_equal(engine_index_flush(w->engine), 0);
        fail_after(w, &faults[0], 0);
        clock_set_ms(&w->clock, engine_now_ms(w->engine) + WORLD_HOUR / 2);
        shut(true);
        assert_int_equal(fire(w), 1);
        clock_set_ms(&w->clock, engine_now_ms(w->engine) + WORLD_HOUR);
        assert_int_equal(fire(w), 1);
        shut(false);
        assert_int_equal(engine_await_commit(w->engine), ENGINE_E_FULL);
        w->failing.appends_left = -1;
        assert_int_equal(engine_retry(w->engine), 0);
        assert_int_equal(w->firings, 0);
        assert_int_equal(fire(w), 2);
        assert_int_equal(engine_commit_all(w->engine), 0);
        assert_int_equal(w->firings, 2);
        assert_int_equal(fire(w), 0);
        end(w);
    }
    (void)state;
}

/* --- the index meanwhile ------------------------------------------------------------------------------------------------------ */

/* What is lodged in the index is what its rows say, each once. */
static void expect_lodged_once(struct world *w)
{
    struct index_reader *r;
    struct index_row row;
    struct patient_key key, after;
    int64_t at_ms, from_ms = INT64_MIN;
    uint32_t rows = 0, lodged = 0;
    assert_int_equal(engine_index_flush(w->engine), 0);
    assert_int_equal(w->index->ops->reader_new(w->index, &r), 0);
    assert_int_equal(w->index->ops->read_begin(r), 0);
    for (; w->index->ops->due_next(r, from_ms, rows ? &after : NULL, &at_ms, &key) == 0; rows++) {
        assert_int_equal(w->index->ops->get(r, &key, &row), 0);
        assert_int_equal(row.lodged_at_ms, at_ms);
        after = key;
        from_ms = at_ms;
    }
    bool has_begun = false;
    for (; w->index->ops->subject_next(r, has_begun ? &after : NULL, &key, &row) == 0; after = key, has_begun = true) {
        lodged += row.lodged_at_ms != NO_DUE;
        assert_true(row.lodged_at_ms <= row.due_at_ms);
    }
    assert_int_equal(rows, lodged);
    w->index->ops->read_end(r);
    w->index->ops->reader_free(r);
}

static void generations_may_be_swapped_while_batches_are_open(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = ahead_world(is_lmdb, 1); /* as often as can be */
        uint32_t seed = 7;
        char id[16], name[16];
        for (int i = 0; i < (is_lmdb ? 120 : 600); i++) {
            seed = seed * 1664525 + 1013904223;
            snprintf(id, sizeof id, "e%d", i);
            snprintf(name, sizeof name, "p%u", seed >> 16 & 15);
            clock_set_ms(&w->clock, engine_now_ms(w->engine) + (seed >> 8 & 255) * 4000);
            engine_turn_begin(w->engine);
            engine_publish(w->engine, world_opened(w, id, name), 1, 0);
            engine_fire(w->engine, seed >> 28 & 3);
            shut(seed >> 20 & 1 && engine_is_committing(w->engine)); /* sometimes it stays open over several turns */
            engine_turn_end(w->engine);
            shut(false);
            if (i % 60 == 59) expect_lodged_once(w);
        }
        uint64_t pending = (uint64_t)world_state(w).totals[TOTAL_PENDING_TIMERS];
        assert_int_not_equal(pending, 0);
        int64_t to_ms = engine_now_ms(w->engine) + 60 * MS_PER_DAY;
        int code = 1;
        while (code == 1) code = engine_advance(w->engine, to_ms, NULL);
        assert_int_equal(code, 0);
        expect_lodged_once(w);
        end(w);
    }
    (void)state;
}

/* Mary's timer stands elsewhere in what goes to the index now than what was decided about her since then knew. */
static void what_was_decided_follows_a_swap_of_generations(void **state)
{
    for (int is_in_flight = 0; is_in_flight < 2; is_in_flight++) {
        struct world *w = ahead_world(false, 0);
        world_publish(w, world_opened(w, "e1", "mary"));
        assert_int_equal(engine_index_flush(w->engine), 0);
        clock_set_ms(&w->clock, engine_now_ms(w->engine) + WORLD_HOUR);
        assert_int_equal(fire(w), 1);
        assert_int_equal(engine_commit_all(w->engine), 0);
        shut(true);
        if (!is_in_flight) say(w, world_opened(w, "e2", "david"), 2);
        clock_set_ms(&w->clock, engine_next_due(w->engine));
        assert_int_equal(fire(w), 1);
        assert_false(engine_index_catch_up(w->engine, world_state(w).last_sequence));
        shut(false);
        assert_int_equal(engine_commit_all(w->engine), 0);
        expect_lodged_once(w);
        end(w);
    }
    (void)state;
}

/* --- what is waited for ------------------------------------------------------------------------------------------------------- */
static void a_change_of_rules_by_an_event_holds_before_the_next_batch_is_decided(void **state)
{
    struct world *w = ahead_world(false, 0);
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__StaffAbsent absent = HANDOFF__V1__STAFF_ABSENT__INIT;
    event.id = (char *)"e1";
    event.source = (char *)"roster";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_STAFF_ABSENT;
    event.staff_absent = &absent;
    absent.person_id = (char *)"on-call-1";
    absent.from_at_ms = event.occurred_at_ms + WORLD_HOUR;
    absent.to_at_ms = absent.from_at_ms + WORLD_HOUR;
    uint64_t before = world_state(w).last_sequence;
    say(w, world_pack(w, &event), 1);
    assert_int_equal(w->results[1].code, CODE(ACCEPTED));
    assert_int_equal(world_state(w).last_sequence, before + 2);
    assert_false(engine_is_committing(w->engine));
    end(w);
    (void)state;
}

static void what_begins_a_turn_of_its_own_waits_for_what_was_decided(void **state)
{
    struct world *w = ahead_world(false, 0);
    say(w, world_opened(w, "e1", "mary"), 1);
    say(w, world_opened(w, "e2", "david"), 2);
    uint64_t fired = 0;
    int code = 1;
    int64_t to_ms = engine_now_ms(w->engine) + 2 * WORLD_HOUR;
    for (uint64_t more = 0; code == 1; fired += more) code = engine_advance(w->engine, to_ms, &more);
    assert_int_equal(code, 0);
    assert_int_equal(fired, 2);
    assert_int_equal(w->results[2].code, CODE(ACCEPTED));
    say(w, world_updated(w, "e3", "mary", "Mary"), 3);
    world_adopt_rules(w);
    say(w, world_updated(w, "e4", "mary", "Mary Ann"), 4);
    assert_int_equal(engine_set_heartbeat(w->engine, WORLD_HOUR), 0);
    assert_int_equal(w->results[3].code, CODE(ACCEPTED));
    assert_int_equal(w->results[4].code, CODE(ACCEPTED));
    end(w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_decided_on_the_one_that_is_on_its_way),
        cmocka_unit_test(a_repeat_of_what_is_on_its_way_is_answered_after_it),
        cmocka_unit_test(a_batch_of_repeats_alone_ends_with_the_one_before),
        cmocka_unit_test(results_and_entries_come_in_order_over_many_batches),
        cmocka_unit_test(what_rests_on_a_batch_that_fails_is_dropped_with_it),
        cmocka_unit_test(whichever_commit_fails_each_event_counts_once),
        cmocka_unit_test(a_crash_keeps_what_was_appended_and_nothing_that_rested_on_it),
        cmocka_unit_test(a_close_commits_what_was_decided),
        cmocka_unit_test(what_fires_on_its_way_does_not_fire_again),
        cmocka_unit_test(due_times_of_both_batches_are_given_back),
        cmocka_unit_test(what_was_decided_follows_a_swap_of_generations),
        cmocka_unit_test(a_change_of_rules_by_an_event_holds_before_the_next_batch_is_decided),
        cmocka_unit_test(what_begins_a_turn_of_its_own_waits_for_what_was_decided),
        cmocka_unit_test(generations_may_be_swapped_while_batches_are_open),
    };
    return cmocka_run_group_tests_name("engine_ahead", tests, NULL, NULL);
}
