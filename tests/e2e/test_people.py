"""The people behind tasks and escalations, against a real daemon: on-call, absences, lists of many, silent sources."""

import subprocess

import pytest
from peer import BOUND_S, DAY_MS, HOUR_MS, START_MS, event, flag, referral, registered, until, voicemail
from test_handoff import ask, handoff, refusal

from handoff.v1 import api_pb2, common_pb2, emission_pb2, event_pb2

COORDINATOR = common_pb2.ROLE_COORDINATOR
ADVOCACY = """
pathway: advocacy
subject: patient
max_silence: 40d
timers: {rung: {fires: [{wait: 1bd, do: [{task: request-continuation}]}]}}
opens:
  - on: agency.delisted
    target: open
    do: [{task: speak-with-agency}]
initial: open
states:
  open:
    after: [rung]
    on: {episode.closed: {target: closed}}
  closed: {final: true}
"""
SECOND = "      - {id: coordinator-2, roles: [coordinator], supervisor: supervisor-1, channels: {email: c2@example.org}}\n"
SOURCES = "    sources: [{name: adt, silence: 24h, feeds: [referral]}]\n"


def site_event(**body):
    return event("", **body)


def delisted(agency):
    return site_event(agency_delisted=event_pb2.AgencyDelisted(agency_id=agency, effective_at_ms=START_MS + 30 * DAY_MS))


def assigned(patient, person):
    return event(patient, staff_assigned=event_pb2.StaffAssigned(role=common_pb2.ROLE_COORDINATOR, person_id=person))


def absent(person, delegate, from_ms, to_ms):
    return site_event(
        staff_absent=event_pb2.StaffAbsent(
            person_id=person, delegate_id=delegate, from_at_ms=from_ms, to_at_ms=to_ms
        )
    )


def work_for(client, patients):
    """Nobody calls back: each has a call to make."""
    client.accept(*(referral(p) for p in patients), *(voicemail(p) for p in patients))
    client.advance(3 * DAY_MS)


def at_agency(patient, agency):
    e = referral(patient)
    e.referral_requested.agency_id = agency
    return e


def everything(client, name):
    """All rows of a listing."""
    found, after, as_of = [], b"", 0
    while True:
        kind = {"tasks": api_pb2.TasksRequest, "escalations": api_pb2.EscalationsRequest}[name]
        page = client.ask(**{name: kind(limit=1000, after=after, as_of=as_of)})
        found += getattr(page, name)
        after, as_of = page.next, page.as_of
        if not after:
            return found


def tasks_of_kind(client, kind):
    return [t for t in everything(client, "tasks") if t.kind == kind]


@pytest.fixture
def two_coordinators(stopped):
    text = stopped.config.read_text()
    at = text.index("      - {id: supervisor-1")
    stopped.config.write_text(text[:at] + SECOND + text[at:] + SOURCES)
    return stopped


# --- on-call ---------------------------------------------------------------------------------------------------------
def test_a_site_without_on_call_does_not_start_and_says_why(stopped):
    text = stopped.config.read_text()
    stopped.config.write_text("".join(line for line in text.splitlines(True) if "on-call" not in line))
    stopped.launch()
    lines = stopped.drain_log()
    assert any("no on-call configured for site main" in line for line in lines), lines
    assert stopped.process.wait(BOUND_S) != 0


# --- the agency closes -----------------------------------------------------------------------------------------------
def closing(stopped, kill):
    (stopped.pathways / "advocacy.yaml").write_text(ADVOCACY)
    stopped.config.write_text(stopped.config.read_text() + "\nlimits: {batch_events: 8}\n")
    daemon = stopped.start()
    client = daemon.client()
    patients = [f"p{i:03}" for i in range(100)]
    for i in range(0, 100, 20):
        client.accept(*(at_agency(p, "riverside" if int(p[1:]) < 80 else "hillside") for p in patients[i : i + 20]))
    client.accept(flag("p042"))
    client.accept(delisted("riverside"))
    if kill:
        daemon.kill()
        daemon.start()
        client = daemon.client()

    def storm():
        return [e for e in everything(client, "escalations") if e.patient_id == "main"]

    (escalation,) = until(storm)
    found = client.ask(list=api_pb2.ListRequest(id=escalation.escalation_id))
    assert found.total == len(found.lines) == 80
    assert found.lines[0].patient_id == "p042" and found.lines[0].is_flagged
    assert [line.patient_id for line in found.lines[1:]] == [p for p in patients[:80] if p != "p042"]
    assert escalation.rung == common_pb2.ROLE_SUPERVISOR and escalation.severity == common_pb2.SEVERITY_URGENT
    asked = [t.patient_id for t in tasks_of_kind(client, common_pb2.TASK_KIND_SPEAK_WITH_AGENCY)]
    assert sorted(asked) == patients[:80]
    told = [e for e in client.all_emissions(emission_pb2.STREAM_ESCALATION) if e.escalation.lines]
    assert len(told) == 1 and "80 patients" in told[0].reason
    return daemon


def test_an_agency_with_eighty_patients_closes_and_the_supervisor_gets_one_list(stopped):
    daemon = closing(stopped, kill=False)
    listed = ask(daemon, "list", "main", "e1")
    assert len(listed["lines"]) == 80 and listed["total"] == 80
    table = handoff(daemon, "list", "main", "e1").stdout.splitlines()
    assert len(table) == 81 and "p042" in table[1] and "open safety flag" in table[1]
    assert "no open task or escalation e9" in refusal(daemon, "list", "main", "e9")
    handoff(daemon, "escalations", "resolve", "e1", "--patient=main", "--by=supervisor-1")
    assert "no open task or escalation" in refusal(daemon, "list", "main", "e1")
    assert daemon.stop() == 0


