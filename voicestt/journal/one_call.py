"""One call in the journal, for people who look at it: its row, its events, and what became of each delivery.

A page has at most `MOST_EVENTS` events, and the deliveries of these; partials are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from voicestt.events import AnyEvent, BadEvent, decode
from voicestt.journal.call_list import ListedCall, summary_of
from voicestt.journal.tables import attempts, events, outbox, sessions

MOST_EVENTS: Final = 500
MOST_ATTEMPTS: Final = 3_000


@dataclass(frozen=True, slots=True)
class DeliveryOfEvent:
    """The delivery of an event to one destination: its attempts that are remembered, and its row in the outbox.

    `outbox` is None where nothing waits: it has arrived, or was discarded.
    """

    sequence: int
    kind: str
    destination: str
    attempts: Sequence[Any]
    outbox: Any


@dataclass(frozen=True, slots=True)
class CallInJournal:
    """A page of one call; `more` is the sequence that the next page begins after, None where there is none."""

    listed: ListedCall
    events: Sequence[AnyEvent]
    deliveries: Sequence[DeliveryOfEvent]
    more: int | None


def read_call(connection: Connection, session: str, after: int = 0) -> CallInJournal | None:
    """Read a page of the call, the events after the sequence `after`; None where there is no such session."""
    row = connection.execute(select(sessions).where(sessions.c.session == session)).first()
    if row is None:
        return None
    some = (
        select(events.c.number, events.c.sequence, events.c.type, events.c.payload)
        .where(events.c.session == session, events.c.sequence > after, events.c.type != "partial")
        .order_by(events.c.sequence)
        .limit(MOST_EVENTS + 1)
    )
    rows = connection.execute(some).all()
    page, more = rows[:MOST_EVENTS], rows[MOST_EVENTS:]
    decoded = [event for event in (_event(each.payload) for each in page) if event is not None]
    deliveries = _deliveries(connection, page)
    listed = ListedCall(row, summary_of(connection, row))
    return CallInJournal(listed, decoded, deliveries, page[-1].sequence if more else None)


def call_sid_of(connection: Connection, session: str) -> str | None:
    """Return the CallSid of a session; None where there is no such session."""
    return connection.execute(select(sessions.c.call_sid).where(sessions.c.session == session)).scalar()


def _event(payload: str) -> AnyEvent | None:
    try:
        return decode(payload)
    except BadEvent:  # of a version that is not ours
        return None


def _deliveries(connection: Connection, page: Sequence[Any]) -> list[DeliveryOfEvent]:
    numbers = [row.number for row in page]
    tried: dict[tuple[int, str], list[Any]] = {}
    of_page = select(attempts).where(attempts.c.number.in_(numbers))
    order = (attempts.c.number, attempts.c.destination, attempts.c.at)
    for row in connection.execute(of_page.order_by(*order).limit(MOST_ATTEMPTS)):
        tried.setdefault((row.number, row.destination), []).append(row)
    waiting = {}
    for row in connection.execute(select(outbox).where(outbox.c.number.in_(numbers)).limit(MOST_ATTEMPTS)):
        waiting[row.number, row.destination] = row
    of_number = {row.number: row for row in page}
    return [
        DeliveryOfEvent(
            of_number[key[0]].sequence, of_number[key[0]].type, key[1], tried.get(key, ()), waiting.get(key)
        )
        for key in sorted({*tried, *waiting})
    ]
