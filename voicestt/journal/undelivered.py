"""Undelivered events of each destination, tracked in memory."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from voicestt.journal import outbox
from voicestt.journal.asking import Ask
from voicestt.journal.backlog import Backlog
from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import Destination, Pending, Record
from voicestt.journal.standing import Standing
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
