"""Publishing: accepted, repeated, pipelined, and kept."""

from conftest import START_MS, DAY_MS, event, event_pb2, referral, registered, voicemail
from handoff.v1 import api_pb2


def test_an_accepted_event_has_a_sequence_and_changes_the_patient(client):
    first, second = client.accept(registered("mary"), referral("mary"))
    assert second > first > 0
    patient = client.patient("mary")
    assert patient.sequence == second
    assert patient.record.birth_date == 20160214
    assert [e.pathway for e in patient.episodes] == ["referral"]
    assert patient.timers, "no open episode is ever without a pending timer"
