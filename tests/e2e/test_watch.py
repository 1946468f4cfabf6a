"""`handoff watch` misses nothing and repeats nothing, whatever is cut off or killed: connections, the daemon, itself."""

import json
import os
import random
import select
import signal
import subprocess

import pytest
from peer import BOUND_S, BUILD, flag, referral, registered
from proxy import Proxy

from handoff.v1 import emission_pb2

AGAIN = "may have been shown before"


class Supervisor:
    """`handoff watch escalation --position FILE` behind proxies, started again and again; what was seen in all."""

    def __init__(self, daemon, folder):
        self.front, self.stream = Proxy(daemon.endpoints["front"]), Proxy(daemon.endpoints["stream"])
        self.position = folder / "position"
        self.seen = []
        self.repeats = 0
        self.process = None

    def begin(self):
        sockets = [f"--front={self.front.endpoint}", f"--stream={self.stream.endpoint}", "--timeout=30s", "--json"]
        command = [BUILD / "handoff", "watch", "escalation", "--from=beginning", f"--position={self.position}", *sockets]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.rest = b""
        self.is_first = True
        self.is_repeated = False

    def see(self, id):
        """The first line of a run may be the last one of the run before, if the run says so."""
        self.is_repeated |= self.is_first and self.seen[-1:] == [id]
        if not (self.is_first and self.is_repeated):
            self.seen.append(id)
        self.is_first = False

    def take(self, wait_s):
        """False at the end of its output, or when nothing came."""
        if not select.select([self.process.stdout], [], [], wait_s)[0]:
            return False
        chunk = os.read(self.process.stdout.fileno(), 65536)
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            self.see(json.loads(line)["id"])
        return bool(chunk)

    def until(self, count):
        while len(self.seen) < count:
            assert self.take(BOUND_S), f"{len(self.seen)} of {count}"

    def end(self, number):
        """Takes what it had written before."""
        self.process.send_signal(number)
        while self.take(BOUND_S):
            pass
        self.process.wait(BOUND_S)
        assert AGAIN in self.process.stderr.read().decode() or not self.is_repeated
        self.repeats += self.is_repeated
        code = self.process.returncode
        self.process.stdout.close()
        self.process.stderr.close()
        self.process = None
        return code

    def close(self):
        if self.process:
            self.end(signal.SIGKILL)
        self.front.close()
        self.stream.close()


@pytest.fixture
def supervisor(stopped, tmp_path):
    stopped.start()
    supervisor = Supervisor(stopped, tmp_path)
    yield supervisor
    supervisor.close()


def wanted(client):
    return [emission.id for emission in client.all_emissions(emission_pb2.STREAM_ESCALATION)]


def test_what_is_cut_off_and_killed_shows_each_escalation_once_and_in_order(stopped, supervisor):
    same = [f"--front={stopped.endpoints['front']}", f"--stream={stopped.endpoints['stream']}"]
    client = stopped.client()
    chance = random.Random(17)
    supervisor.begin()
    actions = ["cut front", "cut stream", "cut both", "kill daemon", "end watch", "kill watch"] * 4
    chance.shuffle(actions)
    for n, action in enumerate(actions):
        client.accept(*[event for i in range(4) for event in (registered(f"p{n}-{i}"), flag(f"p{n}-{i}"))])
        if chance.random() < 0.5:
            supervisor.take(BOUND_S)
        if action in ("cut front", "cut both"):
            supervisor.front.cut()
        if action in ("cut stream", "cut both"):
            supervisor.stream.cut()
        if action == "kill daemon":
            client.close()
            stopped.clients.remove(client)
            stopped.kill()
            stopped.start(*same)
            client = stopped.client()
        if action == "end watch":
            supervisor.until(1)
            assert supervisor.end(signal.SIGTERM) in (0, -signal.SIGTERM)  # it had not begun
            supervisor.begin()
        if action == "kill watch":
            supervisor.end(signal.SIGKILL)
            supervisor.begin()
    everything = wanted(client)
    assert len(everything) > 90
    supervisor.until(len(everything))
    assert not supervisor.take(0)
    supervisor.end(signal.SIGTERM)
    assert supervisor.seen == everything
    assert supervisor.repeats <= actions.count("kill watch")
    assert supervisor.front.accepted > 4 and supervisor.stream.accepted > 4


def test_what_comes_before_anything_was_shown_is_not_left_out(stopped, supervisor, tmp_path):
    client = stopped.client()
    client.accept(flag("before"))
    command = [BUILD / "handoff", "watch", "escalation", "--position", supervisor.position, "--json"]
    command += ["--front", stopped.endpoints["front"]]
    first = subprocess.Popen(command, stdout=subprocess.PIPE)
    while not supervisor.position.exists() or not supervisor.position.read_text():
        assert first.poll() is None
    first.kill()
    first.wait(BOUND_S)
    first.stdout.close()
    client.accept(flag("between"))
    said = subprocess.run([*command, "--count=1"], capture_output=True, timeout=BOUND_S, check=True)
    assert json.loads(said.stdout)["patientId"] == "between" and not said.stderr


def run_watch(daemon, stream, position, *more):
    command = [BUILD / "handoff", "watch", stream, "--from=beginning", "--position", position, "--json", *more]
    return subprocess.run(
        [*map(str, command), "--front", daemon.endpoints["front"]], capture_output=True, text=True, timeout=BOUND_S
    )


def test_a_line_that_was_being_written_is_shown_again_and_said_to_be(daemon, client, tmp_path):
    client.accept(flag("mary"), flag("tom"), referral("tom"))
    position = tmp_path / "position"
    first = run_watch(daemon, "task", position, "--count=1")
    assert first.returncode == 0
    text = position.read_text()
    assert text.startswith("task ") and " told" in text and len(text) == 64
    position.write_text(text.replace("told   ", "telling", 1))
    again = run_watch(daemon, "task", position, "--count=1")
    assert again.stdout == first.stdout and AGAIN in again.stderr
    onward = run_watch(daemon, "task", position, "--count=1")
    assert onward.stdout != first.stdout and onward.stderr == ""
    both = [json.loads(line)["id"] for line in (first.stdout, onward.stdout)]
    assert both == [emission.id for emission in client.all_emissions(emission_pb2.STREAM_TASK)][:2]


def test_a_position_file_of_something_else_is_refused(daemon, client, tmp_path):
    client.accept(flag("mary"))
    position = tmp_path / "position"
    assert run_watch(daemon, "task", position, "--count=1").returncode == 0
    other = run_watch(daemon, "escalation", position)
    assert other.returncode == 1 and "is the position on stream task, not escalation" in other.stderr
    position.write_text("dear diary")
    assert "is no position file" in run_watch(daemon, "task", position).stderr
    assert "cannot open the position file" in run_watch(daemon, "task", tmp_path / "nowhere" / "position").stderr


def test_two_watches_do_not_share_a_position(daemon, client, tmp_path):
    client.accept(flag("mary"))
    position = tmp_path / "position"
    command = [BUILD / "handoff", "watch", "task", "--from=beginning", "--position", position, "--json"]
    first = subprocess.Popen([*command, "--front", daemon.endpoints["front"]], stdout=subprocess.PIPE)
    assert first.stdout.readline()
    second = run_watch(daemon, "task", position)
    assert second.returncode == 1 and "another watch uses" in second.stderr
    first.terminate()
    assert first.wait(BOUND_S) == 0
    first.stdout.close()
