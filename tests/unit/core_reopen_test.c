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

/* --- what goes on with it -------------------------------------------------------------------------------------- */
/* The only one of the pathway. */
static const Handoff__V1__Episode *on(const char *pathway)
{
    for (size_t i = 0; i < w->record->n_episodes; i++)
        if (is_on(w->record->episodes[i]->number, pathway)) return w->record->episodes[i];
    fail();
    return NULL;
}

static void reopen(const char *pathway, const char *rest)
{
    char with[128];
    uint32_t number = on(pathway)->number;
    snprintf(with, sizeof with, "with: {reopens: ep%u, by: supervisor-1%s}", number, rest);
    forget();
    assert_int_equal(tell("episode.opened", with), VERDICT(APPLIED));
    assert_int_equal(episodes_on(pathway), 1);
    assert_true(on(pathway)->number > number);
    assert_int_equal(w->record->parked, 0);
}

static void a_referral_keeps_its_id_and_what_comes_late_finds_it(void **state)
{
    begin(SHIPPED);
    refer();
    go("2026-03-03 10:00");
    reopen("referral", "");
    assert_string_equal(state_of("referral"), "requested");
    assert_string_equal(on("referral")->referral_id, "ref-1");
    tell("referral.received", "referral: ref-1, occurred: 2026-03-02 16:00");
    assert_string_equal(state_of("referral"), "received");
    (void)state;
}

/* The agency has not acknowledged for two days, and for two more nobody has called it. */
static void begin_overdue(void)
{
    begin(SHIPPED);
    refer();
    go("2026-03-06 09:00");
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(w->record->escalations[0]->task, task_of(TASK(CALL_AGENCY))->number);
    assert_int_equal(timer_of("acknowledge")->firings, 2);
}

static void nobody_outside_is_told_twice(void **state)
{
    begin(SHIPPED);
    refer();
    reopen("referral", "");
    assert_string_equal(state_of("referral"), "requested");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 0);
    assert_int_equal(timer_of("acknowledge")->firings, 0);
    reopen("referral", ""); /* nor when it is opened a third time */
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 0);
    go("2026-03-06 09:00"); /* what a timer sends again by another channel it still does */
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 1);
    (void)state;
}

static void what_was_not_told_before_is_told(void **state)
{
    begin(SHIPPED);
    register_child();
    grant_to("riverside");
    request("ref-1", "");
    assert_string_equal(state_of("referral"), "draft");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 0);
    core_load_unverified("pathway: referral\nversion: 2\nsubject: referral\nmax_silence: 30d\n"
                         "timers: {check: {fires: [{wait: 3d, do: [{task: call-agency}]}]}}\ninitial: draft\nstates:\n"
                         "  draft:\n    after: [check]\n    do: [{status: {kind: referral-state, to: PCP}}]\n"
                         "    on: {custom.sent: {target: requested}}\n"
                         "  requested:\n    after: [check]\n    do: [{status: {kind: referral-state, to: PCP}}]\n"
                         "    on: {episode.closed: {target: closed}}\n"
                         "  closed: {final: true}\n");
    reopen("referral", ", state: draft");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 1);
    reopen("referral", ", state: draft");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 0);
    reopen("referral", ", state: requested"); /* that is another word */
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 1);
    (void)state;
}

static void overdue_work_stays_raised_with_its_task_and_is_asked_for_once(void **state)
{
    begin_overdue();
    const Handoff__V1__Escalation before = *w->record->escalations[0];
    uint32_t task = task_of(TASK(CALL_AGENCY))->number;
    reopen("referral", "");
    assert_int_equal(told_escalations(0, CLIMB(RESOLVED)), 0);
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(WITHDRAWN)), 0);
    assert_int_equal(w->record->escalations[0]->number, before.number);
    assert_int_equal(w->record->escalations[0]->rung, before.rung);
    assert_int_equal(w->record->escalations[0]->next_at_ms, before.next_at_ms);
    assert_int_equal(w->record->escalations[0]->cause->episode, on("referral")->number);
    go("2026-03-10 09:00"); /* the ladder climbs as it would have, and the timer that began anew asks for the same call */
    assert_int_equal(open_tasks(TASK(CALL_AGENCY)), 1);
    assert_int_equal(task_of(TASK(CALL_AGENCY))->number, task);
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(CLIMBED)), 1);
    char done[64];
    snprintf(done, sizeof done, "task: t%u, with: {outcome: DONE, by: coordinator-1}", task);
    tell("task.completed", done);
    assert_int_equal(w->record->n_escalations, 0);
    (void)state;
}

