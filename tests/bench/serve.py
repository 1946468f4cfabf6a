"""The servers that are measured: started with their syncs counted, asked what they cost, stopped by their own process.

Each server runs with build/bench/sync.so preloaded, which times each sync and can make it slower; see preload/sync.c.
Whatever is not as it should be raises Refused, and then nothing is reported.
"""
import mmap
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import progress

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
GIB = 1 << 30
QUIET_S, QUIET_TRIALS = 0.2, 600
EVENT_BYTES = 1000           # in the journal, with all it carries, after some referrals
MOST_EVENTS_PER_S = 140000   # of a daemon
EVENTS_PER_S_IN_FLIGHT = 1000


class Refused(Exception):
    """No figure can be reported; the sentence says why."""


# --- syncs -----------------------------------------------------------------------------------------------------------
class Syncs:
    """What preload/sync.c shares: a delay, and for each kind a count, a sum and a histogram."""

    PARTS_BITS = 7
    BUCKETS = 64 << PARTS_BITS
    KINDS = ("served", "write", "index")

    def __init__(self, path):
        self.path = path
        words = 1 + len(self.KINDS) * (2 + self.BUCKETS)
        path.write_bytes(bytes(8 * words))
        with open(path, "r+b") as file:
            self.words = mmap.mmap(file.fileno(), 8 * words)

    def delay(self, added_ms):
        struct.pack_into("<Q", self.words, 0, int(added_ms * 1e6))

    def read(self, kind="served"):
        return struct.unpack_from(f"<{2 + self.BUCKETS}Q", self.words, 8 * (1 + self.KINDS.index(kind) * (2 + self.BUCKETS)))

    @classmethod
    def milliseconds(cls, bucket):
        parts = 1 << cls.PARTS_BITS
        if bucket < parts:
            return bucket / 1e6
        return ((parts + bucket % parts) << (bucket // parts - 1)) / 1e6

    @classmethod
    def median_ms(cls, before, after):
        counts = [b - a for a, b in zip(before[2:], after[2:])]
        wanted, passed = sum(counts) / 2, 0
        for bucket, count in enumerate(counts):
            passed += count
            if count and passed >= wanted:
                return cls.milliseconds(bucket)
        return 0.0


# --- memory ----------------------------------------------------------------------------------------------------------
def keep_mapped(path):
    """The end of a file, in the page cache and mapped, so that a machine that takes back what no process maps leaves it
    there: a daemon that has run for days would have it mapped."""
    pages = (os.sysconf("SC_AVPHYS_PAGES") // 2) * mmap.PAGESIZE
    size = path.stat().st_size
    offset = max(0, size - pages) // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), size - offset, mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ, offset=offset)


# --- a process -------------------------------------------------------------------------------------------------------
def smaps(pid):
    """(private KiB, mapped KiB): files that are shared in memory (journal and index) are mapped, all else is private."""
    private = mapped = 0
    is_shared = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            is_shared = words[1].endswith("s")
        elif words[0] == "Rss:" and is_shared:
            mapped += int(words[1])
        elif words[0] in ("Private_Clean:", "Private_Dirty:") and not is_shared:
            private += int(words[1])
    return private, mapped


class Server:
    """A process that serves an endpoint, in a folder of its own."""

    def __init__(self, name, build, folder):
        self.name, self.build, self.folder = name, build, folder
        folder.mkdir(exist_ok=True)
        self.syncs = Syncs(folder / "syncs")
        self.process, self.endpoint = None, None
        self.clients = []  # processes that are of no use without it

    def environment(self):
        return dict(os.environ, LD_PRELOAD=str(self.build / "bench/sync.so"), BENCH_SYNC=str(self.syncs.path))

    def spawn(self, command, **more):
        self.process = subprocess.Popen(command, env=self.environment(), **more)

    def await_quiet(self):
        """Until it has done what it put off, so that the next measurement is another's alone."""
        for _ in range(QUIET_TRIALS):
            before = self.cpu_seconds()
            time.sleep(QUIET_S)
            if self.cpu_seconds() - before <= QUIET_S / 20:
                return
        raise Refused(f"the {self.name} is still busy {QUIET_S * QUIET_TRIALS:.0f} s after the load has ended")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self, expected=(0,)):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=300)
        self.process = None
        if code not in expected:
            raise Refused(f"the {self.name} ended with {code}")

    def kill(self):
        for client in self.clients:
            client.kill()
        self.crash()

    def crash(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None


class Printing(Server):
    """A server that prints its endpoint: floor, tables."""

    def __init__(self, name, build, folder, program, options=()):
        super().__init__(name, build, folder)
        self.command = [build / "bench" / program, *options]

    def start(self):
        data = self.folder / "data"
        data.mkdir()
        self.spawn([*self.command, data], stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().strip("\0\n")
        if not self.endpoint:
            raise Refused(f"the {self.name} does not start")
        return self

    def begin_anew(self):
        """An empty folder again, for what would fill the disk."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        return self.start()


class Redis(Server):
    """Redis with its log synced before each answer. No snapshots and no rewriting of the log: that is in its favour."""

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.endpoint = str(free.getsockname()[1])
        program = shutil.which("redis-server") or shutil.which("redis-check-rdb")  # the same program by another name
        if not program:
            raise Refused("there is no Redis: install redis-tools")
        self.spawn(["redis-server", "--port", self.endpoint, "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                    "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0",
                    "--daemonize", "no"], executable=program, stdout=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self.endpoint))) == 0:
                    return self
            time.sleep(0.05)
        raise Refused("Redis does not start")


class Daemon(Server):
    """handoffd run."""

    def __init__(self, name, build, folder, program=None, site=ROOT / "tests/site.yaml", http=""):
        super().__init__(name, build, folder)
        self.program, self.site, self.http = program or build / "handoffd", site, http
        self.data, self.metrics_url, self.mapped = folder / "data", None, []
        self.filled = self.accepted = 0
        self.scanned = None

    def start(self):
        command = [self.program, "run", "--config", self.site, "--data", self.data, "--pathways", ROOT / "daemon/pathways",
                   "--clock", "system", "--front", "tcp://127.0.0.1:*", "--stream", "tcp://127.0.0.1:*", "--http", self.http]
        (self.data / "endpoints").unlink(missing_ok=True)
        self.began = time.monotonic()
        with open(self.build / f"bench/{self.name}.log", "a", encoding="utf-8") as log:
            self.spawn(command, stderr=log)
        for _ in range(60000):
            if (self.data / "endpoints").exists():
                break
            if self.process.poll() is not None:
                raise Refused(f"the {self.name} does not start: see build/bench/{self.name}.log")
            time.sleep(0.005)
        lines = dict(line.split("=", 1) for line in (self.data / "endpoints").read_text(encoding="utf-8").splitlines())
        self.endpoint, self.metrics_url = lines["front"], f"http://{lines['http']}/metrics"
        return self

    def fill(self, patients, seed, *more):
        """Made by the engine itself; the load then only assumes it."""
        command = [self.build / "bench/fill", "-d", self.data, "-p", str(patients), "-s", str(seed), "-c", self.site, *more]
        filled = progress.run_json(f"{self.name}: filling with {patients:,} patients", command, Refused, tells=False)
        self.mapped = [keep_mapped(self.data / part / "data.mdb") for part in ("journal", "index")]
        self.filled += filled["events"]
        return filled

    def verify(self):
        """Each entry is decided again to the same bytes, and none is missing that was acknowledged."""
        command = [self.program, "verify", self.data]
        began = time.monotonic()
        code, text = progress.run(f"{self.name}: handoffd verify", command)
        if code != 0:
            raise Refused(f"handoffd verify is not clean:\n{text}")
        progress.say(f"{self.name}: verify is clean ({time.monotonic() - began:.0f} s). {text.strip()}")
        self.scanned = self.scan()
        found, wanted = self.scanned["event"]["count"], self.filled + self.accepted
        if found < wanted:
            raise Refused(f"{wanted:,} events were acknowledged by the {self.name}, and its journal has {found:,}")

    def scan(self, first=1):
        return progress.run_json(f"{self.name}: reading the journal", [self.build / "bench/scan", self.data, str(first)], Refused)


# --- signals ----------------------------------------------------------------------------------------------------------
def end_when_told():
    """As by an exception: servers and folders are cleared away."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))


# --- the disk --------------------------------------------------------------------------------------------------------
def check_disk(folder, needed_gib):
    kind = subprocess.run(["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True, check=True)
    if kind.stdout.strip() in ("tmpfs", "ramfs"):
        raise Refused(f"{folder} is in memory: a sync there costs nothing, so the figures would say nothing")
    free = shutil.disk_usage(folder).free / GIB
    if free < needed_gib:
        raise Refused(f"{folder} has {free:.0f} GiB free and this needs {needed_gib:.0f}: give another --folder, or less")


def gib_of_load(in_flight, seconds):
    """What a daemon writes meanwhile, at most."""
    return min(MOST_EVENTS_PER_S, EVENTS_PER_S_IN_FLIGHT * in_flight) * seconds * EVENT_BYTES / GIB


def disk_bytes(path):
    return sum(file.stat().st_blocks * 512 for file in path.rglob("*") if file.is_file())
