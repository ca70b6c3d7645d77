"""Google's own clients get what they ask for beyond a transcript, or are refused in Google's words."""

import json
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument, MethodNotImplemented, NotFound
from google.cloud import speech_v1, speech_v2

from tests.emulators.google.client import cut
from tests.emulators.google.official import (
    RECOGNIZER,
    config_v1,
    config_v2,
    recognise_v1,
    recognise_v2,
    stream_v1,
    stream_v2,
)
from voicestt.emulators.google import script

SCRIPT = script.parse(
    json.dumps(
        {
            "utterances": [
                {"text": "hello Bob", "start": 0.5, "end": 1.5, "others": ["hello rob", "yellow bob"]},
                {"text": "hi there", "start": 2.0, "end": 3.0, "speaker": 2, "others": ["high there"]},
            ],
            "quirks": False,
        }
    )
)
AUDIO = bytes(16_000 * 4)
IN_EUROPE = RECOGNIZER.replace("global", "eu")


def finals(responses: list[Any]) -> list[Any]:
    return [result for response in responses for result in response.results if result.is_final]


def readings(results: Any) -> list[list[str]]:
    return [[one.transcript for one in result.alternatives] for result in results]


def speakers(result: Any) -> list[tuple[str, str]]:
    return [(word.word, word.speaker_label) for word in result.alternatives[0].words]


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (1, 1), (2, 2), (30, 3)])
def test_as_many_readings_come_as_are_asked_for(
    first: speech_v1.SpeechClient, second: speech_v2.SpeechClient, asked: int, given: int
) -> None:
    expected = [["hello Bob", "hello rob", "yellow bob"][:given], [" hi there", " high there"][:given]]
    one = config_v1(max_alternatives=asked)
    two = config_v2(features=speech_v2.RecognitionFeatures(max_alternatives=asked))
    assert readings(finals(stream_v1(first, cut(AUDIO), one))) == expected
    assert readings(finals(stream_v2(second, cut(AUDIO), two))) == expected
    assert readings(recognise_v1(first, AUDIO, one).results) == expected
    assert readings(recognise_v2(second, AUDIO, two).results) == expected


def test_too_many_readings_are_refused(first: speech_v1.SpeechClient, second: speech_v2.SpeechClient) -> None:
    with pytest.raises(InvalidArgument, match="max_alternatives must be between 0 and 30"):
        recognise_v1(first, AUDIO, config_v1(max_alternatives=31))
    features = speech_v2.RecognitionFeatures(max_alternatives=2)
    with pytest.raises(InvalidArgument, match="unsupported fields") as refused:
        recognise_v2(second, AUDIO, config_v2(model="chirp_2", features=features), IN_EUROPE)
    (violations,) = [detail.field_violations for detail in refused.value.details]
    assert [(each.field, each.description) for each in violations] == [
        ("features.max_alternatives", "Recognizer does not support feature: max_alternatives")
    ]


BOB, THERE = [("hello", "1"), ("Bob", "1")], [("hi", "2"), ("there", "2")]


def test_v1_tells_speakers_apart_in_all_words_so_far(first: speech_v1.SpeechClient) -> None:
    config = config_v1(diarization_config={"enable_speaker_diarization": True})
    for results in (finals(stream_v1(first, cut(AUDIO), config)), recognise_v1(first, AUDIO, config).results):
        assert [speakers(result) for result in results] == [BOB, BOB + THERE]
        assert [word.speaker_tag for word in results[1].alternatives[0].words] == [1, 1, 2, 2]


def test_v2_tells_speakers_apart_in_recordings_with_chirp_3(second: speech_v2.SpeechClient) -> None:
    features = speech_v2.RecognitionFeatures(diarization_config=speech_v2.SpeakerDiarizationConfig())
    response = recognise_v2(second, AUDIO, config_v2(model="chirp_3", features=features), IN_EUROPE)
    assert [speakers(result) for result in response.results] == [BOB, THERE]
    with pytest.raises(InvalidArgument, match="unsupported fields"):
        stream_v2(second, [], config_v2(model="chirp_3", features=features), IN_EUROPE)


def test_words_have_their_confidence_where_it_is_asked_for(first: speech_v1.SpeechClient) -> None:
    (result, _) = recognise_v1(first, AUDIO, config_v1(enable_word_confidence=True)).results
    assert [(word.word, round(word.confidence, 2)) for word in result.alternatives[0].words] == [
        ("hello", 0.92),
        ("Bob", 0.92),
    ]


def test_transcripts_are_normalised_as_the_client_says(
    first: speech_v1.SpeechClient, second: speech_v2.SpeechClient
) -> None:
    entries = [
        {"search": "bob", "replace": r"Dr. B\b"},
        {"search": "HI", "replace": "-", "case_sensitive": True},
        {"search": "", "replace": "nothing"},
    ]
    one = config_v1(transcript_normalization={"entries": entries})
    two = config_v2(transcript_normalization={"entries": entries})
    expected = [[r"hello Dr. B\b"], [" hi there"]]
    assert readings(finals(stream_v1(first, cut(AUDIO), one))) == expected
    assert readings(recognise_v2(second, AUDIO, two).results) == expected
    with pytest.raises(InvalidArgument, match="at most 100 entries"):
        recognise_v1(first, AUDIO, config_v1(transcript_normalization={"entries": entries * 40}))


def test_what_is_kept_elsewhere_is_not_found(
    first: speech_v1.SpeechClient, second: speech_v2.SpeechClient
) -> None:
    named = "projects/p/locations/global/phraseSets/mine"
    with pytest.raises(NotFound, match="phraseSets/mine"):
        recognise_v1(first, AUDIO, config_v1(adaptation={"phrase_set_references": [named]}))
    with pytest.raises(NotFound, match="phraseSets/mine"):
        recognise_v2(second, AUDIO, config_v2(adaptation={"phrase_sets": [{"phrase_set": named}]}))


def test_translations_and_prompts_are_refused(second: speech_v2.SpeechClient) -> None:
    translation: Any = {"translation_config": {"target_language": "fr-FR"}}
    prompt: Any = {"features": {"custom_prompt_config": {"custom_prompt": "spell names"}}}
    for settings in (translation, prompt):
        with pytest.raises(InvalidArgument, match="unsupported fields"):
            recognise_v2(second, AUDIO, config_v2(**settings))
    with pytest.raises(MethodNotImplemented, match="does not translate"):
        recognise_v2(second, AUDIO, config_v2(model="chirp_2", **translation), IN_EUROPE)
