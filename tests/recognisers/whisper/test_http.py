import email
import io
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import Message
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.audio import mulaw
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.recognisers.punctuation import without_punctuation
from voicestt.recognisers.whisper.http import CONNECTIONS, WhisperEndpoint, WhisperHttp, form_of, wav_of

AUDIO = b"\x10\x90" * 4_000
KEY = "sk-very-secret-key"
Answer = Callable[[Any], Any]


class Transcriptions(Resource):
    """The endpoint, which answers as the test says."""

    isLeaf = True  # noqa: N815 - Twisted's

    def __init__(self, answer: Answer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []
        self.connections: set[object] = set()
        self.held: list[Any] = []

    def render_POST(self, request: Any) -> Any:  # noqa: N802
        parts = parts_of(request.getHeader("content-type"), request.content.read())
        self.requests.append((request.uri.decode(), request.getHeader("authorization"), parts))
        self.connections.add(request.channel)
        self.held.append(request)
        return self._answer(request)


def says(text: str) -> Answer:
    return lambda _request: json.dumps({"text": text}).encode()


def answers(status: int, body: bytes) -> Answer:
    def answer(request: Request) -> bytes:
        request.setResponseCode(status)
        return body

    return answer


def never(_request: object) -> int:
    return NOT_DONE_YET


def breaks_off(request: Any) -> int:
    request.channel.transport.abortConnection()
    return NOT_DONE_YET


def without_length(request: Any) -> int:
    """As a server of HTTP/1.0 does: the end of the connection is the end of the answer."""
    request.channel.transport.write(b'HTTP/1.0 200 OK\r\n\r\n{"text": "well then"}')
    request.channel.transport.loseConnection()
    return NOT_DONE_YET


@asynccontextmanager
async def asking(
    answer: Answer, key: str | None = KEY, **options: Any
) -> AsyncIterator[tuple[Transcriptions, WhisperHttp]]:
    """An endpoint that listens, and who asks it; both are stopped."""
    resource = Transcriptions(answer)
    port = reactor.listenTCP(0, Site(resource), interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}/v1/audio/transcriptions?tenant=secret"
    whisper = WhisperHttp(reactor, WhisperEndpoint(url, "he", "large", key), **options)
    try:
        yield resource, whisper
    finally:
        await soon(Deferred.fromCoroutine(whisper.stop()))
        await port.stopListening()


async def refusal(whisper: WhisperHttp) -> RecogniserError:
    with pytest.raises(RecogniserError) as caught:
        await soon(whisper(AUDIO))
    error = caught.value
    for shown in (repr(error), str(error), repr(error.__dict__), repr(error.__cause__)):
        assert KEY not in shown
        assert "tenant" not in shown
    return error


@on_reactor
async def test_an_utterance_is_posted_and_its_words_are_its_final() -> None:
    async with asking(says(" שלום,  מה נשמע?\n")) as (endpoint, whisper):
        assert await soon(whisper(AUDIO)) == Result("שלום, מה נשמע?", is_final=True, source="whisper")
    ((uri, authorization, parts),) = endpoint.requests
    assert uri == "/v1/audio/transcriptions?tenant=secret"
    assert authorization == f"Bearer {KEY}"
    assert parts["language"].get_payload() == "he"
    assert parts["model"].get_payload() == "large"
    assert parts["file"].get_payload(decode=True) == wav_of(AUDIO)


@on_reactor
async def test_without_a_key_none_is_sent_and_punctuation_is_taken_off_where_it_is_not_wanted() -> None:
    async with asking(says("yes, please."), key=None, clean=without_punctuation) as (endpoint, whisper):
        assert (await soon(whisper(AUDIO))).text == "yes please"
    assert endpoint.requests[0][1] is None


@on_reactor
async def test_no_words_are_none() -> None:
    async with asking(says("  ")) as (_, whisper):
        assert await soon(whisper(AUDIO)) is None


@on_reactor
async def test_a_connection_serves_again() -> None:
    async with asking(says("yes")) as (endpoint, whisper):
        for _ in range(3):
            await soon(whisper(AUDIO))
    assert len(endpoint.requests) == 3
    assert len(endpoint.connections) == 1


@on_reactor
async def test_an_answer_without_a_length_is_an_answer() -> None:
    async with asking(without_length) as (_, whisper):
        assert (await soon(whisper(AUDIO))).text == "well then"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (500, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (429, "RESOURCE_EXHAUSTED"),
        (401, "UNAUTHENTICATED"),
        (404, "NOT_FOUND"),
        (400, "INVALID_ARGUMENT"),
        (307, "INVALID_ARGUMENT"),
    ],
)
@on_reactor
async def test_another_status_is_an_error_with_the_beginning_of_what_was_said(status: int, word: str) -> None:
    body = f"Incorrect key {KEY}\r\n".encode() + b"\x00x" * 5_000
    async with asking(answers(status, body)) as (_, whisper):
        error = await refusal(whisper)
    assert error.status == word
    assert f"answered {status}: Incorrect key … xxx" in error.details
    assert len(error.details.partition(f"{status}: ")[2]) == 100
    assert error.details.isprintable()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"text": 3}', b'{"error": "no"}', b"[" * 100_000, b"\xff"]
)
@on_reactor
async def test_anything_but_json_with_a_text_is_an_error(body: bytes) -> None:
    async with asking(answers(200, body)) as (_, whisper):
        error = await refusal(whisper)
    assert error.status == "INTERNAL"
    assert 'without {"text": …} in JSON' in error.details


