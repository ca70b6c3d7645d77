"""The account of a call's audio: what came, who got it, what became of it, and the rest, kept to be sent again.

Pure; in bytes of mu-law since the call's start, so positions are times (1/8000 s).
"""

from collections import deque
from dataclasses import dataclass


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
class Account:
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


class Ledger:
    """Keeps what nothing has covered, at most `most` bytes of it, the oldest let go first.

    Whatever happens, every byte is in exactly one place of the account, in order, and what is kept is what is
    between `start` and `received`. What was let go counts as given up until a final covers it after all: a stream
    that has had it may still be working on it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[bytes] = deque()
        self._recognised = self._passed_over = self._given_up = 0
        self._handed = self._streams = self._requested = 0
        self._settled = 0
        self._start = 0
        self._received = 0
        self._handings: deque[Handing] = deque(maxlen=64)

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
    def kept(self) -> int:
        """How many bytes are kept: what nothing has covered yet."""
        return self._received - self._start

    @property
    def streams(self) -> int:
        """The highest number of a stream that was given something."""
        return self._streams

    @property
    def account(self) -> Account:
        """What became of everything so far."""
        return Account(
            received=self._received,
            recognised=self._recognised,
            passed_over=self._passed_over,
            given_up=self._given_up + self._start - self._settled,
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
        excess = self.kept - self._most
        if excess > 0:
            self._forget(self._start + excess)

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

    def _forget(self, end: int) -> None:
        while self._start < end:
            first = self._kept.popleft()
            surplus = self._start + len(first) - end
            if surplus > 0:
                self._kept.appendleft(first[-surplus:])
                self._start = end
            else:
                self._start += len(first)
