import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.audio import mulaw

ALL = bytes(range(256))


def by_the_recommendation(code: int) -> int:
    """G.711's decoder output value for one byte, by the formula: no table, no bit of `mulaw`."""
    inverted = 255 - code
    sign = -1 if inverted >= 128 else 1
    segment = inverted % 128 // 16
    step = inverted % 16
    return sign * 4 * ((2 * step + 33 << segment) - 33)  # 14 bits, in the upper bits of 16


def test_all_256_values_are_those_of_g711() -> None:
    decoded = np.frombuffer(mulaw.decode(ALL), "<i2")
    assert decoded.tolist() == [by_the_recommendation(code) for code in range(256)]


def test_some_values_of_the_recommendation_s_table() -> None:
    known = {0x00: -32_124, 0x7F: 0, 0x80: 32_124, 0xFF: 0, 0xFE: 8, 0x7E: -8, 0xF0: 120, 0x8F: 16_764}
    assert {code: int(mulaw.TABLE[code]) for code in known} == known


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop has left the standard library")
def test_all_256_values_are_those_of_the_standard_library() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    assert mulaw.decode(ALL) == audioop.ulaw2lin(ALL, 2)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop has left the standard library")
def test_every_sample_is_encoded_as_the_standard_library_does() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    samples = np.arange(-32_768, 32_768).astype("<i2")
    ours = np.frombuffer(mulaw.encode(samples), np.uint8)
    theirs = np.frombuffer(audioop.lin2ulaw(samples.tobytes(), 2), np.uint8)
    assert samples[ours != theirs].tolist() == []


def test_encoding_what_was_decoded_gives_the_same_bytes() -> None:
    again = mulaw.encode(np.frombuffer(mulaw.decode(ALL), np.int16))
    # Zero has two codes, and only the positive one comes back.
    assert again == ALL.replace(b"\x7f", b"\xff")


@given(st.integers(-32_635, 32_635))
def test_encoding_is_off_by_half_a_step_at_most(sample: int) -> None:
    (code,) = mulaw.encode(np.array([sample], np.int16))
    step = 8 * 2 ** ((255 - code) % 128 // 16)
    assert abs(by_the_recommendation(code) - sample) <= step / 2 + 4  # it knows 14 bits of the 16


@given(st.binary(max_size=1_000), st.binary(max_size=1_000))
def test_decoding_knows_no_frames(first: bytes, second: bytes) -> None:
    assert mulaw.decode(first) + mulaw.decode(second) == mulaw.decode(first + second)
    assert len(mulaw.decode(first)) == 2 * len(first)


def test_silence_is_zero_and_a_byte_lasts_an_eight_thousandth() -> None:
    assert mulaw.decode(mulaw.SILENCE) == b"\0\0"
    assert mulaw.seconds(1_200) == 0.15
