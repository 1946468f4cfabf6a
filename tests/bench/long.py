"""What takes longer: open loop, sustained load, restarts, timers, memory, and how cost grows."""
import shutil
import signal
import statistics
import time
import urllib.request

import plot
import progress
from contest import GIB_PER_MILLION, Contest
from drive import WINDOW_S, Load
from figures import compare, print_facts, print_table, summary
from serve import ROOT, Daemon, Refused, check_disk, disk_bytes, gib_of_load, smaps

SHORT_S = 60  # beside sustained load: of the floor, which writes some 100 MB/s, and of both with slower syncs
STALL_MS = 100
KEPT_PACE = 0.99  # of the rate that an open loop was asked for; not counting
ON_ITS_WAY_S = 0.1
NEWEST = 100000   # entries
NEAR_MOST = 0.9   # of the most entries behind
PATIENCE = 10     # so many times --seconds for the index to be as far behind again
TRIAL_PATIENTS = 20000  # filled to see how fast that goes
ALWAYS_OPEN = ROOT / "tests/bench/site.yaml"


def metrics(server):
    """Those without labels."""
    with urllib.request.urlopen(server.metrics_url, timeout=60) as reply:
        lines = reply.read().decode().splitlines()
    return {words[0]: float(words[1]) for words in map(str.split, lines) if len(words) == 2 and "{" not in words[0]}


def one_daemon(options, folder, patients, name="daemon", seconds=0, **more):
    """For so many seconds of full load."""
    check_disk(options.folder, 2 + patients / 1e6 * GIB_PER_MILLION + gib_of_load(options.size_in_flight, seconds))
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
    loaded = gib_of_load(options.size_in_flight, 2 * options.rounds * options.seconds)
    check_disk(options.folder, 2 + options.patients / 1e6 * GIB_PER_MILLION + loaded)
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
    for path in folder.glob("*.hgrm"):
        shutil.copy(path, options.build / "bench")
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
    load.ask(f"histogram {contest.folder}/open-loop-{name}-{delay:g}.hgrm")
    if row["in_time"] < rate * (KEPT_PACE * row["seconds"] - ON_ITS_WAY_S):
        raise Refused(f"the {name} does not keep {rate:,.0f} events/s: {row['in_time']:,} in {row['seconds']:g} s")
    return row


def open_loop_row(name, delay, rows, options):
    more = {"rate": rows[0]["rate"], "stall_ms": max(row["stall_ms"] for row in rows)}
    return summary(name, rows, patients=options.patients, sync_added_ms=delay, in_flight=0, **more)


# --- sustained -------------------------------------------------------------------------------------------------------
def sustained(options, folder, results):
    """Full load for long: the index is written behind many times. The floor before and after; then, shorter, both with
    slower syncs."""
    contest = Contest(options, folder)
    short_s = min(SHORT_S, options.seconds)
    check_disk(options.folder, 8 + options.patients / 1e6 * GIB_PER_MILLION + gib_of_load(options.size_in_flight, options.seconds + short_s))
    try:
        contest.add_daemons(options.patients)
        contest.add_floor(options.patients)
        rows = [(0, *sustained_turn(contest, options, 0, options.seconds, short_s))]
        rows.append((options.added_ms, *sustained_turn(contest, options, options.added_ms, short_s, short_s)))
        contest.end()
    except BaseException:
        contest.kill()
        raise
    report_sustained(options, rows, results)


def sustained_turn(contest, options, delay, seconds, floor_s):
    """(rows of the floor, the daemon's); the floor in a new file each time."""
    daemon = contest.loads[contest.daemons[0].name]
    for server in contest.servers.values():
        server.syncs.delay(delay)
    floor_rows = [sustain_floor(contest, options, floor_s)]
    row = daemon.timed(f"sustain {options.size_in_flight} {seconds} {WINDOW_S}")
    return [*floor_rows, sustain_floor(contest, options, floor_s)], row


def sustain_floor(contest, options, seconds):
    contest.begin_floor_anew()
    return contest.loads["floor"].timed(f"sustain {options.size_in_flight} {seconds} {WINDOW_S}")


def report_sustained(options, rows, results):
    table = []
    for delay, floor_rows, row in rows:
        facts = {"patients": options.patients, "in_flight": options.size_in_flight, "sync_added_ms": delay}
        table += [summary("floor", floor_rows, **facts), summary("daemon", [row], **facts, stall_ms=row["stall_ms"])]
        compare(table[-1], [row] * len(floor_rows), "floor", floor_rows)
        table[-1]["windows"] = [{name: w[name] for name in ("at_s", "events_per_s", "p99_ms", "worst_ms", "stall_ms")} for w in row["windows"]]
    print_table(f"Sustained for {options.seconds:g} s (what is shorter: {min(SHORT_S, options.seconds):g} s)", table)
    for row in table[1::2]:
        verdict = "none longer" if row["stall_ms"] <= STALL_MS else "LONGER"
        print(f"  longest pause without any reply, syncs +{row['sync_added_ms']:g} ms: {row['stall_ms']:.0f} ms ({verdict} than {STALL_MS} ms)")
    results.add("sustained", table)
    plot.sustained(table[1]["windows"], options.build / "bench", f"{options.patients:,} patients, {options.size_in_flight:,} in flight")


