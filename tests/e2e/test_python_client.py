"""The package clients/python/handoff, and clients/examples in Python, with the real daemon. clients/python/tests has
what a daemon seldom does."""

import json
import os
import random
import re
import sqlite3
import subprocess
import sys

import pytest
from peer import BOUND_S, BUILD, DAY_MS, ROOT, START_MS, flag, referral, registered, until, voicemail

import handoff
from handoff.v1 import api_pb2, common_pb2, delivery_pb2, emission_pb2

README = (ROOT / "clients" / "python" / "README.md").read_text()


@pytest.fixture
def user(daemon):
    with handoff.Client(daemon.endpoints["front"], timeout=BOUND_S) as client:
        yield client


@pytest.fixture
def live(stopped):
    """On the system's clock, as a reader's would be."""
    return stopped.start("--clock", "system")


def restart(daemon):
    """After a power cut, where it was before."""
    daemon.kill()
    daemon.start("--front", daemon.endpoints["front"], "--stream", daemon.endpoints["stream"])


def test_what_is_published_is_asked_for_and_followed(daemon, client, user):
    with user.watch("record") as records, user.watch("task", from_now=True) as tasks:
        events = registered("mary"), referral("mary")
        results = user.publish(*events)
        assert [result.code for result in results] == [api_pb2.CODE_ACCEPTED] * 2
        again = user.publish(*events)
        assert [(r.code, r.sequence) for r in again] == [(api_pb2.CODE_DUPLICATE, r.sequence) for r in results]
        client.advance(3 * DAY_MS)
        assert next(tasks).task.kind == common_pb2.TASK_KIND_CALL_AGENCY
        assert next(records).patient_id == "mary" and next(records).entry.input == "referral.requested"
    (task,) = user.tasks(owner="coordinator")
    assert task.reason == "The agency has not said that the referral arrived."
    assert user.patient("mary").tasks[0].task_id == task.task_id
    assert not user.patient("mary", at=START_MS + DAY_MS).tasks
    assert [entry.input for entry in user.timeline("mary")][-2:] == ["referral.requested", "patient.registered"]
    assert user.statistics()["open_tasks"] == 1 and user.info().last_sequence >= 4


def test_a_refusal_has_its_code_its_sentence_and_its_field(user):
    with pytest.raises(handoff.Refused) as caught:
        user.publish(handoff.event("mary", source="test", occurred_at=START_MS, coverage_updated={}))[0].check()
    assert (caught.value.code, caught.value.field) == (api_pb2.CODE_MISSING_FIELD, "coverage_updated.kind")
    with pytest.raises(handoff.Refused, match="unknown-patient"):
        user.patient("nobody")


def test_rows_beyond_a_page_come_too(daemon, client, user):
    accepted = user.publish(*(flag(f"p{i}") for i in range(250)))
    assert all(result.is_accepted for result in accepted)
    tasks = list(user.tasks(kind="safety-check", limit=20))
    assert len(tasks) == len({task.task_id for task in tasks}) == 250
    assert len(list(user.escalations(at_least="urgent", limit=7))) >= 1


def test_a_watch_and_a_publisher_live_through_power_cuts(daemon, user):
    seen, published = [], 0
    with user.watch("record", poll=1) as watch:
        for _ in range(3):
            for _ in range(20):
                published += 1
                user.publish(registered(f"p{published}"))[0].check()
            restart(daemon)
            assert user.publish(registered(f"p{published}"))[0].is_accepted
            published += 1
            user.publish(registered(f"p{published}"))[0].check()
        last = user.info().last_sequence
        while watch.position < last:
            if (record := watch.next(BOUND_S)) is not None:
                seen.append(record)
    sequences = [record.entry.sequence for record in seen]
    assert sequences == sorted(set(sequences))
    assert {record.patient_id for record in seen} == {f"p{i}" for i in range(1, published + 1)}


# --- subscriptions


def fast(client, name="work", **options):
    """Tests wait for what comes again, so it comes soon."""
    return client.subscribe(name, "task", start="beginning", backoff=(0.01, 0.1), **options)


def take(subscription, count):
    return [until(lambda: subscription.next(1)) for _ in range(count)]


