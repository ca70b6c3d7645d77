"""Hints: phrases that a recogniser is told to expect, boosts, and classes of words; and Google's limits on them.

A phrase may hold classes: Google's own (`$MONEY`, `$OPERAND`) or one of the file's (`${dishes}`). Hebrew is told
as Google writes it: without points and cantillation marks, with `'` and `"` for geresh and gershayim.
Source of the limits: "Quotas and limits" of Cloud Speech-to-Text, and PhraseSet.Phrase in v2's cloud_speech.proto.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_PHRASES: Final = 5_000
MOST_LETTERS: Final = 100_000
LONGEST_PHRASE: Final = 100
HIGHEST_BOOST: Final = 20.0
MOST_TOLD: Final = 20

_CLASS_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_USES_CLASS: Final = re.compile(r"\$\{([^}]*)\}")
_POINTS: Final = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
_AS_TYPED: Final = {"\u05f3": "'", "\u05f4": '"', "\u2019": "'", "\u201d": '"', "\u05be": " "}
_NOT_CLOSED: Final = re.compile(r"\$\{[^}]*$")
_BOOST_BEHIND: Final = re.compile(r"(.*?)\s*\|\s*([^|]*)")


class BadHints(ValueError):
    """Hints that cannot be used; the message is in words, one sentence for each problem, the first 20 of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - MOST_TOLD
        self.problems = (*problems[:MOST_TOLD], *([f"and {more} more like these"] if more > 0 else []))
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Hint:
    """A phrase, and how much likelier it is made (0: as the recogniser thinks best; 20 at most)."""

    phrase: str
    boost: float = 0.0


@dataclass(frozen=True, slots=True)
class HintClass:
    """A class of words, which a phrase names as `${name}`."""

    name: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hints:
    """The hints of a call, and those classes that they use."""

    phrases: tuple[Hint, ...] = ()
    classes: tuple[HintClass, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.phrases)

    def __hash__(self) -> int:
        # Of thousands of phrases a few will do: requests are looked up by their hints whenever a stream is opened.
        return hash((len(self.phrases), self.phrases[:4], self.phrases[-1:], len(self.classes)))

    def __str__(self) -> str:
        return f"{len(self.phrases)} phrases"

    @property
    def words(self) -> tuple[str, ...]:
        """The phrases and the items of their classes as one says them, for a recogniser that knows no classes."""
        plain = (hint.phrase for hint in self.phrases if "$" not in hint.phrase)
        return tuple(dict.fromkeys([*plain, *(item for each in self.classes for item in each.items)]))


NO_HINTS: Final = Hints()


def plain(phrase: str) -> str:
    """Write a phrase as a recogniser does: no points, no marks of direction, one kind of quotes and blanks."""
    text = unicodedata.normalize("NFC", _POINTS.sub("", unicodedata.normalize("NFD", phrase)))
    letters = (_AS_TYPED.get(letter, letter) for letter in text if unicodedata.category(letter) != "Cf")
    return " ".join("".join(letters).split())


def make_hints(given: Iterable[object], classes: Mapping[str, Sequence[str]] | None = None) -> Hints:
    """Make hints of phrases, of (phrase, boost) pairs, or of tables `{phrase = "…", boost = 10}`.

    `classes` are those that phrases may use. A phrase that comes twice keeps the higher boost.

    Raises:
        BadHints: with everything that is wrong.
    """
    problems: list[str] = []
    boosts: dict[str, float] = {}
    for each in given:
        try:
            hint = _hint(each)
        except ValueError as problem:
            problems.append(str(problem))
        else:
            boosts[hint.phrase] = max(hint.boost, boosts.get(hint.phrase, 0.0))
    phrases = tuple(Hint(phrase, boost) for phrase, boost in boosts.items())
    used, unknown = _used_classes(phrases, classes or {})
    hints = Hints(phrases, used)
    problems = [*_beyond_limits(hints), *problems, *unknown]
    if problems:
        raise BadHints(problems)
    return hints


