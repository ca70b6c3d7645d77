"""Summarises the outstanding deliveries of each destination and lists those that fail."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, func, or_, select, true

from voicestt.events import event_id
from voicestt.journal.leases import GONE_SECONDS
from voicestt.journal.tables import events, instances, outbox
from voicestt.ops.journal.selection import Selection
from voicestt.ops.journal.words import (
    iso,
    length,
    plain,
)
from voicestt.ops.tables import table
from voicestt.runtime.escaping import escaped

_SHOWN = 100
_LONGEST_ERROR = 200
_HEAD = (
    *("DESTINATION", "PENDING", "OLDEST", "FAILING", "DEAD-LETTERED"),
    *("IN FLIGHT", "PER SECOND", "LAST ERROR"),
)
_was_dead_lettered = outbox.c.dead_lettered_at.is_not(None)


def summary_of(connection: Connection, now: float) -> list[dict[str, Any]]:
    """Summarise each destination, from the journal and the servers that run at `now`, the database's time.

    What is in flight, the rate and the last error are a few seconds old.
    """
    outstanding, running = _outstanding(connection), _running(connection, now)
    found = []
    for name in sorted(outstanding | running.keys()):
        one = outstanding.get(name) or {"pending": 0, "failing": 0, "dead_lettered": 0, "oldest": None}
        errors = [each for each in (_last_error(connection, name), *running[name]) if each.get("last_error_at")]
        last = max(errors, key=lambda each: float(each["last_error_at"]), default={})
        found.append(
            {
                "destination": name,
                **{key: one[key] for key in ("pending", "failing", "dead_lettered")},
                "oldest": iso(one["oldest"]),
                "oldest_seconds": None if one["oldest"] is None else round(max(0.0, now - one["oldest"]), 1),
                "in_flight": sum(each.get("in_flight", 0) for each in running[name]),
                "rate": round(sum(each.get("rate", 0.0) for each in running[name]), 2),
                "last_error": escaped(last["last_error"], _LONGEST_ERROR) if last else None,
                "last_error_at": iso(last.get("last_error_at")),
            }
        )
    return found


def _outstanding(connection: Connection) -> dict[str, dict[str, Any]]:
    rows = connection.execute(
        select(
            outbox.c.destination,
            func.count().filter(~_was_dead_lettered).label("pending"),
            func.count().filter(~_was_dead_lettered, outbox.c.attempts > 0).label("failing"),
            func.count().filter(_was_dead_lettered).label("dead_lettered"),
            func.min(events.c.written_at).filter(~_was_dead_lettered).label("oldest"),
        )
        .join_from(outbox, events, outbox.c.number == events.c.number)
        .group_by(outbox.c.destination)
        .order_by(outbox.c.destination)
    )
    return {row.destination: row._asdict() for row in rows}


def _running(connection: Connection, now: float) -> Mapping[str, list[dict[str, Any]]]:
    """Read the figures of each live process (its lease renewed), by destination."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    alive = instances.c.figures.is_not(None) & (instances.c.seen_at > now - GONE_SECONDS)
    for text in connection.execute(select(instances.c.figures).where(alive)).scalars():
        for name, figures in json.loads(text).items():
            found[name].append(figures)
    return found


def _last_error(connection: Connection, destination: str) -> dict[str, Any]:
    failed = select(outbox.c.last_error, outbox.c.failed_at.label("last_error_at"))
    those = (outbox.c.destination == destination) & outbox.c.failed_at.is_not(None)
    row = connection.execute(failed.where(those).order_by(outbox.c.failed_at.desc()).limit(1)).one_or_none()
    return {} if row is None or row.last_error is None else row._asdict()


def rows_of(connection: Connection, selection: Selection, dead_lettered: bool) -> list[dict[str, Any]]:
    """Read the first deliveries of `selection`; without one, those that fail or were dead-lettered."""
    # Deliveries that merely wait are counted in the summary, and listed only when selected.
    others = true() if selection else outbox.c.attempts > 0
    shown = _was_dead_lettered if dead_lettered else or_(_was_dead_lettered, others)
    rows = connection.execute(
        select(outbox, events.c.sequence, events.c.type, events.c.call_sid, events.c.written_at)
        .add_columns(events.c.session.label("of_session"))
        .join_from(outbox, events, outbox.c.number == events.c.number)
        .where(shown, selection.of_events(), selection.at(outbox.c.destination))
        .order_by(outbox.c.number, outbox.c.destination)
        .limit(_SHOWN)
    )
    return [_shown(row) for row in rows]


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": event_id(row.of_session, row.sequence),
        "destination": row.destination,
        "type": row.type,
        "call_sid": row.call_sid,
        "written_at": iso(row.written_at),
        "attempts": row.attempts,
        "failed_at": iso(row.failed_at),
        "dead_lettered_at": iso(row.dead_lettered_at),
        "last_error": row.last_error,
    }


def show(summary: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Iterator[str]:
    """Format the summary and the deliveries as lines of text."""
    if not any(one["pending"] or one["dead_lettered"] for one in summary):
        yield "Everything has arrived."
    if summary:
        yield from table(_HEAD, [_summary_cells(one) for one in summary])
    if not rows:
        return
    yield ""
    yield from table(("ID", "TO", "EVENT", "CALL", "TRIED", "", "LAST ERROR"), [_cells(row) for row in rows])
    if len(rows) == _SHOWN:
        yield f"… only the first {_SHOWN} are shown."


def _summary_cells(one: dict[str, Any]) -> list[str]:
    oldest = "" if one["oldest_seconds"] is None else length(one["oldest_seconds"])
    counts = [str(one[key]) for key in ("failing", "dead_lettered", "in_flight", "rate")]
    return [plain(one["destination"]), str(one["pending"]), oldest, *counts, plain(one["last_error"] or "")]


def _cells(row: dict[str, Any]) -> list[str]:
    state = "dead-lettered" if row["dead_lettered_at"] else ""
    names = [plain(row[key]) for key in ("id", "destination", "type", "call_sid")]
    return [*names, str(row["attempts"]), state, plain(row["last_error"] or "")]
