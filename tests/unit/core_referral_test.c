/* What the referral, the needs and the coverage of a patient lean on in core: visits and their timers, a task due
 * before the next visit, a second question, the newest sentence, what is forgotten. */
#include "unit/core_world.h"

/* Begun on Monday, 2026-03-02 09:00. */
static const char *const visits =
    "pathway: visits\n"
    "subject: patient\n"
    "max_silence: 60d\n"
    "timers:\n"
    "  look: {fires: [{wait: 30d, do: [{task: review-needs}]}]}\n"
    "  prepare: {from: visit, per: appointment, once: true, fires: [{wait: -3bd, do: [{task: confirm-transport}]}]}\n"
    "  ask: {from: visit, per: appointment, fires: [{wait: 1bd, do: [{raise: supervisor}]}]}\n"
    "  tell:\n"
    "    fires:\n"
    "      - {wait: 1bd, do: [{raise: {to: supervisor, reason: one}}]}\n"
    "      - {wait: 1bd, do: [{raise: {to: supervisor, reason: two}}]}\n"
    "concerns:\n"
    "  grave: {after: [tell]}\n"
    "initial: open\n"
    "states:\n"
    "  open: {after: [look]}\n"
    "  closed: {final: true}\n"
    "any:\n"
    "  on:\n"
    "    episode.closed: {target: closed}\n"
    "    custom.prepare: {do: [{start: prepare}]}\n"
    "    custom.check: {do: [{task: {kind: check-coverage, before: visit}}]}\n"
    "    custom.ask: {do: [{task: {kind: answer-question, again: true}}]}\n"
    "    custom.grave: {do: [{concern: grave}]}\n"
    "    custom.left: {do: [{forget: agency_id}, {withdraw: family}]}\n"
    "    agency.selected: {do: [{take: [agency_id]}]}\n"
    "    authorization.approved: {do: [{take: [visits]}]}\n"
    "    appointment.booked: {do: [{start: ask}]}\n"
    "    appointment.fulfilled: {do: [{stop: visit}]}\n";

/* Visits count from an episode that they belong to: the shipped referral would do, but this one is only theirs. */
static void begin_visits(void)
{
    begin(visits);
    tell("episode.opened", "with: {pathway: visits, by: coordinator-1}");
    forget();
}

static void book(const char *id, const char *starts_at)
{
    char rest[160];
    snprintf(rest, sizeof rest, "appointment: %s, with: {starts_at: %s, agency_id: riverside}", id, starts_at);
    tell("appointment.booked", rest);
    w->record->appointments[w->record->n_appointments - 1]->episode = w->record->episodes[0]->number;
}

static void custom(const char *name)
{
    char rest[64];
    snprintf(rest, sizeof rest, "with: {name: %s}", name);
    tell("custom", rest);
}

static size_t running(const char *name)
{
    size_t n = 0;
    const struct pathway *p = rules_pathway(w->rules, w->record->episodes[0]->pathway);
    for (size_t i = 0; i < w->record->n_timers; i++) n += strcmp(p->timers[w->record->timers[i]->kind].name, name) == 0;
    return n;
}

static void without_a_visit_a_timer_starts_for_each_that_is_booked(void **state)
{
    (void)state;
    begin_visits();
    book("v1", "2026-03-12 10:00");
    book("v2", "2026-03-20 10:00");
    custom("prepare");
    assert_int_equal(running("prepare"), 2);
    assert_when(timer_of("prepare")->due_at_ms, "2026-03-09 10:00");
}

static void nothing_is_prepared_for_a_visit_that_has_begun(void **state)
{
    (void)state;
    begin_visits();
    book("v1", "2026-03-02 08:30");
    custom("prepare");
    assert_int_equal(running("prepare"), 0);
}

static void the_end_of_one_visit_leaves_what_was_asked_for_another(void **state)
{
    (void)state;
    begin_visits();
    book("v1", "2026-03-05 10:00");
    book("v2", "2026-03-06 10:00");
    custom("prepare");
    go("2026-03-03 10:00");
    assert_int_equal(task_of(TASK(CONFIRM_TRANSPORT))->n_causes, 2);
    tell("appointment.fulfilled", "appointment: v1, with: {}");
    assert_int_equal(task_of(TASK(CONFIRM_TRANSPORT))->n_causes, 1);
    tell("appointment.fulfilled", "appointment: v2, with: {}");
    assert_null(task_of(TASK(CONFIRM_TRANSPORT)));
}

static void visits_that_nobody_reports_are_one_matter_for_the_supervisor(void **state)
{
    (void)state;
    begin_visits();
    book("v1", "2026-03-03 10:00");
    book("v2", "2026-03-03 14:00");
    go("2026-03-04 15:00");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(REPEATED)), 1);
}

static void a_task_before_the_next_visit_is_due_when_it_begins(void **state)
{
    (void)state;
    begin_visits();
    custom("check");
    assert_when(task_of(TASK(CHECK_COVERAGE))->due_at_ms, "2026-03-04 09:00"); /* no visit: the policy's */
    book("v1", "2026-03-02 15:00");
    custom("check");
    assert_when(task_of(TASK(CHECK_COVERAGE))->due_at_ms, "2026-03-02 15:00");
}

static void a_second_question_is_told_and_is_another_cause(void **state)
{
    (void)state;
    begin_visits();
    custom("ask");
    forget();
    custom("ask");
    assert_int_equal(told_tasks(TASK(ANSWER_QUESTION), CHANGE(JOINED)), 1);
    assert_int_equal(task_of(TASK(ANSWER_QUESTION))->n_causes, 2);
}

static void what_is_raised_again_says_the_newest_sentence(void **state)
{
    (void)state;
    begin_visits();
    custom("grave");
    go("2026-03-04 09:00");
    const struct pathway *p = rules_pathway(w->rules, w->record->episodes[0]->pathway);
    assert_string_equal(p->rules[w->record->escalations[0]->cause->rule].text, "two");
}

static void an_agency_that_the_family_left_is_forgotten_and_nobody_calls(void **state)
{
    (void)state;
    begin_visits();
    tell("agency.selected", "with: {agency_id: riverside}");
    assert_string_equal(w->record->episodes[0]->agency_id, "riverside");
    custom("ask");
    custom("check");
    custom("left");
    assert_string_equal(w->record->episodes[0]->agency_id, "");
    assert_null(task_of(TASK(ANSWER_QUESTION)));
    assert_non_null(task_of(TASK(CHECK_COVERAGE))); /* staff work */
}

static void a_count_that_is_told_is_taken_and_one_that_is_not_told_stays(void **state)
{
    (void)state;
    begin_visits();
    tell("authorization.approved", "with: {visits: 10}");
    assert_int_equal(w->record->episodes[0]->visits->value, 10);
    tell("authorization.approved", "with: {insurer_id: plan-a}");
    assert_int_equal(w->record->episodes[0]->visits->value, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(without_a_visit_a_timer_starts_for_each_that_is_booked),
        SENTENCE(nothing_is_prepared_for_a_visit_that_has_begun),
        SENTENCE(the_end_of_one_visit_leaves_what_was_asked_for_another),
        SENTENCE(visits_that_nobody_reports_are_one_matter_for_the_supervisor),
        SENTENCE(a_task_before_the_next_visit_is_due_when_it_begins),
        SENTENCE(a_second_question_is_told_and_is_another_cause),
        SENTENCE(what_is_raised_again_says_the_newest_sentence),
        SENTENCE(an_agency_that_the_family_left_is_forgotten_and_nobody_calls),
        SENTENCE(a_count_that_is_told_is_taken_and_one_that_is_not_told_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