# --- recovery --------------------------------------------------------------------------------------------------------
def recovery(options, folder, results):
    """From exec to the first acknowledgement, after SIGKILL when the index is furthest behind."""
    server = one_daemon(options, folder, options.patients, seconds=4 * options.rounds * options.seconds, http="127.0.0.1:0")
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
            "entries behind the index, most": max(r["behind"] for r in rows), "most seen before": max(r["most_seen"] for r in rows)}


def behind(server):
    now = metrics(server)
    return int(now["handoff_journal_sequence"] - now["handoff_index_sequence"])


def crash_and_restart(server, load, options, number):
    """Watches how far behind the index gets, then kills when it is nearly there again. What was once seen in another round
    may have been the machine's, and not come again; what was most is told."""
    progress.say(f"{server.name}: full load, until the index is furthest behind")
    load.say(f"sustain {options.size_in_flight} {options.seconds * 2 * PATIENCE} {options.seconds * 3 * PATIENCE}")
    began, now, most, has_fallen = time.monotonic(), 0, 0, False
    while time.monotonic() < began + options.seconds or not has_fallen or now < NEAR_MOST * most:
        if time.monotonic() > began + PATIENCE * options.seconds:
            raise Refused(f"the index was {most:,} entries behind at most, and then not again: give more --seconds")
        now = behind(server)
        most = max(most, now)
        has_fallen = has_fallen or now < most / 2
    server.crash()
    load.process.send_signal(signal.SIGUSR1)
    load.answer("sustain")
    row = restart(server, options, number, now, most)
    load.ask(f"connect {server.endpoint}")  # of what was in flight some thousand patients may lack an event
    return row


