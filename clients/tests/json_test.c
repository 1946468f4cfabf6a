/* The JSON mapping: there and back for every event type, and against what Python's json_format wrote. */
#include "handoff.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN "clients/tests/golden/events.tsv"
#define ROUNDS 20

static const ProtobufCMessageDescriptor *const event_descriptor = &handoff__v1__event__descriptor;

/* --- messages filled by descriptor
 * ------------------------------------------------------------------------------ */

static uint64_t draw_state;

static uint64_t draw(void)
{
    draw_state ^= draw_state << 13;
    draw_state ^= draw_state >> 7;
    draw_state ^= draw_state << 17;
    return draw_state;
}

static ProtobufCMessage *make_filled(const ProtobufCMessageDescriptor *descriptor, unsigned body_id);

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 8;
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void fill_value(const ProtobufCFieldDescriptor *field, void *at)
{
    static const char *const texts[] = {"mary", "oak-street", "a \"b\" \\ \n\t", "caf\xc3\xa9 \xe2\x98\x95",
                                        "0"};
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = draw() & 1;
        break;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumDescriptor *values = field->descriptor;
        *(int *)at = values->values[draw() % values->n_values].value;
        break;
    }
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = strdup(texts[draw() % (sizeof texts / sizeof *texts)]);
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *bytes = at;
        bytes->len = draw() % 9;
        bytes->data = malloc(bytes->len + 1);
        for (size_t i = 0; i < bytes->len; i++) bytes->data[i] = (uint8_t)draw();
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = make_filled(field->descriptor, 0);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        *(uint64_t *)at = draw() >> draw() % 64;
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)at = (uint32_t)(draw() >> draw() % 64);
        break;
    default:
        fail_msg("%s has a type that this test does not fill", field->name);
    }
}

static void fill_list(const ProtobufCFieldDescriptor *field, uint8_t *base)
{
    size_t count = draw() % 4;
    if (!count) return;
    uint8_t *values = calloc(count, size_of(field));
    for (size_t i = 0; i < count; i++) fill_value(field, values + i * size_of(field));
    *(size_t *)(void *)(base + field->quantifier_offset) = count;
    *(uint8_t **)(void *)(base + field->offset) = values;
}

static ProtobufCMessage *make_filled(const ProtobufCMessageDescriptor *descriptor, unsigned body_id)
{
    ProtobufCMessage *message = malloc(descriptor->sizeof_message);
    uint8_t *base = (uint8_t *)message;
    protobuf_c_message_init(descriptor, message);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        bool is_oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
        if (is_oneof && field->id != body_id) continue;
        if (is_oneof) *(uint32_t *)(void *)(base + field->quantifier_offset) = field->id;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            fill_list(field, base);
        } else {
            fill_value(field, base + field->offset);
        }
    }
    return message;
}

static void assert_same_bytes(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t size = protobuf_c_message_get_packed_size(a);
    assert_int_equal(size, protobuf_c_message_get_packed_size(b));
    uint8_t *packed_a = malloc(size + 1);
    uint8_t *packed_b = malloc(size + 1);
    protobuf_c_message_pack(a, packed_a);
    protobuf_c_message_pack(b, packed_b);
    assert_memory_equal(packed_a, packed_b, size);
    free(packed_a);
    free(packed_b);
}

static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *descriptor, const char *text)
{
    struct handoff_json_error error;
    ProtobufCMessage *message = NULL;
    if (handoff_json_parse(descriptor, text, strlen(text), &error, &message)) {
        fail_msg("%s: %s %s", text, error.path, error.sentence);
    }
    return message;
}

static void assert_round_trip(const ProtobufCMessageDescriptor *descriptor, unsigned body_id,
                              bool is_indented)
{
    ProtobufCMessage *message = make_filled(descriptor, body_id);
    char *text = handoff_json_print(message, is_indented);
    assert_non_null(text);
    ProtobufCMessage *back = parse(descriptor, text);
    assert_same_bytes(message, back);
    free(text);
    protobuf_c_message_free_unpacked(message, NULL);
    protobuf_c_message_free_unpacked(back, NULL);
}

static void every_event_type_survives_the_way_to_json_and_back(void **state)
{
    (void)state;
    draw_state = 20260305;
    for (unsigned i = 0; i < event_descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &event_descriptor->fields[i];
        if (!handoff_is_event_body(field)) continue;
        for (int round = 0; round < ROUNDS; round++)
            assert_round_trip(event_descriptor, field->id, round & 1);
    }
}

