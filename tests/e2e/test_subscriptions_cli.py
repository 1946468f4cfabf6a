"""`handoff subscribe`, `subscriptions` and `deadletters` against the real daemon: libhandoff's worker end to end."""

import json
import os
import signal
import subprocess

import pytest
from peer import BOUND_S, BUILD, DAY_MS, flag, referral, registered
from test_handoff import ask, environment, handoff, refusal

from handoff.v1 import emission_pb2

IDLE = "--idle=200ms"


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def ids(text):
    return [delivery["emission"]["id"] for delivery in lines(text)]


def work(daemon, *arguments):
    """What a worker printed until it ended."""
    return ids(handoff(daemon, "subscribe", *arguments).stdout)


def wanted(client, stream=emission_pb2.STREAM_TASK):
    return [emission.id for emission in client.all_emissions(stream)]


def findings(client, *patients):
    """A task each: safety-check."""
    client.accept(*[event for p in patients for event in (registered(p), flag(p))])


def view(daemon, name):
    return ask(daemon, "subscriptions", "show", name)


def test_what_a_worker_acknowledged_does_not_come_again(daemon, client):
    findings(client, "mary", "tom")
    assert work(daemon, "w", "task", "--from=beginning", IDLE) == wanted(client)
    assert work(daemon, "w", IDLE) == []
    findings(client, "sarah")
    assert work(daemon, "w", "task", IDLE) == [i for i in wanted(client)[-1:]]
    assert view(daemon, "w")["acknowledged"] == str(len(wanted(client)))


def test_a_new_subscription_begins_where_it_is_told(daemon, client):
    findings(client, "mary")
    after = client.info().last_sequence
    findings(client, "tom")
    assert work(daemon, "now", "task", IDLE) == []
    assert work(daemon, "after", "task", "--from", after, IDLE) == wanted(client)[1:]
    assert work(daemon, "time", "task", "--from=2026-01-01", IDLE) == wanted(client)


def test_filters_choose_what_comes(daemon, client):
    findings(client, "mary")
    client.accept(referral("tom"))
    client.advance(3 * DAY_MS)
    assert len(wanted(client)) > 1
    assert len(work(daemon, "k", "task", "--kind=safety-check", "--from=beginning", IDLE)) == 1
    assert len(work(daemon, "r", "task", "--role=clinician", "--severity=urgent", "--from=beginning", IDLE)) == 1
    shown = handoff(daemon, "subscriptions", "show", "r").stdout
    assert "roles         clinician" in shown and "severities    urgent" in shown
    assert view(daemon, "k")["settings"]["filter"]["kinds"] == ["safety-check"]


def test_what_a_killed_worker_held_comes_again_when_its_lease_ends(daemon, client, tmp_path):
    findings(client, "mary", "tom")
    held = tmp_path / "held"
    os.mkfifo(held)
    command = [BUILD / "handoff", "subscribe", "w", "task", "--from=beginning", "--lease=300ms"]
    first = subprocess.Popen([*command, "--exec", f"cat > {held}; exec cat {held}"], env=environment(daemon))
    (delivery,) = lines(held.read_text())
    assert delivery["attempt"] == 1
    first.kill()
    first.wait(BOUND_S)
    held.write_text("")  # its command ends
    again = lines(handoff(daemon, "subscribe", "w", "--count=2").stdout)
    attempts = {d["emission"]["id"]: d["attempt"] for d in again}
    assert attempts == {id: 2 if id == delivery["emission"]["id"] else 1 for id in wanted(client)}


def test_an_interrupted_worker_gives_back_at_once_what_it_did_not_come_to(daemon, client, tmp_path):
    findings(client, "mary", "tom", "sarah")
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    command = [BUILD / "handoff", "subscribe", "w", "task", "--from=beginning", "--credit=10"]
    first = subprocess.Popen([*command, "--exec", f"echo > {begun}; cat {begun}"], env=environment(daemon))
    assert begun.read_text() == "\n"
    first.send_signal(signal.SIGTERM)
    begun.write_text("")  # the message that it is at is done
    assert first.wait(BOUND_S) == 0
    assert sorted(work(daemon, "w", "--count", len(wanted(client)) - 1)) == sorted(wanted(client)[1:])


def test_over_a_killed_daemon_everything_comes_and_what_was_acknowledged_stays_so(stopped):
    stopped.start()
    same = [f"--front={stopped.endpoints['front']}", f"--stream={stopped.endpoints['stream']}"]
    client = stopped.client()
    command = [BUILD / "handoff", "subscribe", "w", "task", "--from=beginning", "--credit=5"]
    worker = subprocess.Popen(command, env=environment(stopped), stdout=subprocess.PIPE)
    for n in range(4):
        findings(client, f"before-{n}", f"then-{n}")
        worker.stdout.readline()
        client.close()
        stopped.clients.remove(client)
        stopped.kill()
        stopped.start(*same)
        client = stopped.client()
    findings(client, "last")
    seen = set()
    while "last" not in seen:
        seen.add(json.loads(worker.stdout.readline())["emission"]["patientId"])
    worker.terminate()
    rest = worker.communicate(timeout=BOUND_S)[0].decode()
    assert worker.returncode == 0
    settled = int(view(stopped, "w")["acknowledged"])
    later = work(stopped, "w", IDLE)
    assert settled + len(later) == len(wanted(client))
    assert set(later) <= set(wanted(client)) and not set(ids(rest)) & set(later)
    assert seen >= {"last"}


