import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.emulators.google.client import (
    SILENCE,
    Refused,
    audio,
    begin,
    config,
    cut,
    finals,
    partials,
    recognise,
    stream,
    transport,
    words,
)
from voicestt.emulators.google import script
from voicestt.emulators.google.limits import (
    AUDIO_TIMEOUT,
    MALORDERED,
    SYNC_TOO_LONG,
    TOO_FAST,
    ServiceLimits,
)
from voicestt.emulators.google.recording import Recorder
from voicestt.emulators.google.scripted import ScriptEngine, stream_key
from voicestt.emulators.google.service import CannotListen, LocalGoogle
from voicestt.emulators.google.timeline import clip_of
from voicestt.recognisers.whisper.engine.port import EngineListener, EngineResult, Request

SCRIPT = script.parse(
    """{
      "utterances": [
        {"text": "שלום {key} אני מתקשר לגבי ההזמנה שלי", "start": 0.5, "end": 2.5},
        {"text": "תודה רבה", "start": 2.6, "end": 3.2}
      ],
      "repeat": 5
    }"""
)
WHOLE = clip_of(SCRIPT, 1, 4)


@pytest.fixture(scope="module")
def google() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(SCRIPT), recorder=Recorder(keep_audio=True)) as service:
        yield service


@pytest.fixture(scope="module")
def speech(google: LocalGoogle) -> Iterator[Any]:
    with transport(google.target) as client:
        yield client


def talk(pcm: bytes, size: int = 2_400) -> list[Any]:
    return [begin(), *(audio(piece) for piece in cut(pcm, size))]


def answered(speech: Any, messages: list[Any]) -> list[Any]:
    responses = stream(speech, messages)
    assert not isinstance(responses, Refused), responses
    return responses


def test_words_come_back_as_google_says_them(speech: Any) -> None:
    responses = answered(speech, talk(WHOLE))
    assert finals(responses) == ["שלום 1 אני מתקשר לגבי ההזמנה שלי", " תודה רבה"]
    assert partials(responses)[:2] == ["שלום", "שלום 1"]
    assert "שלום 1 אני מתקשר" in partials(responses)
    assert [response.total_billed_time.seconds for response in responses][-2:] == [0, 4]
    together = [response for response in responses if [one.is_final for one in response.results] == [True, False]]
    assert len(together) == 1


TIMES = [
    ("שלום", 0.5, 0.785625),
    ("1", 0.785625, 1.071375),
    ("אני", 1.071375, 1.357125),
    ("מתקשר", 1.357125, 1.642750),
    ("לגבי", 1.642750, 1.928500),
    ("ההזמנה", 1.928500, 2.214250),
    ("שלי", 2.214250, 2.5),
    ("תודה", 2.6, 2.9),
    ("רבה", 2.9, 3.2),
]


def test_words_come_with_their_times_where_they_are_asked_for(speech: Any) -> None:
    asked = config(enable_word_time_offsets=True)
    responses = answered(speech, [begin(asked), *talk(WHOLE)[1:]])
    results = [result for response in responses for result in response.results]
    assert words(result for result in results if result.is_final) == TIMES
    assert words(result for result in results if not result.is_final) == []
    assert words(recognise(speech, WHOLE, asked).results) == TIMES


def test_words_that_nobody_asked_for_do_not_come(speech: Any) -> None:
    responses = answered(speech, talk(WHOLE))
    assert words(result for response in responses for result in response.results) == []
    assert words(recognise(speech, WHOLE).results) == []


def test_what_was_received_is_known_to_the_byte(google: LocalGoogle, speech: Any) -> None:
    before = len(google.streams)
    answered(speech, talk(WHOLE, 1_000))
    record = google.wait_for_streams(before + 1)[-1]
    assert record.audio == WHOLE
    assert record.sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert (record.method, record.language, record.model) == ("StreamingRecognize", "iw-IL", "default")
    assert record.sizes == ((1_000, 64),)
    assert (record.how, record.half_closed) == ("OK", True)
    assert record.finals == ("שלום 1 אני מתקשר לגבי ההזמנה שלי", "תודה רבה")


