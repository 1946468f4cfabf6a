"""The command line, build/handoff, against a real daemon: each command, its tables and JSON, its exit codes.

Values go in as a person types them and come out as the independent client and python3-protobuf read them.
"""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from peer import BOUND_S, BUILD, DAY_MS, HOUR_MS, START_MS, Daemon, event, flag, referral, registered, voicemail
from scenario import FILES, Mortal, Play, Scenario, all_timeline

from handoff.v1 import api_pb2, common_pb2, emission_pb2, event_pb2

ZONE = "America/New_York"
MARY, SARAH = (Scenario(next(p for p in FILES if p.stem == name)) for name in ("mary", "sarah"))
NOBODY = "tcp://127.0.0.1:1"


def environment(daemon, **more):
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "HANDOFF_STREAM")}
    return {**kept, "HANDOFF_FRONT": daemon.endpoints["front"] if daemon else NOBODY, "TZ": ZONE, **more}


def handoff(daemon, *arguments, code=0, text=None, **more):
    """Runs a command, which must end with this code."""
    done = subprocess.run(
        [BUILD / "handoff", *map(str, arguments)],
        env=environment(daemon, **more),
        input=text if text is not None else "",
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def ask(daemon, *arguments, code=0):
    """What a command says with --json."""
    return json.loads(handoff(daemon, *arguments, "--json", code=code).stdout)


def refusal(daemon, *arguments, code=1, **more):
    """The one sentence of a command that fails."""
    done = handoff(daemon, *arguments, code=code, **more)
    assert done.stdout == ""
    sentence = done.stderr.splitlines()[0]
    assert sentence.startswith("handoff"), done.stderr
    return sentence


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One daemon for all tests that need nothing but patients of their own."""
    daemon = Daemon(tmp_path_factory.mktemp("shared")).start()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def shared_client(shared):
    return shared.client()


# --- publish ---------------------------------------------------------------------------------------------------------
BODIES = [f for f in event_pb2.Event.DESCRIPTOR.fields if f.containing_oneof]
WHEN_MS, WHEN_TEXT = 1767704400000, "2026-01-06 08:00"
SENSIBLE = {  # beside the other fields of its message
    "expires_at_ms": (WHEN_MS + DAY_MS, "2026-01-07 08:00"),
    "latest_minute": (1050, "17:30"),
    "score": (1, "1"),
}


def dotted(body):
    """As the comment at the top of event.proto says it: the last word of the subject's name before the dot."""
    subjects = ["care_team", "care_plan", "patient", "referral", "service", "appointment", "encounter", "safety"]
    subjects += ["message", "agency", "event", "staff", "episode", "escalation", "task", "consent", "screening"]
    for subject in subjects:
        if body.name.startswith(subject + "_"):
            return f"{subject}.{body.name[len(subject) + 1:]}"
    return body.name.replace("_", ".", 1)


def word(value, field):
    """CONTACT_OUTCOME_NO_ANSWER is no-answer."""
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", field.enum_type.name).upper() + "_"
    return value.name.removeprefix(prefix).lower().replace("_", "-")


def typed_scalar(message, field, nth):
    """A value of the field, and what a person types for it; numbers are others in each of a list."""
    if field.name in SENSIBLE:
        return SENSIBLE[field.name]
    if field.type == FieldDescriptor.TYPE_ENUM:
        value = field.enum_type.values[-1]
        return value.number, word(value, field)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True, "yes"
    if field.type == FieldDescriptor.TYPE_STRING:
        return ("en", "en") if "language" in field.name else (f"the {field.name}, ü=1", f"the {field.name}, ü=1")
    if field.name.endswith("_at_ms"):
        return WHEN_MS, WHEN_TEXT
    if field.name.endswith("_date") or field.name.startswith("treatment_"):
        return 20180430, "2018-04-30"
    if field.name.endswith("_minute"):
        return 510, "08:30"
    return 2 + nth, str(2 + nth)


def fill_typed(message, field, nth=0):
    """Fills a field of the message; the texts for it, one a flag."""
    if field.message_type and field.message_type.name == "Count":
        getattr(message, field.name).value = 3
        return ["3"]
    if field.label == FieldDescriptor.LABEL_REPEATED and field.message_type:
        return [fill_parts(getattr(message, field.name).add(), i) for i in range(2)]
    if field.message_type:
        return [fill_parts(getattr(message, field.name))]
    value, text = typed_scalar(message, field, nth)
    if field.label == FieldDescriptor.LABEL_REPEATED:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)
    return [text]


def fill_parts(message, nth=0):
    message.SetInParent()
    parts = []
    for field in message.DESCRIPTOR.fields:
        (text,) = fill_typed(message, field, nth)
        parts.append(f"{field.name}={text}".replace(",", "\\,"))
    return ",".join(parts)


ENVELOPE = [f.name for f in event_pb2.Event.DESCRIPTOR.fields if not f.containing_oneof]
ENVELOPE_TEXTS = {"source": "my-ehr", "site": "main", "occurred_at_ms": WHEN_MS}
ENVELOPE_TEXTS |= {"task_id": "t4", "escalation_id": "e2", "episode_id": "ep1"}


def typed_event(body):
    """An event of the kind with every field filled, and the command line that says it."""
    sent = event_pb2.Event()
    arguments = ["publish", dotted(body)]
    for name in ENVELOPE:
        setattr(sent, name, ENVELOPE_TEXTS.get(name, f"{name[0]}-{body.name}"))
        arguments.append(f"--{name.replace('_', '-')}={getattr(sent, name) if name != 'occurred_at_ms' else WHEN_TEXT}")
    getattr(sent, body.name).SetInParent()
    for field in body.message_type.fields:
        for text in fill_typed(getattr(sent, body.name), field):
            arguments.append(f"--{field.name.replace('_', '-')}={text}")
    return sent, arguments


