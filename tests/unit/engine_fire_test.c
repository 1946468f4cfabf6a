/* Firing: the lazy due index, bounded turns, manual time. */
#include "unit/engine_world.h"

static void a_timer_fires_when_it_is_due_and_not_before(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = world_new(is_lmdb);
        int64_t began = engine_now_ms(w->engine);
        uint64_t fired = 0;
        world_publish(w, world_opened(w, "e1", "mary"));
        assert_true(engine_next_due(w->engine) == began + WORLD_HOUR);
        assert_int_equal(engine_advance(w->engine, began + WORLD_HOUR - 1, &fired), 0);
        assert_int_equal(fired, 0);
        assert_int_equal(engine_advance(w->engine, began + WORLD_HOUR, &fired), 0);
        assert_int_equal(fired, 1);
        assert_int_equal(world_state(w).totals[TOTAL_FIRINGS], 1);
        assert_int_equal(world_state(w).totals[TOTAL_OPEN_TASKS], 1);
        world_free(w);
    }
    (void)state;
}

/* --- manual time ----------------------------------------------------------------------------------------------- */

struct moments {
    int64_t at_ms[64];
    int count;
};

static void note_moment(struct world *w, const struct entry *entry)
{
    struct moments *m = w->context;
    assert_true(m->count < 64);
    m->at_ms[m->count++] = entry->time_ms;
}

static void advancing_moves_to_each_due_time_in_turn(void **state)
{
    struct world *w = world_new(false);
    struct moments m = {0};
    int64_t began = engine_now_ms(w->engine);
    w->on_firing = note_moment;
    w->context = &m;
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        world_publish(w, world_opened(w, name, name));
        assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 60000, NULL), 0);
    }
    assert_int_equal(engine_advance(w->engine, began + 2 * WORLD_HOUR, NULL), 0);
    assert_int_equal(m.count, 3);
    for (int i = 0; i < 3; i++) assert_true(m.at_ms[i] == began + WORLD_HOUR + i * 60000);
    assert_true(engine_now_ms(w->engine) == began + 2 * WORLD_HOUR);
    assert_int_equal(engine_advance(w->engine, began, NULL), ENGINE_E_CLOCK);
    world_free(w);
    (void)state;
}

static void where_a_manual_clock_stands_survives_a_restart(void **state)
{
    struct world *w = world_new(true);
    int64_t to = engine_now_ms(w->engine) + 5 * MS_PER_DAY;
    assert_true(engine_now_ms(w->engine) == CLOCK_MANUAL_START_MS);
    assert_int_equal(engine_advance(w->engine, to, NULL), 0);
    world_crash(w);
    assert_true(engine_now_ms(w->engine) == to);
    world_free(w);
    (void)state;
}

static void a_folder_of_another_clock_is_refused(void **state)
{
    struct world *w = world_new(false);
    engine_close(w->engine);
    w->engine = NULL;
    assert_int_equal(clock_parse(&w->clock, "system"), 0);
    assert_int_equal(world_start(w), ENGINE_E_CLOCK);
    assert_non_null(strstr(w->sentence, "manual"));
    assert_int_equal(clock_parse(&w->clock, "manual"), 0);
    assert_int_equal(world_start(w), 0);
    world_free(w);
    (void)state;
}

static void a_clock_that_is_not_manual_is_not_advanced(void **state)
{
    struct world *w = world_prepare(false);
    assert_int_equal(clock_parse(&w->clock, "scaled:10"), 0);
    assert_int_equal(world_start(w), 0);
    assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 10 * WORLD_HOUR, NULL), ENGINE_E_CLOCK);
    world_free(w);
    (void)state;
}

/* --- other clocks ------------------------------------------------------------------------------------------------ */

static int64_t fake_real_ms, fake_boot_ms;
static int64_t fake_real(void *context)
{
    (void)context;
    return fake_real_ms;
}
static int64_t fake_boot(void *context)
{
    (void)context;
    return fake_boot_ms;
}
static const struct clock_source fake_source = {NULL, fake_real, fake_boot};

static struct world *world_with_system_clock(void)
{
    struct world *w = world_prepare(false);
    fake_real_ms = CLOCK_MANUAL_START_MS;
    fake_boot_ms = 1000;
    w->clock.source = &fake_source;
    assert_int_equal(clock_parse(&w->clock, "system"), 0);
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    return w;
}

static void fake_pass(int64_t ms)
{
    fake_real_ms += ms;
    fake_boot_ms += ms;
}

