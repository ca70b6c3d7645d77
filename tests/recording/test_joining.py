from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recording.made import BEGAN, SECOND, played, sound, tone
from voicestt.audio import mulaw
from voicestt.recording.joining import LONGEST_PAUSE, Form, JoinedAudio
from voicestt.recording.wav import BadRecording, WavHeader


@dataclass
class InMemory:
    """A recording that is open for reading."""

    content: bytes
    is_closed: bool = False

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, start: int, length: int) -> bytes:
        return self.content[start : start + length]

    def close(self) -> None:
        self.is_closed = True


def part(audio: bytes, began: float = BEGAN, tracks: int = 1) -> InMemory:
    return InMemory(WavHeader(tracks, len(audio) // tracks, began).encode() + audio)


PARTS = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from([1, 2]), st.floats(-0.05, 0.1)), min_size=1, max_size=4
)


def parts_of(given_parts: list[tuple[int, int, float]]) -> list[InMemory]:
    parts, at = [], BEGAN
    for frames, tracks, pause in given_parts:
        at += pause
        parts.append(part(tone(frames * tracks), at, tracks))
        at += mulaw.seconds(frames)
    return parts


@settings(max_examples=100)
@given(PARTS, st.sampled_from(["mulaw", "pcm16"]), st.integers(0, 3_000), st.integers(0, 1_500))
def test_any_part_of_it_is_that_part_of_the_whole(
    given_parts: list[tuple[int, int, float]], form: Form, start: int, length: int
) -> None:
    audio = JoinedAudio(parts_of(given_parts), form)
    whole = audio.read(0, audio.size)
    assert len(whole) == audio.size
    assert audio.read(start, length) == whole[start : start + length]
    assert b"".join(audio.chunks(start, length)) == whole[start : start + length]
    assert b"".join(audio.chunks()) == whole


@given(PARTS)
def test_as_16_bit_samples_it_sounds_the_same(given_parts: list[tuple[int, int, float]]) -> None:
    whole = [JoinedAudio(parts_of(given_parts), form) for form in ("mulaw", "pcm16")]
    one, other = (played(audio.read(0, audio.size)) for audio in whole)
    assert (one == other).all()


def test_streams_of_a_call_lie_where_they_began_and_between_them_is_silence() -> None:
    first, second = part(tone(SECOND)), part(tone(SECOND * 2, 50), BEGAN + 1.5, tracks=2)
    audio = JoinedAudio([first, second])
    assert (audio.seconds, audio.header.tracks, audio.header.began) == (2.5, 2, BEGAN)
    pause, both = mulaw.SILENCE * (SECOND // 2), tone(SECOND * 2, 50)
    left = tone(SECOND) + pause + both[::2]
    right = mulaw.SILENCE * SECOND + pause + both[1::2]
    assert (played(audio.read(0, audio.size)) == sound(left, right)).all()
    audio.close()
    assert first.is_closed
    assert second.is_closed


def test_clocks_that_are_apart_make_no_day_of_silence() -> None:
    audio = JoinedAudio([part(tone(10)), part(tone(10), BEGAN + 1e6)])
    assert audio.seconds == pytest.approx(LONGEST_PAUSE, abs=0.01)


def test_what_is_no_recording_is_said_to_be_none() -> None:
    with pytest.raises(BadRecording):
        JoinedAudio([InMemory(b"nothing")])