def test_a_command_gets_each_message_and_its_end_settles_it(daemon, client, tmp_path):
    findings(client, "mary", "tom")
    script = f"cat >> {tmp_path}/got; grep -q safety-check {tmp_path}/got"  # JSON says TASK_KIND_SAFETY_CHECK
    settings = ["task", "--from=beginning", "--attempts=1"]
    done = handoff(daemon, "subscribe", "w", *settings, "--exec", script, "--count=2")
    assert sorted(ids((tmp_path / "got").read_text())) == sorted(wanted(client))
    assert done.stdout == "" and done.stderr.count("the command ended with 1") == 2
    letters = ask(daemon, "deadletters", "w")["rows"]
    assert [row["reason"] for row in letters] == ["the command ended with 1"] * 2


def test_a_command_that_takes_too_long_is_ended(daemon, client):
    findings(client, "mary")
    settings = ["task", "--kind=safety-check", "--from=beginning", "--attempts=1"]
    done = handoff(daemon, "subscribe", "w", *settings, "--exec", "sleep 1000 & wait", "--limit=20ms", "--count=1")
    assert "took longer than 20 ms" in done.stderr


def test_a_lease_is_kept_while_a_command_runs(daemon, client):
    findings(client, "mary")
    settings = ["task", "--kind=safety-check", "--from=beginning", "--lease=1s"]
    script = "read line; for i in 1 2 3 4 5 6; do timeout 0.25 tail -f /dev/null; done; true"
    done = handoff(daemon, "subscribe", "w", *settings, "--exec", script, "--count=1")
    assert done.stderr == ""
    assert view(daemon, "w")["acknowledged"] == "1" and "redelivered" not in view(daemon, "w")


@pytest.fixture
def dead(daemon, client):
    """A subscription that gave up two messages."""
    findings(client, "mary", "tom")
    handoff(daemon, "subscribe", "w", "task", "--from=beginning", "--attempts=1", "--exec=false", "--count=2")
    return daemon


def letters(daemon):
    return [f"{row['sequence']}.{row.get('position', 0)}" for row in ask(daemon, "deadletters").get("rows", [])]


def test_dead_letters_are_listed_shown_retried_and_dropped(dead):
    table = handoff(dead, "deadletters", "list", "w").stdout
    one, other = letters(dead)
    assert table.startswith("SUBSCRIPTION") and one in table and "safety-check t" in table
    shown = handoff(dead, "deadletters", "show", "w", one).stdout
    assert f"letter        {one} of w: dead\npatient       mary\n" in shown and "attempts      1" in shown
    assert ask(dead, "deadletters", "show", "w", one)["kind"] == "ASIDE_KIND_DEAD"
    assert handoff(dead, "deadletters", "drop", "w", other).stdout == "1 letter is dropped\n"
    assert handoff(dead, "deadletters", "retry", "w", one).stdout == "1 letter is tried again\n"
    assert letters(dead) == []
    assert len(work(dead, "w", IDLE)) == 1
    assert handoff(dead, "deadletters").stdout == "no dead letters\n"


def test_all_dead_letters_are_meant_only_when_that_is_said(dead):
    assert "say --all" in refusal(dead, "deadletters", "retry", "w", code=2)
    assert "say --all" in refusal(dead, "deadletters", "drop", "w", "1.0", "--all", code=2)
    assert handoff(dead, "deadletters", "retry", "w", "--all").stdout == "2 letters are tried again\n"
    assert len(work(dead, "w", IDLE)) == 2
    assert "no such dead letter" in refusal(dead, "deadletters", "drop", "w", "--all")


def test_what_is_set_aside_is_listed_by_its_kind(daemon, client):
    findings(client, "mary")
    settings = ["task", "--kind=safety-check", "--from=beginning"]
    handoff(daemon, "subscribe", "w", *settings, "--exec=exit 3", "--count=1")
    (row,) = ask(daemon, "deadletters", "--kind=retry")["rows"]
    assert row["reason"] == "the command ended with 3" and row["attempts"] == 1
    assert handoff(daemon, "deadletters", "--kind=withheld").stdout == "nothing is withheld\n"
    table = handoff(daemon, "subscriptions").stdout
    assert "RETRYING" in table and "WITHHELD" not in table


def test_a_subscription_begins_anew_and_ends(daemon, client):
    findings(client, "mary", "tom")
    assert len(work(daemon, "w", "task", "--from=beginning", IDLE)) == 2
    assert handoff(daemon, "subscriptions", "reset", "w", "--from=beginning").stdout == "w begins anew\n"
    assert len(work(daemon, "w", IDLE)) == 2
    handoff(daemon, "subscriptions", "reset", "w", "--from=now")
    assert work(daemon, "w", IDLE) == []
    assert handoff(daemon, "subscriptions", "delete", "w").stdout == "w is deleted\n"
    assert handoff(daemon, "subscriptions").stdout == "no subscriptions\n"


def test_what_cannot_be_asked_is_refused_in_a_sentence(daemon, client):
    work(daemon, "w", "task", IDLE)
    assert "settings-differ" in refusal(daemon, "subscribe", "w", "escalation")
    assert "unknown-subscription" in refusal(daemon, "subscribe", "nobody")
    assert "settings.filter.kinds" in refusal(daemon, "subscribe", "x", "task", "--kind=wash-up")
    for command in ("show", "delete"):
        assert "no subscription" in refusal(daemon, "subscriptions", command, "nobody")
    assert "w has no letter 7.1" in refusal(daemon, "deadletters", "show", "w", "7.1")
    for letter in ("seven", "7", "7.", "7.x", "0.1", "-7.1"):
        assert "is no letter" in refusal(daemon, "deadletters", "show", "w", "--", letter, code=2)