@pytest.mark.parametrize("kill", [False, True])
def test_an_end_that_is_taken_back_reaches_all_who_were_told_once_also_over_a_power_cut(stopped, kill):
    daemon = closing(stopped, kill=False)
    client = daemon.client()
    (wrong,) = [e for e in client.timeline("p000").entries if e.input == "agency.delisted"]
    back = event_pb2.EventRetracted(
        retracted_source=wrong.source, retracted_id=wrong.event_id, reason="the wrong agency"
    )
    client.accept(site_event(event_retracted=back))
    if kill:
        daemon.kill()
        daemon.start()
        client = daemon.client()
    until(lambda: not [e for e in everything(client, "escalations") if e.patient_id == "main"])
    assert not tasks_of_kind(client, common_pb2.TASK_KIND_SPEAK_WITH_AGENCY)
    reviewed = [t.patient_id for t in tasks_of_kind(client, common_pb2.TASK_KIND_REVIEW_RETRACTION)]
    assert sorted(reviewed) == ["main", *(f"p{i:03}" for i in range(80))]
    told = client.all_emissions(emission_pb2.STREAM_ESCALATION)
    (resolved,) = [e for e in told if e.escalation.is_taken_back]
    assert resolved.reason == "That riverside ends its services was taken back: the wrong agency."
    client.accept(site_event(event_retracted=back))  # under another id
    assert len(tasks_of_kind(client, common_pb2.TASK_KIND_REVIEW_RETRACTION)) == 81
    assert [e.input for e in client.timeline("p007").entries].count("event.retracted") == 1
    before = client.patient("p007")
    assert daemon.stop() == 0
    assert handoff_verify(daemon) == 0
    subprocess.run(daemon.command("reindex", str(daemon.data)), check=True, capture_output=True)
    daemon.start()
    assert daemon.client().patient("p007") == before


def test_a_power_cut_while_the_list_is_made_tells_nobody_twice(stopped):
    daemon = closing(stopped, kill=True)
    assert daemon.stop() == 0
    assert handoff_verify(daemon) == 0


def handoff_verify(daemon):
    return subprocess.run(daemon.command("verify", str(daemon.data)), capture_output=True).returncode


# --- who has the work ------------------------------------------------------------------------------------------------
def test_a_vacation_moves_tasks_to_the_delegate_and_back_with_one_list_each(two_coordinators):
    daemon = two_coordinators.start()
    client = daemon.client()
    patients = [f"p{i}" for i in range(6)]
    work_for(client, patients)
    client.accept(*(assigned(p, "coordinator-1") for p in patients))
    now = client.now_ms()
    client.accept(absent("coordinator-1", "coordinator-2", now + HOUR_MS, now + 5 * HOUR_MS))

    def coordinators():
        return [t.person_id for t in everything(client, "tasks") if t.patient_id in patients and t.owner == COORDINATOR]

    def owners():
        return set(coordinators())

    open_before = len(coordinators())
    assert open_before and owners() == {"coordinator-1"}
    client.advance(2 * HOUR_MS)
    assert owners() == {"coordinator-2"}
    (handed,) = tasks_of_kind(client, common_pb2.TASK_KIND_TAKE_OVER)
    assert handed.person_id == "coordinator-2" and handed.patient_id == "main"
    found = client.ask(list=api_pb2.ListRequest(id=handed.task_id))
    assert found.total == open_before
    shown = handed.task_id.split("-")[-1]
    handoff(daemon, "task", "complete", "main", shown, "--outcome=done", "--by=coordinator-2")
    assert " of main is open" in refusal(daemon, "task", "complete", "main", handed.task_id, "--outcome=done", "--by=x")
    client.advance(4 * HOUR_MS)
    assert owners() == {"coordinator-1"}
    (handed,) = tasks_of_kind(client, common_pb2.TASK_KIND_TAKE_OVER)
    assert handed.person_id == "coordinator-1"


def test_patients_given_to_another_come_in_one_list(two_coordinators):
    daemon = two_coordinators.start()
    client = daemon.client()
    patients = [f"p{i}" for i in range(6)]
    work_for(client, patients)
    client.accept(*(assigned(p, "coordinator-1") for p in patients))
    client.accept(*(assigned(p, "coordinator-2") for p in patients))
    client.advance(HOUR_MS)
    (handed,) = tasks_of_kind(client, common_pb2.TASK_KIND_TAKE_OVER)
    assert handed.person_id == "coordinator-2"
    lines = client.ask(list=api_pb2.ListRequest(id=handed.task_id)).lines
    assert {line.patient_id for line in lines} == set(patients)


# --- silent sources --------------------------------------------------------------------------------------------------
def test_a_silent_source_is_told_to_the_supervisor_until_it_reports(two_coordinators):
    daemon = two_coordinators.start()
    client = daemon.client()
    client.accept(registered("mary", source="adt"))
    client.advance(24 * HOUR_MS)
    assert not tasks_of_kind(client, common_pb2.TASK_KIND_SOURCE_SILENT)
    daemon.kill()
    daemon.start()
    client = daemon.client()
    client.advance(HOUR_MS)
    (silent,) = tasks_of_kind(client, common_pb2.TASK_KIND_SOURCE_SILENT)
    assert silent.patient_id == "adt" and silent.person_id == "supervisor-1"
    assert "Blind until it reports: " in silent.reason and "referral" in silent.reason
    client.accept(registered("david", source="adt", at_ms=client.now_ms()))
    assert not tasks_of_kind(client, common_pb2.TASK_KIND_SOURCE_SILENT)
    told = [e.task.change for e in client.all_emissions(emission_pb2.STREAM_TASK) if e.patient_id == "adt"]
    assert told == [emission_pb2.TASK_CHANGE_OPENED, emission_pb2.TASK_CHANGE_WITHDRAWN]
