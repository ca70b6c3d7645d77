"""Undelivered events of each destination, tracked in memory by the sessions that have some.

So a live call's words are found without walking through the backlog in the database. The order of events is
promised within a session only, so the next events to read are chosen by session: half of them of the calls that
are going on, the newest first, and half of the sessions that are left over, in the order in which they were found.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from voicestt.journal import outbox
from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import Destination, Pending, Record, Standing
from voicestt.journal.reading import Ask
from voicestt.runtime.clock import Clock

_FEWEST_OF_A_SESSION = 4
_MOST_SETTLED = 200_000
"""Largest number of results that wait to be written. Beyond it, delivery waits for the database."""


class Undelivered:
    """Tracks undelivered events and reads them from the outbox, in the reactor's thread.

    `owner` is the instance whose sessions are read, once it is known. `ask` runs a read query in the database.
    """

    def __init__(
        self,
        clock: Clock,
        destinations: Sequence[Destination],
        whole: StoredPayloads,
        ask: Callable[[Ask], Awaitable[Any]],
    ) -> None:
        self.owner = ""
        self._clock = clock
        self._destinations = destinations
        self._whole = whole
        self._ask = ask
        self._backlogs: dict[str, Backlog] = defaultdict(Backlog)
        self._standings: dict[str, Standing] = {}
        self._settled: dict[str, set[int]] = defaultdict(set)

    def standing(self, destination: str) -> Standing:
        """The state of a destination's deliveries: the last count, adjusted by the writes and deliveries since."""
        found = self._standings.get(destination, Standing())
        waiting = self._backlogs[destination].waiting
        return replace(found, waiting=waiting, oldest_at=found.oldest_at if waiting else None)

    def counted(self, destination: str, standing: Standing) -> None:
        """Records the state that was counted in the database."""
        self._standings[destination] = standing
        self._backlogs[destination].waiting = standing.waiting

    def found(self, destination: str, sessions: Iterable[str]) -> None:
        """Records sessions that have pending events from before."""
        self._backlogs[destination].found(sessions)

    def wrote(self, records: Sequence[Record]) -> None:
        """Records events that are in the database now."""
        for destination in self._destinations:
            wanted = [each.session for each in records if destination.wants(each.type)]
            self._backlogs[destination.name].wrote(wanted, self._clock.seconds())

    def delivered(self, destination: str, count: int) -> None:
        """Subtracts `count` delivered events from those that wait."""
        self._backlogs[destination].delivered(count)

    def settle(self, destination: str, numbers: Collection[int]) -> bool:
        """Remembers settled events while the database cannot be written, so that they are not read again.

        False if there are too many to remember.
        """
        settled = self._settled[destination]
        has_room = len(settled) + len(numbers) <= _MOST_SETTLED
        if has_room:
            settled.update(numbers)
        return has_room

    def settled_for_good(self, destination: str, numbers: Collection[int]) -> None:
        """Forgets settled events, when the database has recorded them."""
        self._settled[destination].difference_update(numbers)

    async def pending(
        self, destination: str, limit: int, busy: Collection[str], *, with_left_over: bool
    ) -> list[Pending]:
        """Returns pending events, see `voicestt.journal.port.Outbox`."""
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
        found: list[Pending] = await self._ask(
            lambda connection: outbox.pending(connection, whole, owner, destination, sessions, most, settled)
        )
        return found


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
        """Records events that were written just now, by their sessions.

        A session is named once for each of its events.
        """
        for session in sessions:
            self.waiting += 1
            self._touch(session)
            self._left_over.pop(session, None)
            self._current[session] = now

    def found(self, sessions: Iterable[str]) -> None:
        """Records sessions that were found in the database with pending events from before."""
        for session in sessions:
            self._touch(session)
            if session not in self._current:
                self._left_over[session] = None

    def delivered(self, count: int) -> None:
        """Subtracts `count` delivered events from `waiting`."""
        self.waiting = max(0, self.waiting - count)

    def choose(self, now: float, busy: Collection[str], *, with_left_over: bool) -> Choice:
        """Chooses the sessions to read next, leaving out the `busy` ones."""
        self._age(now)
        current = _first(reversed(self._current), busy, AT_ONCE)
        left_over: list[str] = []
        if with_left_over:
            left_over = _first(self._left_over, busy, max(AT_ONCE // 2, AT_ONCE - len(current)))
            current = current[: AT_ONCE - len(left_over)]
        return Choice(current, left_over, [self._stamps[session] for session in (*current, *left_over)])

    def read(self, choice: Choice, found: Collection[str]) -> None:
        """Removes the chosen sessions that had no pending events when they were read.

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
