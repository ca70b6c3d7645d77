"""The two tracks of a call told as one, and their common time."""

import pytest

from voicestt.audio.ledger import AudioTotals
from voicestt.call.both_tracks import SharedByTracks, TracksAsOne
from voicestt.call.facts import CallDescription, CallEnded, CallStarted, Event, Final
from voicestt.runtime.metrics import Summary
from voicestt.twilio.media_time import MediaTime, TimeOrigin

CALL = CallDescription("CA1", "MZ1")
END = CallEnded(CALL, "stop", 1.0, 50, 8_000, {})
CALLEE_END = CallEnded(CALL, "stop", 1.0, 50, 8_000, {}, AudioTotals(received=320), figures=Summary(restarts=1))


class Told:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.overs = 0
        self.tracks = TracksAsOne(self, self.over)

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def over(self) -> None:
        self.overs += 1


@pytest.fixture
def told() -> Told:
    return Told()


def test_without_a_callee_all_is_as_it_comes(told: Told) -> None:
    for event in (CallStarted(CALL), END):
        told.tracks.tell(event)
    told.tracks.caller_over()
    assert told.events == [CallStarted(CALL), END]
    assert told.overs == 1


def test_the_end_waits_for_the_callee_s_last_words_and_carries_their_account(told: Told) -> None:
    told.tracks.begin_callee()
    told.tracks.of_callee.tell(CallStarted(CALL))
    told.tracks.tell(END)
    told.tracks.caller_over()
    assert (told.events, told.overs) == ([], 0)
    last = Final(CALL, 1, "bye", track="callee")
    told.tracks.of_callee.tell(last)
    told.tracks.of_callee.tell(CALLEE_END)
    told.tracks.callee_over()
    end = told.events[-1]
    assert told.events[:-1] == [last]
    assert isinstance(end, CallEnded)
    assert end.callee == AudioTotals(received=320)
    assert end.callee_figures == Summary(restarts=1)
    assert end.figures.restarts == 1
    assert told.overs == 1


def test_a_callee_that_ends_first_ends_nothing(told: Told) -> None:
    told.tracks.begin_callee()
    told.tracks.of_callee.tell(CALLEE_END)
    told.tracks.callee_over()
    assert (told.events, told.overs) == ([], 0)
    told.tracks.tell(END)
    told.tracks.caller_over()
    (end,) = told.events
    assert isinstance(end, CallEnded)
    assert end.callee is not None
    assert told.overs == 1


def test_utterances_of_both_are_counted_once() -> None:
    shared = SharedByTracks(utterances=4)
    assert [shared.next_utterance() for _ in range(3)] == [5, 6, 7]


def test_a_track_that_comes_late_has_the_time_of_the_other() -> None:
    origin = TimeOrigin()
    early, late = MediaTime(origin), MediaTime(origin)
    assert origin.elapsed(100.0) == 0.0
    early.frame(0, "52", 0.0)
    late.frame(0, "3052", origin.elapsed(103.0))
    assert early.of_start(0) == 0.0
    assert late.of_start(0) == pytest.approx(3.0)
    assert late.of_end(8_000) == pytest.approx(4.0)