def make_classes(given: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Make classes of words of a table of lists.

    Raises:
        BadHints: with everything that is wrong.
    """
    problems = []
    classes: dict[str, tuple[str, ...]] = {}
    for name, items in given.items():
        listed: Sequence[object] = items if isinstance(items, list | tuple) else ()
        words = tuple(plain(item) for item in listed if isinstance(item, str))
        if not _CLASS_NAME.fullmatch(name):
            problems.append(f"the class {name!r} must have a name of a-z, 0-9 and -, a letter first")
        elif not words or len(words) < len(listed) or not all(words):
            problems.append(f"the class {name!r} is no list of words")
        classes[name] = words
    if problems:
        raise BadHints(problems)
    return classes


def read_hints_file(path: str) -> list[Hint]:
    """Read the hints of a text file: a phrase in each line, behind it `| 12` for a boost; `#` begins a comment.

    Raises:
        BadHints: with all that is wrong, each with its line.
    """
    hints: list[Hint] = []
    problems = []
    for number, line in enumerate(_text_of(path).splitlines(), 1):
        phrase = line.strip()
        if not phrase or phrase.startswith("#"):
            continue
        try:
            hints.append(_hint_in(phrase))
        except ValueError as problem:
            problems.append(f"{path} line {number}: {problem}")
    if problems:
        raise BadHints(problems)
    return hints


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except FileNotFoundError:
        raise BadHints([f"the file of hints {path} is not there"]) from None
    except (OSError, UnicodeDecodeError, ValueError):
        raise BadHints([f"the file of hints {path} is no text in UTF-8 that can be read"]) from None


def _hint_in(line: str) -> Hint:
    boosted = _BOOST_BEHIND.fullmatch(line)
    if boosted is None:
        return _hint(line)
    try:
        boost = float(boosted[2])
    except ValueError:
        raise ValueError("what follows the | is no number") from None
    return _hint((boosted[1], boost))


def _hint(given: object) -> Hint:
    phrase, boost = _parts(given)
    if not isinstance(phrase, str) or not plain(phrase):
        raise ValueError("a hint is no phrase with letters in it")
    text = plain(phrase)
    if len(text) > LONGEST_PHRASE:
        raise ValueError(
            f"the hint {text[:20]!r}… has {len(text)} letters, and Google takes {LONGEST_PHRASE} in a phrase"
        )
    if _NOT_CLOSED.search(text):
        raise ValueError(f"the hint {text[:20]!r} has a ${{ without a }} behind it")
    if isinstance(boost, bool) or not isinstance(boost, int | float) or not 0 <= boost <= HIGHEST_BOOST:
        raise ValueError(f"the boost of {text!r} is no number from 0 to {HIGHEST_BOOST:g}")
    return Hint(text, float(boost))


def _parts(given: object) -> tuple[object, object]:
    if isinstance(given, Hint):
        return given.phrase, given.boost
    if isinstance(given, Mapping):
        unknown = [key for key in given if key not in {"phrase", "boost"}]
        if unknown:
            raise ValueError(f"a hint has no {unknown[0]!r}: it is phrase and boost")
        return given.get("phrase"), given.get("boost", 0.0)
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    return given, 0.0


def _used_classes(
    phrases: Sequence[Hint], classes: Mapping[str, Sequence[str]]
) -> tuple[tuple[HintClass, ...], list[str]]:
    names = dict.fromkeys(name for hint in phrases for name in _USES_CLASS.findall(hint.phrase))
    unknown = [f"a hint uses ${{{name}}}, and there is no such class" for name in names if name not in classes]
    return tuple(HintClass(name, tuple(classes[name])) for name in names if name in classes), unknown


def _beyond_limits(hints: Hints) -> Iterator[str]:
    items = [item for each in hints.classes for item in each.items]
    count = len(hints.phrases) + len(items)
    letters = sum(map(len, [*(hint.phrase for hint in hints.phrases), *items]))
    if count > MOST_PHRASES:
        yield f"there are {count} phrases, with the items of classes, and Google takes {MOST_PHRASES} in a request"
    if letters > MOST_LETTERS:
        yield f"the phrases have {letters} letters together, and Google takes {MOST_LETTERS} in a request"
