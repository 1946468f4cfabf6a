/* What the daemon itself says to a record: decided on the newest one, in the turn's own batch. */
#include "engine/audit.h"
#include "engine/view.h"
#include "unit/engine_world.h"

static Handoff__V1__MessageDropped dropped;
static Handoff__V1__CommandInput drop(const char *emission_id)
{
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    handoff__v1__message_dropped__init(&dropped);
    dropped.emission_id = (char *)(uintptr_t)emission_id;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_DROPPED;
    command.message_dropped = &dropped;
    return command;
}

static int say(struct world *w, enum subject_kind kind, const char *name)
{
    Handoff__V1__CommandInput command = drop("k-n1");
    engine_turn_begin(w->engine);
    int code = engine_command(w->engine, kind, name, &command);
    engine_turn_commit(w->engine);
    return code;
}

static uint64_t newest_of(struct world *w, enum subject_kind kind, const char *name)
{
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, kind, name, &key);
    return engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms) ? 0 : sequence;
}

static void a_command_is_an_entry_of_its_subject(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    uint64_t registered = world_publish(w, world_updated(w, "e1", "mary", "Mary"))->sequence;
    assert_int_equal(say(w, SUBJECT_IS_PATIENT, "mary"), 0);
    assert_int_equal(newest_of(w, SUBJECT_IS_PATIENT, "mary"), registered + 1);
    world_free(w);
}

static void it_is_decided_on_what_the_same_batch_says(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    Handoff__V1__CommandInput command = drop("k-n1");
    engine_turn_begin(w->engine);
    engine_publish(w->engine, world_updated(w, "e1", "mary", "Mary"), 0, 0);
    assert_int_equal(engine_command(w->engine, SUBJECT_IS_PATIENT, "mary", &command), 0);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    assert_int_equal(newest_of(w, SUBJECT_IS_PATIENT, "mary"), w->results[0].sequence + 1);
    world_free(w);
}

static void nobody_becomes_a_patient_by_a_command(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    uint64_t last = world_state(w).last_sequence;
    assert_int_equal(say(w, SUBJECT_IS_PATIENT, "nobody"), ENGINE_E_UNKNOWN);
    assert_int_equal(world_state(w).last_sequence, last);
    world_free(w);
}

static void a_site_that_nothing_was_said_of_hears_its_first(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    assert_int_equal(newest_of(w, SUBJECT_IS_SITE, "main"), 0);
    assert_int_equal(say(w, SUBJECT_IS_SITE, "main"), 0);
    assert_int_equal(newest_of(w, SUBJECT_IS_SITE, "main"), world_state(w).last_sequence);
    world_free(w);
}

static void what_is_said_to_an_alias_its_survivor_hears(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    Handoff__V1__PatientMerged merged = HANDOFF__V1__PATIENT_MERGED__INIT;
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    world_publish(w, world_updated(w, "e1", "mary", "Mary"));
    world_publish(w, world_updated(w, "e2", "mary-2", "Mary"));
    event.id = (char *)"m1";
    event.source = (char *)"ward";
    event.patient_id = (char *)"mary-2";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_PATIENT_MERGED;
    event.patient_merged = &merged;
    merged.survivor_patient_id = (char *)"mary";
    assert_int_equal(world_publish(w, world_pack(w, &event))->code, CODE(ACCEPTED));
    uint64_t alias = newest_of(w, SUBJECT_IS_PATIENT, "mary-2");
    assert_int_equal(say(w, SUBJECT_IS_PATIENT, "mary-2"), 0);
    assert_int_equal(newest_of(w, SUBJECT_IS_PATIENT, "mary-2"), alias);
    assert_int_equal(newest_of(w, SUBJECT_IS_PATIENT, "mary"), world_state(w).last_sequence);
    world_free(w);
}

static void without_room_in_the_batch_it_is_said_again_in_the_next(void **state)
{
    (void)state;
    struct world *w = world_prepare(false);
    w->options.batch_events = 8;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    Handoff__V1__CommandInput command = drop("k-n1");
    engine_turn_begin(w->engine);
    int code = 0, said = 0;
    while (!(code = engine_command(w->engine, SUBJECT_IS_SITE, "main", &command))) said++;
    assert_int_equal(code, ENGINE_E_LIMIT);
    assert_true(said > 0 && said <= 8);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    assert_int_equal(say(w, SUBJECT_IS_SITE, "main"), 0);
    world_free(w);
}

static void of_a_batch_that_did_not_become_durable_nothing_was_said(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    world_publish(w, world_updated(w, "e1", "mary", "Mary"));
    uint64_t before = newest_of(w, SUBJECT_IS_PATIENT, "mary");
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    assert_int_equal(say(w, SUBJECT_IS_PATIENT, "mary"), 0);
    assert_int_equal(newest_of(w, SUBJECT_IS_PATIENT, "mary"), before);
    assert_int_equal(say(w, SUBJECT_IS_PATIENT, "mary"), ENGINE_E_FULL);
    world_free(w);
}

