"""The package against a front that loses replies, restarts and refuses. tests/e2e/test_python_client.py has the real
daemon.

No test sleeps: it waits for the thing itself, with a bound.
"""

import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("BUILD", "build")
sys.path[:0] = [str(BUILD / "python"), str(pathlib.Path(__file__).parent)]

import handoff  # noqa: E402
from fake_front import BOUND_S, FakeFront  # noqa: E402
from handoff.v1 import api_pb2, common_pb2, emission_pb2, event_pb2  # noqa: E402


@pytest.fixture
def fake():
    front = FakeFront()
    yield front
    front.close()


@pytest.fixture
def client(fake):
    with handoff.Client(fake.endpoint, timeout=BOUND_S, retry=0.05) as made:
        yield made


def intake(id="", patient="mary"):
    return handoff.event(patient, source="test", id=id, intake_completed=event_pb2.IntakeCompleted())


def until(is_so):
    deadline = time.monotonic() + BOUND_S
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not come"
    return found


# --- publishing and asking


def test_an_event_is_published_and_its_result_says_so(client):
    (result,) = client.publish(intake())
    assert result.is_accepted and result.sequence == 1 and result.check() is result
    assert str(result) == "accepted as entry 1"


def test_an_event_has_an_id_and_a_time_unless_they_are_given():
    made, other = intake(), intake()
    assert made.id != other.id and abs(made.occurred_at_ms / 1000 - time.time()) < 60
    assert handoff.event("mary", source="test", occurred_at=17, intake_completed={}).occurred_at_ms == 17
    with pytest.raises(ValueError, match="zone"):
        import datetime

        handoff.event("mary", source="test", occurred_at=datetime.datetime(2026, 3, 5), intake_completed={})


def test_what_was_not_answered_is_sent_again_the_same_bytes_under_the_same_id(fake, client):
    fake.set(swallowed=2)
    (result,) = client.publish(intake("one"))
    assert result.is_accepted
    assert len(fake.publishes) == 3 and len(set(map(tuple, fake.publishes))) == 1
    assert len(fake.entries) == 1


def test_a_daemon_that_is_away_is_waited_for(fake):
    fake.do(fake.go_away)
    with handoff.Client(fake.endpoint, timeout=0.05) as client:
        with pytest.raises(handoff.Timeout) as caught:
            client.publish(intake("one"), intake("two"))
        assert [result.code for result in caught.value.results] == [api_pb2.CODE_UNAVAILABLE] * 2
        client.timeout = BOUND_S
        fake.do(fake.restart)
        assert client.publish(intake("one"))[0].is_accepted
    assert len(fake.publishes) == 1, "nothing was queued for it"


def test_unavailable_is_tried_again_until_the_time_is_over(fake, client):
    fake.set(unavailable=2)
    assert client.info().version == "fake"
    fake.set(unavailable=1_000_000)
    client.timeout = 0.1
    with pytest.raises(handoff.Unavailable):
        client.info()


def test_events_that_were_unavailable_are_sent_again_and_the_others_are_not(fake, client):
    fake.set(half_unavailable=2)
    results = client.publish(*(intake(f"e{i}") for i in range(4)))
    assert all(result.is_accepted for result in results)
    assert [len(frames) for frames in fake.publishes] == [4, 2, 1]
    assert fake.entries == [("test", id) for id in ("e0", "e2", "e1", "e3")]


def test_a_refused_event_is_a_result_and_the_others_are_accepted(client):
    silent = event_pb2.Event(id="silent", source="test", patient_id="mary", occurred_at_ms=1)
    good, bad = client.publish(intake(), silent)
    assert good.is_accepted and not bad.is_accepted
    with pytest.raises(handoff.Refused, match="missing-body: the event says nothing") as caught:
        bad.check()
    assert caught.value.code == api_pb2.CODE_MISSING_BODY


def test_many_events_go_in_batches_that_fit_and_in_order(fake, client):
    large = [handoff.event("mary", source="test", id=f"l{i}", custom={"name": "x" * 60_000}) for i in range(9)]
    small = [intake(f"s{i}") for i in range(600)]
    results = client.publish(*large, *small)
    assert [result.sequence for result in results] == list(range(1, 610))
    assert max(len(frames) for frames in fake.publishes) == 256
    assert max(sum(map(len, frames)) for frames in fake.publishes) <= 256 * 1024


