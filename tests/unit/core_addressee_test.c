/* Whom a message is for, one by one, and when it may go to them: core/addressee.h. */
#include "unit/core_world.h"
#include "core/addressee.h"

#define CHANNEL(NAME) HANDOFF__V1__CHANNEL__CHANNEL_##NAME
#define CONTENT(NAME) HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_##NAME

/* --- what was told, as a subscription hands it out ---------------------------------------------------------------- */
static Handoff__V1__Emission *as_told(const Handoff__V1__Emission *stored)
{
    Handoff__V1__Emission *e = message_copy(stored, w->arena);
    e->at_ms = w->now_ms;
    return e;
}

static Handoff__V1__Emission *task_told(Handoff__V1__TaskKind kind, Handoff__V1__TaskChange change)
{
    for (size_t i = w->told_count; i-- > 0;) {
        const Handoff__V1__Emission *e = w->told[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && e->task->kind == kind && e->task->change == change) return as_told(e);
    }
    fail_msg("no such change of a task was told");
    return NULL;
}

static Handoff__V1__Emission *escalation_told(Handoff__V1__Role rung, Handoff__V1__EscalationChange change)
{
    for (size_t i = w->told_count; i-- > 0;) {
        const Handoff__V1__Emission *e = w->told[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && e->escalation->rung == rung && e->escalation->change == change)
            return as_told(e);
    }
    fail_msg("no such change of an escalation was told");
    return NULL;
}

static Handoff__V1__Emission *reminder_of(const char *visit)
{
    for (size_t i = 0; i < w->record->n_appointments; i++) {
        const Handoff__V1__Appointment *a = w->record->appointments[i];
        if (strcmp(a->id, visit) != 0) continue;
        Handoff__V1__Emission *e = MESSAGE_NEW(w->arena, Handoff__V1__Emission, emission);
        e->body_case = HANDOFF__V1__EMISSION__BODY_REMINDER;
        e->reminder = MESSAGE_NEW(w->arena, Handoff__V1__ReminderEmission, reminder_emission);
        e->reminder->appointment = a->number;
        e->reminder->starts_at_ms = a->starts_at_ms;
        return e;
    }
    fail();
    return NULL;
}

/* --- asking ----------------------------------------------------------------------------------------------------- */
static Handoff__V1__Addressee *whom[ADDRESSEES_MAX];
static size_t find_out(const Handoff__V1__Emission *e, const char *time)
{
    return addressees_of(w->rules, w->record, e, when(time), w->arena, whom);
}

static struct gate_decision ask(const Handoff__V1__Emission *e, const char *time)
{
    find_out(e, time);
    return gate_addressed(w->rules, w->record, e, whom[0], when(time));
}

static void assert_goes(const Handoff__V1__Emission *e, const char *time) { assert_int_equal(ask(e, time).answer, GATE_DELIVER); }

static void assert_waits(const Handoff__V1__Emission *e, const char *time, const char *until)
{
    struct gate_decision d = ask(e, time);
    assert_int_equal(d.answer, GATE_WAIT);
    assert_when(d.until_ms, until);
    assert_goes(e, until);
}

static void assert_stale(const Handoff__V1__Emission *e, const char *time, const char *word)
{
    struct gate_decision d = ask(e, time);
    assert_int_equal(d.answer, GATE_DROP);
    assert_false(d.is_silent);
    if (!strstr(d.reason, word)) fail_msg("\"%s\" does not say \"%s\"", d.reason, word);
}

static void assert_no_notice(const Handoff__V1__Emission *e)
{
    struct gate_decision d = gate_addressed(w->rules, w->record, e, whom[0], w->now_ms);
    assert_int_equal(d.answer, GATE_DROP);
    assert_true(d.is_silent);
}

/* --- a place to work ---------------------------------------------------------------------------------------------- */
/* The rules' own is not to be changed. */
static const Handoff__V1__Site *own_roster(void)
{
    struct site *site = (struct site *)(uintptr_t)w->site;
    return site->roster = message_copy(site->roster, w->arena);
}

static Handoff__V1__Person *person(const char *id)
{
    own_roster();
    return (Handoff__V1__Person *)(uintptr_t)roster_person(w->site, id);
}

static void works(const char *id, uint32_t first_weekday, uint32_t last_weekday, uint32_t open_minute, uint32_t close_minute)
{
    Handoff__V1__Person *p = person(id);
    for (uint32_t day = first_weekday; day <= last_weekday; day++) {
        Handoff__V1__Opening *o = MESSAGE_NEW(w->arena, Handoff__V1__Opening, opening);
        o->weekday = day;
        o->open_minute = open_minute;
        o->close_minute = close_minute;
        list_append(w->arena, &p->openings, &p->n_openings, o);
    }
}

