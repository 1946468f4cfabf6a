/* The days of a transition: local dates, whatever the hour; what arrives late, or in another order than it happened. */
#include "unit/core_world.h"

static void discharge_at(const char *time, const char *class)
{
    char rest[256];
    snprintf(rest, sizeof rest, "with: {encounter_class: %s, disposition: HOME, facility_id: memorial}", class);
    go(time);
    tell("encounter.discharged", rest);
}
static void keep_visit(const char *id, const char *starts)
{
    char rest[256];
    snprintf(rest, sizeof rest, "appointment: %s, with: {starts_at: %s, agency_id: riverside, kind: VISIT}", id, starts);
    tell("appointment.booked", rest);
    go(starts);
    snprintf(rest, sizeof rest, "appointment: %s", id);
    tell("appointment.fulfilled", rest);
}
static void begin_discharged(const char *time, const char *class)
{
    begin(SHIPPED);
    register_child(); /* born 2016-05-01 */
    discharge_at(time, class);
    assert_string_equal(state_of("transition"), "discharged");
}

/* --- days ------------------------------------------------------------------------------------------------------ */
static void day_seven_ends_at_midnight_whatever_the_hour_of_the_discharge(void **state)
{
    (void)state;
    begin_discharged("2026-03-10 00:00", "INPATIENT");
    assert_when(timer_of("follow-up-7")->due_at_ms, "2026-03-18 00:00");
    begin_discharged("2026-03-10 23:59", "INPATIENT");
    assert_when(timer_of("follow-up-7")->due_at_ms, "2026-03-18 00:00");
    go("2026-03-17 23:59");
    assert_string_equal(state_of("transition"), "discharged");
    go("2026-03-18 00:00");
    assert_string_equal(state_of("transition"), "unseen");
}

static void days_are_local_dates_across_daylight_saving(void **state)
{
    (void)state;
    begin_discharged("2026-03-05 23:30", "INPATIENT"); /* clocks go forward on the 8th: seven days are 167 hours */
    assert_when(timer_of("follow-up-7")->due_at_ms, "2026-03-13 00:00");
    begin_discharged("2026-10-30 23:30", "INPATIENT"); /* clocks go back on 1 November */
    assert_when(timer_of("follow-up-7")->due_at_ms, "2026-11-07 00:00");
    keep_visit("v1", "2026-11-06 23:30");
    assert_string_equal(state_of("transition"), "seen");
    assert_when(timer_of("follow-up-30")->due_at_ms, "2026-11-30 00:00");
}

static void a_leap_day_is_a_day(void **state)
{
    (void)state;
    begin_discharged("2028-02-26 10:00", "INPATIENT");
    assert_when(timer_of("follow-up-7")->due_at_ms, "2028-03-05 00:00");
    keep_visit("v1", "2028-02-29 10:00");
    assert_string_equal(state_of("transition"), "seen");
    assert_when(timer_of("follow-up-30")->due_at_ms, "2028-03-28 00:00");
}

static void the_first_day_counts_after_an_emergency_department_alone(void **state)
{
    (void)state;
    begin_discharged("2026-03-10 09:00", "INPATIENT");
    keep_visit("v1", "2026-03-10 15:00");
    assert_string_equal(state_of("transition"), "discharged");
    keep_visit("v2", "2026-03-11 08:00");
    assert_string_equal(state_of("transition"), "seen");
    begin_discharged("2026-03-10 09:00", "EMERGENCY");
    keep_visit("v1", "2026-03-10 15:00");
    assert_string_equal(state_of("transition"), "seen");
}

static void a_visit_in_the_morning_before_the_discharge_is_none_after_it(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    keep_visit("v1", "2026-03-10 08:00");
    discharge_at("2026-03-10 09:00", "EMERGENCY");
    assert_string_equal(state_of("transition"), "discharged");
}

static void a_medical_visit_is_no_follow_up(void **state)
{
    (void)state;
    begin_discharged("2026-03-10 09:00", "INPATIENT");
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-12 09:00, kind: MEDICAL}");
    go("2026-03-12 10:00");
    tell("appointment.fulfilled", "appointment: v1");
    assert_string_equal(state_of("transition"), "discharged");
    assert_non_null(task_of(TASK(BOOK_FOLLOW_UP)));
}

static void day_seven_escalates_from_the_sixth_birthday_on(void **state)
{
    (void)state;
    static const struct {
        const char *born;
        size_t raised;
    } cases[] = {{"2020-03-10", 1}, {"2020-03-11", 0}, {"2020-03-14", 0}};
    for (size_t i = 0; i < 3; i++) {
        char rest[64];
        begin(SHIPPED);
        snprintf(rest, sizeof rest, "with: {birth_date: %s}", cases[i].born);
        tell("patient.registered", rest);
        discharge_at("2026-03-10 09:00", "INPATIENT");
        tell("task.completed", "task: t1, with: {outcome: REACHED, by: coordinator-1}");
        tell("task.completed", "task: t2, with: {outcome: DONE, by: clinician-1}");
        go("2026-03-11 09:01");
        tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-17 09:00, kind: VISIT}");
        go("2026-03-17 23:00");
        forget();
        go("2026-03-18 00:00");
        assert_string_equal(state_of("transition"), "unseen");
        assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), cases[i].raised);
    }
}

