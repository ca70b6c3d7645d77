"""The schedule of a call: due times of its frames, pauses, and keys and bad messages between frames.

Times are seconds. `at` is always a place in the call's audio, so that what is asked for stays where it was asked
for whatever the length of the frames is and however long the line is on hold.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
        """The seconds that the line was on hold before frame `number` (from 0) is due."""
        at = number * self.frame_seconds + _HAIR
        return sum(pause.seconds for pause in self.pauses if pause.at <= at)

    def due(self, number: int) -> float:
        """The due time of a frame, in seconds after the stream was opened."""
        return number * self.frame_seconds + self.held_before(number)

    def frames_before(self, seconds: float, most: int) -> int:
        """Counts the frames, of at most `most`, that are due earlier than `seconds`."""
        first, last = 0, most
        while first < last:
            middle = (first + last) // 2
            if self.due(middle) < seconds - _HAIR:
                first = middle + 1
            else:
                last = middle
        return first

    def before_frames(self, inserts: Iterable[Insert], frames: int) -> Mapping[int, list[Insert]]:
        """Maps frame numbers to the inserts sent before them; later inserts come after the last frame."""
        table: dict[int, list[Insert]] = defaultdict(list)
        for insert in sorted(inserts, key=lambda each: each.at):
            table[min(frames, math.ceil(insert.at / self.frame_seconds - _HAIR))].append(insert)
        return table


EVERY_20_MS = Schedule()
"""The schedule of Twilio itself."""


def parse_pause(text: str) -> Pause:
    """Parses AT:SECONDS, such as "3:12.5"; raises ValueError in words."""
    at, _, length = text.partition(":")
    return Pause(_seconds(at, text), _seconds(length, text))


def parse_dtmf(text: str) -> tuple[Insert, ...]:
    """Parses AT:DIGITS, such as "2.5:42#": the keys follow one another every quarter of a second.

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
