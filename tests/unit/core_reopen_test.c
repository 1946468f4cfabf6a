/* An episode stays on the version of its pathway; a human opens it again on the newest. */
#include "unit/core_world.h"

#define WATCH(VERSION, STATE, WAIT)                                                                                    \
    "pathway: watch\nversion: " VERSION "\nsubject: patient\nmax_silence: 30d\nvariables: [calls]\n"                    \
    "timers:\n"                                                                                                        \
    "  check: {from: opened, fires: [{wait: " WAIT ", do: [{task: call-agency}]}]}\n"                                  \
    "  visit: {from: visit, per: appointment, once: true, reminder: true, fires: [{wait: -24h, do: [remind]}]}\n"      \
    "  chase: {fires: [{wait: 2d, do: [{task: obtain-roi}]}]}\n"                                                       \
    "holds: {consent: {after: [chase], do: [{task: obtain-roi}]}}\n"                                                   \
    "initial: " STATE "\n"                                                                                             \
    "states:\n"                                                                                                        \
    "  " STATE ":\n    after: [check]\n    on:\n"                                                                      \
    "      barrier.reported: {do: [{hold: consent}, {count: calls}]}\n"                                                \
    "      appointment.booked: {do: [{start: visit}]}\n"                                                               \
    "      episode.closed: {target: closed}\n"                                                                         \
    "  closed: {final: true}\n"

static void begin_watch(void)
{
    begin(WATCH("1", "open", "3d"));
    register_child();
    tell("episode.opened", "with: {pathway: watch, by: coordinator-1}");
    tell("barrier.reported", "with: {kind: COST}");
    tell("appointment.booked", "appointment: visit-1, with: {starts_at: '2026-03-10 10:00'}");
    assert_int_equal(w->record->episodes[0]->n_holds, 1);
}

static void a_new_version_changes_nothing_for_a_running_episode(void **state)
{
    begin_watch();
    core_load_unverified(WATCH("2", "open", "1d"));
    go("2026-03-04 09:00");
    assert_null(task_of(TASK(CALL_AGENCY))); /* the newest version would have asked on the 3rd */
    go("2026-03-05 10:00");
    assert_non_null(task_of(TASK(CALL_AGENCY)));
    (void)state;
}

static void it_goes_on_where_it_stood_with_its_holds_and_counters_and_begins_its_timers_anew(void **state)
{
    begin_watch();
    int64_t opened_ms = w->record->episodes[0]->opened_at_ms;
    core_load_unverified(WATCH("2", "open", "1d"));
    go("2026-03-02 12:00");
    forget();
    assert_int_equal(tell("episode.opened", "with: {reopens: ep1, by: supervisor-1}"), VERDICT(APPLIED));
    assert_int_equal(w->record->n_episodes, 1);
    const Handoff__V1__Episode *e = w->record->episodes[0];
    assert_int_equal(e->number, 2);
    assert_int_equal(e->pathway, 2);
    assert_int_equal(e->opened_at_ms, opened_ms);
    assert_int_equal(e->n_holds, 1);
    assert_int_equal(e->variables[0], 1);
    assert_when(timer_of("check")->due_at_ms, "2026-03-03 09:00"); /* a day from the opening, as the new text says */
    assert_non_null(timer_of("visit"));
    assert_non_null(timer_of("chase"));
    assert_int_equal(w->record->n_timers, 3);
    assert_int_equal(told_tasks(TASK(OBTAIN_ROI), CHANGE(WITHDRAWN)), 1);
    assert_int_equal(told_tasks(TASK(OBTAIN_ROI), CHANGE(OPENED)), 1);
    assert_int_equal(w->record->closed_episodes[0]->reason, HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_CONTINUED);
    assert_int_equal(w->record->appointments[0]->episode, 0); /* it was no referral's */
    (void)state;
}

