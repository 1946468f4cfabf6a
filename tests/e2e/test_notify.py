"""The daemon, handoff-notify and a mail server together: what families and staff find in their mailboxes, and what the
timeline says about it."""

import pytest
from handoff.v1 import common_pb2, delivery_pb2, emission_pb2, event_pb2
from notifier import Notifier
from peer import DAY_MS, HOUR_MS, MINUTE_MS, ROOT, START_MS, event, flag, referral, registered, until
from worlds import MailServer

VISIT_MS = START_MS + 4 * DAY_MS + 2 * HOUR_MS  # Friday at 10:00
EMAIL = common_pb2.CHANNEL_EMAIL


@pytest.fixture
def mail(tmp_path):
    with MailServer(tmp_path) as mail:
        yield mail


@pytest.fixture
def daemon(stopped):
    """With the shipped pathways."""
    text = stopped.config.read_text()
    stopped.config.write_text(text.replace(str(stopped.pathways), str(ROOT / "daemon" / "pathways")))
    return stopped.start()


@pytest.fixture
def notifier(tmp_path, daemon, mail):
    notifier = Notifier(tmp_path, daemon.endpoints["front"], mail)
    yield notifier
    notifier.close()


@pytest.fixture
def running(notifier, client):
    notifier.start()
    await_served(client, notifier)
    return notifier


def views(client):
    return client.ask(subscriptions=delivery_pb2.SubscriptionsRequest()).subscriptions


def await_served(client, notifier):
    names = {"notify-emergent", "notify-urgent", "notify-routine", "notify-reminders"}
    until(lambda: {view.name for view in views(client) if view.workers} >= names)


def await_idle(client):
    """All that could go has gone, and is settled."""
    until(lambda: not any(v.in_flight or v.waiting or v.has_more or v.retrying for v in views(client)))


def reached(patient_id, address="mother@example.org", **options):
    wishes = event_pb2.PreferenceUpdated(
        person=common_pb2.PARTY_GUARDIAN, person_id="mother", permitted=[EMAIL],
        message_content=event_pb2.MESSAGE_CONTENT_DETAILS, addresses=[common_pb2.Address(channel=EMAIL, address=address)],
    )
    return event(patient_id, preference_updated=wishes, **options)


def with_mother(patient_id):
    mother = event_pb2.CareTeamMember(party=common_pb2.PARTY_GUARDIAN, id="mother", custody=event_pb2.CUSTODY_LEGAL_AUTHORITY)
    return event(patient_id, patient_registered=event_pb2.PatientRegistered(birth_date=20200214, care_team=[mother]))


def booked(client, patient_id, address="mother@example.org"):
    """A visit on Friday at 10:00: reminders on Wednesday and Thursday at 10:00."""
    referral_id = f"r-{patient_id}"
    signed = event_pb2.ConsentGranted(
        consent_id=f"roi-{patient_id}", signer=common_pb2.PARTY_GUARDIAN, signer_id="mother",
        recipients=[common_pb2.Recipient(party=common_pb2.PARTY_AGENCY, id="agency-1")],
        direction=event_pb2.DIRECTION_BOTH, category=common_pb2.DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH, treatment_from=20260101,
    )
    visit = event_pb2.AppointmentBooked(starts_at_ms=VISIT_MS, agency_id="agency-1", kind=event_pb2.VISIT_KIND_VISIT)
    client.accept(
        with_mother(patient_id), reached(patient_id, address), event(patient_id, consent_granted=signed), referral(patient_id),
        event(patient_id, referral_id=referral_id, referral_accepted=event_pb2.ReferralAccepted()),
        event(patient_id, referral_id=referral_id, appointment_id=f"v-{patient_id}", appointment_booked=visit),
    )


def to_family(mail):
    return [message for message in mail.messages() if message["X-RcptTo"] == "mother@example.org"]


def of_kind(client, patient_id, kind):
    """The events of this kind on the patient's timeline, oldest first."""
    entries = client.timeline(patient_id, limit=1000).entries
    return [getattr(e.event, kind) for e in reversed(entries) if e.event.WhichOneof("body") == kind]


def advance_to(client, at_ms):
    client.advance(at_ms - client.now_ms())


def reminders(client, patient_id):
    found = client.all_emissions(emission_pb2.STREAM_TASK)
    return [e.id for e in found if e.patient_id == patient_id and e.HasField("reminder")]


# --- families


def test_each_reminder_reaches_the_mailbox_once_and_stands_on_the_timeline(client, mail, running):
    booked(client, "david")
    for day in (2, 3):
        advance_to(client, VISIT_MS - (4 - day) * DAY_MS)
        until(lambda: len(of_kind(client, "david", "message_sent")) >= 1 and len(to_family(mail)) == day - 1)
        await_idle(client)
    assert len(to_family(mail)) == 2
    sent = [s for s in of_kind(client, "david", "message_sent") if s.emission_id in reminders(client, "david")]
    assert [s.emission_id for s in sent] == reminders(client, "david")
    assert {(s.channel, s.addressee) for s in sent} == {(EMAIL, "GUARDIAN:mother")}
    for message in to_family(mail):
        text = message.get_content().lower()
        for word in ("david", "outpatient", "agency", "therapy", "behavioral"):
            assert word not in text + message["Subject"].lower()


def test_nothing_is_sent_twice_after_both_were_killed(client, daemon, mail, running):
    booked(client, "david")
    advance_to(client, VISIT_MS - 2 * DAY_MS)
    until(lambda: to_family(mail))
    before = len(mail.messages())
    running.kill()
    daemon.kill()
    daemon.start()
    running.values["front"] = daemon.endpoints["front"]
    again = daemon.client()
    running.start()
    await_served(again, running)
    await_idle(again)
    assert len(to_family(mail)) == 1
    assert len({message["Message-ID"] for message in mail.messages()}) == len(mail.messages()) >= before


