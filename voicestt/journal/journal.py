"""The journal: events into the database and back out of it, without the reactor ever waiting for it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt.events import Event, type_of
from voicestt.journal import history, outbox
from voicestt.journal.asking import AskingThread
from voicestt.journal.backlog import Backlog
from voicestt.journal.chores import Chores, Pace
from voicestt.journal.database import Database
from voicestt.journal.guarded import Guarded
from voicestt.journal.lateness import Lateness
from voicestt.journal.leases import Lease, this_process
from voicestt.journal.outage import Outage
from voicestt.journal.outbox import Delivered, Failed, Mark
from voicestt.journal.payloads import Whole
from voicestt.journal.port import EVERYTHING, Attempt, Destination, Filter, Page, Pending, Readers, Record, Written
from voicestt.journal.problems import JournalClosed
from voicestt.journal.recovery import Recovery
from voicestt.journal.redaction import redaction
from voicestt.journal.retention import Retention
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.standing import JournalState, Standing
from voicestt.journal.thread import JournalThread, News, Parts
from voicestt.journal.waiting import Entry, Waiting
from voicestt.journal.writing import EventWriter

CLOSE_SECONDS = 10.0
"""How long `close` waits for the database."""

OPEN_SECONDS = 1.5
"""How long `open` waits for it. Calls are taken then; what they say waits in memory."""

MARK_SECONDS = 1.0
_MOST_SETTLED = 200_000
"""Deliveries that could not be written down yet. Beyond so many, delivery waits for the database."""

_FEWEST_OF_A_SESSION = 4


class Journal:
    """Writes events for `destinations`, and tells `readers` of them when they are in the database.

    `url` is JOURNAL_URL, `days` JOURNAL_DAYS and `redact` JOURNAL_REDACT. What `redact` keeps out of the database
    is in the records nevertheless, for as long as this process lives and an event is not delivered everywhere.
    `changed` is called when deliveries were changed by hand: what was pending before need not be any more.
    `figures` says how each destination's deliveries stand, for the commands that look into the journal.
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
        changed: Callable[[], object] = lambda: None,
        figures: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self._reactor = reactor
        self._url = url
        self._readers = Guarded(readers)
        self._destinations = destinations
        self._days = days
        self._redact = redact
        self._pace = pace
        self._changed = changed
        self._figures = figures
        self._figures_now: str | None = None
        self._waiting = Waiting()
        self._whole = Whole()
        self._lateness = Lateness(reactor, self._readers.late)
        self._outage = Outage("", self._waiting)
        self._owner = ""
        self._asked: set[Deferred[Any]] = set()
        self._backlogs: dict[str, Backlog] = defaultdict(Backlog)
        self._standings: dict[str, Standing] = {}
        self._settled: dict[str, set[int]] = defaultdict(set)
        self._thread: JournalThread | None = None
        self._asking: AskingThread | None = None
        self._chores: Chores | None = None
        self._is_closed = self._is_through = False

    @property
    def state(self) -> JournalState:
        """How it stands."""
        outage, waiting = self._outage, self._waiting
        has_begun = self._thread is not None and self._thread.has_begun
        why = outage.why if has_begun or outage.why else "the database is being opened"
        return JournalState(why is None, len(waiting), waiting.bytes, waiting.dropped, outage.since, why)

    def standing(self, destination: str) -> Standing:
        """How the deliveries to it stand: what was counted last, and what was written and delivered since."""
        found = self._standings.get(destination, Standing())
        waiting = self._backlogs[destination].waiting
        return replace(found, waiting=waiting, oldest_at=found.oldest_at if waiting else None)

    async def open(self) -> None:
        """Makes the database ready, and begins to write and to look after what others left.

        A database that cannot be used at present, or takes long, is not waited for: that is an outage.

        Raises:
            BadJournal: where JOURNAL_URL names none that could be used; the message says why and what to do.
        """
        began: Deferred[None] = Deferred()
        thread = JournalThread(self._parts(), self._hand_over, self._pace.batch)
        self._thread = thread
        thread.start(lambda problem: self._reactor.callFromThread(self._begun, began, problem))
        limit = self._reactor.callLater(OPEN_SECONDS, _fire, began, None)
        try:
            await began
        except BaseException:
            self._thread = None
            thread.join()
            raise
        finally:
            if limit.active():
                limit.cancel()
        self._lateness.start()

    def _begun(self, began: Deferred[None], problem: Any) -> None:
        assert self._asking is not None  # noqa: S101 - made before the thread was started
        assert self._chores is not None  # noqa: S101 - likewise
        if problem is None and not self._is_closed and self._thread is not None and self._thread.has_begun:
            self._asking.start()
            self._chores.start()
        elif problem is not None and began.called:
            self._log.failure("The journal can never be used as JOURNAL_URL names it: see there.", problem)
        _fire(began, problem)

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

    async def pending(
        self, destination: str, limit: int, busy: Collection[str] = (), *, with_left_over: bool = True
    ) -> list[Pending]:
        """See `voicestt.journal.port.Outbox`. Waits where the database cannot be read.

        Raises:
            JournalClosed: where the journal is closed before there is an answer. The same holds for the others.
        """
        self._check_open()
        backlog, skip, found = self._backlogs[destination], set(busy), list[Pending]()
        while len(found) < limit:
            choice = backlog.choose(self._reactor.seconds(), skip, with_left_over=with_left_over)
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
        owner, whole, settled = self._owner, self._whole, tuple(self._settled[destination])
        found: list[Pending] = await self._ask(
            lambda connection: outbox.pending(connection, whole, owner, destination, sessions, most, settled)
        )
        return found

    async def delivered(self, destination: str, numbers: Sequence[int], attempts: Sequence[Attempt] = ()) -> None:
        """See `voicestt.journal.port.Outbox`; returns when it is written down, or cannot be at present."""
        self._backlogs[destination].delivered(len(numbers))
        await self._mark(Delivered(destination, tuple(numbers), self._redacted(attempts)), numbers)

    async def failed(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        """See `voicestt.journal.port.Outbox`."""
        mark = Failed(destination, number, why, is_hopeless=False, attempts=self._redacted(attempts))
        await self._mark(mark, ())

    async def lay_aside(self, destination: str, number: int, why: str, attempts: Sequence[Attempt] = ()) -> None:
        """See `voicestt.journal.port.Outbox`."""
        self._backlogs[destination].delivered(1)
        mark = Failed(destination, number, why, is_hopeless=True, attempts=self._redacted(attempts))
        await self._mark(mark, (number,))

    def _redacted(self, attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
        """A receiver may answer with what it was sent."""
        if self._redact == "none":
            return tuple(attempts)
        return tuple(replace(attempt, answer="") for attempt in attempts)

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
        self._stop_others()
        thread.stop(CLOSE_SECONDS * 0.9, lambda: self._reactor.callFromThread(_fire, ended, True))
        if await ended:
            thread.join()
            self._join_others()
        if limit.active():
            limit.cancel()
        self._lateness.stop()
        self._give_up()

    def _stop_others(self) -> None:
        for each in (self._asking, self._chores):
            if each is not None:
                each.stop()

    def _join_others(self) -> None:
        for each in (self._asking, self._chores):
            if each is not None:
                each.join(0.5)

    def _parts(self) -> Parts:
        # Not made before `open`: a daemon forks in between, and is another process then.
        database, lease = Database(self._url), Lease(this_process())
        self._owner = lease.id
        self._outage = Outage(database.name, self._waiting)
        writer = EventWriter(database, lease.id, self._destinations, redaction(self._redact), self._whole)
        self._asking = AskingThread(Database(self._url), self._hand_over_answer)
        self._chores = self._make_chores(Database(self._url), lease)
        return Parts(
            database,
            self._waiting,
            self._whole,
            writer,
            self._outage,
            lambda: _begin(database, lease),
            partial(_end, database, lease, self._chores),
        )

    def _make_chores(self, database: Database, lease: Lease) -> Chores:
        hand_over = self._reactor.callFromThread
        recovery = Recovery(
            database,
            lease,
            [destination.name for destination in self._destinations],
            lambda ends: hand_over(self._put_ends, ends),
            lambda destination, sessions: hand_over(self._find, destination, sessions),
            lambda destination, standing: hand_over(self._stand, destination, standing),
        )
        retention = Retention(database, self._days)
        changed = partial(hand_over, self._see_changes)
        return Chores(database, lease, recovery, retention, self._pace, changed, self._figures_then)

    def _figures_then(self) -> str | None:
        """In the chores' thread: how it stood when it was asked before; the reactor's looks for the next time."""
        self._reactor.callFromThread(self._note_figures)
        return self._figures_now

    def _note_figures(self) -> None:
        if not self._is_closed:
            self._figures_now = msgspec.json.encode(self._figures()).decode()

    def _see_changes(self) -> None:
        if not self._is_closed:
            self._changed()

    def _put_ends(self, ends: Sequence[Event]) -> None:
        for end in ends:
            if not self._is_closed:
                self.put(end, None)

    def _find(self, destination: str, sessions: Sequence[str]) -> None:
        if sessions and not self._is_closed:
            self._backlogs[destination].found(sessions)
            self._readers.written(())

    def _stand(self, destination: str, standing: Standing) -> None:
        self._standings[destination] = standing
        self._backlogs[destination].waiting = standing.waiting

    async def _mark(self, mark: Mark, settles: Collection[int]) -> None:
        done: Deferred[Any] = Deferred()
        if self._accepts(done):
            self._thread_now.mark(mark, done)
        known: Deferred[Any] = Deferred()
        done.addBoth(self._marked, known, mark.destination, settles)
        limit = self._reactor.callLater(MARK_SECONDS, self._settle, known, mark.destination, settles)
        try:
            await known
        finally:
            if limit.active():
                limit.cancel()

    def _settle(self, known: Deferred[Any], destination: str, settles: Collection[int]) -> None:
        """It cannot be written down for the time being: it is remembered, and delivery goes on."""
        settled = self._settled[destination]
        if len(settled) + len(settles) <= _MOST_SETTLED:
            settled.update(settles)
            _fire(known, None)

    def _marked(self, result: Any, known: Deferred[Any], destination: str, settles: Collection[int]) -> None:
        self._settled[destination].difference_update(settles)
        _fire(known, result)

    async def _ask(self, ask: Callable[[Connection], Any]) -> Any:
        done: Deferred[Any] = Deferred()
        if self._accepts(done):
            assert self._asking is not None  # noqa: S101 - it is there while the thread is
            self._asking.ask(ask, done)
        return await done

    def _check_open(self) -> None:
        if self._thread is None or self._is_closed:
            raise JournalClosed("the journal is not open")

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

    def _hand_over_answer(self, done: Deferred[Any], answer: object) -> None:
        self._reactor.callFromThread(self._answered, done, answer)

    def _hear(self, news: News) -> None:
        if self._is_through:
            return
        written = [self._written(entry, record) for entry, record in news.written]
        if written:
            self._note([entry.record for entry in written if entry.record is not None])
            self._readers.written(written)
        for done, answer in news.answers:
            self._answered(done, answer)

    def _answered(self, done: Deferred[Any], answer: object) -> None:
        if done in self._asked:
            self._asked.remove(done)
            done.callback(answer)

    def _note(self, records: Sequence[Record]) -> None:
        for destination in self._destinations:
            wanted = [each.session for each in records if destination.wants(each.type)]
            self._backlogs[destination.name].wrote(wanted, self._reactor.seconds())

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
        kinds = _kinds(gone)
        for entry in gone:
            entry.is_over = True
        self._lateness.forget()
        self._log.error(
            "🔴 The journal cannot be written for so long that too many events wait: {count} of them are given up "
            "({kinds}), and will neither be in it nor delivered. Handlers were told of them.",
            count=len(gone),
            kinds=kinds,
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


def _begin(database: Database, lease: Lease) -> None:
    bring_up_to_date(database)
    with database.writing() as connection:
        lease.begin(connection, database.now(connection))


def _end(database: Database, lease: Lease, chores: Chores) -> None:
    # A lease that were renewed after its end would begin anew.
    chores.join(CLOSE_SECONDS / 4)
    with database.writing() as connection:
        lease.end(connection, database.now(connection))


def _fire(deferred: Deferred[Any], value: object) -> None:
    if not deferred.called:
        deferred.callback(value)  # a Failure is an errback


def _kinds(entries: Sequence[Entry]) -> str:
    counts = Counter("nothing" if entry.event is None else type_of(entry.event) for entry in entries)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
