"""Reads a call's transcript from the journal, with a time for each line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from voicestt.events import (
    BadEvent,
    CallStarted,
    Dtmf,
    Event,
    Final,
    Said,
    Unrecognised,
    decode,
)
from voicestt.journal.tables import events, sessions
from voicestt.ops.journal.words import plain

_CHARACTERS_A_SECOND = 15.0
_SHORTEST_SECONDS = 0.5


class NotFound(LookupError):
    """There is no such call, or there are several; the message says which."""


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A line of a transcript, from `start` to `end`, in seconds of the call's own time.

    `is_estimated`: the recogniser gave no times; these come from the time of the event and the length of its text.
    """

    start: float
    end: float
    event: Final | Dtmf | Unrecognised | Said
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class SpokenStream:
    """One media stream of a call: its row in the journal and its transcript.

    `continues` is the session of the stream that it goes on from, None where it began anew.
    """

    row: Any
    lines: Sequence[TranscriptLine] = field(default_factory=list)
    continues: str | None = None

    def speaker(self, final: Final) -> str:
        """Return who said the final, as it stands before the words: nothing where only the caller was heard."""
        has_both = any(isinstance(line.event, Final) and line.event.track == "callee" for line in self.lines)
        return f"{final.track}: " if has_both else ""


def spoken_in(connection: Connection, call_sid: str) -> list[SpokenStream]:
    """Read all streams of the call whose CallSid is, or begins with, `call_sid`; the earliest first.

    Raises:
        NotFound: where there is none, or several calls.
    """
    name = _the_one(connection, call_sid)
    rows = connection.execute(
        select(sessions).where(sessions.c.call_sid == name).order_by(sessions.c.started_at, sessions.c.session)
    )
    return [SpokenStream(row, list(_lines(connection, row)), _continued_by(connection, row)) for row in rows.all()]


def _the_one(connection: Connection, call_sid: str) -> str:
    like = sessions.c.call_sid.startswith(call_sid, autoescape=True)
    found = connection.execute(select(sessions.c.call_sid).where(like).distinct().limit(20)).scalars()
    # SQLite's LIKE does not know capitals.
    names = sorted(name for name in found if name.startswith(call_sid))
    if call_sid in names:
        return call_sid
    if not names:
        raise NotFound(f"The journal has no call {call_sid!r}. `voicestt calls` lists them.")
    if len(names) > 1:
        raise NotFound(
            "Several calls begin so. Which one is it?\n" + "\n".join(f"  {plain(name)}" for name in names)
        )
    return str(names[0])


def _lines(connection: Connection, row: Any) -> Iterator[TranscriptLine]:
    kinds = ("final", "said", "dtmf", "unrecognised")
    payloads = connection.execute(
        select(events.c.payload)
        .where(events.c.session == row.session, events.c.type.in_(kinds))
        .order_by(events.c.sequence)
    ).scalars()
    before = 0.0
    for payload in payloads.all():
        line = _line(payload, row.started_at, before)
        if line is not None:
            before = before if isinstance(line.event, Said) else line.end
            yield line


def _continued_by(connection: Connection, row: Any) -> str | None:
    payload = connection.execute(
        select(events.c.payload).where(events.c.session == row.session, events.c.sequence == 1)
    ).scalar()
    try:
        event = decode(payload or "")
    except BadEvent:
        return None
    return event.continues if isinstance(event, CallStarted) else None


def _line(payload: str, began: float, before: float) -> TranscriptLine | None:
    try:
        event = decode(payload)
    except BadEvent:  # of a version that is not ours
        return None
    if isinstance(event, Final):
        return _line_of_words(event, began, before)
    if isinstance(event, Said):
        return TranscriptLine(event.start, event.end, event)
    if isinstance(event, Dtmf | Unrecognised):
        at = _heard_at(event, began, before)
        return TranscriptLine(at, at + _SHORTEST_SECONDS, event, is_estimated=True)
    return None


def _line_of_words(final: Final, began: float, before: float) -> TranscriptLine:
    start = final.start if final.start is not None else final.words[0].start if final.words else None
    end = final.end if final.end is not None else final.words[-1].end if final.words else None
    is_estimated = start is None or end is None
    takes = max(_SHORTEST_SECONDS, len(final.text) / _CHARACTERS_A_SECOND)
    if end is None:
        end = _heard_at(final, began, before) if start is None else start + takes
    if start is None:
        start = max(0.0, min(max(before, end - takes), end - _SHORTEST_SECONDS))
    return TranscriptLine(start, max(end, start + _SHORTEST_SECONDS), final, is_estimated)


def _heard_at(event: Event, began: float, otherwise: float) -> float:
    try:
        return max(0.0, datetime.fromisoformat(event.timestamp).timestamp() - began)
    except (ValueError, OverflowError):
        return otherwise
