"""Scenario files as tests/scenarios/README.md describes them, played against a daemon that does not live long.

    Scenario   what a file says
    Mortal     a daemon on one folder, killed at will, and the client of its present life
    Play       one scenario on a Mortal: moves the clock, publishes, collects what came out, checks what was expected

The transcript has the lines of `handoffd pathway test --transcript`, made from what the daemon answers and from
nothing else. Nothing here decides what is right: the files and that transcript do.
"""

import collections
import datetime
import functools
import itertools
import os
import pathlib
import re
import subprocess
import unittest.mock
import zoneinfo

import yaml
import zmq
from google.protobuf.descriptor import FieldDescriptor
from peer import BOUND_S, BUILD, ROOT, Client
from handoff.v1 import api_pb2, common_pb2, emission_pb2, event_pb2, journal_pb2

FILES = sorted((ROOT / "tests" / "scenarios").glob("*.yaml"))
SITE_FILE = ROOT / "tests" / "site.yaml"
PATHWAYS = ROOT / "daemon" / "pathways"
STREAMS = [
    emission_pb2.STREAM_TASK,
    emission_pb2.STREAM_ESCALATION,
    emission_pb2.STREAM_STATUS,
    emission_pb2.STREAM_AUDIT,
]

SETTINGS = """\
pathways: {pathways}
clock: manual
journal: {{ahead: 0}}
listen: {{front: "tcp://127.0.0.1:*", stream: "tcp://127.0.0.1:*", http: ""}}
"""

SCENARIO_KEYS = {"scenario", "about", "start", "patient", "patients", "steps"}
STEP_KEYS = set("say at event id with referral appointment episode source occurred task escalation expect of".split())
EXACT = ["tasks", "escalations", "disclosures", "withheld"]  # and reminders: what is not listed must not happen
WHEN_PRESENT = ["withdrawn", "resolved", "joined", "noted"]
OTHER_KEYS = "reminders state ended region holds timers no_timers open verdict says people matches site due".split()
EXPECT_KEYS = {*EXACT, *WHEN_PRESENT, *OTHER_KEYS}


def load_yaml(path):
    """Every scalar as the text that stands there."""
    return yaml.load(pathlib.Path(path).read_text(), yaml.BaseLoader)


SITE = load_yaml(SITE_FILE)["sites"][0]["name"]
ZONE = zoneinfo.ZoneInfo(load_yaml(SITE_FILE)["sites"][0]["time_zone"])


# --- words and times ------------------------------------------------------------------------------------------------
def prefix(enum):
    """TaskKind: TASK_KIND_"""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"


def upper(enum, value):
    return enum.values_by_number[value].name.removeprefix(prefix(enum))


def kebab(enum, value):
    return upper(enum, value).lower().replace("_", "-")


def kind_of(task):
    return kebab(common_pb2.TaskKind.DESCRIPTOR, task.kind)


def kind_and_subject(task):
    return kind_of(task) + (f"@{task.subject.id}" if task.subject.id else "")


def role(value):
    return kebab(common_pb2.Role.DESCRIPTOR, value)


def recipient(of):
    return f"{upper(common_pb2.Party.DESCRIPTOR, of.party)} {of.id}".rstrip()  # of an agency nobody named: its party


def to_ms(text):
    local = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)
    return int(local.timestamp()) * 1000


def to_text(at_ms):
    return datetime.datetime.fromtimestamp(at_ms / 1000, ZONE).strftime("%Y-%m-%d %H:%M")


# --- what a file says -----------------------------------------------------------------------------------------------
def number(text):
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", text):
        return to_ms(text)
    return int(text.replace("-", "")) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else int(text)


def scalar(field, text):
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values_by_name[prefix(field.enum_type) + text].number
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}[text]
    return text if field.type == FieldDescriptor.TYPE_STRING else number(text)


