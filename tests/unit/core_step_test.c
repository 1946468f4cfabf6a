/* One input from end to end: late and overtaken events, unknown patients and things, repeats, parking, purity. */
#include "unit/core_world.h"

static Handoff__V1__Appointment *visit_of(const char *id)
{
    for (size_t i = 0; i < w->record->n_appointments; i++)
        if (strcmp(w->record->appointments[i]->id, id) == 0) return w->record->appointments[i];
    return NULL;
}
#define VISIT(NAME) HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_##NAME

static void begin_referred(void)
{
    begin(SHIPPED);
    refer();
    forget();
}

/* --- late and overtaken ------------------------------------------------------------------------------------------ */
static void a_word_on_the_referral_that_a_later_one_overtook_changes_nothing(void **state)
{
    (void)state;
    begin_referred();
    go("2026-03-05 10:00");
    tell("referral.accepted", "referral: ref-1, with: {}");
    forget();
    assert_int_equal(tell("referral.rejected", "referral: ref-1, occurred: 2026-03-04 10:00, with: {reason: LEVEL}"), VERDICT(OVERTAKEN));
    assert_int_equal(tell("referral.waitlisted", "referral: ref-1, occurred: 2026-03-04 10:00, with: {}"), VERDICT(OVERTAKEN));
    assert_string_equal(state_of("referral"), "accepted");
    assert_int_equal(w->told_count, 0);
}

static void a_complaint_a_death_and_an_admission_are_heard_however_late(void **state)
{
    (void)state;
    begin_referred();
    go("2026-03-05 10:00");
    tell("referral.accepted", "referral: ref-1, with: {}");
    tell("satisfaction.reported", "occurred: 2026-03-03 10:00, with: {rating: NEGATIVE}");
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    tell("patient.deceased", "occurred: 2026-03-03 10:00, with: {}");
    assert_non_null(task_of(TASK(CONFIRM_DEATH)));
    assert_true(w->record->is_deceased);
}

static void a_late_word_on_a_closed_referral_is_overtaken_and_a_new_one_is_reviewed(void **state)
{
    (void)state;
    begin_referred();
    go("2026-03-05 10:00");
    tell("referral.cancelled", "referral: ref-1, with: {}");
    char rest[64];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE}", task_of(TASK(CLOSE_LOOP))->number);
    tell("task.completed", rest);
    assert_string_equal(state_of("referral"), "none");
    go("2026-03-06 10:00");
    assert_int_equal(tell("referral.accepted", "referral: ref-1, occurred: 2026-03-04 10:00, with: {}"), VERDICT(OVERTAKEN));
    assert_null(task_of(TASK(REVIEW_EVENT)));
    assert_int_equal(tell("referral.accepted", "referral: ref-1, with: {}"), VERDICT(REVIEW));
    assert_non_null(task_of(TASK(REVIEW_EVENT)));
    assert_int_equal(tell("referral.requested", "referral: ref-1, occurred: 2026-03-04 10:00, with: {priority: ROUTINE, level_of_care: OUTPATIENT, referrer: PCP}"),
                     VERDICT(OVERTAKEN));
    assert_string_equal(state_of("referral"), "none");
}

static void each_visit_has_its_own_order(void **state)
{
    (void)state;
    begin_referred();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-05 15:00}");
    tell("appointment.booked", "appointment: v2, with: {starts_at: 2026-03-12 15:00}");
    go("2026-03-06 10:00");
    tell("appointment.fulfilled", "appointment: v1, occurred: 2026-03-05 16:00, with: {}");
    assert_int_equal(tell("appointment.no_show", "appointment: v1, occurred: 2026-03-05 15:15, with: {}"), VERDICT(OVERTAKEN));
    assert_int_equal(visit_of("v1")->status, VISIT(FULFILLED));
    assert_int_equal(tell("appointment.cancelled", "appointment: v2, occurred: 2026-03-04 15:15, with: {by: GUARDIAN}"), VERDICT(APPLIED));
    assert_int_equal(visit_of("v2")->status, VISIT(CANCELLED));
}

