/* Two records that become one: what is united, what goes on, and under which ids. */
#include "unit/core_world.h"

static Handoff__V1__PatientRecord *other;

/* What was told so far was told of the other patient id; from here on it is the survivor's. */
static void that_was_the_other(void)
{
    other = w->record;
    w->record = NULL;
}

static uint8_t other_key[16] = {0xab, 0xcd};

static void become_one(void)
{
    Handoff__V1__PatientJoined joined = HANDOFF__V1__PATIENT_JOINED__INIT;
    struct step_merge merge = {MERGE_POSSIBLE, "pat-1"};
    struct outcome alias;
    Handoff__V1__Event *e = core_event("patient.merged", "with: {survivor_patient_id: pat-1}");
    e->patient_id = arena_string(w->arena, "pat-2");
    other->patient_id = e->patient_id;
    struct step_input leave = {.kind = STEP_EVENT, .sequence = ++w->sequence, .now_ms = w->now_ms, .event = e, .seen_hash = w->hash, .merge = &merge};
    step(w->rules, other, &leave, w->arena, &alias);
    assert_string_equal(alias.after->merged_into, "pat-1");
    assert_int_equal(alias.after->n_episodes + alias.after->n_tasks + alias.after->n_timers, 0);
    joined.patient_id = other->patient_id;
    joined.sequence = w->sequence;
    joined.key = (ProtobufCBinaryData){16, other_key};
    forget();
    core_step((struct step_input){.kind = STEP_JOIN, .joined = message_copy(&joined, w->arena), .loser = other, .alias = alias.after});
    assert_int_equal(w->record->parked, 0);
}

/* --- facts ----------------------------------------------------------------------------------------------------- */
static void what_only_one_says_is_so_and_of_two_dates_the_newer_counts(void **state)
{
    begin(SHIPPED);
    tell("patient.registered", "with: {birth_date: 2016-05-01, name: Annie, county: perry, language: es, needs_interpreter: true, category: DRUG_AND_ALCOHOL}");
    tell("appointment.booked", "appointment: visit-1, with: {starts_at: '2026-03-10 10:00', agency_id: riverside}");
    tell("barrier.reported", "with: {kind: COST}");
    that_was_the_other();
    tell("patient.registered", "with: {name: Ann, category: BEHAVIORAL_HEALTH}");
    tell("barrier.reported", "with: {kind: COST}");
    tell("barrier.reported", "with: {kind: TRANSPORT}");
    w->now_ms = when("2026-03-03 09:00");
    tell("appointment.rescheduled", "appointment: visit-1, with: {starts_at: '2026-03-12 10:00'}");
    become_one();
    assert_string_equal(w->record->name, "Ann");
    assert_string_equal(w->record->county, "perry");
    assert_string_equal(w->record->language, "es");
    assert_true(w->record->needs_interpreter);
    assert_int_equal(w->record->birth_date, 20160501);
    assert_int_equal(w->record->category, CATEGORY(BOTH)); /* a disclosure would show both */
    assert_int_equal(w->record->n_barriers, 2);
    assert_int_equal(w->record->n_appointments, 1);
    assert_when(w->record->appointments[0]->starts_at_ms, "2026-03-12 10:00");
    (void)state;
}

static void what_forbids_counts_whoevers_it_is(void **state)
{
    begin(SHIPPED);
    register_child();
    grant_to("riverside");
    tell("patient.deceased", "with: {reported_by: a-registry}");
    w->now_ms = when("2026-03-02 10:00");
    tell("consent.revoked", "with: {consent_id: roi-hillside, by: GUARDIAN}");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, permitted: [PHONE], is_opted_out: true}");
    that_was_the_other();
    w->now_ms = when("2026-03-02 09:00");
    register_child();
    grant_to("hillside");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, permitted: [PHONE, SMS]}");
    w->now_ms = when("2026-03-02 11:00");
    become_one();
    assert_true(w->record->is_deceased);
    assert_int_equal(w->record->n_consents, 1); /* hillside's was revoked under the other id */
    assert_string_equal(w->record->consents[0]->id, "roi-riverside");
    assert_int_equal(w->record->n_preferences, 1);
    assert_true(w->record->preferences[0]->is_opted_out);
    assert_int_equal(w->record->preferences[0]->n_permitted, 1);
    assert_int_equal(w->record->n_care_team, 2);
    (void)state;
}

