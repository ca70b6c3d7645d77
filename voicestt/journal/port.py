"""The journal's values and ports, for the code that writes into it and delivers from it.

Everything is called in the reactor's thread and returns at once or is awaited; the database is asked in a thread
of the journal's own.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from voicestt.events import Event
from voicestt.journal.former import FormerStream

Fact = TypeVar("Fact")
"""The type of the facts of a call that the events are made of; the journal only hands them on."""

_Put_contra = TypeVar("_Put_contra", contravariant=True)


Address = frozenset[str] | None
"""The receivers that the events of a session go to, by their destinations' names; None for all of them."""

NOWHERE: Final = -1


@dataclass(frozen=True, slots=True)
class Record:
    """An event in the journal.

    `number` is its place in the journal: it ascends in the order that a process writes in. `payload` is the event
    as JSON, as it is to be delivered. `cursor` is the number that a listener may go on after when it has this one,
    if that is another (`NOWHERE`: it is in no journal of this process). `addressed` is there where it was
    just written.
    """

    number: int
    session: str
    sequence: int
    type: str
    call_sid: str
    payload: bytes
    cursor: int | None = None
    addressed: Address = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that is still to be delivered.

    `written_at` is in seconds since 1970; `attempts` failed so far. `is_current`: its call goes on, or ended just
    now; what is not is left over from an outage or another process.
    """

    record: Record
    written_at: float
    attempts: int = 0
    is_current: bool = True


@dataclass(frozen=True, slots=True)
class Written(Generic[Fact]):
    """The fact that was put with an event, and the event's record (None if there was no event to write).

    `fact` is None for an event of nobody here: recovery's end of another server's call. `was_late`: `late` was
    told of it before, because the database took too long.
    """

    record: Record | None
    fact: Fact | None
    was_late: bool = False


class Readers(Protocol[Fact]):
    """Receives the journal's entries, in the order in which they were put."""

    def written(self, entries: Sequence[Written[Fact]]) -> None:
        """Receive entries that are in the database.

        An empty sequence: no entry is new, but more may be pending than before.
        """
        ...

    def late(self, facts: Sequence[Fact]) -> None:
        """Receive facts whose events have waited for two seconds, because the database cannot be written.

        They are not lost yet.
        """
        ...


class Writer(Protocol[_Put_contra]):
    """Takes events to be written."""

    def put(self, event: Event | None, fact: _Put_contra | None) -> None:
        """Queue `event` to be written; `fact` is passed to the readers with it.

        An `event` of None writes no row, but keeps its place in the order.
        """
        ...

    def remember(self, session: str, memory: str) -> None:
        """Queue a handler's memory, JSON, to be kept beside the session, whose start was put before."""
        ...

    def address(self, session: str, receivers: Collection[str]) -> None:
        """Let events of the session, of which none was put yet, go to these receivers only."""
        ...


class FormerStreams(Protocol):
    """The former streams of calls that come back."""

    async def former(self, call_sid: str) -> FormerStream | None:
        """Return the latest stream of the call, in any process of this journal; None if there was none.

        It waits while the database cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that events are delivered to, by a name that stays the same over restarts.

    `partials`: partials too. `types` are the other events' types, None for all. `is_receiver`: sessions that have
    an address have their events delivered here only if it names this place.
    """

    name: str
    partials: bool
    types: frozenset[str] | None = None
    is_receiver: bool = False

    def takes(self, kind: str, addressed: Address) -> bool:
        """Return True if events of this type, of a session with this address, are delivered there."""
        is_named = addressed is None or not self.is_receiver or self.name in addressed
        return is_named and self.wants(kind)

    def wants(self, kind: str) -> bool:
        """Return True if events of this type are delivered there."""
        if kind == "partial":
            return self.partials
        return self.types is None or kind in self.types


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to deliver the event `number`, which ended at `at` (seconds since 1970).

    `error` is in words, without a secret; None: it arrived. `status` is HTTP's, None where nobody answered, and
    `answer` the beginning of what was answered, escaped.
    """

    number: int
    at: float
    error: str | None
    status: int | None = None
    answer: str = ""


class Outbox(Protocol):
    """The events still to be delivered, of the calls that this process answers for; they survive the process."""

    async def pending(
        self, destination: str, limit: int, busy: Collection[str] = (), *, with_left_over: bool = True
    ) -> list[Pending]:
        """Return about `limit` pending events, fewer only if there are fewer, and none of the sessions in `busy`.

        Those of a session come in its order, some of many sessions rather than all of a few: half of them of calls
        that go on, the newest first, and half of what is left over. Only the former if not `with_left_over`.
        """
        ...

    async def delivered(self, destination: str, numbers: Sequence[int], attempts: Sequence[Attempt] = ()) -> None:
        """Record that events have arrived, with the `attempts` that are to be remembered."""
        ...

    async def failed(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        """Record a failed attempt; the event stays pending.

        `why` is in words, without a secret.
        """
        ...

    async def dead_letter(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        """Record an event as undeliverable: it is pending no more, and `voicestt deliveries` shows it."""
        ...


def numbers_of(record: Record) -> frozenset[str]:
    """Return the phone numbers in a record of `call_started`."""
    event = msgspec.json.decode(record.payload)
    return frozenset(number for number in (event.get("from"), event.get("to")) if isinstance(number, str))


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects events by `calls` (CallSids, empty for all) and by `types` (None for all).

    `number`: only those of calls from or to this number; the journal knows them, a record alone does not say it.
    """

    calls: frozenset[str] = frozenset()
    types: frozenset[str] | None = None
    number: str | None = None

    def lets_through(self, record: Record) -> bool:
        """Return True if `record` is selected."""
        is_of_type = self.types is None or record.type in self.types
        return is_of_type and (not self.calls or record.call_sid in self.calls)


EVERYTHING = Filter()


@dataclass(frozen=True, slots=True)
class Page:
    """Past events, in order.

    No event up to the number `through` can still come into the journal. `last` is the largest number that was
    given to an event by then: what is between both may be under way.
    """

    records: Sequence[Record]
    through: int
    last: int


class History(Protocol):
    """The events of the past."""

    async def since(self, number: int, limit: int, wanted: Filter = EVERYTHING) -> Page:
        """Return the first `limit` wanted events after `number`, up to the last settled one.

        An event is settled when no smaller number can be committed any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of this process's deliveries to one destination.

    `waiting` and `dead_lettered` count events; `oldest_at` is when the oldest that waits was written, in seconds
    since 1970.
    """

    waiting: int = 0
    oldest_at: float | None = None
    dead_lettered: int = 0


@dataclass(frozen=True, slots=True)
class JournalState:
    """The state of the journal.

    `is_written`: events get into the database. If not: `since` when (seconds since 1970), and `why`. `waiting`
    events in memory take about `waiting_bytes`; `lost` had to go, because too many waited. `in_file` wait in this
    process's spill file.
    """

    is_written: bool
    waiting: int
    waiting_bytes: int
    lost: int
    since: float | None = None
    why: str | None = None
    in_file: int = 0
