from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from tests.conftest import Logged
from tests.delivery.fakes import HOOK, ManualSender, MemoryOutbox
from voicestt.delivery.completer import REFUSALS
from voicestt.delivery.deliverer import MOST_HELD, Deliverer
from voicestt.delivery.sender import (
    Arrived,
    CannotDeliver,
    DeliveryFailed,
    Outcome,
)
from voicestt.events import event_id
from voicestt.journal.port import Destination, Record

HOUR = 3600.0
REFUSED = DeliveryFailed("it answered 404 Not Found")
BROKEN = DeliveryFailed("it answered 500 Internal Server Error")
NO = DeliveryFailed("it answered 422 Unprocessable Content", is_refusal=True)
GONE = DeliveryFailed("it answered 410 Gone", is_gone=True)
NOBODY = DeliveryFailed("no connection: Connection refused", is_whole=True)


class Bench:
    """A deliverer on a clock, between an outbox in memory and a sender that the test steers."""

    def __init__(
        self,
        clock: Clock,
        at_once: int = 8,
        most: int = 1,
        patience: float | None = 24 * HOUR,
        *,
        is_strict: bool = False,
        of_one: bool = False,
    ) -> None:
        self.is_strict = is_strict
        self.clock = clock
        self.outbox = MemoryOutbox(clock.seconds)
        self.sender = ManualSender(at_once, most, of_one=of_one)
        self.patience = patience
        self.deliverer = self.another()

    def another(self) -> Deliverer:
        return Deliverer(
            self.clock,
            self.outbox,
            HOOK,
            self.sender,
            patience=self.patience,
            chance=lambda: 1.0,
            now=self.clock.seconds,
            is_strict=self.is_strict,
        )

    def start(self) -> None:
        self.deliverer.start()
        self.turn()

    def write(self, session: str, count: int = 1) -> list[Record]:
        written = self.outbox.write(session, count)
        self.deliverer.wake()
        return written

    def turn(self, seconds: float = 0.06) -> None:
        """So much time passes, by default that between two readings, and what is due is done."""
        end = self.clock.seconds() + seconds
        while True:
            for _ in range(20):
                self.clock.advance(0)
            calls = [call.getTime() for call in self.clock.getDelayedCalls()]
            upcoming = min((at for at in calls if at <= end), default=None)
            if upcoming is None:
                break
            self.clock.advance(max(0.0, upcoming - self.clock.seconds()))
        self.clock.advance(end - self.clock.seconds())

    def is_down(self) -> bool:
        return self.deliverer.figures.is_down

    def restart(self) -> None:
        """The process ends, in order, and another begins."""
        stopping = self.stop()
        self.turn(2)
        assert stopping.called
        self.deliverer = self.another()
        self.start()

    def stop(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.deliverer.stop())


@pytest.fixture
def bench(clock: Clock) -> Bench:
    return Bench(clock)


def every(failure: Outcome) -> Callable[[Record], Outcome]:
    return lambda _record: failure


def test_what_was_written_arrives_and_the_journal_is_told(bench: Bench) -> None:
    bench.sender.fares = every(None)
    bench.start()
    bench.write("a", 3)
    bench.turn(1)
    assert bench.sender.ids == ["a-000001", "a-000002", "a-000003"]
    assert bench.outbox.left() == []
    assert bench.deliverer.figures.delivered == 3
    assert bench.deliverer.figures.waiting == 0


def test_what_was_left_over_is_delivered_at_the_start(bench: Bench) -> None:
    bench.outbox.write("a", 2)
    bench.sender.fares = every(None)
    bench.start()
    bench.turn(1)
    assert bench.outbox.left() == []


def test_events_of_a_call_go_one_after_the_other_and_eight_calls_at_once(bench: Bench) -> None:
    bench.start()
    for session in "abcdefghij":
        bench.write(session, 2)
    bench.turn()
    assert [parcel.ids for parcel in bench.sender.under_way] == [[f"{session}-000001"] for session in "abcdefgh"]
    bench.sender.under_way[0].arrives()
    bench.turn()
    assert bench.sender.under_way[-1].ids == ["i-000001"]
    while bench.sender.under_way:
        bench.sender.under_way[0].arrives()
        bench.turn()
    assert bench.outbox.left() == []


