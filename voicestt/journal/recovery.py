"""What a process left that is gone: calls that never ended are closed as such, and its deliveries become ours."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select, update
from twisted.logger import Logger

from voicestt.events import CallEnded, event_id
from voicestt.journal.database import Database
from voicestt.journal.leases import Instance, Lease
from voicestt.journal.port import Record
from voicestt.journal.tables import events, outbox, sessions
from voicestt.journal.writing import Draft, EventWriter

REASON = "the server was killed"

_BUNCH = 200

# Begun at the outbox, which is short where all is well; the sessions of a month are not.
_with_deliveries = (
    select(events.c.session)
    .join_from(outbox, events, outbox.c.number == events.c.number)
    .where(outbox.c.laid_aside_at.is_(None))
)
_left_undone = or_(sessions.c.ended_at.is_(None), sessions.c.session.in_(_with_deliveries))
_figures = select(
    func.coalesce(func.max(events.c.sequence), 0).label("last"),
    func.max(events.c.written_at).label("last_at"),
    func.count().filter(events.c.type == "final").label("finals"),
    func.count().filter(events.c.type == "partial").label("partials"),
)


class Recovery:
    """Takes over from others, and writes what closes their calls with `writer`."""

    _log = Logger()

    def __init__(self, database: Database, lease: Lease, writer: EventWriter) -> None:
        self._database = database
        self._lease = lease
        self._writer = writer

    def look(self, *, by_age: bool) -> Iterator[list[Record]]:
        """Takes over from all who are gone; gives the records of the ends that it wrote."""
        with self._database.reading() as connection:
            others = self._lease.others(connection)
        for other in others:
            if self._lease.is_gone(other, by_age=by_age):
                self._take_over(other)
        yield from self._adopt()

    def _take_over(self, other: Instance) -> None:
        with self._database.writing() as connection:
            if not self._lease.take_over(connection, other):
                return
            # Nobody's, as long as they are not ours: whoever finds them goes on where we should be killed.
            connection.execute(
                update(sessions).where(sessions.c.owner == other.id, _left_undone).values(owner=None)
            )

    def _adopt(self) -> Iterator[list[Record]]:
        while True:
            with self._database.writing() as connection:
                adopted = self._claim(connection)
                open_ones = [session for session in adopted if session.ended_at is None]
                ends = [_end_of(connection, session) for session in open_ones]
                draft = self._writer.write(connection, ends)
            self._kept(draft, len(adopted))
            if not adopted:
                return
            yield [record for record in draft.records if record is not None]

    def _claim(self, connection: Connection) -> list[Any]:
        is_nobodys = sessions.c.owner.is_(None)
        some = select(sessions.c.session).where(is_nobodys).limit(_BUNCH)
        # Asked twice: another may have claimed them in between.
        claim = update(sessions).where(sessions.c.session.in_(some), is_nobodys).values(owner=self._lease.id)
        return list(connection.execute(claim.returning(sessions)))

    def _kept(self, draft: Draft, adopted: int) -> None:
        self._writer.keep(draft)
        if adopted:
            self._log.warn(
                "The journal: {adopted} calls of a server that is gone are taken over; {closed} of them had not "
                "ended, and are closed as “{reason}”.",
                adopted=adopted,
                closed=len(draft.records),
                reason=REASON,
            )


def _end_of(connection: Connection, session: Any) -> CallEnded:
    figures = connection.execute(_figures.where(events.c.session == session.session)).one()
    sequence = figures.last + 1
    last_at = session.started_at if figures.last_at is None else figures.last_at
    return CallEnded(
        id=event_id(session.session, sequence),
        session=session.session,
        sequence=sequence,
        timestamp=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        call_sid=session.call_sid,
        stream_sid=session.stream_sid,
        reason=REASON,
        recovered=True,
        duration=max(0.0, round(last_at - session.started_at, 3)),
        partials=figures.partials,
        finals=figures.finals,
    )
