"""Counts of the function calls on a call's hot path: the same on every machine, however busy it is.

    python tests/bench/hot_path.py

One call talks in memory, through everything but the sockets, the threads and Google: its frames come as bytes off
the wire, its words as results handed back to the reactor. Counted are the calls of functions, Python's and C's,
and the instructions that Python executes. `test_hot_path.py` fails when one of them becomes a fifth dearer.
"""

import io
import sys
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import nan
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from google.cloud.speech_v1.types import StreamingRecognizeResponse
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from tests.recognisers.fakes import ScriptedRecogniser
from tests.recognisers.voices import silence, voice
from tests.server.in_memory import CONNECTED, Server, media, start
from voicestt.audio import mulaw
from voicestt.call import facts
from voicestt.call.facts import CallObserver
from voicestt.call.line import Line
from voicestt.events import Event, type_of
from voicestt.handler.publishing import Publishing
from voicestt.journal.payloads import payload_of
from voicestt.journal.port import Record
from voicestt.journal.write_queue import Entry, LateFacts, WriteQueue
from voicestt.ops import tables
from voicestt.ops.load.raw_call import TEXT, masked
from voicestt.recognisers.fallback import Fallback
from voicestt.recognisers.google.responses import results_of
from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.port import Result
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.runtime.log_output import log_observer
from voicestt.runtime.metrics import Stamps
from voicestt.server.call_log import CallLog
from voicestt.server.call_registry import CallRegistry
from voicestt.server.events_file import EventsFile
from voicestt.server.pipeline import PersistedEvents

FRAME = mulaw.BYTES_PER_FRAME
FRAMES_A_BATCH = 8  # 160 ms: the sockets are read so often
BATCHES = 24
TELLS_INSTRUCTIONS = sys.version_info < (3, 12)
"""Later versions tell them only of code that was traced before: there only calls are counted."""