static uint32_t fire_turn(struct world *w)
{
    engine_turn_begin(w->engine);
    uint32_t fired = engine_fire(w->engine, 100);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    return fired;
}

static bool times_ascend(void *context, const struct entry *entry)
{
    int64_t *last = context;
    assert_true(entry->time_ms >= *last);
    *last = entry->time_ms;
    return true;
}

static void journal_time_never_runs_back(void **state)
{
    struct world *w = world_with_system_clock();
    char id[16];
    for (int i = 0; i < 20; i++) {
        fake_pass(60000);
        fake_real_ms += i % 3 == 0 ? -40 * 60000 : 13 * 60000;
        snprintf(id, sizeof id, "e%d", i);
        world_publish(w, world_opened(w, id, "mary"));
    }
    int64_t last = 0;
    uint64_t through;
    assert_int_equal(engine_scan(w->engine, 1, 1000, &last, times_ascend, &through), 0);
    assert_int_equal(through, world_state(w).last_sequence);
    world_free(w);
    (void)state;
}

static void a_held_clock_holds_timers_until_it_is_accepted(void **state)
{
    struct world *w = world_with_system_clock();
    world_publish(w, world_opened(w, "e1", "mary"));
    fake_real_ms += 30 * MS_PER_DAY;
    assert_int_equal(fire_turn(w), 0);
    fake_pass(2 * WORLD_HOUR);
    assert_int_equal(fire_turn(w), 0);
    assert_true(engine_next_due(w->engine) == NO_DUE);
    assert_true(engine_oldest_overdue_ms(w->engine) == WORLD_HOUR);
    assert_int_equal(world_publish(w, world_opened(w, "e2", "david"))->code, CODE(ACCEPTED)); /* others go on */
    assert_int_equal(engine_accept_clock(w->engine), 0);
    assert_true(fire_turn(w) >= 1);
    assert_true(engine_now_ms(w->engine) == fake_real_ms);
    world_free(w);
    (void)state;
}

/* --- lazy ---------------------------------------------------------------------------------------------------------- */

static struct bytes closed(struct world *w, const char *id, const char *patient)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__EpisodeClosed body = HANDOFF__V1__EPISODE_CLOSED__INIT;
    event.id = (char *)id;
    event.source = (char *)"ward";
    event.patient_id = (char *)patient;
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_EPISODE_CLOSED;
    event.episode_closed = &body;
    body.reason = HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_OTHER;
    body.by = (char *)"nurse-1";
    return world_pack(w, &event);
}

static void a_due_time_that_went_away_fires_nothing(void **state)
{
    for (int is_indexed = 0; is_indexed < 2; is_indexed++) {
        struct world *w = world_new(true);
        uint64_t fired = 0;
        int64_t began = engine_now_ms(w->engine);
        world_publish(w, world_opened(w, "e1", "mary"));
        if (is_indexed) assert_int_equal(engine_index_flush(w->engine), 0);
        assert_int_equal(world_publish(w, closed(w, "e2", "mary"))->code, CODE(ACCEPTED));
        if (is_indexed) assert_int_equal(engine_index_flush(w->engine), 0);
        assert_true(engine_next_due(w->engine) == began + WORLD_HOUR); /* still lodged */
        assert_int_equal(engine_advance(w->engine, began + 2 * WORLD_HOUR, &fired), 0);
        assert_int_equal(fired, 0);
        assert_true(engine_next_due(w->engine) == NO_DUE);
        assert_int_equal(engine_index_flush(w->engine), 0);
        assert_true(engine_next_due(w->engine) == NO_DUE);
        world_free(w);
    }
    (void)state;
}

static void a_failed_commit_gives_due_times_back(void **state)
{
    for (int is_indexed = 0; is_indexed < 2; is_indexed++) {
        struct world *w = world_new(true);
        int64_t began = engine_now_ms(w->engine);
        world_publish(w, world_opened(w, "e1", "mary"));
        if (is_indexed) assert_int_equal(engine_index_flush(w->engine), 0);
        w->failing.appends_left = 0;
        w->failing.code = JOURNAL_E_FULL;
        assert_int_equal(engine_advance(w->engine, began + WORLD_HOUR, NULL), ENGINE_E_FULL);
        assert_int_equal(world_state(w).totals[TOTAL_FIRINGS], 0);
        assert_int_equal(engine_retry(w->engine), 0);
        uint64_t fired = 0;
        assert_int_equal(engine_advance(w->engine, began + WORLD_HOUR, &fired), 0);
        assert_int_equal(fired, 1);
        world_free(w);
    }
    (void)state;
}

/* --- many at once --------------------------------------------------------------------------------------------------- */

