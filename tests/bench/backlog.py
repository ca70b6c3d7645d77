"""A server that starts with a receiver's long outage behind it: how soon it listens, what live words wait for.

    python tests/bench/backlog.py --databases sqlite postgresql --events 1000000 --calls 50000

For each database a journal is filled with undelivered events of a server that is gone. Then, before a receiver
that takes 50 ms for each event:

- listening: the real server is started; seconds until it takes connections;
- live: calls are placed while the backlog is drained; from when the server knew a final (EVENTS_FILE) to when the
  receiver was given it;
- drained: events of the backlog that the receiver was given meanwhile, a second;
- a neighbour's end: a second server is started on the same journal and takes calls; the first, with all that is
  left, is killed; from when the second knew a word to when it was in the journal (`/events`).

Where a goal is missed the exit code is 1. PostgreSQL is one of the bench's own, with default settings.
"""

import argparse
import contextlib
import http.client
import json
import math
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started as a file, `tests` is not on the path

from tests.bench.application import SECRET
from tests.bench.backlog_filling import CALLS, fill
from tests.bench.slow_receiver import Arrival, arrivals, slow_receiver
from tests.postgres import Cluster
from voicestt.ops import tables
from voicestt.ops.load.accounts import json_lines
from voicestt.ops.load.figures import percentile
from voicestt.ops.load.own_server import Server, google, scripted_services, served_by
from voicestt.ops.load.run import load
from voicestt.ops.processes import Running, accepts, running
from voicestt.ops.services import Services, free_port

DATABASES = ("sqlite", "postgresql")
TOKEN = "a-token-of-the-bench"
LISTENING_GOAL, LIVE_GOAL, DRAINED_GOAL, WRITTEN_GOAL = 3.0, 0.25, 500.0, 0.25
_LAST_SECONDS = 15.0
_KILLED_AT = 0.2  # of the time that is measured
_STEP_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Plan:
    """The amounts of everything. `seconds` are measured, twice; `answer` is the receiver's time for an event."""

    events: int
    calls: int
    live_calls: int
    seconds: float
    answer: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, but `drained`: events a second. What never came took for ever."""

    database: str
    filling: float
    listening: float
    live: Sequence[float]
    drained: float
    written: Sequence[float]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Each figure with its goal."""
        return [
            self._row("start to listening", f"{self.listening:.2f} s", self.listening < LISTENING_GOAL, "< 3 s"),
            self._delays("live put to webhook", self.live, LIVE_GOAL),
            self._row("drained", f"{self.drained:.0f} a second", self.drained >= DRAINED_GOAL, ">= 500"),
            self._delays("put to written when a neighbour ends", self.written, WRITTEN_GOAL),
        ]

    @property
    def is_good(self) -> bool:
        """Whether every goal is reached."""
        return all(row[-1] == "" for row in self.rows())

    def _delays(self, name: str, values: Sequence[float], goal: float) -> tuple[str, str, str, str]:
        p50, p99, most = (percentile(values, share) for share in (0.5, 0.99, 1))
        figures = f"p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms, most {1000 * most:.0f} ms of {len(values)}"
        return self._row(name, figures, p99 < goal, f"p99 < {1000 * goal:.0f} ms")

    def _row(self, name: str, figure: str, is_reached: bool, goal: str) -> tuple[str, str, str, str]:
        return f"{self.database}: {name}", figure, goal, "" if is_reached else "MISSED"


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty journal."""
    if kind == "sqlite":
        yield f"sqlite:///{folder.resolve()}/journal.db"
        return
    cluster = Cluster(settings=("max_connections=40",))
    try:
        yield cluster.new_database()
    finally:
        cluster.remove()


@contextlib.contextmanager
def started(services: Services, url: str, receiver: int) -> Iterator[tuple[Server, float, Running]]:
    """The real server, and after how many seconds it took connections."""
    environment = services.server_environment() | {
        "JOURNAL_URL": url,
        "EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{receiver}/events",
        "EVENTS_WEBHOOK_SECRET": SECRET,
        "EVENTS_TOKEN": TOKEN,
        "VOICESTT_SOCKET": str(services.folder / "control"),
    }
    began = time.monotonic()
    log = services.folder / "server.log"
    with running("The server", services.server_command(), environment, log) as up:
        while not accepts(services.server_port):
            up.wait_until(lambda: True)  # says so where it has ended
            time.sleep(_STEP_SECONDS)
        yield served_by(services, up.pid), time.monotonic() - began, up


@contextlib.contextmanager
def listener(port: int) -> Iterator[dict[str, float]]:
    """When `/events` told which events, by their ids and CLOCK_MONOTONIC."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/events?types=final,partial", headers={"Authorization": f"Bearer {TOKEN}"})
    line: socket.socket = connection.sock
    answer = connection.getresponse()
    told: dict[str, float] = {}

    def read() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # we hang up
            while text := answer.readline():
                if text.startswith(b"data:"):
                    told[json.loads(text[5:])["id"]] = time.monotonic()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        line.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


