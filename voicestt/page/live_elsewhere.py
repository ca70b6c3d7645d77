"""The live calls of other processes that share the journal, read from it: a page shows those of all.

Any process may answer a page. What it does not know itself stands in the journal, as of less than a second ago.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import EVERYTHING, Record
from voicestt.journal.reading import since
from voicestt.journal.tables import events, sessions
from voicestt.page.live_calls import LiveCalls, LiveCard

MOST_CALLS: Final = 300
_EVENTS_OF_A_CALL: Final = 60
_LARGEST: Final = 2**63 - 2

_record = (
    *(events.c.number, events.c.session, events.c.sequence),
    *(events.c.type, events.c.call_sid, events.c.payload),
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The cards of other processes' live calls; no event up to `through` can still come into the journal."""

    cards: Sequence[LiveCard]
    through: int


def live_elsewhere(connection: Connection, own: Collection[str]) -> Elsewhere:
    """Read the newest live calls besides the `own` sessions, with their last events."""
    through = since(connection, StoredPayloads(), _LARGEST, 1, EVERYTHING).through  # before what is read next
    is_live = sessions.c.ended_at.is_(None) & sessions.c.owner.is_not(None)
    newest = select(sessions.c.session).where(is_live).order_by(sessions.c.started_at.desc())
    found = connection.execute(newest.limit(len(own) + MOST_CALLS)).scalars()
    live = LiveCalls(lambda: True)
    for session in reversed([each for each in found if each not in own][:MOST_CALLS]):
        live.take(_last_events(connection, session))
    return Elsewhere(live.cards, through)


def _last_events(connection: Connection, session: str) -> list[Record]:
    """Read the start of a call, and its last events."""
    of_call = select(*_record).where(events.c.session == session)
    last = connection.execute(of_call.order_by(events.c.sequence.desc()).limit(_EVENTS_OF_A_CALL)).all()
    first = connection.execute(of_call.order_by(events.c.sequence).limit(1)).all()
    rows = {row.number: row for row in (*first, *reversed(last))}
    return [
        Record(row.number, row.session, row.sequence, row.type, row.call_sid, row.payload.encode())
        for row in rows.values()
    ]
