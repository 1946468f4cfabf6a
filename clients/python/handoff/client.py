"""A client: publishes, asks, and opens watches and subscriptions. Neighbours: front.py does the sending."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, time
from typing import Any, Literal, overload

from handoff.v1 import api_pb2, common_pb2, delivery_pb2, emission_pb2, event_pb2

from .errors import BadReply, HandoffError, Refused, Rewound, Unanswered
from .front import REQUEST_BYTES, Front
from .subscription import Start, Subscription, milliseconds, start_message
from .watch import Watch
from .words import number, word

DEFAULT_FRONT = "tcp://127.0.0.1:7447"
EVENT_BYTES = 64 * 1024
PUBLISH_EVENTS = 256
REQUEST_OVERHEAD_BYTES = 32  # tag, and the header of the publish body
EVENT_OVERHEAD_BYTES = 4  # field number and length, up to 64 KiB

Stream = Literal["task", "escalation", "status", "audit"]
Record = Literal["record"]  # a stream too; its items are others


@dataclass(frozen=True)
class Result:
    """What the daemon said of one event."""

    code: int  # of api_pb2.Code
    sequence: int = 0  # of its entry; of a duplicate, the first's
    verdict: int = 0  # of api_pb2.Verdict: what it did
    sentence: str = ""
    field: str = ""  # dotted name of the field that is wrong, if it is one

    @property
    def is_accepted(self) -> bool:
        """It is in the journal: accepted now or before."""
        return self.code in (api_pb2.CODE_ACCEPTED, api_pb2.CODE_DUPLICATE)

    def check(self) -> Result:
        """Itself, if the event is in the journal; raises Refused if it is not."""
        if not self.is_accepted:
            raise Refused(self.code, self.sentence, self.field)
        return self

    def __str__(self) -> str:
        said = word(api_pb2.Code, self.code) + (f" as entry {self.sequence}" if self.sequence else "")
        return f"{said}: {self.sentence}" if self.sentence else said


UNANSWERED = Result(api_pb2.CODE_UNAVAILABLE, sentence="no answer; publishing it again under the same id is safe")


def event(
    patient_id: str, *, source: str, id: str = "", occurred_at: datetime | int | None = None, **fields: Any
) -> event_pb2.Event:
    """An event, its body by its field's name: `event("mary", source="my-ehr", intake_completed={})`.

    An id is made up unless given, and it happened now unless `occurred_at` says otherwise: a datetime with a zone, or
    milliseconds since 1970. Whoever may publish it again after a crash gives both, so that they are the same then.
    """
    made = event_pb2.Event(id=id or str(uuid.uuid4()), source=source, patient_id=patient_id, **fields)
    made.occurred_at_ms = round(time() * 1000) if occurred_at is None else milliseconds(occurred_at)
    return made


class Client:
    """Connects in the background and waits for a daemon that is away, up to `timeout` seconds a request.

    Use it in a `with` statement, or close it: its watches and subscriptions end with it.
    """

    def __init__(self, front: str = DEFAULT_FRONT, timeout: float = 10.0, retry: float = 1.0) -> None:
        """`retry`: seconds without an answer after which a request is sent again; then doubled, with jitter."""
        self.timeout = timeout
        self._front = Front(front, retry)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._front.is_closed:
            return
        for participant in list(self._front.participants):
            participant.close()
        self._front.close()

    # --- publishing

    def publish(self, *events: event_pb2.Event) -> list[Result]:
        """One result an event, in order; a refused one is a result too (`Result.check` raises).

        Each batch is sent again, the same bytes under the same ids, until it is answered. Timeout or Unavailable when
        one was not, with `results` as far as they are known: publishing all again under their ids is safe.
        """
        packed = [each.SerializeToString() for each in events]
        for each, frame in zip(events, packed):
            if len(frame) > EVENT_BYTES:
                raise ValueError(f"event {each.id} has {len(frame)} bytes; at most {EVENT_BYTES}")
        results = [UNANSWERED] * len(packed)
        try:
            for first, last in batches(packed):
                self._publish_batch(packed, list(range(first, last)), results)
        except HandoffError as error:
            if isinstance(error, Unanswered):
                error.results = results
            raise
        return results

    def _publish_batch(self, packed: list[bytes], open_: list[int], results: list[Result]) -> None:
        """Sends those that were unavailable again, until none is left or the time is over."""
        deadline, rounds = monotonic() + self.timeout, 0
        while open_:
            publish = api_pb2.PublishRequest(events=[packed[i] for i in open_])
            call = self._front.start(api_pb2.Request(publish=publish), deadline)
            if rounds:
                self._front.put_off(call, rounds - 1)
            answered = self._front.run(call).publish.results
            if len(answered) != len(open_):
                raise BadReply(f"{len(answered)} results of {len(open_)} events")
            for i, row in zip(open_, answered):
                results[i] = Result(row.code, row.sequence, row.verdict, row.sentence, row.field)
            open_ = [i for i in open_ if results[i].code == api_pb2.CODE_UNAVAILABLE]
            rounds += 1

    # --- asking

    def request(self, **body: Any) -> Any:
        """The body of the reply: `request(info=api_pb2.InfoRequest())`. Any request but subscribe and settle.

        Raises Refused, or Timeout or Unavailable. What would act twice (a backup, advancing a clock by a duration) is
        sent once.
        """
        request = api_pb2.Request(**body)
        if len(body) != 1 or request.WhichOneof("body") is None:
            raise ValueError("a request has one body")
        reply = self._front.run(self._front.start(request, monotonic() + self.timeout))
        return getattr(reply, str(reply.WhichOneof("body")))

    def info(self) -> api_pb2.InfoReply:
        reply: api_pb2.InfoReply = self.request(info=api_pb2.InfoRequest())
        return reply

    def statistics(self) -> dict[str, int]:
        reply: api_pb2.StatisticsReply = self.request(statistics=api_pb2.StatisticsRequest())
        return {row.name: row.value for row in reply.statistics}

    def patient(self, patient_id: str, at: datetime | int = 0) -> api_pb2.PatientReply:
        """As of now, or of a time."""
        asked = api_pb2.PatientRequest(patient_id=patient_id, at_ms=milliseconds(at))
        reply: api_pb2.PatientReply = self.request(patient=asked)
        return reply

    def timeline(self, patient_id: str) -> Iterator[api_pb2.TimelineEntry]:
        """The newest first, fetched as they are asked for."""
        before = 0
        while True:
            asked = api_pb2.TimelineRequest(patient_id=patient_id, before_sequence=before)
            page: api_pb2.TimelineReply = self.request(timeline=asked)
            yield from page.entries
            before = page.next_before_sequence
            if not before:
                return

    def tasks(self, **filters: Any) -> Iterator[api_pb2.TaskView]:
        """What is open, page by page as it is asked for; filters are TasksRequest's fields, enums in words:
        `tasks(owner="coordinator", is_overdue=True)`."""
        yield from self._rows("tasks", api_pb2.TasksRequest, filters)

    def escalations(self, **filters: Any) -> Iterator[api_pb2.EscalationView]:
        """As `tasks`, with EscalationsRequest's fields: `escalations(at_least="urgent")`."""
        yield from self._rows("escalations", api_pb2.EscalationsRequest, filters)

    def _rows(self, kind: str, request: Any, filters: dict[str, Any]) -> Iterator[Any]:
        enums: dict[str, type[int]] = {"owner": common_pb2.Role, "rung": common_pb2.Role}
        enums.update(kind=common_pb2.TaskKind, at_least=common_pb2.Severity)
        asked = request(**{key: number(enums[key], of) if key in enums else of for key, of in filters.items()})
        while True:
            page = self.request(**{kind: asked})
            yield from getattr(page, kind)
            if not page.next:
                return
            asked.after, asked.as_of = page.next, page.as_of

    # --- following and serving

    @overload
    def watch(
        self, stream: Stream, *, after: int = 0, from_now: bool = False, endpoint: str = "", poll: float = 5.0
    ) -> Watch[emission_pb2.Emission]: ...

    @overload
    def watch(
        self, stream: Record, *, after: int = 0, from_now: bool = False, endpoint: str = "", poll: float = 5.0
    ) -> Watch[api_pb2.RecordEmission]: ...

    def watch(
        self, stream: str, *, after: int = 0, from_now: bool = False, endpoint: str = "", poll: float = 5.0
    ) -> Watch[Any]:
        """Each emission of a stream once and in order, across lost doorbells, reconnects and restarts.

        From the beginning, `after` an earlier watch's `position`, or from now. `endpoint` is the stream socket's, if it
        is not what the daemon says. It is asked without a doorbell too, every `poll` seconds. The daemon must answer
        once.
        """
        known = number(emission_pb2.Stream, stream)
        info = self.info()
        if not from_now and after > info.last_sequence:
            raise Rewound(f"the daemon's journal ends at {info.last_sequence}, before {after}")
        return Watch(self._front, known, info, None if from_now else after, endpoint, poll)

    def subscribe(
        self,
        name: str,
        stream: str = "",
        *,
        severities: Sequence[str] = (),
        kinds: Sequence[str] = (),
        roles: Sequence[str] = (),
        site: str = "",
        recipient_party: str = "",
        recipient_id: str = "",
        addressed: bool = False,
        start: Start | None = None,
        lease: float = 0,
        attempts: int = 0,
        backoff: tuple[float, float] = (0, 0),
        absent: float = 0,
        behind: float = 0,
        credit: int = 100,
    ) -> Subscription:
        """Serves a durable subscription: an iterator of deliveries, each to be acknowledged.

        The first who subscribes under a name fixes its settings; later ones say the same, or give the name alone. All
        that is given of the filter must hold, in words: `subscribe("on-call", "escalation", severities=["emergent"])`.
        `start` of a new one: "now", "beginning", a sequence to go on after, or a datetime. Durations are seconds; 0 is
        the daemon's default. At most `credit` messages are handed out and not settled at a time. The daemon must answer
        once.
        """
        settings = delivery_pb2.SubscriptionSettings(
            stream=number(emission_pb2.Stream, stream) if stream else None,
            filter=delivery_pb2.SubscriptionFilter(
                severities=[number(common_pb2.Severity, each) for each in severities],
                kinds=kinds,
                roles=[number(common_pb2.Role, each) for each in roles],
                site=site,
                recipient_party=number(common_pb2.Party, recipient_party) if recipient_party else None,
                recipient_id=recipient_id,
            ),
            is_addressed=addressed,
            lease_ms=round(lease * 1000),
            attempts=attempts,
            backoff_first_ms=round(backoff[0] * 1000),
            backoff_most_ms=round(backoff[1] * 1000),
            absent_ms=round(absent * 1000),
            behind_ms=round(behind * 1000),
        )
        if not settings.filter.ByteSize():
            settings.ClearField("filter")
        if credit < 0:
            raise ValueError(f"credit cannot be {credit}")
        if not stream and settings.ByteSize():
            raise ValueError("settings need their stream")
        if any(isinstance(each, Subscription) and each.name == name for each in self._front.participants):
            raise ValueError(f"this client has {name} already; another worker of it needs another client")
        asked = delivery_pb2.SubscribeRequest(name=name, start=start_message(start), credit=credit)
        if stream:
            asked.settings.CopyFrom(settings)
        return Subscription(self._front, asked, self.timeout)


def batches(packed: list[bytes]) -> Iterator[tuple[int, int]]:
    """Ranges that fit into one publish each."""
    first, size = 0, REQUEST_OVERHEAD_BYTES
    for at, frame in enumerate(packed):
        more = len(frame) + EVENT_OVERHEAD_BYTES
        if at > first and (at - first == PUBLISH_EVENTS or size + more > REQUEST_BYTES):
            yield first, at
            first, size = at, REQUEST_OVERHEAD_BYTES
        size += more
    if first < len(packed):
        yield first, len(packed)
