"""What differs between Google's API v1 and v2: names, messages, and where in them is what."""

from typing import Any, Protocol

Metadata = tuple[tuple[str, str], ...]


def serialised(message: Any) -> bytes:
    """A raw protobuf message as bytes."""
    data: bytes = message.SerializeToString()
    return data


def field_of(message: Any, name: str) -> Any:
    """A message inside a raw protobuf message, or None where it is not set."""
    return getattr(message, name) if message.HasField(name) else None


class ApiVersion(Protocol):
    """One version of the API. All messages are raw protobuf, audio is LINEAR16, 8 kHz, mono."""

    @property
    def stream_method(self) -> str:
        """gRPC's path of StreamingRecognize."""
        ...

    @property
    def recognise_method(self) -> str:
        """gRPC's path of Recognize."""
        ...

    @property
    def metadata(self) -> Metadata:
        """What goes with each call."""
        ...

    @property
    def spare_model(self) -> str:
        """The model that is tried where the one that was asked for is refused."""
        ...

    def config(self, language: str, model: str, *, punctuation: bool, word_times: bool) -> Any:
        """A RecognitionConfig."""
        ...

    def opening(self, config: Any) -> bytes:
        """A stream's first message; partials are asked for."""
        ...

    def audio(self, pcm: bytes) -> bytes:
        """Every other message of a stream."""
        ...

    def utterance(self, config: Any, pcm: bytes) -> bytes:
        """The request of Recognize."""
        ...

    def response(self, message: bytes) -> Any:
        """A StreamingRecognizeResponse."""
        ...

    def answer(self, message: bytes) -> Any:
        """A RecognizeResponse."""
        ...

    def end_of(self, portion: Any) -> Any:
        """The Duration from the stream's start to the end of a StreamingRecognitionResult."""
        ...

    def times_of(self, word: Any) -> tuple[Any, Any]:
        """The Durations from the audio's start to a WordInfo's start and its end; None for one that it lacks."""
        ...

    def trouble_in(self, response: Any) -> Any:
        """The google.rpc.Status inside a StreamingRecognizeResponse, or None."""
        ...
