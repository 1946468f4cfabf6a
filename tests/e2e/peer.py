"""An independent client and a real daemon: nothing of handoffd's own code but the generated schema.

A test never sleeps. It waits for the thing itself (a reply, a doorbell, a line, the end of a process), with a bound.
The clock is manual: months pass when a test says so.
"""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import zmq

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
sys.path.insert(0, str(BUILD / "python"))

from handoff.v1 import api_pb2, common_pb2, emission_pb2, event_pb2  # noqa: E402

BOUND_S = 30  # until a test gives up waiting; sanitizers and loaded machines are slow

START_MS = 1767618000000  # Monday 2026-01-05 08:00 in New York
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000

CONFIG = """\
pathways: {pathways}
clock: manual
journal: {{ahead: 0}}
listen: {{front: "tcp://127.0.0.1:*", stream: "tcp://127.0.0.1:*", http: "127.0.0.1:0"}}
log: {{level: debug}}
sites:
  - name: main
    time_zone: America/New_York
    hours: {{mon-fri: "08:00-17:00", sat-sun: closed}}
    people:
      - {{id: coordinator-1, roles: [coordinator], supervisor: supervisor-1, channels: {{email: c@example.org}}}}
      - {{id: supervisor-1, roles: [supervisor, clinician], supervisor: director-1, channels: {{email: s@example.org}}}}
      - {{id: director-1, roles: [director], channels: {{email: d@example.org}}}}
      - {{id: compliance-1, roles: [compliance], supervisor: director-1, channels: {{email: o@example.org}}}}
      - {{id: on-call-1, roles: [on-call], supervisor: director-1, channels: {{phone: "555-0100"}}}}
"""


class Gone(Exception):
    """The daemon ended."""


