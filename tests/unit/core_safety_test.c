/* Safety: findings, the alert that several hold together, checks that only a clinician completes, and what a flag forbids. */
#include "unit/core_world.h"

#define RISK(NAME) HANDOFF__V1__RISK_KIND__RISK_KIND_##NAME
#define LEVEL(NAME) HANDOFF__V1__RISK_LEVEL__RISK_LEVEL_##NAME

static void begin_known(void)
{
    begin(SHIPPED);
    register_child();
    forget();
}

/* tell("...", "task: tN, with: {...}") about the newest open task of a kind. */
static void answer(const char *event, Handoff__V1__TaskKind kind, const char *with)
{
    char rest[256];
    assert_non_null(task_of(kind));
    snprintf(rest, sizeof rest, "task: t%u, with: {%s}", task_of(kind)->number, with);
    tell(event, rest);
}
static void assess(const char *with) { answer("task.completed", TASK(SAFETY_CHECK), with); }

static const Handoff__V1__Episode *watch(Handoff__V1__RiskKind kind)
{
    for (size_t i = 0; i < w->record->n_episodes; i++)
        if (w->record->episodes[i]->risk == kind) return w->record->episodes[i];
    return NULL;
}
static const char *stands(Handoff__V1__RiskKind kind)
{
    const Handoff__V1__Episode *e = watch(kind);
    return e ? rules_pathway(w->rules, e->pathway)->main.states[e->state].name : "none";
}
static const Handoff__V1__Episode *episode_of(const char *pathway)
{
    for (size_t i = w->record->n_episodes; i-- > 0;)
        if (is_on(w->record->episodes[i]->number, pathway)) return w->record->episodes[i];
    fail_msg("no episode of that pathway is open");
    return NULL;
}
static Handoff__V1__Escalation *alert(void)
{
    assert_true(w->record->n_escalations > 0);
    return w->record->escalations[0];
}
static bool says(const char *part) { return w->out.journaled.sentence && strstr(w->out.journaled.sentence, part); }

/* --- findings ---------------------------------------------------------------------------------------------------- */
static void screen_is(const char *with, Handoff__V1__Severity severity)
{
    char rest[160];
    begin_known();
    snprintf(rest, sizeof rest, "with: {%s}", with);
    tell("screening.scored", rest);
    assert_int_equal(w->record->n_flags, severity ? 1 : 0);
    assert_string_equal(stands(RISK(SELF)), severity ? "flagged" : "none");
    if (severity) assert_int_equal(w->record->flags[0]->severity, severity);
    if (!severity) assert_int_equal(w->told_count, 0);
}

static void a_screening_is_as_grave_as_its_level_or_its_items_whichever_is_higher(void **state)
{
    (void)state;
    screen_is("instrument: C_SSRS, level: HIGH", SEVERITY(EMERGENT));
    screen_is("instrument: C_SSRS, level: MODERATE", SEVERITY(URGENT));
    screen_is("instrument: C_SSRS, level: LOW", SEVERITY(URGENT));
    screen_is("instrument: C_SSRS, level: NONE", 0);
    screen_is("instrument: C_SSRS, items: [{item: 4, score: 1}]", SEVERITY(EMERGENT));
    screen_is("instrument: C_SSRS, items: [{item: 5, score: 1}]", SEVERITY(EMERGENT));
    screen_is("instrument: C_SSRS, items: [{item: 6, score: 1}]", SEVERITY(EMERGENT));
    screen_is("instrument: C_SSRS, items: [{item: 3, score: 1}]", SEVERITY(URGENT));
    screen_is("instrument: C_SSRS, items: [{item: 1, score: 1}]", SEVERITY(URGENT));
    screen_is("instrument: C_SSRS, items: [{item: 1, score: 0}, {item: 6, score: 0}]", 0);
    screen_is("instrument: C_SSRS, level: LOW, items: [{item: 4, score: 1}]", SEVERITY(EMERGENT));
    screen_is("instrument: ASQ, items: [{item: 2, score: 1}, {item: 5, score: 0}]", SEVERITY(URGENT));
    screen_is("instrument: ASQ, items: [{item: 5, score: 1}]", SEVERITY(EMERGENT));
    screen_is("instrument: PHQ_A, items: [{item: 9, score: 1}]", SEVERITY(URGENT));
    screen_is("instrument: PHQ_9, items: [{item: 9, score: 0}, {item: 8, score: 3}]", 0);
    screen_is("instrument: GAD_7, items: [{item: 9, score: 3}]", 0);
}

static void a_flag_that_somebody_raises_is_never_less_than_urgent(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: OTHERS, severity: ROUTINE}");
    assert_int_equal(w->record->flags[0]->severity, SEVERITY(URGENT));
    assert_string_equal(stands(RISK(OTHERS)), "flagged");
}

