import tracemalloc

from twisted.internet.task import Clock

from tests.conftest import Logged
from voicestt.server.refusals import Refusals

KIND = "A WebSocket was refused with 403."


def test_the_first_is_said_at_once_and_the_rest_once_a_minute(clock: Clock, logged: Logged) -> None:
    refusals = Refusals(clock)
    for number in range(5_000):
        refusals.count(KIND, f"192.0.2.{number % 3 and 7}", "It is a stranger.")
    assert logged.lines == [f"{KIND} It came from 192.0.2.0. It is a stranger."]
    clock.advance(60)
    assert logged.lines[1:] == [
        f"{KIND} It happened 4999 times more within a minute, at 2 addresses, most often 192.0.2.7 (3333), "
        "192.0.2.0 (1666)."
    ]
    refusals.count(KIND, "192.0.2.7", "It is a stranger.")
    assert len(logged.lines) == 2
    clock.advance(60)
    assert "It happened 1 times more" in logged.lines[2]
    clock.advance(120)
    assert (len(logged.lines), clock.getDelayedCalls(), refusals.total) == (3, [], 5_001)


def test_a_kind_that_was_quiet_is_said_at_once_again(clock: Clock, logged: Logged) -> None:
    refusals = Refusals(clock)
    refusals.count(KIND, "a", "Why.")
    clock.advance(60)
    refusals.count(KIND, "b", "Why.")
    assert len(logged.lines) == 2


def test_stopping_logs_the_refusals_not_logged_yet(clock: Clock, logged: Logged) -> None:
    refusals = Refusals(clock)
    refusals.stop()
    for _ in range(3):
        refusals.count(KIND, "a", "Why.")
    refusals.stop()
    assert "It happened 2 times more" in logged.lines[1]
    assert clock.getDelayedCalls() == []


def test_the_addresses_that_are_kept_are_bounded_and_nothing_of_them_is_obeyed(
    clock: Clock, logged: Logged
) -> None:
    refusals = Refusals(clock)
    for number in range(3_001):
        refusals.count(KIND, f"\x1b[{number}", "Why.")
    clock.advance(60)
    assert "at 1001 addresses, most often others (2000)" in logged.lines[1]
    assert "\x1b" not in "".join(logged.lines)


def test_an_ipv6_network_is_counted_as_one_address_and_hides_no_other(clock: Clock, logged: Logged) -> None:
    refusals = Refusals(clock)
    for number in range(5_001):
        refusals.count(KIND, f"2001:db8::{number:x}:{number:x}", "Why.")
    for _ in range(10):
        refusals.count(KIND, "::ffff:192.0.2.7", "Why.")
    clock.advance(60)
    assert logged.lines[1].endswith("at 2 addresses, most often 2001:db8::/64 (5000), 192.0.2.7 (10).")


def test_thousands_a_second_from_addresses_that_all_differ_hold_little_memory(
    clock: Clock, logged: Logged
) -> None:
    refusals = Refusals(clock)
    tracemalloc.start()
    try:
        for number in range(50_000):
            refusals.count(KIND, f"2001:{number:x}::1", "Why.")
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    clock.advance(60)
    assert "It happened 49999 times more within a minute, at 1001 addresses" in logged.lines[1]
    assert len(logged.lines) == 2
