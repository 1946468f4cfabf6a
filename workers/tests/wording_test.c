/* What people read: each kind of delivery in words, and what is never in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify/wording.h"

#define THURSDAY_16_40 1772746800000 /* 2026-03-05, New York */
#define DAY_MS         86400000
#define TEXT(literal)  ((char *)(literal)) /* messages own their texts; these are never freed */

static struct site_config sites[2] = {
    {.site = "main", .name = "Oak Street", .number = "555-0199", .time_zone = "America/New_York", .language = "en"},
    {.site = "west", .name = "Elm Street", .number = "555-0142", .time_zone = "America/Los_Angeles", .language = "es"},
};
static struct notify_config config = {
    .sites = sites, .sites_count = 2, .templates = {.folder = "workers/notify/templates", .language = "en"}};
static struct wording *wording;

static int open_wording(void **state)
{
    (void)state;
    struct template_error error;
    return wording_open(&config, &wording, &error);
}

static int close_wording(void **state)
{
    (void)state;
    wording_close(&wording);
    return 0;
}

/* One delivery with everything it may have. */
struct parts {
    Handoff__V1__Delivery delivery;
    Handoff__V1__Emission emission;
    Handoff__V1__Addressee to;
    Handoff__V1__TaskEmission task;
    Handoff__V1__EscalationEmission escalation;
    Handoff__V1__ReminderEmission reminder;
    Handoff__V1__StatusEmission status;
};

static struct parts *begin(void)
{
    struct parts *p = calloc(1, sizeof *p);
    handoff__v1__delivery__init(&p->delivery);
    handoff__v1__emission__init(&p->emission);
    handoff__v1__addressee__init(&p->to);
    handoff__v1__task_emission__init(&p->task);
    handoff__v1__escalation_emission__init(&p->escalation);
    handoff__v1__reminder_emission__init(&p->reminder);
    handoff__v1__status_emission__init(&p->status);
    p->delivery.emission = &p->emission;
    p->delivery.to = &p->to;
    p->emission.id = TEXT("3f2a-t4.2");
    p->emission.patient_id = TEXT("mary");
    p->emission.at_ms = THURSDAY_16_40;
    return p;
}

static struct parts *reminder(Handoff__V1__MessageContent content, int64_t starts_at_ms)
{
    struct parts *p = begin();
    p->emission.body_case = HANDOFF__V1__EMISSION__BODY_REMINDER;
    p->emission.reminder = &p->reminder;
    p->emission.reason = TEXT("The visit to the partial hospitalization program is the day after tomorrow.");
    p->reminder.starts_at_ms = starts_at_ms;
    p->to.party = HANDOFF__V1__PARTY__PARTY_GUARDIAN;
    p->to.content = content;
    return p;
}

static struct parts *task(Handoff__V1__TaskKind kind, Handoff__V1__Severity severity, int64_t due_at_ms)
{
    struct parts *p = begin();
    p->emission.body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    p->emission.task = &p->task;
    p->emission.reason = TEXT("The family left a voicemail and nobody called back.");
    p->task.kind = kind;
    p->task.change = HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED;
    p->task.severity = severity;
    p->task.task_id = TEXT("t4");
    p->task.due_at_ms = due_at_ms;
    p->to.role = HANDOFF__V1__ROLE__ROLE_COORDINATOR;
    return p;
}

static struct parts *escalation(Handoff__V1__Severity severity)
{
    struct parts *p = begin();
    p->emission.body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    p->emission.escalation = &p->escalation;
    p->emission.reason = TEXT("A finding of the screening.");
    p->escalation.severity = severity;
    p->escalation.change = HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_CLIMBED;
    p->escalation.rung = HANDOFF__V1__ROLE__ROLE_SUPERVISOR;
    p->escalation.escalation_id = TEXT("e2");
    p->escalation.next_at_ms = THURSDAY_16_40 + DAY_MS / 2;
    return p;
}

static void write_all(struct parts *const *parts, size_t count, const struct site_config *site,
                      struct rendered *rendered)
{
    const Handoff__V1__Delivery *members[8];
    for (size_t i = 0; i < count; i++) members[i] = &parts[i]->delivery;
    const struct letter letter = {.members = members, .count = count, .site = site, .id = "id"};
    *rendered = (struct rendered){0};
    assert_int_equal(wording_write(wording, &letter, rendered), 0);
}

static void says(struct parts *const *parts, size_t count, const struct site_config *site, const char *subject,
                 const char *body)
{
    struct rendered rendered;
    write_all(parts, count, site, &rendered);
    assert_string_equal(rendered.subject, subject);
    assert_string_equal(rendered.body, body);
    rendered_free(&rendered);
}

