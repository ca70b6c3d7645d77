"""The commands `voicestt journal backup` and `voicestt journal check`."""

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import click
from sqlalchemy import Connection, func, make_url, select, text
from sqlalchemy.exc import DatabaseError

from voicestt.config.settings import BadSettings
from voicestt.journal.database import Database
from voicestt.journal.problems import BadJournal, words_of
from voicestt.journal.schema import Tables, tables_in
from voicestt.journal.tables import METADATA, VERSION_TABLE, events, outbox, sessions
from voicestt.ops.journal.opening import journal_url

_BUSY_SECONDS: Final = 30.0
_SHOWN: Final = 20
_COUNTED: Final = {
    "calls": select(func.count()).select_from(sessions),
    "calls that are still going on": select(func.count()).where(sessions.c.ended_at.is_(None)),
    "events": select(func.count()).select_from(events),
    "deliveries that wait": select(func.count()).where(outbox.c.dead_lettered_at.is_(None)),
    "deliveries that are dead-lettered": select(func.count()).where(outbox.c.dead_lettered_at.is_not(None)),
}


@click.group("journal", short_help="Back the journal up, or check it.")
def journal_group() -> None:
    """Look after the journal of JOURNAL_URL, in this environment or in VOICESTT_ENV_FILE."""


@journal_group.command(short_help="Copy the SQLite file, while the server runs.")
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the journal to FILE, as it is at one moment, while servers write to it.

    Only for SQLite, by its online backup; of PostgreSQL it is said how. FILE must not be there yet. It gets the
    mode 0600, and is checked before it has its name.
    """
    try:
        url = journal_url(os.environ)
    except (BadSettings, BadJournal) as bad:
        raise click.ClickException(str(bad)) from None
    source = _sqlite_file(url, file)
    try:
        copied = _copy(source, file)
    except FileExistsError:
        raise click.ClickException(
            f"{file} is there already, and is not overwritten: name another file."
        ) from None
    except OSError as problem:
        raise click.ClickException(f"{file} cannot be written: {problem.strerror}.") from None
    except sqlite3.Error as problem:
        raise click.ClickException(
            f"The journal {source} cannot be copied ({problem}). {file} was not made."
        ) from None
    click.echo(f"The journal {source} is in {file}: {copied:,} bytes, checked.")


def _sqlite_file(url: str, file: Path) -> Path:
    """Return the path of the journal's file.

    Raises:
        click.ClickException: where it is missing, or the journal is in PostgreSQL, with what to do there.
    """
    parsed = make_url(url)
    if parsed.drivername != "sqlite":
        # --dbname takes a URL of libpq's; a password in it belongs into PGPASSFILE or PGPASSWORD.
        # `set(password=None)` would leave it, and stars in its place would be taken for the password.
        shown = parsed.set(drivername="postgresql")._replace(password=None).render_as_string()
        command = ["pg_dump", "--format=custom", "--table=voicestt_*", f"--file={file}", f"--dbname={shown}"]
        raise click.ClickException(
            f"The journal is in PostgreSQL, which has a backup of its own:\n  {shlex.join(command)}\n"
            "(the password: PGPASSWORD or ~/.pgpass), and back: pg_restore --clean --if-exists --dbname=…"
        )
    path = Path(str(parsed.database)).absolute()
    if not path.is_file():
        raise click.ClickException(
            f"There is no journal {path}. Is JOURNAL_URL the server's, and this its folder?"
        )
    return path


def _copy(source: Path, file: Path) -> int:
    """Copy the database `source` to the new `file`, and return its size."""
    if file.exists():
        raise FileExistsError
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        _copy_database(source, part)
        os.link(part, file)  # fails, and does not replace, where somebody made it meanwhile
    finally:
        for left in (part, part.with_name(f"{part.name}-journal")):
            with suppress(FileNotFoundError):
                left.unlink()
    return file.stat().st_size


def _copy_database(source: Path, target: Path) -> None:
    uri = f"{source.as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as journal,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        # All pages in one step: a copy in several begins again whenever a server has written in between.
        journal.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a -wal beside it
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)


@journal_group.command(short_help="Is the journal whole, and what is in it?")
def check() -> None:
    """Check the journal's file, its tables and what is in them. Servers may run meanwhile.

    Ends with 1, and says what is wrong, if something is.
    """
    try:
        database = _there(journal_url(os.environ))
        with closing(database), database.reading() as connection:
            problems = _report(database, connection)
    except (BadSettings, BadJournal) as bad:
        raise click.ClickException(str(bad)) from None
    except DatabaseError as problem:
        raise click.ClickException(f"The journal cannot be read: {words_of(problem)}.") from None
    if problems:
        raise click.ClickException(
            "the journal is damaged:" + "".join(f"\n  - {each}" for each in problems[:_SHOWN])
        )


def _there(url: str) -> Database:
    database = Database(url)
    if not database.is_there():
        raise BadJournal(f"There is no journal {database.name}. Is JOURNAL_URL the server's, and this its folder?")
    return database


def _report(database: Database, connection: Connection) -> list[str]:
    """Print what the journal is and has, and return what is wrong with it."""
    state = tables_in(connection)
    click.echo(f"The journal: {database.name}")
    click.echo(f"Its tables: {_version(connection, state)}")
    problems = list(_damages(connection)) if connection.dialect.name == "sqlite" else []
    if connection.dialect.name == "sqlite":
        click.echo(f"The file: {'damaged' if problems else 'whole'}")
    if state is Tables.EQUAL and not problems:
        for what, counting in _COUNTED.items():
            click.echo(f"{what}: {connection.execute(counting).scalar_one():,}")
    spilt = database.spill.all()
    if spilt:
        click.echo(f"Files of events that wait for the journal: {len(spilt)}; the next server takes them in.")
    return problems


def _version(connection: Connection, state: Tables) -> str:
    if state is Tables.NONE:
        return str(state.value)
    rows = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - our own name
    return f"version {rows.scalar_one()}, {state.value}"


def _damages(connection: Connection) -> Iterator[str]:
    for (found,) in connection.exec_driver_sql(f"PRAGMA integrity_check({_SHOWN})"):
        if found != "ok":
            yield str(found)
    for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        if row[0] in METADATA.tables:
            yield f"row {row[1]} of {row[0]} belongs to a row of {row[2]} that is not there"