static void a_finding_that_comes_late_acts_at_once(void **state)
{
    (void)state;
    begin_known();
    go("2026-03-20 10:00");
    forget();
    tell("screening.scored", "occurred: 2026-03-02 10:00, with: {instrument: C_SSRS, level: HIGH}");
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 3);
    assert_true(task_of(TASK(SAFETY_CHECK))->due_at_ms > w->now_ms);
    assert_string_equal(stands(RISK(SELF)), "flagged");
}

static void two_kinds_of_risk_are_two_episodes_with_one_check_and_each_is_cleared_by_itself(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    tell("safety.flag_raised", "with: {kind: OTHERS, severity: URGENT}");
    assert_int_equal(open_tasks(TASK(SAFETY_CHECK)), 1);
    assert_int_equal(w->record->n_escalations, 2);
    assert_int_equal(watch(RISK(SELF))->severity, SEVERITY(EMERGENT));
    assert_int_equal(watch(RISK(OTHERS))->severity, SEVERITY(URGENT));
    assess("outcome: DONE, by: clinician-1, level: MODERATE");
    assert_string_equal(stands(RISK(SELF)), "assessed");
    assert_string_equal(stands(RISK(OTHERS)), "assessed");
    tell("safety.cleared", "with: {kind: OTHERS, clinician_id: clinician-1}");
    assert_string_equal(stands(RISK(OTHERS)), "none");
    assert_string_equal(stands(RISK(SELF)), "assessed");
    assert_int_equal(w->record->n_flags, 1);
}

static void a_higher_finding_alerts_anew_and_brings_the_check_forward(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-02 23:59");
    forget();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_int_equal(w->told_count, 0);
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_int_equal(told_escalations(0, CLIMB(REPEATED)), 3);
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(alert()->severity, SEVERITY(EMERGENT));
    assert_when(alert()->climbs_at_ms, "2026-03-02 09:30");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-02 10:00");
    assert_int_equal(task_of(TASK(SAFETY_CHECK))->severity, SEVERITY(EMERGENT));
    forget();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}"); /* and never falls */
    assert_int_equal(w->told_count, 0);
    assert_int_equal(w->record->flags[0]->severity, SEVERITY(EMERGENT));
}

static void what_was_assessed_is_flagged_again_only_by_what_is_graver_than_the_clinicians_level(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assess("outcome: DONE, by: clinician-1, level: LOW");
    forget();
    tell("screening.scored", "with: {instrument: C_SSRS, level: LOW}");
    tell("screening.scored", "with: {instrument: PHQ_9, items: [{item: 9, score: 3}]}");
    assert_string_equal(stands(RISK(SELF)), "assessed");
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_NOTE), 2);
    assert_int_equal(w->told_count, 2);
    tell("screening.scored", "with: {instrument: C_SSRS, level: MODERATE}");
    assert_string_equal(stands(RISK(SELF)), "flagged");
    assess("outcome: DONE, by: clinician-1, level: NONE");
    tell("screening.scored", "with: {instrument: PHQ_9, items: [{item: 9, score: 1}]}");
    assert_string_equal(stands(RISK(SELF)), "flagged");
}

/* --- the alert --------------------------------------------------------------------------------------------------- */
static void the_alert_climbs_at_thirty_minutes_and_not_at_twenty_nine(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    go("2026-03-02 09:29");
    assert_int_equal(told_escalations(ROLE(SECOND_ON_CALL), CLIMB(CLIMBED)), 0);
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(REPEATED)), 1);
    go("2026-03-02 09:30");
    assert_int_equal(told_escalations(ROLE(SECOND_ON_CALL), CLIMB(CLIMBED)), 1);
    go("2026-03-02 09:59");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 0);
    assert_false(task_of(TASK(SAFETY_CHECK))->is_overdue);
    go("2026-03-02 10:00");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
    assert_true(task_of(TASK(SAFETY_CHECK))->is_overdue);
    forget();
    go("2026-03-02 13:00"); /* then hourly */
    assert_int_equal(told_escalations(ROLE(PCP), CLIMB(REPEATED)), 3);
    assert_int_equal(alert()->rung, ROLE(DIRECTOR));
}

static void anybodys_acknowledgement_counts_for_all_and_the_climb_resumes_after_one_rungs_time(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    go("2026-03-02 09:10");
    tell("escalation.acknowledged", "escalation: e1, with: {by: family-practice}");
    forget();
    go("2026-03-02 09:39");
    assert_int_equal(w->told_count, 0);
    go("2026-03-02 09:40");
    assert_int_equal(told_escalations(ROLE(SECOND_ON_CALL), CLIMB(RESUMED)), 1);
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(REPEATED)), 1);
}

