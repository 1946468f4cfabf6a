"""The load generators and the workers, driven by lines, and what one measurement says."""
import json
import subprocess
import time

import progress
from serve import ROOT, Daemon, Refused, Syncs

WINDOW_S = 10
BUSY_STREAMS = "task escalation status"


class Program:
    """Answers lines on standard input with lines of JSON."""

    def __init__(self, name, server, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        server.clients.append(self.process)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, line):
        answer = self.process.stdout.readline()
        if not answer:
            raise Refused(f"{self.name} failed at '{line}'")
        return json.loads(answer)

    def ask(self, line):
        self.say(line)
        return self.hear(line)

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        if code:
            raise Refused(f"{self.name} ended with {code}")


class Workers(Program):
    """On durable subscriptions (build/bench/deliver)."""

    def __init__(self, server):
        super().__init__(f"the workers on the {server.name}", server, [server.build / "bench/deliver", "-e", server.endpoint])

    def stop(self):
        self.ask("forget")
        super().stop()


class Load(Program):
    """build/bench/load on one server; build/bench/redis speaks the same lines."""

    def __init__(self, server, patients, seed, program="load", options=()):
        self.server, self.patients = server, patients
        command = [server.build / "bench" / program, "-e", server.endpoint, "-p", str(patients), "-s", str(seed), *options]
        super().__init__(f"the load on the {server.name}", server, command)

    def ask(self, line, on_window=None):
        self.say(line)
        return self.answer(line, on_window)

    def answer(self, line, on_window=None):
        """The last of it; the windows before are in its list. Refused when an event was parked."""
        windows = []
        while (row := self.hear(line)).get("window"):
            windows.append(row)
            progress.say(f"{self.server.name}: {row['events_per_s']:,}/s, p99 {row['p99_ms']:.1f} ms, longest pause "
                         f"{row.get('stall_ms', 0):.0f} ms")
            if on_window:
                on_window(row)
        row["windows"] = windows
        if row.get("parked"):
            raise Refused(f"{row['parked']} events were parked by the {self.server.name}")
        return row

    def timed(self, line, workers=None):
        """With what it cost the server, and what the server put off is a part of that."""
        server = self.server
        cpu, syncs, writes = server.cpu_seconds(), server.syncs.read(), server.syncs.read("write")
        began_ns = time.monotonic_ns()
        row = self.ask(line)
        if workers:
            row["acknowledged_in_time"] = workers.ask("told")["acknowledged"]
        server.await_quiet()
        if workers:
            told = workers.ask("told")
            row["acknowledged"] = told["acknowledged"]
            row["seconds_until_taken"] = max(row["seconds"], (told["last_ns"] - began_ns) / 1e9)
        after, writes_after = server.syncs.read(), server.syncs.read("write")
        events = max(row["events"], 1)
        row["server_cpu_us_per_event"] = round((server.cpu_seconds() - cpu) * 1e6 / events, 2)
        row["sync_p50_ms"] = round(Syncs.median_ms(syncs, after), 3)
        row["syncs_per_event"] = round((after[0] - syncs[0] + writes_after[0] - writes[0]) / events, 5)
        if "acknowledged" in row:
            row["taken_events_per_s"] = round(row["events"] / row["seconds_until_taken"])
            row["taken_per_event"] = round(row["acknowledged"] / events, 3)
            row["taken_in_time"] = round(row["acknowledged_in_time"] / max(row["acknowledged"], 1), 3)
        return row

    def measure(self, in_flight, seconds, workers=None):
        if seconds > 2 * WINDOW_S and self.process.args[0].name == "load":
            return self.timed(f"sustain {in_flight} {seconds} {WINDOW_S}", workers)
        return self.timed(f"measure {in_flight} {seconds}", workers)

    def stop(self):
        """The daemon's journal must have all that was acknowledged."""
        if isinstance(self.server, Daemon):
            self.server.accepted += self.ask("accepted")["accepted"]
        super().stop()
