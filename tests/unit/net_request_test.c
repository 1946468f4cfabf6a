/* Requests from the wire: what is refused, and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "net/request.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(64 * 1024 * 1024);
    return arena ? 0 : -1;
}
static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct bytes pack(const Handoff__V1__Request *request)
{
    size_t size = handoff__v1__request__get_packed_size(request);
    uint8_t *data = arena_alloc(arena, size + 1);
    handoff__v1__request__pack(request, data);
    return (struct bytes){data, size};
}

static Handoff__V1__Code code_of(struct bytes payload)
{
    Handoff__V1__Request *request = NULL;
    struct request_fault fault = {0};
    int rc = request_read(payload, arena, &request, &fault);
    if (rc == 0) return HANDOFF__V1__CODE__CODE_UNSPECIFIED;
    assert_null(request);
    assert_true(fault.sentence[0] != 0);
    return fault.code;
}

static struct bytes patient_request(const char *id)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__PatientRequest patient = HANDOFF__V1__PATIENT_REQUEST__INIT;
    patient.patient_id = (char *)(uintptr_t)id;
    request.tag = 77;
    request.body_case = HANDOFF__V1__REQUEST__BODY_PATIENT;
    request.patient = &patient;
    return pack(&request);
}

static struct bytes publish_request(size_t events)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__PublishRequest publish = HANDOFF__V1__PUBLISH_REQUEST__INIT;
    static uint8_t byte = 1;
    publish.n_events = events;
    publish.events = arena_alloc(arena, (events + 1) * sizeof *publish.events);
    for (size_t i = 0; i < events; i++)
        publish.events[i] = (ProtobufCBinaryData){1, &byte};
    request.body_case = HANDOFF__V1__REQUEST__BODY_PUBLISH;
    request.publish = &publish;
    return pack(&request);
}

static void a_good_request_is_read_whole(void **state)
{
    (void)state;
    Handoff__V1__Request *request;
    struct request_fault fault;
    assert_int_equal(request_read(patient_request("mary"), arena, &request, &fault), 0);
    assert_int_equal(request->tag, 77);
    assert_string_equal(request->patient->patient_id, "mary");
    assert_int_equal(code_of(publish_request(LIMIT_PUBLISH_EVENTS)), 0);
}

static void the_tag_is_found_even_when_the_request_is_refused(void **state)
{
    (void)state;
    struct bytes payload = patient_request("mary");
    assert_int_equal(request_tag(payload), 77);
    assert_int_equal(request_tag((struct bytes){payload.data, 2}), 77);
    assert_int_equal(request_tag((struct bytes){(const uint8_t *)"\xff\xff", 2}), 0);
    assert_int_equal(request_tag((struct bytes){NULL, 0}), 0);
}

static void what_is_not_protobuf_is_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xff", "\x08", "\x12\x7f", "\x0b", "\x22\x03\x0a\x09x", "\x07"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(code_of((struct bytes){(const uint8_t *)bad[i], strlen(bad[i])}), HANDOFF__V1__CODE__CODE_MALFORMED);
}

static void every_truncation_is_refused_or_read_but_never_crashes(void **state)
{
    (void)state;
    struct bytes whole = patient_request("mary");
    for (size_t len = 1; len < whole.len; len++) {
        uint8_t *copy = malloc(len); /* of exact size, so that a sanitizer sees a read past it */
        memcpy(copy, whole.data, len);
        code_of((struct bytes){copy, len});
        free(copy);
    }
}

static void a_request_without_a_body_or_of_a_later_kind_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(code_of((struct bytes){(const uint8_t *)"\x08\x05", 2}), HANDOFF__V1__CODE__CODE_UNKNOWN_REQUEST);
    assert_int_equal(code_of((struct bytes){(const uint8_t *)"\xa2\x06\x00", 3}), HANDOFF__V1__CODE__CODE_UNKNOWN_REQUEST);
}

static void two_bodies_are_malformed(void **state)
{
    (void)state;
    assert_int_equal(code_of((struct bytes){(const uint8_t *)"\x52\x00\x5a\x00", 4}), HANDOFF__V1__CODE__CODE_MALFORMED);
}

