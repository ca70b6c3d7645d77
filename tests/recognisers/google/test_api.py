import urllib.parse
from collections.abc import Iterator

import numpy as np
import pytest
from google.cloud.speech_v2 import types

from tests.conftest import Logged
from tests.recognisers.on_reactor import (
    Sessions,
    WaitingEar,
    on_reactor,
    soon,
)
from voicestt.audio import mulaw
from voicestt.emulators.google import script
from voicestt.emulators.google.limits import GOOGLES
from voicestt.emulators.google.recording import Recorder
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.timeline import clip_of
from voicestt.recognisers.google.api import ApiV2
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import LARGEST_BATCH, GoogleRecogniser
from voicestt.recognisers.google.request import RecognitionRequest
from voicestt.recognisers.port import RecognisedWord, RecogniserError

SCRIPT = script.parse(
    """{
      "utterances": [
        {"text": "שלום {key} אני מתקשר", "start": 0.2, "end": 1.0},
        {"text": "תודה רבה להתראות", "start": 1.8, "end": 2.4}
      ]
    }"""
)
API = ApiV2("a-project", "eu")
NO_WORD_TIMES = 'error INVALID_ARGUMENT "Config contains unsupported fields."'
HEBREW = RecognitionRequest("iw-IL", "chirp_3", api=API)
ENGLISH = RecognitionRequest("en-US", "telephony", api=API)


def audio_of(number: int, seconds: float = 3.0) -> bytes:
    return mulaw.encode(np.frombuffer(clip_of(SCRIPT, number, seconds), "<i2"))


@pytest.fixture(scope="module")
def service() -> Iterator[LocalGoogle]:
    recorder = Recorder(keep_audio=True)
    with LocalGoogle(ScriptEngine(SCRIPT), recorder=recorder, faults="") as local:
        yield local


@pytest.fixture(autouse=True)
def no_faults(service: LocalGoogle) -> None:
    service.set_faults("")


def google_of(service: LocalGoogle, sessions: Sessions, asked: RecognitionRequest = HEBREW) -> GoogleRecogniser:
    return GoogleRecogniser(sessions.threads, GoogleTarget(service.target, insecure=True), asked)


def talk(google: GoogleRecogniser, *pieces: bytes) -> WaitingEar:
    ear = WaitingEar()
    session = google.open(ear)
    for piece in pieces:
        session.write(piece)
    session.finish()
    return ear


def batches(audio: bytes) -> list[bytes]:
    return [audio[at : at + 1_200] for at in range(0, len(audio), 1_200)]


@on_reactor
async def test_partials_come_then_finals_at_their_places_then_the_end(
    service: LocalGoogle, sessions: Sessions
) -> None:
    audio = audio_of(7)
    ear = talk(google_of(service, sessions), *batches(audio))
    assert await ear.end() is None
    assert [text.strip() for text in ear.finals] == ["שלום 7 אני מתקשר", "תודה רבה להתראות"]
    assert ear.partials[0] == "שלום"
    assert [result.end for result in ear.results if result.is_final] == [8_000, 19_200]
    record = service.streams[-1]
    assert (record.version, record.method, record.how) == ("v2", "StreamingRecognize", "OK")
    assert (record.language, record.model, record.encoding) == ("iw-IL", "chirp_3", "LINEAR16")
    assert record.audio == mulaw.decode(audio)


@on_reactor
async def test_finals_have_their_words_where_they_were_said(service: LocalGoogle, sessions: Sessions) -> None:
    google = google_of(service, sessions)
    ear = talk(google, *batches(audio_of(17)))
    await ear.end()
    streamed = [result for result in ear.results if result.is_final][1]
    assert streamed.words == (
        RecognisedWord("תודה", 14_400, 16_000),
        RecognisedWord("רבה", 16_000, 17_600),
        RecognisedWord("להתראות", 17_600, 19_200),
    )
    asked = await soon(google.recognise(audio_of(17)))
    assert asked.words[-3:] == streamed.words
    assert [(one.start, one.source) for one in (streamed, asked)] == [
        (14_400, "google-streaming"),
        (1_600, "google-recognize"),
    ]


@on_reactor
async def test_word_times_that_are_refused_are_not_asked_for_any_more(
    service: LocalGoogle, sessions: Sessions, logged: Logged
) -> None:
    google = google_of(service, sessions)
    service.set_faults(f"next 2: {NO_WORD_TIMES}")
    ends = [await ear.end() for ear in [talk(google, audio_of(18)[:12_000]) for _ in range(2)]]
    assert [(end.status, end.is_fatal) for end in ends if end] == [("ABORTED", False)] * 2
    later = talk(google, *batches(audio_of(18)))
    assert await later.end() is None
    finals = [result for result in later.results if result.is_final]
    assert [(final.words, final.start) for final in finals] == [((), None)] * 2
    assert "enable_word_time_offsets" not in service.streams[-1].config
    assert service.streams[-1].model == "chirp_3"
    assert len(logged.matching("does not give the times of words with the model chirp_3 and iw-IL")) == 1