def test_a_mailbox_that_does_not_exist_is_a_dead_letter_and_a_person_calls(client, mail, running):
    booked(client, "david")
    await_idle(client)
    mail.refuse("rcpt", "550 5.1.1 no such mailbox", times=1)
    advance_to(client, VISIT_MS - 2 * DAY_MS)
    [failed] = until(lambda: of_kind(client, "david", "message_failed"))
    assert failed.is_permanent and failed.emission_id == reminders(client, "david")[0]
    dead = until(lambda: client.ask(aside=delivery_pb2.AsideRequest(name="notify-reminders")).rows)
    assert [row.emission_id for row in dead] == reminders(client, "david")
    kinds = {task.kind for task in client.patient("david").tasks}
    assert {common_pb2.TASK_KIND_CALL_FAMILY, common_pb2.TASK_KIND_FIND_CONTACT} <= kinds


def test_after_an_outage_reminders_whose_moment_has_passed_are_dropped_and_recorded(client, mail, running):
    booked(client, "david")
    await_idle(client)
    mail.leave()
    advance_to(client, VISIT_MS - DAY_MS)
    running.await_line("later: email")
    advance_to(client, VISIT_MS + HOUR_MS)
    mail.back()

    def dropped():
        return [e for e in client.all_emissions(emission_pb2.STREAM_AUDIT) if e.audit.kind == emission_pb2.AUDIT_KIND_DROPPED]

    until(lambda: len(dropped()) >= 2)
    await_idle(client)
    assert to_family(mail) == []
    assert not of_kind(client, "david", "message_failed")


def test_killed_while_a_reminder_leaves_it_is_reported_unknown_and_not_sent_again(client, mail, running):
    booked(client, "david")
    await_idle(client)
    mail.stall("body", times=1)
    advance_to(client, VISIT_MS - 2 * DAY_MS)
    mail.await_at("body")
    until(lambda: to_family(mail))
    running.kill()
    mail.behave()
    running.start()
    [failed] = until(lambda: of_kind(client, "david", "message_failed"))
    assert failed.is_unknown and not failed.is_permanent
    await_idle(client)
    assert len(to_family(mail)) == 1
    assert common_pb2.TASK_KIND_CALL_FAMILY in {task.kind for task in client.patient("david").tasks}


# --- staff


def test_an_emergent_notice_leaves_at_night_and_a_routine_one_waits_for_the_morning(client, mail, running):
    client.advance(14 * HOUR_MS)  # 22:00
    at_ms = client.now_ms()
    client.accept(registered("tom", at_ms=at_ms), event("tom", at_ms=at_ms, question_asked=event_pb2.QuestionAsked(text="?")))
    client.accept(
        event("tom", at_ms=at_ms, safety_flag_raised=event_pb2.SafetyFlagRaised(
            kind=event_pb2.RISK_KIND_SELF, severity=common_pb2.SEVERITY_EMERGENT, raised_by="clinician-1"))
    )
    until(lambda: mail.messages())
    await_idle(client)
    tasks = {t.task_id: t for t in client.patient("tom").tasks}
    routine = [t for t in tasks.values() if t.severity == common_pb2.SEVERITY_ROUTINE]
    assert routine
    text = "".join(message.get_content() for message in mail.messages())
    assert not [t for t in routine if t.task_id in text]
    advance_to(client, START_MS + DAY_MS)
    until(lambda: [t for t in routine if t.task_id in "".join(m.get_content() for m in mail.messages())])


def test_a_nights_routine_notices_are_one_digest_a_person_in_the_morning(client, mail, running):
    client.advance(14 * HOUR_MS)  # 22:00
    at_ms = client.now_ms()
    for i in range(4):
        topics = [event_pb2.QUESTION_TOPIC_SUPPORT, event_pb2.QUESTION_TOPIC_SCHEDULING, event_pb2.QUESTION_TOPIC_MEETING]
        asked = [event(f"p{i}", at_ms=at_ms, question_asked=event_pb2.QuestionAsked(text="?", topic=t)) for t in topics]
        client.accept(registered(f"p{i}", at_ms=at_ms), *asked)
    await_idle(client)
    assert mail.messages() == []
    advance_to(client, START_MS + DAY_MS)
    mail.await_messages(1)
    await_idle(client)
    [message] = [m for m in mail.messages() if m["X-RcptTo"] == "c@example.org"]
    for i in range(4):
        tasks = [task.task_id for task in client.patient(f"p{i}").tasks]
        assert len(tasks) == 3 and all(id in message.get_content() for id in tasks)
        assert len(of_kind(client, f"p{i}", "message_sent")) == 3


# --- outside


def test_a_referral_reaches_the_agency_with_its_ground_and_the_notice_and_is_disclosed(client, mail, notifier):
    notifier.values["subscriptions"] = [{"name": "notify-status", "stream": "status", "kinds": ["referral-sent"]}]
    notifier.values["recipients"] = [{"party": "agency", "id": "agency-1", "channel": "email", "address": "intake@agency.example"}]
    notifier.start()
    until(lambda: [view for view in views(client) if view.workers])
    booked(client, "david")
    [message] = mail.await_messages(1)
    assert message["X-RcptTo"] == "intake@agency.example"
    text = message.get_content()
    assert "roi-david" in text and "42 CFR" in text
    until(lambda: of_kind(client, "david", "message_sent"))
    await_idle(client)
    audits = [e.audit.kind for e in client.all_emissions(emission_pb2.STREAM_AUDIT)]
    assert audits.index(emission_pb2.AUDIT_KIND_AUTHORISED) < audits.index(emission_pb2.AUDIT_KIND_DISCLOSED)
