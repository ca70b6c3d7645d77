"""Events to write, readers that keep what they are told, and journals on the real reactor."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import create_engine, text
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.recognisers.on_reactor import PATIENCE, reactor
from voicestt.events import (
    CallEnded,
    CallStarted,
    Event,
    Final,
    Partial,
    event_id,
)
from voicestt.journal.journal import Journal
from voicestt.journal.maintenance import Pace
from voicestt.journal.port import (
    Destination,
    Pending,
    Record,
    Written,
)

CALLER, CALLED = "+972501234567", "+972771234567"
WEBHOOK = Destination("webhook", partials=False)
REDIS = Destination("redis", partials=True)

FAST = Pace(batch=0.002, renew=0.05, look=0.05, delete=0.05, settled=0.05, summarise=0.05)
"""So that a test need not wait."""


class Call:
    """Makes the events of one session, in their order."""

    def __init__(self, call_sid: str = "CA1") -> None:
        self.call_sid = call_sid
        self.session = uuid.uuid4().hex
        self._sequence = 0
        self._utterance = 1

    def started(self, **more: Any) -> CallStarted:
        return CallStarted(**{**self.next(), "account_sid": "AC1", "caller": CALLER, "called": CALLED, **more})

    def partial(self, words: str = "shal") -> Partial:
        return Partial(**self.next(), utterance=self._utterance, text=words, stability=0.5)

    def final(self, text: str = "shalom", **more: Any) -> Final:
        made = Final(**{**self.next(), "utterance": self._utterance, "text": text, **more})
        self._utterance += 1
        return made

    def ended(self, reason: str = "stop", duration: float = 2.5) -> CallEnded:
        return CallEnded(**self.next(), reason=reason, duration=duration, finals=self._utterance - 1)

    def next(self) -> dict[str, Any]:
        self._sequence += 1
        return {
            "id": event_id(self.session, self._sequence),
            "session": self.session,
            "sequence": self._sequence,
            "timestamp": "2026-11-23T07:00:00.000000Z",
            "call_sid": self.call_sid,
            "stream_sid": "MZ1",
        }


class Told:
    """Readers that keep everything, and can be waited for."""

    def __init__(self) -> None:
        self.entries: list[Written[object]] = []
        self.groups: list[int] = []
        self.late_facts: list[object] = []
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def written(self, entries: Sequence[Written[object]]) -> None:
        self.groups.append(len(entries))
        self.entries += entries
        self._look()

    def late(self, facts: Sequence[object]) -> None:
        self.late_facts += facts
        self._look()

    @property
    def facts(self) -> list[object]:
        return [entry.fact for entry in self.entries]

    @property
    def records(self) -> list[Record]:
        return [entry.record for entry in self.entries if entry.record is not None]

    async def until(self, condition: Callable[[], bool]) -> None:
        fired: Deferred[None] = Deferred()
        self._waiting.append((condition, fired))
        self._look()
        await fired.addTimeout(PATIENCE, reactor)

    async def until_written(self, count: int) -> None:
        await self.until(lambda: len(self.entries) >= count)

    def _look(self) -> None:
        for each in list(self._waiting):
            condition, fired = each
            if condition():
                self._waiting.remove(each)
                fired.callback(None)


class Journals:
    """Opens journals on one database, and closes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._open: list[Journal[object]] = []

    async def open(self, *destinations: Destination, told: Told | None = None, **more: Any) -> "Opened":
        told = Told() if told is None else told
        settings = {"days": 30.0, "redact": "none", "pace": FAST, **more}
        journal = Journal(settings.pop("reactor", reactor), self.url, told, destinations, **settings)
        await journal.open()
        self._open.append(journal)
        return Opened(journal, told)

    def keep(self, journal: Journal[object]) -> None:
        """Closes this one, too."""
        self._open.append(journal)

    async def close(self) -> None:
        for journal in self._open:
            await journal.close()

    def do(self, statement: str, **values: Any) -> list[Any]:
        """The rows of one statement, by another connection than the journal's."""
        engine = create_engine(self.url)
        try:
            with engine.begin() as connection:
                done = connection.execute(text(statement), values)
                return list(done) if done.returns_rows else []
        finally:
            engine.dispose()


class Opened:
    """An open journal and whom it tells."""

    def __init__(self, journal: Journal[object], told: Told) -> None:
        self.journal = journal
        self.told = told

    async def write(self, *events: Event) -> list[Record]:
        """The records of these, when they are in the database."""
        before = len(self.told.entries)
        for event in events:
            self.journal.put(event, event.id)
        await self.told.until_written(before + len(events))
        return [entry.record for entry in self.told.entries[before:] if entry.record is not None]

    async def pending(self, destination: Destination = WEBHOOK, **more: Any) -> list[Pending]:
        return await self.journal.pending(destination.name, **{"limit": 100, **more})

    async def adopted(self, count: int, destination: Destination = WEBHOOK, **more: Any) -> list[Pending]:
        """The pending events as soon as there are so many: what another left becomes ours a little later."""
        give_up = reactor.seconds() + PATIENCE
        while len(found := await self.pending(destination, **more)) < count:
            assert reactor.seconds() < give_up, f"only {len(found)} are pending"
            await deferLater(reactor, 0.01)
        return found


def payloads(records: Sequence[Record]) -> list[bytes]:
    return [record.payload for record in records]


def numbers(pending: Sequence[Pending]) -> list[int]:
    return [each.record.number for each in pending]


async def eventually(condition: Callable[[], Any]) -> None:
    """Until something outside this process, or another thread, made it so."""
    give_up = reactor.seconds() + PATIENCE
    while not condition():
        assert reactor.seconds() < give_up, "it never came about"
        await deferLater(reactor, 0.01)
