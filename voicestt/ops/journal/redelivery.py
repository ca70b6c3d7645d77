"""Changes deliveries by hand: retries, skips, discards or replays them.

Changes go in batches, each a transaction of its own, so that a running server can still write; each batch leaves a
note that tells the server within seconds that the deliveries it has read are outdated.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, select, tuple_, update

from voicestt.delivery.destinations import REDIS
from voicestt.journal.addresses import is_addressed_to
from voicestt.journal.database import Database
from voicestt.journal.outbox import note_change
from voicestt.journal.tables import (
    attempts,
    events,
    instances,
    outbox,
    sessions,
)
from voicestt.ops.journal.selection import Selection

SKIPPED = "skipped by hand"

_AT_ONCE = 500
_PAUSE_SECONDS = 0.02
_is_dead_lettered = outbox.c.dead_lettered_at.is_not(None)

_Rows = Sequence[Any]


class Redelivery:
    """Changes the deliveries of a Selection and returns their number; with `is_dry` it only counts them."""

    def __init__(self, database: Database, selection: Selection, *, is_dry: bool = False) -> None:
        self._database = database
        self._selection = selection
        self._is_dry = is_dry

    def retry(self) -> int:
        """Make dead-lettered deliveries pending again, at their place in their call's order."""
        return self._change(self._rows(_is_dead_lettered), outbox, _retry)

    def skip(self) -> int:
        """Dead-letter pending deliveries, so that their calls go on."""
        return self._change(self._rows(~_is_dead_lettered), outbox, partial(_skip, now=time.time()))

    def discard(self, *, dead_lettered_only: bool = False) -> int:
        """Delete pending and dead-lettered deliveries; they are never delivered."""
        return self._change(self._rows(*[_is_dead_lettered] * dead_lettered_only), outbox, _discard)

    def replay(self, destination: str) -> int:
        """Deliver events again that are neither pending nor dead-lettered there; partials only where named.

        A receiver gets those of calls whose number names it, or none.
        """
        is_there = exists().where(outbox.c.number == events.c.number, outbox.c.destination == destination)
        wanted = [] if "partial" in self._selection.types else [events.c.type != "partial"]
        if destination != REDIS:
            wanted.append(events.c.session.in_(select(sessions.c.session).where(is_addressed_to(destination))))
        those = select(events.c.number, events.c.session).where(self._selection.of_events(), ~is_there, *wanted)
        return self._change(those, events, partial(self._replay, destination=destination))

    def _rows(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        return (
            select(outbox.c.number, outbox.c.destination, events.c.session)
            .join_from(outbox, events, outbox.c.number == events.c.number)
            .where(self._selection.of_events(), self._selection.at(outbox.c.destination), *conditions)
        )

    def _change(self, those: Select[Any], table: Any, change: Callable[[Connection, _Rows], None]) -> int:
        if self._is_dry:
            with self._database.reading() as connection:
                return int(connection.execute(select(func.count()).select_from(those.subquery())).scalar_one())
        key = [table.c.number, table.c.destination] if table is outbox else [table.c.number]
        count, rest = 0, those
        while rows := self._change_some(rest.order_by(*key).limit(_AT_ONCE), change):
            count += len(rows)
            rest = those.where(tuple_(*key) > tuple(rows[-1][: len(key)]))
            time.sleep(_PAUSE_SECONDS)
        return count

    def _change_some(self, some: Select[Any], change: Callable[[Connection, _Rows], None]) -> _Rows:
        with self._database.writing() as connection:
            rows = connection.execute(some).all()
            if rows:
                change(connection, rows)
                note_change(connection)
        return rows

    def _replay(self, connection: Connection, rows: _Rows, *, destination: str) -> None:
        given = [(row.number, destination, 0, row.session) for row in rows]
        self._database.insert(connection, outbox, ("number", "destination", "attempts", "session"), given)
        _forget_arrivals(connection, rows, destination)
        _let_somebody_have(connection, rows)


def _retry(connection: Connection, rows: _Rows) -> None:
    again = update(outbox).values(dead_lettered_at=None, failed_at=None, attempts=0)
    _of_each_destination(connection, rows, again)
    _let_somebody_have(connection, rows)


def _skip(connection: Connection, rows: _Rows, *, now: float) -> None:
    _of_each_destination(connection, rows, update(outbox).values(dead_lettered_at=now, last_error=SKIPPED))


def _discard(connection: Connection, rows: _Rows) -> None:
    _of_each_destination(connection, rows, delete(outbox))


def _of_each_destination(connection: Connection, rows: _Rows, statement: Any) -> None:
    for destination in {row.destination for row in rows}:
        numbers = [row.number for row in rows if row.destination == destination]
        those = (outbox.c.destination == destination) & outbox.c.number.in_(numbers)
        connection.execute(statement.where(those))


def _forget_arrivals(connection: Connection, rows: _Rows, destination: str) -> None:
    """Delete all but the last successful attempt of each event: every replay adds one."""
    same = attempts.alias()
    later = exists().where(
        same.c.number == attempts.c.number,
        same.c.destination == attempts.c.destination,
        same.c.error.is_(None),
        same.c.at > attempts.c.at,
    )
    numbers = [row.number for row in rows]
    arrivals = (
        attempts.c.error.is_(None) & (attempts.c.destination == destination) & attempts.c.number.in_(numbers)
    )
    connection.execute(delete(attempts).where(arrivals, later))


def _let_somebody_have(connection: Connection, rows: _Rows) -> None:
    """Free the sessions whose owner is gone, so that a running server, or the next one, takes them over."""
    is_nobodys = sessions.c.owner.not_in(select(instances.c.id))
    those = sessions.c.session.in_({row.session for row in rows})
    connection.execute(update(sessions).where(those, is_nobodys).values(owner=None))
