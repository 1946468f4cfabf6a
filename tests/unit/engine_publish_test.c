/* Publishing: verdicts, repeats, commits that fail. */
#include "engine/inside.h"
#include "core/seen.h"
#include "unit/engine_world.h"

static void an_event_is_accepted_and_its_record_is_readable(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = world_new(is_lmdb);
        Handoff__V1__PatientRecord *record;
        uint64_t sequence;
        const struct world_result *r = world_publish(w, world_opened(w, "e1", "mary"));
        assert_int_equal(r->code, CODE(ACCEPTED));
        assert_int_equal(r->verdict, HANDOFF__V1__VERDICT__VERDICT_APPLIED);
        assert_int_equal(world_record(w, "mary", &record, &sequence), 0);
        assert_int_equal(sequence, r->sequence);
        assert_string_equal(record->patient_id, "mary");
        assert_int_equal(record->n_episodes, 1);
        assert_int_equal(world_record(w, "nobody", &record, &sequence), ENGINE_E_UNKNOWN);
        struct engine_state s = world_state(w);
        assert_int_equal(s.totals[TOTAL_EVENTS], 1);
        assert_int_equal(s.totals[TOTAL_PATIENTS], 1);
        assert_int_equal(s.totals[TOTAL_OPEN_EPISODES], 1);
        assert_int_equal(s.totals[TOTAL_PENDING_TIMERS], 1);
        assert_int_equal(s.totals[TOTAL_ENTRIES], s.last_sequence);
        world_free(w);
    }
    (void)state;
}

static void nothing_is_told_or_visible_before_the_commit(void **state)
{
    struct world *w = world_new(false);
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    engine_turn_begin(w->engine);
    engine_publish(w->engine, world_opened(w, "e1", "mary"), 0, 0);
    assert_false(w->results[0].is_known);
    assert_int_equal(world_record(w, "mary", &record, &sequence), ENGINE_E_UNKNOWN);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    assert_true(w->results[0].is_known);
    assert_int_equal(world_record(w, "mary", &record, &sequence), 0);
    world_free(w);
    (void)state;
}

static void an_unreadable_event_refuses_only_itself(void **state)
{
    struct world *w = world_new(false);
    uint64_t before = world_state(w).last_sequence;
    engine_turn_begin(w->engine);
    engine_publish(w->engine, (struct bytes){(const uint8_t *)"\xff\xff", 2}, 1, 0);
    assert_int_equal(w->results[1].code, CODE(MALFORMED));
    engine_publish(w->engine, world_opened(w, "e1", "mary"), 2, 0);
    engine_turn_commit(w->engine);
    assert_int_equal(w->results[2].code, CODE(ACCEPTED));
    assert_int_equal(world_state(w).last_sequence, before + 1);
    world_free(w);
    (void)state;
}

/* Those expected come, do not come, or come otherwise. */
static void what_is_expected_changes_nothing(void **state)
{
    struct world *w = world_new(false);
    struct bytes events[40];
    char id[16], patient[16];
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "e%d", i);
        snprintf(patient, sizeof patient, "p%d", i % 7);
        events[i] = world_opened(w, id, patient);
    }
    for (int i = 0; i < 40; i += 20) {
        engine_turn_begin(w->engine);
        uint64_t last = world_state(w).last_sequence;
        engine_expect(w->engine, (struct bytes){(const uint8_t *)"\x22\xff", 2});
        engine_expect(w->engine, (struct bytes){(const uint8_t *)"\x22\x03m\0y", 5});
        for (int j = 0; j < 20; j++) engine_expect(w->engine, events[i + 19 - j]);
        for (int j = 0; j < 20; j++) engine_expect(w->engine, (struct bytes){0});
        assert_false(engine_has_decided(w->engine));
        for (int j = 0; j < 10; j++) engine_publish(w->engine, events[i + j], (uint64_t)(i + j), 0);
        engine_turn_commit(w->engine);
        assert_int_equal(world_state(w).last_sequence, last + 10);
    }
    for (uint32_t i = 0; i < 40; i++)
        if (i % 20 < 10) assert_int_equal(w->results[i].code, CODE(ACCEPTED));
    world_free(w);
    (void)state;
}

static void a_repeat_in_the_same_batch_waits_for_it_and_stores_nothing(void **state)
{
    struct world *w = world_new(false);
    engine_turn_begin(w->engine);
    engine_publish(w->engine, world_opened(w, "e1", "mary"), 1, 0);
    engine_publish(w->engine, world_opened(w, "e1", "mary"), 2, 0);
    engine_publish(w->engine, world_updated(w, "e1", "mary", "Mary"), 3, 0);
    assert_false(w->results[2].is_known);
    engine_turn_commit(w->engine);
    assert_int_equal(w->results[1].code, CODE(ACCEPTED));
    assert_int_equal(w->results[2].code, CODE(DUPLICATE));
    assert_int_equal(w->results[3].code, CODE(DUPLICATE_DIFFERS));
    assert_int_equal(w->results[2].sequence, w->results[1].sequence);
    assert_int_equal(w->results[3].sequence, w->results[1].sequence);
    assert_int_equal(world_state(w).last_sequence, w->results[1].sequence + 1); /* that one differed is audited */
    world_free(w);
    (void)state;
}

