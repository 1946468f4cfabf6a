"""The benchmark's parts, small: that they run, that what they say is what was measured, and that they refuse."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
RUN = ["/usr/bin/python3", "tests/bench/run.py", "--build", BUILD, "--patients", "2000", "--seconds", "0.5", "--rounds", "1"]


def run(*options):
    done = subprocess.run([*RUN, *options], cwd=ROOT, capture_output=True, text=True, timeout=300)
    lines = (ROOT / BUILD / "bench/results.jsonl").read_text(encoding="utf-8").splitlines()
    return done, [json.loads(line) for line in lines]


def measured():
    done, rows = run("burst", "large", "--in-flight", "64")
    assert done.returncode == 0, done.stdout + done.stderr
    burst = {(row["name"], row["sync_added_ms"]): row for row in rows if row["part"] == "burst"}
    assert set(burst) == {(name, added) for name in ("floor", "daemon") for added in (0, 2)}
    for added in (0, 2):
        assert 0 < burst["daemon", added]["to_floor"] < 2
        assert burst["daemon", added]["sync_p50_ms"] > added
    few, many, facts = (row for row in rows if row["part"] == "large")
    assert (few["patients"], many["patients"]) == (200, 2000)
    assert "to_daemon-200" in many and facts["restarts"] == 1 and facts["private MiB, idle"] > 1


def refused_because_it_would_measure_memory():
    done, rows = run("burst", "--folder", "/dev/shm")
    assert done.returncode == 1
    assert "nothing is reported of this part" in done.stdout + done.stderr
    assert [row["part"] for row in rows] == ["machine"]


def test_parts_are_measured_or_refused():
    refused_because_it_would_measure_memory()  # one after the other: both write the same file
    measured()
