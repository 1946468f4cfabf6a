"""handoff-notify as a test runs it: on a folder of its own, with the test's servers as its world."""

import os
import pathlib
import select
import signal
import subprocess
import sys

import yaml

from peer import BOUND_S, BUILD, ROOT

PROGRAM = BUILD / "handoff-notify"


class Notifier:
    def __init__(self, folder, front, mail=None, web=None, secret=None, **options):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "handoff-notify.yaml"
        self.ledger = self.folder / "ledger.sqlite"
        self.process = None
        self.log = b""
        site = {"site": "main", "name": "Care Coordination", "number": "555-0100", "time_zone": "America/New_York"}
        self.values = {
            "front": front,
            "ledger": str(self.ledger),
            "lease_s": 6,
            "gather_ms": 300,
            "templates": {"folder": str(ROOT / "workers" / "notify" / "templates")},
            "sites": [{**site, "from": "care@example.org"}],
        }
        if mail is not None:
            self.values["smtp"] = {"url": mail.url, "starttls": "off"}
        if web is not None:
            (self.folder / "secret").write_text(secret + "\n")
            self.values["webhook"] = {"secret_files": [str(self.folder / "secret")]}
        self.values.update(options)

    def write(self):
        self.config.write_text(yaml.safe_dump(self.values, sort_keys=False))

    def command(self, name):
        self.write()
        return [str(PROGRAM), name, "--config", str(self.config)]

    def start(self):
        self.process = subprocess.Popen(self.command("run"), stderr=subprocess.PIPE)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.await_line("ready:")
        return self

    def await_line(self, part):
        while part.encode() not in self.log:
            assert select.select([self.process.stderr], [], [], BOUND_S)[0], f"no {part!r} in {self.log.decode()}"
            chunk = self.process.stderr.read()
            assert chunk, f"it ended: {self.log.decode()}"
            self.log += chunk

    def kill(self):
        """As a power cut."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.end()

    def stop(self):
        """SIGTERM; its exit code."""
        os.kill(self.process.pid, signal.SIGTERM)
        return self.end()

    def end(self):
        os.set_blocking(self.process.stderr.fileno(), True)
        rest = self.process.stderr.read()
        self.log += rest or b""
        code = self.process.wait(BOUND_S)
        self.process.stderr.close()
        self.process = None
        return code

    def close(self):
        if self.process is not None:
            self.kill()
        sys.stdout.write(self.log.decode())
