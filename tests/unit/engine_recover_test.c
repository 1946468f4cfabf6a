/* Recovery: what is known after a restart is what was known before, wherever the index stopped. */
#include "engine/inside.h"
#include "unit/engine_world.h"

#include <pthread.h>
#include <time.h>

enum { PEOPLE = 6 };

static void name_of(int i, char name[8])
{
    snprintf(name, 8, "p%d", i);
}

/* Events and firings over two days, in many small batches; the index is written after `flush_at` of them. */
static void live(struct world *w, int flush_at)
{
    char name[8], id[16];
    for (int i = 0; i < 30; i++) {
        name_of(i % PEOPLE, name);
        snprintf(id, sizeof id, "e%d", i);
        world_publish(w, i % 5 == 4 ? world_updated(w, id, name, "P") : world_opened(w, id, name));
        int code = 1;
        while (code == 1) code = engine_advance(w->engine, engine_now_ms(w->engine) + i * 10 * 60000, NULL);
        assert_int_equal(code, 0);
        if (i == flush_at) assert_int_equal(engine_index_flush(w->engine), 0);
    }
    assert_true(world_state(w).totals[TOTAL_FIRINGS] > PEOPLE);
}

struct packed {
    uint8_t *data;
    size_t len;
};

static struct packed pack_record(struct world *w, const char *name, uint64_t as_of)
{
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    struct packed packed = {0};
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, name, &key);
    int code = engine_record_at(w->engine, &key, INT64_MAX, as_of, w->arena, &record, &sequence, &time_ms);
    if (code == ENGINE_E_UNKNOWN) return packed;
    assert_int_equal(code, 0);
    packed.len = handoff__v1__patient_record__get_packed_size(record);
    packed.data = arena_alloc(w->arena, packed.len);
    handoff__v1__patient_record__pack(record, packed.data);
    return packed;
}

static void expect_same_records(struct world *a, struct world *b, uint64_t as_of)
{
    char name[8];
    for (int i = 0; i < PEOPLE; i++) {
        name_of(i, name);
        struct packed x = pack_record(a, name, as_of), y = pack_record(b, name, as_of);
        assert_int_equal(x.len, y.len);
        if (x.len) assert_memory_equal(x.data, y.data, x.len);
    }
}

/* --- what fires next must be what the records say -------------------------------------------------------------------- */

struct future {
    int64_t until_ms;
    uint64_t firings;
};

static void count_ahead(void *context, int64_t at_ms, const Handoff__V1__TimerInput *firing, const struct outcome *outcome)
{
    struct future *f = context;
    (void)firing;
    (void)outcome;
    if (at_ms <= f->until_ms) f->firings++;
}

static void expect_the_forecast_comes_true(struct world *w)
{
    struct future future = {engine_now_ms(w->engine) + MS_PER_DAY, 0};
    struct patient_key key;
    char name[8];
    for (int i = 0; i < PEOPLE; i++) {
        name_of(i, name);
        engine_subject_key(w->engine, SUBJECT_IS_PATIENT, name, &key);
        int code = engine_forecast(w->engine, &key, 100, w->arena, &future, count_ahead);
        assert_true(code == 0 || code == ENGINE_E_UNKNOWN);
    }
    uint64_t fired = 0;
    int code = 1;
    while (code == 1) {
        uint64_t more = 0;
        code = engine_advance(w->engine, future.until_ms, &more);
        fired += more;
    }
    assert_int_equal(code, 0);
    assert_int_equal(fired, future.firings);
}

/* --- a crash between any two commits ----------------------------------------------------------------------------------- */

static uint64_t copy_batches(struct journal *from, struct journal *to, uint64_t after, uint64_t batches)
{
    struct journal_reader *r;
    uint64_t at = after + 1, first;
    struct bytes blob;
    struct batch_view view;
    assert_int_equal(from->ops->reader_new(from, &r), 0);
    assert_int_equal(from->ops->read_begin(r), 0);
    while (batches-- && from->ops->next(r, at, &first, &blob) == 0) {
        assert_int_equal(batch_open(blob, &view), 0);
        assert_int_equal(journal_append(to, first - 1, first, view.count, blob), 0);
        at = first + view.count;
    }
    from->ops->read_end(r);
    from->ops->reader_free(r);
    return at - 1;
}

