"""Publishing: accepted, repeated, pipelined, and kept whatever happens."""

import zmq
from peer import DAY_MS, START_MS, event, event_pb2, referral, registered, voicemail

from handoff.v1 import api_pb2, journal_pb2


def test_an_accepted_event_has_a_sequence_and_changes_the_patient(client):
    first, second = client.accept(registered("mary"), referral("mary"))
    assert second > first > 0
    patient = client.patient("mary")
    assert patient.sequence == second
    assert patient.record.birth_date == 20160214
    assert [e.pathway for e in patient.episodes] == ["referral"]
    assert [e.state for e in patient.episodes] == ["requested"]
    assert [t.name for t in patient.timers] == ["acknowledge"]


def test_the_verdict_is_in_the_result(client):
    result = client.publish(referral("mary"))[0]
    assert result.code == api_pb2.CODE_ACCEPTED
    assert result.verdict == journal_pb2.VERDICT_APPLIED


def test_a_repeat_is_a_duplicate_with_the_first_sequence(client):
    first = registered("mary", id="r1")
    (sequence,) = client.accept(first)
    before = client.statistics()["entries"]
    again = client.publish(first)[0]
    assert (again.code, again.sequence) == (api_pb2.CODE_DUPLICATE, sequence)
    assert client.statistics()["entries"] == before


def test_a_repeat_within_one_batch_is_a_duplicate_too(client):
    first = registered("mary", id="r1")
    one, two = client.publish(first, first)
    assert one.code == api_pb2.CODE_ACCEPTED
    assert (two.code, two.sequence) == (api_pb2.CODE_DUPLICATE, one.sequence)


def test_the_same_id_with_other_content_differs_and_the_first_stands(client):
    (sequence,) = client.accept(registered("mary", id="r1"))
    other = event("mary", id="r1", patient_registered=event_pb2.PatientRegistered(birth_date=20150101))
    result = client.publish(other)[0]
    assert (result.code, result.sequence) == (api_pb2.CODE_DUPLICATE_DIFFERS, sequence)
    assert result.sentence
    assert client.patient("mary").record.birth_date == 20160214


def test_the_same_id_of_another_source_is_another_event(client):
    client.accept(registered("mary", id="r1", source="ehr"), registered("mary", id="r1", source="portal"))


def test_one_bad_event_neither_blocks_nor_undoes_the_others(client):
    results = client.publish(registered("mary"), b"\xff\xff", registered("david"))
    assert [r.code for r in results] == [api_pb2.CODE_ACCEPTED, api_pb2.CODE_MALFORMED, api_pb2.CODE_ACCEPTED]
    assert results[1].sequence == 0
    assert client.patient("mary").record.is_known and client.patient("david").record.is_known


def test_results_come_in_the_order_of_the_events(client):
    events = [registered(f"p{i}") for i in range(256)]
    sequences = client.accept(*events)
    assert sequences == sorted(sequences)


def test_pipelined_publishes_are_each_answered_once(client):
    tags = [
        client.send(publish=api_pb2.PublishRequest(events=[registered(f"p{i}").SerializeToString()]))
        for i in range(1000)
    ]
    sequences = {client.receive(tag).publish.results[0].sequence for tag in tags}
    assert len(sequences) == 1000
    assert not client.replies, "no reply without a request"


def test_events_of_one_patient_apply_in_the_order_sent(client):
    tags = [
        client.send(publish=api_pb2.PublishRequest(events=[e.SerializeToString()]))
        for e in (registered("mary"), referral("mary"), voicemail("mary", at_ms=START_MS))
    ]
    sequences = [client.receive(tag).publish.results[0].sequence for tag in tags]
    assert sequences == sorted(sequences)
    assert client.patient("mary").episodes[0].regions == ["call-back: waiting"]


def test_what_was_published_before_on_the_connection_is_seen_by_what_reads_after(client):
    publish = client.send(publish=api_pb2.PublishRequest(events=[registered("mary").SerializeToString()]))
    read = client.send(patient=api_pb2.PatientRequest(patient_id="mary"))
    assert client.receive(read).patient.record.is_known
    assert client.receive(publish).publish.results[0].code == api_pb2.CODE_ACCEPTED


def test_a_req_socket_is_served_too(daemon):
    client = daemon.client(zmq.REQ)
    client.accept(registered("mary"))
    assert client.patient("mary").record.is_known


def test_a_publisher_of_big_batches_does_not_hold_up_a_small_one(daemon):
    big, small = daemon.client(), daemon.client()
    big.info(), small.info()
    batches = [[registered(f"b{b}-{i}").SerializeToString() for i in range(256)] for b in range(300)]
    requests = [
        api_pb2.Request(tag=b, publish=api_pb2.PublishRequest(events=events)).SerializeToString()
        for b, events in enumerate(batches)
    ]
    for request in requests:
        big.send_raw(request)
    small.accept(registered("mary"))
    answered = 0
    while big.socket.poll(0):
        big.receive_raw()
        answered += 1
    assert answered < 300, "it was served between two of the batches"


def test_nothing_acknowledged_is_lost_by_kill_9_and_a_retry_is_a_duplicate(daemon):
    client = daemon.client()
    events = [registered(f"p{i}", id=f"r{i}") for i in range(100)]
    sequences = client.accept(*events)
    client.accept(referral("mary", id="m1"))
    before = client.patient("mary")
    daemon.kill()
    daemon.start()
    client = daemon.client()
    again = client.publish(*events)
    assert [r.code for r in again] == [api_pb2.CODE_DUPLICATE] * 100
    assert [r.sequence for r in again] == sequences
    assert client.patient("mary").record == before.record
    client.advance(30 * DAY_MS)
    assert client.patient("mary").tasks, "timers live on"


def test_what_was_not_acknowledged_is_wholly_there_or_wholly_not(daemon):
    client = daemon.client()
    client.accept(registered("david"))
    events = [referral(f"p{i}", id=f"r{i}") for i in range(200)]
    for e in events:
        client.send(publish=api_pb2.PublishRequest(events=[e.SerializeToString()]))
    client.receive_raw()
    daemon.kill()
    daemon.start()
    client = daemon.client()
    for result in client.publish(*events):
        assert result.code in (api_pb2.CODE_ACCEPTED, api_pb2.CODE_DUPLICATE)
    statistics = client.statistics()
    assert statistics["events"] == 201
    assert statistics["open_episodes"] == 200
