"""Recovery from dead servers: their unfinished calls are closed, and their deliveries become ours.

A session is an orphan where its owner is none of the instances. Everything goes in bunches, each in a transaction
of its own, so that nobody waits, and whoever is killed in between has left nothing that the next does not find.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update
from twisted.logger import Logger

from voicestt.events import CallEnded, event_id
from voicestt.journal.database import Database
from voicestt.journal.leases import Instance, Lease
from voicestt.journal.port import Standing
from voicestt.journal.tables import (
    events,
    instances,
    outbox,
    sessions,
)
from voicestt.runtime.times import rfc3339

REASON = "the server was killed"
HURRY_SECONDS = 3.0

_BUNCH = 200
_SESSIONS_AT_ONCE = 500
_ROWS_AT_ONCE = 2_000
_WALK_SHARE = 20
"""Pause after a walk through the pending events, as a multiple of its duration; a dead server ends the pause."""

_is_pending = outbox.c.dead_lettered_at.is_(None)
_is_orphan = or_(
    sessions.c.owner.is_(None),
    (sessions.c.owner != bindparam("me")) & sessions.c.owner.not_in(select(instances.c.id)),
)
_nobodys = select(sessions.c.session).where(sessions.c.owner.is_(None)).limit(_BUNCH)
_unended = select(sessions.c.session).where(sessions.c.ended_at.is_(None), _is_orphan).limit(_BUNCH)
_with_pending = (
    select(outbox.c.session, func.count().label("events"), func.min(outbox.c.number).label("first"))
    .where(outbox.c.destination == bindparam("to"), _is_pending, outbox.c.session > bindparam("after"))
    .group_by(outbox.c.session)
    .order_by(outbox.c.session)
    .limit(_SESSIONS_AT_ONCE)
)
_of_old_versions = (
    select(outbox.c.number)
    .where(outbox.c.destination == bindparam("to"), _is_pending, outbox.c.session == "")
    .limit(_ROWS_AT_ONCE)
)
_fill_in = (
    update(outbox)
    .where(outbox.c.destination == bindparam("to"), outbox.c.number.in_(_of_old_versions))
    .values(session=select(events.c.session).where(events.c.number == outbox.c.number).scalar_subquery())
)
_figures = select(
    func.coalesce(func.max(events.c.sequence), 0).label("last"),
    func.max(events.c.written_at).label("last_at"),
    func.count().filter(events.c.type == "final").label("finals"),
    func.count().filter(events.c.type == "partial").label("partials"),
)


class Recovery:
    """Takes over the sessions of processes that are gone.

    `ended` is given the `CallEnded` events that are to be written for their calls; `found` a destination and
    sessions of ours that have pending events for it; `standing` the number of pending events of each destination.
    """

    _log = Logger()

    def __init__(
        self,
        database: Database,
        lease: Lease,
        destinations: Sequence[str],
        ended: Callable[[Sequence[CallEnded]], object],
        found: Callable[[str, Sequence[str]], object],
        standing: Callable[[str, Standing], object],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._lease = lease
        self._destinations = destinations
        self._ended = ended
        self._found = found
        self._standing = standing
        self._named: set[str] = set()
        self._seconds = seconds
        self._walk_due = seconds()
        self._adopted = self._closed = 0

    def look(self, *, by_age: bool) -> Iterator[None]:
        """Take over from all processes that are gone; yield after each bunch."""
        try:
            yield from self._look(by_age=by_age)
        finally:
            self._say()

    def _look(self, *, by_age: bool) -> Iterator[None]:
        with self._database.reading() as connection:
            others = self._lease.others(connection)
        for other in others:
            if self._lease.is_gone(other, by_age=by_age):
                self._take_over(other)
        for bunch in (_unended, _nobodys):
            while self._adopt(bunch):
                yield
        began = self._seconds()
        if began >= self._walk_due:
            for destination in self._destinations:
                yield from self._walk(destination)
            self._name_others()
            # A long backlog is not walked through all the time.
            self._walk_due = self._seconds() + _WALK_SHARE * (self._seconds() - began)

    def _take_over(self, other: Instance) -> None:
        self._walk_due = self._seconds()
        # Without its row its sessions are orphans: if we are killed, any other process adopts them.
        with self._database.writing() as connection:
            self._database.hurry(connection, HURRY_SECONDS)
            self._lease.take_over(connection, other)

    def _adopt(self, those: Any) -> bool:
        with self._database.reading() as connection:
            some = list(connection.execute(those, {"me": self._lease.id}).scalars())
        if not some:
            return False
        with self._database.writing() as connection:
            self._database.hurry(connection, HURRY_SECONDS)
            adopted = self._claim(connection, some)
            ends = [_end_of(connection, session) for session in adopted if session.ended_at is None]
        self._ended(ends)
        for destination in self._destinations:
            self._found(destination, [session.session for session in adopted])
        self._adopted += len(adopted)
        self._closed += len(ends)
        return len(some) == _BUNCH and bool(adopted)

    def _claim(self, connection: Connection, some: Sequence[str]) -> list[Any]:
        # Asked twice: another may have claimed them in between, or be about to. By their owners' names: PostgreSQL
        # asks once more for a row that it waited for, but not whether a server has begun meanwhile.
        these = sessions.c.session.in_(some)
        owners = select(sessions.c.owner).distinct().where(these, _is_orphan)
        gone = [owner for owner in connection.execute(owners, {"me": self._lease.id}).scalars() if owner]
        orphans = select(sessions).where(these, or_(sessions.c.owner.is_(None), sessions.c.owner.in_(gone)))
        claimed = list(connection.execute(orphans.with_for_update(skip_locked=True)))
        mine = sessions.c.session.in_([session.session for session in claimed])
        connection.execute(update(sessions).where(mine).values(owner=self._lease.id))
        return claimed

    def _walk(self, destination: str) -> Iterator[None]:
        """Report our sessions that have pending events for the destination, and adopts orphans among them."""
        while self._fill_in(destination):
            yield
        after, waiting, first = "", 0, None
        while True:
            with self._database.reading() as connection:
                values = {"to": destination, "after": after}
                rows = connection.execute(_with_pending, values).all()
            if rows:
                ours = self._ours([row.session for row in rows])
                self._found(destination, [row.session for row in rows if row.session in ours])
                waiting += sum(row.events for row in rows if row.session in ours)
                firsts = [row.first for row in rows if row.session in ours]
                first = min([*firsts, *([] if first is None else [first])], default=None)
            if len(rows) < _SESSIONS_AT_ONCE:
                break
            after = rows[-1].session
            yield
        self._standing(destination, self._count(destination, waiting, first))

    def _fill_in(self, destination: str) -> bool:
        values = {"to": destination}
        with self._database.reading() as connection:
            if connection.execute(_of_old_versions.limit(1), values).first() is None:
                return False
        with self._database.writing() as connection:
            self._database.hurry(connection, HURRY_SECONDS)
            connection.execute(_fill_in, values)
        return True

    def _ours(self, some: Sequence[str]) -> set[str]:
        """Return those of `some` that are ours, after adopting the orphans among them."""
        with self._database.reading() as connection:
            known = set(connection.execute(select(instances.c.id)).scalars()) | {self._lease.id}
            asked = select(sessions.c.session, sessions.c.owner).where(sessions.c.session.in_(some))
            owners = {row.session: row.owner for row in connection.execute(asked)}
        orphans = [session for session, owner in owners.items() if owner not in known]
        adopted: list[Any] = []
        if orphans:
            with self._database.writing() as connection:
                self._database.hurry(connection, HURRY_SECONDS)
                adopted = self._claim(connection, orphans)
                # Their server died after we looked for unfinished sessions.
                ends = [_end_of(connection, session) for session in adopted if session.ended_at is None]
            self._ended(ends)
            self._adopted += len(adopted)
            self._closed += len(ends)
        mine = {session for session, owner in owners.items() if owner == self._lease.id}
        return mine | {session.session for session in adopted}

    def _count(self, destination: str, waiting: int, first: int | None) -> Standing:
        dead_lettered = select(func.count()).where(
            outbox.c.destination == destination, outbox.c.dead_lettered_at.is_not(None)
        )
        oldest = select(events.c.written_at).where(events.c.number == first)
        with self._database.reading() as connection:
            return Standing(
                waiting=waiting,
                oldest_at=None if first is None else connection.execute(oldest).scalar(),
                dead_lettered=connection.execute(dead_lettered).scalar_one(),
            )

    def _name_others(self) -> None:
        """Log once each destination that has pending events but is not configured any more."""
        name = ""
        while True:
            following = select(func.min(outbox.c.destination)).where(outbox.c.destination > name, _is_pending)
            with self._database.reading() as connection:
                name = connection.execute(following).scalar() or ""
            if not name:
                return
            if name not in self._destinations and name not in self._named:
                self._named.add(name)
                self._log.warn(
                    "The journal ({database}) has undelivered events for {destination!r}, which is not set any "
                    "more: they are kept as long as their calls. What to do: set it again, or drop them with "
                    "`voicestt deliveries --purge {destination}`.",
                    database=self._database.name,
                    destination=name,
                )

    def _say(self) -> None:
        if self._adopted:
            self._log.warn(
                "The journal: {adopted} calls of a server that is gone are taken over; {closed} of them had not "
                "ended, and are closed as “{reason}”.",
                adopted=self._adopted,
                closed=self._closed,
                reason=REASON,
            )
        self._adopted = self._closed = 0


def _end_of(connection: Connection, session: Any) -> CallEnded:
    figures = connection.execute(_figures.where(events.c.session == session.session)).one()
    sequence = figures.last + 1
    last_at = session.started_at if figures.last_at is None else figures.last_at
    return CallEnded(
        id=event_id(session.session, sequence),
        session=session.session,
        sequence=sequence,
        timestamp=rfc3339(time.time(), "microseconds"),
        call_sid=session.call_sid,
        stream_sid=session.stream_sid,
        reason=REASON,
        recovered=True,
        duration=max(0.0, round(last_at - session.started_at, 3)),
        partials=figures.partials,
        finals=figures.finals,
    )
