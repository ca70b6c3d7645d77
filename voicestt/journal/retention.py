"""Deletion of old events, a little at a time, so that new ones need not wait.

A clock that jumps ahead must not make old what is young: it is believed when it has stood by its time for a day.
"""

import time
from collections.abc import Callable

from sqlalchemy import Connection, delete, exists, select
from twisted.logger import Logger

from voicestt.journal.database import Database
from voicestt.journal.tables import (
    attempts,
    events,
    outbox,
    sessions,
)
from voicestt.runtime.believed_clock import BelievedClock

_DAY = 86_400.0
_PARTIALS_DAYS = 1.0
_AT_ONCE = 1_000
_SESSIONS_AT_ONCE = 50


class Retention:
    """Keeps calls for `days` (0: for ever), and their partials for a day, as the finals replace them."""

    _log = Logger()

    def __init__(self, database: Database, days: float, seconds: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._days = days
        self._clock = BelievedClock("the journal", "the journal", seconds)

    def step(self) -> bool:
        """Delete some of the old events; True if there may be more."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            if not self._clock.is_right(now):
                return False
            if self._days and self._delete_calls(connection, now - self._days * _DAY):
                return True
            if self._delete_partials(connection, now - _PARTIALS_DAYS * _DAY):
                return True
            return self._database.shrink(connection)

    def _delete_calls(self, connection: Connection, before: float) -> bool:
        of_old = select(sessions.c.session).where(sessions.c.ended_at < before)
        old = list(connection.execute(of_old.order_by(sessions.c.ended_at).limit(_SESSIONS_AT_ONCE)).scalars())
        if not old:
            return False
        some = select(events.c.number).where(events.c.session.in_(old)).limit(_AT_ONCE)
        numbers = list(connection.execute(some).scalars())
        self._delete_events(connection, numbers)
        if len(numbers) < _AT_ONCE:
            connection.execute(delete(sessions).where(sessions.c.session.in_(old)))
        return True

    def _delete_partials(self, connection: Connection, before: float) -> bool:
        is_awaited = exists().where(outbox.c.number == events.c.number)
        old = (events.c.type == "partial") & (events.c.written_at < before) & ~is_awaited
        some = select(events.c.number).where(old).order_by(events.c.written_at).limit(_AT_ONCE)
        numbers = list(connection.execute(some).scalars())
        self._delete_events(connection, numbers)
        return len(numbers) == _AT_ONCE

    def _delete_events(self, connection: Connection, numbers: list[int]) -> None:
        undelivered = connection.execute(delete(outbox).where(outbox.c.number.in_(numbers))).rowcount
        connection.execute(delete(attempts).where(attempts.c.number.in_(numbers)))
        connection.execute(delete(events).where(events.c.number.in_(numbers)))
        if undelivered:
            self._log.warn(
                "The journal: {undelivered} deliveries that never succeeded are given up: they are of calls older "
                "than JOURNAL_DAYS={days:g}.",
                undelivered=undelivered,
                days=self._days,
            )
