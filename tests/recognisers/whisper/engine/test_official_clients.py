"""Google's own clients hear Whisper through the local service: speech of other rates, and all they ask for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soxr  # type: ignore[import-untyped]
from google.cloud import speech_v2

from tests.emulators.google.client import cut
from tests.emulators.google.official import (
    client_v1,
    client_v2,
    config_v1,
    config_v2,
    recognise_v1,
    stream_v2,
)
from voicestt.emulators.google.service import LocalGoogle
from voicestt.recognisers.whisper.engine.whisper_engine import WhisperEngine


@pytest.fixture(scope="module")
def google(engine: WhisperEngine) -> Iterator[LocalGoogle]:
    with LocalGoogle(engine) as service:
        yield service


def speech(austen: dict[str, bytes], rate: int) -> bytes:
    pcm = next(pcm for said, pcm in austen.items() if "dashwood" in said)
    resampled: np.ndarray = soxr.resample(np.frombuffer(pcm, "<i2"), 8_000, rate)
    return resampled.tobytes()


def dashwood(results: Any, field: str) -> float:
    """The second of the audio at which the name was said."""
    words = [word for result in results for word in result.alternatives[0].words]
    word = next(word for word in words if word.word.lower().startswith("dashwood"))
    return float(getattr(word, field).total_seconds())


def test_a_stream_of_16_khz_has_events_and_words_in_their_own_time(
    google: LocalGoogle, austen: dict[str, bytes]
) -> None:
    features = speech_v2.RecognitionFeatures(enable_word_time_offsets=True)
    with client_v2(google.target) as client:
        low, high = (
            stream_v2(
                client,
                cut(speech(austen, rate), 6_400),
                config_v2(rate, features=features),
                enable_voice_activity_events=True,
            )
            for rate in (8_000, 16_000)
        )
    for responses in (low, high):
        kinds = [response.speech_event_type.name for response in responses if response.speech_event_type]
        assert kinds[0] == "SPEECH_ACTIVITY_BEGIN"
        assert kinds[-1] == "SPEECH_ACTIVITY_END"
        assert kinds[::2] == ["SPEECH_ACTIVITY_BEGIN"] * (len(kinds) // 2)
    finals = [[one for response in told for one in response.results if one.is_final] for told in (low, high)]
    times = [dashwood(results, "start_offset") for results in finals]
    assert times[0] == pytest.approx(times[1], abs=0.1)


def test_whisper_has_one_reading_and_one_speaker(google: LocalGoogle, austen: dict[str, bytes]) -> None:
    config = config_v1(48_000, max_alternatives=5, diarization_config={"enable_speaker_diarization": True})
    with client_v1(google.target) as client:
        response = recognise_v1(client, speech(austen, 48_000), config)
    assert [len(result.alternatives) for result in response.results] == [1] * len(response.results)
    words = response.results[-1].alternatives[0].words
    assert "Dashwood" in " ".join(word.word for word in words)
    assert {word.speaker_label for word in words} == {"1"}
