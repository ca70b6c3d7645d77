"""The deliverer and a real Redis that fails in every way at hand, in real time."""

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Logged
from tests.delivery.fakes import MemoryOutbox
from tests.delivery.test_redis_worker import (
    ALL,
    SHARDS,
    delivering,
    until,
)
from tests.recognisers.on_reactor import on_reactor
from tests.redis_server import RedisServer
from voicestt.delivery.deliverer import Deliverer
from voicestt.events import event_id

CALLS = 30


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def write(outbox: MemoryOutbox, deliverer: Deliverer, count: int = 10) -> None:
    for _ in range(count):
        for call in range(CALLS):
            outbox.write(f"call{call}", kind="partial")
            outbox.write(f"call{call}")
            deliverer.wake()


def first_arrivals(server: RedisServer) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with server.client(decode_responses=True) as client:
        for shard in range(SHARDS):
            for _, fields in client.xrange(f"voicestt:events:{shard}"):
                if fields["id"] not in found[fields["call_sid"]]:
                    found[fields["call_sid"]].append(fields["id"])
    return found


def expected(count: int) -> dict[str, list[str]]:
    return {
        f"CAcall{call}": [event_id(f"call{call}", each + 1) for each in range(2 * count)] for call in range(CALLS)
    }


@on_reactor
async def test_killed_started_hanging_full_and_without_replicas_it_gets_everything_in_order(
    redis: RedisServer, logged: Logged
) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        write(outbox, deliverer)
        await until(lambda: deliverer.figures.delivered > 100)
        redis.kill()
        write(outbox, deliverer)
        await until(lambda: logged.matching("is down: ConnectionError"))
        redis.start()
        await until(lambda: not outbox.left(ALL.name))
        redis.pause()
        write(outbox, deliverer)
        await until(lambda: logged.matching("is down: TimeoutError"))
        redis.resume()
        await until(lambda: not outbox.left(ALL.name))
        with redis.client() as client:
            client.config_set("maxmemory", "1kb")
            write(outbox, deliverer)
            await until(lambda: logged.matching("is down: OutOfMemoryError"))
            client.config_set("maxmemory", "0")
            await until(lambda: not outbox.left(ALL.name))
            client.config_set("min-replicas-to-write", "1")
            write(outbox, deliverer)
            await until(lambda: logged.matching("NOREPLICAS"))
            client.config_set("min-replicas-to-write", "0")
            await until(lambda: not outbox.left(ALL.name))
    assert first_arrivals(redis) == expected(50)
    assert len(logged.matching("works again")) == 4
    assert not logged.matching("שלום")


@on_reactor
async def test_stopping_with_a_redis_that_hangs_takes_two_seconds_at_most(redis: RedisServer) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    async with delivering(redis.url, outbox) as deliverer:
        write(outbox, deliverer, 1)
        await until(lambda: not outbox.left(ALL.name))
        redis.pause()
        write(outbox, deliverer, 1)
        await until(lambda: deliverer.figures.waiting)
        start = time.monotonic()
    assert time.monotonic() - start < 5
    redis.resume()
    async with delivering(redis.url, outbox):
        await until(lambda: not outbox.left(ALL.name))
    assert first_arrivals(redis) == expected(2)
