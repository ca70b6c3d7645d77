"""Undelivered events of each destination, tracked in memory by the sessions that have some.

So a live call's words are found without walking through the backlog in the database. The order of events is
promised within a session only, so the next events to read are chosen by session: half of them of the calls that
are going on, the newest first, and half of the sessions that are left over, in the order in which they were found.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from voicestt.journal import outbox
from voicestt.journal.outbox import Mark, settled_by
from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import Destination, Pending, Record, Standing
from voicestt.journal.reading import Asks
from voicestt.runtime.clock import Clock, Timer

_FEWEST_OF_A_SESSION = 4
MARK_SECONDS = 1.0
"""Time after which delivery goes on although its results are not written yet."""

_MOST_SETTLED = 200_000
"""Largest number of results that wait to be written. Beyond it, delivery waits for the database."""


class Undelivered:
    """Tracks undelivered events and reads them from the outbox, in the reactor's thread.

    `owner` is the instance whose sessions are read, once it is known. `ask` runs a read query in the database, and
    `write` queues a delivery's result to be written into it.
    """

    def __init__(
        self,
        clock: Clock,
        destinations: Sequence[Destination],
        whole: StoredPayloads,
        ask: Asks,
        write: Callable[[Mark], Deferred[None]],
    ) -> None:
        self.owner = ""
        self._clock = clock
        self._destinations = destinations
        self._whole = whole
        self._ask = ask
        self._write = write
        self._backlogs: dict[str, Backlog] = defaultdict(Backlog)
        self._standings: dict[str, Standing] = {}
        self._settled: dict[str, set[int]] = defaultdict(set)

    def standing(self, destination: str) -> Standing:
        """Return the state of a destination's deliveries: the last count and the changes since."""
        found = self._standings.get(destination, Standing())
        waiting = self._backlogs[destination].waiting
        return replace(found, waiting=waiting, oldest_at=found.oldest_at if waiting else None)

    def counted(self, destination: str, standing: Standing) -> None:
        """Record the state that was counted in the database."""
        self._standings[destination] = standing
        self._backlogs[destination].waiting = standing.waiting

    def found(self, destination: str, sessions: Iterable[str]) -> None:
        """Record sessions that have pending events from before."""
        self._backlogs[destination].found(sessions)

    def wrote(self, records: Sequence[Record]) -> None:
        """Record events that are in the database now."""
        for destination in self._destinations:
            wanted = [each.session for each in records if destination.takes(each.type, each.addressed)]
            self._backlogs[destination.name].wrote(wanted, self._clock.seconds())

    async def record(self, mark: Mark) -> None:
        """Record the result of a delivery.

        Returns when it is written, or after `MARK_SECONDS` while the database cannot be written: what is settled
        is remembered then, so that it is not read again. Where there is too much of that, it waits.
        """
        numbers = settled_by(mark)
        self._backlogs[mark.destination].delivered(len(numbers))
        known: Deferred[None] = Deferred()
        self._write(mark).addBoth(self._recorded, known, mark.destination, numbers)
        late = Timer(self._clock)
        late.set(MARK_SECONDS, lambda: self._remember(known, mark.destination, numbers))
        try:
            await known
        finally:
            late.cancel()

    def _remember(self, known: Deferred[None], destination: str, numbers: Collection[int]) -> None:
        settled = self._settled[destination]
        if len(settled) + len(numbers) <= _MOST_SETTLED and not known.called:
            settled.update(numbers)
            known.callback(None)

    def _recorded(
        self, result: Failure | None, known: Deferred[None], destination: str, numbers: Collection[int]
    ) -> None:
        self._settled[destination].difference_update(numbers)
        if not known.called:
            known.callback(result)  # a Failure is an errback

    async def pending(
        self, destination: str, limit: int, busy: Collection[str], *, with_left_over: bool
    ) -> list[Pending]:
        """Return pending events, see `voicestt.journal.port.Outbox`."""
        backlog, skip, found = self._backlogs[destination], set(busy), list[Pending]()
        while len(found) < limit:
            choice = backlog.choose(self._clock.seconds(), skip, with_left_over=with_left_over)
            if not choice.sessions:
                break
            most = max(_FEWEST_OF_A_SESSION, limit // len(choice.sessions))
            some = await self._read(destination, choice.sessions, most)
            backlog.read(choice, {pending.record.session for pending in some})
            skip.update(choice.sessions)
            left_over = set(choice.left_over)
            found += [replace(each, is_current=each.record.session not in left_over) for each in some]
        return found[:limit]

    async def _read(self, destination: str, sessions: Sequence[str], most: int) -> list[Pending]:
        owner, whole, settled = self.owner, self._whole, tuple(self._settled[destination])
        return await self._ask(
            lambda connection: outbox.pending(connection, whole, owner, destination, sessions, most, settled)
        )


CURRENT_SECONDS: Final = 60.0
"""Age of a call's last event from which the call is not live any more, and its events are backlog."""

AT_ONCE: Final = 64
"""Largest number of sessions read in one query."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The sessions chosen to be read next.

    `stamps` has the version of each session's entry at the moment of the choice.
    """

    current: Sequence[str]
    left_over: Sequence[str]
    stamps: Sequence[int]

    @property
    def sessions(self) -> list[str]:
        """All chosen sessions: the current ones, then the left over ones."""
        return [*self.current, *self.left_over]


class Backlog:
    """Tracks the sessions that have pending events for one destination.

    `waiting` is the approximate number of these events.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._stamp = 0
        self._age_due = 0.0
        self._stamps: dict[str, int] = {}
        self._current: dict[str, float] = {}
        self._left_over: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._stamps)

    def wrote(self, sessions: Iterable[str], now: float) -> None:
        """Record events that were written just now, by their sessions.

        A session is named once for each of its events.
        """
        for session in sessions:
            self.waiting += 1
            self._touch(session)
            self._left_over.pop(session, None)
            self._current[session] = now

    def found(self, sessions: Iterable[str]) -> None:
        """Record sessions that were found in the database with pending events from before."""
        for session in sessions:
            self._touch(session)
            if session not in self._current:
                self._left_over[session] = None

    def delivered(self, count: int) -> None:
        """Subtract `count` delivered events from `waiting`."""
        self.waiting = max(0, self.waiting - count)

    def choose(self, now: float, busy: Collection[str], *, with_left_over: bool) -> Choice:
        """Choose the sessions to read next, leaving out the `busy` ones."""
        self._age(now)
        current = _first(reversed(self._current), busy, AT_ONCE)
        left_over: list[str] = []
        if with_left_over:
            left_over = _first(self._left_over, busy, max(AT_ONCE // 2, AT_ONCE - len(current)))
            current = current[: AT_ONCE - len(left_over)]
        return Choice(current, left_over, [self._stamps[session] for session in (*current, *left_over)])

    def read(self, choice: Choice, found: Collection[str]) -> None:
        """Remove the chosen sessions that had no pending events when they were read.

        `found` are those that had some. A session that was touched after the choice stays.
        """
        for session, stamp in zip(choice.sessions, choice.stamps, strict=True):
            if session not in found and self._stamps.get(session) == stamp:
                del self._stamps[session]
                self._current.pop(session, None)
                self._left_over.pop(session, None)

    def _touch(self, session: str) -> None:
        self._stamp += 1
        self._stamps[session] = self._stamp

    def _age(self, now: float) -> None:
        if now < self._age_due:
            return
        self._age_due = now + 1.0
        for session in [session for session, at in self._current.items() if now - at > CURRENT_SECONDS]:
            del self._current[session]
            self._left_over[session] = None


def _first(sessions: Iterable[str], busy: Collection[str], most: int) -> list[str]:
    found = []
    for session in sessions:
        if session not in busy:
            found.append(session)
            if len(found) >= most:
                break
    return found
