"""What leaves the program, through a durable subscription: asked at each attempt, journaled before it goes."""

import pytest
from peer import DAY_MS, HOUR_MS, ROOT, START_MS, common_pb2, emission_pb2, event, event_pb2, referral, until
from worker import Worker

from handoff.v1 import delivery_pb2

AGENCY = common_pb2.Recipient(party=common_pb2.PARTY_AGENCY, id="agency-1")


@pytest.fixture
def live(stopped):
    return stopped.start("--pathways", str(ROOT / "daemon" / "pathways"))


def signed(patient_id, consent_id="roi-1", **options):
    return event(
        patient_id,
        consent_granted=event_pb2.ConsentGranted(
            consent_id=consent_id, signer=common_pb2.PARTY_GUARDIAN, signer_id="mother", recipients=[AGENCY],
            direction=event_pb2.DIRECTION_BOTH, category=common_pb2.DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH,
            treatment_from=20260101,
        ),
        **options,
    )


def revoked(patient_id, **options):
    return event(patient_id, consent_revoked=event_pb2.ConsentRevoked(recipients=[AGENCY]), **options)


def sent(client, patient_id):
    """A referral that goes to the agency: its status emission."""
    mother = event_pb2.CareTeamMember(party=common_pb2.PARTY_GUARDIAN, id="mother", custody=event_pb2.CUSTODY_LEGAL_AUTHORITY)
    client.accept(
        event(patient_id, patient_registered=event_pb2.PatientRegistered(birth_date=20160214, care_team=[mother])),
        signed(patient_id), referral(patient_id),
    )


def statuses(daemon, **options):
    kinds = {"filter": {"kinds": ["referral-sent"]}}
    return Worker(daemon.client(), "agencies", stream=emission_pb2.STREAM_STATUS, start={"beginning": True}, **kinds, **options)


def view(client):
    return client.ask(subscriptions=delivery_pb2.SubscriptionsRequest(name="agencies")).subscriptions[0]


def audits(client, kind):
    return [e for e in client.all_emissions(emission_pb2.STREAM_AUDIT) if e.audit.kind == kind]


def test_a_disclosure_is_journaled_before_it_leaves_and_again_when_it_is_taken(live):
    client = live.client()
    sent(client, "mary")
    worker = statuses(live)
    (message,) = worker.take(1)
    status = message.emission.status
    assert status.consent_id == "roi-1" and "42 CFR" in status.notice
    (authorised,) = audits(client, emission_pb2.AUDIT_KIND_AUTHORISED)
    assert authorised.audit.recipient.id == "agency-1" and "roi-1" in authorised.audit.text
    assert not audits(client, emission_pb2.AUDIT_KIND_DISCLOSED)
    worker.ack(message)
    (disclosed,) = audits(client, emission_pb2.AUDIT_KIND_DISCLOSED)
    assert disclosed.audit.recipient.id == "agency-1"


def test_another_attempt_of_a_disclosure_is_not_another_record(live):
    client = live.client()
    sent(client, "mary")
    worker = statuses(live, credit=1)
    for _ in range(3):
        (message,) = worker.take(1)
        worker.settle(nacks=[{"number": message.number, "delay_ms": 1}])
    live.kill()
    live.start("--pathways", str(ROOT / "daemon" / "pathways"))
    client, worker = live.client(), statuses(live)
    (message,) = worker.take(1)
    assert message.attempt == 4
    worker.ack(message)
    assert len(audits(client, emission_pb2.AUDIT_KIND_AUTHORISED)) == 1
    assert len(audits(client, emission_pb2.AUDIT_KIND_DISCLOSED)) == 1