def test_nothing_is_sent_if_one_event_is_too_large(fake, client):
    with pytest.raises(ValueError, match="event big has 7"):
        client.publish(intake(), handoff.event("mary", source="test", id="big", custom={"name": "x" * 70_000}))
    assert not fake.publishes
    assert client.publish() == []


def test_a_request_that_is_refused_raises_with_its_code_and_sentence(client):
    with pytest.raises(handoff.Refused, match="unknown-patient: this daemon") as caught:
        client.patient("tom")
    assert caught.value.code == api_pb2.CODE_UNKNOWN_PATIENT
    with pytest.raises(ValueError, match="one body"):
        client.request()


def test_what_would_act_twice_is_sent_once(fake, client):
    client.timeout = 0.2
    for body in ({"backup": api_pb2.BackupRequest()}, {"clock": api_pb2.ClockRequest(advance_ms=1)}):
        fake.set(swallowed=1)
        with pytest.raises(handoff.Timeout):
            client.request(**body)
    assert fake.requests["backup"] == fake.requests["clock"] == 1


def test_pages_are_followed_to_the_end_also_over_an_empty_one(client):
    tasks = list(client.tasks(owner="supervisor"))
    assert [task.task_id for task in tasks] == ["t0", "t2"]
    assert {task.owner for task in tasks} == {common_pb2.ROLE_SUPERVISOR}


def test_a_word_that_is_none_is_refused_with_those_that_there_are(client):
    with pytest.raises(ValueError, match="'nurses' is none of .*supervisor"):
        list(client.tasks(owner="nurses"))
    assert handoff.word(common_pb2.TaskKind, common_pb2.TASK_KIND_CALL_FAMILY) == "call-family"
    assert handoff.number(common_pb2.TaskKind, "TASK_KIND_CALL_FAMILY") == common_pb2.TASK_KIND_CALL_FAMILY
    assert handoff.word(common_pb2.TaskKind, 0) == "" and handoff.word(common_pb2.TaskKind, 9999) == "9999"


def test_an_endpoint_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no endpoint: nowhere"):
        handoff.Client("nowhere")


# --- watching


def ids(watch, count):
    return [until(lambda: watch.next(1)).id for _ in range(count)]


def test_a_watch_has_each_emission_once_and_in_order(fake, client):
    fake.do(lambda: fake.emit(3))
    with client.watch("task") as watch:
        assert ids(watch, 3) == ["k1-n0", "k1-n1", "k1-n2"]
        assert watch.position == 1
        fake.do(lambda: fake.emit(2))
        assert next(watch).id == "k2-n0"
        assert watch.position == 1, "the entry is not delivered whole"
        assert next(watch).id == "k2-n1"
        assert watch.position == 2
        assert watch.next(timeout=0) is None


def test_a_watch_goes_on_from_a_position_or_from_now(fake, client):
    fake.do(lambda: [fake.emit() for _ in range(3)])
    with client.watch("task", after=2) as after, client.watch("task", from_now=True) as from_now:
        assert ids(after, 1) == ["k3-n0"]
        fake.do(fake.emit)
        assert ids(from_now, 1) == ["k4-n0"] and ids(after, 1) == ["k4-n0"]
    with pytest.raises(handoff.Rewound):
        client.watch("task", after=5)


def test_a_lost_doorbell_costs_time_and_no_emission(fake, client):
    with client.watch("task", poll=0.05) as watch:
        fake.do(lambda: fake.emit(is_rung=False))
        assert ids(watch, 1) == ["k1-n0"]
        fake.do(lambda: [fake.emit(is_rung=False), fake.emit()])
        assert ids(watch, 2) == ["k2-n0", "k3-n0"]
        until(lambda: watch.next(0.05) is None and watch.gaps == 1)


def test_pages_of_a_watch_have_no_row_twice(fake, client):
    fake.set(page=3)
    fake.do(lambda: [fake.emit(2) for _ in range(20)])
    with client.watch("task") as watch:
        seen = ids(watch, 40)
    assert seen == [f"k{s}-n{p}" for s in range(1, 21) for p in range(2)]


