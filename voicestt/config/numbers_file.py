"""The file of numbers (NUMBERS_FILE, TOML): what holds for the calls of each called number, all problems at once.

A table for each number or pattern (`["+97231234567"]`, `["+9723*"]`, `["*"]`), of which one holds for a call: the
number itself, else the pattern with the most letters. What it does not say is as the settings have it.
`[profile.NAME]` are options that a TwiML `<Parameter>` may choose where a number's `profiles` allow it; `callee`
in either are those of the other track. `[classes]` are lists of words for hints. No problem repeats a number: it
may go to a log.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voicestt.config import readers as read
from voicestt.config.call_plan import NO_PLAN, CallPlan, CallProfile
from voicestt.config.hints import BadHints, make_classes
from voicestt.config.receivers import chosen_receivers
from voicestt.config.recognition_options import (
    NOTHING_SAID,
    OPTION_NAMES,
    BadOptions,
    RecognitionOptions,
    nearest,
    read_options,
    said_of,
)
from voicestt.config.toml_lines import lines_of_keys

_PROFILES, _CLASSES, _CALLEE = "profile", "classes", "callee"
_BETWEEN: Final = re.compile(r"(?<=[\d+*])[ ().-]+(?=[\d(*])")
_PATTERN: Final = re.compile(r"\*|\+?[0-9*]{1,40}|sips?:[^\s\"<>]{1,255}", re.IGNORECASE)
_PROFILE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS_TOLD: Final = re.compile(r"\(['\"].*\)(?= )")
_MOST_BYTES: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class _Section:
    pattern: str
    plan: CallPlan
    profiles: tuple[str, ...] = ()

    @property
    def weight(self) -> tuple[bool, int]:
        """The order in which sections are looked at: numbers before patterns, longer ones before shorter."""
        return "*" in self.pattern, -len(self.pattern.replace("*", ""))

    def holds_for(self, called: str | None) -> bool:
        """Return True if this is the number, or a pattern of it; `*` is also of a number that is not known."""
        if called is None:
            return self.pattern == "*"
        parts = map(re.escape, self.pattern.lower().split("*"))
        return re.fullmatch(".*".join(parts), called.lower()) is not None


class BadNumbers(ValueError):
    """A file of numbers that cannot be used; `problems` are sentences, each with its line."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class NumbersFile:
    """A file of numbers. Without sections nothing differs from the settings."""

    def __init__(
        self, sections: Sequence[_Section] = (), profiles: Mapping[str, CallProfile] | None = None
    ) -> None:
        self._sections = sorted(sections, key=lambda each: each.weight)
        self.profiles = dict(profiles or {})

    @property
    def plans(self) -> list[CallPlan]:
        """The plans of all numbers."""
        return [each.plan for each in self._sections]

    @property
    def names_callee(self) -> bool:
        """True if it has options of a callee."""
        return any(plan.callee.said for plan in self.plans) or any(
            profile.callee.said for profile in self.profiles.values()
        )

    def wanted(self) -> Iterator[tuple[str, RecognitionOptions]]:
        """Yield what may be asked of the recogniser, and where the file says it: a line, or a profile's name."""
        for plan in self.plans:
            yield from _of_both(f"line {plan.lines.get('', 0)}", plan.options, plan.callee)
        for name, profile in self.profiles.items():
            yield from _of_both(f"[{_PROFILES}.{name}]", profile.options, profile.callee)

    def plan_of(self, called: str | None) -> CallPlan:
        """Return the plan for a called number, or None for one that is not known."""
        section = self._section_of(called)
        return NO_PLAN if section is None else section.plan

    def chosen(self, called: str | None, profile: str) -> CallProfile | None:
        """Return the profile that a call's parameter names; None if the file does not allow it."""
        section = self._section_of(called)
        return self.profiles[profile] if section is not None and profile in section.profiles else None

    def _section_of(self, called: str | None) -> _Section | None:
        number = None if called is None else _bare(called)
        return next((each for each in self._sections if each.holds_for(number)), None)


