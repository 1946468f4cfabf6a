/* The doorbell: what rings, what it says, and how gaps can be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>
#include <zmq.h>

#include "net/stream.h"

#define KEY "00112233445566778899aabbccddeeff"
enum { BOUND_MS = 5000 };

struct fixture {
    void *zmq, *subscriber;
    struct stream *stream;
    struct arena *arena;
};

/* Waits until XPUB has been told of a subscription, or of its end. */
static int await_subscription(struct fixture *f)
{
    zmq_pollitem_t item = {.socket = stream_socket(f->stream), .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, BOUND_MS) != 1) return -1;
    stream_read(f->stream);
    return 0;
}

static int subscribe(struct fixture *f, const char *topic)
{
    f->subscriber = zmq_socket(f->zmq, ZMQ_SUB);
    zmq_setsockopt(f->subscriber, ZMQ_SUBSCRIBE, topic, strlen(topic));
    zmq_connect(f->subscriber, stream_endpoint(f->stream));
    return await_subscription(f);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->zmq = zmq_ctx_new();
    f->arena = arena_new(1024 * 1024);
    *state = f;
    if (stream_open(f->zmq, "tcp://127.0.0.1:*", &f->stream) != 0) return -1;
    return subscribe(f, "");
}
static int tear_down(void **state)
{
    struct fixture *f = *state;
    zmq_close(f->subscriber);
    stream_close(f->stream);
    zmq_ctx_term(f->zmq);
    arena_free(f->arena);
    free(f);
    return 0;
}

static Handoff__V1__Doorbell *receive(struct fixture *f, const char *topic)
{
    char text[32] = {0};
    uint8_t payload[512];
    zmq_pollitem_t item = {.socket = f->subscriber, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, BOUND_MS), 1);
    zmq_recv(f->subscriber, text, sizeof text - 1, 0);
    assert_string_equal(text, topic);
    int size = zmq_recv(f->subscriber, payload, sizeof payload, 0);
    assert_true(size > 0);
    Handoff__V1__Doorbell *bell = handoff__v1__doorbell__unpack(arena_protobuf(f->arena), (size_t)size, payload);
    assert_non_null(bell);
    return bell;
}

struct cause {
    struct entry entry;
    Handoff__V1__Outcome outcome;
    Handoff__V1__Emission emissions[3], *list[3];
    Handoff__V1__TaskEmission tasks[2];
    Handoff__V1__EscalationEmission escalation;
};

static void task(struct cause *c, int i, uint32_t number, Handoff__V1__TaskKind kind, Handoff__V1__Severity severity)
{
    handoff__v1__task_emission__init(&c->tasks[i]);
    c->tasks[i].number = number;
    c->tasks[i].kind = kind;
    c->tasks[i].severity = severity;
    c->emissions[i].body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    c->emissions[i].task = &c->tasks[i];
}

/* Two tasks and an escalation. */
static void fill(struct cause *c, uint64_t sequence)
{
    static const uint8_t record = 1;
    *c = (struct cause){.entry = {.sequence = sequence, .kind = ENTRY_EVENT, .record = {&record, 1}}};
    handoff__v1__outcome__init(&c->outcome);
    for (int i = 0; i < 3; i++) {
        handoff__v1__emission__init(&c->emissions[i]);
        c->list[i] = &c->emissions[i];
    }
    task(c, 0, 4, HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY, HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE);
    task(c, 1, 5, HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK, HANDOFF__V1__SEVERITY__SEVERITY_URGENT);
    handoff__v1__escalation_emission__init(&c->escalation);
    c->escalation.number = 2;
    c->escalation.change = HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RAISED;
    c->escalation.rung = HANDOFF__V1__ROLE__ROLE_SUPERVISOR;
    c->emissions[2].body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    c->emissions[2].escalation = &c->escalation;
    c->outcome.emissions = c->list;
    c->outcome.n_emissions = 3;
}

static void an_entry_rings_once_on_each_stream_it_is_about(void **state)
{
    struct fixture *f = *state;
    struct cause c;
    fill(&c, 10);
    size_t used = arena_used(f->arena);
    stream_ring(f->stream, &c.entry, &c.outcome, KEY, f->arena);
    assert_int_equal(arena_used(f->arena), used);
    Handoff__V1__Doorbell *bell = receive(f, "task");
    assert_int_equal(bell->count, 2);
    assert_int_equal(bell->severity, HANDOFF__V1__SEVERITY__SEVERITY_URGENT);
    assert_string_equal(bell->kind, "safety-check");
    assert_string_equal(bell->subject_id, KEY "-t5");
    bell = receive(f, "escalation");
    assert_string_equal(bell->kind, "raised");
    assert_int_equal(bell->rung, HANDOFF__V1__ROLE__ROLE_SUPERVISOR);
    bell = receive(f, "record");
    assert_string_equal(bell->subject_id, KEY);
    assert_string_equal(bell->kind, "event");
    assert_int_equal(stream_rung(f->stream), 3);
}