static void a_miss_of_a_visit_that_we_never_heard_of_still_counts(void **state)
{
    (void)state;
    begin_referred();
    tell("appointment.no_show", "appointment: unknown-1, with: {}");
    assert_int_equal(visit_of("unknown-1")->status, VISIT(NO_SHOW));
    assert_non_null(task_of(TASK(OUTREACH_NO_SHOW)));
}

static void months_of_visits_booked_ahead_fit_into_a_record(void **state)
{
    (void)state;
    begin_referred();
    for (int i = 0; i < 60; i++) {
        char rest[128];
        snprintf(rest, sizeof rest, "appointment: v%d, with: {starts_at: 2026-%02d-%02d 15:00}", i, 4 + i / 20, 1 + i % 20);
        tell("appointment.booked", rest);
    }
    assert_int_equal(w->record->parked, 0);
    assert_int_equal(w->record->n_appointments, 60);
}

/* --- unknown patients, unusable events ----------------------------------------------------------------------------- */
static void a_loop_event_for_an_unknown_patient_tells_its_source_and_asks_nothing_of_the_patient(void **state)
{
    (void)state;
    begin(SHIPPED);
    assert_int_equal(tell("referral.accepted", "referral: ref-9, with: {}"), VERDICT(REVIEW));
    assert_true(w->out.tells_source);
    assert_true(w->out.is_new);
    assert_int_equal(w->record->n_tasks, 0);
}

static void the_source_of_unknown_patients_gets_one_task_and_a_count(void **state)
{
    (void)state;
    begin(SHIPPED);
    for (int i = 0; i < 3; i++)
        core_step((struct step_input){.kind = STEP_UNKNOWN_SUBJECT, .subject = SUBJECT_IS_SOURCE, .subject_name = "ward"});
    assert_int_equal(w->record->unknown_events, 3);
    assert_int_equal(open_tasks(TASK(REVIEW_EVENT)), 1);
    assert_int_equal(task_of(TASK(REVIEW_EVENT))->owner, ROLE(SUPERVISOR));
    assert_int_equal(w->told_count, 1);
}

static void a_review_of_a_source_names_the_first_and_the_newest_event_and_whom_they_were_for(void **state)
{
    (void)state;
    begin(SHIPPED);
    static const char *const patients[] = {"mary", "david", "sarah"};
    for (int i = 0; i < 3; i++) {
        Handoff__V1__UnknownSubject unknown = HANDOFF__V1__UNKNOWN_SUBJECT__INIT;
        unknown.patient_id = (char *)(uintptr_t)patients[i];
        unknown.event = (char *)(uintptr_t) "referral.accepted";
        core_step((struct step_input){
            .kind = STEP_UNKNOWN_SUBJECT, .subject = SUBJECT_IS_SOURCE, .subject_name = "ward", .unknown = &unknown});
    }
    const Handoff__V1__Task *t = task_of(TASK(REVIEW_EVENT));
    assert_int_equal(t->unused_count, 3);
    assert_int_equal(t->n_unused, 2);
    assert_string_equal(t->unused[0]->patient_id, "mary");
    assert_string_equal(t->unused[1]->patient_id, "sarah");
    assert_string_equal(t->unused[1]->source, "ward");
    assert_string_equal(t->unused[1]->type, "referral.accepted");
    assert_int_equal(w->told_count, 1);
}

static void a_safety_finding_for_an_unknown_patient_alerts_the_supervisor_and_out_of_hours_on_call(void **state)
{
    (void)state;
    begin(SHIPPED);
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 0);
    assert_int_equal(task_of(TASK(SAFETY_CHECK))->owner, ROLE(SUPERVISOR));
    begin(SHIPPED);
    go("2026-03-07 03:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 1);
    assert_when(task_of(TASK(SAFETY_CHECK))->due_at_ms, "2026-03-07 04:00");
}

static void a_discharge_of_an_unknown_patient_alerts_the_supervisor_even_when_a_pathway_takes_it(void **state)
{
    (void)state;
    begin(SHIPPED);
    tell("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: HOME}");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_non_null(task_of(TASK(POST_DISCHARGE_CONTACT)));
    assert_null(task_of(TASK(REVIEW_EVENT)));
    begin(SHIPPED);
    tell("service.discharge_notice", "with: {agency_id: riverside, is_planned: false}");
    assert_string_equal(state_of("service-continuity"), "advocating");
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
}

