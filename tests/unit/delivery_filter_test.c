/* Which emissions a subscription wants, and which filters make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "delivery/filter.h"

#define STREAM(NAME) HANDOFF__V1__STREAM__STREAM_##NAME
#define SEVERITY(NAME) HANDOFF__V1__SEVERITY__SEVERITY_##NAME
#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME
#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME
#define TASK(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
#define BODY(NAME) HANDOFF__V1__EMISSION__BODY_##NAME

static Handoff__V1__SubscriptionSettings settings;
static Handoff__V1__SubscriptionFilter wanted;
static struct filter filter;
static char *kinds[4];
static Handoff__V1__Severity severities[4];
static Handoff__V1__Role roles[4];

static int begin(void **state)
{
    (void)state;
    handoff__v1__subscription_settings__init(&settings);
    handoff__v1__subscription_filter__init(&wanted);
    settings.filter = &wanted;
    settings.stream = STREAM(TASK);
    return 0;
}

static const char *compile(const char **ret_field)
{
    return filter_compile(&settings, &filter, ret_field);
}

static void compiles(void)
{
    const char *field = NULL;
    assert_null(compile(&field));
}

static void is_refused(const char *expected_field)
{
    const char *field = NULL, *why = compile(&field);
    assert_non_null(why);
    assert_string_equal(field, expected_field);
}

static void want_kind(const char *kind)
{
    kinds[wanted.n_kinds++] = (char *)(uintptr_t)kind;
    wanted.kinds = kinds;
}
static void want_severity(Handoff__V1__Severity severity)
{
    severities[wanted.n_severities++] = severity;
    wanted.severities = severities;
}
static void want_role(Handoff__V1__Role role)
{
    roles[wanted.n_roles++] = role;
    wanted.roles = roles;
}

/* --- emissions ------------------------------------------------------------------------------------------------------ */
static bool takes_task(Handoff__V1__TaskKind kind, Handoff__V1__Severity severity, Handoff__V1__Role owner)
{
    Handoff__V1__Emission e = HANDOFF__V1__EMISSION__INIT;
    Handoff__V1__TaskEmission t = HANDOFF__V1__TASK_EMISSION__INIT;
    t.kind = kind;
    t.severity = severity;
    t.owner = owner;
    e.body_case = BODY(TASK);
    e.task = &t;
    return filter_takes(&filter, &e);
}

static bool takes_reminder(void)
{
    Handoff__V1__Emission e = HANDOFF__V1__EMISSION__INIT;
    Handoff__V1__ReminderEmission r = HANDOFF__V1__REMINDER_EMISSION__INIT;
    e.body_case = BODY(REMINDER);
    e.reminder = &r;
    return filter_takes(&filter, &e);
}

static bool takes_escalation(Handoff__V1__EscalationChange change, Handoff__V1__Severity severity, Handoff__V1__Role rung)
{
    Handoff__V1__Emission e = HANDOFF__V1__EMISSION__INIT;
    Handoff__V1__EscalationEmission x = HANDOFF__V1__ESCALATION_EMISSION__INIT;
    x.change = change;
    x.severity = severity;
    x.rung = rung;
    e.body_case = BODY(ESCALATION);
    e.escalation = &x;
    return filter_takes(&filter, &e);
}

static bool takes_status(Handoff__V1__Party party, const char *id)
{
    Handoff__V1__Emission e = HANDOFF__V1__EMISSION__INIT;
    Handoff__V1__StatusEmission s = HANDOFF__V1__STATUS_EMISSION__INIT;
    Handoff__V1__Recipient to = HANDOFF__V1__RECIPIENT__INIT;
    to.party = party;
    to.id = (char *)(uintptr_t)id;
    s.kind = HANDOFF__V1__STATUS_KIND__STATUS_KIND_ANSWER;
    s.recipient = id != NULL ? &to : NULL;
    e.body_case = BODY(STATUS);
    e.status = &s;
    return filter_takes(&filter, &e);
}

