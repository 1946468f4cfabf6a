"""The front socket: sends requests, repeats them, and finds whose reply it is by its tag.

      start      sent               reply
    ---------> waiting -----------------------> done (reply or error)
                |   ^ '--deadline-------------> done (Timeout, or Unavailable if that was the last answer)
                '---' not answered in time, UNAVAILABLE, or the connection lost: sent again if it may be

Neighbours: client, watch and subscription own calls; nobody else touches the socket. Refuses to know what a request
means, but for whether it may be sent twice. Times are seconds of the machine's monotonic clock.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import zmq
from google.protobuf.message import DecodeError
from handoff.v1 import api_pb2
from zmq.utils.monitor import recv_monitor_message

from .errors import BadReply, HandoffError, Refused, Timeout, Unavailable

NEVER = math.inf
REQUEST_BYTES = 256 * 1024
LARGEST_REPLY_BYTES = 256 * 1024 * 1024
REPLIES_PER_TURN = 256
LONGEST_WAIT_S = 60.0


@dataclass(eq=False)
class Call:
    """A request on its way. Done when it waits no more: then it has a reply of its kind, or an error."""

    tag: int
    kind: str  # of the request's body, and of the reply's that answers it
    frame: bytes
    deadline: float
    may_repeat: bool
    try_at: float = 0.0
    tries: int = 0
    sent_at: float = NEVER  # first
    was_unavailable: bool = False
    is_waiting: bool = True
    reply: api_pb2.Reply | None = None
    error: HandoffError | None = None


class Participant(Protocol):
    """A watch or subscription, which has its own work in each turn. It must not turn the front itself."""

    def tick(self, now: float) -> float:
        """Does what is due; when to be asked next at the latest."""

    def on_lost(self) -> None:
        """The connection to the front, and whatever was on the way."""

    def close(self) -> None:
        """With its client."""


def configure(socket: zmq.Socket[bytes], *, is_immediate: bool) -> None:
    """Immediate: nothing is queued for a daemon that is away, so that a restart is not met by a heap of repeats."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IMMEDIATE, int(is_immediate))
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_REPLY_BYTES)


class Monitor:
    """Says when a socket has connected, or was disconnected: ZeroMQ does both without a word."""

    def __init__(self, socket: zmq.Socket[bytes], event: int) -> None:
        self._socket = socket
        self.events: zmq.Socket[bytes] = socket.get_monitor_socket(event)

    def has_happened(self) -> bool:
        found = False
        while self.events.poll(0):
            recv_monitor_message(self.events)
            found = True
        return found

    def close(self) -> None:
        self._socket.disable_monitor()
        self.events.close(0)


def may_repeat(request: api_pb2.Request) -> bool:
    """What would act twice is sent once. An advance to a date finds itself done; a subscription asks again itself,
    under another tag, since subscribing twice begins anew."""
    kind = request.WhichOneof("body")
    return kind not in ("backup", "subscribe") and not (kind == "clock" and request.clock.advance_ms)


