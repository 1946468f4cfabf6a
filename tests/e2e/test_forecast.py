"""`handoffd forecast`: what the daemon itself will do if nobody acts, and what is left of it if people do as usual."""

import collections
import datetime
import json
import subprocess
import zoneinfo

import pytest
from peer import BOUND_S, BUILD, DAY_MS, HOUR_MS, START_MS, event, referral, registered, voicemail
from handoff.v1 import common_pb2, emission_pb2, event_pb2

ZONE = zoneinfo.ZoneInfo("America/New_York")
COLUMNS = ["asked", "due", "done", "open", "overdue", "escalations", "again"]


def command(*arguments):
    return subprocess.run(
        [BUILD / "handoffd", "forecast", *map(str, arguments)], capture_output=True, text=True, timeout=BOUND_S
    )


def forecast(folder, days, *arguments):
    done = command(folder, "--days", days, "--json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def by_day_and_role(result, column):
    return {(row["day"], row["role"]): row[column] for row in result["rows"] if row[column]}


def day_of(at_ms):
    return datetime.datetime.fromtimestamp(at_ms / 1000, ZONE).strftime("%Y-%m-%d")


def role(value):
    return common_pb2.Role.Name(value).removeprefix("ROLE_").lower().replace("_", "-")


def call_for(client, patient_id):
    """What a parent's voicemail asks for two working days later."""
    client.accept(
        registered(patient_id, at_ms=client.now_ms()),
        referral(patient_id, at_ms=client.now_ms()),
        voicemail(patient_id, at_ms=client.now_ms()),
    )


def answer(client, patient_id, kind):
    (task,) = [t for t in client.patient(patient_id).tasks if t.kind == kind]
    done = event_pb2.TaskCompleted(outcome=event_pb2.TASK_OUTCOME_REACHED, by="coordinator-1")
    client.accept(event(patient_id, at_ms=client.now_ms(), task_id=task.task_id, task_completed=done))


def told_by_daemon(client, after):
    """By column: how often, by day and role."""
    told = collections.defaultdict(collections.Counter)
    change = emission_pb2.EscalationChange
    for e in client.all_emissions(emission_pb2.STREAM_TASK, after):
        if e.task.change == emission_pb2.TASK_CHANGE_OPENED:
            told["asked"][day_of(e.at_ms), role(e.task.owner)] += 1
    for e in client.all_emissions(emission_pb2.STREAM_ESCALATION, after):
        is_again = e.escalation.change == change.ESCALATION_CHANGE_REPEATED
        told["again" if is_again else "escalations"][day_of(e.at_ms), role(e.escalation.rung)] += 1
    return told


def test_if_nobody_acts_the_daemon_does_what_was_forecast(daemon, client):
    patients = [f"patient-{i}" for i in range(5)]
    for patient_id in patients:
        call_for(client, patient_id)
        client.advance(7 * HOUR_MS)
    result = forecast(daemon.data, 9, "--nobody")
    assert (result["patients"], result["patientsWithWork"], result["isNobody"]) == (5, 5, True)

    client.advance(result["untilMs"] - client.now_ms() - 1)
    told = told_by_daemon(client, result["lastSequence"])
    assert told["asked"] and told["escalations"] and told["again"]
    for column in ("asked", "escalations", "again"):
        assert by_day_and_role(result, column) == told[column], column
    last_day = day_of(result["untilMs"] - 1)
    tasks = [t for patient_id in patients for t in client.patient(patient_id).tasks]
    assert by_day_and_role(result, "open")[last_day, "coordinator"] == len(tasks)
    assert by_day_and_role(result, "overdue")[last_day, "coordinator"] == sum(t.is_overdue for t in tasks)
    assert by_day_and_role(result, "done") == {}


def test_people_do_as_much_and_as_late_as_usual(daemon, client):
    for patient_id in ("a", "b", "c"):
        call_for(client, patient_id)  # Monday at 08:00
    client.advance(2 * DAY_MS + 2 * HOUR_MS)  # Wednesday at 10:00
    for patient_id in ("a", "b", "c"):
        answer(client, patient_id, common_pb2.TASK_KIND_CALL_FAMILY)
    call_for(client, "d")
    client.advance(30 * HOUR_MS)  # Thursday at 16:00
    result = forecast(daemon.data, 3)

    (calls,) = [u for u in result["usual"] if u["task"] == "call-family"]
    assert (calls["asked"], calls["completed"], calls["perMille"]) == (3, 3, 1000)
    assert (calls["outcome"], calls["medianMs"], calls["medianOpenMs"]) == ("reached", 2 * HOUR_MS, 2 * HOUR_MS)
    friday = day_of(START_MS + 4 * DAY_MS)
    assert by_day_and_role(result, "asked")[friday, "coordinator"] == 2  # the family and the agency, for d
    assert by_day_and_role(result, "done") == {(friday, "coordinator"): 1}  # nobody has ever called the agency
    assert by_day_and_role(forecast(daemon.data, 3, "--nobody"), "done") == {}


def test_a_forecast_is_the_same_each_time_and_changes_nothing(daemon, client):
    for i in range(3):
        call_for(client, f"patient-{i}")
        client.advance(5 * HOUR_MS)
    last = client.info().last_sequence
    assert forecast(daemon.data, 30) == forecast(daemon.data, 30)
    assert client.info().last_sequence == last
    done = command("--days", 2, daemon.data)
    assert done.returncode == 0 and "What is usual here:" in done.stdout and "it is not disturbed" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--days", "2"], ["x", "--days", "0"], ["x", "--days", "367"], ["x", "y"]])
def test_a_command_line_that_is_not_understood_shows_the_usage(arguments):
    done = command(*arguments)
    assert done.returncode == 2 and done.stderr.startswith("usage: handoffd forecast")


def test_a_folder_without_a_journal_is_named(tmp_path):
    done = command(tmp_path / "none")
    assert done.returncode == 1 and "there is none" in done.stderr
    assert not (tmp_path / "none").exists()