static bool takes_audit(Handoff__V1__AuditKind kind)
{
    Handoff__V1__Emission e = HANDOFF__V1__EMISSION__INIT;
    Handoff__V1__AuditEmission a = HANDOFF__V1__AUDIT_EMISSION__INIT;
    a.kind = kind;
    e.body_case = BODY(AUDIT);
    e.audit = &a;
    return filter_takes(&filter, &e);
}

/* --- what it takes ---------------------------------------------------------------------------------------------------- */
static void an_empty_filter_takes_all_of_its_stream_and_nothing_else(void **state)
{
    (void)state;
    compiles();
    assert_true(takes_task(TASK(CALL_FAMILY), SEVERITY(ROUTINE), ROLE(COORDINATOR)) && takes_reminder());
    assert_false(takes_escalation(1, SEVERITY(URGENT), ROLE(SUPERVISOR)) || takes_status(PARTY(AGENCY), "riverside") ||
                 takes_audit(1));
    settings.stream = STREAM(ESCALATION);
    compiles();
    assert_true(takes_escalation(1, SEVERITY(URGENT), ROLE(SUPERVISOR)));
    assert_false(takes_task(TASK(CALL_FAMILY), SEVERITY(ROUTINE), ROLE(COORDINATOR)) || takes_reminder());
    settings.stream = STREAM(STATUS);
    compiles();
    assert_true(takes_status(PARTY(AGENCY), "riverside") && takes_status(PARTY(AGENCY), NULL));
    settings.stream = STREAM(AUDIT);
    compiles();
    assert_true(takes_audit(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_WITHHELD));
}

static void kinds_are_named_as_doorbells_name_them(void **state)
{
    (void)state;
    want_kind("call-family");
    want_kind("safety-check");
    compiles();
    assert_true(takes_task(TASK(CALL_FAMILY), SEVERITY(ROUTINE), ROLE(COORDINATOR)));
    assert_true(takes_task(TASK(SAFETY_CHECK), SEVERITY(URGENT), ROLE(CLINICIAN)));
    assert_false(takes_task(TASK(CALL_AGENCY), SEVERITY(ROUTINE), ROLE(COORDINATOR)) || takes_reminder());
}

static void every_kind_of_every_stream_can_be_named(void **state)
{
    (void)state;
    char word[64];
    Handoff__V1__Emission e = HANDOFF__V1__EMISSION__INIT;
    Handoff__V1__TaskEmission t = HANDOFF__V1__TASK_EMISSION__INIT;
    e.body_case = BODY(TASK);
    e.task = &t;
    for (unsigned i = 1; i < handoff__v1__task_kind__descriptor.n_values; i++) {
        t.kind = (Handoff__V1__TaskKind)handoff__v1__task_kind__descriptor.values[i].value;
        begin(NULL);
        want_kind(filter_kind(&e, word));
        compiles();
        assert_true(filter_takes(&filter, &e));
    }
    Handoff__V1__AuditEmission a = HANDOFF__V1__AUDIT_EMISSION__INIT;
    e.body_case = BODY(AUDIT);
    e.audit = &a;
    for (unsigned i = 1; i < handoff__v1__audit_kind__descriptor.n_values; i++) {
        a.kind = (Handoff__V1__AuditKind)handoff__v1__audit_kind__descriptor.values[i].value;
        begin(NULL);
        settings.stream = STREAM(AUDIT);
        want_kind(filter_kind(&e, word));
        compiles();
        assert_true(filter_takes(&filter, &e));
    }
}

static void reminders_are_had_by_name_or_with_everything(void **state)
{
    (void)state;
    want_kind("reminder");
    want_severity(SEVERITY(URGENT));
    compiles();
    assert_true(takes_reminder());
    assert_false(takes_task(TASK(CALL_FAMILY), SEVERITY(URGENT), ROLE(COORDINATOR)));
    begin(NULL);
    want_severity(SEVERITY(ROUTINE));
    compiles();
    assert_false(takes_reminder());
}

