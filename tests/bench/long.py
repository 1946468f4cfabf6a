"""What takes longer: open loop, sustained load, restarts, timers, memory, and how cost grows."""
import signal
import statistics
import time
import urllib.request

import plot
import progress
from contest import GIB_PER_MILLION, Contest
from drive import WINDOW_S, Load
from figures import compare, print_facts, print_table, summary
from serve import ROOT, Daemon, Refused, check_disk, disk_bytes, smaps

FLOOR_S = 60  # beside sustained load: the floor writes some 100 MB/s, so not for as long
STALL_MS = 100
SUSTAINED_GIB = 66  # that the daemon writes in ten minutes
TRIAL_PATIENTS = 20000  # filled to see how fast that goes
ALWAYS_OPEN = ROOT / "tests/bench/site.yaml"


def metrics(server):
    """Those without labels."""
    with urllib.request.urlopen(server.metrics_url, timeout=60) as reply:
        lines = reply.read().decode().splitlines()
    return {words[0]: float(words[1]) for words in map(str.split, lines) if len(words) == 2 and "{" not in words[0]}


def one_daemon(options, folder, patients, name="daemon", **more):
    check_disk(options.folder, 2 + patients / 1e6 * GIB_PER_MILLION)
    folder.mkdir(exist_ok=True)
    return Daemon(name, options.build, folder / name, (options.daemon or [None])[0], **more)


def finish(server, *loads):
    for load in loads:
        load.stop()
    server.stop()
    server.verify()


# --- open loop -------------------------------------------------------------------------------------------------------
def open_loop(options, folder, results):
    """Latency at half of what the daemon can do, counted from when each event should have been sent."""
    contest = Contest(options, folder)
    check_disk(options.folder, 2 + options.patients / 1e6 * GIB_PER_MILLION)
    try:
        contest.add_floor(options.patients)
        contest.add_daemons(options.patients)
        rows = {}
        for delay in (0, options.added_ms):
            rate = options.rate or half_of_capacity(contest, options, delay)
            for _ in range(options.rounds):
                for name, load in contest.loads.items():
                    progress.say(f"{name}: {rate:,.0f} events/s, whatever it does; syncs +{delay:g} ms")
                    rows.setdefault((name, delay), []).append(pace(contest, options, name, load, rate, delay))
        contest.end()
    except BaseException:
        contest.kill()
        raise
    table = [open_loop_row(name, delay, list_, options) for (name, delay), list_ in rows.items()]
    print_table("Open loop at half load, corrected for coordinated omission", table)
    for row in table:
        print(f"  {row['name']}, syncs +{row['sync_added_ms']:g} ms, {row['rate']:,.0f}/s: p99.9 {row['p999_ms']} ms, longest pause {row['stall_ms']} ms")
    results.add("open-loop", table)


def half_of_capacity(contest, options, delay):
    name = contest.daemons[0].name
    contest.servers[name].syncs.delay(delay)
    row = contest.loads[name].measure(options.size_in_flight, min(10, options.seconds))
    contest.servers[name].syncs.delay(0)
    return row["events_per_s"] // 2


def pace(contest, options, name, load, rate, delay):
    contest.servers[name].syncs.delay(delay)
    row = load.timed(f"pace {rate} {options.seconds} {WINDOW_S}")
    contest.servers[name].syncs.delay(0)
    load.ask(f"histogram {options.build / 'bench'}/open-loop-{name}-{delay:g}.hgrm")
    return row


def open_loop_row(name, delay, rows, options):
    more = {"rate": rows[0]["rate"], "stall_ms": max(row["stall_ms"] for row in rows)}
    return summary(name, rows, patients=options.patients, sync_added_ms=delay, in_flight=0, **more)


# --- sustained -------------------------------------------------------------------------------------------------------
def sustained(options, folder, results):
    """Full load for long: the index is written behind many times. The floor before and after."""
    contest = Contest(options, folder)
    check_disk(options.folder, 12 + options.patients / 1e6 * GIB_PER_MILLION + options.seconds / 600 * SUSTAINED_GIB)
    try:
        contest.add_daemons(options.patients)
        contest.add_floor(options.patients)
        daemon, floor = contest.loads[contest.daemons[0].name], contest.loads["floor"]
        line = f"sustain {options.size_in_flight} {{}} {WINDOW_S}"
        floor_rows = [floor.timed(line.format(min(FLOOR_S, options.seconds)))]
        contest.servers["floor"].begin_anew()
        floor.ask(f"connect {contest.servers['floor'].endpoint}")
        row = daemon.timed(line.format(options.seconds))
        floor_rows.append(floor.timed(line.format(min(FLOOR_S, options.seconds))))
        contest.end()
    except BaseException:
        contest.kill()
        raise
    report_sustained(options, row, floor_rows, results)


