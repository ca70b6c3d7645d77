"""A webhook's receiver that takes its time for each event, as a process of its own: PORT SECONDS FILE.

Each event is a line of FILE: CLOCK_MONOTONIC when it came, and its JSON. The answer, 204, follows after so many
seconds; connections are kept open.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started as a file, `voicestt` need not be installed

from voicestt.ops.processes import accepts, running

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, and when it came."""

    at: float
    event: dict[str, Any]


class _Connection(asyncio.Protocol):
    def __init__(self, seconds: float, file: BinaryIO) -> None:
        self._seconds = seconds
        self._file = file
        self._data = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        self._data += data
        while (body := self._next_body()) is not None:
            self._file.write(b"%.6f %s\n" % (at, body))
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, _ANSWER)

    def _next_body(self) -> bytes | None:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return None
        self._data = rest[length:]
        return rest[:length]


@contextlib.contextmanager
def slow_receiver(port: int, seconds: float, file: Path) -> Iterator[None]:
    """Listens on this port of 127.0.0.1."""
    command = [sys.executable, __file__, str(port), str(seconds), str(file)]
    with running("The receiver", command, {}, file.with_suffix(".log")) as up:
        up.wait_until(lambda: accepts(port))
        yield


def arrivals(file: Path) -> list[Arrival]:
    """The events that have come so far, in order; a line that is being written is none yet."""
    whole = file.read_bytes().rpartition(b"\n")[0].splitlines()
    return [Arrival(float(at), json.loads(body)) for at, _, body in (line.partition(b" ") for line in whole)]


async def _receive(port: int, seconds: float, file: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(lambda: _Connection(seconds, file), "127.0.0.1", port, backlog=1_024)
    await ended.wait()
    server.close()


def main() -> None:
    """The command line."""
    port, seconds, path = sys.argv[1:]
    with open(path, "ab", buffering=0) as file:
        asyncio.run(_receive(int(port), float(seconds), file))


if __name__ == "__main__":
    main()
