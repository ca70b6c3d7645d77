"""A recogniser of any sound: it knows where in the call words are, and understands them however quiet they are.

A word is understood by a stream that was given all of it. Words are loud stretches of a recording.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from twisted.internet.task import Clock

from tests.audio.watched_ledger import WatchedLedger
from tests.recognisers.simulated import Application
from tests.sounds import (
    Wave,
    at_level,
    coloured,
    decoded,
    encoded,
)
from voicestt.audio import mulaw
from voicestt.emulators.twilio.clip import read_clip
from voicestt.ops.demo.voices import packaged_voices
from voicestt.recognisers import port
from voicestt.recognisers.port import RecogniserError, Result, ResultListener
from voicestt.recognisers.streaming import Endless, StreamLimits

SECOND = mulaw.BYTES_PER_SECOND
_PAUSE = int(0.8 * SECOND)  # ends an utterance for the recogniser
_FRAME, _FRAMES_OF_A_WORD = 160, 12

Place = tuple[int, int]


def recordings(count: int) -> Wave:
    """Real voices, one after the other with pauses, as loud as can be: 0 dB in this module."""
    pause = np.zeros(SECOND)
    clips = [decoded(read_clip(voice.path)) for voice in packaged_voices()[:count]]
    speech = np.concatenate([part for clip in clips for part in (clip / np.abs(clip).max(), pause)])
    return np.asarray(speech)


def words_of(speech: Wave) -> list[Place]:
    """Stretches of 240 ms in which a recording is loud."""
    whole = len(speech) // _FRAME
    loudness = np.sqrt(np.mean(speech[: whole * _FRAME].reshape(whole, _FRAME) ** 2, axis=1))
    loud = loudness > 0.15 * np.percentile(loudness, 95)
    words, at = [], 0
    while at + _FRAMES_OF_A_WORD <= whole:
        if loud[at : at + _FRAMES_OF_A_WORD].all():
            words.append((at * _FRAME, (at + _FRAMES_OF_A_WORD) * _FRAME))
            at += _FRAMES_OF_A_WORD
        else:
            at += 1
    return words


def with_noise(speech: Wave, snr: float) -> Wave:
    """`speech` with a crowd's kind of noise, so many dB under it."""
    loud = np.abs(speech) > 0.02
    level = 20 * np.log10(np.sqrt(np.mean(speech[loud] ** 2))) - snr
    return np.asarray(speech + at_level(coloured(len(speech) / SECOND, 60, 3_400, slope=0.5, seed=21), level))


def quieter(speech: Wave, decibels: float) -> Wave:
    return speech * 10 ** (decibels / 20)


@dataclass(frozen=True)
class Habit:
    """A service's way to answer: after `latency` seconds, with partials every `interval` at most (None: none)."""

    latency: float = 0.3
    interval: float | None = 0.0
    is_mute: bool = False


