"""Live events between processes: who wants what, what is sent for it, and what becomes of losses."""

from collections.abc import Sequence

import pytest
from redis import Redis
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.fleet.conftest import fleet_redis, redis_client
from tests.fleet.simulated import SimulatedLink, SimulatedRedis, let_pass
from tests.server.listening import record
from voicestt.delivery.live.call_numbers import CallNumbers
from voicestt.delivery.live.exchange import AGAIN_SECONDS, FORGOTTEN_SECONDS, LiveExchange
from voicestt.journal.port import EVERYTHING, Filter, Record

__all__ = ["fleet_redis", "redis_client"]  # fixtures

FINALS = Filter(types=frozenset({"final"}))
OF_ONE = Filter(calls=frozenset({"CA1"}))


class Process:
    """A process that has an exchange, and remembers what it heard."""

    def __init__(self, clock: Clock, redis: SimulatedRedis, name: str, journal: str = "j") -> None:
        self.link = SimulatedLink(clock, redis, name, lambda: 0.0)
        self.heard: list[Record] = []
        self.are_siblings: list[bool] = []
        self.missed = 0
        self.numbers = CallNumbers()
        self.exchange = LiveExchange(clock, self.link, journal, self._heard, self._missed, self.numbers)
        self.exchange.start()

    @property
    def numbers_heard(self) -> list[int]:
        return [each.number for each in self.heard]

    def _heard(self, records: Sequence[Record], is_of_this_journal: bool) -> None:
        self.heard += records
        self.are_siblings.append(is_of_this_journal)

    def _missed(self) -> None:
        self.missed += 1


class Exchanges:
    def __init__(self, client: Redis) -> None:
        self.clock = Clock()
        self.redis = SimulatedRedis(client, self.clock)
        self.one, self.two = self.process("one"), self.process("two")
        self.go()

    def process(self, name: str, journal: str = "j") -> Process:
        return Process(self.clock, self.redis, name, journal)

    def go(self, seconds: float = 0.1) -> None:
        let_pass(self.clock, seconds)


@pytest.fixture
def both(redis_client: Redis) -> Exchanges:
    return Exchanges(redis_client)


def test_only_what_somebody_elsewhere_wants_is_sent(both: Exchanges) -> None:
    both.one.exchange.offer([record(1)])
    both.two.exchange.want([FINALS, OF_ONE])
    both.go()
    both.one.exchange.offer([record(2, "partial", "CA1"), record(3, "partial", "CA2"), record(4, "final", "CA2")])
    both.go()
    assert both.two.heard == [record(2, "partial", "CA1"), record(4, "final", "CA2")]
    assert both.one.exchange.counts.sent == 2
    assert both.one.heard == []
    both.two.exchange.want([])
    both.go()
    both.one.exchange.offer([record(5)])
    both.go()
    assert both.two.numbers_heard == [2, 4]


def test_who_asks_by_a_number_is_sent_its_calls_only_and_learns_which_they_are(both: Exchanges) -> None:
    number = "+972501234567"
    began = record(1, "call_started", "CA1", b'{"from":"%s"}' % number.encode())
    both.one.numbers.note([began])
    both.two.exchange.want([Filter(number=number)])
    both.go()
    both.one.exchange.offer([record(2, call_sid="CA1"), record(3, call_sid="CA2")])
    both.go()
    assert both.two.numbers_heard == [2]
    assert both.two.numbers.has("CA1", number)


def test_a_process_that_starts_later_learns_what_is_wanted(both: Exchanges) -> None:
    both.two.exchange.want([EVERYTHING])
    both.go()
    three = both.process("three", "another")
    both.go()
    three.exchange.offer([record(7)])
    both.go()
    assert both.two.numbers_heard == [7]
    assert both.two.are_siblings == [False]


def test_a_process_of_the_same_journal_is_known_before_it_has_events(both: Exchanges) -> None:
    known = [both.two.exchange.has_siblings]
    both.two.exchange.want([EVERYTHING])
    both.go()
    known.append(both.two.exchange.has_siblings)
    both.one.link.cut()
    both.go(FORGOTTEN_SECONDS + AGAIN_SECONDS)
    assert [*known, both.two.exchange.has_siblings] == [False, True, False]


def test_who_is_not_heard_of_is_sent_nothing_more(both: Exchanges) -> None:
    both.two.exchange.want([EVERYTHING])
    both.go()
    both.two.link.cut()
    both.go(FORGOTTEN_SECONDS + AGAIN_SECONDS)
    both.one.exchange.offer([record(1)])
    assert both.one.exchange.counts.sent == 0


def test_a_loss_is_noticed_and_when_redis_is_back_others_are_told_again(both: Exchanges) -> None:
    both.two.exchange.want([EVERYTHING])
    both.go()
    both.one.exchange.offer([record(1)])
    both.go()
    both.one.link.loses_messages = True
    both.one.exchange.offer([record(2)])
    both.one.link.loses_messages = False
    both.one.exchange.offer([record(3)])
    both.go()
    assert both.two.numbers_heard == [1, 3]
    assert both.two.missed == both.two.exchange.counts.losses == 1
    both.two.link.cut()
    both.two.link.heal()
    both.go()
    assert both.two.missed == 2
    both.one.exchange.offer([record(4)])
    both.go()
    assert both.two.numbers_heard == [1, 3, 4]


def test_many_filters_are_one_for_everything(both: Exchanges) -> None:
    both.two.exchange.want([Filter(calls=frozenset({f"CA{number}"})) for number in range(51)])
    both.go()
    both.one.exchange.offer([record(1, call_sid="CA999")])
    both.go()
    assert both.two.numbers_heard == [1]


def test_messages_of_another_version_are_ignored_and_said_once(both: Exchanges, logged: Logged) -> None:
    for channel in ("live:wants", "live:two"):
        for message in (b"", b"\xff\xff", b"[1]", b'{"process":1}'):
            both.one.link.publish(channel, message)
    both.go()
    assert both.two.heard == []
    assert len(logged.matching("was not understood, and ignored")) == 2, "once in each process"


def test_a_stopped_process_wants_nothing(both: Exchanges) -> None:
    both.two.exchange.want([EVERYTHING])
    both.go()
    both.two.exchange.stop()
    both.go()
    both.one.exchange.offer([record(1)])
    assert both.one.exchange.counts.sent == 0
