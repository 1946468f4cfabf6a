/* Silent sources: somebody waits for what a system reports, and hears when it does not. */
#include "engine/audit.h"
#include "engine/view.h"
#include "unit/engine_world.h"

#define TASK(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME

static const char *silence; /* of the source "ward"; NULL: nobody waits for it */

static Handoff__V1__Source *world_source(struct world *w, const char *name)
{
    Handoff__V1__Source *s = ARENA_NEW(w->arena, Handoff__V1__Source);
    handoff__v1__source__init(s);
    s->name = arena_string(w->arena, name);
    s->silence = (char *)(uintptr_t)silence;
    s->feeds = ARENA_NEW(w->arena, char *);
    s->feeds[0] = (char *)"episode";
    s->n_feeds = 1;
    return s;
}

static void furnish(struct world *w, Handoff__V1__Site *site)
{
    site->people = ARENA_NEW(w->arena, Handoff__V1__Person *);
    site->people[site->n_people++] = world_person(w, "sup", HANDOFF__V1__ROLE__ROLE_SUPERVISOR);
    if (!silence) return;
    site->sources = ARENA_NEW(w->arena, Handoff__V1__Source *);
    site->sources[site->n_sources++] = world_source(w, "ward");
}

static void advance(struct world *w, int64_t by_ms)
{
    int code = 1;
    int64_t to_ms = engine_now_ms(w->engine) + by_ms;
    while (code == 1) code = engine_advance(w->engine, to_ms, NULL);
    assert_int_equal(code, 0);
}

static struct world *begin(const char *longest)
{
    struct world *w = world_prepare(false);
    silence = longest;
    w->furnish = furnish;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    advance(w, 0); /* as the loop does at once */
    return w;
}

static Handoff__V1__PatientRecord *record_of(struct world *w, const char *source)
{
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_SOURCE, source, &key);
    return engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms) ? NULL : record;
}

static Handoff__V1__PatientRecord *source_record(struct world *w)
{
    return record_of(w, "ward");
}

static void hear(struct world *w)
{
    static int number;
    char id[16];
    snprintf(id, sizeof id, "e%d", ++number);
    assert_int_equal(world_publish(w, world_updated(w, id, "mary", "Mary"))->code, CODE(ACCEPTED));
}

