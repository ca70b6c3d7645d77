"""Parses faults of the service from a file: the calls, the fault, and its moment.

    # one fault a line: WHICH: WHAT WHEN
    next: error UNAVAILABLE
    next 2 streaming: error INTERNAL "Internal error encountered." after 5 s
    streams 3, 5-7: hang on half-close
    all recognize: credentials
    all: slow 0.3 s
    running: cut

WHICH is `all`; `next` or `next N`, the calls that begin after the file was read; `stream N` or `streams` with
numbers and ranges, counted from 1 as in the records; `running`, the calls that run when the file is read. Behind
it `streaming`, `recognize` or `long-running` narrows it to one method.

WHAT is
    error CODE "words"      the call ends with this status (the words may be left out: then Google's usual ones)
    credentials             error UNAUTHENTICATED in Google's words
    in-band CODE "words"    a response with `error` in it, then the stream ends well
    hang                    nothing is read and nothing answered any more
    slow N s                every answer comes so much later
    cut                     the TCP connection is reset, with all calls on it
    freeze                  the TCP connection stays open and nothing passes any more
    goaway                  HTTP/2 GOAWAY: calls go on, new ones need another connection

WHEN is `at the start` (if nothing is said: before anything is read), `before the first response` (instead of
it), `after N s` (of the service's clock, so divided by the time scale), `after N s of audio` (received by this
call) or `on half-close` (before the last answers).

A call takes every line that fits it, but of the `next` lines only the first that is not used up, and keeps what
it took. A file that changed replaces all faults for calls that begin later, and `next` counts anew.
"""

import re
from collections.abc import Callable
from pathlib import Path

from voicestt.emulators.google.faults import (
    Fault,
    FaultRule,
    Faults,
    Method,
    What,
    When,
    Which,
)
from voicestt.emulators.google.limits import USUAL_WORDS, Code


class BadFaults(ValueError):
    """The faults cannot be read; the message names the line and the reason."""


_COMMENT = re.compile(r"\s*(#.*)?")
_WHICH = re.compile(
    r"(?P<which>all|running|next(?: (?P<count>\d+))?|streams? (?P<numbers>[\d ,-]+?))"
    r"(?: (?P<method>streaming|recognize|long-running))?"
)
_SECONDS = r"\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_WHAT = re.compile(
    r'(?:(?P<what>error|in-band) (?P<code>\w+)(?: "(?P<words>[^"]*)")?'
    rf"|slow (?P<delay>{_SECONDS}) ?s|(?P<plain>credentials|hang|cut|freeze|goaway))"
    r"(?: (?P<when>at the start|before the first response|on half-close"
    rf"|after (?P<seconds>{_SECONDS}) ?s(?P<audio> of audio)?))?"
    r"\s*(?:#.*)?"
)
_RANGE = re.compile(r" ?(\d+)(?: ?- ?(\d+))? ?")


def parse(text: str) -> tuple[FaultRule, ...]:
    """Parse the faults listed in `text`, one a line; raises `BadFaults`."""
    lines = []
    for number, written in enumerate(text.split("\n"), 1):
        if _COMMENT.fullmatch(written):
            continue
        try:
            lines.append(_line(written))
        except BadFaults as error:
            raise BadFaults(f"line {number}: {error}") from None
    return tuple(lines)


class FaultFile:
    """Keeps `faults` equal to the file's content; a missing file means no faults.

    A file that cannot be read leaves the faults as they were; `complain` is told.
    """

    def __init__(self, path: Path, faults: Faults, complain: Callable[[str], None]) -> None:
        self._path = path
        self._faults = faults
        self._complain = complain
        self._seen: object = ()
        self._faults.replace(parse(self._read()))

    def refresh(self) -> bool:
        """Read the file if it changed; returns True when the faults were replaced."""
        if self._stamp() == self._seen:
            return False
        try:
            self._faults.replace(parse(self._read()))
        except (BadFaults, OSError, UnicodeDecodeError) as error:
            self._complain(f"{self._path}: {error}; the faults stay as they were.")
            return False
        return True

    def _read(self) -> str:
        self._seen = self._stamp()
        return self._path.read_text("utf-8") if self._seen else ""

    def _stamp(self) -> object:
        """Return a value that changes when the file does; None without a file."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def _line(written: str) -> FaultRule:
    before, colon, after = written.partition(":")
    if not colon:
        raise BadFaults(f"{written.strip()!r} has no colon; write for example: next: error UNAVAILABLE")
    which = _WHICH.fullmatch(" ".join(before.split()))
    if which is None:
        raise BadFaults(f"{before.strip()!r} names no calls; say all, next, next 3, streams 2, 5-7 or running")
    return FaultRule(
        which=_which(which["which"]),
        fault=_fault(after.strip()),
        method=Method(which["method"] or ""),
        count=int(which["count"] or 1),
        numbers=_numbers(which["numbers"] or ""),
    )


def _which(word: str) -> Which:
    first = word.split(maxsplit=1)[0]
    return Which.STREAMS if first.startswith("stream") else Which(first)


def _numbers(written: str) -> tuple[tuple[int, int], ...]:
    if not written:
        return ()
    matches = [_RANGE.fullmatch(piece) for piece in written.split(",")]
    if None in matches:
        raise BadFaults(f"{written!r} are no stream numbers; write for example: streams 2, 5-7")
    return tuple((int(match[1]), int(match[2] or match[1])) for match in matches if match)


def _fault(written: str) -> Fault:
    match = _WHAT.fullmatch(written)
    if match is None:
        raise BadFaults(
            f"{written!r} is no fault; say error CODE, credentials, in-band CODE, hang, slow 0.5 s, cut, freeze "
            "or goaway, and then: at the start, before the first response, after 5 s, after 5 s of audio or "
            "on half-close"
        )
    when, seconds = _when(match)
    if match["delay"]:
        return Fault(What.SLOW, delay=float(match["delay"]))
    if match["plain"] == "credentials":
        return _error(What.ERROR, Code.UNAUTHENTICATED, None, when, seconds)
    if match["plain"]:
        return Fault(What(match["plain"]), when, seconds)
    return _error(What(match["what"]), _code(match["code"]), match["words"], when, seconds)


def _error(what: What, code: Code, details: str | None, when: When, seconds: float) -> Fault:
    told = USUAL_WORDS.get(code, f"{code.name} as the faults file says.") if details is None else details
    return Fault(what, when, seconds, code, told)


def _code(name: str) -> Code:
    if name in Code.__members__ and name != "OK":
        return Code[name]
    known = ", ".join(code.name for code in Code if code)
    raise BadFaults(f"{name!r} is no status code; there are {known}")


def _when(match: re.Match[str]) -> tuple[When, float]:
    if match["seconds"]:
        return (When.AUDIO if match["audio"] else When.SECONDS), float(match["seconds"])
    return When(match["when"] or When.START.value), 0.0