static void severity_and_role_must_both_hold(void **state)
{
    (void)state;
    want_severity(SEVERITY(URGENT));
    want_severity(SEVERITY(EMERGENT));
    want_role(ROLE(SUPERVISOR));
    compiles();
    assert_true(takes_task(TASK(CALL_FAMILY), SEVERITY(EMERGENT), ROLE(SUPERVISOR)));
    assert_false(takes_task(TASK(CALL_FAMILY), SEVERITY(ROUTINE), ROLE(SUPERVISOR)));
    assert_false(takes_task(TASK(CALL_FAMILY), SEVERITY(URGENT), ROLE(COORDINATOR)));
    settings.stream = STREAM(ESCALATION);
    compiles();
    assert_true(takes_escalation(2, SEVERITY(URGENT), ROLE(SUPERVISOR)));
    assert_false(takes_escalation(2, SEVERITY(URGENT), ROLE(DIRECTOR)));
}

static void status_is_chosen_by_recipient(void **state)
{
    (void)state;
    settings.stream = STREAM(STATUS);
    wanted.recipient_party = PARTY(AGENCY);
    compiles();
    assert_true(takes_status(PARTY(AGENCY), "riverside"));
    assert_false(takes_status(PARTY(SCHOOL), "riverside") || takes_status(PARTY(AGENCY), NULL));
    wanted.recipient_id = (char *)"riverside";
    compiles();
    assert_true(takes_status(PARTY(AGENCY), "riverside"));
    assert_false(takes_status(PARTY(AGENCY), "lakeside"));
}

/* --- what makes no sense ---------------------------------------------------------------------------------------------- */
static void a_filter_that_makes_no_sense_is_refused_with_its_field(void **state)
{
    (void)state;
    settings.stream = STREAM(UNSPECIFIED);
    is_refused("settings.stream");
    begin(NULL);
    want_kind("make-coffee");
    is_refused("settings.filter.kinds");
    begin(NULL);
    want_kind("");
    is_refused("settings.filter.kinds");
    begin(NULL);
    want_kind("unspecified");
    is_refused("settings.filter.kinds");
    begin(NULL);
    settings.stream = STREAM(RECORD);
    want_kind("call-family");
    is_refused("settings.filter.kinds");
    begin(NULL);
    settings.stream = STREAM(ESCALATION);
    want_kind("reminder");
    is_refused("settings.filter.kinds");
    begin(NULL);
    settings.stream = STREAM(RECORD);
    settings.is_addressed = true;
    is_refused("settings.is_addressed");
}

static void a_filter_by_what_its_stream_has_not_is_refused(void **state)
{
    (void)state;
    settings.stream = STREAM(STATUS);
    want_severity(SEVERITY(URGENT));
    is_refused("settings.filter.severities");
    begin(NULL);
    settings.stream = STREAM(AUDIT);
    want_role(ROLE(SUPERVISOR));
    is_refused("settings.filter.roles");
    begin(NULL);
    wanted.recipient_party = PARTY(AGENCY);
    is_refused("settings.filter.recipient_party");
    begin(NULL);
    settings.stream = STREAM(RECORD);
    wanted.recipient_id = (char *)"riverside";
    is_refused("settings.filter.recipient_party");
    begin(NULL);
    want_severity(SEVERITY(UNSPECIFIED));
    is_refused("settings.filter.severities");
    begin(NULL);
    want_role(ROLE(UNSPECIFIED));
    is_refused("settings.filter.roles");
}

#define SENTENCE(NAME) cmocka_unit_test_setup(NAME, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(an_empty_filter_takes_all_of_its_stream_and_nothing_else),
        SENTENCE(kinds_are_named_as_doorbells_name_them),
        SENTENCE(every_kind_of_every_stream_can_be_named),
        SENTENCE(reminders_are_had_by_name_or_with_everything),
        SENTENCE(severity_and_role_must_both_hold),
        SENTENCE(status_is_chosen_by_recipient),
        SENTENCE(a_filter_that_makes_no_sense_is_refused_with_its_field),
        SENTENCE(a_filter_by_what_its_stream_has_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