def fill(message, mapping):
    fields = message.DESCRIPTOR.fields_by_name
    message.SetInParent()
    if message.DESCRIPTOR.name == "Count":
        mapping = {"value": mapping}
    for key, value in mapping.items():
        field = fields[key] if key in fields else fields[key + "_ms"]
        here = getattr(message, field.name)
        if field.label == FieldDescriptor.LABEL_REPEATED:
            for item in value:
                fill(here.add(), item) if field.message_type else here.append(scalar(field, item))
        elif field.message_type:
            fill(here, value)
        else:
            setattr(message, field.name, scalar(field, value))


class Scenario:
    def __init__(self, path):
        content = load_yaml(path)
        assert content.keys() <= SCENARIO_KEYS, f"{path.name}: {content.keys() - SCENARIO_KEYS}"
        self.path = path
        self.name = path.stem
        self.patient_id = content["patient"]
        self.patients = int(content.get("patients", 1))
        self.start_ms = to_ms(content["start"])
        self.steps = content["steps"]
        for step in self.steps:
            assert step.keys() <= STEP_KEYS, f"{path.name}: {step.keys() - STEP_KEYS}"
            assert step["expect"] == "" or step["expect"].keys() <= EXPECT_KEYS, f"{path.name}: {step['expect']}"

    def transcript(self, folder):
        """What comes out of the rules alone, without socket or disk."""
        file = pathlib.Path(folder) / f"{self.name}.transcript"
        command = [BUILD / "handoffd", "pathway", "test", "--config", SITE_FILE, "--pathways", PATHWAYS]
        done = subprocess.run(
            [*command, "--transcript", file, self.path], capture_output=True, text=True, timeout=BOUND_S
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return file.read_text().splitlines()


# --- a daemon that does not live long -------------------------------------------------------------------------------
class Mortal:
    """A daemon on one folder and a client. After its end it is started again with the next question.

    points: where its lives end by themselves, one after the other, after the first: 0 before the first commit, 1 after
    it and before anybody is told, 2 before the second, and so on. They are met by insist() alone."""

    def __init__(self, daemon, start_ms, points=()):
        self.daemon = daemon
        self.start_ms = start_ms
        self.points = itertools.cycle(points)
        self.point = None
        self.ends = []  # points met
        self.open_client = None
        daemon.config.write_text(SETTINGS.format(pathways=PATHWAYS) + SITE_FILE.read_text())

    @property
    def client(self):
        if self.open_client is None:
            self.start()
        return self.open_client

    def start(self):
        start = datetime.datetime.fromtimestamp(self.start_ms / 1000, datetime.timezone.utc)
        with unittest.mock.patch.dict(os.environ, self.fate()):
            self.daemon.start("--clock-start", start.strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.open_client = self.daemon.client()

    def fate(self):
        self.point = next(self.points, None) if self.daemon.data.exists() else None  # the first start is longer
        if self.point is None:
            return {}
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {"LD_PRELOAD": str(fate()), "DIE_AT": str(POINTS_OF_START + self.point + 1), "ASAN_OPTIONS": options}

    def end(self, how):
        self.open_client.close()
        self.daemon.clients.remove(self.open_client)
        self.open_client = None
        how()

    def kill(self):
        if self.open_client is not None:
            self.end(self.daemon.kill)

    def stop(self):
        if self.open_client is not None:
            self.end(self.daemon.stop)

    def run(self, command, *more):
        """Another subcommand on the folder."""
        arguments = self.daemon.command(command, str(self.daemon.data), *more)
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=BOUND_S)
        assert done.returncode == 0, f"handoffd {command}: {done.returncode}\n{done.stdout}{done.stderr}"

    def advance(self, at_ms):
        reply = self.client.ask(clock=api_pb2.ClockRequest(advance_to_ms=at_ms))
        assert reply.now_ms == at_ms

    def insist(self, **body):
        """The reply, and the points at which lives ended before it came."""
        first = len(self.ends)
        for _ in range(LIVES_MAX):
            client = self.client
            tag = client.send(**body)
            if not is_ended_before(self.daemon.process.pid, client.socket):
                return client.receive(tag), self.ends[first:]
            self.ends.append(self.point)
            self.kill()
        raise AssertionError("no answer")

    def insist_on_advance(self, at_ms):
        reply, _ = self.insist(clock=api_pb2.ClockRequest(advance_to_ms=at_ms))
        assert reply.clock.now_ms == at_ms


class Reader(Client):
    """Asks until there is an answer: a life may also end in what the daemon does by itself after a reply."""

    def __init__(self, mortal):
        self.mortal = mortal

    def ask(self, **body):
        reply, _ = self.mortal.insist(**body)
        kind = reply.WhichOneof("body")
        assert kind != "error", f"{api_pb2.Code.Name(reply.error.code)}: {reply.error.sentence}"
        return getattr(reply, kind)


LIVES_MAX = 1000  # for one answer
POINTS_OF_START = 2  # each start is a commit

FATE = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* LMDB commits by writing pages, a sync, and a write of the meta page. Points are before the sync and after that. */
static int left;

static int is_journal(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, path, sizeof path - 1);
    path[bytes < 0 ? 0 : bytes] = 0;
    return strstr(path, "/journal/data.mdb") != NULL;
}

