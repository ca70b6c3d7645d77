"""Reads a client's configuration from the API's messages, or refuses it as Google does; decodes its audio."""

import re
from dataclasses import dataclass, replace
from typing import Any

from voicestt.audio import mulaw
from voicestt.emulators.google.asked_features import (
    MOST_OTHER_LANGUAGES,
    NO_FEATURES,
    AskedFeatures,
    check_endpointing,
    v1_features,
    v2_features,
)
from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.speech_activity import NO_TIMEOUTS, SpeechTimeouts, timeouts_of
from voicestt.recognisers.whisper.engine.port import Request

SAMPLE_RATE = 8_000

_V1_ENCODINGS = {1: "LINEAR16", 3: "MULAW"}
_V2_ENCODINGS = {1: "LINEAR16", 2: "MULAW"}
_BYTES_PER_SAMPLE = {"LINEAR16": 2, "MULAW": 1}
_MODELS = frozenset(
    {
        "default",
        "command_and_search",
        "phone_call",
        "video",
        "latest_long",
        "latest_short",
        "telephony",
        "telephony_short",
        "medical_dictation",
        "medical_conversation",
    }
)
_HEBREW_MODELS = frozenset({"default", "command_and_search"})
_V2_MODELS = frozenset(
    {
        "long",
        "short",
        "latest_long",
        "latest_short",
        "telephony",
        "telephony_short",
        "medical_dictation",
        "medical_conversation",
        "chirp",
        "chirp_2",
        "chirp_3",
    }
)
_V2_HEBREW_MODELS = frozenset({"chirp_3"})
_RECOGNISER = re.compile(r"projects/[^/]+/locations/[^/]+/recognizers/_")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class AcceptedConfig:
    """An accepted configuration; `language` is as Google writes it (`he-IL` became `iw-IL`)."""

    language: str
    model: str
    encoding: str
    interim_results: bool = False
    single_utterance: bool = False
    punctuation: bool = False
    word_times: bool = False
    features: AskedFeatures = NO_FEATURES
    timeouts: SpeechTimeouts = NO_TIMEOUTS

    def seconds(self, size: int) -> float:
        """Return the duration of `size` bytes of audio in this encoding, in seconds."""
        return size / (SAMPLE_RATE * _BYTES_PER_SAMPLE[self.encoding])

    def request(self) -> Request:
        """Return the request for the engine."""
        features = self.features
        hints = tuple(hint for hint in features.hints if "$" not in hint)
        others = features.other_languages
        once = self.single_utterance
        return Request(
            self.language, self.interim_results, once, self.word_times, hints, features.alternatives, others
        )


@dataclass(slots=True)
class AudioDecoder:
    """Decodes the audio of one stream, message by message; `encoding` is "LINEAR16" or "MULAW", both at 8 kHz.

    A client may cut its messages in the middle of a LINEAR16 sample: the odd byte waits for its other half.
    """

    encoding: str
    _odd: bytes = b""

    def feed(self, audio: bytes) -> bytes:
        """Decode one message to LINEAR16 little-endian, as far as its samples are whole."""
        if self.encoding == "MULAW":
            return mulaw.decode(audio)
        if self._odd or len(audio) % 2:
            return self._whole_samples(audio)
        return audio

    def _whole_samples(self, audio: bytes) -> bytes:
        joined = self._odd + audio
        even = len(joined) & ~1
        self._odd = joined[even:]
        return joined[:even]


def v1(config: Any, *, interim_results: bool = False, single_utterance: bool = False) -> AcceptedConfig:
    """Read a `google.cloud.speech.v1.RecognitionConfig` (the raw message); raises `Refusal`."""
    encoding = _encoding(config.encoding, _V1_ENCODINGS)
    _check_rate(config.sample_rate_hertz)
    _check_channels(config.audio_channel_count)
    language = _language(config.language_code)
    model = _model(config.model, language)
    return AcceptedConfig(
        language=language,
        model=model,
        encoding=encoding,
        interim_results=interim_results,
        single_utterance=single_utterance,
        punctuation=config.enable_automatic_punctuation,
        word_times=config.enable_word_time_offsets,
        features=_with_known_languages(v1_features(config, model)),
    )


