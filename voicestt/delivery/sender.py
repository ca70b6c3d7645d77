"""The port of whoever takes events somewhere, and what it says of each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voicestt.journal.port import Record


class CannotDeliver(Exception):
    """Nothing can be delivered as it is set up: the words say why, and what to do."""


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """An event has not arrived, or nobody knows whether it has. `why` is in words, without a secret.

    `is_whole`: nothing can arrive there, whichever event it is. `after`: seconds in which the receiver does not
    want to be asked again. `is_refusal`: the receiver works, and does not want this event. `is_gone`: it wants no
    event any more. `status` and `answer`: see `Arrived`.
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
    """An event has arrived. `status` is what HTTP answered, `answer` the beginning of the answer, escaped."""

    status: int
    answer: str = ""


Outcome = DeliveryFailed | Arrived | None
"""None: it has arrived, and nothing was answered."""


class EventSender(Protocol):
    """Takes events to one destination. It is used in the reactor's thread and never blocks it."""

    @property
    def place(self) -> str:
        """The destination for people: the beginning of a sentence, without a secret."""
        ...

    @property
    def advice(self) -> str:
        """What to do when it is down, in whole sentences."""
        ...

    @property
    def at_once(self) -> int:
        """How many parcels may be under way at a time."""
        ...

    @property
    def most(self) -> int:
        """How many events there are in a parcel at most."""
        ...

    @property
    def of_one(self) -> bool:
        """Whether all of a parcel are of one session. What failed is tried again alone then."""
        ...

    def start(self) -> None:
        """Before anything is carried.

        Raises:
            CannotDeliver: if this can never work.
        """

    async def carry(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """Carries `records` in this order; what became of each.

        Where one has failed, those of its session behind it have failed too. It ends in bounded time; cancelled,
        it ends at once, and what it says of events that have not arrived does not matter.
        """
        ...

    async def stop(self) -> None:
        """Ends what is under way; at most for as long as it is waited for."""
