"""Estimates the times of words from the times of the speech that holds them."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from voicestt.emulators.google.engine import TimedWord

Stretch = tuple[int, int]


def spread(text: str, stretches: Sequence[Stretch]) -> tuple[TimedWord, ...]:
    """Lays the words of `text` end to end over `stretches` of speech, each as long as its share of the letters.

    A stretch is samples [start, end); they are in order, and what lies between two of them is no part of a word
    unless the word goes on behind it.
    """
    words = text.split()
    if not words or not stretches:
        return ()
    ends = list(accumulate(end - start for start, end in stretches))
    letters = list(accumulate(map(len, words), initial=0))
    bounds = [ends[-1] * upto // letters[-1] for upto in letters]
    return tuple(
        _placed(word, first, last, stretches, ends)
        for word, (first, last) in zip(words, pairwise(bounds), strict=True)
    )


def _placed(word: str, first: int, last: int, stretches: Sequence[Stretch], ends: Sequence[int]) -> TimedWord:
    """Places `word`, from `first` to `last` of the joined stretches, whose running ends are `ends`."""
    into = min(bisect_right(ends, first), len(ends) - 1)
    out = bisect_left(ends, last)
    start = stretches[into][1] - ends[into] + first
    return TimedWord(word, start, max(start, stretches[out][1] - ends[out] + last))