static void an_urgent_alert_is_told_once_a_business_day(void **state)
{
    (void)state;
    begin_known();
    go("2026-03-05 10:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    forget();
    go("2026-03-06 09:59");
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(REPEATED)), 0);
    go("2026-03-06 10:00");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(REPEATED)), 1);
    go("2026-03-09 09:59"); /* not at the weekend */
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(REPEATED)), 0);
    go("2026-03-09 10:00");
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(REPEATED)), 1);
}

static void a_second_on_call_that_a_site_does_not_have_is_the_first_who_holds_it_out_of_hours_already(void **state)
{
    (void)state;
    begin_known();
    assert_string_equal(roster_resolve(w->rules, w->site, w->record, ROLE(ON_CALL), w->now_ms), "on-call-1");
    assert_string_equal(roster_resolve(w->rules, w->site, w->record, ROLE(SECOND_ON_CALL), w->now_ms), "on-call-2");
    ((Handoff__V1__Site *)(uintptr_t)w->site->roster)->n_people--; /* on-call-2 */
    go("2026-03-02 22:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_string_equal(roster_resolve(w->rules, w->site, w->record, ROLE(SECOND_ON_CALL), w->now_ms), "on-call-1");
    go("2026-03-02 22:30");
    assert_int_equal(told_escalations(ROLE(SECOND_ON_CALL), CLIMB(CLIMBED)), 0);
    assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
}

static void reminders_that_a_standstill_left_behind_are_one_climb(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    forget();
    sleep_until("2026-03-02 09:50");
    wake();
    assert_int_equal(told_escalations(ROLE(SECOND_ON_CALL), CLIMB(CLIMBED)), 1);
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(REPEATED)), 1);
}

static void of_an_unknown_patient_the_supervisor_hears_and_out_of_hours_on_call_each_once(void **state)
{
    (void)state;
    begin(SHIPPED);
    go("2026-03-07 03:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 2);
    assert_int_equal(told_escalations(ROLE(PCP), CLIMB(RAISED)), 0);
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(task_of(TASK(SAFETY_CHECK))->owner, ROLE(SUPERVISOR));
}

static void a_parked_finding_still_reaches_a_human(void **state)
{
    (void)state;
    begin_known();
    while (w->record->n_tasks < LIMIT_RECORD_TASKS - 2) {
        Handoff__V1__Task *t = MESSAGE_NEW(w->arena, Handoff__V1__Task, task);
        t->number = ++w->record->last_task;
        t->kind = TASK(CALL_FAMILY);
        t->owner = ROLE(COORDINATOR);
        t->severity = SEVERITY(ROUTINE);
        t->due_at_ms = w->now_ms + MS_PER_DAY;
        t->subject = MESSAGE_NEW(w->arena, Handoff__V1__Recipient, recipient);
        list_append(w->arena, &w->record->tasks, &w->record->n_tasks, t);
    }
    assert_int_equal(tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}"), VERDICT(PARKED));
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_int_equal(w->record->n_flags, 0);
}

/* --- safety-checks ----------------------------------------------------------------------------------------------- */
static void an_urgent_check_is_due_the_same_day_but_has_at_least_four_hours(void **state)
{
    (void)state;
    begin_known();
    go("2026-03-06 22:00"); /* a Friday night: clock time, every day */
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-07 02:00");
    begin_known();
    go("2026-03-07 19:59");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-07 23:59");
}

static void an_emergent_check_is_due_in_an_hour_of_clock_time_on_the_night_that_loses_one(void **state)
{
    (void)state;
    begin_known();
    go("2026-03-08 01:30"); /* at 02:00 it is 03:00 */
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-08 03:30");
    assert_int_equal(task_of(TASK(SAFETY_CHECK))->due_at_ms - w->now_ms, MS_PER_HOUR);
    go("2026-03-08 03:30");
    assert_true(task_of(TASK(SAFETY_CHECK))->is_overdue);
}

static void only_a_clinician_completes_a_check_and_only_with_a_level(void **state)
{
    (void)state;
    static const struct {
        const char *event, *with, *part;
    } answers[] = {
        {"task.completed", "outcome: DONE, by: coordinator-1, level: LOW", "only a clinician"},
        {"task.completed", "outcome: DONE, by: family-practice, level: LOW", "only a clinician"},
        {"task.completed", "outcome: DONE, level: LOW", "only a clinician"},
        {"task.completed", "outcome: DONE, by: clinician-1", "level of risk"},
        {"task.completed", "outcome: NOT_REACHED, by: clinician-1, level: LOW", "is an attempt"},
        {"task.completed", "outcome: NOT_WANTED, by: clinician-1, level: LOW", "is an attempt"},
        {"task.cancelled", "by: supervisor-1, reason: no need", "completes its safety-check or clears"},
    };
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        answer(answers[i].event, TASK(SAFETY_CHECK), answers[i].with);
        assert_true(says(answers[i].part));
        assert_non_null(task_of(TASK(SAFETY_CHECK)));
        assert_string_equal(stands(RISK(SELF)), "flagged");
    }
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_REFUSED_ACTION), 7);
    go("2026-03-02 12:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    char rest[128];
    snprintf(rest, sizeof rest, "task: t%u, occurred: 2026-03-02 11:00, with: {outcome: DONE, by: clinician-1, level: LOW}",
             task_of(TASK(SAFETY_CHECK))->number);
    tell("task.completed", rest);
    assert_true(says("found after this safety-check"));
    assess("outcome: REACHED, by: clinician-1, level: LOW");
    assert_string_equal(stands(RISK(SELF)), "assessed");
    assert_int_equal(w->record->n_escalations, 0);
    assert_int_equal(watch(RISK(SELF))->level, LEVEL(LOW));
}

