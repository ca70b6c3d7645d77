"""Options of recognition: what may differ from call to call, and in the middle of one; None is "as before".

One table has them for the file of numbers, for a handler's `call.recognise` and for the settings: names, and how a
value is read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Final

from voicestt.config.hints import BadHints, Hints, make_hints, read_hints_file
from voicestt.config.readers import LANGUAGE, WORD

ENDPOINTING: Final = ("standard", "short", "supershort")
MOST_LANGUAGES: Final = 3
MOST_ALTERNATIVES: Final = 30
MOST_SPEAKERS: Final = 20
LONGEST_TIMEOUT: Final = 60.0


class BadOptions(ValueError):
    """Options that cannot be used; `problems` maps each key to a sentence that follows its name."""

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(said_of(key, each) for key, some in problems.items() for each in some))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionOptions:
    """Options of one call's recognition. A field that is None was not said.

    `punctuation` is of finals (False: of partials too); `alternative_languages` are those that may be spoken
    instead; `speakers` are the least and the most for diarisation, () for none. Time-outs are in seconds, 0 for
    none.
    """

    language: str | None = None
    model: str | None = None
    punctuation: bool | None = None
    hints: Hints | None = None
    alternative_languages: tuple[str, ...] | None = None
    max_alternatives: int | None = None
    profanity_filter: bool | None = None
    spoken_punctuation: bool | None = None
    word_confidence: bool | None = None
    speakers: tuple[int, ...] | None = None
    speech_start_timeout: float | None = None
    speech_end_timeout: float | None = None
    endpointing: str | None = None
    denoise: bool | None = None
    snr_threshold: float | None = None

    def over(self, base: "RecognitionOptions") -> "RecognitionOptions":
        """Return `base` with what is said here."""
        said = {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}
        return replace(base, **said)

    @property
    def said(self) -> tuple[str, ...]:
        """The names of the options that are said."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) is not None)


NOTHING_SAID: Final = RecognitionOptions()
HINTS_FILE: Final = "hints_file"


def read_options(
    given: Mapping[str, object], classes: Mapping[str, Sequence[str]] | None = None
) -> RecognitionOptions:
    """Read options as they stand in a file or a call; None is "not said". `hints_file` adds to `hints`.

    Raises:
        BadOptions: with everything that is wrong.
    """
    problems: dict[str, Sequence[str]] = {}
    values: dict[str, object] = {}
    for key, value in given.items():
        if value is None or key in {"hints", HINTS_FILE}:
            continue
        try:
            values[key] = _reader_of(key)(value)
        except ValueError as problem:
            problems[key] = [str(problem)]
    try:
        values["hints"] = _hints_of(given, classes)
    except BadHints as bad:
        key = "hints" if given.get("hints") is not None else HINTS_FILE
        problems[key] = [f": {each}" for each in bad.problems]
    if problems:
        raise BadOptions(problems)
    return RecognitionOptions(**values)  # type: ignore[arg-type]  # each was read by its reader


def said_of(key: str, problem: str) -> str:
    """Return the sentence about a key: a problem that is one by itself begins with a colon."""
    return f"{key}{problem}" if problem.startswith(":") else f"{key} {problem}"


def nearest(key: str, known: Sequence[str]) -> str:
    """Return "did you mean …?" for a key that is not known; "" where none resembles it."""
    near = get_close_matches(key, known, 1, 0.6)
    return f": did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"


def _hints_of(given: Mapping[str, object], classes: Mapping[str, Sequence[str]] | None) -> Hints | None:
    phrases, path = given.get("hints"), given.get(HINTS_FILE)
    if isinstance(phrases, Hints) and path is None:
        return phrases
    if phrases is None and path is None:
        return None
    if not isinstance(phrases, list | tuple | None) or not isinstance(path, str | None):
        raise BadHints(["hints are a list of phrases, and hints_file is the path of a text file"])
    return make_hints([*(phrases or ()), *(read_hints_file(path) if path else ())], classes)


def _reader_of(key: str) -> Callable[[object], object]:
    if key not in _READERS:
        raise ValueError("is no option" + nearest(key, OPTION_NAMES))
    return _READERS[key]


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("is neither true nor false")


def _language(value: object) -> str:
    if isinstance(value, str) and LANGUAGE.fullmatch(value):
        return value
    raise ValueError("is no BCP-47 code such as he-IL")


def _model(value: object) -> str:
    if isinstance(value, str) and WORD.fullmatch(value):
        return value
    raise ValueError("is no model's name such as default")


def _languages(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_LANGUAGES:
        raise ValueError(f"is no list of at most {MOST_LANGUAGES} BCP-47 codes, which is what Google takes")
    return tuple(dict.fromkeys(map(_language, value)))


def _speakers(value: object) -> tuple[int, ...]:
    given = (value, value) if isinstance(value, int) and not isinstance(value, bool) else value
    if given == (0, 0) or given in ([], ()):
        return ()
    if isinstance(given, list | tuple) and len(given) == 2 and all(type(each) is int for each in given):
        least, most = given
        if 1 <= least <= most <= MOST_SPEAKERS:
            return (least, most)
    raise ValueError(f"is not two whole numbers, the least and the most speakers (1 to {MOST_SPEAKERS})")


def _between(low: float, high: float, what: str) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"is no {what} from {low:g} to {high:g}")
        return float(value)

    return read


def _alternatives(value: object) -> int:
    if type(value) is int and 1 <= value <= MOST_ALTERNATIVES:
        return value
    raise ValueError(f"is no whole number from 1 to {MOST_ALTERNATIVES}")


def _endpointing(value: object) -> str:
    if isinstance(value, str) and value in ENDPOINTING:
        return value
    raise ValueError(f"is not one of: {', '.join(ENDPOINTING)}")


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "language": _language,
    "model": _model,
    "punctuation": _flag,
    "alternative_languages": _languages,
    "max_alternatives": _alternatives,
    "profanity_filter": _flag,
    "spoken_punctuation": _flag,
    "word_confidence": _flag,
    "speakers": _speakers,
    "speech_start_timeout": _between(0, LONGEST_TIMEOUT, "number of seconds"),
    "speech_end_timeout": _between(0, LONGEST_TIMEOUT, "number of seconds"),
    "endpointing": _endpointing,
    "denoise": _flag,
    "snr_threshold": _between(0, 1_000, "number"),
}

OPTION_NAMES: Final = (*_READERS, "hints", HINTS_FILE)
"""The names of all options, as a file or a handler says them."""
