import pytest

from voicestt.delivery.circuit_breaker import ENOUGH_CALLS, DeliveryCircuitBreaker
from voicestt.delivery.sender import DeliveryFailed

NOBODY = DeliveryFailed("no connection", is_whole=True)
BROKEN = DeliveryFailed("it answered 500")


@pytest.fixture
def breaker() -> DeliveryCircuitBreaker:
    return DeliveryCircuitBreaker(lambda: 1.0)


def fail(
    breaker: DeliveryCircuitBreaker, failed: DeliveryFailed, session: str = "a", now: float = 0.0, **how: bool
) -> None:
    breaker.failed(now, failed, session, **{"is_first": True, "is_probe": False, **how})


def test_no_connection_is_an_outage_at_once(breaker: DeliveryCircuitBreaker) -> None:
    fail(breaker, NOBODY)
    assert breaker.is_down
    assert not breaker.may_probe(0.4)
    assert breaker.may_probe(0.5)


def test_one_call_proves_nothing_however_often_it_fails(breaker: DeliveryCircuitBreaker) -> None:
    for _ in range(ENOUGH_CALLS + 1):
        fail(breaker, BROKEN)
    assert not breaker.is_down


def test_events_that_failed_before_prove_nothing(breaker: DeliveryCircuitBreaker) -> None:
    for session in "abcdef":
        fail(breaker, BROKEN, session, is_first=False)
    assert not breaker.is_down


def test_an_arrival_in_between_takes_the_doubt_away(breaker: DeliveryCircuitBreaker) -> None:
    for session in "abcdef":
        fail(breaker, BROKEN, session)
        breaker.ended()
    assert not breaker.is_down


def test_it_is_proven_by_a_probe_and_ends_with_an_arrival(breaker: DeliveryCircuitBreaker) -> None:
    fail(breaker, NOBODY)
    fail(breaker, NOBODY)
    assert (breaker.is_down, breaker.is_proven) == (True, False)
    fail(breaker, NOBODY, now=1.0, is_probe=True)
    assert (breaker.is_down, breaker.is_proven) == (True, True)
    assert not breaker.may_probe(1.9)
    assert breaker.may_probe(2.0)
    assert breaker.lasts(2.0) == 2.0
    breaker.ended()
    assert (breaker.is_down, breaker.is_proven, breaker.lasts(3.0)) == (False, False, 0.0)


def test_a_receiver_that_asks_for_a_pause_gets_it_whoever_was_told(breaker: DeliveryCircuitBreaker) -> None:
    fail(breaker, DeliveryFailed("it answered 429", is_whole=True, after=30.0))
    assert breaker.due == 30.0
    fail(breaker, DeliveryFailed("it answered 429", is_whole=True, after=50.0), now=1.0)
    assert breaker.due == 51.0


def test_one_that_answers_again_is_asked_more_often_again(breaker: DeliveryCircuitBreaker) -> None:
    fail(breaker, NOBODY)
    for _ in range(10):
        fail(breaker, NOBODY, now=100.0, is_probe=True)
    assert breaker.due == 160.0
    fail(breaker, BROKEN, now=160.0, is_probe=True)
    assert breaker.due == 161.0
    fail(breaker, BROKEN, now=161.0, is_probe=True)
    assert breaker.due == 163.0
