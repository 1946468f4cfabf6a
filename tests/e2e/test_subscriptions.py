"""Durable subscriptions, by a worker that knows nothing but PROTOCOL.md."""

import subprocess

import pytest
from peer import DAY_MS, START_MS, api_pb2, common_pb2, emission_pb2, event, event_pb2, flag, referral, registered, until, voicemail
from worker import Worker, settings

from handoff.v1 import delivery_pb2


def view(client, name):
    request = delivery_pb2.SubscriptionsRequest(name=name)
    return client.ask(subscriptions=request).subscriptions[0]


def ids(deliveries):
    return [d.emission.id for d in deliveries]


def make_work(client, *patients):
    """A task and an alert each."""
    for patient in patients:
        client.accept(registered(patient), flag(patient))


def open_tasks(client):
    return [e.id for e in client.all_emissions(emission_pb2.STREAM_TASK)]


def take_all(worker, count):
    """So many, each acknowledged before the next of its patient comes."""
    got = []
    while len(got) < count:
        got += worker.take(1)
        worker.ack(got[-1])
    return got


def test_a_worker_gets_what_was_emitted_since_it_subscribed(daemon, client):
    make_work(client, "before")
    worker = Worker(daemon.client(), "board")
    make_work(client, "mary")
    got = worker.take(1)[0]
    assert got.emission.patient_id == "mary" and got.attempt == 1
    assert got.emission.id in open_tasks(client)


def test_from_the_beginning_everything_comes_in_order(daemon, client):
    make_work(client, *[f"p{i}" for i in range(20)])
    wanted = open_tasks(client)
    worker = Worker(daemon.client(), "board", start={"beginning": True})
    got = []
    while len(got) < len(wanted):
        taken = worker.take(1)
        got += ids(taken)
        worker.ack(*taken)
    assert sorted(got) == sorted(wanted) and len(set(got)) == len(got)


def test_what_is_acknowledged_never_comes_back_and_the_rest_does(daemon, client):
    make_work(client, "a", "b", "c")
    worker = Worker(daemon.client(), "board", start={"beginning": True})
    wanted = open_tasks(client)
    first = worker.take(1)[0]
    worker.ack(first)
    daemon.kill()
    daemon.start()
    again = Worker(daemon.client(), "board", with_settings=False)
    got = []
    while len(got) < len(wanted) - 1:
        taken = again.take(1)
        got += ids(taken)
        again.ack(*taken)
    assert sorted(got + [first.emission.id]) == sorted(wanted)


def test_a_range_acknowledges_what_lies_in_it(daemon, client):
    make_work(client, "a", "b", "c", "d")
    worker = Worker(daemon.client(), "board", start={"beginning": True}, filter={"kinds": ["safety-check"]})
    got = worker.take(4)
    reply = worker.settle(acks=[(got[0].number, got[2].number)])
    assert not reply.settle.refused
    assert view(client, "board").in_flight == 1
    assert view(client, "board").acknowledged == 3


def test_of_one_patient_one_message_is_out_at_a_time(daemon, client):
    make_work(client, "mary")
    client.advance(20 * DAY_MS)
    wanted = [e.id for e in client.all_emissions(emission_pb2.STREAM_ESCALATION)]
    assert len(wanted) > 3
    worker = Worker(daemon.client(), "board", start={"beginning": True}, stream=emission_pb2.STREAM_ESCALATION)
    order = []
    for _ in wanted:
        taken = worker.take(1)
        assert view(client, "board").in_flight == 1
        order += ids(taken)
        worker.ack(*taken)
    assert order == wanted


def test_a_nack_brings_it_again_under_the_same_id(daemon, client):
    make_work(client, "mary")
    worker = Worker(daemon.client(), "board", start={"beginning": True}, credit=1)
    first = worker.take(1)[0]
    worker.settle(nacks=[{"number": first.number, "delay_ms": 1, "reason": "the printer is out of paper"}])
    second = worker.take(1)[0]
    assert second.emission.id == first.emission.id
    assert second.attempt == 2 and second.number > first.number


