from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from voicestt.emulators.twilio.pacing import Pacer


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