def said(services: Services, *kinds: str) -> dict[str, float]:
    """When the server knew which events, by their ids and CLOCK_MONOTONIC: its EVENTS_FILE."""
    lines = [line for line in json_lines(services.events_file) if line["kind"] in kinds]
    return {line["id"]: line["t"] for line in lines}


def delays(known: dict[str, float], arrived: dict[str, float], since: float = 0.0) -> list[float]:
    """The seconds that each took, of what was known after `since`."""
    return [arrived.get(key, math.inf) - at for key, at in known.items() if at >= since]


def drain(plan: Plan, services: Services, server: Server, file: Path) -> tuple[list[float], float]:
    """Delays of live finals to the receiver, and how many events of the backlog came there a second."""
    began = time.monotonic()
    load(Server(server.target), plan.live_calls, plan.seconds)
    ended = time.monotonic()
    known = said(services, "final")
    give_up = time.monotonic() + _LAST_SECONDS
    while True:
        come = arrivals(file)
        live = {each.event["id"]: each.at for each in come}
        if live.keys() >= known.keys() or time.monotonic() > give_up:
            break
        time.sleep(1)
    backlog = [each for each in come if began <= each.at < ended and _is_of_backlog(each)]
    return delays(known, live), len(backlog) / (ended - began)


def _is_of_backlog(arrival: Arrival) -> bool:
    return str(arrival.event["call_sid"]).startswith(CALLS)


def without_neighbour(plan: Plan, services: Services, server: Server, neighbour: Running) -> list[float]:
    """Delays of live words to the journal from when the neighbour is killed."""
    killed_at: list[float] = []

    def kill() -> None:
        neighbour.process.kill()
        killed_at.append(time.monotonic())

    killing = threading.Timer(plan.seconds * _KILLED_AT, kill)
    with listener(services.server_port) as told:
        killing.start()
        load(Server(server.target), plan.live_calls, plan.seconds)
        killing.join()
        known = said(services, "final", "partial")
        give_up = time.monotonic() + _LAST_SECONDS
        while not told.keys() >= known.keys() and time.monotonic() < give_up:
            time.sleep(0.1)
        return delays(known, dict(told), killed_at[0])


def measure(kind: str, plan: Plan, folder: Path) -> Figures:
    """One database."""
    ours = scripted_services(folder / "one")
    (folder / "two").mkdir()
    theirs = Services(folder / "two", google_port=ours.google_port)
    receiver, file = free_port(), folder / "arrived.txt"
    file.touch()
    with database(kind, folder) as url, slow_receiver(receiver, plan.answer, file), google(ours):
        began = time.monotonic()
        fill(url, plan.calls, plan.events)
        filling = time.monotonic() - began
        print(f"{kind}: {plan.events} events in {filling:.0f} s", file=sys.stderr)
        with started(ours, url, receiver) as (server, listening, neighbour):
            live, drained = drain(plan, ours, server, file)
            with started(theirs, url, receiver) as (other, _listening, _up):
                written = without_neighbour(plan, theirs, other, neighbour)
    return Figures(kind, filling, listening, live, drained, written)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="A server with a long outage of its receiver behind it.")
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--live", type=int, default=40, help="calls that are placed")
    parser.add_argument("--seconds", type=float, default=60.0, help="of these calls")
    parser.add_argument("--answer", type=float, default=0.05, help="seconds that the receiver takes for an event")
    parser.add_argument("--folder", type=Path, help="keeps everything there")
    options = parser.parse_args(arguments)
    plan = Plan(options.events, options.calls, options.live, options.seconds, options.answer)
    rows: list[tuple[str, ...]] = []
    is_good = True
    for kind in options.databases:
        with contextlib.ExitStack() as stack:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="voicestt-backlog-"))
            folder = (options.folder or Path(made)) / kind
            folder.mkdir(parents=True)
            figures = measure(kind, plan, folder)
        rows += figures.rows()
        is_good = is_good and figures.is_good
    print("\n".join(tables.table(rows[0], rows[1:], right=True)))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
