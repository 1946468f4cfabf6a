"""The load generators, driven by lines, and what one measurement says."""
import json
import subprocess

import progress
from serve import ROOT, Refused, Syncs

WINDOW_S = 10


class Load:
    """build/bench/load on one server; build/bench/redis speaks the same lines."""

    def __init__(self, server, patients, seed, program="load", options=()):
        self.server, self.patients = server, patients
        command = [server.build / "bench" / program, "-e", server.endpoint, "-p", str(patients), "-s", str(seed), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, line):
        answer = self.process.stdout.readline()
        if not answer:
            raise Refused(f"the load on the {self.server.name} failed at '{line}'")
        return json.loads(answer)

    def ask(self, line, on_window=None):
        """The last answer; the windows before it are in its list. Refused when an event was parked."""
        self.say(line)
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

    def timed(self, line, on_window=None):
        """With what it cost the server."""
        server = self.server
        cpu, syncs = server.cpu_seconds(), server.syncs.read()
        row = self.ask(line, on_window)
        after = server.syncs.read()
        events = max(row["events"], 1)
        row["server_cpu_us_per_event"] = round((server.cpu_seconds() - cpu) * 1e6 / events, 2)
        row["sync_p50_ms"] = round(Syncs.median_ms(syncs, after), 3)
        row["syncs_per_event"] = round((after[0] - syncs[0]) / events, 5)
        return row

    def measure(self, in_flight, seconds):
        if seconds > 2 * WINDOW_S and self.process.args[0].name == "load":
            return self.timed(f"sustain {in_flight} {seconds} {WINDOW_S}")
        return self.timed(f"measure {in_flight} {seconds}")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


class Subscribers:
    """Workers on durable subscriptions that acknowledge whatever events cause (build/bench/deliver)."""

    def __init__(self, server, streams="task escalation status"):
        self.process = subprocess.Popen([server.build / "bench/deliver", "-e", server.endpoint], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.ask(f"busy {streams}")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Refused(f"the subscribers failed at '{line}'")
        return json.loads(answer)

    def stop(self):
        totals = self.ask("stop")
        self.ask("forget")
        self.process.stdin.close()
        self.process.wait(timeout=60)
        return totals