static void is_holiday(uint32_t date)
{
    struct calendar *c = (struct calendar *)(uintptr_t)&w->site->calendar;
    int32_t *day = ARENA_ARRAY(w->arena, int32_t, 1);
    *day = date_to_day(date);
    c->holidays = day;
    c->holiday_count = 1;
}

/* --- staff: who ---------------------------------------------------------------------------------------------------- */
static Handoff__V1__Emission *routine_task(const char *time)
{
    begin(SHIPPED);
    go(time);
    register_child();
    tell("question.asked", "with: {}");
    return task_told(TASK(ANSWER_QUESTION), CHANGE(OPENED));
}

static Handoff__V1__Emission *urgent_task(const char *time)
{
    begin(SHIPPED);
    go(time);
    register_child();
    tell("medication.concern", "with: {kind: SIDE_EFFECT}");
    return task_told(TASK(MEDICATION_REVIEW), CHANGE(OPENED));
}

static void a_task_is_for_whoever_holds_it_at_that_moment(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-02 10:00");
    assert_int_equal(find_out(e, "2026-03-03 08:00"), 1);
    assert_string_equal(whom[0]->key, "");
    assert_string_equal(whom[0]->id, "coordinator-1");
    assert_int_equal(whom[0]->role, ROLE(COORDINATOR));
    assert_int_equal(whom[0]->party, PARTY(UNSPECIFIED));
    assert_int_equal(whom[0]->n_addresses, 1);
    assert_string_equal(whom[0]->addresses[0]->address, "coordinator-1@example.org");
    tell("staff.assigned", "with: {role: COORDINATOR, person_id: coordinator-2}");
    find_out(e, "2026-03-03 08:00");
    assert_string_equal(whom[0]->id, "coordinator-2");
    assert_string_equal(whom[0]->addresses[0]->address, "coordinator-2@example.org");
}

static void a_notice_to_nobody_with_an_address_is_withheld(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-02 10:00");
    const Handoff__V1__Site *roster = own_roster();
    for (size_t i = 0; i < roster->n_people; i++) roster->people[i]->n_addresses = 0;
    struct gate_decision d = ask(e, "2026-03-03 08:00");
    assert_int_equal(d.answer, GATE_WITHHOLD);
    assert_string_equal(d.reason, "no address is known");
    assert_false(d.is_unreachable); /* that lies with the roster, and is nothing to ask of a patient */
}

/* --- staff: when --------------------------------------------------------------------------------------------------- */
static void a_routine_notice_comes_with_the_next_mornings(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-02 10:00");
    assert_waits(e, "2026-03-02 10:00", "2026-03-03 08:00");
    assert_waits(e, "2026-03-02 18:00", "2026-03-03 08:00");
    assert_goes(e, "2026-03-03 11:00"); /* held up: the morning is over, the day is not */
    assert_waits(e, "2026-03-03 17:00", "2026-03-04 08:00");
}

static void a_routine_notice_of_before_the_opening_comes_with_this_mornings(void **state)
{
    (void)state;
    assert_waits(routine_task("2026-03-03 06:00"), "2026-03-03 06:00", "2026-03-03 08:00");
    assert_goes(routine_task("2026-03-03 08:00"), "2026-03-03 08:00");
    assert_waits(routine_task("2026-03-03 08:01"), "2026-03-03 08:01", "2026-03-04 08:00");
}

static void a_midday_break_is_no_morning(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-03 10:00");
    works("coordinator-1", 0, 4, 8 * 60, 12 * 60);
    works("coordinator-1", 0, 4, 13 * 60, 17 * 60);
    assert_waits(e, "2026-03-03 10:00", "2026-03-04 08:00");
    assert_waits(e, "2026-03-04 12:30", "2026-03-04 13:00");
}

static void an_urgent_notice_goes_within_hours_and_waits_outside_them(void **state)
{
    (void)state;
    assert_goes(urgent_task("2026-03-02 10:00"), "2026-03-02 10:00");
    Handoff__V1__Emission *e = urgent_task("2026-03-06 18:30"); /* a Friday evening */
    assert_waits(e, "2026-03-06 18:30", "2026-03-09 08:00");    /* the clock changed on the Sunday */
    assert_goes(urgent_task("2026-03-06 16:59"), "2026-03-06 16:59");
    assert_waits(e, "2026-03-09 17:00", "2026-03-10 08:00");
}

