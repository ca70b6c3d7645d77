import pytest
from twisted.internet.task import Clock

from voicestt.server.call_registry import KEPT_SECONDS, CallRecord, CallRegistry


@pytest.fixture
def registry(clock: Clock) -> CallRegistry:
    return CallRegistry(clock)


def test_nothing_is_known_of_a_call_that_nobody_announced(registry: CallRegistry) -> None:
    assert registry.find("CA1") == CallRecord()


@pytest.mark.parametrize("status_first", [True, False])
def test_announcement_and_statuses_are_joined_in_either_order(
    registry: CallRegistry, *, status_first: bool
) -> None:
    if status_first:
        registry.note_status("CA1", "stream-started")
        registry.announce("CA1", "+1", "+2")
    else:
        registry.announce("CA1", "+1", "+2")
        registry.note_status("CA1", "stream-started")
    registry.note_status("CA1", "stream-stopped")
    registry.announce("CA2", None, None)
    record = registry.find("CA1")
    assert (record.announced, record.caller, record.called) == (True, "+1", "+2")
    assert record.statuses == ["stream-started", "stream-stopped"]


def test_a_status_alone_announces_nothing(registry: CallRegistry) -> None:
    registry.note_status("CA1", "stream-started")
    assert not registry.find("CA1").announced


def test_a_record_is_forgotten_five_minutes_after_its_last_change(registry: CallRegistry, clock: Clock) -> None:
    assert KEPT_SECONDS == 300
    registry.announce("CA1", "+1", "+2")
    clock.advance(200)
    registry.note_status("CA1", "stream-started")
    registry.announce("CA2", "+3", "+4")
    clock.advance(299)
    assert registry.find("CA1").announced
    assert registry.find("CA2").announced
    clock.advance(2)
    assert registry.find("CA1") == CallRecord()
    assert registry.find("CA2") == CallRecord()


def test_there_are_never_more_than_ten_thousand_and_the_oldest_goes(registry: CallRegistry) -> None:
    for number in range(10_000):
        registry.announce(f"CA{number}", None, None)
    registry.note_status("CA0", "stream-started")
    registry.announce("one more", None, None)
    assert registry.find("CA0").announced
    assert not registry.find("CA1").announced
    assert registry.find("CA2").announced
    assert registry.find("one more").announced


def test_a_record_does_not_show_its_numbers(registry: CallRegistry) -> None:
    registry.announce("CA1", "+972501234567", "+972771234567")
    assert "+972" not in repr(registry.find("CA1"))
