/* Taking back: what an event alone caused is undone, what came since stays, and a human looks at it. */
#include "unit/core_world.h"
#include "pathway/history.h"

static struct history history;

static void begin_anew(void)
{
    begin(SHIPPED);
    history = (struct history){0};
}

/* As tell(), remembered. The event's id is "event-N"; returns N. */
static unsigned long long hear(const char *name, const char *rest)
{
    Handoff__V1__Event *e = core_event(name, rest);
    struct step_input input = {.kind = STEP_EVENT, .event = e, .seen_hash = w->hash, .sequence = w->sequence + 1};
    const Handoff__V1__PatientRecord *before = w->record;
    core_step(input);
    history_note(&history, w->arena, &input, before, &w->out);
    return w->hash;
}

static Handoff__V1__Verdict take_back(unsigned long long number)
{
    char rest[160];
    snprintf(rest, sizeof rest, "with: {retracted_source: test, retracted_id: event-%llu, reason: 'the wrong patient'}", number);
    Handoff__V1__Event *e = core_event("event.retracted", rest);
    struct step_input input = {.kind = STEP_EVENT,
                               .event = e,
                               .seen_hash = w->hash,
                               .retracted_hash = number,
                               .retraction = history_retraction(&history, w->arena, e->event_retracted)};
    forget();
    core_step(input);
    assert_int_equal(w->record->parked, 0);
    return w->out.journaled.verdict;
}

static void hear_child(void)
{
    hear("patient.registered", "with: {birth_date: 2016-05-01, category: BEHAVIORAL_HEALTH, care_team: ["
                               "{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}, {party: PCP, id: family-practice}]}");
    hear("consent.granted", "with: {consent_id: roi-1, signer: GUARDIAN, signer_id: mom, recipients: [{party: AGENCY, id: riverside}], "
                            "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01}");
}
static unsigned long long hear_request(void)
{
    return hear("referral.requested", "referral: ref-1, with: {priority: ROUTINE, level_of_care: OUTPATIENT, referrer: PCP, "
                                      "referrer_id: family-practice, agency_id: riverside, category: BEHAVIORAL_HEALTH}");
}

static const Handoff__V1__Emission *told_audit(Handoff__V1__AuditKind kind)
{
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_AUDIT && w->told[i]->audit->kind == kind) return w->told[i];
    return NULL;
}
#define RETRACTED HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_RETRACTED

/* --- facts ----------------------------------------------------------------------------------------------------- */
static void a_fact_is_as_before_unless_somebody_has_said_something_since(void **state)
{
    begin_anew();
    hear_child();
    hear("patient.updated", "with: {county: dauphin}");
    unsigned long long county = hear("patient.updated", "with: {county: perry}");
    take_back(county);
    assert_string_equal(w->record->county, "dauphin");
    county = hear("patient.updated", "with: {county: perry}");
    hear("patient.updated", "with: {county: york}");
    take_back(county);
    assert_string_equal(w->record->county, "york");
    (void)state;
}

static void what_an_event_added_goes_and_what_it_removed_comes_back(void **state)
{
    begin_anew();
    hear_child();
    unsigned long long barrier = hear("barrier.reported", "with: {kind: TRANSPORT}");
    hear("barrier.reported", "with: {kind: COST}");
    assert_int_equal(w->record->n_barriers, 2);
    take_back(barrier);
    assert_int_equal(w->record->n_barriers, 1);
    unsigned long long resolved = hear("barrier.resolved", "with: {kind: COST}");
    assert_int_equal(w->record->n_barriers, 0);
    take_back(resolved);
    assert_int_equal(w->record->n_barriers, 1);
    unsigned long long revoked = hear("consent.revoked", "with: {consent_id: roi-1, by: GUARDIAN}");
    assert_int_equal(w->record->n_consents, 0);
    take_back(revoked);
    assert_int_equal(w->record->n_consents, 1);
    assert_int_equal(w->record->n_revocations, 0);
    assert_int_equal(w->record->consents[0]->n_recipients, 1);
    (void)state;
}

