/* The gate, asked at the moment of each delivery; and who a role is. Rules 4, 11 and 12 of core/README.md. */
#include "unit/core_world.h"

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

static struct gate_decision ask(const Handoff__V1__Emission *e, const char *time)
{
    return gate(w->rules, w->record, e, NULL, when(time));
}

static Handoff__V1__Emission *begin_reminder(void)
{
    begin(SHIPPED);
    refer();
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00, agency_id: riverside}");
    return reminder_of("v1");
}

static void a_reminder_of_a_booked_visit_is_delivered(void **state)
{
    (void)state;
    assert_int_equal(ask(begin_reminder(), "2026-03-05 15:00").answer, GATE_DELIVER);
}

static void a_reminder_of_a_cancelled_moved_or_begun_visit_is_dropped(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = begin_reminder();
    assert_int_equal(ask(e, "2026-03-06 15:00").answer, GATE_DROP);
    tell("appointment.rescheduled", "appointment: v1, with: {starts_at: 2026-03-09 15:00}");
    assert_int_equal(ask(e, "2026-03-05 15:00").answer, GATE_DROP);
    assert_int_equal(ask(reminder_of("v1"), "2026-03-05 15:00").answer, GATE_DELIVER);
    e = reminder_of("v1");
    tell("appointment.cancelled", "appointment: v1, with: {by: GUARDIAN}");
    assert_int_equal(ask(e, "2026-03-05 15:00").answer, GATE_DROP);
}

static void nothing_goes_to_the_family_of_the_deceased_or_to_the_opted_out(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = begin_reminder();
    tell("patient.deceased", "with: {}");
    assert_int_equal(ask(e, "2026-03-05 15:00").answer, GATE_DROP);
    e = begin_reminder();
    tell("service.declined", "with: {by: GUARDIAN, scope: ALL_CONTACT}");
    assert_int_equal(ask(e, "2026-03-05 15:00").answer, GATE_DROP);
    e = begin_reminder();
    tell("preference.updated", "with: {person: PATIENT, is_opted_out: true}");
    assert_int_equal(ask(e, "2026-03-05 15:00").answer, GATE_DROP);
}

static void a_reminder_waits_for_the_permitted_hours(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = begin_reminder();
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, earliest_minute: 540, latest_minute: 1080}");
    struct gate_decision d = ask(e, "2026-03-05 06:00");
    assert_int_equal(d.answer, GATE_WAIT);
    assert_when(d.until_ms, "2026-03-05 09:00");
    assert_int_equal(ask(e, "2026-03-05 09:00").answer, GATE_DELIVER);
    d = ask(e, "2026-03-05 18:00");
    assert_int_equal(d.answer, GATE_WAIT);
    assert_when(d.until_ms, "2026-03-06 09:00");
}

static void a_reminder_with_no_permitted_hour_left_is_dropped(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = begin_reminder();
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, earliest_minute: 960, latest_minute: 1080}");
    assert_int_equal(ask(e, "2026-03-06 08:00").answer, GATE_DROP);
}

static void the_hours_of_others_and_of_a_second_person_do_not_shut_the_first_out(void **state)
{
    (void)state;
    Handoff__V1__Emission *e = begin_reminder();
    tell("preference.updated", "with: {person: SCHOOL, person_id: s, earliest_minute: 1200, latest_minute: 1260}");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, earliest_minute: 540, latest_minute: 720}");
    tell("preference.updated", "with: {person: PATIENT, earliest_minute: 840, latest_minute: 1080}");
    assert_int_equal(ask(e, "2026-03-05 10:00").answer, GATE_DELIVER);
}

static void a_disclosure_is_withheld_from_the_moment_of_the_revocation(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    const Handoff__V1__Emission *sent = NULL;
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_STATUS) sent = w->told[i];
    assert_non_null(sent);
    struct gate_decision d = ask(sent, "2026-03-02 10:00");
    assert_int_equal(d.answer, GATE_DELIVER);
    assert_string_equal(d.consent->id, "roi-riverside");
    tell("consent.revoked", "with: {recipients: [{party: AGENCY, id: riverside}]}");
    d = ask(sent, "2026-03-02 10:00");
    assert_int_equal(d.answer, GATE_WITHHOLD);
    assert_non_null(d.reason);
    assert_null(d.consent);
}

static void a_disclosure_is_withheld_once_the_release_has_ended(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    const Handoff__V1__Emission *sent = NULL;
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_STATUS) sent = w->told[i];
    assert_non_null(sent);
    assert_int_equal(ask(sent, "2026-05-31 08:59").answer, GATE_DELIVER);
    assert_int_equal(ask(sent, "2026-05-31 09:00").answer, GATE_WITHHOLD);
}

static void a_status_for_nobody_is_withheld_and_one_for_another_asks_that_ones_consent(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    Handoff__V1__Emission *e = MESSAGE_NEW(w->arena, Handoff__V1__Emission, emission);
    e->body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    e->status = MESSAGE_NEW(w->arena, Handoff__V1__StatusEmission, status_emission);
    e->status->category = CATEGORY(BEHAVIORAL_HEALTH);
    assert_int_equal(ask(e, "2026-03-02 10:00").answer, GATE_WITHHOLD);
    Handoff__V1__Recipient *to = MESSAGE_NEW(w->arena, Handoff__V1__Recipient, recipient);
    to->party = PARTY(AGENCY);
    to->id = arena_string(w->arena, "lakeside");
    assert_int_equal(gate(w->rules, w->record, e, to, w->now_ms).answer, GATE_WITHHOLD);
    to->id = arena_string(w->arena, "riverside");
    assert_int_equal(gate(w->rules, w->record, e, to, w->now_ms).answer, GATE_DELIVER);
    to->party = PARTY(PCP);
    assert_int_equal(gate(w->rules, w->record, e, to, w->now_ms).answer, GATE_DELIVER);
}

