"""The journal: writes events into the database and reads them back, without ever blocking the reactor."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt.events import Event
from voicestt.journal import reading
from voicestt.journal.former import FormerStream, MemoryToWrite, former
from voicestt.journal.maintenance import Pace
from voicestt.journal.outbox import Delivered, Failed, Mark
from voicestt.journal.payloads import StoredPayloads, clean
from voicestt.journal.port import (
    EVERYTHING,
    Attempt,
    Destination,
    Fact,
    Filter,
    JournalState,
    Page,
    Pending,
    Readers,
    Standing,
)
from voicestt.journal.problems import JournalClosed
from voicestt.journal.reading import Answer, Ask
from voicestt.journal.thread import TurnResults
from voicestt.journal.threads import Callbacks, JournalOptions, JournalThreads
from voicestt.journal.undelivered import Undelivered
from voicestt.journal.write_queue import Entry, GuardedReaders, LateFacts, WriteQueue
from voicestt.runtime.reactor import ReactorLike

CLOSE_SECONDS = 10.0
"""Time limit of `close`."""

OPEN_SECONDS = 1.5
"""Time limit of `open`. After it calls are accepted, and their events wait in memory."""


class Journal(Generic[Fact]):
    """Writes events for `destinations`, and tells `readers` of them when they are in the database.

    The other parameters are JOURNAL_URL, JOURNAL_DAYS, JOURNAL_REDACT and JOURNAL_SPILL_DIR. What `redact` keeps
    out of the database is in the records until they are delivered, or this process ends. `changed` is called when
    deliveries were changed by hand. `figures` returns the state of each destination's deliveries. `write_delay` is
    from an event's `put` until it is known to be in the database.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ReactorLike,
        url: str,
        readers: Readers[Fact],
        destinations: Sequence[Destination],
        *,
        days: float,
        redact: str,
        spill_dir: str | None = None,
        pace: Pace = Pace(),  # noqa: B008 - it is frozen
        changed: Callable[[], object] = lambda: None,
        figures: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self._reactor = reactor
        self._settings = JournalOptions(url, destinations, days, redact, spill_dir, pace)
        self._readers = GuardedReaders(readers)
        self._changed = changed
        self._figures = figures
        self._figures_now: str | None = None
        self._waiting = WriteQueue[Fact]()
        self._whole = StoredPayloads()
        self._lateness = LateFacts[Fact](reactor, self._readers.late)
        self._undelivered = Undelivered(reactor, destinations, self._whole, self._ask, self._write_mark)
        self._asked: set[Deferred[Any]] = set()
        self._memories: dict[str, Entry[Fact]] = {}
        self._threads: JournalThreads[Fact] | None = None
        self._is_closed = self._is_through = False
        self.address = self._settings.addresses.say
        self.write_delay = self._lateness.delay

    @property
    def state(self) -> JournalState:
        """The journal's current state, for health checks and metrics."""
        threads, waiting = self._threads, self._waiting
        why, since = (None, None) if threads is None else (threads.outage.why, threads.outage.since)
        if why is None and (threads is None or not threads.has_begun):
            why = "the database is being opened"
        in_file = 0 if threads is None else threads.spill.count
        return JournalState(why is None, len(waiting), waiting.bytes, waiting.dropped, since, why, in_file)

    def standing(self, destination: str) -> Standing:
        """Return the state of the deliveries to a destination: the last count, adjusted by what followed."""
        return self._undelivered.standing(destination)

    async def open(self) -> None:
        """Open the database and start the journal's threads.

        A database that cannot be used at present, or takes long, is not waited for: that is an outage.

        Raises:
            BadJournal: where JOURNAL_URL names none that could be used; the message says why and what to do.
        """
        began: Deferred[None] = Deferred()
        threads = self._threads = JournalThreads(self._settings, self._waiting, self._whole, self._callbacks())
        self._undelivered.owner = threads.owner
        threads.start(lambda problem: self._reactor.callFromThread(self._begun, began, problem))
        began.addTimeout(OPEN_SECONDS, self._reactor, lambda _failure, _seconds: None)
        try:
            await began
        except BaseException:
            self._threads = None
            threads.join()
            raise
        self._lateness.start()

    def _begun(self, began: Deferred[None], problem: Any) -> None:
        threads = self._threads
        if problem is None and not self._is_closed and threads is not None and threads.has_begun:
            threads.start_others()
        elif problem is not None and began.called:
            self._log.failure("The journal can never be used as JOURNAL_URL names it: see there.", problem)
        _fire(began, problem)

    def put(self, event: Event | None, fact: Fact | None) -> None:
        """Queue `event` to be written, see `voicestt.journal.port.Writer`."""
        self._put(Entry(event, fact, self._reactor.seconds()))

    def flush(self) -> "Deferred[None]":
        """Return a Deferred that fires when what was put before is written and told to readers, or lost."""
        flushed: Deferred[None] = Deferred()
        self._put(Entry(None, None, self._reactor.seconds(), flushed=flushed))
        return flushed

    def _put(self, entry: Entry[Fact]) -> None:
        # Told later: whoever puts an entry is not ready for a callback.
        if self._threads is None or self._is_closed:
            self._reactor.callLater(0, self._lateness.refuse, entry)
            return
        self._lateness.watch(entry)
        gone = self._threads.put(entry)
        if gone:
            self._reactor.callLater(0, self._lateness.drop, gone)

    def remember(self, session: str, memory: str) -> None:
        """Queue a handler's memory of the session's call, see `voicestt.journal.port.Writer`."""
        waiting = self._memories.get(session)
        if waiting is not None and not waiting.is_over and waiting.memory and waiting.memory.replace(memory):
            return
        if self._threads is None or self._is_closed:
            return
        entry = Entry[Fact](None, None, self._reactor.seconds(), memory=MemoryToWrite(session, memory))
        self._memories[session] = entry
        self._put(entry)

    async def former(self, call_sid: str) -> FormerStream | None:
        """Return the latest stream of a call, see `voicestt.journal.port.FormerStreams`."""
        return await self._ask(lambda connection: former(connection, clean(call_sid)))

    async def pending(
        self, destination: str, limit: int, busy: Collection[str] = (), *, with_left_over: bool = True
    ) -> list[Pending]:
        """Return pending events, see `voicestt.journal.port.Outbox`; wait while the database cannot be read.

        Raises:
            JournalClosed: where the journal is closed before there is an answer. The same holds for the others.
        """
        self._open_threads()
        return await self._undelivered.pending(destination, limit, busy, with_left_over=with_left_over)

    async def delivered(self, destination: str, numbers: Sequence[int], attempts: Sequence[Attempt] = ()) -> None:
        """Record delivered events, see `voicestt.journal.port.Outbox`."""
        await self._undelivered.record(Delivered(destination, tuple(numbers), self._redacted(attempts)))

    async def failed(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        """Record a failed attempt, see `voicestt.journal.port.Outbox`."""
        await self._undelivered.record(Failed(destination, number, why, False, self._redacted(attempts)))

    async def dead_letter(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        """Record an event as undeliverable, see `voicestt.journal.port.Outbox`."""
        await self._undelivered.record(Failed(destination, number, why, True, self._redacted(attempts)))

    def _redacted(self, attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
        """Remove the receivers' answers, which may repeat the events, unless JOURNAL_REDACT is "none"."""
        if self._settings.redact == "none":
            return tuple(attempts)
        return tuple(replace(attempt, answer="") for attempt in attempts)

    async def since(self, number: int, limit: int, wanted: Filter = EVERYTHING) -> Page:
        """Return past events, of other processes too, see `voicestt.journal.port.History`."""
        return await self._ask(lambda connection: reading.since(connection, self._whole, number, limit, wanted))

    def look_for_dead(self) -> None:
        """Look at once for dead servers, whose calls are to be closed."""
        if self._threads is not None:
            self._threads.look_for_dead()

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write the queued events, for at most `seconds`, and end the threads.

        No event may be `put` after it. It does nothing if the journal is not open.
        """
        threads = self._threads
        if threads is None or self._is_closed:
            return
        self._is_closed = True
        ended: Deferred[bool] = Deferred()
        ended.addTimeout(seconds, self._reactor, lambda _failure, _seconds: False)
        threads.stop(seconds * 0.9, lambda: self._reactor.callFromThread(_fire, ended, True))
        if await ended:
            threads.join()
        self._lateness.stop()
        self._is_through = True
        self._lateness.give_up()
        asked, self._asked = self._asked, set()
        for done in asked:
            done.errback(JournalClosed("the journal was closed"))

    def _callbacks(self) -> Callbacks[Fact]:
        hand_over = self._reactor.callFromThread
        return Callbacks(
            wrote=partial(hand_over, self._wrote),
            answered=partial(hand_over, self._answered),
            ended=partial(hand_over, self._put_ends),
            found=partial(hand_over, self._find),
            counted=partial(hand_over, self._undelivered.counted),
            changed=partial(hand_over, self._see_changes),
            figures=self._figures_then,
        )

    def _figures_then(self) -> str | None:
        """Return the figures prepared last, and ask for the next; not made here, in the maintenance thread."""
        self._reactor.callFromThread(self._note_figures)
        return self._figures_now

    def _note_figures(self) -> None:
        if not self._is_closed:
            self._figures_now = msgspec.json.encode(self._figures()).decode()

    def _see_changes(self) -> None:
        if not self._is_closed:
            self._changed()

    def _put_ends(self, ends: Sequence[Event]) -> None:
        for end in () if self._is_closed else ends:
            self.put(end, None)

    def _find(self, destination: str, sessions: Sequence[str]) -> None:
        if sessions and not self._is_closed:
            self._undelivered.found(destination, sessions)
            self._readers.written(())

    def _write_mark(self, mark: Mark) -> "Deferred[None]":
        threads = self._open_threads()
        done: Deferred[None] = Deferred()
        self._asked.add(done)
        threads.mark(mark, done)
        return done

    async def _ask(self, ask: Ask[Answer]) -> Answer:
        threads = self._open_threads()
        done: Deferred[Answer] = Deferred()
        self._asked.add(done)
        threads.ask(ask, done)
        return await done

    def _open_threads(self) -> JournalThreads[Fact]:
        if self._threads is None or self._is_closed:
            raise JournalClosed("the journal is not open")
        return self._threads

    def _wrote(self, results: TurnResults[Fact]) -> None:
        if self._is_through:
            return
        written = [self._lateness.written(*each) for each in results.written if each[0].flushed is None]
        if written:
            self._undelivered.wrote([entry.record for entry in written if entry.record is not None])
            self._readers.written(written)
        # Whoever waits for a flush may send the readers' own listeners away: first they are told.
        for entry, _ in results.written:
            entry.end()
            if entry.memory is not None and self._memories.get(entry.memory.session) is entry:
                del self._memories[entry.memory.session]
        for done, answer in results.answers:
            self._answered(done, answer)

    def _answered(self, done: Deferred[Any], answer: object) -> None:
        if done in self._asked:
            self._asked.remove(done)
            done.callback(answer)


def _fire(deferred: Deferred[Any], value: object) -> None:
    if not deferred.called:
        deferred.callback(value)  # a Failure is an errback
