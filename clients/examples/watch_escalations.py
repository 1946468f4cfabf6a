"""Shows a supervisor each escalation as it comes: watch_escalations.py FILE

FILE keeps the place from which to go on: nothing is missed while nobody watches, and only what was shown in the very
moment of a crash is shown again.
"""

import os
import pathlib
import sys

import handoff
from handoff.v1 import common_pb2, emission_pb2

place = pathlib.Path(sys.argv[1])
after = int(place.read_text()) if place.exists() else 0
with handoff.Client(os.environ.get("HANDOFF_FRONT", handoff.DEFAULT_FRONT)) as client:
    for emission in (watch := client.watch("escalation", after=after)):
        change = handoff.word(emission_pb2.EscalationChange, emission.escalation.change)
        severity = handoff.word(common_pb2.Severity, emission.escalation.severity)
        rung = handoff.word(common_pb2.Role, emission.escalation.rung)
        print(severity, change, emission.patient_id, f"{rung} {emission.person_id}:", emission.reason, flush=True)
        beside = place.with_name(place.name + ".new")
        beside.write_text(str(watch.position))
        beside.replace(place)
