"""Google's API v2. Source: google/cloud/speech/v2/cloud_speech.proto."""

from dataclasses import dataclass
from typing import Any

from google.api_core.gapic_v1 import routing_header
from google.cloud.speech_v2 import types

from voicestt.audio import mulaw
from voicestt.recognisers.google.api import Metadata, field_of, serialised

_SERVICE = "/google.cloud.speech.v2.Speech/"
_Request = types.StreamingRecognizeRequest.pb()
_Response = types.StreamingRecognizeResponse.pb()
_Utterance = types.RecognizeRequest.pb()
_Answer = types.RecognizeResponse.pb()
_Config = types.RecognitionConfig.pb()
_StreamConfig = types.StreamingRecognitionConfig.pb()
_LINEAR16 = int(types.ExplicitDecodingConfig.AudioEncoding.LINEAR16)


@dataclass(frozen=True, slots=True)
class ApiV2:
    """See ApiVersion: each request names a project's recogniser in a location; `_` is the one without settings."""

    project: str
    location: str = "global"
    stream_method: str = f"{_SERVICE}StreamingRecognize"
    recognise_method: str = f"{_SERVICE}Recognize"
    spare_model: str = "long"

    @property
    def recogniser(self) -> str:
        """The recogniser's resource name."""
        return f"projects/{self.project}/locations/{self.location}/recognizers/_"

    @property
    def metadata(self) -> Metadata:
        """See ApiVersion: Google's front end routes the call by it."""
        return (routing_header.to_grpc_metadata([("recognizer", self.recogniser)]),)

    def config(self, language: str, model: str, *, punctuation: bool, word_times: bool) -> Any:
        """See ApiVersion."""
        return _Config(
            explicit_decoding_config={
                "encoding": _LINEAR16,
                "sample_rate_hertz": mulaw.BYTES_PER_SECOND,
                "audio_channel_count": 1,
            },
            language_codes=[language],
            model=model,
            features={"enable_automatic_punctuation": punctuation, "enable_word_time_offsets": word_times},
        )

    def opening(self, config: Any) -> bytes:
        """See ApiVersion."""
        stream_config = _StreamConfig(config=config, streaming_features={"interim_results": True})
        return serialised(_Request(recognizer=self.recogniser, streaming_config=stream_config))

    def audio(self, pcm: bytes) -> bytes:
        """See ApiVersion."""
        return serialised(_Request(audio=pcm))

    def utterance(self, config: Any, pcm: bytes) -> bytes:
        """See ApiVersion."""
        return serialised(_Utterance(recognizer=self.recogniser, config=config, content=pcm))

    def response(self, message: bytes) -> Any:
        """See ApiVersion."""
        return _Response.FromString(message)

    def answer(self, message: bytes) -> Any:
        """See ApiVersion."""
        return _Answer.FromString(message)

    def end_of(self, portion: Any) -> Any:
        """See ApiVersion."""
        return portion.result_end_offset

    def times_of(self, word: Any) -> tuple[Any, Any]:
        """See ApiVersion."""
        return field_of(word, "start_offset"), field_of(word, "end_offset")

    def trouble_in(self, _response: Any) -> Any:
        """See ApiVersion: v2 has none."""
        return None