static void findings_without_number_are_told_once_and_never_park(void **state)
{
    (void)state;
    begin(SHIPPED);
    for (int i = 0; i < 300; i++) tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_ESCALATION), 1);
    assert_int_equal(w->record->parked, 0);
    assert_int_equal(w->record->n_escalations, 1);
}

static void a_screening_without_a_finding_alerts_nobody(void **state)
{
    (void)state;
    begin_referred();
    assert_int_equal(tell("screening.scored", "with: {instrument: PHQ_9, total: 4, items: [{item: 9, score: 0}]}"), VERDICT(RECORDED));
    assert_int_equal(w->told_count, 0);
    tell("screening.scored", "with: {instrument: PHQ_9, total: 4, items: [{item: 9, score: 1}]}");
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
}

static void unusable_events_of_a_patient_are_one_review_which_each_later_one_joins(void **state)
{
    (void)state;
    begin_referred();
    assert_int_equal(tell("referral.outcome_reported", "referral: ref-1, with: {outcome: GOAL_MET}"), VERDICT(REVIEW));
    assert_int_equal(tell("referral.outcome_reported", "referral: ref-1, with: {outcome: NOT_SEEN}"), VERDICT(REVIEW));
    assert_int_equal(open_tasks(TASK(REVIEW_EVENT)), 1);
    assert_int_equal(task_of(TASK(REVIEW_EVENT))->n_causes, 2);
    assert_int_equal(told_tasks(TASK(REVIEW_EVENT), CHANGE(JOINED)), 1);
    const Handoff__V1__Task *t = task_of(TASK(REVIEW_EVENT));
    assert_int_equal(t->unused_count, 2);
    assert_string_equal(t->unused[0]->type, "referral.outcome_reported");
    assert_true(t->unused[0]->id[0] && strcmp(t->unused[0]->id, t->unused[1]->id) != 0);
    assert_string_equal(t->unused[0]->patient_id, "");
}

static void a_visit_of_a_patient_without_a_referral_is_recorded_only(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    forget();
    assert_int_equal(tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-05 15:00}"), VERDICT(RECORDED));
    assert_int_equal(w->told_count, 0);
}

static void a_second_retraction_is_reviewed_as_well_as_the_first(void **state)
{
    (void)state;
    begin_referred();
    tell("event.retracted", "with: {retracted_source: a, retracted_id: x}");
    tell("event.retracted", "with: {retracted_source: a, retracted_id: y}");
    assert_int_equal(told_tasks(TASK(REVIEW_RETRACTION), CHANGE(OPENED)), 1);
    assert_int_equal(told_tasks(TASK(REVIEW_RETRACTION), CHANGE(JOINED)), 1);
}

/* --- humans on episodes ------------------------------------------------------------------------------------------ */
static void a_human_closes_the_episode_they_name_and_is_asked_which_when_several_are_open(void **state)
{
    (void)state;
    begin_referred();
    tell("service.discharge_notice", "with: {agency_id: lakeside, is_planned: false}");
    assert_int_equal(tell("episode.closed", "with: {reason: OTHER, by: coordinator-1, note: why}"), VERDICT(RECORDED));
    assert_non_null(strstr(w->out.journaled.sentence, "several episodes"));
    assert_string_equal(state_of("referral"), "requested");
    assert_string_equal(state_of("service-continuity"), "advocating");
    tell("episode.closed", "referral: ref-1, with: {reason: OTHER, by: coordinator-1, note: why}");
    assert_string_equal(state_of("referral"), "closing");
    assert_string_equal(state_of("service-continuity"), "advocating");
    tell("episode.closed", "episode: ep3, with: {reason: OTHER, by: coordinator-1, note: why}");
    assert_string_equal(state_of("service-continuity"), "none");
    tell("episode.closed", "episode: ep9, with: {reason: OTHER, by: coordinator-1}");
    assert_non_null(strstr(w->out.journaled.sentence, "no such open episode"));
}

