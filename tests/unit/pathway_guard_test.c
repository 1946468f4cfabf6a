/* The guard language: what it builds, and what it says about mistakes. */
#include "unit/pathways/pathway_testing.h"
#include "pathway/guard_parse.h"

static struct arena *arena;
static const char *const variables[] = {"misses_in_row", NULL}, *const timers[] = {"call-back", NULL}, *const holds[] = {"family", "consent", NULL},
                  *const concerns[] = {"reselecting", NULL}, *const states[] = {"draft", "accepted", NULL}, *const regions[] = {"call", "visit", NULL},
                  *const call_states[] = {"idle", NULL}, *const visit_states[] = {"none", "booked", NULL};
static const char *const *const region_states[] = {call_states, visit_states};
static const struct pathway_names names = {variables, timers, holds, concerns, states, regions, region_states};

static int parse(const char *event, const char *text, const struct guard **ret, struct parse_error *error)
{
    struct guard_scope scope = {arena, &names, event ? event_kind_by_name(event) : NULL};
    return guard_parse(&scope, text, ret, error);
}

static const struct guard *parsed(const char *event, const char *text)
{
    struct parse_error error = {0};
    const struct guard *guard = NULL;
    if (parse(event, text, &guard, &error)) fail_msg("%s: %zu: %s", text, error.offset, error.sentence);
    return guard;
}

static void refused(const char *event, const char *text, size_t offset, const char *part)
{
    struct parse_error error = {0};
    const struct guard *guard = NULL;
    if (parse(event, text, &guard, &error) == 0) fail_msg("%s is not refused", text);
    if (error.offset != offset || !strstr(error.sentence, part)) fail_msg("%s: %zu: %s", text, error.offset, error.sentence);
}

static void a_name_gets_its_number_from_the_field(void **state)
{
    (void)state;
    const struct guard *g = parsed("contact.attempted", "event.outcome == VOICEMAIL");
    assert_int_equal(g->op, GUARD_EQ);
    assert_int_equal(g->left->op, GUARD_FIELD);
    assert_int_equal(g->left->object, OBJECT_EVENT);
    assert_string_equal(g->left->field->name, "outcome");
    assert_int_equal(g->right->op, GUARD_NUMBER);
    assert_int_equal(g->right->number, HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_VOICEMAIL);
    assert_int_equal(parsed("contact.attempted", "VOICEMAIL == event.outcome")->left->number, 2);
    assert_int_equal(parsed(NULL, "episode.level_of_care == PCP")->right->number, 7);
    assert_int_equal(parsed(NULL, "task.kind != CALL_FAMILY")->right->number, 5);
}

static void numbers_are_multiplied_for_shares(void **state)
{
    (void)state;
    const struct guard *g = parsed(NULL, "misses_in_row * 5 >= episode.visits * 4");
    assert_int_equal(g->op, GUARD_GE);
    assert_int_equal(g->left->op, GUARD_TIMES);
    assert_int_equal(g->right->op, GUARD_TIMES);
    assert_int_equal(g->right->right->number, 4);
    refused(NULL, "is_flagged * 2 > 1", 0, "only numbers are multiplied");
    refused(NULL, "misses_in_row * 2", 0, "not a condition");
    refused(NULL, "misses_in_row * > 1", 16, "cannot stand here");
}

static void or_joins_what_and_joins(void **state)
{
    (void)state;
    const struct guard *g = parsed(NULL, "is_flagged or is_urgent and not has_agency");
    assert_int_equal(g->op, GUARD_OR);
    assert_int_equal(g->left->op, GUARD_CALL);
    assert_int_equal(g->right->op, GUARD_AND);
    assert_int_equal(g->right->right->op, GUARD_NOT);
    g = parsed(NULL, "(is_flagged or is_urgent) and has_agency");
    assert_int_equal(g->op, GUARD_AND);
    assert_int_equal(g->left->op, GUARD_OR);
    g = parsed(NULL, "not episode.priority == URGENT");
    assert_int_equal(g->op, GUARD_NOT);
    assert_int_equal(g->left->op, GUARD_EQ);
}