def test_what_a_page_repeats_is_delivered_once(fake, client):
    fake.set(page=4, overlap=1)
    fake.do(lambda: [fake.emit(2) for _ in range(10)])
    with client.watch("task") as watch:
        assert ids(watch, 20) == [f"k{s}-n{p}" for s in range(1, 11) for p in range(2)]


def test_a_front_that_does_not_get_further_is_not_asked_in_a_tight_loop(fake, client):
    fake.set(is_stuck=True)
    with client.watch("task", poll=0.1) as watch:
        assert watch.next(0.3) is None
    assert fake.requests["emissions"] <= 6


def test_a_watch_goes_on_over_restarts_and_lost_replies(fake, client):
    seen = []
    with client.watch("task", poll=1) as watch:
        for round_ in range(5):
            fake.do(lambda: [fake.emit(), fake.restart(), fake.emit(is_rung=False)])
            fake.set(swallowed=round_ % 2)
            seen += ids(watch, 2)
    assert seen == [f"k{s}-n0" for s in range(1, 11)]


def test_a_journal_that_was_set_back_is_told(fake, client):
    fake.do(fake.emit)
    with client.watch("task", poll=0.02) as watch:
        assert ids(watch, 1) == ["k1-n0"]
        assert watch.next(0) is None
        fake.set(rewound_to=0)
        with pytest.raises(handoff.Rewound, match="ends at 0, before 1"):
            watch.next(BOUND_S)
        fake.set(rewound_to=None)
        fake.do(fake.emit)
        assert ids(watch, 1) == ["k2-n0"], "it can be asked again"


def test_publishing_goes_on_beside_a_watch(fake, client):
    with client.watch("task") as watch:
        for _ in range(3):
            fake.do(fake.emit)
            assert client.publish(intake())[0].is_accepted
        assert ids(watch, 3) == ["k1-n0", "k3-n0", "k5-n0"]


# --- serving a subscription


def subscribe(client, **options):
    return client.subscribe("work", "task", **options)


def take(subscription, count):
    return [until(lambda: subscription.next(1)) for _ in range(count)]


def test_messages_come_are_acknowledged_in_ranges_and_come_no_more(fake, client):
    fake.do(lambda: fake.emit(250))
    with subscribe(client) as work:
        seen = []
        for delivery in work:
            seen.append(delivery.emission.id)
            assert delivery.attempt == 1
            delivery.ack()
            if len(seen) == 250:
                break
        work.flush()
    assert seen == [f"k1-n{i}" for i in range(250)] and fake.over == set(seen)
    assert len(fake.settles) < 30 and work.forgotten == 0
    assert max(row.last - row.first for settle in fake.settles for row in settle.acks) >= 10


def test_no_more_than_the_credit_is_out(fake, client):
    fake.do(lambda: fake.emit(10))
    with subscribe(client, credit=3) as work:
        held = take(work, 3)
        assert work.next(0.02) is None
        held[1].ack()
        assert take(work, 1)[0].emission.id == "k1-n3"
        assert fake.over == {"k1-n1"}, "what lies beside it is not acknowledged"


def test_what_failed_is_given_back_with_what_the_daemon_needs_to_know(fake, client):
    fake.do(lambda: fake.emit(2))
    with subscribe(client) as work:
        again, dead = take(work, 2)
        again.nack(delay=1.5, reason="busy")
        dead.nack(permanent=True, reason="ä" * 400)
        work.flush()
        (settle,) = [settle for settle in fake.settles if settle.nacks]
        first, second = settle.nacks
        assert (first.delay_ms, first.reason, first.is_permanent) == (1500, "busy", False)
        assert second.is_permanent and second.reason == "ä" * 127, "cut between two letters"
        (repeat,) = take(work, 1)
        assert (repeat.emission.id, repeat.attempt) == (again.emission.id, 2) and repeat.number > again.number
        with pytest.raises(ValueError, match="settled already"):
            again.ack()
        with pytest.raises(ValueError, match="delay"):
            repeat.nack(delay=100_000)


