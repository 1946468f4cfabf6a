/* What somebody asks to be told, and how people may be reached: rules 5, 6, 7, 11, 12, 13 of core/README.md. */
#include "unit/core_world.h"
#include "core/reach.h"

static void begin_child(const char *category)
{
    char rest[400];
    begin(SHIPPED);
    snprintf(rest, sizeof rest, "with: {birth_date: 2016-05-01, category: %s, care_team: [{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}]}", category);
    tell("patient.registered", rest);
    forget();
}

static void ask(const char *rest)
{
    char text[512];
    snprintf(text, sizeof text, "with: {purpose: treatment, %s}", rest);
    forget();
    tell("disclosure.requested", text);
}

static const Handoff__V1__StatusEmission *told(void)
{
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_STATUS) return w->told[i]->status;
    return NULL;
}

static const Handoff__V1__AuditEmission *audited(Handoff__V1__AuditKind kind)
{
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_AUDIT && w->told[i]->audit->kind == kind) return w->told[i]->audit;
    return NULL;
}
#define AUDIT(NAME) HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_##NAME
#define URGENTLY "is_emergency: true, invoked_by: coordinator-1, nature: 'said that he will hurt his sister'"

/* --- asked ------------------------------------------------------------------------------------------------------- */
static void what_a_release_covers_is_told_with_its_id(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    grant_to("riverside");
    ask("recipient: {party: AGENCY, id: riverside}");
    assert_string_equal(told()->consent_id, "roi-riverside");
    assert_string_equal(told()->exception, "");
    assert_int_equal(w->record->n_tasks, 0);
}

static void what_no_release_covers_is_withheld_and_the_release_asked_for(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    ask("recipient: {party: AGENCY, id: hillside}");
    assert_null(told());
    assert_string_equal(audited(AUDIT(WITHHELD))->recipient->id, "hillside");
    assert_string_equal(task_of(TASK(OBTAIN_ROI))->subject->id, "hillside");
    assert_non_null(strstr(w->out.journaled.sentence, "withheld"));
    grant_to("hillside");
    assert_null(task_of(TASK(OBTAIN_ROI)));
}

static void what_is_uncertain_is_withheld_and_compliance_asked_the_same_day(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: aunt, custody: UNKNOWN}]}");
    tell("consent.granted", "with: {consent_id: r, signer: GUARDIAN, signer_id: aunt, recipients: [{party: AGENCY, id: riverside}], "
                            "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01}");
    ask("recipient: {party: AGENCY, id: riverside}");
    assert_null(told());
    assert_non_null(audited(AUDIT(WITHHELD)));
    assert_null(task_of(TASK(OBTAIN_ROI)));
    assert_when(task_of(TASK(ASK_COMPLIANCE))->due_at_ms, "2026-03-02 17:00");
}

static void the_patient_and_the_workforce_need_no_release(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    ask("recipient: {party: PATIENT}");
    assert_non_null(told());
    ask("recipient: {party: PCP, id: family-practice}");
    assert_non_null(told());
}

/* --- the emergency exception --------------------------------------------------------------------------------------- */
static void in_an_emergency_behavioral_health_goes_to_whoever_can_prevent_harm(void **state)
{
    (void)state;
    static const char *const recipients[] = {"{party: OTHER, id: police-7}", "{party: SCHOOL, id: school-1}", "{party: HOSPITAL, id: general}", "{party: AGENCY, id: riverside}"};
    for (size_t i = 0; i < sizeof recipients / sizeof *recipients; i++) {
        char rest[300];
        begin_child("BEHAVIORAL_HEALTH");
        snprintf(rest, sizeof rest, "recipient: %s, " URGENTLY, recipients[i]);
        ask(rest);
        assert_non_null(strstr(told()->exception, "164.512"));
        assert_string_equal(told()->consent_id, "");
    }
}

