"""Names of recordings, in RECORD_DIR and in a store: `2026-11-29/SESSION.CALLSID.wav`, of each media stream one.

A session begins with its time, so its day is known, and texts sort by time. The CallSid comes from outside: it is
escaped as in an address. No phone number is in a name.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from voicestt.recording.audio_file import PARTIAL

SUFFIX: Final = ".wav"
_SESSION: Final = re.compile(r"[0-9a-f]{12,64}")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MS_DIGITS: Final = 12
_LAST_YEAR: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def is_session(text: str) -> bool:
    """Return True if the text has the form of a session: nothing else becomes part of a path."""
    return _SESSION.fullmatch(text) is not None and seconds_of(text) < _LAST_YEAR


def day_of(session: str) -> str:
    """Return the day that a session began, in UTC."""
    return datetime.fromtimestamp(seconds_of(session), UTC).date().isoformat()


def day_before(day: str) -> str:
    """Return the day before a day."""
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def is_day(name: str) -> bool:
    """Return True if a folder's name is a day."""
    try:
        return _DAY.fullmatch(name) is not None and date.fromisoformat(name) > date.min
    except ValueError:
        return False


def seconds_of(session: str) -> float:
    """Return when a session began, in seconds since 1970."""
    return int(session[:_MS_DIGITS], 16) / 1_000


def name_of(session: str, call_sid: str) -> str:
    """Return the name of a stream's recording, below its folder or its prefix."""
    return f"{day_of(session)}/{session}.{escaped_sid(call_sid)}{SUFFIX}"


def escaped_sid(call_sid: str) -> str:
    """Escape a CallSid for a name."""
    return quote(call_sid, safe="")


def session_in(name: str) -> str:
    """Return the session in a recording's name, with or without its folder; "" if it is no such name."""
    session = name.rpartition("/")[2].partition(".")[0]
    return session if is_session(session) else ""


def call_sid_in(name: str) -> str:
    """Return the CallSid in a recording's name."""
    escaped = name.rpartition("/")[2].removesuffix(PARTIAL).removesuffix(SUFFIX).partition(".")[2]
    return unquote(escaped)


class RecordingFolder:
    """The recordings in one folder, which may be shared by many processes. All of it blocks."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def path_of(self, session: str, call_sid: str) -> Path:
        """Return the path of a stream's recording, once it is whole."""
        return self.path / name_of(session, call_sid)

    def name_of(self, path: Path) -> str:
        """Return the name of a recording's file, without the suffix of one that is being written."""
        return f"{path.parent.name}/{path.name.removesuffix(PARTIAL)}"

    def of_session(self, session: str) -> Path | None:
        """Find the recording of a stream, whole or being written."""
        if not is_session(session):
            return None
        found = sorted(self._matching(day_of(session), f"{session}.*{SUFFIX}"))
        return found[0] if found else None  # the whole one sorts before one that is being written

    def of_day(self, day: str) -> list[Path]:
        """Find the recordings of a day, whole or being written, the oldest first."""
        return sorted(each for each in (self.path / day).glob(f"*{SUFFIX}*") if session_in(each.name))

    def whole(self) -> Iterator[Path]:
        """Find the recordings that are whole, the oldest first."""
        return (path for day in self.days() for path in self.whole_of(day))

    @staticmethod
    def whole_of(day: Path) -> Iterator[Path]:
        """Find the recordings of a day that are whole, the oldest first."""
        return (path for path in sorted(day.glob(f"*{SUFFIX}")) if session_in(path.name))

    def partial(self) -> Iterator[Path]:
        """Find the recordings that are being written, or whose writers were killed."""
        return (path for day in self.days() for path in sorted(day.glob(f"*{PARTIAL}")) if session_in(path.name))

    def days(self) -> list[Path]:
        """Find the folders of days, the oldest first."""
        return sorted(each for each in self.path.glob("*-*-*") if is_day(each.name))

    def _matching(self, day: str, pattern: str) -> Iterator[Path]:
        yield from (self.path / day).glob(pattern)
        yield from (self.path / day).glob(pattern + PARTIAL)