static void of_two_addresses_the_newer_counts_and_of_what_may_be_said_the_less(void **state)
{
    begin(SHIPPED);
    w->now_ms = when("2026-03-02 10:00");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, message_content: NOTHING, addresses: [{channel: SMS, address: '+15550143'}]}");
    that_was_the_other();
    w->now_ms = when("2026-03-02 09:00");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, message_content: DETAILS, addresses: [{channel: SMS, address: '+15550142'}]}");
    w->now_ms = when("2026-03-02 11:00");
    become_one();
    assert_int_equal(w->record->preferences[0]->n_addresses, 1);
    assert_string_equal(w->record->preferences[0]->addresses[0]->address, "+15550143");
    assert_int_equal(w->record->preferences[0]->message_content, HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_NOTHING);
    (void)state;
}

/* Numbers of visits are others now: what was asked for because of one ends with that one. */
static void what_one_visit_asks_for_still_ends_with_it(void **state)
{
    begin(SHIPPED);
    tell("appointment.booked", "appointment: visit-2, with: {starts_at: '2026-03-10 10:00'}");
    tell("message.failed", "with: {emission_id: n1, is_unknown: true, addressee: 'GUARDIAN:mom'}");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    that_was_the_other();
    tell("appointment.booked", "appointment: visit-1, with: {starts_at: '2026-03-12 10:00'}");
    become_one();
    tell("appointment.cancelled", "appointment: visit-1, with: {by: GUARDIAN}");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    tell("appointment.cancelled", "appointment: visit-2, with: {by: GUARDIAN}");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 0);
    (void)state;
}

/* An id keeps the patient under which it was made. */
static void a_notice_of_the_other_that_failed_makes_its_matter_climb(void **state)
{
    char id[STEP_ID_BYTES];
    begin(SHIPPED);
    tell("question.asked", "with: {}");
    that_was_the_other();
    register_child();
    tell("need.changed", "with: {aspect: HOUSEHOLD}");
    become_one();
    forget();
    step_id(id, "abcd0000000000000000000000000000", "t", 1, 1);
    char rest[160];
    snprintf(rest, sizeof rest, "with: {emission_id: %s, is_permanent: true}", id);
    tell("message.failed", rest);
    assert_int_equal(w->told_count, 1);
    assert_int_equal(w->told[0]->escalation->task_kind, TASK(ANSWER_QUESTION));
    (void)state;
}

static void a_doubt_about_custody_stays_a_doubt(void **state)
{
    begin(SHIPPED);
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: mom, custody: NONE}]}");
    that_was_the_other();
    register_child();
    become_one();
    assert_int_equal(w->record->care_team[0]->custody, HANDOFF__V1__CUSTODY__CUSTODY_UNKNOWN);
    (void)state;
}

static void of_two_words_about_a_stay_the_newer_counts(void **state)
{
    for (int is_others_newer = 0; is_others_newer < 2; is_others_newer++) {
        begin(SHIPPED);
        w->now_ms = when(is_others_newer ? "2026-03-04 09:00" : "2026-03-03 09:00");
        tell("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: HOME}");
        that_was_the_other();
        w->now_ms = when(is_others_newer ? "2026-03-03 09:00" : "2026-03-04 09:00");
        tell("encounter.admitted", "with: {encounter_class: INPATIENT}");
        w->now_ms = when("2026-03-04 10:00");
        become_one();
        assert_int_equal(w->record->is_admitted, !is_others_newer);
        assert_when(w->record->stay_changed_at_ms, "2026-03-04 09:00");
        assert_int_equal(w->record->n_episodes, 1);
    }
    (void)state;
}

static void a_flag_is_as_grave_as_the_graver_and_unassessed_if_one_is(void **state)
{
    begin(SHIPPED);
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    that_was_the_other();
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT, raised_by: a-nurse}");
    tell("safety.flag_raised", "with: {kind: MEDICAL, severity: URGENT, raised_by: a-nurse}");
    become_one();
    assert_int_equal(w->record->n_flags, 2);
    assert_int_equal(w->record->flags[0]->severity, SEVERITY(EMERGENT));
    assert_int_equal(open_tasks(TASK(SAFETY_CHECK)), 1); /* one call, not two */
    assert_int_equal(task_of(TASK(SAFETY_CHECK))->severity, SEVERITY(EMERGENT));
    (void)state;
}

/* --- ladders ----------------------------------------------------------------------------------------------------- */
static void raise_by_hand(Handoff__V1__Severity severity, Handoff__V1__Role rung, const char *next)
{
    Handoff__V1__Escalation *e = MESSAGE_NEW(w->arena, Handoff__V1__Escalation, escalation);
    e->number = ++w->record->last_escalation;
    e->state = HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_OPEN;
    e->severity = severity;
    e->rung = rung;
    e->next_at_ms = when(next);
    e->cause = MESSAGE_NEW(w->arena, Handoff__V1__Cause, cause);
    list_append(w->arena, &w->record->escalations, &w->record->n_escalations, e);
}

