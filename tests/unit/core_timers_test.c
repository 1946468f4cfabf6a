/* Pathway timers: absolute due times, firing tables, holds, flags, reminders, dates of the episode. */
#include "unit/core_world.h"

/* Begun on Monday, 2026-03-02 09:00. */
static const char *const watch =
    "pathway: watch\n"
    "subject: patient\n"
    "max_silence: 60d\n"
    "timers:\n"
    "  check:\n"
    "    fires:\n"
    "      - {wait: {routine: 2bd, urgent: 4bh}, do: [{task: call-family}]}\n"
    "      - {wait: 1bd, do: [{task: call-agency}]}\n"
    "      - {wait: 7d, do: [{raise: supervisor}]}\n"
    "  single: {once: true, fires: [{wait: 1bd, do: [{task: clinical-review}]}]}\n"
    "  turn: {fires: [{wait: 5bd, do: [{task: rescreen}], target: later}]}\n"
    "  after-turn: {fires: [{wait: 1bd, do: [{task: warm-handoff}]}, {wait: 20d, do: [{task: review-needs}]}]}\n"
    "  last-day: {from: effective_at_ms, once: true, fires: [{wait: -24h, do: [{task: fill-gap}]}]}\n"
    "  away: {fires: [{wait: 20d, do: [{task: review-needs}]}]}\n"
    "  reminder-48h: {from: visit, per: appointment, once: true, reminder: true, fires: [{wait: -48h, do: [remind]}]}\n"
    "  reminder-24h: {from: visit, per: appointment, once: true, reminder: true, fires: [{wait: -24h, do: [remind]}]}\n"
    "  attendance: {from: visit, per: appointment, fires: [{wait: 1bd, do: [{task: barrier-plan}]}]}\n"
    "holds:\n"
    "  away: {pauses: [check, last-day, attendance], after: [away]}\n"
    "initial: open\n"
    "states:\n"
    "  open:\n"
    "    after: [check, single, last-day]\n"
    "    on: {custom.on: {target: second}}\n"
    "  second: {after: [check, single, turn]}\n"
    "  later: {after: [after-turn]}\n"
    "  closed: {final: true}\n"
    "any:\n"
    "  on:\n"
    "    episode.closed: {target: closed}\n"
    "    custom.away: {do: [{hold: away}]}\n"
    "    custom.back: {do: [{lift: away}]}\n"
    "    authorization.denied: {do: [{take: [effective_at_ms]}]}\n"
    "    appointment.booked, appointment.rescheduled: {do: [{start: [reminder-48h, reminder-24h, attendance]}]}\n"
    "    appointment.cancelled: {do: [{stop: [reminder-48h, reminder-24h, attendance]}]}\n";

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

static void each_firing_has_its_own_wait_and_the_last_repeats(void **state)
{
    (void)state;
    begin_watch();
    assert_when(timer_of("check")->due_at_ms, "2026-03-04 09:00");
    go("2026-03-04 08:59");
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(OPENED)), 0);
    go("2026-03-04 09:00");
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(OPENED)), 1);
    assert_when(timer_of("check")->due_at_ms, "2026-03-05 09:00");
    go("2026-03-05 09:00");
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(OPENED)), 1);
    assert_when(timer_of("check")->due_at_ms, "2026-03-12 09:00");
    go("2026-03-12 09:00");
    assert_when(timer_of("check")->due_at_ms, "2026-03-19 09:00");
    assert_int_equal(timer_of("check")->firings, 3);
}

static void a_timer_counts_from_when_it_happened_and_not_from_when_we_heard(void **state)
{
    (void)state;
    begin(watch);
    tell("episode.opened", "occurred: 2026-02-27 11:00, with: {pathway: watch, by: coordinator-1}");
    assert_when(timer_of("check")->due_at_ms, "2026-03-03 11:00");
}

static void an_event_weeks_late_is_asked_for_once_and_not_step_by_step(void **state)
{
    (void)state;
    begin(watch);
    tell("episode.opened", "occurred: 2026-01-05 11:00, with: {pathway: watch, by: coordinator-1}");
    wake();
    assert_int_equal(told_tasks(0, CHANGE(OPENED)), 1);
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(OPENED)), 1);
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_ESCALATION), 0);
    assert_when(timer_of("check")->due_at_ms, "2026-03-09 09:00");
    assert_when(task_of(TASK(CALL_AGENCY))->due_at_ms, "2026-03-03 08:00"); /* the next business morning */
}

static void a_late_firing_happens_once_marked_late_and_arms_from_now(void **state)
{
    (void)state;
    begin_watch();
    sleep_until("2026-03-20 10:00");
    wake();
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(OPENED)), 1);
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(OPENED)), 0);
    assert_when(timer_of("check")->due_at_ms, "2026-03-23 10:00");
    for (size_t i = 0; i < w->told_count; i++) assert_true(w->told[i]->is_late);
}