def test_a_revocation_keeps_in_what_was_queued_and_a_new_consent_lets_it_out(live):
    client = live.client()
    sent(client, "mary")
    worker = statuses(live, credit=0)
    client.accept(revoked("mary"))
    worker.settle(credit=5)
    until(lambda: view(client).withheld == 1)
    assert view(client).in_flight == 0 and not audits(client, emission_pb2.AUDIT_KIND_AUTHORISED)
    (row,) = client.ask(aside=delivery_pb2.AsideRequest(kind=delivery_pb2.ASIDE_KIND_WITHHELD)).rows
    assert row.patient_id == "mary" and "consent" in row.reason
    client.accept(signed("mary", consent_id="roi-2", at_ms=START_MS + 1000))
    (message,) = worker.take(1)
    assert message.emission.status.consent_id == "roi-2"
    worker.ack(message)
    assert view(client).withheld == 0


def test_a_revocation_keeps_in_what_had_failed_before(live):
    client = live.client()
    sent(client, "mary")
    worker = statuses(live, credit=1)
    (message,) = worker.take(1)
    worker.settle(credit=0)
    worker.settle(nacks=[{"number": message.number, "delay_ms": 1}])
    client.accept(revoked("mary"))
    worker.settle(credit=1)
    until(lambda: view(client).withheld == 1)
    assert view(client).retrying == 0 and view(client).in_flight == 0


def test_what_a_death_makes_pointless_for_the_family_is_dropped_and_says_so(live):
    client = live.client()
    sent(client, "mary")
    booked = event_pb2.AppointmentBooked(starts_at_ms=START_MS + 2 * DAY_MS, agency_id="agency-1")
    client.accept(
        event("mary", referral_id="r-mary", referral_accepted=event_pb2.ReferralAccepted()),
        event("mary", referral_id="r-mary", appointment_id="a1", appointment_booked=booked),
    )
    client.advance(DAY_MS + 1000)
    reminders = Worker(live.client(), "reminders", start={"beginning": True}, filter={"kinds": ["reminder"]}, credit=0)
    client.accept(event("mary", patient_deceased=event_pb2.PatientDeceased(), at_ms=START_MS + DAY_MS + 500))
    reminders.settle(credit=5)
    request = delivery_pb2.SubscriptionsRequest(name="reminders")
    until(lambda: client.ask(subscriptions=request).subscriptions[0].dropped)
    assert [a for a in audits(client, emission_pb2.AUDIT_KIND_DROPPED) if "died" in a.audit.text]
    assert not reminders.waiting


def test_a_subscription_can_begin_at_a_time(live):
    client = live.client()
    sent(client, "mary")
    client.advance(DAY_MS)
    sent(client, "tom")
    start = {"at_ms": START_MS + HOUR_MS}
    worker = Worker(live.client(), "later", stream=emission_pb2.STREAM_STATUS, start=start, filter={"kinds": ["referral-sent"]})
    (message,) = worker.take(1)
    assert message.emission.patient_id == "tom"
    worker.ack(message)
    assert client.ask(subscriptions=delivery_pb2.SubscriptionsRequest(name="later")).subscriptions[0].acknowledged == 1


def test_a_filter_chooses_by_recipient(live):
    client = live.client()
    sent(client, "mary")
    agency, school = common_pb2.PARTY_AGENCY, common_pb2.PARTY_SCHOOL
    for name, options, is_wanted in (
        ("agencies", {"recipient_party": agency}, True),
        ("agency-1", {"recipient_party": agency, "recipient_id": "agency-1"}, True),
        ("by-id", {"recipient_id": "agency-1"}, True),
        ("agency-2", {"recipient_party": agency, "recipient_id": "agency-2"}, False),
        ("schools", {"recipient_party": school}, False),
    ):
        worker = Worker(
            live.client(), name, stream=emission_pb2.STREAM_STATUS, start={"beginning": True}, filter=options
        )
        if is_wanted:
            assert worker.take(1)[0].emission.status.recipient == AGENCY
        shown = client.ask(subscriptions=delivery_pb2.SubscriptionsRequest(name=name)).subscriptions[0]
        assert (shown.in_flight + shown.waiting > 0) == is_wanted