def opened(client):
    """Ids of what was emitted, in order."""
    return [emission.id for emission in client.all_emissions(emission_pb2.STREAM_TASK)]


def test_a_worker_takes_acknowledges_gives_back_and_gives_up(daemon, client, user):
    client.accept(flag("mary"), flag("tom"), flag("david"))
    with fast(user, kinds=["safety-check"]) as work:
        assert work.is_new and work.settings.lease_ms == 30_000
        first, second, third = take(work, 3)
        assert [each.emission.id for each in (first, second, third)] == [i for i in opened(client)]
        first.ack()
        second.nack(delay=0.01, reason="the printer is out of paper")
        third.nack(permanent=True, reason="nobody lives there")
        (again,) = take(work, 1)
        assert (again.emission.id, again.attempt) == (second.emission.id, 2)
        again.extend()
        again.ack()
        work.flush()
        assert work.forgotten == 0 and work.next(0) is None
        (dead,) = user.request(aside=delivery_pb2.AsideRequest(name="work")).rows
        assert (dead.emission_id, dead.reason) == (third.emission.id, "nobody lives there")
        assert user.request(dead_letter=delivery_pb2.DeadLetterRequest(name="work")).count == 1
        (retried,) = take(work, 1)
        assert (retried.emission.id, retried.attempt) == (third.emission.id, 1)


def test_who_leaves_gives_back_at_once_and_the_next_one_goes_on(daemon, client, user):
    client.accept(*(flag(f"p{i}") for i in range(5)))
    with fast(user, credit=3) as work:
        done, *_ = take(work, 3)
        done.ack()
    with user.subscribe("work") as work:
        assert not work.is_new
        rest = take(work, 4)
    assert sorted([done.emission.id, *(each.emission.id for each in rest)]) == sorted(opened(client))


def test_a_subscription_that_makes_no_sense_is_refused(daemon, user):
    refused = [
        ({"kinds": ["no-such-kind"]}, api_pb2.CODE_BAD_VALUE, "settings.filter.kinds"),
        ({"lease": 3600}, api_pb2.CODE_BAD_VALUE, "settings.lease_ms"),
        ({"credit": 20_000}, api_pb2.CODE_BAD_VALUE, "credit"),
        ({"name": "no name"}, api_pb2.CODE_BAD_ID, "name"),
    ]
    for options, code, field in refused:
        with pytest.raises(handoff.Refused) as caught:
            fast(user, **options)
        assert (caught.value.code, caught.value.field) == (code, field) and caught.value.sentence
    with pytest.raises(handoff.Refused, match="unknown-subscription"):
        user.subscribe("work")
    with fast(user), handoff.Client(daemon.endpoints["front"]) as other:
        with pytest.raises(handoff.Refused, match="settings-differ"):
            fast(other, lease=5)


def test_a_worker_lives_through_power_cuts_and_what_was_committed_never_comes_again(daemon, user):
    chance, acknowledged, committed, patients = random.Random(1), set(), set(), 0
    with fast(user, credit=10) as work:
        since = []  # acknowledged since the last flush, or the last message that counted for nothing

        def work_off_one():
            if (delivery := work.next(0.02)) is None:
                return
            assert delivery.emission.id not in committed
            if chance.random() < 0.9:
                delivery.ack()
                since.append(delivery.emission.id)
                acknowledged.add(delivery.emission.id)
            else:
                delivery.nack(delay=0.01, unspent=True)

        for _ in range(6):
            user.publish(*(flag(f"p{patients + i}") for i in range(20)))
            patients += 20
            forgotten = work.forgotten
            for _ in range(chance.randrange(25)):
                work_off_one()
            if chance.random() < 0.7:
                work.flush()
                committed |= set(since if work.forgotten == forgotten else ())
            since.clear()
            restart(daemon)

        def is_all_over():
            work_off_one()
            asked = delivery_pb2.SubscriptionsRequest(name="work")
            (row,) = user.request(subscriptions=asked).subscriptions
            return len(acknowledged) == patients and row.in_flight == row.waiting == row.retrying == 0

        until(is_all_over)
    assert committed


