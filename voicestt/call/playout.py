"""Playout of audio to one caller: little of it is on its way at any time, so `clear` acts at once.

Twilio plays what it gets in order, from a buffer of its own. Were everything sent at once, it would all lie there,
and marks and silences would be a matter of round trips; were each 20 ms sent at their hour, every hiccup of the
network would be heard. So about 200 ms are ahead of the caller's ear, and the rest waits here.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from voicestt.audio import mulaw
from voicestt.call.hearing import HeardAudio, HearingTrack
from voicestt.call.line import MOST_WAITING_SECONDS, TooMuchAudio
from voicestt.runtime.clock import Clock, Timer

LEAD_SECONDS = 0.2
"""This much is on its way to the caller's ear at most."""

PIECE_BYTES = 800
"""One message: 100 ms."""

FIRST_BYTES = 160
"""The message that breaks a silence: 20 ms, as every frame that Twilio sends."""

_ENOUGH_SECONDS = LEAD_SECONDS - PIECE_BYTES / mulaw.BYTES_PER_SECOND
_GRID = 0.02  # seconds: calls that speak at the same time wake the reactor together
_HAIR = 1e-6


class PlayoutSink(Protocol):
    """The way to Twilio, on which each message leaves at once, in order."""

    def media(self, audio: bytes) -> None:
        """Send audio to be played after what was sent before."""
        ...

    def mark(self, name: str) -> None:
        """Send a mark, which comes back when what was sent before it has been played."""
        ...

    def clear(self) -> None:
        """Clear Twilio's buffer: drop what was sent and not played yet; its marks come back."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _PendingMark:
    name: str
    reached: Callable[[bool], None]


class _Queue:
    """A queue of audio with marks in it, in order; `bytes` of audio wait."""

    def __init__(self) -> None:
        self.bytes = 0
        self._items: deque[memoryview | _PendingMark] = deque()

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, audio: bytes) -> None:
        if audio:
            self.bytes += len(audio)
            self._items.append(memoryview(bytes(audio)))

    def add_mark(self, mark: _PendingMark) -> None:
        self._items.append(mark)

    def next_mark(self) -> _PendingMark | None:
        """Take and return the next item if it is a mark; None otherwise."""
        if self._items and isinstance(item := self._items[0], _PendingMark):
            self._items.popleft()
            return item
        return None

    def take(self, most: int) -> bytes:
        """Take and return the audio before the next mark, `most` bytes or fewer."""
        audio = b"".join(self._pieces(most))
        self.bytes -= len(audio)
        return audio

    def drop(self) -> list[_PendingMark]:
        """Drop everything; return the marks that waited."""
        marks = [item for item in self._items if isinstance(item, _PendingMark)]
        self._items.clear()
        self.bytes = 0
        return marks

    def _pieces(self, most: int) -> Iterator[memoryview]:
        while most and self._items and isinstance(item := self._items[0], memoryview):
            self._items.popleft()
            if len(item) > most:
                self._items.appendleft(item[most:])
            yield item[:most]
            most -= min(most, len(item))


class Playout:
    """Playout of one caller's audio and marks, to the end of the call.

    Marks have names of our own on the wire, 1, 2, 3 and on: an application may give two of its marks one name, and
    Twilio returns those of before a `clear` after it. `heard` is told what the caller heard, piece by piece.
    """

    def __init__(
        self, clock: Clock, sink: PlayoutSink, heard: Callable[[HeardAudio], object] = lambda _heard: None
    ) -> None:
        self._clock = clock
        self._sink = sink
        self._timer = Timer(clock)
        self._queue = _Queue()
        self._silent_from = clock.seconds()
        self._is_held = False
        self._is_clear = True
        self._marks = 0
        self._sent: dict[str, _PendingMark] = {}
        self._to_return: set[str] = set()
        self._hearing = HearingTrack(clock, heard)

    @property
    def waiting(self) -> float:
        """Seconds of audio that have not been played yet, as far as our own clock knows."""
        return mulaw.seconds(self._queue.bytes) + self._ahead

    def say(self, audio: bytes, text: str | None = None) -> None:
        """Play `audio` after what waits already; `text` is what it says, None if that is not known.

        Raises:
            TooMuchAudio: if more than `MOST_WAITING_SECONDS` would wait; none of it will be played.
        """
        if self.waiting + mulaw.seconds(len(audio)) > MOST_WAITING_SECONDS:
            raise TooMuchAudio(
                f"{mulaw.seconds(len(audio)):.0f} s were to be said while {self.waiting:.0f} s wait, and at most "
                f"{MOST_WAITING_SECONDS} s may: wait for a mark, or clear"
            )
        self._queue.add(audio)
        self._hearing.said(len(audio), text)
        self._send()

    def mark(self, reached: Callable[[bool], None]) -> None:
        """Set a mark; `reached` is called once: False if all said before was played, True if it was cleared."""
        self._marks += 1
        self._queue.add_mark(_PendingMark(str(self._marks), reached))
        self._hearing.marked()
        self._send()

    def clear(self) -> None:
        """Fall silent at once; every pending mark is reached as cleared.

        That is so from now on, whatever Twilio still sends back: the marks that it has return for nothing.
        """
        marks = self._forget()
        if not self._is_clear:
            self._is_clear = True
            self._sink.clear()
        self._hearing.cut()
        _reach(marks)

    def returned(self, name: str) -> bool:
        """Take a mark that Twilio sent back; False if it is none that was sent and not returned yet."""
        mark = self._sent.pop(name, None)
        if mark is not None:
            mark.reached(False)
            return True
        if name in self._to_return:
            self._to_return.discard(name)
            return True
        return False

    def hold(self) -> None:
        """Hold everything but a `clear`, because the network takes no more."""
        self._is_held = True
        self._timer.cancel()

    def resume(self) -> None:
        """Send again, because the network takes more."""
        self._is_held = False
        self._send()

    def end(self) -> None:
        """Send nothing more, because the call is over; every pending mark is reached as cleared."""
        marks = self._forget()
        self._hearing.cut()
        _reach(marks)

    @property
    def _ahead(self) -> float:
        """Seconds of audio that were sent and not played yet."""
        return max(0.0, self._silent_from - self._clock.seconds())

    def _send(self) -> None:
        """Send what may leave now, and set a timer for the rest."""
        while self._queue and not self._is_held:
            mark = self._queue.next_mark()
            if mark is not None:
                self._send_mark(mark)
                continue
            ahead = self._ahead
            if ahead > _ENOUGH_SECONDS + _HAIR:
                self._timer.set(self._to_grid(ahead - _ENOUGH_SECONDS), self._send)
                return
            self._send_audio(self._queue.take(PIECE_BYTES if ahead else FIRST_BYTES))

    def _send_audio(self, audio: bytes) -> None:
        self._is_clear = False
        heard_from = max(self._silent_from, self._clock.seconds())
        self._silent_from = heard_from + mulaw.seconds(len(audio))
        self._hearing.sent(len(audio), heard_from)
        self._sink.media(audio)

    def _send_mark(self, mark: _PendingMark) -> None:
        self._is_clear = False
        self._sent[mark.name] = mark
        self._sink.mark(mark.name)

    def _to_grid(self, delay: float) -> float:
        now = self._clock.seconds()
        return -(-(now + delay - _HAIR) // _GRID) * _GRID - now

    def _forget(self) -> list[_PendingMark]:
        self._timer.cancel()
        self._silent_from = self._clock.seconds()
        marks = [*self._sent.values(), *self._queue.drop()]
        self._to_return.update(self._sent)
        self._sent.clear()
        return marks


def _reach(marks: list[_PendingMark]) -> None:
    for mark in marks:
        mark.reached(True)


class PlayoutLine:
    """The speaking half of a `voicestt.call.line.Line`; without effect while it has no playout."""

    _playout: Playout | None = None

    @property
    def is_open(self) -> bool:
        """True while anything can still be said."""
        return self._playout is not None

    @property
    def waiting(self) -> float:
        """Seconds of audio that were said and not played yet, as far as our own clock knows."""
        return 0.0 if self._playout is None else self._playout.waiting

    def say(self, audio: bytes, text: str | None = None) -> None:
        """Play `audio`, any length, after what waits already; `text` is what it says, if that is known.

        Raises:
            TooMuchAudio: if more than `MOST_WAITING_SECONDS` would wait.
        """
        if self._playout is not None:
            self._playout.say(audio, text)

    def clear(self) -> None:
        """Fall silent at once: drop the audio that waits; pending marks are reached as cleared."""
        if self._playout is not None:
            self._playout.clear()

    def mark(self, name: str, reached: Callable[[bool], None]) -> None:
        """Set a mark; `reached` is called once: False if all said before was played, True if it was cleared."""

        def tell(cleared: bool) -> None:
            self._tell_mark(name, cleared)
            reached(cleared)

        if self._playout is None:
            tell(True)
        else:
            self._playout.mark(tell)

    def close(self) -> None:
        """End the line: nothing more is played, and pending marks are reached as cleared."""
        playout, self._playout = self._playout, None
        if playout is not None:
            playout.end()

    def _tell_mark(self, name: str, cleared: bool) -> None:
        """Tell the call that a mark was reached, before whoever set it; for subclasses."""

    def _tell_heard(self, heard: HeardAudio) -> None:
        """Tell the call what the caller heard of what was said; for subclasses."""
