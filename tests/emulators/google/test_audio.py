import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicestt.audio import mulaw
from voicestt.emulators.google.audio import AudioDecoder


@given(st.lists(st.binary(max_size=9)))
def test_linear_samples_stay_whole_however_they_are_cut(pieces: list[bytes]) -> None:
    decoder = AudioDecoder("LINEAR16")
    decoded = [decoder.feed(piece) for piece in pieces]
    assert all(len(one) % 2 == 0 for one in decoded)
    everything = b"".join(pieces)
    assert b"".join(decoded) == everything[: len(everything) & ~1]


def test_mulaw_becomes_linear() -> None:
    assert np.frombuffer(AudioDecoder("MULAW").feed(b"\xff\x80\x00"), "<i2").tolist() == [0, 32_124, -32_124]
    assert AudioDecoder("MULAW").feed(b"\x12\x34") == mulaw.decode(b"\x12\x34")
