"""A call's audio as a stream of it needs it: the whole ledger, or the later part of one. Pure."""

from collections.abc import Callable
from typing import Protocol

from voicestt.audio.ledger import Ledger, Uncovered


class AudioSource(Protocol):
    """A call's audio as a stream needs it: a ledger, or the later part of one."""

    @property
    def most(self) -> int:
        """The most bytes that are kept."""
        ...

    @property
    def start(self) -> int:
        """The position of the first byte that is not settled."""
        ...

    @property
    def received(self) -> int:
        """The position after the last byte received."""
        ...

    @property
    def forgotten(self) -> int:
        """The position up to which audio was let go; results for it come too late."""
        ...

    @property
    def kept(self) -> int:
        """The number of bytes not settled yet."""
        ...

    @property
    def streams(self) -> int:
        """The highest number of a stream that was given audio."""
        ...

    def hand(self, stream: int, start: int, end: int) -> None:
        """Note that bytes [start, end) were given to a stream, in order."""
        ...

    def request(self, length: int) -> None:
        """Note that an utterance of `length` bytes was sent in a request of its own."""
        ...

    def cover(self, end: int) -> None:
        """Settle the audio up to `end` as recognised: a final reaches so far."""
        ...

    def pass_over(self, end: int) -> None:
        """Settle the audio up to `end` as without words."""
        ...

    def give_up(self, end: int) -> None:
        """Settle the audio up to `end` as given up: its words could not be recognised."""
        ...

    def uncovered(self) -> Uncovered:
        """Return the audio that is not settled yet."""
        ...

    def read(self, start: int, most: int) -> bytes:
        """Return at most `most` bytes from position `start` on."""
        ...


class LedgerPart:
    """The part of a call's ledger from `start` on, while audio before it is still being recognised.

    It is an AudioSource; its settlements reach the ledger when all audio before it is settled (`merge`).
    """

    def __init__(self, ledger: Ledger, start: int) -> None:
        self._ledger = ledger
        self._start = start
        self._settlements: list[tuple[Callable[[int], None], int]] | None = []

    @property
    def most(self) -> int:
        """The most bytes that are kept."""
        return self._ledger.most

    @property
    def start(self) -> int:
        """The position of the first byte that is not settled."""
        return max(self._start, self._ledger.start)

    @property
    def received(self) -> int:
        """The position after the last byte received."""
        return self._ledger.received

    @property
    def forgotten(self) -> int:
        """The position up to which audio was let go; results for it come too late."""
        return self._ledger.forgotten

    @property
    def kept(self) -> int:
        """The number of bytes not settled yet."""
        return self.received - self.start

    @property
    def streams(self) -> int:
        """The highest number of a stream that was given audio."""
        return self._ledger.streams

    def hand(self, stream: int, start: int, end: int) -> None:
        """Note that bytes [start, end) were given to a stream, in order."""
        self._ledger.hand(stream, start, end)

    def request(self, length: int) -> None:
        """Note that an utterance of `length` bytes was sent in a request of its own."""
        self._ledger.request(length)

    def cover(self, end: int) -> None:
        """Settle the audio up to `end` as recognised: a final reaches so far."""
        self._settle(self._ledger.cover, end)

    def pass_over(self, end: int) -> None:
        """Settle the audio up to `end` as without words."""
        self._settle(self._ledger.pass_over, end)

    def give_up(self, end: int) -> None:
        """Settle the audio up to `end` as given up: its words could not be recognised."""
        self._settle(self._ledger.give_up, end)

    def uncovered(self) -> Uncovered:
        """Return the audio that is not settled yet."""
        return Uncovered(self.start, self._ledger.read(self.start, self.kept))

    def read(self, start: int, most: int) -> bytes:
        """Return at most `most` bytes from position `start` on."""
        return self._ledger.read(start, most)

    def merge(self) -> None:
        """Pass the part's settlements on to the ledger, now and from here on: all audio before it is settled."""
        settlements, self._settlements = self._settlements or [], None
        for settle, end in settlements:
            settle(end)

    def _settle(self, settle: Callable[[int], None], end: int) -> None:
        if self._settlements is None:
            settle(end)
        elif end > self._start:
            if self._settlements and self._settlements[-1][0] == settle:
                self._settlements.pop()
            self._settlements.append((settle, min(end, self.received)))
        self._start = max(self._start, min(end, self.received))
