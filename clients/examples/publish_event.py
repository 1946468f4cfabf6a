"""Says that Mary's mother left a message with intake: publish_event.py CALL TIME

CALL is the phone system's own id of the call, TIME when it was, such as 2026-03-05T16:40:00-05:00. As both stay what
they are the event can be published again, after a crash too, and counts once.
"""

import os
import sys
from datetime import datetime

import handoff
from handoff.v1 import common_pb2, event_pb2

voicemail = handoff.event(
    "mary",
    source="phone-system",
    id=sys.argv[1],
    occurred_at=datetime.fromisoformat(sys.argv[2]),
    contact_attempted=event_pb2.ContactAttempted(
        caller=common_pb2.PARTY_GUARDIAN,
        callee=common_pb2.PARTY_AGENCY,
        purpose=event_pb2.CONTACT_PURPOSE_INTAKE,
        outcome=event_pb2.CONTACT_OUTCOME_VOICEMAIL,
    ),
)
with handoff.Client(os.environ.get("HANDOFF_FRONT", handoff.DEFAULT_FRONT)) as client:
    (result,) = client.publish(voicemail)
    print(result.check())  # an event that was refused is a result; check() makes an exception of it