def report_sustained(options, row, floor_rows, results):
    facts = {"patients": options.patients, "in_flight": options.size_in_flight, "sync_added_ms": 0}
    table = [summary("floor", floor_rows, **facts), summary("daemon", [row], **facts)]
    table[1]["to_floor"] = round(row["events_per_s"] / statistics.mean(r["events_per_s"] for r in floor_rows), 3)
    ratios = [row["events_per_s"] / r["events_per_s"] for r in floor_rows]
    table[1].update({"to_floor_least": round(min(ratios), 3), "to_floor_most": round(max(ratios), 3),
                     "p50_to_floor": round(row["p50_ms"] / floor_rows[0]["p50_ms"], 3), "stall_ms": row["stall_ms"]})
    windows = [{"at_s": w["at_s"], "events_per_s": w["events_per_s"], "p99_ms": w["p99_ms"], "worst_ms": w["worst_ms"],
                "stall_ms": w["stall_ms"]} for w in row["windows"]]
    table[1]["windows"] = windows
    print_table(f"Sustained for {options.seconds:g} s (the floor for {min(FLOOR_S, options.seconds):g} s before and after)", table)
    verdict = "none longer" if row["stall_ms"] <= STALL_MS else "LONGER"
    print(f"  longest pause without any reply: {row['stall_ms']:.0f} ms ({verdict} than {STALL_MS} ms)")
    plot.sustained(windows, options.build / "bench", f"{options.patients:,} patients, {options.size_in_flight:,} in flight")
    results.add("sustained", table)


# --- recovery --------------------------------------------------------------------------------------------------------
def recovery(options, folder, results):
    """From exec to the first acknowledgement, after SIGKILL when the index is furthest behind."""
    server = one_daemon(options, folder, options.patients, http="127.0.0.1:0")
    try:
        server.fill(options.patients, options.seed)
        load = Load(server.start(), options.patients, options.seed)
        load.ask("assume")
        rows = restarts(server, load, options)
        finish(server, load)
    except BaseException:
        server.kill()
        raise
    print_facts("Recovery after SIGKILL", {"patients": options.patients, **facts_of_restarts(rows)})
    results.add("recovery", rows)


def restarts(server, load, options):
    rows = []
    for number in range(options.rounds):
        rows.append(crash_and_restart(server, load, options, number))
        progress.say(f"restart {number + 1} of {options.rounds}: serving {rows[-1]['serving_s']:.2f} s, first acknowledgement "
                     f"{rows[-1]['first_ack_s']:.2f} s after exec; {rows[-1]['behind']:,} entries were not in the index")
    return rows


def facts_of_restarts(rows):
    return {"restarts": len(rows), "seconds to the first acknowledgement, median": statistics.median(r["first_ack_s"] for r in rows),
            "slowest": max(r["first_ack_s"] for r in rows), "seconds to serving, median": statistics.median(r["serving_s"] for r in rows),
            "entries behind the index, most": max(r["behind"] for r in rows), "of the most seen before, share": min(r["share"] for r in rows)}


def behind(server):
    now = metrics(server)
    return int(now["handoff_journal_sequence"] - now["handoff_index_sequence"])


def crash_and_restart(server, load, options, number):
    """Watches how far behind the index gets in half of the time, then kills when it is nearly there again."""
    progress.say(f"{server.name}: full load, until the index is furthest behind")
    load.say(f"sustain {options.size_in_flight} {options.seconds * 4} {options.seconds * 5}")
    began, most, now = time.monotonic(), 0, 0
    while time.monotonic() < began + options.seconds / 2:
        most = max(most, behind(server))
        time.sleep(0.02)
    while time.monotonic() < began + options.seconds * 3 and now < 0.9 * most:
        now = behind(server)
    server.kill()
    load.process.send_signal(signal.SIGUSR1)
    load.hear("sustain")
    row = restart(server, options, number, now, most)
    load.ask(f"connect {server.endpoint}")  # of what was in flight some thousand patients may lack an event
    return row


def restart(server, options, number, now, most):
    server.start()
    serving_s = time.monotonic() - server.began
    first = Load(server, 1, options.seed, options=("-f", str(4000000000 + number)))
    first.ask("open")
    row = {"name": server.name, "patients": options.patients, "behind": now, "share": round(now / max(most, 1), 2),
           "serving_s": round(serving_s, 3), "first_ack_s": round(time.monotonic() - server.began, 3)}
    first.stop()
    return row


