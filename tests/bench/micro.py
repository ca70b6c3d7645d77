"""The cost of the parts of a frame's way by themselves, in nanoseconds, beside the plain way to do the same.

    python tests/bench/micro.py

Every figure is the best of several runs: whatever else the machine does can only add to it.
"""

import base64
import json
import sys
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from twisted.internet.task import Clock

from tests.server.in_memory import (
    CONNECTED,
    Server,
    media,
    start,
)
from voicestt.audio import mulaw
from voicestt.audio.batching import Batcher
from voicestt.call.call_audio import AudioFrame
from voicestt.ops import tables
from voicestt.ops.load.raw_call import TEXT, masked
from voicestt.twilio.media_stream import parse

FRAME = bytes(range(160))
ONE = AudioFrame(FRAME)
MESSAGE = media(FRAME)
FRAMES_A_ROUND = 15  # two batches of 150 ms
ROUND = FRAME * FRAMES_A_ROUND
RUNS = 7


@dataclass(frozen=True, slots=True)
class Measured:
    """Nanoseconds for one frame of 20 ms; `beside` is another way to do the same."""

    name: str
    ns: float
    beside: "Measured | None" = None

    def cells(self) -> tuple[str, str, str]:
        """One row."""
        if self.beside is None:
            return self.name, f"{self.ns:.0f}", ""
        ratio = self.ns / self.beside.ns
        return self.name, f"{self.ns:.0f}", f"{ratio:.2f} of {self.beside.name} ({self.beside.ns:.0f})"


def nanoseconds(work: Callable[[], object], frames: int = 1, seconds: float = 0.1) -> float:
    """For one frame, if `work` is that of so many: the best of several runs that take so long altogether."""
    timer = timeit.Timer(work)
    once = max(timer.timeit(1), 1e-7)
    number = max(1, int(seconds / RUNS / once))
    return min(timer.repeat(RUNS, number)) / number / frames * 1e9


def plain_json() -> bytes:
    """The payload by the standard library."""
    return base64.b64decode(json.loads(MESSAGE)["media"]["payload"])


def parsing(seconds: float) -> Measured:
    """One message of Twilio's to its audio."""
    plain = Measured("json + base64", nanoseconds(plain_json, seconds=seconds))
    return Measured("parse a message", nanoseconds(lambda: parse(MESSAGE), seconds=seconds), plain)


def decoding(seconds: float) -> Measured:
    """Mu-law to LINEAR16, a batch at a time and a frame at a time."""
    alone = Measured("frame by frame", nanoseconds(lambda: mulaw.decode(FRAME), seconds=seconds))
    together = nanoseconds(lambda: mulaw.decode(ROUND), FRAMES_A_ROUND, seconds)
    return Measured("decode mu-law, by batches", together, alone)


def batching(seconds: float) -> Measured:
    """Fifteen frames to two batches of 150 ms."""
    batcher = Batcher(1_200)

    def fill() -> None:
        for _ in range(FRAMES_A_ROUND):
            batcher.add(FRAME)

    return Measured("gather into batches", nanoseconds(fill, FRAMES_A_ROUND, seconds))


def machine(seconds: float) -> Measured:
    """A frame on its way through a live call, and what it would cost as an input of the state machine."""
    call = live_call()
    through = Measured(
        "as an input of the machine", nanoseconds(lambda: call.live.inputs.ignored("media"), seconds=seconds)
    )
    return Measured("a frame through its call", nanoseconds(call.take_frame, seconds=seconds), through)


def whole_path(seconds: float) -> Measured:
    """Masked bytes off the wire to the recogniser's `write`, through the real MediaStreamProtocol."""
    call = live_call()
    wire = b"".join(masked(TEXT, MESSAGE) for _ in range(FRAMES_A_ROUND))
    plain = Measured("json + base64 alone", nanoseconds(plain_json, seconds=seconds))
    return Measured(
        "the whole path in memory", nanoseconds(lambda: call.feed(wire), FRAMES_A_ROUND, seconds), plain
    )


@dataclass(frozen=True, slots=True)
class InMemory:
    """A call that talks, without a socket: its protocol, the call behind it, and what its recogniser got."""

    protocol: Any
    live: Any
    written: list[bytes]

    def feed(self, data: bytes) -> None:
        """Bytes off the wire."""
        self.protocol.dataReceived(data)
        self.written.clear()

    def take_frame(self) -> None:
        """One frame that has been understood already."""
        self.live.media((ONE,))
        self.written.clear()


def live_call() -> InMemory:
    """A server with one call that has started; it is never read less, so that every byte comes at once."""
    server = Server(Clock())
    line = server.join()
    line.say(CONNECTED, start())
    (live,) = server.calls._live
    return InMemory(line.pump.serverIO.protocol, live, server.recogniser.session.written)


PARTS: tuple[Callable[[float], Measured], ...] = (parsing, decoding, batching, machine, whole_path)


def main(seconds: float = 0.5) -> list[str]:
    """The table's lines."""
    rows = [("for one frame (20 ms)", "ns", "beside"), *(part(seconds).cells() for part in PARTS)]
    return tables.table(rows[0], rows[1:], right=True)


if __name__ == "__main__":
    print("\n".join(main()))
