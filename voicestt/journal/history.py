"""SQL statements that read past events, a page at a time.

Numbers are given to events before they are committed. With several writers a smaller number may be committed after
a larger one, and whoever has read past it would never be given it: a page ends before the first number that may
still be under way.
"""

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from voicestt.journal import postgresql, sqlite
from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import Filter, Page, Record
from voicestt.journal.tables import events, is_no_partial

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


def since(connection: Connection, whole: StoredPayloads, number: int, limit: int, wanted: Filter) -> Page:
    """Returns the first `limit` wanted events after `number`, up to the last settled one.

    An event is settled when no smaller number can be committed any more.
    """
    last, through = _settled[connection.dialect.name](connection)
    values: dict[str, object] = {"after": number, "through": through}
    if wanted.calls:
        values["calls"] = list(wanted.calls)
    if wanted.types is not None:
        values["types"] = list(wanted.types)
    rows = connection.execute(_asked(wanted).limit(limit), values)
    records = [
        Record(row.number, row.session, row.sequence, row.type, row.call_sid, whole.get(row.number, row.payload))
        for row in rows
    ]
    return Page(records, through, last)


def _asked(wanted: Filter) -> Select[tuple[int, str, int, str, str, str]]:
    if wanted.calls:
        some = select(*_record_columns).join_from(_of_calls, events, _of_calls.c.number == events.c.number)
        return some.where(*_types(wanted)).order_by(_of_calls.c.number)
    return select(*_record_columns).where(_in_range, *_types(wanted)).order_by(events.c.number)


def _types(wanted: Filter) -> list[ColumnElement[bool]]:
    if wanted.types is None:
        return []
    # Most events are partials: the index of the others is only used if the condition excludes partials.
    return [_of_types] if "partial" in wanted.types else [_of_types, is_no_partial]
