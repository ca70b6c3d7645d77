"""What has not arrived: how much for each destination, and what of it fails."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, or_, select, true

from voicestt.events import event_id
from voicestt.journal.tables import events, outbox
from voicestt.journal_commands.selection import Selection
from voicestt.journal_commands.words import iso, plain, table

_SHOWN = 100
_was_laid_aside = outbox.c.laid_aside_at.is_not(None)


def summary_of(connection: Connection) -> list[dict[str, Any]]:
    """A row for each destination that there is something for."""
    rows = connection.execute(
        select(
            outbox.c.destination,
            func.count().filter(~_was_laid_aside).label("pending"),
            func.count().filter(~_was_laid_aside, outbox.c.attempts > 0).label("failing"),
            func.count().filter(_was_laid_aside).label("laid_aside"),
            func.min(events.c.written_at).filter(~_was_laid_aside).label("oldest"),
        )
        .join_from(outbox, events, outbox.c.number == events.c.number)
        .group_by(outbox.c.destination)
        .order_by(outbox.c.destination)
    )
    return [{**row._asdict(), "oldest": iso(row.oldest)} for row in rows]


def rows_of(connection: Connection, selection: Selection, laid_aside: bool) -> list[dict[str, Any]]:
    """The first deliveries of `selection`; without one those that fail or were laid aside."""
    # Of what merely waits the summary says enough, unless it was asked for.
    others = true() if selection else outbox.c.attempts > 0
    shown = _was_laid_aside if laid_aside else or_(_was_laid_aside, others)
    rows = connection.execute(
        select(outbox, events.c.sequence, events.c.type, events.c.call_sid, events.c.written_at)
        .add_columns(events.c.session.label("of_session"))
        .join_from(outbox, events, outbox.c.number == events.c.number)
        .where(shown, selection.of_events(), selection.at(outbox.c.destination))
        .order_by(outbox.c.number, outbox.c.destination)
        .limit(_SHOWN)
    )
    return [
        {
            "id": event_id(row.of_session, row.sequence),
            "destination": row.destination,
            "type": row.type,
            "call_sid": row.call_sid,
            "written_at": iso(row.written_at),
            "attempts": row.attempts,
            "failed_at": iso(row.failed_at),
            "laid_aside_at": iso(row.laid_aside_at),
            "last_error": row.last_error,
        }
        for row in rows
    ]


def show(summary: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Iterator[str]:
    """Both as lines of text."""
    if not summary:
        yield "Everything has arrived."
        return
    cells = [
        [str(one[key] or "0") for key in ("destination", "pending", "failing", "laid_aside")] for one in summary
    ]
    yield from table(("DESTINATION", "PENDING", "FAILING", "LAID ASIDE"), cells)
    if not rows:
        return
    yield ""
    yield from table(("ID", "TO", "EVENT", "CALL", "TRIED", "", "LAST ERROR"), [_cells(row) for row in rows])
    if len(rows) == _SHOWN:
        yield f"… only the first {_SHOWN} are shown."


def _cells(row: dict[str, Any]) -> list[str]:
    state = "laid aside" if row["laid_aside_at"] else ""
    names = [plain(row[key]) for key in ("id", "destination", "type", "call_sid")]
    return [*names, str(row["attempts"]), state, plain(row["last_error"] or "")]
