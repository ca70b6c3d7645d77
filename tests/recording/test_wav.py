import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recording.made import BEGAN, played, sound
from voicestt.recording.wav import HEADER_BYTES, BadRecording, WavHeader, read_header


@given(st.sampled_from([1, 2]), st.integers(0, 2**40), st.floats(0, 4e9))
def test_a_header_says_what_was_written_whatever_the_file_has_grown_to(
    tracks: int, frames: int, began: float
) -> None:
    head = WavHeader(tracks, 0, began).encode()
    assert len(head) == HEADER_BYTES
    read = read_header(head + b"more", HEADER_BYTES + frames * tracks)
    assert (read.tracks, read.frames) == (tracks, frames)
    assert read.began == pytest.approx(began, abs=2e-6)


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_what_is_no_recording_is_said_to_be_none(head: bytes, size: int) -> None:
    with pytest.raises(BadRecording):
        read_header(head, size)


@given(st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_a_byte_that_is_wrong_is_found_but_for_sizes_and_the_date(at: int, change: int) -> None:
    head = bytearray(WavHeader(2, 5, BEGAN).encode())
    head[at] ^= change
    try:
        read = read_header(bytes(head), HEADER_BYTES + 10)
    except BadRecording:
        return
    again = bytearray(read.encode())
    assert (read.tracks, read.frames) == (2, 5)
    assert [i for i in range(HEADER_BYTES) if again[i] != head[i]] in (
        [],
        [at],
    )  # a size, which the file's own corrects


@pytest.mark.parametrize("tracks", [1, 2])
def test_another_program_plays_it(tracks: int) -> None:
    audio = bytes(range(256))
    wav = WavHeader(tracks, len(audio) // tracks, BEGAN).encode() + audio
    channels = [audio[track::tracks] for track in range(tracks)]
    assert (played(wav) == sound(*channels)).all()


def test_more_than_a_wav_file_can_say_is_said_as_the_most() -> None:
    head = WavHeader(2, 2**33, BEGAN).encode()
    assert head[-4:] == b"\xff" * 4
