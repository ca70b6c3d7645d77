"""docs/examples/redis_worker.py, as real processes beside a real Redis that the deliverer writes into."""

import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.delivery.fakes import MemoryOutbox
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from tests.redis_server import RedisServer
from voicestt.delivery.deliverer import Deliverer
from voicestt.delivery.redis_streams import RedisStreams
from voicestt.events import event_id
from voicestt.journal.port import Destination

ALL = Destination("redis", partials=True)
PROGRAM = Path(__file__).parents[2] / "docs" / "examples" / "redis_worker.py"
SHARDS = 4
CALLS = 12


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@asynccontextmanager
async def delivering(
    url: str, outbox: MemoryOutbox, *, answer_seconds: float = 0.5, replicas: int = 0
) -> AsyncIterator[Deliverer]:
    sender = RedisStreams(
        reactor, url, shards=SHARDS, maxlen=100_000, replicas=replicas, answer_seconds=answer_seconds
    )
    deliverer = Deliverer(reactor, outbox, ALL, sender)
    deliverer.start()
    try:
        yield deliverer
    finally:
        await soon(Deferred.fromCoroutine(deliverer.stop()))


class Workers:
    """Example workers, each a process that writes what it did into a file."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, lease: float = 2.0) -> None:
        where = ["--url", self._url, "--shards", str(SHARDS), "--name", name, "--lease", str(lease)]
        with self._file(name).open("ab") as output:
            self._processes[name] = subprocess.Popen([sys.executable, str(PROGRAM), *where], stdout=output)

    def signal(self, name: str, number: int) -> int:
        process = self._processes.pop(name)
        process.send_signal(number)
        return process.wait(20)

    def stop(self) -> None:
        for name in list(self._processes):
            assert self.signal(name, signal.SIGTERM) == 0

    def done(self, name: str) -> list[str]:
        """The ids of what a worker did, in order."""
        lines = self._file(name).read_text("utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n") and not line.startswith("#")]
        return [json.loads(line)["id"] for line in whole]

    def said(self, name: str, words: str) -> bool:
        """Whether a worker complained of Redis in these words."""
        lines = self._file(name).read_text("utf-8").splitlines()
        return any(line.startswith("#") and words in line for line in lines)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.txt"


@pytest.fixture
def workers(redis: RedisServer, tmp_path: Path) -> Iterator[Workers]:
    with ExitStack() as stack:
        made = Workers(redis.url, tmp_path)
        stack.callback(made.stop)
        yield made


def write(outbox: MemoryOutbox, deliverer: Deliverer, count: int) -> None:
    for _ in range(count):
        for call in range(CALLS):
            outbox.write(f"call{call}")
    deliverer.wake()


async def until(condition: Callable[[], object]) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < 60
        pause: Deferred[None] = Deferred()
        reactor.callLater(0.05, pause.callback, None)
        await pause


def by_call(ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in ids:
        found[each.rpartition("-")[0]].append(each)
    return found


def expected(count: int) -> dict[str, list[str]]:
    return {f"call{call}": [event_id(f"call{call}", each + 1) for each in range(count)] for call in range(CALLS)}


@on_reactor
async def test_two_workers_share_the_calls_and_do_each_in_order(redis: RedisServer, workers: Workers) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        # Longer than a busy machine keeps one waiting: a lease that ran out is the other's, and rightly so.
        workers.start("one", lease=10.0)
        workers.start("two", lease=10.0)
        # Both are there, and each has had the time to take its share.
        await until(lambda: sorted(filter(None, leases(redis))) == ["one", "one", "two", "two"])
        for _ in range(10):
            write(outbox, deliverer, 3)
        await until(lambda: len(workers.done("one")) + len(workers.done("two")) == 30 * CALLS)
    one, two = by_call(workers.done("one")), by_call(workers.done("two"))
    assert one
    assert two
    assert not set(one) & set(two)
    assert one | two == expected(30)


@on_reactor
async def test_a_killed_worker_is_replaced_and_what_it_had_not_finished_is_done_first(
    redis: RedisServer, workers: Workers
) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        workers.start("one")
        workers.start("two")
        await until(lambda: set(leases(redis)) == {"one", "two"})
        write(outbox, deliverer, 200)
        await until(lambda: len(workers.done("one")) > 100)
        workers.signal("one", signal.SIGKILL)
        write(outbox, deliverer, 10)
        await until(lambda: set(workers.done("one")) | set(workers.done("two")) == all_of(210))
    one, two = by_call(workers.done("one")), by_call(workers.done("two"))
    for call, ids in expected(210).items():
        first = one.get(call, [])
        # What one did, two goes on with; the last event may have been done and not acknowledged.
        assert first == ids[: len(first)]
        assert two.get(call, []) in (ids[len(first) :], ids[max(0, len(first) - 1) :])


@on_reactor
async def test_redis_is_killed_and_workers_and_deliverer_go_on(
    redis: RedisServer, workers: Workers, logged: Logged
) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        workers.start("one")
        write(outbox, deliverer, 20)
        await until(lambda: len(workers.done("one")) > 50)
        redis.kill()
        write(outbox, deliverer, 20)
        await until(lambda: logged.matching("Redis at 127.0.0.1"))
        assert deliverer.figures.is_down
        redis.start()
        await until(lambda: set(workers.done("one")) == all_of(40))
        await until(lambda: not outbox.left(ALL.name))
    firsts = by_call(list(dict.fromkeys(workers.done("one"))))
    assert firsts == expected(40)


@on_reactor
async def test_what_voicestt_sends_twice_is_done_once(
    redis: RedisServer, workers: Workers, logged: Logged
) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        write(outbox, deliverer, 1)
        await until(lambda: not outbox.left(ALL.name))
        redis.pause()
        # Few, so that Redis has the whole transaction although nobody waits for its answer any more.
        write(outbox, deliverer, 1)
        await until(lambda: logged.matching("is down: TimeoutError"))
        redis.resume()
        await until(lambda: not outbox.left(ALL.name))
        with redis.client() as client:
            assert sum(client.xlen(name) for name in client.keys("voicestt:events:*")) == 3 * CALLS
        workers.start("one")
        await until(lambda: set(workers.done("one")) == all_of(2))
    assert by_call(workers.done("one")) == expected(2)


Fault = tuple[Callable[[RedisServer], object], Callable[[RedisServer], object], str]


def asks(*command: str) -> Callable[[RedisServer], object]:
    def ask(server: RedisServer) -> None:
        with server.client() as client:
            client.execute_command(*command)

    return ask


def nothing(_server: RedisServer) -> None:
    pass


def destroy_the_groups(server: RedisServer) -> None:
    with server.client() as client:
        for name in client.keys("voicestt:events:*"):
            client.xgroup_destroy(name, "workers")


FAULTS: dict[str, Fault] = {
    # Nothing need be said of it: one that has just lost its lease makes the groups anyway.
    "its groups are destroyed": (destroy_the_groups, nothing, ""),
    "it is full": (
        asks("CONFIG", "SET", "maxmemory", "1kb"),
        asks("CONFIG", "SET", "maxmemory", "0"),
        "OutOfMemory",
    ),
    "it is a replica": (asks("REPLICAOF", "127.0.0.1", "1"), asks("REPLICAOF", "NO", "ONE"), "ReadOnlyError"),
    "it is started again": (RedisServer.stop, RedisServer.start, "ConnectionError"),
    "it is killed": (RedisServer.kill, RedisServer.start, "ConnectionError"),
}


@pytest.mark.parametrize("fault", FAULTS)
@on_reactor
async def test_a_worker_does_everything_once_and_in_order_although_redis_fails(
    redis: RedisServer, workers: Workers, fault: str
) -> None:
    breaks, heals, words = FAULTS[fault]
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        workers.start("one")
        write(outbox, deliverer, 50)
        await until(lambda: len(workers.done("one")) > 100)
        breaks(redis)
        write(outbox, deliverer, 10)
        await until(lambda: not words or workers.said("one", words))
        heals(redis)
        write(outbox, deliverer, 10)
        await until(lambda: set(workers.done("one")) == all_of(70))
    assert by_call(workers.done("one")) == expected(70)


def have_done(workers: Workers, count: int) -> bool:
    return set(workers.done("one")) == all_of(count)


@on_reactor
async def test_a_worker_goes_on_with_what_comes_after_a_stream_was_deleted(
    redis: RedisServer, workers: Workers
) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        workers.start("one")
        for count in (10, 20):
            write(outbox, deliverer, 10)
            await until(partial(have_done, workers, count))
            with redis.client() as client:
                client.delete(*client.keys("voicestt:events:*"))
                # It makes them anew, whether it has found it out by reading or by having lost its lease.
                await until(lambda: len(client.keys("voicestt:events:*")) == SHARDS)
        write(outbox, deliverer, 10)
        await until(lambda: set(workers.done("one")) == all_of(30))
    assert by_call(workers.done("one")) == expected(30)


@on_reactor
async def test_of_each_session_only_its_last_event_is_remembered_and_for_a_day(
    redis: RedisServer, workers: Workers
) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        write(outbox, deliverer, 30)
        workers.start("one")
        await until(lambda: set(workers.done("one")) == all_of(30))
        workers.stop()
    with redis.client(decode_responses=True) as client:
        last = {name.rpartition(":")[2]: client.get(name) for name in client.keys("voicestt:last:*")}
        assert all(0 < client.ttl(name) <= 86_400 for name in client.keys("voicestt:last:*"))
        others = [name for name in client.keys("*") if not name.startswith(("voicestt:last:", "voicestt:events:"))]
    assert last == {f"call{call}": "30" for call in range(CALLS)}
    assert others == []


@on_reactor
async def test_a_worker_is_stopped_although_redis_is_gone(redis: RedisServer, workers: Workers) -> None:
    workers.start("one")
    await until(lambda: leases(redis))
    redis.kill()
    await until(lambda: workers.said("one", "ConnectionError"))
    assert workers.signal("one", signal.SIGTERM) == 0


def leases(server: RedisServer) -> list[str]:
    with server.client(decode_responses=True) as client:
        return [client.get(key) for key in client.keys("voicestt:lease:*")]


def all_of(count: int) -> set[str]:
    return {each for ids in expected(count).values() for each in ids}
