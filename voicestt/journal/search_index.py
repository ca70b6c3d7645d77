"""The index of trigrams, by which rare words are found: whether it is there, and how it forgets."""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, text

from voicestt.journal.database import Database
from voicestt.journal.tables import TRIGRAMS

# In a database whose characters are "C" only, pg_trgm finds none in other scripts, and every row would be read.
_KNOWS_HEBREW: Final = text("SELECT cardinality(show_trgm('שלום')) > 0")
_SQLITE_HAS: Final = text(f"SELECT 1 FROM sqlite_master WHERE name = '{TRIGRAMS}'")  # noqa: S608 - our own name
_POSTGRESQL_HAS: Final = text(f"SELECT to_regclass('{TRIGRAMS}') IS NOT NULL")

_MERGE: Final = f"INSERT INTO {TRIGRAMS} ({TRIGRAMS}, rank) VALUES ('merge', :pages)"  # noqa: S608 - likewise
_SECURE: Final = f"SELECT v FROM {TRIGRAMS}_config WHERE k = 'secure-delete'"  # noqa: S608 - likewise
_PAGES: Final = 500
_FEWEST_CHANGES: Final = 2


def has_trigrams(connection: Connection) -> bool:
    """Return True if this database has the index, and it is of use for every script."""
    return _HAS[connection.dialect.name](connection)


def _sqlite_has(connection: Connection) -> bool:
    return connection.execute(_SQLITE_HAS).scalar() is not None


def _postgresql_has(connection: Connection) -> bool:
    return bool(connection.execute(_POSTGRESQL_HAS).scalar() and connection.execute(_KNOWS_HEBREW).scalar())


_HAS: Mapping[str, Callable[[Connection], bool]] = {"sqlite": _sqlite_has, "postgresql": _postgresql_has}


def forget_trigrams(database: Database) -> None:
    """Take the trigrams of deleted texts out of SQLite's index, where a version before 3.42 has only marked them.

    The index is merged, a piece in each transaction, so that servers can write in between. PostgreSQL's autovacuum
    does the same.
    """
    pages = -_PAGES  # a negative number begins a merge of all
    while _merge(database, pages):
        pages = _PAGES


def _merge(database: Database, pages: int) -> bool:
    with database.writing() as connection:
        if connection.dialect.name != "sqlite" or not _sqlite_has(connection):
            return False
        if connection.execute(text(_SECURE)).scalar():
            return False
        changes = text("SELECT total_changes()")
        before = connection.execute(changes).scalar_one()
        connection.execute(text(_MERGE), {"pages": pages})
        return int(connection.execute(changes).scalar_one() - before) >= _FEWEST_CHANGES