static void the_exception_is_recorded_with_recipient_discloser_nature_and_rule(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    ask("recipient: {party: OTHER, id: police-7}, " URGENTLY);
    const Handoff__V1__AuditEmission *a = audited(AUDIT(EMERGENCY));
    assert_string_equal(a->recipient->id, "police-7");
    assert_string_equal(a->by, "coordinator-1");
    assert_non_null(strstr(a->nature, "sister"));
    assert_non_null(strstr(a->text, "serious and imminent threat"));
}

static void compliance_hears_of_it_the_same_day_also_at_night_and_at_the_weekend(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    w->now_ms = when("2026-03-07 22:30"); /* a Saturday */
    ask("recipient: {party: OTHER, id: police-7}, " URGENTLY);
    assert_when(task_of(TASK(ASK_COMPLIANCE))->due_at_ms, "2026-03-07 23:59");
}

static void nobody_but_a_person_of_the_roster_invokes_the_exception(void **state)
{
    (void)state;
    static const char *const by[] = {"", "invoked_by: a-stranger, ", "invoked_by: system, "};
    for (size_t i = 0; i < sizeof by / sizeof *by; i++) {
        char rest[300];
        begin_child("BEHAVIORAL_HEALTH");
        snprintf(rest, sizeof rest, "recipient: {party: OTHER, id: police-7}, is_emergency: true, %snature: harm", by[i]);
        ask(rest);
        assert_null(told());
        assert_non_null(audited(AUDIT(REFUSED_ACTION)));
        assert_non_null(strstr(w->out.journaled.sentence, "by name"));
        assert_non_null(task_of(TASK(ASK_COMPLIANCE)));
    }
}

static bool is_told_in_emergency(const char *category, const char *party)
{
    char rest[300];
    begin_child(category);
    snprintf(rest, sizeof rest, "recipient: {party: %s, id: x}, " URGENTLY, party);
    ask(rest);
    return told() != NULL;
}

static void drug_and_alcohol_goes_to_medical_personnel_only_also_in_an_emergency(void **state)
{
    (void)state;
    static const char *const categories[] = {"DRUG_AND_ALCOHOL", "BOTH", "UNSPECIFIED"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(is_told_in_emergency(categories[i], "HOSPITAL"));
        assert_non_null(strstr(told()->exception, "42 CFR 2.51"));
        assert_true(is_told_in_emergency(categories[i], "PRESCRIBER"));
        assert_false(is_told_in_emergency(categories[i], "OTHER"));
        assert_false(is_told_in_emergency(categories[i], "SCHOOL"));
        assert_false(is_told_in_emergency(categories[i], "AGENCY"));
        assert_false(is_told_in_emergency(categories[i], "BH_TEAM"));
        assert_false(is_told_in_emergency(categories[i], "GUARDIAN"));
    }
    begin_child("DRUG_AND_ALCOHOL");
    ask("recipient: {party: HOSPITAL, id: general}, is_emergency: true, invoked_by: coordinator-1");
    assert_null(told());
    assert_non_null(strstr(w->out.journaled.sentence, "nature"));
}

static void what_is_covered_needs_no_exception_in_an_emergency_either(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    grant_to("riverside");
    ask("recipient: {party: AGENCY, id: riverside}, " URGENTLY);
    assert_string_equal(told()->consent_id, "roi-riverside");
    assert_null(audited(AUDIT(EMERGENCY)));
}

static void what_went_out_under_the_exception_passes_the_gate_again(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    ask("recipient: {party: OTHER, id: police-7}, " URGENTLY);
    Handoff__V1__Emission *e = MESSAGE_NEW(w->arena, Handoff__V1__Emission, emission);
    e->body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    e->status = (Handoff__V1__StatusEmission *)(uintptr_t)told();
    assert_int_equal(gate(w->rules, w->record, e, NULL, w->now_ms).answer, GATE_DELIVER);
}