static void a_crash_between_any_two_commits_loses_nothing(void **state)
{
    struct world *whole = world_new(false);
    live(whole, 10);
    for (uint64_t batches = 3, last = 0; last < world_state(whole).last_sequence; batches++) {
        struct world *w = world_prepare(false);
        last = copy_batches(whole->journal, w->journal, 0, batches);
        assert_int_equal(world_start(w), 0);
        expect_same_records(whole, w, last);
        struct engine_state s = world_state(w);
        assert_int_equal(s.totals[TOTAL_ENTRIES], s.last_sequence);
        if (batches % 4 == 0) expect_the_forecast_comes_true(w);
        world_free(w);
        arena_reset(whole->arena);
    }
    world_free(whole);
    (void)state;
}

static void wherever_the_index_stopped_the_rest_comes_from_headers(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        for (int flush_at = 0; flush_at < 30; flush_at += is_lmdb ? 13 : 5) {
            struct world *w = world_new(is_lmdb);
            w->options.sweep_changes = 1000000;
            live(w, flush_at);
            uint64_t last = world_state(w).last_sequence;
            struct packed before[PEOPLE], after;
            char name[8];
            for (int i = 0; i < PEOPLE; i++) name_of(i, name), before[i] = pack_record(w, name, 0);
            world_crash(w);
            assert_int_equal(world_state(w).last_sequence, last + 1); /* the epoch */
            for (int i = 0; i < PEOPLE; i++) {
                name_of(i, name);
                after = pack_record(w, name, 0);
                assert_int_equal(after.len, before[i].len);
                assert_memory_equal(after.data, before[i].data, after.len);
            }
            expect_the_forecast_comes_true(w);
            world_free(w);
        }
    }
    (void)state;
}

static void a_restart_after_every_step_fires_each_timer_once(void **state)
{
    struct world *w = world_new(false);
    char name[8];
    for (int i = 0; i < PEOPLE; i++) {
        name_of(i, name);
        world_publish(w, world_opened(w, name, name));
        assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 60000, NULL), 0);
    }
    for (int i = 0; i < PEOPLE; i++) {
        int64_t due_ms = engine_next_due(w->engine);
        clock_set_ms(&w->clock, due_ms);
        engine_turn_begin(w->engine);
        assert_int_equal(engine_fire(w->engine, 100), 1);
        assert_int_equal(engine_turn_commit(w->engine), 0);
        world_crash(w);
        engine_turn_begin(w->engine);
        assert_int_equal(engine_fire(w->engine, 100), 0);
        assert_int_equal(engine_turn_commit(w->engine), 0);
    }
    assert_int_equal(world_state(w).totals[TOTAL_FIRINGS], PEOPLE);
    world_free(w);
    (void)state;
}

/* --- the index is only an index ----------------------------------------------------------------------------------------- */

static void a_deleted_index_is_rebuilt_from_the_journal(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = world_new(is_lmdb);
        live(w, 10);
        uint64_t last = world_state(w).last_sequence;
        engine_close(w->engine);
        w->options.index = world_empty_index(w);
        assert_int_equal(world_start(w), 0);
        assert_int_equal(world_state(w).last_sequence, last + 1);
        assert_non_null(engine_rules(w->engine));
        expect_the_forecast_comes_true(w);
        assert_int_equal(engine_index_flush(w->engine), 0);
        assert_int_equal(world_state(w).indexed_sequence, world_state(w).last_sequence);
        world_free(w);
    }
    (void)state;
}

static void a_small_table_of_changes_does_not_stop_a_rebuild(void **state)
{
    struct world *w = world_new(false);
    live(w, 3);
    engine_close(w->engine);
    w->options.index = world_empty_index(w);
    w->options.changes_max = 2;
    w->options.batch_events = 8;
    assert_int_equal(world_start(w), 0);
    assert_true(world_state(w).indexed_sequence > 0);
    engine_close(w->engine);
    w->options.changes_max = 1000;
    assert_int_equal(world_start(w), 0);
    expect_the_forecast_comes_true(w);
    world_free(w);
    (void)state;
}

