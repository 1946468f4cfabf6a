"""Nobody listens, and it shows; and the watcher is watched: a synthetic patient on the whole way to a worker and back."""

import subprocess

import pytest
from peer import HOUR_MS, MINUTE_MS, event, flag, referral, registered, until
from test_handoff import handoff
from test_stream import joined
from worker import Worker

from handoff.v1 import api_pb2, common_pb2, delivery_pb2, emission_pb2, event_pb2

SYNTHETIC = "handoffd-heartbeat"


def configure(daemon, every):
    plain = "".join(line for line in daemon.config.read_text().splitlines(True) if not line.startswith("heartbeat:"))
    daemon.config.write_text(f"heartbeat: {{every: {every}}}\n" + plain)


@pytest.fixture
def beating(stopped):
    configure(stopped, "5min")
    return stopped.start()


def beats(client):
    return [
        e
        for e in client.all_emissions(emission_pb2.STREAM_STATUS)
        if e.status.kind == emission_pb2.STATUS_KIND_HEARTBEAT
    ]


def delivered(client, beat):
    """As a worker reports it."""
    sent = event_pb2.MessageSent(emission_id=beat.id, channel=common_pb2.CHANNEL_WEBHOOK)
    return event(beat.patient_id, at_ms=client.now_ms(), source="handoff-notify", message_sent=sent)


def test_a_beat_goes_out_on_the_status_stream_and_its_delay_is_measured(beating):
    client = beating.client()
    bell = joined(beating, client, "status")
    client.advance(5 * MINUTE_MS)
    (rung,) = (b for b in (bell.receive(), bell.receive()) if b.stream == emission_pb2.STREAM_STATUS)
    assert rung.kind == "heartbeat"
    (beat,) = beats(client)
    assert beat.patient_id == SYNTHETIC and beat.sequence == rung.sequence
    assert beat.status.due_at_ms == client.now_ms() and not beat.status.HasField("recipient")
    client.advance(2500)
    client.accept(delivered(client, beat))
    beating.await_metric(2.5, "handoff_heartbeat_delay_seconds")
    client.advance(MINUTE_MS)
    beating.await_metric(60.0, "handoff_heartbeat_age_seconds")


def test_a_beat_that_a_newer_one_has_overtaken_is_not_let_out(beating):
    client = beating.client()
    client.advance(10 * MINUTE_MS)
    told = client.all_emissions(emission_pb2.STREAM_STATUS)
    assert len(told) == 2
    assert told[0].WhichOneof("body") is None and told[0].reason.startswith("dropped: ")
    assert told[1].status.kind == emission_pb2.STATUS_KIND_HEARTBEAT


def test_beats_that_nobody_delivers_are_on_calls_until_one_comes_through(beating):
    client = beating.client()
    client.advance(15 * MINUTE_MS)
    (raised,) = client.ask(escalations=api_pb2.EscalationsRequest()).escalations
    assert raised.rung == common_pb2.ROLE_ON_CALL and raised.person_id == "on-call-1"
    assert raised.severity == common_pb2.SEVERITY_EMERGENT
    assert raised.reason.startswith("No heartbeat has come through for two periods, so other messages may reach nobody")
    assert SYNTHETIC in handoff(beating, "escalations").stdout
    client.accept(delivered(client, beats(client)[-1]))
    assert not client.ask(escalations=api_pb2.EscalationsRequest()).escalations
    told = client.all_emissions(emission_pb2.STREAM_ESCALATION)
    assert told[-1].reason == "Heartbeats come through again."


def test_a_restart_neither_moves_a_beat_nor_beats_twice(beating):
    client = beating.client()
    client.advance(4 * MINUTE_MS)
    beating.kill()
    client = beating.start().client()
    assert not beats(client)
    client.advance(MINUTE_MS)
    beating.kill()
    client = beating.start().client()
    assert len(beats(client)) == 1


