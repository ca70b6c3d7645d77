"""The link to a real Redis: scripts in order, messages to all, and what becomes of both when Redis is away."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, gatherResults

from tests.conftest import Logged
from tests.fleet.rig import linked, until
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from tests.redis_server import RedisServer
from tests.redis_topologies import cluster, guarded
from voicestt.config.redis_address import redis_address
from voicestt.fleet.link import CannotJoin, RedisLink, open_fleet_servers
from voicestt.fleet.port import FleetAway, FleetRefused, LuaScript, NoFleet, fleet_key
from voicestt.ops.services import free_port

ADD = LuaScript("redis.call('RPUSH', KEYS[1], ARGV[1]) return redis.call('LRANGE', KEYS[1], 0, -1)")
KEY = fleet_key("test")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, keeps=False) as server:
        yield server


async def fails(asked: "Deferred[object]") -> FleetAway:
    try:
        await soon(asked)
    except FleetAway as away:
        return away
    raise AssertionError("it did not fail")


@on_reactor
async def test_scripts_are_done_in_order_and_all_of_a_turn_in_few_round_trips(redis: RedisServer) -> None:
    async with linked(redis.url) as link:
        replies = await soon(gatherResults([link.run(ADD, [KEY], [number]) for number in range(300)]))
        assert replies[-1] == [b"%d" % number for number in range(300)]
        await until(lambda: link.counts.done == 300, "all are counted")
        assert link.counts.round_trip.spread.count < 100


@on_reactor
async def test_a_script_that_redis_has_forgotten_is_sent_again(redis: RedisServer) -> None:
    async with linked(redis.url) as link:
        await soon(link.run(ADD, [KEY], ["a"]))
        with redis.client() as client:
            client.script_flush()
        assert await soon(link.run(ADD, [KEY], ["b"])) == [b"a", b"b"]


@on_reactor
async def test_an_error_of_one_script_is_its_own(redis: RedisServer) -> None:
    async with linked(redis.url) as link:
        wrong = link.run(LuaScript("return redis.call('GET', KEYS[1])"), [KEY])
        first = link.run(ADD, [KEY], ["a"])
        second = link.run(LuaScript("return redis.call('GET', KEYS[1])"), [KEY])
        await soon(wrong)
        assert await soon(first) == [b"a"]
        assert isinstance(await fails(second), FleetRefused)
        assert link.is_up
        assert await soon(link.run(ADD, [KEY], ["b"])) == [b"a", b"b"]


@on_reactor
async def test_a_text_that_is_no_text_and_a_value_that_is_none_cost_nobody_else_anything(
    redis: RedisServer, logged: Logged
) -> None:
    async with linked(redis.url) as link:
        assert await soon(link.run(ADD, [KEY], ["\ud800"])) == [b"\\ud800"]
        wrong: Any = object()
        assert "mistake" in str(await fails(link.run(ADD, ["\ud800"], [])))
        await until(lambda: link.is_up, "the link is up")
        await fails(link.run(ADD, [KEY], [wrong]))
        await until(lambda: link.is_up, "the link is up")
        assert await soon(link.run(ADD, [KEY], ["b"])) == [b"\\ud800", b"b"]
    assert logged.flush(UnicodeEncodeError)


@on_reactor
async def test_who_fails_at_news_keeps_them_from_nobody(redis: RedisServer, logged: Logged) -> None:
    heard: list[bytes] = []
    ready: list[bool] = []

    def fail_at(_message: bytes) -> None:
        raise ZeroDivisionError

    async with linked(redis.url) as link:
        link.subscribe("news", fail_at, lambda: ready.append(True))
        link.subscribe("news", heard.append)
        await until(lambda: ready, "it is subscribed")
        link.publish("news", b"x")
        await until(lambda: heard, "it was heard")
    assert logged.flush(ZeroDivisionError)


@on_reactor
async def test_messages_reach_all_who_subscribe_in_order_and_nobody_else(redis: RedisServer) -> None:
    heard: list[list[bytes]] = [[], []]
    ready: list[int] = []
    async with linked(redis.url) as one, linked(redis.url) as other:
        one.subscribe("news", heard[0].append, lambda: ready.append(0))
        other.subscribe("news", heard[1].append, lambda: ready.append(1))
        await until(lambda: sorted(ready) == [0, 1], "both are subscribed")
        for number in range(50):
            one.publish("news", b"%d" % number)
        one.publish("other news", b"x")
        await until(lambda: all(len(each) >= 50 for each in heard), "all were heard")
        other.unsubscribe("news", heard[1].append)
        one.publish("news", b"last")
        await until(lambda: heard[0][-1] == b"last", "the last was heard")
    assert heard[0] == [*(b"%d" % number for number in range(50)), b"last"]
    assert heard[1] == heard[0][:50]


@on_reactor
async def test_other_databases_of_the_same_redis_are_other_fleets(redis: RedisServer) -> None:
    heard: list[bytes] = []
    ready: list[bool] = []
    async with linked(redis.url) as one, linked(redis.url.replace("/0", "/1")) as other:
        one.subscribe("news", heard.append, lambda: ready.append(True))
        await until(lambda: ready, "it is subscribed")
        other.publish("news", b"not for you")
        one.publish("news", b"for you")
        await until(lambda: heard, "it was heard")
        assert heard == [b"for you"]


@on_reactor
async def test_a_redis_that_dies_is_said_once_fails_what_is_asked_and_is_joined_again(
    redis: RedisServer, logged: Logged
) -> None:
    heard: list[bytes] = []
    ready: list[bool] = []
    changes: list[bool] = []
    async with linked(redis.url) as link:
        link.watch(lambda: changes.append(link.is_up))
        link.subscribe("news", heard.append, lambda: ready.append(True))
        await until(lambda: ready, "it is subscribed")
        redis.kill()
        await fails(link.run(ADD, [KEY], ["caller's words"]))
        await until(lambda: not link.is_up, "the link is down")
        began = time.monotonic()
        assert "caller" not in str(await fails(link.run(ADD, [KEY], ["caller's words"])))
        assert time.monotonic() - began < 0.2, "what is asked of a Redis that is away waits for nothing"
        link.publish("news", b"to nobody")
        redis.start()
        await until(lambda: link.is_up and len(ready) > 1, "the link is up again, and subscribed")
        link.publish("news", b"again")
        await until(lambda: heard, "it was heard")
        assert heard == [b"again"]
        assert changes == [False, True]
        assert link.counts.dropped == 1
    assert len(logged.matching("joins this process to the fleet, does not answer")) == 1
    assert len(logged.matching("this process is in the fleet again")) == 1


@on_reactor
async def test_a_redis_that_hangs_costs_one_time_limit_and_is_joined_when_it_wakes_up(
    redis: RedisServer, logged: Logged
) -> None:
    async with linked(redis.url, answer_seconds=0.3) as link:
        redis.pause()
        try:
            await fails(link.run(ADD, [KEY], ["a"]))
            await until(lambda: not link.is_up, "the link is down")
        finally:
            redis.resume()
        await until(lambda: link.is_up, "the link is up again")
    assert len(logged.matching("does not answer")) == 1


@on_reactor
async def test_without_redis_it_starts_and_says_so_and_finds_it_later(tmp_path: Path, logged: Logged) -> None:
    server = RedisServer(tmp_path, keeps=False)
    async with linked(server.url, wait=False) as link:
        await until(lambda: logged.matching("does not answer"), "it was said")
        assert not link.is_up
        with server:
            await until(lambda: link.is_up, "the link is up")


@on_reactor
async def test_a_full_redis_is_away_for_the_fleet(tmp_path: Path, logged: Logged) -> None:
    with RedisServer(tmp_path, keeps=False, options=("--maxmemory", "1")) as server:
        async with linked(server.url) as link:
            assert "maxmemory" in str(await fails(link.run(ADD, [KEY], ["a"])))


# The client's library forgets a connection to a node; the garbage collector closes it, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@on_reactor
async def test_a_cluster_runs_scripts_where_their_keys_are_and_passes_messages_on(tmp_path: Path) -> None:
    heard: list[bytes] = []
    ready: list[bool] = []
    with cluster(tmp_path) as servers:
        async with linked(servers.url) as link:
            link.subscribe("news", heard.append, lambda: ready.append(True))
            keys = [fleet_key("call", tag=f"CA{number}") for number in range(12)]
            assert len({servers.primary_of(key).port for key in keys}) > 1
            replies = await soon(gatherResults([link.run(ADD, [key], [key]) for key in keys]))
            assert replies == [[key.encode()] for key in keys]
            await until(lambda: ready, "it is subscribed")
            link.publish("news", b"in a cluster")
            await until(lambda: heard, "it was heard")


@on_reactor
async def test_when_sentinel_names_another_primary_the_link_goes_there(tmp_path: Path, logged: Logged) -> None:
    with guarded(tmp_path, replicas=1) as servers:
        async with linked(servers.url()) as link:
            await soon(link.run(ADD, [KEY], ["a"]))
            servers.primary.kill()
            await until(lambda: servers.chosen is not servers.primary, "Sentinel has chosen")
            replies: list[object] = []

            def ask() -> None:
                link.run(ADD, [KEY], ["b"]).addCallbacks(replies.append, lambda _: reactor.callLater(0.2, ask))

            ask()
            await until(lambda: replies, "the new primary answers")
            assert replies[0][-1] == b"b"  # type: ignore[index]


def test_what_could_never_work_is_said_before_the_start() -> None:
    with pytest.raises(CannotJoin, match="options are those"):
        open_fleet_servers(redis_address("redis://127.0.0.1/0?db=x"))


@on_reactor
async def test_a_link_that_never_found_redis_stops_at_once(logged: Logged) -> None:
    began = time.monotonic()
    async with linked(f"redis://127.0.0.1:{free_port()}/0", wait=False):
        await until(lambda: logged.matching("does not answer"), "it was said")
    assert time.monotonic() - began < 5.0


@on_reactor
async def test_without_a_fleet_everything_is_refused_or_nothing() -> None:
    link = NoFleet()
    assert isinstance(await fails(link.run(ADD, [KEY])), FleetAway)
    link.publish("news", b"x")
    link.subscribe("news", lambda _: None)
    link.unsubscribe("news", lambda _: None)
    assert not link.is_up


def test_a_link_that_was_not_started_can_be_stopped() -> None:
    link = RedisLink(reactor, redis_address("redis://127.0.0.1:1/0"))
    assert Deferred.fromCoroutine(link.stop()).called