def test_where_it_is_ordered_one_that_is_tried_again_holds_up_the_patients_others(daemon, client):
    make_work(client, "mary")
    worker = Worker(daemon.client(), "board", start={"beginning": True})
    first = worker.take(1)[0]
    worker.settle(nacks=[{"number": first.number, "delay_ms": 10}])
    again = worker.take(1)[0]
    assert again.emission.id == first.emission.id and not worker.waiting


BOTH = dict(also=[emission_pb2.STREAM_ESCALATION])


def tasks_and_escalations(client):
    """Ids, in the order of the journal."""
    found = [e for s in (emission_pb2.STREAM_TASK, emission_pb2.STREAM_ESCALATION) for e in client.all_emissions(s)]
    assert {e.WhichOneof("body") for e in found} == {"task", "escalation"}
    return [e.id for e in sorted(found, key=lambda e: (e.sequence, e.position))]


def test_several_streams_come_together_in_the_order_of_the_journal(daemon, client):
    make_work(client, "mary", "tom")
    worker = Worker(daemon.client(), "board", start={"beginning": True}, **BOTH)
    got = []
    for _ in tasks_and_escalations(client):
        taken = worker.take(1)
        got += ids(taken)
        worker.ack(*taken)
    of_each = [[id for id in got if id.startswith(key)] for key in {id.split("-")[0] for id in got}]
    assert sorted(got) == sorted(tasks_and_escalations(client))
    assert all(ids == [id for id in tasks_and_escalations(client) if id in ids] for ids in of_each)


def test_where_it_is_unordered_all_of_a_patient_are_out_at_once_and_none_waits_for_another(daemon, client):
    make_work(client, "mary")
    wanted = tasks_and_escalations(client)
    worker = Worker(daemon.client(), "board", start={"beginning": True}, is_unordered=True, **BOTH)
    got = worker.take(len(wanted))
    assert ids(got) == wanted
    worker.settle(nacks=[{"number": got[0].number, "delay_ms": 3_600_000}])
    client.accept(flag("mary", source="another"), referral("mary"), voicemail("mary"))
    client.advance(7 * DAY_MS)
    more = [id for id in tasks_and_escalations(client) if id not in wanted]
    assert more and sorted(ids(worker.take(len(more)))) == sorted(more)


@pytest.mark.parametrize("acked", [0, 1], ids=["first", "last"])
def test_of_what_one_event_brought_about_the_acknowledged_part_alone_stays_away(daemon, client, acked):
    make_work(client, "mary")
    wanted = tasks_and_escalations(client)
    worker = Worker(daemon.client(), "board", start={"beginning": True}, is_unordered=True, **BOTH)
    got = worker.take(len(wanted))
    order = got if acked == 0 else got[::-1]
    worker.ack(order[0])
    make_work(client, "tom")  # another entry is settled after it
    later = worker.take(len(tasks_and_escalations(client)) - len(wanted))
    worker.ack(*later)
    daemon.kill()
    daemon.start()
    again = Worker(daemon.client(), "board", with_settings=False)
    assert ids(again.take(len(wanted) - 1)) == [id for id in wanted if id != order[0].emission.id]


def test_after_its_last_attempt_a_message_is_a_dead_letter_that_can_be_retried(daemon, client):
    make_work(client, "mary")
    worker = Worker(
        daemon.client(), "board", start={"beginning": True}, credit=1, attempts=2, filter={"kinds": ["safety-check"]}
    )
    for _ in range(2):
        worker.settle(nacks=[{"number": worker.take(1)[0].number, "delay_ms": 1, "reason": "no paper"}])
    row = client.ask(aside=delivery_pb2.AsideRequest()).rows[0]
    assert (row.name, row.kind, row.attempts, row.reason) == ("board", delivery_pb2.ASIDE_KIND_DEAD, 2, "no paper")
    assert row.patient_id == "mary" and row.emission_kind == "safety-check"
    audits = [e.audit for e in client.all_emissions(emission_pb2.STREAM_AUDIT)]
    assert [a for a in audits if a.kind == emission_pb2.AUDIT_KIND_DEAD_LETTER]
    reply = client.ask(
        dead_letter=delivery_pb2.DeadLetterRequest(name="board", sequence=row.sequence, position=row.position)
    )
    assert reply.count == 1
    again = worker.take(1)[0]
    assert again.emission.id == row.emission_id and again.attempt == 1
    worker.ack(again)
    assert not client.ask(aside=delivery_pb2.AsideRequest()).rows


