"""The journal: events into the database and back out of it, without the reactor ever waiting for it."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt.events import Event, type_of
from voicestt.journal import history, outbox
from voicestt.journal.chores import Chores, Pace
from voicestt.journal.database import Database
from voicestt.journal.guarded import Guarded
from voicestt.journal.lateness import Lateness
from voicestt.journal.leases import Lease, this_process
from voicestt.journal.outbox import Delivered, Failed, Mark
from voicestt.journal.payloads import Whole
from voicestt.journal.port import EVERYTHING, Destination, Filter, Page, Pending, Readers, Record, Written
from voicestt.journal.problems import BadJournal, JournalClosed, words_of
from voicestt.journal.recovery import Recovery
from voicestt.journal.redaction import redaction
from voicestt.journal.retention import Retention
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.thread import JournalThread, News, Parts
from voicestt.journal.waiting import Entry, Waiting
from voicestt.journal.writing import EventWriter

CLOSE_SECONDS = 10.0
"""How long `close` waits for the database."""


class Journal:
    """Writes events for `destinations`, and tells `readers` of them when they are in the database.

    `url` is JOURNAL_URL, `days` JOURNAL_DAYS and `redact` JOURNAL_REDACT. What `redact` keeps out of the database
    is in the records nevertheless, for as long as this process lives and an event is not delivered everywhere.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        url: str,
        readers: Readers,
        destinations: Sequence[Destination],
        *,
        days: float,
        redact: str,
        pace: Pace = Pace(),  # noqa: B008 - it is frozen
    ) -> None:
        self._reactor = reactor
        self._url = url
        self._readers = Guarded(readers)
        self._destinations = destinations
        self._days = days
        self._redact = redact
        self._pace = pace
        self._waiting = Waiting()
        self._whole = Whole()
        self._lateness = Lateness(reactor, self._readers.late)
        self._owner = ""
        self._asked: set[Deferred[Any]] = set()
        self._thread: JournalThread | None = None
        self._is_closed = self._is_through = False

    async def open(self) -> None:
        """Makes the database ready, closes the calls that a killed process left, and begins to write.

        Raises:
            BadJournal: where it cannot be used; the message says why and what to do.
        """
        began: Deferred[None] = Deferred()
        news = News()
        thread = JournalThread(self._parts(news), news, self._hand_over, self._pace.batch)
        thread.start(lambda problem: self._reactor.callFromThread(_fire, began, problem))
        try:
            await began
        except BaseException:
            thread.join()
            raise
        self._thread = thread
        self._lateness.start()

    def put(self, event: Event | None, fact: object) -> None:
        """Writes `event` soon, see `voicestt.journal.port.Writer`."""
        entry = Entry(event, fact, self._reactor.seconds())
        if self._thread is None or self._is_closed:
            self._put_too_late(entry)
            return
        self._lateness.watch(entry)
        gone = self._thread.put(entry)
        if gone:
            self._complain(gone)

    async def pending(self, destination: str, limit: int, busy: Collection[str] = ()) -> list[Pending]:
        """See `voicestt.journal.port.Outbox`. Waits where the database cannot be read.

        Raises:
            JournalClosed: where the journal is closed before there is an answer. The same holds for the others.
        """
        owner, whole, not_of = self._owner, self._whole, tuple(busy)
        found: list[Pending] = await self._ask(
            lambda connection: outbox.pending(connection, whole, owner, destination, limit, not_of)
        )
        return found

    async def delivered(self, destination: str, numbers: Sequence[int]) -> None:
        """See `voicestt.journal.port.Outbox`; returns when it is written down."""
        await self._mark(Delivered(destination, tuple(numbers)))

    async def failed(self, destination: str, number: int, why: str) -> None:
        """See `voicestt.journal.port.Outbox`."""
        await self._mark(Failed(destination, number, why, is_hopeless=False))

    async def lay_aside(self, destination: str, number: int, why: str) -> None:
        """See `voicestt.journal.port.Outbox`."""
        await self._mark(Failed(destination, number, why, is_hopeless=True))

    async def since(self, number: int, limit: int, wanted: Filter = EVERYTHING) -> Page:
        """See `voicestt.journal.port.History`. Those of other processes are among them, where there are any."""
        found: Page = await self._ask(
            lambda connection: history.since(connection, self._whole, number, limit, wanted)
        )
        return found

    async def close(self) -> None:
        """Writes what waits, for at most `CLOSE_SECONDS`; nothing where it is not open. `put` comes to an end
        before."""
        thread = self._thread
        if thread is None or self._is_closed:
            return
        self._is_closed = True
        ended: Deferred[bool] = Deferred()
        limit = self._reactor.callLater(CLOSE_SECONDS, _fire, ended, False)
        thread.stop(CLOSE_SECONDS * 0.9, lambda: self._reactor.callFromThread(_fire, ended, True))
        if await ended:
            thread.join()
        if limit.active():
            limit.cancel()
        self._lateness.stop()
        self._give_up()

    def _parts(self, news: News) -> Parts:
        # Not made before `open`: a daemon forks in between, and is another process then.
        database, lease = Database(self._url), Lease(this_process())
        self._owner = lease.id
        writer = EventWriter(database, lease.id, self._destinations, redaction(self._redact), self._whole)
        recovery = Recovery(database, lease, writer)
        retention = Retention(database, self._days)
        chores = Chores(database, lease, recovery, retention, news.find, self._pace)
        return Parts(database, self._waiting, self._whole, writer, chores, lambda: _begin(database, chores))

    async def _mark(self, mark: Mark) -> None:
        done: Deferred[None] = Deferred()
        if self._accepts(done):
            self._thread_now.mark(mark, done)
        await done

    async def _ask(self, ask: Callable[[Connection], Any]) -> Any:
        done: Deferred[Any] = Deferred()
        if self._accepts(done):
            self._thread_now.ask(ask, done)
        return await done

    @property
    def _thread_now(self) -> JournalThread:
        assert self._thread is not None  # noqa: S101 - it was asked for before
        return self._thread

    def _accepts(self, done: Deferred[Any]) -> bool:
        if self._thread is None or self._is_closed:
            done.errback(JournalClosed("the journal is not open"))
            return False
        self._asked.add(done)
        return True

    def _hand_over(self, news: News) -> None:
        self._reactor.callFromThread(self._hear, news)

    def _hear(self, news: News) -> None:
        if self._is_through:
            return
        written = [self._written(entry, record) for entry, record in news.written]
        written += [Written(record, None) for record in news.found]
        if written:
            self._readers.written(written)
        for done, answer in news.answers:
            if done in self._asked:
                self._asked.remove(done)
                done.callback(answer)

    def _written(self, entry: Entry, record: Record | None) -> Written:
        entry.is_over = True
        if record is None and entry.event is not None and not entry.was_late:
            # It is kept out of the journal: nobody shall take it for written.
            entry.was_late = True
            self._readers.late([entry.fact])
        return Written(record, entry.fact, entry.was_late)

    def _complain(self, gone: Sequence[Entry]) -> None:
        # Not within `put`: whoever put is not ready to be told.
        self._reactor.callLater(0, self._tell_of, gone)

    def _tell_of(self, gone: Sequence[Entry]) -> None:
        self._lateness.tell_all()
        for entry in gone:
            entry.is_over = True
        self._log.error(
            "🔴 The journal cannot be written for so long that too many events wait: {count} of them are given up "
            "({kinds}), and will neither be in it nor delivered. Handlers were told of them.",
            count=len(gone),
            kinds=_kinds(gone),
        )

    def _put_too_late(self, entry: Entry) -> None:
        self._log.error(
            "The journal is closed: an event ({kind}) is not written.",
            kind="none" if entry.event is None else type_of(entry.event),
        )
        self._reactor.callLater(0, self._readers.late, [entry.fact])

    def _give_up(self) -> None:
        self._is_through = True
        lost = [entry for entry in self._lateness.waiting() if entry.event is not None]
        self._lateness.tell_all()
        if lost:
            self._log.error(
                "🔴 The journal could not be written before the server ended: {count} events are lost ({kinds}).",
                count=len(lost),
                kinds=_kinds(lost),
            )
        asked, self._asked = self._asked, set()
        for done in asked:
            done.errback(JournalClosed("the journal was closed"))


def _begin(database: Database, chores: Chores) -> None:
    bring_up_to_date(database)
    try:
        chores.begin()
    except DatabaseError as problem:
        raise BadJournal(f"JOURNAL_URL: {database.name} cannot be written ({words_of(problem)}).") from None


def _fire(deferred: Deferred[Any], value: object) -> None:
    if not deferred.called:
        deferred.callback(value)  # a Failure is an errback


def _kinds(entries: Sequence[Entry]) -> str:
    counts = Counter("nothing" if entry.event is None else type_of(entry.event) for entry in entries)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