static bool is_told(struct world *w)
{
    const Handoff__V1__PatientRecord *r = source_record(w);
    assert_true(r->n_tasks <= 1);
    return r->n_tasks == 1 && r->tasks[0]->kind == TASK(SOURCE_SILENT);
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

/* --- silence ------------------------------------------------------------------------------------------------------------ */

static void a_source_that_is_silent_for_too_long_becomes_the_supervisors_task(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    hear(w);
    advance(w, 25 * WORLD_HOUR - 1); /* an hour more: it is noted at most once an hour that it was heard of */
    assert_false(is_told(w));
    advance(w, 1);
    assert_true(is_told(w));
    const Handoff__V1__Task *t = source_record(w)->tasks[0];
    assert_int_equal(t->owner, HANDOFF__V1__ROLE__ROLE_SUPERVISOR);
    assert_int_equal(t->severity, HANDOFF__V1__SEVERITY__SEVERITY_URGENT);
    advance(w, 5 * 24 * WORLD_HOUR);
    assert_true(is_told(w)); /* one task, which climbs */
    assert_int_equal(source_record(w)->n_escalations, 1);
    end(w);
}

static void a_source_that_was_never_heard_of_counts_from_when_it_was_configured(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    assert_int_equal(source_record(w)->heard_at_ms, 0);
    advance(w, 25 * WORLD_HOUR);
    assert_true(is_told(w));
    end(w);
}

static void what_is_heard_again_withdraws_the_task_at_once(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    advance(w, 25 * WORLD_HOUR);
    assert_true(is_told(w));
    hear(w);
    assert_false(is_told(w));
    assert_int_equal(source_record(w)->n_escalations, 0);
    advance(w, 24 * WORLD_HOUR);
    assert_false(is_told(w));
    advance(w, WORLD_HOUR);
    assert_true(is_told(w));
    end(w);
}

static void hearing_costs_one_entry_an_hour(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    hear(w);
    uint64_t before = world_state(w).last_sequence;
    for (int i = 0; i < 50; i++) hear(w);
    assert_int_equal(world_state(w).last_sequence, before + 50);
    advance(w, WORLD_HOUR);
    before = world_state(w).last_sequence;
    for (int i = 0; i < 50; i++) hear(w);
    assert_int_equal(world_state(w).last_sequence, before + 51);
    end(w);
}

static void a_repeat_is_heard_of_too(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    struct bytes event = world_updated(w, "again", "mary", "Mary");
    world_publish(w, event);
    advance(w, 20 * WORLD_HOUR);
    assert_int_equal(world_publish(w, event)->code, CODE(DUPLICATE));
    assert_int_equal(source_record(w)->heard_at_ms, engine_now_ms(w->engine));
    end(w);
}

static void a_source_that_nobody_waits_for_costs_nothing(void **state)
{
    (void)state;
    struct world *w = begin(NULL);
    hear(w);
    advance(w, 100 * 24 * WORLD_HOUR);
    assert_null(source_record(w));
    end(w);
}

/* --- restarts, failures, configuration ------------------------------------------------------------------------------------ */

static void a_restart_changes_nothing_about_a_silence(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    hear(w);
    advance(w, 10 * WORLD_HOUR);
    world_crash(w);
    advance(w, 15 * WORLD_HOUR);
    assert_true(is_told(w));
    world_crash(w);
    hear(w); /* noted at once: somebody was told */
    assert_false(is_told(w));
    end(w);
}

static void a_crash_before_it_was_configured_is_made_good_at_the_next_start(void **state)
{
    (void)state;
    struct world *w = world_prepare(false);
    silence = "24h";
    w->furnish = furnish;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    world_crash(w);
    assert_null(source_record(w));
    advance(w, 25 * WORLD_HOUR);
    assert_true(is_told(w));
    end(w);
}

static void what_was_heard_in_a_batch_that_failed_is_heard_again(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    world_publish(w, world_updated(w, "lost", "mary", "Mary"));
    w->failing.appends_left = -1;
    assert_int_equal(engine_retry(w->engine), 0);
    assert_int_equal(source_record(w)->heard_at_ms, 0);
    hear(w);
    assert_int_equal(source_record(w)->heard_at_ms, engine_now_ms(w->engine));
    end(w);
}

static void a_source_that_is_no_longer_configured_is_let_go(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    silence = NULL;
    world_adopt_rules(w);
    advance(w, 30 * WORLD_HOUR);
    assert_false(is_told(w));
    assert_int_equal(source_record(w)->silent_at_ms, 0);
    silence = "24h";
    world_adopt_rules(w);
    advance(w, 25 * WORLD_HOUR);
    assert_true(is_told(w));
    end(w);
}

static void another_longest_silence_counts_from_when_it_was_last_heard_of(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    hear(w);
    silence = "72h";
    world_adopt_rules(w);
    advance(w, 30 * WORLD_HOUR);
    assert_false(is_told(w));
    silence = "12h";
    world_adopt_rules(w);
    advance(w, 0);
    assert_true(is_told(w));
    end(w);
}

static void somebody_who_says_it_is_done_while_it_is_silent_is_asked_again(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    advance(w, 25 * WORLD_HOUR);
    struct patient_key key;
    char text[33], id[STEP_ID_BYTES];
    engine_subject_key(w->engine, SUBJECT_IS_SOURCE, "ward", &key);
    engine_key_text(&key, text);
    step_id(id, text, "t", source_record(w)->tasks[0]->number, 0);
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__TaskCompleted done = HANDOFF__V1__TASK_COMPLETED__INIT;
    event.id = (char *)"done";
    event.source = (char *)"desk";
    event.patient_id = (char *)"ward";
    event.task_id = id;
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_TASK_COMPLETED;
    event.task_completed = &done;
    done.outcome = HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_DONE;
    done.by = (char *)"sup";
    assert_int_equal(world_publish(w, world_pack(w, &event))->code, CODE(ACCEPTED));
    assert_false(is_told(w));
    advance(w, 26 * WORLD_HOUR);
    assert_true(is_told(w));
    end(w);
}

static void the_task_names_the_pathways_that_are_blind(void **state)
{
    (void)state;
    struct world *w = begin("24h");
    advance(w, 25 * WORLD_HOUR);
    Handoff__V1__PatientRecord *r = source_record(w);
    struct view v = {engine_rules(w->engine), w->arena, engine_now_ms(w->engine)};
    struct view_subject of = {"0123456789abcdef0123456789abcdef", r};
    assert_string_equal(view_task(&v, &of, r->tasks[0])->reason,
                        "ward has not been heard of yet, longer ago than is normal. Blind until it reports: watch.");
    assert_string_equal(view_task(&v, &of, r->tasks[0])->person_id, "sup");
    end(w);
}

/* --- the daemon was away -------------------------------------------------------------------------------------------------- */

enum { FEEDS = 20 }; /* more than fit a batch */
static int64_t real_ms;

static int64_t fake_ms(void *context)
{
    (void)context;
    return real_ms;
}
static const struct clock_source fake_source = {NULL, fake_ms, fake_ms};

static const char *feed_name(int i)
{
    static char name[16];
    snprintf(name, sizeof name, "feed-%d", i);
    return name;
}

static void furnish_many(struct world *w, Handoff__V1__Site *site)
{
    furnish(w, site);
    site->sources = ARENA_ARRAY(w->arena, Handoff__V1__Source *, FEEDS);
    site->n_sources = FEEDS;
    for (int i = 0; i < FEEDS; i++) site->sources[i] = world_source(w, feed_name(i));
}

/* Turns as the loop takes them, until none is wanted at once. */
static int turns(struct world *w)
{
    int count = 0;
    for (; count < 100 && engine_next_due(w->engine) <= real_ms; count++) {
        engine_turn_begin(w->engine);
        engine_fire(w->engine, 100);
        engine_turn_commit(w->engine);
    }
    return count;
}

static void hear_of(struct world *w, const char *source)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__PatientUpdated updated = HANDOFF__V1__PATIENT_UPDATED__INIT;
    event.id = (char *)"first";
    event.source = (char *)(uintptr_t)source;
    event.patient_id = (char *)"mary";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_PATIENT_UPDATED;
    event.patient_updated = &updated;
    assert_int_equal(world_publish(w, world_pack(w, &event))->code, CODE(ACCEPTED));
}

