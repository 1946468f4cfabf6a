/* The scenario runner: what can never be met or never fail is refused with its place, and a failure shows what was said. */
#include "unit/core_world.h"

#include <unistd.h>

struct run {
    struct yaml_errors errors;
    struct scenario_report report;
    char tap[16384];
};
static struct run run;

/* One step whose expectation this is; an event goes with it where there is one. */
static void expecting(const char *event, const char *expect)
{
    char path[] = "/tmp/scenario-XXXXXX";
    uint64_t sequence = 0;
    int file = mkstemp(path);
    assert_true(file >= 0);
    dprintf(file,
            "scenario: s\nabout: x\nstart: 2026-03-02 08:00\npatient: p\nsteps:\n"
            "  - say: x\n    at: 2026-03-02 09:00\n    event: patient.registered\n"
            "    with: {birth_date: 2015-01-15, category: BEHAVIORAL_HEALTH}\n    expect: {}\n"
            "  - say: y\n    at: 2026-03-02 10:00\n%s    expect: %s\n",
            event, expect);
    close(file);
    memset(&run, 0, sizeof run);
    begin(SHIPPED);
    run.report.sequence = &sequence;
    run.report.tap = fmemopen(run.tap, sizeof run.tap, "w");
    scenario_run(path, w->rules, &run.report, &run.errors);
    fclose(run.report.tap);
    unlink(path);
}

static void assert_refused(const char *expect, int column, const char *part)
{
    expecting("", expect);
    assert_true(run.errors.count > 0);
    assert_int_equal(run.errors.list[0].line, 13);
    assert_int_equal(run.errors.list[0].column, column);
    assert_non_null(strstr(run.errors.list[0].sentence, part));
    assert_int_equal(run.report.passed + run.report.failed, 0); /* before the first step */
}

static void a_name_that_no_pathway_has_is_refused_with_its_place(void **state)
{
    assert_refused("{no_timers: [bla]}", 26, "no pathway \"bla\"");
    assert_refused("{no_timers: bla}", 25, "`all`, or a list");
    assert_refused("{timers: {blah: not running}}", 23, "no pathway has a timer \"blah\"");
    assert_refused("{state: {blah: none open}}", 22, "no pathway \"blah\"");
    assert_refused("{ended: {blah: none ended}}", 22, "no pathway \"blah\"");
    assert_refused("{region: {blah: no such region}}", 23, "no pathway has a region \"blah\"");
    assert_refused("{holds: [blah]}", 22, "no pathway has a hold \"blah\"");
    (void)state;
}

static void a_state_that_the_pathway_does_not_have_is_refused(void **state)
{
    assert_refused("{state: {referral: acepted}}", 32, "pathway \"referral\" has no state \"acepted\"");
    assert_refused("{region: {call-back: wating}}", 34, "region \"call-back\" has no state \"wating\"");
    (void)state;
}

static void a_kind_of_task_that_does_not_exist_is_refused_where_nothing_would_be_found_of_it(void **state)
{
    assert_refused("{due: {blah: no such task}}", 20, "no task \"blah\"");
    assert_refused("{people: {blah: no such task}}", 23, "no task \"blah\"");
    assert_refused("{matches: {blah: no such task}}", 24, "no task \"blah\"");
    (void)state;
}

static void a_word_where_a_list_belongs_is_refused(void **state)
{
    assert_refused("{open: call-family}", 20, "a list");
    assert_refused("{state: accepted}", 21, "a mapping");
    assert_refused("{site: {liste: 3}}", 21, "liste");
    (void)state;
}

static void names_that_exist_are_looked_up(void **state)
{
    expecting("", "{no_timers: [referral], timers: {acknowledge: not running}, state: {referral: none open}, holds: []}");
    assert_int_equal(run.errors.count, 0);
    assert_int_equal(run.report.failed, 0);
    (void)state;
}

static void a_sentence_that_was_not_said_is_shown_beside_what_was(void **state)
{
    expecting("    event: episode.opened\n    with: {pathway: nowhere, by: coordinator-1}\n", "{says: all is well}");
    assert_int_equal(run.report.failed, 1);
    assert_non_null(strstr(run.tap, "says: expected \"all is well\", got \"no pathway of that name is loaded"));
    expecting("", "{says: all is well}");
    assert_non_null(strstr(run.tap, "says: expected \"all is well\", got nothing"));
    (void)state;
}

/* A record keeps twenty bits of the hash, and these of the first step's event, p-1, are the same. */
static void an_event_whose_hash_is_alike_is_no_repeat(void **state)
{
    expecting("    event: episode.opened\n    id: other-255731\n    with: {pathway: nowhere, by: coordinator-1}\n", "{says: x}");
    assert_non_null(strstr(run.tap, "got \"no pathway of that name is loaded"));
    expecting("    event: episode.opened\n    id: p-1\n    with: {pathway: nowhere, by: coordinator-1}\n", "{says: x}");
    assert_non_null(strstr(run.tap, "got nothing"));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_name_that_no_pathway_has_is_refused_with_its_place),
        SENTENCE(a_state_that_the_pathway_does_not_have_is_refused),
        SENTENCE(a_kind_of_task_that_does_not_exist_is_refused_where_nothing_would_be_found_of_it),
        SENTENCE(a_word_where_a_list_belongs_is_refused),
        SENTENCE(names_that_exist_are_looked_up),
        SENTENCE(a_sentence_that_was_not_said_is_shown_beside_what_was),
        SENTENCE(an_event_whose_hash_is_alike_is_no_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
