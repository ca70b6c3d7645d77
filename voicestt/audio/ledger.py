"""The account of a call's audio: what came, who got it, what became of it, and the rest, kept to be sent again.

Pure; in bytes of mu-law since the call's start, so positions are times (1/8000 s).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Audio that nothing has covered yet, and the position of its first byte."""

    start: int
    audio: bytes


@dataclass(frozen=True, slots=True)
class Handing:
    """What one stream was given: bytes [start, end) of the call."""

    stream: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AudioTotals:
    """What became of a call's bytes: received = recognised + passed_over + given_up + uncovered, always.

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
        """How much audio was sent to Google, which bills for it: in streams, and in requests of one utterance."""
        return self.handed + self.requested

    @property
    def sent_again(self) -> int:
        """How many bytes more were given to recognisers than came."""
        return max(0, self.handed - self.received)


class AudioSource(Protocol):
    """A call's audio as a stream needs it: a ledger, or the later part of one."""

    @property
    def most(self) -> int:
        """How many bytes are kept at most."""
        ...

    @property
    def start(self) -> int:
        """The position of the first byte that nothing has covered."""
        ...

    @property
    def received(self) -> int:
        """The position after the last byte that came."""
        ...

    @property
    def forgotten(self) -> int:
        """The position up to which audio was let go; what a stream says of it comes too late."""
        ...

    @property
    def kept(self) -> int:
        """How many bytes nothing has covered yet."""
        ...

    @property
    def streams(self) -> int:
        """The highest number of a stream that was given something."""
        ...

    def hand(self, stream: int, start: int, end: int) -> None:
        """Bytes [start, end) were given to a stream, in order."""
        ...

    def request(self, length: int) -> None:
        """An utterance of so many bytes was asked for in a request of its own."""
        ...

    def cover(self, end: int) -> None:
        """A final reaches up to `end`."""
        ...

    def pass_over(self, end: int) -> None:
        """There are no words up to `end`."""
        ...

    def give_up(self, end: int) -> None:
        """Nobody could say what the words up to `end` are."""
        ...

    def uncovered(self) -> Uncovered:
        """What nothing has covered yet."""
        ...

    def read(self, start: int, most: int) -> bytes:
        """At most `most` bytes from position `start` on."""
        ...


class RetainedAudioLimit:
    """A bound on what all ledgers of the process keep together, in bytes.

    Beyond it the ledger that keeps most lets its oldest second go, and again, until it is enough.
    """

    _STEP = 8_000

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = 0
        self._ledgers: set[Ledger] = set()

    @property
    def kept(self) -> int:
        """How many bytes all ledgers keep."""
        return self._kept

    def join(self, ledger: "Ledger") -> None:
        """Count what `ledger` keeps."""
        self._ledgers.add(ledger)

    def leave(self, ledger: "Ledger") -> None:
        """The call is over."""
        if ledger in self._ledgers:
            self._ledgers.discard(ledger)
            self._kept -= ledger.kept

    def changed(self, by: int) -> None:
        """A ledger that has joined keeps `by` bytes more."""
        self._kept += by

    def enforce(self) -> None:
        """Let go of what is too much."""
        while self._kept > self._most:
            longest = max(self._ledgers, key=lambda ledger: ledger.kept)
            longest.let_go(longest.start + self._STEP)


