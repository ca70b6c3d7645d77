"""Removal of the punctuation that a recogniser added, where the settings do not want it.

Google has one punctuation flag for a whole stream; "none in partials, but in finals" is made here.
"""

import re
import unicodedata
from collections.abc import Callable

Clean = Callable[[str], str]

# Marks at the end of a word only: the dot of 3.14, the colon of 9:30, the quotes inside צה״ל are the word's own.
_MARKS = re.compile(r"[.,?!;:…،؟。，？！]+(?=\s|$)")


def unchanged(text: str) -> str:
    """Return the text as it is."""
    return text


def without_punctuation(text: str) -> str:
    """Remove the marks after words; the words themselves and the spaces stay as they are."""
    return _MARKS.sub("", text)


def visible(text: str) -> str:
    """Return `text`, or "" if it holds only spaces, direction marks, joiners and control characters."""
    seen = any(unicodedata.category(letter)[0] not in "CZ" for letter in text)
    return text if seen else ""
