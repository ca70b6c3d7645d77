"""The version of the tables: a server brings its journal up to date when it opens it, one process at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from voicestt.journal.database import Database
from voicestt.journal.problems import BadJournal, words_of
from voicestt.journal.tables import VERSION_TABLE

_FOLDER = Path(__file__).parent / "migrations"


def bring_up_to_date(database: Database) -> None:
    """Makes the tables, or changes those of an older version.

    Raises:
        BadJournal: where the database cannot be used, or a newer version of voicestt wrote it.
    """
    try:
        database.make_ready()
        with database.writing() as connection:
            database.lock_schema(connection)
            _upgrade(database, connection)
    except DatabaseError as problem:
        raise BadJournal(
            f"JOURNAL_URL: the journal ({database.name}) cannot be used ({words_of(problem)}). It must be "
            "running, reachable from here, and its user allowed to make tables."
        ) from None


def check(database: Database, connection: Connection) -> None:
    """For those who only look.

    Raises:
        BadJournal: where the tables are of another version, or missing.
    """
    version = _version(connection)
    if version == _scripts().get_current_head():
        return
    if version is None:
        raise BadJournal(f"{database.name} holds no journal: no server has written to it yet.")
    _refuse_newer(database, version)
    raise BadJournal(
        f"The journal ({database.name}) is of an older version of voicestt: start the server once, which brings "
        "it up to date."
    )


def _upgrade(database: Database, connection: Connection) -> None:
    version = _version(connection)
    if version == _scripts().get_current_head():
        return
    if version is not None:
        _refuse_newer(database, version)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_newer(database: Database, version: str) -> None:
    if version not in {script.revision for script in _scripts().walk_revisions()}:
        raise BadJournal(
            f"The journal ({database.name}) was written by a newer version of voicestt (its tables are of version "
            f"{version}). Install that version again, or name another journal in JOURNAL_URL."
        )


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    # A percent sign in a path would be the beginning of a variable.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
