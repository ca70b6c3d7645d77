import io
import struct
import sys
import wave
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from voicestt import mulaw
from voicestt.sound import BadSound, Kind, to_mulaw

TONE = np.sin(np.arange(1_600) * 2 * np.pi * 440 / 8_000) * 0.25
LINEAR = (TONE * 32_768).astype(np.int16)


def riff(layout: bytes, data: bytes, *, before: bytes = b"") -> bytes:
    """A WAV file of these chunks; `before` the audio lies another."""
    format_ = b"fmt " + struct.pack("<I", len(layout)) + layout
    body = b"WAVE" + format_ + before + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav(kind: int, bits: int, data: bytes, rate: int = 8_000, channels: int = 1) -> bytes:
    size = channels * bits // 8
    return riff(struct.pack("<HHIIHH", kind, channels, rate, rate * size % 2**32, size % 2**16, bits), data)


def linear(audio: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(mulaw.decode(audio), "<i2").astype(float)


def is_tone(audio: bytes) -> bool:
    """Whether it is the tone, as long, as high and as loud."""
    heard = linear(audio)
    wanted = TONE * 32_768
    return len(heard) == len(wanted) and bool(np.abs(heard - wanted)[80:-80].max() < 0.06 * wanted.max())


def alaw() -> bytes:
    """The tone in A-law, by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, TONE, 8_000, format="WAV", subtype="ALAW")
    return file.getvalue()


LITTLE = (TONE * 2**31).astype("<i4")
WAVS = {
    "8 bits": wav(1, 8, (np.rint(TONE * 128) + 128).astype(np.uint8).tobytes()),
    "16 bits": wav(1, 16, LINEAR.astype("<i2").tobytes()),
    "24 bits": wav(1, 24, LITTLE.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()),
    "32 bits": wav(1, 32, LITTLE.tobytes()),
    "floating point": wav(3, 32, TONE.astype("<f4").tobytes()),
    "double floating point": wav(3, 64, TONE.astype("<f8").tobytes()),
    "mu-law": wav(7, 8, mulaw.encode(LINEAR)),
    "A-law": alaw(),
}


@pytest.mark.parametrize("content", WAVS.values(), ids=WAVS)
def test_a_wav_file_of_any_encoding_is_heard_as_it_was(content: bytes) -> None:
    assert is_tone(to_mulaw(content))


def test_what_is_mulaw_already_is_taken_as_it_is() -> None:
    every = bytes(range(256))
    assert to_mulaw(every, "mulaw") == every
    assert to_mulaw(wav(7, 8, every)) == every


def test_telephone_samples_are_coded_one_by_one() -> None:
    assert to_mulaw(LINEAR.astype("<i2").tobytes(), "pcm16") == mulaw.encode(LINEAR)
    assert to_mulaw(WAVS["16 bits"]) == mulaw.encode(LINEAR)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_any_rate_becomes_the_lines(rate: int) -> None:
    tone = np.sin(np.arange(rate // 5) * 2 * np.pi * 440 / rate) * 0.25
    assert is_tone(to_mulaw((tone * 32_768).astype("<i2").tobytes(), "pcm16", rate))
    assert is_tone(to_mulaw(wav(3, 32, tone.astype("<f4").tobytes(), rate)))


def test_both_sides_of_stereo_are_heard() -> None:
    sides = np.stack([TONE * 2, np.zeros_like(TONE)], axis=1)
    assert is_tone(to_mulaw(wav(3, 32, sides.astype("<f4").tobytes(), channels=2)))


def test_loud_samples_are_clipped_and_do_not_wrap() -> None:
    loud = np.array([4.0, -4.0, np.inf, -np.inf, np.nan], "<f4")
    heard = linear(to_mulaw(wav(3, 32, loud.tobytes())))
    assert (heard[[0, 2]] > 30_000).all()
    assert (heard[[1, 3]] < -30_000).all()
    assert heard[4] == 0


def test_an_extensible_header_says_the_kind_further_on() -> None:
    layout = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 8_000, 16_000, 2, 16, 22, 16, 4, 1) + bytes(14)
    assert is_tone(to_mulaw(riff(layout, LINEAR.astype("<i2").tobytes())))


def test_chunks_that_say_other_things_are_passed_over() -> None:
    layout = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    note = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # an odd length is filled up
    assert is_tone(to_mulaw(riff(layout, LINEAR.astype("<i2").tobytes(), before=note)))


@pytest.mark.parametrize("size", [0x7FFFF000, 0xFFFFFFFF])
def test_a_file_that_was_written_to_a_pipe_is_read_to_its_end(size: int) -> None:
    content = bytearray(WAVS["16 bits"])
    content[40:44] = struct.pack("<I", size)
    assert is_tone(to_mulaw(bytes(content)))


def test_half_a_sample_at_the_end_is_left_out() -> None:
    assert to_mulaw(WAVS["16 bits"][:-1]) == mulaw.encode(LINEAR[:-1])
    assert to_mulaw(b"\0\0\0", "pcm16") == b"\xff"


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_other_files_are_read_where_soundfile_is(kind: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, TONE, 8_000, format=kind)
    audio = to_mulaw(file.getvalue())
    assert len(audio) == len(TONE)
    assert np.abs(linear(audio)).max() == pytest.approx(8_192, rel=0.1)


def test_without_soundfile_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(BadSound, match=r"is no WAV file.*soundfile.*pip install 'voicestt\[embedded\]'"):
        to_mulaw(b"fLaC")
    assert is_tone(to_mulaw(WAVS["24 bits"]))


def test_nothing_is_no_audio() -> None:
    assert to_mulaw(b"", "mulaw") == to_mulaw(b"", "pcm16") == to_mulaw(wav(1, 16, b"")) == b""


BAD: dict[str, tuple[bytes, Kind, int, str]] = {
    "no file": (b"hello", "file", 8_000, "is of no kind that can be read: Format not recognised"),
    "nothing": (b"", "file", 8_000, "is of no kind"),
    "no format": (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "file", 8_000, "does not say what is in it"),
    "an unknown format": (wav(85, 8, b""), "file", 8_000, "of a kind that cannot be read: format 85, 8 bits"),
    "odd bits": (wav(1, 12, b""), "file", 8_000, "format 1, 12 bits"),
    "no channel": (wav(1, 16, b"", channels=0), "file", 8_000, "0 channels"),
    "no rate": (wav(1, 16, b"", rate=0), "file", 8_000, "has 0 samples a second; 1000 to 400000"),
    "a rate of nothing": (b"", "pcm16", 0, "has 0 samples a second"),
    "a rate below zero": (b"", "pcm16", -8_000, "has -8000 samples a second"),
}


@pytest.mark.parametrize(("data", "kind", "rate", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_said_in_words(data: bytes, kind: Kind, rate: int, words: str) -> None:
    with pytest.raises(BadSound, match=words):
        to_mulaw(data, kind, rate)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(bytes(16_001), "mulaw"), (bytes(32_002), "pcm16"), (wav(1, 16, bytes(32_002)), "file")],
)
def test_what_is_too_long_is_refused_with_both_figures(data: bytes, kind: Kind) -> None:
    with pytest.raises(BadSound, match=r"lasts 2 s; 1 s is the most"):
        to_mulaw(data, kind, longest=1.0)


def test_a_small_file_that_holds_hours_is_refused_before_they_are_unpacked() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8_000 * 700), 8_000, format="FLAC")
    with pytest.raises(BadSound, match="lasts 700 s; 600 s is the most"):
        to_mulaw(file.getvalue(), longest=600.0)


def test_the_tests_own_wav_files_are_ones() -> None:
    with wave.open(io.BytesIO(WAVS["16 bits"])) as reader:
        assert (reader.getnframes(), reader.getframerate(), reader.getsampwidth()) == (len(TONE), 8_000, 2)
    for content in WAVS.values():
        samples, _ = soundfile.read(io.BytesIO(content))
        assert np.abs(samples - TONE).max() < 0.02


def test_every_byte_of_a_law_is_what_libsndfile_takes_it_for() -> None:
    content = wav(6, 8, bytes(range(256)))
    samples, _ = soundfile.read(io.BytesIO(content), dtype="int16")
    assert to_mulaw(content) == mulaw.encode(samples)


LAYOUTS = st.builds(
    wav,
    st.sampled_from([0, 1, 3, 6, 7, 0xFFFE]) | st.integers(0, 0xFFFF),
    st.sampled_from([8, 16, 24, 32, 64]) | st.integers(0, 0xFFFF),
    st.binary(max_size=400),
    st.sampled_from([1_000, 8_000, 44_100, 400_000]) | st.integers(0, 400_000_000 // 64),
    st.integers(0, 40),
)


def is_audio_or_bad(data: bytes, *more: Any) -> None:
    with suppress(BadSound):
        assert isinstance(to_mulaw(data, *more), bytes)


@given(LAYOUTS)
def test_a_wav_file_that_says_anything_is_audio_or_bad(content: bytes) -> None:
    is_audio_or_bad(content)


@given(st.binary(max_size=400))
def test_floating_point_of_any_bits_is_audio(data: bytes) -> None:
    for bits in (32, 64):
        assert len(to_mulaw(wav(3, bits, data))) == len(data) // (bits // 8)


@given(st.binary(max_size=300), st.integers(0, 60))
def test_bytes_of_any_kind_are_audio_or_bad(data: bytes, kept: int) -> None:
    is_audio_or_bad(data)
    is_audio_or_bad(WAVS["16 bits"][:kept] + data)


@given(st.binary(max_size=300), st.integers(-10, 500_000))
def test_samples_at_any_rate_are_audio_or_bad(data: bytes, rate: int) -> None:
    is_audio_or_bad(data, "pcm16", rate)
