"""What is open, by due time; and that one is done: work_list.py, or work_list.py PATIENT TASK PERSON"""

import os
import sys
from datetime import datetime

import handoff
from handoff.v1 import common_pb2, event_pb2


def show(client: handoff.Client) -> None:
    for task in sorted(client.tasks(), key=lambda task: task.due_at_ms):
        kind = handoff.word(common_pb2.TaskKind, task.kind)
        due = datetime.fromtimestamp(task.due_at_ms / 1000).strftime("%a %Y-%m-%d %H:%M")
        print(f"{due}{' overdue' if task.is_overdue else ''}", task.patient_id, task.task_id, kind, task.person_id)
        print("   ", task.reason)


def complete(client: handoff.Client, patient_id: str, task_id: str, person_id: str) -> None:
    done = event_pb2.TaskCompleted(by=person_id, outcome=event_pb2.TASK_OUTCOME_DONE)
    event = handoff.event(patient_id, source="work-list", task_id=task_id, task_completed=done)
    print(client.publish(event)[0].check())


with handoff.Client(os.environ.get("HANDOFF_FRONT", handoff.DEFAULT_FRONT)) as client:
    if len(sys.argv) == 4:
        complete(client, *sys.argv[1:])
    else:
        show(client)
