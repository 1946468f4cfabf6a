"""The doorbell: rings after each commit, names nobody, and lets a subscriber find what it missed."""

import zmq
from peer import DAY_MS, START_MS, emission_pb2, event, event_pb2, referral, registered, voicemail

from handoff.v1 import api_pb2

WEEK_MS = 7 * DAY_MS


def joined(daemon, client, *topics):
    """A subscriber that certainly hears what comes from now on."""
    bell = daemon.subscribe(*topics, "record")
    for attempt in range(10_000):
        client.accept(registered(f"knock{attempt}"))
        if bell.socket.poll(1):
            break
    last = client.statistics()["last_sequence"]
    while bell.receive().sequence != last:
        pass
    return bell


def last_record(client):
    """Clock entries ring on no stream."""
    return client.all_emissions(emission_pb2.STREAM_RECORD)[-1].entry.sequence


def test_each_commit_rings_on_the_streams_it_is_about(daemon, client):
    bell = joined(daemon, client, "task", "escalation")
    (sequence,) = client.accept(referral("mary"))
    rung = bell.receive()
    assert (rung.stream, rung.sequence) == (emission_pb2.STREAM_RECORD, sequence)
    client.advance(3 * DAY_MS)
    first, second = bell.receive(), bell.receive()
    assert {first.stream, second.stream} == {emission_pb2.STREAM_TASK, emission_pb2.STREAM_RECORD}
    task = first if first.stream == emission_pb2.STREAM_TASK else second
    assert task.kind == "call-agency"
    assert task.count == 1
    assert task.subject_id.endswith("-t1")


def test_a_doorbell_holds_no_name_and_no_reason(daemon, client):
    bell = joined(daemon, client, "task", "escalation", "status", "audit")
    client.accept(referral("mary"), voicemail("mary"))
    client.advance(4 * WEEK_MS)
    last = last_record(client)
    seen = []
    while not seen or seen[-1].sequence < last:
        seen.append(bell.receive())
    text = b"".join(b.SerializeToString() for b in seen)
    for word in (b"mary", b"agency-1", b"voicemail", b"coordinator-1", b"family reached"):
        assert word not in text


def test_each_doorbell_names_the_one_before_it_on_its_stream(daemon, client):
    bell = joined(daemon, client, "task", "escalation")
    client.accept(*[referral(f"p{i}") for i in range(5)])
    client.advance(6 * WEEK_MS)
    last = last_record(client)
    previous = {}
    rung = bell.receive()
    while rung.sequence < last:
        if rung.stream in previous:
            assert rung.previous_sequence == previous[rung.stream]
        previous[rung.stream] = rung.sequence
        rung = bell.receive()
    assert emission_pb2.STREAM_ESCALATION in previous


def test_a_gap_is_seen_and_fetched_from_the_front(daemon, client):
    bell = joined(daemon, client, "task")
    client.accept(referral("mary"))
    client.advance(3 * DAY_MS)
    rung = bell.receive()
    while rung.stream != emission_pb2.STREAM_TASK:
        rung = bell.receive()
    seen = rung.sequence
    bell.close()
    client.accept(voicemail("mary", at_ms=client.now_ms()))  # nobody listens
    client.advance(WEEK_MS)
    missed = client.all_emissions(emission_pb2.STREAM_TASK, seen)
    assert missed
    bell = joined(daemon, client, "task")
    client.accept(referral("david", at_ms=client.now_ms()))
    client.advance(WEEK_MS)
    rung = bell.receive()
    while rung.stream != emission_pb2.STREAM_TASK:
        rung = bell.receive()
    assert rung.previous_sequence == missed[-1].sequence, "the gap ends where the front's answer ended"


def test_what_is_fetched_has_content_and_the_same_ids_every_time(client):
    client.accept(referral("mary"))
    client.advance(6 * WEEK_MS)
    tasks = client.all_emissions(emission_pb2.STREAM_TASK)
    assert tasks[0].patient_id == "mary"
    assert tasks[0].reason == "The agency has not said that the referral arrived."
    assert tasks[0].task.task_id.endswith("-t1")
    assert len({e.id for e in tasks}) == len(tasks)
    again = client.all_emissions(emission_pb2.STREAM_TASK, limit=1)
    assert [e.id for e in again] == [e.id for e in tasks]
    assert [(e.sequence, e.position) for e in again] == sorted((e.sequence, e.position) for e in again)
    escalations = client.all_emissions(emission_pb2.STREAM_ESCALATION)
    assert escalations and all(e.person_id for e in escalations)


def test_the_record_stream_has_every_accepted_input(client):
    sequences = client.accept(registered("david"), referral("mary"), voicemail("mary"))
    records = client.all_emissions(emission_pb2.STREAM_RECORD)
    assert [r.entry.sequence for r in records] == sequences
    assert [r.patient_id for r in records] == ["david", "mary", "mary"]
    assert records[1].entry.steps[0].to_state == "requested"


def test_a_reminder_is_fetched_while_it_may_go_out_and_withheld_after(client):
    starts_ms = START_MS + 10 * DAY_MS
    client.accept(referral("mary"))
    booked = event(
        "mary", referral_id="r-mary", appointment_booked=event_pb2.AppointmentBooked(starts_at_ms=starts_ms)
    )
    booked.appointment_id = "a1"
    client.accept(booked)
    client.advance(9 * DAY_MS + 1000)

    def reminders():
        return [e for e in client.all_emissions(emission_pb2.STREAM_TASK) if not e.WhichOneof("body") == "task"]

    (reminder,) = reminders()
    assert reminder.reminder.appointment_id == "a1"
    client.advance(2 * DAY_MS)
    (reminder,) = reminders()
    assert reminder.WhichOneof("body") is None
    assert reminder.reason.startswith("dropped: ")


def test_sequences_go_on_over_a_restart(daemon, client):
    client.accept(referral("mary"))
    client.advance(3 * DAY_MS)
    last = client.all_emissions(emission_pb2.STREAM_TASK)[-1].sequence
    daemon.kill()
    daemon.start()
    client = daemon.client()
    bell = joined(daemon, client, "task")
    client.accept(voicemail("mary", at_ms=client.now_ms()))
    client.advance(WEEK_MS)
    rung = bell.receive()
    while rung.stream != emission_pb2.STREAM_TASK:
        rung = bell.receive()
    assert rung.previous_sequence == last


def test_garbage_on_the_stream_socket_harms_nobody(daemon, client):
    socket = daemon.zmq.socket(zmq.XSUB)
    socket.linger = 0
    socket.connect(daemon.endpoints["stream"])
    for payload in (b"\x01task", b"\x00task", b"hello", b"\x02", b"x" * 100_000):
        socket.send(payload)
    bell = joined(daemon, client, "task")
    client.accept(referral("mary"))
    assert bell.receive().stream == emission_pb2.STREAM_RECORD
    socket.close()
