"""Lays a script out on the samples of a call: every word has a fixed place.

Pure arithmetic: nothing is kept, so a call of 24 hours costs what a call of a minute does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from voicestt.emulators.google.script import Script, Utterance
from voicestt.emulators.google.watermarked_audio import clip

SAMPLE_RATE = 8_000


@dataclass(frozen=True, slots=True)
class ScriptedUtterance:
    """One utterance at its place in the call; `number` counts all utterances from 0, repetitions too."""

    number: int
    round: int
    words: tuple[str, ...]
    start: int
    end: int
    others: tuple[str, ...] = ()
    language: str = ""
    speaker: int = 1

    def word_end(self, index: int) -> int:
        """Return the sample at which word `index` ends."""
        return self.start + (self.end - self.start) * (index + 1) // len(self.words)

    def word_start(self, index: int) -> int:
        """Return the sample at which word `index` begins."""
        return self.start + (self.end - self.start) * index // len(self.words)


class Timeline:
    """The utterances of a script by their number."""

    def __init__(self, script: Script) -> None:
        self._utterances = script.utterances
        self._repeat = None if script.repeat is None else samples(script.repeat)
        self.utterance = lru_cache(maxsize=64)(self._utterance)

    def _utterance(self, number: int) -> ScriptedUtterance | None:
        """Return the utterance with this number; None after the last."""
        if not self._utterances:
            return None
        turn, index = divmod(number, len(self._utterances))
        if turn and self._repeat is None:
            return None
        return _placed(self._utterances[index], number, turn, turn * (self._repeat or 0))

    def first_ending_after(self, sample: int) -> int:
        """Return the number of the first utterance that ends after `sample`."""
        turn = sample // self._repeat if self._repeat else 0
        number = turn * len(self._utterances)
        while (spoken := self.utterance(number)) is not None and spoken.end <= sample:
            number += 1
        return number

    def between(self, start: int, end: int) -> Iterator[ScriptedUtterance]:
        """Yield all utterances that overlap [start, end)."""
        number = self.first_ending_after(start)
        while (spoken := self.utterance(number)) is not None and spoken.start < end:
            yield spoken
            number += 1


def samples(seconds: float) -> int:
    """Convert seconds of audio to samples."""
    return round(seconds * SAMPLE_RATE)


def _placed(utterance: Utterance, number: int, turn: int, offset: int) -> ScriptedUtterance:
    words = tuple(utterance.text.split())
    start, end = offset + samples(utterance.start), offset + samples(utterance.end)
    return ScriptedUtterance(
        number, turn, words, start, end, utterance.others, utterance.language, utterance.speaker
    )


def clip_of(script: Script, number: int, seconds: float) -> bytes:
    """Make watermarked audio of call `number` that speaks the script: LINEAR16, 8 kHz, loud at its words."""
    length = samples(seconds)
    speech = [(spoken.start, spoken.end) for spoken in Timeline(script).between(0, length)]
    return clip(number, length, speech)
