"""Detects misspelt variables: names that are nearly one of ours, but none."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final, NamedTuple

from voicestt.config.settings import variables

_PREFIX: Final = "VOICESTT_"
_OTHERS: Final = ("VOICESTT_ENV_FILE",)
"""Variables that are ours and no settings."""
_SHORTEST: Final = 6  # a name as short as PORT is near to too much
_NEAR: Final = 0.9  # one letter of ten: GCP_PROJECT_ID, REDIS_URI and REDIS_TLS_URL are other programs'


class Misspelt(NamedTuple):
    """A variable that is set and not known; `meant` is the one that it resembles, "" if there is none."""

    name: str
    meant: str

    def __str__(self) -> str:
        """Describe it in a sentence, with what to do."""
        advice = f"is {self.meant} meant?" if self.meant else "`voicestt settings` lists all."
        return f"{self.name} is set, and there is no such variable: {advice}"


def misspelt(names: Iterable[str]) -> list[Misspelt]:
    """Find the variables among `names` that may be misspelt ones of ours.

    A name is suspected if it begins with VOICESTT_, is ours but for small letters, or differs from one of ours,
    which is not set, by about one letter of ten, or in the order of its letters. All other names belong to other
    programs.
    """
    return sorted(_misspelt(frozenset(names)))


def _misspelt(names: frozenset[str]) -> Iterator[Misspelt]:
    ours = {*(variable.name for variable in variables()), *_OTHERS}
    candidates = [name for name in ours - names if len(name) >= _SHORTEST]
    for name in names - ours:
        is_ours = name.upper().startswith(_PREFIX)
        near = _turned(name.upper(), candidates) or get_close_matches(
            name.upper(), candidates, 1, 0.6 if is_ours else _NEAR
        )
        if near or is_ours:
            yield Misspelt(name, *(near or [""]))


def _turned(name: str, candidates: Iterable[str]) -> list[str]:
    """Find the name with the same letters in another order: `LOG_LEVLE`."""
    return [each for each in candidates if sorted(each) == sorted(name)]
