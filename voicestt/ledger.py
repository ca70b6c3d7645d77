"""The account of a call's audio: what came, what finals have covered, and the rest, kept to be sent again.

Pure; in bytes of mu-law since the call's start, so positions are times (1/8000 s).
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Audio that no final has covered yet, and the position of its first byte."""

    start: int
    audio: bytes


class Ledger:
    """Keeps what no final has covered, at most `most` bytes of it, oldest given up first.

    Whatever happens: received = covered or given up + kept, in order, and no byte is in two of them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[bytes] = deque()
        self._start = 0
        self.received = 0
        self.given_up = 0

    @property
    def start(self) -> int:
        """The position of the first byte that is kept."""
        return self._start

    def receive(self, audio: bytes) -> None:
        """More audio from the line."""
        self._kept.append(audio)
        self.received += len(audio)
        excess = self.received - self._start - self._most
        if excess > 0:
            self.given_up += excess
            self._forget(self._start + excess)

    def cover(self, end: int) -> None:
        """A final reaches up to `end`; what is before it need not be kept. Beyond what came counts as all."""
        self._forget(min(end, self.received))

    def uncovered(self) -> Uncovered:
        """What is kept."""
        return Uncovered(self._start, b"".join(self._kept))

    def _forget(self, end: int) -> None:
        while self._start < end:
            first = self._kept.popleft()
            surplus = self._start + len(first) - end
            if surplus > 0:
                self._kept.appendleft(first[-surplus:])
                self._start = end
                return
            self._start += len(first)
