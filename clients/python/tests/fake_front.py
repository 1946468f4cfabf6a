"""A front and a doorbell for tests, in a thread of their own: keeps a journal in memory and misbehaves on request.

Written from PROTOCOL.md. The test steers it with `do`: what is given runs in the thread between two requests, and is in
force when `do` returns, so nothing is shared without order.
"""

import queue
import threading
import time
from collections import Counter

import zmq
from handoff.v1 import api_pb2, delivery_pb2, emission_pb2, event_pb2

BOUND_S = 30


class FakeFront:
    def __init__(self):
        self.context = zmq.Context()
        self.entries = []  # (source, id) or ("", n) of an emission's; an entry's sequence is its place, from 1
        self.emissions = []
        self.requests = Counter()  # by kind
        self.publishes = []  # the frames of each
        self.swallowed = 0  # the next replies that are not sent
        self.unavailable = 0  # the next requests that are refused so
        self.half_unavailable = 0  # the next publishes of which every other event is
        self.page = 100
        self.rewound_to = None
        self.overlap = 0  # entries that a page repeats of what was there before it
        self.is_stuck = False  # says that there is more and does not get further
        self.lease_ms = 30_000
        self.sessions = {}  # (connection, name): Session
        self.subscriptions = {}  # name: settings
        self.over = set()  # emission ids that were acknowledged, or are dead
        self.attempts = Counter()
        self.number = 0
        self.settles = []
        self.orders = queue.Queue()
        self.wake = self.context.socket(zmq.PAIR)
        self.wake.bind("inproc://wake")
        self.front = self.bind(zmq.ROUTER)
        self.endpoint = self.front.getsockopt_string(zmq.LAST_ENDPOINT)
        self.bell = self.bind(zmq.XPUB)
        self.stream = self.bell.getsockopt_string(zmq.LAST_ENDPOINT)
        self.bell_last = 0
        self.is_stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def bind(self, kind, endpoint="tcp://127.0.0.1:*"):
        """Again, too: the socket that was there before is let go a moment after its close."""
        socket = self.context.socket(kind)
        socket.linger = 0
        deadline = time.monotonic() + BOUND_S
        while True:
            try:
                socket.bind(endpoint)
                return socket
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE or time.monotonic() > deadline:
                    raise

    # --- steering

    def do(self, order):
        """Runs it in the thread; what it returns."""
        answer = queue.Queue()
        self.orders.put((order, answer))
        self.wake.send(b"")
        found, error = answer.get(timeout=BOUND_S)
        if error is not None:
            raise error
        return found

    def set(self, **values):
        self.do(lambda: self.__dict__.update(values))

    def close(self):
        self.set(is_stopped=True)
        self.thread.join(BOUND_S)
        self.context.destroy(0)

    def run(self):
        waked = self.context.socket(zmq.PAIR)
        waked.connect("inproc://wake")
        while not self.is_stopped:
            sockets = [socket for socket in (waked, self.front, self.bell) if not socket.closed]
            ready = dict(zmq.zmq_poll([(socket, zmq.POLLIN) for socket in sockets], -1))
            if self.bell in ready:
                self.bell.recv()  # who listens is seen by the tests' results
            if waked in ready:
                waked.recv()
                self.obey(*self.orders.get())
            elif self.front in ready:
                connection, frame = self.front.recv_multipart()
                self.answer(connection, api_pb2.Request.FromString(frame))
            self.hand_out()

    def obey(self, order, answer):
        try:
            answer.put((order(), None))
        except Exception as error:  # the test shall see it
            answer.put((None, error))

    def go_away(self):
        """In the thread, like what follows."""
        self.front.close()
        self.bell.close()
        self.forget()

    def restart(self):
        """Sockets, leases and numbers go, the journal stays."""
        self.go_away()
        self.front = self.bind(zmq.ROUTER, self.endpoint)
        self.bell = self.bind(zmq.XPUB, self.stream)

    def forget(self):
        """Connections, as a daemon does of one that was silent for a lease."""
        self.sessions.clear()
        self.number = 0

    def emit(self, count=1, *, is_rung=True, stream=emission_pb2.STREAM_TASK):
        """One entry with so many emissions, each of another patient."""
        self.entries.append(("", len(self.entries)))
        sequence = len(self.entries)
        for position in range(count):
            made = emission_pb2.Emission(id=f"k{sequence}-n{position}", sequence=sequence, position=position)
            made.patient_id = f"p{sequence}.{position}"
            made.task.change = emission_pb2.TASK_CHANGE_OPENED
            self.emissions.append(made)
        bell = api_pb2.Doorbell(stream=stream, sequence=sequence, previous_sequence=self.bell_last, count=count)
        self.bell_last = sequence
        if is_rung:
            topic = emission_pb2.Stream.Name(stream).removeprefix("STREAM_").lower().encode()
            self.bell.send_multipart([topic, bell.SerializeToString()])

    # --- answering

    def answer(self, connection, request):
        kind = request.WhichOneof("body")
        self.requests[kind] += 1
        if self.unavailable:
            self.unavailable -= 1
            self.refuse(connection, request, api_pb2.CODE_UNAVAILABLE, "not now")
            return
        body = getattr(self, "on_" + kind)(connection, request, getattr(request, kind))
        if isinstance(body, tuple):
            self.refuse(connection, request, *body)
        elif body is not None:
            self.send(connection, api_pb2.Reply(tag=request.tag, **{kind: body}))

    def refuse(self, connection, request, code, sentence):
        self.send(connection, api_pb2.Reply(tag=request.tag, error=api_pb2.Error(code=code, sentence=sentence)))

    def send(self, connection, reply):
        if self.swallowed and reply.WhichOneof("body") != "deliveries":
            self.swallowed -= 1
            return
        self.front.send_multipart([connection, reply.SerializeToString()])

    def on_info(self, connection, request, body):
        return api_pb2.InfoReply(last_sequence=len(self.entries), stream_endpoint=self.stream, version="fake")

    def on_patient(self, connection, request, body):
        return api_pb2.CODE_UNKNOWN_PATIENT, "this daemon has not heard of this patient"

    def on_backup(self, connection, request, body):
        return api_pb2.BackupReply()

    def on_clock(self, connection, request, body):
        return api_pb2.ClockReply()

    def on_statistics(self, connection, request, body):
        return api_pb2.StatisticsReply(statistics=[api_pb2.Statistic(name="entries", value=len(self.entries))])

    def on_tasks(self, connection, request, body):
        """Two pages, and one between them without a row."""
        at = {b"": 0, b"one": 1, b"two": 2}[body.after]
        reply = api_pb2.TasksReply(as_of=17, next=(b"one", b"two", b"")[at])
        if at != 1:
            reply.tasks.add(task_id=f"t{at}", owner=body.owner)
        assert body.as_of == (17 if at else 0)
        return reply

    def on_publish(self, connection, request, body):
        self.publishes.append(list(body.events))
        reply = api_pb2.PublishReply()
        for i, frame in enumerate(body.events):
            made = event_pb2.Event.FromString(frame)
            row = reply.results.add()
            if self.half_unavailable and i % 2:
                row.code = api_pb2.CODE_UNAVAILABLE
                continue
            if made.WhichOneof("body") is None:
                row.code, row.sentence = api_pb2.CODE_MISSING_BODY, "the event says nothing"
                continue
            key = (made.source, made.id)
            row.code = api_pb2.CODE_DUPLICATE if key in self.entries else api_pb2.CODE_ACCEPTED
            if row.code == api_pb2.CODE_ACCEPTED:
                self.entries.append(key)
            row.sequence = self.entries.index(key) + 1
        self.half_unavailable = max(0, self.half_unavailable - 1)
        return reply

    def on_emissions(self, connection, request, body):
        last = len(self.entries) if self.rewound_to is None else self.rewound_to
        page = api_pb2.EmissionsReply(last_sequence=last, through_sequence=last)
        limit = min(self.page, body.limit or self.page)
        for made in self.emissions:
            if made.sequence <= body.after_sequence - self.overlap:
                continue
            if len(page.emissions) >= limit and made.sequence != page.emissions[-1].sequence:
                page.through_sequence = made.sequence - 1
                break
            page.emissions.append(made)
        if self.is_stuck:
            page.last_sequence += 1
        return page

    # --- delivery

    def on_subscribe(self, connection, request, body):
        known = self.subscriptions.get(body.name)
        if known is None and not body.HasField("settings"):
            return api_pb2.CODE_UNKNOWN_SUBSCRIPTION, "there is no such subscription"
        if known is None:
            known = self.subscriptions[body.name] = delivery_pb2.SubscriptionSettings()
            known.CopyFrom(body.settings)
            known.lease_ms = known.lease_ms or self.lease_ms
        elif body.HasField("settings") and body.settings.stream != known.stream:
            return api_pb2.CODE_SETTINGS_DIFFER, "another worker began it with another stream"
        self.sessions[connection, body.name] = Session(request.tag, body.credit)
        return delivery_pb2.SubscribeReply(settings=known)

    def on_settle(self, connection, request, body):
        session = self.sessions.get((connection, body.name))
        if session is None:
            return api_pb2.CODE_NOT_SUBSCRIBED, "subscribe again"
        self.settles.append(body)
        reply = delivery_pb2.SettleReply()
        for row in body.acks:
            held = [number for number in range(row.first, row.last + 1) if number in session.held]
            self.over.update(session.held.pop(number) for number in held)
            if not held:
                reply.refused.add(number=row.first, sentence="not held")
        for nack in body.nacks:
            if nack.number not in session.held:
                reply.refused.add(number=nack.number, sentence="not held")
                continue
            id = session.held.pop(nack.number)
            if nack.is_permanent:
                self.over.add(id)
            if nack.is_unspent:
                self.attempts[id] -= 1
        for extend in body.extends:
            if extend.number not in session.held:
                reply.refused.add(number=extend.number, sentence="not held")
        return reply

    def on_unsubscribe(self, connection, request, body):
        self.sessions.pop((connection, body.name), None)
        return delivery_pb2.UnsubscribeReply()

    def hand_out(self):
        out = {id for session in self.sessions.values() for id in session.held.values()}
        for (connection, name), session in self.sessions.items():
            message = api_pb2.Deliveries(name=name)
            for made in self.emissions:
                if len(session.held) >= session.credit:
                    break
                if made.id in out or made.id in self.over:
                    continue
                self.number += 1
                self.attempts[made.id] += 1
                message.deliveries.add(number=self.number, attempt=self.attempts[made.id], emission=made)
                session.held[self.number] = made.id
                out.add(made.id)
            if message.deliveries:
                self.send(connection, api_pb2.Reply(tag=session.tag, deliveries=message))


class Session:
    def __init__(self, tag, credit):
        self.tag = tag
        self.credit = credit
        self.held = {}  # number: emission id
