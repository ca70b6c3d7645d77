"""The journal in a PostgreSQL database, also behind PgBouncer in transaction mode.

There each transaction may be in another of the pool's sessions. So nothing is set that lasts for longer than a
transaction, no lock is held for longer, and no statement is prepared.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL

from voicestt.journal.problems import BadJournal
from voicestt.journal.spill import Place
from voicestt.journal.tables import events

_LOCK = 7_022_105_117  # any number, the same in all versions
_CONNECT_SECONDS = 5

_LIMITS = text(
    "SELECT set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true), "
    # On the server's side: locks of a client that vanished are released, too.
    "set_config('idle_in_transaction_session_timeout', '10s', true)"
)
_USUAL_LIMITS = {"statement": "10s", "lock": "5s"}

_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())")
_SEQUENCE = f"pg_get_serial_sequence('{events.name}', 'number')"
_LAST = f"coalesce(pg_sequence_last_value({_SEQUENCE}::regclass), 0)"
_LOW = 2**32  # an advisory lock has two keys of 32 bits: the table, and the low bits of a number
# Until its end a transaction holds a lock that says which number was the last before its own. The lock comes
# first: the outer query's nextval is computed for the rows of the inner one.
_NEXT_NUMBERS = text(
    "WITH held AS MATERIALIZED ("  # noqa: S608 - our own names
    f"SELECT pg_advisory_xact_lock_shared('{events.name}'::regclass::oid::int4, "
    f"((({_LAST} + {_LOW // 2}) % {_LOW}) - {_LOW // 2})::int4)"
    f") SELECT nextval({_SEQUENCE}) FROM held, generate_series(1, :count)"
)
_LAST_NUMBER = text(f"SELECT {_LAST}")
_UNDER_WAY = text(
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 "  # noqa: S608
    f"AND classid = '{events.name}'::regclass::oid "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def settled(connection: Connection) -> tuple[int, int]:
    """Return the largest number given to an event, and the one up to which no transaction is open any more."""
    # In this order: whoever had a number of up to `last` held a lock before, and holds it still or has ended.
    last = int(connection.execute(_LAST_NUMBER).scalar_one())
    befores = [last - _difference(last, low) for low in connection.execute(_UNDER_WAY).scalars()]
    return last, min([last, *befores])


class PostgreSQL:
    """PostgreSQL's part of `voicestt.journal.database`."""

    def __init__(self, url: URL) -> None:
        self._url = url
        where = url.host or url.query.get("host") or "the local socket"
        self.name = f"the PostgreSQL database {url.database} at {where}" + (f":{url.port}" if url.port else "")

    @property
    def spill(self) -> Place:
        """The place of the spill files: the working folder, under a name that no other database's files have."""
        which = f"{self._url.host}:{self._url.port}/{self._url.database}?{self._url.query.get('host')}"
        return Place(Path.cwd(), f"voicestt-journal-{hashlib.sha256(which.encode()).hexdigest()[:8]}")

    def engine(self) -> Engine:
        """Create an engine that opens one connection at a time."""
        # A server that vanished must be noticed: the operating system's own time-out is 15 minutes.
        patience: dict[str, Any] = {
            "connect_timeout": _CONNECT_SECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            "prepare_threshold": None,
            "application_name": "voicestt",
            "client_encoding": "utf8",
        }
        arguments = {name: value for name, value in patience.items() if name not in self._url.query}
        try:
            engine = create_engine(
                self._url, connect_args=arguments, pool_size=1, max_overflow=0, hide_parameters=True
            )
        except ImportError:
            raise BadJournal(
                "JOURNAL_URL names a PostgreSQL, and the library for it is not installed: "
                "pip install '.[postgresql]' in voicestt's folder"
            ) from None
        event.listen(engine, "begin", self._limit)
        return engine

    def is_there(self) -> bool:
        """Return True: that can only be known by connecting."""
        return True

    def check_place(self) -> None:
        """Do nothing: what is at the URL can only be known by connecting."""

    def make_ready(self, engine: Engine) -> None:
        """Check that the database has the encoding UTF8.

        Raises:
            BadJournal: where it has another one.
        """
        with engine.connect() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise BadJournal(
                f"JOURNAL_URL: {self.name} has the encoding {encoding}, which cannot hold every language. Make "
                "one with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )

    def hurry(self, connection: Connection, seconds: float) -> None:
        """Limit each statement of this transaction to `seconds`, and each wait for a lock to a third of that."""
        milliseconds = seconds * 1000
        limits = {"statement": f"{milliseconds:.0f}ms", "lock": f"{milliseconds / 3:.0f}ms"}
        connection.execute(_LIMITS, limits)

    def lock_schema(self, connection: Connection) -> None:
        """Take the lock for changing the tables, after waiting for another process that holds it."""
        connection.execute(_LIMITS, {"statement": "0", "lock": "60s"})
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})

    def now(self, connection: Connection) -> float:
        """Return the database server's time, as the clocks of its clients may differ."""
        return float(connection.execute(_CLOCK).scalar_one())

    def numbers(self, connection: Connection, count: int) -> Sequence[int]:
        """Reserve the next numbers; those of two processes may interleave."""
        return connection.execute(_NEXT_NUMBERS, {"count": count}).scalars().all()

    def insertion(self, table: Table, columns: Sequence[str]) -> str:
        """Return the statement that inserts `:rows`, a JSON array of arrays."""
        values = ", ".join(
            f"CAST(value ->> {index} AS {table.c[name].type.compile(_dialect)})"
            for index, name in enumerate(columns)
        )
        return (
            f"INSERT INTO {table.name} ({', '.join(columns)}) "  # noqa: S608 - our own names
            f"SELECT {values} FROM json_array_elements(CAST(:rows AS json)) AS given(value)"
        )

    def shrink(self, _connection: Connection) -> bool:
        """Do nothing, as PostgreSQL's autovacuum does it."""
        return False

    @staticmethod
    def _limit(connection: Connection) -> None:
        connection.execute(_LIMITS, _USUAL_LIMITS)


def _difference(last: int, low: int) -> int:
    # The difference between `last` and a number near it, of which only the low bits are known.
    return (last - low + _LOW // 2) % _LOW - _LOW // 2
