"""Audio that carries its own place: which call it belongs to, and where in the call each piece of it lies."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """An unbroken stretch of a call's audio as one stream received it, in samples.

    `start` and `end` are positions in the call, `offset` is where in the stream the stretch began.
    """

    start: int
    end: int
    offset: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it has come."""
        return self.start == self.end

    def offset_of(self, position: int) -> int:
        """Where in the stream a position of the call lies."""
        return self.offset + position - self.start


class Tracker:
    """Follows one stream's audio through the call."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._count = 0

    def feed(self, pcm: bytes) -> Iterator[Span]:
        """More LINEAR16 audio; gives the stretch that is received now."""
        self._count += len(pcm) // 2
        yield Span(0, self._count, 0)

    def finish(self) -> Iterator[Span]:
        """No more audio."""
        yield from ()
