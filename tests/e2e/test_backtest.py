"""`handoffd backtest` on a journal of the scenarios: what would have been with other pathways, and nothing is changed."""

import hashlib
import importlib.util
import json
import os
import pathlib
import pty
import re
import subprocess
import sys

import pytest
from peer import BOUND_S, BUILD, DAY_MS, ROOT, START_MS, Daemon, referral, registered, voicemail
from scenario import FILES, PATHWAYS, Mortal, Play, Scenario

SHIPPED = sorted(str(path) for path in PATHWAYS.glob("*.yaml"))
REFERRAL = PATHWAYS / "referral.yaml"
CASES = ["mary", "mary-intake-completed", "david", "sarah", "sarah-gap", "readmission-day-5"]
AFTER_MS = 60 * DAY_MS  # the clock goes on this long after the last event


def play_together(mortal, scenarios):
    """The scenarios on one daemon, each patient under the scenario's name, in the order of their times."""
    plays = [Play(scenario, mortal, patient_id=scenario.name) for scenario in scenarios]
    steps = sorted((play.at_ms(i), n, i) for n, play in enumerate(plays) for i in range(len(play.scenario.steps)))
    for at_ms, n, i in steps:
        mortal.advance(at_ms)
        said = plays[n].event(i)
        if said is not None:
            plays[n].publish(said)
    mortal.advance(steps[-1][0] + AFTER_MS)


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """A data folder with some cases in it; its daemon has ended. For reading alone."""
    scenarios = [Scenario(path) for path in FILES if path.stem in CASES]
    daemon = Daemon(tmp_path_factory.mktemp("played"))
    mortal = Mortal(daemon, min(scenario.start_ms for scenario in scenarios))
    play_together(mortal, scenarios)
    mortal.stop()
    daemon.close()
    return daemon.data


def command(*arguments):
    return subprocess.run(
        [BUILD / "handoffd", "backtest", *arguments], capture_output=True, text=True, timeout=BOUND_S
    )