static void a_repeat_with_other_content_is_audited_once_a_minute(void **state)
{
    struct world *w = world_new(false);
    Handoff__V1__PatientRecord *record;
    uint64_t sequence, last;
    world_publish(w, world_updated(w, "e1", "mary", "Mary"));
    last = world_state(w).last_sequence;
    for (int i = 0; i < 5; i++) assert_int_equal(world_publish(w, world_updated(w, "e1", "mary", "Marie"))->code, CODE(DUPLICATE_DIFFERS));
    assert_int_equal(world_state(w).last_sequence, last + 1);
    assert_int_equal(world_state(w).totals[TOTAL_EMISSIONS_AUDIT], 1);
    assert_int_equal(world_record(w, "mary", &record, &sequence), 0);
    assert_string_equal(record->name, "Mary"); /* the first one stands */
    assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 60 * 1000, NULL), 0);
    world_publish(w, world_updated(w, "e1", "mary", "Marie"));
    assert_int_equal(world_state(w).totals[TOTAL_EMISSIONS_AUDIT], 2);
    world_free(w);
    (void)state;
}

static void of_a_flood_of_repeats_that_differ_the_first_few_are_audited(void **state)
{
    struct world *w = world_new(false);
    char id[16];
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "e%d", i);
        world_publish(w, world_updated(w, id, "mary", "Mary"));
        assert_int_equal(world_publish(w, world_updated(w, id, "mary", "Marie"))->code, CODE(DUPLICATE_DIFFERS));
    }
    assert_int_equal(world_state(w).totals[TOTAL_EMISSIONS_AUDIT], 64);
    world_free(w);
    (void)state;
}

static void a_repeat_is_known_after_a_restart_and_hears_the_first_answer(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = world_new(is_lmdb);
        struct bytes event = world_opened(w, "e1", "mary");
        const struct world_result first = *world_publish(w, event);
        world_crash(w);
        const struct world_result *r = world_publish(w, event);
        assert_int_equal(r->code, CODE(DUPLICATE));
        assert_int_equal(r->sequence, first.sequence);
        assert_int_equal(r->verdict, HANDOFF__V1__VERDICT__VERDICT_APPLIED); /* what the first one was told */
        assert_int_equal(r->verdict, first.verdict);
        world_free(w);
    }
    (void)state;
}

static void the_same_fields_in_another_order_are_the_same_event(void **state)
{
    struct world *w = world_new(false);
    struct bytes event = world_opened(w, "e1", "mary");
    uint8_t *turned = arena_alloc(w->arena, event.len);
    size_t id_bytes = 4; /* tag, length, "e1": the first field goes last */
    memcpy(turned, event.data + id_bytes, event.len - id_bytes);
    memcpy(turned + event.len - id_bytes, event.data, id_bytes);
    world_publish(w, event);
    assert_int_equal(world_publish(w, (struct bytes){turned, event.len})->code, CODE(DUPLICATE));
    world_free(w);
    (void)state;
}

/* Another id of which the record keeps the same bits. */
static void find_id_like(struct world *w, const char *id, char *ret_like, size_t room)
{
    uint64_t hash = subject_event_hash(w->engine->hash_key, "ward", id);
    for (int i = 0;; i++) {
        snprintf(ret_like, room, "like%d", i);
        if (seen_fits(seen_pack(hash, 1), subject_event_hash(w->engine->hash_key, "ward", ret_like))) return;
    }
}

static void two_ids_with_hashes_alike_are_two_events_and_each_has_its_repeats(void **state)
{
    struct world *w = world_new(true);
    char like[32];
    find_id_like(w, "e1", like, sizeof like);
    struct bytes first = world_updated(w, "e1", "mary", "Mary"), second = world_updated(w, like, "mary", "M");
    uint64_t sequence = world_publish(w, first)->sequence;
    const struct world_result other = *world_publish(w, second);
    assert_int_equal(other.code, CODE(ACCEPTED));
    assert_int_equal(world_publish(w, first)->code, CODE(DUPLICATE));
    assert_int_equal(world_publish(w, first)->sequence, sequence);
    assert_int_equal(world_publish(w, second)->code, CODE(DUPLICATE));
    assert_int_equal(world_publish(w, second)->sequence, other.sequence);
    world_free(w);
    (void)state;
}

