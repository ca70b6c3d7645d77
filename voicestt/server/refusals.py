"""Log of refusals, counted by kind and address and written once a minute: strangers cannot fill the log."""

from collections import Counter
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from voicestt.runtime.escaping import escaped
from voicestt.server.connections import place

MINUTE: Final = 60.0
_MOST_ADDRESSES: Final = 1_000
_SHOWN: Final = 3
_LONGEST: Final = 60
_OTHERS: Final = "others"


class Refusals:
    """Logs the first refusal of a kind at once, in words; those that follow are counted.

    They are counted by `place`: who has one address of IPv6 has 2**64 of them.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._counts: dict[str, Counter[str]] = {}
        self._saying: IDelayedCall | None = None
        self.total = 0

    def count(self, kind: str, address: str, hint: str) -> None:
        """Count a refusal of `address`. `kind` is the beginning of a sentence; `hint` explains it."""
        self.total += 1
        counts = self._counts.get(kind)
        if counts is None:
            self._counts[kind] = Counter()
            self._log.warn("{kind} It came from {address}. {hint}", kind=kind, address=_shown(address), hint=hint)
            if self._saying is None:
                self._saying = self._clock.callLater(MINUTE, self._say)
            return
        counted = place(address)
        known = counted in counts or len(counts) < _MOST_ADDRESSES
        counts[counted if known else _OTHERS] += 1

    def stop(self) -> None:
        """Log the counts that were not logged yet."""
        self._say_counts()
        if self._saying is not None and self._saying.active():
            self._saying.cancel()
            self._saying = None

    def _say(self) -> None:
        self._saying = None
        self._say_counts()
        if self._counts:
            self._saying = self._clock.callLater(MINUTE, self._say)

    def _say_counts(self) -> None:
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


def _shown(address: str) -> str:
    return escaped(address, _LONGEST)
