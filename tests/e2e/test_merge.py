"""Two patient ids that become one, and an event that is taken back: over the wire, killed at the commit, and verified."""

import pytest
from peer import DAY_MS, START_MS, common_pb2, event, event_pb2, referral, registered
from scenario import Mortal
from worker import assert_handed_out_as_shown

from handoff.v1 import api_pb2, emission_pb2, journal_pb2


def merged(loser, survivor, **options):
    return event(loser, patient_merged=event_pb2.PatientMerged(survivor_patient_id=survivor), **options)


def done(patient, task_id, **options):
    outcome = event_pb2.TaskCompleted(outcome=event_pb2.TASK_OUTCOME_DONE, by="coordinator-1")
    return event(patient, task_id=task_id, task_completed=outcome, **options)


def retracted(patient, wrong, **options):
    body = event_pb2.EventRetracted(retracted_source=wrong.source, retracted_id=wrong.id, reason="the wrong patient")
    return event(patient, event_retracted=body, **options)


def verify(mortal):
    """And everything that can be made from the journal anew is made anew."""
    mortal.stop()
    mortal.run("verify")
    mortal.run("reindex")


def insist_on(mortal, one):
    reply, ends = mortal.insist(publish=api_pb2.PublishRequest(events=[one.SerializeToString()]))
    return reply.publish.results[0], ends


@pytest.mark.parametrize("point", [0, 1])
def test_a_merge_that_is_killed_at_its_commit_is_wholly_there_or_wholly_not(stopped, point):
    mortal = Mortal(stopped, START_MS)
    mortal.client.accept(registered("ann"), registered("anna"), referral("anna"))
    mortal.advance(START_MS + 5 * DAY_MS)  # calls are asked for, and one is overdue
    ids = {t.task_id for t in mortal.client.patient("anna").tasks}
    escalations = {e.escalation_id for e in mortal.client.patient("anna").escalations}
    timers = {(t.name, t.due_at_ms) for t in mortal.client.patient("anna").timers}
    assert ids
    mortal.kill()
    mortal.points = iter([point])
    merge = merged("anna", "ann", at_ms=START_MS + 5 * DAY_MS)
    result, ends = insist_on(mortal, merge)
    assert ends == [point]
    assert result.code in (api_pb2.CODE_ACCEPTED, api_pb2.CODE_DUPLICATE)
    assert (result.code == api_pb2.CODE_DUPLICATE) == (point == 1)
    for name in ("ann", "anna"):
        patient = mortal.client.patient(name)
        assert patient.record.patient_id == "ann"
        assert {t.task_id for t in patient.tasks} == ids
        assert {t.made_under for t in patient.tasks} == {"anna"}
        assert {e.escalation_id for e in patient.escalations} == escalations
        assert {(t.name, t.due_at_ms) for t in patient.timers} == timers
    verify(mortal)
    assert {t.task_id for t in mortal.client.patient("ann").tasks} == ids
    mortal.advance(START_MS + 40 * DAY_MS)
    verify(mortal)


def test_whoever_is_named_the_one_patient_is_meant(daemon, client):
    client.accept(registered("ann"), registered("anna"), referral("anna"))
    client.advance(3 * DAY_MS)
    (task,) = client.patient("anna").tasks
    client.accept(merged("anna", "ann", at_ms=client.now_ms()))
    assert [t.task_id for t in client.ask(tasks=api_pb2.TasksRequest()).tasks] == [task.task_id]
    result = client.publish(done("anna", "t1", at_ms=client.now_ms()))[0]  # short: of the patient that it names
    assert result.verdict == journal_pb2.VERDICT_APPLIED
    assert not client.patient("ann").tasks
    told = client.emissions(emission_pb2.STREAM_TASK).emissions
    assert [(e.task.task_id, e.id[-2:]) for e in told] == [(task.task_id, ".1"), (task.task_id, ".2")]
    entries = client.timeline("anna").entries
    assert [e.input for e in reversed(entries)][:4] == [
        "patient.registered",
        "patient.registered",
        "referral.requested",
        "timer acknowledge (1st)",
    ]
    assert entries == client.timeline("ann").entries
    before_ms = client.patient("ann").at_ms - DAY_MS
    assert client.patient("anna", at_ms=before_ms).record.patient_id == "anna"
    assert client.ask(next=api_pb2.NextRequest(patient_id="anna")).entries
    assert_handed_out_as_shown(daemon)


def test_a_whole_id_of_another_patient_is_still_refused(client):
    client.accept(registered("ann"), registered("anna"), referral("anna"), referral("joe"))
    client.advance(3 * DAY_MS)
    (others,) = client.patient("joe").tasks
    client.accept(merged("anna", "ann", at_ms=client.now_ms()))
    result = client.publish(done("ann", others.task_id, at_ms=client.now_ms()))[0]
    assert result.code == api_pb2.CODE_BAD_ID


@pytest.mark.parametrize("point", [0, 1])
def test_an_event_is_taken_back_once_over_a_kill(stopped, point):
    mortal = Mortal(stopped, START_MS)
    wrong = referral("david")
    mortal.client.accept(registered("david"), wrong)
    mortal.kill()
    mortal.points = iter([point])
    _, ends = insist_on(mortal, retracted("david", wrong))
    assert ends == [point]
    patient = mortal.client.patient("david")
    assert not patient.episodes and not patient.timers
    kinds = [t.kind for t in patient.tasks]
    assert kinds.count(common_pb2.TASK_KIND_REVIEW_RETRACTION) == 1
    verify(mortal)