static void a_check_without_an_open_flag_is_completed_by_anybody(void **state)
{
    (void)state;
    begin_known();
    grant_to("riverside");
    request("ref-1", "riverside");
    tell("satisfaction.reported", "with: {rating: NEGATIVE}");
    assess("outcome: DONE, by: coordinator-1");
    assert_null(task_of(TASK(SAFETY_CHECK)));
    assert_string_equal(w->out.journaled.sentence, "");
}

static void a_check_that_reaches_nobody_is_tried_again_and_never_given_up(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    for (int i = 0; i < 8; i++) answer("task.attempted", TASK(SAFETY_CHECK), "outcome: NO_ANSWER");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-02 10:00");
    assert_int_equal(task_of(TASK(CLINICAL_REVIEW))->severity, SEVERITY(EMERGENT));
    assert_when(task_of(TASK(CLINICAL_REVIEW))->due_at_ms, "2026-03-02 10:00");
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    go("2026-03-02 15:00");
    forget();
    answer("task.attempted", TASK(SAFETY_CHECK), "outcome: VOICEMAIL");
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 1);
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-03 08:00");
    assert_null(task_of(TASK(CLINICAL_REVIEW)));
    go("2026-03-03 07:40");
    answer("task.attempted", TASK(SAFETY_CHECK), "outcome: NO_ANSWER");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-04 08:00");
    forget();
    answer("task.attempted", TASK(SAFETY_CHECK), "outcome: REACHED"); /* spoken with, not yet assessed */
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(REPEATED)), 0);
}

static void review_is(const char *with, const char *at)
{
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    go("2026-03-02 12:00");
    assess(with);
    assert_when(timer_of("safety-review")->due_at_ms, at);
    assert_when(timer_of("latest-review")->due_at_ms, "2026-04-02 12:00");
}

static void the_review_is_on_the_stated_date_or_by_level_and_a_date_too_far_off_is_brought_forward(void **state)
{
    (void)state;
    review_is("outcome: DONE, by: clinician-1, level: HIGH", "2026-03-03 12:00");
    review_is("outcome: DONE, by: clinician-1, level: MODERATE", "2026-03-09 12:00");
    review_is("outcome: DONE, by: clinician-1, level: LOW", "2026-04-01 12:00");
    review_is("outcome: DONE, by: clinician-1, level: NONE", "2026-04-01 12:00");
    review_is("outcome: DONE, by: clinician-1, level: HIGH, review_at: 2026-03-05 09:00", "2026-03-05 09:00");
    review_is("outcome: DONE, by: clinician-1, level: HIGH, review_at: 2027-03-05 09:00", "2026-03-09 12:00");
    review_is("outcome: DONE, by: clinician-1, level: MODERATE, review_at: 2027-03-05 09:00", "2026-04-01 12:00");
    review_is("outcome: DONE, by: clinician-1, level: LOW, review_at: 2026-03-01 09:00", "2026-04-01 12:00"); /* past */
}

static void an_assessed_risk_is_reviewed_again_and_again_until_a_clinician_clears_it(void **state)
{
    (void)state;
    review_is("outcome: DONE, by: clinician-1, level: HIGH", "2026-03-03 12:00");
    go("2026-03-03 12:00");
    assert_int_equal(task_of(TASK(SAFETY_CHECK))->severity, SEVERITY(URGENT));
    assess("outcome: DONE, by: clinician-1, level: HIGH, review_at: 2026-03-06 09:00");
    assert_null(task_of(TASK(SAFETY_CHECK)));
    assert_when(timer_of("safety-review")->due_at_ms, "2026-03-06 09:00");
    go("2026-03-06 09:00");
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    answer("task.attempted", TASK(SAFETY_CHECK), "outcome: NO_ANSWER");
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-07 08:00");
    tell("safety.cleared", "with: {kind: SELF, clinician_id: clinician-1}");
    assert_int_equal(w->record->n_tasks + w->record->n_timers + w->record->n_escalations, 0);
}