static void replies_and_records_survive_the_way_to_json_and_back(void **state)
{
    (void)state;
    draw_state = 7447;
    const ProtobufCMessageDescriptor *const descriptors[] = {
        &handoff__v1__patient_reply__descriptor, &handoff__v1__timeline_reply__descriptor,
        &handoff__v1__tasks_reply__descriptor, &handoff__v1__emissions_reply__descriptor,
        &handoff__v1__patient_record__descriptor};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        for (int round = 0; round < ROUNDS; round++) assert_round_trip(descriptors[i], 0, false);
    }
}

/* --- golden
 * ----------------------------------------------------------------------------------------------------- */

static const ProtobufCMessageDescriptor *descriptor_named(const char *name)
{
    static const ProtobufCMessageDescriptor *const all[] = {
        &handoff__v1__event__descriptor, &handoff__v1__patient_reply__descriptor,
        &handoff__v1__tasks_reply__descriptor, &handoff__v1__patient_record__descriptor};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i]->short_name, name) == 0) return all[i];
    }
    fail_msg("%s names the unknown message %s", GOLDEN, name);
    return NULL;
}

/* The test reads base64 by way of the mapping itself: a bytes field of another message. */
static ProtobufCMessage *unpack_base64(const ProtobufCMessageDescriptor *descriptor, const char *base64)
{
    size_t size = strlen(base64) + 16;
    char *text = malloc(size);
    snprintf(text, size, "{\"next\":\"%s\"}", base64);
    Handoff__V1__TasksReply *carrier = (void *)parse(&handoff__v1__tasks_reply__descriptor, text);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, NULL, carrier->next.len, carrier->next.data);
    assert_non_null(message);
    handoff__v1__tasks_reply__free_unpacked(carrier, NULL);
    free(text);
    return message;
}

static void assert_agrees_with_python(char *line)
{
    char *base64 = strchr(line, '\t');
    assert_non_null(base64);
    *base64++ = 0;
    char *python_text = strchr(base64, '\t');
    assert_non_null(python_text);
    *python_text++ = 0;
    const ProtobufCMessageDescriptor *descriptor = descriptor_named(line);
    ProtobufCMessage *message = unpack_base64(descriptor, base64);

    char *our_text = handoff_json_print(message, false);
    json_t *ours = json_loads(our_text, 0, NULL);
    json_t *pythons = json_loads(python_text, 0, NULL);
    assert_non_null(pythons);
    if (!json_equal(ours, pythons)) fail_msg("ours: %s\npython's: %s", our_text, python_text);

    ProtobufCMessage *back = parse(descriptor, python_text);
    assert_same_bytes(message, back);

    json_decref(ours);
    json_decref(pythons);
    free(our_text);
    protobuf_c_message_free_unpacked(message, NULL);
    protobuf_c_message_free_unpacked(back, NULL);
}

static void what_python_wrote_is_read_and_written_the_same(void **state)
{
    (void)state;
    FILE *file = fopen(GOLDEN, "r");
    if (!file) fail_msg("run the tests from the root of the source tree: no %s", GOLDEN);
    char *line = NULL;
    size_t size = 0;
    unsigned count = 0;
    while (getline(&line, &size, file) > 0) {
        assert_agrees_with_python(line);
        count++;
    }
    assert_true(count > 100);
    free(line);
    fclose(file);
}

/* --- the rules, one by one
 * ---------------------------------------------------------------------------------------- */

static Handoff__V1__Event *parse_event(const char *text)
{
    return (void *)parse(event_descriptor, text);
}

static void assert_refused(const char *text, const char *path, const char *sentence)
{
    struct handoff_json_error error;
    ProtobufCMessage *message = NULL;
    int code = handoff_json_parse(event_descriptor, text, strlen(text), &error, &message);
    assert_int_equal(code, HANDOFF_BAD_JSON);
    assert_null(message);
    assert_string_equal(error.path, path);
    if (!strstr(error.sentence, sentence)) fail_msg("\"%s\" does not say \"%s\"", error.sentence, sentence);
}

static void assert_printed(const Handoff__V1__Event *event, const char *text)
{
    char *printed = handoff_json_print(&event->base, false);
    assert_string_equal(printed, text);
    free(printed);
}