static void an_index_ahead_of_its_journal_is_rebuilt(void **state)
{
    struct world *whole = world_new(false), *w = world_prepare(false);
    live(whole, 29);
    engine_close(whole->engine);
    whole->engine = NULL;
    copy_batches(whole->journal, w->journal, 0, 10); /* restored from an older backup */
    struct index *own = w->index;
    w->index = w->options.index = whole->index;
    assert_int_equal(world_start(w), 0);
    assert_int_equal(w->notices, 1);
    expect_the_forecast_comes_true(w);
    whole->index = own;
    world_free(w);
    world_free(whole);
    (void)state;
}

static void an_index_of_another_journal_is_rebuilt(void **state)
{
    struct world *other = world_new(false), *w = world_new(false);
    live(other, 3);
    live(w, 29);
    engine_close(other->engine);
    engine_close(w->engine);
    other->engine = NULL;
    if (journal_last_sequence(other->journal) > journal_last_sequence(w->journal)) {
        struct world *swap = other; /* the index in question is not ahead */
        other = w;
        w = swap;
    }
    struct index *own = w->index;
    other->engine = NULL;
    w->index = w->options.index = other->index;
    other->index = own;
    w->notices = 0;
    assert_int_equal(world_start(w), 0);
    assert_int_equal(w->notices, 1);
    struct bytes event = world_updated(w, "e4", "p4", "P");
    assert_true(world_publish(w, event)->code == CODE(DUPLICATE_DIFFERS));
    expect_the_forecast_comes_true(w);
    world_free(w);
    world_free(other);
    (void)state;
}

static void a_journal_that_is_gone_while_its_index_is_there_is_refused_and_nothing_is_emptied(void **state)
{
    struct world *w = world_new(false);
    struct journal *empty;
    live(w, 7);
    engine_close(w->engine); /* writes the index */
    w->engine = NULL;
    assert_int_equal(journal_memory_open(&empty), 0);
    w->options.journal = empty;
    w->notices = 0;
    assert_int_equal(world_start(w), ENGINE_E_DAMAGED);
    assert_non_null(strstr(w->sentence, "restore the journal"));
    assert_int_equal(w->notices, 0);
    assert_true(w->index->ops->indexed_sequence(w->index) > 0);
    journal_close(empty);
    world_free(w);
    (void)state;
}

/* --- an index that fails -------------------------------------------------------------------------------------------- */

static struct index_ops failing_index_ops;
static int (*apply_for_real)(struct index *x, const struct index_change *changes, size_t count, const uint64_t *rules,
                             size_t rules_count, uint64_t indexed_sequence);
static int applies_that_fail; /* set before a sweep begins, read by its thread */

static int failing_apply(struct index *x, const struct index_change *changes, size_t count, const uint64_t *rules,
                         size_t rules_count, uint64_t indexed_sequence)
{
    if (applies_that_fail-- > 0) return INDEX_E_FULL;
    return apply_for_real(x, changes, count, rules, rules_count, indexed_sequence);
}

static void an_index_that_cannot_be_written_costs_nothing_but_time(void **state)
{
    struct world *w = world_prepare(false);
    failing_index_ops = *w->index->ops;
    apply_for_real = failing_index_ops.apply;
    failing_index_ops.apply = failing_apply;
    w->index->ops = &failing_index_ops;
    applies_that_fail = 0;
    w->options.sweep_changes = 1000000;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    assert_int_equal(engine_index_flush(w->engine), 0);
    applies_that_fail = 4;
    world_publish(w, world_opened(w, "e1", "p0"));
    assert_int_equal(engine_index_flush(w->engine), ENGINE_E_INDEX);
    assert_non_null(strstr(world_state(w).sentence, "index"));
    assert_int_equal(world_publish(w, world_opened(w, "e2", "p1"))->code, CODE(ACCEPTED));
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    assert_int_equal(world_record(w, "p0", &record, &sequence), 0);
    assert_int_equal(engine_index_flush(w->engine), 0);
    assert_string_equal(world_state(w).sentence, "");
    assert_int_equal(world_state(w).indexed_sequence, world_state(w).last_sequence);
    expect_the_forecast_comes_true(w);
    world_free(w);
    (void)state;
}

