from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.google.client import begin, config
from voicestt.audio import mulaw
from voicestt.emulators.google.client_config import AcceptedConfig, AudioDecoder, v1, v1_streaming
from voicestt.emulators.google.limits import Code, Refusal
from voicestt.recognisers.whisper.engine.port import Request


def raw(**settings: Any) -> Any:
    return type(config()).pb(config(**settings))


def words_of(**settings: Any) -> str:
    with pytest.raises(Refusal) as caught:
        v1(raw(**settings))
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.details


def test_what_is_asked_for_is_read() -> None:
    first = begin(config("en-US", "MULAW", enable_automatic_punctuation=True), single_utterance=True)
    asked = v1_streaming(type(first).pb(first).streaming_config)
    assert asked == AcceptedConfig(
        "en-US", "default", "MULAW", interim_results=True, single_utterance=True, punctuation=True
    )
    assert asked.request() == Request("en-US", interim_results=True, single_utterance=True)


def test_word_times_are_asked_for_by_one_flag() -> None:
    assert v1(raw(enable_word_time_offsets=True)).request() == Request("iw-IL", False, word_times=True)
    assert not v1(raw()).word_times


@pytest.mark.parametrize(("encoding", "size"), [("MULAW", 8_000), ("LINEAR16", 16_000)])
def test_a_second_of_audio_has_so_many_bytes(encoding: str, size: int) -> None:
    assert v1(raw(encoding=encoding)).seconds(size) == 1.0


@pytest.mark.parametrize("language", ["he-IL", "iw-IL", "HE-IL"])
def test_hebrew_goes_by_either_name(language: str) -> None:
    assert v1(raw(language=language)).language == "iw-IL"


def test_phone_call_is_refused_for_hebrew_in_googles_words() -> None:
    assert words_of(language="he-IL", model="phone_call") == (
        "Invalid recognition 'config': The phone_call model is currently not supported for language : iw-IL."
    )


@pytest.mark.parametrize("model", ["latest_long", "latest_short", "video", "telephony"])
def test_other_models_are_refused_for_hebrew(model: str) -> None:
    assert words_of(language="iw-IL", model=model) == (
        "Invalid recognition 'config': The requested model is currently not supported for language : iw-IL."
    )


@pytest.mark.parametrize("model", ["", "default", "command_and_search"])
def test_hebrew_has_two_models(model: str) -> None:
    assert v1(raw(model=model)).model == model or "default"


def test_english_has_phone_call() -> None:
    assert v1(raw(language="en-US", model="phone_call")).model == "phone_call"


def test_an_unknown_model_is_refused() -> None:
    assert "Incorrect model specified" in words_of(language="en-US", model="my_model")


@pytest.mark.parametrize("language", ["", "english please", "e", "en_US"])
def test_what_is_no_language_is_refused(language: str) -> None:
    assert words_of(language=language).endswith("bad language code.")


@pytest.mark.parametrize("rate", [0, 7_999, 48_001])
def test_rates_google_does_not_take_are_refused_in_its_words(rate: int) -> None:
    assert words_of(sample_rate_hertz=rate).endswith("bad sample rate hertz.")


def test_rates_we_do_not_take_are_refused_in_ours() -> None:
    assert "at 8000 Hz only, not 16000 Hz" in words_of(sample_rate_hertz=16_000)


def test_encodings() -> None:
    assert words_of(encoding="ENCODING_UNSPECIFIED").endswith("bad encoding..")
    assert "LINEAR16 and MULAW only" in words_of(encoding="FLAC")


def test_two_channels_are_refused() -> None:
    assert "one channel only" in words_of(audio_channel_count=2)


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
