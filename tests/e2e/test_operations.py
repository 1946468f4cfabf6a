"""What operators do: watch, reload, stop, back up, move the clock."""

import os
import re
import shutil
import signal
import subprocess

import pytest
from peer import BOUND_S, DAY_MS, ROOT, Daemon, event, event_pb2, flag, referral, registered, voicemail
from worker import Worker

from handoff.v1 import api_pb2


def run(daemon, *arguments):
    return subprocess.run(daemon.command(*arguments), capture_output=True, text=True, timeout=BOUND_S)


def test_health_readiness_and_metrics_are_served(daemon, client):
    assert daemon.http("/healthz")[0] == 200
    assert daemon.http("/readyz") == (200, "ready\n")
    client.accept(referral("mary"))
    client.publish(b"\xff")
    daemon.await_metric(1, "handoff_events_total", verdict="accepted")
    daemon.await_metric(1, "handoff_events_total", verdict="refused")
    daemon.await_metric(1, "handoff_open_episodes")
    assert daemon.metric("handoff_journal_sequence") == client.statistics()["last_sequence"]
    assert daemon.metric("handoff_commit_seconds_count") >= 1
    client.advance(3 * DAY_MS)
    daemon.await_metric(1, "handoff_timers_fired_total")
    daemon.await_metric(1, "handoff_open_tasks")


def test_one_line_says_that_it_is_ready_and_where(daemon):
    line = daemon.await_line("msg=ready")
    for endpoint in daemon.endpoints.values():
        assert endpoint in line
        assert not endpoint.endswith((":0", "*"))


def test_sigterm_ends_cleanly(daemon, client):
    client.accept(referral("mary"))
    assert daemon.stop() == 0
    assert any("msg=stopped" in line for line in daemon.lines)
    assert not (daemon.data / "endpoints").exists()
    daemon.start()
    assert daemon.client().patient("mary").episodes


def test_a_log_that_nobody_reads_any_more_does_not_end_it(daemon, client):
    daemon.process.stderr.close()
    os.kill(daemon.process.pid, signal.SIGHUP)
    client.accept(referral("mary"))
    os.kill(daemon.process.pid, signal.SIGTERM)
    assert daemon.process.wait(BOUND_S) == 0
    daemon.process = None


def test_sigint_ends_cleanly_too(daemon):
    os.kill(daemon.process.pid, signal.SIGINT)
    daemon.drain_log()
    assert daemon.process.wait(BOUND_S) == 0


def test_a_second_daemon_on_the_same_folder_is_refused(daemon):
    second = run(daemon, "run", "--config", str(daemon.config), "--data", str(daemon.data))
    assert second.returncode == 1
    assert "level=error" in second.stderr
    daemon.client().info()


def hup(daemon, answer):
    after = len(daemon.lines)
    os.kill(daemon.process.pid, signal.SIGHUP)
    return daemon.await_line(answer, after)


def test_a_broken_pathway_keeps_the_old_rules_and_says_where(daemon, client):
    client.accept(referral("mary"))
    pathway = daemon.pathways / "referral.yaml"
    good = pathway.read_text()
    pathway.write_text(good.replace("target: accepted", "target: nowhere"))
    line = hup(daemon, "reload refused")
    assert "referral.yaml:" in line
    assert daemon.http("/readyz")[0] == 200
    assert [p for p in client.info().pathways if "version" in p] == ["referral version 1 (number 1)"]
    client.accept(referral("david"))
    error = client.refusal(reload=api_pb2.ReloadRequest())
    assert error.code == api_pb2.CODE_BAD_VALUE
    assert "referral.yaml:" in error.sentence
    pathway.write_text(good)
    assert list(client.ask(reload=api_pb2.ReloadRequest()).changes) == []


def test_a_new_version_is_used_for_new_episodes_and_running_ones_stay(daemon, client):
    client.accept(referral("mary"))
    pathway = daemon.pathways / "referral.yaml"
    pathway.write_text(
        pathway.read_text().replace("version: 1", "version: 2").replace("state: requested", "state: asked")
    )
    hup(daemon, "on version 1 no new episodes begin, running ones go on")
    client.accept(referral("david"))
    assert client.patient("mary").episodes[0].version == 1
    assert client.patient("david").episodes[0].version == 2
    daemon.kill()
    daemon.start()
    client = daemon.client()
    assert client.patient("mary").episodes[0].state == "requested"
    assert client.patient("david").episodes[0].version == 2
    client.advance(30 * DAY_MS)
    assert client.patient("mary").tasks and client.patient("david").tasks