def v1_streaming(config: Any) -> AcceptedConfig:
    """Read a `google.cloud.speech.v1.StreamingRecognitionConfig` (the raw message); raises `Refusal`."""
    accepted = v1(
        config.config,
        interim_results=config.interim_results,
        single_utterance=config.single_utterance,
    )
    return replace(accepted, timeouts=timeouts_of(config))


def v2(recogniser: str, config: Any, *, interim_results: bool = False, streams: bool = False) -> AcceptedConfig:
    """Read a `google.cloud.speech.v2.RecognitionConfig` (the raw message) for a recogniser; raises `Refusal`."""
    _check_recogniser(recogniser)
    decoding = config.explicit_decoding_config
    encoding = _encoding(decoding.encoding, _V2_ENCODINGS)
    _check_rate(decoding.sample_rate_hertz)
    _check_channels(decoding.audio_channel_count)
    if not 1 <= len(config.language_codes) <= 1 + MOST_OTHER_LANGUAGES:
        raise _refused("this local service takes one to four language codes.")
    language = _language(config.language_codes[0])
    return AcceptedConfig(
        language=language,
        model=_v2_model(config.model, language),
        encoding=encoding,
        interim_results=interim_results,
        punctuation=config.features.enable_automatic_punctuation,
        word_times=config.features.enable_word_time_offsets,
        features=_with_known_languages(v2_features(config, streams=streams)),
    )


def v2_streaming(recogniser: str, config: Any) -> AcceptedConfig:
    """Read a `google.cloud.speech.v2.StreamingRecognitionConfig` for a recogniser; raises `Refusal`."""
    accepted = v2(
        recogniser, config.config, interim_results=config.streaming_features.interim_results, streams=True
    )
    check_endpointing(config.streaming_features, accepted.model)
    return replace(accepted, timeouts=timeouts_of(config.streaming_features))


def _with_known_languages(features: AskedFeatures) -> AskedFeatures:
    return replace(features, other_languages=tuple(map(_language, features.other_languages)))


def _check_recogniser(name: str) -> None:
    if not _RECOGNISER.fullmatch(name):
        raise Refusal(
            Code.INVALID_ARGUMENT,
            f"Invalid resource field value in the request: {name!r} is not "
            "projects/PROJECT/locations/LOCATION/recognizers/_ (this local service keeps no other recognizers).",
        )


def _check_channels(count: int) -> None:
    if count > 1:
        raise _refused("this local service takes one channel only; mix or split the channels first.")


def _v2_model(model: str, language: str) -> str:
    if model not in _V2_MODELS:
        raise _refused("Incorrect model specified. Please refer to the documentation page for valid model names.")
    if language.startswith("iw") and model not in _V2_HEBREW_MODELS:
        raise Refusal(Code.INVALID_ARGUMENT, f'The language "{language}" is not supported by the model "{model}".')
    return model


def _refused(words: str) -> Refusal:
    return Refusal(Code.INVALID_ARGUMENT, f"Invalid recognition 'config': {words}")


def _encoding(number: int, known: dict[int, str]) -> str:
    if number == 0:
        raise _refused("bad encoding..")
    if number not in known:
        raise _refused("this local service takes LINEAR16 and MULAW only; Google itself takes more encodings.")
    return known[number]


def _check_rate(hertz: int) -> None:
    if not 8_000 <= hertz <= 48_000:
        raise _refused("bad sample rate hertz.")
    if hertz != SAMPLE_RATE:
        raise _refused(
            f"this local service takes telephone audio at 8000 Hz only, not {hertz} Hz; Google itself takes "
            "8000 to 48000. Resample the audio before sending it."
        )


def _language(code: str) -> str:
    if not _LANGUAGE.fullmatch(code):
        raise _refused("bad language code.")
    primary, _, region = code.partition("-")
    return f"iw-{region}".rstrip("-") if primary.lower() in {"he", "iw"} else code


def _model(model: str, language: str) -> str:
    model = model or "default"
    if model not in _MODELS:
        raise _refused("Incorrect model specified. Please refer to the documentation page for valid model names.")
    if language.startswith("iw") and model not in _HEBREW_MODELS:
        named = "phone_call" if model == "phone_call" else "requested"
        raise _refused(f"The {named} model is currently not supported for language : {language}.")
    return model
