"""Slow work on the events of calls by 1, 2 and 4 workers on two machines' worth of processes, one of them killed.

    python tests/bench/slow_work.py --calls 24 --events 40 --work-ms 10

Two servers' deliveries write into one Redis, half of the calls each, and docs/examples' workers, half of them for
each machine, work on them: each event takes its time, as a request to a language model does. Each call must be
worked on in order, and each event once; the one that a killed worker was at may come twice.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.delivery.fakes import MemoryOutbox
from tests.redis_server import RedisServer
from voicestt.delivery.deliverer import Deliverer
from voicestt.delivery.redis_streams import RedisStreams
from voicestt.events import event_id
from voicestt.journal.port import Destination

reactor: Any = installed_reactor
ALL = Destination("redis", partials=True)
PROGRAM = Path(__file__).with_name("slow_worker.py")
MACHINES = ("a", "b")
SHARDS = 4
LOOK_SECONDS = 0.05
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one run, and how long one event takes."""

    calls: int = 24
    events: int = 40
    milliseconds: float = 10.0
    lease: float = 3.0


@dataclass(slots=True)
class Done:
    """The outcome: events by worker in order, and the seconds from the first to the last."""

    by_worker: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    longest_pause: float = 0.0

    @property
    def per_second(self) -> float:
        return sum(map(len, self.by_worker.values())) / self.seconds if self.seconds else 0.0

    @property
    def repeats(self) -> int:
        ids = [each for ids in self.by_worker.values() for each in ids]
        return len(ids) - len(set(ids))


class SlowWork:
    """The workers of one run, each a process."""

    def __init__(self, url: str, folder: Path, work: Work) -> None:
        self._url = url
        self._folder = folder
        self._work = work
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, count: int) -> None:
        for number in range(count):
            name = f"{MACHINES[number % 2]}{number // 2}"
            options = [
                "--url",
                self._url,
                "--shards",
                str(SHARDS),
                "--name",
                name,
                "--lease",
                str(self._work.lease),
            ]
            command = [sys.executable, str(PROGRAM), str(self._work.milliseconds), *options]
            with self._file(name).open("ab") as output:
                self._processes[name] = subprocess.Popen(command, stdout=output)

    def kill(self) -> str:
        name, process = next(iter(self._processes.items()))
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        return name

    def stop(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            process.wait(20)

    def lines(self) -> dict[str, list[dict[str, Any]]]:
        """The events that each worker did; a line that a kill has cut is none."""
        found = {}
        for name in self._processes:
            whole = [
                line for line in self._file(name).read_text("utf-8").splitlines(keepends=True) if line[-1] == "\n"
            ]
            found[name] = [json.loads(line) for line in whole if not line.startswith("#")]
        return found

    @property
    def count(self) -> int:
        """The events that were done, each counted once."""
        return len({each["id"] for lines in self.lines().values() for each in lines})

    def done(self) -> Done:
        lines = self.lines()
        times = sorted(each["at"] for some in lines.values() for each in some)
        by_call: dict[str, list[float]] = defaultdict(list)
        for each in sorted((each for some in lines.values() for each in some), key=lambda line: line["at"]):
            by_call[each["id"].rpartition("-")[0]].append(each["at"])
        gaps = [after - before for some in by_call.values() for before, after in pairwise(some)]
        by_worker = {name: [each["id"] for each in some] for name, some in lines.items()}
        return Done(by_worker, times[-1] - times[0], max(gaps, default=0.0))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.txt"


async def run(redis: RedisServer, folder: Path, work: Work, workers: int, *, kills: bool = False) -> Done:
    """One run in an empty Redis; with `kills` one worker is killed when a third is done."""
    with redis.client() as client:
        client.flushall()
    total = work.calls * work.events
    with ExitStack() as stack:
        slow = SlowWork(redis.url, folder, work)
        stack.callback(slow.stop)
        slow.start(workers)
        await _until(lambda: len(_holders(redis)) == min(workers, SHARDS))
        async with AsyncExitStack() as servers:
            for machine in MACHINES:
                await _write(servers, redis, work, machine)
            if kills:
                await _until(lambda: slow.count > total // 3)
                slow.kill()
            await _until(lambda: slow.count == total)
        return slow.done()


async def _write(servers: AsyncExitStack, redis: RedisServer, work: Work, machine: str) -> None:
    """A server's delivery of its half of the calls."""
    outbox = MemoryOutbox(time.time, [ALL])
    deliverer = Deliverer(reactor, outbox, ALL, RedisStreams(reactor, redis.url, shards=SHARDS, maxlen=1_000_000))
    deliverer.start()
    servers.push_async_callback(_stop, deliverer)
    for _ in range(work.events):
        for call in range(work.calls // 2):
            outbox.write(f"{machine}{call}")
    deliverer.wake()


async def _stop(deliverer: Deliverer) -> None:
    await Deferred.fromCoroutine(deliverer.stop())


async def _until(condition: Any) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        await deferLater(reactor, LOOK_SECONDS)


def _holders(redis: RedisServer) -> set[str]:
    with redis.client(decode_responses=True) as client:
        return {client.get(key) for key in client.keys("voicestt:lease:*")} - {None}


def is_in_order(done: Done, work: Work) -> bool:
    """Return whether every call's events were done in order, none left out, by whomever."""
    for machine in MACHINES:
        for call in range(work.calls // 2):
            session = f"{machine}{call}"
            wanted = [event_id(session, number + 1) for number in range(work.events)]
            parts = [
                [each for each in ids if each.rpartition("-")[0] == session] for ids in done.by_worker.values()
            ]
            if not _fit(wanted, [part for part in parts if part]):
                return False
    return True


def _fit(wanted: Sequence[str], parts: Sequence[Sequence[str]]) -> bool:
    """Return whether the parts follow one another; at each change one event may come twice."""
    place = 0
    for part in sorted(parts, key=lambda each: wanted.index(each[0])):
        begins = wanted.index(part[0])
        if begins not in {place, place - 1} or list(part) != list(wanted[begins : begins + len(part)]):
            return False
        place = begins + len(part)
    return place == len(wanted)


async def _table(work: Work) -> None:
    print(f"{work.calls} calls of {work.events} events, {work.milliseconds:g} ms each, lease {work.lease:g} s\n")
    print("| workers | events per second | longest pause of a call | repeats | each call in order |")
    print("|---|---|---|---|---|")
    for workers, kills in ((1, False), (2, False), (4, False), (4, True)):
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder), keeps=False) as redis:
            done = await run(redis, Path(folder), work, workers, kills=kills)
        name = f"{workers}, one killed" if kills else str(workers)
        order = "yes" if is_in_order(done, work) else "NO"
        print(
            f"| {name} | {done.per_second:.0f} | {done.longest_pause:.1f} s | {done.repeats} | {order} |",
            flush=True,
        )


def main() -> None:
    options = argparse.ArgumentParser(description="Slow work by 1, 2 and 4 workers.")
    options.add_argument("--calls", type=int, default=24)
    options.add_argument("--events", type=int, default=40)
    options.add_argument("--work-ms", type=float, default=10.0)
    options.add_argument("--lease", type=float, default=3.0)
    chosen = options.parse_args()
    work = Work(chosen.calls, chosen.events, chosen.work_ms, chosen.lease)
    done = Deferred.fromCoroutine(_table(work))
    done.addErrback(lambda failure: print(failure.getTraceback()))
    done.addBoth(lambda _: reactor.callLater(0, reactor.stop))
    reactor.run()


if __name__ == "__main__":
    main()