static void a_holiday_is_no_working_day(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = urgent_task("2026-03-06 18:30");
    is_holiday(20260309);
    assert_waits(e, "2026-03-06 18:30", "2026-03-10 08:00");
    assert_waits(e, "2026-03-09 11:00", "2026-03-10 08:00");
    e = routine_task("2026-03-06 10:00");
    is_holiday(20260309);
    assert_waits(e, "2026-03-06 10:00", "2026-03-10 08:00");
}

static void a_persons_own_hours_count_before_the_sites(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = urgent_task("2026-03-02 09:00");
    works("clinician-1", 5, 6, 10 * 60, 14 * 60); /* at weekends */
    assert_waits(e, "2026-03-02 09:00", "2026-03-07 10:00");
    e = routine_task("2026-03-02 10:00");
    works("coordinator-1", 0, 4, 12 * 60, 20 * 60);
    assert_waits(e, "2026-03-02 10:00", "2026-03-02 12:00"); /* the first opening after it is today's */
}

static void hours_that_no_day_has_are_as_none(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = urgent_task("2026-03-02 09:00");
    works("clinician-1", 0, 6, 900, 600);
    assert_goes(e, "2026-03-02 09:00");
    e = urgent_task("2026-03-02 09:00");
    for (uint32_t i = 0; i < 5; i++) works("clinician-1", 0, 0, 60 * i, 60 * i + 30);
    assert_goes(e, "2026-03-02 09:00");
}

static void what_is_emergent_goes_at_three_in_the_morning(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    go("2026-03-08 03:00"); /* a Sunday, in the night in which the clock changes */
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_goes(task_told(TASK(SAFETY_CHECK), CHANGE(OPENED)), "2026-03-08 03:00");
    assert_goes(escalation_told(ROLE(SUPERVISOR), CLIMB(RAISED)), "2026-03-08 03:00");
}