def test_each_of_twenty_streams_has_its_own_words(speech: Any) -> None:
    results: dict[int, list[str]] = {}

    def one(number: int) -> None:
        results[number] = finals(answered(speech, talk(clip_of(SCRIPT, number, 3))))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(100, 120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: f"שלום {number} אני" in said[0] for number, said in results.items()} == dict.fromkeys(
        range(100, 120), True
    )


def test_audio_that_is_not_coded_is_known_by_its_hash(speech: Any) -> None:
    responses = answered(speech, [begin(), *[audio(SILENCE)] * 20])
    assert stream_key(SILENCE) in finals(responses)[0]


def test_without_interim_results_there_are_finals_only(speech: Any) -> None:
    first = begin(interim_results=False)
    responses = answered(speech, [first, *[audio(SILENCE)] * 17])
    assert len(finals(responses)) == 1
    assert partials(responses) == []


def test_a_single_utterance_is_one(speech: Any) -> None:
    first = begin(single_utterance=True)
    responses = answered(speech, [first, *[audio(SILENCE)] * 60])
    assert len(finals(responses)) == 1
    assert [int(response.speech_event_type) for response in responses].count(1) == 1


def test_nothing_but_a_config_is_billed_nothing(speech: Any) -> None:
    (response,) = answered(speech, [begin()])
    assert (len(response.results), response.total_billed_time.seconds) == (0, 0)


@pytest.mark.parametrize(
    "messages",
    [[], [audio(SILENCE)], [begin(), begin()], [begin(), audio(b"")], [audio(b"")]],
    ids=["nothing", "audio first", "two configs", "empty audio", "empty first"],
)
def test_what_is_out_of_order_is_malordered(speech: Any, messages: list[Any]) -> None:
    answer = stream(speech, messages)
    assert isinstance(answer, Refused)
    assert answer.code == "INVALID_ARGUMENT"
    assert answer.words.startswith("Malordered Data Received. ")
    assert answer.words.endswith(MALORDERED.removeprefix("Malordered Data Received. "))


def test_a_long_message_is_refused(speech: Any) -> None:
    answer = stream(speech, [begin(), audio(bytes(25_602))])
    assert isinstance(answer, Refused)
    assert answer.code == "INVALID_ARGUMENT"
    assert "maximum of 25600 bytes" in answer.words


def test_a_refused_pair_is_refused_at_once(speech: Any) -> None:
    answer = stream(speech, [begin(config("he-IL", model="phone_call"))])
    assert isinstance(answer, Refused)
    assert "The phone_call model is currently not supported for language : iw-IL" in answer.words


def test_audio_all_at_once_is_too_fast(speech: Any) -> None:
    answer = stream(speech, [begin(), *[audio(bytes(24_000))] * 40])
    assert answer == Refused("OUT_OF_RANGE", TOO_FAST)


def test_words_that_were_heard_before_the_refusal_are_told(speech: Any) -> None:
    heard = []
    call = speech.streaming_recognize(iter([*talk(WHOLE), begin()]), timeout=20)
    with pytest.raises(grpc.RpcError) as caught:
        heard.extend(call)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert all(isinstance(response, object) for response in heard)


def held_open(messages: list[Any], until: threading.Event) -> Iterator[Any]:
    yield from messages
    until.wait(20)


def test_time_can_be_scaled_305_seconds_and_10_of_silence() -> None:
    done = threading.Event()
    engine = ScriptEngine(SCRIPT)
    with (
        LocalGoogle(engine, time_scale=100) as silent,
        LocalGoogle(engine, time_scale=1_000, limits=ServiceLimits(silence_seconds=1_000)) as long,
        transport(silent.target) as first,
        transport(long.target) as second,
    ):
        answers = [stream(one, held_open([begin(), audio(SILENCE)], done)) for one in (first, second)]
        done.set()
    assert answers == [
        Refused("OUT_OF_RANGE", AUDIO_TIMEOUT),
        Refused("OUT_OF_RANGE", "Exceeded maximum allowed stream duration of 305 seconds."),
    ]


