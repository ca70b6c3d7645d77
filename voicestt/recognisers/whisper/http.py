"""Whisper by HTTP: an OpenAI-compatible endpoint, which takes one utterance in each request.

Source: OpenAI's API reference, `POST /v1/audio/transcriptions`: a multipart form with `file`, `model`, `language`
and `response_format`, answered by `{"text": …}`. whisper.cpp, faster-whisper-server, vLLM and others speak it too.
"""

import io
import json
import secrets
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from voicestt.audio import mulaw
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.recognisers.punctuation import Clean, unchanged, visible
from voicestt.recognisers.whisper.engine import whisper_language
from voicestt.recognisers.whisper.engine.port import prompt_of
from voicestt.recognisers.whisper.pool import SOURCE, ConcurrencyLimit
from voicestt.runtime.http import WholeBody, read_body
from voicestt.runtime.reactor import FullReactor

CONNECTIONS: Final = 4
_ATTEMPTS: Final = 3
_CONNECT_SECONDS: Final = 5.0
_WHOLE_SECONDS: Final = 30.0
# Less than the five seconds after which uvicorn, behind most of these endpoints, closes an idle connection.
_IDLE_SECONDS: Final = 4
_LONGEST_ANSWER: Final = 1_000_000
_LONGEST_EXCERPT: Final = 100
_LONGEST_PROBLEM: Final = 200
_STATUS: Final = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