static void a_flag_that_nobody_assesses_is_asked_about_every_day(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    w->record->n_tasks = 0; /* lost, whatever the cause */
    go("2026-03-03 08:59");
    assert_null(task_of(TASK(SAFETY_CHECK)));
    go("2026-03-03 09:00");
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
}

/* --- kinds of risk ----------------------------------------------------------------------------------------------- */
static void abuse_or_neglect_is_reported_by_whoever_saw_it_and_the_family_is_not_called(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: ABUSE_OR_NEGLECT, severity: URGENT, raised_by: clinician-1}");
    assert_string_equal(task_of(TASK(MANDATED_REPORT))->owner_id, "clinician-1");
    assert_int_equal(task_of(TASK(MANDATED_REPORT))->owner, ROLE(CLINICIAN));
    assert_when(task_of(TASK(MANDATED_REPORT))->due_at_ms, "2026-03-02 10:00");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_null(task_of(TASK(CONFIRM_CRISIS_NUMBERS)));
    begin_known();
    tell("safety.flag_raised", "with: {kind: ABUSE_OR_NEGLECT, severity: URGENT, raised_by: a-teacher}");
    assert_int_equal(task_of(TASK(MANDATED_REPORT))->owner, ROLE(SUPERVISOR));
    assert_string_equal(task_of(TASK(MANDATED_REPORT))->owner_id, "");
}

static const char *const telling = "pathway: safety\n"
                                   "subject: risk\n"
                                   "max_silence: 2d\n"
                                   "timers: {tick: {fires: [{wait: 1d, do: [{task: safety-check}]}]}}\n"
                                   "opens: [{on: safety.flag_raised, target: open, do: [{raise: supervisor}, {status: {kind: update, to: SCHOOL}}]}]\n"
                                   "initial: open\n"
                                   "states:\n"
                                   "  open: {after: [tick], on: {safety.cleared: {target: closed}}}\n"
                                   "  closed: {final: true}\n";

static void nothing_about_abuse_or_neglect_leaves_whatever_pathway_and_release_there_is(void **state)
{
    (void)state;
    begin(telling);
    register_child();
    tell("care_team.updated", "with: {members: [{party: SCHOOL, id: school-1}]}");
    tell("consent.granted", "with: {consent_id: roi-s, signer: GUARDIAN, signer_id: mom, recipients: [{party: SCHOOL, id: school-1}], "
                            "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01}");
    forget();
    tell("safety.flag_raised", "with: {kind: ABUSE_OR_NEGLECT, severity: URGENT}");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 0);
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_WITHHELD), 1);
    tell("safety.flag_raised", "with: {kind: OTHERS, severity: URGENT}");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 1);
}

static void a_medical_risk_is_the_pcps_within_a_business_day_and_theirs_to_assess(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: MEDICAL, severity: URGENT}");
    Handoff__V1__Task *seen = task_of(TASK(CLINICAL_REVIEW));
    assert_int_equal(seen->owner, ROLE(PCP));
    assert_int_equal(seen->severity, SEVERITY(URGENT));
    assert_when(seen->due_at_ms, "2026-03-03 09:00");
    assert_string_equal(seen->subject->id, "family-practice");
    assess("outcome: DONE, by: family-practice, level: LOW");
    assert_string_equal(stands(RISK(MEDICAL)), "assessed");
    assert_non_null(task_of(TASK(CLINICAL_REVIEW))); /* the wound is still to be seen */
    tell("safety.cleared", "with: {kind: MEDICAL, clinician_id: family-practice}");
    assert_string_equal(stands(RISK(MEDICAL)), "none");
}

static void a_pcp_outside_the_program_is_not_alerted_and_given_no_task(void **state)
{
    (void)state;
    begin_known();
    ((struct rules *)(uintptr_t)w->rules)->policy.is_pcp_workforce = false;
    tell("safety.flag_raised", "with: {kind: MEDICAL, severity: URGENT}");
    assert_int_equal(told_escalations(ROLE(PCP), CLIMB(RAISED)), 0);
    assert_int_equal(told_escalations(ROLE(COORDINATOR), CLIMB(RAISED)), 1);
    assert_int_equal(task_of(TASK(CLINICAL_REVIEW))->owner, ROLE(COORDINATOR)); /* who tells as far as a release allows */
}

/* --- clearing and closing ---------------------------------------------------------------------------------------- */
static void only_a_clinician_of_the_roster_clears(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("safety.cleared", "with: {kind: SELF, clinician_id: coordinator-1}");
    assert_true(says("only a clinician"));
    tell("safety.cleared", "with: {kind: SELF, clinician_id: a-stranger}");
    tell("safety.cleared", "with: {kind: SELF, clinician_id: family-practice}"); /* medical only */
    assert_string_equal(stands(RISK(SELF)), "flagged");
    tell("episode.closed", "episode: ep1, with: {reason: OTHER, by: supervisor-1}");
    assert_true(says("safety flag"));
    tell("safety.cleared", "with: {kind: OTHERS, clinician_id: clinician-1}");
    assert_string_equal(stands(RISK(SELF)), "flagged");
    tell("safety.cleared", "with: {kind: SELF, clinician_id: clinician-1}");
    assert_string_equal(stands(RISK(SELF)), "none");
}

