/* What climbs: overdue work, what a pathway raises, and both about the same matter. */
#include "unit/core_world.h"

/* Monday, 2026-03-02 09:00. A call is asked for after an hour; after three days the supervisor is told, then weekly.
 * What the custom events ask for and raise belongs to no timer. */
static const char *const watch =
    "pathway: watch\n"
    "subject: patient\n"
    "max_silence: 40d\n"
    "timers:\n"
    "  check:\n"
    "    fires:\n"
    "      - {wait: 1bh, do: [{task: {kind: call-family, severity: routine}}]}\n"
    "      - {wait: 3d, do: [{raise: {to: supervisor, severity: routine}}]}\n"
    "      - {wait: 1d, do: [{raise: {to: supervisor, severity: routine}}]}\n"
    "  weekly: {fires: [{wait: 7d, do: [{task: review-needs}]}]}\n"
    "initial: open\n"
    "states:\n"
    "  open:\n"
    "    after: [check]\n"
    "    on:\n"
    "      episode.closed: {target: closed}\n"
    "      custom.graver: {do: [{task: {kind: call-family, severity: emergent}}]}\n"
    "      custom.urgent: {do: [{task: {kind: call-family, severity: urgent}}]}\n"
    "      custom.review: {do: [{task: clinical-review}]}\n"
    "      custom.death: {do: [{task: confirm-death}]}\n"
    "      custom.emergent: {do: [{task: {kind: call-agency, severity: emergent}}]}\n"
    "      custom.raise: {do: [{raise: {to: [coordinator, supervisor], severity: urgent}}]}\n"
    "      custom.calm: {do: [{resolve: all}]}\n"
    "      custom.stop: {target: calm}\n"
    "  calm: {after: [weekly], on: {episode.closed: {target: closed}}}\n"
    "  closed: {final: true}\n";

static void begin_watch(void)
{
    begin(watch);
    tell("episode.opened", "with: {pathway: watch, by: coordinator-1}");
    assert_string_equal(state_of("watch"), "open");
}

static void custom(const char *name)
{
    char rest[64];
    snprintf(rest, sizeof rest, "with: {name: %s}", name);
    tell("custom", rest);
}

static Handoff__V1__Escalation *first(void)
{
    assert_true(w->record->n_escalations > 0);
    return w->record->escalations[0];
}

static void overdue_work_is_told_to_its_owner_then_climbs_to_supervisor_and_director_and_repeats_each_business_day(void **state)
{
    (void)state;
    begin_watch();
    custom("review"); /* due Tuesday 09:00, owner clinician; rungs of two business days */
    go("2026-03-03 08:59");
    assert_int_equal(w->record->n_escalations, 0);
    go("2026-03-03 09:00");
    assert_int_equal(told_escalations(ROLE(CLINICIAN), CLIMB(RAISED)), 1);
    tell("episode.corrected", "episode: ep1, with: {state: calm, by: supervisor-1}");
    tell("task.completed", "task: t2, with: {outcome: DONE}");
    go("2026-03-05 08:59");
    assert_int_equal(first()->rung, ROLE(CLINICIAN));
    go("2026-03-05 09:00");
    assert_int_equal(first()->rung, ROLE(COORDINATOR));
    go("2026-03-09 09:00");
    assert_int_equal(first()->rung, ROLE(SUPERVISOR));
    forget();
    go("2026-03-11 09:00");
    assert_int_equal(first()->rung, ROLE(DIRECTOR));
    go("2026-03-16 09:00"); /* the top: each business day, not over the weekend */
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(REPEATED)), 3);
}

static void a_rung_whose_person_already_holds_the_matter_is_skipped(void **state)
{
    (void)state;
    begin_watch();
    tell("staff.assigned", "with: {role: CLINICIAN, person_id: coordinator-1}");
    custom("review");
    go("2026-03-05 09:00");
    assert_int_equal(told_escalations(ROLE(CLINICIAN), CLIMB(RAISED)), 1);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(CLIMBED)), 1);
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(CLIMBED)), 0);
}

static void a_supervisors_own_overdue_task_climbs_to_the_director(void **state)
{
    (void)state;
    begin_watch();
    custom("death"); /* due Tuesday 09:00, urgent */
    go("2026-03-04 09:00");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
}

static void an_acknowledgement_stops_the_climb_for_one_rungs_time_and_then_it_resumes(void **state)
{
    (void)state;
    begin_watch();
    custom("death");
    go("2026-03-03 09:00");
    go("2026-03-03 15:00");
    tell("escalation.acknowledged", "escalation: e1, with: {by: supervisor-1}");
    assert_int_equal(first()->state, ACKNOWLEDGED);
    assert_string_equal(first()->acknowledged_by, "supervisor-1");
    forget();
    go("2026-03-04 14:59");
    assert_int_equal(first()->rung, ROLE(SUPERVISOR));
    go("2026-03-04 15:00");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(RESUMED)), 1);
    assert_int_not_equal(first()->state, ACKNOWLEDGED);
}