static void what_a_safety_finding_asks_for_goes_at_once(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    go("2026-03-06 20:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    assert_goes(task_told(TASK(SAFETY_CHECK), CHANGE(OPENED)), "2026-03-06 20:00");
    assert_goes(escalation_told(ROLE(SUPERVISOR), CLIMB(RAISED)), "2026-03-06 20:00");
}

/* Due on Tuesday: it can be done on Monday. Before they open at all it is late. */
static void work_about_a_risk_that_can_be_done_in_working_hours_waits_for_them(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    go("2026-03-06 20:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    Handoff__V1__Emission *e = task_told(TASK(CONFIRM_CRISIS_NUMBERS), CHANGE(OPENED));
    assert_waits(e, "2026-03-06 20:00", "2026-03-09 08:00");
    assert_goes(e, "2026-03-09 08:00");
    e->task->due_at_ms = when("2026-03-08 12:00");
    assert_goes(e, "2026-03-06 20:00");
}

/* Out of hours on-call is told because nobody works. */
static void on_call_is_told_of_what_is_urgent_at_any_hour(void **state)
{
    (void)state;
    begin(SHIPPED);
    go("2026-03-07 11:00");
    tell("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: HOME}"); /* of a patient nobody knows */
    assert_goes(escalation_told(ROLE(ON_CALL), CLIMB(RAISED)), "2026-03-07 11:00");
    assert_waits(escalation_told(ROLE(SUPERVISOR), CLIMB(RAISED)), "2026-03-07 11:00", "2026-03-09 08:00");
}

/* --- staff: what ----------------------------------------------------------------------------------------------------- */
static void what_answers_somebodys_act_is_no_notice(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-02 10:00");
    find_out(e, "2026-03-02 10:00");
    tell("task.attempted", "task: t1, with: {outcome: VOICEMAIL}");
    assert_no_notice(task_told(TASK(ANSWER_QUESTION), CHANGE(ATTEMPTED)));
    tell("task.completed", "task: t1, with: {outcome: DONE}");
    assert_no_notice(task_told(TASK(ANSWER_QUESTION), CHANGE(COMPLETED)));
    e = urgent_task("2026-03-02 10:00");
    find_out(e, "2026-03-02 10:00");
    go("2026-03-04 10:00");
    const Handoff__V1__Escalation *x = w->record->escalations[0];
    assert_non_null(x);
    tell("escalation.acknowledged", "escalation: e1, with: {by: clinician-1}");
    assert_no_notice(escalation_told(x->rung, CLIMB(ACKNOWLEDGED)));
    tell("escalation.resolved", "escalation: e1, with: {by: clinician-1}");
    assert_no_notice(escalation_told(w->told[w->told_count - 1]->escalation->rung, CLIMB(RESOLVED)));
}

static void a_second_cause_alone_is_no_notice_and_takes_none_away(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-20 15:00}");
    tell("message.failed", "with: {emission_id: n1, is_unknown: true}");
    Handoff__V1__Emission *e = task_told(TASK(CALL_FAMILY), CHANGE(OPENED));
    tell("appointment.booked", "appointment: v2, with: {starts_at: 2026-03-19 15:00}");
    tell("message.failed", "with: {emission_id: n2, is_unknown: true}");
    Handoff__V1__Emission *joined = task_told(TASK(CALL_FAMILY), CHANGE(JOINED));
    find_out(joined, "2026-03-02 10:00");
    assert_no_notice(joined);
    assert_goes(e, "2026-03-03 08:00");
}

static void a_second_question_is_told_instead_of_the_first(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-02 10:00");
    tell("question.asked", "with: {}");
    assert_goes(task_told(TASK(ANSWER_QUESTION), CHANGE(JOINED)), "2026-03-03 08:00");
    assert_stale(e, "2026-03-03 08:00", "overtaken");
}

static void what_became_graver_is_told_and_overtakes_what_was_told_before(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    Handoff__V1__Emission *first = task_told(TASK(SAFETY_CHECK), CHANGE(OPENED));
    assert_goes(first, "2026-03-02 09:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    assert_goes(task_told(TASK(SAFETY_CHECK), CHANGE(JOINED)), "2026-03-02 23:00");
    assert_stale(first, "2026-03-02 09:05", "overtaken");
}

static void a_notice_of_what_is_done_is_dropped(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-02 10:00");
    tell("task.completed", "task: t1, with: {outcome: DONE}");
    assert_stale(e, "2026-03-03 08:00", "done or withdrawn");
}

static void a_notice_of_what_somebody_tried_since_is_dropped(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = routine_task("2026-03-02 10:00");
    tell("task.attempted", "task: t1, with: {outcome: VOICEMAIL}");
    assert_stale(e, "2026-03-03 08:00", "acted on");
}

static void a_resolved_matter_is_not_told_and_an_acknowledged_one_only_if_emergent(void **state)
{
    (void)state;
    urgent_task("2026-03-02 10:00");
    go("2026-03-04 10:00");
    Handoff__V1__Emission *e = escalation_told(w->record->escalations[0]->rung, CLIMB(CLIMBED));
    assert_goes(e, "2026-03-04 10:00");
    tell("escalation.acknowledged", "escalation: e1, with: {by: clinician-1}");
    assert_stale(e, "2026-03-04 10:00", "acknowledged");
    tell("escalation.resolved", "escalation: e1, with: {by: clinician-1}");
    assert_stale(e, "2026-03-04 10:00", "resolved");
    begin(SHIPPED);
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    e = escalation_told(ROLE(SUPERVISOR), CLIMB(RAISED));
    char rest[64];
    snprintf(rest, sizeof rest, "escalation: e%u, with: {by: supervisor-1}", e->escalation->number);
    tell("escalation.acknowledged", rest);
    assert_goes(e, "2026-03-02 23:00");
}

/* Old repeats come back together after an outage: the newest alone is told. */
static void after_an_outage_only_the_newest_repeat_goes_out(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    go("2026-03-02 15:00");
    size_t going = 0, alike = 0;
    const Handoff__V1__Emission *newest = NULL;
    for (size_t i = 0; i < w->told_count; i++) {
        const Handoff__V1__Emission *e = w->told[i];
        if (e->body_case != HANDOFF__V1__EMISSION__BODY_ESCALATION || e->escalation->rung != ROLE(SUPERVISOR) ||
            e->escalation->number != w->record->escalations[0]->number)
            continue;
        alike++;
        if (ask(e, "2026-03-02 15:00").answer == GATE_DELIVER) going++, newest = e;
    }
    assert_true(alike > 3);
    assert_int_equal(going, 1);
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && w->told[i]->escalation->rung == ROLE(SUPERVISOR) &&
            w->told[i]->escalation->number == newest->escalation->number)
            assert_true(w->told[i]->escalation->generation <= newest->escalation->generation);
}

/* Who stood below has heard nothing newer: the matter stands, and they hear of it. */
static void what_has_climbed_since_is_told_below_as_well(void **state)
{
    (void)state;
    urgent_task("2026-03-02 10:00");
    go("2026-03-04 10:00"); /* overdue after a day, one rung up after another */
    size_t rungs = 0;
    for (size_t i = 0; i < w->told_count; i++) {
        const Handoff__V1__Emission *e = w->told[i];
        if (e->body_case != HANDOFF__V1__EMISSION__BODY_ESCALATION) continue;
        assert_goes(e, "2026-03-04 10:00");
        rungs++;
    }
    assert_int_equal(rungs, 2);
}

/* --- the family: who --------------------------------------------------------------------------------------------------- */
static void reach(const char *rest)
{
    tell("preference.updated", rest);
}

static Handoff__V1__Emission *visit_of_child(void)
{
    begin(SHIPPED);
    refer();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00, agency_id: riverside}");
    return reminder_of("v1");
}

