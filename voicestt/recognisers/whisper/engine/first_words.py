"""Decides which words of an utterance's first readings are shown.

Of a few hundred milliseconds of audio Whisper makes some words whatever it is given ("Thank you."). It tells,
though, how likely each of its tokens was: invented words are unlikely, and change with the next reading. So the
first partial of an utterance is held back until its first word is likely, or less so but was read before as well,
and ends where the likely words do. The readings behind it are shown whole, as is one of so much audio that it can
be judged.
"""

from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import Final

LIKELY: Final = 0.35
"""The probability from which a word is shown."""

LIKELY_AGAIN: Final = 0.2
"""The same for a word that the reading before had in the same place."""

SILENCE: Final = 0.6
"""The probability of no speech at all from which nothing is shown."""

ENOUGH_SECONDS: Final = 1.5
"""The length of an utterance, the 400 ms before its detection included, from which a reading is shown whole."""


@dataclass(frozen=True, slots=True)
class WordReading:
    """A word as it was read, with its punctuation; `probability` is that of all its tokens together."""

    text: str
    probability: float

    @property
    def plain(self) -> str:
        """The word without case and punctuation."""
        return "".join(filter(str.isalnum, self.text)).casefold()


@dataclass(frozen=True, slots=True)
class BeginningText:
    """A reading of the beginning of an utterance; `no_speech` is the probability that nobody speaks in it."""

    words: tuple[WordReading, ...]
    no_speech: float


class FirstWords:
    """The judge of one utterance's readings until the first of them is shown."""

    def __init__(self) -> None:
        self._before: tuple[WordReading, ...] = ()

    def shown(self, heard: BeginningText, seconds: float) -> str:
        """Return the text to show of this reading of the utterance's first `seconds`; "" for nothing yet."""
        before, self._before = self._before, heard.words
        if heard.no_speech >= SILENCE:
            return ""
        words = heard.words if seconds >= ENOUGH_SECONDS else _likely(heard.words, before)
        text = " ".join(word.text for word in words)
        return text if any(map(str.isalnum, text)) else ""


def _likely(words: tuple[WordReading, ...], before: tuple[WordReading, ...]) -> tuple[WordReading, ...]:
    """Return the words before the first unlikely one, given the reading `before`."""
    pairs = zip_longest(words, before[: len(words)])
    return tuple(word for word, earlier in takewhile(lambda pair: _is_likely(*pair), pairs))


def _is_likely(word: WordReading, earlier: WordReading | None) -> bool:
    is_again = earlier is not None and earlier.plain == word.plain
    return word.probability >= (LIKELY_AGAIN if is_again else LIKELY)
