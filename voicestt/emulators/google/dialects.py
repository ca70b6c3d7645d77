"""The messages of the API's two versions, `google.cloud.speech.v1` and `v2`, behind one interface.

Everything here is raw protobuf (`Type.pb()`): proto-plus wrappers cost ten times as much to read.
"""

from dataclasses import replace
from typing import Any, Protocol

from google.cloud.speech_v1.types import cloud_speech as v1
from google.cloud.speech_v2.types import cloud_speech as v2

from voicestt.emulators.google import asked
from voicestt.emulators.google.asked import AcceptedConfig
from voicestt.emulators.google.limits import (
    V1_WORDING,
    V2_STREAM_SECONDS,
    V2_WORDING,
    Code,
    MessageKind,
    Refusal,
    ServiceLimits,
    Wording,
)


class ServiceVersion(Protocol):
    """One version of the API: its messages, access to their fields, and its own wording."""

    version: str
    service: str
    wording: Wording
    StreamingRequest: Any
    StreamingResponse: Any
    RecogniseRequest: Any
    RecogniseResponse: Any

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """Applies this version's own limits to `limits`."""
        ...

    def kind(self, message: Any) -> MessageKind:
        """Tells the kind of a message of a stream."""
        ...

    def audio(self, message: Any) -> bytes:
        """Reads a streaming message's audio."""
        ...

    def streaming_asked(self, message: Any) -> AcceptedConfig:
        """Reads a stream's configuration; raises `Refusal`."""
        ...

    def recording(self, request: Any) -> bytes:
        """Reads the audio of a Recognize request."""
        ...

    def recognise_asked(self, request: Any) -> AcceptedConfig:
        """Reads the configuration of a Recognize request; raises `Refusal`."""
        ...

    def end_time(self, result: Any) -> Any:
        """The Duration with the end time of a result."""
        ...

    def word_times(self, word: Any) -> tuple[Any, Any]:
        """The Durations with the start and end times of a word."""
        ...

    def billed(self, response: Any) -> Any:
        """The Duration with the billed time of a response."""
        ...

    def in_band_error(self, code: Code, words: str) -> Any:
        """Builds a response that carries an error; raises `Refusal` where the version has none."""
        ...


class ServiceV1:
    """The version `google.cloud.speech.v1`."""

    version = "v1"
    service = "google.cloud.speech.v1.Speech"
    wording = V1_WORDING
    StreamingRequest: Any = v1.StreamingRecognizeRequest.pb()
    StreamingResponse: Any = v1.StreamingRecognizeResponse.pb()
    RecogniseRequest: Any = v1.RecognizeRequest.pb()
    RecogniseResponse: Any = v1.RecognizeResponse.pb()

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """Implements `ServiceVersion.limits`."""
        return limits

    def kind(self, message: Any) -> MessageKind:
        """Implements `ServiceVersion.kind`."""
        return _kind(message, message.audio_content)

    def audio(self, message: Any) -> bytes:
        """Implements `ServiceVersion.audio`."""
        content: bytes = message.audio_content
        return content

    def streaming_asked(self, message: Any) -> AcceptedConfig:
        """Implements `ServiceVersion.streaming_asked`."""
        return asked.v1_streaming(message.streaming_config)

    def recording(self, request: Any) -> bytes:
        """Implements `ServiceVersion.recording`."""
        content: bytes = request.audio.content
        return content

    def recognise_asked(self, request: Any) -> AcceptedConfig:
        """Implements `ServiceVersion.recognise_asked`."""
        return asked.v1(request.config)

    def end_time(self, result: Any) -> Any:
        """Implements `ServiceVersion.end_time`."""
        return result.result_end_time

    def word_times(self, word: Any) -> tuple[Any, Any]:
        """Implements `ServiceVersion.word_times`."""
        return word.start_time, word.end_time

    def billed(self, response: Any) -> Any:
        """Implements `ServiceVersion.billed`."""
        return response.total_billed_time

    def in_band_error(self, code: Code, words: str) -> Any:
        """Implements `ServiceVersion.in_band_error`."""
        response = self.StreamingResponse()
        response.error.code = int(code)
        response.error.message = words
        return response


class ServiceV2:
    """The version `google.cloud.speech.v2`, with the recogniser `_` and a configuration in the request."""

    version = "v2"
    service = "google.cloud.speech.v2.Speech"
    wording = V2_WORDING
    StreamingRequest: Any = v2.StreamingRecognizeRequest.pb()
    StreamingResponse: Any = v2.StreamingRecognizeResponse.pb()
    RecogniseRequest: Any = v2.RecognizeRequest.pb()
    RecogniseResponse: Any = v2.RecognizeResponse.pb()

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """Implements `ServiceVersion.limits`."""
        return replace(limits, stream_seconds=min(limits.stream_seconds, V2_STREAM_SECONDS))

    def kind(self, message: Any) -> MessageKind:
        """Implements `ServiceVersion.kind`."""
        return _kind(message, message.audio)

    def audio(self, message: Any) -> bytes:
        """Implements `ServiceVersion.audio`."""
        content: bytes = message.audio
        return content

    def streaming_asked(self, message: Any) -> AcceptedConfig:
        """Implements `ServiceVersion.streaming_asked`."""
        return asked.v2_streaming(message.recognizer, message.streaming_config)

    def recording(self, request: Any) -> bytes:
        """Implements `ServiceVersion.recording`."""
        content: bytes = request.content
        return content

    def recognise_asked(self, request: Any) -> AcceptedConfig:
        """Implements `ServiceVersion.recognise_asked`."""
        return asked.v2(request.recognizer, request.config)

    def end_time(self, result: Any) -> Any:
        """Implements `ServiceVersion.end_time`."""
        return result.result_end_offset

    def word_times(self, word: Any) -> tuple[Any, Any]:
        """Implements `ServiceVersion.word_times`."""
        return word.start_offset, word.end_offset

    def billed(self, response: Any) -> Any:
        """Implements `ServiceVersion.billed`."""
        return response.metadata.total_billed_duration

    def in_band_error(self, code: Code, words: str) -> Any:
        """Implements `ServiceVersion.in_band_error`."""
        raise Refusal(code, words)


def _kind(message: Any, audio: bytes) -> MessageKind:
    """Tells a message's kind; audio without a byte in it counts as nothing."""
    if message.WhichOneof("streaming_request") == "streaming_config":
        return MessageKind.CONFIG
    return MessageKind.AUDIO if audio else MessageKind.NOTHING


DIALECTS: tuple[ServiceVersion, ...] = (ServiceV1(), ServiceV2())