static void repeats_that_the_record_forgot_are_found_along_the_chain(void **state)
{
    struct world *w = world_new(true);
    char id[16];
    struct bytes first = world_updated(w, "first", "mary", "Mary");
    struct bytes other = world_updated(w, "other", "mary", "M");
    uint64_t sequence = world_publish(w, first)->sequence;
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "n%d", i);
        assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 1000, NULL), 0);
        assert_int_equal(world_publish(w, world_updated(w, id, "mary", "Mary"))->code, CODE(ACCEPTED));
    }
    Handoff__V1__PatientRecord *record;
    uint64_t newest;
    assert_int_equal(world_record(w, "mary", &record, &newest), 0);
    assert_true(record->evicted_until_ms > 0);
    const struct world_result *r = world_publish(w, first);
    assert_int_equal(r->code, CODE(DUPLICATE));
    assert_int_equal(r->sequence, sequence);
    assert_int_equal(world_publish(w, other)->code, CODE(ACCEPTED)); /* as old, but new */
    assert_int_equal(world_publish(w, other)->code, CODE(DUPLICATE));
    world_free(w);
    (void)state;
}

static int (*inner_find)(struct journal_reader *r, uint64_t sequence, uint64_t *ret_first, struct bytes *ret_blob);
static int finds;

static int counted_find(struct journal_reader *r, uint64_t sequence, uint64_t *ret_first, struct bytes *ret_blob)
{
    finds++;
    return inner_find(r, sequence, ret_first, ret_blob);
}

/* All at one moment, so that the record may have forgotten any of them. */
static struct bytes nth(struct world *w, int n)
{
    char id[16];
    snprintf(id, sizeof id, "n%d", n);
    return world_updated(w, id, "mary", "Mary");
}

static struct bytes nth_at(struct world *w, int n, int64_t occurred_at_ms)
{
    struct bytes packed = nth(w, n);
    Handoff__V1__Event *event = handoff__v1__event__unpack(arena_protobuf(w->arena), packed.len, packed.data);
    event->occurred_at_ms = occurred_at_ms;
    return world_pack(w, event);
}

static void a_long_chain_is_walked_once_and_not_for_each_event(void **state)
{
    struct world *w = world_new(true);
    for (int i = 0; i < 400; i++) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(ACCEPTED));
    inner_find = w->failing_ops.find;
    w->failing_ops.find = counted_find;
    finds = 0;
    for (int i = 400; i < 410; i++) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(ACCEPTED));
    assert_in_range(finds, 0, 100);
    for (int i = 0; i < 410; i += 7) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(DUPLICATE));
    world_free(w);
    (void)state;
}

static void a_hash_that_is_alike_costs_one_look_and_not_the_chain(void **state)
{
    struct world *w = world_new(true);
    char id[16], like[32];
    find_id_like(w, "e1", like, sizeof like);
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "n%d", i);
        assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 1000, NULL), 0);
        assert_int_equal(world_publish(w, world_updated(w, id, "mary", "Mary"))->code, CODE(ACCEPTED));
    }
    assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 1000, NULL), 0);
    assert_int_equal(world_publish(w, world_updated(w, "e1", "mary", "Mary"))->code, CODE(ACCEPTED));
    assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 1000, NULL), 0);
    struct bytes alike = world_updated(w, like, "mary", "M");
    inner_find = w->failing_ops.find;
    w->failing_ops.find = counted_find;
    finds = 0;
    assert_int_equal(world_publish(w, alike)->code, CODE(ACCEPTED));
    assert_int_equal(finds, 1);
    assert_int_equal(world_publish(w, alike)->code, CODE(DUPLICATE));
    world_free(w);
    (void)state;
}

static uint64_t damaged_until;

static int damaged_find(struct journal_reader *r, uint64_t sequence, uint64_t *ret_first, struct bytes *ret_blob)
{
    return sequence <= damaged_until ? JOURNAL_E_CORRUPT : inner_find(r, sequence, ret_first, ret_blob);
}

static void a_damage_further_back_than_the_first_one_hides_no_repeat(void **state)
{
    struct world *w = world_new(true);
    damaged_until = world_publish(w, nth(w, 0))->sequence;
    for (int i = 1; i < 3; i++) {
        assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + INT64_C(3) * 24 * 3600000, NULL), 0);
        assert_int_equal(world_publish(w, nth(w, i))->code, CODE(ACCEPTED));
    }
    inner_find = w->failing_ops.find;
    w->failing_ops.find = damaged_find;
    for (int i = 3; i < 200; i++) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(ACCEPTED));
    for (int i = 2; i < 200; i += 9) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(DUPLICATE));
    assert_int_equal(world_publish(w, nth(w, 200))->code, CODE(ACCEPTED));
    world_free(w);
    (void)state;
}