static void an_open_safety_flag_refuses_closing_until_somebody_has_assessed_it(void **state)
{
    (void)state;
    begin_referred();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("episode.closed", "with: {reason: LOST, by: coordinator-1}");
    assert_non_null(strstr(w->out.journaled.sentence, "safety flag"));
    assert_string_equal(state_of("referral"), "requested");
    char rest[96];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE, by: clinician-1, level: LOW}", task_of(TASK(SAFETY_CHECK))->number);
    tell("task.completed", rest);
    assert_true(w->record->flags[0]->is_assessed);
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_false(w->record->flags[0]->is_assessed);
}

static void a_choice_of_agency_that_fits_several_referrals_is_looked_at_by_a_human(void **state)
{
    (void)state;
    begin(NULL);
    register_child();
    request("ref-1", "");
    request("ref-2", "");
    assert_int_equal(tell("agency.selected", "with: {agency_id: lakeside}"), VERDICT(REVIEW));
    assert_string_equal(w->record->episodes[0]->agency_id, "");
    assert_string_equal(w->record->episodes[1]->agency_id, "");
    tell("agency.selected", "referral: ref-2, with: {agency_id: lakeside}");
    assert_string_equal(w->record->episodes[0]->agency_id, "");
    assert_string_equal(w->record->episodes[w->record->n_episodes - 1]->referral_id, "ref-2");
    assert_string_equal(w->record->episodes[w->record->n_episodes - 1]->agency_id, "lakeside");
}

static void a_late_clearing_does_not_clear_a_newer_finding(void **state)
{
    (void)state;
    begin_referred();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    go("2026-03-04 09:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_int_equal(tell("safety.cleared", "occurred: 2026-03-03 09:00, with: {kind: SELF, clinician_id: clinician-1}"), VERDICT(OVERTAKEN));
    assert_int_equal(w->record->n_flags, 1);
    tell("safety.cleared", "with: {kind: SELF, clinician_id: clinician-1}");
    assert_int_equal(w->record->n_flags, 0);
}

static void answer_on_death(const char *outcome)
{
    char rest[64];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: %s}", task_of(TASK(CONFIRM_DEATH))->number, outcome);
    tell("task.completed", rest);
}

static void a_death_that_could_not_be_confirmed_is_asked_about_again(void **state)
{
    (void)state;
    begin_referred();
    tell("patient.deceased", "with: {}");
    uint32_t first = task_of(TASK(CONFIRM_DEATH))->number;
    answer_on_death("NOT_REACHED");
    assert_true(w->record->is_deceased);
    for (size_t i = 0; i < w->record->n_episodes; i++)
        assert_int_equal(w->record->episodes[i]->n_holds, is_on(w->record->episodes[i]->number, "referral"));
    assert_int_not_equal(task_of(TASK(CONFIRM_DEATH))->number, first);
}

static void a_death_that_is_refuted_lets_reminders_and_timers_go_on(void **state)
{
    (void)state;
    begin_referred();
    tell("patient.deceased", "with: {}");
    answer_on_death("REFUTED");
    assert_false(w->record->is_deceased);
    assert_int_equal(w->record->episodes[0]->n_holds, 0);
}

static void the_family_of_the_deceased_is_not_called_about_a_service(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("service.discharge_notice", "with: {agency_id: riverside, is_planned: false, effective_at: 2026-03-20 17:00}");
    assert_non_null(task_of(TASK(CALL_FAMILY)));
    tell("patient.deceased", "with: {}");
    assert_null(task_of(TASK(CALL_FAMILY)));
    assert_true(timer_of("advocacy")->is_paused);
    char rest[64];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE}", task_of(TASK(CONFIRM_DEATH))->number);
    tell("task.completed", rest);
    assert_string_equal(state_of("service-continuity"), "none");
    assert_true(w->record->is_deceased);
}

static void a_pathway_that_runs_is_not_opened_a_second_time_by_hand(void **state)
{
    (void)state;
    begin(SHIPPED);
    tell("episode.opened", "with: {pathway: service-continuity, by: coordinator-1}");
    assert_true(w->record->is_known);
    tell("episode.opened", "with: {pathway: service-continuity, by: coordinator-1}");
    assert_int_equal(w->record->n_episodes, 1);
    assert_non_null(strstr(w->out.journaled.sentence, "open already"));
    tell("episode.opened", "with: {pathway: nonsense, by: coordinator-1}");
    assert_non_null(strstr(w->out.journaled.sentence, "nothing was opened"));
}

