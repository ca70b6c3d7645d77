"""The two versions of the API, `google.cloud.speech.v1` and `v2`: the same service in other messages.

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
    """One version: its messages, where in them is what, and its own words."""

    version: str
    service: str
    wording: Wording
    StreamingRequest: Any
    StreamingResponse: Any
    RecogniseRequest: Any
    RecogniseResponse: Any

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """This version's own limits."""
        ...

    def kind(self, message: Any) -> MessageKind:
        """What a message of a stream holds."""
        ...

    def audio(self, message: Any) -> bytes:
        """A streaming message's audio."""
        ...

    def streaming_asked(self, message: Any) -> AcceptedConfig:
        """A stream's configuration; raises `Refusal`."""
        ...

    def recording(self, request: Any) -> bytes:
        """The audio of Recognize."""
        ...

    def recognise_asked(self, request: Any) -> AcceptedConfig:
        """The configuration of Recognize; raises `Refusal`."""
        ...

    def end_time(self, result: Any) -> Any:
        """The Duration that says where a result ends."""
        ...

    def word_times(self, word: Any) -> tuple[Any, Any]:
        """The Durations that say where a word starts and ends."""
        ...

    def billed(self, response: Any) -> Any:
        """The Duration that says what is billed."""
        ...

    def in_band_error(self, code: Code, words: str) -> Any:
        """An error as a response; raises `Refusal` where the version has none."""
        ...


class ServiceV1:
    """`google.cloud.speech.v1`."""

    version = "v1"
    service = "google.cloud.speech.v1.Speech"
    wording = V1_WORDING
    StreamingRequest: Any = v1.StreamingRecognizeRequest.pb()
    StreamingResponse: Any = v1.StreamingRecognizeResponse.pb()
    RecogniseRequest: Any = v1.RecognizeRequest.pb()
    RecogniseResponse: Any = v1.RecognizeResponse.pb()

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """See Dialect."""
        return limits

    def kind(self, message: Any) -> MessageKind:
        """See Dialect."""
        return _kind(message, message.audio_content)

    def audio(self, message: Any) -> bytes:
        """See Dialect."""
        content: bytes = message.audio_content
        return content

    def streaming_asked(self, message: Any) -> AcceptedConfig:
        """See Dialect."""
        return asked.v1_streaming(message.streaming_config)

    def recording(self, request: Any) -> bytes:
        """See Dialect."""
        content: bytes = request.audio.content
        return content

    def recognise_asked(self, request: Any) -> AcceptedConfig:
        """See Dialect."""
        return asked.v1(request.config)

    def end_time(self, result: Any) -> Any:
        """See Dialect."""
        return result.result_end_time

    def word_times(self, word: Any) -> tuple[Any, Any]:
        """See Dialect."""
        return word.start_time, word.end_time

    def billed(self, response: Any) -> Any:
        """See Dialect."""
        return response.total_billed_time

    def in_band_error(self, code: Code, words: str) -> Any:
        """See Dialect."""
        response = self.StreamingResponse()
        response.error.code = int(code)
        response.error.message = words
        return response


class ServiceV2:
    """`google.cloud.speech.v2`, with the recogniser `_` and a configuration in the request."""

    version = "v2"
    service = "google.cloud.speech.v2.Speech"
    wording = V2_WORDING
    StreamingRequest: Any = v2.StreamingRecognizeRequest.pb()
    StreamingResponse: Any = v2.StreamingRecognizeResponse.pb()
    RecogniseRequest: Any = v2.RecognizeRequest.pb()
    RecogniseResponse: Any = v2.RecognizeResponse.pb()

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """See Dialect."""
        return replace(limits, stream_seconds=min(limits.stream_seconds, V2_STREAM_SECONDS))

    def kind(self, message: Any) -> MessageKind:
        """See Dialect."""
        return _kind(message, message.audio)

    def audio(self, message: Any) -> bytes:
        """See Dialect."""
        content: bytes = message.audio
        return content

    def streaming_asked(self, message: Any) -> AcceptedConfig:
        """See Dialect."""
        return asked.v2_streaming(message.recognizer, message.streaming_config)

    def recording(self, request: Any) -> bytes:
        """See Dialect."""
        content: bytes = request.content
        return content

    def recognise_asked(self, request: Any) -> AcceptedConfig:
        """See Dialect."""
        return asked.v2(request.recognizer, request.config)

    def end_time(self, result: Any) -> Any:
        """See Dialect."""
        return result.result_end_offset

    def word_times(self, word: Any) -> tuple[Any, Any]:
        """See Dialect."""
        return word.start_offset, word.end_offset

    def billed(self, response: Any) -> Any:
        """See Dialect."""
        return response.metadata.total_billed_duration

    def in_band_error(self, code: Code, words: str) -> Any:
        """See Dialect."""
        raise Refusal(code, words)


def _kind(message: Any, audio: bytes) -> MessageKind:
    """Audio without a byte in it counts as nothing."""
    if message.WhichOneof("streaming_request") == "streaming_config":
        return MessageKind.CONFIG
    return MessageKind.AUDIO if audio else MessageKind.NOTHING


DIALECTS: tuple[ServiceVersion, ...] = (ServiceV1(), ServiceV2())
