"""handoff-notify against real servers, with a front that the test speaks for: what leaves, once, under which id, and what
is said about it; killed in between, and left alone by the world."""

import base64
import contextlib
import resource
import sqlite3
import subprocess

import pytest
from front import Front
from handoff.v1 import common_pb2, delivery_pb2, emission_pb2
from notifier import Notifier
from peer import START_MS
from worlds import MailServer, WebServer

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
KEY = "0123456789abcdef0123456789abcdef"

EMAIL, WEBHOOK = common_pb2.CHANNEL_EMAIL, common_pb2.CHANNEL_WEBHOOK
ROUTINE, URGENT, EMERGENT = common_pb2.SEVERITY_ROUTINE, common_pb2.SEVERITY_URGENT, common_pb2.SEVERITY_EMERGENT


@pytest.fixture
def front():
    front = Front()
    yield front
    front.close()


@pytest.fixture
def mail(tmp_path):
    with MailServer(tmp_path) as mail:
        yield mail


@pytest.fixture
def notifier(tmp_path, front, mail):
    notifier = Notifier(tmp_path, front.endpoint, mail)
    yield notifier
    notifier.close()


def emission(id, patient="mary", **body):
    return emission_pb2.Emission(
        id=f"{KEY}-{id}", sequence=1, at_ms=START_MS, patient_id=patient, site="main", reason="because it is so", **body
    )


def task(id, severity, patient="mary"):
    return emission(
        id, patient,
        task=emission_pb2.TaskEmission(
            change=emission_pb2.TASK_CHANGE_OPENED, kind=common_pb2.TASK_KIND_CALL_FAMILY, severity=severity,
            owner=common_pb2.ROLE_COORDINATOR, due_at_ms=START_MS, task_id=f"{KEY}-{id.split('.')[0]}",
        ),
    )


def reminder(id, patient="mary"):
    visit = emission_pb2.ReminderEmission(appointment_id="a1", starts_at_ms=START_MS + 86_400_000, notice_number=7)
    return emission(id, patient, reminder=visit)


def coordinator(*addresses, id="coordinator-1"):
    addresses = addresses or ((EMAIL, f"{id}@example.org"),)
    return delivery_pb2.Addressee(
        id=id, role=common_pb2.ROLE_COORDINATOR, language="en",
        addresses=[common_pb2.Address(channel=channel, address=address) for channel, address in addresses],
    )


def mother(*addresses):
    addresses = addresses or ((EMAIL, "mother@example.org"),)
    return delivery_pb2.Addressee(
        key="GUARDIAN:mother-1", id="mother-1", party=common_pb2.PARTY_GUARDIAN, language="en",
        addresses=[common_pb2.Address(channel=channel, address=address) for channel, address in addresses],
    )


def ids(messages):
    """The Message-IDs, without what stands around the emission's."""
    return [str(message["Message-ID"]).strip("<>").split("@")[0] for message in messages]


# --- once


def test_a_reminder_reaches_the_mailbox_once_and_the_daemon_hears_of_it(front, mail, notifier):
    notifier.start()
    front.hand("notify-reminders", reminder("n7"), mother())
    front.await_settled()
    [message] = mail.messages()
    assert message["X-RcptTo"] == "mother@example.org"
    assert ids([message])[0].startswith(f"{KEY}-n7")
    assert front.sent() == [(f"{KEY}-n7", "GUARDIAN:mother-1")]
    assert front.acked == [f"{KEY}-n7"]
    assert notifier.stop() == 0


def test_what_comes_again_is_acknowledged_and_not_sent_also_after_a_restart(front, mail, notifier):
    notifier.start()
    for _ in range(2):
        front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
        front.await_settled()
    notifier.kill()
    front.lose()
    notifier.start()
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
    front.await_settled()
    assert len(mail.messages()) == 1
    assert front.acked == 3 * [f"{KEY}-t1.1"]
    assert len(front.sent()) == 1 and not front.differing


def test_a_daemon_that_forgot_us_hands_out_again_and_nothing_leaves_twice(front, mail, notifier):
    notifier.start()
    mail.stall("rcpt", times=1)
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
    front.await_served("notify-urgent")
    front.turn()
    mail.await_at("rcpt")
    front.lose()
    mail.behave()
    front.await_settled()
    assert len(mail.messages()) == 1


# --- killed