static void reach_point(void)
{
    if (left == 0) left = atoi(getenv("DIE_AT"));
    if (--left == 0) kill(getpid(), SIGKILL);
}

static int is_meta_next;

int fdatasync(int fd)
{
    if (!is_journal(fd)) return (int)syscall(SYS_fdatasync, fd);
    reach_point();
    is_meta_next = 1;
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t at)
{
    ssize_t written = syscall(SYS_pwrite64, fd, data, bytes, at);
    if (!is_journal(fd) || !is_meta_next) return written;
    is_meta_next = 0;
    reach_point();
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return pwrite64(fd, data, bytes, at); }
"""


@functools.cache
def fate():
    """A library to be loaded before the daemon's others: the process dies at the DIE_AT-th point of its commits."""
    library = BUILD / "tests" / "e2e" / "fate.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    mine = library.with_suffix(f".{os.getpid()}")  # several test processes may be at it
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-x", "c", "-", "-o", str(mine)]
    subprocess.run(command, input=FATE, text=True, check=True, timeout=BOUND_S)
    mine.replace(library)
    return library


def is_ended_before(pid, socket):
    """Whether the process ends before anything is received."""
    end = os.pidfd_open(pid)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(end, zmq.POLLIN)
    heard = dict(poller.poll(BOUND_S * 1000))
    os.close(end)
    assert heard, "neither an answer nor an end"
    return socket not in heard


# --- what came out --------------------------------------------------------------------------------------------------
def line_of_task(e):
    change = kebab(emission_pb2.TaskChange.DESCRIPTOR, e.task.change)
    severity = kebab(common_pb2.Severity.DESCRIPTOR, e.task.severity)
    return (
        f"task {change} t{e.task.number} {kind_of(e.task)} {role(e.task.owner)} {severity}"
        f" due={e.task.due_at_ms} subject={e.task.subject.id}"
    )


def line_of_escalation(e):
    change = kebab(emission_pb2.EscalationChange.DESCRIPTOR, e.escalation.change)
    return f"escalation {change} e{e.escalation.number} {role(e.escalation.rung)} next={e.escalation.next_at_ms}"


def line_of_status(e):
    kind = kebab(emission_pb2.StatusKind.DESCRIPTOR, e.status.kind)
    return f"status {kind} {recipient(e.status.recipient)} consent={e.status.consent_id}"


def line_of_reminder(e):
    r = e.reminder
    return f"reminder {r.appointment_id} starts={r.starts_at_ms} dropped={int(r.is_dropped)}"


