"""The live events of all processes, in simulated time: who hears them, and what one can go on after."""

from collections.abc import Sequence

import pytest
from redis import Redis
from twisted.internet.task import Clock

from tests.delivery.live.test_subscriber import Kept
from tests.fleet.conftest import fleet_redis, redis_client
from tests.fleet.simulated import SimulatedLink, SimulatedRedis, let_pass
from tests.server.listening import Journal, record
from voicestt.delivery.live.filter import asked_of
from voicestt.delivery.live.fleet_feed import GRACE_SECONDS, FleetFeed, journal_name
from voicestt.delivery.live.hub import EventHub
from voicestt.delivery.live.safe_numbers import SETTLE_SECONDS
from voicestt.delivery.live.sse import block
from voicestt.fleet.port import NoFleet
from voicestt.journal.port import EVERYTHING, Filter, Page, Record

__all__ = ["fleet_redis", "redis_client"]  # fixtures


class Heard(Kept):
    """A connection that keeps the whole events."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []

    def send(self, records: Sequence[Record]) -> None:
        self.records += records
        super().send(records)


class SharedJournal(Journal):
    """One that several processes write into, each when it comes to it."""

    async def since(self, number: int, limit: int, wanted: Filter = EVERYTHING) -> Page:
        self.records.sort(key=lambda each: each.number)
        return await super().since(number, limit, wanted)


class Process:
    def __init__(
        self, clock: Clock, redis: SimulatedRedis, name: str, journal: Journal, journal_name: str
    ) -> None:
        self.journal = journal
        self.link = SimulatedLink(clock, redis, name, lambda: 0.05)
        self.hub = EventHub(clock, journal, "token")
        self.feed = FleetFeed(clock, self.hub, self.link, journal_name)
        self.feed.start()

    def listens(self, query: str = "") -> Heard:
        connection = Heard()
        self.hub.join(connection, asked_of(query))
        return connection

    def write(self, *records: Record) -> None:
        self.journal.records.extend(records)
        self.feed.publish(records)


class Feeds:
    """Two processes of one journal, and a third with another."""

    def __init__(self, client: Redis) -> None:
        self.clock = Clock()
        redis = SimulatedRedis(client, self.clock)
        shared = SharedJournal()
        self.one = Process(self.clock, redis, "one", shared, "shared")
        self.two = Process(self.clock, redis, "two", shared, "shared")
        self.other = Process(self.clock, redis, "other", Journal(), "another")
        self.go()

    def go(self, seconds: float = 0.5) -> None:
        let_pass(self.clock, seconds)


@pytest.fixture
def feeds(redis_client: Redis) -> Feeds:
    return Feeds(redis_client)


def numbers(connection: Heard) -> list[int]:
    return [each.number for each in connection.records]


def cursors(records: Sequence[Record]) -> list[int | None]:
    """The ids that a browser would have: None where the event has none."""
    heads = [block(each).partition(b"\n")[0] for each in records]
    return [int(head.removeprefix(b"id: ")) if head.startswith(b"id: ") else None for head in heads]


def test_a_listener_of_any_process_hears_of_the_calls_of_all_but_with_scope_process(feeds: Feeds) -> None:
    everywhere, here = feeds.two.listens(), feeds.two.listens("scope=process")
    feeds.go()
    feeds.one.write(record(1, call_sid="CA1"), record(2, call_sid="CA1"))
    feeds.two.write(record(3, call_sid="CA2"))
    feeds.go()
    feeds.one.write(record(4, call_sid="CA1"))
    feeds.go()
    assert sorted(numbers(everywhere)) == [1, 2, 3, 4]
    assert [each for each in numbers(everywhere) if each != 3] == [1, 2, 4], "in order within a call"
    assert numbers(here) == [3]
    assert cursors(here.records) == [3]


def test_without_a_listener_elsewhere_nothing_leaves_the_process(feeds: Feeds) -> None:
    feeds.one.listens()
    feeds.two.listens("scope=process")
    feeds.go()
    feeds.one.write(record(1))
    feeds.go()
    assert feeds.one.feed.counts.sent == 0
    feeds.two.write(record(2, "partial"))
    feeds.go()
    assert feeds.two.feed.counts.sent == 1


def test_who_goes_on_in_another_process_after_the_last_id_misses_nothing(feeds: Feeds) -> None:
    first = feeds.two.listens()
    feeds.go()
    feeds.two.write(record(1), record(3))  # 2 is under way in the other process
    feeds.go()
    last = cursors(first.records)[-1]
    assert last is not None
    feeds.one.write(record(2), record(4))
    second = feeds.one.listens(f"after={last}")
    feeds.go(GRACE_SECONDS + 0.5)
    assert sorted({*numbers(first), *numbers(second)}) == [1, 2, 3, 4]
    assert 2 in numbers(second)


def test_the_place_to_go_on_after_comes_close_to_now(feeds: Feeds) -> None:
    listener = feeds.two.listens()
    feeds.go()
    for number in range(1, 21):
        feeds.one.write(record(number))
        feeds.go(1.0)
    lag = [
        each.number - cursor
        for each, cursor in zip(listener.records, cursors(listener.records), strict=True)
        if cursor
    ]
    assert max(lag) <= SETTLE_SECONDS + 1


def test_alone_the_ids_are_the_numbers_as_without_a_fleet(redis_client: Redis) -> None:
    clock = Clock()
    alone = Process(clock, SimulatedRedis(redis_client, clock), "one", Journal(), "j")
    listener = alone.listens()
    let_pass(clock, 1)
    alone.write(record(1), record(2))
    assert cursors(listener.records) == [1, 2]


def test_what_was_missed_while_redis_was_gone_is_read_in_the_journal_when_it_is_back(feeds: Feeds) -> None:
    listener = feeds.two.listens("types=final")
    feeds.go()
    feeds.one.write(record(1))
    feeds.go(SETTLE_SECONDS + 1)
    feeds.two.write(record(2))
    feeds.two.link.cut()
    feeds.one.write(record(3), record(4, "partial"))
    feeds.two.write(record(5))
    feeds.go(60)
    assert numbers(listener) == [1, 2, 5]
    feeds.two.link.heal()
    feeds.go(GRACE_SECONDS + 0.5)
    assert numbers(listener) == [1, 2, 5, 3]
    feeds.one.write(record(6))
    feeds.go()
    assert numbers(listener)[-1] == 6


def test_a_listener_who_had_heard_nothing_yet_gets_what_he_missed_too(feeds: Feeds) -> None:
    feeds.one.write(record(1))
    listener = feeds.two.listens()
    feeds.go()
    feeds.two.link.cut()
    feeds.one.write(record(2))
    feeds.go(60)
    feeds.two.link.heal()
    feeds.go(GRACE_SECONDS + 0.5)
    assert numbers(listener) == [2]


@pytest.mark.parametrize("can_read", [True, False])
def test_events_of_another_journal_are_told_live_and_leave_the_place_to_go_on_after(
    feeds: Feeds, *, can_read: bool
) -> None:
    feeds.two.journal.problem = None if can_read else OSError("gone")
    listener = feeds.two.listens()
    feeds.go()
    feeds.other.write(record(900))
    feeds.go()
    feeds.two.write(record(7))
    feeds.other.write(record(901))
    feeds.go()
    assert numbers(listener) == [900, 7, 901]
    assert cursors(listener.records) == ([0, 0, 0] if can_read else [None, 6, 6])


def test_a_listener_who_goes_on_gets_what_is_written_while_others_learn_of_him(feeds: Feeds) -> None:
    feeds.one.write(record(1))
    listener = feeds.two.listens("after=0")
    feeds.one.write(record(2))  # it does not know yet that anybody wants it
    feeds.go(GRACE_SECONDS)
    feeds.one.write(record(3))
    feeds.go(1)
    assert numbers(listener) == [1, 2, 3]


def test_without_a_fleet_events_go_to_the_hub_alone(clock: Clock) -> None:
    journal = Journal()
    hub = EventHub(clock, journal, "token")
    feed = FleetFeed(clock, hub, NoFleet(), "")
    feed.start()
    connection = Heard()
    hub.join(connection, asked_of(""))
    feed.publish([record(1)])
    feed.stop()
    assert cursors(connection.records) == [1]


def test_a_journal_has_one_name_whoever_writes_into_it() -> None:
    one = journal_name("postgresql://writer:secret@db.example:5432/calls")
    assert one == journal_name("postgresql://other:pass@db.example/calls")
    assert one != journal_name("postgresql://writer:secret@db.example/others")
    assert journal_name("sqlite:///a.db") != journal_name("sqlite:///b.db")
    assert journal_name("off") == ""


def test_the_ids_come_close_to_now_again_after_an_outage(feeds: Feeds) -> None:
    listener = feeds.two.listens()
    feeds.go()
    feeds.two.link.cut()
    feeds.two.write(record(1))
    feeds.go(60)
    feeds.two.link.heal()
    feeds.go(GRACE_SECONDS + SETTLE_SECONDS)
    feeds.two.write(record(2))
    feeds.go(SETTLE_SECONDS)
    feeds.one.write(record(3))
    feeds.go()
    assert cursors(listener.records)[-1] == 2
