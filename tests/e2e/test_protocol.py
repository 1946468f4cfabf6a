"""PROTOCOL.md says what is: its tables are held to the schema and to the daemon."""

import re

from peer import ROOT, START_MS, event_pb2

from handoff.v1 import api_pb2, emission_pb2

TEXT = (ROOT / "proto" / "PROTOCOL.md").read_text()


def section(number):
    return re.search(rf"^## {number}\. .*?(?=^## |\Z)", TEXT, re.S | re.M).group()


def rows(text):
    """Cells of a section's tables, without their heads."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("|") and cells[0].startswith(("`", *"0123456789")):
            yield cells


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def dotted(body):
    """The event's name as people say it; the subject may have an underscore of its own."""
    for subject in ("care_team_", "care_plan_"):
        if body.startswith(subject):
            return subject[:-1] + "." + body[len(subject) :]
    return body.replace("_", ".", 1)


BODIES = [field.name for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["body"].fields]
LISTED = {name: cells for cells in rows(section(8)) for name in words(cells[0])}


def test_every_code_is_listed_with_its_number():
    listed = {words(cells[1])[0]: int(cells[0]) for cells in rows(section(3))}
    codes = {name.removeprefix("CODE_"): number for name, number in api_pb2.Code.items() if number}
    assert listed == codes


def test_every_event_is_listed():
    assert set(LISTED) == {dotted(body) for body in BODIES}


def test_every_request_is_listed():
    listed = {name for cells in rows(section(6)) for name in words(cells[0].split(" (")[0])}
    assert listed == {field.name for field in api_pb2.Request.DESCRIPTOR.oneofs_by_name["body"].fields}


def test_every_stream_is_listed():
    listed = {words(cells[0])[0] for cells in rows(section(9))}
    assert listed == {name.removeprefix("STREAM_").lower() for name, number in emission_pb2.Stream.items() if number}


def test_the_required_fields_are_the_ones_the_daemon_asks_for(client):
    """Sends each event with nothing set, and then what each refusal names, until it is accepted."""
    for body in BODIES:
        required = set(words(re.split(r"[;(:]| make ", LISTED[dotted(body)][2])[0]))
        event = event_pb2.Event(id=f"e-{body}", source="test", patient_id="mary", occurred_at_ms=START_MS)
        getattr(event, body).SetInParent()
        asked = set()
        for _ in range(10):
            result = client.publish(event)[0]
            if result.code == api_pb2.CODE_ACCEPTED:
                break
            assert result.code in (api_pb2.CODE_MISSING_FIELD, api_pb2.CODE_BAD_ID), (body, result)
            field = result.field.split(".")[-1]
            asked.add(field)
            fill(event if field in ("appointment_id", "task_id", "escalation_id", "episode_id") else getattr(event, body), field)
        assert asked == required, body


def fill(message, name):
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.label == field.LABEL_REPEATED:
        getattr(message, name).add()
    elif field.message_type:
        getattr(message, name).SetInParent()
    elif field.type == field.TYPE_STRING:
        setattr(message, name, "x1")
    else:
        setattr(message, name, START_MS if name.endswith("_at_ms") else 1)


def test_the_first_client_is_whole(daemon, capsys):
    snippet = re.search(r"```python\n(.*?)```", TEXT, re.S).group(1)
    exec(snippet.replace("tcp://127.0.0.1:7447", daemon.endpoints["front"]), {})  # noqa: S102
    assert "CODE_ACCEPTED" in capsys.readouterr().out


def test_every_statistic_is_listed(client):
    cells = next(cells for cells in rows(section(6)) if "statistics" in cells[0])
    assert set(client.statistics()) == set(words(cells[1]))