# --- timers ----------------------------------------------------------------------------------------------------------
def timers(options, folder, results):
    """A million timers due at once, with traffic meanwhile; then a few at a time, for how late they are."""
    rate = options.rate or 5000
    row = due_at_once(options, folder, rate)
    late = due_by_and_by(options, folder, rate)
    print_facts("Timers", {**row, **late})
    results.add("timers", [{"name": "daemon", **row, **late}])


def filled_for(options, folder, patients, span_s, name):
    """Their first timers come due a while after the daemon has started."""
    server = one_daemon(options, folder, patients, name, site=ALWAYS_OPEN, http="127.0.0.1:0")
    trial = one_daemon(options, folder, TRIAL_PATIENTS, name + "-trial").fill(TRIAL_PATIENTS, options.seed)
    lead_s = 30 + 2.5 * trial["seconds"] * patients / TRIAL_PATIENTS
    filled = server.fill(patients, options.seed, "-u", str(int(time.time() + lead_s)), "-t", str(span_s))
    if filled["first_due_ms"] / 1000 < time.time() + 10:
        raise Refused("filling took longer than was thought: the timers are due already")
    return server, filled


def due_at_once(options, folder, rate):
    server, filled = filled_for(options, folder, options.patients, 1, "at-once")
    due_s = filled["last_due_ms"] / 1000
    try:
        server.start()
        load = Load(server, 10000, options.seed + 1, options=("-f", str(options.patients)))
        load.ask("open")
        until_s = time.time() + options.seconds
        before = load.timed(f"pace {rate} {max(1, due_s - time.time() - 3)} {WINDOW_S}")
        fired = metrics(server)["handoff_timers_fired_total"]
        load.say(f"pace {rate} {options.seconds} {1}")
        journaled_s = watch_firing(server, due_s, fired + options.patients, max(until_s, due_s + options.seconds))
        windows = windows_of(load)
        finish(server, load)
    except BaseException:
        server.kill()
        raise
    scanned = server.scan()
    busy = [w for w in windows if w["events"]][: int(journaled_s) + 4]
    return {"timers due at once": options.patients, "fired": scanned["timer"]["count"], "all journaled after, s": round(journaled_s, 2),
            "traffic meanwhile, events/s": rate, "ack p99 before, ms": before["p99_ms"],
            "ack p99 meanwhile, worst second, ms": max(w["p99_ms"] for w in busy), "ack worst meanwhile, ms": max(w["worst_ms"] for w in busy)}


def watch_firing(server, due_s, wanted, until_s):
    fired = 0
    while fired < wanted:
        if time.time() > until_s:
            raise Refused(f"of the timers due at once only {fired:,.0f} of {wanted:,.0f} were journaled in time: give more --seconds")
        time.sleep(0.05)
        fired = metrics(server)["handoff_timers_fired_total"]
    return time.time() - due_s


def windows_of(load):
    windows = []
    while (row := load.hear("pace")).get("window"):
        windows.append(row)
    return windows