/* --- reaching people ----------------------------------------------------------------------------------------------- */
static bool is_reachable(void) { return reach_family(w->rules, w->site, w->record, w->now_ms); }

static void a_family_is_reachable_until_nobody_of_it_has_a_channel_that_carries_a_message(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    assert_true(is_reachable());
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, permitted: [MAIL, IN_PERSON]}");
    assert_false(is_reachable());
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, permitted: [MAIL, SMS]}");
    assert_true(is_reachable());
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, has_no_channel: true}");
    assert_false(is_reachable());
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: dad, custody: LEGAL_AUTHORITY}]}");
    assert_true(is_reachable());
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: dad, custody: NONE}]}");
    assert_false(is_reachable());
    tell("preference.updated", "with: {person: PATIENT, permitted: [PORTAL]}");
    assert_true(is_reachable());
}

static void contact_is_looked_for_in_two_business_days_and_with_an_open_flag_today(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, has_no_channel: true}");
    assert_when(task_of(TASK(FIND_CONTACT))->due_at_ms, "2026-03-04 09:00");
    begin_child("BEHAVIORAL_HEALTH");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, has_no_channel: true}");
    assert_when(task_of(TASK(FIND_CONTACT))->due_at_ms, "2026-03-02 23:59");
}

static void an_older_preference_that_arrives_late_changes_nothing(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    go("2026-03-05 09:00");
    tell("preference.updated", "with: {person: PATIENT, is_opted_out: true}");
    assert_int_equal(tell("preference.updated", "occurred: 2026-03-04 09:00, with: {person: PATIENT}"), VERDICT(OVERTAKEN));
    assert_true(w->record->is_opted_out);
    tell("preference.updated", "occurred: 2026-03-05 09:00, with: {person: PATIENT}");
    assert_false(w->record->is_opted_out);
}

static void a_voicemail_says_a_name_and_a_number_unless_told_otherwise(void **state)
{
    (void)state;
#define CONTENT(NAME) HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_##NAME
    begin_child("BEHAVIORAL_HEALTH");
    assert_int_equal(reach_content(reach_preference(w->record, PARTY(GUARDIAN), "mom")), CONTENT(NAME_AND_NUMBER));
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, message_content: DETAILS}");
    assert_int_equal(reach_content(reach_preference(w->record, PARTY(GUARDIAN), "mom")), CONTENT(DETAILS));
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, is_phone_shared: true}");
    assert_int_equal(reach_content(reach_preference(w->record, PARTY(GUARDIAN), "mom")), CONTENT(NAME_AND_NUMBER));
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, message_content: NOTHING}");
    assert_int_equal(reach_content(reach_preference(w->record, PARTY(GUARDIAN), "mom")), CONTENT(NOTHING));
}

static void a_talk_without_the_interpreter_has_not_reached_anybody(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, language: vi, needs_interpreter: true}");
    grant_to("riverside");
    request("ref-1", "riverside");
    tell("contact.attempted", "with: {caller: GUARDIAN, caller_id: mom, callee: AGENCY, purpose: INTAKE, outcome: VOICEMAIL}");
    assert_non_null(timer_of("call-back"));
    tell("contact.attempted", "with: {caller: AGENCY, callee: GUARDIAN, callee_id: mom, purpose: INTAKE, outcome: REACHED}");
    assert_non_null(timer_of("call-back"));
    assert_non_null(strstr(w->out.journaled.sentence, "interpreter"));
    go("2026-03-04 10:00");
    char rest[120];
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: REACHED, by: coordinator-1}", task_of(TASK(CALL_FAMILY))->number);
    tell("task.completed", rest);
    assert_null(timer_of("family-check-in")); /* closed, but nobody was reached */
    go("2026-03-04 10:00");
    tell("contact.attempted", "with: {caller: AGENCY, callee: GUARDIAN, callee_id: mom, purpose: INTAKE, outcome: REACHED, is_in_language: true}");
    tell("contact.attempted", "with: {caller: GUARDIAN, caller_id: mom, callee: AGENCY, purpose: INTAKE, outcome: VOICEMAIL}");
    go("2026-03-06 10:00");
    snprintf(rest, sizeof rest, "task: t%u, with: {outcome: REACHED, by: coordinator-1, is_in_language: true}", task_of(TASK(CALL_FAMILY))->number);
    tell("task.completed", rest);
    assert_null(task_of(TASK(CALL_FAMILY)));
    assert_non_null(timer_of("family-check-in"));
    tell("contact.attempted", "with: {caller: AGENCY, callee: GUARDIAN, callee_id: mom, purpose: INTAKE, outcome: REACHED, is_in_language: true}");
    assert_null(timer_of("call-back"));
}

