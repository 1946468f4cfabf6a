/* The synthetic patient in the engine: it is fired and kept like anybody, and it is nobody. */
#include "engine/audit.h"
#include "unit/engine_world.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define EVERY_MS (5 * MINUTE_MS)

static struct patient_key key_of(struct world *w)
{
    struct patient_key key;
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, HEARTBEAT_PATIENT, &key);
    return key;
}

static const Handoff__V1__Heartbeat *heartbeat(struct world *w)
{
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    if (world_record(w, HEARTBEAT_PATIENT, &record, &sequence)) return NULL;
    return record->heartbeat;
}

static void advance(struct world *w, int64_t by_ms)
{
    int code = 1;
    int64_t to_ms = engine_now_ms(w->engine) + by_ms;
    while (code == 1) code = engine_advance(w->engine, to_ms, NULL);
    assert_int_equal(code, 0);
}

static struct bytes event(struct world *w, const char *id, Handoff__V1__Event *event)
{
    event->id = (char *)(uintptr_t)id;
    event->source = (char *)"notify";
    event->patient_id = (char *)HEARTBEAT_PATIENT;
    event->occurred_at_ms = engine_now_ms(w->engine);
    return world_pack(w, event);
}

static const struct world_result *deliver(struct world *w, const char *id, uint32_t notice)
{
    char key[33], emission[64];
    Handoff__V1__Event e = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__MessageSent sent = HANDOFF__V1__MESSAGE_SENT__INIT;
    struct patient_key of = key_of(w);
    engine_key_text(&of, key);
    snprintf(emission, sizeof emission, "%s-n%u", key, notice);
    sent.emission_id = emission;
    sent.channel = HANDOFF__V1__CHANNEL__CHANNEL_WEBHOOK;
    e.body_case = HANDOFF__V1__EVENT__BODY_MESSAGE_SENT;
    e.message_sent = &sent;
    return world_publish(w, event(w, id, &e));
}

static void note_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    (void)context;
    fprintf(stderr, "batch %llu, entry %llu: %s\n", (unsigned long long)batch, (unsigned long long)sequence, sentence);
}

static void end(struct world *w)
{
    struct audit_summary summary;
    struct audit audit = {"test", NULL, note_damage};
    assert_int_equal(audit_journal(w->journal, &audit, &summary), 0);
    assert_int_equal(summary.damages, 0);
    world_free(w);
}

static void off_it_costs_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    uint64_t before = world_state(w).last_sequence;
    assert_int_equal(engine_set_heartbeat(w->engine, 0), 0);
    assert_int_equal(world_state(w).last_sequence, before);
    assert_null(heartbeat(w));
    end(w);
}

static void it_goes_the_way_of_anybody_and_comes_back_by_message_sent(void **state)
{
    (void)state;
    struct world *w = world_new(true);
    assert_int_equal(engine_set_heartbeat(w->engine, EVERY_MS), 0);
    advance(w, EVERY_MS);
    assert_int_equal(heartbeat(w)->n_beats, 1);
    advance(w, 700);
    assert_int_equal(deliver(w, "s1", 1)->code, CODE(ACCEPTED));
    assert_int_equal(heartbeat(w)->n_beats, 0);
    assert_int_equal(heartbeat(w)->delivered_at_ms - heartbeat(w)->delivered_due_at_ms, 700);
    end(w);
}

static void it_is_no_patient_and_has_no_timer_or_episode(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    engine_set_heartbeat(w->engine, EVERY_MS);
    advance(w, EVERY_MS);
    deliver(w, "s1", 1);
    struct engine_state s = world_state(w);
    assert_int_equal(s.totals[TOTAL_PATIENTS], 0);
    assert_int_equal(s.totals[TOTAL_OPEN_EPISODES], 0);
    assert_int_equal(s.totals[TOTAL_PENDING_TIMERS], 0);
    end(w);
}

static void a_restart_does_not_move_it(void **state)
{
    (void)state;
    struct world *w = world_new(true);
    engine_set_heartbeat(w->engine, EVERY_MS);
    int64_t next_ms = heartbeat(w)->next_at_ms;
    advance(w, 2 * MINUTE_MS);
    world_crash(w);
    assert_int_equal(engine_set_heartbeat(w->engine, EVERY_MS), 0);
    assert_int_equal(heartbeat(w)->next_at_ms, next_ms);
    advance(w, 3 * MINUTE_MS);
    assert_int_equal(heartbeat(w)->n_beats, 1);
    end(w);
}

static void nobody_else_is_called_so(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    assert_int_equal(deliver(w, "s1", 1)->code, CODE(BAD_ID)); /* it has never beaten */
    assert_string_equal(w->results[0].field, "patient_id");
    engine_set_heartbeat(w->engine, EVERY_MS);
    assert_int_equal(world_publish(w, world_updated(w, "e1", HEARTBEAT_PATIENT, "Mary"))->code, CODE(BAD_ID));
    assert_int_equal(world_publish(w, world_opened(w, "e2", HEARTBEAT_PATIENT))->code, CODE(BAD_ID));
    Handoff__V1__Event merge = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__PatientMerged merged = HANDOFF__V1__PATIENT_MERGED__INIT;
    merge.id = merge.source = (char *)"m1";
    merge.patient_id = (char *)"mary";
    merge.occurred_at_ms = engine_now_ms(w->engine);
    merge.body_case = HANDOFF__V1__EVENT__BODY_PATIENT_MERGED;
    merge.patient_merged = &merged;
    merged.survivor_patient_id = (char *)HEARTBEAT_PATIENT;
    assert_int_equal(world_publish(w, world_pack(w, &merge))->code, CODE(BAD_ID));
    assert_string_equal(w->results[0].field, "patient_merged.survivor_patient_id");
    end(w);
}

static void turned_off_the_engine_waits_for_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    engine_set_heartbeat(w->engine, EVERY_MS);
    advance(w, 12 * MINUTE_MS);
    engine_set_heartbeat(w->engine, 0);
    advance(w, MS_PER_DAY);
    assert_int_equal(heartbeat(w)->every_ms, 0);
    assert_int_equal(engine_next_due(w->engine), NO_DUE);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_it_costs_nothing),
        cmocka_unit_test(it_goes_the_way_of_anybody_and_comes_back_by_message_sent),
        cmocka_unit_test(it_is_no_patient_and_has_no_timer_or_episode),
        cmocka_unit_test(a_restart_does_not_move_it),
        cmocka_unit_test(nobody_else_is_called_so),
        cmocka_unit_test(turned_off_the_engine_waits_for_nothing),
    };
    return cmocka_run_group_tests_name("engine: the synthetic patient", tests, NULL, NULL);
}
