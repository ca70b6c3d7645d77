import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicestt.audio import mulaw
from voicestt.emulators.google.watermarked_audio import (
    PERIOD,
    Span,
    Tracker,
    clip,
)

CALL = clip(513, 40_000, [(8_000, 24_000)])


def spans(*pieces: bytes) -> list[Span]:
    """The stretches a tracker tells, each at its longest."""
    tracker = Tracker()
    told = [span for piece in pieces for span in tracker.feed(piece)] + list(tracker.finish())
    by_place = itertools.groupby(told, key=lambda span: (span.start, span.offset))
    return [list(grown)[-1] for _, grown in by_place]


def samples(start: int, end: int) -> bytes:
    return CALL[2 * start : 2 * end]


def test_a_telephone_line_does_not_change_it() -> None:
    assert mulaw.decode(mulaw.encode(np.frombuffer(CALL, "<i2"))) == CALL


def test_it_is_loud_where_somebody_speaks() -> None:
    loudness = np.abs(np.frombuffer(CALL, "<i2"))
    assert loudness[:8_000].max() == loudness[24_000:].max() == 8
    assert loudness[8_000:24_000].min() > 1_000


def test_a_calls_number_has_16_bits() -> None:
    with pytest.raises(ValueError, match="0 to 65535"):
        clip(65_536, 100)


@settings(max_examples=50)
@given(st.integers(0, 30_000), st.integers(2 * PERIOD, 9_000))
def test_any_stretch_says_where_it_lies(start: int, length: int) -> None:
    tracker = Tracker()
    list(tracker.feed(samples(start, start + length)))
    list(tracker.finish())
    assert tracker.number == 513
    assert spans(samples(start, start + length)) == [Span(start, start + length, 0)]


@settings(max_examples=50)
@given(st.lists(st.integers(1, 5_000), min_size=1), st.booleans())
def test_it_does_not_matter_how_it_is_cut(sizes: list[int], plain: bool) -> None:
    pcm = bytes(80_000) if plain else CALL
    cuts = [0, *itertools.accumulate(2 * size for size in sizes)]
    pieces = [pcm[start:end] for start, end in itertools.pairwise(cuts)] + [pcm[cuts[-1] :]]
    assert spans(*pieces) == spans(pcm)


def test_a_loss_is_seen_where_it_is() -> None:
    before, after = spans(samples(0, 10_000) + samples(20_000, 40_000))
    assert before.start == 0
    assert abs(before.end - 10_000) < 40
    assert abs(after.offset_of(20_000) - 10_000) < 40
    assert after.end == 40_000


def test_what_comes_twice_is_seen_twice() -> None:
    first, second = spans(samples(0, 20_000), samples(10_000, 40_000))
    assert first.start == 0
    assert abs(first.end - 20_000) < 40
    assert abs(second.start - 10_000) < 40


def test_other_audio_is_its_own_call() -> None:
    assert spans(bytes(10_000)) == [Span(0, 5_000, 0)]
    assert spans(bytes(10)) == [Span(0, 5, 0)]
    assert spans() == [Span(0, 0, 0)]
