"""Live events between workers of one machine, without Redis."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.delivery.live.test_fleet_feed import Heard, SharedJournal, numbers
from tests.server.listening import record
from voicestt.delivery.live.filter import asked_of
from voicestt.delivery.live.fleet_feed import FleetFeed
from voicestt.delivery.live.hub import EventHub
from voicestt.fleet.port import FleetAway, LuaScript
from voicestt.journal.port import Record
from voicestt.server.sibling_link import MESSAGE, SiblingLink


class Supervisor:
    """Relays what a worker says to all others, in the next turn."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.links: list[SiblingLink] = []

    def worker(self, name: str) -> "Worker":
        return Worker(self, name)


class Worker:
    def __init__(self, supervisor: Supervisor, name: str, journal: SharedJournal | None = None) -> None:
        self._supervisor = supervisor
        self.journal = journal or SharedJournal()
        clock = supervisor.clock
        self.link = SiblingLink(clock, self, name)
        supervisor.links.append(self.link)
        self.hub = EventHub(clock, self.journal, "token")
        self.feed = FleetFeed(clock, self.hub, self.link, "shared")

    def relay(self, kind: str, news: dict[str, Any]) -> None:
        assert kind == MESSAGE
        for link in self._supervisor.links:
            if link is not self.link:
                self._supervisor.clock.callLater(0, link.relayed, news)

    def listens(self, query: str = "") -> Heard:
        connection = Heard()
        self.hub.join(connection, asked_of(query))
        return connection

    def write(self, *records: Record) -> None:
        self.journal.records.extend(records)
        self.feed.publish(records)


@pytest.fixture
def workers(clock: Clock) -> list[Worker]:
    supervisor, journal = Supervisor(clock), SharedJournal()
    made = [Worker(supervisor, name, journal) for name in ("0", "1", "2")]
    for each in made:
        each.feed.start()
    clock.pump([0.1] * 10)
    return made


def test_a_listener_of_any_worker_hears_of_the_calls_of_all(clock: Clock, workers: list[Worker]) -> None:
    everywhere, here = workers[0].listens(), workers[0].listens("scope=process")
    clock.pump([0.1] * 10)
    workers[1].write(record(1, call_sid="CA1"), record(2, call_sid="CA1"))
    workers[2].write(record(3, call_sid="CA2"))
    workers[0].write(record(4, call_sid="CA3"))
    clock.pump([0.1] * 10)
    assert sorted(numbers(everywhere)) == [1, 2, 3, 4]
    assert numbers(here) == [4]


def test_a_worker_that_starts_later_hears_what_is_wanted(clock: Clock, workers: list[Worker]) -> None:
    listener = workers[0].listens()
    clock.pump([0.1] * 10)
    late = Worker(workers[0]._supervisor, "3", workers[0].journal)
    late.feed.start()
    clock.pump([0.1] * 10)
    late.write(record(9, call_sid="CA9"))
    clock.pump([0.1] * 10)
    assert numbers(listener) == [9]
    late.feed.stop()


def test_nobody_runs_scripts_here(workers: list[Worker]) -> None:
    failed = workers[0].link.run(LuaScript("return 1"), [])
    assert failed.addErrback(lambda failure: failure.check(FleetAway)).result is FleetAway
