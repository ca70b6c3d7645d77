import io
import struct
import sys
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicestt.audio import mulaw
from voicestt.emulators.twilio.clip import BadClip, read_both, read_clip, voiced_span

TONE = (8000 * np.sin(np.arange(1600) * 2 * np.pi * 440 / 8000)).astype(np.int16)


def wav(samples: npt.NDArray[Any], rate: int = 8000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def riff(layout: bytes, data: bytes) -> bytes:
    body = (
        b"WAVE" + b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(data)) + data
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)


@pytest.mark.usefixtures("no_extra")
class TestWithoutTheExtra:
    def test_a_telephone_wav_is_read(self, tmp_path: Path) -> None:
        assert read_clip(written(tmp_path, "a.wav", wav(TONE))) == mulaw.encode(TONE)

    def test_a_mulaw_wav_is_taken_as_it_is(self, tmp_path: Path) -> None:
        layout = struct.pack("<HHIIHHH", 7, 1, 8000, 8000, 1, 8, 0)
        assert read_clip(written(tmp_path, "a.wav", riff(layout, b"\x01\x02\x03"))) == b"\x01\x02\x03"

    def test_an_extensible_header_is_understood(self, tmp_path: Path) -> None:
        layout = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4, 1) + bytes(14)
        content = riff(layout, TONE.astype("<i2").tobytes())
        assert read_clip(written(tmp_path, "a.wav", content)) == mulaw.encode(TONE)

    def test_headerless_mulaw_is_taken_as_it_is(self, tmp_path: Path) -> None:
        assert read_clip(written(tmp_path, "a.ulaw", b"\x00\x7f\xff")) == b"\x00\x7f\xff"

    def test_a_truncated_recording_counts_as_far_as_it_goes(self, tmp_path: Path) -> None:
        content = wav(TONE)[:-101]
        assert read_clip(written(tmp_path, "a.wav", content)) == mulaw.encode(TONE[:-51])

    def test_stereo_of_another_rate_becomes_one_line(self, tmp_path: Path) -> None:
        both = np.repeat(TONE, 2).repeat(2)  # 16 kHz, two channels
        audio = read_clip(written(tmp_path, "a.wav", wav(both, rate=16_000, channels=2)))
        assert len(audio) == len(TONE)
        heard = np.frombuffer(mulaw.decode(audio), "<i2").astype(float)
        assert np.corrcoef(heard[100:-100], TONE[100:-100])[0, 1] > 0.99

    def test_headerless_raw_is_16_kilohertz_linear(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.raw", np.repeat(TONE, 2).astype("<i2").tobytes() + b"\0")
        assert len(read_clip(path)) == len(TONE)

    def test_a_loud_recording_is_clipped_and_does_not_wrap(self, tmp_path: Path) -> None:
        square = np.where(np.arange(3200) // 40 % 2, 32_767, -32_768)
        heard = np.frombuffer(mulaw.decode(read_clip(written(tmp_path, "a.wav", wav(square, 16_000)))), "<i2")
        assert np.all(heard[5:15] < -20_000)
        assert np.all(heard[25:35] > 20_000)

    def test_everything_else_names_what_to_install(self, tmp_path: Path) -> None:
        with pytest.raises(BadClip, match=r"recording a\.flac is no WAV file.* pip install '\.\[embedded\]'"):
            read_clip(written(tmp_path, "a.flac", b"fLaC"))


class TestWithTheExtra:
    def test_flac_is_read(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.flac", TONE, 8000)
        assert len(read_clip(tmp_path / "a.flac")) == len(TONE)

    def test_what_is_no_recording_is_refused_in_words(self, tmp_path: Path) -> None:
        with pytest.raises(BadClip, match=r"notes\.txt is of no kind that can be read"):
            read_clip(written(tmp_path, "notes.txt", b"hello"))

    def test_a_missing_file_is_refused_in_words(self, tmp_path: Path) -> None:
        with pytest.raises(BadClip, match=r"gone\.wav cannot be read: No such file"):
            read_clip(tmp_path / "gone.wav")

    @pytest.mark.parametrize("name", ["a.wav", "a.raw", "a.ulaw"])
    def test_an_empty_recording_is_refused(self, tmp_path: Path, name: str) -> None:
        content = wav(TONE[:0]) if name == "a.wav" else b""
        with pytest.raises(BadClip, match="holds no audio"):
            read_clip(written(tmp_path, name, content))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda tail: wav(TONE[:4])[:30] + tail))
)
def test_bytes_of_any_kind_are_audio_or_a_bad_clip(tmp_path: Path, content: bytes) -> None:
    with suppress(BadClip):
        assert read_clip(written(tmp_path, "any.wav", content))


class TestVoicedSpan:
    def test_silence_around_a_voice_is_left_out(self) -> None:
        audio = mulaw.SILENCE * 480 + mulaw.encode(TONE) + mulaw.SILENCE * 800
        assert voiced_span(audio) == (480, 480 + 1600)

    def test_all_of_it_when_nobody_speaks(self) -> None:
        assert voiced_span(mulaw.SILENCE * 800) == (0, 800)

    def test_less_than_a_frame_is_taken_whole(self) -> None:
        assert voiced_span(b"\x00" * 100) == (0, 100)


def write_stereo(path: Path, channels: int = 2, width: int = 2) -> Path:
    left, right = np.full(8_000, 8_000, "<i2"), np.full(8_000, -8_000, "<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8_000)
        file.writeframes(np.stack([left, right], axis=1).tobytes())
    return path


def test_a_stereo_recording_is_two_sides(tmp_path: Path) -> None:
    left, right = read_both(write_stereo(tmp_path / "both.wav"))
    assert len(left) == len(right) == 8_000
    assert mulaw.TABLE[left[4_000]] > 7_000
    assert mulaw.TABLE[right[4_000]] < -7_000


def test_what_is_not_stereo_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadClip, match="two channels of 16 bits"):
        read_both(write_stereo(tmp_path / "mono.wav", channels=1))
    with pytest.raises(BadClip, match="two channels of 16 bits"):
        read_both(write_stereo(tmp_path / "bytes.wav", width=1))
    with pytest.raises(BadClip, match="no WAV file"):
        read_both(tmp_path / "gone.wav")