def of_the_site(shared_client, sequence):
    page = shared_client.emissions(emission_pb2.STREAM_RECORD, sequence - 1, 1)
    return [r.entry.event for r in page.records]


@pytest.fixture(scope="module")
def awake(shared, shared_client):
    """After the time at which the events of the tests happen."""
    shared_client.advance(2 * DAY_MS)
    return shared


@pytest.mark.parametrize("body", BODIES, ids=dotted)
def test_every_field_of_every_event_can_be_typed_and_reads_back(awake, shared_client, body):
    sent, arguments = typed_event(body)
    is_in_vain = body.name.startswith(("task_", "escalation_", "episode_"))  # nothing of these patients is open
    result = ask(awake, *arguments, code=int(is_in_vain))
    assert result["code"] == "CODE_ACCEPTED"
    if body.name in ("staff_absent", "agency_listed", "agency_delisted"):
        assert sent in of_the_site(shared_client, int(result["sequence"]))
        return
    entries = ask(awake, "patient", "timeline", sent.patient_id)["entries"]
    shown = [json_format.ParseDict(e["event"], event_pb2.Event()) for e in entries if "event" in e]
    assert sent in shown
    again = handoff(awake, *arguments, code=int(is_in_vain))
    assert f"{dotted(body)} was accepted before, sequence {result['sequence']}" in again.stdout


def test_the_list_of_types_is_complete_and_each_explains_its_fields(shared):
    listed = handoff(None, "publish", "--list").stdout.split()
    assert listed == [dotted(b) for b in BODIES]
    for body in BODIES:
        help_text = handoff(None, "publish", dotted(body), "--help").stdout
        for field in body.message_type.fields:
            name = field.name.removesuffix("_ms").removeprefix("is_").replace("_", "-")
            one = "address" if name == "addresses" else name.removesuffix("-id").removesuffix("s")
            assert f"--{name}" in help_text or f"--{one}" in help_text


def test_what_is_not_typed_of_the_envelope_is_filled_in(shared, shared_client):
    now_ms = shared_client.now_ms()
    handoff(shared, "publish", "intake.completed", "--patient=karen")
    (entry,) = shared_client.timeline("karen").entries
    assert entry.event.occurred_at_ms == now_ms
    assert entry.event.source.startswith("handoff-cli@")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", entry.event.id)


def test_an_event_that_the_daemon_refuses_is_named_with_its_field(shared):
    said = refusal(shared, "publish", "contact.attempted", "--patient=mary", "--caller=guardian")
    assert "missing-field" in said and "contact_attempted." in said
    said = refusal(shared, "publish", "intake.completed", "--patient=mary", "--occurred-at=2031-01-01")
    assert "bad-time" in said and "occurred_at_ms" in said
    result = json.loads(handoff(shared, "publish", "intake.completed", "--patient=", "--json", code=1).stdout)
    assert result["code"] == "CODE_BAD_ID"


# --- publish --jsonl -------------------------------------------------------------------------------------------------
def as_line(message):
    return json_format.MessageToJson(message, indent=None)


def a_mixed_file(prefix):
    """Lines, and the numbers of those to refuse with a part of the reason."""
    at_ms = START_MS
    return [
        as_line(voicemail(f"{prefix}-1", at_ms=at_ms, id=f"{prefix}-1")),
        "{this is not JSON",
        as_line(referral(f"{prefix}-2", at_ms=at_ms, id=f"{prefix}-2")),
        "",
        as_line(registered(f"{prefix}-3", at_ms=at_ms, id=f"{prefix}-3")).replace("birthDate", "bornOn"),
        as_line(event(f"{prefix}-4", at_ms=at_ms, id=f"{prefix}-4")),
        re.sub(r'"id": "[^"]*", ', "", as_line(flag(f"{prefix}-5", at_ms=at_ms)), count=1),
        as_line(flag(f"{prefix}-6", at_ms=at_ms + 9 * 365 * DAY_MS, id=f"{prefix}-6")),
        as_line(flag(f"{prefix}-7", at_ms=at_ms, id=f"{prefix}-7")),
    ], {2: "malformed", 5: "bornOn", 6: "missing-body", 7: "id", 8: "bad-time"}


@pytest.mark.parametrize("way", ["a file", "standard input"])
def test_refused_lines_are_named_with_their_number_and_the_others_are_published(shared, shared_client, tmp_path, way):
    prefix = way.split()[-1]
    lines, refused = a_mixed_file(prefix)
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(lines) + "\n")
    if way == "a file":
        done = handoff(shared, "publish", "--jsonl", path, code=1)
    else:
        done = handoff(shared, "publish", "--jsonl", "-", text=path.read_text(), code=1)
    assert "3 accepted, 0 duplicates, 5 refused" in done.stdout
    named = {int(n): rest for n, rest in re.findall(r"line (\d+): (.*)", done.stderr)}
    assert named.keys() == refused.keys(), done.stderr
    for number, part in refused.items():
        assert part in named[number]
    for number in (1, 2, 7):
        assert shared_client.timeline(f"{prefix}-{number}").entries


def test_every_event_goes_through_the_json_of_protobuf(shared, shared_client, tmp_path):
    events = []
    for body in BODIES:
        sent, _ = typed_event(body)
        sent.id, sent.patient_id, sent.occurred_at_ms = f"line-{body.name}", f"line-{body.name}", START_MS
        events.append(sent)
    path = tmp_path / "all.jsonl"
    path.write_text("".join(as_line(e) + "\n" for e in events))
    before = shared_client.info().last_sequence
    assert f"{len(events)} accepted, 0 duplicates, 0 refused" in handoff(shared, "publish", "--jsonl", path).stdout
    records = shared_client.all_emissions(emission_pb2.STREAM_RECORD, before, 1000)
    assert [r.entry.event for r in records if r.entry.HasField("event")] == events
    names = json_format.MessageToJson(events[0], indent=None, preserving_proto_field_name=True)
    assert "1 duplicates" in handoff(shared, "publish", "--jsonl", "-", text=names + "\n").stdout


