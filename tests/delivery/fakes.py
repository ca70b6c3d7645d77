"""An outbox in memory with the journal's rules, and a sender whose outcomes the test decides."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from voicestt import events
from voicestt.delivery.sender import Outcome
from voicestt.journal.port import (
    Attempt,
    Destination,
    Pending,
    Record,
)

HOOK = Destination("webhook", partials=False)


def event(session: str, sequence: int, text: str = "", kind: str = "final") -> bytes:
    """An event as the journal keeps it."""
    stamp: dict[str, Any] = {
        "id": events.event_id(session, sequence),
        "session": session,
        "sequence": sequence,
        "timestamp": "2026-11-23T07:50:00.000000Z",
        "call_sid": f"CA{session}",
        "stream_sid": f"MZ{session}",
    }
    if kind == "partial":
        return events.encode(events.Partial(**stamp, utterance=sequence, text=text))
    return events.encode(events.Final(**stamp, utterance=sequence, text=text))


def record(session: str, sequence: int, number: int = 1, text: str = "שלום", kind: str = "final") -> Record:
    """One record of a final, or of a partial."""
    payload = event(session, sequence, text, kind)
    return Record(number, session, sequence, kind, f"CA{session}", payload)


class MemoryOutbox:
    """A journal as a deliverer sees it. `answers` gives the Deferred that a request waits for, by its name."""

    def __init__(self, now: Callable[[], float], destinations: Sequence[Destination] = (HOOK,)) -> None:
        self._now = now
        self._destinations = {each.name: each for each in destinations}
        self._settled: dict[str, set[int]] = defaultdict(set)
        self._failures: dict[str, Counter[int]] = defaultdict(Counter)
        self._entries: list[Pending] = []
        self._sequences: Counter[str] = Counter()
        self.dead_lettered: dict[int, str] = {}
        self.told: list[Sequence[int]] = []
        self.whys: list[str] = []
        self.attempts_made: list[Attempt] = []
        self.reads = 0
        self.answers: Callable[[str], Deferred[None]] = lambda _what: succeed(None)

    def write(self, session: str, count: int = 1, *, kind: str = "final", text: str = "שלום") -> list[Record]:
        """Writes `count` events of a session."""
        written = []
        for _ in range(count):
            self._sequences[session] += 1
            entry = record(session, self._sequences[session], len(self._entries) + 1, text, kind)
            self._entries.append(Pending(entry, self._now()))
            written.append(entry)
        return written

    def discard(self, session: str, destination: str = HOOK.name) -> None:
        """Dead-letter the pending events of a session, by hand."""
        self._settled[destination].update(
            each.number for each in self.left(destination) if each.session == session
        )

    def count(self, session: str) -> int:
        """The number of events of a session that were written."""
        return self._sequences[session]

    def left(self, destination: str = HOOK.name) -> list[Record]:
        """The pending events."""
        return [entry.record for entry in self._pending(destination)]

    async def pending(
        self, destination: str, limit: int, busy: Collection[str] = (), *, with_left_over: bool = True
    ) -> list[Pending]:
        self.reads += 1
        leave_out = set(busy)
        found = [entry for entry in self._pending(destination) if entry.record.session not in leave_out]
        await self.answers("pending")
        failures = self._failures[destination]
        return [replace(entry, attempts=failures[entry.record.number]) for entry in found[:limit]]

    async def delivered(self, destination: str, numbers: Sequence[int], attempts: Sequence[Attempt] = ()) -> None:
        await self.answers("delivered")
        self.attempts_made += attempts
        self.told.append(numbers)
        self._settle(destination, numbers)

    async def failed(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        await self.answers("failed")
        self.attempts_made += attempts
        self._failures[destination][number] += 1
        self.whys.append(why)

    async def dead_letter(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        await self.answers("dead_letter")
        self.attempts_made += attempts
        self._settle(destination, [number])
        self.dead_lettered[number] = why

    def attempts(self, number: int, destination: str = HOOK.name) -> int:
        """The number of attempts that are known to have failed."""
        return self._failures[destination][number]

    def _settle(self, destination: str, numbers: Sequence[int]) -> None:
        known = self._settled[destination]
        assert not known.intersection(numbers), "settled twice"
        assert set(numbers) <= {entry.record.number for entry in self._entries}
        known.update(numbers)

    def _pending(self, destination: str) -> list[Pending]:
        partials = self._destinations[destination].partials
        settled = self._settled[destination]
        return [
            entry
            for entry in self._entries
            if entry.record.number not in settled and (partials or entry.record.type != "partial")
        ]


@dataclass
class Parcel:
    """One that is under way; the test says how it fares."""

    records: Sequence[Record]
    outcomes: Deferred[list[Outcome]]

    @property
    def ids(self) -> list[str]:
        return [events.event_id(each.session, each.sequence) for each in self.records]

    def arrives(self) -> None:
        self.outcomes.callback([None] * len(self.records))

    def fails(self, failure: Outcome) -> None:
        self.outcomes.callback([failure] * len(self.records))


class ManualSender:
    """Each parcel fares as the test says, when it says so; or as `fares` says, at once."""

    place = "The webhook at https://hook.example.com"
    advice = "Start it."

    def __init__(self, at_once: int = 8, most: int = 1, *, of_one: bool = False) -> None:
        self.at_once = at_once
        self.most = most
        self.of_one = of_one
        self.under_way: list[Parcel] = []
        self.carried: list[Parcel] = []
        self.fares: Callable[[Record], Outcome] | None = None
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def carry(self, records: Sequence[Record]) -> list[Outcome]:
        parcel = Parcel(records, Deferred())
        self.carried.append(parcel)
        if self.fares is not None:
            return [self.fares(each) for each in records]
        self.under_way.append(parcel)
        try:
            return await parcel.outcomes
        finally:
            self.under_way.remove(parcel)

    @property
    def ids(self) -> list[str]:
        """Everything that was tried, in order."""
        return [each for parcel in self.carried for each in parcel.ids]