static void a_state_entered_by_a_late_firing_arms_its_timers_from_now(void **state)
{
    (void)state;
    begin_watch();
    custom("on");
    sleep_until("2026-03-20 10:00");
    wake();
    assert_string_equal(state_of("watch"), "later");
    assert_int_equal(told_tasks(TASK(WARM_HANDOFF), CHANGE(OPENED)), 0);
    assert_when(timer_of("after-turn")->due_at_ms, "2026-03-23 10:00");
}

static void a_second_firing_of_the_same_generation_is_a_no_op(void **state)
{
    (void)state;
    begin_watch();
    Handoff__V1__TimerInput firing;
    go("2026-03-03 08:00");
    w->now_ms = step_next_due(w->record, &firing);
    fire(firing);
    assert_int_equal(w->out.journaled.verdict, VERDICT(APPLIED));
    forget();
    fire(firing);
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
    assert_int_equal(w->told_count, 0);
}

static void a_firing_for_a_timer_that_a_hold_has_paused_is_a_no_op(void **state)
{
    (void)state;
    begin_watch();
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT;
    firing.kind = DUE_TIMER;
    firing.generation = timer_of("check")->generation;
    firing.due_at_ms = timer_of("check")->due_at_ms;
    custom("away");
    sleep_until("2026-03-05 10:00");
    fire(firing);
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
}

static void a_hold_pauses_a_timer_which_then_runs_its_whole_wait_from_the_lifting(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-04 09:00");
    custom("away");
    forget();
    go("2026-03-06 12:00");
    assert_true(timer_of("check")->is_paused);
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(OPENED)), 0);
    custom("back");
    assert_false(timer_of("check")->is_paused);
    assert_int_equal(timer_of("check")->firings, 1);
    assert_when(timer_of("check")->due_at_ms, "2026-03-09 12:00");
}

static void a_pause_does_not_move_what_counts_to_a_date_of_the_episode(void **state)
{
    (void)state;
    begin_watch();
    tell("authorization.denied", "with: {effective_at: 2026-03-20 17:00}");
    custom("away");
    go("2026-03-05 12:00");
    custom("back");
    assert_when(timer_of("last-day")->due_at_ms, "2026-03-19 17:00");
}

static void a_visit_that_passed_during_a_hold_is_asked_about_from_the_lifting_on(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-04 15:00}");
    custom("away");
    go("2026-03-16 12:00");
    custom("back");
    assert_when(timer_of("attendance")->due_at_ms, "2026-03-17 12:00");
}

static void a_visit_still_to_come_after_a_hold_keeps_its_time(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-18 15:00}");
    custom("away");
    go("2026-03-16 12:00");
    custom("back");
    assert_when(timer_of("attendance")->due_at_ms, "2026-03-19 15:00");
}

static void a_safety_flag_hastens_what_waits_and_never_delays_it(void **state)
{
    (void)state;
    begin_watch();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_when(timer_of("check")->due_at_ms, "2026-03-02 13:00");
    begin_watch();
    go("2026-03-04 08:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_when(timer_of("check")->due_at_ms, "2026-03-04 09:00");
}

static void a_timer_listed_by_both_states_runs_on(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-03 12:00");
    custom("on");
    assert_string_equal(state_of("watch"), "second");
    assert_when(timer_of("check")->due_at_ms, "2026-03-04 09:00");
}

static void a_timer_that_fires_once_is_not_begun_again_by_the_next_state_that_lists_it(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-03 09:00");
    assert_int_equal(told_tasks(TASK(CLINICAL_REVIEW), CHANGE(OPENED)), 1);
    assert_null(timer_of("single"));
    custom("on");
    assert_null(timer_of("single"));
}

static void a_date_that_becomes_known_or_changes_moves_its_timer_and_silence_about_it_does_not(void **state)
{
    (void)state;
    begin_watch();
    assert_null(timer_of("last-day"));
    tell("authorization.denied", "with: {effective_at: 2026-03-20 17:00}");
    assert_when(timer_of("last-day")->due_at_ms, "2026-03-19 17:00");
    tell("authorization.denied", "with: {effective_at: 2026-03-18 17:00}");
    assert_when(timer_of("last-day")->due_at_ms, "2026-03-17 17:00");
    tell("authorization.denied", "with: {}");
    assert_when(timer_of("last-day")->due_at_ms, "2026-03-17 17:00");
    assert_when(w->record->episodes[0]->effective_at_ms, "2026-03-18 17:00");
}

/* --- reminders --------------------------------------------------------------------------------------------------- */
static size_t reminders(bool is_dropped)
{
    size_t n = 0;
    for (size_t i = 0; i < w->told_count; i++)
        n += w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER && w->told[i]->reminder->is_dropped == is_dropped;
    return n;
}

static void reminders_come_48_and_24_hours_before_the_visit(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00}");
    go("2026-03-04 14:59");
    assert_int_equal(reminders(false), 0);
    go("2026-03-04 15:00");
    assert_int_equal(reminders(false), 1);
    go("2026-03-05 15:00");
    assert_int_equal(reminders(false), 2);
}

