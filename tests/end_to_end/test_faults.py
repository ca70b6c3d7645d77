"""The matrix: every fault of the Google service, at every position of a call, and nothing is lost in any cell.

A cell is a call of its own, against a server and a Google service on real sockets. The cells of one position are
made at once, in one server, and that server holds afterwards what it held before. What breaks a connection breaks
every call on it, so there one strike hits four calls, each at another position.

Scaled: a stream's soft limit is 5 s instead of 240 and Google's 9 s instead of 305; the watchdog waits 1.5 s
instead of 5, and a call that fell back asks after a second instead of 60. The audio comes in real time.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred, gatherResults

from tests.end_to_end.faults_rig import (
    BETWEEN_CALLS,
    FOR_ALL,
    Plan,
    Stage,
    Stream,
    stage,
    talk,
)
from tests.recognisers.on_reactor import reactor
from voicestt.emulators.google.fault_parser import parse
from voicestt.emulators.google.limits import AUDIO_TIMEOUT
from voicestt.emulators.google.script import Script

pytestmark = pytest.mark.timeout(400)  # all calls of all positions are made before the first test

RATE = 8_000
SENTENCES = talk(6, 0.3, 1.8, repeat=3.0)
MONOLOGUE = talk(40, 0.3, 10.3)
SETTINGS = {
    "STT_SOFT_LIMIT_SECONDS": "5",
    "STT_HARD_LIMIT_SECONDS": "6",
    "STT_SILENT_SECONDS": "1.5",
    "STT_RECOVER_SECONDS": "1",
}

FAULTS = {
    "UNAVAILABLE": "error UNAVAILABLE",
    "INTERNAL": "error INTERNAL",
    "OUT_OF_RANGE (stream too long)": "error OUT_OF_RANGE",
    "OUT_OF_RANGE (no audio)": f'error OUT_OF_RANGE "{AUDIO_TIMEOUT}"',
    "ABORTED": "error ABORTED",
    "RESOURCE_EXHAUSTED": "error RESOURCE_EXHAUSTED",
    "in-band": "in-band INTERNAL",
    "credentials": "credentials",
    "PERMISSION_DENIED": "error PERMISSION_DENIED",
    "slow": "slow 0.8 s",  # all its life, whenever
    "hang": "hang",
}
UNDISTURBED = 1 + len(FAULTS)


@dataclass(frozen=True)
class Position:
    """Where faults strike: which of a call's streams, when, and what kind of call it is (seconds and words).

    `apart` are the seconds between calls where each must be over its fault before the next one begins. Beside the
    calls with faults there is one without, that may be longer. `after` are the seconds between two calls
    otherwise: the first failure sends a probe half a second later, which is a stream too and has a number.
    """

    name: str
    when: str
    seconds: float
    stream: int = 0
    apart: float = 0.0
    longer: float = 0.0
    after: float = BETWEEN_CALLS
    said: Script = SENTENCES
    googles_limit: float = 9.0
    settings: dict[str, str] = field(default_factory=dict)

    def fault(self, name: str) -> str:
        """The fault, as the faults file says it."""
        if name == "slow":
            return FAULTS[name]
        when = "at the start" if name == "hang" and self.when == "before the first response" else self.when
        return f"{FAULTS[name]} {when}"

    def plans(self) -> list[Plan]:
        """A call for each fault, and the one that nothing befalls."""
        plans = [Plan(1 + index, self.seconds, self.after) for index in range(len(FAULTS))]
        if self.apart:
            faults = [(f"next streaming: {self.fault(name)}",) for name in FAULTS]
            plans = [Plan(1 + index, self.seconds, self.apart, each) for index, each in enumerate(faults)]
        return [*plans, Plan(UNDISTURBED, self.seconds + self.longer, self.after)]

    def faults(self, next_stream: int) -> list[str]:
        """Faults by the number of the stream: the calls open theirs in turn."""
        first = next_stream + self.stream * len(self.plans())
        return [f"stream {first + index} streaming: {self.fault(name)}" for index, name in enumerate(FAULTS)]


POSITIONS = (
    Position("start", "before the first response", 3.5, apart=0.8, settings={"STT_RECOVER_SECONDS": "30"}),
    Position("mid-utterance", "after 4 s of audio", 7.2),
    Position("seam, the old stream", "on half-close", 7.2),
    Position("seam, the new stream", "before the first response", 7.6, stream=1),
    Position(
        "seam in a word",
        "after 3 s of audio",  # while it catches up: all of them are open before the first fails
        8.1,
        stream=1,
        said=MONOLOGUE,
        longer=3.0,
        after=0.01,
        googles_limit=30,
    ),
    Position("hang-up", "on half-close", 4.6),
)
CONNECTIONS = Position("connections", "on half-close", 0)
AT_ONCE = 3
ATTEMPTS = 3
CONNECTION_FAULTS = ("cut", "freeze", "goaway")
HIT_AT = {1: "seam", 2: "hang-up", 3: "mid-utterance", 4: "start"}
HITTING = (Plan(1, 7.2), Plan(2, 4.6, after=0.6), Plan(3, 7.2, after=0.6), Plan(4, 3.5, after=3.8))
"""Calls so timed that one is at its seam when another hangs up, the third is in mid-utterance, the last begins."""

CELLS = [
    pytest.param(position, fault, id=f"{fault}, {position.name}") for position in POSITIONS for fault in FAULTS
]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stage]]:
    """A server and a Google service for each position and each fault of connections; all calls are over."""
    begins = {position.name: partial(_begin, position) for position in POSITIONS}
    begins |= {fault: partial(_begin_hit, fault) for fault in CONNECTION_FAULTS}
    with contextlib.ExitStack() as stack:
        runs: dict[str, Stage] = {}
        for attempt in range(ATTEMPTS):
            # Alone, where the machine was too busy to have the faults where they belong when three went at once.
            together = AT_ONCE if attempt == 0 else 1
            names = [name for name in begins if name not in runs or not _is_placed(name, runs[name])]
            for first in range(0, len(names), together):
                group = names[first : first + together]
                runs |= {name: stack.enter_context(_ready(name, tmp_path_factory)) for name in group}
                _perform([runs[name] for name in group], [begins[name] for name in group])
        yield runs


@contextlib.contextmanager
def _ready(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    position = next((position for position in POSITIONS if position.name == name), CONNECTIONS)
    folder = tmp_path_factory.mktemp("stage")
    options = ("--stream-seconds", f"{position.googles_limit:g}")
    with stage(folder, position.said, *options, **(SETTINGS | position.settings)) as run:
        run.warm_up()
        yield run


def _perform(runs: Sequence[Stage], begins: Sequence[Callable[[Stage], "Deferred[Any]"]]) -> None:
    calls = [begin(run) for begin, run in zip(begins, runs, strict=True)]
    pytest_twisted.blockon(gatherResults(calls).addTimeout(FOR_ALL, reactor))
    for run in runs:
        run.wait_until_idle()


def _begin(position: Position, run: Stage) -> "Deferred[Any]":
    if not position.apart:
        run.fail(position.faults(run.next_stream))
    return run.call(position.plans())


def _begin_hit(fault: str, run: Stage) -> "Deferred[Any]":
    # The stream that has been rotated away is half-closed: that is the moment. The caller who hangs up then is
    # still waiting for his last words, because his stream is slow.
    first = run.next_stream
    run.fail([f"stream {first}: {fault} on half-close", f"stream {first + 1}: slow 1 s"])
    return run.call(HITTING)


def _is_placed(name: str, run: Stage) -> bool:
    """Whether each fault befell one stream, of a call of its own, at the position that is meant."""
    position = next((position for position in POSITIONS if position.name == name), None)
    if position is None:
        return [stream.number for stream in all_struck(run, f"{name} on half-close")] == [1]
    found = [all_struck(run, position.fault(fault)) for fault in FAULTS]
    streams = [stream for each in found for stream in each]
    numbers = {stream.number for stream in streams}
    starts = {stream.stretches[0][0] > 0 for stream in streams if stream.number is not None}
    is_there = position.said is MONOLOGUE or starts == {position.stream > 0}
    return len(streams) == len(numbers) == len(FAULTS) and UNDISTURBED not in numbers and is_there


def victims(run: Stage, position: Position, fault: str) -> set[int]:
    """The number of the call whose stream this fault befell.

    A stream that hangs from its start on has read nothing that says whose it is: then all that are left.
    """
    number = struck(run, position.fault(fault)).number
    if number is not None:
        return {number}
    others = {struck(run, position.fault(other)).number for other in FAULTS if other != fault}
    return {1 + index for index in range(len(FAULTS))} - others


def struck(run: Stage, fault: str) -> Stream:
    """The one stream that this fault befell."""
    (stream,) = all_struck(run, fault)
    return stream


def all_struck(run: Stage, fault: str) -> list[Stream]:
    """The streams that this fault befell."""
    (line,) = parse(f"next: {fault}")
    return [stream for stream in run.streams if stream.record["fault"] == str(line.fault)]


@pytest.mark.parametrize(("position", "fault"), CELLS)
def test_every_word_comes_once_and_in_order(stages: dict[str, Stage], position: Position, fault: str) -> None:
    run = stages[position.name]
    for number in victims(run, position, fault):
        run.told(number).check()


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: position.name)
def test_a_call_beside_them_notices_nothing(stages: dict[str, Stage], position: Position) -> None:
    stages[position.name].told(UNDISTURBED).check()


def test_a_stream_was_changed_within_a_word(stages: dict[str, Stage]) -> None:
    told = stages["seam in a word"].told(UNDISTURBED)
    assert told.count("rotated") >= 1, told.story
    assert [event["kind"] for event in told.events].count("final") == 1


@pytest.mark.parametrize("number", HIT_AT, ids=HIT_AT.__getitem__)
@pytest.mark.parametrize("fault", CONNECTION_FAULTS)
def test_every_word_comes_once_when_the_connection_fails(
    stages: dict[str, Stage], fault: str, number: int
) -> None:
    run = stages[fault]
    assert struck(run, f"{fault} on half-close").number == 1, run.told(1).story
    run.told(number).check()


@pytest.mark.parametrize("server", [*(position.name for position in POSITIONS), *CONNECTION_FAULTS])
def test_no_thread_and_no_socket_is_left(stages: dict[str, Stage], server: str) -> None:
    before, after = stages[server].wait_until_nothing_is_left()
    assert after.is_within(before), (before, after)