def test_another_text_under_the_same_version_is_refused_while_episodes_run_on_it(daemon, client):
    pathway = daemon.pathways / "referral.yaml"
    first = pathway.read_text()
    pathway.write_text(first + "# nothing runs on it yet\n")
    hup(daemon, "msg=reloaded")
    client.accept(referral("mary"), referral("david"))
    pathway.write_text(first)
    line = hup(daemon, "reload refused")
    assert "referral.yaml" in line and "version 1" in line and "2 open episodes run on" in line
    daemon.kill()
    result = run(daemon, "run", "--config", str(daemon.config), "--data", str(daemon.data))
    assert result.returncode == 3
    assert "give it a new version number" in result.stderr
    pathway.write_text(first.replace("version: 1", "version: 2"))
    daemon.start()
    assert daemon.client().patient("mary").episodes[0].version == 1


def test_a_pathway_that_is_gone_is_refused_while_episodes_run_on_it_unless_it_is_listed(daemon, client):
    client.accept(referral("mary"))
    daemon.kill()
    (daemon.pathways / "referral.yaml").unlink()
    result = run(daemon, "run", "--config", str(daemon.config), "--data", str(daemon.data))
    assert result.returncode == 3
    assert "1 open episode runs on it" in result.stderr
    (line,) = [x for x in result.stderr.splitlines() if "msg=refused" in x]
    assert 'why="pathway referral (version 1) is gone' in line and "file=" not in line and "line=" not in line
    daemon.config.write_text("retired_pathways: referral\n" + daemon.config.read_text())
    daemon.start()
    client = daemon.client()
    client.advance(3 * DAY_MS)
    assert client.patient("mary").tasks, "it goes on with the text that it began with"


def test_a_missing_pathway_that_others_name_is_refused_with_the_number_of_its_episodes_first(stopped):
    daemon = stopped
    shutil.copytree(ROOT / "daemon" / "pathways", daemon.pathways, dirs_exist_ok=True)
    daemon.start()
    client = daemon.client()
    for patient in ("mary", "tom", "karen"):
        client.accept(referral(patient))
    daemon.kill()
    (daemon.pathways / "referral.yaml").unlink()
    result = run(daemon, "run", "--config", str(daemon.config), "--data", str(daemon.data))
    assert result.returncode == 3
    assert "3 open episodes run on it" in result.stderr
    assert result.stderr.index("3 open episodes run on it") < result.stderr.index("there is no pathway")


def test_a_person_opens_an_episode_again_on_the_newest_version(daemon, client):
    client.accept(referral("mary"))
    pathway = daemon.pathways / "referral.yaml"
    text = pathway.read_text().replace("version: 1", "version: 2")
    pathway.write_text(re.sub(r"(?<!\.)\brequested\b", "asked", text))
    hup(daemon, "msg=reloaded")
    reopened = event_pb2.EpisodeOpened(reopens="ep1", by="supervisor-1")
    (result,) = client.publish(event("mary", episode_opened=reopened))
    assert "say which" in result.sentence  # the newest version knows no such state
    reopened.state = "asked"
    client.accept(event("mary", episode_opened=reopened))
    (now,) = client.patient("mary").episodes
    assert (now.version, now.state, now.episode.referral_id) == (2, "asked", "r-mary")
    (old,) = client.patient("mary").record.closed_episodes
    assert old.reason == event_pb2.CLOSE_REASON_CONTINUED


def test_a_changed_roster_is_used_from_the_reload_on(daemon, client):
    client.accept(referral("mary"))
    client.advance(3 * DAY_MS)
    assert client.patient("mary").tasks[0].person_id == "coordinator-1"
    daemon.config.write_text(daemon.config.read_text().replace("coordinator-1", "coordinator-2"))
    hup(daemon, "site main: changed")
    assert client.patient("mary").tasks[0].person_id == "coordinator-2"


