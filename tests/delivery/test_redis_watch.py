"""Warnings of a real Redis that takes events and may lose them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logged
from tests.delivery.fakes import record
from tests.delivery.test_redis_streams import carry, streams
from tests.delivery.test_redis_worker import until
from tests.recognisers.on_reactor import on_reactor
from tests.redis_server import RedisServer
from tests.redis_topologies import cluster
from voicestt.delivery.redis_streams import RedisStreams, stream_of
from voicestt.delivery.redis_watch import (
    GroupLag,
    RedisWatch,
    Seen,
    eviction_risk,
)
from voicestt.ops.services import free_port

MAXLEN = 200


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


async def add(sender: RedisStreams, first: int, count: int) -> None:
    """In parcels, after each of which Redis is looked at."""
    for start in range(first, first + count, 50):
        outcomes = await carry(
            sender, *[record("a", start + each) for each in range(min(50, first + count - start))]
        )
        assert set(outcomes) == {None}


@on_reactor
async def test_an_eviction_policy_is_warned_of_once_and_when_it_is_gone(
    redis: RedisServer, logged: Logged
) -> None:
    with redis.client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        async with streams(redis.url, watch_seconds=0) as sender:
            await until(lambda: logged.matching("may forget events: its maxmemory-policy is allkeys-lru"))
            await add(sender, 1, 200)
            client.config_set("maxmemory-policy", "noeviction")
            await add(sender, 201, 50)
            await until(lambda: logged.matching("throws nothing away any more"))
    assert len(logged.matching("may forget events")) == 1


@on_reactor
async def test_a_group_that_trimming_outruns_is_warned_of_before_and_when_it_loses(
    redis: RedisServer, logged: Logged
) -> None:
    with redis.client() as client:
        client.xgroup_create(stream_of("CAa", 1), "slow", id="0", mkstream=True)
        client.xgroup_create(stream_of("CAa", 1), "fast", id="0")
        async with streams(redis.url, shards=1, maxlen=MAXLEN, watch_seconds=0) as sender:
            await add(sender, 1, 10)
            for group in ("slow", "fast"):
                client.xreadgroup(group, "me", {stream_of("CAa", 1): ">"}, count=10)
            await add(sender, 11, 100)
            assert not logged.matching("consumer group")
            client.xreadgroup("fast", "me", {stream_of("CAa", 1): ">"}, count=1_000)
            await add(sender, 111, 80)
            await until(
                lambda: logged.matching("The consumer group slow will soon lose events of voicestt:events:0")
            )
            await add(sender, 191, 500)
            await until(lambda: logged.matching("The consumer group slow loses events of voicestt:events:0"))
            client.xreadgroup("slow", "me", {stream_of("CAa", 1): ">"}, count=1_000)
            client.xreadgroup("fast", "me", {stream_of("CAa", 1): ">"}, count=1_000)
            await add(sender, 691, 10)
            await until(lambda: logged.matching("The consumer group slow has caught up"))
            # For Redis 7.0 it is behind for ever by what it was never given; that is said of it no more.
            for _ in range(4):
                client.xreadgroup("slow", "me", {stream_of("CAa", 1): ">"}, count=1_000)
                await add(sender, 701, 50)
    assert len(logged.matching("consumer group slow will soon lose")) == 1
    assert len(logged.matching("consumer group slow loses")) == 1
    assert not logged.matching("שלום")


@on_reactor
async def test_a_group_is_warned_of_although_streams_may_not_be_read(redis: RedisServer, logged: Logged) -> None:
    with redis.client() as client:
        client.xgroup_create(stream_of("CAa", 1), "slow", id="0", mkstream=True)
        rights = ("~voicestt:*", "+xadd", "+xinfo", "+ping", "+multi", "+exec")
        client.execute_command("ACL", "SETUSER", "voice", "on", ">pw", *rights)
    url = redis.url.replace("//", "//voice:pw@")
    async with streams(url, shards=1, maxlen=MAXLEN, watch_seconds=0) as sender:
        await add(sender, 1, 200)
        await until(lambda: logged.matching("The consumer group slow will soon lose events of voicestt:events:0"))
    assert len(logged.lines) == 1


@on_reactor
async def test_a_redis_that_may_not_be_asked_is_taken_as_it_is(redis: RedisServer, logged: Logged) -> None:
    with redis.client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        rights = ("~voicestt:*", "+xadd", "+ping", "+multi", "+exec")
        client.execute_command("ACL", "SETUSER", "voice", "on", ">pw", *rights)
    async with streams(redis.url.replace("//", "//voice:pw@"), shards=1, watch_seconds=0) as sender:
        await add(sender, 1, 200)
    assert logged.lines == []


@on_reactor
async def test_a_redis_that_is_not_there_is_not_told_of_here(logged: Logged) -> None:
    async with streams(f"redis://127.0.0.1:{free_port()}", watch_seconds=0) as sender:
        assert (await carry(sender, record("a", 1)))[0] is not None
    assert logged.lines == []


@on_reactor
async def test_every_server_of_a_cluster_is_looked_at(tmp_path: Path, logged: Logged) -> None:
    with cluster(tmp_path) as servers:
        with servers.primary_of("{3}").client() as client:
            client.config_set("maxmemory", "100mb")
            client.config_set("maxmemory-policy", "volatile-ttl")
        async with streams(servers.url, watch_seconds=0):
            await until(lambda: logged.matching("its maxmemory-policy is volatile-ttl"))


def lag(behind: int, lost: int = 0) -> GroupLag:
    return GroupLag("slow", "voicestt:events:0", behind, lost, behind / MAXLEN)


UNKNOWN, AT_EDGE = (GroupLag("slow", "voicestt:events:0", None, 0, share) for share in (0.0, 1.0))


@pytest.mark.parametrize(
    ("lags", "said"),
    [
        ([lag(159)], []),
        ([lag(160), lag(199), lag(150)], ["will soon lose"]),
        ([lag(160), lag(99), lag(160)], ["will soon lose", "has caught up", "will soon lose"]),
        ([lag(160), lag(201, 1), lag(300, 100), lag(10)], ["will soon lose", "loses events", "has caught up"]),
        # Before Redis 7 nobody counts.
        ([UNKNOWN, AT_EDGE, UNKNOWN], ["will soon lose", "has caught up"]),
    ],
)
def test_what_begins_and_ends_is_said_once(lags: list[GroupLag], said: list[str], logged: Logged) -> None:
    watch = RedisWatch("Redis at here", MAXLEN)
    for each in lags:
        watch.saw(Seen([], [each]))
    assert len(logged.lines) == len(said)
    assert all(words in line for words, line in zip(said, logged.lines, strict=True))


@pytest.mark.parametrize(
    ("memory", "risk"),
    [
        ({}, ""),
        ({"maxmemory": 0, "maxmemory_policy": "allkeys-lru"}, ""),
        ({"maxmemory": 1, "maxmemory_policy": "noeviction"}, ""),
        ({"maxmemory_policy": "allkeys-random"}, "whole streams"),
        ({"maxmemory": 1, "maxmemory_policy": "volatile-lru"}, "what workers remember"),
    ],
)
def test_what_a_full_redis_throws_away(memory: dict[str, Any], risk: str) -> None:
    assert (risk in eviction_risk(memory)) if risk else eviction_risk(memory) == ""