def restart(server, options, number, now, most):
    server.start()
    serving_s = time.monotonic() - server.began
    first = Load(server, 1, options.seed, options=("-f", str(4000000000 + number)))
    first.ask("open")
    row = {"name": server.name, "patients": options.patients, "behind": now, "most_seen": max(most, now),
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
    due_s = filled["first_due_ms"] / 1000
    try:
        server.start()
        load = Load(server, 10000, options.seed + 1, options=("-f", str(options.patients)))
        load.ask("open")
        until_s = time.time() + options.seconds
        before = load.ask(f"pace {rate} {max(1, due_s - time.time() - 3)} {WINDOW_S}")
        fired = metrics(server)["handoff_timers_fired_total"]
        load.say(f"pace {rate} {options.seconds} {1}")
        journaled_s = watch_firing(server, due_s, fired + options.patients, max(until_s, due_s + options.seconds))
        windows = load.answer("pace")["windows"]
        finish(server, load)
    except BaseException:
        server.kill()
        raise
    scanned = server.scanned
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


def due_by_and_by(options, folder, rate):
    seconds, patients = min(60, options.seconds), max(1, options.patients // 20)
    server, filled = filled_for(options, folder, patients, seconds, "by-and-by")
    try:
        server.start()
        load = Load(server, 10000, options.seed + 1, options=("-f", str(options.patients)))
        load.ask("open")
        load.ask(f"pace {rate} {filled['last_due_ms'] / 1000 - time.time() + 2} {WINDOW_S}")
        finish(server, load)
    except BaseException:
        server.kill()
        raise
    late, fired = server.scanned["lateness_ms"], server.scanned["timer"]["count"]
    if fired < patients:
        raise Refused(f"of {patients:,} timers that were due {fired:,} fired")
    return {"timers due in a minute": patients, "late p50, ms": late["p50"], "late p99, ms": late["p99"], "late most, ms": late["most"]}


# --- memory ----------------------------------------------------------------------------------------------------------
class Peak:
    """The most of a server's memory that was seen."""

    def __init__(self, server):
        self.server, self.private, self.mapped = server, 0, 0

    def look(self, _row=None):
        private, mapped = smaps(self.server.process.pid)
        self.private, self.mapped = max(self.private, private), max(self.mapped, mapped)
        return private

    def facts(self, idle, idle_after):
        return {"private MiB, idle": round(idle / 1024, 1), "private MiB, loaded, most": round(self.private / 1024, 1),
                "private MiB, idle after it": round(idle_after / 1024, 1), "mapped MiB (the page cache's), most": round(self.mapped / 1024)}


def memory(options, folder, results):
    """Private memory idle and loaded; bytes on disk."""
    server = one_daemon(options, folder, options.patients, seconds=options.seconds)
    peak = Peak(server)
    try:
        server.fill(options.patients, options.seed)
        server.start()
        idle = peak.look()
        load = Load(server, options.patients, options.seed)
        load.ask("assume")
        load.ask(f"sustain {options.size_in_flight} {options.seconds} 1", peak.look)
        server.await_quiet()
        seen = peak.facts(idle, peak.look())
        finish(server, load)
    except BaseException:
        server.kill()
        raise
    facts = {"patients": options.patients, **seen, **bytes_on_disk(server, options.patients)}
    print_facts("Memory and bytes", facts)
    results.add("memory", [{"name": "daemon", **facts}])


def bytes_on_disk(server, patients):
    scanned, journal, index = server.scanned, disk_bytes(server.data / "journal"), disk_bytes(server.data / "index")
    entries = scanned["event"]["count"] + scanned["timer"]["count"]
    return {"journal MiB": journal >> 20, "index MiB": index >> 20, "index bytes a patient": round(index / patients),
            "journal bytes an event, with all it carries": round(scanned["batch_bytes"] / entries),
            "the same with what LMDB and the reserve take": round(journal / entries),
            "share of events with emissions": round(scanned["with_emissions"] / entries, 3),
            **{f"{part} bytes p25/p50/p75/p99/most": "/".join(str(scanned[part + "_bytes"][p]) for p in ("p25", "p50", "p75", "p99", "most"))
               for part in ("input", "outcome", "record", "entry")}}


# --- large -----------------------------------------------------------------------------------------------------------
def large(options, folder, results):
    """Many patients beside a tenth of them, in turns; then of the many the memory and the restarts. All of it in one filling,
    because to fill and to verify takes most of the time."""
    loaded = gib_of_load(options.size_in_flight, (6 * options.rounds + 2) * options.seconds)
    check_disk(options.folder, 4 + 1.1 * options.patients / 1e6 * GIB_PER_MILLION + loaded)
    contest, idle = Contest(options, folder), 0
    try:
        for patients in (options.patients // 10, options.patients):
            program = (options.daemon or [None])[0]
            server = Daemon(f"daemon-{patients}", options.build, folder / str(patients), program, http="127.0.0.1:0")
            server.fill(patients, options.seed)
            contest.daemons.append(server)
            contest.add(server, patients).ask("assume")
        peak = Peak(server)
        idle = peak.look()
        rows = contest.turns([options.size_in_flight])
        load = contest.loads[server.name]
        load.ask(f"sustain {options.size_in_flight} {2 * options.seconds} 1", peak.look)
        server.await_quiet()
        seen = peak.facts(idle, peak.look())
        started = restarts(server, load, options)
        contest.end()
    except BaseException:
        contest.kill()
        raise
    report_large(contest, rows, {**seen, **facts_of_restarts(started), **bytes_on_disk(server, options.patients)}, results)


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
        server = one_daemon(options, folder, patients, f"daemon-{patients}", seconds=12 * options.rounds * options.seconds, http="127.0.0.1:0")
        try:
            server.fill(patients, options.seed)
            load = Load(server.start(), patients, options.seed)
            load.ask("assume")
            is_lengthened = patients == min(options.sizes, key=lambda n: abs(n - 100000))
            rows += lengths(options, server, load) if is_lengthened else growth_rows(options, server, load)
            finish(server, load)
        except BaseException:
            server.kill()
            raise
    print_table("How cost grows", rows)
    for row in rows:
        print(f"  {row['patients']:>12,} patients, journal of {row['journal_mib']:>7,} MiB, records of {row['record_bytes_p50']:>5} bytes, "
              f"syncs +{row['sync_added_ms']:g} ms: {row['server_cpu_us_per_event']:.2f} us an event")
    results.add("growth", rows)


def growth_rows(options, server, load):
    """With the disk as it is, and with slower syncs."""
    rows = []
    for delay in (0, options.added_ms):
        mib = disk_bytes(server.data / "journal") >> 20
        server.syncs.delay(delay)
        measured = [load.measure(options.size_in_flight, options.seconds) for _ in range(options.rounds)]
        server.syncs.delay(0)
        newest = server.scan(max(1, int(metrics(server)["handoff_journal_sequence"]) - NEWEST))
        rows.append(summary(server.name, measured, patients=load.patients, in_flight=options.size_in_flight, sync_added_ms=delay,
                            journal_mib=mib, record_bytes_p50=newest["record_bytes"]["p50"]))
    return rows


def lengths(options, server, load):
    """The same patients, while the journal becomes ten times as long, and their records longer."""
    rows = growth_rows(options, server, load)
    began_mib = rows[0]["journal_mib"]
    while rows[-1]["journal_mib"] < 10 * began_mib and len(rows) < 16:
        load.ask(f"sustain {options.size_in_flight} {options.seconds * options.rounds} {WINDOW_S}")
        rows += growth_rows(options, server, load)
    return rows