static void each_doorbell_names_the_one_before_it_on_its_stream(void **state)
{
    struct fixture *f = *state;
    struct cause c;
    uint64_t previous = 0;
    for (uint64_t sequence = 10; sequence < 40; sequence += 10) {
        fill(&c, sequence);
        if (sequence == 20) c.outcome.n_emissions = 0; /* the record alone */
        stream_ring(f->stream, &c.entry, &c.outcome, KEY, f->arena);
        if (sequence != 20) {
            assert_int_equal(receive(f, "task")->previous_sequence, previous);
            receive(f, "escalation");
            previous = sequence;
        }
        assert_int_equal(receive(f, "record")->previous_sequence, sequence - 10 ? sequence - 10 : 0);
    }
}

static void what_rang_before_the_start_is_recalled(void **state)
{
    struct fixture *f = *state;
    struct cause c;
    fill(&c, 5);
    stream_recall(f->stream, &c.entry, &c.outcome);
    fill(&c, 10);
    stream_ring(f->stream, &c.entry, &c.outcome, KEY, f->arena);
    assert_int_equal(receive(f, "task")->previous_sequence, 5);
    assert_int_equal(receive(f, "escalation")->previous_sequence, 5);
    assert_int_equal(receive(f, "record")->previous_sequence, 5);
}

static void an_entry_about_nobody_rings_nowhere(void **state)
{
    struct fixture *f = *state;
    struct cause c;
    fill(&c, 10);
    c.entry.record.len = 0;
    c.outcome.n_emissions = 0;
    stream_ring(f->stream, &c.entry, &c.outcome, KEY, f->arena);
    assert_int_equal(stream_rung(f->stream), 0);
}

static void what_nobody_subscribes_to_does_not_ring_and_the_next_bell_shows_the_gap(void **state)
{
    struct fixture *f = *state;
    struct cause c;
    zmq_close(f->subscriber);
    assert_int_equal(await_subscription(f), 0);
    fill(&c, 10);
    stream_ring(f->stream, &c.entry, &c.outcome, KEY, f->arena);
    assert_int_equal(stream_rung(f->stream), 0);
    assert_int_equal(subscribe(f, "esc"), 0);
    fill(&c, 20);
    stream_ring(f->stream, &c.entry, &c.outcome, KEY, f->arena);
    assert_int_equal(stream_rung(f->stream), 1);
    assert_int_equal(receive(f, "escalation")->previous_sequence, 10);
}

static void a_doorbell_has_no_field_for_names_or_reasons(void **state)
{
    (void)state;
    static const char *const allowed[] = {"stream", "sequence", "previous_sequence", "count", "severity", "subject_id", "rung",
                                          "kind"};
    const ProtobufCMessageDescriptor *d = &handoff__v1__doorbell__descriptor;
    assert_int_equal(d->n_fields, sizeof allowed / sizeof *allowed);
    for (unsigned i = 0; i < d->n_fields; i++)
        assert_string_equal(d->fields[i].name, allowed[i]);
}

static void topics_are_the_streams_names_in_lower_case(void **state)
{
    (void)state;
    assert_string_equal(stream_name(HANDOFF__V1__STREAM__STREAM_TASK), "task");
    assert_string_equal(stream_name(HANDOFF__V1__STREAM__STREAM_AUDIT), "audit");
    assert_null(stream_name(HANDOFF__V1__STREAM__STREAM_UNSPECIFIED));
    assert_null(stream_name((Handoff__V1__Stream)77));
}

/* libzmq 4.3.4 ends the process when its heartbeat is due on a connection that was reset with requests still waiting;
 * that takes its ten seconds to be seen, so the cause is tested. */
static void dead_peers_are_found_by_the_kernel_and_not_by_heartbeats(void **state)
{
    struct fixture *f = *state;
    const int options[][2] = {{ZMQ_HEARTBEAT_IVL, 0}, {ZMQ_TCP_KEEPALIVE, 1}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int value = -2;
        size_t size = sizeof value;
        assert_int_equal(zmq_getsockopt(stream_socket(f->stream), options[i][0], &value, &size), 0);
        assert_int_equal(value, options[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(dead_peers_are_found_by_the_kernel_and_not_by_heartbeats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_rings_once_on_each_stream_it_is_about, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_doorbell_names_the_one_before_it_on_its_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_rang_before_the_start_is_recalled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_about_nobody_rings_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_nobody_subscribes_to_does_not_ring_and_the_next_bell_shows_the_gap, set_up, tear_down),
        cmocka_unit_test(a_doorbell_has_no_field_for_names_or_reasons),
        cmocka_unit_test(topics_are_the_streams_names_in_lower_case),
    };
    return cmocka_run_group_tests_name("net stream", tests, NULL, NULL);
}
