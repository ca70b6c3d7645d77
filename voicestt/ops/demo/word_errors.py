"""Computes the word error rate of a recognised text.

Case and punctuation do not count, nor whether a number is written in digits, nor "Mr." for "mister".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SAME = {"mr": "mister", "mrs": "missis", "dr": "doctor", "ok": "okay"}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """Split a text into words to compare: lower case, no punctuation, numbers below 100 spelled out."""
    return [word for written in _WORD.findall(text.casefold()) for word in _spelled(written.replace("’", "'"))]


def _spelled(word: str) -> list[str]:
    if not (word.isascii() and word.isdecimal()) or len(word) > 2:
        return [_SAME.get(word, word)]
    number = int(word)
    if number < 20:
        return [_ONES[number]]
    return [_TENS[number // 10 - 2], *([_ONES[number % 10]] if number % 10 else [])]


def distance(spoken: Sequence[str], heard: Sequence[str]) -> int:
    """Count the fewest words to replace, leave out or put in to turn one into the other (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for at, said in enumerate(spoken, 1):
        diagonal, row[0] = row[0], at
        for other, word in enumerate(heard, 1):
            cost = min(row[other] + 1, row[other - 1] + 1, diagonal + (said != word))
            diagonal, row[other] = row[other], cost
    return row[-1]


@dataclass(frozen=True, slots=True)
class WordErrors:
    """The number of wrong words among the spoken ones; sums with `+`."""

    wrong: int = 0
    spoken: int = 0

    @classmethod
    def between(cls, spoken: str, heard: str) -> "WordErrors":
        """Compare a spoken and a recognised text."""
        said = words_of(spoken)
        return cls(distance(said, words_of(heard)), len(said))

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(self.wrong + other.wrong, self.spoken + other.spoken)

    @property
    def rate(self) -> float:
        """The wrong words over the spoken words: above 1 when many were made up; without spoken words 1 or 0."""
        return self.wrong / self.spoken if self.spoken else float(self.wrong > 0)
