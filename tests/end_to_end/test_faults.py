"""The matrix: every fault of the Google service, at every position of a call, and nothing is lost in any cell.

A cell is a call of its own, against a server and a Google service on real sockets. The cells of one position are
made at once, in one server, and that server holds afterwards what it held before. What breaks a connection breaks
every call on it, so there one strike hits four calls, each at another position.

Scaled: a stream's soft limit is 5 s instead of 240 and Google's 9 s instead of 305; the watchdog waits 1.5 s
instead of 5, and a call that fell back asks after a second instead of 60. The audio comes in real time.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred, gatherResults

from tests.end_to_end.faults_rig import FOR_ALL, Plan, Stage, Stream, stage, talk
from tests.recognisers.on_reactor import reactor
from voicestt.google_local.faultlines import parse
from voicestt.google_local.limits import AUDIO_TIMEOUT
from voicestt.google_local.script import Script

RATE = 8_000
SENTENCES = talk(6, 0.3, 1.8, repeat=3.0)
MONOLOGUE = talk(40, 0.3, 10.3)
SETTINGS = {
    "STT_SOFT_LIMIT_SECONDS": "5",
    "STT_HARD_LIMIT_SECONDS": "6",
    "STT_SILENT_SECONDS": "1.5",
    "STT_RECOVER_SECONDS": "1",
}
GOOGLE = ("--stream-seconds", "9")

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


@dataclass(frozen=True)
class Position:
    """Where faults strike: which of a call's streams, when, and what kind of call it is (seconds and words).

    `apart` are the seconds between calls where each must be over its fault before the next one begins.
    """

    name: str
    when: str
    seconds: float
    stream: int = 0
    apart: float = 0.0
    said: Script = SENTENCES
    settings: dict[str, str] = field(default_factory=dict)

    def fault(self, name: str) -> str:
        """What goes wrong, as the faults file says it."""
        if name == "slow":
            return FAULTS[name]
        when = "at the start" if name == "hang" and self.when == "before the first response" else self.when
        return f"{FAULTS[name]} {when}"

    def plans(self) -> list[Plan]:
        """A call for each fault."""
        if self.apart:
            faults = [(f"next streaming: {self.fault(name)}",) for name in FAULTS]
            return [Plan(1 + index, self.seconds, self.apart, each) for index, each in enumerate(faults)]
        return [Plan(1 + index, self.seconds) for index in range(len(FAULTS))]

    def faults(self) -> list[str]:
        """Faults by the number of the stream: a warm-up has the first, and the calls open theirs in turn."""
        first = 2 + self.stream * len(FAULTS)
        return [f"stream {first + index} streaming: {self.fault(name)}" for index, name in enumerate(FAULTS)]


POSITIONS = (
    Position("start", "before the first response", 3.5, apart=0.8, settings={"STT_RECOVER_SECONDS": "30"}),
    Position("mid-utterance", "after 4 s of audio", 7.2),
    Position("seam, the old stream", "on half-close", 7.2),
    Position("seam, the new stream", "before the first response", 7.6, stream=1),
    Position("seam within a word", "before the first response", 8.1, stream=1, said=MONOLOGUE),
    Position("hang-up", "on half-close", 4.6),
)
CONNECTION_FAULTS = ("cut", "freeze", "goaway")
HIT_AT = {1: "seam", 2: "hang-up", 3: "mid-utterance", 4: "start"}
HITTING = (Plan(1, 7.2), Plan(2, 4.6, after=0.6), Plan(3, 7.2, after=0.6), Plan(4, 3.5, after=3.8))
"""Calls so timed that one is at its seam when another hangs up, the third is in mid-utterance, the last begins."""

CELLS = [
    pytest.param(position, fault, id=f"{fault}, {position.name}") for position in POSITIONS for fault in FAULTS
]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stage]]:
    """A server and a Google service for each position; all calls are over."""
    with contextlib.ExitStack() as stack:
        runs: dict[str, Stage] = {}
        for position in POSITIONS:
            folder = tmp_path_factory.mktemp("position")
            ready = stage(folder, position.said, *GOOGLE, **(SETTINGS | position.settings))
            runs[position.name] = stack.enter_context(ready)
            runs[position.name].warm_up()
        for fault in CONNECTION_FAULTS:
            ready = stage(tmp_path_factory.mktemp(fault), SENTENCES, *GOOGLE, **SETTINGS)
            runs[fault] = stack.enter_context(ready)
            runs[fault].warm_up()
        calls = [_begin(position, runs[position.name]) for position in POSITIONS]
        calls += [_begin_hit(fault, runs[fault]) for fault in CONNECTION_FAULTS]
        pytest_twisted.blockon(gatherResults(calls).addTimeout(FOR_ALL, reactor))
        for run in runs.values():
            run.wait_until_idle()
        yield runs


def _begin(position: Position, run: Stage) -> "Deferred[Any]":
    if not position.apart:
        run.fail(position.faults())
    return run.call(position.plans())


def _begin_hit(fault: str, run: Stage) -> "Deferred[Any]":
    # The stream that has been rotated away is half-closed: that is the moment. The caller who hangs up then is
    # still waiting for his last words, because his stream is slow.
    run.fail([f"stream 2: {fault} on half-close", "stream 3: slow 1 s"])
    return run.call(HITTING)


def victims(run: Stage, position: Position, fault: str) -> set[int]:
    """The number of the call whose stream this fault befell.

    A stream that hangs from its start on has read nothing that says whose it is: then all that are left.
    """
    number = struck(run, position.fault(fault)).number
    if number is not None:
        return {number}
    others = {struck(run, position.fault(other)).number for other in FAULTS if other != fault}
    return {plan.number for plan in position.plans()} - others


def struck(run: Stage, fault: str) -> Stream:
    """The one stream that this fault befell."""
    (line,) = parse(f"next: {fault}")
    (stream,) = [stream for stream in run.streams if stream.record["fault"] == str(line.fault)]
    return stream


@pytest.mark.parametrize(("position", "fault"), CELLS)
def test_every_word_comes_once_and_in_order(stages: dict[str, Stage], position: Position, fault: str) -> None:
    run = stages[position.name]
    for number in victims(run, position, fault):
        run.told(number).check()


@pytest.mark.parametrize("number", HIT_AT, ids=HIT_AT.__getitem__)
@pytest.mark.parametrize("fault", CONNECTION_FAULTS)
def test_every_word_comes_once_when_the_connection_fails(
    stages: dict[str, Stage], fault: str, number: int
) -> None:
    run = stages[fault]
    assert struck(run, f"{fault} on half-close").number == 1
    run.told(number).check()


@pytest.mark.parametrize("server", [*(position.name for position in POSITIONS), *CONNECTION_FAULTS])
def test_no_thread_and_no_socket_is_left(stages: dict[str, Stage], server: str) -> None:
    before, after = stages[server].wait_until_nothing_is_left()
    assert after.is_within(before), (before, after)
