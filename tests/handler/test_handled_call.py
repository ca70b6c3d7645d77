import threading
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.handler.fakes import Events
from voicestt.events import (
    CallEnded,
    CallStarted,
    Event,
    Final,
    Partial,
)
from voicestt.handler.handled_call import NEVER_DROPPED, Put, WaitingEvents


def taken(events: WaitingEvents) -> list[Event]:
    """Everything that waits."""
    found = []
    while (event := events.take()) is not None:
        found.append(event)
    return found


def test_events_come_out_in_the_order_they_came_in() -> None:
    made, events = Events(), WaitingEvents(10)
    put = [made.started(), made.partial(), made.key(), made.turn(), made.ended()]
    for event in put:
        assert events.put(event) is Put.WAITS
    assert taken(events) == put


def test_a_taker_that_found_nothing_is_woken_by_the_next_event_only() -> None:
    made, events = Events(), WaitingEvents(10)
    assert events.take() is None
    assert [events.put(made.key()), events.put(made.key())] == [Put.WAKES, Put.WAITS]


def test_a_newer_partial_takes_the_place_of_a_waiting_one_at_the_end() -> None:
    made, events = Events(), WaitingEvents(10)
    events.put(made.partial("he"))
    key = made.key()
    events.put(key)
    newest = made.partial("hello")
    events.put(newest)
    assert taken(events) == [key, newest]


def test_the_partials_of_the_two_tracks_do_not_replace_one_another() -> None:
    made, events = Events(), WaitingEvents(10)
    caller = made.partial("he", 1)
    callee = structs.replace(made.partial("ha", 2), track="callee")
    final = structs.replace(made.final("ha!", 2), track="callee")
    events.put(caller)
    events.put(callee)
    events.put(final)
    assert taken(events) == [caller, final]


def test_a_final_takes_the_partial_of_its_utterance_out_and_not_that_of_the_next() -> None:
    made, events = Events(), WaitingEvents(10)
    events.put(made.partial("he", 1))
    final = made.final("hello", 1)
    events.put(final)
    assert taken(events) == [final]
    late, following = made.final("hello", 1), made.partial("you", 2)
    events.put(following)
    events.put(late)
    assert taken(events) == [following, late]


def test_a_partial_that_was_taken_is_not_looked_for() -> None:
    made, events = Events(), WaitingEvents(10)
    events.put(made.partial("he"))
    assert len(taken(events)) == 1
    final = made.final()
    events.put(final)
    assert taken(events) == [final]


def test_beyond_the_bound_only_finals_start_and_end_are_taken() -> None:
    made, events = Events(), WaitingEvents(2)
    keys = [made.key("1"), made.key("2")]
    for key in keys:
        assert events.put(key) is Put.WAITS
    final, end = made.final(), made.ended()
    assert [events.put(made.key("3")), events.put(final), events.put(end)] == [Put.FULL] * 3
    assert taken(events) == [*keys, final, end]


def test_a_partial_in_a_full_queue_still_takes_the_place_of_an_older_one() -> None:
    made, events = Events(), WaitingEvents(2)
    key, newest = made.key(), None
    events.put(key)
    for text in ("h", "he", "hel"):
        newest = made.partial(text)
        assert events.put(newest) is Put.WAITS
    assert taken(events) == [key, newest]


def test_a_closed_queue_gives_what_waits_and_takes_nothing() -> None:
    made, events = Events(), WaitingEvents(5)
    key = made.key()
    events.put(key)
    events.close()
    assert events.put(made.final()) is Put.CLOSED
    assert events.is_closed
    assert taken(events) == [key]


def test_forgotten_events_are_counted() -> None:
    made, events = Events(), WaitingEvents(5)
    for event in (made.partial(), made.key()):
        events.put(event)
    assert events.forget() == 2
    assert events.put(made.final()) is Put.CLOSED
    assert taken(events) == []


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("partial"), st.integers(1, 3)),
        st.tuples(st.just("final"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["key", "turn", "take"]), st.just(1)),
    ),
    max_size=60,
)


def event_of(made: Events, move: str, utterance: int) -> Event:
    """The event that a move puts."""
    match move:
        case "partial":
            return made.partial(utterance=utterance)
        case "final":
            return made.final(utterance=utterance)
        case "turn":
            return made.turn(utterance)
        case _:
            return made.key()


@given(MOVES, st.integers(1, 8))
def test_whatever_comes_order_finals_and_the_newest_partial_are_kept(
    moves: Sequence[tuple[str, int]], most: int
) -> None:
    made, events = Events(), WaitingEvents(most)
    put: list[Event] = [made.started()]
    events.put(put[0])
    told: list[Event] = []
    for move, utterance in moves:
        if move == "take":
            event = events.take()
            told.extend([] if event is None else [event])
            continue
        event = event_of(made, move, utterance)
        put.append(event)
        was_waiting = len(events)
        is_full = events.put(event) is Put.FULL
        assert len(events) <= max(most, was_waiting) or isinstance(event, NEVER_DROPPED)
        assert not is_full or was_waiting >= most
    end = made.ended()
    put.append(end)
    events.put(end)
    rest = taken(events)
    assert sum(isinstance(event, Partial) for event in rest) <= 1
    told.extend(rest)
    assert [event.sequence for event in told] == sorted(event.sequence for event in told)
    for kind in (CallStarted, Final, CallEnded):
        assert [e for e in told if isinstance(e, kind)] == [e for e in put if isinstance(e, kind)]


def test_a_thread_that_puts_and_one_that_takes_lose_nothing() -> None:
    events, count = WaitingEvents(10**6), 20_000
    found: list[int] = []
    something = threading.Semaphore(0)

    def take_all() -> None:
        while len(found) < count:
            event = events.take()
            if event is None:
                something.acquire()
            else:
                found.append(event.sequence)

    taker = threading.Thread(target=take_all, daemon=True)
    taker.start()
    made = Events()
    for _ in range(count):
        if events.put(made.key()) is Put.WAKES:
            something.release()
    taker.join(30)
    assert found == list(range(1, count + 1))