static int (*lodge_for_real)(struct index *x, const struct index_due *dues, size_t count, bool is_out);
static int writes_left; /* set before a sweep begins, taken by its thread */

static int interrupted_lodge(struct index *x, const struct index_due *dues, size_t count, bool is_out)
{
    return writes_left-- > 0 ? lodge_for_real(x, dues, count, is_out) : INDEX_E_IO;
}

static int interrupted_apply(struct index *x, const struct index_change *changes, size_t count, const uint64_t *rules,
                             size_t rules_count, uint64_t indexed_sequence)
{
    return writes_left-- > 0 ? apply_for_real(x, changes, count, rules, rules_count, indexed_sequence) : INDEX_E_IO;
}

static void a_crash_between_the_passes_of_a_sweep_loses_no_timer(void **state)
{
    for (int passes = 0; passes <= 3; passes++) {
        struct world *w = world_prepare(false);
        struct index_ops interrupted = *w->index->ops;
        const struct index_ops *whole = w->index->ops;
        apply_for_real = interrupted.apply;
        lodge_for_real = interrupted.lodge;
        interrupted.apply = interrupted_apply;
        interrupted.lodge = interrupted_lodge;
        w->options.sweep_changes = 1000000;
        assert_int_equal(world_start(w), 0);
        world_adopt_rules(w);
        live(w, 3); /* some patients are new since */
        writes_left = passes;
        w->index->ops = &interrupted;
        assert_int_equal(engine_index_flush(w->engine), passes == 3 ? 0 : ENGINE_E_INDEX);
        engine_abandon(w->engine);
        w->index->ops = whole;
        assert_int_equal(world_start(w), 0);
        expect_the_forecast_comes_true(w);
        assert_int_equal(engine_index_flush(w->engine), 0);
        world_crash(w);
        expect_the_forecast_comes_true(w);
        world_free(w);
    }
    (void)state;
}

static void the_index_follows_the_journal_on_its_own_thread(void **state)
{
    struct world *w = world_prepare(true);
    w->options.sweep_changes = 16;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    char name[16];
    for (uint64_t i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "p%d", (int)(i % 300));
        char id[16];
        snprintf(id, sizeof id, "e%d", (int)i);
        engine_turn_begin(w->engine);
        engine_publish(w->engine, world_updated(w, id, name, id), i, 0);
        assert_int_equal(engine_turn_commit(w->engine), 0);
        assert_int_equal(w->results[i % WORLD_RESULTS].code, CODE(ACCEPTED));
    }
    for (int i = 0; i < 300; i++) {
        Handoff__V1__PatientRecord *record;
        uint64_t sequence;
        char id[16];
        snprintf(name, sizeof name, "p%d", i);
        snprintf(id, sizeof id, "e%d", 1500 + (i + 300) % 300 + (i < 200 ? 300 : 0));
        assert_int_equal(world_record(w, name, &record, &sequence), 0);
        assert_string_equal(record->name, id);
    }
    assert_int_equal(world_state(w).totals[TOTAL_PATIENTS], 300);
    world_free(w);
    (void)state;
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: no sweep ends */

static int gated_apply(struct index *x, const struct index_change *changes, size_t count, const uint64_t *rules,
                       size_t rules_count, uint64_t indexed_sequence)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return apply_for_real(x, changes, count, rules, rules_count, indexed_sequence);
}

static void who_waits_for_a_sweep_that_is_at_work_wants_no_other(void **state)
{
    struct world *w = world_prepare(false);
    struct index_ops gated = *w->index->ops;
    const struct index_ops *whole = w->index->ops;
    struct timespec a_while = {0, 200000000}; /* the rest after a sweep is some times as long */
    apply_for_real = gated.apply;
    gated.apply = gated_apply;
    w->index->ops = &gated;
    w->options.sweep_changes = 1000000;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    assert_int_equal(engine_index_flush(w->engine), 0);
    pthread_mutex_lock(&gate);
    uint64_t as_of = world_publish(w, world_opened(w, "e1", "p0"))->sequence;
    for (int i = 0; i < 3; i++) assert_false(engine_index_catch_up(w->engine, as_of));
    assert_true(w->engine->is_sweeping && w->engine->is_sweep_awaited);
    world_publish(w, world_opened(w, "e2", "p1"));
    nanosleep(&a_while, NULL);
    pthread_mutex_unlock(&gate);
    indexer_wait(w->engine->indexer);
    assert_true(engine_index_catch_up(w->engine, as_of));
    world_publish(w, world_opened(w, "e3", "p2"));
    assert_false(w->engine->is_sweeping);
    assert_int_equal(engine_index_flush(w->engine), 0);
    w->index->ops = whole;
    world_free(w);
    (void)state;
}

