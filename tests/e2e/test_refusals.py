"""Bad input: refused with a stable code and a sentence that names the field, counted, not stored; the connection
goes on."""

import pytest
import zmq
from peer import DAY_MS, START_MS, common_pb2, event, event_pb2, flag, referral, registered

from handoff.v1 import api_pb2

YEAR_MS = 366 * DAY_MS


def changed(**fields):
    e = registered("mary")
    for name, value in fields.items():
        setattr(e, name, value)
    return e.SerializeToString()


def without(field):
    e = registered("mary")
    e.ClearField(field)
    return e.SerializeToString()


def with_field(number, payload):
    """An event with a field as raw bytes (of fewer than 128)."""
    return registered("mary").SerializeToString() + bytes([number << 3 | 2, len(payload)]) + payload


def with_patient(payload):
    return without("patient_id") + bytes([4 << 3 | 2, len(payload)]) + payload


BAD = {
    "not protobuf": (b"\xff\xff\xff", "MALFORMED", None),
    "nothing": (b"", "BAD_ID", None),
    "cut off": (registered("mary").SerializeToString()[:-1], "MALFORMED", None),
    "too large": (changed(site="x" * 70000), "TOO_LARGE", None),
    "no body": (without("patient_registered"), "MISSING_BODY", None),
    "unknown body": (without("patient_registered") + b"\x92\x3e\x00", ("MISSING_BODY", "MALFORMED"), None),
    "missing field": (
        event("mary", contact_attempted=event_pb2.ContactAttempted(caller=1)).SerializeToString(),
        "MISSING_FIELD",
        "contact_attempted.",
    ),
    "unknown enum value": (
        event(
            "mary",
            coverage_updated=event_pb2.CoverageUpdated(kind=99, status=1),
        ).SerializeToString(),
        "UNKNOWN_VALUE",
        "coverage_updated.kind",
    ),
    "bad UTF-8": (with_patient(b"ma\xffry"), "BAD_TEXT", "patient_id"),
    "surrogate": (with_patient(b"\xed\xa0\x80"), "BAD_TEXT", "patient_id"),
    "NUL": (with_patient(b"ma\x00ry"), "BAD_TEXT", "patient_id"),
    "empty id": (changed(id=""), "BAD_ID", "id"),
    "over-long id": (changed(id="x" * 129), "BAD_ID", "id"),
    "empty source": (changed(source=""), "BAD_ID", "source"),
    "empty patient": (changed(patient_id=""), "BAD_ID", "patient_id"),
    "over-long patient": (changed(patient_id="x" * 129), "BAD_ID", "patient_id"),
    "no time": (changed(occurred_at_ms=0), "MISSING_FIELD", "occurred_at_ms"),
    "a time long ago": (changed(occurred_at_ms=1000), "BAD_TIME", "occurred_at_ms"),
    "a negative time": (changed(occurred_at_ms=-5), "BAD_TIME", "occurred_at_ms"),
    "a time in the future": (changed(occurred_at_ms=START_MS + YEAR_MS), "BAD_TIME", "occurred_at_ms"),
    "a date that is none": (
        event("mary", patient_registered=event_pb2.PatientRegistered(birth_date=20260230)).SerializeToString(),
        "BAD_TIME",
        "patient_registered.birth_date",
    ),
    "over-long text": (
        event(
            "mary", question_asked=event_pb2.QuestionAsked(text="x" * 5000)
        ).SerializeToString(),
        "BAD_TEXT",
        "question_asked.text",
    ),
    "a total out of the instrument's range": (
        event(
            "mary", screening_scored=event_pb2.ScreeningScored(instrument=event_pb2.INSTRUMENT_PHQ_9, total={"value": 28})
        ).SerializeToString(),
        "BAD_VALUE",
        "screening_scored.total",
    ),
    "an item out of the instrument's range": (
        event(
            "mary",
            screening_scored=event_pb2.ScreeningScored(
                instrument=event_pb2.INSTRUMENT_PSC_17, items=[event_pb2.ItemScore(item=1, score=3)]
            ),
        ).SerializeToString(),
        "BAD_VALUE",
        "screening_scored.items.score",
    ),
    "too many elements": (
        event(
            "mary",
            care_team_updated=event_pb2.CareTeamUpdated(
                members=[event_pb2.CareTeamMember(party=common_pb2.PARTY_SCHOOL, id=f"s{i}") for i in range(65)]
            ),
        ).SerializeToString(),
        "TOO_MANY",
        "care_team_updated.members",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_is_refused_and_counted_and_leaves_nothing(daemon, client, name):
    payload, codes, field = BAD[name]
    codes = (codes,) if isinstance(codes, str) else codes
    client.accept(registered("david"))
    before = client.statistics()
    result = client.publish(payload)[0]
    code = api_pb2.Code.Name(result.code).removeprefix("CODE_")
    assert code in codes, result
    assert result.sentence and result.sequence == 0
    if field:
        assert result.field.startswith(field)
        assert field.rstrip(".").split(".")[-1] in result.sentence or field in result.sentence
    assert "mary" not in result.sentence, "a sentence never holds what was sent"
    after = client.statistics()
    before["indexed_sequence"] = after["indexed_sequence"]
    assert after == before
    assert client.refusal(patient=api_pb2.PatientRequest(patient_id="mary")).code == api_pb2.CODE_UNKNOWN_PATIENT
    daemon.await_metric(1, "handoff_refused_total", code=code.lower())
    client.accept(registered("mary"))


def test_a_frame_that_is_no_request_is_malformed_and_the_connection_goes_on(daemon, client):
    client.send_raw(b"\xff\xff\xff")
    reply = api_pb2.Reply.FromString(client.receive_raw()[0])
    assert reply.error.code == api_pb2.CODE_MALFORMED
    client.send_raw(b"")
    reply = api_pb2.Reply.FromString(client.receive_raw()[0])
    assert reply.error.code == api_pb2.CODE_MALFORMED
    client.send_raw(b"one", b"two")
    reply = api_pb2.Reply.FromString(client.receive_raw()[0])
    assert reply.error.code == api_pb2.CODE_MALFORMED
    client.accept(registered("mary"))
    daemon.await_metric(3, "handoff_refused_total", code="malformed")


def test_a_request_that_this_daemon_does_not_know_is_refused_with_its_tag(client):
    assert client.refusal().code == api_pb2.CODE_UNKNOWN_REQUEST


def test_a_routing_id_of_the_clients_own_is_refused(daemon):
    client = daemon.client()
    client.close()
    client.socket = daemon.zmq.socket(zmq.DEALER)
    client.socket.linger = 0
    client.socket.setsockopt(zmq.ROUTING_ID, b"supervisor-1")
    client.socket.connect(daemon.endpoints["front"])
    assert client.refusal(info=api_pb2.InfoRequest()).code == api_pb2.CODE_MALFORMED


def test_a_frame_over_1_mib_costs_its_connection_and_nobody_elses(daemon, client):
    other = daemon.client()
    other.info()
    client.info()
    client.send_raw(b"x" * (1024 * 1024 + 1))
    other.accept(registered("mary"))
    fresh = daemon.client()
    assert fresh.patient("mary").record.is_known


def test_too_many_events_are_refused_as_a_whole(client):
    one = registered("mary").SerializeToString()
    error = client.refusal(publish=api_pb2.PublishRequest(events=[one] * 257))
    assert error.code == api_pb2.CODE_TOO_MANY
    assert error.field == "publish.events"
    assert client.refusal(patient=api_pb2.PatientRequest(patient_id="mary")).code == api_pb2.CODE_UNKNOWN_PATIENT


def test_an_oversize_batch_is_refused_as_a_whole(client):
    note = "x" * 4000
    events = [
        event(f"p{i}", question_asked=event_pb2.QuestionAsked(text=note)).SerializeToString() for i in range(70)
    ]
    assert client.refusal(publish=api_pb2.PublishRequest(events=events)).code == api_pb2.CODE_TOO_LARGE
    assert client.statistics()["events"] == 0
    client.accept(*[event_pb2.Event.FromString(e) for e in events[:50]])


def completed(patient_id, task_id, **options):
    """By a clinician, who says the level of risk: also a safety-check is completed so."""
    done = event_pb2.TaskCompleted(
        outcome=event_pb2.TASK_OUTCOME_DONE, by="supervisor-1", level=event_pb2.RISK_LEVEL_LOW
    )
    return event(patient_id, task_id=task_id, task_completed=done, **options)


def message_answer(patient_id, name, emission_id):
    """What the world answered to a message: message_sent or message_failed."""
    answer = event(patient_id)
    getattr(answer, name).emission_id = emission_id
    return answer


def test_work_of_another_patient_is_refused_and_touches_nobody(client):
    client.accept(flag("mary"), flag("david"))
    tasks = {patient: client.patient(patient).tasks for patient in ("mary", "david")}
    result = client.publish(completed("david", tasks["mary"][0].task_id))[0]
    assert (result.code, result.field) == (api_pb2.CODE_BAD_ID, "task_id")
    resolved = event("david", escalation_resolved=event_pb2.EscalationResolved(by="supervisor-1"))
    resolved.escalation_id = tasks["mary"][0].task_id.replace("-t", "-e")
    assert client.publish(resolved)[0].field == "escalation_id"
    assert client.publish(completed("david", "another-system-t1"))[0].field == "task_id"
    for answer in ("message_sent", "message_failed"):
        about = client.publish(message_answer("david", answer, tasks["mary"][0].task_id + ".1"))[0]
        assert (about.code, about.field) == (api_pb2.CODE_BAD_ID, answer + ".emission_id")
        client.accept(message_answer("david", answer, tasks["david"][0].task_id + ".99"))  # nothing that is open
        client.accept(message_answer("david", answer, "another-system"))
    client.accept(completed("david", "another-system"))  # names nothing
    for patient, before in tasks.items():
        assert client.patient(patient).tasks == before
    client.accept(completed("david", tasks["david"][0].task_id))
    assert len(client.patient("david").tasks) == len(tasks["david"]) - 1


def test_an_empty_publish_is_refused(client):
    assert client.refusal(publish=api_pb2.PublishRequest()).code == api_pb2.CODE_MISSING_FIELD


def test_bad_requests_to_read_are_refused(client):
    def code(**body):
        return api_pb2.Code.Name(client.refusal(**body).code)

    assert code(patient=api_pb2.PatientRequest()) == "CODE_BAD_ID"
    assert code(patient=api_pb2.PatientRequest(patient_id="x" * 129)) == "CODE_BAD_ID"
    assert code(patient=api_pb2.PatientRequest(patient_id="mary")) == "CODE_UNKNOWN_PATIENT"
    assert code(patient=api_pb2.PatientRequest(patient_id="mary", at_ms=-1)) == "CODE_BAD_TIME"
    assert code(timeline=api_pb2.TimelineRequest(patient_id="mary")) == "CODE_UNKNOWN_PATIENT"
    assert code(next=api_pb2.NextRequest(patient_id="mary")) == "CODE_UNKNOWN_PATIENT"
    assert code(tasks=api_pb2.TasksRequest(owner=99)) == "CODE_UNKNOWN_VALUE"
    assert code(tasks=api_pb2.TasksRequest(after=b"xyz")) == "CODE_BAD_VALUE"
    assert code(tasks=api_pb2.TasksRequest(as_of=1 << 40)) == "CODE_BAD_VALUE"
    assert code(emissions=api_pb2.EmissionsRequest()) == "CODE_MISSING_FIELD"
    assert code(clock=api_pb2.ClockRequest(advance_ms=-1)) == "CODE_BAD_TIME"
    assert code(clock=api_pb2.ClockRequest(advance_to_ms=1)) == "CODE_BAD_TIME"
    assert code(backup=api_pb2.BackupRequest(folder="relative")) == "CODE_BAD_VALUE"


def test_an_event_of_an_unknown_patient_or_appointment_is_accepted(client):
    e = event("nobody", appointment_no_show=event_pb2.AppointmentNoShow())
    e.appointment_id = "a-unknown"
    client.accept(e)


def test_a_late_event_is_accepted(client):
    client.accept(registered("mary"))
    client.advance(10 * DAY_MS)
    client.accept(referral("mary", at_ms=START_MS + DAY_MS))
