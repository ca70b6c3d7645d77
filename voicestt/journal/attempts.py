"""SQL statements that record delivery attempts.

They run in the transaction of the delivery results that they belong to.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, text

from voicestt.journal.payloads import clean_text
from voicestt.journal.port import Attempt
from voicestt.journal.tables import attempts

MOST_KEPT = 10
"""Largest number of attempts kept for an event and a destination; older ones are deleted."""

_LONGEST_ERROR = 1_000

_encode = msgspec.json.Encoder().encode
_COLUMNS = "number, destination, at, status, error, answer"
# As one JSON text, see `voicestt.journal.database`. An event that was deleted meanwhile gets no attempts.
_INSERT = {
    "sqlite": text(f"""
        INSERT INTO voicestt_attempts ({_COLUMNS})
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
            json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
        FROM json_each(:rows)
        WHERE EXISTS (SELECT 1 FROM voicestt_events AS e WHERE e.number = json_extract(value, '$[0]'))
        ON CONFLICT DO NOTHING"""),  # noqa: S608 - our own names
    "postgresql": text(f"""
        INSERT INTO voicestt_attempts ({_COLUMNS})
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


def write(connection: Connection, made: Sequence[tuple[str, Attempt]]) -> None:
    """Inserts attempts, each with its destination, and deletes all but the last `MOST_KEPT` of an event."""
    if not made:
        return
    rows = [(each.number, to, each.at, each.status, _error(each), clean_text(each.answer)) for to, each in made]
    connection.execute(_INSERT[connection.dialect.name], {"rows": _encode(rows).decode()})
    failed = [(each.number, to) for to, each in made if each.error is not None]
    if failed:
        some = [{"of_number": number, "of_destination": to} for number, to in dict.fromkeys(failed)]
        connection.execute(_prune, some)


def _error(attempt: Attempt) -> str | None:
    return None if attempt.error is None else clean_text(attempt.error)[:_LONGEST_ERROR]