static void a_death_that_was_not_so_lets_the_care_go_on(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    int64_t due_ms = timer_of("acknowledge")->due_at_ms;
    unsigned long long death = hear("patient.deceased", "with: {reported_by: a-registry}");
    assert_true(w->record->is_deceased);
    take_back(death);
    assert_false(w->record->is_deceased);
    assert_int_equal(w->record->episodes[0]->n_holds, 0);
    assert_false(timer_of("acknowledge")->is_paused);
    assert_int_equal(timer_of("acknowledge")->due_at_ms, due_ms);
    assert_null(task_of(TASK(CONFIRM_DEATH)));
    (void)state;
}

static void what_began_anew_under_the_hold_of_a_death_that_was_not_so_runs_again(void **state)
{
    begin_anew();
    hear_child();
    hear("need.changed", "with: {aspect: HOUSEHOLD}");
    unsigned long long death = hear("patient.deceased", "with: {reported_by: a-registry}");
    uint32_t generation = timer_of("still-open")->generation;
    char rest[80];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE, by: coordinator-1}", task_of(TASK(REVIEW_NEEDS))->number);
    hear("task.completed", rest);
    assert_true(timer_of("still-open")->is_paused && timer_of("still-open")->generation != generation);
    take_back(death);
    assert_false(timer_of("still-open")->is_paused);
    assert_null(timer_of("death-unconfirmed"));
    (void)state;
}

/* --- episodes -------------------------------------------------------------------------------------------------- */
static void what_it_opened_ends_as_entered_in_error_and_may_be_requested_anew(void **state)
{
    begin_anew();
    hear_child();
    unsigned long long request = hear_request();
    assert_string_equal(state_of("referral"), "requested");
    go("2026-03-03 10:00");
    take_back(request);
    assert_string_equal(state_of("referral"), "none");
    assert_int_equal(w->record->closed_episodes[0]->reason, HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_ENTERED_IN_ERROR);
    assert_int_equal(timers_on("referral"), 0);
    assert_non_null(task_of(TASK(REVIEW_RETRACTION)));
    assert_int_equal(task_of(TASK(REVIEW_RETRACTION))->severity, SEVERITY(URGENT));
    assert_non_null(strstr(told_audit(RETRACTED)->audit->text, "referral: requested -> entered in error"));
    hear("referral.requested", "referral: ref-1, occurred: 2026-03-02 09:30, with: {priority: ROUTINE, level_of_care: OUTPATIENT, "
                               "referrer: PCP, referrer_id: family-practice, category: BEHAVIORAL_HEALTH}");
    assert_string_equal(state_of("referral"), "draft");
    (void)state;
}

static void what_was_disclosed_goes_to_compliance_the_same_day_and_what_is_queued_stays(void **state)
{
    begin_anew();
    hear_child();
    unsigned long long request = hear_request();
    Handoff__V1__Emission *sent = NULL;
    for (size_t i = 0; i < w->out.journaled.n_emissions; i++)
        if (w->out.journaled.emissions[i]->body_case == HANDOFF__V1__EMISSION__BODY_STATUS)
            sent = message_copy(w->out.journaled.emissions[i], w->arena);
    assert_non_null(sent);
    sent->sequence = w->sequence;
    assert_int_equal(gate(w->rules, w->record, sent, NULL, w->now_ms).answer, GATE_DELIVER);
    take_back(request);
    Handoff__V1__Task *ask = task_of(TASK(ASK_COMPLIANCE));
    assert_non_null(ask);
    assert_string_equal(ask->subject->id, "riverside");
    assert_when(ask->due_at_ms, "2026-03-02 17:00");
    struct gate_decision d = gate(w->rules, w->record, sent, NULL, w->now_ms);
    assert_int_equal(d.answer, GATE_WITHHOLD);
    assert_string_equal(d.reason, "its cause was taken back");
    (void)state;
}

