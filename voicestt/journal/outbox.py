"""SQL statements of the outbox: the events that are still to be delivered, attempts at them, changes by hand.

Attempts are recorded in the transaction of the delivery results that they belong to. Running servers see the
counter of changes by hand, and read the outbox again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from sqlalchemy import Connection, TextClause, bindparam, delete, select, text, update

from voicestt.journal.payloads import StoredPayloads, clean_text
from voicestt.journal.port import Attempt, Pending, Record
from voicestt.journal.tables import attempts, changes, events, outbox

_AT_ONCE = 500
_LONGEST_ERROR = 1_000

_encode = msgspec.json.Encoder().encode

_this = (outbox.c.destination == bindparam("of_destination")) & (outbox.c.number == bindparam("of_number"))
_fail = (
    update(outbox)
    .where(_this)
    .values(attempts=outbox.c.attempts + 1, last_error=bindparam("why"), failed_at=bindparam("at"))
)
_dead_letter = (
    update(outbox)
    .where(_this)
    .values(last_error=bindparam("why"), failed_at=bindparam("at"), dead_lettered_at=bindparam("at"))
)
_deliver = delete(outbox).where(
    outbox.c.destination == bindparam("of_destination"),
    outbox.c.number.in_(bindparam("numbers", expanding=True)),
)
_record_columns = (
    *(events.c.number, events.c.session, events.c.sequence),
    *(events.c.type, events.c.call_sid, events.c.payload),
)
_COLUMNS = ", ".join(f"e.{name}" for name in ("number", "session", "sequence", "type", "call_sid", "payload"))
# By session, through the index: neither the events of other sessions nor delivered ones are scanned. Many sessions
# in one statement, as a JSON array: each statement gives the interpreter's lock away. In PostgreSQL the owner is
# looked up by session: its statistics do not know a new owner, and it would begin with all sessions of that owner.
_PENDING = {
    "sqlite": f"""
        SELECT {_COLUMNS}, e.written_at, o.attempts
        FROM json_each(:sessions) AS given
        CROSS JOIN voicestt_sessions AS s ON s.session = given.value AND s.owner = :owner
        CROSS JOIN voicestt_outbox AS o INDEXED BY voicestt_outbox_of_session
            ON o.destination = :destination AND o.session = s.session AND o.dead_lettered_at IS NULL
        CROSS JOIN voicestt_events AS e ON e.number = o.number
        WHERE o.number <= coalesce((
            SELECT i.number FROM voicestt_outbox AS i INDEXED BY voicestt_outbox_of_session
            WHERE i.destination = :destination AND i.session = s.session AND i.dead_lettered_at IS NULL /*i*/
            ORDER BY i.number LIMIT 1 OFFSET :most - 1
        ), 9223372036854775807) /*o*/""",  # noqa: S608 - our own names
    "postgresql": f"""
        SELECT {_COLUMNS}, e.written_at, o.attempts
        FROM json_array_elements_text(CAST(:sessions AS json)) AS given(value)
        CROSS JOIN LATERAL (
            SELECT i.number, i.attempts FROM voicestt_outbox AS i
            WHERE i.destination = :destination AND i.session = given.value AND i.dead_lettered_at IS NULL /*i*/
            ORDER BY i.number LIMIT :most
        ) AS o
        JOIN voicestt_events AS e ON e.number = o.number
        WHERE (SELECT s.owner FROM voicestt_sessions AS s WHERE s.session = given.value) = :owner""",  # noqa: S608
}
_NOT_SETTLED = {
    "sqlite": "AND {}.number NOT IN (SELECT value FROM json_each(:settled))",
    "postgresql": "AND {}.number NOT IN (SELECT CAST(json_array_elements_text(CAST(:settled AS json)) AS bigint))",
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """Events that have arrived at a destination."""

    destination: str
    numbers: Sequence[int]
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed attempt to deliver an event.

    `is_hopeless`: no other attempt will be made.
    """

    destination: str
    number: int
    why: str
    is_hopeless: bool
    attempts: Sequence[Attempt] = ()


Mark = Delivered | Failed


def settled_by(mark: Mark) -> Sequence[int]:
    """Return the numbers of the events that are pending no more after this result."""
    if isinstance(mark, Delivered):
        return mark.numbers
    return (mark.number,) if mark.is_hopeless else ()


def apply(connection: Connection, marks: Sequence[Mark], now: float) -> None:
    """Write the results of deliveries into the outbox; events that are not in it are ignored."""
    delivered: dict[str, list[int]] = defaultdict(list)
    for mark in marks:
        if isinstance(mark, Delivered):
            delivered[mark.destination] += mark.numbers
        else:
            _apply_failure(connection, mark, now)
    for destination, numbers in delivered.items():
        for some in _pieces(numbers):
            connection.execute(_deliver, {"of_destination": destination, "numbers": some})
    write_attempts(connection, [(mark.destination, each) for mark in marks for each in mark.attempts])