static void text_that_is_not_utf8_or_holds_nul_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xff", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xc3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(code_of(patient_request(bad[i])), HANDOFF__V1__CODE__CODE_BAD_TEXT);
    assert_int_equal(code_of((struct bytes){(const uint8_t *)"\x1a\x05\x0a\x03m\0y", 7}), HANDOFF__V1__CODE__CODE_BAD_TEXT);
    assert_int_equal(code_of(patient_request("J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x99\x82")), 0);
}

static void an_over_long_id_is_refused(void **state)
{
    (void)state;
    char id[LIMIT_ID_BYTES + 2];
    memset(id, 'a', sizeof id);
    id[LIMIT_ID_BYTES + 1] = 0;
    assert_int_equal(code_of(patient_request(id)), HANDOFF__V1__CODE__CODE_BAD_ID);
    id[LIMIT_ID_BYTES] = 0;
    assert_int_equal(code_of(patient_request(id)), 0);
}

static void an_enum_value_that_is_not_listed_is_refused(void **state)
{
    (void)state;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__TasksRequest tasks = HANDOFF__V1__TASKS_REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_TASKS;
    request.tasks = &tasks;
    tasks.owner = (Handoff__V1__Role)99;
    assert_int_equal(code_of(pack(&request)), HANDOFF__V1__CODE__CODE_UNKNOWN_VALUE);
    tasks.owner = (Handoff__V1__Role)-1;
    assert_int_equal(code_of(pack(&request)), HANDOFF__V1__CODE__CODE_UNKNOWN_VALUE);
    tasks.owner = HANDOFF__V1__ROLE__ROLE_SUPERVISOR;
    assert_int_equal(code_of(pack(&request)), 0);
}

static void more_events_than_one_publish_may_have_are_refused_as_a_whole(void **state)
{
    (void)state;
    assert_int_equal(code_of(publish_request(LIMIT_PUBLISH_EVENTS + 1)), HANDOFF__V1__CODE__CODE_TOO_MANY);
}

static void a_request_over_its_size_is_refused(void **state)
{
    (void)state;
    uint8_t *big = arena_alloc(arena, LIMIT_PUBLISH_BYTES + 1);
    assert_int_equal(code_of((struct bytes){big, LIMIT_PUBLISH_BYTES + 1}), HANDOFF__V1__CODE__CODE_TOO_LARGE);
}

static void the_first_event_of_a_publish_is_found_before_it_is_read(void **state)
{
    (void)state;
    struct bytes event, request = publish_request(3);
    assert_true(request_first_event(request, &event));
    Handoff__V1__Request *whole = handoff__v1__request__unpack(arena_protobuf(arena), request.len, request.data);
    assert_int_equal(event.len, whole->publish->events[0].len);
    assert_memory_equal(event.data, whole->publish->events[0].data, event.len);
    assert_false(request_first_event(publish_request(0), &event));
    assert_false(request_first_event(patient_request("mary"), &event));
    for (size_t len = 0; len < request.len; len++)
        if (request_first_event((struct bytes){request.data, len}, &event)) assert_true(event.data + event.len <= request.data + len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_request_is_read_whole),
        cmocka_unit_test(the_tag_is_found_even_when_the_request_is_refused),
        cmocka_unit_test(what_is_not_protobuf_is_malformed),
        cmocka_unit_test(every_truncation_is_refused_or_read_but_never_crashes),
        cmocka_unit_test(a_request_without_a_body_or_of_a_later_kind_is_unknown),
        cmocka_unit_test(two_bodies_are_malformed),
        cmocka_unit_test(text_that_is_not_utf8_or_holds_nul_is_refused),
        cmocka_unit_test(an_over_long_id_is_refused),
        cmocka_unit_test(an_enum_value_that_is_not_listed_is_refused),
        cmocka_unit_test(more_events_than_one_publish_may_have_are_refused_as_a_whole),
        cmocka_unit_test(a_request_over_its_size_is_refused),
        cmocka_unit_test(the_first_event_of_a_publish_is_found_before_it_is_read),
    };
    return cmocka_run_group_tests_name("net request", tests, set_up, tear_down);
}