@on_reactor
async def test_an_endpoint_that_does_not_answer_in_time_is_given_up() -> None:
    async with asking(never, seconds=0.1) as (endpoint, whisper):
        error = await refusal(whisper)
        with pytest.raises((ConnectionDone, ConnectionLost)):
            await soon(endpoint.held[0].notifyFinish())
    assert error.status == "DEADLINE_EXCEEDED"
    assert "did not answer within 0.1 s" in error.details


@on_reactor
async def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    async with asking(says("yes")) as (_, whisper):
        pass
    error = await refusal(WhisperHttp(reactor, whisper.endpoint))
    assert error.status == "UNAVAILABLE"
    assert "could not be asked: ConnectionRefusedError" in error.details
    assert whisper.endpoint.place in error.details


@on_reactor
async def test_an_endpoint_that_breaks_off_is_unavailable() -> None:
    async with asking(breaks_off) as (_, whisper):
        error = await refusal(whisper)
    assert error.status == "UNAVAILABLE"
    assert "could not be asked" in error.details


@on_reactor
async def test_four_are_asked_at_once_and_the_others_wait() -> None:
    async with asking(never) as (endpoint, whisper):
        answers = [whisper(AUDIO) for _ in range(CONNECTIONS + 2)]
        while len(endpoint.held) < CONNECTIONS:
            await a_moment()
        stopping = Deferred.fromCoroutine(whisper.stop())
        statuses = [await status_of(answer) for answer in answers]
        await soon(stopping)
    assert len(endpoint.requests) == CONNECTIONS
    assert statuses == ["UNAVAILABLE"] * CONNECTIONS + ["CANCELLED"] * 2


@on_reactor
async def test_an_answer_without_an_end_is_not_kept() -> None:
    async with asking(answers(200, b"x" * 1_500_000)) as (_, whisper):
        error = await refusal(whisper)
    assert "could not be asked: TooLong: more than 1000000 bytes" in error.details


@on_reactor
async def test_an_answer_that_stops_in_the_middle_is_given_up() -> None:
    def begins(request: Any) -> int:
        request.write(b'{"text": "well')
        return NOT_DONE_YET

    async with asking(begins, seconds=0.1) as (endpoint, whisper):
        assert (await refusal(whisper)).status == "DEADLINE_EXCEEDED"
        with pytest.raises((ConnectionDone, ConnectionLost)):
            await soon(endpoint.held[0].notifyFinish())


def a_moment() -> Deferred[None]:
    turn: Deferred[None] = Deferred()
    reactor.callLater(0, turn.callback, None)
    return turn


async def status_of(answer: Deferred[Result | None]) -> str:
    with pytest.raises(RecogniserError) as caught:
        await soon(answer)
    return caught.value.status


def test_the_key_and_the_path_are_not_shown() -> None:
    endpoint = WhisperEndpoint("https://whisper.example.com:8443/v1?token=t", "he", key=KEY)
    assert KEY not in repr(endpoint)
    assert endpoint.place == "https://whisper.example.com:8443"


def closes_unsaid(request: Any) -> int:
    """A server of HTTP/1.0, or one that closes after some answers, and does not say so."""
    body = json.dumps({"text": "yes"}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    request.channel.transport.write(head + body)
    reactor.callLater(0.01, request.channel.transport.abortConnection)
    return NOT_DONE_YET


@on_reactor
async def test_a_server_that_closes_after_each_answer_loses_no_utterance() -> None:
    async with asking(closes_unsaid) as (_, whisper):
        for _ in range(6):
            assert (await soon(whisper(AUDIO))).text == "yes"


@on_reactor
async def test_a_request_that_is_broken_off_is_asked_again_over_a_connection_of_its_own() -> None:
    broken = iter([True, True, False])
    async with asking(lambda request: breaks_off(request) if next(broken) else says("yes")(request)) as (
        endpoint,
        whisper,
    ):
        assert (await soon(whisper(AUDIO))).text == "yes"
    assert len(endpoint.requests) == 3


@on_reactor
async def test_one_that_is_always_broken_off_is_asked_three_times() -> None:
    async with asking(breaks_off) as (endpoint, whisper):
        assert (await refusal(whisper)).status == "UNAVAILABLE"
    assert len(endpoint.requests) == 3


ALL_BYTES = bytes(range(256)) * 10


def parts_of(content_type: str, body: bytes) -> dict[str, Message]:
    """The parts of a form by their names, as the standard library reads it."""
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts: list[Message] = message.get_payload()  # type: ignore[assignment]
    return {str(part.get_param("name", header="content-disposition")): part for part in parts}


def test_the_recording_is_a_wav_of_the_telephone() -> None:
    with wave.open(io.BytesIO(wav_of(ALL_BYTES))) as reader:
        assert (reader.getframerate(), reader.getsampwidth(), reader.getnchannels()) == (8_000, 2, 1)
        assert reader.readframes(10_000) == mulaw.decode(ALL_BYTES)


def test_the_form_holds_the_recording_and_what_is_wanted() -> None:
    form = form_of(ALL_BYTES, {"model": "whisper-1", "language": "he"})
    parts = parts_of(form.content_type, form.body)
    wanted = {name: parts[name].get_payload() for name in ("model", "language", "response_format")}
    assert wanted == {"model": "whisper-1", "language": "he", "response_format": "json"}
    assert parts["file"].get_content_type() == "audio/wav"
    assert parts["file"].get_filename() == "utterance.wav"
    assert parts["file"].get_payload(decode=True) == wav_of(ALL_BYTES)


def test_no_two_forms_have_the_same_boundary() -> None:
    assert form_of(ALL_BYTES, {}).content_type != form_of(ALL_BYTES, {}).content_type
