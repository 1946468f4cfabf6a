/* The rules over time: folding changes, building, and saying what must be journaled. */
#include "unit/pathways/pathway_testing.h"
#include "pathway/ruleset.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct arena *arena;
static struct bytes policy_text;

static const char *const first_text = "pathway: first\n"
                                      "subject: patient\n"
                                      "max_silence: 10d\n"
                                      "timers: {check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}}\n"
                                      "initial: open\n"
                                      "states:\n"
                                      "  open:\n"
                                      "    after: [check]\n"
                                      "    on: {episode.closed: {target: closed}}\n"
                                      "  closed: {final: true}\n";
static const char *const second_text = "pathway: second\n"
                                       "subject: patient\n"
                                       "max_silence: 10d\n"
                                       "timers: {check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}}\n"
                                       "initial: open\n"
                                       "states:\n"
                                       "  open:\n"
                                       "    after: [check]\n"
                                       "    on: {episode.closed: {target: closed, do: [{open: first}]}}\n"
                                       "  closed: {final: true}\n";

struct fixture {
    struct ruleset *rs;
    struct rules_file files[4];
    struct rules_folder folder;
    const Handoff__V1__Site *sites[2];
    size_t site_count;
    uint64_t sequence;
    struct yaml_errors errors;
};

static struct rules_file file_of(const char *name, const char *text)
{
    return (struct rules_file){name, {(const uint8_t *)text, strlen(text)}};
}

static Handoff__V1__Site *site_named(const char *name)
{
    static const struct { uint32_t weekday, from, to; } hours[] = {
        {0, 480, 1020}, {1, 480, 1020}, {2, 480, 1020}, {3, 480, 1020}, {4, 780, 1020}, {4, 480, 720}};
    Handoff__V1__Site *site = ARENA_NEW(arena, Handoff__V1__Site);
    handoff__v1__site__init(site);
    site->name = arena_string(arena, name);
    site->time_zone = arena_string(arena, "UTC");
    site->openings = ARENA_ARRAY(arena, Handoff__V1__Opening *, 6);
    for (int i = 0; i < 6; i++) {
        Handoff__V1__Opening *o = site->openings[i] = ARENA_NEW(arena, Handoff__V1__Opening);
        handoff__v1__opening__init(o);
        o->weekday = hours[i].weekday, o->open_minute = hours[i].from, o->close_minute = hours[i].to;
    }
    site->n_openings = 6;
    site->holidays = ARENA_ARRAY(arena, uint32_t, 3);
    site->holidays[0] = 20261225, site->holidays[1] = 20260101, site->holidays[2] = 20260101;
    site->n_holidays = 3;
    return site;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!arena) arena = arena_new((size_t)512 * 1024 * 1024);
    arena_reset(arena);
    if (!f) return -1;
    f->rs = ruleset_new();
    policy_text = testing_file(arena, "daemon/pathways/policy.yaml");
    f->files[0] = file_of("first.yaml", first_text);
    f->folder = (struct rules_folder){f->files, 1, {"policy.yaml", policy_text}};
    f->sites[0] = site_named("north");
    f->site_count = 1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ruleset_free(f->rs);
    free(f);
    return 0;
}

static struct rules_changes diff(struct fixture *f)
{
    struct rules_changes changes = {0};
    f->errors.count = 0;
    ruleset_diff(f->rs, &f->folder, f->sites, f->site_count, arena, &f->errors, &changes);
    return changes;
}

/* Journals what differs, as the daemon would. */
static const struct rules *adopt(struct fixture *f)
{
    struct rules_changes changes = diff(f);
    if (f->errors.count) yaml_errors_print(stderr, &f->errors);
    assert_int_equal(f->errors.count, 0);
    for (size_t i = 0; i < changes.count; i++) assert_int_equal(ruleset_apply(f->rs, changes.list[i], ++f->sequence, &f->errors), 0);
    return ruleset_build(f->rs);
}