static void resolving_an_escalation_arms_its_overdue_task_anew(void **state)
{
    (void)state;
    begin_watch();
    custom("death");
    go("2026-03-03 10:00");
    tell("escalation.resolved", "escalation: e1, with: {by: supervisor-1}");
    assert_int_equal(w->record->n_escalations, 0);
    assert_false(task_of(TASK(CONFIRM_DEATH))->is_overdue);
    assert_when(task_of(TASK(CONFIRM_DEATH))->due_at_ms, "2026-03-04 10:00");
    go("2026-03-04 10:00");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 2);
}

static void completing_the_task_resolves_its_escalation(void **state)
{
    (void)state;
    begin_watch();
    custom("death");
    go("2026-03-03 10:00");
    tell("task.completed", "task: t1, with: {outcome: DONE}");
    assert_null(task_of(TASK(CONFIRM_DEATH)));
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RESOLVED)), 1);
}

static void an_unknown_escalation_is_said_and_changes_nothing(void **state)
{
    (void)state;
    begin_watch();
    assert_int_equal(tell("escalation.resolved", "escalation: e9, with: {by: supervisor-1}"), VERDICT(RECORDED));
    assert_non_null(strstr(w->out.journaled.sentence, "no such open escalation"));
    assert_int_equal(tell("escalation.acknowledged", "escalation: nonsense, with: {by: supervisor-1}"), VERDICT(RECORDED));
}

static void emergent_work_climbs_every_half_hour_of_clock_time_also_at_night(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-06 22:00"); /* Friday night */
    custom("emergent");
    forget();
    assert_when(task_of(TASK(CALL_AGENCY))->due_at_ms, "2026-03-06 23:00");
    go("2026-03-06 23:29");
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(RAISED)), 1);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(CLIMBED)), 0);
    go("2026-03-06 23:30");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(CLIMBED)), 1);
    go("2026-03-07 00:00");
    assert_int_equal(told_escalations(ROLE(SECOND_ON_CALL), CLIMB(CLIMBED)), 1);
    go("2026-03-07 00:30");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(REPEATED)), 0);
    go("2026-03-07 03:30");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(REPEATED)), 3);
}

/* --- what a pathway raises --------------------------------------------------------------------------------------- */
static void a_pathways_raise_takes_over_the_overdue_escalation_of_its_own_task(void **state)
{
    (void)state;
    begin_watch(); /* the call is asked for at 10:00, due Wednesday 10:00; the raise comes Thursday 10:00 */
    go("2026-03-05 09:59");
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(first()->rung, ROLE(COORDINATOR));
    forget();
    go("2026-03-05 10:00");
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(CLIMBED)), 1);
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 0);
}

static void a_raise_that_the_timer_repeats_is_told_again_and_never_doubled(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-05 10:00");
    forget();
    go("2026-03-06 10:00");
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(REPEATED)), 1);
}

static void a_raise_that_is_repeated_every_day_still_climbs_after_its_rungs_time(void **state)
{
    (void)state;
    begin_watch(); /* raised Thursday 10:00; the rung has two business days */
    go("2026-03-09 10:01");
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(first()->rung, ROLE(DIRECTOR));
}

static void a_raise_at_the_moment_of_a_daily_repeat_is_that_repeat(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-09 23:00"); /* the director has it; the timer raises at 10:00, when it would be repeated too */
    forget();
    go("2026-03-11 23:00");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(REPEATED)), 2);
    assert_when(first()->next_at_ms, "2026-03-12 10:00");
}

static void a_raise_covers_its_timers_open_tasks_so_that_they_do_not_escalate_beside_it(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-05 09:00");
    tell("task.attempted", "task: t1, with: {outcome: VOICEMAIL}");
    go("2026-03-05 10:00"); /* raised, and the call's next attempt is covered */
    assert_int_equal(task_of(TASK(CALL_FAMILY))->escalation, first()->number);
    tell("task.attempted", "task: t1, with: {outcome: VOICEMAIL}");
    forget();
    go("2026-03-10 10:00");
    assert_true(task_of(TASK(CALL_FAMILY))->is_overdue);
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 0);
}