static void a_matter_raised_twice_is_as_grave_as_the_graver_and_as_high_as_the_higher(void **state)
{
    for (int is_others_graver = 0; is_others_graver < 2; is_others_graver++) {
        begin(SHIPPED);
        register_child();
        if (is_others_graver) raise_by_hand(SEVERITY(EMERGENT), ROLE(SUPERVISOR), "2026-03-02 15:00");
        else raise_by_hand(SEVERITY(URGENT), ROLE(DIRECTOR), "2026-03-02 12:00");
        that_was_the_other();
        register_child();
        if (is_others_graver) raise_by_hand(SEVERITY(URGENT), ROLE(DIRECTOR), "2026-03-02 12:00");
        else raise_by_hand(SEVERITY(EMERGENT), ROLE(SUPERVISOR), "2026-03-02 15:00");
        become_one();
        assert_int_equal(w->record->n_escalations, 1);
        assert_int_equal(w->record->escalations[0]->severity, SEVERITY(EMERGENT));
        assert_int_equal(w->record->escalations[0]->rung, ROLE(DIRECTOR));
        assert_when(w->record->escalations[0]->next_at_ms, "2026-03-02 12:00");
        assert_int_equal(told_escalations(ROLE(DIRECTOR), CLIMB(CLIMBED)), 1);
        assert_int_equal(told_escalations(ROLE(UNSPECIFIED), CLIMB(RESOLVED)), 1);
    }
    (void)state;
}

/* --- episodes ---------------------------------------------------------------------------------------------------- */
static void two_referrals_go_on_side_by_side_with_their_tasks_and_timers(void **state)
{
    begin(SHIPPED);
    register_child();
    request("ref-1", "");
    size_t tasks = w->record->n_tasks, timers = timers_on("referral");
    that_was_the_other();
    refer();
    size_t mine = timers_on("referral");
    become_one();
    assert_int_equal(episodes_on("referral"), 1); /* ref-1 is one and the same */
    begin(SHIPPED);
    register_child();
    request("ref-2", "");
    that_was_the_other();
    refer();
    become_one();
    assert_int_equal(episodes_on("referral"), 2);
    assert_int_equal(w->record->n_tasks, tasks);
    assert_int_equal(timers_on("referral"), mine + timers);
    for (size_t i = 0; i < w->record->n_timers; i++)
        for (size_t k = 0; k < i; k++) assert_int_not_equal(w->record->timers[i]->generation, w->record->timers[k]->generation);
    go("2026-04-20 09:00");
    assert_int_equal(w->record->parked, 0);
    (void)state;
}

static void of_two_courses_of_one_referral_the_newer_goes_on(void **state)
{
    begin(SHIPPED);
    refer();
    w->now_ms = when("2026-03-02 12:00");
    tell("referral.received", "referral: ref-1");
    w->now_ms = when("2026-03-03 12:00");
    tell("referral.accepted", "referral: ref-1, with: {agency_id: riverside}");
    that_was_the_other();
    w->now_ms = when("2026-03-02 09:00");
    register_child();
    request("ref-1", "");
    assert_non_null(task_of(TASK(SHARE_RESOURCES)));
    w->now_ms = when("2026-03-04 09:00");
    become_one();
    assert_int_equal(episodes_on("referral"), 1);
    assert_string_equal(state_of("referral"), "accepted");
    assert_int_equal(w->record->closed_episodes[0]->reason, HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_DUPLICATE);
    for (size_t i = 0; i < w->record->n_timers; i++) assert_true(is_open(w->record->timers[i]->episode));
    for (size_t i = 0; i < w->record->n_tasks; i++)
        assert_true(is_open(w->record->tasks[i]->causes[0]->episode)); /* what it asked for goes on */
    assert_non_null(task_of(TASK(SHARE_RESOURCES)));
    (void)state;
}

static void what_the_united_facts_allow_is_done(void **state)
{
    begin(SHIPPED);
    register_child();
    grant_to("riverside");
    that_was_the_other();
    register_child();
    request("ref-1", "riverside");
    assert_string_equal(state_of("referral"), "draft"); /* no release under this id */
    become_one();
    assert_int_equal(w->record->n_consents, 1);
    assert_string_equal(state_of("referral"), "requested"); /* under one id there is one */
    (void)state;
}

