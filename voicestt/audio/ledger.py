"""The ledger of a call's audio: its bytes, their recipients, their outcome, and those kept to be sent again.

Pure; in bytes of mu-law since the call's start, so positions are times (1/8000 s).
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Audio that no final has covered yet, and the position of its first byte."""

    start: int
    audio: bytes


@dataclass(frozen=True, slots=True)
class AudioTotals:
    """Totals of a call's bytes: received = recognised + passed_over + given_up + uncovered, always.

    `recognised` are covered by finals; in `passed_over` a recogniser found no words; `given_up` were kept too long
    without an answer, or nobody could recognise them; `uncovered` wait for an answer. `handed` counts every byte
    given to a stream, so `handed` can be more than `received`: by what was sent again. `requested` counts the
    bytes of utterances that were asked for in a request of their own, each once, whatever became of the request.
    """

    received: int = 0
    recognised: int = 0
    passed_over: int = 0
    given_up: int = 0
    uncovered: int = 0
    handed: int = 0
    streams: int = 0
    requested: int = 0

    @property
    def google_bytes(self) -> int:
        """Bytes sent to Google, which bills for them: in streams, and in requests of one utterance."""
        return self.handed + self.requested

    @property
    def sent_again(self) -> int:
        """Bytes given to recognisers beyond those received."""
        return max(0, self.handed - self.received)


def total(accounts: Iterable[AudioTotals]) -> AudioTotals:
    """Add up the totals of several calls."""
    columns = zip(*map(astuple, [AudioTotals(), *accounts]), strict=True)
    return AudioTotals(*map(sum, columns))


class RetainedAudioLimit:
    """A limit on the bytes that all ledgers of the process keep together.

    Beyond it the ledger that keeps most lets its oldest second go, and again, until it is enough.
    """

    _STEP = 8_000

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = 0
        self._ledgers: set[Ledger] = set()

    @property
    def kept(self) -> int:
        """The number of bytes that all ledgers keep."""
        return self._kept

    def join(self, ledger: "Ledger") -> None:
        """Count the bytes that `ledger` keeps."""
        self._ledgers.add(ledger)

    def leave(self, ledger: "Ledger") -> None:
        """Stop counting `ledger`, whose call is over."""
        if ledger in self._ledgers:
            self._ledgers.discard(ledger)
            self._kept -= ledger.kept

    def changed(self, by: int) -> None:
        """Add `by` bytes to the count for a ledger that has joined."""
        self._kept += by

    def enforce(self) -> None:
        """Let go of audio until the limit holds."""
        while self._kept > self._most:
            longest = max(self._ledgers, key=lambda ledger: ledger.kept)
            longest.let_go(longest.start + self._STEP)


class Ledger:
    """A call's ledger: keeps at most `most` bytes of audio that is not settled, and lets the oldest go first.

    Every byte is always in exactly one place of the totals, in order; those from `start` to `received` are kept.
    Bytes that are let go are given up at once: `forgot` is told their start and end.
    """

    def __init__(
        self,
        most: int,
        forgot: Callable[[int, int], object] = lambda _start, _end: None,
        retention: RetainedAudioLimit | None = None,
    ) -> None:
        self._most = most
        self._forgot = forgot
        self._retention = retention
        self._kept: deque[bytes] = deque()
        self._recognised = self._passed_over = self._given_up = 0
        self._handed = self._streams = self._requested = 0
        self._settled = 0
        self._start = 0
        self._received = 0
        self._let_go_to = 0
        if retention is not None:
            retention.join(self)

    @property
    def most(self) -> int:
        """The most bytes that are kept."""
        return self._most

    @property
    def start(self) -> int:
        """The position of the first byte that is kept."""
        return self._start

    @property
    def received(self) -> int:
        """The position after the last byte received."""
        return self._received

    @property
    def forgotten(self) -> int:
        """The position up to which audio was let go; results for it come too late."""
        return self._let_go_to

    @property
    def kept(self) -> int:
        """The number of bytes kept, which are not settled yet."""
        return self._received - self._start

    @property
    def streams(self) -> int:
        """The highest number of a stream that was given audio."""
        return self._streams

    @property
    def totals(self) -> AudioTotals:
        """Totals of the call's audio so far."""
        return AudioTotals(
            received=self._received,
            recognised=self._recognised,
            passed_over=self._passed_over,
            given_up=self._given_up,
            uncovered=self.kept,
            handed=self._handed,
            streams=self._streams,
            requested=self._requested,
        )

    def receive(self, audio: bytes) -> None:
        """Receive audio from the line; let the oldest go if too much is kept."""
        self._kept.append(audio)
        self._received += len(audio)
        self._count(len(audio))
        excess = self.kept - self._most
        if excess > 0:
            self.let_go(self._start + excess)
        if self._retention is not None:
            self._retention.enforce()

    def let_go(self, end: int) -> None:
        """Give up the audio before `end`, which can no longer be sent to anybody, and tell `forgot`."""
        start = self._start
        self.give_up(end)
        if self._start > start:
            self._let_go_to = self._start
            self._forgot(start, self._start)

    def close(self) -> None:
        """Stop counting the kept audio in the process's limit, because the call is over."""
        if self._retention is not None:
            self._retention.leave(self)
            self._retention = None

    def hand(self, stream: int, start: int, end: int) -> None:
        """Note that bytes [start, end) were given to a stream, in order."""
        self._handed += end - start
        self._streams = max(stream, self._streams)

    def request(self, length: int) -> None:
        """Note that an utterance of `length` bytes was sent in a request of its own."""
        self._requested += length

    def cover(self, end: int) -> None:
        """Settle the audio up to `end` as recognised, and forget it; beyond the received audio means all."""
        self._recognised += self._settle(end)

    def pass_over(self, end: int) -> None:
        """Settle the audio up to `end` as without words: it is silent, or a recogniser has said so."""
        self._passed_over += self._settle(end)

    def give_up(self, end: int) -> None:
        """Settle the audio up to `end` as given up: its words could not be recognised."""
        self._given_up += self._settle(end)

    def uncovered(self) -> Uncovered:
        """Return the audio that is kept."""
        return Uncovered(self._start, b"".join(self._kept))

    def read(self, start: int, most: int) -> bytes:
        """Return at most `most` kept bytes from position `start` on, which must not be forgotten."""
        if start < self._start:
            raise ValueError(f"the bytes from {start} on are forgotten; kept are those from {self._start} on")
        wanted = deque[bytes]()
        position = self._received
        for part in reversed(self._kept):  # as a rule it is the newest audio that is read
            if position <= start:
                break
            position -= len(part)
            if position < start + most:
                wanted.appendleft(part)
        before = max(0, start - position)
        return b"".join(wanted)[before : before + most]

    def _settle(self, end: int) -> int:
        """Settle and forget the audio before `end`; return the number of bytes newly settled."""
        before = self._settled
        self._settled = max(before, min(end, self._received))
        self._forget(self._settled)
        return self._settled - before

    def _count(self, more: int) -> None:
        if self._retention is not None:
            self._retention.changed(more)

    def _forget(self, end: int) -> None:
        start, kept = self._start, self._kept
        while start < end:
            first = kept.popleft()
            start += len(first)
            if start > end:
                kept.appendleft(first[end - start :])
                start = end
        self._count(self._start - start)
        self._start = start
