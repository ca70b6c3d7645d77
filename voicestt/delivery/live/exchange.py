"""The exchange of live events between processes: each sends the others what somebody there listens for.

A process with listeners says to all what they want, when it changes and every `AGAIN_SECONDS`; who has not heard
of it for `FORGOTTEN_SECONDS` forgets it. Filters are applied where the events are: what nobody elsewhere wants is
sent nowhere, and a process without listeners gets nothing. Messages of one process arrive in its order. They are
counted, so that a loss is noticed by who listens.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from twisted.logger import Logger

from voicestt.delivery.live.call_numbers import CallNumbers
from voicestt.fleet.port import FleetLink
from voicestt.journal.port import EVERYTHING, Filter, Record
from voicestt.runtime.clock import Clock, Timer

AGAIN_SECONDS: Final = 5.0
FORGOTTEN_SECONDS: Final = 16.0
_WANTS: Final = "live:wants"
_MOST_FILTERS: Final = 50


Row = tuple[int, str, int, str, str, bytes]
"""A Record's fields, in its order."""


class Wants(msgspec.Struct, omit_defaults=True):
    """The filters of the listeners of `process`, each with CallSids, types (null for all) and a
    number of the calls' (null for any).

    `asks`: what others want shall be said too.
    """

    process: str
    filters: list[tuple[list[str], list[str] | None, str | None]] = []
    asks: bool = False


class Batch(msgspec.Struct, array_like=True):
    """Events of `process`, numbered by its `journal`: the `count`-th message to this listener.

    Without events it says that the process is there, and knows what is wanted. `numbers` are those of calls for
    which a listener asked.
    """

    process: str
    journal: str
    count: int
    records: list[Row] = []
    numbers: dict[str, list[str]] = {}


@dataclass(slots=True)
class ExchangeCounts:
    """The counters of the exchange: events `sent` to other processes and `heard` from them, and losses noticed."""

    sent: int = 0
    heard: int = 0
    losses: int = 0


@dataclass(slots=True)
class _Listening:
    """Another process that has listeners."""

    filters: Sequence[Filter]
    heard_at: float
    count: int = 0

    def wants(self, record: Record, numbers: CallNumbers) -> bool:
        return any(
            each.lets_through(record) and (each.number is None or numbers.has(record.call_sid, each.number))
            for each in self.filters
        )

    def numbers_of(self, records: Sequence[Record], numbers: CallNumbers) -> dict[str, list[str]]:
        """Collect the numbers by which calls were asked for: who asked may not have heard of their beginning."""
        asked = {each.number for each in self.filters if each.number is not None}
        calls = {each.call_sid for each in records} if asked else set()
        return {call: [each for each in asked if numbers.has(call, each)] for call in calls}


@dataclass(slots=True)
class _Source:
    """Another process that sends events."""

    journal: str
    heard_at: float
    count: int = field(default=0)