static void parents_who_live_apart_are_both_reminded(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: dad, custody: LEGAL_AUTHORITY}]}");
    reach("with: {person: GUARDIAN, person_id: mom, language: es, addresses: [{channel: SMS, address: '+15550142'}]}");
    reach("with: {person: GUARDIAN, person_id: dad, addresses: [{channel: EMAIL, address: dad@example.org}], is_phone_shared: true}");
    assert_int_equal(find_out(e, "2026-03-05 15:00"), 2);
    assert_string_equal(whom[0]->key, "GUARDIAN:mom");
    assert_string_equal(whom[0]->language, "es");
    assert_int_equal(whom[0]->party, PARTY(GUARDIAN));
    assert_string_equal(whom[0]->addresses[0]->address, "+15550142");
    assert_string_equal(whom[1]->key, "GUARDIAN:dad");
    assert_true(whom[1]->is_phone_shared);
    assert_int_equal(whom[1]->content, CONTENT(NAME_AND_NUMBER));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(gate_addressed(w->rules, w->record, e, whom[i], when("2026-03-05 15:00")).answer, GATE_DELIVER);
}

static void each_has_their_own_hours(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    reach("with: {person: GUARDIAN, person_id: mom, earliest_minute: 1080, latest_minute: 1200, addresses: [{channel: SMS, address: '+15550142'}]}");
    reach("with: {person: GUARDIAN, person_id: dad, addresses: [{channel: SMS, address: '+15550143'}]}");
    find_out(e, "2026-03-05 15:00");
    struct gate_decision d = gate_addressed(w->rules, w->record, e, whom[0], when("2026-03-05 15:00"));
    assert_int_equal(d.answer, GATE_WAIT);
    assert_when(d.until_ms, "2026-03-05 18:00");
    assert_int_equal(gate_addressed(w->rules, w->record, e, whom[1], when("2026-03-05 15:00")).answer, GATE_DELIVER);
}

static void who_has_no_custody_or_wants_no_messages_is_none_of_them(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: dad, custody: NONE}, {party: GUARDIAN, id: aunt, custody: UNKNOWN}]}");
    reach("with: {person: GUARDIAN, person_id: mom, is_opted_out: true, addresses: [{channel: SMS, address: '+15550142'}]}");
    assert_int_equal(find_out(e, "2026-03-05 15:00"), 1);
    assert_string_equal(whom[0]->key, "GUARDIAN:aunt");
}

static void young_child(const char *born)
{
    char rest[256];
    snprintf(rest, sizeof rest, "with: {birth_date: %s, category: BEHAVIORAL_HEALTH, care_team: [{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}]}", born);
    begin(SHIPPED);
    tell("patient.registered", rest);
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00}");
}

static void the_patient_is_one_of_them_when_old_enough_or_by_their_own_wish(void **state)
{
    (void)state;
    young_child("2012-03-06");
    assert_int_equal(find_out(reminder_of("v1"), "2026-03-05 15:00"), 1); /* 14 tomorrow */
    assert_string_equal(whom[0]->key, "GUARDIAN:mom");
    assert_int_equal(find_out(reminder_of("v1"), "2026-03-06 00:00"), 1);
    assert_string_equal(whom[0]->key, "PATIENT");
    young_child("2013-05-01");
    reach("with: {person: PATIENT, addresses: [{channel: EMAIL, address: ryan@example.org}]}");
    assert_int_equal(find_out(reminder_of("v1"), "2026-03-05 15:00"), 2);
    begin(SHIPPED);
    tell("patient.registered", "with: {category: BEHAVIORAL_HEALTH}"); /* nobody else is known */
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00}");
    assert_int_equal(find_out(reminder_of("v1"), "2026-03-05 15:00"), 1);
    assert_string_equal(whom[0]->key, "PATIENT");
}

