"""The README's sentences on a receiver that is away, on a clock."""

import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.delivery.test_deliverer import (
    HOUR,
    NOBODY,
    Bench,
    every,
)
from voicestt.journal.port import Record

CALL = "a call that goes on"


@pytest.fixture
def bench(clock: Clock) -> Bench:
    return Bench(clock)


def away(bench: Bench, hours: float, *, calls_an_hour: int = 60) -> None:
    """For so long nobody is there, and calls come all the time."""
    bench.sender.fares = every(NOBODY)
    for minute in range(int(hours * calls_an_hour)):
        bench.write(f"at {bench.clock.seconds():.0f}, {minute}", 3)
        bench.turn(HOUR / calls_an_hour)


def test_after_an_hour_everything_arrives_within_a_minute_and_live_words_do_not_wait_behind_it(
    bench: Bench, logged: Logged
) -> None:
    bench.start()
    away(bench, 1)
    assert len(logged.matching("is down")) == 1
    # Eleven in the first minutes, and then one a minute.
    assert len(bench.sender.carried) < 80
    assert len(bench.outbox.left()) == 180
    assert not bench.outbox.dead_lettered
    before = len(bench.sender.carried)
    bench.sender.fares = every(None)
    bench.write(CALL, 3)
    bench.turn(61)
    assert bench.outbox.left() == []
    assert len(logged.matching("works again")) == 1
    places = [place for place, name in enumerate(bench.sender.ids[before:]) if name.startswith(CALL)]
    assert len(places) == 3


def test_after_a_day_what_is_older_was_dead_lettered_and_what_is_younger_arrives(
    clock: Clock, logged: Logged
) -> None:
    bench = Bench(clock)
    bench.start()
    away(bench, 30, calls_an_hour=20)
    # Dead-lettered is what was 24 hours old at a request since: all but the last hours', and nothing younger.
    assert len(bench.outbox.dead_lettered) in range(6 * 60 - 10, 6 * 60 + 1)
    assert logged.matching("are dead-lettered, as they had not arrived in 24 h")
    left = len(bench.outbox.left())
    assert left + len(bench.outbox.dead_lettered) == 30 * 60
    arrived: list[Record] = []

    def fares(record: Record) -> None:
        arrived.append(record)

    bench.sender.fares = fares
    bench.turn(120)
    assert bench.outbox.left() == []
    assert len(arrived) == left


def test_for_redis_nothing_is_dead_lettered_after_a_month(clock: Clock) -> None:
    bench = Bench(clock, patience=None)
    bench.start()
    away(bench, 24 * 31, calls_an_hour=1)
    assert not bench.outbox.dead_lettered
    bench.sender.fares = every(None)
    bench.turn(120)
    assert bench.outbox.left() == []


def test_a_restart_in_between_changes_nothing(bench: Bench) -> None:
    bench.start()
    away(bench, 0.5)
    bench.restart()
    away(bench, 0.5)
    bench.sender.fares = every(None)
    bench.turn(61)
    assert bench.outbox.left() == []