static void what_a_timer_raised_stays_raised_and_ends_with_its_timer(void **state)
{
    begin_overdue();
    go("2026-03-10 09:30");
    assert_int_equal(timer_of("acknowledge")->firings, 3);
    size_t raised = w->record->n_escalations;
    Handoff__V1__Role rung = w->record->escalations[0]->rung;
    assert_int_equal(w->record->escalations[0]->task, 0);
    reopen("referral", "");
    assert_int_equal(w->record->n_escalations, raised);
    assert_int_equal(w->record->escalations[0]->rung, rung);
    assert_int_equal(told_escalations(0, CLIMB(RESOLVED)), 0);
    tell("referral.received", "referral: ref-1");
    assert_int_equal(w->record->n_escalations, 0);
    (void)state;
}

static void where_the_human_moves_it_on_the_timers_of_the_state_before_are_over(void **state)
{
    begin_overdue();
    reopen("referral", ", state: received");
    assert_int_equal(w->record->n_escalations, 0);
    assert_int_equal(open_tasks(TASK(CALL_AGENCY)), 0);
    assert_int_equal(told_escalations(0, CLIMB(RESOLVED)), 1);
    (void)state;
}

#define RAISES(VERSION, TIMER, REASON)                                                                                 \
    "pathway: watch\nversion: " VERSION "\nsubject: patient\nmax_silence: 30d\ntimers:\n"                             \
    "  " TIMER ": {fires: [{wait: 1d, do: [{raise: {to: supervisor, reason: \"" REASON "\"}}]}]}\n"                    \
    "initial: open\nstates:\n  open: {after: [" TIMER "], on: {episode.closed: {target: closed}}}\n"                  \
    "  closed: {final: true}\n"

static const char *reason_of_first(void)
{
    const Handoff__V1__Cause *cause = w->record->escalations[0]->cause;
    const struct pathway *p = rules_pathway(w->rules, w->record->episodes[0]->pathway);
    return cause->rule ? p->rules[cause->rule].text : "";
}

static void on_another_text_the_reason_stays_or_the_ladder_at_least(void **state)
{
    begin(RAISES("1", "check", "Nothing is heard."));
    register_child();
    tell("episode.opened", "with: {pathway: watch, by: coordinator-1}");
    go("2026-03-03 10:00");
    assert_int_equal(w->record->n_escalations, 1);
    core_load_unverified(RAISES("2", "look", "Nothing is heard."));
    reopen("watch", "");
    assert_int_equal(w->record->n_escalations, 1);
    assert_string_equal(reason_of_first(), "Nothing is heard.");
    assert_int_equal(w->record->escalations[0]->cause->scope, 0); /* its timer is gone: a human ends it */
    core_load_unverified(RAISES("3", "look", "Silence."));
    reopen("watch", "");
    assert_int_equal(w->record->n_escalations, 1);
    assert_string_equal(reason_of_first(), "");
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
        SENTENCE(nobody_outside_is_told_twice),
        SENTENCE(what_was_not_told_before_is_told),
        SENTENCE(overdue_work_stays_raised_with_its_task_and_is_asked_for_once),
        SENTENCE(what_a_timer_raised_stays_raised_and_ends_with_its_timer),
        SENTENCE(where_the_human_moves_it_on_the_timers_of_the_state_before_are_over),
        SENTENCE(on_another_text_the_reason_stays_or_the_ladder_at_least),
        SENTENCE(a_risk_that_nobody_has_assessed_is_reopened_as_that_with_its_alert_and_tasks_anew),
        SENTENCE(nobody_reopens_a_risk_in_a_state_that_its_flag_does_not_say),
        SENTENCE(an_assessed_risk_is_reopened_as_assessed_with_its_review),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
