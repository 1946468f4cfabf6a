/* Who receives it: persons, absences, delegates, the queue, the supervisor, on-call. */
#include "unit/core_world.h"

/* What an event of the site makes known to everybody. */
static void make_known(const char *name, const char *rest)
{
    struct yaml_errors errors = {0};
    struct ruleset_event_change said;
    Handoff__V1__Event *event = core_event(name, rest);
    event->patient_id = arena_string(w->arena, "");
    assert_true(ruleset_change_by_event(event, &(struct ruleset_said){w->site->name, w->now_ms, w->sequence + 1}, &said));
    assert_int_equal(ruleset_apply(w->ruleset, &said.change, ++w->sequence + 1000, &errors), 0);
    w->rules = ruleset_build(w->ruleset);
    w->site = rules_site(w->rules, "");
}

static struct site small_site;
static Handoff__V1__Site roster;

static Handoff__V1__Person *person(const char *id, Handoff__V1__Role role, const char *supervisor_id)
{
    Handoff__V1__Person *p = MESSAGE_NEW(w->arena, Handoff__V1__Person, person);
    p->id = arena_string(w->arena, id);
    p->supervisor_id = arena_string(w->arena, supervisor_id);
    p->roles = ARENA_NEW(w->arena, Handoff__V1__Role);
    p->roles[0] = role;
    p->n_roles = role ? 1 : 0;
    p->is_queue = role == ROLE(UNSPECIFIED);
    list_append(w->arena, &p->addresses, &p->n_addresses, MESSAGE_NEW(w->arena, Handoff__V1__Address, address));
    return p;
}

/* Two coordinators with their supervisor, a second supervisor, two on call; the queue last, to be left out. */
static void begin_site(bool has_queue)
{
    begin(SHIPPED);
    register_child();
    handoff__v1__site__init(&roster);
    roster.people = ARENA_ARRAY(w->arena, Handoff__V1__Person *, 7);
    roster.people[0] = person("ann", ROLE(COORDINATOR), "sup");
    roster.people[1] = person("bob", ROLE(COORDINATOR), "sup");
    roster.people[2] = person("other-sup", ROLE(SUPERVISOR), "");
    roster.people[3] = person("sup", ROLE(SUPERVISOR), "");
    roster.people[4] = person("night-1", ROLE(ON_CALL), "");
    roster.people[5] = person("night-2", ROLE(ON_CALL), "");
    roster.people[6] = person("desk", ROLE(UNSPECIFIED), "");
    roster.n_people = has_queue ? 7 : 6;
    small_site = *w->site;
    small_site.roster = &roster;
}

static const char *who(Handoff__V1__Role role)
{
    return roster_resolve(w->rules, &small_site, w->record, role, w->now_ms);
}

static void away(const char *who_is, const char *delegate)
{
    char rest[200];
    snprintf(rest, sizeof rest, "with: {person_id: %s, from_at: 2026-03-02 09:00, to_at: 2026-03-09 09:00%s%s}", who_is,
             *delegate ? ", delegate_id: " : "", delegate);
    make_known("staff.absent", rest);
}

static void assign(const char *person_id)
{
    char rest[100];
    snprintf(rest, sizeof rest, "with: {role: COORDINATOR, person_id: %s}", person_id);
    tell("staff.assigned", rest);
}

