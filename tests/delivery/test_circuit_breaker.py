import pytest

from voicestt.delivery.circuit_breaker import ENOUGH_CALLS, DeliveryCircuitBreaker
from voicestt.delivery.sender import DeliveryFailed

NOBODY = DeliveryFailed("no connection", is_whole=True)
BROKEN = DeliveryFailed("it answered 500")


@pytest.fixture
def outage() -> DeliveryCircuitBreaker:
    return DeliveryCircuitBreaker(lambda: 1.0)


def fail(
    outage: DeliveryCircuitBreaker, failed: DeliveryFailed, session: str = "a", now: float = 0.0, **how: bool
) -> None:
    outage.failed(now, failed, session, **{"is_first": True, "is_probe": False, **how})


def test_no_connection_is_an_outage_at_once(outage: DeliveryCircuitBreaker) -> None:
    fail(outage, NOBODY)
    assert outage.is_down
    assert not outage.may_probe(0.4)
    assert outage.may_probe(0.5)


def test_one_call_proves_nothing_however_often_it_fails(outage: DeliveryCircuitBreaker) -> None:
    for _ in range(ENOUGH_CALLS + 1):
        fail(outage, BROKEN)
    assert not outage.is_down


def test_events_that_failed_before_prove_nothing(outage: DeliveryCircuitBreaker) -> None:
    for session in "abcdef":
        fail(outage, BROKEN, session, is_first=False)
    assert not outage.is_down


def test_an_arrival_in_between_takes_the_doubt_away(outage: DeliveryCircuitBreaker) -> None:
    for session in "abcdef":
        fail(outage, BROKEN, session)
        outage.ended()
    assert not outage.is_down


def test_it_is_proven_by_a_probe_and_ends_with_an_arrival(outage: DeliveryCircuitBreaker) -> None:
    fail(outage, NOBODY)
    fail(outage, NOBODY)
    assert (outage.is_down, outage.is_proven) == (True, False)
    fail(outage, NOBODY, now=1.0, is_probe=True)
    assert (outage.is_down, outage.is_proven) == (True, True)
    assert not outage.may_probe(1.9)
    assert outage.may_probe(2.0)
    assert outage.lasts(2.0) == 2.0
    outage.ended()
    assert (outage.is_down, outage.is_proven, outage.lasts(3.0)) == (False, False, 0.0)


def test_a_receiver_that_asks_for_a_pause_gets_it_whoever_was_told(outage: DeliveryCircuitBreaker) -> None:
    fail(outage, DeliveryFailed("it answered 429", is_whole=True, after=30.0))
    assert outage.due == 30.0
    fail(outage, DeliveryFailed("it answered 429", is_whole=True, after=50.0), now=1.0)
    assert outage.due == 51.0


def test_one_that_answers_again_is_asked_more_often_again(outage: DeliveryCircuitBreaker) -> None:
    fail(outage, NOBODY)
    for _ in range(10):
        fail(outage, NOBODY, now=100.0, is_probe=True)
    assert outage.due == 160.0
    fail(outage, BROKEN, now=160.0, is_probe=True)
    assert outage.due == 161.0
    fail(outage, BROKEN, now=161.0, is_probe=True)
    assert outage.due == 163.0