/* Takes the parts. */
static void one_says(struct parts *p, const struct site_config *site, const char *subject, const char *body)
{
    says(&p, 1, site, subject, body);
    free(p);
}

#define DETAILS HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_DETAILS

static void a_reminder_says_when_and_whom_to_call_and_nothing_else(void **state)
{
    (void)state;
    one_says(reminder(DETAILS, THURSDAY_16_40), &sites[0], "Reminder from Oak Street",
             "This is a reminder of an appointment:\n\nThursday, March 5, 4:40 PM\n\n"
             "If the time does not suit, or if you have a question, please call Oak Street at 555-0199.\n");
}

static void a_reminder_is_in_the_sites_time_and_the_persons_language(void **state)
{
    (void)state;
    one_says(reminder(DETAILS, THURSDAY_16_40), &sites[1], "Recordatorio de Elm Street",
             "Le recordamos una cita:\n\njueves 5 de marzo, 1:40 p. m.\n\n"
             "Si la hora no le conviene, o si tiene una pregunta, por favor llame a Elm Street al 555-0142.\n");
    struct parts *english = reminder(DETAILS, THURSDAY_16_40);
    english->to.language = TEXT("en-US");
    one_says(english, &sites[1], "Reminder from Elm Street",
             "This is a reminder of an appointment:\n\nThursday, March 5, 1:40 PM\n\n"
             "If the time does not suit, or if you have a question, please call Elm Street at 555-0142.\n");
}

static void where_others_could_read_it_a_reminder_says_a_name_and_a_number(void **state)
{
    (void)state;
    static const Handoff__V1__MessageContent contents[] = {
        HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_UNSPECIFIED,
        HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_NOTHING,
        HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_NAME_AND_NUMBER,
    };
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        one_says(reminder(contents[i], THURSDAY_16_40), &sites[0], "Message from Oak Street",
                 "Please call Oak Street at 555-0199. It is not an emergency.\n");
    }
}

static void reminders_for_several_patients_are_one_message_in_the_order_of_the_visits(void **state)
{
    (void)state;
    struct parts *parts[3] = {reminder(DETAILS, THURSDAY_16_40 + DAY_MS), reminder(DETAILS, THURSDAY_16_40),
                              reminder(DETAILS, THURSDAY_16_40)};
    says(parts, 3, &sites[0], "Reminder from Oak Street",
         "This is a reminder of these appointments:\n\n"
         "- Thursday, March 5, 4:40 PM\n- Thursday, March 5, 4:40 PM\n- Friday, March 6, 4:40 PM\n\n"
         "If a time does not suit, or if you have a question, please call Oak Street at 555-0199.\n");
    parts[1]->to.content = HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_NAME_AND_NUMBER; /* the least for all */
    says(parts, 3, &sites[0], "Message from Oak Street", "Please call Oak Street at 555-0199. It is not an emergency.\n");
    says(parts + 2, 1, &sites[0], "Reminder from Oak Street",
         "This is a reminder of an appointment:\n\nThursday, March 5, 4:40 PM\n\n"
         "If the time does not suit, or if you have a question, please call Oak Street at 555-0199.\n");
    for (size_t i = 0; i < 3; i++) free(parts[i]);
}

static void a_notice_names_the_work_and_no_patient_in_its_subject(void **state)
{
    (void)state;
    one_says(
        task(HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY, HANDOFF__V1__SEVERITY__SEVERITY_URGENT, THURSDAY_16_40),
        &sites[0], "[urgent] call the family",
        "The family left a voicemail and nobody called back.\n\n"
        "Patient: mary\nNew: call the family\nDue: Thursday, March 5, 4:40 PM\nYou are asked as: care coordinator\n\n"
        "Please record what was done: that is what keeps this from coming again.\n\n"
        "Task: t4\n");
}

static void a_notice_says_whom_it_is_about_where_that_is_not_the_patient(void **state)
{
    (void)state;
    Handoff__V1__Recipient subject = HANDOFF__V1__RECIPIENT__INIT;
    const char *const ids[] = {"riverside", "mary"};
    for (size_t i = 0; i < 2; i++) {
        struct parts *p = task(HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_AGENCY,
                               HANDOFF__V1__SEVERITY__SEVERITY_URGENT, THURSDAY_16_40);
        struct rendered rendered;
        subject.id = TEXT(ids[i]);
        p->task.subject = &subject;
        write_all(&p, 1, &sites[0], &rendered);
        assert_true((strstr(rendered.body, "\nAbout: riverside\n") != NULL) == (i == 0));
        assert_true((strstr(rendered.body, "About:") != NULL) == (i == 0));
        rendered_free(&rendered);
        free(p);
    }
}

#define DIGEST_END \
    "Please record what was done: that is what keeps a task from coming again, and an escalation from climbing.\n"

