"""What readers see: patients now and then, timelines that say why, what comes next, lists page by page."""

import subprocess

from peer import DAY_MS, START_MS, common_pb2, event, event_pb2, referral, registered, voicemail

from handoff.v1 import api_pb2

WEEK_MS = 7 * DAY_MS


def test_a_patient_is_shown_with_names_persons_and_reasons(client):
    client.accept(registered("mary"), referral("mary"))
    client.advance(3 * DAY_MS)
    patient = client.patient("mary")
    (task,) = patient.tasks
    assert task.reason == "The agency has not said that the referral arrived."
    assert task.kind == common_pb2.TASK_KIND_CALL_AGENCY
    assert task.owner == common_pb2.ROLE_COORDINATOR
    assert task.person_id == "coordinator-1"
    assert task.pathway == "referral"
    assert task.site == "main"
    assert task.subject.id == "agency-1"
    assert task.task_id.endswith("-t1")
    assert task.cause_sequence > 0
    (timer,) = patient.timers
    assert (timer.name, timer.firings) == ("acknowledge", 1)


def test_a_patient_can_be_seen_as_they_were(client):
    client.accept(registered("mary"), referral("mary"))
    before_ms = client.now_ms()
    client.advance(DAY_MS)
    client.accept(
        event("mary", at_ms=START_MS + DAY_MS, referral_id="r-mary", referral_accepted=event_pb2.ReferralAccepted())
    )
    assert client.patient("mary").episodes[0].state == "accepted"
    assert client.patient("mary", at_ms=before_ms).episodes[0].state == "requested"
    assert client.patient("mary", at_ms=before_ms + DAY_MS - 1).episodes[0].state == "requested"
    error = client.refusal(patient=api_pb2.PatientRequest(patient_id="mary", at_ms=before_ms - 1))
    assert error.code == api_pb2.CODE_UNKNOWN_PATIENT


def test_a_timeline_says_what_came_in_what_it_did_and_why(client):
    client.accept(referral("mary"), voicemail("mary"))
    client.advance(5 * DAY_MS)
    entries = client.timeline("mary").entries
    assert [e.sequence for e in entries] == sorted((e.sequence for e in entries), reverse=True)
    words = [e.input for e in reversed(entries)]
    assert words[:2] == ["referral.requested", "contact.attempted"]
    assert "timer call-back (1st)" in words
    assert "timer acknowledge (1st)" in words
    moved = entries[-2].steps[0]
    assert (moved.machine, moved.from_state, moved.to_state) == ("call-back", "idle", "waiting")
    assert moved.rule == "The family called intake and reached nobody."
    fired = next(e for e in entries if e.input == "timer call-back (1st)")
    assert [e.reason for e in fired.emissions] == [
        "The family reached only a voicemail; encourage another call.",
        "A parent is trying to reach intake.",
    ]
    assert all(e.person_id == "coordinator-1" and e.patient_id == "mary" for e in fired.emissions)
    assert len({e.id for e in fired.emissions}) == 2


def test_overdue_work_and_climbing_are_named_in_the_timeline(client):
    client.accept(referral("mary"))
    client.advance(4 * WEEK_MS)
    words = {e.input for e in client.timeline("mary", limit=1000).entries}
    assert "task t1 call-agency overdue" in words
    assert any(w.startswith("escalation e") and w.endswith(" climbs") for w in words)


def test_a_timeline_comes_page_by_page_without_gap_or_repeat(client):
    client.accept(referral("mary"))
    client.advance(20 * WEEK_MS)
    whole = [e.sequence for e in client.timeline("mary", limit=1000).entries]
    assert len(whole) > 10
    paged, before = [], 0
    while True:
        page = client.timeline("mary", limit=4, before_sequence=before)
        assert len(page.entries) <= 4
        paged += [e.sequence for e in page.entries]
        before = page.next_before_sequence
        if not before:
            break
    assert paged == whole


def test_a_timeline_can_end_at_a_time(client):
    client.accept(referral("mary"))
    now_ms = client.now_ms()
    client.advance(4 * WEEK_MS)
    assert [e.input for e in client.timeline("mary", at_ms=now_ms).entries] == ["referral.requested"]


def test_what_is_said_to_come_next_comes(client):
    client.accept(referral("mary"), voicemail("mary"))
    foretold = client.ask(next=api_pb2.NextRequest(patient_id="mary", limit=12)).entries
    assert [e.sequence for e in foretold] == [0] * 12
    before = client.patient("mary").sequence
    client.advance(foretold[-1].at_ms - client.now_ms())
    happened = [e for e in client.timeline("mary", limit=1000).entries if e.sequence > before]
    happened.reverse()
    assert [(e.at_ms, e.input) for e in happened[:12]] == [(e.at_ms, e.input) for e in foretold]
    assert [[m.reason for m in e.emissions] for e in happened[:12]] == [
        [m.reason for m in e.emissions] for e in foretold
    ]


def test_asking_what_comes_next_changes_nothing(client):
    client.accept(referral("mary"))
    before = client.statistics()["last_sequence"]
    client.ask(next=api_pb2.NextRequest(patient_id="mary", limit=100))
    assert client.statistics()["last_sequence"] == before


