"""Migrations of the tables: a server upgrades its journal when it opens it, one process at a time."""

import enum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from voicestt.journal.database import Database
from voicestt.journal.problems import (
    BadJournal,
    JournalUnavailable,
    NewerJournal,
    words_of,
)
from voicestt.journal.tables import VERSION_TABLE

_FOLDER = Path(__file__).parent / "migrations"


class Tables(enum.Enum):
    """The state of a database's tables compared with this version's."""

    NONE = "no tables yet: the server makes them"
    OLDER = "of an older version: the server brings it up to date"
    EQUAL = "up to date"
    NEWER = "of a newer version"


def bring_up_to_date(database: Database) -> None:
    """Create the tables, or upgrades those of an older version.

    Raises:
        BadJournal: where the database cannot be used as JOURNAL_URL names it.
        JournalUnavailable: where it cannot be used at present, or a newer version of voicestt wrote it.
    """
    try:
        database.make_ready()
        with database.writing() as connection:
            database.lock_schema(connection)
            _upgrade(database, connection)
    except DatabaseError as problem:
        raise JournalUnavailable(
            f"JOURNAL_URL: the journal ({database.name}) cannot be used ({words_of(problem)}). It must be "
            "running, reachable from here, and its user allowed to make tables."
        ) from None


def check(database: Database, connection: Connection) -> None:
    """Check that the tables are of this version, for commands that only read.

    Raises:
        BadJournal: where the tables are of another version, or missing.
    """
    match tables_in(connection):
        case Tables.NONE:
            raise BadJournal(f"{database.name} holds no journal: no server has written to it yet.")
        case Tables.OLDER:
            raise BadJournal(
                f"The journal ({database.name}) is of an older version of voicestt: start the server once, which "
                "brings it up to date."
            )
        case Tables.NEWER:
            raise _too_new(database, connection)
        case Tables.EQUAL:
            pass


def tables_in(connection: Connection, migrations: Path = _FOLDER) -> Tables:
    """Compare the tables of a database with this version's, which the `migrations` create."""
    version = _version(connection)
    scripts = ScriptDirectory(str(migrations))
    if version is None:
        return Tables.NONE
    if version == scripts.get_current_head():
        return Tables.EQUAL
    known = {script.revision for script in scripts.walk_revisions()}
    return Tables.OLDER if version in known else Tables.NEWER


def _upgrade(database: Database, connection: Connection) -> None:
    tables = tables_in(connection)
    if tables is Tables.NEWER:
        raise _too_new(database, connection)
    if tables is not Tables.EQUAL:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _too_new(database: Database, connection: Connection) -> NewerJournal:
    return NewerJournal(
        f"The journal ({database.name}) was written by a newer version of voicestt (its tables are of version "
        f"{_version(connection)}). Install that version again, or name another journal in JOURNAL_URL."
    )


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _config() -> Config:
    config = Config()
    # A percent sign in a path would be the beginning of a variable.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
