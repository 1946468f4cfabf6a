/* Tasks: due times, causes, attempts, completion, withdrawal. */
#include "unit/core_world.h"

/* Begun on Monday, 2026-03-02 09:00. */
static const char *const watch =
    "pathway: watch\n"
    "subject: patient\n"
    "max_silence: 60d\n"
    "timers:\n"
    "  check: {fires: [{wait: 20d, do: [{task: review-needs}]}]}\n"
    "  calls: {fires: [{wait: 1bh, do: [{task: {kind: call-family, severity: routine}}]}, {wait: 20d, do: [{task: review-needs}]}]}\n"
    "holds:\n"
    "  consent: {after: [check], do: [{task: obtain-roi}]}\n"
    "concerns:\n"
    "  worry: {do: [{task: obtain-roi}, {task: barrier-plan}]}\n"
    "initial: open\n"
    "states:\n"
    "  open:\n"
    "    after: [calls]\n"
    "    on:\n"
    "      custom.routine: {do: [{task: {kind: rescreen, severity: routine}}]}\n"
    "      custom.urgent: {do: [{task: {kind: rescreen, severity: urgent}}]}\n"
    "      custom.emergent: {do: [{task: {kind: rescreen, severity: emergent}}]}\n"
    "      custom.school: {do: [{task: {kind: call-school, subject: SCHOOL}}]}\n"
    "      custom.each: {do: [{task: {kind: call-school, each: GUARDIAN}}]}\n"
    "      custom.no-subject: {do: [{task: call-school}]}\n"
    "      custom.hold: {do: [{hold: consent}]}\n"
    "      custom.lift: {do: [{lift: consent}]}\n"
    "      custom.worry: {do: [{concern: worry}]}\n"
    "      custom.settle: {do: [{settle: worry}]}\n"
    "      custom.enough: {do: [{withdraw: rescreen}]}\n"
    "      task.completed: {do: [{note: seen}]}\n"
    "      task.attempted: {when: is_exhausted, do: [{task: warm-handoff}]}\n"
    "  closed: {final: true}\n"
    "any: {on: {episode.closed: {target: closed}}}\n";

static void begin_watch(void)
{
    begin(watch);
    tell("episode.opened", "with: {pathway: watch, by: coordinator-1}");
    assert_string_equal(state_of("watch"), "open");
    forget();
}
static void custom(const char *name)
{
    char rest[64];
    snprintf(rest, sizeof rest, "with: {name: %s}", name);
    tell("custom", rest);
}
static Handoff__V1__Verdict on_task(const char *event, Handoff__V1__TaskKind kind, const char *with)
{
    char rest[128];
    snprintf(rest, sizeof rest, "task: t%u, with: {%s}", task_of(kind) ? task_of(kind)->number : 99, with);
    return tell(event, rest);
}

static void a_task_without_a_due_time_is_due_by_its_severity(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    assert_when(task_of(TASK(RESCREEN))->due_at_ms, "2026-03-04 09:00");
    begin_watch();
    custom("urgent");
    assert_when(task_of(TASK(RESCREEN))->due_at_ms, "2026-03-03 09:00");
    begin_watch();
    go("2026-03-07 23:30");
    custom("emergent");
    assert_when(task_of(TASK(RESCREEN))->due_at_ms, "2026-03-08 00:30"); /* clock time, at the weekend */
}

static void a_task_asked_outside_working_hours_is_due_days_after_the_next_opening(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-06 18:00"); /* Friday evening */
    custom("routine");
    assert_when(task_of(TASK(RESCREEN))->due_at_ms, "2026-03-11 08:00");
}

static void a_second_cause_joins_the_open_task_and_never_makes_it_later_or_milder(void **state)
{
    (void)state;
    begin_watch();
    custom("urgent");
    custom("routine");
    assert_int_equal(open_tasks(TASK(RESCREEN)), 1);
    assert_int_equal(task_of(TASK(RESCREEN))->n_causes, 2);
    assert_int_equal(task_of(TASK(RESCREEN))->severity, SEVERITY(URGENT));
    assert_when(task_of(TASK(RESCREEN))->due_at_ms, "2026-03-03 09:00");
    assert_int_equal(told_tasks(TASK(RESCREEN), CHANGE(OPENED)), 1);
    assert_int_equal(told_tasks(TASK(RESCREEN), CHANGE(JOINED)), 1);
    custom("emergent");
    assert_int_equal(task_of(TASK(RESCREEN))->severity, SEVERITY(EMERGENT));
    assert_when(task_of(TASK(RESCREEN))->due_at_ms, "2026-03-02 10:00");
}

static void the_same_cause_again_is_not_told_again(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    forget();
    custom("routine");
    assert_int_equal(task_of(TASK(RESCREEN))->n_causes, 1);
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_TASK), 0);
}

