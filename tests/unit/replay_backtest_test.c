/* Backtests of a small folder: shares of any size, engines that ended and began again, new rules, sites' records. */
#include "unit/engine_world.h"

#include "replay/backtest.h"

enum { PATIENTS = 60 };
static struct world *w;
static char file[FOLDER_BYTES + 16];
static int patients_told;

static int begin(void **state)
{
    (void)state;
    w = world_new(false);
    patients_told = 0;
    return 0;
}
static int end(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

static void write_pathway(const char *old, const char *new)
{
    const char *at = strstr(world_pathway, old);
    assert_non_null(at);
    snprintf(file, sizeof file, "%s/watch.yaml", w->folder);
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    fprintf(out, "%.*s%s%s", (int)(at - world_pathway), world_pathway, new, at + strlen(old));
    fclose(out);
}

static void pass(int64_t ms)
{
    int64_t to_ms = engine_now_ms(w->engine) + ms;
    while (engine_advance(w->engine, to_ms, NULL) == 1) continue;
}

static void admit_all(void)
{
    char name[32];
    for (int i = 0; i < PATIENTS; i++) {
        snprintf(name, sizeof name, "patient-%d", i);
        assert_int_equal(world_publish(w, world_opened(w, name, name))->code, CODE(ACCEPTED));
        pass(WORLD_HOUR / 8);
    }
}

static void on_patient(void *context, const char *patient_id)
{
    (void)context;
    patients_told += strncmp(patient_id, "patient-", 8) == 0;
}

static struct backtest_result run(uint32_t places_max)
{
    static const char *files[] = {file};
    struct backtest_result result;
    struct yaml_errors errors = {0};
    const char *sentence;
    struct backtest_options options = {.journal = w->journal,
                                       .pathway_files = files,
                                       .pathway_count = 1,
                                       .places_max = places_max,
                                       .on_patient = on_patient};
    int code = backtest_run(&options, &result, &errors, &sentence);
    yaml_errors_print(stderr, &errors);
    assert_int_equal(code, 0);
    return result;
}

static void a_folder_read_in_many_shares_is_the_same_folder(void **state)
{
    (void)state;
    admit_all();
    pass(50 * MS_PER_DAY);
    write_pathway("wait: 60min", "wait: 90min");
    for (uint32_t places_max = 1; places_max < 4000; places_max *= 7) {
        size_t count;
        patients_told = 0;
        struct backtest_result r = run(places_max);
        const struct tally_row *const *rows = tally_rows(r.tally, &count);
        assert_int_equal(r.patients, PATIENTS);
        assert_int_equal(r.events, PATIENTS);
        assert_int_equal(r.patients_unlike_journal, 0);
        assert_int_equal(r.patients_differ, PATIENTS);
        assert_int_equal(patients_told, PATIENTS);
        assert_string_equal(rows[0]->pathway, "watch");
        assert_int_equal(rows[0]->counts[COURSE_PRESENT], PATIENTS);
        assert_int_equal(rows[0]->moved, PATIENTS);
        assert_int_equal(quantile_at(rows[0]->from_cause[COURSE_PRESENT], 50), WORLD_HOUR);
        assert_int_equal(quantile_at(rows[0]->from_cause[COURSE_CANDIDATE], 50), 90 * MS_PER_MINUTE);
        backtest_free(&r);
    }
}

static void the_same_file_makes_no_difference_after_a_crash_and_in_a_new_epoch(void **state)
{
    (void)state;
    admit_all();
    world_crash(w);
    pass(30 * MS_PER_DAY);
    write_pathway("wait: 60min", "wait: 60min");
    struct backtest_result r = run(0);
    assert_int_equal(r.patients_differ, 0);
    assert_int_equal(r.patients_unlike_journal, 0);
    assert_int_equal(r.until_ms, engine_now_ms(w->engine));
    backtest_free(&r);
}

static void give_up_a_notice(const char *patient)
{
    Handoff__V1__MessageDead dead = HANDOFF__V1__MESSAGE_DEAD__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    dead.emission_id = (char *)"t1.1";
    dead.subscription = (char *)"notify";
    dead.is_addressed = true;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_DEAD;
    command.message_dead = &dead;
    engine_turn_begin(w->engine);
    assert_int_equal(engine_command(w->engine, SUBJECT_IS_PATIENT, patient, &command), 0);
    assert_int_equal(engine_turn_commit(w->engine), 0);
}

static void a_notice_that_was_given_up_counts_in_both_courses(void **state)
{
    (void)state;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    admit_all();
    pass(2 * WORLD_HOUR);
    give_up_a_notice("patient-3");
    world_record(w, "patient-3", &record, &sequence);
    assert_int_equal(record->n_escalations, 1);
    write_pathway("wait: 60min", "wait: 60min");
    struct backtest_result r = run(0);
    assert_int_equal(r.patients_differ, 0);
    assert_int_equal(r.patients_unlike_journal, 0);
    backtest_free(&r);
}

static void timers_that_were_late_are_noticed_and_cancel_out(void **state)
{
    (void)state;
    admit_all();
    clock_set_ms(&w->clock, engine_now_ms(w->engine) + 25 * MS_PER_DAY); /* as if nothing had run meanwhile */
    engine_turn_begin(w->engine);
    engine_fire(w->engine, UINT32_MAX);
    assert_int_equal(engine_turn_commit(w->engine), 0);
    write_pathway("wait: 60min", "wait: 60min");
    struct backtest_result r = run(0);
    assert_int_equal(r.patients_differ, 0);
    assert_true(r.patients_unlike_journal > 0); /* ladders climbed on time in the simulation */
    backtest_free(&r);
}

/* --- what goes back to other entries -------------------------------------------------------------------------------
 */

static Handoff__V1__Event *event_of(const char *id, const char *patient)
{
    Handoff__V1__Event *e = ARENA_NEW(w->arena, Handoff__V1__Event);
    handoff__v1__event__init(e);
    e->id = arena_string(w->arena, id);
    e->source = (char *)"ward";
    e->patient_id = arena_string(w->arena, patient);
    e->occurred_at_ms = engine_now_ms(w->engine);
    return e;
}

static Handoff__V1__Code say_completed_by(const char *who, const char *id, const char *patient, const char *task)
{
    Handoff__V1__Event *e = event_of(id, patient);
    Handoff__V1__TaskCompleted body = HANDOFF__V1__TASK_COMPLETED__INIT;
    e->task_id = arena_string(w->arena, task);
    e->body_case = HANDOFF__V1__EVENT__BODY_TASK_COMPLETED;
    e->task_completed = &body;
    body.outcome = HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_DONE;
    body.by = arena_string(w->arena, who);
    return world_publish(w, world_pack(w, e))->code;
}
static void say_completed(const char *id, const char *patient, const char *task)
{
    assert_int_equal(say_completed_by("nurse-1", id, patient, task), CODE(ACCEPTED));
}

static void say_merged(const char *id, const char *loser, const char *survivor)
{
    Handoff__V1__Event *e = event_of(id, loser);
    Handoff__V1__PatientMerged body = HANDOFF__V1__PATIENT_MERGED__INIT;
    e->body_case = HANDOFF__V1__EVENT__BODY_PATIENT_MERGED;
    e->patient_merged = &body;
    body.survivor_patient_id = arena_string(w->arena, survivor);
    assert_int_equal(world_publish(w, world_pack(w, e))->code, CODE(ACCEPTED));
}

static void say_retracted(const char *id, const char *patient, const char *wrong)
{
    Handoff__V1__Event *e = event_of(id, patient);
    Handoff__V1__EventRetracted body = HANDOFF__V1__EVENT_RETRACTED__INIT;
    e->body_case = HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    e->event_retracted = &body;
    body.retracted_source = (char *)"ward";
    body.retracted_id = arena_string(w->arena, wrong);
    assert_int_equal(world_publish(w, world_pack(w, e))->code, CODE(ACCEPTED));
}

static void a_patient_who_took_in_another_goes_on_from_the_journal(void **state)
{
    (void)state;
    world_publish(w, world_opened(w, "e1", "ann"));
    pass(2 * WORLD_HOUR); /* ann's t1 */
    say_completed("e2", "ann", "t1");
    world_publish(w, world_opened(w, "e3", "anna"));
    pass(2 * WORLD_HOUR); /* anna's t1 */
    say_merged("e4", "anna", "ann");
    say_completed("e5", "anna", "t1"); /* on ann's chain now, under the id that people know */
    pass(60 * MS_PER_DAY);
    write_pathway("wait: 60min", "wait: 60min");
    struct backtest_result r = run(0);
    assert_int_equal(r.patients, 2);
    assert_int_equal(r.patients_differ, 0);
    assert_int_equal(r.patients_unlike_journal, 0);
    assert_int_equal(r.matched[COURSE_CANDIDATE], 2);
    assert_int_equal(r.unmatched[COURSE_PRESENT] + r.unmatched[COURSE_CANDIDATE], 0);
    backtest_free(&r);
    write_pathway("wait: 60min", "wait: 90min");
    r = run(0); /* both first calls move; from the merge on both go on alike */
    assert_int_equal(r.patients_differ, 2);
    assert_int_equal(r.unmatched[COURSE_CANDIDATE], 0);
    backtest_free(&r);
}

static void an_event_that_was_taken_back_is_taken_back_in_both_courses(void **state)
{
    (void)state;
    world_publish(w, world_opened(w, "e1", "joe"));
    pass(2 * WORLD_HOUR);
    say_retracted("e2", "joe", "e1");
    pass(30 * MS_PER_DAY);
    write_pathway("wait: 60min", "wait: 60min");
    struct backtest_result r = run(0);
    assert_int_equal(r.patients_differ, 0);
    assert_int_equal(r.patients_unlike_journal, 0);
    backtest_free(&r);
    write_pathway("wait: 60min", "wait: 3h");
    r = run(0); /* the call had not been asked for when the reason for it was taken back */
    assert_int_equal(r.patients_differ, 1);
    backtest_free(&r);
}

static void an_event_that_came_again_with_other_content_stands_as_it_first_was(void **state)
{
    (void)state;
    world_publish(w, world_opened(w, "e1", "joe"));
    pass(2 * WORLD_HOUR);
    say_completed("e2", "joe", "t1");
    assert_int_equal(say_completed_by("nurse-2", "e2", "joe", "t1"), CODE(DUPLICATE_DIFFERS));
    pass(30 * MS_PER_DAY);
    write_pathway("wait: 60min", "wait: 60min");
    struct backtest_result r = run(0);
    assert_int_equal(r.patients_differ, 0);
    assert_int_equal(r.patients_unlike_journal, 0);
    assert_int_equal(r.events, 2);
    assert_int_equal(r.matched[COURSE_CANDIDATE], 1);
    backtest_free(&r);
}

static void say_absent(int day)
{
    Handoff__V1__Event *e = event_of("", "");
    Handoff__V1__StaffAbsent body = HANDOFF__V1__STAFF_ABSENT__INIT;
    char id[32];
    snprintf(id, sizeof id, "absent-%d", day);
    e->id = id;
    e->body_case = HANDOFF__V1__EVENT__BODY_STAFF_ABSENT;
    e->staff_absent = &body;
    body.person_id = (char *)"nurse-1";
    body.from_at_ms = e->occurred_at_ms;
    body.to_at_ms = e->occurred_at_ms + WORLD_HOUR;
    assert_int_equal(world_publish(w, world_pack(w, e))->code, CODE(ACCEPTED));
}

/* Each change of the roster is another set of rules; a folder of years has thousands. */
static void years_of_absences_are_taken_several_at_a_time(void **state)
{
    (void)state;
    for (int day = 0; day < 2500; day++) {
        char name[32];
        snprintf(name, sizeof name, "patient-%d", day);
        say_absent(day);
        if (day % 100 == 0) assert_int_equal(world_publish(w, world_opened(w, name, name))->code, CODE(ACCEPTED));
        pass(MS_PER_DAY);
    }
    write_pathway("wait: 60min", "wait: 60min");
    struct backtest_result r = run(0);
    assert_int_equal(r.patients, 25);
    assert_int_equal(r.patients_differ, 0);
    assert_int_equal(r.patients_unlike_journal, 0);
    backtest_free(&r);
}

static void an_empty_journal_is_said_to_be_empty(void **state)
{
    (void)state;
    struct journal *journal;
    struct backtest_result result;
    struct yaml_errors errors = {0};
    const char *sentence = "";
    assert_int_equal(journal_memory_open(&journal), 0);
    struct backtest_options options = {.journal = journal};
    assert_int_equal(backtest_run(&options, &result, &errors, &sentence), BACKTEST_E_FAILED);
    assert_string_equal(sentence, "the journal is empty");
    journal_close(journal);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_folder_read_in_many_shares_is_the_same_folder),
        TEST(the_same_file_makes_no_difference_after_a_crash_and_in_a_new_epoch),
        TEST(a_notice_that_was_given_up_counts_in_both_courses),
        TEST(timers_that_were_late_are_noticed_and_cancel_out),
        TEST(a_patient_who_took_in_another_goes_on_from_the_journal),
        TEST(an_event_that_was_taken_back_is_taken_back_in_both_courses),
        TEST(an_event_that_came_again_with_other_content_stands_as_it_first_was),
        TEST(years_of_absences_are_taken_several_at_a_time),
        TEST(an_empty_journal_is_said_to_be_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