def test_a_client_that_goes_is_noted(google: LocalGoogle, speech: Any) -> None:
    before = len(google.streams)
    done = threading.Event()
    call = speech.streaming_recognize(held_open(talk(WHOLE), done))
    next(call)
    call.cancel()
    record = google.wait_for_streams(before + 1)[-1]
    done.set()
    assert record.how == "cancelled by the client"


def test_recognize_gives_the_words_of_the_recording(google: LocalGoogle, speech: Any) -> None:
    before = len(google.streams)
    response = recognise(speech, WHOLE)
    assert [result.alternatives[0].transcript for result in response.results] == [
        "שלום 1 אני מתקשר לגבי ההזמנה שלי",
        " תודה רבה",
    ]
    assert response.total_billed_time.seconds == 4
    record = google.wait_for_streams(before + 1)[-1]
    assert (record.method, record.audio, record.how) == ("Recognize", WHOLE, "OK")


def test_recognize_takes_a_minute(speech: Any) -> None:
    assert recognise(speech, bytes(16_000 * 61)) == Refused("INVALID_ARGUMENT", SYNC_TOO_LONG)
    assert recognise(speech, b"").code == "INVALID_ARGUMENT"
    assert recognise(speech, SILENCE, config(model="nonsense")).code == "INVALID_ARGUMENT"


class Broken:
    """An engine whose recogniser fails, from a thread of its own."""

    name = "broken"

    def open(self, _request: Request, listener: EngineListener) -> "Broken":
        self._listener = listener
        return self

    def write(self, _pcm: bytes) -> None:
        threading.Thread(target=self._listener.ended, args=(RuntimeError("no model"),)).start()

    def finish(self) -> None:
        raise RuntimeError("cannot finish")

    def abort(self) -> None:
        pass

    def recognise(self, _request: Request, _pcm: bytes) -> list[EngineResult]:
        raise RuntimeError("no model")

    def close(self) -> None:
        pass


def test_an_engine_that_fails_is_internal() -> None:
    with LocalGoogle(Broken()) as service, transport(service.target) as speech:
        answers = [
            stream(speech, [begin()]),
            recognise(speech, SILENCE),
            stream(speech, held_open([begin(), audio(SILENCE)], threading.Event())),
        ]
    assert [answer.code for answer in answers if isinstance(answer, Refused)] == ["INTERNAL"] * 3
    assert all("no model" in answer.words or "cannot finish" in answer.words for answer in answers)


def test_a_port_that_is_taken_is_said(google: LocalGoogle) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{google.port}"):
        LocalGoogle(ScriptEngine(SCRIPT), port=google.port).start()


def test_stopping_ends_the_calls_and_may_be_repeated() -> None:
    before = set(threading.enumerate())
    service = LocalGoogle(ScriptEngine(SCRIPT))
    service.start()
    done = threading.Event()
    with transport(service.target) as speech:
        call = speech.streaming_recognize(held_open(talk(WHOLE), done))
        next(call)
        service.stop()
        service.stop()
        with pytest.raises(grpc.RpcError) as caught:
            list(call)
        done.set()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert [record.how for record in service.streams] == ["UNAVAILABLE: The service is shutting down."]
    assert "google-local" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_waiting_for_what_does_not_come_says_so(google: LocalGoogle) -> None:
    with pytest.raises(TimeoutError, match="google-local: not so within 0 s"):
        google.wait_for_streams(10_000, 0)


def test_a_connection_carries_so_many_streams_at_once() -> None:
    done = threading.Event()
    service = LocalGoogle(ScriptEngine(SCRIPT), max_streams_per_connection=1)
    with service, transport(service.target) as speech:
        first = speech.streaming_recognize(held_open(talk(WHOLE), done))
        next(first)
        second = speech.streaming_recognize(iter([begin()]), timeout=0.2)
        with pytest.raises(grpc.RpcError) as caught:
            list(second)
        done.set()
        assert finals(list(first))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(service.streams) == 1