static void an_episode_that_stands_as_the_event_left_it_is_put_back_with_its_timers(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    int64_t acknowledge_ms = timer_of("acknowledge")->due_at_ms;
    go("2026-03-02 11:00");
    unsigned long long accepted = hear("referral.accepted", "referral: ref-1, with: {agency_id: riverside}");
    assert_string_equal(state_of("referral"), "accepted");
    assert_null(timer_of("acknowledge"));
    go("2026-03-02 12:00");
    take_back(accepted);
    assert_string_equal(state_of("referral"), "requested");
    assert_int_equal(timer_of("acknowledge")->due_at_ms, acknowledge_ms);
    assert_null(timer_of("intake"));
    assert_non_null(strstr(told_audit(RETRACTED)->audit->text, "accepted -> requested"));
    (void)state;
}

static void a_hold_that_never_was_lets_run_what_has_begun_under_it_since(void **state)
{
    (void)state;
    begin_anew();
    hear_child();
    hear("encounter.admitted", "with: {encounter_class: INPATIENT, facility_id: memorial}");
    unsigned long long death = hear("patient.deceased", "with: {reported_by: mom}");
    go("2026-03-03 09:00");
    hear("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: TRANSFERRED, facility_id: memorial}");
    assert_true(timer_of("stay-review")->is_paused);
    take_back(death);
    assert_false(timer_of("stay-review")->is_paused);
    assert_when(timer_of("stay-review")->due_at_ms, "2026-03-10 09:00");
}

static void what_is_past_when_it_is_put_back_fires_and_says_that_it_is_late(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    unsigned long long received = hear("referral.accepted", "referral: ref-1, with: {agency_id: riverside}");
    go("2026-03-05 12:00"); /* the acknowledgement was due on the 4th */
    take_back(received);
    forget();
    wake();
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(OPENED)), 1);
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_TASK && w->told[i]->task->kind == TASK(CALL_AGENCY))
            assert_true(w->told[i]->is_late);
    (void)state;
}

static void an_episode_that_has_moved_on_stays(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    unsigned long long received = hear("referral.received", "referral: ref-1");
    hear("referral.accepted", "referral: ref-1, with: {agency_id: riverside}");
    take_back(received);
    assert_string_equal(state_of("referral"), "accepted");
    assert_non_null(timer_of("intake"));
    assert_non_null(strstr(told_audit(RETRACTED)->audit->text, "moved on since"));
    (void)state;
}

static void an_end_that_was_never_is_open_again(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    unsigned long long cancelled = hear("referral.cancelled", "referral: ref-1, with: {reason: moved, by: GUARDIAN}");
    assert_string_equal(state_of("referral"), "closing");
    size_t timers = w->record->n_timers;
    char rest[80];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE, by: coordinator-1}", task_of(TASK(CLOSE_LOOP))->number);
    unsigned long long closed = hear("task.completed", rest);
    assert_string_equal(state_of("referral"), "none");
    take_back(closed);
    assert_string_equal(state_of("referral"), "closing");
    assert_non_null(task_of(TASK(CLOSE_LOOP)));
    assert_int_equal(w->record->n_timers, timers);
    assert_int_equal(w->record->n_closed_episodes, 0);
    take_back(cancelled); /* and with that taken back, what was before it */
    assert_string_equal(state_of("referral"), "requested");
    assert_null(task_of(TASK(CLOSE_LOOP)));
    (void)state;
}

/* --- work ------------------------------------------------------------------------------------------------------ */
static void a_reason_that_is_gone_since_does_not_come_back_with_the_task(void **state)
{
    begin_anew();
    hear_child();
    for (int i = 1; i <= 2; i++) {
        char rest[200];
        snprintf(rest, sizeof rest, "referral: ref-%d, with: {priority: ROUTINE, level_of_care: OUTPATIENT, referrer: PCP, referrer_id: family-practice, "
                 "category: BEHAVIORAL_HEALTH}", i);
        hear("referral.requested", rest);
    }
    assert_int_equal(task_of(TASK(SHARE_RESOURCES))->n_causes, 2); /* both courses ask for it */
    char rest[80];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: VOICEMAIL, by: coordinator-1}", task_of(TASK(SHARE_RESOURCES))->number);
    unsigned long long attempted = hear("task.attempted", rest);
    hear("referral.cancelled", "referral: ref-1, with: {reason: moved, by: GUARDIAN}");
    assert_int_equal(task_of(TASK(SHARE_RESOURCES))->n_causes, 1);
    take_back(attempted);
    assert_int_equal(task_of(TASK(SHARE_RESOURCES))->attempts, 0);
    assert_int_equal(task_of(TASK(SHARE_RESOURCES))->n_causes, 1);
    (void)state;
}

