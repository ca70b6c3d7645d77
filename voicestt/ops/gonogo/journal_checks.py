"""Checks that a server can write the journal of JOURNAL_URL. No row is written and no table changed."""

import os
import shutil
from pathlib import Path

from sqlalchemy import Row, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError

from voicestt.journal.database import Database
from voicestt.journal.problems import BadJournal, words_of
from voicestt.journal.schema import Tables, tables_in
from voicestt.journal.tables import events, sessions
from voicestt.ops.gonogo.call_checks import ELSEWHERE
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import (
    Found,
    failed,
    ok,
    unseen,
)
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.web import in_thread


def file_of(journal_url: str) -> Path | None:
    """Find the file of an SQLite journal; None for another database."""
    url = make_url(journal_url)
    return Path(url.database or "").absolute() if url.drivername == "sqlite" else None


def events_of(journal_url: str, call_sid: str) -> list[bytes]:
    """Read the events of a call as JSON, in the order of the journal; blocks.

    Raises:
        BadJournal: where the journal cannot be read.
    """
    file = file_of(journal_url)
    if file is not None and not file.is_file():
        # Opening it would create it.
        raise BadJournal(f"there is no file {file}")
    # By the session: there is no index of the CallSids of events, and a journal in use has many.
    its_sessions = select(sessions.c.session).where(sessions.c.call_sid == call_sid)
    asked = select(events.c.payload).where(events.c.session.in_(its_sessions)).order_by(events.c.number)
    database = Database(journal_url)
    try:
        with database.reading() as connection:
            return [payload.encode() for payload in connection.execute(asked).scalars()]
    except SQLAlchemyError as problem:
        raise BadJournal(words_of(problem)) from None
    finally:
        database.close()


_LEAST_BYTES, _FEW_BYTES = 200_000_000, 2_000_000_000
_GIGABYTE = 1e9
_WRITE = os.R_OK | os.W_OK
_HEROKU = ".herokuapp.com"
_POSTGRESQL = text(
    "SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding, "
    "current_setting('transaction_read_only') = 'on' AS reads_only, "
    "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_make"
)
_OFF = "What is told while a receiver is away, or the server is started afresh, is gone."


def journal_check(context: RunContext) -> Check:
    """Make the check of the journal, which needs no server."""
    return Check("journal.opens", "the journal can be written", lambda: _opens(context), (READ,), seconds=40.0)


async def _opens(context: RunContext) -> Found:
    url = context.settings.journal_url
    if url == "off":
        return ok("JOURNAL_URL=off", _OFF)
    try:
        # This connects to nothing, and raises BadJournal for a URL that cannot be used.
        Database(url).close()
        file = file_of(url)
        if context.where is Where.PUBLIC:
            return unseen("not seen from outside", _forgetful(context, file) or ELSEWHERE)
        if file is None:
            return await in_thread(context.reactor, lambda: _postgresql(url))
        found = await in_thread(context.reactor, lambda: _sqlite(url, file))
    except BadJournal as problem:
        return failed("it cannot be used", f"{str(problem).rstrip('.')}.")
    except SQLAlchemyError as problem:
        advice = "JOURNAL_URL: is the database running, and reachable from here? Are its user and password right?"
        return failed(words_of(problem)[:160], advice)
    return Found(found.outcome, found.figure, " ".join(filter(None, (found.advice, _forgetful(context, file)))))


def _forgetful(context: RunContext, file: Path | None) -> str:
    """Warn where the file's disk is emptied at each restart; "" elsewhere."""
    if file is None or not ("DYNO" in context.environ or context.host.endswith(_HEROKU)):
        return ""
    return (
        "Heroku empties this disk at each restart, at least once a day, and the journal with it: use PostgreSQL "
        '(heroku addons:create heroku-postgresql; JOURNAL_URL="$DATABASE_URL").'
    )


def _sqlite(url: str, file: Path) -> Found:
    folder = file.parent
    if not folder.is_dir():
        return failed("there is no such folder", f"Make the folder {folder}, or correct JOURNAL_URL.")
    written = [file] if file.exists() else []
    if (file.exists() and not file.is_file()) or not all(os.access(each, _WRITE) for each in (folder, *written)):
        advice = f"The server's user must be allowed to write {file} and its folder: correct that, or JOURNAL_URL."
        return failed("it cannot be written", advice)
    free = shutil.disk_usage(folder).free
    # Opening a missing file would create it.
    tables = _tables_of(url) if file.exists() and file.stat().st_size else Tables.NONE
    return _with_room(tables, free)


def _with_room(tables: Tables, free: int) -> Found:
    space = f"{free / _GIGABYTE:.1f} GB free"
    if free < _LEAST_BYTES:
        return failed(space, "Free the disk: a journal that cannot be written delivers nothing.")
    found = _judged(tables, f"{tables.value}; {space}")
    if free < _FEW_BYTES and not found.advice:
        return ok(found.figure, "That is not much: JOURNAL_DAYS says how long calls are kept.")
    return found


def _tables_of(url: str) -> Tables:
    database = Database(url)
    try:
        with database.reading() as connection:
            return tables_in(connection)
    finally:
        database.close()


def _postgresql(url: str) -> Found:
    database = Database(url)
    try:
        with database.reading() as connection:
            server = connection.execute(_POSTGRESQL).one()
            tables = tables_in(connection)
    finally:
        database.close()
    return _fit(server, tables)


def _fit(server: Row[tuple[object, ...]], tables: Tables) -> Found:
    figure = f"PostgreSQL {str(server.version).partition(' ')[0]}, {tables.value}"
    if server.encoding != "UTF8":
        advice = "Not every language can be kept so: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        return failed(f"its encoding is {server.encoding}", advice)
    if server.reads_only:
        return failed("it can only be read", "It is a copy that follows another: JOURNAL_URL must name that one.")
    if tables in {Tables.NONE, Tables.OLDER} and not server.may_make:
        advice = "The server has to make tables there: GRANT CREATE ON SCHEMA public TO its user."
        return failed("its user may not make tables", advice)
    return _judged(tables, figure)


def _judged(tables: Tables, figure: str) -> Found:
    if tables is Tables.NEWER:
        advice = "A newer voicestt wrote it: this one cannot write to it. Install that one, or name another."
        return failed(figure, advice)
    if tables is Tables.OLDER:
        return ok(figure, "Once it is, an older voicestt cannot write to it any more.")
    return ok(figure)
