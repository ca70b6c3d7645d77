"""The command `voicestt erase`: deletes every call of one phone number from the journal."""

import re
from dataclasses import dataclass
from typing import Final

import click
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from voicestt.config.settings import BadSettings
from voicestt.journal.database import Database
from voicestt.journal.erasing import ended
from voicestt.journal.erasing import erase as erase_calls
from voicestt.journal.tables import events, outbox, sessions
from voicestt.ops.journal.opening import journal
from voicestt.ops.journal.words import masked, plain
from voicestt.ops.recording import recordings
from voicestt.recording.store import StoreFailed

_BETWEEN_DIGITS: Final = re.compile(r"[\s().\-/]")
_PHONE_NUMBER: Final = re.compile(r"\+?[\d\s().\-/]+")
_ELSEWHERE: Final = (
    "What is not in the journal is not erased: EVENTS_FILE, the server's log, backups, files of events that "
    "wait for the journal, and what receivers of events (webhooks, Redis, pages, handlers) have kept. What a "
    "server has read already may be delivered within the next seconds."
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """The extent of an erasure: `live` calls are left alone, for they still write."""

    calls: int
    live: int
    events: int
    undelivered: int


@click.command(short_help="Erase one caller from the journal.")
@click.option(
    "--number", required=True, metavar="NUMBER", help="The caller's, as `voicestt calls --numbers` shows it."
)
@click.option("--called", is_flag=True, help="Also calls to this number, such as those that you made.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say how much it would be, and change nothing.")
def erase(number: str, called: bool, yes: bool, dry_run: bool) -> None:
    """Erase every call of a number: its recordings, its events, what was said, and deliveries that wait.

    The journal is that of JOURNAL_URL, and the recordings are those in RECORD_DIR and RECORD_STORE, in this
    environment or in VOICESTT_ENV_FILE. Servers may run meanwhile; calls of the number that are still going on are
    left, and said.
    """
    theirs = _of_number(number, called=called)
    shown = plain(masked(number) or "")
    with journal() as database:
        with database.reading() as connection:
            extent = _extent(connection, theirs)
        if not extent.calls:
            raise click.ClickException(
                f"{_live_words(extent)}No call of {shown} is in the journal that has ended."
            )
        click.echo(f"Of {shown}: {_words(extent)}.")
        if dry_run:
            click.echo("Nothing is changed.")
            return
        if not yes:
            click.confirm("Erase them for good?", abort=True)
        _erase_recordings(database, theirs)
        erase_calls(database, theirs)
    click.echo(f"Erased. {_ELSEWHERE}")
    if extent.live:
        raise click.ClickException(f"{_live_words(extent)}Erase the number again when they have ended.")


def _of_number(number: str, *, called: bool) -> ColumnElement[bool]:
    """Make the condition for the sessions of a number, written with or without its "+" and blanks."""
    forms = forms_of(number)
    parties = [sessions.c.caller, sessions.c.called] if called else [sessions.c.caller]
    return or_(*(party.in_(forms) for party in parties))


def forms_of(number: str) -> list[str]:
    """Return the forms that a number may have in the journal."""
    text = number.strip()
    if not _PHONE_NUMBER.fullmatch(text):  # a SIP address, or a client's name
        return [text]
    digits = _BETWEEN_DIGITS.sub("", text).removeprefix("+")
    return list(dict.fromkeys([text, digits, f"+{digits}"]))


def _extent(connection: Connection, theirs: ColumnElement[bool]) -> Erasure:
    those = ended(theirs)

    def count(table: Select[int]) -> int:
        return connection.execute(table).scalar_one()

    of_events = select(events.c.number).where(events.c.session.in_(those))
    return Erasure(
        calls=count(select(func.count()).select_from(those.subquery())),
        live=count(select(func.count()).select_from(sessions).where(theirs, sessions.c.ended_at.is_(None))),
        events=count(select(func.count()).select_from(of_events.subquery())),
        undelivered=count(select(func.count()).select_from(outbox).where(outbox.c.number.in_(of_events))),
    )


def _erase_recordings(database: Database, theirs: ColumnElement[bool]) -> None:
    """Delete the recordings of the calls, before what the journal has of them: it is what they are found by.

    Raises:
        click.ClickException: where one cannot be deleted; the journal has all of them still.
    """
    with database.reading() as connection:
        of_calls = list(connection.execute(ended(theirs)).scalars())
    try:
        erased = recordings().erase(of_calls)
    except (BadSettings, StoreFailed, OSError) as problem:
        words = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise click.ClickException(
            f"The recordings cannot be erased ({words}), so nothing is erased from the journal: erase again when "
            "that is mended. RECORD_DIR and RECORD_STORE must be the server's."
        ) from None
    if erased:
        click.echo(f"Recordings erased: {erased}.")


def _words(extent: Erasure) -> str:
    return (
        f"{extent.calls:,} {'call' if extent.calls == 1 else 'calls'}, {extent.events:,} events, "
        f"{extent.undelivered:,} of their deliveries still wait or are dead-lettered"
    )


def _live_words(extent: Erasure) -> str:
    if not extent.live:
        return ""
    return "1 call is still going on, and is left. " if extent.live == 1 else f"{extent.live} calls are left. "