def test_a_broken_configuration_is_refused_with_its_line(stopped):
    stopped.config.write_text(stopped.config.read_text() + "colour: red\n")
    result = run(stopped, "run", "--config", str(stopped.config), "--data", str(stopped.data))
    assert result.returncode == 3
    assert "handoffd.yaml:" in result.stderr and "colour" in result.stderr


def test_broken_pathways_are_refused_at_start(stopped):
    pathway = stopped.pathways / "referral.yaml"
    pathway.write_text(pathway.read_text().replace("after: [check-in]", "after: []"))
    result = run(stopped, "run", "--config", str(stopped.config), "--data", str(stopped.data))
    assert result.returncode == 3
    assert all(line.startswith("time=") for line in result.stderr.splitlines()), "a log, to its last line"
    assert re.search(r"msg=refused file=\S*referral.yaml line=\d+ column=\d+ why=.*accepted", result.stderr)


def test_another_kind_of_clock_is_refused(daemon):
    daemon.client().accept(referral("mary"))
    assert daemon.stop() == 0
    result = run(daemon, "run", "--config", str(daemon.config), "--data", str(daemon.data), "--clock", "system")
    assert result.returncode == 1
    assert "clock" in result.stderr
    daemon.start()


def test_a_system_clock_is_not_advanced(stopped):
    client = stopped.start("--clock", "system").client()
    error = client.refusal(clock=api_pb2.ClockRequest(advance_ms=1000))
    assert error.code == api_pb2.CODE_WRONG_CLOCK
    assert client.ask(clock=api_pb2.ClockRequest()).kind == "system"


def test_a_manual_clock_stands_where_it_was_over_a_restart(daemon, client):
    reply = client.advance(3 * DAY_MS)
    assert reply.now_ms == client.now_ms()
    daemon.kill()
    daemon.start()
    assert daemon.client().now_ms() == reply.now_ms


def test_a_manual_clock_begins_where_it_is_told_to(stopped):
    client = stopped.start("--clock-start", "2026-06-11T20:40:00Z").client()
    assert client.now_ms() == 1781210400000


def test_advancing_fires_each_timer_at_its_own_time(client):
    client.accept(referral("mary"), voicemail("mary"))
    reply = client.advance(60 * DAY_MS)
    assert reply.fired == client.statistics()["firings"]
    for entry in client.timeline("mary", limit=1000).entries:
        if entry.input.startswith("timer "):
            assert entry.at_ms == entry.occurred_at_ms


def test_timers_fire_by_themselves_on_a_clock_that_runs(stopped):
    client = stopped.start("--clock", "scaled:500000").client()
    bell = stopped.subscribe("task")
    client.accept(referral("mary", at_ms=client.now_ms()))
    while not client.patient("mary").tasks:
        pass
    assert client.timeline("mary").entries[0].input.startswith(("timer acknowledge", "task t1", "escalation"))
    assert bell.socket.poll(BOUND_S * 1000)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 32 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_makes_publishing_unavailable_and_it_resumes_by_itself(small_disk, tmp_path):
    daemon = Daemon(tmp_path / "daemon")
    daemon.data = small_disk / "data"
    try:
        client = daemon.start().client()
        client.accept(referral("mary"), flag("tom"))
        worker = Worker(daemon.client(), "board", start={"beginning": True})
        (held,) = worker.take(1)
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            with pytest.raises(OSError):
                while True:
                    file.write(bytes(65536))
                    file.flush()
        number = 0
        while True:
            number += 1
            last = event(f"p{number}", question_asked=event_pb2.QuestionAsked(text="x" * 4000))
            result = client.publish(last)[0]
            if result.code != api_pb2.CODE_ACCEPTED:
                break
        assert result.code == api_pb2.CODE_UNAVAILABLE
        refused = client.refusal(patient=api_pb2.PatientRequest(patient_id=f"p{number}"))
        assert refused.code == api_pb2.CODE_UNKNOWN_PATIENT, "nothing of it is visible"
        assert client.patient("mary").episodes, "reading goes on"
        assert worker.settle(acks=[held.number]).error.code == api_pb2.CODE_UNAVAILABLE
        daemon.await_line("the journal takes no entries")
        status, why = daemon.http("/readyz")
        assert status == 503 and "journal" in why
        filler.unlink()
        daemon.await_line("the journal takes entries again")
        client.accept(last)
        worker.ack(held)
        assert daemon.http("/readyz")[0] == 200
        assert daemon.stop() == 0
        assert run(daemon, "verify", str(daemon.data)).returncode == 0
    finally:
        daemon.close()