def test_a_worker_killed_while_a_reminder_leaves_does_not_send_it_again_and_says_so(front, mail, notifier):
    notifier.start()
    mail.stall("body", times=1)
    front.hand("notify-reminders", reminder("n7"), mother())
    front.await_(lambda: mail.orders.seen.get("body"), "the body")
    notifier.kill()
    mail.behave()
    front.lose()
    notifier.start()
    front.await_settled()
    assert len(mail.messages()) == 1  # the server had it; nobody else could know
    [failed] = front.failed()
    assert failed.is_unknown and not failed.is_permanent
    assert (failed.emission_id, failed.addressee, failed.channel) == (f"{KEY}-n7", "GUARDIAN:mother-1", EMAIL)
    assert front.acked == [f"{KEY}-n7"]


def test_a_worker_killed_while_a_notice_leaves_sends_it_again_under_the_same_id(front, mail, notifier):
    notifier.start()
    mail.stall("body", times=1)
    front.hand("notify-emergent", task("t1.1", EMERGENT), coordinator())
    front.await_(lambda: mail.orders.seen.get("body"), "the body")
    notifier.kill()
    mail.behave()
    front.lose()
    notifier.start()
    front.await_settled()
    assert ids(mail.messages()) == 2 * [f"{KEY}-t1.1"]
    assert front.sent() == [(f"{KEY}-t1.1", "coordinator-1")]
    assert not front.failed()


def test_a_worker_killed_before_the_intent_sends_it_once(front, mail, notifier):
    notifier.start()
    front.hand("notify-reminders", reminder("n7"), mother())
    front.await_served("notify-reminders")
    front.turn()  # handed out; it is being gathered
    notifier.kill()
    front.lose()
    notifier.start()
    front.await_settled()
    assert len(mail.messages()) == 1 and not front.failed()


def test_a_worker_killed_before_the_daemon_heard_tells_it_afterwards_and_sends_nothing(front, mail, notifier):
    notifier.start()
    front.refused_publishes = 1 << 30
    front.hand("notify-reminders", reminder("n7"), mother())
    front.await_(lambda: front.refused_publishes < 1 << 30, "message.sent")
    notifier.kill()
    front.refused_publishes = 0
    front.lose()
    notifier.start()
    front.await_settled()
    assert len(mail.messages()) == 1
    assert front.sent() == [(f"{KEY}-n7", "GUARDIAN:mother-1")]


def test_a_digest_killed_while_it_leaves_goes_again_with_the_same_members_and_id(front, mail, notifier):
    notifier.start()
    mail.stall("body", times=1)
    for i in range(3):
        front.hand("notify-routine", task(f"t{i}.1", ROUTINE, f"patient-{i}"), coordinator())
    front.await_(lambda: mail.orders.seen.get("body"), "the body")
    notifier.kill()
    mail.behave()
    front.lose()
    front.hand("notify-routine", task("t9.1", ROUTINE, "patient-9"), coordinator())
    notifier.start()
    front.await_settled()
    first, again, other = sorted(ids(mail.messages()), key=lambda id: not id.startswith("several-"))
    assert first == again and first.startswith("several-")
    assert other == f"{KEY}-t9.1"
    assert len(front.sent()) == 4


# --- failing


def test_a_failure_that_passes_is_tried_again_by_the_daemon_alone(front, mail, notifier):
    notifier.start()
    mail.refuse("rcpt", "451 4.3.0 not now", times=2)
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
    front.await_settled()
    assert ids(mail.messages()) == [f"{KEY}-t1.1"]
    assert [nack.is_permanent for _, nack in front.nacked] == [False, False]
    assert front.acked == [f"{KEY}-t1.1"] and not front.failed()


def test_a_mailbox_that_is_refused_for_good_is_reported_and_given_up(front, mail, notifier):
    notifier.start()
    mail.refuse("rcpt", "550 5.1.1 no such mailbox", times=1)
    front.hand("notify-reminders", reminder("n7"), mother())
    front.await_settled()
    [failed] = front.failed()
    assert failed.is_permanent and not failed.is_unknown and failed.reason
    assert "mother@" not in failed.reason
    [(_, nack)] = front.nacked
    assert nack.is_permanent and not front.acked
    assert mail.messages() == []


def test_a_malformed_address_is_the_fault_of_that_message_alone(front, mail, notifier):
    notifier.start()
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator((EMAIL, "nobody at all")))
    front.hand("notify-urgent", task("t2.1", URGENT, "tom"), coordinator())
    front.await_settled()
    assert ids(mail.messages()) == [f"{KEY}-t2.1"]
    assert [failed.emission_id for failed in front.failed()] == [f"{KEY}-t1.1"]


