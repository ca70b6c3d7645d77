"""Google's API v1. Source: google/cloud/speech/v1/cloud_speech.proto."""

from dataclasses import dataclass
from typing import Any, Final

from google.cloud.speech_v1 import types

from voicestt.audio import mulaw
from voicestt.recognisers.google.api import Metadata, field_of, serialised

_SERVICE = "/google.cloud.speech.v1.Speech/"
_Request = types.StreamingRecognizeRequest.pb()
_Response = types.StreamingRecognizeResponse.pb()
_Utterance = types.RecognizeRequest.pb()
_Answer = types.RecognizeResponse.pb()
_Config = types.RecognitionConfig.pb()
_StreamConfig = types.StreamingRecognitionConfig.pb()
_LINEAR16 = int(types.RecognitionConfig.AudioEncoding.LINEAR16)


@dataclass(frozen=True, slots=True)
class ApiV1:
    """See ApiVersion: a request names no project, and an error may lie inside a response."""

    stream_method: str = f"{_SERVICE}StreamingRecognize"
    recognise_method: str = f"{_SERVICE}Recognize"
    metadata: Metadata = ()
    spare_model: str = "default"

    def config(self, language: str, model: str, *, punctuation: bool, word_times: bool) -> Any:
        """See ApiVersion."""
        return _Config(
            encoding=_LINEAR16,
            sample_rate_hertz=mulaw.BYTES_PER_SECOND,
            language_code=language,
            model=model,
            enable_automatic_punctuation=punctuation,
            enable_word_time_offsets=word_times,
        )

    def opening(self, config: Any) -> bytes:
        """See ApiVersion."""
        stream_config = _StreamConfig(config=config, interim_results=True)
        return serialised(_Request(streaming_config=stream_config))

    def audio(self, pcm: bytes) -> bytes:
        """See ApiVersion."""
        return serialised(_Request(audio_content=pcm))

    def utterance(self, config: Any, pcm: bytes) -> bytes:
        """See ApiVersion."""
        return serialised(_Utterance(config=config, audio={"content": pcm}))

    def response(self, message: bytes) -> Any:
        """See ApiVersion."""
        return _Response.FromString(message)

    def answer(self, message: bytes) -> Any:
        """See ApiVersion."""
        return _Answer.FromString(message)

    def end_of(self, portion: Any) -> Any:
        """See ApiVersion."""
        return portion.result_end_time

    def times_of(self, word: Any) -> tuple[Any, Any]:
        """See ApiVersion."""
        return field_of(word, "start_time"), field_of(word, "end_time")

    def trouble_in(self, response: Any) -> Any:
        """See ApiVersion."""
        return response.error if response.error.code else None


GOOGLE_V1: Final = ApiV1()
