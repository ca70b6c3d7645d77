"""The sender, the deliverer and the example worker, with a Redis Cluster of real servers."""

import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.cluster import RedisCluster

from tests.conftest import Logged
from tests.delivery.fakes import MemoryOutbox, record
from tests.delivery.test_redis_delivery import CALLS, expected, write
from tests.delivery.test_redis_streams import carry, failure, streams
from tests.delivery.test_redis_worker import (
    ALL,
    SHARDS,
    Workers,
    by_call,
    delivering,
    until,
)
from tests.recognisers.on_reactor import on_reactor
from tests.redis_topologies import Cluster, cluster
from voicestt.delivery.redis_streams import RedisStreams, stream_of
from voicestt.delivery.sender import DeliveryFailed
from voicestt.ops.services import free_port


def entries(servers: Cluster) -> dict[str, list[str]]:
    """The ids in each stream, wherever it is."""
    found = {}
    with RedisCluster("127.0.0.1", servers.primaries[1].port, protocol=2, decode_responses=True) as client:
        for shard in range(SHARDS):
            name = f"voicestt:events:{{{shard}}}"
            found[name] = [fields["id"] for _, fields in client.xrange(name)]
    return found


def first_arrivals(servers: Cluster) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for ids in entries(servers).values():
        for each in dict.fromkeys(ids):
            found[f"CA{each.rpartition('-')[0]}"].append(each)
    return found


def in_cluster(call: str) -> str:
    return stream_of(f"CA{call}", SHARDS, in_cluster=True)


@on_reactor
async def test_each_call_is_in_order_in_a_stream_of_its_shard_and_the_shards_are_spread(tmp_path: Path) -> None:
    calls = [f"call{number}" for number in range(20)]
    records = [record(call, sequence) for sequence in range(1, 11) for call in calls]
    with cluster(tmp_path) as servers:
        async with streams(servers.url) as sender:
            assert await carry(sender, *records) == [None] * 200
        found = entries(servers)
        assert len({servers.primary_of(name).port for name in found}) > 1
    for call in calls:
        mine = [each for each in found[in_cluster(call)] if each.startswith(f"{call}-")]
        assert mine == [f"{call}-{sequence:06d}" for sequence in range(1, 11)]
    assert sum(map(len, found.values())) == 200


@on_reactor
async def test_a_node_that_is_gone_holds_back_only_its_own_calls(tmp_path: Path) -> None:
    calls = [f"call{number}" for number in range(20)]
    with cluster(tmp_path) as servers:
        owners = {in_cluster(call): servers.primary_of(in_cluster(call)) for call in calls}
        gone = owners[in_cluster("call0")]
        async with streams(servers.url, answer_seconds=1.0) as sender:
            assert await carry(sender, record("call0", 1)) == [None]
            gone.kill()
            outcomes = await carry(sender, *[record(call, 2) for call in calls])
            for call, outcome in zip(calls, outcomes, strict=True):
                assert (outcome is not None) == (owners[in_cluster(call)] is gone)
                assert outcome is None or (isinstance(outcome, DeliveryFailed) and not outcome.is_whole)
            gone.start()
            await until_carried(sender, "call0")


async def until_carried(sender: RedisStreams, call: str) -> None:
    start = time.monotonic()
    while await carry(sender, record(call, 2)) != [None]:
        assert time.monotonic() - start < 60


@on_reactor
async def test_where_a_replica_must_confirm_only_calls_of_a_node_with_one_arrive(tmp_path: Path) -> None:
    calls = [f"call{number}" for number in range(20)]
    with cluster(tmp_path, with_replica=True) as servers:
        followed = [call for call in calls if servers.primary_of(in_cluster(call)) is servers.primaries[0]]
        async with streams(servers.url, replicas=1, answer_seconds=1.0) as sender:
            await until_carried(sender, followed[0])
            outcomes = await carry(sender, *[record(call, 1) for call in calls])
    for call, outcome in zip(calls, outcomes, strict=True):
        if call in followed:
            assert outcome is None
        else:
            assert isinstance(outcome, DeliveryFailed)
            assert outcome.why.startswith("NotReplicated: 0 of 1 replicas")


# The client's library forgets a connection to a node that is gone; the garbage collector closes it, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@on_reactor
async def test_a_cluster_that_is_not_there_is_down_and_found_again(tmp_path: Path) -> None:
    async with streams(f"redis+cluster://127.0.0.1:{free_port()}") as sender:
        failed = await failure(sender)
        assert failed.is_whole
        assert failed.why.startswith("RedisClusterException: Redis Cluster cannot be connected")
    with cluster(tmp_path) as servers:
        async with streams(servers.url, answer_seconds=1.0) as sender:
            assert await carry(sender, record("a", 1)) == [None]
            for node in servers.primaries:
                node.kill()
            assert (await failure(sender, 2)).is_whole
            for node in servers.primaries:
                node.start()
            await until_carried(sender, "a")


@on_reactor
async def test_the_example_workers_share_the_streams_of_a_cluster(tmp_path: Path) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    with cluster(tmp_path, with_replica=True) as servers, ExitStack() as stack:
        workers = Workers(servers.url, tmp_path)
        stack.callback(workers.stop)
        async with delivering(servers.url, outbox, answer_seconds=1.0) as deliverer:
            workers.start("one")
            workers.start("two")
            write(outbox, deliverer)
            await until(lambda: len(set(workers.done("one") + workers.done("two"))) == 2 * CALLS * 10)
            servers.primaries[0].kill()
            write(outbox, deliverer)
            await until(lambda: len(set(workers.done("one") + workers.done("two"))) == 2 * CALLS * 20)
    for name in ("one", "two"):
        for ids in by_call(list(dict.fromkeys(workers.done(name)))).values():
            assert ids == sorted(ids)


@on_reactor
async def test_a_slot_that_moves_is_followed(tmp_path: Path) -> None:
    stream = in_cluster("a")
    with cluster(tmp_path) as servers:
        async with streams(servers.url) as sender:
            assert await carry(sender, record("a", 1)) == [None]
            move(servers, stream)
            await until_carried(sender, "a")
            assert await carry(sender, record("a", 3)) == [None]
        assert entries(servers)[stream] == ["a-000001", "a-000002", "a-000003"]


def move(servers: Cluster, key: str) -> None:
    """Moves the slot of a key, and the key, to the next node, as `redis-cli --cluster reshard` does."""
    source = servers.primary_of(key)
    target = servers.primaries[(servers.primaries.index(source) + 1) % 3]
    with source.client(decode_responses=True) as here, target.client(decode_responses=True) as there:
        slot = here.cluster("KEYSLOT", key)
        mine, others = (each.execute_command("CLUSTER", "MYID") for each in (here, there))
        there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", mine)
        here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", others)
        here.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
        for client in (there, here):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", others)


@on_reactor
async def test_a_replica_takes_over_and_has_every_event_in_order(tmp_path: Path, logged: Logged) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    with cluster(tmp_path, with_replica=True) as servers:
        async with delivering(servers.url, outbox, answer_seconds=1.0) as deliverer:
            write(outbox, deliverer)
            await until(lambda: not outbox.left(ALL.name))
            servers.primaries[0].kill()
            write(outbox, deliverer)
            await until(lambda: not outbox.left(ALL.name))
            assert deliverer.figures.delivered == 2 * CALLS * 20
        assert first_arrivals(servers) == expected(20)
    assert not logged.matching("שלום")
