"""Replay of past events from the journal up to now, without gaps or duplicates.

An event is in the journal before it is published. So a listener is given page after page of the journal; what is
published meanwhile, and is in none of them, follows the last one. Several processes may write into one journal,
and what has the smaller number may be there later: a page ends before the first number that may still be under
way, and the last page is the one behind which nothing was under way when the first one was read.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from voicestt.delivery.live.subscriber import Subscriber
from voicestt.journal.port import Page, Record

PAGE: Final = 200
MOST_PAUSES: Final = 150
_REMEMBERED: Final = 4_000  # far more than can be in the journal and not published yet

Read = Callable[[int, int], Awaitable[Page]]
"""`voicestt.journal.port.History.since`, for what the listener wants."""


class HeldBack(Exception):
    """Another process has an unfinished write transaction that does not come to an end."""


class Replay:
    """Brings a listener from the event `after` up to now; it has those numbered `had` already.

    Published events go through it, during the replay and after it; of several processes if `of_fleet`.
    """

    def __init__(
        self, subscriber: Subscriber, after: int, had: Collection[int] = (), *, of_fleet: bool = False
    ) -> None:
        self._subscriber = subscriber
        self._after = after
        self._had = frozenset(had)
        self._of_fleet = of_fleet
        self._goal: int | None = None
        self.is_there = False
        self._meanwhile: list[Record] = []
        self._seen: dict[int, None] = {}

    async def run(self, read: Read, pause: Callable[[], Awaitable[object]]) -> None:
        """Send the past events, as quickly as the listener takes them.

        What `read` raises is passed on.

        Raises:
            HeldBack: after `MOST_PAUSES`, each of which `pause` waits for.
        """
        pauses = 0
        while self._subscriber.is_open:
            page = await self._read(read)
            self._subscriber.offer_page([each for each in page.records if each.number not in self._had])
            if len(page.records) == PAGE:
                await self._subscriber.all_sent()
            elif self._is_last(page):
                break
            elif (pauses := pauses + 1) > MOST_PAUSES:
                raise HeldBack
            else:
                await pause()
        self._arrive()

    def go_further(self) -> None:
        """Read on to what is the end by now: events may have been missed until now."""
        self._goal = None

    def published(self, records: Sequence[Record]) -> None:
        """Take events that are published now: kept during the replay, passed on after it."""
        if self.is_there:
            self._pass(records)
            return
        self._meanwhile += records
        if len(self._meanwhile) > _REMEMBERED:
            # However long a slow listener takes: a page will have them, which must be waited for.
            self._goal = max(self._goal or 0, *(each.number for each in self._meanwhile))
            self._meanwhile = [each for each in self._meanwhile if each.number <= self._after]

    async def _read(self, read: Read) -> Page:
        before = self._after
        page = await read(before, PAGE)
        for record in page.records:
            self._see(record)
        if page.records:
            self._after = page.records[-1].number
        if self._goal is None:
            self._goal = page.last
        # What is not further on than `before` is in no page, what is beyond the page's bound perhaps in none.
        self._meanwhile = [
            each
            for each in self._meanwhile
            if each.number not in self._seen and not before < each.number <= page.through
        ]
        return page

    def _is_last(self, page: Page) -> bool:
        return self._goal is not None and page.through >= self._goal

    def _arrive(self) -> None:
        self.is_there = True
        self._pass(self._meanwhile)
        self._meanwhile = []

    def _see(self, record: Record) -> None:
        self._seen[record.number] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _pass(self, records: Sequence[Record]) -> None:
        if self._seen:
            records = [record for record in records if record.number not in self._seen]
        if records and records[-1].number >= self._after and not self._of_fleet:
            self._seen.clear()  # what this process publishes from here on has larger numbers
        self._subscriber.offer(records)
