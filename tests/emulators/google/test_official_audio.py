"""Google's own clients send audio of every rate and kind, and hear it in its own time."""

from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import speech_v1, speech_v2

from tests.emulators.google.client import cut
from tests.emulators.google.official import (
    config_v1,
    config_v2,
    recognise_v1,
    recognise_v2,
    stream_v1,
    stream_v2,
)
from tests.emulators.google.sounds import flac, tone, wav
from voicestt.audio import mulaw
from voicestt.emulators.google import script
from voicestt.emulators.google.service import LocalGoogle

SCRIPT = script.parse('{"utterances": [{"text": "one two", "start": 0.5, "end": 1.5}], "quirks": false}')
RATES = [8_000, 16_000, 24_000, 44_100, 48_000]
KINDS = [(rate, encoding) for rate in RATES for encoding in ("LINEAR16", "MULAW")]


def sound(rate: int, encoding: str = "LINEAR16", seconds: float = 2.0) -> bytes:
    samples = tone(440, rate, seconds)
    return mulaw.encode(samples) if encoding == "MULAW" else samples.tobytes()


def times(results: Any, version: str) -> list[tuple[str, float, float]]:
    start, end = ("start_time", "end_time") if version == "v1" else ("start_offset", "end_offset")
    return [
        (word.word, getattr(word, start).total_seconds(), getattr(word, end).total_seconds())
        for result in results
        for word in result.alternatives[0].words
    ]


HEARD = [("one", 0.5, 1.0), ("two", 1.0, 1.5)]


@pytest.mark.parametrize(("rate", "encoding"), KINDS)
def test_v1_streams_any_rate_in_its_own_time(
    scripted: LocalGoogle, first: speech_v1.SpeechClient, rate: int, encoding: str
) -> None:
    config = config_v1(rate, encoding, enable_word_time_offsets=True)
    before = len(scripted.streams)
    responses = stream_v1(first, cut(sound(rate, encoding), 12_800), config)
    finals = [result for response in responses for result in response.results if result.is_final]
    assert times(finals, "v1") == HEARD
    assert [result.result_end_time.total_seconds() for result in finals] == [1.5]
    assert responses[-1].total_billed_time.total_seconds() == 2
    record = scripted.wait_for_streams(before + 1)[-1]
    assert (record.encoding, record.rate) == (encoding, rate)


@pytest.mark.parametrize(("rate", "encoding"), KINDS)
def test_v2_streams_any_rate_in_its_own_time(second: speech_v2.SpeechClient, rate: int, encoding: str) -> None:
    features = speech_v2.RecognitionFeatures(enable_word_time_offsets=True)
    responses = stream_v2(second, cut(sound(rate, encoding), 12_800), config_v2(rate, encoding, features=features))
    finals = [result for response in responses for result in response.results if result.is_final]
    assert times(finals, "v2") == HEARD
    assert [result.result_end_offset.total_seconds() for result in finals] == [1.5]
    assert responses[-1].metadata.total_billed_duration.total_seconds() == 2


@pytest.mark.parametrize(("rate", "encoding"), KINDS)
def test_recordings_of_any_rate(
    first: speech_v1.SpeechClient, second: speech_v2.SpeechClient, rate: int, encoding: str
) -> None:
    content = sound(rate, encoding)
    one = recognise_v1(first, content, config_v1(rate, encoding, enable_word_time_offsets=True))
    assert times(one.results, "v1") == HEARD
    features = speech_v2.RecognitionFeatures(enable_word_time_offsets=True)
    two = recognise_v2(second, content, config_v2(rate, encoding, features=features))
    assert times(two.results, "v2") == HEARD


def test_files_say_themselves_what_they_are(
    scripted: LocalGoogle, first: speech_v1.SpeechClient, second: speech_v2.SpeechClient
) -> None:
    file = wav(sound(44_100), 44_100)
    unsaid = speech_v1.RecognitionConfig(language_code="en-US")
    assert recognise_v1(first, file, unsaid).results[0].alternatives[0].transcript == "one two"
    assert recognise_v2(second, file, config_v2(0)).results[0].alternatives[0].transcript == "one two"
    before = len(scripted.streams)
    responses = stream_v2(second, cut(file, 25_600), config_v2(0))
    assert responses[-1].results[-1].alternatives[0].transcript == "one two"
    record = scripted.wait_for_streams(before + 1)[-1]
    assert (record.encoding, record.rate) == ("LINEAR16", 44_100)


def test_flac_recordings_are_read(first: speech_v1.SpeechClient, second: speech_v2.SpeechClient) -> None:
    pytest.importorskip("soundfile")
    file = flac(tone(440, 16_000, 2.0), 16_000)
    one = recognise_v1(first, file, config_v1(16_000, "FLAC"))
    two = recognise_v2(second, file, config_v2(0))
    assert [response.results[0].alternatives[0].transcript for response in (one, two)] == ["one two"] * 2
    with pytest.raises(InvalidArgument, match="FLAC in recordings only"):
        stream_v1(first, [file], config_v1(16_000, "FLAC"))


@pytest.mark.parametrize("rate", [7_999, 48_001])
def test_rates_out_of_range_are_refused(
    first: speech_v1.SpeechClient, second: speech_v2.SpeechClient, rate: int
) -> None:
    with pytest.raises(InvalidArgument, match="bad sample rate hertz"):
        stream_v1(first, [b""], config_v1(rate))
    with pytest.raises(InvalidArgument, match="bad sample rate hertz"):
        recognise_v1(first, b"", config_v1(rate))
    with pytest.raises(InvalidArgument, match="bad sample rate hertz"):
        stream_v2(second, [b""], config_v2(rate))


def test_a_message_has_as_many_bytes_at_every_rate(first: speech_v1.SpeechClient) -> None:
    stream_v1(first, [bytes(25_600)], config_v1(48_000))
    with pytest.raises(InvalidArgument, match="maximum of 25600 bytes"):
        stream_v1(first, [bytes(25_602)], config_v1(48_000))


def test_a_minute_is_a_minute_at_every_rate(first: speech_v1.SpeechClient) -> None:
    assert recognise_v1(first, bytes(96_000 * 59), config_v1(48_000)).total_billed_time.total_seconds() == 59
    with pytest.raises(InvalidArgument, match="Sync input too long"):
        recognise_v1(first, bytes(96_000 * 61), config_v1(48_000))