def test_a_restarted_daemon_is_noticed_and_what_was_held_is_void(fake, client):
    fake.do(lambda: fake.emit(5))
    with subscribe(client) as work:
        first, second = take(work, 2)
        first.ack()
        work.flush()
        fake.do(fake.restart)
        until(lambda: client.info() and not second.is_held)
        again = take(work, 4)
        assert [row.emission.id for row in again] == [f"k1-n{i}" for i in range(1, 5)]
        assert not second.is_held and again[0].is_held
        assert again[0].number <= second.number, "numbers begin anew"
        second.ack()  # the number is another message's now
        work.flush()
        assert work.forgotten == 1 and fake.over == {"k1-n0"}
        for row in again:
            row.ack()
        work.flush()
        assert len(fake.over) == 5 and work.forgotten == 1


def test_a_forgotten_connection_is_noticed_by_the_sign_of_life(fake, client):
    fake.set(lease_ms=150)
    with subscribe(client) as work:
        fake.do(lambda: [fake.forget(), fake.emit()])
        (delivery,) = take(work, 1)
        assert fake.requests["subscribe"] == 2
        delivery.ack()
        work.flush()
        assert not fake.settles[-1].ByteSize() == 0 and fake.over == {"k1-n0"}


def test_the_sign_of_life_is_sent_while_the_client_does_something_else(fake, client):
    fake.set(lease_ms=100)
    with subscribe(client):
        until(lambda: client.info() and len(fake.settles) >= 3)


def test_a_settle_that_was_not_answered_is_sent_again(fake, client):
    fake.do(fake.emit)
    with subscribe(client) as work:
        (delivery,) = take(work, 1)
        fake.set(swallowed=1)
        delivery.ack()
        work.flush()
        assert fake.over == {"k1-n0"}
        assert work.forgotten == 0, "nobody knows which of the two was answered"


def test_a_lost_answer_to_a_subscribe_and_a_daemon_that_comes_later(fake):
    fake.do(fake.go_away)
    with handoff.Client(fake.endpoint, timeout=BOUND_S, retry=0.05) as client:
        with pytest.raises(handoff.Timeout):
            client.timeout = 0.05
            subscribe(client)
        client.timeout = BOUND_S
        fake.set(swallowed=1)
        fake.do(lambda: [fake.restart(), fake.emit(2)])
        with subscribe(client) as work:
            for delivery in take(work, 2):
                assert delivery.is_held
                delivery.ack()
            work.flush()
            assert len(fake.over) == 2 and work.forgotten == 0


def test_what_waits_for_half_a_lease_is_given_back_without_spending_an_attempt(fake, client):
    fake.set(lease_ms=200)
    fake.do(lambda: fake.emit(3))
    with subscribe(client) as work:
        (first,) = take(work, 1)
        until(lambda: client.info() and len([n for settle in fake.settles for n in settle.nacks]) >= 2)
        nacks = [nack for settle in fake.settles for nack in settle.nacks]
        assert all(nack.is_unspent and not nack.is_permanent for nack in nacks)
        second, third = take(work, 2)
        assert (second.emission.id, second.attempt) == ("k1-n1", 1)
        assert work.forgotten == 0


def test_a_held_message_is_extended_in_time(fake, client):
    fake.set(lease_ms=150)
    fake.do(fake.emit)
    with subscribe(client) as work:
        (delivery,) = take(work, 1)
        began = time.monotonic()

        def is_extended():
            delivery.extend()
            return time.monotonic() > began + 0.3

        until(is_extended)
        assert delivery.is_held
        assert {row.number for settle in fake.settles for row in settle.extends} == {delivery.number}


def test_the_context_ends_with_what_was_settled_told_and_the_rest_given_back(fake, client):
    fake.do(lambda: fake.emit(4))
    with pytest.raises(ZeroDivisionError):
        with subscribe(client) as work:
            take(work, 2)[0].ack()
            raise ZeroDivisionError
    assert fake.over == {"k1-n0"} and not fake.sessions
    with pytest.raises(ValueError, match="closed"):
        work.next()
    with subscribe(client) as work:
        assert take(work, 1)[0].emission.id == "k1-n1"