/* --- readmission ----------------------------------------------------------------------------------------------- */
static void a_readmission_on_day_thirty_restarts_and_on_day_thirty_one_interrupts_the_review(void **state)
{
    (void)state;
    begin_discharged("2026-03-10 09:00", "INPATIENT");
    go("2026-04-09 23:00");
    assert_string_equal(state_of("transition"), "unseen");
    tell("encounter.admitted", "with: {encounter_class: INPATIENT}");
    assert_string_equal(state_of("transition"), "admitted");
    assert_int_equal(told_tasks(TASK(CLOSE_TRANSITION), CHANGE(OPENED)), 0);
    begin_discharged("2026-03-10 09:00", "INPATIENT");
    go("2026-04-10 00:00");
    assert_string_equal(state_of("transition"), "review");
    tell("encounter.admitted", "with: {encounter_class: INPATIENT}");
    assert_string_equal(state_of("transition"), "admitted");
    assert_null(task_of(TASK(CLOSE_TRANSITION)));
}

static void an_admission_that_is_told_after_a_later_call_still_counts(void **state)
{
    (void)state;
    begin_discharged("2026-03-10 09:00", "INPATIENT");
    go("2026-03-12 10:00");
    tell("contact.attempted", "with: {caller: COORDINATOR, callee: GUARDIAN, purpose: FOLLOW_UP, outcome: REACHED}");
    assert_string_equal(state_of("transition"), "contacted");
    go("2026-03-12 11:00");
    tell("encounter.admitted", "occurred: 2026-03-12 08:00, with: {encounter_class: INPATIENT}");
    assert_string_equal(state_of("transition"), "admitted");
}

static void a_discharge_that_a_later_admission_overtook_changes_nothing(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    go("2026-03-12 10:00");
    tell("encounter.admitted", "with: {encounter_class: INPATIENT}");
    forget();
    assert_int_equal(tell("encounter.discharged", "occurred: 2026-03-11 10:00, with: {encounter_class: INPATIENT, disposition: HOME}"),
                     VERDICT(OVERTAKEN));
    assert_string_equal(state_of("transition"), "admitted");
    assert_true(w->record->is_admitted);
    assert_int_equal(w->told_count, 0);
}

static void a_call_before_the_discharge_is_no_contact_after_it(void **state)
{
    (void)state;
    begin_discharged("2026-03-10 09:00", "INPATIENT");
    tell("contact.attempted", "occurred: 2026-03-10 08:00, with: {caller: COORDINATOR, callee: GUARDIAN, purpose: FOLLOW_UP, outcome: REACHED}");
    assert_string_equal(state_of("transition"), "discharged");
}

/* --- late ------------------------------------------------------------------------------------------------------ */
static void a_discharge_told_on_the_same_day_keeps_its_times(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    go("2026-03-10 15:00");
    tell("encounter.discharged", "occurred: 2026-03-10 09:00, with: {encounter_class: INPATIENT, disposition: HOME}");
    assert_when(task_of(TASK(POST_DISCHARGE_CONTACT))->due_at_ms, "2026-03-11 09:00");
    assert_when(timer_of("contact")->due_at_ms, "2026-03-11 09:00");
}

static void a_discharge_told_on_day_five_asks_for_today_and_skips_what_is_past(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    go("2026-03-16 10:00"); /* a Monday; the discharge was on Wednesday */
    forget();
    tell("encounter.discharged", "occurred: 2026-03-11 09:00, with: {encounter_class: INPATIENT, disposition: AGAINST_ADVICE}");
    wake();
    assert_int_equal(told_tasks(0, CHANGE(OPENED)), 2); /* the call and the medicines are one step */
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_ESCALATION), 0);
    assert_when(task_of(TASK(POST_DISCHARGE_CONTACT))->due_at_ms, "2026-03-16 23:59");
    assert_when(task_of(TASK(MEDICATION_RECONCILE))->due_at_ms, "2026-03-16 23:59");
    assert_when(timer_of("contact")->due_at_ms, "2026-03-17 09:00");      /* the third step */
    assert_when(timer_of("booked-check")->due_at_ms, "2026-03-17 09:00"); /* each business day */
    assert_when(timer_of("follow-up-7")->due_at_ms, "2026-03-19 00:00");
}

static void what_passed_before_a_late_discharge_arrived_is_recorded(void **state)
{
    (void)state;
    size_t passed = 0;
    begin(SHIPPED);
    register_child();
    go("2026-03-16 10:00");
    tell("encounter.discharged", "occurred: 2026-03-11 09:00, with: {encounter_class: INPATIENT, disposition: HOME}");
    for (size_t i = 0; i < w->out.journaled.n_applied; i++)
        passed += w->out.journaled.applied[i]->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_PASSED;
    assert_int_equal(passed, 5); /* contact at 24 and 72 hours; the booked check of Thursday, Friday and Monday morning */
}

