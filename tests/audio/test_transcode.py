import io
import struct
import subprocess
import sys
import tracemalloc
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from voicestt.audio import mulaw
from voicestt.audio.transcode import (
    MOST_CHANNELS,
    MOST_SAMPLES_PER_SECOND,
    BadSound,
    Kind,
    SoundTooLong,
    to_mulaw,
)

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
    """True if it is the tone, as long, as high and as loud."""
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


@pytest.mark.parametrize(("riff", "size"), [(0x7FFFF024, 0x7FFFF000), (0xFFFFFFFF, 0xFFFFFFFF), (36, 0), (0, 0)])
def test_a_file_that_was_written_to_a_pipe_is_read_to_its_end(riff: int, size: int) -> None:
    content = bytearray(WAVS["16 bits"])
    content[4:8], content[40:44] = struct.pack("<I", riff), struct.pack("<I", size)
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
    with pytest.raises(BadSound, match=r"is no WAV file.*soundfile.*pip install '\.\[embedded\]'"):
        to_mulaw(b"fLaC")
    with pytest.raises(BadSound, match=r"is in A-law, and soundfile, which reads that, is missing: pip install"):
        to_mulaw(WAVS["A-law"])
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
    "a huge rate": (wav(1, 16, bytes(40), rate=2**32 - 1), "file", 8_000, "has 4294967295 samples a second"),
    "many channels": (wav(1, 8, bytes(400), channels=400), "file", 8_000, "has 400 channels; 1 to 64 can be used"),
    "many channels of a high rate": (
        wav(1, 16, bytes(400), rate=96_000, channels=8),
        "file",
        8_000,
        "has 8 channels of 96000 samples a second; 400000 in all is the most",
    ),
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


def silent(seconds: int, rate: int = 8_000, channels: int = 1, kind: str = "FLAC") -> bytes:
    """A small file that holds much of nothing."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, channels, format=kind) as writer:
        minute = np.zeros((60 * rate, channels), np.int16)
        for at in range(0, seconds, 60):
            writer.write(minute[: min(60, seconds - at) * rate])
    return file.getvalue()


def test_a_small_file_that_holds_hours_is_refused_before_they_are_unpacked() -> None:
    content = silent(2 * 3_600)
    assert len(content) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(SoundTooLong, match="lasts 7200 s; 600 s is the most") as problem:
            to_mulaw(content, longest=600.0)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert problem.value.seconds == 7_200.0


CHILD = """
import sys
from voicestt.audio.transcode import to_mulaw
def held():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
to_mulaw(open(sys.argv[1], "rb").read())
before = held()
audio = to_mulaw(open(sys.argv[2], "rb").read(), longest=600.0)
print(len(audio), held() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize(("kind", "channels", "most"), [("FLAC", 2, 20_000), ("WAV", 1, 40_000)])
def test_what_is_unpacked_is_never_held_at_once(tmp_path: Path, kind: str, channels: int, most: int) -> None:
    """Four minutes of stereo at 48 kHz are 92 MB of floating point; held are the file, the result, and blocks."""
    small, long = tmp_path / "small", tmp_path / "long"
    small.write_bytes(silent(1, 48_000, channels, kind))
    long.write_bytes(silent(240, 48_000, channels, kind))
    told = subprocess.run([sys.executable, "-c", CHILD, small, long], capture_output=True, check=True, text=True)
    length, kilobytes = map(int, told.stdout.split())
    assert length == 240 * 8_000
    assert kilobytes < most, f"{long.stat().st_size} bytes took {kilobytes} KB more"


def test_in_blocks_it_sounds_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(1).normal(0, 0.1, (50_001, 2)), 44_100, format="FLAC")
    content = file.getvalue()
    whole = to_mulaw(content)
    monkeypatch.setattr("voicestt.audio.transcode._BLOCK", 999)
    assert to_mulaw(content) == whole
    assert len(whole) == round(50_001 * 8_000 / 44_100)
    assert all(is_tone(to_mulaw(each)) for each in WAVS.values())


def test_many_channels_are_refused_whatever_holds_them() -> None:
    with pytest.raises(BadSound, match="has 65 channels; 1 to 64 can be used"):
        to_mulaw(silent(1, 1_000, MOST_CHANNELS + 1, "AIFF"))
    with pytest.raises(BadSound, match="has 8 channels of 96000 samples a second"):
        to_mulaw(silent(1, 96_000, 8))
    assert len(to_mulaw(silent(1, MOST_SAMPLES_PER_SECOND // 8, 8))) == 8_000


def test_a_flac_file_whose_length_is_not_in_its_header_is_refused_in_words() -> None:
    content = bytearray(silent(1))
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])  # 36 bits: as an encoder writes that writes to a pipe
    with pytest.raises(BadSound, match="does not say how long it lasts"):
        to_mulaw(bytes(content))


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


@pytest.mark.parametrize("size", [0, 1, 2, 15, 1_000, 2**31, 2**32 - 1])
@pytest.mark.parametrize("content", WAVS.values(), ids=WAVS)
def test_a_wav_file_that_lies_of_its_length_is_no_longer_than_it_is(content: bytes, size: int) -> None:
    at = content.index(b"data")
    lying = content[: at + 4] + struct.pack("<I", size) + content[at + 8 :]
    assert len(to_mulaw(lying)) <= len(TONE)


def packed(kind: str, channels: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.stack([TONE] * channels, axis=1), 44_100, format=kind)
    return file.getvalue()


PACKED = {
    f"{kind}, {channels} channels": packed(kind, channels)
    for kind in ("FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "RF64", "W64", "WAV", "WAVEX")
    for channels in (1, 2)
}
EDITS = st.lists(
    st.tuples(
        st.integers(0, 200) | st.integers(0, 4_000),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\0" * 4]),
    ),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(PACKED)), EDITS, st.integers(1, 20_000))
@example("FLAC, 1 channels", [(21, b"\x0f\xff\xff\xff\xff")], 20_000)
def test_a_header_that_says_anything_is_audio_or_bad_and_no_traceback_is_printed(
    capfd: pytest.CaptureFixture[str], name: str, edits: list[tuple[int, bytes]], kept: int
) -> None:
    broken = bytearray(PACKED[name])
    for at, edit in edits:
        broken[at : at + len(edit)] = edit
    with suppress(BadSound):
        assert len(to_mulaw(bytes(broken[:kept]), longest=10.0)) <= 80_001
    assert "Traceback" not in capfd.readouterr().err  # libmpg123 itself prints a warning


@given(st.binary(max_size=300), st.integers(-10, 500_000))
def test_samples_at_any_rate_are_audio_or_bad(data: bytes, rate: int) -> None:
    is_audio_or_bad(data, "pcm16", rate)
