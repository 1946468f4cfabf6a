"""The world outside: a mail server that keeps a maildir, a web server, a command. Real ones, on loopback, which take,
refuse, stall and break off where a test tells them to.

    with MailServer(tmp_path) as mail:
        mail.refuse("rcpt", "451 4.3.0 try later", times=1)
        ...
        [message] = mail.messages()

    with WebServer() as web:
        web.answer(429, {"Retry-After": "7"})
        ...
        [request] = web.requests

A stalled peer holds its connection until release() or the server's end; await_at() waits until somebody is held."""

import asyncio
import base64
import email.policy
import hashlib
import hmac
import http.server
import mailbox
import pathlib
import ssl
import stat
import subprocess
import sys
import threading
import time

from aiosmtpd.smtp import SMTP, AuthResult

BOUND_S = 30


class Certificate:
    """Self-made, for localhost and 127.0.0.1. Clients trust it as a certificate authority of their own."""

    def __init__(self, folder):
        self.file, self.key = pathlib.Path(folder) / "cert.pem", pathlib.Path(folder) / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
            + ["-keyout", str(self.key), "-out", str(self.file)],
            check=True, capture_output=True,
        )

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


class Orders:
    """What to do with whoever comes to a phase: ("reply", text), ("stall",) or ("close",), the oldest order first."""

    def __init__(self):
        self.changed = threading.Condition()
        self.orders = {}  # phase -> [[what, times]]; times None: for good
        self.seen = {}  # phase -> how often anybody came there

    def give(self, phase, what, times):
        with self.changed:
            self.orders.setdefault(phase, []).append([what, times])

    def clear(self):
        with self.changed:
            self.orders.clear()

    def come(self, phase):
        """The order for this one who comes, or None."""
        with self.changed:
            self.seen[phase] = self.seen.get(phase, 0) + 1
            self.changed.notify_all()
            waiting = self.orders.get(phase)
            if not waiting:
                return None
            order = waiting[0]
            if order[1] is not None:
                order[1] -= 1
                if order[1] == 0:
                    waiting.pop(0)
            return order[0]

    def await_at(self, phase, count=1):
        with self.changed:
            came = self.changed.wait_for(lambda: self.seen.get(phase, 0) >= count, BOUND_S)
            assert came, f"nobody came to {phase!r} {count} times: {self.seen}"


class Session(SMTP):
    """One connection to a MailServer: each command asks for orders first."""

    def __init__(self, server, **options):
        self.server = server
        super().__init__(server, **options)

    async def _handle_client(self):
        if await self.is_taken("connect"):
            await super()._handle_client()

    async def is_taken(self, phase):
        """Whether the session goes on as usual."""
        order = self.server.orders.come(phase)
        if order is None:
            return True
        if order[0] == "reply":
            await self.push(order[1])
            if order[1].startswith("421") or phase == "connect":
                self.transport.close()
            return False
        if order[0] == "stall":
            await self.server.released.wait()
        self.transport.abort()
        return False

    async def smtp_EHLO(self, argument):
        if await self.is_taken("ehlo"):
            await super().smtp_EHLO(argument)

    async def smtp_HELO(self, argument):
        if await self.is_taken("ehlo"):
            await super().smtp_HELO(argument)

    async def smtp_AUTH(self, argument):
        if await self.is_taken("auth"):
            await super().smtp_AUTH(argument)

    async def smtp_MAIL(self, argument):
        if await self.is_taken("mail"):
            await super().smtp_MAIL(argument)

    async def smtp_RCPT(self, argument):
        if await self.is_taken("rcpt"):
            await super().smtp_RCPT(argument)

    async def smtp_DATA(self, argument):
        if await self.is_taken("data"):
            await super().smtp_DATA(argument)


