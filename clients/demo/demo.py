#!/usr/bin/python3
"""Shows handoffd at work: three cases, months of them, in seconds.

Starts the real daemon on a temporary folder with a manual clock, drives it with the real client (build/handoff) over
ZeroMQ from the scenario files, and prints what happened and why. Stops what it started.

    /usr/bin/python3 clients/demo/demo.py [--keep FOLDER] [SCENARIO...]      from the project's folder, after `make`

With --keep the daemons' data stays, in FOLDER/mary and so on; without, it is removed.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import textwrap
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import yaml

BUILD = os.environ.get("BUILD", "build")
ZONE = ZoneInfo("America/New_York")
CASES = ["mary", "david", "sarah"]


class TextLoader(yaml.SafeLoader):
    """Every scalar stays the text that it is in the file: the client reads dates and numbers itself."""


TextLoader.yaml_implicit_resolvers = {}


def local(ms):
    return datetime.fromtimestamp(int(ms) / 1000, ZONE).strftime("%a %Y-%m-%d %H:%M")


def word(enum, prefix):
    return enum[len(prefix):].lower().replace("_", "-")


class Daemon:
    def __init__(self, start, keep=None):
        self.folder = tempfile.mkdtemp(prefix="handoff-demo-")
        self.data = os.path.abspath(keep) if keep else os.path.join(self.folder, "data")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        begin = datetime.strptime(start, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE).astimezone(ZoneInfo("UTC"))
        self.process = subprocess.Popen(
            [BUILD + "/handoffd", "run", "--config", "tests/site.yaml", "--pathways", "daemon/pathways", "--data", self.data,
             "--clock", "manual", "--clock-start", begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
             "--front", "tcp://127.0.0.1:*", "--stream", "tcp://127.0.0.1:*", "--http", ""], stderr=self.log)
        self.env = dict(os.environ, HANDOFF_FRONT=self.wait_for_front())

    def wait_for_front(self):
        path, until = self.data + "/endpoints", time.monotonic() + 10
        while time.monotonic() < until and self.process.poll() is None:
            if os.path.exists(path):
                for line in open(path):
                    if line.startswith("front=") and line.endswith("\n"):
                        return line.strip()[len("front="):]
            time.sleep(0.01)
        self.log.seek(0)
        raise SystemExit("the daemon did not start:\n" + self.log.read())

    def handoff(self, *arguments):
        done = subprocess.run([BUILD + "/handoff", "--time-zone", str(ZONE), *arguments], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise SystemExit(f"handoff {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)
        self.log.close()
        shutil.rmtree(self.folder)


def flags_of(fields):
    for name, value in fields.items():
        flag = "--" + name.replace("_", "-")
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                item = ",".join(f"{k}={v}" for k, v in item.items())
            yield f"{flag}={item}"


class Case:
    def __init__(self, daemon, scenario):
        self.daemon, self.scenario, self.patient, self.seen = daemon, scenario, scenario["patient"], 0

    def named(self, reference, rows, kind_of):
        wanted, _, subject = reference.partition("@")
        for row in reversed(rows):
            if kind_of(row) == wanted and subject in ("", row.get("subject", {}).get("id", "")):
                return row
        raise SystemExit(f"{self.patient}: nothing open is called {reference}")

    def publish(self, step):
        arguments = ["publish", step["event"], "--patient", self.patient, *flags_of(step.get("with") or {})]
        for key in ("referral", "appointment"):
            if key in step:
                arguments += ["--" + key, step[key]]
        if "occurred" in step:
            arguments += ["--occurred-at", step["occurred"]]
        if "task" in step or "escalation" in step:
            view = json.loads(self.daemon.handoff("patient", "show", self.patient, "--json"))
            if "task" in step:
                row = self.named(step["task"], view["tasks"], lambda t: word(t["kind"], "TASK_KIND_"))
                arguments += ["--task", row["taskId"]]
            else:
                row = self.named(step["escalation"], view["escalations"], lambda e: word(e["rung"], "ROLE_"))
                arguments += ["--escalation", row["escalationId"]]
        self.daemon.handoff(*arguments)

    def show_new(self):
        try:
            entries = json.loads(self.daemon.handoff("patient", "timeline", self.patient, "--json"))["entries"]
        except SystemExit:
            return # nothing has been heard of the patient yet
        for entry in sorted(entries, key=lambda e: int(e["sequence"])):
            if int(entry["sequence"]) > self.seen:
                show_entry(entry)
                self.seen = int(entry["sequence"])

    def run(self):
        print(f"\n=== {self.scenario['scenario']}: {self.scenario['about'].strip()}")
        for step in self.scenario["steps"]:
            print(f"\n{datetime.strptime(step['at'], '%Y-%m-%d %H:%M').strftime('%a %Y-%m-%d %H:%M')}  {step['say']}")
            self.daemon.handoff("clock", "advance-to", step["at"])
            if "event" in step:
                self.publish(step)
            self.show_new()


def line(kind, text, why=""):
    print(f"    {kind:<11} {text}")
    if why:
        print(textwrap.fill("because: " + why, width=110, initial_indent=" " * 18, subsequent_indent=" " * 27))


def show_entry(entry):
    kind = "event" if entry.get("event") else "due"
    line(kind, f"{local(entry['atMs'])}  {entry['input']}" + (f"  ({entry['sentence']})" if entry.get("sentence") else ""))
    for step in entry.get("steps", []):
        if step.get("fromState") != step.get("toState"):
            name = step["pathway"] + (f" {step['machine']}" if step.get("machine") else "")
            line("  state", f"{name}: {step.get('fromState', '')} -> {step.get('toState', '')}", step.get("rule", ""))
    for emission in entry.get("emissions", []):
        show_emission(emission)


def show_emission(e):
    why = e.get("reason", "")
    if "task" in e:
        t = e["task"]
        change = word(t["change"], "TASK_CHANGE_")
        about = f" about {t['subject']['id']}" if t.get("subject", {}).get("id") else ""
        due = f", due {local(t['dueAtMs'])}" if change in ("opened", "joined", "attempted") else ""
        line("  task", f"{word(t['kind'], 'TASK_KIND_')}{about} {change}, for {e.get('personId', '?')}{due}", why if change == "opened" else "")
    elif "escalation" in e:
        x = e["escalation"]
        line("  ESCALATION", f"{word(x['change'], 'ESCALATION_CHANGE_')}: {word(x['rung'], 'ROLE_')} ({e.get('personId', '?')})",
             why if "RESOLVED" not in x["change"] and "ACKNOWLEDGED" not in x["change"] else "")
    elif "status" in e:
        s = e["status"]
        ground = f"consent {s['consentId']}" if s.get("consentId") else "inside the program"
        line("  disclosure", f"{word(s['kind'], 'STATUS_KIND_')} to {s['recipient'].get('id', '')} ({ground})", why)
    elif "reminder" in e:
        line("  reminder", f"to the family: the visit on {local(e['reminder']['startsAtMs'])}")
    elif "audit" in e:
        a = e["audit"]
        line("  audit", f"{word(a['kind'], 'AUDIT_KIND_')} {a.get('recipient', {}).get('id', '')}".rstrip(), a.get("text", ""))


def make_folder(path):
    try:
        os.makedirs(path, mode=0o700)
    except FileExistsError:
        raise SystemExit(f"{path} is there already: give --keep a new folder")


def main():
    parser = argparse.ArgumentParser(description="Shows cases on the real daemon, weeks of them in seconds.")
    parser.add_argument("--keep", metavar="FOLDER", help="a new folder for the daemons' data, which stays")
    parser.add_argument("scenarios", metavar="SCENARIO", nargs="*", default=[f"tests/scenarios/{case}.yaml" for case in CASES])
    arguments = parser.parse_args()
    if arguments.keep:
        make_folder(arguments.keep)
    daemons = 0
    for path in arguments.scenarios:
        scenario = yaml.load(open(path), TextLoader)
        name = os.path.splitext(os.path.basename(path))[0]
        daemon = Daemon(scenario["start"], os.path.join(arguments.keep, name) if arguments.keep else None)
        try:
            Case(daemon, scenario).run()
            daemons += 1
        finally:
            daemon.stop()
    print(f"\n{daemons} cases shown, each on its own daemon with a manual clock; nothing is left running.")
    if arguments.keep:
        print(f"Their data: {arguments.keep}")


if __name__ == "__main__":
    main()