static void a_list_keeps_its_order(void **state)
{
    (void)state;
    const struct guard *g = parsed("contact.attempted", "event.outcome in [NO_ANSWER, VOICEMAIL]");
    assert_int_equal(g->op, GUARD_IN);
    assert_int_equal(g->right->op, GUARD_LIST);
    assert_int_equal(g->right->left->number, 4);
    assert_int_equal(g->right->right->left->number, 2);
    assert_null(g->right->right->right);
    assert_string_equal(parsed(NULL, "patient.county in ['Adams', 'York']")->right->right->left->text, "York");
}

static void predicates_get_positions(void **state)
{
    (void)state;
    assert_int_equal(parsed(NULL, "held(consent)")->argument[0], 1);
    assert_int_equal(parsed(NULL, "in_state(accepted)")->argument[0], 1);
    const struct guard *g = parsed(NULL, "in_region(visit.booked)");
    assert_int_equal(g->argument[0], 1);
    assert_int_equal(g->argument[1], 1);
    assert_int_equal(parsed(NULL, "paused(reminders)")->argument[0], ASPECT_REMINDERS);
    assert_int_equal(parsed(NULL, "consent_covers(AGENCY)")->argument[0], HANDOFF__V1__PARTY__PARTY_AGENCY);
    assert_string_equal(parsed(NULL, "has_open(service-continuity)")->argument_text, "service-continuity");
    assert_int_equal(parsed(NULL, "has_barrier(TRANSPORT)")->argument[0], 1);
    assert_int_equal(parsed(NULL, "booked_between(1, 7) == 0")->left->argument[0], 1);
    assert_int_equal(parsed(NULL, "booked_between(1, 7) == 0")->left->argument[1], 7);
    assert_int_equal(parsed(NULL, "has_task(call-family)")->argument[0], 5);
    assert_int_equal(parsed(NULL, "age < 14")->left->op, GUARD_CALL);
}

static void variables_counts_booleans_and_texts_compare(void **state)
{
    (void)state;
    assert_int_equal(parsed(NULL, "misses_in_row >= 2")->left->op, GUARD_VARIABLE);
    assert_int_equal(parsed("service.discharge_notice", "event.visits_held <= 3")->op, GUARD_LE);
    assert_int_equal(parsed("service.discharge_notice", "event.visits_held == -1")->right->number, -1);
    assert_int_equal(parsed("service.discharge_notice", "event.is_planned")->op, GUARD_FIELD);
    assert_int_equal(parsed("service.discharge_notice", "event.is_planned == false")->right->number, 0);
    assert_string_equal(parsed(NULL, "patient.county == 'Adams'")->right->text, "Adams");
    assert_int_equal(parsed(NULL, "episode.priority >= URGENT")->op, GUARD_GE);
    assert_int_equal(parsed(NULL, "visit.ordinal <= 3")->left->object, OBJECT_VISIT);
}

static void unknown_names_are_refused_with_a_guess(void **state)
{
    (void)state;
    refused("contact.attempted", "event.outcom == VOICEMAIL", 6, "contact.attempted has no field \"outcom\"; did you mean \"outcome\"?");
    refused("contact.attempted", "event.outcome == VOICEMALE", 17, "event.outcome is never VOICEMALE; did you mean \"VOICEMAIL\"?");
    refused(NULL, "evnt.outcome == 1", 0, "did you mean \"event\"?");
    refused(NULL, "is_flaged", 0, "neither a predicate nor a variable; did you mean \"is_flagged\"?");
    refused(NULL, "miss_in_row > 1", 0, "did you mean \"misses_in_row\"?");
    refused(NULL, "held(consnt)", 5, "no hold \"consnt\"; did you mean \"consent\"?");
    refused(NULL, "in_region(visit.boked)", 16, "did you mean \"booked\"?");
    refused(NULL, "in_region(vist.booked)", 10, "did you mean \"visit\"?");
    refused(NULL, "in_region(visit)", 10, "a region and its state");
    refused(NULL, "consent_covers(AGENCIES)", 15, "unknown party \"AGENCIES\"");
    refused(NULL, "has_barrier(TRANSPROT)", 12, "did you mean \"TRANSPORT\"?");
    refused(NULL, "booked_between > 0", 15, "here must be (");
    refused(NULL, "booked_between(week) > 0", 15, "here must be a number of days");
    refused(NULL, "booked_between(7, 1) > 0", 14, "the first of two days comes first");
    refused(NULL, "paused(sendng)", 7, "did you mean \"sending\"?");
    refused(NULL, "consent_covers(REFERRER)", 15, "REFERRER may be anybody");
}