static void without_policy_or_site_there_are_no_rules(void **state)
{
    struct fixture *f = *state;
    assert_null(ruleset_build(f->rs));
}

static void the_first_files_are_all_introduced(void **state)
{
    struct fixture *f = *state;
    struct rules_changes changes = diff(f);
    assert_int_equal(changes.count, 3);
    assert_int_equal(changes.list[0]->body_case, HANDOFF__V1__RULES_CHANGE__BODY_SITE);
    assert_int_equal(changes.list[1]->body_case, HANDOFF__V1__RULES_CHANGE__BODY_POLICY);
    assert_int_equal(changes.list[2]->body_case, HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY);
    assert_int_equal(changes.list[2]->pathway->number, 1);
    assert_string_equal(changes.list[2]->pathway->name, "first");

    const struct rules *rules = adopt(f);
    assert_int_equal(rules->sequence, 3);
    assert_int_equal(rules->pathway_count, 1);
    assert_string_equal(rules_pathway_by_name(rules, "first")->name, "first");
    assert_int_equal(rules->policy.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY].owner, HANDOFF__V1__ROLE__ROLE_COORDINATOR);
    assert_true(rules->pathways[0]->longest_silence_ms > 3 * MS_PER_DAY);
}

static void a_site_becomes_a_calendar(void **state)
{
    const struct rules *rules = adopt(*state);
    const struct calendar *c = &rules->sites[0].calendar;
    assert_int_equal(c->week[4][0].open_minute, 480); /* given in the other order */
    assert_int_equal(c->week[4][1].open_minute, 780);
    assert_int_equal(c->holiday_count, 2);
    assert_int_equal(c->holidays[0], date_to_day(20260101));
}

static void what_is_unchanged_is_not_journaled_again(void **state)
{
    struct fixture *f = *state;
    const struct rules *rules = adopt(f);
    assert_int_equal(diff(f).count, 0);
    assert_ptr_equal(ruleset_build(f->rs), rules);
}

static void a_comment_in_the_policy_changes_nothing(void **state)
{
    struct fixture *f = *state;
    adopt(f);
    char *text = ARENA_ARRAY(arena, char, policy_text.len + 16);
    memcpy(text, policy_text.data, policy_text.len);
    strcat(text, "# a comment\n");
    f->folder.policy = file_of("policy.yaml", text);
    assert_int_equal(diff(f).count, 0);
}

static void a_changed_text_retires_the_old_version_and_introduces_the_next(void **state)
{
    struct fixture *f = *state;
    const struct rules *before = adopt(f);
    char text[1000];
    snprintf(text, sizeof text, "%s# changed\n", first_text);
    f->files[0] = file_of("first.yaml", text);
    struct rules_changes changes = diff(f);
    assert_int_equal(changes.count, 2);
    assert_int_equal(changes.list[0]->pathway_retired->number, 1);
    assert_int_equal(changes.list[1]->pathway->number, 2);

    const struct rules *after = adopt(f);
    assert_false(before->pathways[0]->is_retired); /* the old rules stay what they were */
    assert_true(after->pathways[0]->is_retired);
    assert_int_equal(rules_pathway_by_name(after, "first")->number, 2);
    assert_int_equal(diff(f).count, 0);
}

static void a_removed_file_is_retired(void **state)
{
    struct fixture *f = *state;
    adopt(f);
    f->folder.pathway_count = 0;
    struct rules_changes changes = diff(f);
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.list[0]->pathway_retired->number, 1);
    assert_null(rules_pathway_by_name(adopt(f), "first"));
}

static uint64_t episodes_on_the_first;
static uint64_t count_episodes(void *context, uint32_t number)
{
    ++*(int *)context;
    return number == 1 ? episodes_on_the_first : 0;
}

static int check_use(struct fixture *f, const char *retired, int *asked)
{
    struct rules_changes changes = diff(f);
    *asked = 0;
    return ruleset_check_use(f->rs, &changes, &(struct rules_use){asked, count_episodes, retired}, arena, &f->errors);
}