class LiveExchange:
    """This process's part. `heard` is given others' events, and whether they are of this process's journal;
    `missed` is called when some may have been missed. `numbers` are those of the calls here, and learn of others.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        link: FleetLink,
        journal: str,
        heard: Callable[[Sequence[Record], bool], object],
        missed: Callable[[], object],
        numbers: CallNumbers | None = None,
    ) -> None:
        self._numbers = numbers or CallNumbers()
        self.counts = ExchangeCounts()
        self._clock = clock
        self._link = link
        self._journal = journal
        self._heard = heard
        self._missed = missed
        self._timer = Timer(clock)
        self._wanted: Sequence[Filter] = ()
        self._listening: dict[str, _Listening] = {}
        self._sources: dict[str, _Source] = {}
        self._has_complained = False

    @property
    def has_siblings(self) -> bool:
        """True if another process of this journal sends events here."""
        self._forget_silent()
        return any(each.journal == self._journal for each in self._sources.values())

    def start(self) -> None:
        """Begin to listen to other processes."""
        self._link.subscribe(_WANTS, self._take_wants, lambda: self._say(asks=True))
        self._link.subscribe(_inbox(self._link.instance), self._take_batch, self._stands_again)
        self._timer.set(AGAIN_SECONDS, self._again)

    def stop(self) -> None:
        """Want nothing, and send nothing more."""
        self._timer.cancel()
        self.want(())
        self._link.unsubscribe(_WANTS, self._take_wants)
        self._link.unsubscribe(_inbox(self._link.instance), self._take_batch)
        self._listening.clear()

    def want(self, filters: Collection[Filter]) -> None:
        """Say what is wanted here from now on."""
        wanted = _simplest(filters)
        if wanted != self._wanted:
            self._wanted = wanted
            self._say()
        if not wanted:
            self._sources.clear()

    def offer(self, records: Sequence[Record]) -> None:
        """Send events of this process to those who want them."""
        for process, listening in self._listening.items():
            wanted = [each for each in records if listening.wants(each, self._numbers)]
            if wanted:
                self.counts.sent += len(wanted)
                self._send(process, listening, wanted)

    def _send(self, process: str, listening: _Listening, records: Sequence[Record]) -> None:
        listening.count += 1
        rows, numbers = [_row(each) for each in records], listening.numbers_of(records, self._numbers)
        batch = Batch(self._link.instance, self._journal, listening.count, rows, numbers)
        self._link.publish(_inbox(process), msgspec.msgpack.encode(batch))

    def _say(self, *, asks: bool = False) -> None:
        filters = [
            (sorted(each.calls), None if each.types is None else sorted(each.types), each.number)
            for each in self._wanted
        ]
        self._link.publish(_WANTS, msgspec.json.encode(Wants(self._link.instance, filters, asks)))

    def _again(self) -> None:
        self._timer.set(AGAIN_SECONDS, self._again)
        self._forget_silent()
        if self._wanted:
            self._say()

    def _stands_again(self) -> None:
        if self._wanted:
            self._say()
            self._missed()

    def _forget_silent(self) -> None:
        oldest = self._clock.seconds() - FORGOTTEN_SECONDS
        for each in [name for name, listening in self._listening.items() if listening.heard_at < oldest]:
            del self._listening[each]
        for each in [name for name, source in self._sources.items() if source.heard_at < oldest]:
            del self._sources[each]

    def _take_wants(self, message: bytes) -> None:
        try:
            said = msgspec.json.decode(message, type=Wants)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._complain()
            return
        if said.process == self._link.instance:
            return
        if said.asks and self._wanted:
            self._say()
        if not said.filters:
            self._listening.pop(said.process, None)
            return
        known = self._listening.get(said.process)
        filters = [_filter(*each) for each in said.filters]
        count = 0 if known is None else known.count
        listening = self._listening[said.process] = _Listening(filters, self._clock.seconds(), count)
        self._send(said.process, listening, [])

    def _take_batch(self, message: bytes) -> None:
        try:
            batch = msgspec.msgpack.decode(message, type=Batch)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._complain()
            return
        known = self._sources.get(batch.process)
        is_whole = batch.count == (1 if known is None else known.count + 1)
        self._sources[batch.process] = _Source(batch.journal, self._clock.seconds(), batch.count)
        if batch.records:
            self.counts.heard += len(batch.records)
            self._heard_of(batch, [Record(*row) for row in batch.records])
        if not is_whole:
            self.counts.losses += 1
            self._missed()

    def _heard_of(self, batch: Batch, records: Sequence[Record]) -> None:
        for call_sid, numbers in batch.numbers.items():
            for number in numbers:
                self._numbers.learn([each for each in records if each.call_sid == call_sid], number)
        self._heard(records, batch.journal == self._journal)

    def _complain(self) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._log.warn(
                "A message of another process about live events was not understood, and ignored: is it of another "
                "version? Listeners here may miss its events until both are of the same one. Calls are untouched."
            )


def _inbox(process: str) -> str:
    return f"live:{process}"


def _row(record: Record) -> Row:
    return record.number, record.session, record.sequence, record.type, record.call_sid, record.payload


def _filter(calls: Sequence[str], types: Sequence[str] | None, number: str | None) -> Filter:
    return Filter(frozenset(calls), None if types is None else frozenset(types), number)


def _order(each: Filter) -> tuple[list[str], list[str], str]:
    return sorted(each.calls), sorted(each.types or ()), each.number or ""


def _simplest(filters: Collection[Filter]) -> Sequence[Filter]:
    """Return the filters without repeats; one for everything where that is wanted, or where there are many."""
    different = sorted(set(filters), key=_order)
    return [EVERYTHING] if EVERYTHING in different or len(different) > _MOST_FILTERS else different