static void a_task_that_was_not_done_after_all_is_open_again_under_its_number(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    go("2026-03-04 16:00");
    Handoff__V1__Task *call = task_of(TASK(CALL_AGENCY));
    assert_non_null(call);
    uint32_t number = call->number, generation = call->generation;
    int64_t due_ms = call->due_at_ms;
    char rest[80];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE, by: coordinator-1}", number);
    unsigned long long done = hear("task.completed", rest);
    assert_null(task_of(TASK(CALL_AGENCY)));
    take_back(done);
    call = task_of(TASK(CALL_AGENCY));
    assert_non_null(call);
    assert_int_equal(call->number, number);
    assert_int_equal(call->due_at_ms, due_ms);
    assert_int_equal(call->generation, generation + 2); /* its completion was one */
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(REOPENED)), 1);
    (void)state;
}

static void a_task_that_the_event_withdrew_is_asked_again(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    go("2026-03-04 16:00");
    assert_non_null(task_of(TASK(CALL_AGENCY)));
    unsigned long long received = hear("referral.received", "referral: ref-1");
    assert_null(task_of(TASK(CALL_AGENCY)));
    take_back(received);
    assert_non_null(task_of(TASK(CALL_AGENCY)));
    assert_int_equal(told_tasks(TASK(CALL_AGENCY), CHANGE(REOPENED)), 1);
    (void)state;
}

