"""Plays the server's audio to the caller in real time and returns its marks.

Times are seconds of the caller's clock, handed in; nothing here reads one.
"""

from collections import deque
from dataclasses import dataclass, field

from voicestt.audio.mulaw import BYTES_PER_SECOND, SILENCE
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.server_messages import (
    AudioToPlay,
    Clear,
    MarkToReturn,
    ServerMessage,
)

MOST_BUFFERED_SECONDS = 600


@dataclass(slots=True)
class _Utterance:
    """Audio played without a gap from the time `begins`."""

    begins: float
    audio: bytearray = field(default_factory=bytearray)

    @property
    def ends(self) -> float:
        return self.begins + len(self.audio) / BYTES_PER_SECOND

    def cut(self, at: float) -> None:
        del self.audio[_samples(at - self.begins) :]


class Playback:
    """The playback buffer of one call; `received` is all audio that came, in order, cleared or not.

    `first_at` is when the first audio came, `cleared_at` when each clear did.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.first_at: float | None = None
        self.cleared_at: list[float] = []
        self._utterances: list[_Utterance] = []
        self._marks: deque[tuple[float, str]] = deque()
        self._cleared: list[str] = []

    @property
    def silent_from(self) -> float:
        """The time at which everything received will have been played; 0 before anything came."""
        return self._utterances[-1].ends if self._utterances else 0.0

    def take(self, message: ServerMessage, now: float) -> None:
        """Take one message of the server; raise `CallRefused` with 31931 when too much audio waits already."""
        match message:
            case AudioToPlay(mulaw):
                self._play(mulaw, now)
            case MarkToReturn(name):
                self._marks.append((max(now, self.silent_from), name))
            case Clear():
                self._clear(now)

    def leave(self, now: float) -> None:
        """End the stream: what waits is not played any more, and its marks do not come back."""
        self._cut(now)
        self._marks.clear()
        self._cleared.clear()

    def played(self, now: float) -> list[str]:
        """Take the names of the marks that are due, in order."""
        due, self._cleared = self._cleared, []
        while self._marks and self._marks[0][0] <= now:
            due.append(self._marks.popleft()[1])
        return due

    def next_due(self) -> float | None:
        """Return the time at which the next mark is due; None where none waits."""
        if self._cleared:
            return 0.0
        return self._marks[0][0] if self._marks else None

    def heard(self, begin: float, end: float) -> bytes:
        """Return the audio played between two times: mu-law, with silence where none was played."""
        line = bytearray(SILENCE * _samples(end - begin))
        for utterance in self._utterances:
            at = _samples(utterance.begins - begin)
            audio = utterance.audio[max(0, -at) : max(0, len(line) - at)]
            line[max(0, at) : max(0, at) + len(audio)] = audio
        return bytes(line)

    def _play(self, audio: bytes, now: float) -> None:
        if self.silent_from - now > MOST_BUFFERED_SECONDS:
            raise CallRefused("more than ten minutes of audio wait to be played; the newest is dropped", 31931)
        if self.first_at is None:
            self.first_at = now
        self.received += audio
        if self.silent_from <= now:
            self._utterances.append(_Utterance(now))
        self._utterances[-1].audio += audio

    def _clear(self, now: float) -> None:
        self.cleared_at.append(now)
        self._cut(now)
        self._cleared += [name for _, name in self._marks]
        self._marks.clear()

    def _cut(self, now: float) -> None:
        if self.silent_from > now:
            self._utterances[-1].cut(now)


def _samples(seconds: float) -> int:
    return round(seconds * BYTES_PER_SECOND)
