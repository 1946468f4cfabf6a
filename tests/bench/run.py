#!/usr/bin/python3
"""The benchmark: floor and daemon, alternately, under the same load.

Both servers stay up for the whole run, each with a load generator of its own, and take turns: a few seconds the
floor, a few seconds the daemon, at each number of events in flight, for several rounds. Figures of one run can be
compared with each other; figures of two runs only through the ratio. See README.md beside this file.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


class Refused(Exception):
    """No figure can be reported; the sentence says why."""


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def private_mib(pid):
    rows = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Anonymous:")) // 1024  # mapped files apart


class Server:
    """A process that serves an endpoint."""

    def __init__(self, name, process, endpoint):
        self.name, self.process, self.endpoint = name, process, endpoint

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            raise Refused(f"the {self.name} ended with {self.process.returncode}")


def start_floor(build, folder):
    process = subprocess.Popen([build / "bench/floor", folder], stdout=subprocess.PIPE, text=True)
    endpoint = process.stdout.readline().strip("\0\n")
    if not endpoint:
        raise Refused("the floor does not start")
    return Server("floor", process, endpoint)


def start_daemon(program, folder, log):
    data = folder / "daemon"
    command = [program, "run", "--config", ROOT / "tests/site.yaml", "--data", data, "--pathways", ROOT / "daemon/pathways",
               "--clock", "system", "--front", "tcp://127.0.0.1:*", "--stream", "tcp://127.0.0.1:*", "--http", ""]
    process = subprocess.Popen(command, stderr=log)
    for _ in range(400):
        if (data / "endpoints").exists():
            lines = dict(line.split("=", 1) for line in (data / "endpoints").read_text().splitlines())
            return Server("daemon", process, lines["front"])
        try:
            process.wait(0.05)
            break
        except subprocess.TimeoutExpired:
            pass  # it runs, and has not said yet where it listens
    raise Refused("the daemon does not start")


class Load:
    """A load generator, driven by lines."""

    def __init__(self, build, server, patients, seed):
        command = [build / "bench/load", "-e", server.endpoint, "-p", str(patients), "-s", str(seed)]
        self.server = server
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Refused(f"the load on the {self.server.name} failed at '{line}'")
        return json.loads(answer)

    def measure(self, in_flight, seconds):
        pid = self.server.process.pid
        before = cpu_seconds(pid)
        row = self.ask(f"measure {in_flight} {seconds}")
        row["server_cpu_us_per_event"] = round((cpu_seconds(pid) - before) * 1e6 / max(row["events"], 1), 2)
        return row

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def is_memory(folder):
    kind = subprocess.run(["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True, check=True)
    return kind.stdout.strip() in ("tmpfs", "ramfs")


def verify(program, folder):
    began = time.monotonic()
    result = subprocess.run([program, "verify", folder / "daemon"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Refused(f"handoffd verify is not clean:\n{result.stdout}{result.stderr}")
    print(f"verify is clean ({time.monotonic() - began:.0f} s). {result.stdout.strip()}", flush=True)


def middle(rows, field):
    return statistics.median(row[field] for row in rows)


def summary(name, in_flight, patients, rows, floor_rows):
    rates = [row["events_per_s"] for row in rows]
    ratios = [row["events_per_s"] / floor["events_per_s"] for row, floor in zip(rows, floor_rows)]
    return {
        "name": name, "in_flight": in_flight, "patients": patients,
        "events_per_s": middle(rows, "events_per_s"), "events_per_s_least": min(rates), "events_per_s_most": max(rates),
        "p50_ms": middle(rows, "p50_ms"), "p99_ms": middle(rows, "p99_ms"), "worst_ms": max(row["worst_ms"] for row in rows),
        "floor_events_per_s": middle(floor_rows, "events_per_s"), "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3), "ratio_most": round(max(ratios), 3),
        "server_cpu_us_per_event": middle(rows, "server_cpu_us_per_event"),
        "server_cpu_us_per_event_least": min(row["server_cpu_us_per_event"] for row in rows), "rounds": len(rows),
    }


def print_table(summaries):
    print(f"\n{'':8}{'in flight':>10}{'events/s':>11}{'least':>10}{'most':>10}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}"
          f"{'CPU us/event':>14}{'least':>8}{'ratio':>8}{'(least-most)':>16}")
    for s in summaries:
        print(f"{s['name']:8}{s['in_flight']:>10}{s['events_per_s']:>11.0f}{s['events_per_s_least']:>10.0f}"
              f"{s['events_per_s_most']:>10.0f}{s['p50_ms']:>9.3f}{s['p99_ms']:>9.3f}{s['worst_ms']:>10.1f}"
              f"{s['server_cpu_us_per_event']:>14.2f}{s['server_cpu_us_per_event_least']:>8.2f}{s['ratio']:>8.3f}{s['ratio_least']:>9.3f}-{s['ratio_most']:.3f}")


def run_rounds(loads, options):
    """rows[name][in_flight], one a round."""
    rows = {name: {n: [] for n in options.in_flight} for name in loads}
    for number in range(options.rounds):
        for in_flight in options.in_flight:
            for name, load in loads.items():
                rows[name][in_flight].append(load.measure(in_flight, options.seconds))
        told = "   ".join(f"{n}: " + " ".join(f"{name} {rows[name][n][-1]['events_per_s']:.0f}/s" for name in loads)
                          for n in options.in_flight)
        print(f"round {number + 1}: {told}", flush=True)
    return rows


def bench(options, folder, servers):
    programs = [pathlib.Path(p).resolve() for p in options.daemon or [options.build / "handoffd"]]
    names = ["daemon"] if len(programs) == 1 else [f"daemon{i + 1}" for i in range(len(programs))]
    (folder / "floor").mkdir()
    servers.append(start_floor(options.build, folder / "floor"))
    loads = {"floor": Load(options.build, servers[0], options.patients, options.seed)}
    loads["floor"].ask("assume")
    for name, program in zip(names, programs):
        (folder / name).mkdir()
        with open(options.build / f"bench/{name}.log", "w", encoding="utf-8") as log:
            servers.append(start_daemon(program, folder / name, log))
        loads[name] = Load(options.build, servers[-1], options.patients, options.seed)
        opened = loads[name].ask("open")
        print(f"{name}: opened {options.patients} patients with {opened['events']} events, "
              f"{opened['events'] / opened['seconds']:.0f}/s (in publishes of 128)", flush=True)
    rows = run_rounds(loads, options)
    for name, server in zip(names, servers[1:]):
        print(f"{name}: private memory {private_mib(server.process.pid)} MiB; verdicts: " +
              ", ".join(f"{word} {sum(row[word] for n in rows[name] for row in rows[name][n])}"
                        for word in ("applied", "recorded", "review", "parked")))
    for load in loads.values():
        load.stop()
    while servers:
        servers.pop().stop()
    for name, program in zip(names, programs):
        verify(program, folder / name)
    return [summary(name, n, options.patients, rows[name][n], rows["floor"][n]) for n in options.in_flight for name in loads]


def read_options():
    parser = argparse.ArgumentParser(description="floor and daemon, alternately, under the same load")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--patients", type=int, default=100000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 64, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", default="/var/tmp", help="where the temporary data goes; not a tmpfs")
    parser.add_argument("--daemon", nargs="+", help="other programs than BUILD/handoffd: several are compared in one run")
    return parser.parse_args()


def main():
    options = read_options()
    options.build = options.build.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="handoff-bench-", dir=options.folder))
    servers = []
    try:
        if is_memory(folder):
            raise Refused(f"{folder} is in memory: a sync there costs nothing, so the figures would say nothing")
        summaries = bench(options, folder, servers)
    except Refused as refusal:
        print(f"bench: {refusal}; nothing is reported", file=sys.stderr)
        return 1
    finally:
        for server in servers:
            server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print_table(summaries)
    with open(options.build / "bench/results.jsonl", "w", encoding="utf-8") as results:
        for row in summaries:
            results.write(json.dumps(row) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
