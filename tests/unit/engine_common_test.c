/* What events make known to everybody: absences and the directory become rules in the batch of their event. */
#include "engine/audit.h"
#include "unit/engine_world.h"

static Handoff__V1__Event site_event(struct world *w, char *id)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    event.id = id;
    event.source = (char *)"registry";
    event.occurred_at_ms = engine_now_ms(w->engine);
    return event;
}

static struct bytes listed(struct world *w, const char *prefix, int number, const char *name)
{
    char id[32], agency[32];
    snprintf(id, sizeof id, "%s%d", prefix, number);
    snprintf(agency, sizeof agency, "agency-%d", number);
    Handoff__V1__Event event = site_event(w, id);
    Handoff__V1__AgencyListed body = HANDOFF__V1__AGENCY_LISTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_AGENCY_LISTED;
    event.agency_listed = &body;
    body.agency_id = agency;
    body.name = (char *)name;
    return world_pack(w, &event);
}

static struct bytes delisted(struct world *w, const char *agency, int64_t effective_at_ms)
{
    char id[64];
    snprintf(id, sizeof id, "end-%s-%lld", agency, (long long)effective_at_ms);
    Handoff__V1__Event event = site_event(w, id);
    Handoff__V1__AgencyDelisted body = HANDOFF__V1__AGENCY_DELISTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED;
    event.agency_delisted = &body;
    body.agency_id = (char *)agency;
    body.effective_at_ms = effective_at_ms;
    return world_pack(w, &event);
}

static struct bytes absent(struct world *w, const char *id, int64_t from_at_ms, int64_t to_at_ms)
{
    Handoff__V1__Event event = site_event(w, (char *)id);
    Handoff__V1__StaffAbsent body = HANDOFF__V1__STAFF_ABSENT__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_STAFF_ABSENT;
    event.staff_absent = &body;
    body.person_id = (char *)"coordinator-1";
    body.delegate_id = (char *)"coordinator-2";
    body.from_at_ms = from_at_ms;
    body.to_at_ms = to_at_ms;
    return world_pack(w, &event);
}

/* As the loop does with a directory: publishes of 256, each in a turn. */
static void import(struct world *w, const char *prefix, int count, const char *name)
{
    for (int at = 0; at < count; at += LIMIT_PUBLISH_EVENTS) {
        while (!engine_can_accept(w->engine)) assert_int_equal(engine_index_flush(w->engine), 0);
        engine_turn_begin(w->engine);
        for (int i = at; i < count && i < at + LIMIT_PUBLISH_EVENTS; i++)
            engine_publish(w->engine, listed(w, prefix, i, name), (uint64_t)i % WORLD_RESULTS, 0);
        assert_int_equal(engine_turn_commit(w->engine), 0);
    }
}

static uint32_t directory_size(const struct world *w) { return engine_rules(w->engine)->directory_count; }

