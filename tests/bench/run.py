#!/usr/bin/python3
"""The benchmark: what is measured, how and why stands in README.md beside this file.

    run.py quick                 a few minutes
    run.py PART...               burst sizes large sustained open-loop recovery timers memory growth rivals
"""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile

import contest
import long
import progress
from figures import Results
from serve import Refused, check_disk, end_when_told

PARTS = {
    "quick": contest.quick, "burst": contest.burst, "sizes": contest.sizes, "rivals": contest.rivals,
    "open-loop": long.open_loop, "sustained": long.sustained, "recovery": long.recovery, "timers": long.timers,
    "memory": long.memory, "growth": long.growth, "large": long.large,
}
# What differs from the defaults below when a part is measured in earnest.
EARNEST = {
    "burst": {"patients": 1000000, "in_flight": [1, 64, 1000, 10000], "seconds": 60},
    "sizes": {"patients": 1000000, "seconds": 20, "sizes": [10000, 1000000, 10000000]},
    "large": {"patients": 10000000, "seconds": 10},
    "rivals": {"patients": 1000000, "seconds": 20},
    "open-loop": {"patients": 1000000, "seconds": 60},
    "sustained": {"patients": 1000000, "seconds": 600},
    "recovery": {"patients": 1000000, "seconds": 30},
    "timers": {"patients": 1000000, "seconds": 120},
    "memory": {"patients": 1000000, "seconds": 60},
    "growth": {"patients": 1000000, "seconds": 10},
}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", default=["quick"])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--patients", type=int, help="100,000 for quick, else 1,000,000")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of patients, for sizes and growth")
    parser.add_argument("--in-flight", type=int, nargs="+")
    parser.add_argument("--size-in-flight", type=int, default=1000, help="for sizes, sustained, open-loop, memory, growth")
    parser.add_argument("--rival-in-flight", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="of one measurement")
    parser.add_argument("--added-ms", type=float, default=2, help="to each sync, for the second column")
    parser.add_argument("--record-bytes", type=int, default=490, help="that Redis and the tables store for a patient")
    parser.add_argument("--skew", type=float, default=0.99, help="of Zipf's law")
    parser.add_argument("--rate", type=float, default=0, help="events a second for open-loop and timers; 0: half of what the daemon can, or 5,000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", default="/var/tmp", help="where the temporary data goes; not a tmpfs")
    parser.add_argument("--results", type=pathlib.Path, help="lines of JSON; BUILD/bench/results.jsonl")
    parser.add_argument("--daemon", nargs="+", type=lambda path: pathlib.Path(path).resolve(),
                        help="other programs than BUILD/handoffd: several are compared in one run")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    options.build = options.build.resolve()
    options.results = options.results or options.build / "bench/results.jsonl"
    return options


def options_of(options, part):
    """As given, else in earnest, else quick."""
    chosen = argparse.Namespace(**vars(options))
    defaults = {"patients": 100000, "in_flight": [1, 64, 1000], "seconds": 3, "sizes": [10000, 100000, 1000000], **EARNEST.get(part, {})}
    for name, value in defaults.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, value)
    return chosen


def measure(options, part, results):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="handoff-bench-", dir=options.folder))
    os.chmod(folder, 0o700)
    try:
        check_disk(folder, 1)
        PARTS[part](options_of(options, part), folder, results)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    options = read_options()
    end_when_told()
    load = os.getloadavg()[0]
    if load > 1:
        progress.warn(f"the machine is busy (load {load:.1f}): the figures are not to be quoted")
    results = Results(options.results)
    results.add("machine", [{"processors": os.cpu_count(), "system": f"{os.uname().release} {os.uname().machine}",
                             "load_before": round(load, 2)}])
    try:
        for part in options.parts:
            measure(options, part, results)
    except Refused as refusal:
        progress.warn(f"{refusal}; of this nothing is reported")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
