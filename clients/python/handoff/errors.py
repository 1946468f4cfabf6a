"""What can go wrong. A sentence for people stands in each; none holds what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handoff.v1 import api_pb2

from .words import word

if TYPE_CHECKING:
    from .client import Result


class HandoffError(Exception):
    """The base of them all."""


class Refused(HandoffError):
    """The daemon refused it: sending the same again gives the same."""

    def __init__(self, code: int, sentence: str, field: str = "") -> None:
        super().__init__(f"{word(api_pb2.Code, code)}: {sentence}" + (f" ({field})" if field else ""))
        self.code = code  # of api_pb2.Code
        self.sentence = sentence
        self.field = field  # dotted name of the field that is wrong, if it is one


class Unanswered(HandoffError):
    """The outcome is unknown; asking again is safe, publishing too under the same ids."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.results: list[Result] = []  # of a publish: one an event, unavailable where there was no answer


class Timeout(Unanswered, TimeoutError):
    """Nobody answered in time."""


class Unavailable(Unanswered):
    """The daemon answered, but could not commit or serve in time."""


class BadReply(HandoffError):
    """The daemon speaks another protocol."""


class Rewound(HandoffError):
    """The daemon's journal ends before the position from which to go on: it is another folder or an older copy."""
