"""Several processes accept on one port: how evenly connections come to them, by four ways to share it.

    python tests/bench/accepting.py --workers 2 --connections 400

in turn     the supervisor's socket, one accept at a time, and whoever is busier waits a moment: as workers do it
shared      the same socket, as Twisted accepts: as many as wait, up to a hundred and more
one by one  the same, one accept at a time
reuseport   a socket for each process, by SO_REUSEPORT: the kernel chooses by the addresses

Connections stay open, one every few milliseconds (`slowly`) or all at once (`burst`); each costs its process CPU,
as a call does. Printed: connections by process, the least first.
"""

import argparse
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from voicestt.ops import tables
from voicestt.workers.board import LoadBoard

WAYS = ("in turn", "shared", "one by one", "reuseport")
TICK_SECONDS = 0.02
CPU_A_SECOND = 0.0015
"""CPU of one connection in a second."""


def listening(port: int, *, is_own: bool) -> socket.socket:
    """A socket that listens on the port of 127.0.0.1."""
    made = socket.socket()
    if is_own:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    made.listen(1_000)
    made.setblocking(False)
    return made


def accept(cell: int, way: str, listener: socket.socket, board: LoadBoard, counts: Any) -> None:
    """Accept as a worker, and burn what its connections cost, until it is ended."""
    from twisted.internet import reactor as installed
    from twisted.internet.protocol import Factory, Protocol
    from twisted.internet.task import LoopingCall

    from voicestt.workers.fair_accept import FairAccept

    reactor: Any = installed
    port = reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, Factory.forProtocol(Protocol))

    def note() -> None:
        counts[cell] = port.sessionno
        board.write(cell, port.sessionno)

    def is_busier() -> bool:
        least = board.least_beside(cell)
        return way == "in turn" and least is not None and port.sessionno > least

    if way in {"in turn", "one by one"}:
        FairAccept(reactor, port, is_busier, note)

    def burn() -> None:
        note()
        until = time.thread_time() + port.sessionno * CPU_A_SECOND * TICK_SECONDS
        while time.thread_time() < until:
            pass

    LoopingCall(burn).start(TICK_SECONDS)
    board.write(cell, 0)
    reactor.run()


def shares(way: str, workers: int, connections: int, gap: float) -> list[int]:
    """The connections of each process."""
    context = multiprocessing.get_context("fork")
    board, counts = LoadBoard.new(), context.Array("i", workers, lock=False)
    first = listening(0, is_own=way == "reuseport")
    address = first.getsockname()
    others = [listening(address[1], is_own=True) if way == "reuseport" else first for _ in range(workers - 1)]
    started = [
        context.Process(target=accept, args=(cell, way, each, board, counts), daemon=True)
        for cell, each in enumerate([first, *others])
    ]
    for process in started:
        process.start()
    while any(board.read(cell) < 0 for cell in range(workers)):
        time.sleep(0.05)
    opened = []
    for _ in range(connections):
        opened.append(socket.create_connection(address, 30))
        time.sleep(gap)
    give_up = time.monotonic() + 30
    while sum(counts) < connections and time.monotonic() < give_up:
        time.sleep(0.1)
    found = sorted(counts)
    for process in started:
        process.kill()
        process.join()
    for each in [*opened, first, *others]:
        each.close()
    board.close()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="How evenly connections are accepted, on this machine only.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=400)
    options = parser.parse_args(arguments)
    rows = [
        (
            way,
            *("/".join(map(str, shares(way, options.workers, options.connections, gap))) for gap in (0.005, 0.0)),
        )
        for way in WAYS
    ]
    print("\n".join(tables.table(("way", "slowly", "burst"), rows, right=True)))
    print(f"{options.workers} processes, {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