# --- examples


def environment(daemon):
    return dict(os.environ, PYTHONPATH=f"{BUILD}/python", HANDOFF_FRONT=daemon.endpoints["front"])


def example(daemon, name, *arguments):
    path = ROOT / "clients" / "examples" / name
    assert len(path.read_text().splitlines()) < 40
    return subprocess.Popen(
        [sys.executable, path, *map(str, arguments)], env=environment(daemon), text=True, stdout=subprocess.PIPE
    )


def said(daemon, name, *arguments):
    with example(daemon, name, *arguments) as process:
        text = process.communicate(timeout=BOUND_S)[0]
        assert process.returncode == 0
        return text


def test_the_example_publishes_an_event_once(live):
    texts = [said(live, "publish_event.py", "call-1", "2026-03-05T16:40:00-05:00") for _ in range(2)]
    assert texts[0].startswith("accepted as entry ")
    assert texts[1].startswith(texts[0].strip().replace("accepted", "duplicate"))
    assert live.client().timeline("mary").entries[0].occurred_at_ms == 1772746800000


def test_the_example_shows_a_work_list_and_completes_a_task(live):
    live.client().accept(voicemail("mary"))
    line = r"(.+) test (\w+-t1) review-event supervisor-1\n    (.+)\n$"
    due, task, reason = re.match(line, said(live, "work_list.py")).groups()
    assert re.fullmatch(r"\w+ 20\d\d-\d\d-\d\d \d\d:\d\d", due) and reason
    assert said(live, "work_list.py", "test", task, "supervisor-1").startswith("accepted")
    assert said(live, "work_list.py") == ""


def lines_until(process, enough):
    """Reads lines until they are enough; they."""
    lines = []
    while not enough(lines):
        line = process.stdout.readline()
        assert line, "it ended"
        lines.append(line.rstrip("\n"))
    return lines


def test_the_example_watches_escalations_and_goes_on_where_it_was(daemon, client, tmp_path):
    client.accept(flag("mary"))
    with example(daemon, "watch_escalations.py", tmp_path / "place") as watching:
        (first,) = lines_until(watching, lambda lines: len(lines) == 1)
        assert first.startswith("urgent raised mary ")
        until(lambda: (tmp_path / "place").exists())
        watching.kill()
    client.accept(flag("tom"))
    before = json.loads((tmp_path / "place").read_text())
    with example(daemon, "watch_escalations.py", tmp_path / "place") as watching:
        lines = lines_until(watching, lambda lines: lines and " tom " in lines[-1])
        watching.kill()
    assert before > 0 and not any(" mary " in line for line in lines)


def kept(path):
    with sqlite3.connect(path) as table:
        return [id for (id,) in table.execute("SELECT id FROM opened ORDER BY id")]


def test_the_example_keeps_every_task_once_though_it_is_killed(daemon, client, tmp_path):
    client.accept(*(flag(f"p{i}") for i in range(30)))
    with example(daemon, "subscriber.py", tmp_path / "tasks") as worker:
        lines_until(worker, lambda lines: len(lines) == 10)
        worker.kill()
    restart(daemon)  # or else what it held comes again when its lease has ended
    with example(daemon, "subscriber.py", tmp_path / "tasks") as worker:
        until(lambda: len(kept(tmp_path / "tasks")) >= 20)
        worker.terminate()
        assert worker.wait(BOUND_S) == 0
    client = daemon.client()
    client.accept(flag("mary"))
    with example(daemon, "subscriber.py", tmp_path / "tasks") as worker:
        until(lambda: len(kept(tmp_path / "tasks")) == 31)
        worker.terminate()
    assert kept(tmp_path / "tasks") == sorted(opened(client))


def test_the_first_program_of_the_readme_runs(live):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.S)
    program = program.replace("tcp://127.0.0.1:7447", live.endpoints["front"])
    for word in ("accepted as entry ", "duplicate as entry "):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, text=True, capture_output=True, timeout=BOUND_S, env=environment(live))
        assert done.stdout.startswith(word) and "-t1 my-ehr " in done.stdout, done.stdout + done.stderr
