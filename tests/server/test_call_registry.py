import pytest
from twisted.internet.task import Clock

from voicestt.server.call_registry import KEPT_SECONDS, CallRecord, CallRegistry


@pytest.fixture
def book(clock: Clock) -> CallRegistry:
    return CallRegistry(clock)


def test_nothing_is_known_of_a_call_that_nobody_announced(book: CallRegistry) -> None:
    assert book.find("CA1") == CallRecord()


@pytest.mark.parametrize("status_first", [True, False])
def test_announcement_and_statuses_are_joined_in_either_order(book: CallRegistry, *, status_first: bool) -> None:
    if status_first:
        book.note_status("CA1", "stream-started")
        book.announce("CA1", "+1", "+2")
    else:
        book.announce("CA1", "+1", "+2")
        book.note_status("CA1", "stream-started")
    book.note_status("CA1", "stream-stopped")
    book.announce("CA2", None, None)
    record = book.find("CA1")
    assert (record.announced, record.caller, record.called) == (True, "+1", "+2")
    assert record.statuses == ["stream-started", "stream-stopped"]


def test_a_status_alone_announces_nothing(book: CallRegistry) -> None:
    book.note_status("CA1", "stream-started")
    assert not book.find("CA1").announced


def test_a_record_is_forgotten_five_minutes_after_its_last_change(book: CallRegistry, clock: Clock) -> None:
    assert KEPT_SECONDS == 300
    book.announce("CA1", "+1", "+2")
    clock.advance(200)
    book.note_status("CA1", "stream-started")
    book.announce("CA2", "+3", "+4")
    clock.advance(299)
    assert book.find("CA1").announced
    assert book.find("CA2").announced
    clock.advance(2)
    assert book.find("CA1") == CallRecord()
    assert book.find("CA2") == CallRecord()


def test_there_are_never_more_than_ten_thousand_and_the_oldest_goes(book: CallRegistry) -> None:
    for number in range(10_000):
        book.announce(f"CA{number}", None, None)
    book.note_status("CA0", "stream-started")
    book.announce("one more", None, None)
    assert book.find("CA0").announced
    assert not book.find("CA1").announced
    assert book.find("CA2").announced
    assert book.find("one more").announced


def test_a_record_does_not_show_its_numbers(book: CallRegistry) -> None:
    book.announce("CA1", "+972501234567", "+972771234567")
    assert "+972" not in repr(book.find("CA1"))