static void a_release_that_somebody_under_the_other_id_objects_to_counts_no_more_at_once(void **state)
{
    begin(SHIPPED);
    tell("patient.registered", "with: {birth_date: 2016-05-01, category: BEHAVIORAL_HEALTH, care_team: ["
                               "{party: GUARDIAN, id: dad, custody: LEGAL_AUTHORITY}]}");
    tell("consent.declined", "with: {by: GUARDIAN, by_id: dad}");
    that_was_the_other();
    refer();
    assert_string_equal(state_of("release-of-information"), "active");
    become_one();
    assert_string_equal(state_of("release-of-information"), "draft");
    assert_non_null(task_of(TASK(ASK_COMPLIANCE)));
    (void)state;
}

static void two_calls_to_the_family_are_one_and_whoever_was_named_is_called(void **state)
{
    begin(SHIPPED);
    register_child();
    tell("barrier.reported", "with: {kind: FAMILY_RESISTANCE}");
    assert_null(task_of(TASK(CALL_FAMILY))->subject);
    that_was_the_other();
    register_child();
    tell("episode.opened", "with: {pathway: monitoring, by: coordinator-1}");
    go("2026-03-05 12:00");
    assert_string_equal(task_of(TASK(CALL_FAMILY))->subject->id, "mom");
    become_one();
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    assert_string_equal(task_of(TASK(CALL_FAMILY))->subject->id, "mom");
    (void)state;
}

static void who_declined_all_contact_under_one_id_is_called_under_neither(void **state)
{
    begin(SHIPPED);
    register_child();
    tell("service.declined", "with: {by: GUARDIAN, scope: ALL_CONTACT}");
    that_was_the_other();
    register_child();
    request("ref-1", "");
    assert_non_null(task_of(TASK(SHARE_RESOURCES)));
    become_one();
    assert_null(task_of(TASK(SHARE_RESOURCES)));
    (void)state;
}

/* --- work --------------------------------------------------------------------------------------------------------- */
static void a_task_that_both_ask_is_one_and_keeps_the_sooner_and_the_graver(void **state)
{
    begin(SHIPPED);
    register_child();
    request("ref-1", "");
    that_was_the_other();
    go("2026-03-02 15:00");
    register_child();
    request("ref-2", "");
    Handoff__V1__Task *mine = task_of(TASK(SHARE_RESOURCES));
    uint32_t number = mine->number, generation = mine->generation;
    become_one();
    assert_int_equal(open_tasks(TASK(SHARE_RESOURCES)), 1);
    Handoff__V1__Task *kept = task_of(TASK(SHARE_RESOURCES));
    assert_int_equal(kept->number, number);
    assert_null(kept->origin);
    assert_int_equal(kept->n_causes, 2);
    assert_int_equal(kept->generation, generation + 1);
    assert_when(kept->opened_at_ms, "2026-03-02 09:00");
    assert_int_equal(told_tasks(TASK(SHARE_RESOURCES), CHANGE(WITHDRAWN)), 1);
    for (size_t i = 0; i < w->told_count; i++) {
        if (w->told[i]->body_case != HANDOFF__V1__EMISSION__BODY_TASK || w->told[i]->task->change != CHANGE(WITHDRAWN)) continue;
        assert_int_equal(w->told[i]->origin_key.len, 16); /* under the id that people know */
        assert_true(w->told[i]->origin_number > 0);
    }
    (void)state;
}

static void an_overdue_task_keeps_its_ladder_when_it_is_joined(void **state)
{
    begin(SHIPPED);
    register_child();
    request("ref-1", "");
    go("2026-03-05 09:00"); /* overdue, and somebody above knows */
    assert_true(w->record->n_escalations > 0);
    that_was_the_other();
    register_child();
    request("ref-2", "");
    become_one();
    for (size_t i = 0; i < w->record->n_tasks; i++) {
        const Handoff__V1__Task *t = w->record->tasks[i];
        if (!t->is_overdue) continue;
        bool is_there = false;
        for (size_t k = 0; k < w->record->n_escalations; k++) is_there |= w->record->escalations[k]->number == t->escalation;
        assert_true(is_there);
    }
    go("2026-04-05 09:00");
    assert_int_equal(w->record->parked, 0);
    (void)state;
}