enum { MANY = 100000, MANY_PER_TURN = 1000 };

static void count_firing(struct world *w, const struct entry *entry)
{
    uint8_t *seen = w->context;
    size_t mark = arena_used(w->arena);
    Handoff__V1__PatientRecord *record =
        handoff__v1__patient_record__unpack(arena_protobuf(w->arena), entry->record.len, entry->record.data);
    seen[atoi(record->patient_id + 1)]++;
    arena_rewind(w->arena, mark);
}

static void open_many(struct world *w)
{
    char name[16];
    for (int i = 0; i < MANY; i++) {
        if (i % MANY_PER_TURN == 0) engine_turn_begin(w->engine);
        size_t mark = arena_used(w->arena);
        snprintf(name, sizeof name, "p%d", i);
        engine_publish(w->engine, world_opened(w, name, name), 1, 0);
        arena_rewind(w->arena, mark);
        if ((i + 1) % MANY_PER_TURN == 0) assert_int_equal(engine_turn_commit(w->engine), 0);
    }
    assert_int_equal(world_state(w).totals[TOTAL_PATIENTS], MANY);
}

static void a_hundred_thousand_due_at_once_fire_once_each_in_bounded_turns(void **state)
{
    struct world *w = world_prepare(false);
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    uint8_t *seen = calloc(MANY, 1);
    open_many(w);
    w->on_firing = count_firing;
    w->context = seen;
    clock_set_ms(&w->clock, engine_next_due(w->engine));
    int turns = 0;
    while (engine_next_due(w->engine) <= engine_now_ms(w->engine)) {
        engine_turn_begin(w->engine);
        assert_true(engine_fire(w->engine, LIMIT_FIRE_PER_TURN) <= LIMIT_FIRE_PER_TURN);
        assert_int_equal(engine_turn_commit(w->engine), 0);
        if (turns++ == 200) world_crash(w); /* in the middle of it */
        assert_true(turns < 2 * MANY / LIMIT_FIRE_PER_TURN);
    }
    for (int i = 0; i < MANY; i++) assert_int_equal(seen[i], 1);
    assert_int_equal(world_state(w).totals[TOTAL_FIRINGS], MANY);
    assert_int_equal(engine_oldest_overdue_ms(w->engine), 0);
    free(seen);
    world_free(w);
    (void)state;
}

/* --- looking ahead --------------------------------------------------------------------------------------------------- */

static void count_forecast(void *context, int64_t at_ms, const Handoff__V1__TimerInput *firing, const struct outcome *outcome)
{
    struct moments *m = context;
    assert_non_null(firing);
    assert_non_null(outcome->after);
    m->at_ms[m->count++] = at_ms;
}

static void a_forecast_tells_the_firings_and_journals_nothing(void **state)
{
    struct world *w = world_new(false);
    struct moments m = {0}, fired = {0};
    struct patient_key key;
    int64_t began = engine_now_ms(w->engine);
    world_publish(w, world_opened(w, "e1", "mary"));
    uint64_t last = world_state(w).last_sequence;
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, "mary", &key);
    assert_int_equal(engine_forecast(w->engine, &key, 5, w->arena, &m, count_forecast), 0);
    assert_int_equal(m.count, 5);
    assert_int_equal(world_state(w).last_sequence, last);
    w->on_firing = note_moment;
    w->context = &fired;
    int code = 1;
    while (code == 1) code = engine_advance(w->engine, m.at_ms[4], NULL);
    assert_int_equal(code, 0);
    assert_true(fired.count >= 5);
    for (int i = 0; i < 5; i++) assert_true(m.at_ms[i] == fired.at_ms[i] && m.at_ms[i] > began);
    world_free(w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_when_it_is_due_and_not_before),
        cmocka_unit_test(advancing_moves_to_each_due_time_in_turn),
        cmocka_unit_test(where_a_manual_clock_stands_survives_a_restart),
        cmocka_unit_test(a_folder_of_another_clock_is_refused),
        cmocka_unit_test(a_clock_that_is_not_manual_is_not_advanced),
        cmocka_unit_test(journal_time_never_runs_back),
        cmocka_unit_test(a_held_clock_holds_timers_until_it_is_accepted),
        cmocka_unit_test(a_due_time_that_went_away_fires_nothing),
        cmocka_unit_test(a_failed_commit_gives_due_times_back),
        cmocka_unit_test(a_hundred_thousand_due_at_once_fire_once_each_in_bounded_turns),
        cmocka_unit_test(a_forecast_tells_the_firings_and_journals_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
