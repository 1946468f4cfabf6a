"""Following a stream. Doorbells say that something is there; pages fetched from the front are what is delivered, so a
lost doorbell costs time and never an emission.

             doorbell beyond what is fetched, poll due, connected again
    resting ------------------------------------------------------------> fetching
       ^                                                                   |
       '-- nothing more is known <-- delivered, item by item <-- page -----'
                                       '-- more is known --> fetching

Everything up to `_through` is fetched; a page's items beyond `_delivered` are delivered, whatever a page repeats. A new
watch and a reconnected one ask more often for a while: the subscription may take effect after the doorbell that
mattered.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any, Generic, TypeVar, cast

import zmq
from google.protobuf.message import DecodeError
from handoff.v1 import api_pb2, emission_pb2

from .errors import HandoffError, Rewound
from .front import NEVER, Call, Front, Monitor, configure
from .words import word

DEFAULT_STREAM = "tcp://127.0.0.1:7448"
FIRST_POLL_S = 0.05
PAGE_EMISSIONS = 250
BELLS_PER_TURN = 1000
ANY_ADDRESS = ("tcp://*:", "tcp://0.0.0.0:", "tcp://[::]:")

Item = TypeVar("Item")
Place = tuple[int, float]  # sequence, position in its entry


def reach(front: str, bound: str) -> str:
    """A daemon bound to every address is reached where its front is."""
    if bound.startswith(ANY_ADDRESS) and front.startswith("tcp://"):
        return front.rpartition(":")[0] + ":" + bound.rpartition(":")[2]
    return bound or DEFAULT_STREAM


class Watch(Iterator[Item], Generic[Item]):
    """An iterator of Emission, or of RecordEmission for the stream record, that waits for the next one without end.

    Made by Client.watch. What was wrong with a fetch (Refused; Rewound where the daemon's journal ends before
    `position`) is raised by the iterator, which can be asked again.
    """

    def __init__(
        self, front: Front, stream: int, info: api_pb2.InfoReply, after: int | None, endpoint: str, poll_s: float
    ) -> None:
        """`after` None: from now."""
        self.gaps = 0  # doorbells that were not heard and whose content was fetched all the same
        self._front = front
        self._stream = stream
        self._topic = word(emission_pb2.Stream, stream).encode()
        self._last_bell = info.last_sequence  # what rang before could not be heard
        self._rung = 0  # newest sequence a doorbell named
        self._through = info.last_sequence if after is None else after
        self._delivered: Place = (self._through, NEVER)
        self._page: api_pb2.EmissionsReply | None = None
        self._page_at = 0
        self._rows: Any = ()  # of the page
        self._fetch: Call | None = None
        self._fetch_at = 0.0
        self._pause_s = FIRST_POLL_S  # to the next poll; grows to poll_s
        self._poll_s = poll_s
        self._error: HandoffError | None = None
        self._bell: zmq.Socket[bytes] = front.context.socket(zmq.SUB)
        configure(self._bell, is_immediate=False)
        self._bell.subscribe(self._topic)
        self._connected = Monitor(self._bell, zmq.EVENT_HANDSHAKE_SUCCEEDED)
        try:
            self._bell.connect(endpoint or reach(front.endpoint, info.stream_endpoint))
        except zmq.ZMQError as error:
            self._connected.close()
            self._bell.close(0)
            raise ValueError("no endpoint of a stream socket") from error
        front.wake_for(self._bell)
        front.wake_for(self._connected.events)
        front.participants.append(self)

    def __enter__(self) -> Watch[Item]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._bell.closed:
            return
        if self._fetch is not None:
            self._front.cancel(self._fetch)
        self._front.participants.remove(self)
        self._front.wake_no_more_for(self._bell)
        self._front.wake_no_more_for(self._connected.events)
        self._connected.close()
        self._bell.close(0)

    # --- delivering

    def __next__(self) -> Item:
        item = self.next()
        assert item is not None
        return item

    def next(self, timeout: float | None = None) -> Item | None:
        """The next one, or None when there was none for so many seconds. A daemon that is away is waited for."""
        if self._bell.closed:
            raise ValueError("this watch is closed")
        until = NEVER if timeout is None else monotonic() + timeout
        has_looked = False
        while True:
            self._take_answer()
            item = self._take_item()
            if item is not None:
                return item
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if has_looked and monotonic() >= until:
                return None
            self._front.turn(until)
            has_looked = True

    @property
    def position(self) -> int:
        """Everything up to this sequence has been delivered: the `after` with which a later watch goes on."""
        if self._page is None:
            return self._through
        for item in self._rows[self._page_at :]:
            sequence, position = self._place(item)
            if sequence >= self._delivered[0]:
                return sequence - 1
        return max(self._through, self._page.through_sequence)

    def _place(self, item: Any) -> Place:
        if self._stream == emission_pb2.STREAM_RECORD:
            return item.entry.sequence, 0
        return item.sequence, item.position

    def _take_item(self) -> Item | None:
        """The page's next item that was not delivered before; without one the page is left."""
        if self._page is None:
            return None
        while self._page_at < len(self._rows):
            item = self._rows[self._page_at]
            self._page_at += 1
            if self._place(item) > self._delivered:
                self._delivered = self._place(item)
                return cast(Item, item)
        self._leave_page(self._page)
        return None

    def _leave_page(self, page: api_pb2.EmissionsReply) -> None:
        """Rest, or fetch on. A front that does not get further is not asked in a tight loop."""
        got_further = page.through_sequence > self._through
        self._through = max(self._through, page.through_sequence)
        self._page = None
        if got_further and max(self._rung, page.last_sequence) > self._through:
            self._fetch_at = 0.0
            return
        self._fetch_at = monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, self._poll_s)

    # --- a participant of the front's turns

    def tick(self, now: float) -> float:
        self._hear_bells()
        if self._connected.has_happened():
            self._pause_s = FIRST_POLL_S
            self._fetch_at = 0.0
            if self._fetch is not None:
                self._fetch.try_at = 0.0  # what was asked before is lost, most likely
        self._take_answer()
        if self._fetch is not None or self._page is not None or self._error is not None:
            return NEVER  # it waits for the daemon, or for its owner
        if now < self._fetch_at:
            return self._fetch_at
        emissions = api_pb2.EmissionsRequest(stream=cast(Any, self._stream), limit=PAGE_EMISSIONS)
        emissions.after_sequence = self._through
        self._fetch = self._front.start(api_pb2.Request(emissions=emissions))
        return NEVER

    def on_lost(self) -> None:
        """A fetch is sent again, as every call is."""

    def _take_answer(self) -> None:
        if self._fetch is None or self._fetch.is_waiting:
            return
        call, self._fetch = self._fetch, None
        self._fetch_at = monotonic() + self._poll_s
        if call.reply is None:
            self._error = call.error
            return
        page = call.reply.emissions
        if page.last_sequence < self._through:
            self._error = Rewound(f"the daemon's journal ends at {page.last_sequence}, before {self._through}")
            return
        self._page, self._page_at = page, 0
        self._rows = page.records if self._stream == emission_pb2.STREAM_RECORD else page.emissions

    def _hear_bells(self) -> None:
        for _ in range(BELLS_PER_TURN):
            try:
                frames = self._bell.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(frames) != 2 or frames[0] != self._topic:
                continue
            try:
                self._hear(api_pb2.Doorbell.FromString(frames[1]))
            except DecodeError:
                continue  # as good as lost

    def _hear(self, bell: api_pb2.Doorbell) -> None:
        if bell.previous_sequence > self._last_bell:
            self.gaps += 1
        self._last_bell = max(self._last_bell, bell.sequence)
        self._rung = max(self._rung, bell.sequence)
        if bell.sequence > self._through:
            self._fetch_at = 0.0