static void a_voicemail_that_is_told_late_is_called_back_and_does_not_begin_with_the_supervisor(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    go("2026-03-10 10:00");
    forget();
    tell("contact.attempted", "occurred: 2026-03-03 10:00, with: {caller: GUARDIAN, callee: AGENCY, purpose: INTAKE, outcome: VOICEMAIL}");
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(OPENED)), 1);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 0);
    assert_when(task_of(TASK(CALL_FAMILY))->due_at_ms, "2026-03-11 08:00"); /* the next business morning */
    assert_when(timer_of("call-back")->due_at_ms, "2026-03-12 10:00");
}

static void an_event_decades_late_does_not_walk_through_every_firing(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    forget();
    tell("encounter.discharged", "occurred: 2001-03-11 09:00, with: {encounter_class: INPATIENT, disposition: HOME}");
    assert_int_equal(w->record->parked, 0);
    wake();
    assert_int_equal(told_tasks(TASK(POST_DISCHARGE_CONTACT), CHANGE(OPENED)), 1);
    assert_int_equal(w->record->parked, 0);
}

/* --- for whom nobody coordinates ------------------------------------------------------------------------------- */
static void a_discharge_of_an_unknown_patient_out_of_hours_tells_supervisor_and_on_call_once(void **state)
{
    (void)state;
    begin(SHIPPED);
    go("2026-03-14 22:00");
    tell("encounter.discharged", "with: {encounter_class: EMERGENCY, disposition: HOME}");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 1);
    assert_int_equal(told_tasks(TASK(POST_DISCHARGE_CONTACT), CHANGE(OPENED)), 1);
    assert_int_equal(told_tasks(TASK(REVIEW_EVENT), CHANGE(OPENED)), 0);
}

static void a_planned_end_waits_for_the_assessment_and_then_for_a_clinicians_decision(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("service.discharge_notice", "with: {agency_id: riverside, is_planned: true}");
    assert_string_equal(state_of("transition"), "blocked");
    assert_non_null(strstr(w->out.journaled.sentence, "steps down"));
    char rest[64];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE, by: clinician-1, level: LOW}", task_of(TASK(SAFETY_CHECK))->number);
    tell("task.completed", rest);
    assert_string_equal(state_of("transition"), "blocked");
    tell("safety.cleared", "with: {kind: SELF, clinician_id: clinician-1, reason: no risk}");
    assert_string_equal(state_of("transition"), "stepping-down");
}

/* Else the calls stay silent and nobody ever says whether the patient lives. */
static void a_death_that_nobody_could_confirm_is_asked_about_again_and_refuted_the_contact_is_due(void **state)
{
    char rest[96];
    begin(SHIPPED);
    register_child();
    tell("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: HOME}");
    tell("patient.deceased", "with: {reported_by: a-registry}");
    assert_null(task_of(TASK(POST_DISCHARGE_CONTACT)));
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: NOT_POSSIBLE, by: supervisor-1}", task_of(TASK(CONFIRM_DEATH))->number);
    tell("task.completed", rest);
    assert_true(w->record->is_deceased);
    assert_int_equal(w->record->episodes[0]->n_holds, 1);
    assert_non_null(task_of(TASK(CONFIRM_DEATH)));
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: REFUTED, by: supervisor-1}", task_of(TASK(CONFIRM_DEATH))->number);
    tell("task.completed", rest);
    assert_int_equal(w->record->episodes[0]->n_holds, 0);
    assert_non_null(task_of(TASK(POST_DISCHARGE_CONTACT)));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_death_that_nobody_could_confirm_is_asked_about_again_and_refuted_the_contact_is_due),
        SENTENCE(day_seven_ends_at_midnight_whatever_the_hour_of_the_discharge),
        SENTENCE(days_are_local_dates_across_daylight_saving),
        SENTENCE(a_leap_day_is_a_day),
        SENTENCE(the_first_day_counts_after_an_emergency_department_alone),
        SENTENCE(a_visit_in_the_morning_before_the_discharge_is_none_after_it),
        SENTENCE(a_medical_visit_is_no_follow_up),
        SENTENCE(day_seven_escalates_from_the_sixth_birthday_on),
        SENTENCE(a_readmission_on_day_thirty_restarts_and_on_day_thirty_one_interrupts_the_review),
        SENTENCE(an_admission_that_is_told_after_a_later_call_still_counts),
        SENTENCE(a_discharge_that_a_later_admission_overtook_changes_nothing),
        SENTENCE(a_call_before_the_discharge_is_no_contact_after_it),
        SENTENCE(a_discharge_told_on_the_same_day_keeps_its_times),
        SENTENCE(a_discharge_told_on_day_five_asks_for_today_and_skips_what_is_past),
        SENTENCE(what_passed_before_a_late_discharge_arrived_is_recorded),
        SENTENCE(a_voicemail_that_is_told_late_is_called_back_and_does_not_begin_with_the_supervisor),
        SENTENCE(an_event_decades_late_does_not_walk_through_every_firing),
        SENTENCE(a_discharge_of_an_unknown_patient_out_of_hours_tells_supervisor_and_on_call_once),
        SENTENCE(a_planned_end_waits_for_the_assessment_and_then_for_a_clinicians_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