static void to_remember_a_chain_of_commands_keeps_nothing_of_the_arena(void **state)
{
    struct world *w = world_new(true);
    struct patient_key key;
    struct found found;
    struct entry entry;
    for (int i = 0; i < 200; i++) assert_int_equal(change_set_clock(w->engine, engine_now_ms(w->engine) + 1000), 0);
    subject_key(w->engine->hash_key, SUBJECT_IS_FOLDER, SUBJECT_CLOCK, &key);
    assert_int_equal(lookup_subject(w->engine, &key, &found), 0);
    size_t used = arena_used(w->engine->arena);
    assert_int_equal(repeat_seek(w->engine, &key, found.row.sequence, "ward", "none", &entry), 0);
    assert_int_equal(arena_used(w->engine->arena), used);
    assert_int_equal(chain_newest(chains_find(w->engine->chains, &key)), found.row.sequence);
    world_free(w);
    (void)state;
}

static int64_t real_now_ms, boot_now_ms;

static int64_t tell_real_ms(void *context)
{
    (void)context;
    return real_now_ms;
}

static int64_t tell_boot_ms(void *context)
{
    (void)context;
    return boot_now_ms;
}

/* While adrift an event may have occurred days after journal time, as the senders' clocks have it. */
static void a_repeat_is_found_though_the_clock_had_jumped_when_it_first_came(void **state)
{
    static const struct clock_source source = {.real_ms = tell_real_ms, .boot_ms = tell_boot_ms};
    struct world *w = world_new(true);
    struct bytes events[40];
    real_now_ms = engine_now_ms(w->engine);
    w->clock.kind = CLOCK_KIND_SYSTEM;
    w->clock.source = &source;
    clock_start(&w->clock, 0);
    real_now_ms += INT64_C(5) * 24 * 3600000;
    for (int i = 0; i < 40; i++) {
        events[i] = nth_at(w, i, real_now_ms);
        assert_int_equal(world_publish(w, events[i])->code, CODE(ACCEPTED));
    }
    assert_true(w->clock.is_adrift);
    assert_int_equal(world_publish(w, events[0])->code, CODE(DUPLICATE));
    assert_int_equal(engine_accept_clock(w->engine), 0);
    assert_int_equal(world_publish(w, events[0])->code, CODE(DUPLICATE));
    world_free(w);
    (void)state;
}

/* By turns, so that each would push out the other if few were remembered. */
static void many_long_chains_are_each_walked_once(void **state)
{
    enum { PATIENTS = 20, EVENTS = 100, MORE = 10 };
    struct world *w = world_new(true);
    char name[16], id[16];
    for (int i = 0; i < (EVENTS + MORE) * PATIENTS; i++) {
        if (i == EVENTS * PATIENTS) {
            inner_find = w->failing_ops.find;
            w->failing_ops.find = counted_find;
            finds = 0;
        }
        snprintf(name, sizeof name, "p%d", i % PATIENTS);
        snprintf(id, sizeof id, "n%d", i);
        assert_int_equal(world_publish(w, world_updated(w, id, name, "Mary"))->code, CODE(ACCEPTED));
    }
    assert_in_range(finds, 0, 2 * MORE * PATIENTS);
    world_free(w);
    (void)state;
}

static void a_long_chain_forgets_what_did_not_become_durable(void **state)
{
    struct world *w = world_new(true);
    for (int i = 0; i < 100; i++) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(ACCEPTED));
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    engine_turn_begin(w->engine);
    engine_publish(w->engine, nth(w, 100), 1, 0);
    engine_publish(w->engine, nth(w, 101), 2, 0); /* looks at what the batch has */
    assert_int_equal(engine_turn_commit(w->engine), ENGINE_E_FULL);
    w->failing.appends_left = -1;
    assert_int_equal(engine_retry(w->engine), 0);
    for (int i = 101; i >= 100; i--) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(ACCEPTED));
    for (int i = 0; i < 102; i++) assert_int_equal(world_publish(w, nth(w, i))->code, CODE(DUPLICATE));
    world_free(w);
    (void)state;
}

static void a_batch_that_is_full_is_committed_and_the_turn_goes_on(void **state)
{
    struct world *w = world_prepare(false);
    w->options.batch_events = 4;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    char name[16];
    engine_turn_begin(w->engine);
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "p%u", i);
        engine_publish(w->engine, world_opened(w, name, name), i + 1, i);
    }
    engine_turn_commit(w->engine);
    for (uint32_t i = 0; i < 20; i++) assert_int_equal(w->results[i + 1].code, CODE(ACCEPTED));
    world_free(w);
    (void)state;
}

