"""Google's own Python clients, unchanged, on a plaintext channel to the local service."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import grpc
from google.cloud import speech_v1, speech_v2
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport as TransportV1
from google.cloud.speech_v2.services.speech.transports import SpeechGrpcTransport as TransportV2

RECOGNIZER = "projects/p/locations/global/recognizers/_"


@contextlib.contextmanager
def client_v1(target: str) -> Iterator[speech_v1.SpeechClient]:
    """The client of v1."""
    with grpc.insecure_channel(target) as channel:
        yield speech_v1.SpeechClient(transport=TransportV1(channel=channel))


@contextlib.contextmanager
def client_v2(target: str) -> Iterator[speech_v2.SpeechClient]:
    """The client of v2."""
    with grpc.insecure_channel(target) as channel:
        yield speech_v2.SpeechClient(transport=TransportV2(channel=channel))


def config_v1(rate: int = 8_000, encoding: str = "LINEAR16", **settings: Any) -> speech_v1.RecognitionConfig:
    """A configuration of v1."""
    return speech_v1.RecognitionConfig(
        **{"encoding": encoding, "sample_rate_hertz": rate, "language_code": "en-US", **settings}
    )


def config_v2(rate: int = 8_000, encoding: str = "LINEAR16", **settings: Any) -> speech_v2.RecognitionConfig:
    """A configuration of v2; rate 0: the audio says it."""
    decoding: dict[str, Any] = (
        {
            "explicit_decoding_config": speech_v2.ExplicitDecodingConfig(
                encoding=encoding, sample_rate_hertz=rate, audio_channel_count=1
            )
        }
        if rate
        else {"auto_decoding_config": speech_v2.AutoDetectDecodingConfig()}
    )
    return speech_v2.RecognitionConfig(**decoding, **{"language_codes": ["en-US"], "model": "long", **settings})


def stream_v1(
    client: speech_v1.SpeechClient, pieces: Iterable[bytes], config: Any = None, **settings: Any
) -> list[Any]:
    """All responses of v1's streaming_recognize, called as Google's samples call it."""
    streaming = speech_v1.StreamingRecognitionConfig(
        config=config_v1() if config is None else config, **{"interim_results": True, **settings}
    )
    requests = (speech_v1.StreamingRecognizeRequest(audio_content=piece) for piece in pieces)
    with_helpers: Any = client  # its types are those of the generated part
    return list(with_helpers.streaming_recognize(config=streaming, requests=requests, timeout=20))


def stream_v2(
    client: speech_v2.SpeechClient,
    pieces: Iterable[bytes],
    config: Any = None,
    recognizer: str = RECOGNIZER,
    **features: Any,
) -> list[Any]:
    """All responses of v2's streaming_recognize."""
    streaming = speech_v2.StreamingRecognitionConfig(
        config=config_v2() if config is None else config,
        streaming_features=speech_v2.StreamingRecognitionFeatures(**{"interim_results": True, **features}),
    )

    def requests() -> Iterator[speech_v2.StreamingRecognizeRequest]:
        yield speech_v2.StreamingRecognizeRequest(recognizer=recognizer, streaming_config=streaming)
        yield from (speech_v2.StreamingRecognizeRequest(audio=piece) for piece in pieces)

    return list(client.streaming_recognize(requests=requests(), timeout=20))


def recognise_v1(client: speech_v1.SpeechClient, content: bytes, config: Any = None) -> Any:
    """The response of v1's recognize."""
    audio = speech_v1.RecognitionAudio(content=content)
    return client.recognize(config=config_v1() if config is None else config, audio=audio, timeout=20)


def recognise_v2(
    client: speech_v2.SpeechClient, content: bytes, config: Any = None, recognizer: str = RECOGNIZER
) -> Any:
    """The response of v2's recognize."""
    asked = config_v2() if config is None else config
    request = speech_v2.RecognizeRequest(recognizer=recognizer, config=asked, content=content)
    return client.recognize(request=request, timeout=20)
