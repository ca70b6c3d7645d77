from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from zope.interface import implementer

from voicestt.server.flow_control import ReadCoalescer


@implementer(IPushProducer)
class Transport:
    def __init__(self) -> None:
        self.is_paused = False

    def pauseProducing(self) -> None:  # noqa: N802
        assert not self.is_paused
        self.is_paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        assert self.is_paused
        self.is_paused = False

    def stopProducing(self) -> None:  # noqa: N802
        raise AssertionError("nobody asked for that")


def test_a_socket_that_lacks_a_batch_rests_until_the_batch_can_be_full() -> None:
    clock, transport = Clock(), Transport()
    ReadCoalescer(clock).rest(transport, missing=1_000)  # 125 ms of audio
    clock.advance(0.11)
    assert transport.is_paused
    clock.advance(0.03)
    assert not transport.is_paused


def test_a_socket_whose_batch_is_nearly_full_does_not_rest() -> None:
    clock, transport = Clock(), Transport()
    ReadCoalescer(clock).rest(transport, missing=80)
    assert not transport.is_paused
    assert not clock.getDelayedCalls()


def test_sockets_of_about_the_same_moment_wake_together() -> None:
    clock, transports = Clock(), [Transport() for _ in range(100)]
    resting = ReadCoalescer(clock)
    for number, transport in enumerate(transports):
        resting.rest(transport, missing=1_041 + number)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(0.16)
    assert not any(transport.is_paused for transport in transports)


@given(missing=st.integers(0, 100_000), start=st.floats(0, 1_000_000))
def test_no_pause_is_longer_than_150_ms_and_a_step_of_the_grid_nor_than_the_missing_audio(
    missing: int, start: float
) -> None:
    clock, transport = Clock(), Transport()
    clock.advance(start)
    ReadCoalescer(clock).rest(transport, missing)
    if transport.is_paused:
        clock.advance(min(0.15, missing / 8_000) + 0.020_001)
    assert not transport.is_paused
