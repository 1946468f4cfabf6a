#!/usr/bin/python3
"""Writes events.tsv: one message a line, as base64 of its bytes, a tab, and json_format's JSON of it.

Run from the root of the source tree after `make python`:
    PYTHONPATH=build/python /usr/bin/python3 clients/tests/golden/generate.py > clients/tests/golden/events.tsv
"""
import base64
import json
import random

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as F
from handoff.v1 import api_pb2, event_pb2, record_pb2

draw = random.Random(20260305)
TEXTS = ["mary", "oak-street", "", "caf\u00e9 \u2615", 'she said "no"\n\tthen yes', "back\\slash / \u0001", "\U0001f600"]


def scalar(field):
    return {
        F.TYPE_STRING: lambda: draw.choice(TEXTS),
        F.TYPE_BYTES: lambda: bytes(draw.randrange(256) for _ in range(draw.randrange(6))),
        F.TYPE_BOOL: lambda: draw.random() < 0.5,
        F.TYPE_ENUM: lambda: draw.choice([v.number for v in field.enum_type.values] + [4242]),
        F.TYPE_UINT32: lambda: draw.choice([0, 7, 20260228, 2**32 - 1]),
        F.TYPE_INT64: lambda: draw.choice([0, 1772746800000, -1, 2**63 - 1, -(2**63)]),
        F.TYPE_UINT64: lambda: draw.choice([0, 5, 2**64 - 1]),
        F.TYPE_FIXED64: lambda: draw.choice([0, 5, 2**64 - 1]),
        F.TYPE_SINT32: lambda: draw.choice([0, -18000, 2**31 - 1]),
    }[field.type]()


def fill(message, body=None):
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof and field.name != body:
            continue
        if field.label == F.LABEL_REPEATED:
            for _ in range(draw.randrange(3)):
                if field.type == F.TYPE_MESSAGE:
                    fill(getattr(message, field.name).add())
                else:
                    getattr(message, field.name).append(scalar(field))
        elif field.type == F.TYPE_MESSAGE:
            if field.containing_oneof or draw.random() < 0.7:
                getattr(message, field.name).SetInParent()
                fill(getattr(message, field.name))
        else:
            setattr(message, field.name, scalar(field))
    return message


def line(message):
    text = json.dumps(json_format.MessageToDict(message))
    print(message.DESCRIPTOR.name, base64.b64encode(message.SerializeToString()).decode(), text, sep="\t")


for event_body in event_pb2.Event.DESCRIPTOR.oneofs_by_name["body"].fields:
    for _ in range(2):
        line(fill(event_pb2.Event(), event_body.name))
for _ in range(3):
    line(fill(api_pb2.PatientReply()))
    line(fill(api_pb2.TasksReply()))
    line(fill(record_pb2.PatientRecord()))
