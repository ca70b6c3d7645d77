"""Admission of new calls: under overload new calls are refused, and live ones go on."""

from collections import deque
from statistics import median_low
from typing import Final

from twisted.logger import Logger

from voicestt.runtime.clock import Clock
from voicestt.server.refusals import MinuteLog

LATE_SECONDS: Final = 3.0
ON_ITS_WAY_SECONDS: Final = 10.0
_FALLEN: Final = 0.5
"""Calls are taken again at this share of the lag at which they were refused, so that they do not come and go."""


class ReactorLateness:
    """Detector of a late reactor: a median lag of more than `most` seconds for three seconds.

    One long pause is not overload, nor is one punctual look in a busy stretch an end of it.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._looks: deque[tuple[float, float]] = deque()
        self.is_late = False
        self.lag = 0.0

    def look(self, now: float, lag: float) -> None:
        """Note that the reactor looked at its clock at `now`, `lag` seconds later than it was due."""
        self._looks.append((now, lag))
        while len(self._looks) > 1 and self._looks[1][0] <= now - LATE_SECONDS:
            self._looks.popleft()
        self.lag = median_low(lag for _, lag in self._looks)
        if self.is_late:
            self.is_late = self.lag > self._most * _FALLEN
        else:
            self.is_late = self.lag > self._most and now - self._looks[0][0] >= LATE_SECONDS


class Admission:
    """Takes or refuses new calls, counts the refused ones, and logs them once a minute with the cause.

    `most` live calls are taken (None: any number), and none while the reactor is late by more than `most_lag`
    seconds (0.0: whatever the lag). A call that was taken counts from its webhook on, for ten seconds, until its
    socket has come.
    """

    _log = Logger()

    def __init__(self, clock: Clock, most: int | None, most_lag: float) -> None:
        self._clock = clock
        self._most = most
        self._most_lag = most_lag
        self._lateness = ReactorLateness(most_lag)
        self._on_their_way: dict[str, float] = {}
        self._minutes = MinuteLog(clock, self._tell)
        self._untold = 0
        self._cause = ""
        self._closed = ""
        self.refused = 0

    @property
    def lag(self) -> float:
        """The seconds that the reactor is late, at the median of the last looks."""
        return self._lateness.lag

    def close(self, cause: str) -> None:
        """Take no new calls from now on, for `cause`; those that are on their way are taken."""
        self._closed = cause

    def on_their_way(self, seconds: float) -> int:
        """Return the number of calls announced in the last `seconds` whose socket is not here."""
        self._forget_those_that_did_not_come()
        return sum(since > self._clock.seconds() - seconds for since in self._on_their_way.values())

    def note_lag(self, seconds: float) -> None:
        """Note that the reactor was late by `seconds`."""
        self._lateness.look(self._clock.seconds(), seconds)

    def why_not(self, live: int) -> str | None:
        """Return the reason to refuse a new call while `live` are live; None if it is taken."""
        return self._closed or self._why_full(live)

    def _why_full(self, live: int) -> str | None:
        self._forget_those_that_did_not_come()
        if self._most is not None and live + len(self._on_their_way) >= self._most:
            return f"{live} calls are live and {len(self._on_their_way)} on their way, and MAX_CALLS={self._most}"
        if self._most_lag and self._lateness.is_late:
            late, most = round(self._lateness.lag * 1000), round(self._most_lag * 1000)
            return f"{live} calls are live, the reactor is {late} ms late, and MAX_LAG_MS={most}"
        return None

    def takes(self, call_sid: str, live: int) -> bool:
        """Return True if a webhook's call is taken: one on its way already is. Count a refused one."""
        cause = self.why_not(live)
        if cause is not None and call_sid not in self._on_their_way:
            self._refuse(cause)
            return False
        self.comes(call_sid)
        return True

    def comes(self, call_sid: str) -> None:
        """Note a call that is on its way: one that comes back is taken whatever else is live."""
        if call_sid:
            self._on_their_way[call_sid] = self._clock.seconds()

    def takes_unannounced(self, live: int) -> bool:
        """Return True if a socket's call that no webhook announced is taken. A refused one is counted.

        A server that takes no new calls takes it: another has answered the webhook, and to refuse is to hang up.
        """
        cause = self._why_full(live)
        if cause is not None:
            self._refuse(cause)
        return cause is None

    def arrived(self, call_sid: str) -> None:
        """Note that the call's socket is here: it counts as live from now on."""
        self._on_their_way.pop(call_sid, None)

    def stop(self) -> None:
        """Log the refusals that were not logged yet."""
        self._minutes.stop()

    def _refuse(self, cause: str) -> None:
        self.refused += 1
        self._cause = cause
        if not self._minutes.is_running:
            self._log.warn(
                "⚠️ A new call was refused: {cause}. Live calls go on as they are; the caller gets what BUSY says. "
                "Further ones are counted and said once a minute. What to do: start another process beside this "
                "one, or raise the limit if the figures of the live calls allow it (/healthz).",
                cause=cause,
            )
            self._minutes.begin()
        else:
            self._untold += 1

    def _tell(self) -> bool:
        untold, self._untold = self._untold, 0
        if untold:
            self._log.warn(
                "⚠️ {count} more new calls were refused within a minute, the last one because {cause}.",
                count=untold,
                cause=self._cause,
            )
        return bool(untold)

    def _forget_those_that_did_not_come(self) -> None:
        oldest = self._clock.seconds() - ON_ITS_WAY_SECONDS
        while self._on_their_way:
            call_sid, since = next(iter(self._on_their_way.items()))
            if since > oldest:
                return
            del self._on_their_way[call_sid]