/* --- the gate, person by person -------------------------------------------------------------------------------------- */
static enum gate_answer reminded(Handoff__V1__Party party, const char *id)
{
    Handoff__V1__Emission *e = MESSAGE_NEW(w->arena, Handoff__V1__Emission, emission);
    Handoff__V1__Recipient *to = MESSAGE_NEW(w->arena, Handoff__V1__Recipient, recipient);
    e->body_case = HANDOFF__V1__EMISSION__BODY_REMINDER;
    e->reminder = MESSAGE_NEW(w->arena, Handoff__V1__ReminderEmission, reminder_emission);
    e->reminder->appointment = w->record->appointments[0]->number;
    e->reminder->starts_at_ms = w->record->appointments[0]->starts_at_ms;
    to->party = party;
    to->id = arena_string(w->arena, id);
    return gate(w->rules, w->record, e, to, w->now_ms).answer;
}

static void a_reminder_goes_to_those_of_the_family_who_may_be_reached(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    grant_to("riverside");
    request("ref-1", "riverside");
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00, agency_id: riverside}");
    assert_int_equal(reminded(PARTY(GUARDIAN), "mom"), GATE_DELIVER);
    assert_int_equal(reminded(PARTY(SCHOOL), "school-1"), GATE_WITHHOLD);
    tell("preference.updated", "with: {person: GUARDIAN, person_id: dad, earliest_minute: 1080, latest_minute: 1200}");
    assert_int_equal(reminded(PARTY(GUARDIAN), "mom"), GATE_DELIVER);
    assert_int_equal(reminded(PARTY(GUARDIAN), "dad"), GATE_WAIT);
    tell("preference.updated", "with: {person: GUARDIAN, person_id: dad, is_opted_out: true}");
    assert_int_equal(reminded(PARTY(GUARDIAN), "dad"), GATE_WITHHOLD);
    assert_int_equal(reminded(PARTY(GUARDIAN), "mom"), GATE_DELIVER);
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: uncle, custody: NONE}]}");
    assert_int_equal(reminded(PARTY(GUARDIAN), "uncle"), GATE_WITHHOLD);
    tell("patient.updated", "with: {birth_date: 2010-05-01}");
    tell("consent.granted", "with: {consent_id: own, signer: PATIENT, recipients: [{party: AGENCY, id: riverside}], direction: BOTH, "
                            "category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01, is_guardian_struck: true}");
    assert_int_equal(reminded(PARTY(GUARDIAN), "mom"), GATE_WITHHOLD);
    assert_int_equal(reminded(PARTY(PATIENT), ""), GATE_DELIVER);
}

/* --- the deceased and opted out, minimum necessary --------------------------------------------------------------------- */
static void a_family_that_declined_all_contact_gets_no_reminder_and_nobody_is_asked_to_call_instead(void **state)
{
    (void)state;
    begin_child("BEHAVIORAL_HEALTH");
    grant_to("riverside");
    request("ref-1", "riverside");
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00, agency_id: riverside}");
    tell("preference.updated", "with: {person: PATIENT, is_opted_out: true}");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, has_no_channel: true}");
    assert_null(task_of(TASK(FIND_CONTACT)));
    forget();
    go("2026-03-05 16:00");
    for (size_t i = 0; i < w->told_count; i++)
        assert_true(w->told[i]->body_case != HANDOFF__V1__EMISSION__BODY_REMINDER || w->told[i]->reminder->is_dropped);
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(OPENED)), 0);
}