static void tasks_about_different_subjects_are_different_tasks(void **state)
{
    (void)state;
    begin_watch();
    tell("care_team.updated", "with: {members: [{party: SCHOOL, id: school-1}, {party: GUARDIAN, id: mom}, {party: GUARDIAN, id: dad}]}");
    custom("school");
    custom("no-subject");
    custom("each");
    custom("each");
    assert_int_equal(open_tasks(TASK(CALL_SCHOOL)), 4);
}

static void one_task_is_asked_even_when_nobody_of_that_party_is_known(void **state)
{
    (void)state;
    begin_watch();
    custom("each");
    assert_int_equal(open_tasks(TASK(CALL_SCHOOL)), 1);
}

static void an_attempt_meets_the_due_time_and_arms_the_next(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    go("2026-03-04 08:00");
    on_task("task.attempted", TASK(RESCREEN), "outcome: VOICEMAIL");
    assert_int_equal(task_of(TASK(RESCREEN))->attempts, 1);
    assert_true(task_of(TASK(RESCREEN))->due_at_ms > when("2026-03-04 09:00"));
    go("2026-03-04 09:30");
    assert_int_equal(w->record->n_escalations, 0);
}

static void the_next_attempt_is_on_another_day_and_in_the_other_half_of_it(void **state)
{
    (void)state;
    static const struct { const char *tried, *next; } rows[] = {
        {"2026-03-02 09:30", "2026-03-03 17:00"}, /* in the morning: until the close of the next day */
        {"2026-03-02 15:00", "2026-03-03 12:30"}, /* in the afternoon: until its middle */
        {"2026-03-06 12:29", "2026-03-09 17:00"}, /* a weekend is no day to try */
        {"2026-03-06 18:00", "2026-03-10 12:30"}, /* after hours counts from the next opening */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_watch();
        w->now_ms = when(rows[i].tried);
        custom("routine");
        on_task("task.attempted", TASK(RESCREEN), "outcome: VOICEMAIL");
        assert_when(task_of(TASK(RESCREEN))->due_at_ms, rows[i].next);
    }
}

static void what_was_tried_in_which_way_is_kept_and_told(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    on_task("task.attempted", TASK(RESCREEN), "outcome: VOICEMAIL, channel: PHONE");
    on_task("task.attempted", TASK(RESCREEN), "outcome: NO_ANSWER, channel: SMS");
    uint32_t both = 1u << HANDOFF__V1__CHANNEL__CHANNEL_PHONE | 1u << HANDOFF__V1__CHANNEL__CHANNEL_SMS;
    assert_int_equal(task_of(TASK(RESCREEN))->channels, both);
    assert_int_equal(w->told[w->told_count - 1]->task->channels, both);
}

static void an_attempt_at_an_overdue_task_ends_its_escalation(void **state)
{
    (void)state;
    begin_watch();
    custom("urgent");
    go("2026-03-03 10:00");
    assert_int_equal(w->record->n_escalations, 1);
    on_task("task.attempted", TASK(RESCREEN), "outcome: NO_ANSWER");
    assert_int_equal(w->record->n_escalations, 0);
    assert_false(task_of(TASK(RESCREEN))->is_overdue);
}

static void three_attempts_exhaust_a_task_and_its_pathway_is_told(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    static const char *const days[] = {"2026-03-02 10:00", "2026-03-03 15:00", "2026-03-04 10:00"};
    for (int i = 0; i < 3; i++) {
        assert_null(task_of(TASK(WARM_HANDOFF)));
        go(days[i]);
        on_task("task.attempted", TASK(RESCREEN), "outcome: VOICEMAIL");
    }
    assert_null(task_of(TASK(RESCREEN)));
    assert_int_equal(told_tasks(TASK(RESCREEN), CHANGE(EXHAUSTED)), 1);
    assert_non_null(task_of(TASK(WARM_HANDOFF)));
}

static void several_tries_on_one_day_are_one_attempt(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    for (int i = 0; i < 5; i++) on_task("task.attempted", TASK(RESCREEN), i % 2 ? "channel: SMS" : "channel: PHONE");
    assert_int_equal(task_of(TASK(RESCREEN))->attempts, 5);
    assert_int_equal(task_of(TASK(RESCREEN))->tried_days, 1);
    go("2026-03-03 10:00");
    on_task("task.attempted", TASK(RESCREEN), "channel: PHONE");
    assert_non_null(task_of(TASK(RESCREEN)));
    go("2026-03-04 10:00");
    on_task("task.attempted", TASK(RESCREEN), "channel: PHONE");
    assert_null(task_of(TASK(RESCREEN)));
}

