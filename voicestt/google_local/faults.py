"""Faults of the service, as a person writes them in a file: which calls, what goes wrong, and when.

    # one fault a line: WHICH: WHAT WHEN
    next: error UNAVAILABLE
    next 2 streaming: error INTERNAL "Internal error encountered." after 5 s
    streams 3, 5-7: hang on half-close
    all recognize: credentials
    all: slow 0.3 s
    running: cut

WHICH is `all`; `next` or `next N`, the calls that begin after the file was read; `stream N` or `streams` with
numbers and ranges, counted from 1 as in the records; `running`, the calls that run when the file is read. Behind
it `streaming` or `recognize` narrows it to one method.

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

import enum
import math
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from voicestt.google_local.limits import Code

USUAL_WORDS = {
    Code.CANCELLED: "The operation was cancelled.",
    Code.INVALID_ARGUMENT: "Request contains an invalid argument.",
    Code.DEADLINE_EXCEEDED: "Deadline Exceeded",
    Code.PERMISSION_DENIED: "The caller does not have permission",
    Code.RESOURCE_EXHAUSTED: "Resource has been exhausted (e.g. check quota).",
    Code.ABORTED: "Max duration of 5 minutes reached for stream.",
    Code.OUT_OF_RANGE: "Exceeded maximum allowed stream duration of 305 seconds.",
    Code.INTERNAL: "Internal error encountered.",
    Code.UNAVAILABLE: "The service is currently unavailable.",
    Code.UNAUTHENTICATED: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
        "valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project."
    ),
}


class BadFaults(ValueError):
    """The faults cannot be read; the words say which line and why."""


class What(enum.Enum):
    """What goes wrong."""

    ERROR = "error"
    IN_BAND = "in-band"
    HANG = "hang"
    SLOW = "slow"
    CUT = "cut"
    FREEZE = "freeze"
    GOAWAY = "goaway"


class When(enum.Enum):
    """When it goes wrong."""

    START = "at the start"
    FIRST_RESPONSE = "before the first response"
    SECONDS = "after {:g} s"
    AUDIO = "after {:g} s of audio"
    HALF_CLOSE = "on half-close"


class Method(enum.Enum):
    """Which of the service's methods."""

    ANY = ""
    STREAMING = "streaming"
    RECOGNIZE = "recognize"

    def is_a(self, other: "Method") -> bool:
        """Whether a call of this method is meant by `other`."""
        return other in {Method.ANY, self}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call. `seconds` belongs to `when`, `delay` to `slow`; `code` is OK where it has none."""

    what: What
    when: When = When.START
    seconds: float = 0.0
    code: Code = Code.OK
    words: str = ""
    delay: float = 0.0

    def __str__(self) -> str:
        when = self.when.value.format(self.seconds)
        if self.what is What.SLOW:
            return f"slow {self.delay:g} s"
        if self.what in {What.ERROR, What.IN_BAND}:
            return f'{self.what.value} {self.code.name} "{self.words}" {when}'
        return f"{self.what.value} {when}"


class Which(enum.Enum):
    """Which calls a line is about."""

    ALL = "all"
    NEXT = "next"
    STREAMS = "streams"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `count` belongs to `next`, `numbers` (first, last) to `streams`."""

    which: Which
    fault: Fault
    method: Method = Method.ANY
    count: int = 1
    numbers: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        ranges = ", ".join(f"{first}-{last}" for first, last in self.numbers)
        amount = str(self.count) if self.which is Which.NEXT else ranges
        return f"{' '.join(filter(None, (self.which.value, amount, self.method.value)))}: {self.fault}"

    def names(self, number: int) -> bool:
        """Whether `streams` has this number."""
        return any(first <= number <= last for first, last in self.numbers)


class Faults:
    """The faults in force, and who is to suffer them next. Thread-safe."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self._lock = threading.Lock()
        self._lines: tuple[Line, ...] = ()
        self._left: list[int] = []
        self.replace(lines)

    def replace(self, lines: Iterable[Line]) -> None:
        """Other faults from now on."""
        with self._lock:
            self._lines = tuple(lines)
            self._left = [line.count for line in self._lines]

    def of_new_call(self, number: int, method: Method) -> tuple[Fault, ...]:
        """The faults of a call that begins."""
        with self._lock:
            return tuple(self._taken(number, method))

    def of_running_call(self, method: Method) -> tuple[Fault, ...]:
        """The faults of a call that was running when these came into force."""
        return tuple(
            line.fault for line in self._lines if line.which is Which.RUNNING and method.is_a(line.method)
        )

    def _taken(self, number: int, method: Method) -> Iterable[Fault]:
        has_next = False
        for index, line in enumerate(self._lines):
            if not method.is_a(line.method):
                continue
            if line.which is Which.NEXT and not has_next and self._left[index]:
                self._left[index] -= 1
                has_next = True
                yield line.fault
            elif line.which is Which.ALL or (line.which is Which.STREAMS and line.names(number)):
                yield line.fault


class Due:
    """The faults of one call that have not struck yet."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._waiting = list(faults)

    def add(self, faults: Iterable[Fault]) -> None:
        """More faults."""
        self._waiting.extend(faults)

    @property
    def delay(self) -> float:
        """By how many seconds `slow` delays the answers."""
        return sum(fault.delay for fault in self._waiting)

    def at(self, when: When, reached: float = 0.0) -> list[Fault]:
        """Those that strike at this moment, once; `reached` are the seconds that `after` counts."""
        striking = [fault for fault in self._waiting if _strikes(fault, when, reached)]
        self._waiting = [fault for fault in self._waiting if fault not in striking]
        return striking

    def timed(self) -> list[Fault]:
        """Those that strike after some seconds of the clock: whoever asks sets the timers."""
        return self.at(When.SECONDS, math.inf)


def _strikes(fault: Fault, when: When, reached: float) -> bool:
    return fault.when is when and fault.what is not What.SLOW and fault.seconds <= reached


_COMMENT = re.compile(r"\s*(#.*)?")
_WHICH = re.compile(
    r"(?P<which>all|running|next(?: (?P<count>\d+))?|streams? (?P<numbers>[\d ,-]+?))"
    r"(?: (?P<method>streaming|recognize))?"
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


def parse(text: str) -> tuple[Line, ...]:
    """The faults that `text` lists, one a line; raises `BadFaults`."""
    lines = []
    for number, written in enumerate(text.split("\n"), 1):
        if _COMMENT.fullmatch(written):
            continue
        try:
            lines.append(_line(written))
        except BadFaults as error:
            raise BadFaults(f"line {number}: {error}") from None
    return tuple(lines)


def _line(written: str) -> Line:
    before, colon, after = written.partition(":")
    if not colon:
        raise BadFaults(f"{written.strip()!r} has no colon; write for example: next: error UNAVAILABLE")
    which = _WHICH.fullmatch(" ".join(before.split()))
    if which is None:
        raise BadFaults(f"{before.strip()!r} names no calls; say all, next, next 3, streams 2, 5-7 or running")
    return Line(
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


def _error(what: What, code: Code, words: str | None, when: When, seconds: float) -> Fault:
    told = USUAL_WORDS.get(code, f"{code.name} as the faults file says.") if words is None else words
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
