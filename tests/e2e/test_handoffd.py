"""The subcommands of build/handoffd that need no running daemon: pathways, configuration, and a folder at rest."""

import re
import shutil
import subprocess

import pytest
from peer import BOUND_S, BUILD, DAY_MS, ROOT, flag, referral, registered, voicemail

from handoff.v1 import api_pb2

SHIPPED = ROOT / "daemon" / "pathways"
SITE = ROOT / "tests" / "site.yaml"
REFERRAL = ROOT / "tests" / "e2e" / "pathways" / "referral.yaml"
USAGE, REFUSED = 2, 3


def handoffd(*arguments, code=0):
    """Runs a subcommand, which must end with this code."""
    command = [BUILD / "handoffd", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


# --- pathways --------------------------------------------------------------------------------------------------------
@pytest.fixture
def pathway(tmp_path):
    """A copy to spoil, with a policy beside it."""
    shutil.copy(SHIPPED / "policy.yaml", tmp_path)
    return shutil.copy(REFERRAL, tmp_path / "referral.yaml")


def spoil(path, before, after):
    """The number of the line that changed."""
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    return text[: text.index(before)].count("\n") + 1


def test_the_shipped_pathways_are_sound_and_the_longest_silence_of_each_state_is_told():
    files = sorted(p for p in SHIPPED.glob("*.yaml") if p.name != "policy.yaml")
    told = handoffd("pathway", "check", "--config", SITE, *files).stdout
    for file in files:
        name = re.search(r"^pathway: (\S+)", file.read_text(), re.M)[1]
        assert re.search(rf"^{file}: {name}, version \d+$", told, re.M)
    assert re.search(r"^  draft +\d+d.* by first-visit$", told, re.M)
    assert re.search(r"^  requested +\d+d.* by acknowledge$", told, re.M)
    assert re.search(r"^  \S+ +\d+d.* by [a-z-]+, while held by [a-z-]+$", told, re.M)
    assert re.search(r"^  \S+ +final$", told, re.M)


def test_a_silent_state_is_refused_and_its_place_named(pathway):
    line = spoil(pathway, "after: [check-in]", "after: []")
    done = handoffd("pathway", "check", pathway, code=REFUSED)
    assert done.stdout == ""
    named = re.findall(rf"^{pathway}:(\d+):\d+: (.*)$", done.stderr, re.M)
    assert any("accepted" in sentence for _, sentence in named), done.stderr
    assert any(abs(int(number) - line) <= 1 for number, _ in named), (line, done.stderr)


SPOILED = {
    "an unknown target": ("target: accepted,", "target: nowhere,", "nowhere"),
    "an unknown key": ("about: A request", "abuot: A request", "abuot"),
    "an unknown event": ("referral.cancelled:", "referral.vanished:", "referral.vanished"),
    "an unknown field": ("event.callee == AGENCY", "event.colour == AGENCY", "colour"),
    "an unknown timer": ("after: [acknowledge]", "after: [acknowlege]", "acknowlege"),
    "too long a wait": ("- wait: 14d", "- wait: 90d", "accepted"),
    "broken YAML": ("variables: [voicemails]", "variables: [voicemails", ""),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_pathway_is_refused_with_line_and_column_for(pathway, what):
    before, after, part = SPOILED[what]
    spoil(pathway, before, after)
    said = handoffd("pathway", "check", pathway, code=REFUSED).stderr
    assert re.search(rf"^{pathway}:\d+:\d+: .*{part}", said, re.M), said


def test_the_words_of_pathways_are_listed():
    told = handoffd("pathway", "words").stdout
    for word in ("contact.attempted", "outcome", "VOICEMAIL", "obtain-roi", "supervisor", "GUARDIAN"):
        assert re.search(rf"\b{word}\b", told), word


def test_a_pathway_is_drawn_for_graphviz():
    drawn = handoffd("pathway", "diagram", REFERRAL).stdout
    assert drawn.startswith("digraph") and drawn.rstrip().endswith("}")
    for state in ("requested", "accepted", "cancelled", "waiting"):
        assert state in drawn
    assert drawn.count("{") == drawn.count("}")


RULES = ["--config", SITE, "--pathways", SHIPPED]


def test_scenarios_pass_or_fail_by_name(tmp_path):
    scenario = ROOT / "tests" / "scenarios" / "mary.yaml"
    assert "not ok" not in handoffd("pathway", "test", *RULES, scenario).stdout
    wrong = tmp_path / "mary.yaml"
    wrong.write_text(scenario.read_text())
    spoil(wrong, "expect: {tasks: [call-family, call-agency],", "expect: {tasks: [call-family],")
    done = handoffd("pathway", "test", *RULES, wrong, code=1)
    assert re.search(r"not ok", done.stdout) and "call-agency" in done.stdout + done.stderr


SCENARIO = """scenario: Small
patient: small
start: 2026-03-05 08:00
steps:
  - say: It begins.
    at: 2026-03-05 09:00
"""


@pytest.mark.parametrize(
    "step, at, said",
    [
        (
            "event: episode.opened\n    with: {pathway: referral}",
            "7:12",
            'episode.opened needs "by"; the daemon would refuse it',
        ),
        ("event: referral.requested\n    with: {priority: ROUTINE}", "7:12", 'referral.requested needs "'),
        ("event: contact.attempted", "7:12", 'contact.attempted needs "'),
        (
            "event: patient.registered\n    with: {birth_date: 2027-01-01}",
            "7:12",
            "the daemon would refuse this patient.registered: patient_registered.birth_date is in the future.",
        ),
    ],
)
def test_a_scenario_holds_only_events_that_the_daemon_takes(tmp_path, step, at, said):
    scenario = tmp_path / "small.yaml"
    scenario.write_text(f"{SCENARIO}    {step}\n    expect: {{}}\n")
    told = handoffd("pathway", "test", *RULES, scenario, code=1).stderr
    assert told.startswith(f"{scenario}:{at}: {said}") and told.count("\n") == 1


def test_a_step_without_expectations_is_told_once_and_where(tmp_path):
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SCENARIO)
    (line,) = handoffd("pathway", "test", *RULES, scenario, code=1).stderr.splitlines()
    assert line.startswith(f"{scenario}:5:5: ") and "expect" in line


def test_rules_that_cannot_be_read_end_each_pathway_command_alike(tmp_path):
    scenario = ROOT / "tests" / "scenarios" / "mary.yaml"
    handoffd("pathway", "test", "--config", tmp_path / "none", scenario, code=REFUSED)
    handoffd("pathway", "check", "--config", tmp_path / "none", REFERRAL, code=REFUSED)
    broken = tmp_path / "pathways"
    shutil.copytree(SHIPPED, broken)
    (broken / "referral.yaml").write_text("pathway: [\n")
    handoffd("pathway", "test", "--config", SITE, "--pathways", broken, scenario, code=REFUSED)


# --- configuration ---------------------------------------------------------------------------------------------------
def test_the_shipped_configuration_says_the_defaults(tmp_path):
    printed = handoffd("config", "--config", ROOT / "daemon" / "ops" / "handoffd.yaml").stdout
    for key in ("clock:", "journal:", "listen:", "log:", "sites:"):
        assert re.search(rf"^{key}", printed, re.M)


def test_a_configuration_is_refused_with_the_line_of_what_is_wrong(tmp_path):
    config = tmp_path / "handoffd.yaml"
    for text, line in (("clock: sundial\n", 1), ("log: {level: info}\ncolour: red\n", 2), ("log: [\n", 2)):
        config.write_text(text)
        assert re.search(rf"^{config}:[1-{line}]:", handoffd("config", "--config", config, code=REFUSED).stderr, re.M)
    said = handoffd("config", "--config", tmp_path / "none", code=REFUSED).stderr
    assert str(tmp_path / "none") in said


# --- a folder at rest ------------------------------------------------------------------------------------------------
@pytest.fixture
def folder(daemon, client):
    """Of a daemon that has worked and stopped."""
    client.accept(*[e for n in range(20) for e in (registered(f"p{n}"), referral(f"p{n}"), voicemail(f"p{n}"))])
    client.advance(20 * DAY_MS)
    assert daemon.stop() == 0
    return daemon.data


def test_a_sound_folder_is_verified_and_not_changed(folder):
    before = (folder / "journal" / "data.mdb").read_bytes()
    told = handoffd("verify", folder).stdout
    assert re.fullmatch(r"sound: \d+ entries in \d+ batches .*; [1-9]\d* of them were decided .*, each to the same bytes; 0 damages\n", told)
    assert (folder / "journal" / "data.mdb").read_bytes() == before


def flip(file, marker):
    """One bit of a byte of an entry that says this."""
    data = bytearray(file.read_bytes())
    assert marker in data
    at = data.index(marker)
    while at >= 0:  # also in pages that are free again
        data[at] ^= 1
        at = data.find(marker, at + 1)
    file.write_bytes(data)


def test_a_flipped_bit_is_found_and_named(folder):
    flip(folder / "journal" / "data.mdb", b"pcp-1")
    told = handoffd("verify", folder, code=1).stdout
    assert re.search(r"^damaged: batch \d+(, entry \d+)?: \S", told, re.M)
    assert re.search(r"^not sound: .* [1-9]\d* damages?$", told, re.M)


def test_a_damaged_entry_is_not_served_and_others_are(folder, daemon):
    flip(folder / "journal" / "data.mdb", b"pcp-1")
    client = daemon.start().client()
    for n in range(20):
        request = api_pb2.TimelineRequest(patient_id=f"p{n}", limit=1000)
        assert client.refusal(timeline=request).code == api_pb2.CODE_INTERNAL
    client.accept(flag("mary"))
    assert client.patient("mary").tasks


def answers(client):
    tasks = client.ask(tasks=api_pb2.TasksRequest(limit=1000))
    escalations = client.ask(escalations=api_pb2.EscalationsRequest(limit=1000))
    patients = [client.patient(f"p{n}") for n in range(20)]
    timelines = [client.timeline(f"p{n}", limit=1000) for n in range(20)]
    return [t.SerializeToString() for t in (*tasks.tasks, *escalations.escalations, *patients, *timelines)]


def test_an_index_that_was_deleted_is_rebuilt_to_the_same_answers(folder, daemon):
    daemon.start()
    before = answers(daemon.client())
    assert daemon.stop() == 0
    shutil.rmtree(folder / "index")
    (folder / "index").mkdir()
    told = handoffd("reindex", folder).stdout
    assert re.search(r"reaches to entry \d+\n$", told)
    daemon.start()
    assert answers(daemon.client()) == before


def test_an_index_is_not_rebuilt_under_a_running_daemon(daemon, client):
    client.accept(flag("mary"))
    assert "stop the daemon first" in handoffd("reindex", daemon.data, code=1).stderr
    assert client.patient("mary").tasks


def test_a_copy_made_under_a_running_daemon_is_sound_and_serves(daemon, client, tmp_path):
    client.accept(referral("mary"), flag("david"))
    copy = tmp_path / "copy"
    assert f"up to entry {client.info().last_sequence}" in handoffd("backup", daemon.data, copy).stdout
    assert handoffd("verify", copy).stdout.startswith("sound: ")
    assert "not empty" in handoffd("backup", daemon.data, copy, code=1).stderr
    assert daemon.stop() == 0
    daemon.data = copy
    assert daemon.start().client().patient("mary").episodes


@pytest.mark.parametrize("command", ["verify", "reindex", "backup"])
def test_a_folder_that_is_none_is_said(tmp_path, command):
    more = [tmp_path / "copy"] if command == "backup" else []
    said = handoffd(command, tmp_path / "none", *more, code=1).stderr
    assert str(tmp_path / "none") in said
    assert not (tmp_path / "none").exists() and not (tmp_path / "copy").exists()


@pytest.mark.parametrize("line", ["verify", "verify --all", "reindex", "reindex a b", "backup a", "pathway", "pathway fly"])
def test_a_wrong_command_line_prints_the_usage(line):
    assert handoffd(*line.split(), code=USAGE).stderr.startswith(("usage: handoffd", "handoffd"))


@pytest.mark.parametrize(
    "line, said",
    [
        ("backtest --pathway referral.yaml", "FOLDER"),
        ("backtest data", "--pathway"),
        ("backtest --since yesterday --pathway referral.yaml data", "--since yesterday"),
        ("backtest --fast --pathway referral.yaml data", "--fast"),
    ],
)
def test_a_backtest_says_what_is_wrong_with_its_line(line, said):
    assert said in handoffd(*line.split(), code=USAGE).stderr.splitlines()[0]


@pytest.mark.parametrize("part", ["check", "test", "words", "diagram"])
def test_each_part_of_pathway_explains_itself(part):
    assert handoffd("pathway", part, "--help").stdout.startswith("usage: handoffd pathway")


@pytest.mark.parametrize("command", ["run", "verify", "reindex", "backup", "pathway", "config"])
def test_each_subcommand_explains_itself(command):
    told = handoffd(command, "--help").stdout
    assert told.startswith(f"usage: handoffd {command}")
    assert max(map(len, told.splitlines())) <= 120
