/* Which versions of pathways open episodes run on, and a journaled text that this binary cannot load. */
#include "engine/inside.h"
#include "unit/engine_world.h"

/* As an older or newer binary wrote it. */
static void journal_unloadable(struct world *w)
{
    Handoff__V1__PathwayText text = HANDOFF__V1__PATHWAY_TEXT__INIT;
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    struct patient_key key;
    struct found found;
    text.number = 2;
    text.name = (char *)"later";
    text.file = (char *)"later.yaml";
    text.text = (ProtobufCBinaryData){15, (uint8_t *)(uintptr_t) "pathway: later\n"};
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY;
    change.pathway = &text;
    subject_key(w->engine->hash_key, SUBJECT_IS_FOLDER, SUBJECT_RULES, &key);
    engine_turn_begin(w->engine);
    assert_int_equal(lookup_subject(w->engine, &key, &found), 0);
    turn_add(w->engine, &(struct addition){.kind = ENTRY_RULES, .key = &key, .found = &found, .input_message = &change.base});
    assert_int_equal(engine_turn_commit(w->engine), 0);
}

/* An episode of that version. */
static void journal_episode(struct world *w, const char *patient)
{
    Handoff__V1__PatientRecord *record;
    Handoff__V1__Outcome outcome = HANDOFF__V1__OUTCOME__INIT;
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT;
    struct patient_key key;
    struct found found;
    struct bytes packed;
    uint64_t sequence;
    assert_int_equal(world_record(w, patient, &record, &sequence), 0);
    record->episodes[0]->pathway = 2;
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, patient, &key);
    engine_turn_begin(w->engine);
    assert_int_equal(lookup_subject(w->engine, &key, &found), 0);
    assert_true(turn_fits(w->engine, record, true, &packed));
    turn_add(w->engine, &(struct addition){.kind = ENTRY_TIMER, .key = &key, .found = &found, .input_message = &firing.base,
                                           .before = record, .after = record, .after_packed = packed, .outcome = &outcome});
    assert_int_equal(engine_turn_commit(w->engine), 0);
}

static void open_episodes_are_counted_wherever_their_records_are(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = world_new(is_lmdb);
        uint64_t counts[4] = {0}, again[4] = {0};
        world_publish(w, world_opened(w, "e1", "mary"));
        world_publish(w, world_opened(w, "e2", "david"));
        assert_int_equal(engine_index_flush(w->engine), 0);
        world_publish(w, world_opened(w, "e3", "alison"));        /* the index does not know her yet */
        world_publish(w, world_updated(w, "e4", "mary", "Mary")); /* nor this of mary, who is counted once */
        world_publish(w, world_updated(w, "e5", "tom", "Tom"));
        assert_int_equal(engine_count_episodes(w->engine, counts, 4), 0);
        assert_int_equal(counts[1], 3);
        world_crash(w);
        assert_int_equal(engine_count_episodes(w->engine, again, 4), 0);
        assert_int_equal(again[1], 3);
        world_free(w);
    }
    (void)state;
}

static void a_text_that_cannot_be_loaded_is_in_nobodys_way_while_nothing_runs_on_it(void **state)
{
    struct world *w = world_new(true);
    world_publish(w, world_opened(w, "e1", "mary"));
    journal_unloadable(w);
    world_crash(w);
    assert_int_equal(engine_rules(w->engine)->pathway_count, 2);
    assert_null(engine_rules(w->engine)->pathways[1]);
    uint64_t fired = 0;
    while (engine_advance(w->engine, engine_now_ms(w->engine) + 2 * WORLD_HOUR, &fired) == 1) continue;
    assert_int_equal(w->firings, 1);
    world_free(w);
    (void)state;
}

static void a_text_that_cannot_be_loaded_is_refused_while_episodes_run_on_it(void **state)
{
    struct world *w = world_new(true);
    world_publish(w, world_opened(w, "e1", "mary"));
    world_publish(w, world_opened(w, "e2", "david"));
    journal_episode(w, "mary");
    journal_episode(w, "david");
    journal_unloadable(w);
    engine_abandon(w->engine);
    w->engine = NULL;
    assert_int_equal(world_start(w), ENGINE_E_RULES);
    assert_non_null(strstr(w->sentence, "later.yaml"));
    assert_non_null(strstr(w->sentence, "2 open episodes"));
    world_free(w);
    (void)state;
}

static void records_of_an_older_format_are_refused(void **state)
{
    struct world *w = world_prepare(false);
    struct batch_builder *b = batch_builder_new();
    Handoff__V1__EpochInput epoch = HANDOFF__V1__EPOCH_INPUT__INIT;
    uint8_t key[HASH_KEY_BYTES] = {1}, packed[256], digest[DIGEST_BYTES] = {0};
    const int64_t totals[TOTAL_COUNT] = {1};
    epoch.schema = ENGINE_SCHEMA - 1;
    epoch.clock = (char *)"manual";
    epoch.hash_key = (ProtobufCBinaryData){sizeof key, key};
    batch_begin(b, 1);
    batch_add(b, &(struct entry){.sequence = 1, .kind = ENTRY_EPOCH, .format = ENTRY_FORMAT_PROTOBUF, .due_at_ms = NO_DUE,
                                 .input = {packed, handoff__v1__epoch_input__pack(&epoch, packed)}});
    struct bytes blob = batch_seal(b, totals, digest, digest);
    assert_int_equal(w->journal->ops->append(w->journal, 0, 1, 1, blob), 0);
    assert_int_equal(world_start(w), ENGINE_E_RULES);
    assert_non_null(strstr(w->sentence, "format 1"));
    batch_builder_free(b);
    world_free(w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_episodes_are_counted_wherever_their_records_are),
        cmocka_unit_test(a_text_that_cannot_be_loaded_is_in_nobodys_way_while_nothing_runs_on_it),
        cmocka_unit_test(records_of_an_older_format_are_refused),
        cmocka_unit_test(a_text_that_cannot_be_loaded_is_refused_while_episodes_run_on_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