static void an_unknown_patients_loop_event_tells_its_source_in_the_same_batch(void **state)
{
    struct world *w = world_new(false);
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__ReferralReceived received = HANDOFF__V1__REFERRAL_RECEIVED__INIT;
    event.id = (char *)"e1";
    event.source = (char *)"agency-feed";
    event.patient_id = (char *)"stranger";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_REFERRAL_RECEIVED;
    event.referral_received = &received;
    const struct world_result *r = world_publish(w, world_pack(w, &event));
    assert_int_equal(r->code, CODE(ACCEPTED));
    assert_int_equal(r->verdict, HANDOFF__V1__VERDICT__VERDICT_REVIEW);
    assert_int_equal(world_state(w).last_sequence, r->sequence + 1);
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_SOURCE, "agency-feed", &key);
    assert_int_equal(engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms), 0);
    assert_int_equal(record->unknown_events, 1);
    assert_int_equal(record->n_tasks, 1);
    assert_int_equal(engine_index_flush(w->engine), 0);
    assert_true(engine_index_catch_up(w->engine, r->sequence));
    assert_int_equal(engine_work_next(w->engine, NULL, &key), 0);
    world_free(w);
    (void)state;
}

static void staff_events_without_a_patient_belong_to_the_site(void **state)
{
    struct world *w = world_new(false);
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__StaffAbsent absent = HANDOFF__V1__STAFF_ABSENT__INIT;
    event.id = (char *)"e1";
    event.source = (char *)"rota";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_STAFF_ABSENT;
    event.staff_absent = &absent;
    absent.person_id = (char *)"nurse-1";
    absent.from_at_ms = event.occurred_at_ms;
    absent.to_at_ms = event.occurred_at_ms + WORLD_HOUR;
    const struct world_result *r = world_publish(w, world_pack(w, &event));
    assert_int_equal(r->code, CODE(ACCEPTED));
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_SITE, "main", &key);
    assert_int_equal(engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms), 0);
    assert_int_equal(world_state(w).totals[TOTAL_PATIENTS], 0);
    world_free(w);
    (void)state;
}

static struct bytes large_team(struct world *w, int i)
{
    static char name[4001];
    char id[16], ids[15][8];
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__CareTeamUpdated team = HANDOFF__V1__CARE_TEAM_UPDATED__INIT;
    Handoff__V1__CareTeamMember members[15], *list[15];
    memset(name, 'x', sizeof name - 1);
    for (int m = 0; m < 15; m++) {
        handoff__v1__care_team_member__init(&members[m]);
        snprintf(ids[m], sizeof ids[m], "m%d-%d", i, m);
        members[m].party = HANDOFF__V1__PARTY__PARTY_SCHOOL;
        members[m].id = ids[m];
        members[m].name = name;
        list[m] = &members[m];
    }
    snprintf(id, sizeof id, "team%d", i);
    event.id = id;
    event.source = (char *)"ward";
    event.patient_id = (char *)"mary";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_CARE_TEAM_UPDATED;
    event.care_team_updated = &team;
    team.members = list;
    team.n_members = 15;
    return world_pack(w, &event);
}

/* Two long words, on top of a team of thirty. */
static struct bytes large_addition(struct world *w, const char *id, const char *word)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__PatientUpdated updated = HANDOFF__V1__PATIENT_UPDATED__INIT;
    event.id = (char *)id;
    event.source = (char *)"ward";
    event.patient_id = (char *)"mary";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_PATIENT_UPDATED;
    event.patient_updated = &updated;
    updated.name = updated.county = updated.language = (char *)word;
    return world_pack(w, &event);
}

static void a_record_does_not_grow_without_end(void **state)
{
    static char long_name[4097], short_name[3001];
    struct world *w = world_new(false);
    memset(long_name, 'x', sizeof long_name - 1);
    memset(short_name, 'x', sizeof short_name - 1);
    for (int i = 0; i < 2; i++) assert_int_equal(world_publish(w, large_team(w, i))->code, CODE(ACCEPTED));
    uint64_t last = world_state(w).last_sequence;
    assert_int_equal(world_publish(w, large_addition(w, "e1", long_name))->code, CODE(TOO_LARGE));
    assert_int_equal(world_state(w).last_sequence, last);
    assert_int_equal(world_publish(w, large_addition(w, "e2", short_name))->code, CODE(ACCEPTED));
    assert_int_equal(world_publish(w, world_opened(w, "e3", "mary"))->code, CODE(ACCEPTED)); /* work goes on */
    uint64_t fired = 0;
    assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + WORLD_HOUR, &fired), 0);
    assert_int_equal(fired, 1);
    world_free(w);
    (void)state;
}

static Handoff__V1__Code publish_body(struct world *w, const char *id, Handoff__V1__Event__BodyCase body, ProtobufCMessage *message)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    event.id = (char *)id;
    event.source = (char *)"ward";
    event.patient_id = (char *)"mary";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = body;
    event.patient_deceased = (Handoff__V1__PatientDeceased *)(void *)message; /* any member of the oneof */
    return world_publish(w, world_pack(w, &event))->code;
}

