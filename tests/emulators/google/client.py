"""The real Google client library against the local service: what the tests of this folder speak with."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.cloud.speech_v1.services.speech.transports.grpc import SpeechGrpcTransport
from google.cloud.speech_v1.types import cloud_speech

SILENCE = b"\x01\x00" * 1_200
"""150 ms of nearly nothing in LINEAR16: uncoded audio."""


def config(language: str = "iw-IL", encoding: str = "LINEAR16", **settings: Any) -> Any:
    """A RecognitionConfig as the client library writes it."""
    return cloud_speech.RecognitionConfig(
        encoding=encoding, language_code=language, **{"sample_rate_hertz": 8_000, **settings}
    )


def begin(recognition: Any = None, **settings: Any) -> Any:
    """The first message of a stream."""
    streaming = cloud_speech.StreamingRecognitionConfig(
        config=config() if recognition is None else recognition, **{"interim_results": True, **settings}
    )
    return cloud_speech.StreamingRecognizeRequest(streaming_config=streaming)


def audio(content: bytes) -> Any:
    """A message of audio."""
    return cloud_speech.StreamingRecognizeRequest(audio_content=content)


def cut(pcm: bytes, size: int = 2_400) -> list[bytes]:
    """`pcm` in messages of `size` bytes."""
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


@dataclass(frozen=True)
class Refused:
    """The status of a call that did not end well."""

    code: str
    words: str


def refused(error: grpc.RpcError) -> Refused:
    """The status behind an exception of the client."""
    return Refused(error.code().name, error.details() or "")


@contextlib.contextmanager
def transport(target: str, **options: int) -> Iterator[Any]:
    """The library's own transport on an insecure channel."""
    channel = grpc.insecure_channel(target, list(options.items()))
    with channel:
        yield SpeechGrpcTransport(channel=channel)


def stream(speech: Any, messages: Iterable[Any]) -> list[Any] | Refused:
    """All responses of one stream, or how it was refused."""
    try:
        return list(speech.streaming_recognize(iter(messages), timeout=20))
    except grpc.RpcError as error:
        return refused(error)


def recognise(speech: Any, content: bytes, recognition: Any = None) -> Any:
    """The response of Recognize, or how it was refused."""
    request = cloud_speech.RecognizeRequest(
        config=recognition or config(), audio=cloud_speech.RecognitionAudio(content=content)
    )
    try:
        return speech.recognize(request, timeout=20)
    except grpc.RpcError as error:
        return refused(error)


def finals(responses: list[Any]) -> list[str]:
    """The texts of the finals, in order."""
    return [
        result.alternatives[0].transcript
        for response in responses
        for result in response.results
        if result.is_final
    ]


def words(results: Any) -> list[tuple[str, float, float]]:
    """All words of some results of v1's, with their times in seconds."""
    return [
        (word.word, word.start_time.total_seconds(), word.end_time.total_seconds())
        for result in results
        for word in result.alternatives[0].words
    ]


def partials(responses: list[Any]) -> list[str]:
    """The text each response shows as a partial: its interim results, joined."""
    shown = [
        "".join(result.alternatives[0].transcript for result in response.results if not result.is_final)
        for response in responses
    ]
    return [text for text in shown if text]
