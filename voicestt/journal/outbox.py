"""What is still to be delivered: the statements."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, text, update

from voicestt.journal.payloads import Whole, clean_text
from voicestt.journal.port import Pending, Record
from voicestt.journal.tables import events, outbox, sessions

_AT_ONCE = 500
_LONGEST_ERROR = 1_000

_encode = msgspec.json.Encoder().encode

_this = (outbox.c.destination == bindparam("of_destination")) & (outbox.c.number == bindparam("of_number"))
_fail = (
    update(outbox)
    .where(_this)
    .values(attempts=outbox.c.attempts + 1, last_error=bindparam("why"), failed_at=bindparam("at"))
)
_lay_aside = (
    update(outbox)
    .where(_this)
    .values(last_error=bindparam("why"), failed_at=bindparam("at"), laid_aside_at=bindparam("at"))
)
_deliver = delete(outbox).where(
    outbox.c.destination == bindparam("of_destination"),
    outbox.c.number.in_(bindparam("numbers", expanding=True)),
)
_record_columns = (
    *(events.c.number, events.c.session, events.c.sequence),
    *(events.c.type, events.c.call_sid, events.c.payload),
)
# A query of its own, in order: PostgreSQL would walk through all events of a month to the first of these.
_here = (
    select(outbox.c.number, outbox.c.attempts)
    .where(outbox.c.destination == bindparam("of_destination"), outbox.c.laid_aside_at.is_(None))
    .order_by(outbox.c.number)
    .subquery("here")
)
_pending = (
    select(*_record_columns, events.c.written_at, _here.c.attempts)
    .join_from(_here, events, _here.c.number == events.c.number)
    .join(sessions, sessions.c.session == events.c.session)
    .where(sessions.c.owner == bindparam("of_owner"))
    .order_by(_here.c.number)
)
# There may be thousands: as parameters, each number of them would be a statement of its own.
_is_idle = {
    "sqlite": text("voicestt_sessions.session NOT IN (SELECT value FROM json_each(:busy))"),
    "postgresql": text("voicestt_sessions.session NOT IN (SELECT json_array_elements_text(CAST(:busy AS json)))"),
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """These have arrived at the destination."""

    destination: str
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed; where it `is_hopeless` there will be no other."""

    destination: str
    number: int
    why: str
    is_hopeless: bool


Mark = Delivered | Failed


def apply(connection: Connection, marks: Sequence[Mark], now: float) -> None:
    """Writes down what became of deliveries; of what is not in the outbox nothing."""
    delivered: dict[str, list[int]] = defaultdict(list)
    for mark in marks:
        if isinstance(mark, Delivered):
            delivered[mark.destination] += mark.numbers
        else:
            _apply_failure(connection, mark, now)
    for destination, numbers in delivered.items():
        for some in _pieces(numbers):
            connection.execute(_deliver, {"of_destination": destination, "numbers": some})


def forget(whole: Whole, marks: Sequence[Mark]) -> None:
    """After `apply` was committed: what is delivered needs no memory."""
    for mark in marks:
        if isinstance(mark, Delivered):
            whole.done(mark.destination, list(mark.numbers))


def pending(
    connection: Connection, whole: Whole, owner: str, destination: str, limit: int, busy: Collection[str]
) -> list[Pending]:
    """The first `limit` of the sessions of `owner` that are not `busy`, by their numbers."""
    asked = _pending.where(_is_idle[connection.dialect.name]) if busy else _pending
    values = {"of_destination": destination, "of_owner": owner, "busy": _encode(list(busy)).decode()}
    rows = connection.execute(asked.limit(limit), values)
    return [Pending(_record(whole, *row[:6]), row.written_at, row.attempts) for row in rows]


def _record(
    whole: Whole, number: int, session: str, sequence: int, kind: str, call_sid: str, payload: str
) -> Record:
    return Record(number, session, sequence, kind, call_sid, whole.get(number, payload))


def _apply_failure(connection: Connection, mark: Failed, now: float) -> None:
    values = {
        "of_destination": mark.destination,
        "of_number": mark.number,
        "why": clean_text(mark.why)[:_LONGEST_ERROR],
        "at": now,
    }
    connection.execute(_fail, values)
    if mark.is_hopeless:
        connection.execute(_lay_aside, values)


def _pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]
