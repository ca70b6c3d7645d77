"""The command `voicestt calls`: lists the calls in the journal."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from sqlalchemy import Connection, Select, func, select

from voicestt.journal.tables import events, sessions
from voicestt.ops.journal.opening import journal
from voicestt.ops.journal.times import Moment
from voicestt.ops.journal.words import (
    iso,
    json_text,
    length,
    masked,
    moment,
    plain,
)
from voicestt.ops.tables import table

_HEAD = ("CALL", "BEGAN", "TOOK", "FINALS", "FROM", "TO", "ENDED")


@click.command(short_help="The calls in the journal.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The latest so many.")
@click.option("--since", type=Moment(), help="Only later ones: 30m, 2h, 7d, or a date such as 2026-11-23 (UTC).")
@click.option("--numbers", is_flag=True, help="Whole phone numbers, and not only their last four digits.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def calls(limit: int, since: float | None, numbers: bool, as_json: bool) -> None:
    """List the calls in the journal, the latest last.

    The journal is that of JOURNAL_URL, in this environment or in VOICESTT_ENV_FILE. A call whose media stream was
    begun again is there once for each stream.
    """
    with journal() as database, database.reading() as connection:
        found = [_shown(row, numbers) for row in _latest(connection, limit, since)]
    if as_json:
        click.echo(json_text(found))
        return
    if not found:
        click.echo("No calls.")
        return
    for line in table(_HEAD, [tuple(_cells(call)) for call in found]):
        click.echo(line)


def _latest(connection: Connection, limit: int, since: float | None) -> list[Any]:
    finals = (
        select(func.count())
        .where(events.c.session == sessions.c.session, events.c.type == "final")
        .scalar_subquery()
    )
    latest: Select[Any] = select(sessions, func.coalesce(sessions.c.finals, finals).label("finals_now"))
    if since is not None:
        latest = latest.where(sessions.c.started_at >= since)
    order = (sessions.c.started_at.desc(), sessions.c.session.desc())
    return list(reversed(connection.execute(latest.order_by(*order).limit(limit)).all()))


def _shown(row: Any, numbers: bool) -> dict[str, Any]:
    return {
        "call_sid": row.call_sid,
        "session": row.session,
        "stream_sid": row.stream_sid,
        "account_sid": row.account_sid,
        "from": row.caller if numbers else masked(row.caller),
        "to": row.called if numbers else masked(row.called),
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
        "duration": row.duration,
        "finals": row.finals_now,
        "reason": row.reason,
        "recovered": row.closed_by_recovery,
    }


def _cells(call: dict[str, Any]) -> Iterator[str]:
    began = datetime.fromisoformat(call["started_at"]).timestamp()
    yield plain(call["call_sid"])
    yield moment(began)
    yield "" if call["duration"] is None else length(call["duration"])
    yield str(call["finals"])
    yield plain(call["from"] or "")
    yield plain(call["to"] or "")
    yield "still going on" if call["ended_at"] is None else plain(call["reason"] or "")