static void another_text_under_a_version_is_refused_only_while_something_runs_on_it(void **state)
{
    struct fixture *f = *state;
    char text[1000];
    int asked;
    adopt(f);
    episodes_on_the_first = 3;
    assert_int_equal(check_use(f, "", &asked), 0);
    assert_int_equal(asked, 0); /* nothing goes: nothing is counted */
    snprintf(text, sizeof text, "%s# changed\n", first_text);
    f->files[0] = file_of("first.yaml", text);
    assert_int_not_equal(check_use(f, "", &asked), 0);
    testing_expect(&f->errors, 0, 0, "3 open episodes run on");
    episodes_on_the_first = 0;
    assert_int_equal(check_use(f, "", &asked), 0);
    episodes_on_the_first = 3;
    snprintf(text, sizeof text, "version: 9\n%s", first_text);
    f->files[0] = file_of("first.yaml", text);
    assert_int_equal(check_use(f, "", &asked), 0);
    assert_int_equal(asked, 0);
}

static void a_pathway_that_something_runs_on_goes_only_when_it_is_listed(void **state)
{
    struct fixture *f = *state;
    int asked;
    adopt(f);
    episodes_on_the_first = 1;
    f->folder.pathway_count = 0;
    assert_int_not_equal(check_use(f, "firs, first-of-all", &asked), 0);
    testing_expect(&f->errors, 0, 0, "1 open episode runs on it");
    assert_int_equal(check_use(f, "other, first", &asked), 0);
    assert_int_equal(asked, 0);
}

static void a_version_that_cannot_be_understood_keeps_its_number(void **state)
{
    struct fixture *f = *state;
    adopt(f);
    Handoff__V1__PathwayText text = HANDOFF__V1__PATHWAY_TEXT__INIT;
    text.number = 7;
    assert_int_not_equal(ruleset_skip(f->rs, &text, ++f->sequence), 0);
    text.number = 2;
    assert_int_equal(ruleset_skip(f->rs, &text, ++f->sequence), 0);
    const struct rules *rules = ruleset_build(f->rs);
    assert_int_equal(rules->pathway_count, 2);
    assert_null(rules->pathways[1]);
    assert_int_equal(rules_pathway_by_name(rules, "first")->number, 1);
    assert_int_equal(diff(f).count, 0);
}

static void sites_are_added_changed_and_removed(void **state)
{
    struct fixture *f = *state;
    adopt(f);
    Handoff__V1__Site *south = site_named("south");
    south->is_default = true;
    f->sites[1] = south;
    f->site_count = 2;
    const struct rules *rules = adopt(f);
    assert_int_equal(rules->site_count, 2);
    assert_string_equal(rules->sites[0].name, "south"); /* the default is the first */
    assert_string_equal(rules_site(rules, "north")->name, "north");
    f->sites[0] = south;
    f->site_count = 1;
    assert_int_equal(diff(f).count, 1);
    assert_int_equal(adopt(f)->site_count, 1);
}

static void a_pathway_that_another_opens_must_exist(void **state)
{
    struct fixture *f = *state;
    f->files[0] = file_of("second.yaml", second_text);
    assert_int_equal(diff(f).count, 0);
    testing_expect(&f->errors, 9, 55, "there is no pathway \"first\"");
    f->files[0] = file_of("first.yaml", first_text);
    f->files[1] = file_of("second.yaml", second_text);
    f->folder.pathway_count = 2;
    assert_int_equal(adopt(f)->pathway_count, 2);
}

static void two_files_cannot_define_one_pathway(void **state)
{
    struct fixture *f = *state;
    f->files[1] = file_of("other.yaml", first_text);
    f->folder.pathway_count = 2;
    assert_int_equal(diff(f).count, 0);
    testing_expect(&f->errors, 1, 1, "first.yaml already defines a pathway \"first\"");
}

