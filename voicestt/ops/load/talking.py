"""Sends the audio of all calls in real time, from one loop on an absolute clock."""

import selectors
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from voicestt.ops.load.raw_call import RawCall

SLOTS = 20
"""Milliseconds of a frame: calls whose phases are in the same one send together."""

CLOSE_SECONDS = 20.0
_GOLDEN = 0.618034


@dataclass(frozen=True, slots=True)
class Talked:
    """The send times of a load: `times` of each millisecond's group (CLOCK_MONOTONIC), `latest` in seconds."""

    phases: Sequence[int]
    times: Sequence[float]
    latest: float

    def sent_at(self, index: int, frame: int) -> float:
        """Return the time at which a frame of the call at `index` was given to its socket."""
        return self.times[self.phases[index] + frame * SLOTS]


def in_step(count: int) -> list[int]:
    """Make phases (ms) within one frame: all calls fill their batches and say their words at the same time."""
    return [index % SLOTS for index in range(count)]


def spread(count: int, seconds: float) -> list[int]:
    """Make phases (ms) spread evenly over so many seconds, as independent callers are; the same each time."""
    return [int(index * _GOLDEN % 1 * seconds * 1000) for index in range(count)]


def talk(
    calls: Sequence[RawCall],
    moments: Mapping[int, Callable[[], None]] | None = None,
    phases: Sequence[int] | None = None,
) -> Talked:
    """Send every call's frames from its phase on (all `in_step` if not given), then stop and close it.

    `moments` are called once so many frames' time has passed since the beginning.
    """
    return _Talk(calls, moments or {}, phases or in_step(len(calls))).run()


class _Talk:
    def __init__(
        self, calls: Sequence[RawCall], moments: Mapping[int, Callable[[], None]], phases: Sequence[int]
    ) -> None:
        self._calls = calls
        self._moments = moments
        self._phases = phases
        self._groups = [
            [(call, phase // SLOTS) for call, phase in zip(calls, phases, strict=True) if phase % SLOTS == slot]
            for slot in range(SLOTS)
        ]
        self._selector = selectors.DefaultSelector()
        self._latest = 0.0
        for call in calls:
            self._selector.register(call.socket, selectors.EVENT_READ, call)

    def run(self) -> Talked:
        last = max(
            phase // SLOTS + len(call.frames) for call, phase in zip(self._calls, self._phases, strict=True)
        )
        times = array("d")
        start = time.monotonic() + 0.05
        for tick in range((last + 1) * SLOTS):
            times.append(self._at(tick, start + tick * 0.001))
        self._wait_for_closes()
        return Talked(self._phases, times, self._latest)

    def _at(self, tick: int, due: float) -> float:
        """Send one millisecond's group at its due time and return the time at which it began."""
        if (early := due - time.monotonic()) > 0:
            time.sleep(early)
        began = time.monotonic()
        now, slot = divmod(tick, SLOTS)
        for call, first in self._groups[slot]:
            _say(call, now - first)
        self._latest = max(self._latest, time.monotonic() - due)
        if slot == SLOTS - 1:
            self._read(0)
            if now in self._moments:
                self._moments[now]()
        return began

    def _wait_for_closes(self) -> None:
        give_up = time.monotonic() + CLOSE_SECONDS
        while not all(call.closed for call in self._calls) and time.monotonic() < give_up:
            for call in self._calls:
                if call.outbox:
                    call.send(b"")
            self._read(0.02)
        for call in self._calls:
            call.socket.close()
        self._selector.close()

    def _read(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            key.data.receive()
            if key.data.closed:
                self._selector.unregister(key.fileobj)
                key.data.socket.close()


def _say(call: RawCall, frame: int) -> None:
    if 0 <= frame < len(call.frames):
        call.send(call.frames[frame])
    elif frame == len(call.frames):
        call.send(call.last_words)