/* Each is heard of before, and may be silent for three hours. */
static struct world *away_for(int64_t absence_ms)
{
    struct world *w = world_prepare(false);
    silence = "2h";
    w->furnish = furnish_many;
    w->options.batch_events = 8;
    real_ms = CLOCK_MANUAL_START_MS;
    w->clock.source = &fake_source;
    assert_int_equal(clock_parse(&w->clock, "system"), 0);
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    assert_in_range(turns(w), 2, FEEDS);
    for (int i = 0; i < FEEDS; i++) hear_of(w, feed_name(i));
    real_ms += absence_ms;
    world_crash(w);
    return w;
}

static void expect_an_hour_more(struct world *w)
{
    assert_in_range(turns(w), 2, FEEDS);
    for (int i = 0; i < FEEDS; i++) {
        assert_int_equal(record_of(w, feed_name(i))->n_tasks, 0);
        assert_int_equal(record_of(w, feed_name(i))->silent_at_ms, real_ms + WORLD_HOUR);
    }
}

static void after_an_absence_each_of_many_sources_has_an_hour_more(void **state)
{
    (void)state;
    struct world *w = away_for(5 * WORLD_HOUR / 2);
    uint64_t last = world_state(w).last_sequence;
    expect_an_hour_more(w);
    assert_int_equal(world_state(w).last_sequence, last + FEEDS); /* each was told once */
    real_ms += WORLD_HOUR;
    turns(w);
    for (int i = 0; i < FEEDS; i++) assert_int_equal(record_of(w, feed_name(i))->n_tasks, 1);
    end(w);
}

static void the_hour_of_a_batch_that_failed_is_given_again(void **state)
{
    (void)state;
    struct world *w = away_for(5 * WORLD_HOUR / 2);
    w->failing.appends_left = 1;
    w->failing.code = JOURNAL_E_FULL;
    turns(w);
    assert_true(world_state(w).is_read_only);
    w->failing.appends_left = -1;
    assert_int_equal(engine_retry(w->engine), 0);
    turns(w);
    for (int i = 0; i < FEEDS; i++) assert_int_equal(record_of(w, feed_name(i))->silent_at_ms, real_ms + WORLD_HOUR);
    end(w);
}

static void what_would_have_been_a_silence_meanwhile_is_none(void **state)
{
    (void)state;
    struct world *w = away_for(5 * WORLD_HOUR);
    expect_an_hour_more(w);
    end(w);
}

static void a_short_absence_gives_nobody_more_time(void **state)
{
    (void)state;
    struct world *w = away_for(WORLD_HOUR / 2);
    uint64_t last = world_state(w).last_sequence;
    assert_int_equal(turns(w), 0);
    assert_int_equal(world_state(w).last_sequence, last);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_is_silent_for_too_long_becomes_the_supervisors_task),
        cmocka_unit_test(a_source_that_was_never_heard_of_counts_from_when_it_was_configured),
        cmocka_unit_test(what_is_heard_again_withdraws_the_task_at_once),
        cmocka_unit_test(hearing_costs_one_entry_an_hour),
        cmocka_unit_test(a_repeat_is_heard_of_too),
        cmocka_unit_test(a_source_that_nobody_waits_for_costs_nothing),
        cmocka_unit_test(a_restart_changes_nothing_about_a_silence),
        cmocka_unit_test(a_crash_before_it_was_configured_is_made_good_at_the_next_start),
        cmocka_unit_test(what_was_heard_in_a_batch_that_failed_is_heard_again),
        cmocka_unit_test(a_source_that_is_no_longer_configured_is_let_go),
        cmocka_unit_test(another_longest_silence_counts_from_when_it_was_last_heard_of),
        cmocka_unit_test(somebody_who_says_it_is_done_while_it_is_silent_is_asked_again),
        cmocka_unit_test(the_task_names_the_pathways_that_are_blind),
        cmocka_unit_test(after_an_absence_each_of_many_sources_has_an_hour_more),
        cmocka_unit_test(the_hour_of_a_batch_that_failed_is_given_again),
        cmocka_unit_test(what_would_have_been_a_silence_meanwhile_is_none),
        cmocka_unit_test(a_short_absence_gives_nobody_more_time),
    };
    return cmocka_run_group_tests_name("silent sources", tests, NULL, NULL);
}
