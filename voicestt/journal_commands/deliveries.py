"""`voicestt deliveries`: what has not arrived, and another chance for what was laid aside."""

import re
from typing import Any

import click
from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, true, update

from voicestt.events import event_id
from voicestt.journal.database import Database
from voicestt.journal.tables import events, instances, outbox, sessions
from voicestt.journal_commands.attempts import attempts_of, attempts_table
from voicestt.journal_commands.opening import journal
from voicestt.journal_commands.selection import Selection, selecting
from voicestt.journal_commands.words import iso, json_text, plain, table

_SHOWN = 100
_SEQUENCE = re.compile(r"[0-9]{1,18}")
_was_laid_aside = outbox.c.laid_aside_at.is_not(None)


@click.command(short_help="What has not arrived, and what never will.")
@click.option("--laid-aside", is_flag=True, help="Only what is tried no more.")
@click.option("--retry", metavar="ID", help="Try this event again, by its id, wherever it was laid aside.")
@click.option("--retry-all", is_flag=True, help="Try everything again that was laid aside.")
@click.option(
    "--purge", metavar="DESTINATION", help="Drop whatever waits for a destination that is not set any more."
)
@click.option(
    "--attempts",
    metavar="[ID]",
    is_flag=False,
    flag_value="",
    help="What became of each attempt at this event, or at those that are chosen: time, status, answer.",
)
@selecting
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def deliveries(
    laid_aside: bool,
    retry: str | None,
    retry_all: bool,
    purge: str | None,
    attempts: str | None,
    call: tuple[str, ...],
    kind: tuple[str, ...],
    since: float | None,
    before: float | None,
    to: str | None,
    as_json: bool,
) -> None:
    """List, for each destination, what is pending and what was laid aside, with attempts and the last error.

    What is tried again keeps its place in its call's order; a running server finds it within half a minute.
    """
    if sum([retry is not None, retry_all, purge is not None, attempts is not None]) > 1:
        raise click.UsageError("--retry ID, --retry-all, --purge and --attempts exclude each other.")
    selection = Selection(attempts or None, call, kind, since, before, to)
    with journal() as database:
        if attempts is not None:
            _show_attempts(database, selection, as_json)
            return
        if purge is not None:
            click.echo(_purged(database, purge))
            return
        if retry is not None or retry_all:
            click.echo(_retried(database, retry))
            return
        with database.reading() as connection:
            summary, rows = _summary(connection), _rows(connection, selection, laid_aside)
    if as_json:
        found = {"destinations": summary, "deliveries": rows}
        click.echo(json_text(found))
        return
    _show(summary, rows)


def _summary(connection: Connection) -> list[dict[str, Any]]:
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


def _rows(connection: Connection, selection: Selection, laid_aside: bool) -> list[dict[str, Any]]:
    # Of what merely waits the summary says enough, unless it was asked for.
    others = true() if selection else outbox.c.attempts > 0
    shown = _was_laid_aside if laid_aside else or_(_was_laid_aside, others)
    rows = connection.execute(
        select(outbox, events.c.session, events.c.sequence, events.c.type, events.c.call_sid, events.c.written_at)
        .join_from(outbox, events, outbox.c.number == events.c.number)
        .where(shown, selection.of_events(), selection.at(outbox.c.destination))
        .order_by(outbox.c.number, outbox.c.destination)
        .limit(_SHOWN)
    )
    return [
        {
            "id": event_id(row.session, row.sequence),
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


def _show_attempts(database: Database, selection: Selection, as_json: bool) -> None:
    with database.reading() as connection:
        found = attempts_of(connection, selection)
    if as_json:
        click.echo(json_text({"attempts": found}))
        return
    for line in attempts_table(found):
        click.echo(line)


def _show(summary: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    if not summary:
        click.echo("Everything has arrived.")
        return
    cells = [
        [str(one[key] or "0") for key in ("destination", "pending", "failing", "laid_aside")] for one in summary
    ]
    for line in table(("DESTINATION", "PENDING", "FAILING", "LAID ASIDE"), cells):
        click.echo(line)
    if not rows:
        return
    click.echo()
    for line in table(("ID", "TO", "EVENT", "CALL", "TRIED", "", "LAST ERROR"), [_cells(row) for row in rows]):
        click.echo(line)
    if len(rows) == _SHOWN:
        click.echo(f"… only the first {_SHOWN} are shown.")


def _cells(row: dict[str, Any]) -> list[str]:
    state = "laid aside" if row["laid_aside_at"] else ""
    names = [plain(row[key]) for key in ("id", "destination", "type", "call_sid")]
    return [*names, str(row["attempts"]), state, plain(row["last_error"] or "")]


def _retried(database: Database, name: str | None) -> str:
    those = and_(_was_laid_aside, _named(name))
    with database.writing() as connection:
        _let_somebody_have(connection, those)
        again = update(outbox).where(those).values(laid_aside_at=None, failed_at=None, attempts=0)
        count = connection.execute(again).rowcount
    if not count:
        raise click.ClickException(_nothing(name))
    return f"Deliveries that are tried again: {count}."


def _purged(database: Database, destination: str) -> str:
    with database.writing() as connection:
        count = connection.execute(delete(outbox).where(outbox.c.destination == destination)).rowcount
    if not count:
        raise click.ClickException(
            f"Nothing waits for {destination!r}. `voicestt deliveries` lists what there is."
        )
    return f"Deliveries to {destination} that were dropped: {count}. The events themselves stay in the journal."


def _named(name: str | None) -> ColumnElement[bool]:
    if name is None:
        return true()
    session, _, sequence = name.rpartition("-")
    if _SEQUENCE.fullmatch(sequence) is None:
        raise click.ClickException(f"{name!r} is no event's id: that is SESSION-SEQUENCE, as the list shows it.")
    of_it = select(events.c.number).where(events.c.session == session, events.c.sequence == int(sequence))
    return outbox.c.number.in_(of_it)


def _let_somebody_have(connection: Connection, those: ColumnElement[bool]) -> None:
    """A session whose owner is no more is nobody's: whichever server runs, or is started next, takes it over."""
    of_those = select(events.c.session).join_from(outbox, events, outbox.c.number == events.c.number).where(those)
    is_nobodys = sessions.c.owner.not_in(select(instances.c.id))
    connection.execute(update(sessions).where(sessions.c.session.in_(of_those), is_nobodys).values(owner=None))


def _nothing(name: str | None) -> str:
    if name is None:
        return "Nothing is laid aside."
    return f"{name!r} is not laid aside. `voicestt deliveries --laid-aside` lists what is."