def test_a_message_that_no_attempt_could_send_is_given_up_at_the_last(front, mail, notifier):
    urgent = {"name": "notify-urgent", "stream": "task", "severities": ["urgent"], "attempts": 3}
    notifier.values["subscriptions"] = [urgent]
    notifier.start()
    mail.leave()
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
    front.await_settled()
    assert [nack.is_permanent for _, nack in front.nacked] == [False, False, True]
    [failed] = front.failed()
    assert failed.is_permanent and "3 attempts" in failed.reason


def test_a_person_without_a_configured_channel_is_reported(front, mail, notifier):
    notifier.start()
    front.hand("notify-reminders", reminder("n7"), mother((common_pb2.CHANNEL_SMS, "555-0123")))
    front.await_settled()
    [failed] = front.failed()
    assert failed.is_permanent and "no channel is configured" in failed.reason


def test_a_stalled_mail_server_holds_up_no_emergent_webhook(tmp_path, front, mail):
    with WebServer() as web:
        notifier = Notifier(tmp_path, front.endpoint, mail, web, SECRET).start()
        mail.stall("connect")
        for i in range(3):
            front.hand("notify-routine", task(f"t{i}.1", ROUTINE, f"patient-{i}"), coordinator())
        front.await_(lambda: mail.orders.seen.get("connect"), "somebody at the mail server")
        front.hand("notify-emergent", task("t9.1", EMERGENT, "tom"), coordinator((WEBHOOK, web.url)))
        front.await_(lambda: front.acked, "the emergent one")
        [request] = web.requests
        assert request.is_signed(SECRET) and request.headers["webhook-id"] == f"{KEY}-t9.1"
        notifier.close()


