"""Keeps every task that is opened in a table, for a report: subscriber.py FILE

Messages come at least once, so the table knows them by the emission's id: one that comes again changes nothing. Several
of these may run under the one name, also on other machines; each message goes to one of them.
"""

import os
import signal
import sqlite3
import sys

import handoff
from handoff.v1 import common_pb2, emission_pb2

table = sqlite3.connect(sys.argv[1])
table.execute("CREATE TABLE IF NOT EXISTS opened (id TEXT PRIMARY KEY, at_ms INTEGER, patient TEXT, kind TEXT)")


def keep(emission: emission_pb2.Emission) -> None:
    kind = handoff.word(common_pb2.TaskKind, emission.task.kind)
    with table:
        row = (emission.id, emission.at_ms, emission.patient_id, kind)
        table.execute("INSERT OR IGNORE INTO opened VALUES (?, ?, ?, ?)", row)


signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what it holds goes back at once
with handoff.Client(os.environ.get("HANDOFF_FRONT", handoff.DEFAULT_FRONT)) as client:
    with client.subscribe("report", "task", start="beginning") as subscription:
        for delivery in subscription:
            try:
                if delivery.emission.task.change == emission_pb2.TASK_CHANGE_OPENED:
                    keep(delivery.emission)
                delivery.ack()
                print(delivery.emission.id, flush=True)
            except sqlite3.OperationalError:  # the disk is full, the file is locked: it comes again later
                delivery.nack(reason="the table could not be written")
