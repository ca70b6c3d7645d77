from typing import Any

import pytest
from google.cloud.speech_v2.types import cloud_speech as v2

from tests.emulators.google.client import config
from tests.emulators.google.sounds import wav
from voicestt.emulators.google.audio_format import (
    AudioFormat,
    WavStart,
    agreed,
    format_of_v1,
    format_of_v2,
    read_wav_header,
)
from voicestt.emulators.google.limits import Code, Refusal


def of_v1(head: bytes = b"", **settings: Any) -> AudioFormat:
    return format_of_v1(type(config()).pb(config(**settings)), head)


def of_v2(*, automatic: bool = False, **decoding: Any) -> AudioFormat:
    layout = {"encoding": 1, "sample_rate_hertz": 16_000, "audio_channel_count": 1, **decoding}
    chosen: Any = {"auto_decoding_config": {}} if automatic else {"explicit_decoding_config": layout}
    return format_of_v2(v2.RecognitionConfig.pb()(**chosen))


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(Refusal) as caught:
        call(*args, **kwargs)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.details


@pytest.mark.parametrize(
    ("layout", "size"),
    [(AudioFormat("MULAW"), 8_000), (AudioFormat(), 16_000), (AudioFormat("LINEAR16", 44_100, 2), 176_400)],
)
def test_a_second_of_audio_has_so_many_bytes(layout: AudioFormat, size: int) -> None:
    assert layout.seconds(size) == 1.0


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 44_100, 48_000])
def test_every_rate_of_googles_is_taken(rate: int) -> None:
    assert of_v1(sample_rate_hertz=rate).rate == rate
    assert of_v2(sample_rate_hertz=rate).rate == rate


@pytest.mark.parametrize("rate", [0, 7_999, 48_001])
def test_rates_google_does_not_take_are_refused_in_its_words(rate: int) -> None:
    assert refused(of_v1, sample_rate_hertz=rate) == "Invalid recognition 'config': bad sample rate hertz."
    assert "explicit_decoding_config.sample_rate_hertz" in refused(of_v2, sample_rate_hertz=rate)


def test_encodings_that_are_not_taken_are_refused() -> None:
    assert refused(of_v1, encoding="ENCODING_UNSPECIFIED") == "Invalid recognition 'config': bad encoding.."
    assert "takes LINEAR16, MULAW, WAV" in refused(of_v1, encoding="AMR")
    assert "takes LINEAR16, MULAW, WAV" in refused(of_v2, encoding=7)
    assert "bad encoding" in refused(of_v2, encoding=0)


def test_channels_are_checked() -> None:
    assert of_v1(audio_channel_count=2).channels == 2
    assert "Invalid audio channel count" in refused(of_v1, audio_channel_count=9)
    assert "Invalid audio channel count" in refused(of_v1, encoding="MULAW", audio_channel_count=2)
    separate = {"audio_channel_count": 2, "enable_separate_recognition_per_channel": True}
    assert "first channel only" in refused(of_v1, **separate)
    assert refused(of_v2, audio_channel_count=0) == (
        "Invalid audio channel count value: 0. Values must be non-negative."
    )
    assert "the maximum allowed value is 8" in refused(of_v2, audio_channel_count=9)
    many = v2.RecognitionConfig.pb()(features={"multi_channel_mode": 1})
    assert "first channel only" in refused(format_of_v2, many)


def test_a_file_with_a_header_needs_neither_encoding_nor_rate() -> None:
    bare = {"encoding": "ENCODING_UNSPECIFIED", "sample_rate_hertz": 0}
    assert of_v1(b"RIFF", **bare) == AudioFormat("", 0, 1)
    assert of_v1(b"fLaC", **bare) == AudioFormat("", 0, 1)
    assert of_v2(automatic=True) == AudioFormat("", 0, 0)


def test_a_wav_header_is_read_as_far_as_it_has_come() -> None:
    file = wav(b"\x01\x02" * 9, 44_100, channels=2)
    header = WavStart(AudioFormat("LINEAR16", 44_100, 2), len(file) - 18, 18)
    assert [read_wav_header(file[:size]) for size in (4, 30, len(file) - 19)] == [None] * 3
    assert read_wav_header(file[:-18]) == read_wav_header(file) == header
    endless = file[:-22] + b"\xff" * 4 + file[-18:]
    assert read_wav_header(endless) == header._replace(size=None)
    telephone = read_wav_header(wav(b"", 8_000, kind=7, bits=8))
    assert telephone is not None
    assert telephone.format == AudioFormat("MULAW")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (wav(b"", kind=3, bits=32), "format 3 of 32 bits"),
        (wav(b"", rate=96_000), "bad sample rate hertz."),
        (wav(b"", channels=9), "Invalid audio channel count"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "does not say what is in it"),
        (b"RIFF\0\0\0\0WAVEfmt \2\0\0\0ab", "does not say what is in it"),
        (b"RIFF\0\0\0\0WAVEjunk\0\0\2\0" + bytes(131_072 + 8), "longer than this local service takes"),
    ],
)
def test_wav_headers_that_cannot_be_used_are_refused(file: bytes, words: str) -> None:
    assert words in refused(read_wav_header, file)


def test_a_header_and_a_client_that_disagree_are_refused_in_googles_words() -> None:
    found = AudioFormat("LINEAR16", 44_100, 1)
    assert agreed(AudioFormat("", 0, 0), found) == agreed(found, found) == found
    assert "encoding (MULAW) in RecognitionConfig must either" in refused(agreed, AudioFormat("MULAW"), found)
    assert refused(agreed, AudioFormat("LINEAR16", 16_000), found) == (
        "Invalid recognition 'config': sample_rate_hertz (16000) in RecognitionConfig must either be unspecified "
        "or match the value in the WAV header (44100)."
    )
    stereo = AudioFormat("LINEAR16", 44_100, 2)
    assert "WAV header indicates 2 channels" in refused(agreed, found, stereo)
    assert "audio_channel_count (3)" in refused(agreed, AudioFormat("LINEAR16", 44_100, 3), stereo)