def test_what_is_written_while_its_call_is_under_way_is_found_when_that_is_over(bench: Bench) -> None:
    bench.start()
    bench.write("a")
    bench.turn(1)
    bench.write("a")
    bench.turn(1)
    (first,) = bench.sender.under_way
    first.arrives()
    bench.turn(1)
    (second,) = bench.sender.under_way
    assert second.ids == ["a-000002"]


def test_a_call_with_more_events_than_are_read_at_once_is_delivered_whole(bench: Bench) -> None:
    bench.outbox.write("a", 1_000)
    bench.outbox.write("b", 200)
    bench.sender.fares = every(None)
    bench.start()
    bench.turn(10)
    assert bench.outbox.left() == []


def test_many_events_are_told_to_the_journal_in_few_requests(clock: Clock) -> None:
    bench = Bench(clock, at_once=1, most=200)
    bench.outbox.write("a", 150)
    bench.outbox.write("b", 150)
    bench.sender.fares = every(None)
    bench.start()
    bench.turn(1)
    assert bench.outbox.left() == []
    assert [len(parcel.records) for parcel in bench.sender.carried] == [200, 100]
    assert len(bench.outbox.told) == 2


def test_where_nothing_was_written_it_is_read_twice_a_minute(bench: Bench) -> None:
    bench.sender.fares = every(None)
    bench.start()
    bench.turn(HOUR)
    assert bench.outbox.reads == 121
    bench.write("a")
    bench.turn(1)
    assert bench.outbox.left() == []
    assert bench.outbox.reads == 123  # and once more, when that call was settled


def test_what_becomes_ours_without_a_word_is_delivered(bench: Bench) -> None:
    bench.sender.fares = every(None)
    bench.start()
    bench.turn(HOUR)
    bench.outbox.write("of a process that is gone")
    bench.turn(31)
    assert bench.outbox.left() == []


def test_many_wake_ups_are_few_readings(bench: Bench) -> None:
    bench.sender.fares = every(None)
    bench.start()
    for _ in range(1_000):
        bench.write("a")
        bench.turn(0.001)
    bench.turn(1)
    assert bench.outbox.left() == []
    assert bench.outbox.reads < 30


def test_an_event_that_is_refused_holds_back_its_own_call_only(bench: Bench, logged: Logged) -> None:
    bench.sender.fares = lambda record: REFUSED if record.session == "a" else None
    bench.start()
    for _ in range(20):
        bench.write("a")
        bench.write("b")
        bench.turn(1)
    bench.turn(300)
    assert {each.session for each in bench.outbox.left()} == {"a"}
    tried = [each for each in bench.sender.ids if each.startswith("a")]
    assert set(tried) == {"a-000001"}
    # After 0.5, 1, 2, 4 … s, and then once a minute.
    assert 10 <= len(tried) <= 13
    assert bench.outbox.attempts(1) == len(tried)
    assert bench.deliverer.figures.failed_attempts == len(tried)
    assert not bench.is_down()
    (line,) = logged.matching("does not take an event")
    assert "it answered 404 Not Found" in line
    bench.sender.fares = every(None)
    bench.turn(61)
    assert bench.outbox.left() == []
    assert len(logged.matching("holds back no call's events any more")) == 1


