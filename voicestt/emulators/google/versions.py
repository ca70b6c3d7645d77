"""The messages of the API's two versions, `google.cloud.speech.v1` and `v2`, behind one interface.

Everything here is raw protobuf (`Type.pb()`): proto-plus wrappers cost ten times as much to read.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from google.cloud.speech_v1.types import cloud_speech as v1
from google.cloud.speech_v2.types import cloud_speech as v2

from voicestt.emulators.google import client_config
from voicestt.emulators.google.client_config import AcceptedConfig
from voicestt.emulators.google.limits import (
    NO_STORAGE,
    V1_WORDING,
    V2_STREAM_SECONDS,
    V2_WORDING,
    Code,
    MessageKind,
    Refusal,
    ServiceLimits,
    Wording,
)
from voicestt.emulators.google.recognizers import Recognizers, location_of
from voicestt.emulators.google.speech_activity import SpeechEventKind


class ServiceVersion(ABC):
    """One version of the API: its messages, access to their fields, and its own wording."""

    version: ClassVar[str]
    service: ClassVar[str]
    wording: ClassVar[Wording]
    StreamingRequest: ClassVar[Any]
    StreamingResponse: ClassVar[Any]
    RecogniseRequest: ClassVar[Any]
    RecogniseResponse: ClassVar[Any]
    speech_events: ClassVar[frozenset[SpeechEventKind]]
    words_accumulate: ClassVar[bool]
    """With diarisation each result has all words of the audio so far."""
    _audio_field: ClassVar[str]
    _event_field: ClassVar[str]
    _end_field: ClassVar[str]
    _word_fields: ClassVar[tuple[str, str]]

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """Apply this version's own limits to `limits`."""
        return limits

    def kind(self, message: Any) -> MessageKind:
        """Return the kind of a message of a stream; audio without a byte in it counts as nothing."""
        if message.WhichOneof("streaming_request") == "streaming_config":
            return MessageKind.CONFIG
        return MessageKind.AUDIO if self.audio(message) else MessageKind.NOTHING

    def audio(self, message: Any) -> bytes:
        """Read a streaming message's audio."""
        content: bytes = getattr(message, self._audio_field)
        return content

    @abstractmethod
    def streaming_config(self, message: Any) -> AcceptedConfig:
        """Read a stream's configuration; raises `Refusal`."""

    @abstractmethod
    def recording(self, request: Any) -> bytes:
        """Read the audio of a request with a recording; raises `Refusal`."""

    @abstractmethod
    def recognise_config(self, request: Any) -> AcceptedConfig:
        """Read the configuration of a Recognize request; raises `Refusal`."""

    def end_time(self, result: Any) -> Any:
        """Return the Duration with the end time of a result."""
        return getattr(result, self._end_field)

    def event_time(self, response: Any) -> Any:
        """Return the Duration with the time of a response's speech event."""
        return getattr(response, self._event_field)

    def word_times(self, word: Any) -> tuple[Any, Any]:
        """Return the Durations with the start and end times of a word."""
        start, end = self._word_fields
        return getattr(word, start), getattr(word, end)

    def label(self, word: Any, speaker: int) -> None:
        """Say who spoke a word."""
        word.speaker_label = str(speaker)

    @abstractmethod
    def identify(self, response: Any, request_id: int) -> None:
        """Put the request's id into a response."""

    @abstractmethod
    def billed(self, response: Any) -> Any:
        """Return the Duration with the billed time of a response."""

    def in_band_error(self, code: Code, details: str) -> Any:
        """Make a response that carries an error; raises `Refusal` where the version has none."""
        raise Refusal(code, details)