static void note_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    (void)context;
    fprintf(stderr, "batch %llu, entry %llu: %s\n", (unsigned long long)batch, (unsigned long long)sequence, sentence);
}

static void what_says_nothing_new_is_no_entry_and_all_of_it_is_decided_alike_again(void **state)
{
    (void)state;
    struct world *w = world_new(true);
    Handoff__V1__DeliveryServed served = HANDOFF__V1__DELIVERY_SERVED__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_DELIVERY_SERVED;
    command.delivery_served = &served;
    served.subscription = (char *)"notify";
    served.reason = (char *)"no worker for 2 minutes";
    for (int i = 0; i < 4; i++) {
        served.is_served = i >= 2;
        engine_turn_begin(w->engine);
        assert_int_equal(engine_command(w->engine, SUBJECT_IS_SITE, "main", &command), 0);
        uint64_t before = world_state(w).last_sequence;
        assert_int_equal(engine_turn_commit(w->engine), 0);
        assert_int_equal(world_state(w).last_sequence, before + (i % 2 == 0)); /* each said twice */
        world_crash(w);
    }
    struct audit_summary summary;
    struct audit audit = {"test", NULL, note_damage};
    assert_int_equal(audit_journal(w->journal, &audit, &summary), 0);
    assert_int_equal(summary.damages, 0);
    world_free(w);
}

static void what_is_said_of_messages_is_decided_alike_again_whoever_it_is_about(void **state)
{
    (void)state;
    struct world *w = world_new(true);
    world_publish(w, world_updated(w, "e1", "mary", "Mary"));
    assert_int_equal(say(w, SUBJECT_IS_PATIENT, "mary"), 0);
    assert_int_equal(say(w, SUBJECT_IS_SITE, "main"), 0);
    assert_int_equal(say(w, SUBJECT_IS_SOURCE, "ward"), 0);
    struct audit_summary summary;
    struct audit audit = {"test", NULL, note_damage};
    assert_int_equal(audit_journal(w->journal, &audit, &summary), 0);
    assert_int_equal(summary.damages, 0);
    world_free(w);
}

static void assert_words(struct world *w, struct view_undelivered u, const char *words)
{
    struct view v = {engine_rules(w->engine), w->arena, engine_now_ms(w->engine)};
    assert_string_equal(view_undelivered(&v, &u), words);
}

static void whoever_is_told_reads_what_is_not_received_and_why(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    Handoff__V1__DeliveryServed served = HANDOFF__V1__DELIVERY_SERVED__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    Handoff__V1__PatientRecord *record;
    struct patient_key key;
    uint64_t sequence;
    int64_t time_ms;
    char key_text[33];
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_DELIVERY_SERVED;
    command.delivery_served = &served;
    served.subscription = (char *)"notify";
    served.reason = (char *)"no worker for 2 minutes";
    served.is_escalation = true;
    engine_turn_begin(w->engine);
    assert_int_equal(engine_command(w->engine, SUBJECT_IS_SITE, "main", &command), 0);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    engine_subject_key(w->engine, SUBJECT_IS_SITE, "main", &key);
    engine_key_text(&key, key_text);
    assert_int_equal(engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms), 0);
    struct view v = {engine_rules(w->engine), w->arena, engine_now_ms(w->engine)};
    const Handoff__V1__EscalationView *row =
        view_escalation(&v, &(struct view_subject){key_text, record}, record->escalations[0]);
    assert_string_equal(row->reason, "Nobody receives in time what the subscription notify carries, escalations among it: "
                                     "look at those that are open. No worker for 2 minutes.");
    assert_string_equal(row->person_id, "on-call-1");
    assert_words(w, (struct view_undelivered){"board", "The oldest waits.", HANDOFF__V1__SEVERITY__SEVERITY_URGENT},
                 "Nobody receives in time what the subscription board carries. The oldest waits.");
    assert_words(w, (struct view_undelivered){"board", NULL, HANDOFF__V1__SEVERITY__SEVERITY_URGENT},
                 "The subscription board is served again, or gone.");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_an_entry_of_its_subject),
        cmocka_unit_test(it_is_decided_on_what_the_same_batch_says),
        cmocka_unit_test(nobody_becomes_a_patient_by_a_command),
        cmocka_unit_test(a_site_that_nothing_was_said_of_hears_its_first),
        cmocka_unit_test(what_is_said_to_an_alias_its_survivor_hears),
        cmocka_unit_test(without_room_in_the_batch_it_is_said_again_in_the_next),
        cmocka_unit_test(of_a_batch_that_did_not_become_durable_nothing_was_said),
        cmocka_unit_test(whoever_is_told_reads_what_is_not_received_and_why),
        cmocka_unit_test(what_is_said_of_messages_is_decided_alike_again_whoever_it_is_about),
        cmocka_unit_test(what_says_nothing_new_is_no_entry_and_all_of_it_is_decided_alike_again),
    };
    return cmocka_run_group_tests_name("engine: commands", tests, NULL, NULL);
}