static void a_moved_visit_moves_its_reminders_and_one_live_timer_is_left(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00}");
    size_t timers = w->record->n_timers;
    tell("appointment.rescheduled", "appointment: v1, with: {starts_at: 2026-03-10 15:00}");
    assert_int_equal(w->record->n_timers, timers);
    go("2026-03-06 16:00");
    assert_int_equal(reminders(false), 0);
    go("2026-03-10 14:00");
    assert_int_equal(reminders(false), 2);
}

static void a_cancelled_visit_is_not_reminded_of(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00}");
    tell("appointment.cancelled", "appointment: v1, with: {by: GUARDIAN}");
    assert_null(timer_of("reminder-48h"));
    go("2026-03-06 16:00");
    assert_int_equal(reminders(false) + reminders(true), 0);
}

static void a_visit_booked_later_than_a_reminders_moment_has_only_the_later_one(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-03 15:00}");
    assert_null(timer_of("reminder-48h"));
    assert_non_null(timer_of("reminder-24h"));
}

static void after_downtime_past_reminders_are_dropped_and_recorded(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00}");
    sleep_until("2026-03-09 10:00");
    wake();
    assert_int_equal(reminders(false), 0);
    assert_int_equal(reminders(true), 2);
}

static void after_a_short_downtime_only_the_later_of_two_reminders_is_sent(void **state)
{
    (void)state;
    begin_watch();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00}");
    sleep_until("2026-03-05 18:00");
    wake();
    assert_int_equal(reminders(false), 1);
    assert_int_equal(reminders(true), 1);
}

static void the_end_of_an_episode_leaves_no_timer_task_or_escalation(void **state)
{
    (void)state;
    begin_watch();
    go("2026-03-13 10:00");
    assert_true(w->record->n_tasks > 0 && w->record->n_escalations > 0);
    tell("episode.closed", "with: {reason: OTHER, by: coordinator-1}");
    assert_int_equal(w->record->n_episodes + w->record->n_timers + w->record->n_tasks + w->record->n_escalations, 0);
    assert_int_equal(w->record->n_closed_episodes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(each_firing_has_its_own_wait_and_the_last_repeats),
        SENTENCE(a_timer_counts_from_when_it_happened_and_not_from_when_we_heard),
        SENTENCE(an_event_weeks_late_is_asked_for_once_and_not_step_by_step),
        SENTENCE(a_late_firing_happens_once_marked_late_and_arms_from_now),
        SENTENCE(a_state_entered_by_a_late_firing_arms_its_timers_from_now),
        SENTENCE(a_second_firing_of_the_same_generation_is_a_no_op),
        SENTENCE(a_firing_for_a_timer_that_a_hold_has_paused_is_a_no_op),
        SENTENCE(a_hold_pauses_a_timer_which_then_runs_its_whole_wait_from_the_lifting),
        SENTENCE(a_pause_does_not_move_what_counts_to_a_date_of_the_episode),
        SENTENCE(a_visit_that_passed_during_a_hold_is_asked_about_from_the_lifting_on),
        SENTENCE(a_visit_still_to_come_after_a_hold_keeps_its_time),
        SENTENCE(a_safety_flag_hastens_what_waits_and_never_delays_it),
        SENTENCE(a_timer_listed_by_both_states_runs_on),
        SENTENCE(a_timer_that_fires_once_is_not_begun_again_by_the_next_state_that_lists_it),
        SENTENCE(a_date_that_becomes_known_or_changes_moves_its_timer_and_silence_about_it_does_not),
        SENTENCE(reminders_come_48_and_24_hours_before_the_visit),
        SENTENCE(a_moved_visit_moves_its_reminders_and_one_live_timer_is_left),
        SENTENCE(a_cancelled_visit_is_not_reminded_of),
        SENTENCE(a_visit_booked_later_than_a_reminders_moment_has_only_the_later_one),
        SENTENCE(after_downtime_past_reminders_are_dropped_and_recorded),
        SENTENCE(after_a_short_downtime_only_the_later_of_two_reminders_is_sent),
        SENTENCE(the_end_of_an_episode_leaves_no_timer_task_or_escalation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
