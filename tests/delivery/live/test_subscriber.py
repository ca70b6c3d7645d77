from collections.abc import Sequence
from typing import Any

from tests.server.listening import has_fired, record
from voicestt.delivery.live.subscriber import (
    MOST_BYTES,
    MOST_EVENTS,
    STOPPING,
    TOO_SLOW,
    Counters,
    Farewell,
    Subscriber,
)
from voicestt.journal.port import Record


class Kept:
    """A SubscriberConnection that keeps what it is given, and has no room after so many events."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.sent: list[int] = []
        self.writes = 0
        self.pulses = 0
        self.farewells: list[Farewell] = []
        self.producer: Any = None

    def attach(self, producer: Any) -> None:
        self.producer = producer

    def send(self, records: Sequence[Record]) -> None:
        self.writes += 1
        self.sent += [record.number for record in records]
        if len(self.sent) >= self.room:
            self.producer.pauseProducing()

    def keep_alive(self) -> None:
        self.pulses += 1

    def close(self, farewell: Farewell) -> None:
        self.farewells.append(farewell)

    def make_room(self, more: int = 1_000_000) -> None:
        self.room = len(self.sent) + more
        self.producer.resumeProducing()


class Listening:
    def __init__(self, room: int = 1_000_000, kind: str = "") -> None:
        self.connection = Kept(room)
        self.counters = Counters()
        self.slow: list[Subscriber] = []
        self.listener = Subscriber(
            self.connection, lambda record: record.type.startswith(kind), self.counters, self.slow.append
        )
        self.connection.attach(self.listener)

    def offer(self, count: int, payload: bytes = b"{}") -> None:
        for number in range(1, count + 1):
            self.listener.offer([record(number, payload=payload)])


def test_events_are_passed_on_in_order_while_there_is_room() -> None:
    one = Listening(room=3)
    one.offer(5)
    assert one.connection.sent == [1, 2, 3]
    one.connection.make_room(1)
    assert one.connection.sent == [1, 2, 3, 4, 5]
    one.listener.offer([record(6)])
    assert one.connection.sent == [1, 2, 3, 4, 5]
    one.connection.make_room()
    assert one.connection.sent == [1, 2, 3, 4, 5, 6]
    assert one.counters.sent == 6


def test_many_events_are_few_writes_but_not_one() -> None:
    one = Listening(room=100)
    one.listener.offer([record(number) for number in range(1, 1_001)])
    assert one.connection.sent == list(range(1, 101))
    one.connection.make_room()
    assert one.connection.sent == list(range(1, 1_001))
    assert one.connection.writes == 20


def test_what_is_not_wanted_neither_waits_nor_counts() -> None:
    one = Listening(room=0, kind="partial")
    one.listener.pauseProducing()
    one.offer(MOST_EVENTS * 2)
    one.connection.make_room()
    assert (one.connection.sent, one.slow, one.counters.sent) == ([], [], 0)


def test_one_event_more_than_may_wait_is_too_slow() -> None:
    one = Listening()
    one.listener.pauseProducing()
    one.offer(MOST_EVENTS)
    assert one.slow == []
    one.listener.offer([record(MOST_EVENTS + 1)])
    assert one.slow == [one.listener]


def test_more_bytes_than_may_wait_are_too_slow_and_room_makes_them_less() -> None:
    one = Listening()
    one.listener.pauseProducing()
    one.offer(4, b"x" * (MOST_BYTES // 4))
    assert one.slow == []
    one.connection.make_room(1)
    one.offer(4, b"x" * (MOST_BYTES // 4))
    assert one.slow == []
    one.listener.offer([record(5, payload=b"x")])
    assert one.slow == [one.listener]


def test_a_page_of_the_past_may_be_larger_and_is_waited_for() -> None:
    one = Listening(room=2)
    one.offer(2)
    one.listener.offer_page([record(number) for number in range(MOST_EVENTS * 2)])
    assert one.slow == []
    sent = one.listener.all_sent()
    assert not has_fired(sent)
    one.connection.make_room()
    assert has_fired(sent)
    assert len(one.connection.sent) == MOST_EVENTS * 2 + 2


def test_who_is_sent_away_gets_nothing_more_and_is_told_once() -> None:
    one = Listening(room=1)
    one.offer(3)
    sent = one.listener.all_sent()
    one.listener.close(TOO_SLOW)
    one.listener.close(STOPPING)
    one.offer(3)
    one.connection.make_room()
    one.listener.keep_alive()
    assert has_fired(sent)
    assert (one.connection.sent, one.connection.farewells, one.connection.pulses) == ([1], [TOO_SLOW], 0)


def test_who_went_is_not_written_to() -> None:
    one = Listening()
    one.listener.stopProducing()
    one.listener.gone()
    one.offer(2)
    one.listener.close(STOPPING)
    assert (one.connection.sent, one.connection.farewells) == ([], [])


def test_nothing_is_said_to_keep_a_connection_that_is_full() -> None:
    one = Listening(room=1)
    one.listener.keep_alive()
    one.offer(2)
    one.listener.keep_alive()
    assert one.connection.pulses == 1


def test_the_words_of_a_farewell_fit_into_a_close_frame() -> None:
    for farewell in (TOO_SLOW, STOPPING):
        assert len(farewell.words.encode()) <= 123
        assert '"' not in farewell.words
