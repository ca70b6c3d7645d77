"""Lists the delivery attempts that the journal remembers, as a table."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from voicestt.events import event_id
from voicestt.journal.tables import attempts, events
from voicestt.ops.journal.selection import Selection
from voicestt.ops.journal.words import (
    iso,
    moment,
    plain,
)
from voicestt.ops.tables import table

_SHOWN = 100
_HEAD = ("AT", "ID", "TO", "EVENT", "CALL", "RESULT", "ANSWER")


def attempts_of(connection: Connection, selection: Selection) -> list[dict[str, Any]]:
    """Read the latest attempts at the events of `selection`, the last one last."""
    rows = connection.execute(
        select(attempts, events.c.session, events.c.sequence, events.c.type, events.c.call_sid)
        .join_from(attempts, events, attempts.c.number == events.c.number)
        .where(selection.of_events(), selection.at(attempts.c.destination))
        .order_by(attempts.c.at.desc(), attempts.c.number.desc())
        .limit(_SHOWN)
    )
    return [_shown(row) for row in reversed(rows.all())]


def attempts_table(found: list[dict[str, Any]]) -> list[str]:
    """Format the attempts as lines of text."""
    if not found:
        return ["No attempts are remembered."]
    lines = table(_HEAD, [_cells(each) for each in found])
    if len(found) == _SHOWN:
        lines.append(f"… only the last {_SHOWN} are shown.")
    return lines


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": event_id(row.session, row.sequence),
        "destination": row.destination,
        "type": row.type,
        "call_sid": row.call_sid,
        "at": iso(row.at),
        "has_arrived": row.error is None,
        "status": row.status,
        "error": row.error,
        "answer": row.answer,
    }


def _cells(each: dict[str, Any]) -> list[str]:
    names = [plain(each[key]) for key in ("id", "destination", "type", "call_sid")]
    result = each["error"] or f"arrived ({each['status']})"
    at = moment(datetime.fromisoformat(each["at"]).timestamp())
    return [at, *names, plain(result), plain(each["answer"])]