static void what_is_emergent_is_tried_three_times_in_an_hour(void **state)
{
    (void)state;
    begin_watch();
    custom("emergent");
    for (int i = 0; i < 3; i++) on_task("task.attempted", TASK(RESCREEN), i % 2 ? "channel: SMS" : "channel: PHONE");
    assert_null(task_of(TASK(RESCREEN)));
}

static void who_was_tried_in_one_way_alone_is_tried_once_more_in_another(void **state)
{
    (void)state;
    static const char *const days[] = {"2026-03-02 10:00", "2026-03-03 15:00", "2026-03-04 10:00", "2026-03-05 15:00"};
    begin_watch();
    custom("routine");
    for (int i = 0; i < 4; i++) {
        assert_non_null(task_of(TASK(RESCREEN)));
        go(days[i]);
        on_task("task.attempted", TASK(RESCREEN), "channel: PHONE"); /* also the fourth: then there is no other way */
    }
    assert_null(task_of(TASK(RESCREEN)));
    assert_non_null(task_of(TASK(WARM_HANDOFF)));
}

/* --- two tasks for the same call are one ------------------------------------------------------------------------- */
static const char *const calls =
    "pathway: calls\n"
    "subject: patient\n"
    "max_silence: 60d\n"
    "timers:\n"
    "  check: {fires: [{wait: 20d, do: [{task: review-needs}]}]}\n"
    "initial: open\n"
    "states:\n"
    "  open:\n"
    "    after: [check]\n"
    "    on:\n"
    "      custom.family: {do: [{task: {kind: call-family, severity: urgent}}]}\n"
    "      custom.each: {do: [{task: {kind: call-family, each: GUARDIAN, severity: routine}}]}\n"
    "      custom.enough: {do: [{withdraw: call-family}]}\n"
    "      custom.school: {do: [{task: {kind: call-school, subject: SCHOOL}}]}\n"
    "      custom.any-school: {do: [{task: call-school}]}\n"
    "  closed: {final: true}\n"
    "any: {on: {episode.closed: {target: closed}}}\n";

static void begin_calls(const char *members)
{
    begin(calls);
    tell("care_team.updated", members);
    tell("episode.opened", "with: {pathway: calls, by: coordinator-1}");
}

static void the_family_is_called_once_whether_or_not_somebody_of_it_is_named(void **state)
{
    (void)state;
    begin_calls("with: {members: [{party: GUARDIAN, id: mom}]}");
    custom("each");
    custom("family");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    assert_string_equal(task_of(TASK(CALL_FAMILY))->subject->id, "mom");
    assert_int_equal(task_of(TASK(CALL_FAMILY))->severity, SEVERITY(URGENT));
    begin_calls("with: {members: [{party: GUARDIAN, id: mom}]}");
    custom("family");
    custom("each");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    assert_string_equal(task_of(TASK(CALL_FAMILY))->subject->id, "mom");
    assert_int_equal(task_of(TASK(CALL_FAMILY))->n_causes, 2);
    custom("enough");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 0);
}

static void two_guardians_are_two_calls_of_which_one_serves_whoever_asks_for_the_family(void **state)
{
    (void)state;
    begin_calls("with: {members: [{party: GUARDIAN, id: mom}, {party: GUARDIAN, id: dad}]}");
    custom("family");
    custom("each");
    custom("family");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 2);
    custom("school");
    custom("any-school"); /* another matter: which school is not known */
    assert_int_equal(open_tasks(TASK(CALL_SCHOOL)), 2);
}

static void completion_removes_a_task_and_its_outcome_is_told(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    on_task("task.completed", TASK(RESCREEN), "outcome: NOT_WANTED");
    assert_null(task_of(TASK(RESCREEN)));
    assert_int_equal(told_tasks(TASK(RESCREEN), CHANGE(COMPLETED)), 1);
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_NOTE), 1);
    custom("routine"); /* asked anew: another task */
    assert_int_equal(task_of(TASK(RESCREEN))->number, 2);
}

static void completion_of_an_unknown_task_is_said_and_changes_nothing(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    forget();
    assert_int_equal(tell("task.completed", "task: t77, with: {outcome: DONE}"), VERDICT(RECORDED));
    assert_non_null(strstr(w->out.journaled.sentence, "no such open task"));
    assert_int_equal(w->told_count, 0);
    assert_non_null(task_of(TASK(RESCREEN)));
    on_task("task.completed", TASK(RESCREEN), "outcome: DONE");
    assert_int_equal(tell("task.completed", "task: t1, with: {outcome: DONE}"), VERDICT(RECORDED));
    assert_int_equal(tell("task.attempted", "task: nonsense, with: {outcome: REACHED}"), VERDICT(RECORDED));
}

static void a_cancelled_task_is_gone_and_said_to_be_cancelled(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    on_task("task.cancelled", TASK(RESCREEN), "by: coordinator-1");
    assert_null(task_of(TASK(RESCREEN)));
    assert_int_equal(told_tasks(TASK(RESCREEN), CHANGE(CANCELLED)), 1);
}