/* --- ids ------------------------------------------------------------------------------------------------------------ */
static void an_id_names_what_it_named_before(void **state)
{
    char rest[120];
    begin(SHIPPED);
    register_child();
    request("ref-1", "");
    uint32_t number = task_of(TASK(SHARE_RESOURCES))->number;
    that_was_the_other();
    register_child();
    become_one();
    snprintf(rest, sizeof rest, "task: abcd0000000000000000000000000000-t%u, with: {outcome: DONE, by: coordinator-1}", number);
    tell("task.completed", rest);
    assert_null(task_of(TASK(SHARE_RESOURCES)));
    tell("task.completed", rest); /* and a second time nothing */
    assert_non_null(strstr(w->out.journaled.sentence, "no such open task"));
    tell("episode.corrected", "episode: abcd0000000000000000000000000000-ep1, with: {state: requested, by: supervisor-1}");
    assert_string_equal(state_of("referral"), "requested");
    (void)state;
}

/* The other's check is emergent and has climbed; the survivor's is urgent and has just begun to. */
static void of_two_ladders_of_one_task_the_graver_and_the_higher_goes_on(void **state)
{
    begin(SHIPPED);
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    go("2026-03-03 09:00");
    const Handoff__V1__Task *check = task_of(TASK(SAFETY_CHECK));
    assert_true(check->is_overdue);
    assert_int_equal(check->severity, SEVERITY(EMERGENT));
    that_was_the_other();
    w->now_ms = when("2026-03-02 09:00");
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT, raised_by: a-nurse}");
    go("2026-03-03 09:00");
    assert_true(task_of(TASK(SAFETY_CHECK))->is_overdue);
    become_one();
    check = task_of(TASK(SAFETY_CHECK));
    assert_int_equal(open_tasks(TASK(SAFETY_CHECK)), 1);
    for (size_t i = 0; i < w->record->n_escalations; i++) {
        const Handoff__V1__Escalation *e = w->record->escalations[i];
        if (e->number != check->escalation) continue;
        assert_int_equal(e->severity, SEVERITY(EMERGENT));
        assert_int_equal(e->rung, ROLE(DIRECTOR));
        assert_true(e->next_at_ms <= w->now_ms + 30 * MS_PER_MINUTE * 2);
        return;
    }
    fail_msg("nobody above knows of the check");
    (void)state;
}

static bool is_intake_paused(void) { return timer_of("intake")->is_paused; }
static void the_end_of_a_stay_that_was_told_under_the_other_id_lifts_its_hold(void **state)
{
    begin(SHIPPED);
    w->now_ms = when("2026-03-04 09:00");
    tell("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: HOME}");
    that_was_the_other();
    w->now_ms = when("2026-03-02 09:00");
    refer();
    tell("referral.accepted", "referral: ref-1");
    w->now_ms = when("2026-03-03 09:00");
    tell("encounter.admitted", "with: {encounter_class: INPATIENT}");
    assert_true(is_intake_paused());
    w->now_ms = when("2026-03-04 10:00");
    become_one();
    assert_false(w->record->is_admitted);
    assert_false(is_intake_paused());
    assert_string_equal(state_of("transition"), "discharged");
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(what_only_one_says_is_so_and_of_two_dates_the_newer_counts),
        SENTENCE(what_forbids_counts_whoevers_it_is),
        SENTENCE(of_two_addresses_the_newer_counts_and_of_what_may_be_said_the_less),
        SENTENCE(what_one_visit_asks_for_still_ends_with_it),
        SENTENCE(a_notice_of_the_other_that_failed_makes_its_matter_climb),
        SENTENCE(a_doubt_about_custody_stays_a_doubt),
        SENTENCE(of_two_words_about_a_stay_the_newer_counts),
        SENTENCE(the_end_of_a_stay_that_was_told_under_the_other_id_lifts_its_hold),
        SENTENCE(a_flag_is_as_grave_as_the_graver_and_unassessed_if_one_is),
        SENTENCE(a_matter_raised_twice_is_as_grave_as_the_graver_and_as_high_as_the_higher),
        SENTENCE(two_referrals_go_on_side_by_side_with_their_tasks_and_timers),
        SENTENCE(of_two_courses_of_one_referral_the_newer_goes_on),
        SENTENCE(what_the_united_facts_allow_is_done),
        SENTENCE(a_release_that_somebody_under_the_other_id_objects_to_counts_no_more_at_once),
        SENTENCE(two_calls_to_the_family_are_one_and_whoever_was_named_is_called),
        SENTENCE(who_declined_all_contact_under_one_id_is_called_under_neither),
        SENTENCE(a_task_that_both_ask_is_one_and_keeps_the_sooner_and_the_graver),
        SENTENCE(an_overdue_task_keeps_its_ladder_when_it_is_joined),
        SENTENCE(of_two_ladders_of_one_task_the_graver_and_the_higher_goes_on),
        SENTENCE(an_id_names_what_it_named_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