def test_it_is_no_patient(beating):
    client = beating.client()
    client.accept(registered("mary"))
    client.advance(HOUR_MS)
    statistics = client.statistics()
    assert statistics["patients"] == 1 and statistics["pending_timers"] == 0 and statistics["open_episodes"] == 0
    refused = client.publish(registered(SYNTHETIC), referral(SYNTHETIC))
    assert {r.code for r in refused} == {api_pb2.CODE_BAD_ID}
    assert {r.field for r in refused} == {"patient_id"}
    beating.stop()
    verified = subprocess.run(beating.command("verify", str(beating.data)), capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_reload_turns_it_on_and_off(daemon):
    client = daemon.client()
    client.advance(HOUR_MS)
    assert not beats(client)
    configure(daemon, "1min")
    client.ask(reload=api_pb2.ReloadRequest())
    client.advance(MINUTE_MS)
    assert len(beats(client)) == 1
    configure(daemon, "0")
    client.ask(reload=api_pb2.ReloadRequest())
    client.advance(HOUR_MS)
    assert not beats(client)  # the one that there was is not let out any more
    assert not client.ask(escalations=api_pb2.EscalationsRequest()).escalations
    assert "handoff_heartbeat" not in daemon.http("/metrics")[1]


def test_a_beat_travels_to_a_durable_worker_and_a_stale_one_does_not(beating):
    client = beating.client()
    carrier = beating.client()
    worker = Worker(carrier, "notify-heartbeat", stream=emission_pb2.STREAM_STATUS, filter={"kinds": ["heartbeat"]})
    client.advance(5 * MINUTE_MS)
    (first,) = worker.take()
    assert first.emission.status.kind == emission_pb2.STATUS_KIND_HEARTBEAT and first.emission.patient_id == SYNTHETIC
    client.accept(delivered(client, first.emission))
    worker.ack(first)
    worker.leave()
    client.advance(10 * MINUTE_MS)  # two while it is away
    back = beating.client()
    (newest,) = Worker(back, "notify-heartbeat", with_settings=False).take()
    assert newest.emission.status.due_at_ms == client.now_ms()
    assert not [e for e in client.all_emissions(emission_pb2.STREAM_AUDIT)]  # nothing to say of the other


# --- nobody listens ----------------------------------------------------------------------------------------------------
def escalations(client):
    return client.ask(escalations=api_pb2.EscalationsRequest()).escalations


def audits(client):
    return [
        e.audit.text
        for e in client.all_emissions(emission_pb2.STREAM_AUDIT)
        if e.audit.kind == emission_pb2.AUDIT_KIND_UNSERVED
    ]


@pytest.mark.parametrize(
    "stream, rung, severity",
    [
        (emission_pb2.STREAM_ESCALATION, common_pb2.ROLE_ON_CALL, common_pb2.SEVERITY_EMERGENT),
        (emission_pb2.STREAM_RECORD, common_pb2.ROLE_SUPERVISOR, common_pb2.SEVERITY_URGENT),
    ],
)
def test_a_subscription_without_a_worker_is_told_until_one_comes(daemon, client, stream, rung, severity):
    bell = joined(daemon, client, "escalation")
    worker = Worker(daemon.client(), "carrier", stream=stream, absent_ms=100)
    assert not worker.error
    worker.leave()
    while bell.receive().stream != emission_pb2.STREAM_ESCALATION:
        pass
    (raised,) = escalations(client)
    assert (raised.rung, raised.severity, raised.patient_id) == (rung, severity, "main")
    assert raised.reason.startswith("Nobody receives in time what the subscription carrier carries")
    assert "carrier" in handoff(daemon, "escalations").stdout
    daemon.await_metric(1, "handoff_subscription_unserved", name="carrier")
    status, text = daemon.http("/readyz")
    assert status == 200 and text.startswith("ready\nsubscriptions: carrier is not served: ")
    Worker(daemon.client(), "carrier", with_settings=False)
    until(lambda: not escalations(client))
    assert len(audits(client)) == 2
    daemon.await_metric(0, "handoff_subscription_unserved", name="carrier")
    until(lambda: daemon.http("/readyz") == (200, "ready\n"))


def test_a_worker_that_is_too_far_behind_is_told_until_it_has_caught_up(daemon, client):
    worker = Worker(daemon.client(), "carrier", credit=0, behind_ms=100)
    client.accept(registered("mary"), flag("mary"))
    until(lambda: [e for e in escalations(client) if e.patient_id == "main"])
    (raised,) = [e for e in escalations(client) if e.patient_id == "main"]
    assert (raised.rung, raised.severity) == (common_pb2.ROLE_SUPERVISOR, common_pb2.SEVERITY_URGENT)
    assert "Its workers are too far behind" in raised.reason
    daemon.await_metric(1, "handoff_subscription_unserved", name="carrier")
    assert daemon.http("/readyz")[1].startswith("ready\nsubscriptions: carrier is not served: ")
    worker.settle(credit=10)
    worker.ack(*worker.take(1))
    until(lambda: not [e for e in escalations(client) if e.patient_id == "main"])
    assert len(audits(client)) == 2
    daemon.await_metric(0, "handoff_subscription_unserved", name="carrier")


def test_after_a_kill_it_is_one_matter_still(daemon, client):
    Worker(daemon.client(), "carrier", stream=emission_pb2.STREAM_ESCALATION, absent_ms=100).leave()
    until(lambda: escalations(client))
    daemon.kill()
    client = daemon.start().client()
    daemon.await_metric(1, "handoff_subscription_unserved", name="carrier")
    assert len(escalations(client)) == 1 and len(audits(client)) == 1
    daemon.stop()
    verified = subprocess.run(daemon.command("verify", str(daemon.data)), capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_subscription_that_is_deleted_is_nobodys_matter(daemon, client):
    Worker(daemon.client(), "carrier", stream=emission_pb2.STREAM_ESCALATION, absent_ms=100).leave()
    until(lambda: escalations(client))
    client.ask(subscription_delete=delivery_pb2.SubscriptionDeleteRequest(name="carrier"))
    until(lambda: not escalations(client))
    until(lambda: "carrier" not in daemon.http("/metrics")[1])