@on_reactor
async def test_a_single_request_may_be_refused_word_times_and_its_model(
    service: LocalGoogle, sessions: Sessions, logged: Logged
) -> None:
    google = google_of(service, sessions, RecognitionRequest("en-US", "phone_call", api=API))
    service.set_faults(f"next: {NO_WORD_TIMES}\nnext: slow 0 s")
    result = await soon(google.recognise(audio_of(19)[:12_000]))
    assert (result.text, result.words) == ("שלום 19 אני מתקשר", ())
    assert service.streams[-1].model == "long"
    assert len(logged.matching("⚠️ Google")) == 2


@on_reactor
async def test_one_utterance_in_one_request(service: LocalGoogle, sessions: Sessions) -> None:
    google = google_of(service, sessions)
    result = await soon(google.recognise(audio_of(8, seconds=1.5)))
    assert (result.text, result.is_final) == ("שלום 8 אני מתקשר", True)
    assert await soon(google.recognise(audio_of(8, seconds=0.1))) is None
    assert (service.streams[-1].version, service.streams[-1].method) == ("v2", "Recognize")


@on_reactor
async def test_much_audio_at_once_goes_in_messages_that_google_takes(
    service: LocalGoogle, sessions: Sessions
) -> None:
    audio = audio_of(9)[: 2 * LARGEST_BATCH - 2_000]
    await talk(google_of(service, sessions), audio, b"").end()
    record = service.streams[-1]
    assert (record.how, record.audio) == ("OK", mulaw.decode(audio))
    assert record.sizes == ((GOOGLES.message_bytes, 1), (GOOGLES.message_bytes - 4_000, 1))


@on_reactor
async def test_a_refused_model_is_replaced_once_with_one_loud_line(
    service: LocalGoogle, sessions: Sessions, logged: Logged
) -> None:
    google = google_of(service, sessions, RecognitionRequest("en-US", "phone_call", api=API))
    error = await talk(google, audio_of(10)).end()
    assert error is not None
    assert (error.status, error.is_fatal) == ("ABORTED", False)
    assert await talk(google, audio_of(10)).end() is None
    assert service.streams[-1].model == "long"
    (line,) = logged.matching("GCP_STT_MODEL=phone_call")
    assert "long is used from here on" in line
    assert 'The model "phone_call" does not exist in the location named "eu"' in line


@on_reactor
async def test_a_refused_model_costs_a_single_request_nothing(service: LocalGoogle, sessions: Sessions) -> None:
    google = google_of(service, sessions, RecognitionRequest("en-US", "phone_call", api=API))
    assert (await soon(google.recognise(audio_of(11)))).is_final
    assert service.streams[-1].model == "long"


@on_reactor
async def test_where_the_other_model_is_refused_too_it_is_over(service: LocalGoogle, sessions: Sessions) -> None:
    google = google_of(service, sessions, RecognitionRequest("iw-IL", "telephony", api=API))
    first = await talk(google, audio_of(12)).end()
    second = await talk(google, audio_of(12)).end()
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == ("ABORTED", "INVALID_ARGUMENT")
    assert 'The language "iw-IL" is not supported by the model "long"' in second.details


@on_reactor
async def test_a_refused_language_is_not_tried_again(service: LocalGoogle, sessions: Sessions) -> None:
    google = google_of(service, sessions, RecognitionRequest("not a language", "telephony", api=API))
    error = await talk(google, audio_of(13)).end()
    assert error is not None
    assert error.is_fatal
    assert "bad language code" in error.details
    with pytest.raises(RecogniserError) as caught:
        await soon(google.recognise(audio_of(13)))
    assert caught.value.is_fatal


@on_reactor
async def test_the_end_of_its_five_minutes_is_an_error_that_another_stream_mends(
    service: LocalGoogle, sessions: Sessions
) -> None:
    service.set_faults("next: error ABORTED after 1 s of audio")
    error = await talk(google_of(service, sessions), *batches(audio_of(14))).end()
    assert error is not None
    assert (error.status, error.is_fatal) == ("ABORTED", False)
    assert error.details == "Max duration of 5 minutes reached for stream."


def test_a_stream_begins_with_the_recogniser_and_the_whole_configuration() -> None:
    opening = types.StreamingRecognizeRequest.deserialize(API.opening(ENGLISH.config()))
    assert opening.recognizer == "projects/a-project/locations/eu/recognizers/_"
    config = opening.streaming_config.config
    decoding = config.explicit_decoding_config
    assert decoding.encoding == types.ExplicitDecodingConfig.AudioEncoding.LINEAR16
    assert (decoding.sample_rate_hertz, decoding.audio_channel_count) == (8_000, 1)
    assert (list(config.language_codes), config.model) == (["en-US"], "telephony")
    assert config.features.enable_automatic_punctuation
    assert config.features.enable_word_time_offsets
    assert opening.streaming_config.streaming_features.interim_results


def test_google_finds_the_way_by_the_recogniser_s_name() -> None:
    ((name, value),) = API.metadata
    assert name == "x-goog-request-params"
    assert urllib.parse.parse_qs(value) == {"recognizer": [API.recogniser]}