static void a_raise_that_finds_the_supervisor_told_by_the_ladder_repeats_it_and_puts_nobody_off(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-02 12:00");
    custom("urgent"); /* due Tuesday 12:00; a rung is a business day from here on */
    go("2026-03-04 12:00");
    assert_int_equal(first()->rung, ROLE(SUPERVISOR));
    forget();
    go("2026-03-05 10:00"); /* the timer raises to the supervisor */
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(first()->task, 0);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(REPEATED)), 1);
    assert_int_equal(told_escalations(0, CLIMB(CLIMBED)), 0);
    assert_when(first()->next_at_ms, "2026-03-05 12:00");
    go("2026-03-05 12:00");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
}

static void the_end_of_a_timer_resolves_what_it_raised_and_withdraws_what_it_asked_for(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-05 10:00");
    forget();
    custom("stop");
    assert_int_equal(w->record->n_escalations, 0);
    assert_int_equal(w->record->n_tasks, 0);
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(WITHDRAWN)), 1);
    assert_int_equal(told_escalations(0, CLIMB(RESOLVED)), 1);
}

static void what_no_timer_raised_is_told_again_instead_of_doubled_too(void **state)
{
    (void)state;
    begin_watch();
    custom("raise");
    assert_int_equal(w->record->n_escalations, 1); /* coordinator and supervisor are told together */
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 2);
    forget();
    for (int i = 0; i < 70; i++) custom("raise");
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(told_escalations(0, CLIMB(REPEATED)), 140);
    assert_int_equal(w->record->parked, 0);
}

static void resolve_all_ends_the_episodes_escalations(void **state)
{
    (void)state;
    begin_watch();
    custom("raise");
    custom("calm");
    assert_int_equal(w->record->n_escalations, 0);
}

/* --- two causes ---------------------------------------------------------------------------------------------------- */
static void a_graver_cause_of_an_overdue_task_makes_its_escalation_graver_and_sooner(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-04 22:00"); /* the call has been overdue since 10:00 */
    assert_int_equal(first()->severity, SEVERITY(ROUTINE));
    custom("graver");
    assert_int_equal(first()->severity, SEVERITY(EMERGENT));
    assert_when(first()->next_at_ms, "2026-03-04 22:15"); /* reminded */
    assert_when(first()->climbs_at_ms, "2026-03-04 22:30");
}

static void the_ladder_of_a_task_goes_on_when_only_one_of_its_causes_is_gone(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-02 12:00");
    custom("graver"); /* a second cause, which no timer withdraws; emergent: due in an hour */
    go("2026-03-02 13:31");
    assert_int_equal(first()->rung, ROLE(SUPERVISOR));
    forget();
    custom("stop");
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(WITHDRAWN)), 0);
    assert_int_equal(first()->rung, ROLE(SUPERVISOR));
    go("2026-03-02 14:00");
    assert_int_equal(first()->rung, ROLE(SECOND_ON_CALL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(overdue_work_is_told_to_its_owner_then_climbs_to_supervisor_and_director_and_repeats_each_business_day),
        SENTENCE(a_rung_whose_person_already_holds_the_matter_is_skipped),
        SENTENCE(a_supervisors_own_overdue_task_climbs_to_the_director),
        SENTENCE(an_acknowledgement_stops_the_climb_for_one_rungs_time_and_then_it_resumes),
        SENTENCE(resolving_an_escalation_arms_its_overdue_task_anew),
        SENTENCE(completing_the_task_resolves_its_escalation),
        SENTENCE(an_unknown_escalation_is_said_and_changes_nothing),
        SENTENCE(emergent_work_climbs_every_half_hour_of_clock_time_also_at_night),
        SENTENCE(a_pathways_raise_takes_over_the_overdue_escalation_of_its_own_task),
        SENTENCE(a_raise_that_the_timer_repeats_is_told_again_and_never_doubled),
        SENTENCE(a_raise_that_is_repeated_every_day_still_climbs_after_its_rungs_time),
        SENTENCE(a_raise_at_the_moment_of_a_daily_repeat_is_that_repeat),
        SENTENCE(a_raise_covers_its_timers_open_tasks_so_that_they_do_not_escalate_beside_it),
        SENTENCE(a_raise_that_finds_the_supervisor_told_by_the_ladder_repeats_it_and_puts_nobody_off),
        SENTENCE(the_end_of_a_timer_resolves_what_it_raised_and_withdraws_what_it_asked_for),
        SENTENCE(what_no_timer_raised_is_told_again_instead_of_doubled_too),
        SENTENCE(resolve_all_ends_the_episodes_escalations),
        SENTENCE(a_graver_cause_of_an_overdue_task_makes_its_escalation_graver_and_sooner),
        SENTENCE(the_ladder_of_a_task_goes_on_when_only_one_of_its_causes_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
