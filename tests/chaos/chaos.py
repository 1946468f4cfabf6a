"""The real daemon and real workers, killed at random instants, round after round.

    make chaos ROUNDS=1000            a line every hundred rounds, and at the end: N passed, N failed
    python3 tests/chaos/chaos.py --rounds 20 --seed 7

In a round events are published, and while that goes on the daemon, a worker or both are killed (SIGKILL) and begun again;
the daemon sometimes while it still starts. After every few rounds everything must have arrived. A round fails when

    an emission came under two ids, or an id that nothing was emitted under came
    what was acknowledged, and answered so, was handed out again afterwards (numbers ascend across lives, so that
        "afterwards" is certain)
    something that was emitted did not come, or is not acknowledged exactly once in the end
    the daemon does not start, or the journal does not verify
"""

import argparse
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import zmq  # noqa: E402
from peer import HOUR_MS, Daemon, Gone, api_pb2, emission_pb2, flag, registered  # noqa: E402

from handoff.v1 import delivery_pb2  # noqa: E402

STREAMS = {"board": "STREAM_TASK", "bell": "STREAM_ESCALATION"}
WORKERS_OF_EACH = 2
ROUNDS_TOGETHER = 5  # then everything must have arrived
BOUND_S = 60


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nursery:
    def __init__(self, folder, endpoint):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "workers.py"), str(folder), endpoint],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(BOUND_S)
        self.process.stdout.close()


