"""A worker of a durable subscription: messages come unasked, and each is settled.

    subscribing --yes--> subscribed --NOT_SUBSCRIBED to a settle--.
      ^                                                          |
      '---------------- what was held is void <------------------'

    a message:  queued --handed out--> the caller's --ack, nack--> settled --sent, committed--> over
                  '--half a lease--> settled (given back, without spending an attempt)

A message that waits here for long is given back, so that the gate is asked anew before it leaves, and others may have
it. Each subscribing begins anew, and after a restart the daemon's numbers do too: so it has a tag of its own, and what
comes under an earlier one is not heard. What is settled goes out before the next subscribing, so a late ack never hits
another message. Refuses to know what a message says.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Literal, Union

from handoff.v1 import api_pb2, delivery_pb2, emission_pb2

from .errors import HandoffError, Refused, Timeout, Unavailable
from .front import NEVER, Call, Front

GATHER_S = 0.01  # an ack waits no longer for others
SETTLE_MOST = 256  # ranges, nacks and extends in one settle, each; what is enough to send one
LONGEST_DELAY_S = 86400
REASON_BYTES = 255
CLOSE_S = 1.0

Start = Union[Literal["now", "beginning"], int, datetime]


def milliseconds(at: datetime | int) -> int:
    if isinstance(at, int):
        return at
    if at.tzinfo is None:
        raise ValueError("a time needs its zone: datetime.now(timezone.utc)")
    return round(at.timestamp() * 1000)


def start_message(start: Start | None) -> delivery_pb2.SubscriptionStart | None:
    if start is None:
        return None
    if start == "now":
        return delivery_pb2.SubscriptionStart(now=True)
    if start == "beginning":
        return delivery_pb2.SubscriptionStart(beginning=True)
    if isinstance(start, int):
        return delivery_pb2.SubscriptionStart(after_sequence=start)
    if isinstance(start, datetime):
        return delivery_pb2.SubscriptionStart(at_ms=milliseconds(start))
    raise ValueError(f"{start!r} is neither now nor beginning, no sequence and no time")


@dataclass(eq=False)
class Delivery:
    """A message, lent until it is settled or its lease ends. `emission.id` stays the same in each attempt."""

    number: int  # the daemon's, of this hand-out
    attempt: int  # from 1
    emission: emission_pb2.Emission
    record: api_pb2.RecordEmission  # of the stream record: instead
    to: delivery_pb2.Addressee  # of an addressed subscription: for whom, and where
    _subscription: Subscription = field(repr=False)
    _lent_at: float = field(repr=False)
    _is_void: bool = field(default=False, repr=False)
    _is_settled: bool = field(default=False, repr=False)

    def ack(self) -> None:
        """It is done. Sent with others, soon; `Subscription.flush` waits for the commit."""
        self._subscription._settle(self, None)

    def nack(self, delay: float = 0, *, permanent: bool = False, unspent: bool = False, reason: str = "") -> None:
        """It failed, and comes again after `delay` seconds, or after the subscription's backoff if that is 0.

        Permanent: no attempt can succeed, so that it becomes a dead letter. Unspent: the attempt does not count. The
        reason is one sentence for operators, without patient content.
        """
        if not 0 <= delay <= LONGEST_DELAY_S:
            raise ValueError(f"a delay of {delay} s; at most {LONGEST_DELAY_S}")
        self._subscription._settle(
            self,
            delivery_pb2.Nack(
                number=self.number,
                delay_ms=math.ceil(delay * 1000),
                is_permanent=permanent,
                is_unspent=unspent,
                reason=reason.encode()[:REASON_BYTES].decode(errors="ignore"),
            ),
        )

    def extend(self) -> None:
        """Its lease begins anew. Sent at once; in time is before half of it is over."""
        self._subscription._extend(self)

    @property
    def is_held(self) -> bool:
        """Still lent, as far as can be known here: worth asking before what cannot be undone."""
        lease_s = self._subscription.settings.lease_ms / 1000
        return not self._is_void and not self._is_settled and monotonic() < self._lent_at + lease_s


@dataclass(eq=False)
class Settle:
    """What is on its way."""

    call: Call
    settled: list[tuple[int, Delivery]]  # under the number by which it would be refused: of a range, its first
    extended: list[Delivery]
    at: float


class Subscription(Iterator[Delivery]):
    """An iterator of deliveries that waits for the next one without end. Made by Client.subscribe.

    At least once: a message comes again, with the same emission id and a higher attempt, when its lease ended, its
    worker or the daemon went away, or it was nacked. What was acknowledged and committed never comes again.

    Signs of life are sent by whatever the client does. Whoever works on one message for longer than half a lease calls
    its `extend` in between, or the daemon takes the worker for gone and lends its messages to others.
    """

    def __init__(self, front: Front, asked: delivery_pb2.SubscribeRequest, timeout_s: float) -> None:
        self.name = asked.name
        self.settings = delivery_pb2.SubscriptionSettings()  # in force, defaults filled in
        self.is_new = False
        self.forgotten = 0  # settled by the caller for nothing: they were void, and come again if they were not over
        self._front = front
        self._timeout_s = timeout_s
        self._credit = asked.credit
        self._queue: deque[Delivery] = deque()
        self._held: dict[int, Delivery] = {}  # of this subscribing, by number, until they are settled
        self._acks: list[Delivery] = []  # to be told, likewise below
        self._nacks: dict[int, delivery_pb2.Nack] = {}
        self._nacked: list[Delivery] = []
        self._extends: list[Delivery] = []
        self._settling: Settle | None = None
        self._said_at = 0.0
        self._gathers_since = 0.0
        self._is_hurried = False
        self._error: HandoffError | None = None
        self._is_closed = False
        self._subscribing: Call | None = None
        self._tag = 0
        self._asks = 0
        self._patience_s = 0.0  # from the sending of one subscribe to the next
        self._asked, self._asked_at, self._deadline = asked, 0.0, monotonic() + timeout_s
        front.participants.append(self)
        try:
            self._ask()
            while self._subscribing is not None:
                front.turn(NEVER)
                self._raise_error()
        except BaseException:
            self._leave()
            raise

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Sends what was settled, and unsubscribes: the rest goes to others at once. Waits a second for that at most;
        whoever must know that it is committed flushes first."""
        if self._is_closed:
            return
        until = monotonic() + CLOSE_S
        try:
            if self._subscribing is None:
                self.flush(CLOSE_S)
                bye = delivery_pb2.UnsubscribeRequest(name=self.name)
                self._front.run(self._front.start(api_pb2.Request(unsubscribe=bye), until))
        except HandoffError:
            pass  # leases end by themselves
        finally:
            self._leave()

    def _leave(self) -> None:
        self._is_closed = True
        self._void_all()
        self._front.participants.remove(self)
        self._front.deliveries.pop(self._tag, None)
        if self._subscribing is not None:
            self._front.cancel(self._subscribing)

    # --- for the caller

    def __next__(self) -> Delivery:
        delivery = self.next()
        assert delivery is not None
        return delivery

    def next(self, timeout: float | None = None) -> Delivery | None:
        """The next one, or None when none came for so many seconds. A daemon that is away is waited for.

        Refused when subscribing again was (the subscription was deleted); calling again asks again.
        """
        if self._is_closed:
            raise ValueError(f"the subscription {self.name} is closed")
        until = NEVER if timeout is None else monotonic() + timeout
        has_looked = False
        while True:
            now = monotonic()
            if now - self._front.turned_at > GATHER_S:
                self._front.turn(now)
                has_looked = True
            self._raise_error()
            delivery = self._take(monotonic())
            if delivery is not None:
                return delivery
            if has_looked and monotonic() >= until:
                return None
            self._is_hurried |= self._has_to_tell()
            self._front.turn(until)
            has_looked = True

    def flush(self, timeout: float | None = None) -> None:
        """Waits until what was settled is committed, but for what `forgotten` counts. Timeout if that takes longer than
        `timeout`, or else the client's."""
        until = monotonic() + (self._timeout_s if timeout is None else timeout)
        while self._settling is not None or self._has_to_tell():
            if monotonic() >= until:
                raise Timeout("what was settled is not answered; it comes again if it was not committed")
            self._is_hurried = True
            self._front.turn(until)
            self._take_answers()
            self._raise_error()

    def _raise_error(self) -> None:
        self._take_answers()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _take(self, now: float) -> Delivery | None:
        while self._queue:
            delivery = self._queue.popleft()
            if delivery._is_void:
                continue
            if not self._is_old(delivery, now):
                return delivery
            self._give_back(delivery)
        return None

    def _settle(self, delivery: Delivery, nack: delivery_pb2.Nack | None) -> None:
        if delivery._is_settled:
            raise ValueError("it is settled already")
        delivery._is_settled = True
        if delivery._is_void:
            self.forgotten += 1
            return
        self._tell(delivery, nack)
        now = monotonic()
        if now - self._front.turned_at > GATHER_S:
            self._is_hurried = True  # a caller that takes its time
        if self._is_hurried or self._is_enough():
            self._front.turn(now)

    def _extend(self, delivery: Delivery) -> None:
        if delivery._is_void or delivery._is_settled:
            return
        self._extends.append(delivery)
        self._is_hurried = True
        self._front.turn(monotonic())

    # --- what is to be told

    def _is_old(self, delivery: Delivery, now: float) -> bool:
        return now >= delivery._lent_at + self.settings.lease_ms / 2000

    def _give_back(self, delivery: Delivery) -> None:
        nack = delivery_pb2.Nack(number=delivery.number, delay_ms=1, is_unspent=True, reason="waited behind others")
        self._tell(delivery, nack)
        delivery._is_void = True

    def _tell(self, delivery: Delivery, nack: delivery_pb2.Nack | None) -> None:
        if not self._has_to_tell():
            self._gathers_since = monotonic()
        self._held.pop(delivery.number, None)
        if nack is None:
            self._acks.append(delivery)
        else:
            self._nacks[delivery.number] = nack
            self._nacked.append(delivery)

    def _has_to_tell(self) -> bool:
        return bool(self._acks or self._nacked or self._extends)

    def _is_enough(self) -> bool:
        return len(self._acks) + len(self._nacked) >= max(1, min(self._credit // 4, SETTLE_MOST))

    # --- a participant of the front's turns

    def tick(self, now: float) -> float:
        self._take_answers()
        if self._subscribing is not None:
            again_at = self._subscribing.sent_at + self._patience_s
            if now >= again_at:
                self._ask()
            return again_at
        if self._settling is not None or self._is_closed:
            return NEVER
        while self._queue and self._is_old(self._queue[0], now):
            oldest = self._queue.popleft()
            if not oldest._is_void:
                self._give_back(oldest)
        due = self._said_at + self.settings.lease_ms / 3000
        if self._has_to_tell():
            due = min(due, self._gathers_since + GATHER_S)
        if not self._is_hurried and not self._is_enough() and now < due:
            return due
        self._send_settle(now)
        return NEVER

    def on_lost(self) -> None:
        """The daemon will not know the next connection, and says so to whatever is said."""
        self._is_hurried = True
        if self._subscribing is not None:
            self._ask()  # messages of the one that was lost must not be taken for the next one's

    def _send_settle(self, now: float) -> None:
        acks = sorted(self._acks, key=lambda delivery: delivery.number)
        ranges: list[delivery_pb2.NumberRange] = []
        settled: list[tuple[int, Delivery]] = []
        for delivery in acks:  # only neighbours share a range: whatever lies between is not acknowledged
            if ranges and ranges[-1].last + 1 == delivery.number:
                ranges[-1].last = delivery.number
            elif len(ranges) < SETTLE_MOST:
                ranges.append(delivery_pb2.NumberRange(first=delivery.number, last=delivery.number))
            else:
                break
            settled.append((ranges[-1].first, delivery))
        self._acks = acks[len(settled) :]
        nacked, self._nacked = self._nacked[:SETTLE_MOST], self._nacked[SETTLE_MOST:]
        extended, self._extends = self._extends[:SETTLE_MOST], self._extends[SETTLE_MOST:]
        message = delivery_pb2.SettleRequest(
            name=self.name,
            acks=ranges,
            nacks=[self._nacks.pop(delivery.number) for delivery in nacked],
            extends=[delivery_pb2.Extend(number=delivery.number) for delivery in extended],
        )
        call = self._front.start(api_pb2.Request(settle=message))
        settled += [(delivery.number, delivery) for delivery in nacked]
        self._settling = Settle(call, settled, extended, now)
        self._said_at = now
        self._is_hurried = False

    def _take_answers(self) -> None:
        if self._settling is not None and not self._settling.call.is_waiting:
            settling, self._settling = self._settling, None
            self._on_settled(settling)
        if self._subscribing is not None and not self._subscribing.is_waiting:
            self._on_subscribed()

    def _on_settled(self, settling: Settle) -> None:
        call = settling.call
        if call.reply is None:
            self._forget([delivery for _, delivery in settling.settled])
            if isinstance(call.error, Refused) and call.error.code == api_pb2.CODE_NOT_SUBSCRIBED:
                self._ask()
            else:
                self._error = call.error
            return
        refused = {row.number for row in call.reply.settle.refused}
        if call.tries == 1:  # of a settle that was sent twice nobody knows which of the two is answered
            self._forget([delivery for number, delivery in settling.settled if number in refused])
        for delivery in settling.extended:
            if delivery.number in refused:
                delivery._is_void = True
            else:
                delivery._lent_at = settling.at

    # --- subscribing

    def _ask(self) -> Call:
        """Under a tag of its own: what comes under an earlier one is void."""
        self._void_all()
        self._patience_s = self._front.backoff(self._front.retry_s, self._asks)
        self._asks += 1
        if self._subscribing is not None:
            self._front.cancel(self._subscribing)
        self._front.deliveries.pop(self._tag, None)
        self._subscribing = self._front.start(api_pb2.Request(subscribe=self._asked), self._deadline)
        self._asked_at = monotonic()
        self._tag = self._subscribing.tag
        self._front.deliveries[self._tag] = self._on_deliveries
        return self._subscribing

    def _on_subscribed(self) -> None:
        call, self._subscribing = self._subscribing, None
        assert call is not None
        if call.reply is None:
            if not isinstance(call.error, Unavailable) or monotonic() >= self._deadline:
                self._error = call.error
            self._front.put_off(self._ask(), self._asks)
            return
        self._asks = 0
        self.settings = call.reply.subscribe.settings
        self.is_new |= call.reply.subscribe.is_new
        self._said_at = monotonic()
        # From now on without settings: what somebody has deleted is not made anew behind their back.
        self._asked = delivery_pb2.SubscribeRequest(name=self.name, credit=self._credit)
        self._deadline = NEVER

    def _on_deliveries(self, deliveries: api_pb2.Deliveries, lent_at: float) -> None:
        lent_at = max(lent_at, self._asked_at)
        for row in deliveries.deliveries:
            delivery = Delivery(row.number, row.attempt, row.emission, row.record, row.to, self, lent_at)
            self._held[row.number] = delivery
            self._queue.append(delivery)

    def _forget(self, settled: list[Delivery]) -> None:
        self.forgotten += sum(1 for delivery in settled if not delivery._is_void)

    def _void_all(self) -> None:
        """The daemon does not know of them any more, or nobody will tell it."""
        self._forget(self._acks + self._nacked)
        if self._settling is not None:
            self._front.cancel(self._settling.call)
            self._forget([delivery for _, delivery in self._settling.settled])
            self._settling = None
        for delivery in self._held.values():
            delivery._is_void = True
        self._queue.clear()
        self._held.clear()
        self._acks, self._nacked, self._extends = [], [], []
        self._nacks.clear()
