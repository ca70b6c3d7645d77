"""Google's own client of v1 has a recording recognised as a long-running operation."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import (
    InternalServerError,
    InvalidArgument,
    MethodNotImplemented,
    NotFound,
    ServiceUnavailable,
)
from google.api_core.future.polling import POLLING_PREDICATE
from google.api_core.retry import Retry
from google.cloud import speech_v1, speech_v2
from google.longrunning import operations_pb2

from tests.emulators.google.official import RECOGNIZER, client_v1, client_v2, config_v1, config_v2
from tests.emulators.google.sounds import tone
from voicestt.emulators.google import script
from voicestt.emulators.google.limits import INLINE_TOO_LONG, NO_STORAGE
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.recognisers.whisper.engine.port import EngineResult, Request

SCRIPT = script.parse('{"utterances": [{"text": "one two", "start": 0.5, "end": 1.5}]}')
AUDIO = tone(440, 16_000, 2.0).tobytes()
OFTEN: Any = Retry(predicate=POLLING_PREDICATE, initial=0.01, maximum=0.05, timeout=20)
"""The client's own polling, oftener than once a second."""


class GatedEngine(ScriptEngine):
    """An engine that recognises a recording when it is let."""

    def __init__(self) -> None:
        super().__init__(SCRIPT)
        self.may_go = threading.Event()
        self.fails = False

    def recognise(self, request: Request, pcm: bytes) -> list[EngineResult]:
        """Wait, then do it or fail."""
        self.may_go.wait(20)
        if self.fails:
            raise RuntimeError("no model")
        return super().recognise(request, pcm)


@pytest.fixture
def engine() -> Iterator[GatedEngine]:
    gated = GatedEngine()
    yield gated
    gated.may_go.set()


@pytest.fixture
def google(engine: GatedEngine) -> Iterator[LocalGoogle]:
    with LocalGoogle(engine, faults="") as service:
        yield service
        engine.may_go.set()


@pytest.fixture
def client(google: LocalGoogle) -> Iterator[speech_v1.SpeechClient]:
    with client_v1(google.target) as speech:
        yield speech


def begin(client: speech_v1.SpeechClient, content: bytes = AUDIO, **settings: Any) -> Any:
    config = config_v1(16_000, enable_word_time_offsets=True, **settings)
    return client.long_running_recognize(config=config, audio=speech_v1.RecognitionAudio(content=content))


def test_an_operation_runs_and_gets_the_words(
    google: LocalGoogle, engine: GatedEngine, client: speech_v1.SpeechClient
) -> None:
    operation = begin(client)
    assert not operation.done()
    assert operation.metadata.progress_percent == 0
    assert operation.operation.name.isdecimal()
    engine.may_go.set()
    response = operation.result(polling=OFTEN)
    (best,) = response.results[0].alternatives
    assert best.transcript == "one two"
    assert [word.end_time.total_seconds() for word in best.words] == [1.0, 1.5]
    assert response.total_billed_time.total_seconds() == 2
    assert response.request_id
    assert operation.metadata.progress_percent == 100
    assert operation.metadata.last_update_time >= operation.metadata.start_time
    (record,) = google.wait_for_streams(1)
    assert (record.method, record.rate, record.how) == ("LongRunningRecognize", 16_000, "OK")


def test_operations_are_listed_waited_for_and_deleted(engine: GatedEngine, client: speech_v1.SpeechClient) -> None:
    names = [begin(client).operation.name for _ in range(3)]
    methods = client.transport.operations_client
    assert [each.name for each in methods.list_operations("operations", "")] == names
    engine.may_go.set()
    done = [begin(client) for _ in range(2)]
    for operation in done:
        operation.result(polling=OFTEN)
    first = client.list_operations(operations_pb2.ListOperationsRequest(page_size=4))
    assert (len(first.operations), first.next_page_token) == (4, "4")
    rest = client.list_operations(operations_pb2.ListOperationsRequest(page_size=4, page_token="4"))
    assert ([each.done for each in rest.operations], rest.next_page_token) == ([True], "")
    with pytest.raises(InvalidArgument):
        client.list_operations(operations_pb2.ListOperationsRequest(page_token="x"))
    methods.delete_operation(names[0])
    for call in (methods.get_operation, methods.delete_operation, methods.cancel_operation):
        with pytest.raises(NotFound, match="Requested entity was not found"):
            call(names[0])


def test_an_operation_can_be_cancelled(engine: GatedEngine, client: speech_v1.SpeechClient) -> None:
    operation = begin(client)
    assert operation.cancel()
    assert operation.cancelled()
    engine.may_go.set()
    assert operation.cancelled()


def test_an_engine_that_fails_is_the_operations_error(engine: GatedEngine, client: speech_v1.SpeechClient) -> None:
    engine.fails = True
    operation = begin(client)
    engine.may_go.set()
    with pytest.raises(InternalServerError, match="no model"):
        operation.result(polling=OFTEN)


def test_what_cannot_be_recognised_is_refused_at_once(client: speech_v1.SpeechClient) -> None:
    with pytest.raises(InvalidArgument, match=INLINE_TOO_LONG.partition(".")[0]):
        begin(client, bytes(32_000 * 61))
    with pytest.raises(InvalidArgument, match="RecognitionAudio not set"):
        begin(client, b"")
    with pytest.raises(InvalidArgument, match="Incorrect model specified"):
        begin(client, model="chirp_3")
    with pytest.raises(InvalidArgument, match="Request payload size exceeds the limit: 10485760 bytes"):
        begin(client, bytes(10_485_760))


def test_faults_strike_it_too(google: LocalGoogle, client: speech_v1.SpeechClient) -> None:
    google.set_faults("next long-running: error UNAVAILABLE")
    with pytest.raises(ServiceUnavailable):
        begin(client)
    assert begin(client).operation.name


def test_there_is_no_cloud_storage(google: LocalGoogle, client: speech_v1.SpeechClient) -> None:
    audio = speech_v1.RecognitionAudio(uri="gs://bucket/object")
    with pytest.raises(MethodNotImplemented, match="no Cloud Storage"):
        client.long_running_recognize(config=config_v1(), audio=audio)
    with pytest.raises(MethodNotImplemented, match="no Cloud Storage"):
        client.recognize(config=config_v1(), audio=audio)
    written = speech_v1.TranscriptOutputConfig(gcs_uri="gs://bucket/object")
    request = speech_v1.LongRunningRecognizeRequest(
        config=config_v1(), audio=speech_v1.RecognitionAudio(content=b"12"), output_config=written
    )
    with pytest.raises(MethodNotImplemented, match="no Cloud Storage"):
        client.long_running_recognize(request=request)
    with client_v2(google.target) as second:
        files = [speech_v2.BatchRecognizeFileMetadata(uri="gs://bucket/object")]
        batch = speech_v2.BatchRecognizeRequest(recognizer=RECOGNIZER, config=config_v2(), files=files)
        with pytest.raises(MethodNotImplemented) as refused:
            second.batch_recognize(request=batch)
        assert refused.value.message == NO_STORAGE
        one = speech_v2.RecognizeRequest(recognizer=RECOGNIZER, config=config_v2(), uri="gs://bucket/object")
        with pytest.raises(MethodNotImplemented, match="no Cloud Storage"):
            second.recognize(request=one)
