"""The limits of the page's "Try it": one at a time for each login, few for all, and minutes of speech an hour."""

from collections.abc import Callable
from typing import Final

OPEN_ALREADY: Final = 4002
USED_UP: Final = 4003
CALLS_FIRST: Final = 4004
"""The codes of the sockets that are closed for these reasons."""

MOST_AT_ONCE: Final = 4
LONGEST_SECONDS: Final = 600.0
"""The longest that one may last, in seconds of audio."""

_HOUR: Final = 3_600.0


class TryRefused(Exception):
    """The error of a try that is not let in; the text says why, and `code` is the socket's."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class TryLimits:
    """Counts tries. `minutes` of speech an hour are for all logins of a process together, and come back evenly.

    `seconds` is a clock that never goes back; `why_not` says why the server takes none now, or None.
    """

    def __init__(
        self, minutes: float, seconds: Callable[[], float], why_not: Callable[[], str | None] = lambda: None
    ) -> None:
        self.begun = 0
        self.used_seconds = 0.0
        """Counts since the start: of tries, and of seconds of their audio."""
        self._most = minutes * 60.0
        self._left = self._most
        self._seconds = seconds
        self._looked = seconds()
        self._why_not = why_not
        self._open: set[str] = set()

    @property
    def is_on(self) -> bool:
        """True where there may be tries at all."""
        return self._most > 0

    @property
    def live(self) -> int:
        """The number of tries that are open."""
        return len(self._open)

    @property
    def left(self) -> float:
        """Seconds of audio that a try may have now."""
        now = self._seconds()
        self._left = min(self._most, self._left + (now - self._looked) * self._most / _HOUR)
        self._looked = now
        return min(LONGEST_SECONDS, max(0.0, self._left))

    def begin(self, login: str) -> None:
        """Count a try of this login.

        Raises:
            TryRefused: where there may be none now.
        """
        why_not = self._why_not()
        if why_not is not None:
            raise TryRefused(CALLS_FIRST, f"calls come first: {why_not}")
        if login in self._open:
            raise TryRefused(OPEN_ALREADY, "one is open already: close the other window's")
        if len(self._open) >= MOST_AT_ONCE:
            raise TryRefused(OPEN_ALREADY, f"{MOST_AT_ONCE} others try it just now")
        if self.left < 1.0:
            raise TryRefused(USED_UP, "the minutes of this hour are used up (PAGE_TRY_MINUTES)")
        self._open.add(login)
        self.begun += 1

    def use(self, seconds: float) -> None:
        """Count audio."""
        self.used_seconds += seconds
        self._left -= seconds

    def end(self, login: str) -> None:
        """Count the end of this login's try."""
        self._open.discard(login)