class Daemon:
    """build/handoffd on a folder of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.data = self.folder / "data"
        self.pathways = self.folder / "pathways"
        self.config = self.folder / "handoffd.yaml"
        shutil.copytree(pathlib.Path(__file__).parent / "pathways", self.pathways)
        shutil.copy(ROOT / "daemon" / "pathways" / "policy.yaml", self.pathways)
        self.config.write_text(CONFIG.format(pathways=self.pathways))
        self.process = None
        self.lines = []
        self.rest = b""
        self.zmq = zmq.Context()
        self.clients = []

    def command(self, *arguments):
        return [str(BUILD / "handoffd"), *arguments]

    def launch(self, *options):
        self.lines, self.rest = [], b""
        self.process = subprocess.Popen(
            self.command("run", "--config", str(self.config), "--data", str(self.data), *options),
            stderr=subprocess.PIPE,
        )
        os.set_blocking(self.process.stderr.fileno(), False)

    def start(self, *options):
        self.launch(*options)
        self.await_line("msg=ready")
        self.endpoints = dict(
            line.split("=", 1) for line in (self.data / "endpoints").read_text().splitlines()
        )
        return self

    def await_line(self, part, after=0):
        """The first line of the log, from line `after` on, with this part."""
        while True:
            for line in self.lines[after:]:
                if part in line:
                    return line
            self.read_log(part)

    def read_log(self, part):
        if not select.select([self.process.stderr], [], [], BOUND_S)[0]:
            raise AssertionError(f"no line with {part!r} in:\n" + "\n".join(self.lines))
        chunk = self.process.stderr.read()
        if not chunk:
            raise Gone("the daemon ended:\n" + "\n".join(self.lines))
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        self.lines += [line.decode() for line in lines]

    def drain_log(self):
        """To the end of the process's output; waits for its end."""
        while True:
            try:
                self.read_log("the end")
            except Gone:
                return self.lines

    def kill(self):
        """As a power cut."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(BOUND_S)
        self.process.stderr.close()
        self.process = None

    def stop(self):
        """SIGTERM; its exit code."""
        os.kill(self.process.pid, signal.SIGTERM)
        self.drain_log()
        code = self.process.wait(BOUND_S)
        self.process.stderr.close()
        self.process = None
        return code

    def close(self):
        for client in self.clients:
            client.close()
        self.zmq.term()
        if self.process is not None:
            if self.process.poll() is None:
                self.stop()
            else:
                self.process.stderr.close()

    def client(self, kind=zmq.DEALER):
        client = Client(self.zmq, self.endpoints["front"], kind)
        self.clients.append(client)
        return client

    def subscribe(self, *topics):
        bell = Bell(self.zmq, self.endpoints["stream"], topics)
        self.clients.append(bell)
        return bell

    def http(self, path):
        """Status and text."""
        try:
            with urllib.request.urlopen(f"http://{self.endpoints['http']}{path}", timeout=BOUND_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode()

    def await_metric(self, value, name, /, **labels):
        """Counters follow a reply by a moment."""
        deadline = time.monotonic() + BOUND_S
        while self.metric(name, **labels) != value:
            assert time.monotonic() < deadline, f"{name}{labels} is {self.metric(name, **labels)}, not {value}"

    def metric(self, name, /, **labels):
        """The value of one sample, 0 when there is none."""
        for line in self.http("/metrics")[1].splitlines():
            head, _, value = line.rpartition(" ")
            if head.split("{")[0] == name and all(f'{k}="{v}"' in head for k, v in labels.items()):
                return float(value)
        return 0.0


class Client:
    """Requests and replies by tag over one connection."""

    def __init__(self, context, endpoint, kind):
        self.socket = context.socket(kind)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.has_delimiter = False
        self.tag = 0
        self.replies = {}

    def close(self):
        self.socket.close()

    def send_raw(self, *frames):
        self.socket.send_multipart(frames)

    def receive_raw(self):
        assert self.socket.poll(BOUND_S * 1000), "no reply"
        return self.socket.recv_multipart()

    def send(self, **body):
        """A request by the name of its body; its tag."""
        self.tag += 1
        request = api_pb2.Request(tag=self.tag, **body)
        self.send_raw(request.SerializeToString())
        return self.tag

    def receive(self, tag):
        while tag not in self.replies:
            frames = self.receive_raw()
            assert len(frames) == 1
            reply = api_pb2.Reply.FromString(frames[0])
            self.replies[reply.tag] = reply
        return self.replies.pop(tag)

    def ask(self, **body):
        """The body of the reply, which must not be an error."""
        reply = self.receive(self.send(**body))
        kind = reply.WhichOneof("body")
        assert kind != "error", f"{api_pb2.Code.Name(reply.error.code)}: {reply.error.sentence}"
        return getattr(reply, kind)

    def refusal(self, **body):
        reply = self.receive(self.send(**body))
        assert reply.WhichOneof("body") == "error", reply
        assert reply.error.sentence
        return reply.error

    def publish(self, *events):
        """Events, or bytes that claim to be; the results, in order."""
        packed = [e if isinstance(e, bytes) else e.SerializeToString() for e in events]
        results = self.ask(publish=api_pb2.PublishRequest(events=packed)).results
        assert len(results) == len(events)
        return list(results)

    def accept(self, *events):
        """Publishes what must be accepted; the sequences."""
        results = self.publish(*events)
        for result in results:
            assert result.code == api_pb2.CODE_ACCEPTED, f"{api_pb2.Code.Name(result.code)}: {result.sentence}"
        return [result.sequence for result in results]

    def patient(self, patient_id, at_ms=0):
        return self.ask(patient=api_pb2.PatientRequest(patient_id=patient_id, at_ms=at_ms))

    def timeline(self, patient_id, **options):
        return self.ask(timeline=api_pb2.TimelineRequest(patient_id=patient_id, **options))

    def advance(self, ms):
        return self.ask(clock=api_pb2.ClockRequest(advance_ms=ms))

    def now_ms(self):
        return self.ask(clock=api_pb2.ClockRequest()).now_ms

    def info(self):
        return self.ask(info=api_pb2.InfoRequest())

    def statistics(self):
        reply = self.ask(statistics=api_pb2.StatisticsRequest())
        return {row.name: row.value for row in reply.statistics}

    def emissions(self, stream, after=0, limit=0):
        return self.ask(emissions=api_pb2.EmissionsRequest(stream=stream, after_sequence=after, limit=limit))

    def all_emissions(self, stream, after=0, limit=0):
        """Page by page."""
        found = []
        while True:
            page = self.emissions(stream, after, limit)
            found += page.records if stream == emission_pb2.STREAM_RECORD else page.emissions
            after = page.through_sequence
            if after >= page.last_sequence:
                return found


class Bell:
    """The stream socket."""

    def __init__(self, context, endpoint, topics):
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = 0
        for topic in topics:
            self.socket.subscribe(topic)
        self.socket.connect(endpoint)

    def close(self):
        self.socket.close()

    def receive(self):
        assert self.socket.poll(BOUND_S * 1000), "no doorbell"
        topic, payload = self.socket.recv_multipart()
        bell = api_pb2.Doorbell.FromString(payload)
        assert topic.decode() == emission_pb2.Stream.Name(bell.stream).removeprefix("STREAM_").lower()
        return bell

    def is_silent(self):
        return not self.socket.poll(0)


counter = iter(range(1, 1 << 30))


def until(is_so):
    """What it returns once that is something: for what the daemon does after it has answered."""
    deadline = time.monotonic() + BOUND_S
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not come"
    return found


def event(patient_id, at_ms=START_MS, id=None, source="test", **body):
    """An event by the name of its body: event("mary", contact_attempted=...)."""
    return event_pb2.Event(
        id=id or f"e{next(counter)}", source=source, patient_id=patient_id, occurred_at_ms=at_ms, **body
    )


def registered(patient_id, **options):
    return event(patient_id, patient_registered=event_pb2.PatientRegistered(birth_date=20160214), **options)


def referral(patient_id, **options):
    """Mary's: outpatient, asked for by the PCP, an agency chosen."""
    return event(
        patient_id,
        referral_id=f"r-{patient_id}",
        referral_requested=event_pb2.ReferralRequested(
            priority=common_pb2.PRIORITY_ROUTINE,
            level_of_care=common_pb2.LEVEL_OF_CARE_OUTPATIENT,
            referrer=common_pb2.PARTY_PCP,
            referrer_id="pcp-1",
            agency_id="agency-1",
            category=common_pb2.DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH,
        ),
        **options,
    )


def voicemail(patient_id, **options):
    """The family called the agency's intake line and nobody answered."""
    return event(
        patient_id,
        contact_attempted=event_pb2.ContactAttempted(
            caller=common_pb2.PARTY_GUARDIAN,
            callee=common_pb2.PARTY_AGENCY,
            purpose=event_pb2.CONTACT_PURPOSE_INTAKE,
            outcome=event_pb2.CONTACT_OUTCOME_VOICEMAIL,
        ),
        **options,
    )


def flag(patient_id, **options):
    """A safety finding: acts in every pathway and for everybody, so it always makes work."""
    return event(
        patient_id,
        safety_flag_raised=event_pb2.SafetyFlagRaised(
            kind=event_pb2.RISK_KIND_SELF, severity=common_pb2.SEVERITY_URGENT, raised_by="clinician-1"
        ),
        **options,
    )