static void a_guardian_whom_the_patient_struck_hears_nothing(void **state)
{
    (void)state;
    young_child("2010-05-01");
    tell("consent.granted", "with: {consent_id: roi-1, signer: PATIENT, recipients: [{party: AGENCY, id: riverside}], is_guardian_struck: true, "
                            "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01}");
    reach("with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550142'}]}");
    Handoff__V1__Emission *e = reminder_of("v1");
    assert_int_equal(find_out(e, "2026-03-05 15:00"), 1);
    assert_string_equal(whom[0]->key, "PATIENT");
    Handoff__V1__Addressee *mom = addressee_of(w->rules, w->record, e, "GUARDIAN:mom", when("2026-03-05 15:00"), w->arena);
    assert_int_equal(mom->n_addresses, 0);
    struct gate_decision d = gate_addressed(w->rules, w->record, e, mom, when("2026-03-05 15:00"));
    assert_int_equal(d.answer, GATE_WITHHOLD);
    assert_non_null(strstr(d.reason, "no release names this guardian"));
}

static void where_the_patient_signs_a_guardian_hears_as_long_as_a_release_names_them(void **state)
{
    (void)state;
    young_child("2010-05-01");
    reach("with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550142'}]}");
    Handoff__V1__Emission *e = reminder_of("v1");
    assert_int_equal(find_out(e, "2026-03-05 15:00"), 1);
    tell("consent.granted", "with: {consent_id: roi-1, signer: PATIENT, recipients: [{party: GUARDIAN, id: mom}], "
                            "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01}");
    assert_int_equal(find_out(e, "2026-03-05 15:00"), 2);
    tell("consent.revoked", "with: {consent_id: roi-1}");
    assert_int_equal(find_out(e, "2026-03-05 15:00"), 1);
    assert_string_equal(whom[0]->key, "PATIENT");
}

static void one_of_them_is_found_by_the_key(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    reach("with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550142'}]}");
    Handoff__V1__Addressee *mom = addressee_of(w->rules, w->record, e, "GUARDIAN:mom", w->now_ms, w->arena);
    assert_string_equal(mom->addresses[0]->address, "+15550142");
    assert_non_null(addressee_of(w->rules, w->record, e, "PATIENT", w->now_ms, w->arena));
    assert_null(addressee_of(w->rules, w->record, e, "", w->now_ms, w->arena));
    assert_null(addressee_of(w->rules, w->record, e, "SCHOOL:oak", w->now_ms, w->arena));
    e = routine_task("2026-03-02 10:00");
    assert_null(addressee_of(w->rules, w->record, e, "PATIENT", w->now_ms, w->arena));
}

/* --- the family: where --------------------------------------------------------------------------------------------------- */
static void only_permitted_channels_are_used_the_most_wished_for_first(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    reach("with: {person: GUARDIAN, person_id: mom, permitted: [EMAIL, MAIL, SMS], addresses: [{channel: PHONE, address: '+15550141'}, "
          "{channel: SMS, address: '+15550142'}, {channel: MAIL, address: '1 Main Street'}, {channel: EMAIL, address: mom@example.org}]}");
    find_out(e, "2026-03-05 15:00");
    assert_int_equal(whom[0]->n_addresses, 2);
    assert_int_equal(whom[0]->addresses[0]->channel, CHANNEL(EMAIL));
    assert_int_equal(whom[0]->addresses[1]->channel, CHANNEL(SMS));
}

static void without_a_word_about_channels_each_that_carries_a_message_will_do(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    reach("with: {person: GUARDIAN, person_id: mom, addresses: [{channel: IN_PERSON, address: school}, {channel: SMS, address: '+15550142'}, "
          "{channel: EMAIL, address: mom@example.org}]}");
    find_out(e, "2026-03-05 15:00");
    assert_int_equal(whom[0]->n_addresses, 2);
    assert_int_equal(whom[0]->addresses[0]->channel, CHANNEL(SMS));
}

static void where_no_message_may_be_left_none_is_sent_to_a_phone(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    reach("with: {person: GUARDIAN, person_id: mom, message_content: NOTHING, addresses: [{channel: SMS, address: '+15550142'}, "
          "{channel: PHONE, address: '+15550142'}, {channel: EMAIL, address: mom@example.org}]}");
    find_out(e, "2026-03-05 15:00");
    assert_int_equal(whom[0]->n_addresses, 1);
    assert_int_equal(whom[0]->addresses[0]->channel, CHANNEL(EMAIL));
    assert_int_equal(whom[0]->content, CONTENT(NOTHING));
}