class Beliefs:
    """What workers wrote: which id came when, and what was answered."""

    def __init__(self, folder):
        self.folder, self.read = folder, {}
        self.newest = {}  # the highest number under which an id was handed out, by name and id
        self.settled = {}  # the number under which it was acknowledged, and answered so

    def look(self):
        for path in self.folder.glob("*.log"):
            with path.open("rb") as file:
                file.seek(self.read.get(path, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self.read[path] = self.read.get(path, 0) + len(whole)
            for line in whole.decode().splitlines():
                what, name, number, id = line.split()
                of = self.newest if what == "got" else self.settled
                of[name, id] = max(of.get((name, id), 0), int(number))
        for key, number in self.settled.items():
            if self.newest[key] > number:
                raise Failed(f"{key[1]} on {key[0]}: acknowledged as {number}, and came again as {self.newest[key]}")


class Chaos:
    def __init__(self, folder, seed):
        self.chance = random.Random(seed)
        self.folder = folder
        self.daemon = Daemon(folder / "daemon")
        text = self.daemon.config.read_text().replace("level: debug", "level: info")
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        text = re.sub('front: "[^"]*"', f'front: "{endpoint}"', text)
        self.daemon.config.write_text(text)
        self.endpoint = endpoint
        (folder / "workers").mkdir()
        self.beliefs = Beliefs(folder / "workers")
        self.daemon.start()
        self.nursery = Nursery(folder / "workers", endpoint)
        self.workers = []
        for _ in range(WORKERS_OF_EACH):
            for name in STREAMS:
                self.begin_worker(name)
        self.patients = 0
        self.client = None
        self.connect()

    def close(self):
        self.nursery.close()
        self.client.close()
        self.daemon.close()

    def begin_worker(self, name):
        number = self.nursery.ask(f"begin {name} {STREAMS[name]} {self.chance.randrange(1 << 30)}")
        self.workers.append((int(number), name))

    def connect(self):
        if self.client is not None:
            self.client.close()
            self.daemon.clients.remove(self.client)
        self.client = self.daemon.client()
        self.client.socket.reconnect_ivl = 5

    # --- a round ---------------------------------------------------------------------------------------------------
    def publish(self):
        """Sends some events; what was not answered before a kill is said again, under the same ids."""
        events = []
        for _ in range(self.chance.randrange(1, 4)):
            self.patients += 1
            patient = f"patient-{self.patients}"
            events += [registered(patient), flag(patient)]
        return [e.SerializeToString() for e in events]

    def is_answered(self, tag, wait_ms):
        deadline_s = time.monotonic() + wait_ms / 1000
        while tag not in self.client.replies:
            left_ms = (deadline_s - time.monotonic()) * 1000
            if left_ms <= 0 or not self.client.socket.poll(left_ms):
                return False
            reply = api_pb2.Reply.FromString(self.client.receive_raw()[-1])
            self.client.replies[reply.tag] = reply
        return True

    def kill_worker(self):
        victim = self.chance.randrange(len(self.workers))
        number, name = self.workers.pop(victim)
        assert self.nursery.ask(f"kill {number}") == "killed"
        self.begin_worker(name)

    def kill_daemon(self):
        self.daemon.kill()
        while self.chance.random() < 0.2:
            self.daemon.launch()
            time.sleep(self.chance.random() * 0.05)  # waits for nothing: a random instant of its start
            self.daemon.kill()
        self.daemon.start()
        self.connect()

    def round(self):
        events = self.publish()
        tag = self.client.send(publish=api_pb2.PublishRequest(events=events))
        is_answered = self.is_answered(tag, self.chance.random() * 40)
        victims = self.chance.choice(["daemon", "worker", "worker", "both"])
        if victims != "daemon":
            self.kill_worker()
        if victims != "worker":
            self.kill_daemon()
        if not is_answered and (victims == "worker"):
            is_answered = self.is_answered(tag, BOUND_S * 1000)
        if not is_answered:
            for result in self.client.publish(*events):
                if result.code not in (api_pb2.CODE_ACCEPTED, api_pb2.CODE_DUPLICATE):
                    raise Failed(f"an event was refused: {result.sentence}")
        if self.chance.random() < 0.04:
            self.client.advance(self.chance.randrange(1, 5) * HOUR_MS)
        self.beliefs.look()

    # --- everything has arrived --------------------------------------------------------------------------------------
    def views(self):
        request = delivery_pb2.SubscriptionsRequest()
        return {v.name: v for v in self.client.ask(subscriptions=request).subscriptions}

    def is_quiet(self, view):
        return not (view.in_flight or view.waiting or view.retrying or view.has_more)

    def drain(self):
        deadline_s = time.monotonic() + BOUND_S
        while True:
            views = self.views()
            if set(views) == set(STREAMS) and all(self.is_quiet(v) for v in views.values()):
                break
            if time.monotonic() > deadline_s:
                raise Failed(f"something does not arrive: {views}")
            self.client.socket.poll(10)
        self.check_all(views)

    def check_all(self, views):
        self.beliefs.look()
        for name, stream in STREAMS.items():
            emitted = [e.id for e in self.client.all_emissions(emission_pb2.Stream.Value(stream))]
            came = {id for of, id in self.beliefs.newest if of == name}
            if len(set(emitted)) != len(emitted):
                raise Failed(f"{name}: an id was emitted twice")
            if missing := set(emitted) - came:
                raise Failed(f"{name}: {len(missing)} were emitted and never came: {sorted(missing)[:3]}")
            if strange := came - set(emitted):
                raise Failed(f"{name}: these came, and were never emitted: {sorted(strange)[:3]}")
            if views[name].acknowledged != len(emitted):
                raise Failed(f"{name}: {views[name].acknowledged} acknowledged of {len(emitted)}")

    def verify(self):
        self.daemon.stop()
        command = self.daemon.command("verify", str(self.daemon.data))
        verified = subprocess.run(command, capture_output=True, text=True)
        if verified.returncode:
            raise Failed(verified.stdout + verified.stderr)


def run(folder, rounds, seed, say):
    """How many passed and failed. A failure ends the rounds since the last time that everything had arrived."""
    chaos, passed, failed = Chaos(folder, seed), 0, 0
    began_s = time.monotonic()
    try:
        for done in range(1, rounds + 1):
            try:
                chaos.round()
                if done % ROUNDS_TOGETHER == 0 or done == rounds:
                    chaos.drain()
                passed += 1
            except (Failed, Gone, AssertionError) as why:
                failed += 1
                say(f"round {done} (seed {seed}): {why}")
                break  # what follows would fail for the same reason
            if done % 100 == 0:
                say(f"{done} rounds, {chaos.patients} patients, {len(chaos.beliefs.settled)} acknowledgements, "
                    f"{time.monotonic() - began_s:.0f} s")
        if not failed:
            try:
                chaos.verify()
            except Failed as why:
                failed += 1
                say(f"the journal does not verify (seed {seed}): {why}")
    finally:
        chaos.close()
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        passed, failed = run(pathlib.Path(folder), arguments.rounds, arguments.seed, lambda line: print(line, flush=True))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
