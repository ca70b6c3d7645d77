"""Summaries of calls that have ended, and the texts that are searched: written once, so that lists are quick.

They are made of the events in the journal, by the maintenance thread a second after the end, and so also for calls
that recovery closed, that waited in a file, or that an older version wrote. What JOURNAL_REDACT keeps out of the
journal is not in them either; and they go with the session, when it is erased or too old.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select, update

from voicestt.events import (
    AnyEvent,
    BadEvent,
    CallIncident,
    Degraded,
    Interrupted,
    Said,
    Unrecognised,
    decode,
)
from voicestt.events import Final as FinalWords
from voicestt.journal.database import Database
from voicestt.journal.payloads import clean_text
from voicestt.journal.tables import events, is_to_be_summarised, sessions, texts

VERSION: Final = 1

AT_ONCE: Final = 20
"""Calls in one transaction: others write in between."""

PART_CHARACTERS: Final = 4_000
"""Length from which a call's text goes on in another row."""

_SAME_START: Final = 1_000  # rows of texts that may begin in one microsecond
_HURRY_SECONDS: Final = 3.0
KINDS: Final = ("final", "said", "unrecognised", "degraded", "interrupted", "incident")
"""The types of the events that a summary is made of."""

FIGURES: Final = ("words", "utterances", "degraded", "lost_ms", "incidents", "language")
"""The columns of a session that hold its summary, as the fields of a CallSummary are called."""

_of_session = (
    select(events.c.payload)
    .where(events.c.session == bindparam("session"), events.c.type.in_(KINDS))
    .order_by(events.c.sequence)
)
_to_do = select(sessions.c.session, sessions.c.started_at).where(is_to_be_summarised)
_write = (
    update(sessions)
    .where(sessions.c.session == bindparam("of_session"))
    .values({name: bindparam(name) for name in FIGURES})
    .values(summary=VERSION)
)


@dataclass(slots=True)
class CallSummary:
    """The figures of a call for lists, and its lines for searches. `words` is None where the texts are not kept.

    `degraded` counts the times that streaming was lost, `lost_ms` the audio whose words are lost, and `incidents`
    both of them and failed streams; `language` is that of most finals, None where they say none. `lines` are the
    texts of both sides, in order.
    """

    words: int | None = 0
    utterances: int = 0
    degraded: int = 0
    lost_ms: int = 0
    incidents: int = 0
    language: str | None = None
    lines: list[str] = field(default_factory=list)


def summarise(payloads: Iterable[str]) -> CallSummary:
    """Sum up a call's events, of the types in KINDS; what is no event of this version is left out."""
    summary, has_words = CallSummary(), False
    languages: Counter[str] = Counter()
    for payload in payloads:
        try:
            event = decode(payload)
        except BadEvent:
            continue
        if isinstance(event, FinalWords):
            has_words |= bool(event.text)
            languages.update([event.language] if event.language else [])
        _add(summary, event)
    summary.language = next((language for language, _ in languages.most_common(1)), None)
    if summary.utterances and not has_words:
        summary.words = None
    return summary


def _add(summary: CallSummary, event: AnyEvent) -> None:
    match event:
        case FinalWords(text=text):
            summary.utterances += 1
            summary.words = (summary.words or 0) + len(text.split())
            summary.lines.append(text)
        case Said(text=str(text)):
            summary.lines.append(text)
        case Unrecognised(seconds=seconds):
            summary.incidents += 1
            summary.lost_ms += round(seconds * 1000)
        case Degraded() | Interrupted():
            summary.incidents += 1
            summary.degraded += 1
        case CallIncident(incident="restarted"):
            summary.incidents += 1


class Summaries:
    """Makes the summaries that are missing, the newest first, `at_once` in one transaction."""

    def __init__(self, database: Database, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._at_once = at_once

    def step(self) -> bool:
        """Make some of the summaries; True if there may be more."""
        with self._database.reading() as connection:
            if connection.execute(_to_do.limit(1)).first() is None:
                return False
        with self._database.writing() as connection:
            self._database.hurry(connection, _HURRY_SECONDS)
            # Another process may be about to make the same ones.
            some = (
                _to_do.order_by(sessions.c.ended_at.desc()).limit(self._at_once).with_for_update(skip_locked=True)
            )
            rows = connection.execute(some).all()
            for row in rows:
                write_summary(connection, row.session, row.started_at)
        return len(rows) == self._at_once


def write_summary(connection: Connection, session: str, started_at: float) -> None:
    """Write the summary and the texts of a session that has ended, in place of those that it has."""
    summary = summarise(connection.execute(_of_session, {"session": session}).scalars())
    values = {name: getattr(summary, name) for name in FIGURES}
    connection.execute(delete(texts).where(texts.c.session == session))
    parts = list(parts_of(summary.lines))
    if parts:
        first = _free_number(connection, started_at)
        rows = [{"number": first + index, "session": session, "text": part} for index, part in enumerate(parts)]
        connection.execute(texts.insert(), rows)
    connection.execute(_write, {"of_session": session, **values})


def parts_of(lines: Sequence[str]) -> Iterator[str]:
    """Join a call's lines to texts of about PART_CHARACTERS; no line is divided, and white space is a blank."""
    part: list[str] = []
    size = 0
    for line in lines:
        text = " ".join(clean_text(line).split())
        if size + len(text) > PART_CHARACTERS and part:
            yield "\n".join(part)
            part, size = [], 0
        if text:
            part.append(text)
            size += len(text) + 1
    if part:
        yield "\n".join(part)


def number_of(started_at: float) -> int:
    """Return the first number of the texts of a call that began then."""
    return round(started_at * 1_000_000)


def _free_number(connection: Connection, started_at: float) -> int:
    first = number_of(started_at)
    same = texts.c.number.between(first, first + _SAME_START)
    last = connection.execute(select(func.max(texts.c.number)).where(same)).scalar()
    return first if last is None else int(last) + 1