static void a_digest_has_the_gravest_and_earliest_first(void **state)
{
    (void)state;
    struct parts *parts[3] = {
        task(HANDOFF__V1__TASK_KIND__TASK_KIND_SHARE_RESOURCES, HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE, 0),
        task(HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_SCHOOL, HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE, THURSDAY_16_40),
        task(HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_AGENCY, HANDOFF__V1__SEVERITY__SEVERITY_URGENT,
             THURSDAY_16_40 + DAY_MS),
    };
    parts[0]->task.due_at_ms = THURSDAY_16_40 + DAY_MS;
    parts[1]->emission.reason = TEXT("");
    says(parts, 3, &sites[0], "[routine] 3 notices",
         "- mary | call the agency | due Friday, March 6, 4:40 PM\n"
         "  The family left a voicemail and nobody called back.\n  New: t4\n\n"
         "- mary | call the school | due Thursday, March 5, 4:40 PM\n  New: t4\n\n"
         "- mary | share resources with the family | due Friday, March 6, 4:40 PM\n"
         "  The family left a voicemail and nobody called back.\n  New: t4\n\n" DIGEST_END);
    for (size_t i = 0; i < 3; i++) free(parts[i]);
}

static void escalations_are_in_the_digest_too_before_what_is_new(void **state)
{
    (void)state;
    struct parts *parts[3] = {
        task(HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_SCHOOL, HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE, THURSDAY_16_40),
        escalation(HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE), escalation(HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE)};
    parts[0]->emission.reason = TEXT("");
    parts[2]->escalation.task_kind = HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY;
    parts[2]->escalation.escalation_id = TEXT("e3");
    parts[2]->emission.sequence = 7;
    says(parts, 3, &sites[0], "[routine] 3 notices",
         "- mary\n  A finding of the screening.\n"
         "  It climbs or comes again on Friday, March 6, 4:40 AM\n  Escalation, climbed: e2\n\n"
         "- mary | call the family\n  A finding of the screening.\n"
         "  It climbs or comes again on Friday, March 6, 4:40 AM\n  Escalation, climbed: e3\n\n"
         "- mary | call the school | due Thursday, March 5, 4:40 PM\n  New: t4\n\n" DIGEST_END);
    for (size_t i = 0; i < 3; i++) free(parts[i]);
}

static void what_is_handed_over_is_a_list(void **state)
{
    (void)state;
    struct parts *p = task(HANDOFF__V1__TASK_KIND__TASK_KIND_TAKE_OVER, HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE, 0);
    Handoff__V1__ListLine lines[2] = {HANDOFF__V1__LIST_LINE__INIT, HANDOFF__V1__LIST_LINE__INIT};
    Handoff__V1__ListLine *list[2] = {&lines[0], &lines[1]};
    lines[0].patient_id = TEXT("tom");
    lines[0].severity = HANDOFF__V1__SEVERITY__SEVERITY_URGENT;
    lines[0].id = TEXT("t9");
    lines[0].kind = HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK;
    lines[0].due_at_ms = THURSDAY_16_40;
    lines[1].patient_id = TEXT("sarah");
    p->task.lines = list;
    p->task.n_lines = 2;
    p->task.total = 17;
    p->emission.reason = TEXT("The absence of coordinator-1 has begun.");
    one_says(p, &sites[0], "Work that is now yours",
             "The absence of coordinator-1 has begun.\n\n"
             "In all: 17. The most at risk come first.\n\n"
             "- tom | safety check | due Thursday, March 5, 4:40 PM | urgent\n  t9\n\n"
             "- sarah\n\n"
             "Please confirm that you have it: task t4\n");
}

static void an_emergent_escalation_says_act_now(void **state)
{
    (void)state;
    one_says(escalation(HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT), &sites[0], "EMERGENT, act now. Escalation, climbed",
             "ACT NOW.\n\nA finding of the screening.\n\n"
             "Patient: mary\nYou are told as: supervisor\n"
             "Unless somebody acknowledges it, it climbs or comes again on: Friday, March 6, 4:40 AM\n\n"
             "Please acknowledge it now, so that others know that somebody acts.\n\n"
             "Escalation, climbed: e2\n");
}

static void an_escalation_of_a_task_names_the_work(void **state)
{
    (void)state;
    struct parts *p = escalation(HANDOFF__V1__SEVERITY__SEVERITY_URGENT);
    p->escalation.task_kind = HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY;
    one_says(
        p, &sites[1], "[urgente] Aviso que sube de nivel: llamar a la familia",
        "A finding of the screening.\n\n"
        "Paciente: mary\nNo se hizo a tiempo: llamar a la familia\nSe le avisa como: supervisión\n"
        "Si nadie actúa, sube de nivel o vuelve a llegar el: viernes 6 de marzo, 1:40 a. m.\n\n"
        "Por favor, ocúpese y confirme que lo ha recibido. Eso lo detiene por un tiempo; solo termina cuando se "
        "resuelve.\n\nAviso que sube de nivel: e2\n");
}

