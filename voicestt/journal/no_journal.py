"""The substitute for a journal with JOURNAL_URL=off, where no event survives the process.

Readers are told of events at once.
"""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Generic

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from voicestt.events import Event, type_of
from voicestt.journal.former import FormerStream
from voicestt.journal.payloads import payload_or_none
from voicestt.journal.port import (
    EVERYTHING,
    Fact,
    Filter,
    Page,
    Readers,
    Record,
    Written,
    numbers_of,
)
from voicestt.journal.write_queue import GuardedReaders
from voicestt.runtime.idle import Idle

KEPT = 1_000


class NoJournal(Generic[Fact]):
    """A journal in memory that remembers the last `KEPT` events.

    It has `open`, `put`, `remember`, `former`, `flush`, `since` and `close` as a Journal has them.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, readers: Readers[Fact]) -> None:
        self._clock = clock
        self._readers = GuardedReaders(readers)
        self._number = 0
        self._group: list[Written[Fact]] = []
        self._idle = Idle(lambda: not self._group)
        self._last: deque[Record] = deque(maxlen=KEPT)

    async def open(self) -> None:
        """Do nothing: there is no database to open."""

    def put(self, event: Event | None, fact: Fact | None) -> None:
        """Tell the readers of the event in the reactor's next turn, together with all others put in this one."""
        if not self._group:
            self._clock.callLater(0, self._tell)
        self._group.append(Written(None if event is None else self._record(event), fact))

    def address(self, session: str, receivers: Collection[str]) -> None:
        """Do nothing: without a journal nothing is delivered."""

    def remember(self, session: str, memory: str) -> None:
        """Do nothing: no call can go on elsewhere."""

    async def former(self, _call_sid: str) -> FormerStream | None:
        """Return None: what was is not known."""
        return None

    def flush(self) -> "Deferred[None]":
        """Return a Deferred that fires when the readers know the events that were put before."""
        return self._idle.wait()

    async def since(self, number: int, limit: int, wanted: Filter = EVERYTHING) -> Page:
        """Return the first `limit` wanted events after `number`, of those that are remembered."""
        calls = self._calls_of(wanted.number)
        found = (
            record
            for record in self._last
            if record.number > number
            and wanted.lets_through(record)
            and (calls is None or record.call_sid in calls)
        )
        return Page(list(islice(found, limit)), self._number, self._number)

    def _calls_of(self, number: str | None) -> set[str] | None:
        if number is None:
            return None
        starts = (record for record in self._last if record.type == "call_started")
        return {record.call_sid for record in starts if number in numbers_of(record)}

    async def close(self, _seconds: float = 0.0) -> None:
        """Tell the readers of the events that were put in this turn."""
        self._tell()

    def _record(self, event: Event) -> Record | None:
        payload = payload_or_none(event)
        if payload is None:
            return None
        self._number += 1
        record = Record(self._number, event.session, event.sequence, type_of(event), event.call_sid, payload)
        self._last.append(record)
        return record

    def _tell(self) -> None:
        group: Sequence[Written[Fact]] = self._group
        self._group = []
        if group:
            self._readers.written(group)
        self._idle.look()
