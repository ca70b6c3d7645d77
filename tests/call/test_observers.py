from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.fakes import CALL, Collected
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    DeliveryCounts,
    Event,
    Final,
    Happened,
    Partial,
)
from voicestt.call.observers import Debounced, DeliveryStats, ObserverGroup

END = CallEnded(CALL, "stop", 1.0, 50, 8_000, {}, AudioTotals(received=8_000))
INTERVAL = 0.1875  # sums of powers of two are exact


class Timed:
    """A CallObserver that keeps when it was told what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.told: list[tuple[float, Event]] = []

    def tell(self, event: Event) -> None:
        self.told.append((self._clock.seconds(), event))

    @property
    def texts(self) -> list[tuple[float, str]]:
        return [(at, getattr(event, "text", "-")) for at, event in self.told]


@pytest.fixture
def timed(clock: Clock) -> Timed:
    return Timed(clock)


@pytest.fixture
def debounced(clock: Clock, timed: Timed) -> Debounced:
    return Debounced(clock, INTERVAL, timed)


def partial(text: str, utterance: int = 1) -> Partial:
    return Partial(CALL, utterance, text)


def final(text: str, utterance: int = 1) -> Final:
    return Final(CALL, utterance, text)


# -- several as one


class Broken:
    """A CallObserver that raises at each event."""

    def tell(self, event: Event) -> None:
        raise ZeroDivisionError(type(event).__name__)


def test_all_are_told_in_order() -> None:
    first, second = Collected(), Collected()
    group = ObserverGroup([first, second])
    group.tell(CallStarted(CALL))
    assert first.events == second.events == [CallStarted(CALL)]


def test_one_that_fails_keeps_nothing_from_the_others(logged: Logged) -> None:
    collected = Collected()
    group = ObserverGroup([Broken(), collected, Broken()])
    group.tell(CallStarted(CALL))
    assert collected.events == [CallStarted(CALL)]
    assert logged.matching("An observer failed at an event") != []
    assert len(logged.flush(ZeroDivisionError)) == 2


def test_a_group_without_observers_tells_nobody() -> None:
    ObserverGroup([]).tell(CallStarted(CALL))


# -- the delivery statistics


def test_events_are_counted_and_passed_on(clock: Clock, observer: Collected) -> None:
    stats = DeliveryStats(clock, observer)
    clock.advance(5)
    told: list[tuple[float, Event]] = [
        (0.0, CallStarted(CALL)),
        (0.5, Partial(CALL, 1, "a")),
        (0.2, Partial(CALL, 1, "a b")),
        (0.2, Final(CALL, 1, "a b", delay=0.5)),
        (0.1, Final(CALL, 2, "c")),
        (0.1, Happened(CALL, "restarted", "no route")),
        (0.1, Happened(CALL, "restarted", "no route again")),
        (0.1, Happened(CALL, "degraded", "no route at all", 1.5)),
        (0.1, Final(CALL, 3, "d", delay=0.25)),
    ]
    for wait, event in told:
        clock.advance(wait)
        stats.tell(event)
    stats.tell(END)
    assert observer.events[:-1] == [event for _, event in told]
    assert observer.end.delivered == DeliveryCounts(2, 3, 0.5, (0.5, 0.25), {"restarted": 2, "degraded": 1})
    assert (observer.end.reason, observer.end.account) == ("stop", AudioTotals(received=8_000))


def test_a_silent_call_has_nothing_to_tell(clock: Clock, observer: Collected) -> None:
    stats = DeliveryStats(clock, observer)
    stats.tell(CallStarted(CALL))
    stats.tell(END)
    assert observer.end.delivered == DeliveryCounts(0, 0, None, ())


# -- the debounce of partials


def wait(clock: Clock, seconds: float) -> None:
    """Lets time pass as it does: in small steps."""
    clock.pump([1 / 64] * round(seconds * 64))


def test_the_first_comes_at_once_and_the_newest_when_its_time_has_come(
    clock: Clock, debounced: Debounced, timed: Timed
) -> None:
    for text in ("a", "a b", "a b c"):
        debounced.tell(partial(text))
        wait(clock, 0.0625)
    wait(clock, 1)
    assert timed.texts == [(0.0, "a"), (0.1875, "a b c")]


def test_after_a_pause_a_partial_comes_at_once_again(clock: Clock, debounced: Debounced, timed: Timed) -> None:
    debounced.tell(partial("a"))
    wait(clock, 0.5)
    debounced.tell(partial("a b"))
    assert timed.texts == [(0.0, "a"), (0.5, "a b")]


def test_a_repeat_is_dropped_and_costs_the_next_no_time(clock: Clock, debounced: Debounced, timed: Timed) -> None:
    debounced.tell(partial("a"))
    wait(clock, 0.125)
    debounced.tell(partial("a"))
    wait(clock, 0.125)
    debounced.tell(partial("a b"))
    assert timed.texts == [(0.0, "a"), (0.25, "a b")]
    assert clock.getDelayedCalls() == []


def test_one_that_goes_back_to_what_was_told_is_a_repeat_too(
    clock: Clock, debounced: Debounced, timed: Timed
) -> None:
    for text in ("a", "a b", "a"):
        debounced.tell(partial(text))
    wait(clock, 1)
    assert timed.texts == [(0.0, "a")]


def test_no_partial_comes_after_its_final(clock: Clock, debounced: Debounced, timed: Timed) -> None:
    debounced.tell(partial("a"))
    debounced.tell(partial("a b"))
    wait(clock, 0.125)
    debounced.tell(final("a b c"))
    wait(clock, 1)
    assert timed.texts == [(0.0, "a"), (0.125, "a b c")]
    assert clock.getDelayedCalls() == []


def test_the_interval_holds_across_utterances(clock: Clock, debounced: Debounced, timed: Timed) -> None:
    debounced.tell(partial("a"))
    wait(clock, 0.125)
    debounced.tell(final("a"))
    debounced.tell(partial("b", 2))
    wait(clock, 1)
    assert timed.texts == [(0.0, "a"), (0.125, "a"), (0.1875, "b")]


def test_the_same_words_again_are_told_in_the_next_utterance(
    clock: Clock, debounced: Debounced, timed: Timed
) -> None:
    debounced.tell(partial("yes"))
    debounced.tell(final("yes"))
    wait(clock, 1)
    debounced.tell(partial("yes", 2))
    assert timed.texts == [(0.0, "yes"), (0.0, "yes"), (1.0, "yes")]


def test_the_end_of_the_call_leaves_nothing_waiting(clock: Clock, debounced: Debounced, timed: Timed) -> None:
    end = CallEnded(CALL, "stop", 1.0, 50, 8_000, {})
    for event in (CallStarted(CALL), partial("a"), partial("a b"), end):
        debounced.tell(event)
    wait(clock, 1)
    assert [event for _, event in timed.told] == [CallStarted(CALL), partial("a"), end]


def test_an_interval_of_nothing_holds_nothing_back(clock: Clock) -> None:
    observer = Collected()
    debounced = Debounced(clock, 0.0, observer)
    for text in ("a", "b", "b", "c"):
        debounced.tell(partial(text))
    assert observer.partials == ["a", "b", "c"]


STEPS = st.lists(
    st.tuples(st.floats(0, 0.3), st.sampled_from(["a", "b", "c"]), st.booleans()), min_size=1, max_size=40
)


@given(STEPS)
def test_never_faster_never_late_never_a_repeat(steps: list[tuple[float, str, bool]]) -> None:
    clock = Clock()
    timed = Timed(clock)
    debounced = Debounced(clock, INTERVAL, timed)
    utterance = 1
    said: list[Any] = []
    for pause, text, is_final in steps:
        clock.advance(pause)
        said.append((final if is_final else partial)(text, utterance))
        utterance += is_final
        debounced.tell(said[-1])
    clock.advance(INTERVAL)
    told = [event for _, event in timed.told]
    times = [at for at, event in timed.told if isinstance(event, Partial)]
    assert all(later - earlier >= INTERVAL - 1e-9 for earlier, later in pairwise(times))
    assert [event for event in told if isinstance(event, Final)] == [
        event for event in said if isinstance(event, Final)
    ]
    spoken = [event.utterance for event in told if isinstance(event, Partial | Final)]
    assert spoken == sorted(spoken)
    for number in range(1, utterance + 1):
        shown = [event.text for event in told if isinstance(event, Partial) and event.utterance == number]
        assert all(one != following for one, following in pairwise(shown))
    if isinstance(said[-1], Partial):
        last = [event for event in told if isinstance(event, Partial) and event.utterance == utterance]
        assert last[-1].text == said[-1].text