def load_numbers(path: str) -> NumbersFile:
    """Read and check the file at `path`.

    Raises:
        BadNumbers: with everything that is wrong.
    """
    try:
        file = Path(path)
        if file.stat().st_size > _MOST_BYTES:
            raise BadNumbers([f"the file has more than {_MOST_BYTES} bytes"])
        return parse_numbers(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise BadNumbers(["there is no such file"]) from None
    except (OSError, UnicodeDecodeError):
        raise BadNumbers(["it is no text that can be read"]) from None


def parse_numbers(text: str) -> NumbersFile:
    """Parse the text of a file of numbers.

    Raises:
        BadNumbers: with everything that is wrong.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        # Python's reader tells the keys of a table that comes twice, and those are numbers.
        words = _KEYS_TOLD.sub("the same table", str(problem))
        raise BadNumbers([f"it is no TOML: {words}"]) from None
    return _Parsing(content, lines_of_keys(text)).file()


class _Parsing:
    """The reading of one file, which collects problems."""

    def __init__(self, content: Mapping[str, Any], lines: Mapping[tuple[str, ...], int]) -> None:
        self._content = content
        self._lines = lines
        self._problems: list[tuple[int, str]] = []
        self._classes: Mapping[str, Sequence[str]] = {}

    def file(self) -> NumbersFile:
        """Return what the file says, or raise BadNumbers."""
        self._classes = self._read_classes()
        profiles = dict(self._read_profiles())
        sections = list(self._read_sections(profiles))
        if self._problems:
            raise BadNumbers([words for _, words in sorted(self._problems, key=lambda each: each[0])])
        return NumbersFile(sections, profiles)

    def _complain(self, where: tuple[str, ...], words: str) -> None:
        line = self._line(where)
        self._problems.append((line, f"line {line}: {words}" if line else words))

    def _line(self, where: tuple[str, ...]) -> int:
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 0)

    def _table(self, *where: str) -> Mapping[str, Any]:
        found: Any = self._content
        for name in where:
            found = found.get(name, {})
        if isinstance(found, dict):
            return found
        self._complain(where, f"{where[0] if where[0] in {_PROFILES, _CLASSES} else 'this key'} is no table")
        return {}

    def _read_classes(self) -> Mapping[str, Sequence[str]]:
        given = self._table(_CLASSES)
        classes: dict[str, Sequence[str]] = {}
        for name, items in given.items():
            try:
                classes.update(make_classes({name: items}))
            except BadHints as bad:
                self._complain((_CLASSES, name), str(bad))
                classes[name] = ()
        return classes

    def _read_profiles(self) -> Iterator[tuple[str, CallProfile]]:
        for name in self._table(_PROFILES):
            where = (_PROFILES, name)
            if not _PROFILE_NAME.fullmatch(name):
                self._complain(where, "a profile's name is letters, digits, - and _")
            given = self._table(*where)
            options = self._read_options(where, given, (*OPTION_NAMES, _CALLEE))
            yield name, CallProfile(options, self._read_callee(where, given))

    def _read_sections(self, profiles: Mapping[str, Any]) -> Iterator[_Section]:
        seen: set[str] = set()
        for name in self._content:
            if name in {_PROFILES, _CLASSES}:
                continue
            pattern = _bare(name)
            given = self._table(name)
            if not _PATTERN.fullmatch(pattern):
                self._complain((name,), self._no_pattern(name, given))
            elif pattern in seen:
                self._complain((name,), "this number or pattern has a table already")
            else:
                seen.add(pattern)
                yield _Section(pattern, self._read_plan(name, given), self._read_allowed(name, given, profiles))

    def _no_pattern(self, name: str, given: Mapping[str, Any]) -> str:
        words = 'a table is a number ["+97231234567"], a pattern ["+9723*"], [classes] or [profile.NAME]'
        return words + (nearest(name, (_PROFILES, _CLASSES)).partition(";")[0] if given else "")

    def _read_plan(self, name: str, given: Mapping[str, Any]) -> CallPlan:
        options = self._read_options((name,), given, _SECTION_KEYS)
        values = {key: self._read_text(name, key, given[key]) for key in _TEXTS if key in given}
        lines = {"": self._line((name,)), **{key: self._line((name, key)) for key in given}}
        recording = given.get("recording")
        if not isinstance(recording, bool | None):
            self._complain((name, "recording"), "recording is neither true nor false")
            recording = None
        webhook = self._read_webhook(name, given.get("webhook"))
        callee = self._read_callee((name,), given)
        return CallPlan(options, **values, recording=recording, webhook=webhook, callee=callee, lines=lines)

    def _read_callee(self, where: tuple[str, ...], given: Mapping[str, Any]) -> RecognitionOptions:
        if _CALLEE not in given:
            return NOTHING_SAID
        return self._read_options((*where, _CALLEE), self._table(*where, _CALLEE), OPTION_NAMES)

    def _read_webhook(self, name: str, given: object) -> tuple[str, ...] | None:
        try:
            return None if given is None else chosen_receivers(given)
        except ValueError as problem:
            self._complain((name, "webhook"), f"webhook {problem}")
            return None

    def _read_options(
        self, where: tuple[str, ...], given: Mapping[str, Any], known: Sequence[str]
    ) -> RecognitionOptions:
        for key in given:
            if key not in known:
                self._complain((*where, key), f"{key} is no key of the file" + nearest(key, known))
        try:
            return read_options({key: given[key] for key in given if key in OPTION_NAMES}, self._classes)
        except BadOptions as bad:
            for key, some in bad.problems.items():
                for each in some:
                    self._complain((*where, key), said_of(key, each))
            return NOTHING_SAID

    def _read_text(self, name: str, key: str, value: object) -> str | None:
        words = "is no text"
        if isinstance(value, str) and value.strip():
            try:
                return _TEXTS[key](value.strip())
            except ValueError as problem:
                words = str(problem)
        self._complain((name, key), f"{key} {words}")
        return None

    def _read_allowed(self, name: str, given: Mapping[str, Any], profiles: Mapping[str, Any]) -> tuple[str, ...]:
        allowed = given.get("profiles", [])
        if not isinstance(allowed, list) or not all(isinstance(each, str) for each in allowed):
            self._complain((name, "profiles"), "profiles is no list of names")
            return ()
        for each in allowed:
            if each not in profiles:
                words = nearest(each, tuple(profiles)) if profiles else ""
                self._complain((name, "profiles"), f"profiles: there is no [profile.{each}]{words}")
        return tuple(allowed)


def _of_both(
    place: str, options: RecognitionOptions, callee: RecognitionOptions
) -> Iterator[tuple[str, RecognitionOptions]]:
    yield place, options
    if callee.said:
        yield f"{place}, {_CALLEE}", callee.over(options)


def _bare(number: str) -> str:
    """Return a number without what people put between digits, as Twilio gives it."""
    return _BETWEEN.sub("", number.strip()).replace(")", "")


_TEXTS: Final[Mapping[str, Callable[[str], str]]] = {
    "greeting": str,
    "handler": read.matching(read.ATTRIBUTE, "package.module:Name"),
    "busy": read.busy,
}
_SECTION_KEYS: Final = (*OPTION_NAMES, *_TEXTS, "recording", "webhook", _CALLEE, "profiles")