def test_a_permanent_failure_is_a_dead_letter_at_once_and_can_be_dropped(daemon, client):
    make_work(client, "mary")
    worker = Worker(daemon.client(), "board", start={"beginning": True}, filter={"kinds": ["safety-check"]})
    worker.settle(nacks=[{"number": worker.take(1)[0].number, "is_permanent": True, "reason": "nobody there"}])
    assert view(client, "board").dead == 1
    assert client.ask(dead_letter=delivery_pb2.DeadLetterRequest(name="board", is_dropped=True)).count == 1
    assert view(client, "board").dead == 0
    error = client.refusal(dead_letter=delivery_pb2.DeadLetterRequest(name="board"))
    assert error.code == api_pb2.CODE_UNKNOWN_ID


def test_what_a_silent_worker_holds_comes_again_when_its_lease_ends(daemon, client):
    make_work(client, "mary")
    silent = Worker(
        daemon.client(), "board", start={"beginning": True}, lease_ms=200, credit=1, filter={"kinds": ["safety-check"]}
    )
    first = silent.take(1)[0]
    other = Worker(daemon.client(), "board", with_settings=False)
    second = other.take(1)[0]
    assert second.emission.id == first.emission.id and second.attempt == 2
    late = silent.settle(acks=[first.number])
    if late.WhichOneof("body") == "error":  # its connection was given up meanwhile
        assert late.error.code == api_pb2.CODE_NOT_SUBSCRIBED
    else:
        assert [r.number for r in late.settle.refused] == [first.number]


def test_a_lease_can_be_extended(daemon, client):
    make_work(client, "mary")
    worker = Worker(
        daemon.client(), "board", start={"beginning": True}, lease_ms=600, credit=1, filter={"kinds": ["safety-check"]}
    )
    first = worker.take(1)[0]
    for _ in range(200):
        reply = worker.settle(extends=[first.number])
        assert not reply.settle.refused
    worker.ack(first)


def test_credit_bounds_what_is_out(daemon, client):
    make_work(client, *[f"p{i}" for i in range(10)])
    worker = Worker(daemon.client(), "board", start={"beginning": True}, credit=3)
    got = worker.take(3)
    assert view(client, "board").in_flight == 3
    worker.settle(credit=5)
    got += worker.take(2)
    assert view(client, "board").in_flight == 5
    worker.ack(got[0])
    worker.take(1)
    assert view(client, "board").in_flight == 5


def test_two_workers_share_a_name_and_no_message(daemon, client):
    make_work(client, *[f"p{i}" for i in range(10)])
    wanted = open_tasks(client)
    options = dict(start={"beginning": True}, credit=2)
    one, two = Worker(daemon.client(), "board", **options), Worker(daemon.client(), "board", **options)
    got = []
    while len(got) < len(wanted):
        for worker in (one, two):
            if view(client, "board").in_flight == 0 and not worker.waiting and len(got) == len(wanted):
                break
            if not worker.waiting and not worker.client.socket.poll(100):
                continue
            taken = worker.take(1)
            got += ids(taken)
            worker.ack(*taken)
    assert sorted(got) == sorted(wanted)