static void a_delegate_has_the_work_from_the_first_moment_of_the_absence_to_its_last(void **state)
{
    (void)state;
    begin_site(true);
    assign("ann");
    make_known("staff.absent",
               "with: {person_id: ann, from_at: 2026-03-04 08:00, to_at: 2026-03-06 08:00, delegate_id: bob}");
    static const struct { const char *time, *person; } expected[] = {{"2026-03-04 07:59", "ann"},
                                                                    {"2026-03-04 08:00", "bob"},
                                                                    {"2026-03-06 07:59", "bob"},
                                                                    {"2026-03-06 08:00", "ann"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        w->now_ms = when(expected[i].time);
        assert_string_equal(who(ROLE(COORDINATOR)), expected[i].person);
    }
}

static void a_delegate_who_is_away_too_hands_on_to_theirs(void **state)
{
    (void)state;
    begin_site(true);
    assign("ann");
    away("ann", "bob");
    away("bob", "sup");
    assert_string_equal(who(ROLE(COORDINATOR)), "sup");
    away("sup", ""); /* and the end of the row without anybody: the queue */
    assert_string_equal(who(ROLE(COORDINATOR)), "desk");
}

static void delegates_in_a_circle_end_at_the_queue(void **state)
{
    (void)state;
    begin_site(true);
    assign("ann");
    away("ann", "bob");
    away("bob", "ann");
    assert_string_equal(who(ROLE(COORDINATOR)), "desk");
}

static void an_absence_without_a_delegate_falls_to_the_queue_or_else_to_the_own_supervisor(void **state)
{
    (void)state;
    begin_site(true);
    assign("ann");
    away("ann", "");
    assert_string_equal(who(ROLE(COORDINATOR)), "desk");
    begin_site(false);
    assign("ann");
    away("ann", "");
    assert_string_equal(who(ROLE(COORDINATOR)), "sup");
    away("ann", "somebody-who-left");
    assert_string_equal(who(ROLE(COORDINATOR)), "sup");
    away("sup", "");
    assert_string_equal(who(ROLE(COORDINATOR)), "other-sup");
}

static void who_left_the_roster_hands_nothing_to_whoever_stands_first_in_it(void **state)
{
    (void)state;
    begin_site(true);
    assign("left-last-year");
    assert_string_equal(who(ROLE(COORDINATOR)), "desk");
    begin_site(false);
    assign("left-last-year");
    assert_string_equal(who(ROLE(COORDINATOR)), "sup");
}

static void of_several_with_a_role_one_who_is_there_is_asked_before_a_delegate(void **state)
{
    (void)state;
    begin_site(true);
    assert_string_equal(who(ROLE(COORDINATOR)), "ann");
    away("ann", "other-sup");
    assert_string_equal(who(ROLE(COORDINATOR)), "bob");
    away("bob", "");
    assert_string_equal(who(ROLE(COORDINATOR)), "other-sup");
}

static void the_second_on_call_is_another_person_or_the_first_again(void **state)
{
    (void)state;
    begin_site(true);
    assert_string_equal(who(ROLE(ON_CALL)), "night-1");
    assert_string_equal(who(ROLE(SECOND_ON_CALL)), "night-2");
    away("night-1", "");
    assert_string_equal(who(ROLE(ON_CALL)), "night-2");
    assert_string_equal(who(ROLE(SECOND_ON_CALL)), "night-2");
}

static void somebody_is_told_even_when_everybody_is_away(void **state)
{
    (void)state;
    begin_site(false);
    static const char *const everybody[] = {"ann", "bob", "other-sup", "sup", "night-1", "night-2"};
    for (size_t i = 0; i < sizeof everybody / sizeof *everybody; i++) away(everybody[i], "");
    assert_string_equal(who(ROLE(COORDINATOR)), "night-1");
    assert_string_equal(who(ROLE(ON_CALL)), "night-1");
}

static void whoever_cannot_be_told_is_passed_over(void **state)
{
    (void)state;
    begin_site(true);
    roster.people[0]->n_addresses = roster.people[4]->n_addresses = 0; /* ann and the first on call */
    assert_string_equal(who(ROLE(COORDINATOR)), "bob");
    assert_string_equal(who(ROLE(ON_CALL)), "night-2");
    assign("ann");
    assert_string_equal(who(ROLE(COORDINATOR)), "desk");
    away("bob", "ann");
    assert_null(roster_stand_in(w->rules, &small_site, "bob", w->now_ms));
    roster.people[6]->n_addresses = 0; /* nor is there a queue that anybody hears of */
    assert_string_equal(who(ROLE(COORDINATOR)), "sup");
    static const char *const others[] = {"sup", "other-sup", "night-2"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) away(others[i], "");
    assert_string_equal(who(ROLE(COORDINATOR)), "night-2"); /* away, but can be told */
}

static void an_absence_at_another_site_is_another_persons(void **state)
{
    (void)state;
    begin_site(true);
    away("ann", "bob");
    small_site.name = "north";
    assert_string_equal(who(ROLE(COORDINATOR)), "ann");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_delegate_has_the_work_from_the_first_moment_of_the_absence_to_its_last),
        SENTENCE(a_delegate_who_is_away_too_hands_on_to_theirs),
        SENTENCE(delegates_in_a_circle_end_at_the_queue),
        SENTENCE(an_absence_without_a_delegate_falls_to_the_queue_or_else_to_the_own_supervisor),
        SENTENCE(who_left_the_roster_hands_nothing_to_whoever_stands_first_in_it),
        SENTENCE(of_several_with_a_role_one_who_is_there_is_asked_before_a_delegate),
        SENTENCE(the_second_on_call_is_another_person_or_the_first_again),
        SENTENCE(somebody_is_told_even_when_everybody_is_away),
        SENTENCE(whoever_cannot_be_told_is_passed_over),
        SENTENCE(an_absence_at_another_site_is_another_persons),
    };
    return cmocka_run_group_tests_name("who receives it", tests, NULL, NULL);
}