def line_of_audit(e):
    return f"audit {kebab(emission_pb2.AuditKind.DESCRIPTOR, e.audit.kind)} {e.audit.recipient.id}"


LINES = {
    "task": line_of_task,
    "escalation": line_of_escalation,
    "status": line_of_status,
    "reminder": line_of_reminder,
    "audit": line_of_audit,
}


def line_of(emission):
    return f"{emission.at_ms} {LINES[emission.WhichOneof('body')](emission)}"


def words_of_task(t):
    if t.change == emission_pb2.TASK_CHANGE_REOPENED:
        return "tasks", f"{kind_and_subject(t)} reopened"
    key = {
        emission_pb2.TASK_CHANGE_OPENED: "tasks",
        emission_pb2.TASK_CHANGE_JOINED: "joined",
        emission_pb2.TASK_CHANGE_WITHDRAWN: "withdrawn",
    }.get(t.change)
    return key, kind_and_subject(t)


def words_of_escalation(e):
    change = emission_pb2.EscalationChange
    if e.change == change.ESCALATION_CHANGE_RESOLVED:
        return "resolved", role(e.rung)
    if e.change == change.ESCALATION_CHANGE_ACKNOWLEDGED:
        return None, ""
    is_new = e.change == change.ESCALATION_CHANGE_RAISED
    return "escalations", role(e.rung) + ("" if is_new else f" {kebab(change.DESCRIPTOR, e.change)}")


def words_of(emission):
    """The key of an expectation and the word that belongs under it."""
    kind = emission.WhichOneof("body")
    if kind == "task":
        return words_of_task(emission.task)
    if kind == "escalation":
        return words_of_escalation(emission.escalation)
    if kind == "status":
        sort = kebab(emission_pb2.StatusKind.DESCRIPTOR, emission.status.kind)
        return "disclosures", f"{sort} {recipient(emission.status.recipient)}"
    if kind == "audit" and emission.audit.kind == emission_pb2.AUDIT_KIND_WITHHELD:
        return "withheld", recipient(emission.audit.recipient)
    if kind == "audit" and emission.audit.kind == emission_pb2.AUDIT_KIND_NOTE:
        return "noted", "note"
    if kind == "audit" and emission.audit.kind == emission_pb2.AUDIT_KIND_DIRECTORY_DOUBTFUL:
        return "noted", f"doubtful {emission.audit.text}"
    return ("reminders", "") if kind == "reminder" and not emission.reminder.is_dropped else (None, "")


def happened(emissions):
    words = collections.defaultdict(list)
    for emission in emissions:
        key, word = words_of(emission)
        words[key].append(word)
    return words


def all_timeline(client, patient_id, after):
    """Entries after a sequence, oldest first."""
    entries, before = [], 0
    while True:
        page = client.timeline(patient_id, before_sequence=before, limit=100)
        entries += [e for e in page.entries if e.sequence > after]
        before = page.next_before_sequence
        if before <= after:
            return entries[::-1]


