"""From an event of the past to those of now, out of the journal: without a gap, and without saying anything twice.

An event is in the journal before it is published. So a listener is given page after page of the journal; what is
published while a page is read, and is not in it, follows the last one. Numbers ascend in what one process writes,
but several may write into one journal, and what has the smaller number may be there later: so what a page did not
have is kept by itself, and not taken to be further on. Only then can an event come after one with a larger number;
`sequence` has a call's order.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from voicestt.journal.port import Record
from voicestt.server.listener import Listener

PAGE: Final = 200
_REMEMBERED: Final = 4_000  # far more than can be in the journal and not published yet

Read = Callable[[int, int], Awaitable[Sequence[Record]]]
"""`voicestt.journal.port.History.since`."""


class CatchingUp:
    """A listener on the way from the event `after` to now; what is published goes through here, then and later."""

    def __init__(self, listener: Listener, after: int) -> None:
        self._listener = listener
        self._after = after
        self._is_reading = False
        self._is_there = False
        self._meanwhile: list[Record] = []
        self._seen: dict[int, None] = {}

    async def run(self, read: Read) -> None:
        """Catches up, as quickly as the listener takes it. Raises what `read` raises."""
        while self._listener.is_open:
            page = await self._read(read)
            for record in page:
                self._see(record)
            self._listener.offer_page(page)
            if len(page) < PAGE:
                break
            await self._listener.all_sent()
        self._arrive()

    def published(self, records: Sequence[Record]) -> None:
        """These happen now."""
        if self._is_there:
            self._pass(records)
        else:
            # What is further on, and comes between two pages, will be in the next one.
            self._meanwhile += [each for each in records if self._is_reading or each.number <= self._after]

    async def _read(self, read: Read) -> Sequence[Record]:
        self._meanwhile = [record for record in self._meanwhile if self._was_passed_by(record)]
        self._is_reading = True
        try:
            page = await read(self._after, PAGE)
        finally:
            self._is_reading = False
        if page:
            self._after = page[-1].number
        return page

    def _was_passed_by(self, record: Record) -> bool:
        return record.number <= self._after and record.number not in self._seen

    def _arrive(self) -> None:
        self._is_there = True
        self._pass(self._meanwhile)
        self._meanwhile = []

    def _see(self, record: Record) -> None:
        self._seen[record.number] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _pass(self, records: Sequence[Record]) -> None:
        if self._seen:
            records = [record for record in records if record.number not in self._seen]
        if records and records[-1].number >= self._after:
            self._seen.clear()  # what this process publishes from here on has larger numbers
        self._listener.offer(records)