static const char *name_of(const struct world *w, const char *agency)
{
    const struct agency_row *row = rules_agency(engine_rules(w->engine), agency);
    return row ? row->agency->name : NULL;
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

/* --- the directory -------------------------------------------------------------------------------------------------- */

static void a_listed_agency_is_in_the_rules_after_its_batch(void **state)
{
    struct world *w = world_new(false);
    const struct rules *before = engine_rules(w->engine);
    world_publish(w, listed(w, "a", 7, "Riverside"));
    assert_string_equal(name_of(w, "agency-7"), "Riverside");
    assert_null(rules_agency(before, "agency-7")); /* what is decided keeps the rules it began with */
    assert_null(rules_agency(engine_rules(w->engine), "agency-8"));
    world_free(w);
    (void)state;
}

static void a_directory_of_thousands_is_imported_and_found_again_after_a_crash(void **state)
{
    struct world *w = world_new(true);
    import(w, "first", 5000, "Hillside");
    assert_int_equal(directory_size(w), 5000);
    world_crash(w);
    assert_int_equal(directory_size(w), 5000);
    for (uint32_t i = 1; i < directory_size(w); i++) {
        const struct agency_row *rows = engine_rules(w->engine)->directory;
        assert_true(strcmp(rows[i - 1].agency->agency_id, rows[i].agency->agency_id) < 0);
    }
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void importing_the_same_again_changes_no_rules(void **state)
{
    struct world *w = world_new(false);
    import(w, "first", 300, "Hillside");
    uint64_t sequence = engine_rules(w->engine)->sequence;
    import(w, "second", 300, "Hillside");
    assert_int_equal(engine_rules(w->engine)->sequence, sequence);
    import(w, "third", 300, "Hillside House");
    assert_true(engine_rules(w->engine)->sequence > sequence);
    assert_int_equal(directory_size(w), 300);
    assert_string_equal(name_of(w, "agency-299"), "Hillside House");
    world_free(w);
    (void)state;
}

static void the_last_word_of_a_batch_about_an_agency_holds(void **state)
{
    struct world *w = world_new(false);
    world_publish(w, listed(w, "a", 1, "Riverside"));
    engine_turn_begin(w->engine);
    engine_publish(w->engine, listed(w, "b", 1, "Riverside West"), 1, 0);
    engine_publish(w->engine, listed(w, "c", 1, "Riverside"), 2, 0); /* as the rules before the batch say */
    assert_int_equal(engine_turn_commit(w->engine), 0);
    assert_string_equal(name_of(w, "agency-1"), "Riverside");
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void a_delisted_agency_keeps_its_name_until_it_is_listed_anew(void **state)
{
    struct world *w = world_new(false);
    world_publish(w, listed(w, "a", 1, "Riverside"));
    world_publish(w, delisted(w, "agency-1", 5000));
    const struct agency_row *row = rules_agency(engine_rules(w->engine), "agency-1");
    assert_true(row->is_delisted);
    assert_int_equal(row->effective_at_ms, 5000);
    assert_string_equal(row->agency->name, "Riverside");
    world_publish(w, listed(w, "b", 1, "Riverside"));
    assert_false(rules_agency(engine_rules(w->engine), "agency-1")->is_delisted);
    world_publish(w, delisted(w, "nowhere", 1)); /* not in the directory: nothing to fold */
    world_crash(w);
    assert_int_equal(directory_size(w), 1);
    expect_sound(w);
    world_free(w);
    (void)state;
}

/* --- a batch that fails ----------------------------------------------------------------------------------------------- */

static void a_batch_that_is_not_written_changes_no_rules(void **state)
{
    struct world *w = world_new(false);
    world_publish(w, listed(w, "a", 1, "Riverside"));
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    world_publish(w, listed(w, "b", 2, "Hillside"));
    assert_int_equal(directory_size(w), 1);
    w->failing.appends_left = -1;
    assert_int_equal(engine_retry(w->engine), 0);
    world_publish(w, listed(w, "b", 2, "Hillside"));
    assert_int_equal(directory_size(w), 2);
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void a_batch_whose_fate_was_open_changes_the_rules_if_it_was_written(void **state)
{
    struct world *w = world_new(false);
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_IO;
    w->failing.is_written = true;
    world_publish(w, listed(w, "a", 1, "Riverside"));
    assert_int_equal(engine_retry(w->engine), 0);
    assert_string_equal(name_of(w, "agency-1"), "Riverside");
    assert_int_equal(world_publish(w, listed(w, "a", 1, "Riverside"))->code, CODE(DUPLICATE));
    world_free(w);
    (void)state;
}

/* --- absences ----------------------------------------------------------------------------------------------------------- */

static uint32_t absence_count(const struct world *w) { return engine_rules(w->engine)->absence_count; }

static void a_later_word_about_an_absence_takes_the_place_of_the_earlier(void **state)
{
    struct world *w = world_new(false);
    int64_t now_ms = engine_now_ms(w->engine);
    world_publish(w, absent(w, "a1", now_ms + 10, now_ms + 1000));
    assert_int_equal(absence_count(w), 1);
    world_publish(w, absent(w, "a2", now_ms + 10, now_ms + 500)); /* back sooner */
    assert_int_equal(absence_count(w), 1);
    assert_int_equal(engine_rules(w->engine)->absences[0]->to_at_ms, now_ms + 500);
    world_publish(w, absent(w, "a3", now_ms + 5000, now_ms + 6000)); /* another one */
    assert_int_equal(absence_count(w), 2);
    world_publish(w, absent(w, "a4", now_ms + 10, now_ms + 10)); /* the first is off */
    assert_int_equal(absence_count(w), 1);
    assert_int_equal(engine_rules(w->engine)->absences[0]->from_at_ms, now_ms + 5000);
    world_crash(w);
    assert_int_equal(absence_count(w), 1);
    assert_string_equal(engine_rules(w->engine)->absences[0]->delegate_id, "coordinator-2");
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void absences_that_are_over_are_forgotten(void **state)
{
    struct world *w = world_new(false);
    int64_t now_ms = engine_now_ms(w->engine);
    world_publish(w, absent(w, "a1", now_ms + 10, now_ms + 1000));
    while (engine_advance(w->engine, now_ms + 2 * WORLD_HOUR, NULL) == 1) continue;
    world_publish(w, absent(w, "a2", now_ms + 5 * WORLD_HOUR, now_ms + 6 * WORLD_HOUR));
    assert_int_equal(absence_count(w), 1);
    world_free(w);
    (void)state;
}

/* --- taken back --------------------------------------------------------------------------------------------------------- */

static const struct world_result *take_back(struct world *w, const char *id)
{
    static int count;
    char own_id[32];
    snprintf(own_id, sizeof own_id, "back-%d", ++count);
    Handoff__V1__Event event = site_event(w, own_id);
    Handoff__V1__EventRetracted body = HANDOFF__V1__EVENT_RETRACTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    event.event_retracted = &body;
    body.retracted_source = (char *)"registry";
    body.retracted_id = (char *)(uintptr_t)id;
    body.reason = (char *)"the wrong one";
    const struct world_result *r = world_publish(w, world_pack(w, &event));
    assert_int_equal(r->code, CODE(ACCEPTED));
    return r;
}

static void a_listing_taken_back_leaves_the_row_that_was_before_or_none(void **state)
{
    struct world *w = world_new(true);
    world_publish(w, listed(w, "a", 1, "Riverside"));
    world_publish(w, listed(w, "b", 1, "Riverside West"));
    world_publish(w, listed(w, "c", 1, "Riverside East"));
    take_back(w, "b1"); /* a newer word stands */
    assert_string_equal(name_of(w, "agency-1"), "Riverside East");
    take_back(w, "c1");
    assert_string_equal(name_of(w, "agency-1"), "Riverside");
    world_crash(w);
    assert_string_equal(name_of(w, "agency-1"), "Riverside");
    take_back(w, "a1");
    assert_null(rules_agency(engine_rules(w->engine), "agency-1"));
    assert_non_null(strstr(take_back(w, "a1")->sentence, "taken back before"));
    world_publish(w, listed(w, "d", 1, "Riverside"));
    assert_string_equal(name_of(w, "agency-1"), "Riverside");
    world_crash(w);
    assert_int_equal(directory_size(w), 1);
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void an_end_taken_back_offers_the_agency_again_unless_another_says_so_too(void **state)
{
    struct world *w = world_new(true);
    world_publish(w, listed(w, "a", 1, "Riverside"));
    world_publish(w, delisted(w, "agency-1", 5000));
    world_publish(w, delisted(w, "agency-1", 6000)); /* another last day */
    take_back(w, "end-agency-1-6000");
    assert_true(rules_agency(engine_rules(w->engine), "agency-1")->is_delisted);
    assert_int_equal(rules_agency(engine_rules(w->engine), "agency-1")->effective_at_ms, 5000);
    take_back(w, "end-agency-1-5000");
    assert_false(rules_agency(engine_rules(w->engine), "agency-1")->is_delisted);
    world_crash(w);
    assert_false(rules_agency(engine_rules(w->engine), "agency-1")->is_delisted);
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void what_two_said_stands_until_both_are_taken_back(void **state)
{
    static const char *const orders[][3] = {{"a1", "b1", "c1"}, {"c1", "b1", "a1"}, {"b1", "a1", "c1"}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct world *w = world_new(false);
        world_publish(w, listed(w, "a", 1, "Riverside"));
        world_publish(w, listed(w, "b", 1, "Riverside")); /* which changed nothing */
        world_publish(w, listed(w, "c", 1, "Riverside"));
        for (int k = 0; k < 3; k++) {
            assert_string_equal(name_of(w, "agency-1"), "Riverside");
            take_back(w, orders[i][k]);
        }
        assert_null(name_of(w, "agency-1"));
        expect_sound(w);
        world_free(w);
    }
    (void)state;
}

static void what_is_taken_back_before_it_comes_is_not_made_known(void **state)
{
    struct world *w = world_new(true);
    int64_t now_ms = engine_now_ms(w->engine);
    const struct world_result *r = take_back(w, "a1");
    assert_int_equal(r->verdict, HANDOFF__V1__VERDICT__VERDICT_APPLIED); /* somebody of the site looks */
    assert_non_null(strstr(r->sentence, "no such event of this site has come"));
    take_back(w, "off");
    world_crash(w);
    assert_int_equal(world_publish(w, listed(w, "a", 1, "Riverside"))->verdict, HANDOFF__V1__VERDICT__VERDICT_REVIEW);
    world_publish(w, absent(w, "off", now_ms - WORLD_HOUR, now_ms + WORLD_HOUR));
    assert_int_equal(directory_size(w), 0);
    assert_int_equal(absence_count(w), 0);
    assert_non_null(strstr(take_back(w, "a1")->sentence, "taken back before"));
    world_publish(w, listed(w, "b", 1, "Riverside"));
    assert_int_equal(directory_size(w), 1);
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void said_and_taken_back_in_one_batch_it_leaves_nothing(void **state)
{
    struct world *w = world_new(false);
    struct bytes said = listed(w, "a", 1, "Riverside");
    Handoff__V1__Event event = site_event(w, (char *)"back");
    Handoff__V1__EventRetracted body = HANDOFF__V1__EVENT_RETRACTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    event.event_retracted = &body;
    body.retracted_source = (char *)"registry";
    body.retracted_id = (char *)"a1";
    engine_turn_begin(w->engine);
    engine_publish(w->engine, said, 1, 0);
    engine_publish(w->engine, world_pack(w, &event), 2, 0);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    assert_int_equal(directory_size(w), 0);
    engine_turn_begin(w->engine);
    engine_publish(w->engine, listed(w, "b", 1, "Riverside"), 1, 0);
    engine_publish(w->engine, listed(w, "c", 1, "Riverside"), 2, 0);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    take_back(w, "b1");
    assert_int_equal(directory_size(w), 1);
    expect_sound(w);
    world_free(w);
    (void)state;
}

/* Who has the work of coordinator-1 at a moment: the absence that is asked, or nobody's. */
static const char *delegate_at(const struct world *w, int64_t at_ms)
{
    const struct rules *rules = engine_rules(w->engine);
    for (uint32_t i = 0; i < rules->absence_count; i++)
        if (rules->absences[i]->from_at_ms <= at_ms && at_ms < rules->absences[i]->to_at_ms)
            return rules->absences[i]->delegate_id;
    return "";
}

static void an_absence_taken_back_ends_and_what_it_had_replaced_stands_again(void **state)
{
    struct world *w = world_new(true);
    int64_t now_ms = engine_now_ms(w->engine);
    world_publish(w, absent(w, "a1", now_ms + WORLD_HOUR, now_ms + 9 * WORLD_HOUR));
    world_publish(w, absent(w, "a2", now_ms + WORLD_HOUR, now_ms + 2 * WORLD_HOUR)); /* back sooner */
    take_back(w, "a2");
    assert_string_equal(delegate_at(w, now_ms + 5 * WORLD_HOUR), "coordinator-2");
    while (engine_advance(w->engine, now_ms + 3 * WORLD_HOUR, NULL) == 1) continue;
    take_back(w, "a1");
    assert_string_equal(delegate_at(w, now_ms + 3 * WORLD_HOUR), "");
    assert_string_equal(delegate_at(w, now_ms + 3 * WORLD_HOUR - 1), "coordinator-2"); /* so it was */
    world_crash(w);
    assert_string_equal(delegate_at(w, now_ms + 5 * WORLD_HOUR), "");
    world_publish(w, absent(w, "a3", now_ms + 4 * WORLD_HOUR, now_ms + 6 * WORLD_HOUR));
    while (engine_advance(w->engine, now_ms + 40 * WORLD_HOUR, NULL) == 1) continue;
    world_publish(w, absent(w, "a4", now_ms + 50 * WORLD_HOUR, now_ms + 60 * WORLD_HOUR));
    take_back(w, "a4");
    assert_int_equal(absence_count(w), 0);
    expect_sound(w);
    world_free(w);
    (void)state;
}

static void a_return_that_is_taken_back_is_none_from_now_on(void **state)
{
    struct world *w = world_new(true);
    int64_t now_ms = engine_now_ms(w->engine);
    world_publish(w, absent(w, "a1", now_ms - WORLD_HOUR, now_ms + 9 * WORLD_HOUR));
    world_publish(w, absent(w, "a2", now_ms - WORLD_HOUR, now_ms - WORLD_HOUR)); /* there after all */
    assert_string_equal(delegate_at(w, now_ms), "");
    take_back(w, "a2");
    assert_string_equal(delegate_at(w, now_ms), "coordinator-2");
    assert_string_equal(delegate_at(w, now_ms - 1), "");
    take_back(w, "a1");
    assert_string_equal(delegate_at(w, now_ms), "");
    expect_sound(w);
    world_free(w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_taken_back_leaves_the_row_that_was_before_or_none),
        cmocka_unit_test(an_end_taken_back_offers_the_agency_again_unless_another_says_so_too),
        cmocka_unit_test(what_two_said_stands_until_both_are_taken_back),
        cmocka_unit_test(what_is_taken_back_before_it_comes_is_not_made_known),
        cmocka_unit_test(said_and_taken_back_in_one_batch_it_leaves_nothing),
        cmocka_unit_test(an_absence_taken_back_ends_and_what_it_had_replaced_stands_again),
        cmocka_unit_test(a_return_that_is_taken_back_is_none_from_now_on),
        cmocka_unit_test(a_listed_agency_is_in_the_rules_after_its_batch),
        cmocka_unit_test(a_directory_of_thousands_is_imported_and_found_again_after_a_crash),
        cmocka_unit_test(importing_the_same_again_changes_no_rules),
        cmocka_unit_test(the_last_word_of_a_batch_about_an_agency_holds),
        cmocka_unit_test(a_delisted_agency_keeps_its_name_until_it_is_listed_anew),
        cmocka_unit_test(a_batch_that_is_not_written_changes_no_rules),
        cmocka_unit_test(a_batch_whose_fate_was_open_changes_the_rules_if_it_was_written),
        cmocka_unit_test(a_later_word_about_an_absence_takes_the_place_of_the_earlier),
        cmocka_unit_test(absences_that_are_over_are_forgotten),
    };
    return cmocka_run_group_tests_name("what events make known to everybody", tests, NULL, NULL);
}
