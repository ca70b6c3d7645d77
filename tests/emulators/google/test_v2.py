import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.cloud.speech_v2.services.speech.transports.grpc import SpeechGrpcTransport
from google.cloud.speech_v2.types import cloud_speech

from tests.emulators.google.client import (
    SILENCE,
    Refused,
    cut,
    finals,
    partials,
    refused,
)
from voicestt.emulators.google import script
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.timeline import clip_of

SCRIPT = script.parse('{"utterances": [{"text": "שלום {key} אני מתקשר", "start": 0.2, "end": 1.4}]}')
AUDIO = clip_of(SCRIPT, 7, 2)
RECOGNISER = "projects/any/locations/eu/recognizers/_"


def config(encoding: str = "LINEAR16", **settings: Any) -> Any:
    decoding = cloud_speech.ExplicitDecodingConfig(
        encoding=encoding, sample_rate_hertz=8_000, audio_channel_count=1
    )
    return cloud_speech.RecognitionConfig(
        explicit_decoding_config=decoding, **{"language_codes": ["iw-IL"], "model": "chirp_3", **settings}
    )


def begin(recognition: Any = None, recogniser: str = RECOGNISER) -> Any:
    features = cloud_speech.StreamingRecognitionFeatures(interim_results=True)
    return cloud_speech.StreamingRecognizeRequest(
        recognizer=recogniser,
        streaming_config=cloud_speech.StreamingRecognitionConfig(
            config=recognition or config(), streaming_features=features
        ),
    )


def audio(content: bytes) -> Any:
    return cloud_speech.StreamingRecognizeRequest(audio=content)


@pytest.fixture(scope="module")
def google() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(SCRIPT), faults="") as service:
        yield service


@pytest.fixture
def speech(google: LocalGoogle) -> Iterator[Any]:
    google.set_faults("")
    with grpc.insecure_channel(google.target) as channel:
        yield SpeechGrpcTransport(channel=channel)


def stream(speech: Any, messages: Any) -> list[Any] | Refused:
    try:
        return list(speech.streaming_recognize(iter(messages), timeout=20))
    except grpc.RpcError as error:
        return refused(error)


def test_words_come_back(google: LocalGoogle, speech: Any) -> None:
    responses = stream(speech, [begin(), *map(audio, cut(AUDIO))])
    assert isinstance(responses, list)
    assert finals(responses) == ["שלום 7 אני מתקשר"]
    assert partials(responses)[-1] == "שלום 7 אני מתקשר"
    ends = [result.result_end_offset.total_seconds() for one in responses for result in one.results]
    assert ends[-1] == 1.4
    assert responses[-1].metadata.total_billed_duration.total_seconds() == 2
    assert google.streams[-1].version == "v2"


def test_words_come_with_their_times_where_they_are_asked_for(speech: Any) -> None:
    asked = config(features=cloud_speech.RecognitionFeatures(enable_word_time_offsets=True))
    streamed = stream(speech, [begin(asked), *map(audio, cut(AUDIO))])
    request = cloud_speech.RecognizeRequest(recognizer=RECOGNISER, config=asked, content=AUDIO)
    assert isinstance(streamed, list)
    finals_ = [result for one in streamed for result in one.results if result.is_final]
    for results in (finals_, speech.recognize(request).results):
        assert [
            (word.word, word.start_offset.total_seconds(), word.end_offset.total_seconds())
            for result in results
            for word in result.alternatives[0].words
        ] == [("שלום", 0.2, 0.5), ("7", 0.5, 0.8), ("אני", 0.8, 1.1), ("מתקשר", 1.1, 1.4)]


def test_recognize(speech: Any) -> None:
    request = cloud_speech.RecognizeRequest(recognizer=RECOGNISER, config=config(), content=AUDIO)
    response = speech.recognize(request)
    assert response.results[0].alternatives[0].transcript == "שלום 7 אני מתקשר"
    assert response.metadata.total_billed_duration.total_seconds() == 2


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (begin(config(model="telephony")), 'language "iw-IL" is not supported by the model "telephony"'),
        (begin(config(model="phone_call")), 'The model "phone_call" does not exist in the location named "eu".'),
        (
            begin(recogniser=RECOGNISER.replace("eu", "global")),
            '"chirp_3" does not exist in the location named "global"',
        ),
        (begin(config(language_codes=["iw-IL"] * 5)), "one to four language"),
        (begin(recogniser="mine"), "recognizers/RECOGNIZER"),
        (audio(SILENCE), "Malordered"),
    ],
)
def test_what_is_refused(speech: Any, first: Any, words: str) -> None:
    answer = stream(speech, [first])
    assert isinstance(answer, Refused)
    assert answer.code == "INVALID_ARGUMENT"
    assert words in answer.words


@pytest.mark.parametrize("model", ["latest_long", "latest_short", "chirp", "chirp_2", "medical_dictation", "long"])
def test_models_that_google_takes_in_english(google: LocalGoogle, speech: Any, model: str) -> None:
    recognition = config(model=model, language_codes=["en-US"])
    answers = stream(speech, [begin(recognition), audio(bytes(16_000))])
    assert not isinstance(answers, Refused), answers
    assert google.streams[-1].model == model


def test_time_is_over_in_the_words_of_v2() -> None:
    done = threading.Event()

    def messages() -> Iterator[Any]:
        yield begin(config(encoding="MULAW", model="telephony", language_codes=["en-US"]))
        done.wait(20)

    service = LocalGoogle(ScriptEngine(SCRIPT), time_scale=100)
    with service, grpc.insecure_channel(service.target) as channel:
        answer = stream(SpeechGrpcTransport(channel=channel), messages())
        done.set()
    assert answer == Refused("ABORTED", "Stream timed out after receiving no more client requests.")


def test_v2_has_no_errors_in_band(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("next: in-band UNAVAILABLE on half-close")
    assert stream(speech, [begin()]) == Refused("UNAVAILABLE", "The service is currently unavailable.")