static void what_goes_to_the_workforce_is_delivered_at_any_hour(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    tell("patient.deceased", "with: {}");
    size_t asked = 0;
    for (size_t i = 0; i < w->told_count; i++) {
        if (w->told[i]->body_case != HANDOFF__V1__EMISSION__BODY_TASK) continue;
        assert_int_equal(ask(w->told[i], "2026-03-07 03:00").answer, GATE_DELIVER);
        asked++;
    }
    assert_true(asked > 0);
}

/* --- who a role is ----------------------------------------------------------------------------------------------- */
static const char *who(Handoff__V1__Role role) { return roster_resolve(w->rules, w->site, w->record, role, w->now_ms); }

static void a_role_is_the_person_assigned_to_the_patient_or_else_the_sites(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    assert_string_equal(who(ROLE(COORDINATOR)), "coordinator-1");
    assert_string_equal(who(ROLE(ON_CALL)), "on-call-1");
    tell("staff.assigned", "with: {role: COORDINATOR, person_id: clinician-1}");
    assert_string_equal(who(ROLE(COORDINATOR)), "clinician-1");
    tell("staff.assigned", "with: {role: COORDINATOR, person_id: coordinator-1}");
    assert_string_equal(who(ROLE(COORDINATOR)), "coordinator-1");
}

static void the_supervisor_is_the_coordinators_own_supervisor(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    assert_string_equal(who(ROLE(SUPERVISOR)), "supervisor-1");
    tell("staff.assigned", "with: {role: COORDINATOR, person_id: supervisor-1}");
    assert_string_equal(who(ROLE(SUPERVISOR)), "director-1");
    tell("staff.assigned", "with: {role: SUPERVISOR, person_id: clinician-1}");
    assert_string_equal(who(ROLE(SUPERVISOR)), "clinician-1");
}

static void somebody_assigned_who_is_not_on_the_roster_receives_nothing(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("staff.assigned", "with: {role: COORDINATOR, person_id: left-last-year}");
    assert_string_equal(who(ROLE(COORDINATOR)), "supervisor-1"); /* this site has no queue */
    assert_string_equal(who(ROLE(SUPERVISOR)), "supervisor-1");
}

static Handoff__V1__Person *person(const char *id, Handoff__V1__Role role, bool is_queue)
{
    Handoff__V1__Person *p = MESSAGE_NEW(w->arena, Handoff__V1__Person, person);
    p->id = arena_string(w->arena, id);
    p->roles = ARENA_NEW(w->arena, Handoff__V1__Role);
    p->roles[0] = role;
    p->n_roles = role ? 1 : 0;
    p->is_queue = is_queue;
    return p;
}

static void a_role_nobody_has_falls_to_the_queue_then_the_supervisor_then_on_call(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    Handoff__V1__Person *people[3] = {person("on-call-2", ROLE(ON_CALL), false), person("supervisor-2", ROLE(SUPERVISOR), false),
                                      person("queue-2", ROLE(UNSPECIFIED), true)};
    Handoff__V1__Site *roster = MESSAGE_NEW(w->arena, Handoff__V1__Site, site);
    struct site site = *w->site;
    site.roster = roster;
    roster->people = people;
    static const char *const expected[] = {"", "on-call-2", "supervisor-2", "queue-2"};
    for (size_t n = 0; n <= 3; n++) {
        roster->n_people = n;
        assert_string_equal(roster_resolve(w->rules, &site, w->record, ROLE(PRESCRIBER), w->now_ms), expected[n]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_reminder_of_a_booked_visit_is_delivered),
        SENTENCE(a_reminder_of_a_cancelled_moved_or_begun_visit_is_dropped),
        SENTENCE(nothing_goes_to_the_family_of_the_deceased_or_to_the_opted_out),
        SENTENCE(a_reminder_waits_for_the_permitted_hours),
        SENTENCE(a_reminder_with_no_permitted_hour_left_is_dropped),
        SENTENCE(the_hours_of_others_and_of_a_second_person_do_not_shut_the_first_out),
        SENTENCE(a_disclosure_is_withheld_from_the_moment_of_the_revocation),
        SENTENCE(a_disclosure_is_withheld_once_the_release_has_ended),
        SENTENCE(a_status_for_nobody_is_withheld_and_one_for_another_asks_that_ones_consent),
        SENTENCE(what_goes_to_the_workforce_is_delivered_at_any_hour),
        SENTENCE(a_role_is_the_person_assigned_to_the_patient_or_else_the_sites),
        SENTENCE(the_supervisor_is_the_coordinators_own_supervisor),
        SENTENCE(somebody_assigned_who_is_not_on_the_roster_receives_nothing),
        SENTENCE(a_role_nobody_has_falls_to_the_queue_then_the_supervisor_then_on_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