def test_at_a_full_disk_nothing_is_sent_and_nothing_is_lost(front, mail, notifier):
    notifier.start()
    front.await_served("notify-urgent")
    limits = resource.prlimit(notifier.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
    front.await_(lambda: front.nacked, "a nack")
    assert mail.messages() == [] and all(nack.delay_ms and nack.is_unspent for _, nack in front.nacked)
    resource.prlimit(notifier.process.pid, resource.RLIMIT_FSIZE, limits)
    front.await_settled()
    assert len(mail.messages()) == 1 and not front.failed()


# --- together


def test_one_persons_routine_notices_of_a_morning_come_as_one_digest(front, mail, notifier):
    notifier.start()
    for i in range(5):
        front.hand("notify-routine", task(f"t{i}.1", ROUTINE, f"patient-{i}"), coordinator())
    front.hand("notify-routine", task("t8.1", ROUTINE, "tom"), coordinator(id="coordinator-2"))
    front.await_settled()
    assert sorted(message["X-RcptTo"] for message in mail.messages()) == ["coordinator-1@example.org", "coordinator-2@example.org"]
    assert len(front.sent()) == 6 and len(front.acked) == 6


def test_one_persons_reminders_for_several_patients_come_as_one_and_are_settled_apart(front, mail, notifier):
    notifier.start()
    front.hand("notify-reminders", reminder("n7"), mother())
    front.hand("notify-reminders", reminder("n8", "tom"), mother())
    front.await_settled()
    [message] = mail.messages()
    assert message["X-RcptTo"] == "mother@example.org"
    assert sorted(front.acked) == [f"{KEY}-n7", f"{KEY}-n8"]
    assert {event.patient_id for event in front.events} == {"mary", "tom"}


def test_emergent_notices_never_wait_for_each_other(front, mail, notifier):
    notifier.start()
    front.hand("notify-emergent", task("t1.1", EMERGENT), coordinator())
    front.hand("notify-emergent", task("t2.1", EMERGENT, "tom"), coordinator())
    front.await_settled()
    assert ids(mail.messages()) == [f"{KEY}-t1.1", f"{KEY}-t2.1"]


# --- the dead man's signal


def test_a_heartbeat_that_came_all_the_way_is_passed_on(tmp_path, front, mail):
    with WebServer() as web:
        notifier = Notifier(tmp_path, front.endpoint, mail, heartbeat={"url": web.url}).start()
        beat = emission_pb2.StatusEmission(kind=emission_pb2.STATUS_KIND_HEARTBEAT)
        front.hand("notify-heartbeat", emission("n1", "synthetic", status=beat))
        front.await_settled()
        [request] = web.requests
        assert request.method == "GET" and not request.body
        assert front.sent() == [(f"{KEY}-n1", "")]
        settings = front.settings["notify-heartbeat"]
        assert list(settings.filter.kinds) == ["heartbeat"] and not settings.is_addressed
        notifier.close()


def test_the_signal_is_held_back_while_a_subscription_is_not_served(tmp_path, front, mail):
    with WebServer() as web:
        front.refused.add("notify-emergent")
        notifier = Notifier(tmp_path, front.endpoint, mail, heartbeat={"url": web.url}).start()
        beat = emission_pb2.StatusEmission(kind=emission_pb2.STATUS_KIND_HEARTBEAT)
        front.hand("notify-heartbeat", emission("n1", "synthetic", status=beat))
        front.await_(lambda: front.nacked, "the heartbeat")
        notifier.await_line("notify-emergent is not served yet, and is tried again: other settings (settings.attempts)")
        _, nack = front.nacked[0]
        assert nack.is_unspent and nack.delay_ms and "not every subscription" in nack.reason
        assert not web.requests and not front.acked
        notifier.close()


# --- the program


def test_check_says_what_is_wrong_and_run_refuses_it(notifier):
    assert subprocess.run(notifier.command("check"), capture_output=True).returncode == 0
    notifier.values["smtp"]["password_file"] = "/nowhere"
    notifier.values["smtp"]["user"] = "care"
    for command in ("check", "run"):
        done = subprocess.run(notifier.command(command), capture_output=True, text=True)
        assert done.returncode == 3 and "smtp" in done.stderr, done.stderr


def test_help_lists_the_commands(notifier):
    done = subprocess.run([notifier.command("help")[0], "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for word in ("run", "check", "--config"):
        assert word in done.stdout


def test_a_test_message_shows_whether_a_channel_works(mail, notifier):
    command = notifier.command("test")
    done = subprocess.run([*command, "email", "coordinator-1@example.org"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("done:"), done.stdout + done.stderr
    [message] = mail.messages()
    assert message["X-RcptTo"] == "coordinator-1@example.org"
    mail.refuse("rcpt", "550 5.1.1 no such mailbox", times=1)
    done = subprocess.run([*command, "email", "coordinator-2@example.org"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout.startswith("never:")
    done = subprocess.run([*command, "sms", "555-0123"], capture_output=True, text=True)
    assert done.returncode == 2 and '"sms"' in done.stderr


def test_a_second_one_with_the_same_ledger_does_not_run(front, notifier):
    notifier.start()
    done = subprocess.run(notifier.command("run"), capture_output=True, text=True)
    assert done.returncode == 1 and "another handoff-notify has it open" in done.stderr


def test_a_ledger_that_is_none_is_refused_and_a_missing_one_is_said(front, notifier):
    notifier.ledger.write_text("this is a text and no ledger, and it is long enough to be looked at\n")
    done = subprocess.run(notifier.command("run"), capture_output=True, text=True)
    assert done.returncode == 1 and "file is not a database" in done.stderr
    notifier.ledger.unlink()
    notifier.start()
    assert b"it knows of nothing that was sent before" in notifier.log
    notifier.kill()
    with contextlib.closing(sqlite3.connect(notifier.ledger)) as ledger:
        ledger.execute("PRAGMA user_version = 99")
    done = subprocess.run(notifier.command("run"), capture_output=True, text=True)
    assert done.returncode == 1 and "it is of another version of handoff-notify" in done.stderr
    notifier.values["ledger"] = str(notifier.folder / "nowhere" / "ledger.sqlite")
    done = subprocess.run(notifier.command("run"), capture_output=True, text=True)
    assert done.returncode == 1 and "No such file or directory" in done.stderr


def test_a_daemon_that_goes_away_is_said_and_waited_for(front, mail, notifier):
    notifier.start()
    front.await_served("notify-urgent")
    notifier.await_line("notify-urgent is not served any more, and is waited for: no answer from tcp://")
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
    front.await_settled()
    notifier.await_line("serving notify-urgent again")
    assert len(mail.messages()) == 1


def test_nothing_of_patients_or_people_is_in_the_log(front, mail, notifier):
    notifier.start()
    mail.refuse("rcpt", "550 5.1.1 no such mailbox: mother@example.org", times=1)
    front.hand("notify-reminders", reminder("n7"), mother())
    front.hand("notify-urgent", task("t1.1", URGENT), coordinator())
    front.await_settled()
    notifier.stop()
    for word in (b"mother@", b"coordinator-1@", b"mary", b"because it is so"):
        assert word not in notifier.log