static void a_state_that_the_newest_version_does_not_have_must_be_said(void **state)
{
    begin_watch();
    core_load_unverified(WATCH("2", "waiting", "1d"));
    tell("episode.opened", "with: {reopens: ep1, by: supervisor-1}");
    assert_non_null(strstr(w->out.journaled.sentence, "say which"));
    assert_int_equal(w->record->episodes[0]->number, 1);
    tell("episode.opened", "with: {reopens: ep1, state: closed, by: supervisor-1}"); /* an end is not gone on from */
    assert_int_equal(w->record->episodes[0]->number, 1);
    tell("episode.opened", "with: {reopens: ep1, state: waiting, by: supervisor-1}");
    assert_string_equal(state_of("watch"), "waiting");
    (void)state;
}

static void what_is_not_open_is_not_reopened(void **state)
{
    begin_watch();
    tell("episode.opened", "with: {reopens: ep7, by: supervisor-1}");
    assert_non_null(strstr(w->out.journaled.sentence, "no such open episode"));
    tell("episode.opened", "with: {pathway: referral, reopens: ep1, by: supervisor-1}");
    assert_non_null(strstr(w->out.journaled.sentence, "another pathway"));
    assert_int_equal(w->record->n_closed_episodes, 0);
    (void)state;
}

static void a_referral_keeps_its_id_and_what_comes_late_finds_it(void **state)
{
    begin(SHIPPED);
    refer();
    go("2026-03-03 10:00");
    tell("episode.opened", "with: {reopens: ep1, by: supervisor-1}");
    assert_string_equal(state_of("referral"), "requested");
    assert_string_equal(w->record->episodes[0]->referral_id, "ref-1");
    tell("referral.received", "referral: ref-1, occurred: 2026-03-02 16:00");
    assert_string_equal(state_of("referral"), "received");
    (void)state;
}

static void flag(void)
{
    begin(SHIPPED);
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    forget();
}

static void a_risk_that_nobody_has_assessed_is_reopened_as_that_with_its_alert_and_tasks_anew(void **state)
{
    flag();
    assert_int_equal(tell("episode.opened", "with: {reopens: ep1, by: coordinator-1}"), VERDICT(APPLIED));
    assert_string_equal(state_of("safety"), "flagged");
    assert_int_equal(w->record->episodes[0]->severity, SEVERITY(EMERGENT));
    assert_int_equal(told_tasks(TASK(SAFETY_CHECK), CHANGE(OPENED)), 1);
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(w->record->escalations[0]->severity, SEVERITY(EMERGENT));
    (void)state;
}

static void nobody_reopens_a_risk_in_a_state_that_its_flag_does_not_say(void **state)
{
    flag();
    tell("episode.opened", "with: {reopens: ep1, state: assessed, by: coordinator-1}");
    assert_non_null(strstr(w->out.journaled.sentence, "a clinician completes the safety-check"));
    assert_string_equal(state_of("safety"), "flagged");
    assert_int_equal(w->record->episodes[0]->number, 1);
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    assert_false(w->record->flags[0]->is_assessed);
    (void)state;
}

static void an_assessed_risk_is_reopened_as_assessed_with_its_review(void **state)
{
    flag();
    tell("task.completed", "task: t1, with: {outcome: REACHED, by: clinician-1, level: LOW}"); /* the safety-check */
    int64_t review_ms = w->record->episodes[0]->review_at_ms;
    tell("episode.opened", "with: {reopens: ep1, by: coordinator-1}");
    assert_string_equal(state_of("safety"), "assessed");
    assert_int_equal(timer_of("safety-review")->due_at_ms, review_ms);
    tell("episode.opened", "with: {reopens: ep2, state: flagged, by: coordinator-1}");
    assert_string_equal(state_of("safety"), "assessed");
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_new_version_changes_nothing_for_a_running_episode),
        SENTENCE(it_goes_on_where_it_stood_with_its_holds_and_counters_and_begins_its_timers_anew),
        SENTENCE(a_state_that_the_newest_version_does_not_have_must_be_said),
        SENTENCE(what_is_not_open_is_not_reopened),
        SENTENCE(a_referral_keeps_its_id_and_what_comes_late_finds_it),
        SENTENCE(a_risk_that_nobody_has_assessed_is_reopened_as_that_with_its_alert_and_tasks_anew),
        SENTENCE(nobody_reopens_a_risk_in_a_state_that_its_flag_does_not_say),
        SENTENCE(an_assessed_risk_is_reopened_as_assessed_with_its_review),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