def test_filters_choose_by_severity_kind_and_role(daemon, client):
    make_work(client, "mary")
    client.accept(referral("tom"), voicemail("tom"))
    client.advance(5 * DAY_MS)
    everything = client.all_emissions(emission_pb2.STREAM_TASK)
    assert {e.task.owner for e in everything} >= {common_pb2.ROLE_CLINICIAN, common_pb2.ROLE_COORDINATOR}
    for name, filter, is_wanted in (
        ("urgent", {"severities": [common_pb2.SEVERITY_URGENT]}, lambda t: t.severity == common_pb2.SEVERITY_URGENT),
        ("clinician", {"roles": [common_pb2.ROLE_CLINICIAN]}, lambda t: t.owner == common_pb2.ROLE_CLINICIAN),
        ("check", {"kinds": ["safety-check"]}, lambda t: t.kind == common_pb2.TASK_KIND_SAFETY_CHECK),
    ):
        worker = Worker(daemon.client(), name, start={"beginning": True}, filter=filter)
        wanted = [e.id for e in everything if is_wanted(e.task)]
        assert wanted and len(wanted) < len(everything)
        assert sorted(ids(take_all(worker, len(wanted)))) == sorted(wanted)
        assert view(client, name).in_flight + view(client, name).waiting == 0


SECOND_SITE = """\
  - name: north
    time_zone: America/New_York
    hours: {mon-fri: "08:00-17:00"}
    people:
      - {id: director-2, roles: [director], channels: {email: n@example.org}}
      - {id: on-call-2, roles: [on-call, supervisor, coordinator], supervisor: director-2, channels: {email: o@example.org}}
"""


def test_a_filter_chooses_by_site(stopped):
    stopped.config.write_text(stopped.config.read_text() + SECOND_SITE)
    client = stopped.start().client()
    client.accept(registered("mary"), flag("mary"), registered("tom", site="north"), flag("tom", site="north"))
    for name, patient in (("main", "mary"), ("north", "tom")):
        for stream in (emission_pb2.STREAM_TASK, emission_pb2.STREAM_RECORD):
            options = dict(stream=stream, start={"beginning": True}, filter={"site": name})
            worker = Worker(stopped.client(), f"{name}-{stream}", **options)
            got = take_all(worker, 2 if stream == emission_pb2.STREAM_RECORD else 1)
            assert {d.record.patient_id or d.emission.patient_id for d in got} == {patient}
            assert view(client, f"{name}-{stream}").waiting == 0