class HearingStream:
    """A Session that understands the words of the call; where its audio is from, the ledger says."""

    def __init__(self, listener: ResultListener, call: "Call", habit: Habit) -> None:
        self._listener = listener
        self._call = call
        self.habit = habit
        self._start: int | None = None
        self._given = self._final_to = 0
        self._told: tuple[float, int] = (-1e9, 0)
        self.backlog = 0
        self.is_finished = self.is_over = False

    def write(self, audio: bytes) -> None:
        if self._start is None:
            self._start = self._given = self._final_to = self._call.ledger.handings[-1][1]
        self._given += len(audio)
        given = self._given
        self._call.clock.callLater(self.habit.latency, self._answer, given)

    def finish(self) -> None:
        self.is_finished = True
        self._call.clock.callLater(self.habit.latency, self._close)

    def abort(self) -> None:
        self.is_over = True

    def _pending(self, given: int) -> list[Place]:
        return [word for word in self._call.words if self._final_to <= word[0] and word[1] <= given]

    def _answer(self, given: int) -> None:
        if self.is_over or self.habit.is_mute:
            return None
        words = self._pending(given)
        for before, (start, _end) in pairwise([*words, (given, given)]):
            if start - before[1] >= _PAUSE:
                self._final([word for word in words if word <= before])
                return self._answer(given)
        self._partial(words)
        return None

    def _partial(self, words: list[Place]) -> None:
        told_at, told = self._told
        now = self._call.clock.seconds()
        interval = self.habit.interval
        if interval is not None and len(words) > told and now - told_at >= interval:
            self._told = now, len(words)
            self._listener.heard(
                Result(self._call.text_of(words), is_final=False, end=words[-1][1] - self._origin)
            )

    def _final(self, words: list[Place]) -> None:
        self._told = self._call.clock.seconds(), 0
        self._final_to = words[-1][1]
        spoken = tuple(
            port.RecognisedWord(self._call.text_of([word]), word[0] - self._origin, word[1] - self._origin)
            for word in words
        )
        text = self._call.text_of(words)
        self._listener.heard(Result(text, True, spoken[-1].end, start=spoken[0].start, words=spoken))

    def _close(self) -> None:
        if self.is_over or self.habit.is_mute:
            return
        self._answer(self._given)
        words = self._pending(self._given)
        if words:
            self._final(words)
        if not self.is_over:
            self.is_over = True
            self._listener.ended(None)

    @property
    def _origin(self) -> int:
        return self._start or 0


class Call:
    """A caller, an endless session, and a service that hears `words` in what the caller sends."""

    def __init__(
        self, words: Sequence[Place], habit: Habit | None = None, limits: StreamLimits | None = None
    ) -> None:
        self.clock = Clock()
        self.ledger = WatchedLedger(60 * SECOND)
        self.heard = Application(self.ledger)
        self.words = list(words)
        self.habit = habit or Habit()
        self.next_habits: list[Habit] = []
        self.streams: list[HearingStream] = []
        self.partials_at: list[float] = []
        self.finals_at: list[float] = []
        self.endless = Endless(self.clock, self, limits or StreamLimits(), lambda: 0.5)
        self.session = self.endless.open(self.heard, self.ledger)

    def open(self, listener: ResultListener) -> HearingStream:
        habit = self.next_habits.pop(0) if self.next_habits else self.habit
        self.streams.append(HearingStream(listener, self, habit))
        return self.streams[-1]

    def text_of(self, words: list[Place]) -> str:
        return " ".join(str(self.words.index(word)) for word in words)

    def say(self, audio: bytes) -> None:
        """In real time, 100 ms at once."""
        for at in range(0, len(audio), 800):
            self.clock.advance(0.1)
            if self.heard.ends:
                return
            batch = audio[at : at + 800]
            self.ledger.receive(batch)
            self.session.write(batch)
            if self.heard.partials and not self.partials_at:
                self.partials_at.append(self.clock.seconds())
            if self.heard.finals and not self.finals_at:
                self.finals_at.append(self.clock.seconds())

    def hang_up(self) -> RecogniserError | None:
        if not self.heard.ends:
            self.session.finish()
            for _ in range(100):
                self.clock.advance(0.1)
        return self.heard.ends[0]

    @property
    def missing(self) -> list[int]:
        """Numbers of the words that are in no final, or in none in their order."""
        heard = [int(number) for text in self.heard.finals for number in text.split()]
        assert heard == sorted(set(heard)), "a word is doubled, or out of order"
        return sorted(set(range(len(self.words))) - set(heard))

    @property
    def google_seconds(self) -> float:
        return mulaw.seconds(self.ledger.totals.google_bytes)


def placed(words: Sequence[Place], at: int) -> list[Place]:
    """The words of a recording that begins at position `at` of the call."""
    return [(at + start, at + end) for start, end in words]


__all__ = ["Call", "Habit", "encoded", "placed", "quieter", "recordings", "with_noise", "words_of"]