static void a_clearing_that_is_told_late_is_heard_unless_something_was_found_since(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    go("2026-03-02 15:00");
    assess("outcome: DONE, by: clinician-1, level: LOW");
    tell("safety.cleared", "occurred: 2026-03-02 14:00, with: {kind: SELF, clinician_id: clinician-1}");
    assert_string_equal(stands(RISK(SELF)), "none");
    assert_int_equal(w->record->n_flags, 0);
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("safety.cleared", "occurred: 2026-03-02 14:00, with: {kind: SELF, clinician_id: clinician-1}");
    assert_string_equal(stands(RISK(SELF)), "flagged");
}

static void a_flag_refuses_closing_and_a_clinician_may_decide_otherwise_once_it_is_assessed(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("episode.closed", "with: {reason: LOST, by: supervisor-1, clinician_id: clinician-1, note: why}");
    assert_true(says("assessed or cleared"));
    assess("outcome: DONE, by: clinician-1, level: LOW");
    tell("episode.closed", "with: {reason: LOST, by: supervisor-1, note: why}");
    assert_true(says("a clinician of the roster may decide otherwise"));
    tell("episode.closed", "with: {reason: LOST, by: supervisor-1, clinician_id: coordinator-1, note: why}");
    tell("episode.closed", "with: {reason: LOST, by: supervisor-1, clinician_id: clinician-1}");
    assert_string_equal(state_of("referral"), "requested");
    tell("episode.closed", "with: {reason: LOST, by: supervisor-1, clinician_id: clinician-1, note: why}");
    assert_string_equal(state_of("referral"), "closing");
    assert_string_equal(stands(RISK(SELF)), "assessed");
    char rest[128];
    snprintf(rest, sizeof rest, "episode: ep%u, with: {reason: OTHER, by: supervisor-1, clinician_id: clinician-1, note: why}",
             episode_of("safety")->number);
    tell("episode.closed", rest);
    assert_true(says("ends when a clinician clears"));
    assert_string_equal(stands(RISK(SELF)), "assessed");
}

static void a_flag_refuses_a_lower_level_of_care_unless_a_clinician_decides_so_once_it_is_assessed(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("referral.updated", "referral: ref-1, with: {level_of_care: PCP}");
    assert_true(says("steps down"));
    assert_int_equal(episode_of("referral")->level_of_care, HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT);
    tell("referral.updated", "referral: ref-1, with: {level_of_care: INTENSIVE_OUTPATIENT}");
    assert_int_equal(episode_of("referral")->level_of_care, HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_INTENSIVE_OUTPATIENT);
    tell("referral.updated", "referral: ref-1, with: {level_of_care: OUTPATIENT, clinician_id: clinician-1, reason: why}");
    assert_true(says("steps down"));
    assess("outcome: DONE, by: clinician-1, level: LOW");
    tell("referral.updated", "referral: ref-1, with: {level_of_care: OUTPATIENT, clinician_id: clinician-1}");
    assert_true(says("steps down"));
    tell("referral.updated", "referral: ref-1, with: {level_of_care: OUTPATIENT, clinician_id: clinician-1, reason: why}");
    assert_int_equal(episode_of("referral")->level_of_care, HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT);
    tell("referral.updated", "referral: ref-1, with: {level_of_care: INTENSIVE_OUTPATIENT}");
    tell("safety.cleared", "with: {kind: SELF, clinician_id: clinician-1}");
    tell("referral.updated", "referral: ref-1, with: {level_of_care: OUTPATIENT}");
    assert_int_equal(episode_of("referral")->level_of_care, HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT);
}

static void no_human_opens_a_safety_episode_without_a_finding(void **state)
{
    (void)state;
    begin_known();
    tell("episode.opened", "with: {pathway: safety, by: coordinator-1}");
    assert_true(says("raise a safety flag instead"));
    assert_int_equal(w->record->n_episodes, 0);
}

