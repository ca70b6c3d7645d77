import contextlib
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.google.sounds import flac, tone, wav
from voicestt.audio import mulaw
from voicestt.emulators.google.audio_format import AudioFormat
from voicestt.emulators.google.decoding import AudioDecoder, ClientRecording
from voicestt.emulators.google.limits import Refusal

DETECTED = AudioFormat("", 0, 0)


def decoded(layout: AudioFormat, content: bytes, size: int = 1_000) -> np.ndarray:
    decoder = AudioDecoder(layout)
    pieces = [decoder.feed(content[at : at + size]) for at in range(0, len(content), size)]
    return np.frombuffer(b"".join([*pieces, decoder.finish()]), "<i2").astype(float)


def off(got: np.ndarray, hertz: float, loud: float = 8_000) -> float:
    """The most that samples are off the tone at 8 kHz, away from its edges."""
    expected = loud * np.sin(2 * np.pi * hertz * np.arange(len(got)) / 8_000)
    return float(np.max(np.abs(got - expected)[80:-80]))


@given(st.lists(st.binary(max_size=9)))
def test_linear_samples_stay_whole_however_they_are_cut(pieces: list[bytes]) -> None:
    decoder = AudioDecoder(AudioFormat())
    heard = [*(decoder.feed(piece) for piece in pieces), decoder.finish()]
    assert all(len(one) % 2 == 0 for one in heard)
    everything = b"".join(pieces)
    assert b"".join(heard) == everything[: len(everything) & ~1]


def test_mulaw_becomes_linear() -> None:
    decoder = AudioDecoder(AudioFormat("MULAW"))
    assert np.frombuffer(decoder.feed(b"\xff\x80\x00\xff"), "<i2").tolist() == [0, 32_124, -32_124, 0]
    assert decoder.feed(b"\x12\x34") == mulaw.decode(b"\x12\x34")


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("encoding", ["LINEAR16", "MULAW"])
def test_a_tone_is_the_same_tone_at_the_same_time_at_every_rate(encoding: str, rate: int) -> None:
    sound = tone(440, rate, 1.0)
    content = mulaw.encode(sound) if encoding == "MULAW" else sound.tobytes()
    got = decoded(AudioFormat(encoding, rate), content, 999)
    assert len(got) == 8_000
    assert off(got, 440) < (300 if encoding == "MULAW" else 30)


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_what_is_above_four_kilohertz_does_not_come_back_as_another_tone(rate: int) -> None:
    got = decoded(AudioFormat("LINEAR16", rate), tone(5_000, rate, 1.0).tobytes())
    assert float(np.max(np.abs(got[200:-200]))) < 10


def test_of_two_channels_the_first_is_heard() -> None:
    left, right = tone(440, 16_000, 0.5), tone(1_000, 16_000, 0.5)
    content = np.stack([left, right], axis=1).tobytes()
    assert off(decoded(AudioFormat("LINEAR16", 16_000, 2), content, 1_001), 440) < 30


@pytest.mark.parametrize("size", [1, 7, 1_000, 100_000])
def test_a_wav_header_may_come_in_pieces(size: int) -> None:
    file = wav(tone(440, 16_000, 0.2).tobytes(), 16_000) + b"LIST\x04\x00\x00\x00after"
    decoder = AudioDecoder(DETECTED)
    assert off(decoded(DETECTED, file, size), 440) < 30
    decoder.feed(file)
    assert decoder.format == AudioFormat("LINEAR16", 16_000, 1)


def test_audio_that_ends_within_a_header_is_no_audio() -> None:
    assert len(decoded(DETECTED, wav(b"")[:20])) == 0
    assert len(decoded(AudioFormat(), b"RI")) == 1


@pytest.mark.parametrize(
    ("content", "words"), [(b"ID3\4 and so on", "detects WAV"), (b"fLaC\0\0", "recordings only")]
)
def test_what_cannot_be_detected_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        AudioDecoder(DETECTED).feed(content)
    with pytest.raises(Refusal, match="recordings only"):
        AudioDecoder(AudioFormat("FLAC", 16_000))


def test_a_recording_says_how_long_it_is_before_it_is_decoded() -> None:
    sound = tone(440, 44_100, 0.5)
    raw = ClientRecording(sound.tobytes(), AudioFormat("LINEAR16", 44_100))
    file = ClientRecording(wav(sound.tobytes(), 44_100), DETECTED)
    assert raw.seconds == file.seconds == 0.5
    assert raw.pcm() == file.pcm()
    assert len(raw.pcm()) == 8_000
    assert ClientRecording(b"", AudioFormat()).seconds == 0


def test_flac_is_read_where_soundfile_is() -> None:
    pytest.importorskip("soundfile")
    recording = ClientRecording(flac(tone(440, 24_000, 0.5), 24_000), DETECTED)
    assert (recording.format, recording.seconds) == (AudioFormat("FLAC", 24_000, 1), 0.5)
    assert off(np.frombuffer(recording.pcm(), "<i2").astype(float), 440) < 30
    with pytest.raises(Refusal, match=r"Sample rate in request does not match FLAC header\."):
        ClientRecording(flac(tone(440, 24_000, 0.1), 24_000), AudioFormat("FLAC", 16_000))
    with pytest.raises(Refusal, match="bad FLAC"):
        ClientRecording(b"fLaC and nothing else", DETECTED)
    with pytest.raises(Refusal, match="bad sample rate"):
        ClientRecording(flac(tone(440, 96_000, 0.1), 96_000), DETECTED)


def test_flac_without_soundfile_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(Refusal, match="soundfile, which is missing"):
        ClientRecording(b"fLaC", DETECTED)


@pytest.mark.parametrize("content", [b"OggS", b"RIFF\0\0\0\0WAVE"])
def test_recordings_of_other_kinds_are_refused(content: bytes) -> None:
    with pytest.raises(Refusal):
        ClientRecording(content, DETECTED)


LAYOUTS = [DETECTED, AudioFormat(), AudioFormat("MULAW", 16_000), AudioFormat("LINEAR16", 44_100, 3)]
HEADS = [b"RIFF", wav(b""), wav(b"12", 8_000, kind=7, bits=8), wav(b"")[:20], b"fLaC", b"fLaC\x00\x00\x00\x22"]


@given(st.sampled_from(LAYOUTS), st.sampled_from(HEADS), st.lists(st.binary(max_size=60), max_size=5))
def test_whatever_bytes_come_are_decoded_or_refused(layout: AudioFormat, head: bytes, tail: list[bytes]) -> None:
    for pieces in ([head, *tail], tail):
        with contextlib.suppress(Refusal):
            decoder = AudioDecoder(layout)
            for piece in pieces:
                assert len(decoder.feed(piece)) % 2 == 0
            decoder.finish()
        with contextlib.suppress(Refusal):
            recording = ClientRecording(b"".join(pieces), layout)
            if recording.seconds < 60:
                recording.pcm()