class ServiceV1(ServiceVersion):
    """The version `google.cloud.speech.v1`."""

    version = "v1"
    service = "google.cloud.speech.v1.Speech"
    wording = V1_WORDING
    StreamingRequest = v1.StreamingRecognizeRequest.pb()
    StreamingResponse = v1.StreamingRecognizeResponse.pb()
    RecogniseRequest = v1.RecognizeRequest.pb()
    RecogniseResponse = v1.RecognizeResponse.pb()
    speech_events = frozenset(SpeechEventKind)
    words_accumulate = True
    _audio_field = "audio_content"
    _event_field = "speech_event_time"
    _end_field = "result_end_time"
    _word_fields = ("start_time", "end_time")

    def streaming_config(self, message: Any) -> AcceptedConfig:
        """Read a stream's configuration; raises `Refusal`."""
        return client_config.v1_streaming(message.streaming_config)

    def recording(self, request: Any) -> bytes:
        """Read the audio of a request with a recording; raises `Refusal`."""
        if request.audio.uri:
            raise Refusal(Code.UNIMPLEMENTED, NO_STORAGE)
        content: bytes = request.audio.content
        return content

    def recognise_config(self, request: Any) -> AcceptedConfig:
        """Read the configuration of a Recognize request; raises `Refusal`."""
        return client_config.v1(request.config, head=request.audio.content[:4])

    def label(self, word: Any, speaker: int) -> None:
        """Say who spoke a word, by the label and by the tag that v1 had before."""
        super().label(word, speaker)
        word.speaker_tag = speaker

    def identify(self, response: Any, request_id: int) -> None:
        """Put the request's id into a response."""
        response.request_id = request_id

    def billed(self, response: Any) -> Any:
        """Return the Duration with the billed time of a response."""
        return response.total_billed_time

    def in_band_error(self, code: Code, details: str) -> Any:
        """Make a response that carries an error."""
        response = self.StreamingResponse()
        response.error.code = int(code)
        response.error.message = details
        return response


class ServiceV2(ServiceVersion):
    """The version `google.cloud.speech.v2`, whose requests name a recognizer of those that are kept, or `_`."""

    version = "v2"
    service = "google.cloud.speech.v2.Speech"
    wording = V2_WORDING
    StreamingRequest = v2.StreamingRecognizeRequest.pb()
    StreamingResponse = v2.StreamingRecognizeResponse.pb()
    RecogniseRequest = v2.RecognizeRequest.pb()
    RecogniseResponse = v2.RecognizeResponse.pb()
    speech_events = frozenset(SpeechEventKind) - {SpeechEventKind.SPEECH_ACTIVITY_TIMEOUT}
    words_accumulate = False
    _audio_field = "audio"
    _event_field = "speech_event_offset"
    _end_field = "result_end_offset"
    _word_fields = ("start_offset", "end_offset")

    def __init__(self, recognizers: Recognizers | None = None) -> None:
        self._recognizers = recognizers or Recognizers()

    def limits(self, limits: ServiceLimits) -> ServiceLimits:
        """Apply this version's own limits to `limits`."""
        return replace(limits, stream_seconds=min(limits.stream_seconds, V2_STREAM_SECONDS))

    def streaming_config(self, message: Any) -> AcceptedConfig:
        """Read a stream's configuration; raises `Refusal`."""
        asked = message.streaming_config
        config = self._recognizers.config_of(message.recognizer, asked.config, asked.config_mask)
        return client_config.v2_streaming(location_of(message.recognizer), config, asked.streaming_features)

    def recording(self, request: Any) -> bytes:
        """Read the audio of a request with a recording; raises `Refusal`."""
        if request.uri:
            raise Refusal(Code.UNIMPLEMENTED, NO_STORAGE)
        content: bytes = request.content
        return content

    def recognise_config(self, request: Any) -> AcceptedConfig:
        """Read the configuration of a Recognize request; raises `Refusal`."""
        config = self._recognizers.config_of(request.recognizer, request.config, request.config_mask)
        return client_config.v2(location_of(request.recognizer), config)

    def identify(self, response: Any, request_id: int) -> None:
        """Put the request's id into a response; v2's are UUIDs."""
        response.metadata.request_id = str(UUID(int=request_id))

    def billed(self, response: Any) -> Any:
        """Return the Duration with the billed time of a response."""
        return response.metadata.total_billed_duration