static void a_full_table_of_changes_pauses_intake_until_the_index_follows(void **state)
{
    struct world *w = world_prepare(false);
    w->options.changes_max = 40;
    w->options.sweep_changes = 1000;
    w->options.batch_events = 16;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    assert_int_equal(engine_index_flush(w->engine), 0);
    char name[16];
    int accepted = 0;
    for (int i = 0; i < 60 && engine_can_accept(w->engine); i++, accepted++) {
        snprintf(name, sizeof name, "p%d", i);
        w->results[0].is_known = false;
        engine_turn_begin(w->engine);
        engine_publish(w->engine, world_opened(w, name, name), 0, 0);
        engine_turn_commit(w->engine);
    }
    assert_true(accepted >= 40);
    assert_int_equal(engine_index_flush(w->engine), 0);
    assert_true(engine_can_accept(w->engine));
    world_free(w);
    (void)state;
}

static int (*get_for_real)(struct index_reader *r, const struct patient_key *key, struct index_row *ret_row);
static int gets;

static int counted_get(struct index_reader *r, const struct patient_key *key, struct index_row *ret_row)
{
    gets++;
    return get_for_real(r, key, ret_row);
}

static void update_all(struct world *w, char turn, int patients)
{
    char id[16];
    engine_turn_begin(w->engine);
    for (int i = 0; i < patients; i++) {
        snprintf(id, sizeof id, "%c%d", turn, i);
        engine_publish(w->engine, world_updated(w, id, id + 1, id), (uint64_t)i, 0);
    }
    assert_int_equal(engine_turn_commit(w->engine), 0);
    for (int i = 0; i < patients; i++) assert_int_equal(w->results[i].code, CODE(ACCEPTED));
}

static void rows_are_remembered_when_they_are_recovered(void **state)
{
    enum { MANY = 1500 }; /* more than there is room for in a new folder */
    struct world *w = world_prepare(false);
    w->options.sweep_changes = 1000000;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    update_all(w, 'a', MANY);
    world_crash(w);
    assert_int_equal(engine_index_flush(w->engine), 0); /* no longer among the changes */
    struct index_ops counting = *w->index->ops;
    const struct index_ops *whole = w->index->ops;
    get_for_real = counting.get;
    counting.get = counted_get;
    w->index->ops = &counting;
    gets = 0;
    update_all(w, 'b', MANY);
    assert_in_range(gets, 0, MANY / 5); /* of three that share a line the oldest is forgotten */
    w->index->ops = whole;
    world_free(w);
    (void)state;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

struct walked {
    uint64_t sequences[64];
    int count, stop_after;
};

static bool note_entry(void *context, const struct entry *entry)
{
    struct walked *walked = context;
    walked->sequences[walked->count++] = entry->sequence;
    return walked->count < walked->stop_after;
}

static void a_subjects_entries_are_walked_backwards_in_pages(void **state)
{
    struct world *w = world_new(false);
    struct walked all = {.stop_after = 64}, page = {.stop_after = 2};
    struct patient_key key;
    char id[8];
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "e%d", i);
        world_publish(w, world_updated(w, id, i % 2 ? "david" : "mary", "M"));
    }
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, "mary", &key);
    assert_int_equal(engine_walk(w->engine, &key, 0, &all, note_entry), 0);
    assert_int_equal(all.count, 3);
    assert_true(all.sequences[0] > all.sequences[1]);
    assert_int_equal(engine_walk(w->engine, &key, 0, &page, note_entry), 0);
    assert_int_equal(page.count, 2);
    page = (struct walked){.stop_after = 64};
    assert_int_equal(engine_walk(w->engine, &key, all.sequences[1], &page, note_entry), 0);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.sequences[0], all.sequences[2]);
    page.count = 0;
    assert_int_equal(engine_walk(w->engine, &key, all.sequences[1] + 1, &page, note_entry), 0); /* david's */
    assert_int_equal(page.count, 2);
    page.count = 0;
    assert_int_equal(engine_walk(w->engine, &key, all.sequences[2], &page, note_entry), 0);
    assert_int_equal(page.count, 0);
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, "nobody", &key);
    assert_int_equal(engine_walk(w->engine, &key, 0, &page, note_entry), ENGINE_E_UNKNOWN);
    world_free(w);
    (void)state;
}