@pytest.mark.parametrize(
    "options, code, field",
    [
        (dict(stream=77), api_pb2.CODE_UNKNOWN_VALUE, None),
        (dict(stream=0), api_pb2.CODE_BAD_VALUE, "settings.stream"),
        (dict(filter={"kinds": ["make-coffee"]}), api_pb2.CODE_BAD_VALUE, "settings.filter.kinds"),
        (dict(also=[emission_pb2.STREAM_RECORD]), api_pb2.CODE_BAD_VALUE, "settings.also"),
        (dict(also=[77]), api_pb2.CODE_UNKNOWN_VALUE, None),
        (dict(stream=emission_pb2.STREAM_AUDIT, also=[emission_pb2.STREAM_TASK]), api_pb2.CODE_BAD_VALUE, "settings.also"),
        (dict(also=[emission_pb2.STREAM_ESCALATION], filter={"kinds": ["call-family"]}), api_pb2.CODE_BAD_VALUE, "settings.also"),
        (dict(filter={"site": "elsewhere"}), api_pb2.CODE_BAD_VALUE, "settings.filter.site"),
        (dict(credit=10001), api_pb2.CODE_BAD_VALUE, "credit"),
        (dict(lease_ms=7), api_pb2.CODE_BAD_VALUE, "settings.lease_ms"),
        (dict(attempts=5000), api_pb2.CODE_BAD_VALUE, "settings.attempts"),
        (dict(start={"after_sequence": 10**9}), api_pb2.CODE_BAD_VALUE, "start.after_sequence"),
        (dict(stream=emission_pb2.STREAM_RECORD, is_addressed=True), api_pb2.CODE_BAD_VALUE, "settings.is_addressed"),
        (
            dict(stream=emission_pb2.STREAM_STATUS, filter={"severities": [common_pb2.SEVERITY_URGENT]}),
            api_pb2.CODE_BAD_VALUE,
            "settings.filter.severities",
        ),
        (
            dict(stream=emission_pb2.STREAM_AUDIT, filter={"roles": [common_pb2.ROLE_PCP]}),
            api_pb2.CODE_BAD_VALUE,
            "settings.filter.roles",
        ),
        (dict(filter={"recipient_id": "riverside"}), api_pb2.CODE_BAD_VALUE, "settings.filter.recipient_party"),
        (
            dict(filter={"recipient_party": common_pb2.PARTY_AGENCY}),
            api_pb2.CODE_BAD_VALUE,
            "settings.filter.recipient_party",
        ),
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(daemon, options, code, field):
    worker = Worker(daemon.client(), "board", **options)
    assert worker.error is not None and worker.error.code == code and worker.error.sentence
    assert field is None or worker.error.field == field


@pytest.mark.parametrize("part", ["settings", "settings.filter", "start"])
def test_what_this_daemon_does_not_know_of_a_subscription_is_not_passed_over(client, part):
    request = delivery_pb2.SubscribeRequest(name="board", credit=1)
    request.settings.stream = emission_pb2.STREAM_TASK
    request.settings.filter.severities.append(common_pb2.SEVERITY_URGENT)
    request.start.beginning = True
    inner = request
    for name in part.split("."):
        inner = getattr(inner, name)
    inner.MergeFromString(b"\xa0\x06\x01")  # field 100 of a newer schema
    error = client.refusal(subscribe=request)
    assert (error.code, error.field) == (api_pb2.CODE_MALFORMED, part) and error.sentence
    assert not client.ask(subscriptions=delivery_pb2.SubscriptionsRequest()).subscriptions


def test_a_name_that_is_none_is_refused(daemon):
    for name in ("", "a b", "x" * 65, "a/b"):
        assert Worker(daemon.client(), name).error.code == api_pb2.CODE_BAD_ID


def test_a_name_nobody_began_needs_settings(daemon):
    error = Worker(daemon.client(), "board", with_settings=False).error
    assert error.code == api_pb2.CODE_UNKNOWN_SUBSCRIPTION


def test_two_workers_that_claim_other_settings_for_one_name_are_told(daemon):
    Worker(daemon.client(), "board")
    for options, field in (
        (dict(lease_ms=5000), "settings.lease_ms"),
        (dict(stream=emission_pb2.STREAM_AUDIT), "settings.stream"),
        (dict(filter={"kinds": ["call-family"]}), "settings.filter.kinds"),
    ):
        error = Worker(daemon.client(), "board", **options).error
        assert (error.code, error.field) == (api_pb2.CODE_SETTINGS_DIFFER, field) and error.sentence


def test_settling_what_is_not_held_is_refused_and_the_rest_is_not(daemon, client):
    make_work(client, "a", "b")
    worker = Worker(daemon.client(), "board", start={"beginning": True}, filter={"kinds": ["safety-check"]})
    got = worker.take(2)
    reply = worker.settle(acks=[got[0].number, 12345], nacks=[{"number": 99}], extends=[98])
    assert sorted(r.number for r in reply.settle.refused) == [98, 99, 12345]
    assert all(r.code == api_pb2.CODE_NOT_HELD and r.sentence for r in reply.settle.refused)
    assert view(client, "board").acknowledged == 1


def test_who_is_not_subscribed_cannot_settle(daemon, client):
    Worker(daemon.client(), "board")
    error = client.refusal(settle=delivery_pb2.SettleRequest(name="board"))
    assert error.code == api_pb2.CODE_NOT_SUBSCRIBED


def test_a_worker_that_leaves_gives_back_what_it_held(daemon, client):
    make_work(client, "mary")
    one = Worker(daemon.client(), "board", start={"beginning": True}, filter={"kinds": ["safety-check"]})
    first = one.take(1)[0]
    one.leave()
    assert view(client, "board").workers == 0
    two = Worker(daemon.client(), "board", with_settings=False)
    second = two.take(1)[0]
    assert second.emission.id == first.emission.id and second.attempt == 1


def test_a_subscription_can_begin_anew_and_be_deleted(daemon, client):
    make_work(client, "mary")
    worker = Worker(daemon.client(), "board", start={"beginning": True}, filter={"kinds": ["safety-check"]})
    first = worker.take(1)[0]
    worker.ack(first)
    start = delivery_pb2.SubscriptionStart(beginning=True)
    client.ask(subscription_reset=delivery_pb2.SubscriptionResetRequest(name="board", start=start))
    again = Worker(daemon.client(), "board", with_settings=False)
    assert ids(again.take(1)) == ids([first])
    client.ask(subscription_delete=delivery_pb2.SubscriptionDeleteRequest(name="board"))
    error = client.refusal(subscriptions=delivery_pb2.SubscriptionsRequest(name="board"))
    assert error.code == api_pb2.CODE_UNKNOWN_SUBSCRIPTION
    daemon.kill()
    daemon.start()
    assert not daemon.client().ask(subscriptions=delivery_pb2.SubscriptionsRequest()).subscriptions


def test_every_stream_can_be_subscribed(daemon, client):
    make_work(client, "mary")
    client.accept(referral("mary"))
    for stream in ("TASK", "ESCALATION", "RECORD", "AUDIT"):
        number = emission_pb2.Stream.Value(f"STREAM_{stream}")
        if not client.all_emissions(number):
            continue
        got = Worker(daemon.client(), stream.lower(), stream=number, start={"beginning": True}).take(1)[0]
        assert got.HasField("record") == (stream == "RECORD")


def test_the_ledger_survives_many_kills(daemon, client):
    make_work(client, *[f"p{i}" for i in range(30)])
    wanted = open_tasks(client)
    acked, options = [], dict(start={"beginning": True}, credit=7)
    while len(acked) < len(wanted):
        worker = Worker(daemon.client(), "board", **options)
        taken = worker.take(1)
        taken += worker.take(len(worker.waiting))
        assert not set(ids(taken)) & set(acked)
        done = taken[::2]
        worker.ack(*done)
        acked += ids(done)
        daemon.kill()
        daemon.start()
    assert sorted(acked) == sorted(wanted)


def test_the_journal_of_a_busy_subscription_verifies(daemon, client):
    make_work(client, *[f"p{i}" for i in range(10)])
    worker = Worker(daemon.client(), "board", start={"beginning": True}, credit=4, attempts=2)
    for i in range(8):
        got = worker.take(1)[0]
        if i % 3 == 0:
            worker.settle(nacks=[{"number": got.number, "delay_ms": 1, "reason": "no paper"}])
        else:
            worker.ack(got)
    before = view(client, "board")
    assert daemon.stop() == 0
    for what in ("verify", "reindex", "verify"):
        subprocess.run(daemon.command(what, str(daemon.data)), check=True, capture_output=True)
    daemon.start()
    after = view(daemon.client(), "board")
    assert after.acknowledged == before.acknowledged and after.through_sequence == before.through_sequence


def test_reminders_have_no_severity_so_who_chooses_by_it_must_name_them(daemon, client):
    booked = event_pb2.AppointmentBooked(starts_at_ms=START_MS + 4 * DAY_MS)
    visit = event("mary", referral_id="r-mary", appointment_id="a1", appointment_booked=booked)
    client.accept(registered("mary"), referral("mary"), visit)
    client.advance(3 * DAY_MS)
    reminders = [e.id for e in client.all_emissions(emission_pb2.STREAM_TASK) if e.WhichOneof("body") == "reminder"]
    assert reminders
    routine = {"severities": [common_pb2.SEVERITY_ROUTINE]}
    Worker(daemon.client(), "routine", credit=0, start={"beginning": True}, filter=routine)
    Worker(daemon.client(), "named", credit=0, start={"beginning": True}, filter={"kinds": ["reminder"], **routine})
    until(lambda: view(client, "named").waiting == len(reminders))
    tasks = [e for e in client.all_emissions(emission_pb2.STREAM_TASK) if e.task.severity == common_pb2.SEVERITY_ROUTINE]
    assert view(client, "routine").waiting == len(tasks)
