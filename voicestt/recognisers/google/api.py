"""The differences between Google's API v1 and v2: method names, messages, and the places of their fields."""

from typing import Any, Protocol

Metadata = tuple[tuple[str, str], ...]


def serialised(message: Any) -> bytes:
    """Serialise a raw protobuf message."""
    data: bytes = message.SerializeToString()
    return data


def field_of(message: Any, name: str) -> Any:
    """Return a message field of a raw protobuf message, or None if it is not set."""
    return getattr(message, name) if message.HasField(name) else None


class ApiVersion(Protocol):
    """One version of the API. All messages are raw protobuf, audio is LINEAR16, 8 kHz, mono."""

    @property
    def stream_method(self) -> str:
        """The gRPC path of StreamingRecognize."""
        ...

    @property
    def recognise_method(self) -> str:
        """The gRPC path of Recognize."""
        ...

    @property
    def metadata(self) -> Metadata:
        """The gRPC metadata of each call."""
        ...

    @property
    def spare_model(self) -> str:
        """The model to fall back to when Google refuses the one that was asked for."""
        ...

    def config(self, language: str, model: str, *, punctuation: bool, word_times: bool) -> Any:
        """Make a RecognitionConfig."""
        ...

    def opening(self, config: Any) -> bytes:
        """Make a stream's first message, which asks for partials."""
        ...

    def audio(self, pcm: bytes) -> bytes:
        """Make a message with audio: every message of a stream but the first."""
        ...

    def utterance(self, config: Any, pcm: bytes) -> bytes:
        """Make a RecognizeRequest."""
        ...

    def response(self, message: bytes) -> Any:
        """Parse a StreamingRecognizeResponse."""
        ...

    def answer(self, message: bytes) -> Any:
        """Parse a RecognizeResponse."""
        ...

    def end_of(self, portion: Any) -> Any:
        """Return the Duration from the stream's start to the end of a StreamingRecognitionResult."""
        ...

    def times_of(self, word: Any) -> tuple[Any, Any]:
        """Return the Durations from the audio's start to a word's start and end; None for one that it lacks."""
        ...

    def trouble_in(self, response: Any) -> Any:
        """Return the google.rpc.Status inside a StreamingRecognizeResponse, or None."""
        ...
