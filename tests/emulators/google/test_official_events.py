"""Google's own clients are told of speech events, in their order with the results."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import speech_v1, speech_v2

from tests.emulators.google.client import cut
from tests.emulators.google.official import (
    config_v1,
    config_v2,
    stream_v1,
    stream_v2,
)
from tests.emulators.google.sounds import tone
from voicestt.emulators.google import script

SCRIPT = script.parse(
    """{"utterances": [{"text": "one two", "start": 0.5, "end": 1.5}, {"text": "three", "start": 2.5, "end": 3.0}],
        "quirks": false}"""
)
SILENCE = bytes(8_000)
SPEECH = (
    SILENCE + tone(440, 8_000, 1.0).tobytes() + bytes(16_000) + tone(440, 8_000, 0.5).tobytes() + bytes(16_000)
)
"""Words from 0.5 s to 1.5 s, and from 2.5 s to 3.0 s; four seconds in all."""

V1, V2 = speech_v1.StreamingRecognitionConfig, speech_v2.StreamingRecognitionFeatures


def story(responses: Iterable[Any], field: str) -> list[Any]:
    """The events with their times in seconds, and the texts of finals (whole) and partials (in brackets)."""
    told: list[Any] = []
    for response in responses:
        if response.speech_event_type:
            assert not response.results
            told.append((response.speech_event_type.name, getattr(response, field).total_seconds()))
        for result in response.results:
            text = result.alternatives[0].transcript
            told.append(text if result.is_final else f"[{text}]")
    return told


WHOLE_STORY = [
    ("SPEECH_ACTIVITY_BEGIN", 0.5),
    "[one]",
    "[one two]",
    ("SPEECH_ACTIVITY_END", 1.5),
    "one two",
    ("SPEECH_ACTIVITY_BEGIN", 2.5),
    "[ three]",
    ("SPEECH_ACTIVITY_END", 3.0),
    " three",
]


def near(told: list[Any]) -> list[Any]:
    """Times to 10 ms: a tone's first and last samples are quiet."""
    return [(one[0], round(one[1], 2)) if isinstance(one, tuple) else one for one in told]


@pytest.mark.parametrize("size", [320, 25_600])
def test_v1_is_told_where_speech_begins_and_ends(first: speech_v1.SpeechClient, size: int) -> None:
    responses = stream_v1(first, cut(SPEECH, size), enable_voice_activity_events=True)
    assert near(story(responses, "speech_event_time")) == WHOLE_STORY
    assert len({response.request_id for response in responses} - {0}) == 1


@pytest.mark.parametrize("size", [320, 25_600])
def test_v2_is_told_where_speech_begins_and_ends(second: speech_v2.SpeechClient, size: int) -> None:
    responses = stream_v2(second, cut(SPEECH, size), enable_voice_activity_events=True)
    assert near(story(responses, "speech_event_offset")) == WHOLE_STORY
    (request_id,) = {response.metadata.request_id for response in responses}
    assert len(request_id) == 36


def test_events_are_in_the_streams_own_time_at_other_rates(second: speech_v2.SpeechClient) -> None:
    sound = bytes(48_000) + tone(440, 48_000, 1.0).tobytes() + bytes(96_000)
    responses = stream_v2(second, cut(sound, 9_600), config_v2(48_000), enable_voice_activity_events=True)
    events = [one for one in near(story(responses, "speech_event_offset")) if isinstance(one, tuple)]
    assert events == [("SPEECH_ACTIVITY_BEGIN", 0.5), ("SPEECH_ACTIVITY_END", 1.5)]


def test_nobody_is_told_who_does_not_ask(first: speech_v1.SpeechClient) -> None:
    told = story(stream_v1(first, cut(SPEECH)), "speech_event_time")
    assert [one for one in told if isinstance(one, tuple)] == []


def test_v1_is_told_of_time_outs_and_the_stream_ends_with_its_final(first: speech_v1.SpeechClient) -> None:
    late = V1.VoiceActivityTimeout(speech_start_timeout={"seconds": 1})
    told = story(
        stream_v1(first, [SILENCE] * 4, enable_voice_activity_events=True, voice_activity_timeout=late),
        "speech_event_time",
    )
    assert told[-2:] == [("SPEECH_ACTIVITY_TIMEOUT", 1.0), "one"]
    soon = V1.VoiceActivityTimeout(speech_end_timeout={"nanos": 300_000_000})
    told = story(
        stream_v1(first, cut(SPEECH), enable_voice_activity_events=True, voice_activity_timeout=soon),
        "speech_event_time",
    )
    assert near(told)[-3:] == [("SPEECH_ACTIVITY_END", 1.5), ("SPEECH_ACTIVITY_TIMEOUT", 1.8), "one two"]


def test_v2_has_no_event_for_time_outs_and_the_stream_ends_all_the_same(second: speech_v2.SpeechClient) -> None:
    soon = V2.VoiceActivityTimeout(speech_end_timeout={"nanos": 300_000_000})
    responses = stream_v2(second, cut(SPEECH), enable_voice_activity_events=True, voice_activity_timeout=soon)
    assert near(story(responses, "speech_event_offset"))[-2:] == [("SPEECH_ACTIVITY_END", 1.5), "one two"]


def test_v1_ends_a_single_utterance(first: speech_v1.SpeechClient) -> None:
    responses = stream_v1(first, cut(SPEECH), single_utterance=True, enable_voice_activity_events=True)
    assert near(story(responses, "speech_event_time")) == [
        ("SPEECH_ACTIVITY_BEGIN", 0.5),
        "[one]",
        "[one two]",
        ("SPEECH_ACTIVITY_END", 1.5),
        ("END_OF_SINGLE_UTTERANCE", 1.5),
        "one two",
    ]


def test_v1_ends_single_utterances_of_some_models_only(first: speech_v1.SpeechClient) -> None:
    taken: list[Any] = [{}, {"model": "command_and_search"}, {"model": "phone_call", "use_enhanced": True}]
    refused: list[Any] = [{"model": "latest_long"}, {"model": "phone_call"}]
    for settings in taken:
        assert stream_v1(first, [SILENCE] * 4, config_v1(**settings), single_utterance=True)
    for settings in refused:
        with pytest.raises(InvalidArgument, match="single_utterance is not supported for the model"):
            stream_v1(first, [SILENCE], config_v1(**settings), single_utterance=True)


def test_v2s_latest_short_closes_the_stream_after_an_utterance(second: speech_v2.SpeechClient) -> None:
    def for_ever() -> Iterator[bytes]:
        while True:
            yield from cut(SPEECH)

    responses = stream_v2(second, for_ever(), config_v2(model="latest_short"), interim_results=False)
    assert story(responses, "speech_event_offset") == [("END_OF_SINGLE_UTTERANCE", 1.5), "one two"]
