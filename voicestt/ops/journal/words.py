"""Formats times and numbers for the journal's commands."""

import json
from datetime import UTC, datetime

from voicestt.runtime.escaping import escaped_in_json
from voicestt.runtime.times import rfc3339

_SHOWN_DIGITS = 4


def moment(seconds: float) -> str:
    """Format seconds since 1970 for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(seconds: float | None) -> str | None:
    """Format seconds since 1970 as RFC 3339, in UTC."""
    return None if seconds is None else rfc3339(seconds)


def length(seconds: float) -> str:
    """Format a duration as 1:02, or 1:00:02."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def masked(number: str | None) -> str | None:
    """Shorten a phone number to its last four digits."""
    return number and f"…{number[-_SHOWN_DIGITS:]}"


def plain(text: str) -> str:
    """Put a text in one line without control characters for a terminal."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def json_text(value: object) -> str:
    """Format a JSON document with letters as they are and without control characters for a terminal."""
    return escaped_in_json(json.dumps(value, ensure_ascii=False, indent=2))
