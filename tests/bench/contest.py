"""Servers side by side: each measurement in turns, round after round, with the disk as it is and with slower syncs."""
import progress
from drive import BUSY_STREAMS, Load, Workers
from figures import compare, print_table, summary
from serve import Daemon, Printing, Redis, check_disk, gib_of_load

GIB_PER_MILLION = 3.5  # patients: journal and index
FLOOR_ANEW_S = 20      # the floor writes some 100 MB/s: when it does so for longer, in a new file each time
DELAYED_S = 10         # of one measurement in the column with slower syncs


class Contest:
    """Some servers, each with its load."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.servers, self.loads, self.daemons = {}, {}, []

    def add(self, server, patients, program="load", options=()):
        self.servers[server.name] = server
        server.start()
        self.loads[server.name] = Load(server, patients, self.options.seed, program, options)
        return self.loads[server.name]

    def add_floor(self, patients):
        self.add(Printing("floor", self.options.build, self.folder / "floor", "floor"), patients).ask("assume")

    def begin_floor_anew(self):
        self.loads["floor"].ask(f"connect {self.servers['floor'].begin_anew().endpoint}")
        self.servers["floor"].await_quiet()

    def add_tables(self, patients):
        more = ("-r", str(self.options.record_bytes))
        self.open(Printing("tables", self.options.build, self.folder / "tables", "tables", more), patients)

    def add_redis(self, patients):
        more = ("-r", str(self.options.record_bytes))
        self.open(Redis("redis", self.options.build, self.folder / "redis"), patients, "redis", more)

    def open(self, server, patients, program="load", more=()):
        progress.say(f"{server.name}: opening {patients:,} patients")
        opened = self.add(server, patients, program, more).ask("open")
        server.await_quiet()
        progress.say(f"{server.name}: {opened['events']:,} events, {opened['events'] / opened['seconds']:,.0f}/s")

    def add_daemons(self, patients):
        programs = self.options.daemon or [self.options.build / "handoffd"]
        for number, program in enumerate(programs, 1):
            name = "daemon" if len(programs) == 1 else f"daemon{number}"
            server = Daemon(name, self.options.build, self.folder / name, program)
            server.fill(patients, self.options.seed)
            self.daemons.append(server)
            self.add(server, patients).ask("assume")

    def take_turn(self, name, in_flight, seconds, has_subscribers):
        server, load = self.servers[name], self.loads[name]
        if name == "floor" and seconds > FLOOR_ANEW_S:
            self.begin_floor_anew()
        if not has_subscribers or not isinstance(server, Daemon):
            return load.measure(in_flight, seconds)
        workers = Workers(server)
        workers.ask(f"busy {BUSY_STREAMS}")
        row = load.measure(in_flight, seconds, workers)
        workers.ask("stop")
        workers.stop()
        return row

    def turns(self, in_flights, has_subscribers=False, delays=None):
        """rows[(name, in_flight, delay)], one a round."""
        rows = {}
        for number in range(self.options.rounds):
            for delay in delays if delays is not None else (0, self.options.added_ms):
                for in_flight in in_flights:
                    for name, server in self.servers.items():
                        server.syncs.delay(delay)
                        seconds = min(self.options.seconds, DELAYED_S) if delay else self.options.seconds
                        row = self.take_turn(name, in_flight, seconds, has_subscribers)
                        server.syncs.delay(0)
                        rows.setdefault((name, in_flight, delay), []).append(row)
                    told = ", ".join(f"{name} {rows[name, in_flight, delay][-1]['events_per_s']:,}/s" for name in self.servers)
                    progress.say(f"round {number + 1} of {self.options.rounds}, {in_flight:,} in flight, syncs +{delay:g} ms: {told}")
        return rows

    def summaries(self, rows, patients, **facts):
        """Each daemon is compared with all that is no daemon, and with the first daemon."""
        result = []
        for (name, in_flight, delay), list_ in rows.items():
            row = summary(name, list_, patients=patients, in_flight=in_flight, sync_added_ms=delay, **facts)
            for other in self.servers:
                is_other = other != name and (not isinstance(self.servers[other], Daemon) or other == "daemon1")
                if isinstance(self.servers[name], Daemon) and is_other:
                    compare(row, list_, other, rows[other, in_flight, delay])
            result.append(row)
        return sorted(result, key=lambda row: (row["sync_added_ms"], row["in_flight"]))

    def end(self):
        """Stops all; each daemon's journal must be clean."""
        for load in self.loads.values():
            load.stop()
        for server in self.servers.values():
            server.stop()
        for daemon in self.daemons:
            daemon.verify()

    def kill(self):
        for server in self.servers.values():
            server.kill()


def hold(options, folder, patients, others, in_flights, has_subscribers=False, skew=0, delays=None):
    """One contest from beginning to end."""
    filled = patients / 1e6 * GIB_PER_MILLION
    loaded = sum(gib_of_load(in_flight, options.rounds * (options.seconds + min(options.seconds, DELAYED_S))) for in_flight in in_flights)
    check_disk(options.folder, 2 + (filled + loaded) * (len(options.daemon or [1]) + len(set(others) - {"floor"})))
    folder.mkdir(exist_ok=True)
    contest = Contest(options, folder)
    try:
        for other in others:
            getattr(contest, f"add_{other}")(patients)
        contest.add_daemons(patients)
        for load in contest.loads.values():
            if skew:
                load.ask(f"skew {skew}")
        rows = contest.turns(in_flights, has_subscribers, delays)
        contest.end()
    except BaseException:
        contest.kill()
        raise
    records = contest.daemons[0].scanned["record_bytes"]["p50"]
    return contest.summaries(rows, patients, skew=skew, has_subscribers=has_subscribers, daemon_record_bytes_p50=records)


# --- the parts ---------------------------------------------------------------------------------------------------------
def burst(options, folder, results):
    """The floor and the daemon, by what is in flight."""
    rows = hold(options, folder, options.patients, ["floor"], options.in_flight)
    print_table("Burst: the daemon beside the floor", rows)
    results.add("burst", rows)


def sizes(options, folder, results):
    """At 1,000 in flight: few patients, many, and some more often than others."""
    for patients, skew in [(n, 0) for n in options.sizes] + [(options.patients, options.skew)]:
        rows = hold(options, folder / f"{patients}-{skew}", patients, ["floor"], [options.size_in_flight], skew=skew)
        print_table(f"{patients:,} patients, " + (f"Zipf {skew}" if skew else "uniform"), rows)
        results.add("sizes", rows)


def rivals(options, folder, results):
    """What people would use instead, doing the same unit, with a consumer that acknowledges."""
    rows = hold(options, folder, options.patients, ["redis", "tables"], options.rival_in_flight, has_subscribers=True)
    print_table("The same unit of work, its outbox read and acknowledged", rows)
    results.add("rivals", rows)


def quick(options, folder, results):
    """A look at both, in minutes."""
    burst(options, folder / "burst", results)
    rivals(options, folder / "rivals", results)