static void an_address_that_changed_takes_the_place_of_the_one_before(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    reach("with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550142'}]}");
    reach("with: {person: GUARDIAN, person_id: mom, language: es}"); /* says nothing of it */
    find_out(e, "2026-03-05 15:00");
    assert_string_equal(whom[0]->addresses[0]->address, "+15550142");
    reach("with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550143'}]}");
    find_out(e, "2026-03-05 15:00");
    assert_int_equal(whom[0]->n_addresses, 1);
    assert_string_equal(whom[0]->addresses[0]->address, "+15550143");
    reach("occurred: 2026-03-01 10:00, with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550144'}]}"); /* an older word */
    find_out(e, "2026-03-05 15:00");
    assert_string_equal(whom[0]->addresses[0]->address, "+15550143");
}

static void without_an_address_it_is_withheld_and_nobody_is_reached_only_if_it_is_nobody(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    struct gate_decision d = ask(e, "2026-03-05 15:00");
    assert_int_equal(d.answer, GATE_WITHHOLD);
    assert_string_equal(d.reason, "no address is known");
    assert_true(d.is_unreachable);
    reach("with: {person: GUARDIAN, person_id: dad, addresses: [{channel: SMS, address: '+15550143'}]}");
    d = ask(e, "2026-03-05 15:00");
    assert_string_equal(whom[0]->key, "GUARDIAN:mom");
    assert_int_equal(d.answer, GATE_WITHHOLD);
    assert_false(d.is_unreachable); /* the father is */
    reach("with: {person: GUARDIAN, person_id: dad, has_no_channel: true}");
    find_out(e, "2026-03-05 15:00");
    for (size_t i = 0; i < 2; i++) {
        d = gate_addressed(w->rules, w->record, e, whom[i], when("2026-03-05 15:00"));
        assert_int_equal(d.answer, GATE_WITHHOLD);
        assert_true(d.is_unreachable);
    }
    reach("with: {person: GUARDIAN, person_id: mom, addresses: [{channel: EMAIL, address: mom@example.org}]}");
    assert_goes(e, "2026-03-05 15:00");
}

static void what_waits_for_an_address_ends_with_the_visit(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    assert_stale(e, "2026-03-06 15:00", "begun");
    tell("patient.deceased", "with: {}");
    assert_stale(e, "2026-03-05 15:00", "died");
}

static void nobody_who_may_be_told_leaves_one_without_addresses(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    reach("with: {person: GUARDIAN, person_id: mom, is_opted_out: true}");
    struct gate_decision d = ask(e, "2026-03-05 15:00");
    assert_int_equal(find_out(e, "2026-03-05 15:00"), 1);
    assert_int_equal(whom[0]->n_addresses, 0);
    assert_int_equal(d.answer, GATE_WITHHOLD);
    assert_true(d.is_unreachable);
}

static void of_a_large_family_those_named_first_are_told(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = visit_of_child();
    for (int i = 0; i < 10; i++) {
        char rest[128];
        snprintf(rest, sizeof rest, "with: {members: [{party: GUARDIAN, id: kin-%d, custody: LEGAL_AUTHORITY}]}", i);
        tell("care_team.updated", rest);
    }
    assert_int_equal(find_out(e, "2026-03-05 15:00"), ADDRESSEES_MAX);
    assert_string_equal(whom[0]->key, "GUARDIAN:mom");
}

/* --- others ----------------------------------------------------------------------------------------------------------- */
static Handoff__V1__Emission *status_to(Handoff__V1__Party party, const char *id)
{
    Handoff__V1__Emission *e = MESSAGE_NEW(w->arena, Handoff__V1__Emission, emission);
    e->body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    e->status = MESSAGE_NEW(w->arena, Handoff__V1__StatusEmission, status_emission);
    e->status->category = CATEGORY(BEHAVIORAL_HEALTH);
    e->status->recipient = MESSAGE_NEW(w->arena, Handoff__V1__Recipient, recipient);
    e->status->recipient->party = party;
    e->status->recipient->id = arena_string(w->arena, id);
    return e;
}

static void a_status_is_for_its_recipient_whose_address_others_may_know(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    Handoff__V1__Emission *e = status_to(PARTY(AGENCY), "riverside");
    assert_int_equal(find_out(e, "2026-03-02 10:00"), 1);
    assert_string_equal(whom[0]->key, "");
    assert_string_equal(whom[0]->id, "riverside");
    assert_int_equal(whom[0]->n_addresses, 0);
    struct gate_decision d = ask(e, "2026-03-02 22:00");
    assert_int_equal(d.answer, GATE_DELIVER);
    assert_string_equal(d.consent->id, "roi-riverside");
    assert_int_equal(ask(status_to(PARTY(AGENCY), "lakeside"), "2026-03-02 10:00").answer, GATE_WITHHOLD);
    find_out(status_to(PARTY(PCP), "family-practice"), "2026-03-02 10:00");
    assert_string_equal(whom[0]->addresses[0]->address, "practice@example.org"); /* of the program */
}

