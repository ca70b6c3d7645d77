"""Speech by Google Cloud Text-to-Speech, through its official library (extra `google-tts`).

Source: Google's reference of `google.cloud.texttospeech.v1`, `AudioEncoding`: "Audio content returned as MULAW
also contains a WAV header", which a caller would hear as a click.
"""

# The library is optional, and slow to import: it is imported where it is used.
# ruff: noqa: PLC0415

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import google.auth.exceptions
import grpc
from google.auth.credentials import Credentials as GoogleCredentials

from voicestt.config.readers import is_loopback
from voicestt.config.settings import BadSettings, Settings
from voicestt.runtime.google_auth import default_key, load_key
from voicestt.tts.port import SpeechError
from voicestt.tts.wav import is_wav, telephone_audio

if TYPE_CHECKING:
    from google.cloud.texttospeech_v1 import SynthesizeSpeechRequest, SynthesizeSpeechResponse

SECONDS: Final = 10.0
_SECONDS_TO_RECONNECT: Final = 3.0
_HOST: Final = "texttospeech.googleapis.com:443"
_RATE: Final = 8_000
_LARGEST_ANSWER: Final = 64_000_000
_LONGEST_WORDS: Final = 300
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _LARGEST_ANSWER),
    # Middleboxes drop idle connections without a word, and a caller would wait for the time-out.
    ("grpc.client_idle_timeout_ms", 60_000),
)
_QUOTED = re.compile(r'"[^"]*"?')
_HINTS: Final = {
    grpc.StatusCode.UNAUTHENTICATED: "Is GOOGLE_APPLICATION_CREDENTIALS the key of this project, and still valid?",
    grpc.StatusCode.PERMISSION_DENIED: "Is the Cloud Text-to-Speech API enabled for the key's project?",
    grpc.StatusCode.INVALID_ARGUMENT: "Do TTS_LANGUAGE and TTS_VOICE name a voice that Google has?",
}


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """The voice of requests to Google: a BCP-47 language, and a voice's name; None leaves that to Google."""

    language: str
    voice: str | None = None


class GoogleSynthesiser:
    """A Synthesiser that asks Google, with one request a text.

    It takes `seconds` in all, with a second try if Google could not be reached. `open_channel` is called with the
    first text, in the thread that asks: it may have to look for a key.
    """

    def __init__(
        self, voice: SynthesisRequest, open_channel: Callable[[], grpc.Channel], seconds: float = SECONDS
    ) -> None:
        self._voice = voice
        self._open_channel = open_channel
        self._seconds = seconds
        self._lock = Lock()
        self._stub: Callable[..., SynthesizeSpeechResponse] | None = None
        _check_library()

    def speak(self, text: str) -> bytes:
        """Speak `text`.

        Raises:
            SpeechError: when Google refuses, does not answer in time, or answers with something else than speech.
        """
        audio = self._ask(self._request(text)).audio_content
        return telephone_audio(audio) if is_wav(audio) else audio

    def _request(self, text: str) -> "SynthesizeSpeechRequest":
        from google.cloud import texttospeech_v1 as tts

        return tts.SynthesizeSpeechRequest(
            input=tts.SynthesisInput(text=text),
            voice=tts.VoiceSelectionParams(language_code=self._voice.language, name=self._voice.voice or ""),
            audio_config=tts.AudioConfig(audio_encoding=tts.AudioEncoding.MULAW, sample_rate_hertz=_RATE),
        )

    def _ask(self, request: "SynthesizeSpeechRequest") -> "SynthesizeSpeechResponse":
        until = time.monotonic() + self._seconds
        stub = self._connected()
        try:
            return stub(request, timeout=self._seconds)
        except grpc.RpcError as error:
            first = error
        if _status(first) is grpc.StatusCode.UNAVAILABLE:
            left = min(_SECONDS_TO_RECONNECT, until - time.monotonic())
            try:
                return stub(request, timeout=max(0.0, left), wait_for_ready=True)
            except grpc.RpcError as error:
                if _status(error) is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise self._refused(error) from None
        raise self._refused(first) from None

    def _connected(self) -> "Callable[..., SynthesizeSpeechResponse]":
        from google.cloud.texttospeech_v1.services.text_to_speech.transports import TextToSpeechGrpcTransport

        with self._lock:
            if self._stub is None:
                transport = TextToSpeechGrpcTransport(channel=self._open_channel())
                self._stub = transport.synthesize_speech
            return self._stub

    def _refused(self, error: grpc.RpcError) -> SpeechError:
        status = _status(error)
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return SpeechError(f"Google Text-to-Speech did not answer within {self._seconds:g} s")
        # Google quotes the sentence that it refuses.
        details = " ".join(_QUOTED.sub("…", _details(error)).split())[:_LONGEST_WORDS]
        hint = f" {_HINTS[status]}" if status in _HINTS else ""
        return SpeechError(f"Google Text-to-Speech refused: {status.name}: {details.rstrip('.')}.{hint}")


def google_of(settings: Settings, seconds: float = SECONDS) -> GoogleSynthesiser:
    """Create a GoogleSynthesiser by the settings, without asking Google anything yet.

    Raises:
        SpeechError: when the library is missing, or the key cannot be loaded.
    """
    try:
        key = None if settings.credentials is None else load_key(settings.credentials)
    except BadSettings as problem:
        raise SpeechError(str(problem)) from None
    language = re.sub("^iw(?=-|$)", "he", settings.tts_language or settings.language)
    return GoogleSynthesiser(SynthesisRequest(language, settings.tts_voice), _opener(settings, key), seconds)


def _opener(settings: Settings, key: GoogleCredentials | None) -> Callable[[], grpc.Channel]:
    endpoint = settings.tts_endpoint

    def open_plain() -> grpc.Channel:
        return grpc.insecure_channel(endpoint or _HOST, options=_OPTIONS)

    def open_secure() -> grpc.Channel:
        from google.cloud.texttospeech_v1.services.text_to_speech.transports import TextToSpeechGrpcTransport

        return TextToSpeechGrpcTransport.create_channel(
            endpoint or _HOST, credentials=key or _key_of_the_machine(), options=_OPTIONS
        )

    return open_plain if settings.insecure and endpoint and is_loopback(endpoint) else open_secure


def _key_of_the_machine() -> GoogleCredentials:
    try:
        return default_key()
    except google.auth.exceptions.GoogleAuthError:
        raise SpeechError(
            "Google Text-to-Speech needs a key, and this machine has none: set GOOGLE_APPLICATION_CREDENTIALS"
        ) from None


def _check_library() -> None:
    try:
        import google.cloud.texttospeech_v1  # noqa: F401
    except ImportError:
        raise SpeechError(
            "TTS_ENGINE=google needs a library that is not installed: "
            "pip install '.[google-tts]' in voicestt's folder"
        ) from None


def _status(error: Any) -> grpc.StatusCode:
    status: grpc.StatusCode = error.code()
    return status


def _details(error: Any) -> str:
    return error.details() or "it does not say why"
