"""A front socket that a test speaks for: what a worker is handed, when, and what it says to it. For what is hard to bring
about with the daemon: messages and addresses of any kind, a daemon that forgets who held what.

It answers while it is waited on (await_), and keeps each message until it is settled, as the daemon does."""

import time

import zmq
from handoff.v1 import api_pb2, delivery_pb2, event_pb2

from peer import BOUND_S, START_MS


class Held:
    """A message: handed out under a number, or waiting."""

    def __init__(self, emission, to):
        self.emission, self.to = emission, to
        self.attempt, self.number, self.connection = 0, 0, None


class Front:
    def __init__(self):
        self.zmq = zmq.Context()
        self.socket = self.zmq.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind("tcp://127.0.0.1:*")
        self.endpoint = self.socket.last_endpoint.decode().rstrip("\0")
        self.subscribers = {}  # name -> {connection: (tag, credit)}
        self.settings = {}
        self.refused = set()  # names that are refused
        self.messages = {}  # name -> [Held]
        self.acked, self.nacked = [], []  # emission ids; (emission id, Nack)
        self.events, self.seen = [], {}  # accepted, in order; (source, id) -> bytes
        self.differing = []  # the same source and id with other content
        self.refused_publishes = 0  # so many are answered UNAVAILABLE first
        self.number = 0

    def close(self):
        self.socket.close()
        self.zmq.term()

    # --- what a test does

    def hand(self, name, emission, to=None):
        """A message of the subscription; handed out as soon as a worker has room."""
        self.messages.setdefault(name, []).append(Held(emission, to))

    def lose(self, name=None):
        """Who was there is gone, and what they held is handed out again, to whoever comes."""
        for each in [name] if name else list(self.messages):
            self.subscribers.pop(each, None)
            for held in self.messages.get(each, []):
                held.connection = None

    def await_(self, is_so, what="it"):
        deadline = time.monotonic() + BOUND_S
        while not (found := is_so()):
            assert time.monotonic() < deadline, f"{what} did not come; acked {self.acked}, nacked {self.nacked}"
            self.turn()
        return found

    def await_served(self, *names):
        self.await_(lambda: all(name in self.subscribers for name in names), f"workers of {names}")

    def await_settled(self):
        """Nothing is out or waiting."""
        self.await_(lambda: not any(self.messages.values()), "the last acknowledgement")

    def sent(self):
        return [(e.message_sent.emission_id, e.message_sent.addressee) for e in self.events if e.HasField("message_sent")]

    def failed(self):
        return [e.message_failed for e in self.events if e.HasField("message_failed")]

    # --- what it answers

    def turn(self):
        self.hand_out()
        if self.socket.poll(50):
            connection, frame = self.socket.recv_multipart()
            request = api_pb2.Request.FromString(frame)
            getattr(self, "on_" + request.WhichOneof("body"))(connection, request.tag, request)

    def reply(self, connection, tag, **body):
        self.socket.send_multipart([connection, api_pb2.Reply(tag=tag, **body).SerializeToString()])

    def on_subscribe(self, connection, tag, request):
        subscribe = request.subscribe
        if subscribe.name in self.refused:
            error = api_pb2.Error(code=api_pb2.CODE_SETTINGS_DIFFER, sentence="other settings", field="settings.attempts")
            self.reply(connection, tag, error=error)
            return
        settings = delivery_pb2.SubscriptionSettings()
        settings.CopyFrom(subscribe.settings)
        is_new = subscribe.name not in self.settings
        self.settings[subscribe.name] = settings
        self.subscribers.setdefault(subscribe.name, {})[connection] = (tag, subscribe.credit)
        self.reply(connection, tag, subscribe=delivery_pb2.SubscribeReply(settings=settings, is_new=is_new))

    def on_unsubscribe(self, connection, tag, request):
        name = request.unsubscribe.name
        self.subscribers.get(name, {}).pop(connection, None)
        for held in self.messages.get(name, []):
            if held.connection == connection:
                held.connection = None
        self.reply(connection, tag, unsubscribe=delivery_pb2.UnsubscribeReply())

    def hand_out(self):
        for name, connections in self.subscribers.items():
            for connection, (tag, credit) in connections.items():
                self.hand_to(name, connection, tag, credit)

    def hand_to(self, name, connection, tag, credit):
        rows = self.messages.get(name, [])
        out = sum(1 for held in rows if held.connection == connection)
        for held in [held for held in rows if held.connection is None][: max(0, credit - out)]:
            self.number += 1
            held.attempt, held.number, held.connection = held.attempt + 1, self.number, connection
            delivery = api_pb2.Delivery(number=held.number, attempt=held.attempt, emission=held.emission, to=held.to)
            self.reply(connection, tag, deliveries=api_pb2.Deliveries(name=name, deliveries=[delivery]))

    def on_settle(self, connection, tag, request):
        settle = request.settle
        if connection not in self.subscribers.get(settle.name, {}):
            error = api_pb2.Error(code=api_pb2.CODE_NOT_SUBSCRIBED, sentence="not subscribed")
            self.reply(connection, tag, error=error)
            return
        refused = []
        for range_ in settle.acks:
            for number in range(range_.first, range_.last + 1):
                self.settle(settle.name, connection, number, refused, None)
        for nack in settle.nacks:
            self.settle(settle.name, connection, nack.number, refused, nack)
        self.reply(connection, tag, settle=delivery_pb2.SettleReply(refused=refused))

    def settle(self, name, connection, number, refused, nack):
        held = next((h for h in self.messages.get(name, []) if h.number == number and h.connection == connection), None)
        if held is None:
            refused.append(delivery_pb2.SettleRefusal(number=number, sentence="not held"))
            return
        if nack is None:
            self.acked.append(held.emission.id)
        else:
            self.nacked.append((held.emission.id, nack))
            held.connection = None
            held.attempt -= nack.is_unspent
        if nack is None or nack.is_permanent:
            self.messages[name].remove(held)

    def on_publish(self, connection, tag, request):
        results = []
        for packed in request.publish.events:
            event = event_pb2.Event.FromString(packed)
            first = self.seen.get((event.source, event.id))
            if self.refused_publishes > 0:
                self.refused_publishes -= 1
                results.append(api_pb2.PublishResult(code=api_pb2.CODE_UNAVAILABLE))
                continue
            if first is None:
                self.seen[event.source, event.id] = packed
                self.events.append(event)
            elif first != packed:
                self.differing.append(event)
            code = api_pb2.CODE_ACCEPTED if first is None else api_pb2.CODE_DUPLICATE
            results.append(api_pb2.PublishResult(code=code, sequence=1))
        self.reply(connection, tag, publish=api_pb2.PublishReply(results=results))

    def on_clock(self, connection, tag, _request):
        self.reply(connection, tag, clock=api_pb2.ClockReply(now_ms=START_MS, kind="manual"))