static void a_task_is_withdrawn_only_when_its_last_cause_is_gone(void **state)
{
    (void)state;
    begin_watch();
    custom("hold");
    custom("worry");
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 1);
    custom("lift");
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 1);
    assert_int_equal(told_tasks(0, CHANGE(WITHDRAWN)), 0);
    custom("settle");
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 0);
    assert_int_equal(told_tasks(TASK(OBTAIN_ROI), CHANGE(WITHDRAWN)), 1);
    assert_int_equal(told_tasks(TASK(BARRIER_PLAN), CHANGE(WITHDRAWN)), 1);
}

static void a_pathway_withdraws_what_it_no_longer_needs(void **state)
{
    (void)state;
    begin_watch();
    custom("routine");
    custom("urgent");
    custom("enough");
    assert_int_equal(told_tasks(TASK(RESCREEN), CHANGE(WITHDRAWN)), 1);
    forget();
    custom("enough");
    assert_int_equal(told_tasks(TASK(RESCREEN), CHANGE(WITHDRAWN)), 0);
}

static void a_hold_or_concern_that_is_there_already_asks_nothing_again(void **state)
{
    (void)state;
    begin_watch();
    custom("hold");
    custom("worry");
    size_t tasks = w->record->n_tasks, timers = w->record->n_timers;
    forget();
    custom("hold");
    custom("worry");
    assert_int_equal(w->record->n_tasks, tasks);
    assert_int_equal(w->record->n_timers, timers);
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_TASK), 0);
}

static void a_task_already_due_when_a_second_cause_joins_stays_due(void **state)
{
    (void)state;
    begin_watch();
    custom("urgent"); /* due Tuesday 09:00 */
    sleep_until("2026-03-03 12:00");
    custom("routine");
    assert_when(task_of(TASK(RESCREEN))->due_at_ms, "2026-03-03 09:00");
    wake();
    assert_true(task_of(TASK(RESCREEN))->is_overdue);
    assert_int_equal(w->record->n_escalations, 1);
}

static void what_two_referrals_ask_for_is_one_task(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    request("ref-1", "");
    request("ref-2", "");
    assert_int_equal(open_tasks(TASK(SHARE_RESOURCES)), 1);
    assert_int_equal(told_tasks(TASK(SHARE_RESOURCES), CHANGE(JOINED)), 1);
    assert_int_equal(task_of(TASK(SHARE_RESOURCES))->n_causes, 2);
    on_task("task.completed", TASK(SHARE_RESOURCES), "outcome: DONE, by: coordinator-1");
    assert_int_equal(open_tasks(TASK(SHARE_RESOURCES)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_task_without_a_due_time_is_due_by_its_severity),
        SENTENCE(a_task_asked_outside_working_hours_is_due_days_after_the_next_opening),
        SENTENCE(a_second_cause_joins_the_open_task_and_never_makes_it_later_or_milder),
        SENTENCE(the_same_cause_again_is_not_told_again),
        SENTENCE(tasks_about_different_subjects_are_different_tasks),
        SENTENCE(one_task_is_asked_even_when_nobody_of_that_party_is_known),
        SENTENCE(an_attempt_meets_the_due_time_and_arms_the_next),
        SENTENCE(the_next_attempt_is_on_another_day_and_in_the_other_half_of_it),
        SENTENCE(what_was_tried_in_which_way_is_kept_and_told),
        SENTENCE(an_attempt_at_an_overdue_task_ends_its_escalation),
        SENTENCE(three_attempts_exhaust_a_task_and_its_pathway_is_told),
        SENTENCE(several_tries_on_one_day_are_one_attempt),
        SENTENCE(what_is_emergent_is_tried_three_times_in_an_hour),
        SENTENCE(who_was_tried_in_one_way_alone_is_tried_once_more_in_another),
        SENTENCE(the_family_is_called_once_whether_or_not_somebody_of_it_is_named),
        SENTENCE(two_guardians_are_two_calls_of_which_one_serves_whoever_asks_for_the_family),
        SENTENCE(completion_removes_a_task_and_its_outcome_is_told),
        SENTENCE(completion_of_an_unknown_task_is_said_and_changes_nothing),
        SENTENCE(a_cancelled_task_is_gone_and_said_to_be_cancelled),
        SENTENCE(a_task_is_withdrawn_only_when_its_last_cause_is_gone),
        SENTENCE(a_pathway_withdraws_what_it_no_longer_needs),
        SENTENCE(a_hold_or_concern_that_is_there_already_asks_nothing_again),
        SENTENCE(a_task_already_due_when_a_second_cause_joins_stays_due),
        SENTENCE(what_two_referrals_ask_for_is_one_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
