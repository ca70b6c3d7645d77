"""Calls that come back to the webhook: moved from another process, or redirected after their stream was lost.

The webhook's own address says so in its query, which Twilio signs as it was given: `again` counts how often the
call came back since `since` (seconds since 1970). Nobody but this server writes it.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

MOST: Final = 5
WITHIN_SECONDS: Final = 600.0
"""A call comes back at most `MOST` times within this time; then it gets what BUSY says: streams break at once."""

_MOST_FIELDS: Final = 50
_LARGEST: Final = 10**12


@dataclass(frozen=True, slots=True)
class Return:
    """The `count`-th return of a call since `since`; 0: it was moved."""

    count: int
    since: int

    @property
    def query(self) -> str:
        """The query of the webhook's address."""
        return f"again={self.count}&since={self.since}"

    @property
    def is_one_too_many(self) -> bool:
        """True if the call comes back again and again."""
        return self.count > MOST

    def next(self, now: float) -> "Return":
        """Return the return after this one; counting begins anew when the time is over."""
        if not 0 <= now - self.since <= WITHIN_SECONDS:
            return first_return(now)
        return Return(self.count + 1, self.since)


def first_return(now: float) -> Return:
    """Return the first return of a call whose stream is lost."""
    return Return(1, int(now))


def moved(now: float) -> Return:
    """Return the return of a call that is moved."""
    return Return(0, int(now))


def read_return(query: str) -> Return | None:
    """Read the query of a webhook's address; None if the call does not come back."""
    try:
        fields = parse_qs(query, max_num_fields=_MOST_FIELDS)
        count, since = (int(fields[name][0]) for name in ("again", "since"))
    except (KeyError, ValueError):
        return None
    return Return(count, since) if 0 <= count <= _LARGEST and 0 <= since <= _LARGEST else None
