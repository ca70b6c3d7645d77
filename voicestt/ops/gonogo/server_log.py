"""Finds the failures in a server's log and attributes them to the handler or the server."""

import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import voicestt
from voicestt.twilio.rest import TwilioRefused

_HANDLERS = "The handler "
_TRACEBACK = "Traceback (most recent call last)"
_INDENT = "\t"
_REFUSED = f"{TwilioRefused.__module__}.{TwilioRefused.__qualname__}"
_FILE = re.compile(r'\s*File "([^"]+)"')
_OURS = str(Path(voicestt.__file__).parent)
_NOBODYS = ("<", *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")))
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib"))


@dataclass(frozen=True, slots=True)
class Stumble:
    """A traceback in a log: its exception in one line, the `problem`, and the `words` of the line before it.

    One that we did not write ourselves `is_raw`: an application's own, or a thread's; it began in `file`.
    """

    words: str
    problem: str
    is_raw: bool
    file: str

    @property
    def is_the_handlers(self) -> bool:
        """True when the server reports it as the handler's failure."""
        return self.words.startswith(_HANDLERS)

    @property
    def is_ours(self) -> bool:
        """True when it is the server's own failure."""
        return self.file.startswith(_OURS) if self.is_raw else not self.is_the_handlers

    @property
    def asked_twilio(self) -> bool:
        """True when Twilio only refused a handler's request."""
        return self.problem.startswith(_REFUSED)


def handler_failures(messages: Sequence[str]) -> list[Stumble]:
    """List the failures of the application's handler that the server reports."""
    return [stumble for stumble in _stumbles_in(messages) if stumble.is_the_handlers]


def own_failures(messages: Sequence[str]) -> list[Stumble]:
    """List the failures of the server itself."""
    return [stumble for stumble in _stumbles_in(messages) if stumble.is_ours]


def _stumbles_in(messages: Sequence[str]) -> Iterator[Stumble]:
    for at, message in enumerate(messages):
        if _TRACEBACK in message:
            is_raw = not message.startswith(_INDENT)
            trace = [line.removeprefix(_INDENT) for line in messages[at + 1 :]]
            frames = list(takewhile(_is_indented, trace))
            problem = next(iter(trace[len(frames) :]), "")
            words = messages[at - 1] if at and not is_raw else ""
            yield Stumble(words, problem, is_raw, _file_of(frames))


def _is_indented(line: str) -> bool:
    return line.startswith((" ", _INDENT))


def _file_of(frames: Sequence[str]) -> str:
    """Find the file in which a traceback began: the first that is not Python's own."""
    files = [found[1] for line in frames if (found := _FILE.match(line))]
    whose = (file for file in files if file.startswith(_INSTALLED) or not file.startswith(_NOBODYS))
    return next(whose, "")