@dataclass(frozen=True, slots=True)
class WhisperEndpoint:
    """A Whisper endpoint: the whole URL of the POST, a language of two letters, and a secret key or none.

    `prompt` is told as what was said before, in the hope that its words are expected.
    """

    url: str
    language: str
    model: str = "whisper-1"
    key: str | None = field(default=None, repr=False)
    prompt: str = field(default="", repr=False)

    def tuned(self, options: RecognitionOptions) -> "WhisperEndpoint":
        """Return the endpoint as it is asked with a call's own options."""
        language = self.language if options.language is None else whisper_language(options.language)
        prompt = self.prompt if options.hints is None else prompt_of(options.hints.words)
        return replace(self, language=language, prompt=prompt)

    @property
    def place(self) -> str:
        """The address without path and query, which may hold a secret; for the log."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class WhisperHttp:
    """A Recognise over `endpoint`: four connections, five seconds to connect and `seconds` for the whole."""

    def __init__(
        self,
        reactor: FullReactor,
        endpoint: WhisperEndpoint,
        clean: Clean = unchanged,
        *,
        seconds: float = _WHOLE_SECONDS,
    ) -> None:
        self._reactor = reactor
        self.endpoint = endpoint
        self._clean = clean
        self._seconds = seconds
        self._connections = HTTPConnectionPool(reactor)
        self._connections.maxPersistentPerHost = CONNECTIONS
        self._connections.cachedConnectionTimeout = _IDLE_SECONDS
        self._agent: Any = Agent(reactor, connectTimeout=_CONNECT_SECONDS, pool=self._connections)
        once = HTTPConnectionPool(reactor, persistent=False)
        self._fresh: Any = Agent(reactor, connectTimeout=_CONNECT_SECONDS, pool=once)
        self._under_way: set[Deferred[tuple[int, bytes]]] = set()
        self._turns = ConcurrencyLimit(self._begin, at_once=CONNECTIONS)

    def __call__(self, audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        """Recognise one utterance (mu-law); None if nothing was understood. Fails with RecogniserError."""
        return self._turns(audio, None if options is None else partial(self._begin, options=options))

    def _begin(self, audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        endpoint = self.endpoint if options is None else self.endpoint.tuned(options)
        return Deferred.fromCoroutine(self._ask(audio, endpoint))

    async def stop(self) -> None:
        """Fail the utterances that wait or are under way; return when the connections have ended."""
        stopping = Deferred.fromCoroutine(self._turns.stop())
        for asking in list(self._under_way):
            asking.cancel()
        await stopping
        await self._connections.closeCachedConnections()

    async def _ask(self, audio: bytes, endpoint: WhisperEndpoint) -> Result | None:
        asking = Deferred.fromCoroutine(self._post_until_answered(audio, endpoint))
        asking.addTimeout(self._seconds, self._reactor, onTimeoutCancel=self._too_late)
        self._under_way.add(asking)
        try:
            status, body = await asking
        except RecogniserError:
            raise
        except Exception as problem:  # noqa: BLE001 - Twisted's client has a dozen kinds, and no kind of them all
            raise self._error("UNAVAILABLE", f"could not be asked: {_words(problem)}") from None
        finally:
            self._under_way.discard(asking)
        return self._result(status, body)

    async def _post_until_answered(self, audio: bytes, endpoint: WhisperEndpoint) -> tuple[int, bytes]:
        # A kept connection may be closed under the request: by a server of HTTP/1.0, or one that closes after some
        # answers. To be asked again changes nothing there, so it is done, over a connection of its own.
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._post(self._agent if attempt == 1 else self._fresh, audio, endpoint)
            except Exception as problem:
                if not _is_broken_off(problem):
                    raise
        return await self._post(self._fresh, audio, endpoint)

    async def _post(self, agent: Any, audio: bytes, endpoint: WhisperEndpoint) -> tuple[int, bytes]:
        fields = {"model": endpoint.model, "language": endpoint.language, "prompt": endpoint.prompt}
        form = form_of(audio, {name: value for name, value in fields.items() if value})
        headers = Headers({"Content-Type": [form.content_type], "Accept": ["application/json"]})
        if self.endpoint.key is not None:
            headers.setRawHeaders("Authorization", [f"Bearer {self.endpoint.key}"])
        response = await agent.request(b"POST", self.endpoint.url.encode(), headers, WholeBody(form.body))
        return response.code, await read_body(response, _LONGEST_ANSWER)

    def _result(self, status: int, body: bytes) -> Result | None:
        if status != 200:
            word = _STATUS.get(status, "UNAVAILABLE" if status >= 500 else "INVALID_ARGUMENT")
            raise self._error(word, f"answered {status}: {self._excerpt(body)}")
        text = _text_in(body)
        if text is None:
            raise self._error("INTERNAL", f'answered without {{"text": …}} in JSON: {self._excerpt(body)}')
        text = self._clean(" ".join(text.split()))
        return Result(text, is_final=True, source=SOURCE) if visible(text) else None

    def _too_late(self, _outcome: object, seconds: float) -> Failure:
        return Failure(self._error("DEADLINE_EXCEEDED", f"did not answer within {seconds:g} s"))

    def _error(self, status: str, what: str) -> RecogniserError:
        return RecogniserError(status, f"the Whisper endpoint {self.endpoint.place} {what}")

    def _excerpt(self, body: bytes) -> str:
        text = " ".join(body[:10_000].decode("utf-8", "replace").split())
        if self.endpoint.key:  # some servers tell the key that they refuse
            text = text.replace(self.endpoint.key, "…")
        printable = "".join(letter for letter in text if letter.isprintable())
        return printable[:_LONGEST_EXCERPT] or "nothing more"


@dataclass(frozen=True, slots=True)
class MultipartForm:
    """The body of a POST and the value of its Content-Type."""

    content_type: str
    body: bytes


def form_of(audio: bytes, fields: Mapping[str, str]) -> MultipartForm:
    """Encode `audio` (mu-law) as `file`, with `fields` and `response_format`; values have no line ends."""
    boundary = f"voicestt-{secrets.token_hex(16)}"
    parts = [
        _part(boundary, f'name="{name}"', value.encode())
        for name, value in {**fields, "response_format": "json"}.items()
    ]
    recording = b"Content-Type: audio/wav\r\n"
    parts.append(_part(boundary, 'name="file"; filename="utterance.wav"', wav_of(audio), recording))
    parts.append(f"--{boundary}--\r\n".encode())
    return MultipartForm(f"multipart/form-data; boundary={boundary}", b"".join(parts))


def wav_of(audio: bytes) -> bytes:
    """Make a WAV file (LINEAR16, 8 kHz, mono) of mu-law `audio`."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(mulaw.BYTES_PER_SECOND)
        writer.writeframes(mulaw.decode(audio))
    return file.getvalue()


def _part(boundary: str, names: str, content: bytes, more_headers: bytes = b"") -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {names}\r\n".encode()
    return b"".join([head, more_headers, b"\r\n", content, b"\r\n"])


def _text_in(body: bytes) -> str | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    text = answer.get("text") if isinstance(answer, dict) else None
    return text if isinstance(text, str) else None


def _words(problem: Exception) -> str:
    reasons = getattr(problem, "reasons", None)
    cause = reasons[0].value if reasons else problem
    return f"{type(cause).__name__}: {cause}"[:_LONGEST_PROBLEM]


def _is_broken_off(problem: Exception) -> bool:
    """Return True if the connection ended before the answer did, and not because it was given up here."""
    causes = [reason.value for reason in getattr(problem, "reasons", [])] or [problem]
    if any(isinstance(cause, CancelledError) for cause in causes):
        return False
    return any(isinstance(cause, ConnectionAborted | ConnectionDone | ConnectionLost) for cause in causes)
