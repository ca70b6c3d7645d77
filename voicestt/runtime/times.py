"""Times for people and programs elsewhere: RFC 3339, UTC, as in the events."""

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """Format a time in seconds since 1970, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