static void a_full_record_still_hears_of_a_death_a_revocation_and_an_opting_out(void **state)
{
    struct world *w = world_new(false);
    char id[16], word[4096];
    Handoff__V1__PatientDeceased deceased = HANDOFF__V1__PATIENT_DECEASED__INIT;
    Handoff__V1__ConsentRevoked revoked = HANDOFF__V1__CONSENT_REVOKED__INIT;
    Handoff__V1__ServiceDeclined declined = HANDOFF__V1__SERVICE_DECLINED__INIT;
    Handoff__V1__PreferenceUpdated preference = HANDOFF__V1__PREFERENCE_UPDATED__INIT;
    revoked.consent_id = (char *)"c1";
    declined.by = HANDOFF__V1__PARTY__PARTY_PATIENT;
    declined.scope = HANDOFF__V1__DECLINE_SCOPE__DECLINE_SCOPE_ALL_CONTACT;
    preference.person = HANDOFF__V1__PARTY__PARTY_PATIENT;
    preference.is_opted_out = true;
    for (int i = 0; i < 2; i++) assert_int_equal(world_publish(w, large_team(w, i))->code, CODE(ACCEPTED));
    Handoff__V1__Code code = CODE(TOO_LARGE);
    for (int len = 4000; code == CODE(TOO_LARGE); len--) { /* until it fits, and not a word more does */
        memset(word, 'x', (size_t)len);
        word[len] = '\0';
        snprintf(id, sizeof id, "fill%d", len);
        code = world_publish(w, large_addition(w, id, word))->code;
    }
    assert_int_equal(world_publish(w, large_addition(w, "more", word))->code, CODE(TOO_LARGE));
    assert_int_equal(publish_body(w, "1", HANDOFF__V1__EVENT__BODY_CONSENT_REVOKED, &revoked.base), CODE(ACCEPTED));
    assert_int_equal(publish_body(w, "2", HANDOFF__V1__EVENT__BODY_PREFERENCE_UPDATED, &preference.base), CODE(ACCEPTED));
    assert_int_equal(publish_body(w, "3", HANDOFF__V1__EVENT__BODY_SERVICE_DECLINED, &declined.base), CODE(ACCEPTED));
    assert_int_equal(publish_body(w, "4", HANDOFF__V1__EVENT__BODY_PATIENT_DECEASED, &deceased.base), CODE(ACCEPTED));
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    assert_int_equal(world_record(w, "mary", &record, &sequence), 0);
    assert_true(record->is_deceased && record->is_opted_out);
    world_free(w);
    (void)state;
}

/* --- commits that fail ------------------------------------------------------------------------------------------ */

static const struct fault {
    int code;
    bool is_written;
} faults[] = {{JOURNAL_E_FULL, false},   {JOURNAL_E_IO, false},      {JOURNAL_E_UNKNOWN, false},
              {JOURNAL_E_UNKNOWN, true}, {JOURNAL_E_MEMORY, false}};

/* Twelve events of three patients, two a turn; the k-th append fails. All are published until they are acknowledged. */
static void publish_through(struct world *w, const struct fault *fault, int k)
{
    char id[16];
    w->failing.appends_left = k;
    w->failing.code = fault->code;
    w->failing.is_written = fault->is_written;
    for (int i = 0; i < 12; i += 2) {
        static const char *const names[] = {"mary", "david", "sarah"};
        struct bytes events[2];
        for (int j = 0; j < 2; j++) {
            snprintf(id, sizeof id, "e%d", i + j);
            events[j] = world_opened(w, id, names[(i + j) % 3]);
        }
        uint64_t last = world_state(w).last_sequence;
        for (int attempt = 0; attempt < 2; attempt++) {
            engine_turn_begin(w->engine);
            for (uint64_t j = 0; j < 2; j++) engine_publish(w->engine, events[j], j + 1, 0);
            if (engine_turn_commit(w->engine) == 0) break;
            assert_int_equal(attempt, 0);
            assert_int_equal(w->results[1].code, CODE(UNAVAILABLE));
            assert_int_equal(w->results[2].code, CODE(UNAVAILABLE));
            assert_true(world_state(w).is_read_only);
            assert_int_equal(world_state(w).last_sequence, last);
            assert_int_equal(world_publish(w, events[0])->code, CODE(UNAVAILABLE)); /* read-only until a retry */
            w->failing.appends_left = -1;
            assert_int_equal(engine_retry(w->engine), 0);
        }
        for (int j = 1; j <= 2; j++) assert_true(w->results[j].code == CODE(ACCEPTED) || w->results[j].code == CODE(DUPLICATE));
    }
}

static void a_failed_commit_leaves_no_trace_and_a_retry_works(void **state)
{
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        for (int k = 0; k < 6; k++) {
            struct world *w = world_new(false);
            publish_through(w, &faults[f], k);
            struct engine_state s = world_state(w);
            assert_int_equal(s.totals[TOTAL_EVENTS], 12); /* each once, whatever happened */
            assert_int_equal(s.totals[TOTAL_PATIENTS], 3);
            assert_int_equal(s.totals[TOTAL_ENTRIES], s.last_sequence);
            assert_int_equal(w->failing.reopened, faults[f].code == JOURNAL_E_FULL ? 0 : 1);
            assert_false(s.is_read_only);
            world_free(w);
        }
    }
    (void)state;
}

