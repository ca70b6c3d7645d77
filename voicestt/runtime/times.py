"""Times for people and programs elsewhere: RFC 3339, UTC, as in the events."""

from datetime import UTC, datetime


def rfc3339(seconds: float, timespec: str = "milliseconds") -> str:
    """Format a time in seconds since 1970, to the millisecond; `timespec` "microseconds" is as events have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