def forget(whole: StoredPayloads, marks: Sequence[Mark]) -> None:
    """Release the stored payloads of delivered events, after the transaction of `apply` was committed."""
    for mark in marks:
        if isinstance(mark, Delivered):
            whole.done(mark.destination, list(mark.numbers))


def pending(
    connection: Connection,
    whole: StoredPayloads,
    owner: str,
    destination: str,
    sessions: Sequence[str],
    most: int,
    settled: Collection[int] = (),
) -> list[Pending]:
    """Read the first `most` pending events of each of `sessions`, if `owner` is its owner.

    The `settled` events are left out. They come in the order of `sessions`, and by number within a session.
    """
    values = {
        "destination": destination,
        "owner": owner,
        "sessions": _encode(list(sessions)).decode(),
        "most": most,
        "settled": _encode(list(settled)).decode(),
    }
    rows = connection.execute(statement_of(connection.dialect.name, is_settled=bool(settled)), values)
    place = {session: number for number, session in enumerate(sessions)}
    found = [Pending(_record(whole, *row[:6]), row.written_at, row.attempts) for row in rows]
    return sorted(found, key=lambda each: (place[each.record.session], each.record.number))


@cache
def statement_of(dialect: str, *, is_settled: bool) -> TextClause:
    """Return the statement of `pending` for a dialect.

    `is_settled`: it leaves out the events in `:settled`.
    """
    statement = _PENDING[dialect]
    for alias in "io":
        condition = _NOT_SETTLED[dialect].format(alias) if is_settled else ""
        statement = statement.replace(f"/*{alias}*/", condition)
    return text(statement)


def _record(
    whole: StoredPayloads, number: int, session: str, sequence: int, kind: str, call_sid: str, payload: str
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
        connection.execute(_dead_letter, values)


def _pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]


MOST_KEPT = 10
"""Largest number of attempts kept for an event and a destination; older ones are deleted."""

_ATTEMPT_COLUMNS = "number, destination, at, status, error, answer"
# As one JSON text, see `voicestt.journal.database`. An event that was deleted meanwhile gets no attempts.
_INSERT_ATTEMPTS = {
    "sqlite": text(f"""
        INSERT INTO voicestt_attempts ({_ATTEMPT_COLUMNS})
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
            json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
        FROM json_each(:rows)
        WHERE EXISTS (SELECT 1 FROM voicestt_events AS e WHERE e.number = json_extract(value, '$[0]'))
        ON CONFLICT DO NOTHING"""),  # noqa: S608 - our own names
    "postgresql": text(f"""
        INSERT INTO voicestt_attempts ({_ATTEMPT_COLUMNS})
        SELECT CAST(value ->> 0 AS bigint), value ->> 1, CAST(value ->> 2 AS double precision),
            CAST(value ->> 3 AS integer), value ->> 4, value ->> 5
        FROM json_array_elements(CAST(:rows AS json)) AS given(value)
        WHERE EXISTS (SELECT 1 FROM voicestt_events AS e WHERE e.number = CAST(value ->> 0 AS bigint))
        ON CONFLICT DO NOTHING"""),  # noqa: S608 - likewise
}
_same = attempts.alias()
_oldest_kept = (
    select(_same.c.at)
    .where(_same.c.number == bindparam("of_number"), _same.c.destination == bindparam("of_destination"))
    .order_by(_same.c.at.desc())
    .limit(1)
    .offset(MOST_KEPT - 1)
    .scalar_subquery()
)
_prune = delete(attempts).where(
    attempts.c.number == bindparam("of_number"),
    attempts.c.destination == bindparam("of_destination"),
    attempts.c.at < _oldest_kept,
)


def write_attempts(connection: Connection, made: Sequence[tuple[str, Attempt]]) -> None:
    """Insert attempts, each with its destination, and delete all but the last `MOST_KEPT` of an event."""
    if not made:
        return
    rows = [(each.number, to, each.at, each.status, _error_of(each), clean_text(each.answer)) for to, each in made]
    connection.execute(_INSERT_ATTEMPTS[connection.dialect.name], {"rows": _encode(rows).decode()})
    failed = [(each.number, to) for to, each in made if each.error is not None]
    if failed:
        some = [{"of_number": number, "of_destination": to} for number, to in dict.fromkeys(failed)]
        connection.execute(_prune, some)


def _error_of(attempt: Attempt) -> str | None:
    return None if attempt.error is None else clean_text(attempt.error)[:_LONGEST_ERROR]


_COUNTER = "deliveries"
_note_change = text(
    f"INSERT INTO voicestt_changes (name, number) VALUES ('{_COUNTER}', 1) "  # noqa: S608 - our own name
    "ON CONFLICT (name) DO UPDATE SET number = voicestt_changes.number + 1"
)
_changes_noted = select(changes.c.number).where(changes.c.name == _COUNTER)


def note_change(connection: Connection) -> None:
    """Increment the counter, in the transaction of the change."""
    connection.execute(_note_change)


def changes_noted(connection: Connection) -> int:
    """Return the counter, 0 if no delivery was ever changed by hand."""
    return connection.execute(_changes_noted).scalar() or 0
