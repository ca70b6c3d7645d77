"""A journal as a receiver's long outage leaves it: written by the server's own writer, many events at a time."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from sqlalchemy import text

from voicestt.config.receivers import WEBHOOK
from voicestt.events import (
    CallEnded,
    CallStarted,
    Event,
    Final,
    Word,
    event_id,
)
from voicestt.journal.database import Database
from voicestt.journal.payloads import StoredPayloads, redaction
from voicestt.journal.port import Destination
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.writing import EventWriter

CALLS = "CAbacklog"
"""How the CallSids of the backlog begin."""

_OWNER = "a server that is gone"
_CALLS_AT_ONCE = 50
_CALLS_TOGETHER = 500
_UNENDED = 50
_TEXT = "one two three four five six seven eight"


def fill(url: str, calls: int, events: int) -> None:
    """`events` undelivered events of `calls` calls of a server that is gone; the last calls have not ended."""
    database = Database(url)
    bring_up_to_date(database)
    writer = EventWriter(
        database, _OWNER, [Destination(WEBHOOK, partials=False)], redaction("none"), StoredPayloads()
    )
    sizes = [events // calls + (number < events % calls) for number in range(calls)]
    for first in range(0, calls, _CALLS_TOGETHER):
        numbers = range(first, min(calls, first + _CALLS_TOGETHER))
        together = [_events_of(number, sizes[number], is_over=number < calls - _UNENDED) for number in numbers]
        with database.writing() as connection:
            draft = writer.write(connection, list(_mixed(together)))
        writer.keep(draft)
    _analyse(database)
    database.close()


def _mixed(calls: Sequence[Sequence[Event]]) -> Iterator[Event]:
    """As they were said: some calls at a time, by turns."""
    for first in range(0, len(calls), _CALLS_AT_ONCE):
        some = calls[first : first + _CALLS_AT_ONCE]
        longest = max(map(len, some))
        yield from chain.from_iterable([call[at] for call in some if at < len(call)] for at in range(longest))


def _events_of(number: int, count: int, *, is_over: bool) -> list[Event]:
    names = _Names(number)
    finals = [_final(names, sequence) for sequence in range(2, count + 1 - is_over)]
    started = CallStarted(**names.at(1), account_sid="AC1")
    last = CallEnded(**names.at(count), reason="stop", duration=60.0, finals=len(finals))
    return [started, *finals, last][:count] if is_over else [started, *finals]


class _Names:
    """The values that all events of one call have."""

    def __init__(self, number: int) -> None:
        self._session = uuid.uuid4().hex
        self._call_sid = f"{CALLS}{number:025d}"
        self._timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")

    def at(self, sequence: int) -> dict[str, Any]:
        return {
            "id": event_id(self._session, sequence),
            "session": self._session,
            "sequence": sequence,
            "timestamp": self._timestamp,
            "call_sid": self._call_sid,
            "stream_sid": "MZ1",
        }


def _final(names: _Names, sequence: int) -> Final:
    begin = 4.0 * (sequence - 2)
    words = [
        Word(text=word, start=begin + at / 4, end=begin + (at + 1) / 4) for at, word in enumerate(_TEXT.split())
    ]
    return Final(
        **names.at(sequence),
        utterance=sequence - 1,
        text=_TEXT,
        confidence=0.9,
        start=begin,
        end=begin + 2,
        words=words,
        recogniser="google-streaming",
    )


def _analyse(database: Database) -> None:
    """A database that was filled over hours knows its tables; autovacuum has seen to that."""
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("ANALYZE"))
