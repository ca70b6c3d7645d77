"""The caller's ear: a call's line, whose audio is played in the test's time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import Track
from voicestt.call.hearing import HeardAudio
from voicestt.call.playout import Playout, PlayoutLine
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.runtime.clock import Clock, DelayedCall

ROUND_TRIP_SECONDS: Final = 0.1
"""So long after it was played a mark comes back."""


class SpokenText(bytes):
    """A text's audio, mu-law, with the `text` it says."""

    text: str

    def __new__(cls, audio: bytes, text: str) -> "SpokenText":
        """Make the audio of `text`."""
        made = super().__new__(cls, audio)
        made.text = text
        return made


@dataclass(frozen=True, slots=True)
class Heard:
    """Audio that the caller heard: `seconds` of a text, or of other audio, whose `text` is empty.

    `is_whole` if it was heard to its end; it is not while it is being played, or where it was cleared.
    """

    text: str
    seconds: float
    is_whole: bool


@dataclass(slots=True, eq=False)
class _Playing:
    text: str
    begins: float
    ends: float
    is_cut: bool = False

    def clear(self, now: float) -> None:
        if self.ends > now:
            self.is_cut, self.ends = True, max(self.begins, now)

    def heard(self, now: float) -> Heard:
        seconds = min(self.ends, now) - self.begins
        return Heard(self.text, round(seconds, 3), not self.is_cut and self.ends <= now)


class _TwiliosBuffer:
    """Twilio's end of a playout: plays the audio it gets, and returns marks when they are reached."""

    def __init__(self, clock: Clock, returned: Callable[[str], object]) -> None:
        self._clock = clock
        self._returned = returned
        self._silent_from = 0.0
        self._marks: dict[str, DelayedCall] = {}

    @property
    def has_marks(self) -> bool:
        """True while a mark is still to be returned."""
        return bool(self._marks)

    def media(self, audio: bytes) -> None:
        self._silent_from = max(self._silent_from, self._clock.seconds()) + mulaw.seconds(len(audio))

    def mark(self, name: str) -> None:
        played = max(0.0, self._silent_from - self._clock.seconds())
        self._marks[name] = self._clock.callLater(played + ROUND_TRIP_SECONDS, lambda: self._return(name))

    def clear(self) -> None:
        self._silent_from = self._clock.seconds()
        for name, waiting in list(self._marks.items()):
            waiting.cancel()
            self.mark(name)

    def _return(self, name: str) -> None:
        del self._marks[name]
        self._returned(name)


class EarLine(PlayoutLine):
    """A `voicestt.call.line.Line` over the server's own playout.

    `reached` is told of each mark, by its name and whether it was cleared; `end_call` of the reason that the
    stream is to be closed for, and `was_heard` of what the caller heard.
    """

    def __init__(
        self,
        clock: Clock,
        reached: Callable[[str, bool], object],
        end_call: Callable[[str], object],
        was_heard: Callable[[HeardAudio], object] = lambda _heard: None,
    ) -> None:
        self._clock = clock
        self._reached = reached
        self._end_call = end_call
        self._playing: list[_Playing] = []
        self._buffer = _TwiliosBuffer(clock, self._returned)
        self._playout = Playout(clock, self._buffer, was_heard)
        self.account = AudioTotals()

    @property
    def is_silent(self) -> bool:
        """True if nothing is being played and no mark is under way."""
        return not self.is_open or (not self.waiting and not self._buffer.has_marks)

    @property
    def heard(self) -> list[Heard]:
        """The audio heard so far, in order."""
        now = self._clock.seconds()
        return [one.heard(now) for one in self._playing if one.begins < min(now, one.ends)]

    def say(self, audio: bytes, text: str | None = None) -> None:
        """Play `audio` after what waits already; `text` is what it says, if that is known."""
        if not self.is_open:
            return
        begins = self._clock.seconds() + self.waiting
        super().say(audio, text)
        shown = audio.text if isinstance(audio, SpokenText) else ""
        self._playing.append(_Playing(shown, begins, begins + mulaw.seconds(len(audio))))

    def clear(self) -> None:
        """Fall silent at once: drop everything not yet played."""
        self._cut()
        super().clear()

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        """Do nothing: a test's words are its script's."""

    def end(self, reason: str) -> None:
        """Close the stream."""
        self._end_call(reason)

    def close(self) -> None:
        """End the line: nothing more is played, and pending marks are reached as cleared."""
        self._cut()
        super().close()

    def _tell_mark(self, name: str, cleared: bool) -> None:
        self._reached(name, cleared)

    def _cut(self) -> None:
        for one in self._playing:
            one.clear(self._clock.seconds())

    def _returned(self, name: str) -> None:
        if self._playout is not None:
            self._playout.returned(name)
