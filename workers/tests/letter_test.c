/* What a letter is, and what webhooks and commands get of it: enough for the workforce's systems to act, and no more
 * than subject and text for everybody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "notify/letter.h"

struct world {
    Handoff__V1__Delivery delivery;
    Handoff__V1__Emission emission;
    Handoff__V1__TaskEmission task;
    Handoff__V1__ReminderEmission reminder;
    Handoff__V1__StatusEmission status;
    Handoff__V1__Addressee to;
    Handoff__V1__Address address;
};

static void begin(struct world *w)
{
    handoff__v1__delivery__init(&w->delivery);
    handoff__v1__emission__init(&w->emission);
    handoff__v1__task_emission__init(&w->task);
    handoff__v1__reminder_emission__init(&w->reminder);
    handoff__v1__status_emission__init(&w->status);
    handoff__v1__addressee__init(&w->to);
    handoff__v1__address__init(&w->address);
    w->delivery.emission = &w->emission;
    w->delivery.to = &w->to;
    w->emission.id = (char *)"a1-t4.2";
    w->emission.patient_id = (char *)"mary";
    w->emission.reason = (char *)"The agency rejected the referral.";
    w->emission.site = (char *)"main";
    w->address.channel = HANDOFF__V1__CHANNEL__CHANNEL_WEBHOOK;
    w->address.address = (char *)"https://example.org";
}

static void to_staff(struct world *w)
{
    begin(w);
    w->emission.body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    w->emission.task = &w->task;
    w->task.kind = HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY;
    w->task.severity = HANDOFF__V1__SEVERITY__SEVERITY_URGENT;
    w->task.task_id = (char *)"a1-t4";
    w->task.due_at_ms = 1767618000000;
    w->to.id = (char *)"coordinator-1";
    w->to.role = HANDOFF__V1__ROLE__ROLE_COORDINATOR;
}

static void to_family(struct world *w)
{
    begin(w);
    w->emission.body_case = HANDOFF__V1__EMISSION__BODY_REMINDER;
    w->emission.reminder = &w->reminder;
    w->to.party = HANDOFF__V1__PARTY__PARTY_GUARDIAN;
    w->to.key = (char *)"GUARDIAN:mother-1";
    w->to.id = (char *)"mother-1";
}

static json_t *json_of(const struct world *w)
{
    static const struct site_config site = {.site = "main", .name = "Care", .number = "555-0100"};
    const Handoff__V1__Delivery *members[] = {&w->delivery};
    const struct letter letter = {
        .members = members, .count = 1, .site = &site, .address = &w->address, .id = "a1-t4.2"};
    struct rendered rendered = {.subject = (char *)"a subject", .body = (char *)"a text\n", .language = "en"};
    char *text = letter_json(&letter, &rendered, 1000);
    assert_non_null(text);
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void staff_systems_get_what_they_need_to_act(void **state)
{
    (void)state;
    struct world w;
    to_staff(&w);
    json_t *json = json_of(&w);
    assert_string_equal(text_at(json, "type"), "handoff.message");
    assert_string_equal(text_at(json, "id"), "a1-t4.2");
    assert_string_equal(text_at(json, "kind"), "notice");
    assert_string_equal(text_at(json, "severity"), "urgent");
    assert_string_equal(text_at(json, "subject"), "a subject");
    assert_string_equal(text_at(json_object_get(json, "to"), "channel"), "webhook");
    assert_string_equal(text_at(json_object_get(json, "to"), "person_id"), "coordinator-1");
    json_t *item = json_array_get(json_object_get(json, "items"), 0);
    assert_string_equal(text_at(item, "patient_id"), "mary");
    assert_string_equal(text_at(item, "task_id"), "a1-t4");
    assert_string_equal(text_at(item, "task"), "call-family");
    assert_int_equal(json_integer_value(json_object_get(item, "due_at_ms")), 1767618000000);
    json_decref(json);
}

static void nobody_else_gets_more_than_subject_and_text(void **state)
{
    (void)state;
    static const char *const keys[] = {"type",      "id",       "kind", "timestamp_ms", "site",
                                       "call_back", "language", "to",   "subject",      "text"};
    struct world w;
    for (int outside = 0; outside < 2; outside++) {
        to_family(&w);
        if (outside) {
            w.to.party = HANDOFF__V1__PARTY__PARTY_AGENCY;
            w.emission.body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
            w.emission.status = &w.status;
        }
        json_t *json = json_of(&w);
        assert_int_equal(json_object_size(json), sizeof keys / sizeof *keys);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) assert_non_null(json_object_get(json, keys[i]));
        assert_int_equal(json_object_size(json_object_get(json, "to")), 2);
        json_decref(json);
    }
}

static void who_is_not_of_the_workforce_or_the_family_is_outside(void **state)
{
    (void)state;
    struct world w;
    to_staff(&w);
    assert_int_equal(letter_party(&w.delivery), LETTER_STAFF);
    to_family(&w);
    assert_int_equal(letter_party(&w.delivery), LETTER_FAMILY);
    w.to.party = HANDOFF__V1__PARTY__PARTY_PATIENT;
    assert_int_equal(letter_party(&w.delivery), LETTER_FAMILY);
    w.to.party = HANDOFF__V1__PARTY__PARTY_SCHOOL;
    assert_int_equal(letter_party(&w.delivery), LETTER_OUTSIDE);
}

static void a_message_has_the_emissions_id_and_a_mark_where_there_are_several_addressees(void **state)
{
    (void)state;
    struct world w;
    char id[LETTER_ID_BYTES];
    to_staff(&w);
    letter_id(&w.delivery, id);
    assert_string_equal(id, "a1-t4.2");
    to_family(&w);
    letter_id(&w.delivery, id);
    assert_int_equal(strlen(id), strlen("a1-t4.2") + 9);
    assert_null(strstr(id, "mother"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(staff_systems_get_what_they_need_to_act),
        cmocka_unit_test(nobody_else_gets_more_than_subject_and_text),
        cmocka_unit_test(who_is_not_of_the_workforce_or_the_family_is_outside),
        cmocka_unit_test(a_message_has_the_emissions_id_and_a_mark_where_there_are_several_addressees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