static void a_timer_of_one_pathway_cannot_end_another_by_a_signal(void **state)
{
    struct fixture *f = *state;
    f->files[0] = file_of("first.yaml", "pathway: first\nsubject: patient\nmax_silence: 10d\n"
                                        "timers: {check: {fires: [{wait: 2bd, do: [{task: call-family}, {signal: done}]}]}}\n"
                                        "initial: open\nstates: {open: {after: [check]}}\n");
    f->files[1] = file_of("second.yaml", "pathway: second\nsubject: patient\nmax_silence: 10d\n"
                                         "timers: {check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}}\n"
                                         "initial: open\nstates:\n  open: {after: [check], on: {signal.done: {target: closed}}}\n  closed: {final: true}\n");
    f->folder.pathway_count = 2;
    diff(f);
    testing_expect(&f->errors, 4, 73, "a timer sends the signal \"done\", which ends an episode of second");
}

static void one_bad_file_stops_every_change(void **state)
{
    struct fixture *f = *state;
    adopt(f);
    f->files[1] = file_of("bad.yaml", "pathway: bad\n");
    f->folder.pathway_count = 2;
    assert_int_equal(diff(f).count, 0);
    assert_true(f->errors.count > 0);
    assert_string_equal(f->errors.list[0].file, "bad.yaml");
}

static void a_missing_policy_is_said(void **state)
{
    struct fixture *f = *state;
    f->folder.policy.name = NULL;
    diff(f);
    testing_expect(&f->errors, 0, 0, "it is missing from the folder");
}

static void a_bad_site_is_refused(void **state)
{
    struct fixture *f = *state;
    Handoff__V1__Site *site = site_named("north");
    f->sites[0] = site;
    site->openings[0]->close_minute = 100;
    diff(f);
    testing_expect(&f->errors, 0, 0, "working hours that no day has");
    site->openings[0]->close_minute = 1020;
    site->holidays[0] = 20260231;
    diff(f);
    testing_expect(&f->errors, 0, 0, "a holiday that no calendar has");
    site->n_holidays = 0;
    site->openings[5]->close_minute = 800;
    diff(f);
    testing_expect(&f->errors, 0, 0, "do not overlap");
}

static void a_change_out_of_order_is_refused_and_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    const struct rules *rules = adopt(f);
    Handoff__V1__PathwayText text = HANDOFF__V1__PATHWAY_TEXT__INIT;
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY;
    change.pathway = &text;
    text.number = 7;
    assert_int_not_equal(ruleset_apply(f->rs, &change, 9, &f->errors), 0);
    testing_expect(&f->errors, 0, 0, "pathway version 7 does not follow 1");
    assert_ptr_equal(ruleset_build(f->rs), rules);
}

static void a_folder_gives_its_pathways_by_name_and_the_policy_apart(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/pathways-test-XXXXXX", name[100];
    static const char *const files[] = {"b.yaml", "a.yaml", "policy.yaml", "README.md"};
    assert_non_null(mkdtemp(path));
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s/%s", path, files[i]);
        FILE *file = fopen(name, "w");
        assert_non_null(file);
        fputs(files[i], file);
        fclose(file);
    }
    struct rules_folder folder;
    assert_int_equal(ruleset_read_folder(path, arena, &folder, &f->errors), 0);
    assert_int_equal(folder.pathway_count, 2);
    assert_string_equal(folder.pathways[0].name, "a.yaml");
    assert_string_equal(folder.policy.name, "policy.yaml");
    assert_memory_equal(folder.pathways[1].text.data, "b.yaml", 6);
    for (int i = 0; i < 4; i++) snprintf(name, sizeof name, "%s/%s", path, files[i]), unlink(name);
    rmdir(path);
    assert_int_not_equal(ruleset_read_folder(path, arena, &folder, &f->errors), 0);
}

/* --- what is taken back ---------------------------------------------------------------------------------------------- */