def test_the_pauses_double_up_to_a_minute(bench: Bench) -> None:
    times = []

    def fares(_record: Record) -> Outcome:
        times.append(bench.clock.seconds())
        return REFUSED

    bench.sender.fares = fares
    bench.start()
    bench.write("a")
    bench.turn(300)
    pauses = [round(later - earlier, 2) for earlier, later in pairwise(times)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_pause_that_the_receiver_asks_for_is_kept(bench: Bench) -> None:
    bench.sender.fares = every(DeliveryFailed("it answered 429", after=100.0))
    bench.start()
    bench.write("a")
    bench.turn(99)
    assert len(bench.sender.carried) == 1
    bench.turn(2)
    assert len(bench.sender.carried) == 2


def test_a_receiver_that_is_not_there_is_asked_by_one_request_at_a_time(bench: Bench, logged: Logged) -> None:
    bench.sender.fares = every(NOBODY)
    bench.start()
    for number in range(100):
        bench.write(f"call{number}")
        bench.write("a")
        bench.turn(3)
    assert bench.is_down()
    # Eight at the start, the pauses up to a minute, then one a minute; and as little reading.
    assert len(bench.sender.carried) < 16
    assert bench.outbox.reads < 16
    (line,) = logged.matching("is down")
    assert line.startswith(
        "🔴 The webhook at https://hook.example.com is down: no connection: Connection refused."
    )
    assert "none is lost" in line
    assert "What to do: Start it." in line
    bench.sender.fares = every(None)
    bench.turn(70)
    assert bench.outbox.left() == []
    assert not bench.is_down()
    (line,) = logged.matching("works again")
    assert "199 events wait" in line


def test_when_it_works_again_what_was_held_does_not_wait_for_its_own_time(bench: Bench) -> None:
    bench.sender.fares = every(BROKEN)
    bench.start()
    bench.write("a")
    bench.turn(500)
    for session in "bcd":
        bench.write(session)
    bench.turn(1)
    assert bench.is_down()
    bench.sender.fares = every(None)
    bench.turn(5)
    assert bench.outbox.left() == []


def test_a_parcel_that_could_not_be_taken_is_one_attempt_of_its_first_event(clock: Clock) -> None:
    bench = Bench(clock, at_once=1, most=200)
    bench.sender.fares = every(NOBODY)
    bench.outbox.write("a", 3)
    bench.outbox.write("b", 3)
    bench.start()
    bench.turn()
    assert [bench.outbox.attempts(number) for number in range(1, 7)] == [1, 0, 0, 0, 0, 0]
    assert bench.deliverer.figures.failed_attempts == 1


def test_a_batch_is_of_one_call_and_what_failed_goes_again_alone(clock: Clock) -> None:
    bench = Bench(clock, at_once=2, most=3, of_one=True)
    for session, count in (("a", 4), ("b", 2), ("c", 1)):
        bench.outbox.write(session, count)
    bench.start()
    assert [parcel.ids for parcel in bench.sender.under_way] == [
        [event_id("a", sequence) for sequence in (1, 2, 3)],
        [event_id("b", sequence) for sequence in (1, 2)],
    ]
    bench.sender.under_way[0].fails(BROKEN)
    bench.turn(0.3)
    assert bench.sender.under_way[-1].ids == [event_id("c", 1)]
    bench.sender.fares = every(None)
    for parcel in list(bench.sender.under_way):
        parcel.arrives()
    bench.turn(5)
    assert [parcel.ids for parcel in bench.sender.carried[3:]] == [
        [event_id("a", 1)],
        [event_id("a", sequence) for sequence in (2, 3, 4)],
    ]
    assert bench.outbox.attempts(1) == 1
    assert bench.outbox.left() == []


def test_a_short_gap_is_not_told(bench: Bench, logged: Logged) -> None:
    bench.sender.fares = every(NOBODY)
    bench.start()
    bench.write("a")
    bench.turn()
    bench.sender.fares = every(None)
    bench.turn(1)
    assert bench.outbox.left() == []
    assert not logged.matching("The webhook")


def test_the_probe_is_alone_and_its_failure_makes_the_pause_longer(bench: Bench) -> None:
    bench.start()
    for session in "abc":
        bench.write(session)
    bench.turn()
    for parcel in list(bench.sender.under_way):
        parcel.fails(NOBODY)
    bench.turn(0.5)
    (probe,) = bench.sender.under_way
    bench.turn(10)
    assert bench.sender.under_way == [probe]
    probe.fails(NOBODY)
    bench.turn(0.9)
    assert bench.sender.under_way == []
    bench.turn(0.2)
    (probe,) = bench.sender.under_way
    probe.arrives()
    bench.turn()
    assert len(bench.sender.under_way) == 2


def test_an_event_that_arrives_late_ends_the_outage(bench: Bench) -> None:
    bench.start()
    bench.write("a")
    bench.write("b")
    bench.turn()
    first, second = list(bench.sender.under_way)
    first.fails(NOBODY)
    bench.turn()
    assert bench.is_down()
    second.arrives()
    bench.turn()
    assert not bench.is_down()
    assert len(bench.sender.under_way) == 1


def test_three_calls_in_a_row_that_fail_prove_the_receiver_to_be_down(bench: Bench) -> None:
    bench.sender.fares = every(BROKEN)
    bench.start()
    for number in range(2):
        bench.write(f"call{number}")
    bench.turn()
    assert not bench.is_down()
    bench.write("one more")
    bench.turn(0.1)
    assert bench.is_down()
    for number in range(100):
        bench.write(f"more{number}")
    bench.turn(600)
    assert len(bench.sender.carried) < 25


def test_an_event_that_breaks_the_receiver_does_not_hold_back_others_when_it_is_down(bench: Bench) -> None:
    bad = {"a", "b", "c", "d"}
    bench.sender.fares = lambda record: BROKEN if record.session in bad else None
    bench.start()
    for session in "abcdefgh":
        bench.outbox.write(session, 3)
    bench.deliverer.wake()
    bench.turn(20)
    assert {each.session for each in bench.outbox.left()} == bad
    assert not bench.is_down()


def test_a_receiver_that_refuses_everything_is_asked_little_however_many_calls_wait(bench: Bench) -> None:
    # Accepted in between, so that it is never down; but most of what comes is refused.
    bench.sender.fares = lambda record: None if record.session.startswith("good") else REFUSED
    bench.start()
    for number in range(300):
        bench.outbox.write(f"bad{number}")
        bench.outbox.write(f"good{number}")
    bench.deliverer.wake()
    bench.turn(60)
    before = len(bench.sender.carried)
    bench.turn(100)
    assert len(bench.sender.carried) - before <= 201
    assert len(bench.outbox.left()) == 300


def test_what_is_refused_for_too_long_is_dead_lettered_and_the_next_goes_on(bench: Bench, logged: Logged) -> None:
    first, second = bench.outbox.write("a", 2)
    bench.sender.fares = lambda record: REFUSED if record.number == first.number else None
    bench.start()
    bench.turn(23.9 * HOUR)
    assert not bench.outbox.dead_lettered
    bench.turn(0.2 * HOUR)
    assert bench.outbox.dead_lettered == {first.number: "it answered 404 Not Found"}
    assert bench.sender.ids[-1] == event_id("a", second.sequence)
    assert bench.outbox.left() == []
    assert bench.deliverer.figures.dead_lettered == 1
    (line,) = logged.matching("dead-lettered")
    assert "1 events" in line
    assert "24 h" in line
    assert "`voicestt deliveries`" in line


def test_an_old_event_is_not_dead_lettered_at_its_first_attempts(bench: Bench) -> None:
    bench.outbox.write("a")
    bench.clock.advance(48 * HOUR)
    bench.sender.fares = every(REFUSED)
    bench.start()
    bench.turn(7)
    assert not bench.outbox.dead_lettered
    bench.turn(60)
    assert list(bench.outbox.dead_lettered) == [1]


def test_when_nothing_arrived_for_so_long_all_old_events_are_dead_lettered(bench: Bench, logged: Logged) -> None:
    bench.sender.fares = every(NOBODY)
    bench.start()
    for number in range(500):
        bench.write(f"call{number % 90}")
    bench.turn(12 * HOUR)
    for number in range(50):
        bench.write(f"later{number}")
    bench.turn(11.9 * HOUR)
    assert not bench.outbox.dead_lettered
    bench.turn(0.2 * HOUR)
    assert len(bench.outbox.dead_lettered) == 500
    assert len(bench.outbox.left()) == 50
    assert bench.deliverer.figures.dead_lettered == 500
    bench.sender.fares = every(None)
    bench.turn(100)
    assert bench.outbox.left() == []
    assert len(logged.matching("dead-lettered")) < 20


def test_without_patience_nothing_is_dead_lettered(clock: Clock) -> None:
    bench = Bench(clock, patience=None)
    bench.sender.fares = every(NOBODY)
    bench.start()
    bench.write("a")
    bench.turn(100 * HOUR)
    assert not bench.outbox.dead_lettered
    bench.sender.fares = every(None)
    bench.turn(61)
    assert bench.outbox.left() == []


def test_one_that_failed_in_a_parcel_goes_again_and_its_call_waits(clock: Clock) -> None:
    bench = Bench(clock, at_once=1, most=200)
    bench.sender.fares = lambda record: REFUSED if record.session == "a" else None
    bench.outbox.write("a", 3)
    bench.outbox.write("b", 3)
    bench.start()
    bench.turn(0.1)
    assert [each.session for each in bench.outbox.left()] == ["a"] * 3
    assert [bench.outbox.attempts(number) for number in (1, 2, 3)] == [1, 0, 0]
    bench.sender.fares = every(None)
    bench.turn(1)
    assert bench.outbox.left() == []


def test_a_slow_journal_delays_and_blocks_nothing(bench: Bench) -> None:
    bench.outbox.answers = lambda _what: deferLater(bench.clock, 5)
    bench.sender.fares = every(None)
    bench.start()
    for session in "abc":
        bench.write(session, 3)
    bench.turn(60)
    assert bench.outbox.left() == []
    assert len(bench.sender.ids) == 9


def test_a_journal_that_fails_is_asked_again_and_nothing_goes_out_twice(bench: Bench, logged: Logged) -> None:
    troubles = Counter(pending=3, delivered=2)

    def answers(what: str) -> Deferred[None]:
        troubles[what] -= 1
        if troubles[what] >= 0:
            raise OSError("disk full, at /secret")
        return deferLater(bench.clock, 0)

    bench.outbox.answers = answers
    bench.sender.fares = every(None)
    bench.start()
    bench.write("a", 3)
    bench.turn(60)
    assert bench.outbox.left() == []
    assert bench.sender.ids == ["a-000001", "a-000002", "a-000003"]
    assert logged.matching("could not be read")
    assert logged.matching("could not be told")
    assert not logged.matching("secret")


def test_a_mistake_in_a_sender_is_told_and_the_events_go_again(bench: Bench, logged: Logged) -> None:
    def fares(_record: Record) -> Outcome:
        raise KeyError("a mistake")

    bench.sender.fares = fares
    bench.start()
    bench.write("a")
    bench.turn()
    bench.sender.fares = every(None)
    bench.turn(1)
    assert len(logged.flush(KeyError)) == 1
    logged.flush_critical()
    assert bench.outbox.left() == []


def test_a_sender_that_does_not_say_what_became_of_each_is_a_mistake_too(bench: Bench, logged: Logged) -> None:
    async def carry(_records: Sequence[Record]) -> list[Outcome]:
        return []

    rightly = bench.sender.carry
    bench.sender.carry = carry  # type: ignore[assignment, method-assign]
    bench.start()
    bench.write("a")
    bench.turn()
    assert len(logged.flush(RuntimeError)) == 1
    logged.flush_critical()
    bench.sender.carry = rightly  # type: ignore[method-assign]
    bench.sender.fares = every(None)
    bench.turn(1)
    assert bench.outbox.left() == []


def test_a_journal_that_cannot_say_how_many_wait_keeps_nobody_from_saying_that_it_works_again(
    bench: Bench, logged: Logged
) -> None:
    bench.sender.fares = every(NOBODY)
    bench.start()
    bench.write("a")
    bench.turn(10)

    def answers(what: str) -> Deferred[None]:
        if what == "pending":
            raise OSError("disk full")
        return deferLater(bench.clock, 0)

    bench.outbox.answers = answers
    bench.sender.fares = every(None)
    bench.turn(20)
    assert len(logged.matching("works again: events wait, it is not known how many")) == 1


def test_stopping_waits_for_what_is_under_way_and_begins_nothing(bench: Bench) -> None:
    bench.start()
    bench.write("a", 2)
    bench.turn()
    ends: list[None] = []
    bench.stop().addCallback(ends.append)
    bench.turn(1)
    assert ends == []
    bench.sender.under_way[0].arrives()
    bench.turn()
    assert ends == [None]
    assert bench.sender.calls == ["start", "stop"]
    assert bench.sender.ids == ["a-000001"]
    assert [each.sequence for each in bench.outbox.left()] == [2]
    bench.deliverer.wake()
    assert not bench.clock.getDelayedCalls()


def test_stopping_takes_two_seconds_at_most(bench: Bench) -> None:
    bench.start()
    bench.write("a")
    bench.turn()
    stopping = bench.stop()
    bench.turn(2)
    assert stopping.called
    assert bench.sender.calls == ["start", "stop"]
    assert bench.outbox.attempts(1) == 0
    assert not bench.clock.getDelayedCalls()


def test_stopping_does_not_wait_for_a_journal_that_hangs(bench: Bench) -> None:
    bench.sender.fares = every(None)
    bench.start()
    bench.write("a")
    bench.turn(1)
    bench.outbox.answers = lambda _what: Deferred()
    bench.write("a")
    bench.turn(1)
    stopping = bench.stop()
    bench.turn(2)
    assert stopping.called
    assert not bench.clock.getDelayedCalls()


def test_what_the_journal_could_not_be_told_before_the_stop_comes_again(bench: Bench) -> None:
    bench.sender.fares = every(None)
    bench.start()
    bench.write("a")

    bench.outbox.answers = lambda what: Deferred() if what == "delivered" else deferLater(bench.clock, 0)
    bench.turn(1)
    stopping = bench.stop()
    bench.turn(2)
    assert stopping.called
    bench.outbox.answers = lambda _what: deferLater(bench.clock, 0)
    bench.deliverer = bench.another()
    bench.start()
    bench.turn(1)
    assert bench.sender.ids == ["a-000001", "a-000001"]
    assert bench.outbox.left() == []


def test_a_sender_that_can_never_work_is_told_at_the_start(bench: Bench) -> None:
    def start() -> None:
        raise CannotDeliver("a library is missing")

    bench.sender.start = start  # type: ignore[method-assign]
    with pytest.raises(CannotDeliver):
        bench.deliverer.start()


def test_partials_are_pending_only_where_they_are_wanted(clock: Clock) -> None:
    everything = Destination("redis", partials=True)
    outbox = MemoryOutbox(clock.seconds, [HOOK, everything])
    outbox.write("a", kind="partial")
    outbox.write("a")
    for destination, expected in ((HOOK, ["final"]), (everything, ["partial", "final"])):
        sender = ManualSender()
        sender.fares = every(None)
        deliverer = Deliverer(clock, outbox, destination, sender, now=clock.seconds)
        deliverer.start()
        clock.pump([0.1] * 20)
        assert [parcel.records[0].type for parcel in sender.carried] == expected


def test_so_many_calls_may_wait_and_no_more_are_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicestt.delivery.deliverer.MOST_HELD", 10)
    assert MOST_HELD == 5_000
    bench.sender.fares = lambda record: None if record.session.startswith("good") else REFUSED
    for number in range(40):
        bench.outbox.write(f"bad{number}")
        bench.outbox.write(f"good{number}")
    bench.start()
    bench.turn(600)
    assert len([each for each in bench.outbox.left() if each.session.startswith("bad")]) == 40
    bench.sender.fares = every(None)
    bench.turn(120)
    assert bench.outbox.left() == []


class Weather:
    """A receiver as the dice have it: what fails and how long it takes; some that failed have arrived."""

    def __init__(self, clock: Clock, fates: Sequence[str], delays: Sequence[float]) -> None:
        self._clock = clock
        self._fates = list(fates)
        self._delays = list(delays)
        self.first: dict[str, list[int]] = defaultdict(list)
        self.under_way: list[str] = []

    async def carry(self, records: Sequence[Record]) -> list[Outcome]:
        sessions = list({each.session for each in records})
        assert not set(sessions) & set(self.under_way), "two parcels of one session"
        self.under_way += sessions
        try:
            await deferLater(self._clock, self._delays.pop() if self._delays else 0.0)
            return self._outcomes(records)
        finally:
            for session in sessions:
                self.under_way.remove(session)

    def _outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        broken: set[str] = set()
        for each in records:
            fate = self._fates.pop() if self._fates else "arrives"
            if fate == "whole" and not outcomes:
                return [NOBODY] * len(records)
            if fate == "arrives" and each.session not in broken:
                self._arrived(each)
                outcomes.append(None)
                continue
            if fate == "arrives, and nobody knows" and each.session not in broken:
                self._arrived(each)
            broken.add(each.session)
            outcomes.append(BROKEN)
        return outcomes

    def _arrived(self, record: Record) -> None:
        if record.sequence not in self.first[record.session]:
            self.first[record.session].append(record.sequence)


FATES = st.sampled_from(["arrives"] * 3 + ["arrives, and nobody knows", "refused", "whole"])
DELAYS = st.sampled_from([0.0, 0.01, 0.3, 3.0])
WRITES = st.tuples(st.sampled_from("abcdefghijkl"), st.integers(1, 5), st.sampled_from([0.0, 0.04, 1.0, 20.0]))


def test_what_was_read_before_a_change_by_hand_does_not_count(bench: Bench) -> None:
    bench.sender.fares = every(REFUSED)
    bench.start()
    bench.write("a", 5)
    bench.write("b", 5)
    bench.turn(1)
    bench.outbox.discard("a")
    bench.sender.fares = every(None)
    before = len(bench.sender.ids)
    bench.deliverer.read_again()
    bench.turn(1)
    assert bench.sender.ids[before:] == [event_id("b", sequence) for sequence in range(1, 6)]
    assert bench.outbox.left() == []
    assert bench.deliverer.figures.waiting == 0


def test_what_is_being_read_during_a_change_by_hand_is_read_again(bench: Bench) -> None:
    reading: Deferred[None] = Deferred()
    bench.sender.fares = every(None)
    bench.outbox.write("a", 3)
    bench.outbox.answers = lambda what: reading if what == "pending" else deferLater(bench.clock, 0)
    bench.start()
    bench.outbox.discard("a")
    bench.deliverer.read_again()
    bench.outbox.answers = lambda _what: deferLater(bench.clock, 0)
    reading.callback(None)
    bench.write("b")
    bench.turn(1)
    assert bench.sender.ids == [event_id("b", 1)]


def test_what_is_under_way_during_a_change_by_hand_ends_as_it_may(bench: Bench) -> None:
    bench.start()
    for session in "abc":
        bench.write(session, 2)
    bench.turn(1)
    arriving, failing, kept = list(bench.sender.under_way)
    bench.outbox.discard("b")
    bench.deliverer.read_again()
    bench.turn(1)
    arriving.arrives()
    failing.fails(BROKEN)
    kept.fails(BROKEN)
    bench.sender.fares = every(None)
    bench.turn(5)
    assert bench.sender.ids[3:] == [event_id("a", 2), event_id("c", 1), event_id("c", 2)]
    assert bench.outbox.left() == []


@settings(max_examples=200)
@given(
    changes=st.sets(st.integers(0, 19), max_size=5),
    shape=st.sampled_from([(8, 1), (2, 1), (1, 200), (1, 3)]),
    of_one=st.booleans(),
    fates=st.lists(FATES, max_size=60),
    delays=st.lists(DELAYS, max_size=60),
    slow=st.sampled_from([0.0, 0.2]),
    writes=st.lists(WRITES, min_size=1, max_size=20),
    restarts=st.sets(st.integers(0, 19), max_size=3),
)
def test_whatever_fails_all_arrives_and_the_first_arrivals_of_a_call_are_in_order(
    shape: tuple[int, int],
    fates: list[str],
    delays: list[float],
    slow: float,
    writes: list[tuple[str, int, float]],
    restarts: set[int],
    changes: set[int],
    of_one: bool,
) -> None:
    clock = Clock()
    bench = Bench(clock, *shape, of_one=of_one)
    weather = Weather(clock, fates, delays)
    bench.sender.carry = weather.carry  # type: ignore[method-assign]
    bench.outbox.answers = lambda _what: deferLater(clock, slow)
    bench.start()
    for place, (session, count, seconds) in enumerate(writes):
        bench.write(session, count)
        bench.turn(seconds)
        if place in restarts:
            bench.restart()
        if place in changes:
            bench.deliverer.read_again()
    bench.turn(2 * HOUR)
    assert bench.outbox.left() == []
    assert not bench.outbox.dead_lettered
    written = Counter(session for session, count, _ in writes for _ in range(count))
    assert weather.first == {session: list(range(1, count + 1)) for session, count in written.items()}
    assert bench.deliverer.figures.waiting == 0
    assert not bench.is_down()
    bench.turn(HOUR)
    # Nothing is left to do, but to look at times.
    assert len(bench.clock.getDelayedCalls()) <= 2
    assert bench.outbox.reads < 900


def test_a_refused_event_is_dead_lettered_within_two_minutes_and_its_call_goes_on(
    bench: Bench, logged: Logged
) -> None:
    first, second = bench.outbox.write("a", 2)
    bench.sender.fares = lambda record: NO if record.number == first.number else None
    bench.start()
    bench.turn(120)
    assert bench.outbox.dead_lettered == {first.number: NO.why}
    assert bench.sender.ids == [event_id("a", 1)] * REFUSALS + [event_id("a", second.sequence)]
    assert bench.outbox.left() == []
    assert bench.deliverer.figures.dead_lettered == 1
    (line,) = logged.matching("It is dead-lettered")
    assert "422" in line
    assert "`voicestt deliveries" in line


def test_each_attempt_is_remembered_with_what_was_answered(bench: Bench) -> None:
    bench.write("a")
    bench.write("b", 2)
    fates: list[Outcome] = [replace(NO, status=422, answer="no such call"), BROKEN, Arrived(200, "ok")]
    bench.sender.fares = lambda record: fates.pop(0) if record.session == "a" else None
    bench.start()
    bench.turn(60)
    made = bench.outbox.attempts_made
    assert [(each.number, each.error, each.status, each.answer) for each in made] == [
        (1, NO.why, 422, "no such call"),
        (1, BROKEN.why, None, ""),
        (1, None, 200, "ok"),
    ]
    assert [each.at for each in made] == sorted({each.at for each in made})


def test_of_partials_that_arrive_at_once_nothing_is_remembered(clock: Clock) -> None:
    outbox = MemoryOutbox(clock.seconds, [Destination("webhook", partials=True)])
    for kind in ("partial", "final", "partial"):
        outbox.write("a", kind=kind)
    fates: list[Outcome] = [Arrived(200), Arrived(200), BROKEN, Arrived(200)]
    sender = ManualSender()
    sender.fares = lambda _record: fates.pop(0)
    Deliverer(clock, outbox, HOOK, sender, now=clock.seconds).start()
    clock.pump([0.1] * 30)
    assert [(each.number, each.error) for each in outbox.attempts_made] == [(2, None), (3, BROKEN.why), (3, None)]


def test_the_figures_say_what_is_in_flight_how_fast_it_goes_and_what_failed_last(bench: Bench) -> None:
    bench.start()
    figures = bench.deliverer.figures
    assert (figures.in_flight, figures.rate, figures.last_error, figures.last_error_at) == (0, 0.0, None, None)
    bench.write("a", 3)
    bench.write("b")
    bench.turn(1)
    assert (bench.deliverer.figures.in_flight, bench.deliverer.figures.waiting) == (2, 4)
    first, second = list(bench.sender.under_way)
    first.arrives()
    second.fails(DeliveryFailed("it answered\x1b 500 " + "x" * 1_000))
    at = bench.clock.seconds()
    bench.turn(0.1)
    figures = bench.deliverer.figures
    assert (figures.rate, figures.last_error_at) == (0.02, at)
    assert figures.last_error is not None
    assert figures.last_error.startswith("it answered\\x1b 500 xxx")
    assert len(figures.last_error) < 210
    bench.turn(61)
    assert bench.deliverer.figures.rate == 0.0


def test_refusals_are_no_outage_and_starve_nobody(bench: Bench) -> None:
    bench.sender.fares = lambda record: NO if record.session.startswith("bad") else None
    bench.start()
    for number in range(20):
        bench.write(f"bad{number}")
    bench.turn(0.2)
    assert not bench.is_down()
    for number in range(20):
        bench.write(f"good{number}")
    bench.turn(1)
    assert {each.session for each in bench.outbox.left()} == {f"bad{number}" for number in range(20)}


def test_a_refusal_shows_that_a_receiver_that_was_down_works(bench: Bench) -> None:
    bench.sender.fares = every(NOBODY)
    bench.start()
    bench.write("a")
    bench.turn(5)
    assert bench.is_down()
    bench.sender.fares = every(NO)
    bench.turn(20)
    assert not bench.is_down()


def test_strictly_a_call_waits_for_its_refused_event(clock: Clock) -> None:
    bench = Bench(clock, is_strict=True)
    first, _second = bench.outbox.write("a", 2)
    bench.sender.fares = lambda record: NO if record.number == first.number else None
    bench.start()
    bench.turn(23.9 * HOUR)
    assert not bench.outbox.dead_lettered
    assert set(bench.sender.ids) == {"a-000001"}
    bench.turn(0.2 * HOUR)
    assert bench.outbox.left() == []


def test_a_receiver_that_is_gone_is_sent_nothing_until_the_next_start(bench: Bench, logged: Logged) -> None:
    bench.start()
    bench.write("a")
    bench.write("b")
    bench.turn()
    first, second = list(bench.sender.under_way)
    first.fails(GONE)
    bench.turn()
    second.arrives()
    for number in range(10):
        bench.write(f"later{number}")
    bench.turn(48 * HOUR)
    assert bench.is_down()
    assert len(bench.sender.carried) == 2
    assert len(bench.outbox.left()) == 11
    assert not bench.outbox.dead_lettered
    assert len(logged.matching("gone for good")) == 1
    bench.sender.fares = every(None)
    bench.restart()
    bench.turn(5)
    assert bench.outbox.left() == []