static void types_that_do_not_meet_are_refused(void **state)
{
    (void)state;
    refused("contact.attempted", "event.outcome == 2", 17, "event.outcome is one of a list of names and 2 is a number");
    refused("contact.attempted", "event.note == VOICEMAIL", 14, "event.note is a text; write 'VOICEMAIL' in single quotes");
    refused("contact.attempted", "event.outcome == event.purpose", 17, "take different names");
    refused(NULL, "misses_in_row == 'two'", 17, "is a number and 'two' is a text");
    refused(NULL, "age == URGENT", 7, "age is a number; the name URGENT does not say anything about it");
    refused(NULL, "misses_in_row", 0, "misses_in_row is a number, not a condition");
    refused(NULL, "is_flagged and age", 15, "age is a number, not a condition");
    refused(NULL, "not age", 4, "not a condition");
    refused(NULL, "VOICEMAIL", 0, "stands alone");
    refused(NULL, "1 == 2", 0, "two fixed values");
    refused(NULL, "A == B", 0, "two fixed values");
    refused("contact.attempted", "event.outcome < VOICEMAIL", 14, "has no order");
    refused(NULL, "is_flagged < true", 11, "has no order");
    refused("consent.granted", "event.recipients == 1", 0, "a list or a group");
    refused(NULL, "age in [1, patient.birth_date]", 11, "fixed values only");
    refused(NULL, "1 in [1, 2]", 0, "a field stands before");
    refused(NULL, "is_flagged(AGENCY)", 11, "takes nothing in parentheses");
    refused(NULL, "held", 0, "held needs to know of what");
}

static void a_guard_on_the_event_needs_one(void **state)
{
    (void)state;
    refused(NULL, "event.outcome == VOICEMAIL", 0, "there is no event here");
}

static void what_does_not_parse_is_refused(void **state)
{
    (void)state;
    refused(NULL, "", 0, "something to compare");
    refused(NULL, "is_flagged and", 14, "something to compare");
    refused(NULL, "(is_flagged", 11, "here must be )");
    refused(NULL, "is_flagged is_urgent", 11, "should end before");
    refused(NULL, "age = 3", 4, "write ==");
    refused(NULL, "patient.county == \"Adams\"", 18, "single quotes");
    refused(NULL, "patient.county == 'Adams", 18, "no closing quote");
    refused(NULL, "is_flagged && is_urgent", 11, "write and, or, not");
    refused(NULL, "age > 3x", 6, "not a whole number");
    refused(NULL, "age > 3.5", 6, "not a whole number");
    refused(NULL, "age in 3", 7, "here must be [");
    refused(NULL, "age in [3", 9, "here must be ]");
    refused(NULL, "== 3", 0, "cannot stand here");
}

static void depth_and_length_are_bounded(void **state)
{
    (void)state;
    char text[4096] = "";
    for (int i = 0; i < 40; i++) strcat(text, "not ");
    strcat(text, "is_flagged");
    refused(NULL, text, 128, "nested too deeply");
    text[0] = '\0';
    for (int i = 0; i < 40; i++) strcat(text, "is_flagged or ");
    strcat(text, "is_flagged");
    refused(NULL, text, 0, "too many parts");
    memset(text, '(', 3000);
    text[3000] = '\0';
    refused(NULL, text, 0, "at most 2000 characters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_gets_its_number_from_the_field),
        cmocka_unit_test(numbers_are_multiplied_for_shares),
        cmocka_unit_test(or_joins_what_and_joins),
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(predicates_get_positions),
        cmocka_unit_test(variables_counts_booleans_and_texts_compare),
        cmocka_unit_test(unknown_names_are_refused_with_a_guess),
        cmocka_unit_test(types_that_do_not_meet_are_refused),
        cmocka_unit_test(a_guard_on_the_event_needs_one),
        cmocka_unit_test(what_does_not_parse_is_refused),
        cmocka_unit_test(depth_and_length_are_bounded),
    };
    arena = arena_new(16 * 1024 * 1024);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
