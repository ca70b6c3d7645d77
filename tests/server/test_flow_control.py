import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from zope.interface import implementer

from voicestt.server.flow_control import CoalescedReads, ReadCoalescer


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


def reads_of(clock: Clock, transport: Transport) -> CoalescedReads:
    return ReadCoalescer(clock).reads_of(transport)


def test_a_socket_that_lacks_a_batch_rests_until_the_frame_that_fills_it() -> None:
    clock, transport = Clock(), Transport()
    reads_of(clock, transport).rest(1_000, 160)  # seven frames
    clock.advance(0.139)
    assert transport.is_paused
    clock.advance(0.012)
    assert not transport.is_paused


@pytest.mark.parametrize("missing", [0, 80])
def test_a_socket_does_not_rest_where_nothing_is_known_or_the_frame_is_about_to_come(missing: int) -> None:
    clock, transport = Clock(), Transport()
    reads = reads_of(clock, transport)
    reads.rest(160, 160)
    clock.advance(0.039)
    reads.rest(missing, 320)  # a frame came 19 ms ago, or so it seems
    assert not transport.is_paused
    assert not clock.getDelayedCalls()


def test_sockets_of_about_the_same_moment_wake_together() -> None:
    clock, transports = Clock(), [Transport() for _ in range(100)]
    clock.advance(0.0005)
    coalescer = ReadCoalescer(clock)
    for transport in transports:
        coalescer.reads_of(transport).rest(1_041, 160)
        clock.advance(0.000_09)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(0.16)
    assert not any(transport.is_paused for transport in transports)


@given(st.integers(0, 100_000), st.floats(0, 1_000_000), st.integers(0, 1_000_000))
def test_no_pause_is_longer_than_160_ms_and_a_step_of_the_grid(missing: int, start: float, received: int) -> None:
    clock, transport = Clock(), Transport()
    clock.advance(start)
    reads_of(clock, transport).rest(missing, received)
    if transport.is_paused:
        clock.advance(min(0.16, missing / 8_000 + 0.02) + 0.010_001)
    assert not transport.is_paused


@given(st.floats(0, 0.02), st.floats(0, 1_000), st.integers(800, 2_400))
def test_each_batch_is_read_once_and_at_most_a_step_of_the_grid_late(
    phase: float, start: float, batch: int
) -> None:
    clock, transport = Clock(), Transport()
    clock.advance(start)
    reads = reads_of(clock, transport)
    arrived = read = batches = count = 0
    late = list[float]()
    for number in range(200):
        due = start + phase + number * 0.02
        while (step := min(0.001, due - clock.seconds())) > 0:
            clock.advance(step)
            if not transport.is_paused and read < arrived:
                read, count = arrived, count + 1
                if read // batch > batches:
                    batches = read // batch
                    late.append(clock.seconds() - (start + phase + (-(-batches * batch // 160) - 1) * 0.02))
                reads.rest(batch - read % batch, read)
        arrived += 160
    settled = late[3:]
    assert max(settled) < 0.012
    # A batch of more than 160 ms is read twice, as sockets must not be left alone for longer.
    assert count < 8 + len(late) * (1.2 if batch < 1_280 else 2.3)