static struct parts *status(void)
{
    struct parts *p = begin();
    p->emission.body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    p->emission.status = &p->status;
    p->emission.reason = TEXT("The referral to outpatient care was sent.");
    p->status.kind = HANDOFF__V1__STATUS_KIND__STATUS_KIND_REFERRAL_SENT;
    p->status.consent_id = TEXT("roi-1");
    p->status.referral_id = TEXT("r-mary");
    p->status.state = TEXT("requested");
    p->status.category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_DRUG_AND_ALCOHOL;
    p->status.notice = TEXT("This may not be disclosed further.");
    p->to.party = HANDOFF__V1__PARTY__PARTY_AGENCY;
    return p;
}

static void an_outside_recipient_reads_on_what_ground_and_the_notice_and_nothing_of_the_patient(void **state)
{
    (void)state;
    one_says(status(), &sites[0], "Message from Oak Street",
             "Oak Street has a message for you about somebody whom we both serve.\n\n"
             "Please call 555-0199 and give this reference: 3f2a-t4.2\n\n"
             "Released under: roi-1\n\n"
             "This may not be disclosed further.\n");
    struct parts *exception = status();
    exception->status.consent_id = TEXT("");
    exception->status.exception = TEXT("medical-emergency");
    one_says(exception, &sites[0], "Message from Oak Street",
             "Oak Street has a message for you about somebody whom we both serve.\n\n"
             "Please call 555-0199 and give this reference: 3f2a-t4.2\n\n"
             "Released under: medical-emergency\n\n"
             "This may not be disclosed further.\n");
}

static void a_heartbeat_says_that_it_is_one(void **state)
{
    (void)state;
    struct parts *p = status();
    p->status.kind = HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT;
    p->delivery.to = NULL;
    one_says(p, &sites[0], "handoffd is alive (Oak Street)",
             "Sign of life of Thursday, March 5, 4:40 PM.\n\nReference: 3f2a-t4.2\n");
}

static void a_test_message_says_that_nothing_needs_to_be_done(void **state)
{
    (void)state;
    struct rendered rendered = {0};
    assert_int_equal(wording_write_test(wording, &sites[0], THURSDAY_16_40, &rendered), 0);
    assert_string_equal(rendered.subject, "Test message from Oak Street");
    assert_string_equal(rendered.body,
                        "This is a test message of Thursday, March 5, 4:40 PM. Nothing needs to be done.\n\n"
                        "Oak Street, 555-0199\n");
    rendered_free(&rendered);
}

static void a_time_zone_that_there_is_not_is_found_before_anything_is_sent(void **state)
{
    (void)state;
    struct site_config site = {.site = "main", .name = "Oak Street", .time_zone = "America/Oak_Street"};
    struct notify_config other = {.sites = &site, .sites_count = 1, .templates = config.templates};
    struct wording *opened = NULL;
    struct template_error error;
    assert_int_equal(wording_open(&other, &opened, &error), -1);
    assert_null(opened);
    assert_string_equal(error.sentence, "site main: the system's database has no time zone America/Oak_Street");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reminder_says_when_and_whom_to_call_and_nothing_else),
        cmocka_unit_test(a_reminder_is_in_the_sites_time_and_the_persons_language),
        cmocka_unit_test(where_others_could_read_it_a_reminder_says_a_name_and_a_number),
        cmocka_unit_test(reminders_for_several_patients_are_one_message_in_the_order_of_the_visits),
        cmocka_unit_test(a_notice_names_the_work_and_no_patient_in_its_subject),
        cmocka_unit_test(a_notice_says_whom_it_is_about_where_that_is_not_the_patient),
        cmocka_unit_test(a_digest_has_the_gravest_and_earliest_first),
        cmocka_unit_test(escalations_are_in_the_digest_too_before_what_is_new),
        cmocka_unit_test(what_is_handed_over_is_a_list),
        cmocka_unit_test(an_emergent_escalation_says_act_now),
        cmocka_unit_test(an_escalation_of_a_task_names_the_work),
        cmocka_unit_test(an_outside_recipient_reads_on_what_ground_and_the_notice_and_nothing_of_the_patient),
        cmocka_unit_test(a_heartbeat_says_that_it_is_one),
        cmocka_unit_test(a_test_message_says_that_nothing_needs_to_be_done),
        cmocka_unit_test(a_time_zone_that_there_is_not_is_found_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, open_wording, close_wording);
}
