"""The differences between Google's API v1 and v2: method names, messages, and the places of their fields.

Source: google/cloud/speech/v1/cloud_speech.proto and google/cloud/speech/v2/cloud_speech.proto.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from google.api_core.gapic_v1 import routing_header
from google.cloud.speech_v1 import types as v1
from google.cloud.speech_v2 import types as v2

from voicestt.audio import mulaw
from voicestt.recognisers.google.extras import add_streaming_v1, add_streaming_v2, add_v1, add_v2
from voicestt.recognisers.google.features import NOTHING, Extras

Metadata = tuple[tuple[str, str], ...]


class ApiVersion(ABC):
    """One version of the API. All messages are raw protobuf, audio is LINEAR16, 8 kHz, mono."""

    __slots__ = ()

    service: ClassVar[str]
    spare_model: ClassVar[str]
    """The model to fall back to when Google refuses the one that was asked for."""

    _stream_request: ClassVar[Any]
    _stream_response: ClassVar[Any]
    _response: ClassVar[Any]
    _audio_field: ClassVar[str]
    _end_field: ClassVar[str]
    _word_fields: ClassVar[tuple[str, str]]

    @property
    def stream_method(self) -> str:
        """The gRPC path of StreamingRecognize."""
        return f"/{self.service}/StreamingRecognize"

    @property
    def recognise_method(self) -> str:
        """The gRPC path of Recognize."""
        return f"/{self.service}/Recognize"

    @property
    def metadata(self) -> Metadata:
        """The gRPC metadata of each call."""
        return ()

    @abstractmethod
    def config(self, language: str, model: str, *, punctuation: bool, word_times: bool) -> Any:
        """Make a RecognitionConfig."""

    @abstractmethod
    def add_extras(self, config: Any, extras: Extras) -> None:
        """Put optional features into a RecognitionConfig."""

    @abstractmethod
    def opening(self, config: Any, extras: Extras = NOTHING) -> bytes:
        """Make a stream's first message, which asks for partials."""

    def audio(self, pcm: bytes) -> bytes:
        """Make a message with audio: every message of a stream but the first."""
        return _serialised(self._stream_request(**{self._audio_field: pcm}))

    @abstractmethod
    def utterance(self, config: Any, pcm: bytes) -> bytes:
        """Make a RecognizeRequest."""

    def response(self, message: bytes) -> Any:
        """Parse a StreamingRecognizeResponse."""
        return self._stream_response.FromString(message)

    def answer(self, message: bytes) -> Any:
        """Parse a RecognizeResponse."""
        return self._response.FromString(message)

    def end_of(self, portion: Any) -> Any:
        """Return the Duration from the stream's start to the end of a StreamingRecognitionResult."""
        return getattr(portion, self._end_field)

    def times_of(self, word: Any) -> tuple[Any, Any]:
        """Return the Durations from the audio's start to a word's start and end; None for one that it lacks."""
        start, end = self._word_fields
        return _field_of(word, start), _field_of(word, end)

    def trouble_in(self, _response: Any) -> Any:
        """Return the google.rpc.Status inside a StreamingRecognizeResponse, or None."""
        return None


@dataclass(frozen=True, slots=True)
class ApiV1(ApiVersion):
    """The API v1: a request names no project, and an error may lie inside a response."""

    service = "google.cloud.speech.v1.Speech"
    spare_model = "default"
    _stream_request = v1.StreamingRecognizeRequest.pb()
    _stream_response = v1.StreamingRecognizeResponse.pb()
    _response = v1.RecognizeResponse.pb()
    _audio_field = "audio_content"
    _end_field = "result_end_time"
    _word_fields = ("start_time", "end_time")

    def config(self, language: str, model: str, *, punctuation: bool, word_times: bool) -> Any:
        """Make a RecognitionConfig."""
        return v1.RecognitionConfig.pb()(
            encoding=int(v1.RecognitionConfig.AudioEncoding.LINEAR16),
            sample_rate_hertz=mulaw.BYTES_PER_SECOND,
            language_code=language,
            model=model,
            enable_automatic_punctuation=punctuation,
            enable_word_time_offsets=word_times,
        )

    def add_extras(self, config: Any, extras: Extras) -> None:
        """Put optional features into a RecognitionConfig."""
        add_v1(config, extras)

    def opening(self, config: Any, extras: Extras = NOTHING) -> bytes:
        """Make a stream's first message, which asks for partials."""
        request = self._stream_request(streaming_config={"config": config, "interim_results": True})
        add_streaming_v1(request.streaming_config, extras)
        return _serialised(request)

    def utterance(self, config: Any, pcm: bytes) -> bytes:
        """Make a RecognizeRequest."""
        return _serialised(v1.RecognizeRequest.pb()(config=config, audio={"content": pcm}))

    def trouble_in(self, response: Any) -> Any:
        """Return the google.rpc.Status inside a StreamingRecognizeResponse, or None."""
        return response.error if response.error.code else None


@dataclass(frozen=True, slots=True)
class ApiV2(ApiVersion):
    """The API v2: each request names a project's recogniser in a location; `_` is the one without settings."""

    project: str
    location: str = "global"

    service = "google.cloud.speech.v2.Speech"
    spare_model = "long"
    _stream_request = v2.StreamingRecognizeRequest.pb()
    _stream_response = v2.StreamingRecognizeResponse.pb()
    _response = v2.RecognizeResponse.pb()
    _audio_field = "audio"
    _end_field = "result_end_offset"
    _word_fields = ("start_offset", "end_offset")

    @property
    def recogniser(self) -> str:
        """The recogniser's resource name."""
        return f"projects/{self.project}/locations/{self.location}/recognizers/_"

    @property
    def metadata(self) -> Metadata:
        """The gRPC metadata of each call: Google's front end routes it by the recogniser's name."""
        return (routing_header.to_grpc_metadata([("recognizer", self.recogniser)]),)

    def config(self, language: str, model: str, *, punctuation: bool, word_times: bool) -> Any:
        """Make a RecognitionConfig."""
        return v2.RecognitionConfig.pb()(
            explicit_decoding_config={
                "encoding": int(v2.ExplicitDecodingConfig.AudioEncoding.LINEAR16),
                "sample_rate_hertz": mulaw.BYTES_PER_SECOND,
                "audio_channel_count": 1,
            },
            language_codes=[language],
            model=model,
            features={"enable_automatic_punctuation": punctuation, "enable_word_time_offsets": word_times},
        )

    def add_extras(self, config: Any, extras: Extras) -> None:
        """Put optional features into a RecognitionConfig."""
        add_v2(config, extras)

    def opening(self, config: Any, extras: Extras = NOTHING) -> bytes:
        """Make a stream's first message, which asks for partials."""
        streaming_config = {"config": config, "streaming_features": {"interim_results": True}}
        request = self._stream_request(recognizer=self.recogniser, streaming_config=streaming_config)
        add_streaming_v2(request.streaming_config, extras)
        return _serialised(request)

    def utterance(self, config: Any, pcm: bytes) -> bytes:
        """Make a RecognizeRequest."""
        return _serialised(v2.RecognizeRequest.pb()(recognizer=self.recogniser, config=config, content=pcm))


GOOGLE_V1: Final = ApiV1()


def _serialised(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _field_of(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None
