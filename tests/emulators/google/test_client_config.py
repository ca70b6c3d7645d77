from typing import Any

import pytest

from tests.emulators.google.client import begin, config
from voicestt.emulators.google.audio_format import AudioFormat
from voicestt.emulators.google.client_config import AcceptedConfig, v1, v1_streaming
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
        "en-US", "default", AudioFormat("MULAW"), interim_results=True, single_utterance=True, punctuation=True
    )
    assert asked.request() == Request("en-US", interim_results=True, single_utterance=True)


def test_word_times_are_asked_for_by_one_flag() -> None:
    assert v1(raw(enable_word_time_offsets=True)).request() == Request("iw-IL", False, word_times=True)
    assert not v1(raw()).request().word_times


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
    assert v1(raw(model=model)).model == (model or "default")


def test_english_has_phone_call() -> None:
    assert v1(raw(language="en-US", model="phone_call")).model == "phone_call"


def test_an_unknown_model_is_refused() -> None:
    assert "Incorrect model specified" in words_of(language="en-US", model="my_model")


@pytest.mark.parametrize("language", ["", "english please", "e", "en_US"])
def test_what_is_no_language_is_refused(language: str) -> None:
    assert words_of(language=language).endswith("bad language code.")