static void a_human_sets_a_state_and_a_state_that_does_not_exist_is_said(void **state)
{
    (void)state;
    begin_referred();
    tell("episode.corrected", "episode: ep2, with: {state: accepted, by: supervisor-1}");
    assert_string_equal(state_of("referral"), "accepted");
    assert_null(timer_of("acknowledge"));
    assert_non_null(timer_of("intake"));
    tell("episode.corrected", "episode: ep2, with: {state: completed, by: supervisor-1}");
    assert_string_equal(state_of("referral"), "accepted");
    assert_non_null(strstr(w->out.journaled.sentence, "nothing changed"));
}

/* --- repeats ----------------------------------------------------------------------------------------------------- */
static enum seen seen(uint64_t hash, int64_t occurred_ms, uint64_t *ret_first)
{
    size_t at = 0;
    return step_seen(w->record, hash, occurred_ms, &at, ret_first);
}

static void the_newest_sixteen_events_are_remembered_with_their_sequence(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    for (int i = 0; i < 15; i++) tell("patient.updated", "with: {name: x}");
    uint64_t first = 0;
    assert_int_equal(seen(1, w->now_ms, &first), SEEN_BEFORE);
    assert_int_equal(first, 1);
    assert_int_equal(seen(16, w->now_ms, &first), SEEN_BEFORE);
    assert_int_equal(first, 16);
    assert_int_equal(seen(99, when("2026-03-02 09:01"), &first), SEEN_NEW);
}

/* Twenty bits of the hash are kept. */
static void of_two_with_hashes_alike_each_is_told(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child(); /* 1 */
    for (int i = 0; i < 3; i++) tell("patient.updated", "with: {name: x}");
    w->hash = (UINT64_C(7) << 20) + 2;
    tell("patient.updated", "with: {name: x}"); /* like 3 */
    size_t at = 0;
    uint64_t first = 0;
    assert_int_equal(step_seen(w->record, 3, w->now_ms, &at, &first), SEEN_BEFORE);
    assert_int_equal(first, 3);
    assert_int_equal(step_seen(w->record, 3, w->now_ms, &at, &first), SEEN_BEFORE);
    assert_int_equal(first, 5);
    assert_int_equal(step_seen(w->record, 3, w->now_ms, &at, &first), SEEN_NEW);
}

static void what_was_pushed_out_may_have_been_seen_and_what_is_newer_was_not(void **state)
{
    (void)state;
    begin(SHIPPED);
    for (int i = 0; i < 40; i++) {
        w->now_ms += MS_PER_MINUTE;
        tell("patient.updated", "with: {name: x}");
    }
    uint64_t first = 0;
    for (uint64_t hash = 1; hash <= 40; hash++) {
        int64_t occurred_ms = when("2026-03-02 09:00") + (int64_t)hash * MS_PER_MINUTE;
        assert_int_equal(seen(hash, occurred_ms, &first), hash > 24 ? SEEN_BEFORE : SEEN_MAYBE);
    }
    assert_int_equal(seen(99, w->now_ms, &first), SEEN_NEW);
    assert_int_equal(w->record->n_seen, 16);
}

/* --- parking ----------------------------------------------------------------------------------------------------- */
static const char *const silent = "pathway: silent\n"
                                  "subject: patient\n"
                                  "max_silence: 60d\n"
                                  "timers: {tick: {fires: [{wait: 1d, do: [{task: call-family}], target: mute}]}}\n"
                                  "opens: [{on: encounter.discharged, target: mute}]\n"
                                  "initial: open\n"
                                  "states:\n"
                                  "  open: {after: [tick], on: {satisfaction.reported: {target: mute}, task.completed: {do: []}, episode.closed: {target: closed}}}\n"
                                  "  mute: {on: {episode.closed: {target: closed}}}\n"
                                  "  closed: {final: true}\n";