def test_others_are_served_while_the_clock_advances(daemon, client):
    client.accept(*[referral(f"p{i}") for i in range(200)])
    other = daemon.client()
    other.info()
    tag = client.send(clock=api_pb2.ClockRequest(advance_ms=730 * DAY_MS))
    other.accept(registered("david"))
    assert other.patient("david").record.is_known
    assert not client.socket.poll(0), "it still advances"
    assert client.receive(tag).clock.fired > 200


def test_a_backup_is_made_while_the_daemon_runs_and_is_sound(daemon, client, tmp_path):
    client.accept(*[referral(f"p{i}") for i in range(200)])
    folder = tmp_path / "backup"
    tag = client.send(backup=api_pb2.BackupRequest(folder=str(folder)))
    client.accept(referral("david"))
    last = client.receive(tag).backup.last_sequence
    assert client.refusal(backup=api_pb2.BackupRequest(folder=str(folder))).code == api_pb2.CODE_INTERNAL
    assert daemon.stop() == 0
    restored = daemon
    restored.data = folder
    client = restored.start().client()
    assert client.statistics()["last_sequence"] >= last
    assert client.patient("p7").episodes
    assert daemon.stop() == 0
    verified = run(daemon, "verify", str(folder))
    assert verified.returncode == 0, verified.stderr


def test_an_index_that_a_daemon_died_of_is_made_anew_by_the_next_one(daemon, client):
    client.accept(*[flag(f"p{i}") for i in range(200)])
    client.ask(tasks=api_pb2.TasksRequest())  # waits for the index
    tasks = client.patient("p7").tasks
    os.kill(daemon.process.pid, signal.SIGSEGV)
    daemon.drain_log()
    assert daemon.process.wait(BOUND_S) == -signal.SIGSEGV
    index = daemon.data / "index" / "data.mdb"
    pages = bytearray(index.read_bytes())
    for page in range(2 * 4096, len(pages), 4096):
        pages[page + 12 : page + 16] = b"\xff\xff\xff\xff"  # the bounds of its free space
    index.write_bytes(pages)
    daemon.start()
    client = daemon.client()
    assert client.patient("p7").tasks == tasks
    client.accept(*[registered(f"p{i}") for i in range(200)])
    assert len(client.ask(tasks=api_pb2.TasksRequest(limit=1000)).tasks) == 200
    assert not (daemon.data / "crashed").exists()


def test_a_power_cut_is_no_crash(daemon, client):
    client.accept(registered("mary"))
    daemon.kill()
    assert not (daemon.data / "crashed").exists()


def test_a_client_that_does_not_read_loses_replies_and_holds_up_nobody(daemon, client):
    client.accept(referral("mary"))
    client.advance(60 * DAY_MS)
    deaf = daemon.client()
    deaf.socket.rcvhwm = 1
    request = api_pb2.Request(timeline=api_pb2.TimelineRequest(patient_id="mary", limit=1000)).SerializeToString()
    other = daemon.client()
    while daemon.metric("handoff_replies_dropped_total") == 0:
        for _ in range(500):
            deaf.socket.send(request)
        other.info()
    other.accept(registered("david"))
    deaf.receive_raw()


def test_the_configuration_in_force_reads_back(daemon, tmp_path):
    printed = run(daemon, "config", "--config", str(daemon.config))
    assert printed.returncode == 0
    again = tmp_path / "again.yaml"
    again.write_text(printed.stdout)
    assert run(daemon, "config", "--config", str(again)).stdout == printed.stdout


def test_a_wrong_command_line_exits_with_2(stopped):
    for arguments in ([], ["fly"], ["run", "--nonsense"], ["run", "extra"], ["run", "--clock-start", "noon"]):
        result = run(stopped, *arguments)
        assert result.returncode == 2, arguments
        assert result.stderr
    assert run(stopped, "help").returncode == 0
    assert run(stopped, "run", "--help").returncode == 0
    assert run(stopped, "version").stdout.startswith("handoffd ")
