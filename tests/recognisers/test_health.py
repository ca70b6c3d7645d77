"""The circuit breaker: when it opens, how it asks, and in which order the calls come back."""

import pytest
from twisted.internet.task import Clock

from voicestt.recognisers.health import AlwaysHealthy, Answer, CircuitBreaker
from voicestt.recognisers.port import RecogniserError

GONE = RecogniserError("UNAVAILABLE", "connection refused")


class Bench:
    """A breaker whose probes the test answers."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.probes: list[Answer] = []
        self.remade = 0
        self.changes: list[bool] = []
        self.breaker = CircuitBreaker(
            "Google", self.clock, self.probes.append, remake=self._remake, jitter=lambda: 1.0
        )
        self.breaker.watch(lambda: self.changes.append(self.breaker.is_open))

    def _remake(self) -> None:
        self.remade += 1

    def open(self) -> None:
        self.breaker.failed(GONE, self.clock.seconds())
        self.breaker.failed(GONE, self.clock.seconds())
        del self.probes[:-1]
        assert self.breaker.is_open


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_failure_is_asked_about_soon_and_forgotten_if_the_service_answers(bench: Bench) -> None:
    bench.breaker.failed(GONE, 0.0)
    assert bench.probes == [], "its successor may show at once that it was one stream's"
    bench.clock.advance(0.5)
    (answer,) = bench.probes
    answer(True)
    assert (bench.breaker.is_open, bench.changes) == (False, [])
    bench.breaker.failed(GONE, 0.0)
    bench.clock.advance(0.4)
    bench.breaker.succeeded(0.5)
    bench.clock.advance(1.0)
    assert len(bench.probes) == 1, "its successor answered"


def test_a_failed_probe_opens_it_and_its_error_is_the_reason(bench: Bench) -> None:
    bench.breaker.failed(GONE, 0.0)
    bench.clock.advance(0.5)
    bench.probes.pop()(False)
    assert bench.changes == [True]
    assert bench.breaker.reason == "UNAVAILABLE: connection refused"


def test_what_began_after_the_first_failure_and_fails_too_opens_it_and_what_began_before_does_not(
    bench: Bench,
) -> None:
    bench.clock.advance(5)
    for _ in range(80):  # streams of one connection that was cut
        bench.breaker.failed(GONE, 4.0)
    assert not bench.breaker.is_open
    bench.breaker.failed(GONE, 5.0)
    assert bench.breaker.is_open


@pytest.mark.parametrize("status", ["RESOURCE_EXHAUSTED", "OUT_OF_RANGE", "PERMISSION_DENIED", "INVALID_ARGUMENT"])
def test_a_limit_and_a_refusal_are_no_outage(bench: Bench, status: str) -> None:
    for _ in range(10):
        bench.breaker.failed(RecogniserError(status, "no"), 0.0)
    assert (bench.probes, bench.breaker.is_open) == ([], False)


def test_two_failures_long_apart_are_two_beginnings(bench: Bench) -> None:
    bench.breaker.failed(GONE, 0.0)
    bench.clock.advance(31)
    bench.breaker.failed(GONE, 30.0)
    assert not bench.breaker.is_open


def test_while_it_is_open_a_probe_is_sent_every_second_although_none_is_answered(bench: Bench) -> None:
    bench.open()
    assert (len(bench.probes), bench.remade) == (1, 1), "at once"
    for seconds in range(1, 6):
        bench.clock.advance(1.0)
        assert (len(bench.probes), bench.remade) == (seconds + 1, seconds + 1)
    assert bench.breaker.open_for == pytest.approx(5.0)
    bench.probes[0](True)  # the oldest, late
    assert not bench.breaker.is_open
    bench.clock.advance(10)
    assert len(bench.probes) == 6, "no more probes"
    bench.probes[1](False)
    assert not bench.breaker.is_open, "what it was asked before it closed says nothing any more"


def test_an_answer_to_what_began_before_it_opened_does_not_close_it(bench: Bench) -> None:
    bench.clock.advance(1)
    bench.breaker.doubt("why")
    bench.breaker.succeeded(0.5)
    assert bench.breaker.is_open
    bench.breaker.succeeded(1.0)
    assert not bench.breaker.is_open


def test_calls_come_back_a_few_at_a_time_and_those_that_spoke_last_first(bench: Bench) -> None:
    bench.open()
    back: list[tuple[str, float]] = []

    def wait(name: str, silent_for: float) -> None:
        bench.breaker.wait(lambda: back.append((name, bench.clock.seconds())), lambda: silent_for)

    for name, silent_for in [("quiet", 60.0), ("talking", 0.0), ("pausing", 2.0)]:
        wait(name, silent_for)
    ended = bench.breaker.wait(lambda: back.append(("gone", 0.0)), lambda: 1.0)
    ended()
    ended()
    assert bench.breaker.waiting == 3
    bench.probes[-1](True)
    for _ in range(100):
        bench.clock.advance(0.01)
    assert [name for name, _ in back] == ["talking", "pausing", "quiet"]
    assert back[2][1] - back[0][1] >= 0.04 - 1e-6


def test_an_outage_that_returns_while_calls_come_back_keeps_the_rest_waiting(bench: Bench) -> None:
    bench.open()
    back: list[int] = []
    for number in range(10):
        bench.breaker.wait(lambda number=number: back.append(number), lambda: 0.0)  # type: ignore[misc]
    bench.probes[-1](True)
    bench.clock.advance(0.001)
    bench.breaker.doubt("again")
    bench.clock.advance(0.5)
    assert len(back) == 1
    bench.probes[-1](True)
    for _ in range(100):
        bench.clock.advance(0.02)
    assert sorted(back) == list(range(10))


def test_who_waits_for_a_service_that_works_is_called_in_its_turn(bench: Bench) -> None:
    back: list[int] = []
    bench.breaker.wait(lambda: back.append(1), lambda: 0.0)
    assert back == [], "never from within wait"
    bench.clock.advance(0)
    assert back == [1]


def test_stopped_it_leaves_nothing(bench: Bench) -> None:
    bench.open()
    bench.breaker.wait(lambda: None, lambda: 0.0)
    bench.breaker.stop()
    bench.probes[-1](True)
    assert bench.clock.getDelayedCalls() == []


def test_a_breaker_that_is_closed_needs_no_probe_and_is_doubted_once(bench: Bench) -> None:
    bench.breaker.ask_now()
    assert bench.probes == []
    bench.breaker.doubt("first")
    bench.breaker.doubt("second")
    assert bench.breaker.reason == "first"
    bench.breaker.ask_now()
    assert len(bench.probes) == 2


def test_without_a_process_to_know_of_it_every_service_is_healthy() -> None:
    health = AlwaysHealthy()
    health.failed(GONE, 0.0)
    health.succeeded(0.0)
    assert (health.is_open, health.reason, health.slot()) == (False, "", 0.0)