def run(folder, *arguments, code=0):
    done = command(*arguments, folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def backtest(folder, *arguments):
    return json.loads(run(folder, "--json", "--patients", *arguments).stdout)


def differing(result):
    """Rows that differ: (pathway, kind or rung): (difference, moved)."""
    return {
        (row["pathway"], row.get("kind") or row["rung"]): (row["difference"], row["moved"])
        for row in result["rows"]
        if row["difference"] or row["moved"]
    }


def changed(folder, old, new, name="referral.yaml"):
    """A pathway with another text in one place."""
    text = (PATHWAYS / name).read_text()
    assert old in text
    file = folder / name
    file.write_text(text.replace(old, new, 1))
    return file


def bytes_of(folder):
    """Of every file but LMDB's table of readers, in which whoever reads has a place meanwhile."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(pathlib.Path(folder).rglob("*"))
        if path.is_file() and path.name != "lock.mdb"
    }


FIRST_CALL_BACK = "  call-back:\n    fires:\n      - wait: {routine: 2bd, urgent: 4bh}"


def call_back_after(folder, delay):
    return changed(folder, FIRST_CALL_BACK, FIRST_CALL_BACK.replace("2bd", delay))


def test_the_shipped_pathways_make_no_difference_and_nothing_is_changed(played):
    before = bytes_of(played)
    result = backtest(played, "--pathway", *SHIPPED)
    assert result["patients"] == len(CASES)
    assert result["patientsDiffer"] == result["patientsUnlikeJournal"] == 0
    assert differing(result) == {} and result["patientIds"] == []
    assert result["humanWork"]["candidate"]["unmatched"] == 0 < result["humanWork"]["candidate"]["matched"]
    assert all(row["present"] == row["journal"] for row in result["rows"])
    assert "\nNo difference.\n" in run(played, "--pathway", *SHIPPED).stdout
    assert bytes_of(played) == before


def demo_module():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "clients" / "demo" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DEMO = demo_module()


@pytest.mark.parametrize("case", DEMO.CASES)
def test_the_shipped_pathways_make_no_difference_to_what_the_demo_does(case, monkeypatch):
    monkeypatch.chdir(ROOT)
    scenario = DEMO.yaml.load((ROOT / "tests" / "scenarios" / f"{case}.yaml").read_text(), DEMO.TextLoader)
    daemon = DEMO.Daemon(scenario["start"])
    try:
        DEMO.Case(daemon, scenario).run()
        result = backtest(daemon.data, "--pathway", *SHIPPED)
    finally:
        daemon.stop()
    assert (result["patients"], result["patientsDiffer"], result["patientsUnlikeJournal"]) == (1, 0, 0)
    assert differing(result) == {} and result["unmatched"] == []
    assert all(row["present"] == row["candidate"] == row["journal"] for row in result["rows"])


def test_a_folder_that_a_daemon_serves_is_read_and_the_reader_says_so(daemon, client):
    client.accept(registered("mary"), referral("mary"), voicemail("mary"))
    done = run(daemon.data, "--json", "--pathway", daemon.pathways / "referral.yaml")
    result = json.loads(done.stdout)
    assert (result["patients"], result["events"], result["patientsDiffer"]) == (1, 3, 0)
    assert "it is not disturbed" in done.stderr
    client.accept(voicemail("mary"))
    assert client.advance(DAY_MS).now_ms == START_MS + DAY_MS


def test_with_a_shorter_call_back_exactly_the_work_of_the_call_back_moves(played, tmp_path):
    result = backtest(played, "--pathway", call_back_after(tmp_path, "1bd"))
    assert differing(result) == {
        ("referral", "call-family"): (0, 2),
        ("referral", "call-agency"): (0, 2),
        ("referral", "offer-alternates"): (0, 1),  # the second firing follows the first
        ("referral", "supervisor"): (0, 1),
    }
    assert sorted(result["patientIds"]) == ["mary", "mary-intake-completed"]
    assert result["humanWork"]["candidate"]["unmatched"] == 0  # what people did found the same calls
    assert all(row["difference"] == row["candidate"] - row["present"] for row in result["rows"])


def table_of(text):
    """By pathway and work: the other cells."""
    lines = [line for line in text.splitlines() if re.search(r"\d of \d+$", line)]
    rows = [re.split(r"\s{2,}", line) for line in lines]
    return {(row[0], row[1]): row[2:] for row in rows}


def test_the_table_says_the_same_as_json(played, tmp_path):
    quick = call_back_after(tmp_path, "1bd")
    table = table_of(run(played, "--pathway", quick).stdout)
    rows = [row for row in backtest(played, "--pathway", quick)["rows"] if "kind" in row]
    assert len(rows) > 20
    for row in rows:
        numbers = [str(row[name]) for name in ("present", "candidate", "difference", "moved")]
        assert table[row["pathway"] or "-", row["kind"]][:4] == numbers
    assert "3d, now" not in table["referral", "clinical-review"][4]
    assert ", now " in table["referral", "call-family"][4]


def test_the_table_in_the_readme_is_what_its_commands_print(tmp_path):
    """The demo keeps its data, a line is changed, and what moves is shown."""
    blocks = re.findall(r"```(?:sh|text)\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    script = next(block for block in blocks if "handoffd backtest" in block)
    shown = next(block for block in blocks if "Work differs" in block)
    script = script.replace("/tmp/handoffd-demo", str(tmp_path / "demo")).replace("build/", f"{BUILD}/")
    demo = f"{sys.executable} clients/demo/demo.py tests/scenarios/mary.yaml --keep "
    assert "make demo KEEP=" in script
    script = "set -e\n" + script.replace("make demo KEEP=", demo)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=BOUND_S, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def shown_on_a_terminal(*arguments):
    """What the command says on standard error when that is a terminal; standard output is a file."""
    near, far = pty.openpty()
    said = b""
    with subprocess.Popen([BUILD / "handoffd", *arguments], stdout=subprocess.DEVNULL, stderr=far) as process:
        os.close(far)
        try:
            while some := os.read(near, 65536):
                said += some
        except OSError:  # the other end is closed
            pass
        assert process.wait(BOUND_S) == 0
    os.close(near)
    return said.decode()


@pytest.mark.parametrize("command", [["backtest", "--pathway", *SHIPPED], ["forecast"]], ids=lambda c: c[0])
def test_there_is_a_progress_bar_on_a_terminal_alone(played, command):
    bar = re.compile(r"\r\[#*\.*\] +\d+ %")
    assert bar.search(shown_on_a_terminal(*command, played))
    piped = subprocess.run([BUILD / "handoffd", *command, played], capture_output=True, text=True, timeout=BOUND_S)
    assert piped.returncode == 0 and "[" not in piped.stderr and "\r" not in piped.stderr


def test_what_nobody_had_been_asked_for_is_listed_as_unmatched(played, tmp_path):
    slow = call_back_after(tmp_path, "4bd")  # when the family was reached, no call had been asked for yet
    result = backtest(played, "--pathway", slow)
    first = result["unmatched"][0]
    assert (first["patientId"], first["event"], first["about"]) == ("mary", "task.completed", "call-family")
    assert first["why"] == "nobody had been asked for it"
    assert result["humanWork"]["candidate"]["unmatched"] == len(result["unmatched"])
    assert "unmatched: mary, entry" in run(played, "--pathway", slow).stdout


def test_from_a_day_on_running_episodes_stay_on_their_version(played, tmp_path):
    quick = call_back_after(tmp_path, "1bd")
    assert differing(backtest(played, "--since", "2026-02-01", "--pathway", quick))  # before the first event
    late = backtest(played, "--since", "2026-03-04", "--pathway", quick)
    assert late["patientIds"] == ["mary-intake-completed"]  # Mary's referral was two days old, that one came after
    assert late["patientsUnlikeJournal"] == 0 and late["events"] < backtest(played, "--pathway", quick)["events"]


def test_another_policy_can_be_tried_too(played, tmp_path):
    policy = changed(tmp_path, "routine", "routine", "policy.yaml")
    assert differing(backtest(played, "--policy", policy)) == {}
    policy.write_text(policy.read_text().replace("due: 2bd, rung: 2bd", "due: 3bd, rung: 2bd", 1))
    assert ("referral", "call-family") in differing(backtest(played, "--policy", policy))


def test_a_pathway_that_does_not_pass_the_check_is_refused(played, tmp_path):
    broken = changed(tmp_path, "task: {kind: call-family", "task: {kind: call-famly")
    done = run(played, "--pathway", broken, code=3)
    assert f"{broken}:" in done.stderr and "call-family" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say what to try"),
        (["--pathway"], "--pathway needs a value"),
        (["--since", "tomorrow", "--pathway", REFERRAL], "a date is written as 2026-03-01"),
        ([REFERRAL], "follows no option"),
    ],
)
def test_a_command_line_that_is_not_understood_is_told_what_is_wrong_and_the_usage(tmp_path, arguments, sentence):
    done = command(*arguments, tmp_path)
    first, usage = done.stderr.split("\n\n", 1)
    assert done.returncode == 2 and sentence in first and usage.startswith("usage: handoffd backtest")


def test_a_folder_without_a_journal_is_named(tmp_path):
    done = command("--pathway", REFERRAL, tmp_path / "none")
    assert done.returncode == 1 and f"the journal in {tmp_path / 'none'} does not open: there is none" in done.stderr
    assert not (tmp_path / "none").exists()
