"""Reads a client's configuration from the API's messages, or refuses it as Google does."""

from dataclasses import dataclass, field, replace
from typing import Any

from voicestt.emulators.google.asked_features import (
    MOST_OTHER_LANGUAGES,
    NO_FEATURES,
    AskedFeatures,
    check_endpointing,
    v1_features,
    v2_features,
)
from voicestt.emulators.google.audio_format import AudioFormat, bad_config, format_of_v1, format_of_v2
from voicestt.emulators.google.models import language_of, model_of_v1, pair_of_v2
from voicestt.emulators.google.speech_activity import NO_ACTIVITY, ActivityRequest, activity_of
from voicestt.recognisers.whisper.engine.port import Request

_OF_ONE_UTTERANCE = "latest_short"


@dataclass(frozen=True, slots=True)
class AcceptedConfig:
    """An accepted configuration; `language` is as Google writes it (`he-IL` became `iw-IL`).

    A stream that `closes_itself` does so after its single utterance; others wait for the client.
    """

    language: str
    model: str
    format: AudioFormat = field(default_factory=AudioFormat)
    interim_results: bool = False
    single_utterance: bool = False
    punctuation: bool = False
    features: AskedFeatures = NO_FEATURES
    activity: ActivityRequest = NO_ACTIVITY
    closes_itself: bool = False

    def request(self) -> Request:
        """Return the request for the engine."""
        features = self.features
        hints = tuple(hint for hint in features.hints if "$" not in hint)
        others = features.other_languages
        once = self.single_utterance
        return Request(
            self.language, self.interim_results, once, features.words, hints, features.alternatives, others
        )


def v1(
    config: Any, *, interim_results: bool = False, single_utterance: bool = False, head: bytes = b""
) -> AcceptedConfig:
    """Read a `google.cloud.speech.v1.RecognitionConfig` (the raw message); raises `Refusal`.

    `head` is how a recording begins: a file with a header says itself what it is.
    """
    layout = format_of_v1(config, head)
    language = language_of(config.language_code)
    model = model_of_v1(config.model, language)
    return AcceptedConfig(
        language=language,
        model=model,
        format=layout,
        interim_results=interim_results,
        single_utterance=single_utterance,
        punctuation=config.enable_automatic_punctuation,
        features=_with_known_languages(v1_features(config, model)),
    )


def v1_streaming(config: Any) -> AcceptedConfig:
    """Read a `google.cloud.speech.v1.StreamingRecognitionConfig` (the raw message); raises `Refusal`."""
    accepted = v1(
        config.config,
        interim_results=config.interim_results,
        single_utterance=config.single_utterance,
    )
    if config.single_utterance and not _ends_utterances(accepted.model, config.config):
        raise bad_config(f"single_utterance is not supported for the model {accepted.model}.")
    return replace(accepted, activity=activity_of(config))


def _ends_utterances(model: str, config: Any) -> bool:
    return model in {"default", "command_and_search"} or (model == "phone_call" and config.use_enhanced)


def v2(location: str, config: Any, *, interim_results: bool = False, streams: bool = False) -> AcceptedConfig:
    """Read a `google.cloud.speech.v2.RecognitionConfig` (the raw message) in a location; raises `Refusal`."""
    layout = format_of_v2(config)
    if not 1 <= len(config.language_codes) <= 1 + MOST_OTHER_LANGUAGES:
        raise bad_config("this local service takes one to four language codes.")
    model, language = pair_of_v2(config.model, config.language_codes[0], location)
    return AcceptedConfig(
        language=language,
        model=model,
        format=layout,
        interim_results=interim_results,
        punctuation=config.features.enable_automatic_punctuation,
        features=_with_known_languages(v2_features(config, streams=streams)),
    )


def v2_streaming(location: str, config: Any, features: Any) -> AcceptedConfig:
    """Read a RecognitionConfig and StreamingRecognitionFeatures of v2 in a location; raises `Refusal`."""
    accepted = v2(location, config, interim_results=features.interim_results, streams=True)
    check_endpointing(features, accepted.model)
    is_short = accepted.model == _OF_ONE_UTTERANCE
    return replace(accepted, single_utterance=is_short, closes_itself=is_short, activity=activity_of(features))


def _with_known_languages(features: AskedFeatures) -> AskedFeatures:
    return replace(features, other_languages=tuple(map(language_of, features.other_languages)))
