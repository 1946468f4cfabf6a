#!/usr/bin/python3
"""The benchmark of durable subscriptions: one daemon, filled with what patients' lives emit, then three questions in turn.

    How many deliveries a second are acknowledged, by one worker and by four on one name?
    How much of its rate does ingestion keep beside subscriptions, idle and busy ones?
    How long from publish to delivery at a steady rate?

Each is asked alternately, for several rounds; medians and spread. See README.md beside this file.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from drive import Load, Workers
from serve import Daemon, Refused, check_disk, end_when_told, smaps

DRAINS = [("task", 1), ("task", 4), ("record", 1), ("status", 1)]  # stream, workers
BUSY = [("task", "escalation"), ("task", "record")]  # beside ten idle ones
JOURNALED_SHARE = 20  # of stream status so few are drained: each is a disclosure, two entries of its own


def fill(load, options):
    """Until so many events were told; what they emit lies in the journal."""
    told = load.ask("open")["events"]
    while told < options.events:
        told += load.ask("measure 1000 1")["events"]
    print(f"filled: {options.patients} patients, {told} events", flush=True)


def drain(workers, server, stream, count, options):
    """One new subscription from the beginning of the journal."""
    wanted = options.deliveries // (JOURNALED_SHARE if stream == "status" else 1)
    before = server.cpu_seconds()
    row = workers.ask(f"drain {stream} {count} {options.credit} {wanted}")
    spent = server.cpu_seconds() - before
    row["server_cpu_us"] = round(spent * 1e6 / row["acknowledged"], 2)
    return row


def ingest(load, server, streams, options):
    """Without subscriptions, then with ten idle and two busy ones."""
    alone = load.measure(options.in_flight, options.seconds)
    idle, busy = Workers(server), Workers(server)
    idle.ask("idle 5 5")
    busy.ask("busy " + " ".join(streams))
    beside = load.measure(options.in_flight, options.seconds, busy)
    busy.ask("stop")
    busy.stop()
    idle.stop()
    return {"alone_per_s": alone["events_per_s"], "beside_per_s": beside["events_per_s"],
            "ratio": beside["events_per_s"] / alone["events_per_s"], "deliveries_per_event": beside["acknowledged_in_time"] / beside["events"],
            "alone_cpu_us": alone["server_cpu_us_per_event"], "beside_cpu_us": beside["server_cpu_us_per_event"]}


def pace(build, server, stream, seed, options):
    """From publish to delivery, at a steady rate."""
    command = [build / "bench/pace", "-e", server.endpoint, "-r", str(options.rate), "-t", str(options.seconds), "-w", stream,
               "-s", str(seed)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Refused(f"pacing failed: {result.stderr.strip()}")
    return json.loads(result.stdout)


def spread(rows, field):
    values = [row[field] for row in rows]
    return {field: statistics.median(values), f"{field}_least": min(values), f"{field}_most": max(values)}


def measure(options, server, load):
    workers = Workers(server)
    drains, ingests, paces = {key: [] for key in DRAINS}, {key: [] for key in BUSY}, {"record": [], "task": []}
    for number in range(options.rounds):
        for stream, count in DRAINS:
            drains[stream, count].append(drain(workers, server, stream, count, options))
        for index, stream in enumerate(paces):
            paces[stream].append(pace(options.build, server, stream, 1 + number * len(paces) + index, options))
        for streams in BUSY:
            ingests[streams].append(ingest(load, server, streams, options))
        told = [f"{stream}/{count} {drains[stream, count][-1]['per_s']:.0f}/s" for stream, count in DRAINS]
        told += [f"{'+'.join(streams)} {ingests[streams][-1]['ratio']:.2f}" for streams in BUSY]
        told += [f"{stream} {paces[stream][-1]['p50_ms']:.2f} ms" for stream in paces]
        print(f"round {number + 1}: {', '.join(told)}; load {os.getloadavg()[0]:.1f}", flush=True)
    workers.stop()
    return drains, ingests, paces


def summaries(drains, ingests, paces, options):
    """One row of JSON for each line of the tables."""
    rows = []
    for (stream, count), measured in drains.items():
        rows.append({"what": "deliveries", "stream": stream, "workers": count, "credit": options.credit,
                     **spread(measured, "per_s"), **spread(measured, "server_cpu_us")})
    for streams, measured in ingests.items():
        rows.append({"what": "ingestion", "busy": list(streams), "idle": 10, "in_flight": options.in_flight,
                     **spread(measured, "ratio"), **spread(measured, "alone_per_s"), **spread(measured, "beside_per_s"),
                     **spread(measured, "deliveries_per_event"), **spread(measured, "alone_cpu_us"),
                     **spread(measured, "beside_cpu_us")})
    for stream, measured in paces.items():
        rows.append({"what": "latency", "stream": stream, "events_per_s": options.rate, **spread(measured, "p50_ms"),
                     **spread(measured, "p99_ms"), **spread(measured, "worst_ms"), **spread(measured, "accepted_p50_ms")})
    return rows


def print_tables(rows):
    print(f"\n{'stream':10}{'workers':>8}{'credit':>8}{'acknowledged/s':>16}{'least':>10}{'most':>10}{'CPU us each':>13}{'least':>8}")
    for r in (r for r in rows if r["what"] == "deliveries"):
        print(f"{r['stream']:10}{r['workers']:>8}{r['credit']:>8}{r['per_s']:>16.0f}{r['per_s_least']:>10.0f}"
              f"{r['per_s_most']:>10.0f}{r['server_cpu_us']:>13.2f}{r['server_cpu_us_least']:>8.2f}")
    print(f"\n{'busy beside ten idle':22}{'events/s alone':>16}{'beside':>10}{'ratio':>8}{'(least-most)':>16}{'deliveries/event':>18}"
          f"{'CPU us/event':>15}")
    for r in (r for r in rows if r["what"] == "ingestion"):
        print(f"{'+'.join(r['busy']):22}{r['alone_per_s']:>16.0f}{r['beside_per_s']:>10.0f}{r['ratio']:>8.2f}"
              f"{r['ratio_least']:>11.2f}-{r['ratio_most']:.2f}{r['deliveries_per_event']:>18.2f}"
              f"{r['alone_cpu_us']:>9.1f}{r['beside_cpu_us']:>6.1f}")
    print(f"\n{'publish to delivery':22}{'events/s':>10}{'p50 ms':>9}{'(least-most)':>18}{'p99 ms':>9}{'worst ms':>10}{'accepted p50 ms':>17}")
    for r in (r for r in rows if r["what"] == "latency"):
        print(f"{r['stream']:22}{r['events_per_s']:>10}{r['p50_ms']:>9.2f}{r['p50_ms_least']:>12.2f}-{r['p50_ms_most']:.2f}"
              f"{r['p99_ms']:>11.2f}{r['worst_ms']:>10.1f}{r['accepted_p50_ms']:>17.2f}")


def bench(options, folder, servers):
    servers.append(Daemon("daemon", options.build, folder / "daemon"))
    servers[0].start()
    load = Load(servers[0], options.patients, options.seed)
    fill(load, options)
    measured = measure(options, servers[0], load)
    print(f"private memory {smaps(servers[0].process.pid)[0] >> 10} MiB", flush=True)
    load.stop()
    servers[0].stop()
    servers.pop().verify()
    return summaries(*measured, options)


def read_options():
    parser = argparse.ArgumentParser(description="durable subscriptions: deliveries, ingestion beside them, latency")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--patients", type=int, default=100000)
    parser.add_argument("--events", type=int, default=650000, help="told before anything is measured")
    parser.add_argument("--deliveries", type=int, default=200000, help="of one drain")
    parser.add_argument("--credit", type=int, default=4096, help="of each worker that drains")
    parser.add_argument("--in-flight", type=int, default=1000, help="events, while ingesting")
    parser.add_argument("--rate", type=int, default=1000, help="events a second, for the latency")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", default="/var/tmp", help="where the temporary data goes; not a tmpfs")
    return parser.parse_args()


def main():
    options = read_options()
    options.build = options.build.resolve()
    end_when_told()
    path = options.build / "bench/deliveries.jsonl"
    path.unlink(missing_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="handoff-bench-", dir=options.folder))
    servers = []
    try:
        check_disk(folder, 3)
        rows = bench(options, folder, servers)
    except Refused as refusal:
        print(f"bench: {refusal}; nothing is reported", file=sys.stderr)
        return 1
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print_tables(rows)
    with open(path, "w", encoding="utf-8") as results:
        for row in rows:
            results.write(json.dumps(row) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