class Ledger:
    """Keeps what nothing has covered, at most `most` bytes of it, the oldest let go first.

    Whatever happens, every byte is in exactly one place of the account, in order, and what is kept is what is
    between `start` and `received`. What is let go is given up there and then: `forgot` is told from where to
    where.
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
        self._handings: deque[Handing] = deque(maxlen=64)
        if retention is not None:
            retention.join(self)

    @property
    def most(self) -> int:
        """How many bytes are kept at most."""
        return self._most

    @property
    def start(self) -> int:
        """The position of the first byte that is kept."""
        return self._start

    @property
    def received(self) -> int:
        """The position after the last byte that came."""
        return self._received

    @property
    def forgotten(self) -> int:
        """The position up to which audio was let go; what a stream says of it comes too late."""
        return self._let_go_to

    @property
    def kept(self) -> int:
        """How many bytes are kept: what nothing has covered yet."""
        return self._received - self._start

    @property
    def streams(self) -> int:
        """The highest number of a stream that was given something."""
        return self._streams

    @property
    def account(self) -> AudioTotals:
        """What became of everything so far."""
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

    @property
    def handings(self) -> tuple[Handing, ...]:
        """What the last streams were given."""
        return tuple(self._handings)

    def receive(self, audio: bytes) -> None:
        """More audio from the line."""
        self._kept.append(audio)
        self._received += len(audio)
        self._count(len(audio))
        excess = self.kept - self._most
        if excess > 0:
            self.let_go(self._start + excess)
        if self._retention is not None:
            self._retention.enforce()

    def let_go(self, end: int) -> None:
        """Nobody can be given what is before `end` any more; `forgot` is told."""
        start = self._start
        self.give_up(end)
        if self._start > start:
            self._let_go_to = self._start
            self._forgot(start, self._start)

    def close(self) -> None:
        """The call is over: what is kept counts no more."""
        if self._retention is not None:
            self._retention.leave(self)
            self._retention = None

    def hand(self, stream: int, start: int, end: int) -> None:
        """Bytes [start, end) were given to a stream, in order."""
        last = self._handings[-1] if self._handings else None
        if last is not None and last.stream == stream and last.end == start:
            self._handings[-1] = Handing(stream, last.start, end)
        else:
            self._handings.append(Handing(stream, start, end))
        self._handed += end - start
        self._streams = max(stream, self._streams)

    def request(self, length: int) -> None:
        """An utterance of so many bytes was asked for in a request of its own."""
        self._requested += length

    def cover(self, end: int) -> None:
        """A final reaches up to `end`; what is before it need not be kept. Beyond what came counts as all."""
        self._recognised += self._settle(end)

    def pass_over(self, end: int) -> None:
        """There are no words up to `end`: it is silent, or a recogniser has said so."""
        self._passed_over += self._settle(end)

    def give_up(self, end: int) -> None:
        """Nobody could say what the words up to `end` are."""
        self._given_up += self._settle(end)

    def uncovered(self) -> Uncovered:
        """What is kept."""
        return Uncovered(self._start, b"".join(self._kept))

    def read(self, start: int, most: int) -> bytes:
        """At most `most` of the bytes kept from position `start` on; `start` must not be forgotten yet."""
        if start < self._start:
            raise ValueError(f"the bytes from {start} on are forgotten; kept are those from {self._start} on")
        wanted = []
        position = self._start
        for part in self._kept:
            end = position + len(part)
            if end > start:
                wanted.append(part[max(0, start - position) :])
            position = end
            if end >= start + most:
                break
        return b"".join(wanted)[:most]

    def _settle(self, end: int) -> int:
        """What is before `end` has its place in the account; how many bytes that concerns."""
        before = self._settled
        self._settled = max(before, min(end, self._received))
        self._forget(self._settled)
        return self._settled - before

    def _count(self, more: int) -> None:
        if self._retention is not None:
            self._retention.changed(more)

    def _forget(self, end: int) -> None:
        self._count(self._start - max(self._start, end))
        while self._start < end:
            first = self._kept.popleft()
            surplus = self._start + len(first) - end
            if surplus > 0:
                self._kept.appendleft(first[-surplus:])
                self._start = end
            else:
                self._start += len(first)


class LedgerPart:
    """The part of a call's ledger from `start` on, while something before it is still being recognised.

    It is an AudioSource; what it settles is settled in the ledger when everything before it is (`merge`).
    """

    def __init__(self, ledger: Ledger, start: int) -> None:
        self._ledger = ledger
        self._start = start
        self._settlements: list[tuple[Callable[[int], None], int]] | None = []

    @property
    def most(self) -> int:
        """How many bytes are kept at most."""
        return self._ledger.most

    @property
    def start(self) -> int:
        """The position of the first byte that nothing has covered."""
        return max(self._start, self._ledger.start)

    @property
    def received(self) -> int:
        """The position after the last byte that came."""
        return self._ledger.received

    @property
    def forgotten(self) -> int:
        """The position up to which audio was let go; what a stream says of it comes too late."""
        return self._ledger.forgotten

    @property
    def kept(self) -> int:
        """How many bytes nothing has covered yet."""
        return self.received - self.start

    @property
    def streams(self) -> int:
        """The highest number of a stream that was given something."""
        return self._ledger.streams

    def hand(self, stream: int, start: int, end: int) -> None:
        """Bytes [start, end) were given to a stream, in order."""
        self._ledger.hand(stream, start, end)

    def request(self, length: int) -> None:
        """An utterance of so many bytes was asked for in a request of its own."""
        self._ledger.request(length)

    def cover(self, end: int) -> None:
        """A final reaches up to `end`."""
        self._settle(self._ledger.cover, end)

    def pass_over(self, end: int) -> None:
        """There are no words up to `end`."""
        self._settle(self._ledger.pass_over, end)

    def give_up(self, end: int) -> None:
        """Nobody could say what the words up to `end` are."""
        self._settle(self._ledger.give_up, end)

    def uncovered(self) -> Uncovered:
        """What nothing has covered yet."""
        return Uncovered(self.start, self._ledger.read(self.start, self.kept))

    def read(self, start: int, most: int) -> bytes:
        """At most `most` bytes from position `start` on."""
        return self._ledger.read(start, most)

    def merge(self) -> None:
        """Everything before it is settled: so is, from here on, what it settles."""
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
