"""A client of handoffd: publish events, ask, follow a stream, serve a durable subscription.

The messages are the generated ones of `handoff.v1`; nothing here mirrors them, and PROTOCOL.md describes them.

One thread owns a client with its watches and subscriptions, and nothing here starts another: work is done while a
method runs. Several clients in a process are independent.
"""

from .client import DEFAULT_FRONT, Client, Result, event
from .errors import BadReply, HandoffError, Refused, Rewound, Timeout, Unavailable
from .subscription import Delivery, Subscription
from .watch import Watch
from .words import number, word

__all__ = [
    "DEFAULT_FRONT",
    "BadReply",
    "Client",
    "Delivery",
    "HandoffError",
    "Refused",
    "Result",
    "Rewound",
    "Subscription",
    "Timeout",
    "Unavailable",
    "Watch",
    "event",
    "number",
    "word",
]
