"""The journal's tables, which the migrations beside this file create and upgrade.

Times are seconds since 1970. The prefix keeps them apart from others' in a database that is shared.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData()
VERSION_TABLE = "voicestt_version"

_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # only an INTEGER counts by itself there

instances = Table(
    "voicestt_instances",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("started", Text, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("figures", Text),
)
"""The processes that write, each with its lease: `seen_at` is renewed while it lives, `ended_at` is set when it
ends. A process that takes over from it deletes the row. `figures` is the state of its deliveries at `seen_at`,
as JSON: an object for each destination."""

sessions = Table(
    "voicestt_sessions",
    METADATA,
    Column("session", Text, primary_key=True),
    Column("call_sid", Text, nullable=False),
    Column("stream_sid", Text, nullable=False),
    Column("account_sid", Text, nullable=False),
    Column("caller", Text),
    Column("called", Text),
    Column("owner", Text),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("reason", Text),
    Column("duration", Double),
    Column("finals", Integer),
    Column("closed_by_recovery", Boolean, nullable=False),
    Column("memory", Text),
    Column("summary", Integer),
    Column("words", Integer),
    Column("utterances", Integer),
    Column("degraded", Integer),
    Column("lost_ms", Integer),
    Column("incidents", Integer),
    Column("language", Text),
    Column("addressed", Text),
)
"""Media streams of calls. `owner` is the instance that delivers its events (null: any may take it). The
columns from `ended_at` on are null until the call ends; `memory` is the handler's, as JSON. `summary` is the
version of the code that made what follows it (`voicestt.journal.summaries`), null until that is done. `addressed`
are the receivers that its events go to, as a JSON array of names; null for all of them."""

events = Table(
    "voicestt_events",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("session", Text, ForeignKey("voicestt_sessions.session", ondelete="CASCADE"), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("call_sid", Text, nullable=False),
    Column("written_at", Double, nullable=False),
    Column("payload", Text, nullable=False),
    UniqueConstraint("session", "sequence", name="voicestt_events_sequence"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "voicestt_outbox",
    METADATA,
    Column(
        "number",
        _NUMBER,
        ForeignKey("voicestt_events.number", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("destination", Text, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("failed_at", Double),
    Column("dead_lettered_at", Double),
    Column("session", Text, nullable=False, server_default=""),
)
"""Undelivered events; a row is deleted when its event has arrived. `session` is the event's, so that the pending
events of a call are found at once; "" where an older version wrote the row: `Recovery` fills it in."""

attempts = Table(
    "voicestt_attempts",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("destination", Text, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("status", Integer),
    Column("error", Text),
    Column("answer", Text, nullable=False),
)
"""Delivery attempts: the last failed ones of each event, and the one that arrived (`error` is null). There is no
foreign key, which would lock the event's row: whoever deletes events deletes these."""

texts = Table(
    "voicestt_texts",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("session", Text, ForeignKey("voicestt_sessions.session", ondelete="CASCADE"), nullable=False),
    Column("text", Text, nullable=False),
)
"""What was said in calls that have ended, for searches: the utterances of both sides, a line each; a long call has
several rows. `number` is the start of the session in microseconds since 1970, and goes on from there."""

TRIGRAMS = "voicestt_texts_trigrams"
"""The index of the trigrams of `texts`, where the database has such: a table of SQLite's FTS5, or an index of
PostgreSQL's pg_trgm. It is made by a migration, and is not part of METADATA."""

changes = Table(
    "voicestt_changes",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""Counters of changes by hand, by which running servers know that what they read before is outdated."""

_is_partial = events.c.type == "partial"
_is_open = sessions.c.ended_at.is_(None)
is_no_partial = events.c.type != text("'partial'")
"""Condition with a literal, so that the planner finds the partial index: it would not with a parameter."""
_is_pending = outbox.c.dead_lettered_at.is_(None)
_is_dead_lettered = outbox.c.dead_lettered_at.is_not(None)

is_degraded = sessions.c.degraded > text("0")
has_lost_words = sessions.c.lost_ms > text("0")
"""Conditions with a literal, for the partial indexes of such calls."""
is_to_be_summarised = sessions.c.ended_at.is_not(None) & sessions.c.summary.is_(None)


def _partial_index(name: str, condition: ColumnElement[bool], *columns: Column[Any]) -> None:
    """Index `columns` of the rows that meet `condition` only."""
    Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


Index("voicestt_sessions_call", sessions.c.call_sid)
Index("voicestt_sessions_owner", sessions.c.owner)
Index("voicestt_sessions_started", sessions.c.started_at)
Index("voicestt_sessions_ended", sessions.c.ended_at)
Index("voicestt_sessions_caller", sessions.c.caller, sessions.c.started_at)
Index("voicestt_sessions_called", sessions.c.called, sessions.c.started_at)
_partial_index("voicestt_sessions_degraded", is_degraded, sessions.c.started_at)
_partial_index("voicestt_sessions_lost", has_lost_words, sessions.c.started_at)
_partial_index("voicestt_sessions_to_summarise", is_to_be_summarised, sessions.c.ended_at)
Index("voicestt_texts_session", texts.c.session)
_partial_index("voicestt_events_partials", _is_partial, events.c.written_at)
Index("voicestt_events_call", events.c.call_sid, events.c.number)
_partial_index("voicestt_events_no_partials", is_no_partial, events.c.number, events.c.type)
_partial_index("voicestt_sessions_open", _is_open, sessions.c.owner)
_partial_index("voicestt_outbox_of_session", _is_pending, outbox.c.destination, outbox.c.session, outbox.c.number)
_partial_index("voicestt_outbox_dead_lettered", _is_dead_lettered, outbox.c.destination, outbox.c.number)
