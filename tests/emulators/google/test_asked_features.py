"""google-local refuses what Google refuses: the limits and ranges of v1 and v2, and what a model does not have."""

from typing import Any

import pytest
from google.cloud.speech_v1 import types as v1
from google.cloud.speech_v2 import types as v2

from voicestt.emulators.google.asked_features import UNSUPPORTED, check_endpointing, v1_features, v2_features
from voicestt.emulators.google.limits import Refusal


def of_v1(model: str = "default", **fields: Any) -> Any:
    return v1_features(v1.RecognitionConfig.pb()(**fields), model)


def of_v2(model: str = "long", *, streams: bool = True, **fields: Any) -> Any:
    return v2_features(v2.RecognitionConfig.pb()(model=model, **fields), streams=streams)


def test_v1_takes_phrases_and_classes() -> None:
    contexts = [{"phrases": ["Shure", "$MONEY"], "boost": 15.0}]
    assert of_v1(speech_contexts=contexts).hints == ("Shure", "$MONEY")
    adaptation = {
        "phrase_sets": [{"phrases": [{"value": "I want ${dishes}"}]}],
        "custom_classes": [{"custom_class_id": "dishes", "items": [{"value": "falafel"}]}],
    }
    assert of_v1(adaptation=adaptation).hints == ("I want ${dishes}", "falafel")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"speech_contexts": [{"phrases": [str(number) for number in range(5_001)]}]}, "5001 phrases"),
        ({"speech_contexts": [{"phrases": ["x" * 101]}]}, "at most 100 characters"),
        ({"speech_contexts": [{"phrases": ["x" * 99] * 1_100}]}, "at most 100000 characters together"),
        ({"max_alternatives": 31}, "max_alternatives must be between 0 and 30"),
        ({"alternative_language_codes": ["a1", "a2", "a3", "a4"]}, "at most 3 codes"),
    ],
)
def test_v1_refuses_what_is_too_much(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        of_v1(**fields)


def test_v1_has_other_languages_for_some_models_only() -> None:
    assert of_v1(alternative_language_codes=["he-IL"]).other_languages == ("he-IL",)
    with pytest.raises(Refusal, match="not supported for the model phone_call"):
        of_v1("phone_call", alternative_language_codes=["he-IL"])


@pytest.mark.parametrize("boost", [-1.0, 20.5])
def test_v2_refuses_a_boost_out_of_range(boost: float) -> None:
    adaptation = {"phrase_sets": [{"inline_phrase_set": {"phrases": [{"value": "Shure", "boost": boost}]}}]}
    with pytest.raises(Refusal, match="between 0 and 20"):
        of_v2(adaptation=adaptation)


@pytest.mark.parametrize(
    ("model", "fields", "field"),
    [
        ("chirp_3", {"features": {"enable_word_confidence": True}}, "features.enable_word_confidence"),
        ("chirp_2", {"features": {"enable_spoken_punctuation": True}}, "features.enable_spoken_punctuation"),
        ("chirp_2", {"features": {"max_alternatives": 2}}, "features.max_alternatives"),
        ("long", {"features": {"diarization_config": {"min_speaker_count": 2}}}, "features.diarization_config"),
        ("chirp_3", {"features": {"diarization_config": {"min_speaker_count": 2}}}, "features.diarization_config"),
        ("long", {"denoiser_config": {"denoise_audio": True}}, "denoiser_config"),
    ],
)
def test_v2_names_the_field_that_a_recognizer_does_not_support(
    model: str, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refusal, match=UNSUPPORTED.replace(".", r"\.")) as refused:
        of_v2(model, **fields)
    ((name, words),) = refused.value.violations
    assert name == field
    assert words.startswith("Recognizer does not support feature: ")


def test_v2_tells_speakers_apart_in_recordings() -> None:
    features = {"diarization_config": {"min_speaker_count": 2, "max_speaker_count": 2}}
    assert of_v2("chirp_3", streams=False, features=features).speakers


def test_endpointing_is_of_chirp_3() -> None:
    features = v2.StreamingRecognitionFeatures.pb()(endpointing_sensitivity=3)
    check_endpointing(features, "chirp_3")
    with pytest.raises(Refusal, match="unsupported fields"):
        check_endpointing(features, "long")
