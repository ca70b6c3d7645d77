"""Processes that say that they are there, and hear the fleet's flag, over a real Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.rig import linked, until
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.redis_server import RedisServer
from voicestt.fleet.flag import FLAG_CHANNEL, FLAG_KEY, GIVE_ORDER, FlagOrder, order_of
from voicestt.fleet.link import RedisLink
from voicestt.fleet.membership import ALIVE_KEY, LIST, MEMBERS_KEY, Member, Membership, members_of


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, keeps=False) as server:
        yield server


def members(redis: RedisServer) -> list[Member]:
    with redis.client() as client:
        return members_of(client.eval(LIST.text, 2, MEMBERS_KEY, ALIVE_KEY))


def order(redis: RedisServer, state: str) -> FlagOrder:
    with redis.client() as client:
        given = order_of(client.eval(GIVE_ORDER.text, 1, FLAG_KEY, state, "oren@ops"))
        client.publish(f"voicestt:{{fleet}}:0:{FLAG_CHANNEL}", b"")
    assert given is not None
    return given


def joined(link: RedisLink, orders: list[FlagOrder], **about: object) -> Membership:
    membership = Membership(reactor, link, lambda: about, orders.append)
    membership.start()
    return membership


@on_reactor
async def test_a_process_is_listed_from_its_start_to_its_end(redis: RedisServer) -> None:
    async with linked(redis.url) as one, linked(redis.url) as other:
        first, second = joined(one, [], calls=3), joined(other, [], calls=4)
        await until(lambda: len(members(redis)) == 2, "both are there")
        found = {each.instance: each for each in members(redis)}
        assert found[one.instance].about == {"calls": 3}
        assert f"{found[one.instance].host}:{found[one.instance].pid}" == one.instance.rpartition(":")[0]
        assert not found[one.instance].is_silent
        await until(lambda: first.processes == 2, "each knows how many there are")
        second.stop()
        await until(lambda: len(members(redis)) == 1, "it has left")
        first.stop()


@on_reactor
async def test_an_order_reaches_all_within_a_second_and_those_that_come_later(redis: RedisServer) -> None:
    heard: list[list[FlagOrder]] = [[], [], []]
    async with linked(redis.url) as one, linked(redis.url) as other, linked(redis.url) as late:
        running = [joined(one, heard[0]), joined(other, heard[1])]
        await until(lambda: all(each.processes for each in running), "both are there")
        off = order(redis, "off")
        began = reactor.seconds()
        await until(lambda: heard[0] and heard[1], "both have heard")
        assert reactor.seconds() - began < 1.0
        running.append(joined(late, heard[2]))
        await until(lambda: heard[2], "the third has heard")
        assert heard == [[off], [off], [off]]
        assert (off.is_on, off.words[:42]) == (False, "voicestt flag off --fleet, by oren@ops, 20")
        cleared = order(redis, "clear")
        await until(lambda: all(len(each) == 2 for each in heard), "all have heard")
        assert cleared.is_on is None
        assert cleared.number > off.number
        for each in running:
            each.stop()


@on_reactor
async def test_a_redis_that_has_forgotten_the_order_is_told_it_by_those_who_know(redis: RedisServer) -> None:
    heard: list[FlagOrder] = []
    async with linked(redis.url) as link:
        membership = joined(link, heard)
        off = order(redis, "off")
        await until(lambda: heard, "it has heard")
        with redis.client() as client:
            client.flushall()
            await until(lambda: client.hget(FLAG_KEY, "state") == b"off", "it is told again")
            assert order_of(client.hmget(FLAG_KEY, "number", "state", "by", "at")) == off
        assert order(redis, "on").number > off.number
        await until(lambda: len(heard) == 2, "the next order is heard")
        membership.stop()


def test_no_order_was_ever_given() -> None:
    assert order_of([None, None, None, None]) is None
    assert order_of(None) is None