static void begin_silent(void)
{
    begin(SHIPPED);
    core_load_unverified(silent);
    register_child();
    tell("episode.opened", "with: {pathway: silent, by: coordinator-1}");
    forget();
}

static void an_input_that_would_leave_an_episode_without_a_timer_is_parked_and_a_human_is_told(void **state)
{
    (void)state;
    begin_silent();
    assert_int_equal(tell("satisfaction.reported", "with: {rating: NEGATIVE}"), VERDICT(PARKED));
    assert_string_equal(state_of("silent"), "open");
    assert_non_null(timer_of("tick"));
    assert_int_equal(task_of(TASK(REVIEW_DEFECT))->owner, ROLE(SUPERVISOR));
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_PARKED), 1);
    assert_int_equal(w->record->parked, 1);
    assert_int_equal(w->record->n_timers, 2); /* its own and the safety net */
    uint64_t first;
    assert_int_equal(seen(w->hash, w->now_ms, &first), SEEN_BEFORE);
}

static void a_record_full_of_tasks_keeps_a_place_for_the_task_of_a_defect(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    while (w->record->n_tasks < LIMIT_RECORD_TASKS - 1) {
        Handoff__V1__Task *t = MESSAGE_NEW(w->arena, Handoff__V1__Task, task);
        t->number = ++w->record->last_task;
        t->kind = TASK(RESCREEN);
        t->owner = ROLE(COORDINATOR);
        t->due_at_ms = when("2026-12-01 09:00");
        list_append(w->arena, &w->record->tasks, &w->record->n_tasks, t);
    }
    assert_int_equal(tell("referral.accepted", "with: {}"), VERDICT(PARKED)); /* review-event finds no place */
    assert_int_equal(open_tasks(TASK(REVIEW_EVENT)), 0);
    assert_int_equal(open_tasks(TASK(REVIEW_DEFECT)), 1);
}

static const Handoff__V1__Episode *referral_episode(void) /* the release is another episode */
{
    for (size_t i = 0; i < w->record->n_episodes; i++)
        if (w->record->episodes[i]->referral_id[0]) return w->record->episodes[i];
    fail();
    return NULL;
}

static void silence_is_measured_from_the_last_word_to_a_human_until_the_next(void **state)
{
    (void)state;
    begin_referred();
    const Handoff__V1__PatientRecord *before = w->record;
    tell("contact.attempted", "with: {caller: GUARDIAN, callee: AGENCY, purpose: INTAKE, outcome: VOICEMAIL}");
    assert_int_equal(step_silence_ended(before, w->record), 0); /* nobody was told */
    int64_t entered_ms = referral_episode()->entered_at_ms;
    Handoff__V1__TimerInput firing;
    for (int i = 0, words = 0; words < 3; i++) {
        assert_true(i < 20);
        int64_t told_ms = referral_episode()->told_at_ms;
        before = w->record;
        w->now_ms = step_next_due(w->record, &firing);
        fire(firing);
        bool is_told = referral_episode()->told_at_ms != told_ms;
        int64_t silent_ms = w->now_ms - (told_ms ? told_ms : entered_ms);
        assert_int_equal(step_silence_ended(before, w->record), is_told ? silent_ms : 0);
        words += is_told;
    }
}

static void a_parked_firing_does_not_fire_again_at_once(void **state)
{
    (void)state;
    begin_silent();
    tell("task.completed", "task: t9, with: {outcome: DONE}");
    go("2026-03-03 09:00");
    assert_int_equal(w->out.journaled.verdict, VERDICT(PARKED));
    assert_when(timer_of("tick")->due_at_ms, "2026-03-04 09:00");
    Handoff__V1__TimerInput firing;
    assert_true(step_next_due(w->record, &firing) > w->now_ms);
}

static void a_parked_discharge_still_alerts_the_supervisor(void **state)
{
    (void)state;
    begin(SHIPPED);
    core_load_unverified(silent);
    register_child();
    assert_int_equal(tell("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: HOME}"), VERDICT(PARKED));
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_non_null(task_of(TASK(REVIEW_EVENT)));
}

