/* The figures of the shipped policy as the domain has them: when each task is due, how long a rung has, what the
 * instruments say. A figure that is changed by mistake fails here by name. */
#include "core/delay.h"
#include "unit/core_world.h"

#define INSTRUMENT(NAME) HANDOFF__V1__INSTRUMENT__INSTRUMENT_##NAME

struct due_row {
    Handoff__V1__TaskKind kind;
    const char *asked, *due;
};

/* Monday is 2026-03-02; the site is open from 08:00 to 17:00. */
static const struct due_row rows[] = {
    {TASK(VERIFY_AUTHORITY), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(ASK_COMPLIANCE), "2026-03-02 09:00", "2026-03-02 17:00"}, /* the same day */
    {TASK(ASK_COMPLIANCE), "2026-03-02 16:30", "2026-03-03 08:30"}, /* but not less than an open hour */
    {TASK(FIND_CONTACT), "2026-03-02 09:00", "2026-03-04 09:00"},
    {TASK(ANSWER_QUESTION), "2026-03-02 09:00", "2026-03-04 09:00"},
    {TASK(OUTREACH_NO_SHOW), "2026-03-02 09:00", "2026-03-02 17:00"},
    {TASK(OUTREACH_NO_SHOW), "2026-03-02 16:30", "2026-03-03 08:30"},
    {TASK(PLAN_DISCHARGE), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(POST_DISCHARGE_CONTACT), "2026-03-06 20:00", "2026-03-07 20:00"}, /* clock time, at the weekend too */
    {TASK(MEDICATION_RECONCILE), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(BOOK_FOLLOW_UP), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(STEP_DOWN_PLAN), "2026-03-02 09:00", "2026-03-04 09:00"},
    {TASK(SAFETY_CHECK), "2026-03-06 09:00", "2026-03-06 23:59"}, /* the same calendar day */
    {TASK(SAFETY_CHECK), "2026-03-06 21:00", "2026-03-07 01:00"}, /* but not less than four hours */
    {TASK(MANDATED_REPORT), "2026-03-07 21:00", "2026-03-07 22:00"},
    {TASK(CLINICAL_REVIEW), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(MEDICATION_REVIEW), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(CONFIRM_DEATH), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(POSTVENTION_REVIEW), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(FILL_GAP), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(PLAN_OF_CARE), "2026-03-02 09:00", "2026-04-01 09:00"},
    {TASK(TAKE_OVER), "2026-03-02 09:00", "2026-03-03 09:00"},
    {TASK(REVIEW_NEEDS), "2026-03-02 09:00", "2026-03-04 09:00"},
    {TASK(SOURCE_SILENT), "2026-03-02 09:00", "2026-03-03 09:00"},
};

static void is_due(const struct delay *delay, const char *asked, const char *due)
{
    assert_int_equal(delay_resolve(delay, &w->site->calendar, NULL, when(asked)), when(due));
}

static void each_task_with_a_due_time_of_its_own_is_due_as_the_domain_says(void **state)
{
    (void)state;
    bool is_listed[RULES_TASK_KINDS] = {false};
    begin(SHIPPED);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct task_rule *rule = &w->rules->policy.tasks[rows[i].kind];
        is_listed[rows[i].kind] = true;
        is_due(rule->due[rule->severity ? rule->severity : SEVERITY(ROUTINE)], rows[i].asked, rows[i].due);
    }
    is_due(w->rules->policy.tasks[TASK(SAFETY_CHECK)].due[SEVERITY(EMERGENT)], "2026-03-07 21:00", "2026-03-07 22:00");
    for (size_t kind = 0; kind < RULES_TASK_KINDS; kind++)
        for (int severity = SEVERITY(ROUTINE); severity < RULES_SEVERITIES; severity++)
            assert_true(is_listed[kind] || !w->rules->policy.tasks[kind].due[severity]);
}

static void the_others_are_due_and_climb_by_their_severity(void **state)
{
    (void)state;
    begin(SHIPPED);
    const struct ladder_rule *routine = &w->rules->policy.ladder[SEVERITY(ROUTINE)];
    const struct ladder_rule *urgent = &w->rules->policy.ladder[SEVERITY(URGENT)];
    const struct ladder_rule *emergent = &w->rules->policy.ladder[SEVERITY(EMERGENT)];
    is_due(routine->due, "2026-03-05 16:40", "2026-03-09 16:40");
    is_due(routine->rung, "2026-03-05 16:40", "2026-03-09 16:40");
    is_due(routine->repeat, "2026-03-06 12:00", "2026-03-09 12:00"); /* not at the weekend */
    is_due(urgent->due, "2026-03-06 12:00", "2026-03-09 12:00");
    is_due(urgent->rung, "2026-03-06 12:00", "2026-03-09 12:00");
    is_due(urgent->repeat, "2026-03-06 12:00", "2026-03-09 12:00");
    is_due(emergent->due, "2026-03-07 21:00", "2026-03-07 22:00"); /* clock time, every day */
    is_due(emergent->rung, "2026-03-07 21:00", "2026-03-07 21:30");
    is_due(emergent->repeat, "2026-03-07 21:00", "2026-03-07 22:00");
    is_due(w->rules->policy.hand_over_after, "2026-03-07 21:00", "2026-03-07 21:15");
}

struct instrument_row {
    Handoff__V1__Instrument instrument;
    struct instrument_rule rule; /* total, item, items; youngest, oldest; cut-off, severe, worse by */
};
static const struct instrument_row instruments[] = {
    {INSTRUMENT(PHQ_9), {27, 3, 9, 12, 0, 10, 20, 5}}, {INSTRUMENT(PHQ_A), {27, 3, 9, 11, 17, 10, 20, 5}},
    {INSTRUMENT(GAD_7), {21, 3, 7, 12, 0, 10, 15, 5}}, {INSTRUMENT(PSC_17), {34, 2, 17, 4, 17, 15, 0, 5}},
    {INSTRUMENT(C_SSRS), {320, 5, 64, 0, 0, 0, 0, 0}}, {INSTRUMENT(ASQ), {5, 1, 5, 8, 0, 0, 0, 0}},
};

static void the_instruments_have_their_ranges_ages_and_cut_offs(void **state)
{
    (void)state;
    begin(SHIPPED);
    for (size_t i = 0; i < sizeof instruments / sizeof *instruments; i++) {
        const struct instrument_rule *is = &w->rules->policy.instruments[instruments[i].instrument];
        const struct instrument_rule *expected = &instruments[i].rule;
        assert_int_equal(is->total_max, expected->total_max);
        assert_int_equal(is->item_max, expected->item_max);
        assert_int_equal(is->item_count, expected->item_count);
        assert_int_equal(is->youngest, expected->youngest);
        assert_int_equal(is->oldest, expected->oldest);
        assert_int_equal(is->cut_off, expected->cut_off);
        assert_int_equal(is->severe, expected->severe);
        assert_int_equal(is->worse_by, expected->worse_by);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_task_with_a_due_time_of_its_own_is_due_as_the_domain_says, end),
        cmocka_unit_test_teardown(the_others_are_due_and_climb_by_their_severity, end),
        cmocka_unit_test_teardown(the_instruments_have_their_ranges_ages_and_cut_offs, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