def test_other_settings_and_unknown_names_are_refused(fake, client):
    with subscribe(client):
        with pytest.raises(ValueError, match="already"):
            subscribe(client)
        with handoff.Client(fake.endpoint) as other:
            with pytest.raises(handoff.Refused, match="settings-differ"):
                other.subscribe("work", "escalation")
            with pytest.raises(handoff.Refused, match="unknown-subscription"):
                other.subscribe("play")
            with other.subscribe("work") as same:
                assert same.settings.stream == emission_pb2.STREAM_TASK
    with pytest.raises(ValueError, match="settings need their stream"):
        client.subscribe("work", kinds=["reminder"])
    with pytest.raises(ValueError, match="credit cannot be -1"):
        client.subscribe("work", "task", credit=-1)


def test_a_subscription_that_was_deleted_is_told_and_not_made_anew(fake, client):
    with subscribe(client) as work:
        fake.do(lambda: [fake.forget(), fake.subscriptions.clear()])
        work._is_hurried = True  # its next sign of life
        with pytest.raises(handoff.Refused, match="unknown-subscription"):
            work.next(BOUND_S)
        assert not fake.subscriptions


def test_settings_say_what_was_asked_in_words(fake, client):
    options = {"severities": ["emergent"], "kinds": ["raised"], "roles": ["supervisor"], "addressed": True, "lease": 2}
    with client.subscribe("alerts", "escalation", start="beginning", backoff=(1, 60), **options) as work:
        settings = work.settings
    assert settings.filter.severities == [common_pb2.SEVERITY_EMERGENT] and settings.filter.kinds == ["raised"]
    assert settings.is_addressed and settings.lease_ms == 2000 and settings.backoff_most_ms == 60_000
    with pytest.raises(ValueError, match="neither now nor beginning"):
        client.subscribe("later", "task", start="tomorrow")


def test_two_workers_share_a_name(fake, client):
    fake.do(lambda: fake.emit(40))
    with handoff.Client(fake.endpoint) as other, subscribe(client, credit=5) as one, subscribe(other, credit=5) as two:
        seen = []
        while len(seen) < 40:
            for work in (one, two):
                if delivery := work.next(0.05):
                    seen.append(delivery.emission.id)
                    delivery.ack()
        one.flush()
        two.flush()
    assert sorted(seen) == sorted(made.id for made in fake.emissions) and fake.over == set(seen)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_lost_nothing_is_acknowledged_but_what_was_done(fake, seed):
    chance = random.Random(seed)
    fake.set(lease_ms=1000)
    faults = [fake.restart, fake.forget, lambda: setattr(fake, "swallowed", 1), lambda: setattr(fake, "unavailable", 2)]
    done = set()
    with handoff.Client(fake.endpoint, timeout=BOUND_S, retry=0.02) as client, subscribe(client, credit=20) as work:

        def work_off_one(share):
            if (delivery := work.next(0.02)) is None:
                return
            if chance.random() < share:
                done.add(delivery.emission.id)
                delivery.ack()
            else:
                delivery.nack(unspent=True)

        for _ in range(12):
            fake.do(lambda: fake.emit(chance.randrange(1, 15)))
            for _ in range(chance.randrange(10)):
                work_off_one(0.8)
            fake.do(chance.choice(faults))
            assert fake.do(lambda: fake.over <= done)
        until(lambda: work_off_one(1) or fake.do(lambda: len(fake.over) == len(fake.emissions)))
    assert done == fake.over


# --- the package


def test_its_types_are_right():
    """Strictly, by mypy."""
    folder = pathlib.Path(__file__).parent
    command = ["/usr/bin/python3", "-m", "mypy", "--cache-dir", BUILD / "mypy", "--config-file", folder / "mypy.ini"]
    environment = dict(os.environ, MYPYPATH=f"{folder / 'stubs'}:{BUILD / 'python'}")
    checked = [BUILD / "python" / "handoff", *(ROOT / "clients" / "examples").glob("*.py")]
    done = subprocess.run([*command, *checked], capture_output=True, text=True, timeout=4 * BOUND_S, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
