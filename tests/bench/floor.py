"""The cost of Google's client alone: the streams of so many calls, and no telephone, journal or application.

    python tests/bench/floor.py --calls 100 --seconds 12

asyncio   one event loop with gRPC's asyncio client, as the server's session thread has it
threads   gRPC's other client, with a thread that sends and one that reads for each call, as most people write it

Every call sends a message of 150 ms of LINEAR16, at a point of a grid of 20 ms that calls share, and reads the
answers of a scripted Google service, which is another process. Printed: CPU of the process per call-second. No
server on this machine that uses the client can cost less than that.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import grpc

from voicestt.audio import mulaw
from voicestt.ops import tables
from voicestt.ops.load.own_server import google, scripted_services
from voicestt.ops.load.said import BATCH_BYTES, audio_of
from voicestt.ops.load.talking import spread
from voicestt.recognisers.google.api import GOOGLE_V1
from voicestt.runtime.timer_grid import STEP

BATCH_SECONDS = mulaw.seconds(BATCH_BYTES)
SETTLING, ENDING = 2.0, 0.5
"""Seconds of the beginning and of the end that are not measured: connections are made, and closed."""

OPENING = GOOGLE_V1.opening(GOOGLE_V1.config("en-US", "phone_call", punctuation=False, word_times=False))


def messages(call: int, phase: float, seconds: float) -> list[tuple[float, bytes]]:
    """The messages of a call, and the seconds after the start at which each is due; the opening is the first."""
    audio = audio_of(call, int(seconds * mulaw.BYTES_PER_SECOND) // mulaw.BYTES_PER_FRAME)
    batches = [mulaw.decode(audio[at : at + BATCH_BYTES]) for at in range(0, len(audio), BATCH_BYTES)]
    places = [round((phase + number * BATCH_SECONDS) / STEP) * STEP for number in range(len(batches))]
    return [(0.0, OPENING), *zip(places, map(GOOGLE_V1.audio, batches), strict=True)]


async def _stream(channel: grpc.aio.Channel, start: float, due: list[tuple[float, bytes]]) -> int:
    async def said() -> AsyncIterator[bytes]:
        for after, message in due:
            await asyncio.sleep(max(0.0, start + after - time.monotonic()))
            yield message

    method: Any = channel.stream_stream(GOOGLE_V1.stream_method, response_deserializer=GOOGLE_V1.response)
    return len([response async for response in method(said())])


async def by_asyncio(endpoint: str, start: float, calls: list[list[tuple[float, bytes]]]) -> int:
    """All calls in one event loop; returns the number of answers."""
    async with grpc.aio.insecure_channel(endpoint) as channel:
        return sum(await asyncio.gather(*(_stream(channel, start, due) for due in calls)))


def by_threads(endpoint: str, start: float, calls: list[list[tuple[float, bytes]]]) -> int:
    """A thread that reads for each call, and gRPC's own that sends; returns the number of answers."""
    answers: list[int] = []

    def said(due: list[tuple[float, bytes]]) -> Iterator[bytes]:
        for after, message in due:
            time.sleep(max(0.0, start + after - time.monotonic()))
            yield message

    def stream(method: Any, due: list[tuple[float, bytes]]) -> None:
        answers.append(len(list(method(said(due)))))

    with grpc.insecure_channel(endpoint) as channel:
        method: Any = channel.stream_stream(GOOGLE_V1.stream_method, response_deserializer=GOOGLE_V1.response)
        threads = [threading.Thread(target=stream, args=(method, due)) for due in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return sum(answers)


def measure(way: str, endpoint: str, calls: int, seconds: float, told: Any) -> None:
    """Run one way in this process; send the CPU of the measured time in seconds, and the number of answers."""
    phases = spread(calls, BATCH_SECONDS)
    due = [messages(call, phase / 1_000, seconds) for call, phase in enumerate(phases)]
    start = time.monotonic() + 0.2
    spent: list[float] = []
    for after in (SETTLING, seconds - ENDING):
        timer = threading.Timer(0.2 + after, lambda: spent.append(time.process_time()))
        timer.start()
    run = by_threads if way == "threads" else lambda *given: asyncio.run(by_asyncio(*given))
    answers = run(endpoint, start, due)
    told.send((spent[1] - spent[0], answers))


def one(way: str, calls: int, seconds: float) -> tuple[float, int]:
    """CPU milliseconds for a second of a call, and the number of answers, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="voicestt-floor-") as folder:
        services = scripted_services(Path(folder))
        with google(services):
            ours, theirs = multiprocessing.Pipe()
            given = (way, f"127.0.0.1:{services.google_port}", calls, seconds, theirs)
            process = multiprocessing.get_context("spawn").Process(target=measure, args=given)
            process.start()
            cpu, answers = ours.recv()
            process.join()
    return cpu / calls / (seconds - SETTLING - ENDING) * 1_000, answers


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The cost of Google's client alone.")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    rows = []
    for _ in range(options.rounds):
        for way in ("asyncio", "threads"):
            cpu, answers = one(way, options.calls, options.seconds)
            rows.append((way, str(options.calls), f"{cpu:.2f}", str(answers)))
    print("\n".join(tables.table(("client", "calls", "CPU ms per call-s", "answers"), rows, right=True)))


if __name__ == "__main__":
    main()