def all_tasks(client, limit=0, **options):
    """Every page; rows and the as_of they share."""
    rows, after, as_of = [], b"", 0
    while True:
        page = client.ask(tasks=api_pb2.TasksRequest(limit=limit, after=after, as_of=as_of, **options))
        assert as_of in (0, page.as_of)
        assert limit == 0 or len(page.tasks) <= limit
        rows += page.tasks
        after, as_of = page.next, page.as_of
        if not after:
            return rows, as_of


def test_a_listing_shows_what_was_committed_before_it(client):
    client.accept(*[referral(f"p{i}") for i in range(30)])
    client.advance(3 * DAY_MS)
    rows, as_of = all_tasks(client)
    assert {row.patient_id for row in rows} == {f"p{i}" for i in range(30)}
    assert as_of == client.statistics()["last_sequence"]


def test_a_listing_comes_page_by_page_without_gap_or_repeat(client):
    client.accept(*[referral(f"p{i}") for i in range(25)], *[voicemail(f"p{i}") for i in range(25)])
    client.advance(5 * DAY_MS)
    whole, _ = all_tasks(client)
    assert len(whole) == 50, "a second cause for the same call joins the open task"
    for limit in (1, 7, 50):
        paged, _ = all_tasks(client, limit=limit)
        assert [row.task_id for row in paged] == [row.task_id for row in whole]


def test_pages_show_the_state_as_of_the_first_one(client):
    client.accept(*[referral(f"p{i}") for i in range(10)])
    client.advance(3 * DAY_MS)
    first = client.ask(tasks=api_pb2.TasksRequest(limit=4))
    client.accept(*[referral(f"q{i}", at_ms=client.now_ms()) for i in range(10)])
    client.advance(3 * DAY_MS)
    rows, after = list(first.tasks), first.next
    while after:
        page = client.ask(tasks=api_pb2.TasksRequest(limit=4, after=after, as_of=first.as_of))
        rows, after = rows + list(page.tasks), page.next
    assert {row.patient_id for row in rows} == {f"p{i}" for i in range(10)}


def test_listings_filter(client):
    client.accept(referral("mary"), voicemail("mary"))
    client.advance(5 * DAY_MS)

    def kinds(**options):
        return {row.kind for row in all_tasks(client, **options)[0]}

    call_family, call_agency = common_pb2.TASK_KIND_CALL_FAMILY, common_pb2.TASK_KIND_CALL_AGENCY
    assert kinds() == {call_family, call_agency}
    assert kinds(kind=call_family) == {call_family}
    assert kinds(owner=common_pb2.ROLE_COORDINATOR) == {call_family, call_agency}
    assert kinds(owner=common_pb2.ROLE_COMPLIANCE) == set()
    assert kinds(person_id="coordinator-1") == {call_family, call_agency}
    assert kinds(person_id="nobody") == set()
    assert kinds(site="main") == {call_family, call_agency}
    assert kinds(site="other") == set()
    assert kinds(at_least=common_pb2.SEVERITY_EMERGENT) == set()
    client.advance(WEEK_MS)
    assert call_family in kinds(is_overdue=True)


def test_escalations_are_listed_acknowledged_and_resolved(client):
    client.accept(referral("mary"), voicemail("mary"))
    client.advance(2 * WEEK_MS)
    listed = client.ask(escalations=api_pb2.EscalationsRequest()).escalations
    mine = next(e for e in listed if "called the family back" in e.reason)
    assert mine.patient_id == "mary" and mine.rung and mine.person_id
    now_ms = client.now_ms()
    acknowledged = event("mary", at_ms=now_ms, escalation_acknowledged=event_pb2.EscalationAcknowledged(by="s-1"))
    acknowledged.escalation_id = mine.escalation_id
    client.accept(acknowledged)
    shown = {e.escalation_id: e for e in client.patient("mary").escalations}
    assert shown[mine.escalation_id].acknowledged_by == "s-1"
    resolved = event("mary", at_ms=now_ms, escalation_resolved=event_pb2.EscalationResolved(by="s-1"))
    resolved.escalation_id = mine.escalation_id
    client.accept(resolved)
    listed = client.ask(escalations=api_pb2.EscalationsRequest()).escalations
    assert mine.escalation_id not in {e.escalation_id for e in listed}


def test_what_is_asked_about_a_source_can_be_answered(daemon, client):
    client.accept(voicemail("stranger", source="phones"), registered("phones"))
    (asked,) = client.ask(tasks=api_pb2.TasksRequest()).tasks
    assert asked.patient_id == "phones"
    done = event("phones", task_id=asked.task_id, task_completed=event_pb2.TaskCompleted(outcome=1))
    client.accept(done)
    assert client.publish(done)[0].code == api_pb2.CODE_DUPLICATE
    assert not client.ask(tasks=api_pb2.TasksRequest()).tasks
    assert client.statistics()["patients"] == 2
    daemon.stop()
    verified = subprocess.run(daemon.command("verify", str(daemon.data)), capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr


def test_statistics_count_what_happened(client):
    client.accept(referral("mary"), registered("david"))
    client.advance(3 * DAY_MS)
    statistics = client.statistics()
    assert statistics["events"] == 2
    assert statistics["patients"] == 2
    assert statistics["open_episodes"] == 1
    assert statistics["open_tasks"] == 1
    assert statistics["firings"] == 1


def test_information_names_the_pathways(client):
    info = client.info()
    assert info.clock == "manual"
    assert info.now_ms >= START_MS
    assert any(line.startswith("referral version 1") for line in info.pathways)
