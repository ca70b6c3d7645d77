"""Reading of the journal: a thread with a connection of its own, and past events a page at a time.

So the journal can be read and delivered from while nothing can be written.

Numbers are given to events before they are committed. With several writers a smaller number may be committed after
a larger one, and whoever has read past it would never be given it: a page ends before the first number that may
still be under way.
"""

import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from voicestt.journal import postgresql, sqlite
from voicestt.journal.database import Database
from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import Filter, Page, Record
from voicestt.journal.problems import is_poisoned
from voicestt.journal.tables import events, is_no_partial, sessions
from voicestt.runtime.backoff import Backoff

Answer = TypeVar("Answer")
Ask = Callable[[Connection], Answer]


class Asks(Protocol):
    """Runs a query in the reader thread."""

    def __call__(self, ask: Ask[Answer], /) -> Awaitable[Answer]:
        """Return the query's answer; wait while the database cannot be read."""
        ...


_PAUSES = Backoff(first=0.1, longest=5.0)


class ReaderThread:
    """Answers read queries one after the other, and retries with growing pauses while the database cannot be read.

    `tell` is called in this thread with the caller's Deferred and the answer, or a Failure if the query itself is
    to blame.
    """

    def __init__(self, database: Database, tell: Callable[[Deferred[Any], object], object]) -> None:
        self._database = database
        self._tell = tell
        self._asks: deque[tuple[Ask[Any], Deferred[Any]]] = deque()
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="journal's reader", daemon=True)

    def start(self) -> None:
        """Start the thread; the tables must exist before the first query."""
        self._thread.start()

    def ask(self, ask: Ask[Answer], done: Deferred[Answer]) -> None:
        """Queue a query; `done` fires with its answer after the queries before it."""
        self._asks.append((ask, done))
        self._bell.set()

    def stop(self) -> None:
        """Stop answering, without waiting for the thread to end."""
        self._closing.set()
        self._bell.set()

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the thread to end, after `stop`."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._bell.wait()
            self._bell.clear()
            while self._asks and not self._closing.is_set():
                self._try_first()
        self._database.close()

    def _try_first(self) -> None:
        ask, done = self._asks[0]
        try:
            answer = self._answer(ask)
        except Exception:  # noqa: BLE001 - whatever the database has: it is asked again
            self._database.close()
            self._closing.wait(_PAUSES.pause(self._failures))
            self._failures += 1
            return
        self._failures = 0
        self._asks.popleft()
        self._tell(done, answer)

    def _answer(self, ask: Ask[Any]) -> object:
        try:
            with self._database.reading() as connection:
                return ask(connection)
        except Exception as problem:
            if not is_poisoned(problem):
                raise
            return Failure()


_settled = {"sqlite": sqlite.settled, "postgresql": postgresql.settled}
_record_columns = (
    *(events.c.number, events.c.session, events.c.sequence),
    *(events.c.type, events.c.call_sid, events.c.payload),
)
_in_range = (events.c.number > bindparam("after")) & (events.c.number <= bindparam("through"))
_of_types = events.c.type.in_(bindparam("types", expanding=True))
# Materialised, and read by its own index: with a limit PostgreSQL would scan all events for the first of a call.
_of_calls = (
    select(events.c.number, events.c.type)
    .where(events.c.call_sid.in_(bindparam("calls", expanding=True)), _in_range)
    .cte("of_calls")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)

_FEW_CALLS = 500
_NO_CALL = frozenset({""})
_is_number = (sessions.c.caller == bindparam("of_number")) | (sessions.c.called == bindparam("of_number"))
_calls_of_number = select(sessions.c.call_sid).where(_is_number).limit(bindparam("most"))
# Of a number that everybody calls: by the range of events, and the session's row of each.
_of_number = (
    select(*_record_columns)
    .join_from(events, sessions, events.c.session == sessions.c.session)
    .where(_in_range, _is_number)
)


def since(connection: Connection, whole: StoredPayloads, number: int, limit: int, wanted: Filter) -> Page:
    """Return the first `limit` wanted events after `number`, up to the last settled one.

    An event is settled when no smaller number can be committed any more.
    """
    last, through = _settled[connection.dialect.name](connection)
    wanted = _by_its_calls(connection, wanted)
    values: dict[str, object] = {"after": number, "through": through}
    if wanted.calls:
        values["calls"] = list(wanted.calls)
    if wanted.number is not None:
        values["of_number"] = wanted.number
    if wanted.types is not None:
        values["types"] = list(wanted.types)
    rows = connection.execute(_asked(wanted).limit(limit), values)
    records = [
        Record(row.number, row.session, row.sequence, row.type, row.call_sid, whole.get(row.number, row.payload))
        for row in rows
    ]
    return Page(records, through, last)


def _by_its_calls(connection: Connection, wanted: Filter) -> Filter:
    """Replace a number by its calls, if they are few: their events are found by an index."""
    if wanted.number is None:
        return wanted
    values = {"of_number": wanted.number, "most": _FEW_CALLS + 1}
    found = connection.execute(_calls_of_number, values).scalars().all()
    if len(found) > _FEW_CALLS:
        return wanted
    calls = frozenset(found) & wanted.calls if wanted.calls else frozenset(found)
    return replace(wanted, number=None, calls=calls or _NO_CALL)


def _asked(wanted: Filter) -> Select[tuple[int, str, int, str, str, str]]:
    if wanted.number is not None:
        of_calls = [events.c.call_sid.in_(bindparam("calls", expanding=True))] if wanted.calls else []
        return _of_number.where(*of_calls, *_types(wanted)).order_by(events.c.number)
    if wanted.calls:
        some = select(*_record_columns).join_from(_of_calls, events, _of_calls.c.number == events.c.number)
        return some.where(*_types(wanted)).order_by(_of_calls.c.number)
    return select(*_record_columns).where(_in_range, *_types(wanted)).order_by(events.c.number)


def _types(wanted: Filter) -> list[ColumnElement[bool]]:
    if wanted.types is None:
        return []
    # Most events are partials: the index of the others is only used if the condition excludes partials.
    return [_of_types] if "partial" in wanted.types else [_of_types, is_no_partial]