static void the_safety_net_goes_when_the_defect_was_reviewed(void **state)
{
    (void)state;
    begin_silent();
    tell("satisfaction.reported", "with: {rating: NEGATIVE}");
    char rest[64];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE}", task_of(TASK(REVIEW_DEFECT))->number);
    tell("task.completed", rest);
    tell("episode.closed", "with: {reason: OTHER, by: coordinator-1}");
    go("2026-03-03 08:59");
    assert_int_equal(w->record->n_timers, 1);
    go("2026-03-03 09:00");
    assert_int_equal(w->record->n_timers, 0);
}

/* --- purity ------------------------------------------------------------------------------------------------------ */
static struct bytes packed(const Handoff__V1__PatientRecord *record)
{
    struct bytes b = {NULL, handoff__v1__patient_record__get_packed_size(record)};
    uint8_t *data = arena_alloc(w->arena, b.len + 1);
    handoff__v1__patient_record__pack(record, data);
    b.data = data;
    return b;
}
static struct bytes packed_outcome(const Handoff__V1__Outcome *outcome)
{
    struct bytes b = {NULL, handoff__v1__outcome__get_packed_size(outcome)};
    uint8_t *data = arena_alloc(w->arena, b.len + 1);
    handoff__v1__outcome__pack(outcome, data);
    b.data = data;
    return b;
}
static void assert_same(struct bytes a, struct bytes b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static void the_same_arguments_give_the_same_outcome_and_change_nothing_they_were_given(void **state)
{
    (void)state;
    static const char *const events[][2] = {
        {"referral.accepted", "referral: ref-1, with: {}"}, {"consent.revoked", "with: {}"}, {"patient.deceased", "with: {}"},
        {"safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}"}, {"referral.cancelled", "with: {}"},
        {"barrier.resolved", "with: {kind: TRANSPORT}"}, {"care_team.updated", "with: {members: [{party: GUARDIAN, id: mom, is_removed: true}]}"},
        {"service.discharge_notice", "with: {agency_id: lakeside, is_planned: false}"}};
    begin_referred();
    tell("barrier.reported", "with: {kind: TRANSPORT}");
    tell("barrier.reported", "with: {kind: COST}");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        Handoff__V1__Event *event = core_event(events[i][0], events[i][1]);
        struct step_input input = {.kind = STEP_EVENT, .sequence = 99, .now_ms = w->now_ms, .subject_name = "pat-1", .seen_hash = 7, .event = event};
        struct outcome one, two;
        struct bytes before = packed(w->record);
        step(w->rules, w->record, &input, w->arena, &one);
        assert_same(before, packed(w->record));
        step(w->rules, w->record, &input, w->arena, &two);
        assert_same(packed(one.after), packed(two.after));
        assert_same(packed_outcome(&one.journaled), packed_outcome(&two.journaled));
        assert_same(before, packed(w->record));
    }
}

/* --- ids --------------------------------------------------------------------------------------------------------- */
static void ids_are_read_back_in_both_forms_and_nonsense_is_nothing(void **state)
{
    (void)state;
    char id[STEP_ID_BYTES];
    step_id(id, "0123456789abcdef0123456789abcdef", "t", 42, 7);
    assert_string_equal(id, "0123456789abcdef0123456789abcdef-t42.7");
    step_id(id, "0123456789abcdef0123456789abcdef", "ep", 3, 0);
    assert_int_equal(step_id_number(id, "ep"), 3);
    assert_int_equal(step_id_number("t42", "t"), 42);
    assert_int_equal(step_id_number("e42", "t"), 0);
    assert_int_equal(step_id_number("t", "t"), 0);
    assert_int_equal(step_id_number("t4x", "t"), 0);
    assert_int_equal(step_id_number("t99999999999", "t"), 0);
    assert_int_equal(step_id_number("", "t"), 0);
}