class Front:
    def __init__(self, endpoint: str, retry_s: float) -> None:
        self.endpoint = endpoint
        self.context = zmq.Context()
        self.participants: list[Participant] = []
        self.deliveries: dict[int, Callable[[api_pb2.Deliveries, float], None]] = {}  # by the subscribe's tag
        self.turned_at = 0.0
        self.emptied_at = monotonic()  # all that had come before was received
        self.retry_s = retry_s
        self._tag = 0
        self._calls: dict[int, Call] = {}  # in the order started
        self._poller = zmq.Poller()
        self._dealer: zmq.Socket[bytes] = self.context.socket(zmq.DEALER)
        try:
            configure(self._dealer, is_immediate=True)
            self._lost = Monitor(self._dealer, zmq.EVENT_DISCONNECTED)
            self._dealer.connect(endpoint)
        except zmq.ZMQError as error:
            self.context.destroy(0)
            raise ValueError(f"no endpoint: {endpoint}") from error
        self._poller.register(self._dealer, zmq.POLLIN)
        self.wake_for(self._lost.events)

    def close(self) -> None:
        self._lost.close()
        self._dealer.close(0)
        self.context.destroy(0)

    @property
    def is_closed(self) -> bool:
        return bool(self._dealer.closed)

    def wake_for(self, socket: zmq.Socket[bytes]) -> None:
        self._poller.register(socket, zmq.POLLIN)

    def wake_no_more_for(self, socket: zmq.Socket[bytes]) -> None:
        self._poller.unregister(socket)

    # --- calls

    def start(self, request: api_pb2.Request, deadline: float = NEVER) -> Call:
        """Sent in the next turn, under a tag of its own."""
        self._tag += 1
        request.tag = self._tag
        frame = request.SerializeToString()
        if len(frame) > REQUEST_BYTES:
            raise ValueError(f"a request of {len(frame)} bytes; at most {REQUEST_BYTES}")
        call = Call(self._tag, request.WhichOneof("body") or "", frame, deadline, may_repeat(request))
        self._calls[call.tag] = call
        return call

    def cancel(self, call: Call) -> None:
        """Legal when it is done."""
        call.is_waiting = False
        self._calls.pop(call.tag, None)

    def put_off(self, call: Call, rounds: int) -> None:
        """Until after a pause: the daemon could not."""
        call.was_unavailable = True
        call.try_at = monotonic() + self.backoff(self.retry_s / 4, rounds)

    def run(self, call: Call) -> api_pb2.Reply:
        """Until it is done. Bounded by its deadline."""
        try:
            while call.is_waiting:
                self.turn(NEVER)
        finally:
            self.cancel(call)
        if call.error is not None:
            raise call.error
        assert call.reply is not None
        return call.reply

    def backoff(self, first_s: float, tries: int) -> float:
        return first_s * float(2 ** min(tries, 3)) * random.uniform(0.75, 1.25)

    # --- a turn

    def turn(self, until: float) -> None:
        """Sends what is due, waits until something happens or `until` has come, and takes what was answered."""
        now = self.turned_at = monotonic()
        if self._lost.has_happened():
            self._on_lost()
        if self._expire(now):
            until = now  # the owner looks first
        for participant in list(self.participants):
            until = min(until, participant.tick(now))
        is_writable = self._send_due(now)
        for call in self._calls.values():
            until = min(until, call.deadline, call.try_at if is_writable else NEVER)
        self._wait(min(until - now, LONGEST_WAIT_S), is_writable)
        self._receive()

    def _wait(self, wait_s: float, is_writable: bool) -> None:
        self._poller.register(self._dealer, zmq.POLLIN if is_writable else zmq.POLLIN | zmq.POLLOUT)
        if not self._poller.poll(0) and wait_s > 0:
            self._poller.poll(math.ceil(wait_s * 1000))
            self.emptied_at = monotonic()  # whatever is there came just now

    def _expire(self, now: float) -> bool:
        over = [call for call in self._calls.values() if now >= call.deadline]
        for call in over:
            sentence = f"{self.endpoint} did not answer in time"
            call.error = Timeout(sentence)
            if call.was_unavailable:
                call.error = Unavailable("the daemon could not commit or serve in time; the outcome is unknown")
            self.cancel(call)
        return bool(over)

    def _send_due(self, now: float) -> bool:
        """False when the socket takes no more: nobody is connected, or the queue is full."""
        for call in self._calls.values():
            if now < call.try_at:
                continue
            try:
                self._dealer.send(call.frame, zmq.NOBLOCK)
            except zmq.Again:
                return False
            call.try_at = now + self.backoff(self.retry_s, call.tries) if call.may_repeat else NEVER
            call.tries += 1
            call.sent_at = min(call.sent_at, now)
        return True

    def _on_lost(self) -> None:
        """What was sent is sent again as soon as there is somebody to send it to."""
        for call in self._calls.values():
            if call.may_repeat:
                call.try_at = 0.0
        for participant in self.participants:
            participant.on_lost()

    def _receive(self) -> None:
        for _ in range(REPLIES_PER_TURN):
            looked_at = monotonic()
            try:
                frame = self._dealer.recv_multipart(zmq.NOBLOCK)[-1]
            except zmq.Again:
                self.emptied_at = looked_at
                return
            try:
                reply = api_pb2.Reply.FromString(frame)
            except DecodeError:
                continue  # as good as lost: the call is tried again
            self._take(reply)

    def _take(self, reply: api_pb2.Reply) -> None:
        kind = reply.WhichOneof("body")
        if kind == "deliveries":
            if reply.tag in self.deliveries:
                self.deliveries[reply.tag](reply.deliveries, self.emptied_at)
            return
        call = self._calls.get(reply.tag)
        if call is None:
            return  # of a try that another try's reply has answered
        if kind == "error" and reply.error.code == api_pb2.CODE_UNAVAILABLE and call.may_repeat:
            self.put_off(call, call.tries - 1)
            return
        if kind == "error":
            error = reply.error
            is_open = error.code == api_pb2.CODE_UNAVAILABLE
            call.error = Unavailable(error.sentence) if is_open else Refused(error.code, error.sentence, error.field)
        elif kind != call.kind:
            call.error = BadReply(f"the reply to {call.kind} is {kind or 'nothing'}")
        else:
            call.reply = reply
        self.cancel(call)
