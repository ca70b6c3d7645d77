from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.server.fakes import CALL, Collected
from voicestt.call.debounced import Debounced
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    Event,
    Final,
    Partial,
)

INTERVAL = 0.1875  # sums of powers of two are exact


class Timed:
    """An Audience that keeps when it was told what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.told: list[tuple[float, Event]] = []

    def tell(self, event: Event) -> None:
        self.told.append((self._clock.seconds(), event))

    @property
    def texts(self) -> list[tuple[float, str]]:
        return [(at, getattr(event, "text", "-")) for at, event in self.told]


@pytest.fixture
def audience(clock: Clock) -> Timed:
    return Timed(clock)


@pytest.fixture
def debounced(clock: Clock, audience: Timed) -> Debounced:
    return Debounced(clock, INTERVAL, audience)


def partial(text: str, utterance: int = 1) -> Partial:
    return Partial(CALL, utterance, text)


def final(text: str, utterance: int = 1) -> Final:
    return Final(CALL, utterance, text)


def wait(clock: Clock, seconds: float) -> None:
    """Lets time pass as it does: in small steps."""
    clock.pump([1 / 64] * round(seconds * 64))


def test_the_first_comes_at_once_and_the_newest_when_its_time_has_come(
    clock: Clock, debounced: Debounced, audience: Timed
) -> None:
    for text in ("a", "a b", "a b c"):
        debounced.tell(partial(text))
        wait(clock, 0.0625)
    wait(clock, 1)
    assert audience.texts == [(0.0, "a"), (0.1875, "a b c")]


def test_after_a_pause_a_partial_comes_at_once_again(clock: Clock, debounced: Debounced, audience: Timed) -> None:
    debounced.tell(partial("a"))
    wait(clock, 0.5)
    debounced.tell(partial("a b"))
    assert audience.texts == [(0.0, "a"), (0.5, "a b")]


def test_a_repeat_is_dropped_and_costs_the_next_no_time(
    clock: Clock, debounced: Debounced, audience: Timed
) -> None:
    debounced.tell(partial("a"))
    wait(clock, 0.125)
    debounced.tell(partial("a"))
    wait(clock, 0.125)
    debounced.tell(partial("a b"))
    assert audience.texts == [(0.0, "a"), (0.25, "a b")]
    assert clock.getDelayedCalls() == []


def test_one_that_goes_back_to_what_was_told_is_a_repeat_too(
    clock: Clock, debounced: Debounced, audience: Timed
) -> None:
    for text in ("a", "a b", "a"):
        debounced.tell(partial(text))
    wait(clock, 1)
    assert audience.texts == [(0.0, "a")]


def test_no_partial_comes_after_its_final(clock: Clock, debounced: Debounced, audience: Timed) -> None:
    debounced.tell(partial("a"))
    debounced.tell(partial("a b"))
    wait(clock, 0.125)
    debounced.tell(final("a b c"))
    wait(clock, 1)
    assert audience.texts == [(0.0, "a"), (0.125, "a b c")]
    assert clock.getDelayedCalls() == []


def test_the_interval_holds_across_utterances(clock: Clock, debounced: Debounced, audience: Timed) -> None:
    debounced.tell(partial("a"))
    wait(clock, 0.125)
    debounced.tell(final("a"))
    debounced.tell(partial("b", 2))
    wait(clock, 1)
    assert audience.texts == [(0.0, "a"), (0.125, "a"), (0.1875, "b")]


def test_the_same_words_again_are_told_in_the_next_utterance(
    clock: Clock, debounced: Debounced, audience: Timed
) -> None:
    debounced.tell(partial("yes"))
    debounced.tell(final("yes"))
    wait(clock, 1)
    debounced.tell(partial("yes", 2))
    assert audience.texts == [(0.0, "yes"), (0.0, "yes"), (1.0, "yes")]


def test_the_end_of_the_call_leaves_nothing_waiting(clock: Clock, debounced: Debounced, audience: Timed) -> None:
    end = CallEnded(CALL, "stop", 1.0, 50, 8_000, {})
    for event in (CallStarted(CALL), partial("a"), partial("a b"), end):
        debounced.tell(event)
    wait(clock, 1)
    assert [event for _, event in audience.told] == [CallStarted(CALL), partial("a"), end]


def test_an_interval_of_nothing_holds_nothing_back(clock: Clock) -> None:
    audience = Collected()
    debounced = Debounced(clock, 0.0, audience)
    for text in ("a", "b", "b", "c"):
        debounced.tell(partial(text))
    assert audience.partials == ["a", "b", "c"]


STEPS = st.lists(
    st.tuples(st.floats(0, 0.3), st.sampled_from(["a", "b", "c"]), st.booleans()), min_size=1, max_size=40
)


@given(STEPS)
def test_never_faster_never_late_never_a_repeat(steps: list[tuple[float, str, bool]]) -> None:
    clock = Clock()
    audience = Timed(clock)
    debounced = Debounced(clock, INTERVAL, audience)
    utterance = 1
    said: list[Any] = []
    for pause, text, is_final in steps:
        clock.advance(pause)
        said.append((final if is_final else partial)(text, utterance))
        utterance += is_final
        debounced.tell(said[-1])
    clock.advance(INTERVAL)
    told = [event for _, event in audience.told]
    times = [at for at, event in audience.told if isinstance(event, Partial)]
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
