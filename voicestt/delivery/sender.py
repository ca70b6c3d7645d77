"""The port of a sender of events to a destination, and the outcomes that it reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voicestt.journal.port import Record


class CannotDeliver(Exception):
    """Delivery cannot work with these settings; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """The outcome of an event that has not arrived, or may not have.

    `why` is in words, without a secret. `is_whole`: nothing can arrive there, whichever event it is. `after`:
    seconds in which the receiver does not want to be asked again. `is_refusal`: the receiver works, and does not
    want this event. `is_gone`: it wants no event any more. `status` and `answer`: see `Arrived`.
    """

    why: str
    is_whole: bool = False
    after: float = 0.0
    is_refusal: bool = False
    is_gone: bool = False
    status: int | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The outcome of an event that has arrived.

    `status` is the HTTP status, `answer` the beginning of the answer, escaped.
    """

    status: int
    answer: str = ""


Outcome = DeliveryFailed | Arrived | None
"""Outcome of one event; None: it has arrived, without an answer."""


class EventSender(Protocol):
    """Sends events to one destination, from the reactor's thread and without ever blocking it."""

    @property
    def place(self) -> str:
        """The destination in words for people: the beginning of a sentence, without a secret."""
        ...

    @property
    def advice(self) -> str:
        """Advice for an outage of the destination, in whole sentences."""
        ...

    @property
    def at_once(self) -> int:
        """The largest number of parcels under way at a time."""
        ...

    @property
    def most(self) -> int:
        """The largest number of events in a parcel."""
        ...

    @property
    def of_one(self) -> bool:
        """True if all events of a parcel are of one session; what failed is tried again alone then."""
        ...

    def start(self) -> None:
        """Get ready; called before the first `carry`.

        Raises:
            CannotDeliver: if this can never work.
        """

    async def carry(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """Send `records` in this order, and return the outcome of each.

        Where one has failed, those of its session behind it have failed too. It ends in bounded time; cancelled,
        it ends at once, and what it says of events that have not arrived does not matter.
        """
        ...

    async def stop(self) -> None:
        """End what is under way; the caller may cancel it."""
