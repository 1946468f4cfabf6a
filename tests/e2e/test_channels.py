"""The ways out of handoff-notify against real servers, which take, refuse, stall and break off where they are told to."""

import base64
import email
import json
import os
import pathlib
import signal
import subprocess
import time
from email.header import decode_header, make_header

import pytest
from peer import BUILD, until
from worlds import BOUND_S, Certificate, Command, MailServer, WebServer

SEND = BUILD / "tests" / "workers" / "tests" / "send"
SECRETS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3)]
AT_MS = 1772746800000  # 2026-03-05 21:40 UTC
STALL_MS = 1500  # how long a channel waits for a server that stalls


class Channel:
    """A channel in a process of its own."""

    def __init__(self, channel, **options):
        options = {"channel": channel, "timeout_ms": BOUND_S * 1000, **options}
        self.process = subprocess.Popen(
            [SEND, json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(BOUND_S)
        self.process.stdout.close()
        self.process.stderr.close()

    def send(self, **message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def refusal(self):
        """Why it could not be opened."""
        _, sentence = self.process.communicate(timeout=BOUND_S)
        assert self.process.returncode == 1
        return sentence


@pytest.fixture(scope="session")
def program():
    """`make e2e` has built it; a test that is run alone builds it where it is missing."""
    if not SEND.exists():
        root = pathlib.Path(__file__).resolve().parents[2]
        subprocess.run(["make", "-s", f"BUILD={os.environ.get('BUILD', 'build')}", SEND.relative_to(root)],
                       cwd=root, check=True, capture_output=True)


pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def mail(tmp_path):
    with MailServer(tmp_path) as server:
        yield server


@pytest.fixture
def web():
    with WebServer() as server:
        yield server


def mailer(server, **options):
    return Channel("smtp", **{"url": server.url, "from": "care@program.example", "hello": "worker.example", **options})


def hook(server, **options):
    return Channel("webhook", **{"url": server.url, "secrets": SECRETS[:1], **options})


def letter(**fields):
    return {
        "id": "3f2a-t4.2", "to": "mother@home.example", "subject": "A reminder", "body": "Please call 555-0199.\n",
        "at_ms": AT_MS, "json": '{"kind":"reminder"}', **fields,
    }


# --- mail: what arrives


def test_a_mail_arrives_with_its_stable_id_its_date_and_names_in_any_script(mail):
    body = "Le recordamos su cita: mañana a las 16:40.\n\n.una línea que empieza con un punto\n" + "muy larga " * 40 + "\n"
    with mailer(mail) as channel:
        report = channel.send(**letter(
            subject="Recordatorio: cita mañana " + "con palabras largas y eñes " * 5, body=body, language="es-MX",
            to_name='Señora "Madre", de Mary', from_name="Programa de coordinación de la salud del comportamiento",
        ))
    assert report == {"result": "done", "retry_after_ms": 0, "reason": "the mail server took it"}
    [message] = mail.messages()
    assert message["Message-ID"] == "<3f2a-t4.2@program.example>"
    assert message["Subject"] == "Recordatorio: cita mañana " + "con palabras largas y eñes " * 5
    # Adjacent encoded words join without the fold between them (RFC 2047, 6.2); the address parser keeps it.
    raw = email.message_from_bytes(message.as_bytes())["From"].rsplit(" <")[0]
    assert str(make_header(decode_header(raw))) == "Programa de coordinación de la salud del comportamiento"
    assert message["To"].addresses[0].display_name == 'Señora "Madre", de Mary'
    assert message["To"].addresses[0].addr_spec == message["X-RcptTo"] == "mother@home.example"
    assert message["X-MailFrom"] == message["From"].addresses[0].addr_spec == "care@program.example"
    assert message["Date"].datetime.timestamp() * 1000 == AT_MS
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "es-MX"
    assert not [name for name in message if name.lower().startswith("list-")]
    assert message.get_content().replace("\r\n", "\n") == body
    assert all(len(line) <= 78 for line in message.as_bytes().splitlines() if not line.startswith(b"X-"))


def test_two_messages_travel_on_one_connection(mail):
    with mailer(mail) as channel:
        assert [channel.send(**letter(id=f"k-t{n}.1"))["result"] for n in (1, 2)] == ["done", "done"]
    assert len(mail.messages()) == 2
    assert mail.connections == 1


@pytest.mark.parametrize("field, value", [
    ("to", "mother@"), ("to", "mother@home.example\r\nBcc: all@home.example"), ("to", "two people@home.example"),
    ("to", "mother@home.example>, <x@y.example"), ("to", ""), ("to", "madré@home.example"),
    ("subject", "Hello\r\nBcc: all@home.example"), ("subject", "Hello\nBcc: x"), ("to_name", "A\r\nBcc: x@y.example"),
    ("from_name", "A\rB"), ("id", "a\r\nb"), ("id", ""), ("body", "a\rb"), ("from", "not an address"),
])
def test_what_would_break_out_of_its_header_is_never_sent_and_nobody_is_called(mail, field, value):
    with mailer(mail) as channel:
        report = channel.send(**letter(**{field: value}))
        assert report["result"] == "never"
        assert "home.example" not in report["reason"]
        assert mail.connections == 0
        assert channel.send(**letter())["result"] == "done"  # that message alone


# --- mail: what the server answers


@pytest.mark.parametrize("phase, reply, result", [
    ("connect", "554 5.3.2 no service", "later"),
    ("connect", "421 4.3.2 closing", "later"),
    ("ehlo", "502 5.5.1 no", "later"),
    ("mail", "451 4.3.0 try later", "later"),
    ("mail", "550 5.1.8 we do not know you", "later"),
    ("rcpt", "451 4.2.1 greylisted", "later"),
    ("rcpt", "550 5.1.1 <mother@home.example>: no such user", "never"),
    ("rcpt", "550 <mother@home.example>: no such user", "never"),
    ("rcpt", "530 5.7.0 log in first", "later"),
    ("rcpt", "554 5.7.1 relaying denied", "later"),
    ("rcpt", "421 4.7.0 too many", "later"),
    ("data", "452 4.3.1 full", "later"),
    ("data", "554 5.5.0 no", "never"),
    ("body", "451 4.3.0 try later", "later"),
    ("body", "554 5.7.1 this looks like spam", "never"),
    ("body", "552 5.2.2 mailbox full", "never"),
])
def test_an_answer_counts_by_its_code_and_by_what_it_answers(mail, phase, reply, result):
    mail.refuse(phase, reply, times=2 if phase == "ehlo" else 1)  # HELO follows
    with mailer(mail) as channel:
        report = channel.send(**letter())
        assert report["result"] == result, report
        assert "home.example" not in report["reason"]
        assert reply.split(" ")[0] in report["reason"], report
        assert channel.send(**letter())["result"] == "done"
    assert len(mail.messages()) == 1


@pytest.mark.parametrize("phase, result", [
    ("connect", "later"), ("ehlo", "later"), ("mail", "later"), ("rcpt", "later"), ("data", "later"), ("body", "unknown"),
])
@pytest.mark.parametrize("how", ["stall", "cut"])
def test_a_server_that_stalls_or_breaks_off_leaves_doubt_only_after_the_text(mail, phase, result, how):
    getattr(mail, how)(phase, times=1)
    with mailer(mail, timeout_ms=STALL_MS if how == "stall" else BOUND_S * 1000) as channel:
        report = channel.send(**letter(id="k-t1.1"))
        assert report["result"] == result, report
        assert report["reason"] and "home.example" not in report["reason"]
        until(lambda: channel.send(**letter(id="k-t2.1"))["result"] == "done")  # on a loaded machine not at once
    ids = [message["Message-ID"] for message in mail.messages()]
    assert ids.count("<k-t1.1@program.example>") == (1 if phase == "body" else 0)  # the doubt was justified


def test_a_server_that_is_down_is_asked_again_when_it_is_back(mail):
    with mailer(mail) as channel:
        mail.leave()
        report = channel.send(**letter())
        assert (report["result"], report["reason"]) == ("later", "no mail was sent: Couldn't connect to server")
        mail.back()
        assert channel.send(**letter())["result"] == "done"


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(mail):
    with mailer(mail) as channel:
        assert channel.send(**letter())["result"] == "done"
        mail.hang_up()
        assert channel.send(**letter(id="k-t2.1"))["result"] == "done"
    assert len(mail.messages()) == 2


# --- mail: TLS and passwords


def test_a_mail_goes_over_starttls_with_name_and_password(tmp_path, certificate):
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    with MailServer(tmp_path, certificate, user="handoff", password="correct horse") as mail:
        with mailer(mail, starttls="required", ca_file=str(certificate.file), user="handoff",
                    password_file=str(secret)) as channel:
            assert channel.send(**letter())["result"] == "done"
        assert mail.logins == [("handoff", "correct horse")]
        assert len(mail.messages()) == 1


def test_a_mail_goes_over_smtps(tmp_path, certificate):
    with MailServer(tmp_path, certificate, is_tls=True) as mail:
        with mailer(mail, ca_file=str(certificate.file)) as channel:
            assert channel.send(**letter())["result"] == "done"
        assert len(mail.messages()) == 1


def test_a_wrong_password_is_a_fault_of_ours_and_kills_no_message(tmp_path, certificate):
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    with MailServer(tmp_path, certificate, user="handoff", password="right") as mail:
        with mailer(mail, starttls="required", ca_file=str(certificate.file), user="handoff",
                    password_file=str(secret)) as channel:
            report = channel.send(**letter())
        assert report["result"] == "later"
        assert "535" in report["reason"] and "wrong" not in report["reason"]
        assert not mail.messages()


def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path, certificate):
    with MailServer(tmp_path, certificate) as mail:
        with mailer(mail, starttls="if-offered") as channel:
            report = channel.send(**letter())
        assert report["result"] == "later"
        assert not mail.messages()


def test_a_server_without_starttls_gets_nothing_where_it_is_required(mail):
    with mailer(mail, starttls="required") as channel:
        report = channel.send(**letter())
    assert report["result"] == "later"
    assert not mail.messages()


@pytest.mark.parametrize("options, part", [
    ({"url": "http://localhost"}, "smtp://HOST:PORT"),
    ({"url": "smtp://user@localhost"}, "smtp://HOST:PORT"),
    ({"url": "smtp://localhost/path"}, "smtp://HOST:PORT"),
    ({"from": "nobody"}, "from must be the mailbox"),
    ({"user": "handoff"}, "belong together"),
    ({"user": "handoff", "password_file": "FILE"}, "never in clear"),
    ({"user": "handoff", "password_file": "FILE", "starttls": "if-offered"}, "never in clear"),
    ({"user": "handoff", "password_file": "missing", "starttls": "required"}, "cannot be read"),
    ({"user": "handoff", "password_file": "EMPTY", "starttls": "required"}, "is empty"),
    ({"ca_file": "missing"}, "cannot be read"),
    ({"hello": "two words"}, "name of this machine"),
])
def test_a_mail_channel_that_cannot_work_does_not_open(mail, tmp_path, options, part):
    (tmp_path / "FILE").write_text("secret\n")
    (tmp_path / "EMPTY").write_text("\n")
    files = {"FILE": str(tmp_path / "FILE"), "EMPTY": str(tmp_path / "EMPTY")}
    with mailer(mail, **{key: files.get(value, value) for key, value in options.items()}) as channel:
        sentence = channel.refusal()
    assert part in sentence
    assert "secret" not in sentence


# --- webhooks


def test_a_webhook_is_signed_as_the_standard_says(web):
    text = '{"kind":"reminder","text":"mañana"}'
    with hook(web) as channel:
        report = channel.send(**letter(json=text))
    assert report == {"result": "done", "retry_after_ms": 0, "reason": "the web server answered 204"}
    [request] = web.requests
    assert (request.method, request.path, request.body.decode()) == ("POST", "/hook", text)
    assert request.headers["webhook-id"] == "3f2a-t4.2"
    assert request.headers["webhook-timestamp"] == str(AT_MS // 1000)
    assert request.headers["content-type"] == "application/json"
    assert request.is_signed(SECRETS[0])
    assert not request.is_signed(SECRETS[1])


def test_while_secrets_are_rotated_each_of_them_signs(web):
    with hook(web, secrets=SECRETS[:2]) as channel:
        channel.send(**letter())
    [request] = web.requests
    assert request.is_signed(SECRETS[0]) and request.is_signed(SECRETS[1]) and not request.is_signed(SECRETS[2])
    assert len(request.headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("status, headers, result, retry_after_ms", [
    (200, {}, "done", 0), (202, {}, "done", 0),
    (301, {"Location": "/elsewhere"}, "never", 0), (307, {"Location": "/elsewhere"}, "never", 0),
    (400, {}, "never", 0), (401, {}, "never", 0), (404, {}, "never", 0), (410, {}, "never", 0),
    (408, {}, "later", 0), (500, {}, "later", 0), (502, {}, "later", 0),
    (429, {}, "later", 0), (429, {"Retry-After": "7"}, "later", 7000), (503, {"Retry-After": "120"}, "later", 120000),
    (429, {"Retry-After": "99999999"}, "later", 86400000), (429, {"Retry-After": "soon"}, "later", 0),
    (429, {"Retry-After": "-5"}, "later", 0),
])
def test_a_web_servers_status_decides(web, status, headers, result, retry_after_ms):
    web.answer(status, headers, b"what went wrong")
    with hook(web) as channel:
        report = channel.send(**letter())
    assert (report["result"], report["retry_after_ms"]) == (result, retry_after_ms), report
    assert str(status) in report["reason"]
    assert len(web.requests) == 1


def test_a_web_server_may_name_the_time_to_come_again_as_a_date(web):
    web.answer(503, {"Retry-After": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 600))})
    with hook(web) as channel:
        report = channel.send(**letter())
    assert 500_000 < report["retry_after_ms"] <= 600_000


@pytest.mark.parametrize("how", ["stall", "cut"])
def test_a_web_server_that_had_it_all_and_says_nothing_leaves_doubt(web, how):
    getattr(web, how)()
    with hook(web, timeout_ms=STALL_MS if how == "stall" else BOUND_S * 1000) as channel:
        report = channel.send(**letter())
    assert report["result"] == "unknown", report
    assert len(web.requests) == 1


def test_nothing_is_posted_twice_when_a_kept_connection_breaks(web):
    with hook(web) as channel:
        assert channel.send(**letter())["result"] == "done"
        web.cut()
        assert channel.send(**letter(id="k-t2.1"))["result"] == "unknown"
        assert channel.send(**letter(id="k-t3.1"))["result"] == "done"
    assert [request.headers["webhook-id"] for request in web.requests] == ["3f2a-t4.2", "k-t2.1", "k-t3.1"]


def test_requests_share_a_connection(web):
    with hook(web) as channel:
        for n in range(3):
            assert channel.send(**letter(id=f"k-t{n}.1"))["result"] == "done"
    assert web.connections == 1


def test_a_web_server_that_is_down_is_asked_again_when_it_is_back(web):
    with hook(web) as channel:
        web.leave()
        assert channel.send(**letter())["result"] == "later"
        web.back()
        assert channel.send(**letter())["result"] == "done"


def test_an_endless_answer_is_not_read_to_its_end(web):
    web.answer(200, {}, b"x" * 1_000_000)
    with hook(web) as channel:
        assert channel.send(**letter())["result"] == "done"


def test_a_webhook_goes_over_tls_to_whom_the_certificate_names(certificate):
    with WebServer(certificate) as web:
        with hook(web, ca_file=str(certificate.file)) as channel:
            assert channel.send(**letter())["result"] == "done"
        with hook(web) as channel:
            assert channel.send(**letter())["result"] == "later"
        assert len(web.requests) == 1


@pytest.mark.parametrize("to, result", [
    ("http://elsewhere.example/hook", "never"), ("ftp://localhost/x", "never"), ("https://a b/", "never"),
    ("https://", "never"), ("https://user:word@elsewhere.example/", "never"), ("", "never"),
])
def test_an_address_of_a_person_must_be_https(web, to, result):
    with Channel("webhook", secrets=SECRETS[:1]) as channel:
        assert channel.send(**letter(to=to))["result"] == result
        assert channel.send(**letter(to=web.url))["result"] == "done"


@pytest.mark.parametrize("options, part", [
    ({"url": "http://elsewhere.example/"}, "https://"),
    ({"secrets": []}, "1 to 4 secrets"),
    ({"secrets": ["whsec_c2hvcnQ="]}, "secret 1 is not whsec_"),
    ({"secrets": [SECRETS[0], "plain"]}, "secret 2 is not whsec_"),
    ({"secrets": SECRETS * 2}, "1 to 4 secrets"),
])
def test_a_webhook_that_cannot_work_does_not_open(web, options, part):
    with hook(web, **options) as channel:
        assert part in channel.refusal()


def test_the_dead_mans_signal_is_a_bare_request(web):
    for is_post in (False, True):
        web.answer(200, {}, b"OK")
        with Channel("ping", url=web.url, is_post=is_post) as ping:
            assert json.loads(ping.process.stdout.readline())["result"] == "done"
    web.answer(500)
    with Channel("ping", url=web.url) as ping:
        assert json.loads(ping.process.stdout.readline())["result"] == "later"
    assert [(request.method, request.body) for request in web.requests] == [("GET", b""), ("POST", b""), ("GET", b"")]


# --- commands


def test_a_command_is_handed_the_message_on_standard_input_and_little_else(tmp_path):
    command = Command(tmp_path, "part.with_suffix('.env').write_text(repr((dict(os.environ), os.listdir('/proc/self/fd'))))")
    with Channel("command", arguments=[str(command.program), "--flag"]) as channel:
        report = channel.send(**letter())
    assert report["result"] == "done"
    assert command.messages() == ['{"kind":"reminder"}']
    environment, files = eval(next(command.folder.glob("*.env")).read_text())
    assert environment["HANDOFF_ID"] == "3f2a-t4.2"
    assert set(environment) <= {"HANDOFF_ID", "PATH", "LANG", "TZ", "HOME", "LC_CTYPE"}
    assert len(files) <= 4  # standard input, output, error, and the listing itself


@pytest.mark.parametrize("code, result", [
    (0, "done"), (1, "later"), (64, "later"), (65, "never"), (67, "never"), (68, "never"), (69, "later"), (75, "later"),
    (77, "later"), (78, "later"), (126, "later"), (127, "later"),
])
def test_a_commands_exit_code_decides(tmp_path, code, result):
    command = Command(tmp_path, f"print('the gateway is closed', file=sys.stderr)\nraise SystemExit({code})")
    with Channel("command", arguments=[str(command.program)]) as channel:
        report = channel.send(**letter())
    assert report["result"] == result
    if code:
        assert report["reason"] == f"the command ended with {code}: the gateway is closed"


def test_a_reason_that_names_the_recipient_is_not_kept(tmp_path):
    command = Command(tmp_path, "print('no such user mother@home.example', file=sys.stderr)\nraise SystemExit(67)")
    with Channel("command", arguments=[str(command.program)]) as channel:
        report = channel.send(**letter())
    assert report["result"] == "never"
    assert "home.example" not in report["reason"]


def test_a_long_complaint_is_cut_and_does_not_hold_the_command_up(tmp_path):
    command = Command(tmp_path, "print('x' * 1_000_000, file=sys.stderr)\nraise SystemExit(75)")
    with Channel("command", arguments=[str(command.program)]) as channel:
        report = channel.send(**letter())
    assert report["result"] == "later"
    assert len(report["reason"]) < 256


def test_a_command_that_does_not_end_is_killed_with_what_it_started_and_leaves_doubt(tmp_path):
    command = Command(tmp_path, "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
                                "part.with_suffix('.pid').write_text(str(child.pid))\nchild.wait()")
    with Channel("command", arguments=[str(command.program)], timeout_ms=1500) as channel:
        report = channel.send(**letter())
    assert report["result"] == "unknown"
    child = int(next(command.folder.glob("*.pid")).read_text())
    deadline = time.monotonic() + BOUND_S
    while is_running(child):
        assert time.monotonic() < deadline


def is_running(pid):
    """Not gone, and not a zombie that nobody has fetched yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_that_a_signal_ended_leaves_doubt(tmp_path):
    command = Command(tmp_path, "os.kill(os.getpid(), 9)")
    with Channel("command", arguments=[str(command.program)]) as channel:
        assert channel.send(**letter())["result"] == "unknown"


def test_a_child_that_lives_on_does_not_hold_the_message_up(tmp_path):
    command = Command(tmp_path, "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
                                "part.with_suffix('.pid').write_text(str(child.pid))")
    with Channel("command", arguments=[str(command.program)]) as channel:
        assert channel.send(**letter())["result"] == "done"
    os.kill(int(next(command.folder.glob("*.pid")).read_text()), signal.SIGKILL)


def test_a_command_that_is_gone_is_tried_again_later(tmp_path):
    command = Command(tmp_path)
    with Channel("command", arguments=[str(command.program)]) as channel:
        assert channel.send(**letter())["result"] == "done"
        command.program.unlink()
        report = channel.send(**letter())
    assert report["result"] == "later"
    assert report["reason"] == "the command could not be started: No such file or directory"


def test_a_command_that_is_not_there_does_not_open(tmp_path):
    with Channel("command", arguments=[str(tmp_path / "nothing")]) as channel:
        assert "cannot be run" in channel.refusal()