static int fold(struct fixture *f, const Handoff__V1__RulesChange *change)
{
    f->errors.count = 0;
    return ruleset_apply(f->rs, change, ++f->sequence, &f->errors);
}

/* The agency is listed by the entry before, as an older journal has it, or by `event`. */
static void list_agency(struct fixture *f, const char *name, uint64_t event)
{
    Handoff__V1__AgencyListed agency = HANDOFF__V1__AGENCY_LISTED__INIT;
    Handoff__V1__Listing listing = HANDOFF__V1__LISTING__INIT;
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    agency.agency_id = (char *)"a1";
    agency.name = (char *)(uintptr_t)name;
    listing.agency = &agency;
    listing.event = event;
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_LISTING;
    change.listing = &listing;
    assert_int_equal(fold(f, &change), 0);
}

static int take_back(struct fixture *f, uint64_t event)
{
    struct ruleset_event_change said;
    ruleset_change_by_retraction(&(struct ruleset_said){"", 0, 0}, event, 0, &said);
    return fold(f, &said.change);
}

static void a_doubt_outlives_what_is_taken_back_but_not_its_listing(void **state)
{
    struct fixture *f = *state;
    Handoff__V1__Doubt doubt = HANDOFF__V1__DOUBT__INIT;
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    adopt(f);
    list_agency(f, "Riverside", 100);
    doubt.agency_id = (char *)"a1";
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_DOUBT;
    change.doubt = &doubt;
    assert_int_equal(fold(f, &change), 0);
    list_agency(f, "Riverside West", 200);
    assert_false(rules_agency(ruleset_build(f->rs), "a1")->is_doubtful);
    assert_int_equal(take_back(f, 200), 0);
    assert_true(rules_agency(ruleset_build(f->rs), "a1")->is_doubtful);
    assert_string_equal(rules_agency(ruleset_build(f->rs), "a1")->agency->name, "Riverside");
    const struct rules *before = ruleset_build(f->rs);
    assert_int_equal(take_back(f, 100), 0);
    assert_null(rules_agency(ruleset_build(f->rs), "a1"));
    assert_non_null(rules_agency(before, "a1")); /* what is decided keeps the rules it began with */
}

static void an_older_journals_change_is_of_the_entry_before(void **state)
{
    struct fixture *f = *state;
    adopt(f);
    list_agency(f, "Riverside", 0);
    assert_int_equal(take_back(f, f->sequence - 1), 0);
    assert_null(rules_agency(ruleset_build(f->rs), "a1"));
    assert_int_equal(take_back(f, 4711), 0); /* of which there is nothing */
    assert_true(take_back(f, 0) < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_policy_or_site_there_are_no_rules),
        TEST(a_doubt_outlives_what_is_taken_back_but_not_its_listing),
        TEST(an_older_journals_change_is_of_the_entry_before),
        TEST(the_first_files_are_all_introduced),
        TEST(a_site_becomes_a_calendar),
        TEST(what_is_unchanged_is_not_journaled_again),
        TEST(a_comment_in_the_policy_changes_nothing),
        TEST(another_text_under_a_version_is_refused_only_while_something_runs_on_it),
        TEST(a_pathway_that_something_runs_on_goes_only_when_it_is_listed),
        TEST(a_version_that_cannot_be_understood_keeps_its_number),
        TEST(a_changed_text_retires_the_old_version_and_introduces_the_next),
        TEST(a_removed_file_is_retired),
        TEST(sites_are_added_changed_and_removed),
        TEST(a_pathway_that_another_opens_must_exist),
        TEST(two_files_cannot_define_one_pathway),
        TEST(a_timer_of_one_pathway_cannot_end_another_by_a_signal),
        TEST(one_bad_file_stops_every_change),
        TEST(a_missing_policy_is_said),
        TEST(a_bad_site_is_refused),
        TEST(a_change_out_of_order_is_refused_and_leaves_no_trace),
        TEST(a_folder_gives_its_pathways_by_name_and_the_policy_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
