"""The fields of Google's messages that optional features fill, in v1 and v2.

Source: google/cloud/speech/v1/cloud_speech.proto and resource.proto, google/cloud/speech/v2/cloud_speech.proto.
"""

from typing import Any, Final

from google.cloud.speech_v2.types import StreamingRecognitionFeatures

from voicestt.config.hints import Hints
from voicestt.recognisers.google.features import Extras

_Sensitivity: Final = StreamingRecognitionFeatures.EndpointingSensitivity
_SENSITIVITY: Final = {
    "short": int(_Sensitivity.ENDPOINTING_SENSITIVITY_SHORT),
    "supershort": int(_Sensitivity.ENDPOINTING_SENSITIVITY_SUPERSHORT),
}


def add_v1(config: Any, extras: Extras) -> None:
    """Put the features into a raw RecognitionConfig of v1."""
    config.alternative_language_codes.extend(extras.alternative_languages)
    if extras.max_alternatives > 1:
        config.max_alternatives = extras.max_alternatives
    config.profanity_filter = extras.profanity_filter
    config.enable_word_confidence = extras.word_confidence
    if extras.spoken_punctuation:
        config.enable_spoken_punctuation.value = True
    if extras.speakers:
        config.diarization_config.enable_speaker_diarization = True
        _add_speakers(config.diarization_config, extras)
    if extras.hints.classes:
        _add_adaptation_v1(config.adaptation, extras.hints)
    else:
        _add_contexts(config.speech_contexts, extras.hints)


def add_v2(config: Any, extras: Extras) -> None:
    """Put the features into a raw RecognitionConfig of v2."""
    config.language_codes.extend(extras.alternative_languages)
    features = config.features
    if extras.max_alternatives > 1:
        features.max_alternatives = extras.max_alternatives
    features.profanity_filter = extras.profanity_filter
    features.enable_word_confidence = extras.word_confidence
    features.enable_spoken_punctuation = extras.spoken_punctuation
    if extras.speakers:
        _add_speakers(features.diarization_config, extras)
    if extras.hints:
        _add_adaptation_v2(config.adaptation, extras.hints)
    if extras.denoise:
        config.denoiser_config.denoise_audio = True
        config.denoiser_config.snr_threshold = extras.snr_threshold


def add_streaming_v1(streaming_config: Any, extras: Extras) -> None:
    """Put what concerns streams only into a raw StreamingRecognitionConfig of v1."""
    _add_timeouts(streaming_config, extras)


def add_streaming_v2(streaming_config: Any, extras: Extras) -> None:
    """Put what concerns streams only into a raw StreamingRecognitionConfig of v2."""
    features = streaming_config.streaming_features
    _add_timeouts(features, extras)
    if extras.endpointing != "standard":
        features.endpointing_sensitivity = _SENSITIVITY[extras.endpointing]


def _add_timeouts(features: Any, extras: Extras) -> None:
    if not extras.ends_streams:
        return
    features.enable_voice_activity_events = True  # Google takes the time-outs only with them
    for field in ("speech_start_timeout", "speech_end_timeout"):
        seconds = getattr(extras, field)
        if seconds:
            getattr(features.voice_activity_timeout, field).FromMilliseconds(round(seconds * 1000))


def _add_speakers(diarization: Any, extras: Extras) -> None:
    diarization.min_speaker_count, diarization.max_speaker_count = extras.speakers


def _add_contexts(contexts: Any, hints: Hints) -> None:
    """Add a SpeechContext for each boost, as v1 has one boost for all phrases of a context."""
    by_boost: dict[float, list[str]] = {}
    for hint in hints.phrases:
        by_boost.setdefault(hint.boost, []).append(hint.phrase)
    for boost, phrases in by_boost.items():
        context = contexts.add(phrases=phrases)
        if boost:
            context.boost = boost


def _add_adaptation_v1(adaptation: Any, hints: Hints) -> None:
    """Add an inline PhraseSet with its classes: with classes of one's own, v1 takes no SpeechContext."""
    _add_phrases(adaptation.phrase_sets.add(), hints)
    for each in hints.classes:
        custom = adaptation.custom_classes.add(custom_class_id=each.name)
        _add_items(custom, each.items)


def _add_adaptation_v2(adaptation: Any, hints: Hints) -> None:
    _add_phrases(adaptation.phrase_sets.add().inline_phrase_set, hints)
    for each in hints.classes:
        custom = adaptation.custom_classes.add(name=each.name)
        _add_items(custom, each.items)


def _add_phrases(phrase_set: Any, hints: Hints) -> None:
    for hint in hints.phrases:
        phrase = phrase_set.phrases.add(value=hint.phrase)
        if hint.boost:
            phrase.boost = hint.boost


def _add_items(custom_class: Any, items: tuple[str, ...]) -> None:
    for item in items:
        custom_class.items.add(value=item)