static void a_reminder_has_no_field_for_a_diagnosis_a_level_or_an_agency(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *d = &handoff__v1__reminder_emission__descriptor;
    static const char *const allowed[] = {"appointment", "appointment_id", "starts_at_ms", "notice_number", "kind", "is_dropped"};
    for (unsigned i = 0; i < d->n_fields; i++) {
        bool is_allowed = false;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++) is_allowed |= strcmp(allowed[k], d->fields[i].name) == 0;
        assert_true(is_allowed);
    }
}

/* What a site's own pathway asks for without a word on channels is still never dropped. */
static const char *const reminding = "pathway: reminding\n"
                                     "subject: referral\n"
                                     "max_silence: 60d\n"
                                     "timers:\n"
                                     "  look: {fires: [{wait: 20d, do: [{task: clinical-review}]}]}\n"
                                     "  soon: {from: visit, per: appointment, once: true, reminder: true, fires: [{wait: -24h, do: [remind]}]}\n"
                                     "opens: [{on: referral.requested, target: open}]\n"
                                     "initial: open\n"
                                     "states:\n"
                                     "  open: {after: [look], on: {appointment.booked: {do: [{start: soon}]}, episode.closed: {target: closed}}}\n"
                                     "  closed: {final: true}\n";
static void a_pathway_that_only_reminds_asks_a_person_when_no_message_can_go(void **state)
{
    (void)state;
    begin(reminding);
    register_child();
    request("ref-1", "riverside");
    tell("appointment.booked", "appointment: v1, with: {starts_at: 2026-03-06 15:00, agency_id: riverside}");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, has_no_channel: true}");
    forget();
    go("2026-03-05 15:00");
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_REMINDER), 0);
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(OPENED)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(what_a_release_covers_is_told_with_its_id),
        SENTENCE(what_no_release_covers_is_withheld_and_the_release_asked_for),
        SENTENCE(what_is_uncertain_is_withheld_and_compliance_asked_the_same_day),
        SENTENCE(the_patient_and_the_workforce_need_no_release),
        SENTENCE(in_an_emergency_behavioral_health_goes_to_whoever_can_prevent_harm),
        SENTENCE(the_exception_is_recorded_with_recipient_discloser_nature_and_rule),
        SENTENCE(compliance_hears_of_it_the_same_day_also_at_night_and_at_the_weekend),
        SENTENCE(nobody_but_a_person_of_the_roster_invokes_the_exception),
        SENTENCE(drug_and_alcohol_goes_to_medical_personnel_only_also_in_an_emergency),
        SENTENCE(what_is_covered_needs_no_exception_in_an_emergency_either),
        SENTENCE(what_went_out_under_the_exception_passes_the_gate_again),
        SENTENCE(a_family_is_reachable_until_nobody_of_it_has_a_channel_that_carries_a_message),
        SENTENCE(contact_is_looked_for_in_two_business_days_and_with_an_open_flag_today),
        SENTENCE(an_older_preference_that_arrives_late_changes_nothing),
        SENTENCE(a_voicemail_says_a_name_and_a_number_unless_told_otherwise),
        SENTENCE(a_talk_without_the_interpreter_has_not_reached_anybody),
        SENTENCE(a_reminder_goes_to_those_of_the_family_who_may_be_reached),
        SENTENCE(a_family_that_declined_all_contact_gets_no_reminder_and_nobody_is_asked_to_call_instead),
        SENTENCE(a_reminder_has_no_field_for_a_diagnosis_a_level_or_an_agency),
        SENTENCE(a_pathway_that_only_reminds_asks_a_person_when_no_message_can_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