static void a_record_of_a_failed_batch_is_not_visible(void **state)
{
    struct world *w = world_new(false);
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    assert_int_equal(world_publish(w, world_opened(w, "e1", "mary"))->code, CODE(UNAVAILABLE));
    assert_int_equal(world_record(w, "mary", &record, &sequence), ENGINE_E_UNKNOWN);
    assert_int_equal(engine_next_due(w->engine), NO_DUE);
    assert_int_equal(world_state(w).totals[TOTAL_EVENTS], 0);
    world_free(w);
    (void)state;
}

static void a_retry_while_the_disk_is_still_full_stays_read_only(void **state)
{
    struct world *w = world_new(false);
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    world_publish(w, world_opened(w, "e1", "mary"));
    w->failing.appends_left = 0;
    assert_int_equal(engine_retry(w->engine), ENGINE_E_FULL);
    assert_true(world_state(w).is_read_only);
    assert_int_equal(engine_retry(w->engine), 0);
    assert_int_equal(world_publish(w, world_opened(w, "e1", "mary"))->code, CODE(ACCEPTED));
    world_free(w);
    (void)state;
}

static bool is_poisoned; /* as a journal is whose append failed, until it is opened again */
static int (*read_begin_for_real)(struct journal_reader *r);

static int poisoning_append(struct journal *j, uint64_t expected, uint64_t first, uint32_t count, struct bytes blob)
{
    int code = failing_append(j, expected, first, count, blob);
    is_poisoned |= code != 0;
    return code;
}

static int poisoned_read_begin(struct journal_reader *r)
{
    return is_poisoned ? JOURNAL_E_UNKNOWN : read_begin_for_real(r);
}

static void why_it_stopped_is_said_until_it_was_opened_again(void **state)
{
    struct world *w = world_new(false);
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    world_publish(w, world_opened(w, "e1", "mary"));
    assert_int_equal(engine_index_flush(w->engine), 0);
    read_begin_for_real = w->failing_ops.read_begin;
    w->failing_ops.read_begin = poisoned_read_begin;
    w->failing_ops.append = poisoning_append;
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_IO;
    struct bytes next = world_opened(w, "e2", "david");
    assert_int_equal(world_publish(w, next)->code, CODE(UNAVAILABLE));
    assert_non_null(strstr(world_state(w).sentence, "could not be written"));
    engine_turn_begin(w->engine);
    for (int i = 0; i < 2 * EXPECTED_MAX; i++) engine_expect(w->engine, next);
    engine_turn_commit(w->engine);
    assert_non_null(strstr(world_state(w).sentence, "could not be written"));
    assert_int_equal(world_record(w, "mary", &record, &sequence), ENGINE_E_DAMAGED);
    engine_oldest_overdue_ms(w->engine);
    assert_non_null(strstr(world_state(w).sentence, "could not be written"));
    is_poisoned = false;
    assert_int_equal(engine_retry(w->engine), 0);
    assert_string_equal(world_state(w).sentence, "");
    world_free(w);
    (void)state;
}

static void a_tail_that_is_not_ours_is_not_resumed(void **state)
{
    struct world *w = world_new(false);
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_UNKNOWN;
    world_publish(w, world_opened(w, "e1", "mary"));
    struct batch_builder *b = batch_builder_new();
    uint8_t digest[DIGEST_BYTES] = {0};
    int64_t totals[TOTAL_COUNT] = {0};
    uint64_t last = world_state(w).last_sequence;
    batch_begin(b, last + 1);
    batch_add(b, &(struct entry){.sequence = last + 1, .due_at_ms = NO_DUE, .kind = ENTRY_EVENT, .format = 1});
    assert_int_equal(journal_append(w->journal, last, last + 1, 1, batch_seal(b, totals, digest, digest)), 0);
    assert_int_equal(engine_retry(w->engine), ENGINE_E_DAMAGED);
    assert_true(world_state(w).is_read_only);
    batch_builder_free(b);
    world_free(w);
    (void)state;
}

static int rules_reads_left; /* until the failing one; negative: none fails */
static int (*rules_next_for_real)(struct index_reader *r, uint64_t after, uint64_t *ret_sequence);

static int failing_rules_next(struct index_reader *r, uint64_t after, uint64_t *ret_sequence)
{
    return rules_reads_left-- == 0 ? INDEX_E_IO : rules_next_for_real(r, after, ret_sequence);
}