SPEECH = voice(2.0) + silence(1.0)
WORDS = "good morning this is the front desk"


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls of functions, and instructions that Python executes, for one of what is counted."""

    name: str
    calls: float
    instructions: float


class Counter:
    """Counts what its thread does; the clean-up of garbage is counted where it comes, so there is none."""

    def __init__(self) -> None:
        self.calls = self.instructions = 0

    def profile(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1

    def trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            self.instructions += 1
        return self.trace


def calls_in(work: Callable[[], object]) -> int:
    """Count the calls of functions in `work`."""
    counter, before = Counter(), sys.getprofile()
    sys.setprofile(counter.profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counter.calls - 1  # not the one that ends the count


def instructions_in(work: Callable[[], object]) -> int:
    """Count Python's instructions in `work`."""
    counter, before = Counter(), sys.gettrace()
    sys.settrace(counter.trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return counter.instructions


class _QuietLog(CallLog):
    """The log of calls as the server writes it, into memory."""

    __module__ = CallLog.__module__  # the log's lines have the module's name
    _log = Logger(namespace="voicestt.server.call_log", observer=log_observer(io.StringIO(), "text", "info"))


class _Journal:
    """The reactor's side of the journal, and of its thread what costs the interpreter's lock per event."""

    def __init__(self, clock: Clock, readers: PersistedEvents) -> None:
        self._clock, self._readers = clock, readers
        self._queue = WriteQueue[facts.Event]()
        self._lateness = LateFacts[facts.Event](clock, readers.late)

    def put(self, event: Event | None, fact: facts.Event | None) -> None:
        entry = Entry[facts.Event](event, fact, self._clock.seconds())
        self._lateness.watch(entry)
        self._queue.put(entry)

    def remember(self, _session: str, _memory: str) -> None:
        raise NotImplementedError

    def address(self, _session: str, _receivers: Collection[str]) -> None:
        raise NotImplementedError

    def turn(self) -> None:
        """Everything that waits is written, and its readers are told."""
        entries = self._queue.take(1_000)
        self._lateness.look()
        if entries:
            self._readers.written([self._lateness.written(each, _record(each.event)) for each in entries])


def _record(event: Event | None) -> Record | None:
    if event is None:
        return None
    return Record(1, event.session, event.sequence, type_of(event), event.call_sid, payload_of(event))


class _WholeServer(Server):
    """A server with the real recogniser of calls, over a scripted one of streams."""

    def __init__(
        self, clock: Clock, observer_of: Callable[[Line, str], CallObserver], recogniser: Fallback
    ) -> None:
        self.call_recogniser = recogniser
        super().__init__(clock, b"", observer_of)


class TalkingCall:
    """One call that talks: `read` brings the next bytes off the wire, `hear` a result of its stream."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stream = ScriptedRecogniser()
        self.told: list[Record] = []
        readers = PersistedEvents(_QuietLog(CallRegistry(self.clock)), self.told.extend)
        self.journal = _Journal(self.clock, readers)
        publishing = Publishing(self.journal, file=EventsFile("/dev/null"))
        self.line = _WholeServer(self.clock, publishing.of_call, self._recogniser()).join()
        self.line.say(CONNECTED, start())
        self._frames = deque(masked(TEXT, media(SPEECH[at : at + FRAME])) for at in range(0, len(SPEECH), FRAME))
        self.said = 0

    def read(self) -> None:
        """Take one batch and a little more off the wire, as one read of the socket."""
        wire = b"".join(self._frames[at] for at in range(FRAMES_A_BATCH))
        self._frames.rotate(-FRAMES_A_BATCH)
        self.said += FRAMES_A_BATCH * FRAME
        self.line.pump.serverIO.protocol.dataReceived(wire)

    def pass_time(self) -> None:
        """Let the time of a read pass, with all timers that are due, and the journal's turn."""
        self.clock.advance(FRAMES_A_BATCH * FRAME / mulaw.BYTES_PER_SECOND)

    def hear(self, text: str, *, is_final: bool = False) -> None:
        """Hear a result of the stream, as the session thread hands it back."""
        now = time.monotonic()
        end = self.said - FRAME
        self.stream.session._say(Result(text, is_final, end, 0.8, stamps=Stamps(now, 0.001, (0.001,))))

    def _recogniser(self) -> Fallback:
        clock = self.clock

        def refuse(_audio: bytes) -> "Deferred[Result | None]":
            raise NotImplementedError

        health = CircuitBreaker("Google", clock, lambda _answer: None, jitter=lambda: 0.5)
        return Fallback(
            clock,
            Flag(True),
            Endless(clock, self.stream, StreamLimits(), lambda: 0.5, health),
            SingleShot(refuse, lambda action: clock.callLater(0, action)),
            Probe(clock, self.stream),
            health,
        )


def talk(call: TalkingCall, read: Callable[[Callable[[], object]], object], every: int = 2) -> None:
    """Let the call talk for a while; a partial comes at each second batch."""
    for number in range(BATCHES):
        read(call.read)
        if number % every == 0:
            call.hear(f"{WORDS} {number}")
        call.pass_time()
        call.journal.turn()


def talking() -> TalkingCall:
    """A call that has talked for a while."""
    call = TalkingCall()
    talk(call, _do)
    return call


def _do(work: Callable[[], object]) -> None:
    work()


Count = Callable[[Callable[[], object]], int]


def frames(count: Count) -> float:
    """For one frame of 20 ms: bytes off the wire to the recogniser's write."""
    counted: list[int] = []
    talk(talking(), lambda work: counted.append(count(work)))
    return sum(counted) / BATCHES / FRAMES_A_BATCH


def seconds(count: Count) -> float:
    """For one second of a call that is answered: the timers that are due, and the watch on its stream."""
    call = talking()
    counted = 0
    for number in range(BATCHES):
        call.read()
        if number % 2 == 0:
            call.hear(f"{WORDS} {number}", is_final=number % (BATCHES // 2) == 0)
            call.journal.turn()
        counted += count(call.pass_time)
    return counted / (BATCHES * FRAMES_A_BATCH * FRAME / mulaw.BYTES_PER_SECOND)


def partials(count: Count) -> float:
    """For one partial: from the hand-back in the reactor to the observers, the file, the journal and the log."""
    call = talking()
    counted = 0
    for number in range(BATCHES):
        call.read()
        counted += count(lambda: call.hear(f"{WORDS} {number}"))  # noqa: B023 - it is called at once
        call.pass_time()
        counted += count(call.journal.turn)
    return counted / BATCHES


def finals(count: Count) -> float:
    """For one final, and the end of the turn that it waits for, with the audio until then."""
    call = talking()
    call.read()
    call.hear(WORDS)
    call.pass_time()
    call.journal.turn()
    counted = count(lambda: call.hear(WORDS, is_final=True))
    for _ in range(BATCHES):
        call.read()
        call.pass_time()
    return counted + count(call.journal.turn)


def responses(count: Count) -> float:
    """For one response of Google's with a partial, in the session thread."""
    portion = {"alternatives": [{"transcript": WORDS}], "stability": 0.8, "result_end_time": {"seconds": 3}}
    message = StreamingRecognizeResponse.pb()(results=[portion])
    return count(lambda: results_of(message))


COUNTED: dict[str, Callable[[Count], float]] = {
    "a frame of 20 ms": frames,
    "a second's timers": seconds,
    "a partial": partials,
    "a final": finals,
    "a response": responses,
}


def costs() -> list[Cost]:
    """Count everything."""
    return [
        Cost(name, work(calls_in), work(instructions_in) if TELLS_INSTRUCTIONS else nan)
        for name, work in COUNTED.items()
    ]


def main() -> list[str]:
    """The table's lines."""
    rows = [(cost.name, f"{cost.calls:.1f}", f"{cost.instructions:.0f}") for cost in costs()]
    return tables.table(("of one call, for", "calls", "instructions"), rows, right=True)


if __name__ == "__main__":
    print("\n".join(main()))
