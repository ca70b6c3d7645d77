"""The schedule of a call: due times of its frames, pauses, keys and bad messages in between; and who keeps it.

Times are seconds. `at` is always a place in the call's audio, so that what is asked for stays where it was asked
for whatever the length of the frames is and however long the line is on hold.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from voicestt.audio.mulaw import BYTES_PER_SECOND

KEY_SECONDS = 0.25
_KEYS = frozenset("0123456789*#ABCD")
_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of the line, on hold: no frames for `seconds`, the socket stays open."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Insert:
    """A message between two frames: `kind` is "dtmf" or a kind of `bad_input.KINDS`, `detail` the key."""

    at: float
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The due times of the frames, each of `frame_ms` milliseconds."""

    frame_ms: int = 20
    pauses: tuple[Pause, ...] = ()

    @property
    def frame_seconds(self) -> float:
        """The duration of a frame, in seconds."""
        return self.frame_ms / 1000

    @property
    def frame_bytes(self) -> int:
        """The size of a frame in bytes of mu-law."""
        return self.frame_ms * BYTES_PER_SECOND // 1000

    def held_before(self, number: int) -> float:
        """Return the seconds that the line was on hold before frame `number` (from 0) is due."""
        at = number * self.frame_seconds + _HAIR
        return sum(pause.seconds for pause in self.pauses if pause.at <= at)

    def due(self, number: int) -> float:
        """Return the due time of a frame, in seconds after the stream was opened."""
        return number * self.frame_seconds + self.held_before(number)

    def frames_before(self, seconds: float, most: int) -> int:
        """Count the frames, of at most `most`, that are due earlier than `seconds`."""
        first, last = 0, most
        while first < last:
            middle = (first + last) // 2
            if self.due(middle) < seconds - _HAIR:
                first = middle + 1
            else:
                last = middle
        return first

    def before_frames(self, inserts: Iterable[Insert], frames: int) -> Mapping[int, list[Insert]]:
        """Map frame numbers to the inserts sent before them; later inserts come after the last frame."""
        table: dict[int, list[Insert]] = defaultdict(list)
        for insert in sorted(inserts, key=lambda each: each.at):
            table[min(frames, math.ceil(insert.at / self.frame_seconds - _HAIR))].append(insert)
        return table


EVERY_20_MS = Schedule()
"""The schedule of Twilio itself."""


def parse_pause(text: str) -> Pause:
    """Parse AT:SECONDS, such as "3:12.5"; raise ValueError in words."""
    at, _, length = text.partition(":")
    return Pause(_seconds(at, text), _seconds(length, text))


def parse_dtmf(text: str) -> tuple[Insert, ...]:
    """Parse AT:DIGITS, such as "2.5:42#": the keys follow one another every quarter of a second.

    Raises ValueError in words.
    """
    at, _, keys = text.partition(":")
    if not keys or not _KEYS.issuperset(keys.upper()):
        raise ValueError(f"{text!r} is not AT:DIGITS: the keys of a telephone are 0 to 9, *, #, and A to D")
    begins = _seconds(at, text)
    return tuple(Insert(begins + n * KEY_SECONDS, "dtmf", key) for n, key in enumerate(keys.upper()))


def _seconds(part: str, text: str) -> float:
    try:
        seconds = float(part)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{text!r} has no number of seconds where {part!r} stands")
    return seconds


class Pacer:
    """Calls `send(number)` for `count` frames on an absolute clock; late frames are caught up with, none lost.

    `clock` schedules, `monotonic` tells the time: a reactor's own time may jump when the machine's is set.
    `due` gives a frame's due time in seconds after the start; it must not fall.
    """

    def __init__(
        self, clock: IReactorTime, monotonic: Callable[[], float], due: Callable[[int], float] = EVERY_20_MS.due
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._due_after_start = due
        self._timer: IDelayedCall | None = None
        self._done: Deferred[None] | None = None
        self.latest = 0.0

    async def run(self, count: int, send: Callable[[int], None], end: float | None = None) -> None:
        """Send the frames; return when one more would be due, at `end` seconds, or after `stop`."""
        self._count, self._send, self._next = count, send, 0
        self._start = self._monotonic()
        self._end = self._due_after_start(count) if end is None else end
        self._done = done = Deferred[None]()
        self._tick()
        await done

    def stop(self) -> None:
        """Stop sending frames; harmless when none is to come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._finish()

    def _tick(self) -> None:
        self._timer = None
        now = self._monotonic()
        while self._done is not None and self._next < self._count and self._due(self._next) <= now:
            self.latest = max(self.latest, now - self._due(self._next))
            number, self._next = self._next, self._next + 1
            self._send(number)
        if self._done is None:
            return
        if self._next == self._count and self._due(self._count) <= now:
            self._finish()
        else:
            self._timer = self._clock.callLater(max(0.0, self._due(self._next) - now), self._tick)

    def _due(self, number: int) -> float:
        """Return the due time of a frame; past the last frame, the time of the end."""
        return self._start + (self._due_after_start(number) if number < self._count else self._end) - 1e-9

    def _finish(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done.callback(None)


class Wait:
    """A wait that anything may cut short."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: Deferred[None] | None = None

    async def rest(self, seconds: float | None) -> None:
        """Wait so long, for ever if None, or until `cut`."""
        self._waiting = waiting = Deferred[None]()
        timer = None if seconds is None else self._clock.callLater(seconds, self.cut)
        await waiting
        if timer is not None and timer.active():
            timer.cancel()

    def cut(self) -> None:
        """End the wait; harmless when there is none."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