static void names_are_read_in_both_spellings_and_written_in_camel_case(void **state)
{
    (void)state;
    Handoff__V1__Event *event =
        parse_event("{\"patient_id\":\"mary\",\"occurredAtMs\":\"5\",\"contact_attempted\":{\"caller\":2}}");
    assert_printed(event, "{\"patientId\": \"mary\", \"occurredAtMs\": \"5\", "
                          "\"contactAttempted\": {\"caller\": \"PARTY_GUARDIAN\"}}");
    handoff__v1__event__free_unpacked(event, NULL);
}

static void numbers_are_read_from_strings_and_whole_reals(void **state)
{
    (void)state;
    const char *const texts[] = {"{\"occurredAtMs\":1772746800000}", "{\"occurredAtMs\":\"1772746800000\"}",
                                 "{\"occurredAtMs\":1772746800000.0}"};
    for (size_t i = 0; i < 3; i++) {
        Handoff__V1__Event *event = parse_event(texts[i]);
        assert_int_equal(event->occurred_at_ms, 1772746800000);
        handoff__v1__event__free_unpacked(event, NULL);
    }
}

static void null_is_absent(void **state)
{
    (void)state;
    Handoff__V1__Event *event = parse_event("{\"id\":null,\"occurredAtMs\":null,\"contactAttempted\":null,"
                                            "\"careTeamUpdated\":{\"members\":null}}");
    assert_int_equal(event->body_case, HANDOFF__V1__EVENT__BODY_CARE_TEAM_UPDATED);
    assert_printed(event, "{\"careTeamUpdated\": {}}");
    handoff__v1__event__free_unpacked(event, NULL);
}

static void an_empty_body_is_kept(void **state)
{
    (void)state;
    Handoff__V1__Event *event = parse_event("{\"appointmentArrived\":{}}");
    assert_int_equal(event->body_case, HANDOFF__V1__EVENT__BODY_APPOINTMENT_ARRIVED);
    assert_printed(event, "{\"appointmentArrived\": {}}");
    handoff__v1__event__free_unpacked(event, NULL);
}

static void a_count_of_zero_is_not_an_absent_count(void **state)
{
    (void)state;
    Handoff__V1__Event *event = parse_event("{\"serviceDischargeNotice\":{\"visitsHeld\":{\"value\":0}}}");
    assert_printed(event, "{\"serviceDischargeNotice\": {\"visitsHeld\": {}}}");
    handoff__v1__event__free_unpacked(event, NULL);
}

static void an_unknown_field_is_named_with_its_path(void **state)
{
    (void)state;
    assert_refused("{\"patient\":\"mary\"}", "patient", "is not a field of Event");
    assert_refused("{\"contactAttempted\":{\"callerr\":2}}", "contactAttempted.callerr", "is not a field");
}

static void values_of_the_wrong_kind_are_refused(void **state)
{
    (void)state;
    assert_refused("{\"id\":5}", "id", "should be a string");
    assert_refused("{\"id\":[\"a\"]}", "id", "should be a string");
    assert_refused("{\"occurredAtMs\":true}", "occurredAtMs", "should be a number");
    assert_refused("{\"occurredAtMs\":\"5 \"}", "occurredAtMs", "decimal digits");
    assert_refused("{\"occurredAtMs\":\"\"}", "occurredAtMs", "decimal digits");
    assert_refused("{\"occurredAtMs\":1.5}", "occurredAtMs", "whole number");
    assert_refused("{\"occurredAtMs\":1e300}", "occurredAtMs", "whole number");
    assert_refused("{\"careTeamUpdated\":[]}", "careTeamUpdated", "should be an object");
    assert_refused("{\"careTeamUpdated\":{\"members\":{}}}", "careTeamUpdated.members", "should be a list");
    assert_refused("{\"careTeamUpdated\":{\"members\":[null]}}", "careTeamUpdated.members",
                   "null in its list");
    assert_refused("{\"careTeamUpdated\":{\"members\":[{},5]}}", "careTeamUpdated.members", "an object");
    assert_refused("{\"encounterDischarged\":{\"isPlanned\":1}}", "encounterDischarged.isPlanned",
                   "true or false");
    assert_refused("{\"carePlanUpdated\":{\"goals\":[\"walk\",7]}}", "carePlanUpdated.goals", "a string");
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    assert_refused("{\"patientRegistered\":{\"birthDate\":4294967296}}", "patientRegistered.birthDate",
                   "range");
    assert_refused("{\"patientRegistered\":{\"birthDate\":-1}}", "patientRegistered.birthDate", "range");
    assert_refused("{\"occurredAtMs\":\"9223372036854775808\"}", "occurredAtMs", "range");
}

