"""Log of refusals, counted by kind and address and written once a minute: strangers cannot fill the log."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from voicestt.runtime.clock import Clock, Timer
from voicestt.runtime.escaping import escaped
from voicestt.server.connections import place

MINUTE: Final = 60.0
_MOST_ADDRESSES: Final = 1_000
_SHOWN: Final = 3
_LONGEST: Final = 60
_OTHERS: Final = "others"


class MinuteLog:
    """Runs `summarise` after each minute from `begin` on, until it returns False: then nothing had happened."""

    def __init__(self, clock: Clock, summarise: Callable[[], bool]) -> None:
        self._timer = Timer(clock)
        self._summarise = summarise

    @property
    def is_running(self) -> bool:
        """True if `summarise` will be run."""
        return self._timer.is_set

    def begin(self) -> None:
        """Begin a minute; without effect within one."""
        if not self._timer.is_set:
            self._timer.set(MINUTE, self._minute_over)

    def stop(self) -> None:
        """Summarise now, for the last time."""
        self._timer.cancel()
        self._summarise()

    def _minute_over(self) -> None:
        if self._summarise():
            self.begin()


class Refusals:
    """Logs the first refusal of a kind at once, in words; those that follow are counted.

    They are counted by `place`: who has one address of IPv6 has 2**64 of them. `kinds` counts all of each kind.
    """

    _log = Logger()

    def __init__(self, clock: Clock) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._minutes = MinuteLog(clock, self._say_counts)
        self.kinds: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """The number of all refusals."""
        return self.kinds.total()

    def count(self, kind: str, address: str, hint: str) -> None:
        """Count a refusal of `address`. `kind` is the beginning of a sentence; `hint` explains it."""
        self.kinds[kind] += 1
        counts = self._counts.get(kind)
        if counts is None:
            self._counts[kind] = Counter()
            self._log.warn("{kind} It came from {address}. {hint}", kind=kind, address=_shown(address), hint=hint)
            self._minutes.begin()
            return
        counted = place(address)
        known = counted in counts or len(counts) < _MOST_ADDRESSES
        counts[counted if known else _OTHERS] += 1

    def stop(self) -> None:
        """Log the counts that were not logged yet."""
        self._minutes.stop()

    def _say_counts(self) -> bool:
        counted, self._counts = self._counts, {}
        for kind, counts in counted.items():
            if not counts:
                continue
            self._counts[kind] = Counter()  # goes on: the next ones are counted, not said
            self._log.warn(
                "{kind} It happened {times} times more within a minute, at {places} addresses, most often {most}.",
                kind=kind,
                times=counts.total(),
                places=len(counts),
                most=", ".join(f"{_shown(address)} ({times})" for address, times in counts.most_common(_SHOWN)),
            )
        return bool(self._counts)


def _shown(address: str) -> str:
    return escaped(address, _LONGEST)
