"""Faults of the service as values: kind, moment, and the calls that they strike. See `fault_parser.py`."""

import enum
import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from voicestt.emulators.google.limits import Code


class What(enum.Enum):
    """The kind of a fault."""

    ERROR = "error"
    IN_BAND = "in-band"
    HANG = "hang"
    SLOW = "slow"
    CUT = "cut"
    FREEZE = "freeze"
    GOAWAY = "goaway"


class When(enum.Enum):
    """The moment at which a fault strikes."""

    START = "at the start"
    FIRST_RESPONSE = "before the first response"
    SECONDS = "after {:g} s"
    AUDIO = "after {:g} s of audio"
    HALF_CLOSE = "on half-close"


class Method(enum.Enum):
    """A method of the service; ANY stands for all of them."""

    ANY = ""
    STREAMING = "streaming"
    RECOGNIZE = "recognize"
    LONG_RUNNING = "long-running"

    def is_a(self, other: "Method") -> bool:
        """Tell whether `other` covers this method."""
        return other in {Method.ANY, self}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one call; `seconds` belongs to `when`, `delay` to `slow`; `code` is OK where it has none."""

    what: What
    when: When = When.START
    seconds: float = 0.0
    code: Code = Code.OK
    details: str = ""
    delay: float = 0.0

    def __str__(self) -> str:
        when = self.when.value.format(self.seconds)
        if self.what is What.SLOW:
            return f"slow {self.delay:g} s"
        if self.what in {What.ERROR, What.IN_BAND}:
            return f'{self.what.value} {self.code.name} "{self.details}" {when}'
        return f"{self.what.value} {when}"


class Which(enum.Enum):
    """The selection of calls that a line makes."""

    ALL = "all"
    NEXT = "next"
    STREAMS = "streams"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One line of the fault file: `count` belongs to `next`, `numbers` (first, last) to `streams`."""

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
        """Tell whether the ranges of `streams` include this number."""
        return any(first <= number <= last for first, last in self.numbers)


class Faults:
    """The faults in force and how often each `next` line still applies. Thread-safe."""

    def __init__(self, lines: Iterable[FaultRule] = ()) -> None:
        self._lock = threading.Lock()
        self._lines: tuple[FaultRule, ...] = ()
        self._left: list[int] = []
        self.replace(lines)

    def replace(self, lines: Iterable[FaultRule]) -> None:
        """Replace all faults; `next` lines count anew."""
        with self._lock:
            self._lines = tuple(lines)
            self._left = [line.count for line in self._lines]

    def of_new_call(self, number: int, method: Method) -> tuple[Fault, ...]:
        """Take the faults for a call that begins."""
        with self._lock:
            return tuple(self._taken(number, method))

    def of_running_call(self, method: Method) -> tuple[Fault, ...]:
        """Return the faults for a call that was running when these came into force."""
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
        """Add faults to those that wait."""
        self._waiting.extend(faults)

    @property
    def delay(self) -> float:
        """The delay of every answer by `slow` faults, in seconds."""
        return sum(fault.delay for fault in self._waiting)

    def at(self, when: When, reached: float = 0.0) -> list[Fault]:
        """Take the faults that strike at this moment, each once; `reached` is the seconds that `after` counts."""
        striking = [fault for fault in self._waiting if _strikes(fault, when, reached)]
        self._waiting = [fault for fault in self._waiting if fault not in striking]
        return striking

    def timed(self) -> list[Fault]:
        """Take the faults that strike after some seconds of the clock; the caller sets the timers."""
        return self.at(When.SECONDS, math.inf)


def _strikes(fault: Fault, when: When, reached: float) -> bool:
    return fault.when is when and fault.what is not What.SLOW and fault.seconds <= reached