def due_by_and_by(options, folder, rate):
    seconds = min(60, options.seconds)
    server, filled = filled_for(options, folder, max(1, options.patients // 20), seconds, "by-and-by")
    try:
        server.start()
        load = Load(server, 10000, options.seed + 1, options=("-f", str(options.patients)))
        load.ask("open")
        load.timed(f"pace {rate} {filled['last_due_ms'] / 1000 - time.time() + 2} {WINDOW_S}")
        finish(server, load)
    except BaseException:
        server.kill()
        raise
    late = server.scan()["lateness_ms"]
    return {"timers due in a minute": max(1, options.patients // 20), "late p50, ms": late["p50"], "late p99, ms": late["p99"], "late most, ms": late["most"]}


# --- memory ----------------------------------------------------------------------------------------------------------
class Peak:
    """The most of a server's memory that was seen."""

    def __init__(self, server):
        self.server, self.private, self.mapped = server, 0, 0

    def look(self, _row=None):
        private, mapped = smaps(self.server.process.pid)
        self.private, self.mapped = max(self.private, private), max(self.mapped, mapped)
        return private

    def facts(self, idle):
        return {"private MiB, idle": round(idle / 1024, 1), "private MiB, loaded, most": round(self.private / 1024, 1),
                "mapped MiB (the page cache's), most": round(self.mapped / 1024)}


def memory(options, folder, results):
    """Private memory idle and loaded; bytes on disk."""
    server = one_daemon(options, folder, options.patients)
    peak = Peak(server)
    try:
        server.fill(options.patients, options.seed)
        server.start()
        idle = peak.look()
        load = Load(server, options.patients, options.seed)
        load.ask("assume")
        load.ask(f"sustain {options.size_in_flight} {options.seconds} 1", peak.look)
        peak.look()
        finish(server, load)
    except BaseException:
        server.kill()
        raise
    report_memory(options, server, peak.facts(idle), results)


def report_memory(options, server, seen, results):
    scanned = server.scan()
    entries = scanned["event"]["count"] + scanned["timer"]["count"]
    facts = {"patients": options.patients, **seen, "journal MiB": disk_bytes(server.data / "journal") >> 20,
             "index MiB": disk_bytes(server.data / "index") >> 20,
             "index bytes a patient": round(disk_bytes(server.data / "index") / options.patients),
             "journal bytes an event, with all it carries": round(scanned["batch_bytes"] / entries),
             "share of events with emissions": round(scanned["with_emissions"] / entries, 3),
             **{f"{part} bytes p25/p50/p75/p99/most": "/".join(str(scanned[part + "_bytes"][p]) for p in ("p25", "p50", "p75", "p99", "most"))
                for part in ("input", "outcome", "record", "entry")}}
    print_facts("Memory and bytes", facts)
    results.add("memory", [{"name": "daemon", **facts}])


# --- large -----------------------------------------------------------------------------------------------------------
def large(options, folder, results):
    """Many patients beside a tenth of them, in turns; then of the many the memory and the restarts. All of it in one filling,
    because to fill and to verify takes most of the time."""
    check_disk(options.folder, 4 + 1.1 * options.patients / 1e6 * GIB_PER_MILLION)
    contest, idle = Contest(options, folder), 0
    try:
        for patients in (options.patients // 10, options.patients):
            server = Daemon(f"daemon-{patients}", options.build, folder / str(patients), http="127.0.0.1:0")
            server.fill(patients, options.seed)
            contest.daemons.append(server)
            contest.add(server.start(), patients).ask("assume")
        peak = Peak(server)
        idle = peak.look()
        rows = contest.turns([options.size_in_flight], delays=[0])
        load = contest.loads[server.name]
        load.ask(f"sustain {options.size_in_flight} {2 * options.seconds} 1", peak.look)
        started = restarts(server, load, options)
        contest.end()
    except BaseException:
        contest.kill()
        raise
    report_large(contest, rows, {**peak.facts(idle), **facts_of_restarts(started)}, results)


def report_large(contest, rows, facts, results):
    few, many = (daemon.name for daemon in contest.daemons)
    table = []
    for (name, in_flight, delay), list_ in rows.items():
        row = summary(name, list_, patients=contest.loads[name].patients, in_flight=in_flight, sync_added_ms=delay)
        if name == many:
            compare(row, list_, few, rows[few, in_flight, delay])
        table.append(row)
    print_table("Many patients beside a tenth of them", table)
    print_facts("The many", facts)
    results.add("large", [*table, {"name": many, **facts}])


# --- growth ----------------------------------------------------------------------------------------------------------
def growth(options, folder, results):
    """What an event costs by the number of patients, and by the length of the journal."""
    rows = []
    for patients in options.sizes:
        server = one_daemon(options, folder, patients, f"daemon-{patients}")
        try:
            server.fill(patients, options.seed)
            load = Load(server.start(), patients, options.seed)
            load.ask("assume")
            rows += lengths(options, server, load) if patients == min(options.sizes, key=lambda n: abs(n - 100000)) else [growth_row(options, server, load)]
            finish(server, load)
        except BaseException:
            server.kill()
            raise
    print_table("How cost grows", rows)
    for row in rows:
        print(f"  {row['patients']:>12,} patients, journal of {row['journal_mib']:>7,} MiB: {row['server_cpu_us_per_event']:.2f} us an event")
    results.add("growth", rows)


def growth_row(options, server, load):
    mib = disk_bytes(server.data / "journal") >> 20
    measured = [load.measure(options.size_in_flight, options.seconds) for _ in range(options.rounds)]
    return summary(server.name, measured, patients=load.patients, in_flight=options.size_in_flight, sync_added_ms=0, journal_mib=mib)


def lengths(options, server, load):
    """The same patients, while the journal becomes ten times as long."""
    rows = [growth_row(options, server, load)]
    began_mib = rows[0]["journal_mib"]
    while rows[-1]["journal_mib"] < 10 * began_mib and len(rows) < 8:
        load.ask(f"sustain {options.size_in_flight} {options.seconds * options.rounds} {WINDOW_S}")
        rows.append(growth_row(options, server, load))
    return rows
