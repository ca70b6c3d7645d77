"""The leases of several processes over one Redis, in a simulation: the clock is the test's, Redis is the model."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from tests.fleet.lease_model import LeaseModel
from voicestt.fleet.allotment import GRANT, LEASE_SECONDS, LeaseRequest
from voicestt.fleet.port import Action, Argument, FleetAway, LuaScript, NoFleet
from voicestt.fleet.stream_leases import StreamLeases

ROUND_TRIP = 0.002


class SimulatedLink(NoFleet):
    """A link to the model, with a round trip."""

    def __init__(self, clock: Clock, redis: LeaseModel, instance: str) -> None:
        self._clock = clock
        self._redis = redis
        self.instance = instance
        self.is_up = True
        self._watchers: list[Action] = []
        self.asked = 0

    def run(self, script: LuaScript, _keys: Sequence[str], arguments: Sequence[Argument] = ()) -> "Deferred[Any]":
        if not self.is_up:
            return fail(FleetAway("it is away"))
        if script is not GRANT:
            return Deferred()
        self.asked += 1
        name, *request, lease = arguments
        asked = LeaseRequest(*[int(each) for each in request])
        grant = self._redis.grant(self._clock.seconds() * 1000, str(name), asked, int(lease))
        reply: Deferred[Any] = Deferred()
        self._clock.callLater(ROUND_TRIP, reply.callback, list(grant))
        return reply

    def watch(self, changed: Action) -> None:
        self._watchers.append(changed)

    def forget(self, changed: Action) -> None:
        self._watchers.remove(changed)

    def go(self, *, is_up: bool) -> None:
        self.is_up = is_up
        for changed in self._watchers:
            changed()


class Fleet:
    """Processes with their leases."""

    def __init__(self, processes: int, quota: int, *, is_old: bool = True) -> None:
        self.clock = Clock()
        self.redis = LeaseModel(since=-1e9 if is_old else None)
        self.links = [SimulatedLink(self.clock, self.redis, f"p{number}") for number in range(processes)]
        self.leases = [StreamLeases(self.clock, quota, link) for link in self.links]
        for each in self.leases:
            each.start()
        self.pass_time(0.5)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.01] * round(seconds * 100))

    @property
    def in_use(self) -> int:
        return sum(each.in_use for each in self.leases)


def test_each_process_has_some_at_hand_and_a_call_waits_for_nothing() -> None:
    fleet = Fleet(3, 60)
    for leases in fleet.leases:
        assert leases.take()
        assert leases.take()
        assert not leases.is_alone


def test_a_call_that_finds_none_gets_one_in_milliseconds_where_others_do_not_need_them() -> None:
    fleet = Fleet(3, 12)
    first = fleet.leases[0]
    came: list[float] = []
    for _ in range(12):
        if not first.take():
            first.wait(lambda: came.append(fleet.clock.seconds()))
    began = fleet.clock.seconds()
    fleet.pass_time(3)
    assert first.in_use == 12, "all of it goes to the one that needs it"
    assert came[0] - began < 0.2


def test_no_more_than_the_quota_and_the_next_in_line_gets_what_is_given_back_anywhere() -> None:
    fleet = Fleet(2, 10)
    came: list[int] = []
    one, other = fleet.leases
    for leases in (one, other):
        for number in range(10):
            if not leases.take():
                leases.wait(partial(came.append, number))
    fleet.pass_time(3)
    assert fleet.in_use == 10
    assert one.waiting + other.waiting == 10
    assert "all 10 streams of GCP_STT_STREAMS" in one.reason
    giver = one if one.in_use else other
    taken = len(came)
    giver.give_back()
    fleet.pass_time(3)
    assert len(came) == taken + 1
    assert fleet.in_use == 10


def test_without_redis_each_goes_on_with_what_it_had_or_its_share_and_catches_up() -> None:
    fleet = Fleet(2, 20)
    one, other = fleet.leases
    for _ in range(14):
        if not one.take():
            one.wait(lambda: None)
    fleet.pass_time(2)
    for link in fleet.links:
        link.go(is_up=False)
    fleet.pass_time(LEASE_SECONDS)
    assert (one.is_alone, one.in_use) == (True, 14)
    assert (other.limit, other.is_alone) == (10, True)
    for _ in range(12):
        other.take()
    assert (other.in_use, other.take()) == (10, False)
    assert "this process's share" in other.reason
    for link in fleet.links:
        link.go(is_up=True)
    fleet.pass_time(2)
    assert not other.is_alone
    assert fleet.in_use == 24, "no call loses its stream"
    for _ in range(6):
        one.give_back()
        assert not other.take()
        fleet.pass_time(1.5)
    assert fleet.in_use == 18
    came: list[bool] = []
    other.wait(lambda: came.append(True))
    fleet.pass_time(2)
    assert came


def test_a_redis_that_has_forgotten_all_grants_nothing_new_until_all_have_said_what_they_hold() -> None:
    fleet = Fleet(2, 20)
    one, other = fleet.leases
    for _ in range(15):
        if not one.take():
            one.wait(lambda: None)
    fleet.pass_time(3)
    assert one.in_use == 15
    fleet.redis.forget()
    fleet.links[0].is_up = False  # it says nothing for a while
    for _ in range(20):
        if not other.take():
            other.wait(lambda: None)
    fleet.pass_time(5)
    assert fleet.in_use <= 20
    fleet.links[0].go(is_up=True)
    fleet.pass_time(LEASE_SECONDS)
    assert fleet.in_use == 20


def test_the_first_processes_of_a_new_fleet_stream_their_share_at_once() -> None:
    fleet = Fleet(2, 20, is_old=False)
    fleet.pass_time(1)
    assert [leases.limit for leases in fleet.leases] == [10, 10]
    assert fleet.leases[0].take()
    fleet.pass_time(LEASE_SECONDS + 1)
    assert not fleet.leases[0].is_alone


def test_alone_in_the_world_the_quota_is_the_process_s_own() -> None:
    leases, came = StreamLeases(Clock(), 2, NoFleet()), []
    assert leases.take()
    assert leases.take()
    assert not leases.take()
    leases.wait(lambda: came.append("first"))
    end = leases.wait(lambda: came.append("second"))
    assert "all 2 streams" in leases.reason
    leases.give_back()
    assert came == ["first"]
    end()
    end()
    leases.give_back()
    assert (came, leases.waiting, leases.in_use, leases.refused) == (["first"], 0, 1, 1)


def test_one_that_is_served_and_gives_back_at_once_leaves_it_to_the_next() -> None:
    """As when the flag is turned off, call by call, while hundreds wait."""
    leases, served = StreamLeases(Clock(), 1, NoFleet()), []
    leases.take()

    def came() -> None:
        served.append(True)
        leases.give_back()

    for _ in range(3_000):
        leases.wait(came)
    leases.give_back()
    assert (len(served), leases.in_use) == (3_000, 0)


def test_it_asks_seldom_when_nothing_changes() -> None:
    fleet = Fleet(1, 100)
    before = fleet.links[0].asked
    fleet.pass_time(10)
    assert fleet.links[0].asked - before == pytest.approx(10, abs=1)


def test_a_process_that_stops_asks_no_more() -> None:
    fleet = Fleet(2, 4)
    before = fleet.links[0].asked
    fleet.leases[0].stop()
    fleet.pass_time(3)
    assert fleet.links[0].asked == before
