"""The header Retry-After of a receiver's answer."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_SECONDS: Final = 300.0
"""Longest pause, whatever a receiver asks for: it may be mistaken, and events wait."""

_LONGEST_TEXT: Final = 100


def seconds_after(header: str | None, now: float) -> float:
    """Returns the seconds that a Retry-After asks for, five minutes at most; 0 if it cannot be understood.

    `now` is in seconds since 1970. Source: RFC 9110, section 10.2.3: a number of seconds, or a date of HTTP.
    """
    text = (header or "").strip()[:_LONGEST_TEXT]
    seconds = float(text) if text.isascii() and text.isdecimal() else _until(text, now)
    return min(max(seconds, 0.0), LONGEST_SECONDS)


def _until(date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