static void enum_words_are_checked_and_numbers_are_open(void **state)
{
    (void)state;
    assert_refused("{\"contactAttempted\":{\"outcome\":\"VOICEMAIL\"}}", "contactAttempted.outcome",
                   "has no value \"VOICEMAIL\"");
    Handoff__V1__Event *event = parse_event("{\"contactAttempted\":{\"outcome\":\"2\",\"purpose\":99}}");
    assert_printed(event,
                   "{\"contactAttempted\": {\"purpose\": 99, \"outcome\": \"CONTACT_OUTCOME_VOICEMAIL\"}}");
    handoff__v1__event__free_unpacked(event, NULL);
}

static void only_one_of_a_oneof_may_be_given(void **state)
{
    (void)state;
    assert_refused("{\"appointmentArrived\":{},\"intakeCompleted\":{}}", "intakeCompleted", "only one");
}

static void a_name_given_twice_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"id\":\"a\",\"id\":\"b\"}", "", "duplicate");
    assert_refused("{\"patientId\":\"a\",\"patient_id\":\"b\"}", "patientId", "twice");
}

static void text_that_is_no_json_is_refused(void **state)
{
    (void)state;
    assert_refused("", "", "not JSON");
    assert_refused("{", "", "not JSON");
    assert_refused("{} {}", "", "not JSON");
    assert_refused("[]", "", "should be an object");
    assert_refused("{\"id\":\"a\\u0000b\"}", "", "not JSON");
    assert_refused("{\"id\":\"\xff\"}", "", "not JSON");
}

static void text_over_the_limit_is_refused(void **state)
{
    (void)state;
    size_t size = 1024 * 1024 + 1;
    char *text = malloc(size);
    memset(text, ' ', size);
    ProtobufCMessage *message = NULL;
    assert_int_equal(handoff_json_parse(event_descriptor, text, size, NULL, &message), HANDOFF_TOO_LARGE);
    free(text);
}

static void base64_is_read_in_both_alphabets_and_otherwise_refused(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *descriptor = &handoff__v1__tasks_reply__descriptor;
    const char *const texts[] = {"{\"next\":\"+/8=\"}", "{\"next\":\"-_8\"}"};
    for (size_t i = 0; i < 2; i++) {
        Handoff__V1__TasksReply *reply = (void *)parse(descriptor, texts[i]);
        assert_int_equal(reply->next.len, 2);
        assert_memory_equal(reply->next.data, "\xfb\xff", 2);
        handoff__v1__tasks_reply__free_unpacked(reply, NULL);
    }
    ProtobufCMessage *message = NULL;
    struct handoff_json_error error;
    const char *const bad[] = {"{\"next\":\"a\"}", "{\"next\":\"a*bc\"}", "{\"next\":\"ab=c\"}"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(handoff_json_parse(descriptor, bad[i], strlen(bad[i]), &error, &message),
                         HANDOFF_BAD_JSON);
        assert_string_equal(error.path, "next");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_type_survives_the_way_to_json_and_back),
        cmocka_unit_test(replies_and_records_survive_the_way_to_json_and_back),
        cmocka_unit_test(what_python_wrote_is_read_and_written_the_same),
        cmocka_unit_test(names_are_read_in_both_spellings_and_written_in_camel_case),
        cmocka_unit_test(numbers_are_read_from_strings_and_whole_reals),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(an_empty_body_is_kept),
        cmocka_unit_test(a_count_of_zero_is_not_an_absent_count),
        cmocka_unit_test(an_unknown_field_is_named_with_its_path),
        cmocka_unit_test(values_of_the_wrong_kind_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(enum_words_are_checked_and_numbers_are_open),
        cmocka_unit_test(only_one_of_a_oneof_may_be_given),
        cmocka_unit_test(a_name_given_twice_is_refused),
        cmocka_unit_test(text_that_is_no_json_is_refused),
        cmocka_unit_test(text_over_the_limit_is_refused),
        cmocka_unit_test(base64_is_read_in_both_alphabets_and_otherwise_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
