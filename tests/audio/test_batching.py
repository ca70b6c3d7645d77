import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.audio.batching import Batcher

SIZES = st.integers(min_value=1, max_value=50)
PIECES = st.lists(st.binary(max_size=200))


@given(size=SIZES, pieces=PIECES)
def test_no_byte_is_lost_doubled_or_moved(size: int, pieces: list[bytes]) -> None:
    batcher = Batcher(size)
    batches = [batch for piece in pieces for batch in batcher.add(piece)]
    assert b"".join(batches) + batcher.flush() == b"".join(pieces)


@given(size=SIZES, pieces=PIECES)
def test_every_batch_has_the_size_and_comes_as_soon_as_it_is_full(size: int, pieces: list[bytes]) -> None:
    batcher = Batcher(size)
    received = handed = 0
    for piece in pieces:
        received += len(piece)
        batches = batcher.add(piece)
        handed += sum(map(len, batches))
        assert {len(batch) for batch in batches} <= {size}
        assert received - handed < size


@given(size=SIZES, pieces=PIECES)
def test_what_flush_gives_is_short_and_gone(size: int, pieces: list[bytes]) -> None:
    batcher = Batcher(size)
    for piece in pieces:
        batcher.add(piece)
    assert len(batcher.flush()) == sum(map(len, pieces)) % size
    assert batcher.flush() == b""


def test_150_ms_are_seven_frames_and_a_half() -> None:
    batcher = Batcher(1_200)
    assert [len(batcher.add(b"\xff" * 160)) for _ in range(15)] == [0] * 7 + [1] + [0] * 6 + [1]
    assert batcher.flush() == b""


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_nothing_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="cannot be filled"):
        Batcher(size)
