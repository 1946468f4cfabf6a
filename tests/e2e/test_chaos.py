"""The shortest of `make chaos`: what was emitted arrives, whatever is killed."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))

import chaos  # noqa: E402


def test_what_was_emitted_arrives_whatever_is_killed(tmp_path):
    said = []
    passed, failed = chaos.run(tmp_path, rounds=25, seed=1, say=said.append)
    assert (passed, failed) == (25, 0), said
