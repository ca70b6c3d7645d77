import struct

from hypothesis import given
from hypothesis import strategies as st

from voicestt.google_local.relay import FrameCursor, goaway_frame


def frame(length: int, kind: int = 0, flags: int = 0) -> bytes:
    return struct.pack("!I", length)[1:] + struct.pack("!BBI", kind, flags, 1) + bytes(length)


def test_goaway_is_a_frame_of_http2() -> None:
    assert goaway_frame() == bytes.fromhex("000008 07 00 00000000 7fffffff 00000000")


@given(st.lists(st.integers(0, 300), min_size=1), st.lists(st.integers(1, 100)))
def test_it_knows_where_frames_end_however_they_come(lengths: list[int], sizes: list[int]) -> None:
    flow = b"".join(map(frame, lengths))
    ends = {sum(9 + length for length in lengths[: count + 1]) for count in range(len(lengths))}
    cursor, position = FrameCursor(), 0
    for size in [*sizes, len(flow)]:
        piece = flow[position : position + size]
        boundary = cursor.feed(piece)
        within = sorted(end - position for end in ends if position < end <= position + len(piece))
        assert boundary == (within[0] if within else None)
        position += len(piece)
        assert cursor.is_between_frames == (position in ends or position == 0)


def test_nothing_comes_between_headers_and_their_continuation() -> None:
    cursor = FrameCursor()
    headers, continuation = frame(5, kind=1), frame(5, kind=9, flags=4)
    assert cursor.feed(headers) is None
    assert cursor.feed(continuation) == len(continuation)