static void the_state_at_a_date_is_that_of_the_last_entry_before(void **state)
{
    struct world *w = world_new(false);
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms, began = engine_now_ms(w->engine);
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, "mary", &key);
    assert_int_equal(engine_advance(w->engine, began + 1000, NULL), 0);
    uint64_t first = world_publish(w, world_updated(w, "e1", "mary", "Mary"))->sequence;
    assert_int_equal(engine_advance(w->engine, began + 2000, NULL), 0);
    world_publish(w, world_updated(w, "e2", "mary", "Maria"));
    assert_int_equal(engine_record_at(w->engine, &key, began + 1999, 0, w->arena, &record, &sequence, &time_ms), 0);
    assert_string_equal(record->name, "Mary");
    assert_true(time_ms == began + 1000);
    assert_int_equal(engine_record_at(w->engine, &key, INT64_MAX, first, w->arena, &record, &sequence, &time_ms), 0);
    assert_string_equal(record->name, "Mary");
    assert_int_equal(engine_record_at(w->engine, &key, INT64_MAX, 0, w->arena, &record, &sequence, &time_ms), 0);
    assert_string_equal(record->name, "Maria");
    assert_int_equal(engine_record_at(w->engine, &key, began, 0, w->arena, &record, &sequence, &time_ms), ENGINE_E_UNKNOWN);
    world_free(w);
    (void)state;
}

static void keys_are_text_and_back(void **state)
{
    struct world *w = world_new(false);
    struct patient_key key, parsed;
    char text[33];
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, "mary", &key);
    engine_key_text(&key, text);
    assert_true(engine_key_parse(text, &parsed));
    assert_memory_equal(&key, &parsed, sizeof key);
    text[31] = 'G';
    assert_false(engine_key_parse(text, &parsed));
    text[5] = '\0';
    assert_false(engine_key_parse(text, &parsed));
    world_free(w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_between_any_two_commits_loses_nothing),
        cmocka_unit_test(wherever_the_index_stopped_the_rest_comes_from_headers),
        cmocka_unit_test(a_restart_after_every_step_fires_each_timer_once),
        cmocka_unit_test(a_deleted_index_is_rebuilt_from_the_journal),
        cmocka_unit_test(a_small_table_of_changes_does_not_stop_a_rebuild),
        cmocka_unit_test(an_index_ahead_of_its_journal_is_rebuilt),
        cmocka_unit_test(an_index_of_another_journal_is_rebuilt),
        cmocka_unit_test(a_journal_that_is_gone_while_its_index_is_there_is_refused_and_nothing_is_emptied),
        cmocka_unit_test(an_index_that_cannot_be_written_costs_nothing_but_time),
        cmocka_unit_test(a_crash_between_the_passes_of_a_sweep_loses_no_timer),
        cmocka_unit_test(the_index_follows_the_journal_on_its_own_thread),
        cmocka_unit_test(who_waits_for_a_sweep_that_is_at_work_wants_no_other),
        cmocka_unit_test(a_full_table_of_changes_pauses_intake_until_the_index_follows),
        cmocka_unit_test(rows_are_remembered_when_they_are_recovered),
        cmocka_unit_test(a_subjects_entries_are_walked_backwards_in_pages),
        cmocka_unit_test(the_state_at_a_date_is_that_of_the_last_entry_before),
        cmocka_unit_test(keys_are_text_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