class MailServer:
    """Phases: connect, ehlo, auth, mail, rcpt, data (before the body), body (after it, not yet answered)."""

    def __init__(self, folder, certificate=None, is_tls=False, user=None, password=None):
        self.maildir = pathlib.Path(folder) / "maildir"
        mailbox.Maildir(self.maildir, create=True)
        self.certificate, self.is_tls, self.user, self.password = certificate, is_tls, user, password
        self.orders = Orders()
        self.logins = []
        self.connections = 0
        self.sessions = []
        self.loop = asyncio.new_event_loop()
        self.released = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.listener = self.run(self.listen())
        self.port = self.listener.sockets[0].getsockname()[1]
        self.url = f"{'smtps' if is_tls else 'smtp'}://localhost:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(BOUND_S)

    async def listen(self, port=0):
        tls = self.certificate.context() if self.certificate else None
        return await self.loop.create_server(
            lambda: self.session(None if self.is_tls else tls), "127.0.0.1", port, ssl=tls if self.is_tls else None
        )

    def session(self, tls):
        self.connections += 1
        options = {}
        if self.user:
            options = {"authenticator": self.authenticate, "auth_required": True, "auth_require_tls": not self.is_tls}
        self.sessions.append(Session(self, tls_context=tls, enable_SMTPUTF8=True, loop=self.loop, **options))
        return self.sessions[-1]

    def authenticate(self, server, session, envelope, mechanism, data):
        login = (data.login.decode(), data.password.decode())
        self.logins.append(login)
        return AuthResult(success=login == (self.user, self.password), handled=login == (self.user, self.password))

    # --- orders: for the next `times`, or for good

    def refuse(self, phase, reply, times=None):
        self.orders.give(phase, ("reply", reply), times)

    def stall(self, phase, times=None):
        self.orders.give(phase, ("stall",), times)

    def cut(self, phase, times=None):
        self.orders.give(phase, ("close",), times)

    def behave(self):
        """No orders any more, and whoever is held is let go (and broken off)."""
        self.orders.clear()
        self.release()

    def release(self):
        self.loop.call_soon_threadsafe(self.released.set)

    def await_at(self, phase, count=1):
        self.orders.await_at(phase, count)

    def hang_up(self):
        """On everybody who is connected, as a server does that was not used for long."""
        self.run(self.hang_up_all())

    async def hang_up_all(self):
        for session in self.sessions:
            if session.transport is not None:
                session.transport.close()

    def leave(self):
        """As a server that is down: connections are refused. back() is the same port again."""
        self.run(self.stop_listening())

    def back(self):
        self.listener = self.run(self.listen(self.port))

    async def stop_listening(self):
        self.listener.close()
        await self.listener.wait_closed()

    # --- what came

    async def handle_DATA(self, server, session, envelope):
        """aiosmtpd's hook: the body is here."""
        order = self.orders.come("body")
        if order is None or order[0] != "reply":
            self.keep(envelope)
        if order is None:
            return "250 2.0.0 taken"
        if order[0] == "reply":
            return order[1]
        if order[0] == "stall":
            await self.released.wait()
        server.transport.abort()
        return "421 4.3.0 broken off"

    def keep(self, envelope):
        message = mailbox.MaildirMessage(envelope.content)
        message["X-MailFrom"] = envelope.mail_from
        message["X-RcptTo"] = ", ".join(envelope.rcpt_tos)
        mailbox.Maildir(self.maildir).add(message)
        with self.orders.changed:
            self.orders.changed.notify_all()

    def messages(self):
        """As email.message.EmailMessage, in the order of their ids."""
        found = []
        for path in sorted(self.maildir.glob("new/*")):
            found.append(email.message_from_bytes(path.read_bytes(), policy=email.policy.default))
        return sorted(found, key=lambda message: str(message["Message-ID"]))

    def await_messages(self, count):
        deadline = time.monotonic() + BOUND_S
        with self.orders.changed:
            while len(self.messages()) < count:
                assert time.monotonic() < deadline, f"{len(self.messages())} of {count} messages came"
                self.orders.changed.wait(1)
        return self.messages()

    def close(self):
        self.release()
        self.run(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(BOUND_S)
        self.loop.close()

    async def end(self):
        self.listener.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Request:
    """What came to a WebServer."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def is_signed(self, secret):
        """Checked as Standard Webhooks says, by nobody's code but this."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return expected in self.headers["webhook-signature"].split(" ")


class WebServer:
    """Answers 204, or what it was told, one answer a request, in turn; keep-alive."""

    def __init__(self, certificate=None):
        self.orders = Orders()
        self.requests = []
        self.connections = 0
        self.released = threading.Event()
        self.server = self.listen(0, certificate)
        self.certificate = certificate
        self.port = self.server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://localhost:{self.port}/hook"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def listen(self, port, certificate):
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = BOUND_S

            def setup(self):
                world.connections += 1
                super().setup()

            def do(self):
                length = int(self.headers.get("Content-Length") or 0)
                world.handle(self, Request(self.command, self.path, self.headers, self.rfile.read(length)))

            do_GET = do_POST = do_HEAD = do_PUT = do

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_):  # a peer that broke off
                pass

        server = Server(("127.0.0.1", port), Handler)
        if certificate:
            server.socket = certificate.context().wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return server

    def handle(self, handler, request):
        self.requests.append(request)
        order = self.orders.come("request") or ("answer", 204, {}, b"")
        if order[0] == "answer":
            self.reply(handler, *order[1:])
            return
        if order[0] == "stall":
            self.released.wait(BOUND_S)
        handler.close_connection = True

    def reply(self, handler, status, headers, body):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if status != 204:
            handler.wfile.write(body)

    # --- orders: for the next `times`, or for good with None

    def answer(self, status, headers=None, body=b"", times=1):
        self.orders.give("request", ("answer", status, headers or {}, body), times)

    def stall(self, times=1):
        """Takes the whole request and says nothing."""
        self.orders.give("request", ("stall",), times)

    def cut(self, times=1):
        """Takes the whole request and breaks off."""
        self.orders.give("request", ("close",), times)

    def behave(self):
        self.orders.clear()
        self.released.set()

    def await_requests(self, count):
        self.orders.await_at("request", count)
        return list(self.requests)

    def leave(self):
        """As a server that is down. back() is the same port again."""
        self.server.shutdown()
        self.server.server_close()

    def back(self):
        self.server = self.listen(self.port, self.certificate)

    def close(self):
        self.released.set()
        self.leave()


PROGRAM = """\
#!{python}
import os, pathlib, sys, time
part = pathlib.Path({folder!r}) / f"{{time.time_ns()}}-{{os.getpid()}}.part"
part.write_text(sys.stdin.read())
part.rename(part.with_suffix(".json"))  # whole, or not there
{then}
"""


class Command:
    """A program that keeps each message it is handed (one JSON object) as a file, then ends as it is told."""

    def __init__(self, folder, then="raise SystemExit(0)"):
        self.folder = pathlib.Path(folder) / "command"
        self.folder.mkdir()
        self.program = self.folder / "send"
        self.program.write_text(PROGRAM.format(python=sys.executable, folder=str(self.folder), then=then))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    def messages(self):
        return [path.read_text() for path in sorted(self.folder.glob("*.json"))]
