"""The benchmark's parts, small: that they run, that what they say is what was measured, and that they refuse."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
RUN = ["/usr/bin/python3", "tests/bench/run.py", "--build", BUILD, "--patients", "2000", "--seconds", "0.5", "--rounds", "1"]


def run(folder, *options):
    """(how it ended, its rows of JSON)"""
    results = folder / "results.jsonl"
    done = subprocess.run([*RUN, "--results", results, *options], cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done, [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


def test_parts_are_measured(tmp_path):
    done, rows = run(tmp_path, "burst", "large", "--in-flight", "64", "--size-in-flight", "8", "--seconds", "1.5")
    assert done.returncode == 0, done.stdout + done.stderr
    burst = {(row["name"], row["sync_added_ms"]): row for row in rows if row["part"] == "burst"}
    assert set(burst) == {(name, added) for name in ("floor", "daemon") for added in (0, 2)}
    for added in (0, 2):
        assert 0 < burst["daemon", added]["to_floor"] < 2
        assert burst["daemon", added]["sync_p50_ms"] > added
    *_, facts = large = [row for row in rows if row["part"] == "large"]
    assert [row.get("patients") for row in large] == [200, 2000, 200, 2000, None]
    assert "to_daemon-200" in large[1] and facts["restarts"] == 1 and facts["private MiB, idle"] > 1


# A daemon that is not as it should be, as a program that runs the real one.
REFUSED = {
    "its journal is not sound": ("[ $1 = verify ] && exit 1", "handoffd verify is not clean"),
    "it has lost what it acknowledged": (
        """case $1 in
           run) for word in "$@"; do [ "$before" = --data ] && cp -r "$word" "$word.before"; before=$word; done ;;
           verify) rm -r "$2" && mv "$2.before" "$2" ;;
           esac""", "events were acknowledged by the daemon, and its journal has"),
    "it ends with an error": (
        """if [ $1 = run ]; then
               HANDOFFD "$@" & pid=$!
               trap 'kill -9 $pid; exit 3' TERM
               wait
           fi""", "the daemon ended with 3"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_is_reported_when(what, tmp_path):
    commands, sentence = REFUSED[what]
    program = tmp_path / "handoffd"
    handoffd = (ROOT / BUILD / "handoffd").resolve()
    program.write_text(f"#!/bin/sh\n{commands.replace('HANDOFFD', str(handoffd))}\nexec {handoffd} \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    done, rows = run(tmp_path, "burst", "--in-flight", "64", "--daemon", program)
    assert done.returncode == 1
    assert sentence in done.stderr and "of this nothing is reported" in done.stderr
    assert [row["part"] for row in rows] == ["machine"]


def test_a_folder_in_memory_is_refused(tmp_path):
    done, rows = run(tmp_path, "burst", "--folder", "/dev/shm")
    assert done.returncode == 1
    assert "in memory" in done.stderr
    assert [row["part"] for row in rows] == ["machine"]