/* Rule 12: whatever asked for it, and whether its pathway speaks of a death or not. */
static void a_report_of_a_death_withdraws_every_call_to_the_family(void **state)
{
    begin(SHIPPED);
    refer();
    tell("appointment.booked", "referral: ref-1, appointment: visit-1, with: {starts_at: '2026-03-03 10:00', agency_id: riverside}");
    tell("appointment.no_show", "referral: ref-1, appointment: visit-1, occurred: '2026-03-02 09:00'");
    tell("question.asked", "with: {by: GUARDIAN}");
    assert_non_null(task_of(TASK(OUTREACH_NO_SHOW)));
    assert_non_null(task_of(TASK(ANSWER_QUESTION)));
    tell("patient.deceased", "referral: ref-9, with: {reported_by: a-registry}");
    assert_null(task_of(TASK(OUTREACH_NO_SHOW)));
    assert_null(task_of(TASK(ANSWER_QUESTION)));
    assert_non_null(task_of(TASK(CONFIRM_DEATH)));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_report_of_a_death_withdraws_every_call_to_the_family),
        SENTENCE(a_word_on_the_referral_that_a_later_one_overtook_changes_nothing),
        SENTENCE(a_complaint_a_death_and_an_admission_are_heard_however_late),
        SENTENCE(a_late_word_on_a_closed_referral_is_overtaken_and_a_new_one_is_reviewed),
        SENTENCE(each_visit_has_its_own_order),
        SENTENCE(a_miss_of_a_visit_that_we_never_heard_of_still_counts),
        SENTENCE(months_of_visits_booked_ahead_fit_into_a_record),
        SENTENCE(a_loop_event_for_an_unknown_patient_tells_its_source_and_asks_nothing_of_the_patient),
        SENTENCE(the_source_of_unknown_patients_gets_one_task_and_a_count),
        SENTENCE(a_review_of_a_source_names_the_first_and_the_newest_event_and_whom_they_were_for),
        SENTENCE(a_safety_finding_for_an_unknown_patient_alerts_the_supervisor_and_out_of_hours_on_call),
        SENTENCE(a_discharge_of_an_unknown_patient_alerts_the_supervisor_even_when_a_pathway_takes_it),
        SENTENCE(findings_without_number_are_told_once_and_never_park),
        SENTENCE(a_screening_without_a_finding_alerts_nobody),
        SENTENCE(unusable_events_of_a_patient_are_one_review_which_each_later_one_joins),
        SENTENCE(a_visit_of_a_patient_without_a_referral_is_recorded_only),
        SENTENCE(a_second_retraction_is_reviewed_as_well_as_the_first),
        SENTENCE(a_human_closes_the_episode_they_name_and_is_asked_which_when_several_are_open),
        SENTENCE(an_open_safety_flag_refuses_closing_until_somebody_has_assessed_it),
        SENTENCE(a_choice_of_agency_that_fits_several_referrals_is_looked_at_by_a_human),
        SENTENCE(a_late_clearing_does_not_clear_a_newer_finding),
        SENTENCE(a_death_that_could_not_be_confirmed_is_asked_about_again),
        SENTENCE(a_death_that_is_refuted_lets_reminders_and_timers_go_on),
        SENTENCE(the_family_of_the_deceased_is_not_called_about_a_service),
        SENTENCE(a_pathway_that_runs_is_not_opened_a_second_time_by_hand),
        SENTENCE(a_human_sets_a_state_and_a_state_that_does_not_exist_is_said),
        SENTENCE(the_newest_sixteen_events_are_remembered_with_their_sequence),
        SENTENCE(what_was_pushed_out_may_have_been_seen_and_what_is_newer_was_not),
        SENTENCE(of_two_with_hashes_alike_each_is_told),
        SENTENCE(an_input_that_would_leave_an_episode_without_a_timer_is_parked_and_a_human_is_told),
        SENTENCE(a_record_full_of_tasks_keeps_a_place_for_the_task_of_a_defect),
        SENTENCE(silence_is_measured_from_the_last_word_to_a_human_until_the_next),
        SENTENCE(a_parked_firing_does_not_fire_again_at_once),
        SENTENCE(a_parked_discharge_still_alerts_the_supervisor),
        SENTENCE(the_safety_net_goes_when_the_defect_was_reviewed),
        SENTENCE(the_same_arguments_give_the_same_outcome_and_change_nothing_they_were_given),
        SENTENCE(ids_are_read_back_in_both_forms_and_nonsense_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