def test_a_file_that_is_not_there_is_said(shared, tmp_path):
    assert "No such file" in refusal(shared, "publish", "--jsonl", tmp_path / "none")
    assert "No such file" in refusal(shared, "import", tmp_path / "none")


# --- import ----------------------------------------------------------------------------------------------------------
IMPORTED = 3000


@pytest.fixture
def import_file(tmp_path):
    path = tmp_path / "import.jsonl"
    events = (registered(f"i-{n % 500}", id=f"import-{n}") for n in range(IMPORTED))
    path.write_text("".join(as_line(e) + "\n" for e in events))
    return path


def counts(summary):
    return [summary[name] for name in ("accepted", "duplicates", "refused", "unanswered")]


def test_importing_again_changes_nothing(daemon, client, import_file):
    assert counts(ask(daemon, "import", import_file)) == [IMPORTED, 0, 0, 0]
    last = client.info().last_sequence
    assert counts(ask(daemon, "import", import_file)) == [0, IMPORTED, 0, 0]
    assert client.info().last_sequence == last
    assert client.statistics()["events"] == IMPORTED
    half = "".join(import_file.read_text().splitlines(keepends=True)[: IMPORTED // 2])
    new = as_line(registered("mary", id="new")) + "\n"
    done = handoff(daemon, "import", "-", text=half + new)
    assert done.stdout.splitlines()[0] == f"1 accepted, {IMPORTED // 2} duplicates, 0 refused"


def test_refusals_of_an_import_are_summed_up_by_their_reason(shared, tmp_path):
    path = tmp_path / "import.jsonl"
    lines = []
    for n in range(30):
        sent = registered(f"s-{n}", id=f"sum-{n}")
        if n % 3 == 1:
            sent.occurred_at_ms = 1
        if n % 3 == 2:
            sent.id = ""
        lines.append(as_line(sent) + "\n")
    path.write_text("".join(lines))
    summary = json.loads(handoff(shared, "import", path, "--json", code=1).stdout)
    assert counts(summary) == [10, 0, 20, 0]
    by_code = {r["code"]: r for r in summary["refusals"]}
    assert by_code.keys() == {"bad-time", "bad-id"}
    assert by_code["bad-time"]["count"] == 10 and by_code["bad-time"]["firstLines"] == [2, 5, 8, 11, 14]
    assert by_code["bad-id"]["count"] == 10 and by_code["bad-id"]["firstLines"] == [3, 6, 9, 12, 15]
    done = handoff(shared, "import", path, code=1)
    assert done.stdout.splitlines()[0] == "0 accepted, 10 duplicates, 20 refused"
    assert "2, 5, 8, 11, 14, ..." in done.stdout and "safe to repeat" in done.stdout
    assert done.stderr == ""


def on_a_terminal(daemon, *arguments):
    """Runs a command whose standard error is a terminal; its output, and what the terminal got."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [BUILD / "handoff", *map(str, arguments)], env=environment(daemon), stdout=subprocess.PIPE, stderr=there
    )
    os.close(there)
    shown = b""
    while select.select([here], [], [], BOUND_S)[0]:
        try:
            shown += os.read(here, 65536)
        except OSError:  # the other end is closed
            break
    output = process.communicate(timeout=BOUND_S)[0].decode()
    os.close(here)
    assert process.returncode == 0
    return output, shown.decode()


def test_a_progress_bar_is_shown_on_a_terminal_alone(daemon, import_file):
    output, shown = on_a_terminal(daemon, "import", import_file)
    assert f"{IMPORTED} accepted" in output
    assert re.search(r"\r\x1b\[K\[#* *\] +\d+ %  \d+ events, 0 refused", shown)
    assert shown.endswith("\r\x1b[K"), "it is wiped away"
    assert handoff(daemon, "import", import_file).stderr == ""


# --- watch -----------------------------------------------------------------------------------------------------------
class Watch:
    """A running `handoff watch ... --json`."""

    def __init__(self, daemon, *arguments):
        self.process = subprocess.Popen(
            [BUILD / "handoff", "watch", *map(str, arguments), "--json"],
            env=environment(daemon),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.rest = b""
        self.items = []

    def has_more(self, wait_s=0.0):
        if select.select([self.process.stdout], [], [], wait_s)[0]:
            chunk = os.read(self.process.stdout.fileno(), 65536)
            *lines, self.rest = (self.rest + chunk).split(b"\n")
            self.items += map(json.loads, lines)
            return bool(chunk)
        return False

    def until(self, count):
        while len(self.items) < count:
            assert self.has_more(BOUND_S), f"{len(self.items)} of {count}: {self.process.stderr.read()}"

    def finish(self):
        while self.has_more(BOUND_S):
            pass
        assert self.process.wait(BOUND_S) == 0, self.process.stderr.read()
        self.close()
        return self.items

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(BOUND_S)
        self.process.stdout.close()
        self.process.stderr.close()


STREAMS = ["task", "escalation", "status", "record", "audit"]


def stream_number(name):
    return emission_pb2.Stream.Value(f"STREAM_{name.upper()}")


def key_of(item):
    """Of a line of watch, or of a message of the protocol."""
    if isinstance(item, dict):
        return int(item["entry"]["sequence"]) if "entry" in item else item["id"]
    return item.entry.sequence if hasattr(item, "entry") else item.id


def make_work(client, count):
    events = []
    for n in range(count):
        events += [referral(f"w-{n}"), voicemail(f"w-{n}"), flag(f"w-{n}")]
    client.accept(*events)
    client.advance(8 * DAY_MS)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """The case of Sarah, and then a flag: together they say something on every stream."""
    daemon = Daemon(tmp_path_factory.mktemp("watched"))
    play = Play(SARAH, Mortal(daemon, SARAH.start_ms))
    for i in range(len(SARAH.steps)):
        play.mortal.advance(play.at_ms(i))
        if play.event(i) is not None:
            play.publish(play.event(i))
    play.client.accept(flag(SARAH.patient_id, at_ms=play.client.now_ms()))
    yield daemon
    daemon.close()


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_is_watched_from_its_beginning_and_from_a_sequence(watched, stream):
    wanted = watched.client().all_emissions(stream_number(stream))
    assert wanted
    seen = Watch(watched, stream, "--from=beginning", f"--count={len(wanted)}").finish()
    assert [key_of(i) for i in seen] == [key_of(m) for m in wanted]
    message = api_pb2.RecordEmission if stream == "record" else emission_pb2.Emission
    assert [json_format.ParseDict(i, message()) for i in seen] == list(wanted)
    middle = len(wanted) // 2
    after = wanted[middle].entry.sequence if stream == "record" else wanted[middle].sequence
    later = [m for m in wanted if (m.entry.sequence if stream == "record" else m.sequence) > after]
    seen = Watch(watched, stream, "--from", after, f"--count={len(later)}").finish() if later else []
    assert [key_of(i) for i in seen] == [key_of(m) for m in later]


@pytest.mark.parametrize("stream", STREAMS)
def test_a_watched_line_tells_people_what_and_when(watched, stream):
    line = handoff(watched, "watch", stream, "--from=beginning", "--count=1").stdout.splitlines()[0]
    assert re.match(r"#\d+  [A-Z][a-z]{2} 2026-\d\d-\d\d \d\d:\d\d  sarah  \S", line)
    assert not re.search(r"[0-9a-f]{32}", line)


def test_a_watch_from_now_shows_what_is_new_alone(daemon, client):
    client.accept(flag("before"))
    last = client.info().last_sequence
    watch = Watch(daemon, "record", "--count=3")
    deadline = time.monotonic() + BOUND_S
    n = 0
    while not watch.has_more(0.02):  # until it has begun
        n += 1
        client.accept(flag(f"p-{n}"))
        assert time.monotonic() < deadline
    client.accept(flag("last-1"), flag("last-2"))
    sequences = [key_of(i) for i in watch.finish()]
    assert sequences[0] > last
    wanted = client.all_emissions(emission_pb2.STREAM_RECORD, sequences[0] - 1)
    assert sequences == [key_of(m) for m in wanted][:3]


@pytest.mark.parametrize("stream", ["task", "escalation", "record"])
def test_a_watch_goes_over_a_killed_daemon_without_gap_or_repeat(stopped, stream):
    stopped.start()
    same = [f"--front={stopped.endpoints['front']}", f"--stream={stopped.endpoints['stream']}"]
    client = stopped.client()
    make_work(client, 3)
    before = len(client.all_emissions(stream_number(stream)))
    watch = Watch(stopped, stream, "--from=beginning")
    watch.until(before)
    for n in range(2):
        client.accept(referral(f"in-{n}"), flag(f"in-{n}"))
        client.close()
        stopped.clients.remove(client)
        stopped.kill()
        stopped.start(*same)
        client = stopped.client()
        client.accept(referral(f"after-{n}"), flag(f"after-{n}"))
    wanted = [key_of(m) for m in client.all_emissions(stream_number(stream))]
    watch.until(len(wanted))
    assert not watch.has_more()
    watch.close()
    assert [key_of(i) for i in watch.items] == wanted


# --- patient ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def mary(stopped):
    """Up to the voicemail: it is Thursday, 16:40."""
    play = Play(MARY, Mortal(stopped, MARY.start_ms))
    for i, step in enumerate(MARY.steps):
        play.mortal.advance(play.at_ms(i))
        play.publish(play.event(i))
        if step["at"] == "2026-03-05 16:40":
            return play
    raise AssertionError("there is a voicemail")


UNKNOWN_AHEAD = {"sequence", "id", "verdict"}  # what only the journal knows


def without(value, names):
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


def test_next_tells_the_future_of_mary_firing_by_firing(mary):
    daemon = mary.mortal.daemon
    foretold = ask(daemon, "patient", "next", "mary", "--limit=40")["entries"]
    assert len(foretold) == 40
    assert foretold[0]["input"] == "timer call-back (1st)"
    assert foretold[0]["atMs"] == str(mary.at_ms(8)), "Monday at 16:40"
    kinds = [e["task"]["kind"] for e in foretold[0]["emissions"] if "task" in e]
    assert kinds == ["TASK_KIND_CALL_FAMILY", "TASK_KIND_CALL_AGENCY"]
    before = len(ask(daemon, "patient", "timeline", "mary")["entries"])
    for i, entry in enumerate(foretold):
        handoff(daemon, "clock", "advance-to", entry["atMs"])
        happened = ask(daemon, "patient", "timeline", "mary")["entries"][::-1][before:]
        assert len(happened) > i, f"{entry['input']} did not happen"
        assert without(happened[i], UNKNOWN_AHEAD) == without(entry, UNKNOWN_AHEAD)


@pytest.fixture
def ahead(tmp_path_factory):
    """A daemon for copies of another's folder."""
    daemon = Daemon(tmp_path_factory.mktemp("ahead"))
    yield daemon
    daemon.close()


def happens(play, ahead, limit):
    """What is foretold now, and what then happens on a copy of the folder when nobody acts."""
    foretold = play.client.ask(next=api_pb2.NextRequest(patient_id=play.patient_id, limit=limit)).entries
    play.mortal.run("backup", str(ahead.data))
    mortal = Mortal(ahead, play.scenario.start_ms)
    last = mortal.client.timeline(play.patient_id, limit=1).entries[0].sequence
    mortal.advance(foretold[-1].at_ms if foretold else mortal.client.now_ms() + 365 * DAY_MS)
    happened = all_timeline(mortal.client, play.patient_id, last)
    mortal.kill()
    shutil.rmtree(ahead.data)
    return [[without(json_format.MessageToDict(e), UNKNOWN_AHEAD) for e in entries] for entries in (foretold, happened)]


@pytest.mark.parametrize("scenario", map(Scenario, FILES), ids=lambda scenario: scenario.name)
def test_what_is_foretold_at_a_step_of_a_case_is_what_happens_if_nobody_acts(stopped, ahead, scenario):
    play = Play(scenario, Mortal(stopped, scenario.start_ms))
    for i in range(len(scenario.steps)):
        play.mortal.advance(play.at_ms(i))
        if play.event(i) is not None:
            play.publish(play.event(i))
        play.mortal.advance(play.at_ms(i))  # which waits for what an event of the site means for each patient
        if i % 2:
            continue
        foretold, happened = happens(play, ahead, limit=12)
        assert happened[: len(foretold)] == foretold, f"after step {i + 1}"
        assert foretold or not happened


def test_asking_what_comes_next_changes_nothing(mary):
    daemon = mary.mortal.daemon
    before = ask(daemon, "patient", "show", "mary"), ask(daemon, "stats")
    ten = ask(daemon, "patient", "next", "mary")
    assert len(ten["entries"]) == 10
    assert ask(daemon, "patient", "next", "mary") == ten
    assert (ask(daemon, "patient", "show", "mary"), ask(daemon, "stats")) == before
    told = handoff(daemon, "patient", "next", "mary", "--limit=1").stdout
    assert "Mon 2026-03-09 16:40" in told and "call-family" in told and "was not called back" in told


def test_a_patient_is_shown_as_now_and_as_at_a_date(mary):
    daemon = mary.mortal.daemon

    def states(*at):
        return {e["pathway"]: e["state"] for e in ask(daemon, "patient", "show", "mary", *at)["episodes"]}

    assert states() == {"release-of-information": "active", "referral": "accepted"}
    assert states("--at=2026-03-04") == {"release-of-information": "active", "referral": "received"}
    assert states("--at=2026-03-02 12:00") == {"release-of-information": "active", "referral": "requested"}
    shown = handoff(daemon, "patient", "show", "mary", "--at=2026-03-02T17:00:00Z").stdout
    assert "requested" in shown and "born          2015-09-10" in shown and "roi-mary-1" in shown
    assert "unknown-patient" in refusal(daemon, "patient", "show", "mary", "--at=2026-01-01")


def test_a_timeline_is_whole_or_cut_at_a_date_or_a_number(mary):
    daemon = mary.mortal.daemon
    entries = ask(daemon, "patient", "timeline", "mary")["entries"]
    assert [e["input"] for e in entries[::-1]] == [s["event"] for s in MARY.steps[:6]]
    early = ask(daemon, "patient", "timeline", "mary", "--at=2026-03-04")["entries"]
    assert early == entries[-len(early):] and early[0]["input"] == "referral.received"
    assert ask(daemon, "patient", "timeline", "mary", "-n", 2)["entries"] == entries[:2]
    told = handoff(daemon, "patient", "timeline", "mary").stdout
    times = re.findall(r"^\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d)", told, re.M)
    assert times == sorted(times) and len(times) == len(entries)
    assert "referral call-back: idle -> waiting" in told
    assert not re.search(r"[0-9a-f]{32}", told)


def test_a_patient_nobody_told_of_is_refused(shared):
    for command in ("show", "timeline", "next"):
        assert "unknown-patient" in refusal(shared, "patient", command, "nobody")


# --- tasks and escalations -------------------------------------------------------------------------------------------
CROWD = 1100  # more than a page of the command line, which is 1,000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Tasks and escalations on more than one page, some overdue."""
    folder = tmp_path_factory.mktemp("crowd")
    daemon = Daemon(folder).start()
    path = folder / "crowd.jsonl"
    path.write_text("".join(as_line(flag(f"c-{n}")) + "\n" for n in range(CROWD)))
    handoff(daemon, "import", path)
    client = daemon.client()
    client.accept(*[e for n in range(20) for e in (referral(f"r-{n}"), voicemail(f"r-{n}"))])
    client.advance(3 * DAY_MS + HOUR_MS)
    client.accept(*[flag(f"late-{n}", at_ms=client.now_ms()) for n in range(20)])
    yield daemon
    daemon.close()


def pages(client, kind, request):
    """Every row, by the independent client, in pages of 300."""
    rows, after, as_of = [], b"", 0
    while True:
        page = client.ask(**{kind: request(limit=300, after=after, as_of=as_of)})
        rows += getattr(page, kind)
        after, as_of = page.next, page.as_of
        if not after:
            return rows


@pytest.fixture(scope="module")
def all_tasks(crowd):
    return pages(crowd.client(), "tasks", api_pb2.TasksRequest)


@pytest.fixture(scope="module")
def all_escalations(crowd):
    return pages(crowd.client(), "escalations", api_pb2.EscalationsRequest)


TASK_FILTERS = {
    "": lambda t: True,
    "--owner=coordinator": lambda t: t.owner == common_pb2.ROLE_COORDINATOR,
    "--owner=clinician": lambda t: t.owner == common_pb2.ROLE_CLINICIAN,
    "--person=coordinator-1": lambda t: t.person_id == "coordinator-1",
    "--person=ryan": lambda t: False,
    "--overdue": lambda t: t.is_overdue,
    "--kind=call-family": lambda t: t.kind == common_pb2.TASK_KIND_CALL_FAMILY,
    "--kind=safety-check": lambda t: t.kind == common_pb2.TASK_KIND_SAFETY_CHECK,
    "--severity=urgent": lambda t: t.severity >= common_pb2.SEVERITY_URGENT,
    "--severity=routine": lambda t: t.severity >= common_pb2.SEVERITY_ROUTINE,
    "--site=main": lambda t: t.site == "main",
    "--about=riverside": lambda t: t.subject.id == "riverside",
    "--kind=call-agency --about=riverside": lambda t: (
        t.kind == common_pb2.TASK_KIND_CALL_AGENCY and t.subject.id == "riverside"
    ),
    "--overdue --kind=call-agency": lambda t: t.is_overdue and t.kind == common_pb2.TASK_KIND_CALL_AGENCY,
}


@pytest.mark.parametrize("flags", TASK_FILTERS)
def test_tasks_are_listed_with_each_filter_over_all_pages_by_due_time(crowd, all_tasks, flags):
    listed = ask(crowd, "tasks", *flags.split()).get("tasks", [])
    wanted = [t for t in all_tasks if TASK_FILTERS[flags](t)]
    assert {t["taskId"] for t in listed} == {t.task_id for t in wanted}
    assert len(listed) == len(wanted)
    order = [(int(t["dueAtMs"]), t["patientId"]) for t in listed]
    assert order == sorted(order)


ESCALATION_FILTERS = {
    "": lambda e: True,
    "--rung=supervisor": lambda e: e.rung == common_pb2.ROLE_SUPERVISOR,
    "--rung=director": lambda e: e.rung == common_pb2.ROLE_DIRECTOR,
    "--person=supervisor-1": lambda e: e.person_id == "supervisor-1",
    "--severity=urgent": lambda e: e.severity >= common_pb2.SEVERITY_URGENT,
    "--severity=emergent": lambda e: e.severity >= common_pb2.SEVERITY_EMERGENT,
    "--site=main": lambda e: e.site == "main",
}


@pytest.mark.parametrize("flags", ESCALATION_FILTERS)
def test_escalations_are_listed_with_each_filter_over_all_pages_by_next_time(crowd, all_escalations, flags):
    listed = ask(crowd, "escalations", *flags.split()).get("escalations", [])
    wanted = [e for e in all_escalations if ESCALATION_FILTERS[flags](e)]
    assert {e["escalationId"] for e in listed} == {e.escalation_id for e in wanted}
    assert len(listed) == len(wanted)
    order = [(int(e["nextAtMs"]), e["patientId"]) for e in listed]
    assert order == sorted(order)


def test_the_crowd_is_more_than_a_page_and_of_several_sorts(all_tasks, all_escalations):
    assert len(all_escalations) > 1000 or len(all_tasks) > 1000
    assert any(t.is_overdue for t in all_tasks) and not all(t.is_overdue for t in all_tasks)
    assert len({t.kind for t in all_tasks}) > 1


def test_tables_have_short_ids_and_keep_to_the_width_that_is_asked_for(crowd):
    for command in (["tasks", "--kind=call-agency"], ["escalations", "--rung=director"], ["patient", "show", "r-1"]):
        told = handoff(crowd, *command, COLUMNS="100").stdout
        assert told.strip() and not re.search(r"[0-9a-f]{32}", told)
        assert max(map(len, told.splitlines())) <= 100, told
    piped = handoff(crowd, "tasks", "--kind=call-agency").stdout
    assert len(piped.splitlines()) == 1 + len(ask(crowd, "tasks", "--kind=call-agency")["tasks"])
    assert handoff(crowd, "tasks", "--kind=obtain-roi").stdout == "no open tasks\n"


def test_an_escalation_is_acknowledged_and_resolved_by_its_short_id(daemon, client):
    client.accept(flag("mary"))
    (escalation, *_) = client.patient("mary").escalations
    short = escalation.escalation_id.split("-")[-1]
    assert "accepted" in handoff(daemon, "escalations", "ack", short, "--by=karen").stdout
    (escalation, *_) = client.patient("mary").escalations
    assert escalation.acknowledged_by == "karen"
    assert "karen" in handoff(daemon, "escalations").stdout
    client.accept(flag("david"))
    assert "--patient" in refusal(daemon, "escalations", "resolve", short, "--by=karen", code=2)
    handoff(daemon, "escalations", "resolve", short, "--patient=mary", "--by=karen")
    assert escalation.escalation_id not in [e.escalation_id for e in client.patient("mary").escalations]
    (other, *_) = client.patient("david").escalations
    handoff(daemon, "escalations", "resolve", other.escalation_id, "--by=karen")
    assert "no open escalation" in refusal(daemon, "escalations", "ack", "e77", "--by=karen")


def test_tasks_are_completed_attempted_and_cancelled(daemon, client):
    client.accept(referral("mary"), voicemail("mary"))
    client.advance(2 * DAY_MS)
    tasks = {common_pb2.TaskKind.Name(t.kind): t for t in client.patient("mary").tasks}
    family = tasks["TASK_KIND_CALL_FAMILY"].task_id.split("-")[-1]
    handoff(daemon, "task", "attempted", "mary", family, "--outcome=no-answer", "--by=ryan")
    (tried,) = [t for t in client.patient("mary").tasks if t.kind == common_pb2.TASK_KIND_CALL_FAMILY]
    assert tried.attempts == 1
    handoff(daemon, "task", "complete", "mary", family, "--outcome=reached", "--by=ryan")
    left = client.patient("mary").tasks
    assert common_pb2.TASK_KIND_CALL_FAMILY not in [t.kind for t in left]
    handoff(daemon, "task", "cancel", "mary", left[0].task_id, "--by=ryan", "--reason=not needed")
    assert left[0].task_id not in [t.task_id for t in client.patient("mary").tasks]


def test_a_task_that_is_not_open_is_refused_before_anything_is_published(daemon, client):
    client.accept(referral("mary"), voicemail("mary"))
    client.advance(2 * DAY_MS)
    (task, *_) = client.patient("mary").tasks
    number = task.task_id.split("-")[-1]
    done = ("task", "complete", "mary", number, "--outcome=done", "--by=ryan")
    handoff(daemon, *done, "--id=answer-1", "--source=desk", "--occurred-at=2026-01-05 08:00")
    before = client.info().last_sequence
    sentence = f"no task {number} of mary is open; `handoff tasks --patient mary` lists those that are"
    assert sentence in refusal(daemon, *done)
    assert "no task t1 of nobody-at-all is open" in refusal(daemon, "task", "cancel", "nobody-at-all", "t1", "--by=ryan")
    whole = refusal(daemon, "task", "complete", "mary", task.task_id, "--outcome=done", "--by=ryan")
    assert f"no task {task.task_id} of mary" in whole
    assert client.info().last_sequence == before
    again = handoff(daemon, *done, "--id=answer-1", "--source=desk", "--occurred-at=2026-01-05 08:00").stdout
    assert "was accepted before" in again, "a repeat under its own id is no mistake"


@pytest.mark.parametrize(
    "line, said",
    [
        ("episode.opened --pathway=nosuch --by=karen", "nothing was opened"),
        ("task.completed --task=t7 --outcome=done --by=karen", "nothing changed"),
    ],
)
def test_what_was_asked_for_in_vain_has_failed(shared, shared_client, line, said):
    shared_client.accept(registered("in-vain"))
    told = handoff(shared, "publish", *line.split(), "--patient=in-vain", code=1).stdout
    assert said in told and "accepted, sequence" in told, "it is kept all the same"


def test_a_sites_own_event_is_published_by_its_name(shared, shared_client):
    shared_client.accept(registered("studied"))
    said = refusal(shared, "publish", "custom.study-result", "--patient=studied", code=2)
    assert said.endswith("handoff publish custom --name study-result")
    handoff(shared, "publish", "custom", "--name", "study-result", "--patient=studied")


def received(patient_id, **options):
    """A loop event: of a patient nobody told us of, its source hears."""
    return event(patient_id, referral_received=event_pb2.ReferralReceived(), **options)


def test_what_a_source_is_asked_is_answered_as_it_is_shown(daemon, client):
    sent = received("mary", source="my-phone-system")
    client.accept(sent)
    line = next(x for x in handoff(daemon, "tasks").stdout.splitlines() if "my-phone-system" in x)
    assert re.search(r"my-phone-system +t1 +review-event", line)
    named = f"referral.received for mary, id {sent.id}"
    assert named in line, "what came, and for whom"
    (told,) = [e for e in client.all_emissions(emission_pb2.STREAM_TASK) if e.patient_id == "my-phone-system"]
    assert named in told.reason
    handoff(daemon, "task", "complete", "my-phone-system", "t1", "--outcome=done", "--by=karen")
    assert "my-phone-system" not in handoff(daemon, "tasks").stdout


def test_a_patient_and_a_source_of_one_name_are_told_apart(daemon, client):
    client.accept(received("mary", source="david"), flag("david"))
    rows = ask(daemon, "tasks", "--patient=david")["tasks"]
    (asked,) = [t for t in rows if t["kind"] == "TASK_KIND_REVIEW_EVENT"]
    done = ("--outcome=done", "--by=karen")
    both = handoff(daemon, "task", "complete", "david", "t1", *done, code=2).stderr
    assert asked["taskId"] in both and "review-event" in both and "safety-check" in both
    handoff(daemon, "task", "complete", "david", asked["taskId"], *done)
    assert len(ask(daemon, "tasks", "--patient=david")["tasks"]) == len(rows) - 1


# --- the daemon itself -----------------------------------------------------------------------------------------------
def test_statistics_and_info_say_what_the_protocol_says(shared, shared_client):
    told = {s["name"]: int(s.get("value", 0)) for s in ask(shared, "stats")["statistics"]}
    assert told == shared_client.statistics()
    assert re.search(rf"^events +{told['events']}$", handoff(shared, "stats").stdout, re.M)
    info = shared_client.info()
    assert json_format.ParseDict(ask(shared, "info"), api_pb2.InfoReply()) == info
    text = handoff(shared, "info").stdout
    assert info.version in text and "manual" in text and info.stream_endpoint in text


def test_the_clock_is_shown_and_advanced(daemon, client):
    assert ask(daemon, "clock", "show")["nowMs"] == str(START_MS) == ask(daemon, "clock")["nowMs"]
    assert handoff(daemon, "clock").stdout == "Mon 2026-01-05 08:00 EST (manual clock)\n"
    elsewhere = handoff(daemon, "clock", "--time-zone", "America/Chicago")
    assert elsewhere.stdout == "Mon 2026-01-05 07:00 CST (manual clock)\n"
    client.accept(referral("mary"))
    moved = ask(daemon, "clock", "advance", "2d4h")
    assert moved["nowMs"] == str(START_MS + 2 * DAY_MS + 4 * HOUR_MS) and moved["fired"] == "1"
    assert handoff(daemon, "clock", "advance-to", "2026-02-02 09:30").stdout.startswith("Mon 2026-02-02 09:30")
    handoff(daemon, "clock", "accept")
    for wrong in (["advance", "3 moons"], ["advance", "0d"], ["advance-to", "soon"]):
        assert wrong[1] in refusal(daemon, "clock", *wrong, code=2)


def test_a_clock_that_is_not_manual_is_not_advanced(stopped):
    stopped.start("--clock", "system")
    assert "wrong-clock" in refusal(stopped, "clock", "advance", "1d")
    assert "(system clock)" in handoff(stopped, "clock").stdout


def test_a_backup_is_made_and_is_sound(daemon, client, tmp_path):
    client.accept(referral("mary"))
    done = handoff(daemon, "backup", tmp_path / "copy")
    assert f"#{client.info().last_sequence}" in done.stdout
    verified = subprocess.run(daemon.command("verify", str(tmp_path / "copy")), capture_output=True, timeout=BOUND_S)
    assert verified.returncode == 0, verified.stdout
    assert refusal(daemon, "backup", tmp_path / "copy")


def test_a_reload_says_what_changed_or_why_not(daemon):
    assert handoff(daemon, "reload").stdout == "nothing changed\n"
    pathway = daemon.pathways / "referral.yaml"
    whole = pathway.read_text()
    pathway.write_text(whole.replace("version: 1", "version: 2"))
    assert any("referral" in change for change in ask(daemon, "reload")["changes"])
    pathway.write_text(whole.replace("after: [check-in]", "after: []"))
    assert "referral.yaml" in refusal(daemon, "reload")


def test_an_episode_is_opened_again_on_the_newest_version(daemon):
    daemon.client().accept(referral("mary"))
    pathway = daemon.pathways / "referral.yaml"
    pathway.write_text(pathway.read_text().replace("version: 1", "version: 2"))
    assert handoff(daemon, "reload").returncode == 0
    assert handoff(daemon, "reopen", "mary", "ep1", "--by", "supervisor-1").returncode == 0
    (episode,) = ask(daemon, "patient", "show", "mary")["episodes"]
    assert episode["episodeId"].endswith("-ep2") and episode["version"] == 2


# --- command lines ---------------------------------------------------------------------------------------------------
READING = ["tasks", "escalations", "escalations list", "subscriptions", "deadletters", "stats", "info", "clock", "clock show"]
OF_A_PATIENT = ["patient show", "patient timeline", "patient next"]


@pytest.mark.parametrize("command", READING + OF_A_PATIENT)
def test_every_reading_command_speaks_json_before_or_after_its_name(shared, shared_client, command):
    shared_client.publish(referral("mary", id="reading-1"))
    arguments = command.split() + (["mary"] if command in OF_A_PATIENT else [])
    assert isinstance(ask(shared, *arguments), dict)
    before = handoff(shared, "--json", *arguments)
    assert isinstance(json.loads(before.stdout), dict) and before.stderr == ""
    assert handoff(shared, *arguments).stdout[0] != "{"


@pytest.mark.parametrize("command", READING + OF_A_PATIENT + ["import", "publish intake.completed", "watch", "backup"])
def test_a_daemon_that_does_not_answer_is_said_soon(command, tmp_path):
    file = tmp_path / "one.jsonl"
    file.write_text(as_line(registered("mary")) + "\n")
    more = {"import": [file], "watch": ["task"], "backup": ["/nowhere"], "publish intake.completed": ["--patient=mary"]}
    arguments = command.split() + more.get(command, ["mary"] if command in OF_A_PATIENT else [])
    began = time.monotonic()
    sentence = refusal(None, *arguments, "--timeout=100ms", code=3)
    assert time.monotonic() - began < 5
    assert NOBODY in sentence and "did not answer within 100 ms" in sentence


MISUSES = {
    "": "Usage",
    "fly": "fly",
    "patient": "patient show",
    "patient show": "argument is missing",
    "patient show mary david": "david",
    "patient show mary --at=yesterday": "yesterday",
    "patient show mary --at=2026-02-30": "2026-02-30",
    "patient next mary --limit=101": "100",
    "patient timeline mary --limit=many": "many",
    "tasks --kind=wash-up": "wash-up",
    "tasks --owner=king": "king",
    "tasks --severity=huge": "huge",
    "tasks --colour=red": "colour",
    "escalations --rung=king": "king",
    "watch": "argument is missing",
    "watch rain": "rain",
    "watch task --from=noon": "--from",
    "watch task --from=-1": "--from",
    "watch task --count=few": "few",
    "subscribe": "argument is missing",
    "subscribe w rain": "rain",
    "subscribe w --kind=reminder": "STREAM",
    "subscribe w task --from=noon": "--from",
    "subscribe w task --credit=10001": "10000",
    "subscribe w task --attempts=0": "--attempts",
    "subscribe w task --severity=huge": "huge",
    "subscriptions reset w": "--from is missing",
    "subscriptions show": "argument is missing",
    "deadletters --kind=lost": "lost",
    "deadletters retry w": "say --all",
    "deadletters drop w seven": "seven",
    "publish": "TYPE",
    "publish fire.alarm": "fire.alarm",
    "publish contact.attempted --caller=nobody": "--caller",
    "publish contact.attempted --colour=red": "colour",
    "publish intake.completed --occurred-at=soon": "--occurred-at",
    "publish patient.registered --birth-date=2018-13-01": "--birth-date",
    "publish consent.granted --recipient=colour=red": "colour",
    "publish authorization.approved --visits=-1": "--visits",
    "import": "argument is missing",
    "backup": "argument is missing",
    "clock advance": "argument is missing",
    "escalations ack": "argument is missing",
    "task complete mary": "argument is missing",
    "info --front=nonsense": "--front",
    "info --timeout=soon": "--timeout",
    "info --time-zone=Mars/Olympus": "Mars/Olympus",
}


@pytest.mark.parametrize("line", MISUSES)
def test_a_wrong_command_line_is_told_in_a_sentence_that_names_what_is_wrong(shared, line):
    done = handoff(shared, *line.split(), code=2)
    assert done.stdout == ""
    assert MISUSES[line] in done.stderr.splitlines()[0]


def test_help_names_every_command_and_each_has_its_own(shared):
    overview = handoff(None, "--help").stdout
    commands = re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", overview, re.M)
    assert {"publish", "import", "watch", "patient next", "clock advance-to", "reload"} <= set(commands)
    for command in commands:
        told = handoff(None, *command.split(), "--help").stdout
        assert told.startswith(f"Usage: handoff {command}"), told
        assert max(map(len, told.splitlines())) <= 80


def test_output_that_nobody_reads_ends_a_command_with_1(shared):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "handoff", "stats"], env=environment(shared), stdout=full, timeout=BOUND_S)
    assert done.returncode == 1