/* --- while it lasts ---------------------------------------------------------------------------------------------- */
static void timers_that_run_or_start_while_a_flag_is_open_are_urgent_also_when_it_is_raised_again(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    assert_when(timer_of("acknowledge")->due_at_ms, "2026-03-04 09:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_when(timer_of("acknowledge")->due_at_ms, "2026-03-02 13:00"); /* 4 business hours */
    assess("outcome: DONE, by: clinician-1, level: LOW");
    tell("referral.received", "referral: ref-1, with: {}");
    assert_when(timer_of("accept")->due_at_ms, "2026-03-03 09:00"); /* started while assessed */
    tell("safety.cleared", "with: {kind: SELF, clinician_id: clinician-1}");
    tell("referral.accepted", "referral: ref-1, with: {}");
    assert_when(timer_of("intake")->due_at_ms, "2026-03-09 09:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_when(timer_of("intake")->due_at_ms, "2026-03-03 09:00");
}

/* --- death ------------------------------------------------------------------------------------------------------- */
static void a_death_that_is_reported_stops_the_check_and_one_that_is_refuted_asks_for_it_again(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("patient.deceased", "with: {}");
    assert_null(task_of(TASK(SAFETY_CHECK)));
    assert_null(task_of(TASK(CONFIRM_CRISIS_NUMBERS)));
    assert_true(timer_of("unassessed")->is_paused);
    answer("task.completed", TASK(CONFIRM_DEATH), "outcome: NOT_POSSIBLE, by: supervisor-1");
    assert_non_null(task_of(TASK(CONFIRM_DEATH)));
    answer("task.completed", TASK(CONFIRM_DEATH), "outcome: REFUTED, by: supervisor-1");
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    assert_false(timer_of("unassessed")->is_paused);
    assert_string_equal(stands(RISK(SELF)), "flagged");
}

static void a_confirmed_death_asks_for_postvention_and_ends_the_episode_after_it_and_the_report(void **state)
{
    (void)state;
    begin_known();
    tell("safety.flag_raised", "with: {kind: ABUSE_OR_NEGLECT, severity: URGENT, raised_by: clinician-1}");
    tell("patient.deceased", "with: {}");
    answer("task.completed", TASK(CONFIRM_DEATH), "outcome: DONE, by: supervisor-1");
    assert_string_equal(stands(RISK(ABUSE_OR_NEGLECT)), "postvention");
    assert_int_equal(w->record->n_escalations, 0);
    tell("safety.flag_raised", "with: {kind: ABUSE_OR_NEGLECT, severity: URGENT}");
    assert_string_equal(stands(RISK(ABUSE_OR_NEGLECT)), "postvention");
    answer("task.completed", TASK(POSTVENTION_REVIEW), "outcome: DONE, by: supervisor-1");
    assert_string_equal(stands(RISK(ABUSE_OR_NEGLECT)), "postvention"); /* the report is still to be made */
    answer("task.completed", TASK(MANDATED_REPORT), "outcome: DONE, by: clinician-1");
    assert_string_equal(stands(RISK(ABUSE_OR_NEGLECT)), "none");
    assert_int_equal(w->record->n_tasks, 0);
}

/* Senders stamp what they look at on whatever they send. A fact of the patient is everybody's all the same. */
static void a_clearing_is_heard_whichever_episode_its_sender_names(void **state)
{
    begin_known();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT, raised_by: a-nurse}");
    request("ref-1", "riverside");
    tell("safety.cleared", "episode: ep2, referral: ref-1, with: {kind: SELF, clinician_id: clinician-1}");
    assert_int_equal(w->record->n_flags, 0);
    assert_string_equal(stands(RISK(SELF)), "none");
    (void)state;
}

static void a_death_is_heard_by_all_and_so_is_the_answer_whichever_episode_or_referral_is_named(void **state)
{
    begin_known();
    grant_to("riverside");
    request("ref-1", "riverside");
    request("ref-2", "riverside");
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    size_t episodes = w->record->n_episodes - episodes_on("release-of-information");
    tell("patient.deceased", "episode: ep2, referral: ref-1, with: {reported_by: a-registry}");
    size_t held = 0;
    for (size_t i = 0; i < w->record->n_episodes; i++) held += w->record->episodes[i]->n_holds > 0;
    assert_int_equal(held, episodes);
    char rest[128];
    snprintf(rest, sizeof rest, "task: t%u, episode: ep2, with: {outcome: REFUTED, by: supervisor-1}", task_of(TASK(CONFIRM_DEATH))->number);
    tell("task.completed", rest);
    assert_false(w->record->is_deceased);
    for (size_t i = 0; i < w->record->n_episodes; i++) assert_int_equal(w->record->episodes[i]->n_holds, 0);
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    (void)state;
}

static void what_is_found_under_the_report_of_a_death_is_checked_once_that_is_refuted(void **state)
{
    begin_known();
    request("ref-1", "riverside");
    tell("patient.deceased", "with: {reported_by: a-registry}");
    tell("safety.flag_raised", "with: {kind: OTHERS, severity: EMERGENT, raised_by: a-nurse}");
    answer("task.completed", TASK(CONFIRM_DEATH), "outcome: REFUTED, by: supervisor-1");
    assert_string_equal(stands(RISK(OTHERS)), "flagged");
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    (void)state;
}

static void an_urgent_alert_climbs_by_the_clock_at_night_and_on_a_weekend(void **state)
{
    static const char *const times[][2] = {
        {"2026-03-02 22:00", "2026-03-03 22:00"}, /* Monday night: no working day in between */
        {"2026-03-07 10:00", "2026-03-08 11:00"}, /* Saturday; that night the clocks go forward */
        {"2026-03-06 17:30", "2026-03-07 17:30"}, /* Friday evening */
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        begin(SHIPPED);
        register_child();
        go(times[i][0]);
        tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
        assert_int_equal(w->record->n_escalations, 1);
        assert_when(w->record->escalations[0]->next_at_ms, times[i][1]);
        char rest[64];
        snprintf(rest, sizeof rest, "escalation: e%u, with: {by: supervisor-1}", w->record->escalations[0]->number);
        tell("escalation.acknowledged", rest);
        assert_when(w->record->escalations[0]->next_at_ms, times[i][1]);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_screening_is_as_grave_as_its_level_or_its_items_whichever_is_higher),
        SENTENCE(a_flag_that_somebody_raises_is_never_less_than_urgent),
        SENTENCE(a_finding_that_comes_late_acts_at_once),
        SENTENCE(two_kinds_of_risk_are_two_episodes_with_one_check_and_each_is_cleared_by_itself),
        SENTENCE(a_higher_finding_alerts_anew_and_brings_the_check_forward),
        SENTENCE(what_was_assessed_is_flagged_again_only_by_what_is_graver_than_the_clinicians_level),
        SENTENCE(the_alert_climbs_at_thirty_minutes_and_not_at_twenty_nine),
        SENTENCE(anybodys_acknowledgement_counts_for_all_and_the_climb_resumes_after_one_rungs_time),
        SENTENCE(an_urgent_alert_is_told_once_a_business_day),
        SENTENCE(a_second_on_call_that_a_site_does_not_have_is_the_first_who_holds_it_out_of_hours_already),
        SENTENCE(reminders_that_a_standstill_left_behind_are_one_climb),
        SENTENCE(of_an_unknown_patient_the_supervisor_hears_and_out_of_hours_on_call_each_once),
        SENTENCE(a_parked_finding_still_reaches_a_human),
        SENTENCE(an_urgent_check_is_due_the_same_day_but_has_at_least_four_hours),
        SENTENCE(an_emergent_check_is_due_in_an_hour_of_clock_time_on_the_night_that_loses_one),
        SENTENCE(only_a_clinician_completes_a_check_and_only_with_a_level),
        SENTENCE(a_check_without_an_open_flag_is_completed_by_anybody),
        SENTENCE(a_check_that_reaches_nobody_is_tried_again_and_never_given_up),
        SENTENCE(the_review_is_on_the_stated_date_or_by_level_and_a_date_too_far_off_is_brought_forward),
        SENTENCE(an_assessed_risk_is_reviewed_again_and_again_until_a_clinician_clears_it),
        SENTENCE(a_flag_that_nobody_assesses_is_asked_about_every_day),
        SENTENCE(abuse_or_neglect_is_reported_by_whoever_saw_it_and_the_family_is_not_called),
        SENTENCE(nothing_about_abuse_or_neglect_leaves_whatever_pathway_and_release_there_is),
        SENTENCE(a_medical_risk_is_the_pcps_within_a_business_day_and_theirs_to_assess),
        SENTENCE(a_pcp_outside_the_program_is_not_alerted_and_given_no_task),
        SENTENCE(only_a_clinician_of_the_roster_clears),
        SENTENCE(a_clearing_that_is_told_late_is_heard_unless_something_was_found_since),
        SENTENCE(a_flag_refuses_closing_and_a_clinician_may_decide_otherwise_once_it_is_assessed),
        SENTENCE(a_flag_refuses_a_lower_level_of_care_unless_a_clinician_decides_so_once_it_is_assessed),
        SENTENCE(no_human_opens_a_safety_episode_without_a_finding),
        SENTENCE(timers_that_run_or_start_while_a_flag_is_open_are_urgent_also_when_it_is_raised_again),
        SENTENCE(a_death_that_is_reported_stops_the_check_and_one_that_is_refuted_asks_for_it_again),
        SENTENCE(a_confirmed_death_asks_for_postvention_and_ends_the_episode_after_it_and_the_report),
        SENTENCE(a_clearing_is_heard_whichever_episode_its_sender_names),
        SENTENCE(a_death_is_heard_by_all_and_so_is_the_answer_whichever_episode_or_referral_is_named),
        SENTENCE(what_is_found_under_the_report_of_a_death_is_checked_once_that_is_refuted),
        SENTENCE(an_urgent_alert_climbs_by_the_clock_at_night_and_on_a_weekend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