/* --- safety ---------------------------------------------------------------------------------------------------- */
static void a_finding_taken_back_stays_until_a_human_clears_it(void **state)
{
    begin_anew();
    hear_child();
    unsigned long long finding = hear("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    size_t escalations = w->record->n_escalations;
    assert_int_equal(w->record->n_flags, 1);
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    take_back(finding);
    assert_int_equal(w->record->n_flags, 1);
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    assert_int_equal(w->record->n_escalations, escalations);
    assert_non_null(task_of(TASK(REVIEW_RETRACTION)));
    (void)state;
}

/* --- what cannot be taken back ------------------------------------------------------------------------------------ */
static void an_event_is_taken_back_once(void **state)
{
    begin_anew();
    hear_child();
    unsigned long long county = hear("patient.updated", "with: {county: perry}");
    take_back(county);
    assert_int_equal(open_tasks(TASK(REVIEW_RETRACTION)), 1);
    hear("patient.updated", "with: {county: perry}");
    assert_int_equal(take_back(county), VERDICT(RECORDED));
    assert_string_equal(w->record->county, "perry");
    assert_non_null(strstr(w->out.journaled.sentence, "before"));
    (void)state;
}

static void a_retraction_cannot_be_taken_back(void **state)
{
    begin_anew();
    hear_child();
    unsigned long long county = hear("patient.updated", "with: {county: perry}");
    char rest[120];
    snprintf(rest, sizeof rest, "with: {retracted_source: test, retracted_id: event-%llu}", county);
    unsigned long long retraction = hear("event.retracted", rest);
    take_back(retraction);
    assert_non_null(strstr(w->out.journaled.sentence, "cannot be taken back"));
    (void)state;
}

static void an_event_that_was_taken_back_before_it_came_is_looked_at_and_not_acted_on(void **state)
{
    begin_anew();
    hear_child();
    take_back(w->hash + 2); /* the event after the retraction */
    assert_int_equal(w->record->n_taken_back, 1);
    hear_request();
    assert_int_equal(w->out.journaled.verdict, VERDICT(REVIEW));
    assert_string_equal(state_of("referral"), "none");
    assert_int_equal(w->record->n_taken_back, 0);
    assert_non_null(task_of(TASK(REVIEW_RETRACTION)));
    (void)state;
}

static void a_finding_that_was_taken_back_before_it_came_acts_all_the_same(void **state)
{
    begin_anew();
    hear_child();
    take_back(w->hash + 2);
    hear("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    assert_int_equal(w->record->n_flags, 1);
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    (void)state;
}

static void of_a_patient_nobody_told_us_of_the_source_hears(void **state)
{
    begin_anew();
    char rest[120] = "with: {retracted_source: test, retracted_id: event-9}";
    core_event("event.retracted", rest);
    Handoff__V1__Event *e = core_event("event.retracted", rest);
    core_step((struct step_input){.kind = STEP_EVENT, .event = e, .seen_hash = w->hash, .retracted_hash = 9});
    assert_int_equal(w->out.journaled.verdict, VERDICT(REVIEW));
    assert_int_equal(w->record->n_tasks, 0);
    assert_true(w->out.tells_source);
    (void)state;
}

static void a_clearing_taken_back_leaves_the_flag_and_the_check_as_they_were(void **state)
{
    begin_anew();
    hear_child();
    hear("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    unsigned long long cleared = hear("safety.cleared", "with: {kind: SELF, clinician_id: clinician-1}");
    hear("safety.flag_raised", "with: {kind: OTHERS, severity: URGENT, raised_by: a-nurse}"); /* another risk, later */
    assert_int_equal(w->record->n_flags, 1);
    take_back(cleared);
    assert_int_equal(w->record->n_flags, 2);
    assert_int_equal(episodes_on("safety"), 2);
    assert_int_equal(w->record->flags[1]->severity, SEVERITY(EMERGENT));
    assert_false(w->record->flags[1]->is_assessed);
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    (void)state;
}

static void an_assessment_taken_back_leaves_the_flag_unassessed(void **state)
{
    begin_anew();
    hear_child();
    hear("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    char rest[128];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE, by: clinician-1, level: LOW}", task_of(TASK(SAFETY_CHECK))->number);
    unsigned long long assessed = hear("task.completed", rest);
    assert_true(w->record->flags[0]->is_assessed);
    take_back(assessed);
    assert_false(w->record->flags[0]->is_assessed);
    assert_int_equal(w->record->flags[0]->severity, SEVERITY(EMERGENT));
    assert_string_equal(state_of("safety"), "flagged");
    (void)state;
}

/* A death or a stay of the wrong patient, and meanwhile the agency accepts: nothing may wait for it for ever. */
static void what_an_event_held_runs_again_also_where_the_episode_has_moved_on(void **state)
{
    static const char *const events[][2] = {{"encounter.admitted", "with: {encounter_class: INPATIENT}"},
                                            {"patient.deceased", "with: {reported_by: a-registry}"}};
    for (size_t i = 0; i < 2; i++) {
        begin_anew();
        hear_child();
        hear_request();
        unsigned long long wrong = hear(events[i][0], events[i][1]);
        hear("referral.accepted", "referral: ref-1");
        assert_true(timer_of("intake")->is_paused);
        take_back(wrong);
        assert_string_equal(state_of("referral"), "accepted");
        assert_int_equal(w->record->episodes[1]->n_holds, 0);
        assert_false(timer_of("intake")->is_paused);
        assert_null(task_of(TASK(CONFIRM_DEATH)));
        assert_non_null(strstr(w->out.journaled.sentence, "without its hold"));
    }
    (void)state;
}

static void a_death_or_a_stay_that_was_told_twice_stands_when_one_of_the_two_is_taken_back(void **state)
{
    begin_anew();
    hear_child();
    hear_request();
    unsigned long long first = hear("patient.deceased", "with: {reported_by: a-registry}");
    hear("patient.deceased", "with: {reported_by: a-hospital}");
    take_back(first);
    assert_true(w->record->is_deceased);
    assert_non_null(task_of(TASK(CONFIRM_DEATH)));
    assert_non_null(task_of(TASK(REVIEW_RETRACTION)));
    assert_int_equal(w->record->episodes[1]->n_holds, 1);
    begin_anew();
    hear_child();
    first = hear("encounter.admitted", "with: {encounter_class: INPATIENT}");
    w->now_ms += MS_PER_HOUR;
    hear("encounter.admitted", "with: {encounter_class: INPATIENT}");
    take_back(first);
    assert_true(w->record->is_admitted);
    assert_string_equal(state_of("transition"), "admitted");
    (void)state;
}

static void the_death_is_not_confirmed_any_more_when_its_report_is_taken_back_beside_an_open_flag(void **state)
{
    begin_anew();
    hear_child();
    hear("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    unsigned long long death = hear("patient.deceased", "with: {reported_by: a-registry}");
    assert_null(task_of(TASK(SAFETY_CHECK)));
    take_back(death);
    assert_null(task_of(TASK(CONFIRM_DEATH)));
    assert_non_null(task_of(TASK(SAFETY_CHECK)));
    (void)state;
}

static void nobody_is_asked_to_call_the_family_of_the_deceased_because_something_else_was_taken_back(void **state)
{
    begin_anew();
    hear_child();
    unsigned long long asked = hear("question.asked", "with: {by: GUARDIAN}");
    char rest[128];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: DONE, by: coordinator-1}", task_of(TASK(ANSWER_QUESTION))->number);
    unsigned long long answered = hear("task.completed", rest);
    hear("patient.deceased", "with: {reported_by: a-registry}");
    take_back(answered);
    assert_null(task_of(TASK(ANSWER_QUESTION)));
    (void)asked;
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_fact_is_as_before_unless_somebody_has_said_something_since),
        SENTENCE(what_an_event_added_goes_and_what_it_removed_comes_back),
        SENTENCE(a_death_that_was_not_so_lets_the_care_go_on),
        SENTENCE(what_began_anew_under_the_hold_of_a_death_that_was_not_so_runs_again),
        SENTENCE(what_it_opened_ends_as_entered_in_error_and_may_be_requested_anew),
        SENTENCE(what_was_disclosed_goes_to_compliance_the_same_day_and_what_is_queued_stays),
        SENTENCE(an_episode_that_stands_as_the_event_left_it_is_put_back_with_its_timers),
        SENTENCE(a_hold_that_never_was_lets_run_what_has_begun_under_it_since),
        SENTENCE(what_is_past_when_it_is_put_back_fires_and_says_that_it_is_late),
        SENTENCE(an_episode_that_has_moved_on_stays),
        SENTENCE(an_end_that_was_never_is_open_again),
        SENTENCE(a_reason_that_is_gone_since_does_not_come_back_with_the_task),
        SENTENCE(a_task_that_was_not_done_after_all_is_open_again_under_its_number),
        SENTENCE(a_task_that_the_event_withdrew_is_asked_again),
        SENTENCE(a_finding_taken_back_stays_until_a_human_clears_it),
        SENTENCE(a_clearing_taken_back_leaves_the_flag_and_the_check_as_they_were),
        SENTENCE(an_assessment_taken_back_leaves_the_flag_unassessed),
        SENTENCE(what_an_event_held_runs_again_also_where_the_episode_has_moved_on),
        SENTENCE(a_death_or_a_stay_that_was_told_twice_stands_when_one_of_the_two_is_taken_back),
        SENTENCE(the_death_is_not_confirmed_any_more_when_its_report_is_taken_back_beside_an_open_flag),
        SENTENCE(nobody_is_asked_to_call_the_family_of_the_deceased_because_something_else_was_taken_back),
        SENTENCE(an_event_is_taken_back_once),
        SENTENCE(a_retraction_cannot_be_taken_back),
        SENTENCE(an_event_that_was_taken_back_before_it_came_is_looked_at_and_not_acted_on),
        SENTENCE(a_finding_that_was_taken_back_before_it_came_acts_all_the_same),
        SENTENCE(of_a_patient_nobody_told_us_of_the_source_hears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
