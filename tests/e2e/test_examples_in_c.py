"""clients/examples in C: short, and they do what they say, with the real daemon."""

import os
import subprocess

import pytest
from peer import BOUND_S, BUILD, ROOT, START_MS, flag, registered

from handoff.v1 import emission_pb2

SOURCES = sorted((ROOT / "clients" / "examples").glob("*.c"))


def command(name, *arguments):
    return [BUILD / "examples" / name, *map(str, arguments)]


def environment(daemon):
    return dict(os.environ, HANDOFF_FRONT=daemon.endpoints["front"])


def run(daemon, name, *arguments):
    done = subprocess.run(
        command(name, *arguments), env=environment(daemon), capture_output=True, text=True, timeout=BOUND_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Running:
    """An example that goes on until it is ended."""

    def __init__(self, daemon, name, *arguments):
        self.process = subprocess.Popen(
            command(name, *arguments), env=environment(daemon), stdout=subprocess.PIPE, text=True
        )

    def lines(self, count):
        return [self.process.stdout.readline() for _ in range(count)]

    def end(self):
        self.process.kill()
        self.process.wait(BOUND_S)
        self.process.stdout.close()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_an_example_is_short_and_says_what_it_is_for(source):
    lines = source.read_text().splitlines()
    assert len(lines) < 40 and lines[0].startswith("/* ")
    assert max(map(len, lines)) <= 120


def test_an_event_is_published_once_however_often_it_is_said(daemon, client):
    client.accept(registered("mary"))
    said = run(daemon, "publish_event", "call-1", START_MS)
    assert said.startswith("accepted as ")
    assert run(daemon, "publish_event", "call-1", START_MS) == said
    assert client.timeline("mary").entries[0].input == "contact.attempted"


def test_a_work_list_shows_what_is_open(daemon, client):
    client.accept(registered("mary"))
    run(daemon, "publish_event", "call-1", START_MS)  # nobody awaits it: a person is asked to look
    tasks = client.ask(tasks={"owner": "ROLE_COORDINATOR"}).tasks
    said = run(daemon, "work_list").splitlines()
    assert len(said) == len(tasks) > 0
    assert said[0].startswith(f"mary {tasks[0].task_id} ") and tasks[0].reason in said[0]


def test_a_watch_goes_on_where_it_ended(daemon, client, tmp_path):
    wanted = []
    for patient in ("mary", "tom", "sarah"):
        client.accept(flag(patient))
        watch = Running(daemon, "watch_escalations", tmp_path / "place")
        (line,) = watch.lines(1)
        while not (tmp_path / "place").read_text() == place_of(client):
            assert watch.process.poll() is None
        watch.end()
        wanted.append(line.split()[0])
    assert wanted == ["mary", "tom", "sarah"]


def place_of(client):
    """Of the newest escalation."""
    last = client.all_emissions(emission_pb2.STREAM_ESCALATION)[-1]
    return f"{last.sequence:20} {last.position:10}\n"


def test_a_worker_prints_each_task_and_no_other_prints_it_again(daemon, client):
    client.accept(flag("mary"), flag("tom"))
    ids = [emission.id for emission in client.all_emissions(emission_pb2.STREAM_TASK)]
    first = Running(daemon, "subscriber")
    assert [line.split()[0] for line in first.lines(len(ids))] == ids
    subscriptions = {"name": "task-list"}
    while client.ask(subscriptions=subscriptions).subscriptions[0].acknowledged < len(ids):
        assert first.process.poll() is None
    first.end()
    client.accept(flag("sarah"))
    second = Running(daemon, "subscriber")
    (line,) = second.lines(1)
    second.end()
    assert line.split()[0] == client.all_emissions(emission_pb2.STREAM_TASK)[-1].id
