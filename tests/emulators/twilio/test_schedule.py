import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from voicestt.emulators.twilio.schedule import (
    EVERY_20_MS,
    Insert,
    Pacer,
    Pause,
    Schedule,
    parse_dtmf,
    parse_pause,
)

SCHEDULES = st.builds(
    Schedule,
    st.integers(1, 200),
    st.lists(st.builds(Pause, st.floats(0, 3), st.floats(0, 3)), max_size=3).map(tuple),
)


def test_without_pauses_a_frame_is_due_every_20_ms() -> None:
    assert [round(EVERY_20_MS.due(number), 6) for number in (0, 1, 50)] == [0.0, 0.02, 1.0]
    assert EVERY_20_MS.frame_bytes == 160
    assert Schedule(frame_ms=33).frame_bytes == 264


def test_a_pause_puts_off_everything_behind_it() -> None:
    schedule = Schedule(pauses=(Pause(0.04, 1.0), Pause(0.06, 0.5)))
    assert [round(schedule.due(number), 6) for number in range(5)] == [0.0, 0.02, 1.04, 1.56, 1.58]
    assert Schedule(pauses=(Pause(0, 2),)).due(0) == 2


@given(SCHEDULES, st.floats(0, 10), st.integers(0, 300))
def test_the_frames_before_a_moment_are_those_that_are_due_before_it(
    schedule: Schedule, seconds: float, most: int
) -> None:
    wanted = sum(schedule.due(number) < seconds - 1e-9 for number in range(most))
    assert schedule.frames_before(seconds, most) == wanted


@given(SCHEDULES, st.lists(st.floats(0, 5), max_size=10), st.integers(0, 100))
def test_nothing_that_is_to_be_said_is_forgotten(schedule: Schedule, places: list[float], frames: int) -> None:
    inserts = [Insert(at, "dtmf", str(number)) for number, at in enumerate(places)]
    table = schedule.before_frames(inserts, frames)
    assert sorted(each.detail for said in table.values() for each in said) == sorted(
        each.detail for each in inserts
    )
    assert all(number <= frames for number in table)


def test_a_place_is_before_the_frame_that_begins_there() -> None:
    inserts = parse_dtmf("0.02:1") + parse_dtmf("0.03:2") + parse_dtmf("9:3")
    table = EVERY_20_MS.before_frames(inserts, 10)
    assert {number: [each.detail for each in said] for number, said in table.items()} == {
        1: ["1"],
        2: ["2"],
        10: ["3"],
    }


def test_options_are_read() -> None:
    assert parse_pause("3:12.5") == Pause(3.0, 12.5)
    assert parse_dtmf("2:a*") == (Insert(2.0, "dtmf", "A"), Insert(2.25, "dtmf", "*"))


@pytest.mark.parametrize("text", ["", "3", "x:1", "1:x", "-1:2", "1:-2", "nan:1", "1:inf"])
def test_a_pause_that_is_none_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="has no number of seconds"):
        parse_pause(text)


@pytest.mark.parametrize("text", ["", "3", "3:", "3:5x", "x:5"])
def test_keys_that_are_none_are_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not AT:DIGITS|has no number"):
        parse_dtmf(text)


class Paced:
    """A pacer at work on a clock of its own; `sent` are (frame, when)."""

    def __init__(self, count: int) -> None:
        self.clock = Clock()
        self.sent: list[tuple[int, float]] = []
        self.pacer = Pacer(self.clock, self.clock.seconds)
        self.done = Deferred.fromCoroutine(self.pacer.run(count, self._send))

    def _send(self, number: int) -> None:
        self.sent.append((number, round(self.clock.seconds(), 6)))


def test_frames_go_out_every_20_ms_from_the_start() -> None:
    paced = Paced(4)
    paced.clock.pump([0.001] * 100)
    assert paced.sent == [(0, 0.0), (1, 0.02), (2, 0.04), (3, 0.06)]
    assert paced.done.called
    assert not paced.clock.getDelayedCalls()


def test_the_call_lasts_until_the_last_frame_is_over() -> None:
    paced = Paced(2)
    paced.clock.advance(0.02)
    paced.clock.advance(0.019)
    assert len(paced.sent) == 2
    assert not paced.done.called
    paced.clock.advance(0.001)
    assert paced.done.called


def test_a_late_timer_is_caught_up_with_and_the_beat_is_kept() -> None:
    paced = Paced(6)
    paced.clock.advance(0.07)
    assert paced.sent == [(0, 0.0), (1, 0.07), (2, 0.07), (3, 0.07)]
    paced.clock.advance(0.01)
    assert paced.sent[-1] == (4, 0.08)
    assert round(paced.pacer.latest, 3) == 0.05


def test_nothing_follows_a_stop() -> None:
    paced = Paced(5)
    paced.pacer.stop()
    paced.pacer.stop()
    assert paced.done.called
    assert not paced.clock.getDelayedCalls()
    assert paced.sent == [(0, 0.0)]


def test_a_frame_may_stop_the_rest() -> None:
    clock = Clock()
    sent: list[int] = []
    pacer = Pacer(clock, clock.seconds)

    def send(number: int) -> None:
        sent.append(number)
        if number == 2:
            pacer.stop()

    done = Deferred.fromCoroutine(pacer.run(9, send))
    clock.advance(1.0)
    assert sent == [0, 1, 2]
    assert done.called
    assert not clock.getDelayedCalls()


def test_no_frames_are_over_at_once() -> None:
    assert Paced(0).done.called