# --- one scenario on a daemon ---------------------------------------------------------------------------------------
class Play:
    """patient_id: another than the file's, where two files speak of the same."""

    def __init__(self, scenario, mortal, patient_id=None):
        self.scenario = scenario
        self.mortal = mortal
        self.patient_id = patient_id or scenario.patient_id
        self.transcript = []
        self.seen = []  # (sequence, position, id) of all that came out
        self.through = 0  # everything up to this sequence was collected
        self.ended = {}
        self.answers = {}  # by sequence: entries, with verdict and sentence
        self.result = None

    @property
    def client(self):
        return Reader(self.mortal)

    def at_ms(self, index):
        return to_ms(self.scenario.steps[index]["at"])

    def event(self, index):
        """Of a step; None if nothing is published."""
        step = self.scenario.steps[index]
        if "event" not in step:
            return None
        occurred_at_ms = to_ms(step.get("occurred", step["at"]))
        event = event_pb2.Event(
            id=step.get("id", f"{self.patient_id}-{index + 1}"),
            source=step.get("source", "scenario"),
            patient_id="" if step.get("of") == "site" else self.patient_id,
            occurred_at_ms=occurred_at_ms,
            referral_id=step.get("referral", ""),
            appointment_id=step.get("appointment", ""),
            episode_id=self.episode_id(step.get("episode", "")),
        )
        if "task" in step:
            event.task_id = self.task_id(step["task"])
        if "escalation" in step:
            event.escalation_id = self.escalation_id(step["escalation"])
        fill(getattr(event, step["event"].replace(".", "_")), step.get("with") or {})
        return event

    def episode_id(self, wanted):
        """ep2, or the newest open one on a pathway of that name."""
        episodes = self.patient().episodes if wanted else []
        return ([e.episode_id for e in episodes if e.pathway == wanted] or [wanted])[-1]

    def task_id(self, wanted):
        """The newest open one."""
        tasks = self.patient().tasks
        return [t for t in tasks if wanted in (kind_of(t), kind_and_subject(t))][-1].task_id

    def escalation_id(self, wanted):
        escalations = self.patient().escalations
        return [e for e in escalations if wanted in map(role, [e.rung, *e.roles])][-1].escalation_id

    def publish(self, event):
        (result,) = self.client.publish(event)
        assert result.code == api_pb2.CODE_ACCEPTED, result
        self.result = result

    def publish_again(self, event):
        (repeat,) = self.client.publish(event)
        assert repeat.code == api_pb2.CODE_DUPLICATE, repeat
        assert repeat.sequence == self.result.sequence

    def insist_on_publish(self, event):
        """Under the same id until it is answered; a repeat if a life ended after the commit."""
        request = api_pb2.PublishRequest(events=[event.SerializeToString()])
        reply, ends = self.mortal.insist(publish=request)
        (self.result,) = reply.publish.results
        is_repeat = any(point % 2 == 1 for point in ends)
        assert self.result.code == (api_pb2.CODE_DUPLICATE if is_repeat else api_pb2.CODE_ACCEPTED), self.result

    def patient(self):
        """All that a reader sees."""
        shown = self.client.patient(self.patient_id)
        for task in shown.tasks:
            self.name_as_in_file(task.subject)
        return shown

    def name_as_in_file(self, recipient):
        """A patient who is called otherwise here is called as the file does where a task or a message is about them."""
        if recipient.id == self.patient_id:
            recipient.id = self.scenario.patient_id

    # --- collecting
    def streams(self, after):
        found = [e for s in STREAMS for e in self.client.all_emissions(s, after) if e.patient_id == self.patient_id]
        return sorted(found, key=lambda e: (e.sequence, e.position))

    def collect(self, index):
        """What came out since the last step; it belongs to this one."""
        entries = all_timeline(self.client, self.patient_id, self.through)
        self.answers.update((entry.sequence, entry) for entry in entries)
        # History shows an emission also when it would not be delivered any more, and is then without content.
        history = {e.id: e for entry in entries for e in entry.emissions}
        emissions = [e if e.WhichOneof("body") else history[e.id] for e in self.streams(self.through)]
        for e in emissions:
            if e.WhichOneof("body") == "task":
                self.name_as_in_file(e.task.subject)
            elif e.WhichOneof("body") in ("status", "audit"):
                self.name_as_in_file(getattr(e, e.WhichOneof("body")).recipient)
        assert [e.id for e in emissions] == list(history), "the streams and the timeline differ"
        self.through = entries[-1].sequence if entries else self.through
        self.seen += [(e.sequence, e.position, e.id) for e in emissions]
        self.transcript += [f"step {index + 1}", *map(line_of, emissions)]
        for step in (s for entry in entries for s in entry.steps):
            if step.kind == journal_pb2.APPLIED_KIND_CLOSED:
                self.ended[step.pathway] = step.to_state
        return emissions

    # --- checking
    def check(self, index, emissions):
        step = self.scenario.steps[index]
        expect = step["expect"] or {}
        wrong = [*self.differences(expect, happened(emissions), self.patient())]
        assert not wrong, f"{self.scenario.name}, step {index + 1} ({step['say']})\n" + "\n".join(wrong)

    def differences(self, expect, words, patient):
        yield from lists_differ(expect, words)
        yield from maps_differ(expect, self.names(patient))
        yield from self.others_differ(expect, patient)
        if "verdict" in expect or "says" in expect:
            # A repeat is answered with the first's sequence; what was said then is in the timeline.
            is_first = self.result.code == api_pb2.CODE_ACCEPTED
            answer = self.result if is_first else self.answers[self.result.sequence]
            verdict = kebab(journal_pb2.Verdict.DESCRIPTOR, answer.verdict)
            if expect.get("verdict", verdict) != verdict:
                yield f"verdict: expected {expect['verdict']}, got {verdict}"
            if expect.get("says", "") not in answer.sentence:
                yield f"says: expected {expect['says']!r}, got {answer.sentence!r}"
        if patient.record.parked:
            yield "an invariant broke"

    def names(self, patient):
        """Key of an expectation: what it names, with its value; of several the newest."""
        regions = (r.split(": ") for e in patient.episodes for r in e.regions)
        return {
            "state": {e.pathway: e.state for e in patient.episodes},
            "ended": self.ended,
            "region": dict(regions),
            "people": {kind_of(t): t.person_id for t in patient.tasks},
            "matches": {kind_of(t): " ".join(m.agency_id for m in t.matches) or "nobody" for t in patient.tasks},
            "due": {kind_of(t): to_text(t.due_at_ms) for t in patient.tasks},
            "timers": {t.name: "paused" if t.is_paused else to_text(t.due_at_ms) for t in patient.timers},
        }

    def others_differ(self, expect, patient):
        holds = sorted(h.split(": ")[0] for e in patient.episodes for h in e.holds)
        if "holds" in expect and holds != sorted(expect["holds"]):
            yield f"holds: expected {expect['holds']}, got {holds}"
        tasks = sorted(map(kind_and_subject, patient.tasks))
        if "open" in expect and tasks != sorted(expect["open"]):
            yield f"open: expected {expect['open']}, got {tasks}"
        pathways = {e.episode_id: e.pathway for e in patient.episodes}
        silent = expect.get("no_timers", [])
        pending = [t.name for t in patient.timers if silent == "all" or pathways.get(t.episode_id) in silent]
        if pending:
            yield f"no_timers: expected {silent}, got {pending}"

    def check_whole(self):
        """Read again from the beginning: nothing was lost, nothing told twice."""
        again = [(e.sequence, e.position, e.id) for e in self.streams(0) if e.sequence <= self.through]
        assert again == self.seen
        ids = [id for _, _, id in self.seen]
        assert len(ids) == len(set(ids)), "an emission's id stands for one emission"


def lists_differ(expect, words):
    for key in [*EXACT, *WHEN_PRESENT]:
        if key in WHEN_PRESENT and key not in expect:
            continue
        if sorted(expect.get(key, [])) != sorted(words[key]):
            yield f"{key}: expected {sorted(expect.get(key, []))}, got {sorted(words[key])}"
    if int(expect.get("reminders", 0)) != len(words["reminders"]):
        yield f"reminders: expected {expect.get('reminders', 0)}, got {len(words['reminders'])}"


ABSENT = {"timers": "not running", "state": "none open", "ended": "none ended"}


def maps_differ(expect, names):
    for key, values in names.items():
        for name, value in (expect.get(key) or {}).items():
            got = values.get(name, ABSENT.get(key, "none"))
            if got != value:
                yield f"{key} {name}: expected {value}, got {got}"