static void rules_that_were_written_all_the_same_hold_although_a_retry_failed(void **state)
{
    struct world *w = world_new(false);
    struct index_ops ops = *w->index->ops;
    const struct index_ops *whole = w->index->ops;
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    Handoff__V1__PathwayRetired retired = HANDOFF__V1__PATHWAY_RETIRED__INIT;
    const Handoff__V1__RulesChange *changes[] = {&change};
    retired.number = 1;
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED;
    change.pathway_retired = &retired;
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_UNKNOWN;
    w->failing.is_written = true;
    assert_int_equal(engine_change_rules(w->engine, changes, 1), ENGINE_E_STOPPED);
    assert_false(engine_rules(w->engine)->pathways[0]->is_retired);
    uint64_t told = w->entries;
    rules_next_for_real = ops.rules_next;
    ops.rules_next = failing_rules_next;
    w->index->ops = &ops;
    rules_reads_left = 0;
    assert_int_equal(engine_retry(w->engine), ENGINE_E_INDEX);
    assert_true(world_state(w).is_read_only);
    assert_int_equal(engine_retry(w->engine), 0);
    assert_true(engine_rules(w->engine)->pathways[0]->is_retired);
    assert_int_equal(w->entries, told + 2); /* each once: the rules, and the epoch of the retry */
    w->index->ops = whole;
    world_free(w);
    (void)state;
}

static void rules_that_do_not_load_change_nothing(void **state)
{
    struct world *w = world_new(false);
    const struct rules *rules = engine_rules(w->engine);
    uint64_t last = world_state(w).last_sequence;
    Handoff__V1__RulesChange good = HANDOFF__V1__RULES_CHANGE__INIT, bad = HANDOFF__V1__RULES_CHANGE__INIT;
    Handoff__V1__PathwayRetired retired = HANDOFF__V1__PATHWAY_RETIRED__INIT, missing = HANDOFF__V1__PATHWAY_RETIRED__INIT;
    retired.number = 1;
    missing.number = 77;
    good.body_case = bad.body_case = HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED;
    good.pathway_retired = &retired;
    bad.pathway_retired = &missing;
    const Handoff__V1__RulesChange *changes[] = {&good, &bad};
    assert_int_equal(engine_change_rules(w->engine, changes, 2), ENGINE_E_RULES);
    assert_ptr_equal(engine_rules(w->engine), rules);
    assert_int_equal(world_state(w).last_sequence, last);
    assert_int_equal(engine_change_rules(w->engine, changes, 1), 0);
    assert_true(engine_rules(w->engine)->pathways[0]->is_retired);
    world_free(w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_accepted_and_its_record_is_readable),
        cmocka_unit_test(nothing_is_told_or_visible_before_the_commit),
        cmocka_unit_test(an_unreadable_event_refuses_only_itself),
        cmocka_unit_test(what_is_expected_changes_nothing),
        cmocka_unit_test(a_repeat_in_the_same_batch_waits_for_it_and_stores_nothing),
        cmocka_unit_test(a_repeat_with_other_content_is_audited_once_a_minute),
        cmocka_unit_test(of_a_flood_of_repeats_that_differ_the_first_few_are_audited),
        cmocka_unit_test(a_repeat_is_known_after_a_restart_and_hears_the_first_answer),
        cmocka_unit_test(the_same_fields_in_another_order_are_the_same_event),
        cmocka_unit_test(two_ids_with_hashes_alike_are_two_events_and_each_has_its_repeats),
        cmocka_unit_test(repeats_that_the_record_forgot_are_found_along_the_chain),
        cmocka_unit_test(a_long_chain_is_walked_once_and_not_for_each_event),
        cmocka_unit_test(a_hash_that_is_alike_costs_one_look_and_not_the_chain),
        cmocka_unit_test(many_long_chains_are_each_walked_once),
        cmocka_unit_test(a_damage_further_back_than_the_first_one_hides_no_repeat),
        cmocka_unit_test(to_remember_a_chain_of_commands_keeps_nothing_of_the_arena),
        cmocka_unit_test(a_repeat_is_found_though_the_clock_had_jumped_when_it_first_came),
        cmocka_unit_test(a_long_chain_forgets_what_did_not_become_durable),
        cmocka_unit_test(a_batch_that_is_full_is_committed_and_the_turn_goes_on),
        cmocka_unit_test(an_unknown_patients_loop_event_tells_its_source_in_the_same_batch),
        cmocka_unit_test(staff_events_without_a_patient_belong_to_the_site),
        cmocka_unit_test(a_record_does_not_grow_without_end),
        cmocka_unit_test(a_full_record_still_hears_of_a_death_a_revocation_and_an_opting_out),
        cmocka_unit_test(a_failed_commit_leaves_no_trace_and_a_retry_works),
        cmocka_unit_test(a_record_of_a_failed_batch_is_not_visible),
        cmocka_unit_test(a_retry_while_the_disk_is_still_full_stays_read_only),
        cmocka_unit_test(why_it_stopped_is_said_until_it_was_opened_again),
        cmocka_unit_test(a_tail_that_is_not_ours_is_not_resumed),
        cmocka_unit_test(rules_that_were_written_all_the_same_hold_although_a_retry_failed),
        cmocka_unit_test(rules_that_do_not_load_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