static void what_a_guardian_is_told_waits_for_their_hours(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    reach("with: {person: GUARDIAN, person_id: mom, earliest_minute: 540, latest_minute: 1080, addresses: [{channel: SMS, address: '+15550142'}]}");
    Handoff__V1__Emission *e = status_to(PARTY(GUARDIAN), "mom");
    assert_waits(e, "2026-03-02 20:00", "2026-03-03 09:00");
    assert_string_equal(whom[0]->addresses[0]->address, "+15550142");
    reach("with: {person: GUARDIAN, person_id: mom, is_opted_out: true}");
    assert_int_equal(ask(e, "2026-03-03 10:00").answer, GATE_WITHHOLD);
}

static void what_is_for_readers_is_for_no_person(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    Handoff__V1__Emission *e = MESSAGE_NEW(w->arena, Handoff__V1__Emission, emission);
    e->body_case = HANDOFF__V1__EMISSION__BODY_AUDIT;
    e->audit = MESSAGE_NEW(w->arena, Handoff__V1__AuditEmission, audit_emission);
    assert_int_equal(find_out(e, "2026-03-02 10:00"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_task_is_for_whoever_holds_it_at_that_moment),
        SENTENCE(a_notice_to_nobody_with_an_address_is_withheld),
        SENTENCE(a_routine_notice_comes_with_the_next_mornings),
        SENTENCE(a_routine_notice_of_before_the_opening_comes_with_this_mornings),
        SENTENCE(a_midday_break_is_no_morning),
        SENTENCE(an_urgent_notice_goes_within_hours_and_waits_outside_them),
        SENTENCE(a_holiday_is_no_working_day),
        SENTENCE(a_persons_own_hours_count_before_the_sites),
        SENTENCE(hours_that_no_day_has_are_as_none),
        SENTENCE(what_is_emergent_goes_at_three_in_the_morning),
        SENTENCE(what_a_safety_finding_asks_for_goes_at_once),
        SENTENCE(work_about_a_risk_that_can_be_done_in_working_hours_waits_for_them),
        SENTENCE(on_call_is_told_of_what_is_urgent_at_any_hour),
        SENTENCE(what_answers_somebodys_act_is_no_notice),
        SENTENCE(a_second_cause_alone_is_no_notice_and_takes_none_away),
        SENTENCE(a_second_question_is_told_instead_of_the_first),
        SENTENCE(what_became_graver_is_told_and_overtakes_what_was_told_before),
        SENTENCE(a_notice_of_what_is_done_is_dropped),
        SENTENCE(a_notice_of_what_somebody_tried_since_is_dropped),
        SENTENCE(a_resolved_matter_is_not_told_and_an_acknowledged_one_only_if_emergent),
        SENTENCE(after_an_outage_only_the_newest_repeat_goes_out),
        SENTENCE(what_has_climbed_since_is_told_below_as_well),
        SENTENCE(parents_who_live_apart_are_both_reminded),
        SENTENCE(each_has_their_own_hours),
        SENTENCE(who_has_no_custody_or_wants_no_messages_is_none_of_them),
        SENTENCE(the_patient_is_one_of_them_when_old_enough_or_by_their_own_wish),
        SENTENCE(a_guardian_whom_the_patient_struck_hears_nothing),
        SENTENCE(where_the_patient_signs_a_guardian_hears_as_long_as_a_release_names_them),
        SENTENCE(one_of_them_is_found_by_the_key),
        SENTENCE(only_permitted_channels_are_used_the_most_wished_for_first),
        SENTENCE(without_a_word_about_channels_each_that_carries_a_message_will_do),
        SENTENCE(where_no_message_may_be_left_none_is_sent_to_a_phone),
        SENTENCE(an_address_that_changed_takes_the_place_of_the_one_before),
        SENTENCE(without_an_address_it_is_withheld_and_nobody_is_reached_only_if_it_is_nobody),
        SENTENCE(what_waits_for_an_address_ends_with_the_visit),
        SENTENCE(nobody_who_may_be_told_leaves_one_without_addresses),
        SENTENCE(of_a_large_family_those_named_first_are_told),
        SENTENCE(a_status_is_for_its_recipient_whose_address_others_may_know),
        SENTENCE(what_a_guardian_is_told_waits_for_their_hours),
        SENTENCE(what_is_for_readers_is_for_no_person),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
