"""The optional features that a client asks for: read from the API's messages, or refused as Google refuses them.

v2 names what a recognizer does not support in the status's details (google.rpc.BadRequest), v1 in its words.
Sources: the limits and ranges in the comments of cloud_speech.proto of v1 and v2; "Recognizer does not support
feature: …" as users quote it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from voicestt.emulators.google.audio_format import bad_config
from voicestt.emulators.google.limits import Code, Refusal

MOST_PHRASES = 5_000
MOST_LETTERS = 100_000
LONGEST_PHRASE = 100
HIGHEST_BOOST = 20
MOST_ALTERNATIVES = 30
MOST_OTHER_LANGUAGES = 3
MOST_REPLACEMENTS = LONGEST_REPLACEMENT = 100
_SEVERAL_LANGUAGES_V1 = frozenset({"default", "command_and_search", "latest_short"})
UNSUPPORTED = "Config contains unsupported fields."


@dataclass(frozen=True, slots=True)
class AskedFeatures:
    """The features that a client asked for and is given.

    `hints` are phrases without their boosts, `replacements` what is replaced by what in a transcript, in order.
    """

    word_times: bool = False
    hints: tuple[str, ...] = ()
    alternatives: int = 1
    other_languages: tuple[str, ...] = ()
    word_confidence: bool = False
    speakers: bool = False
    replacements: tuple[tuple[re.Pattern[str], str], ...] = ()

    @property
    def words(self) -> bool:
        """Whether a final is to have its words one by one."""
        return self.word_times or self.word_confidence or self.speakers

    def normalised(self, text: str) -> str:
        """Replace in a transcript what the client wants replaced."""
        for pattern, replacement in self.replacements:
            text = pattern.sub(replacement.replace("\\", r"\\"), text)
        return text


NO_FEATURES = AskedFeatures()


def v1_features(config: Any, model: str) -> AskedFeatures:
    """Read the features of a `google.cloud.speech.v1.RecognitionConfig`; raises `Refusal`."""
    contexts = [(phrase, context.boost) for context in config.speech_contexts for phrase in context.phrases]
    hints = [*contexts, *_adaptation_v1(config.adaptation)]
    _check_phrases([phrase for phrase, _ in hints])
    others = tuple(config.alternative_language_codes)
    if len(others) > MOST_OTHER_LANGUAGES:
        raise bad_config("alternative_language_codes may contain at most 3 codes.")
    if others and model not in _SEVERAL_LANGUAGES_V1:
        raise bad_config(f"alternative_language_codes are not supported for the model {model}.")
    _check_alternatives(config.max_alternatives)
    return AskedFeatures(
        hints=tuple(phrase for phrase, _ in hints),
        alternatives=max(1, config.max_alternatives),
        other_languages=others,
        word_times=config.enable_word_time_offsets,
        word_confidence=config.enable_word_confidence,
        speakers=config.diarization_config.enable_speaker_diarization,
        replacements=_replacements(config.transcript_normalization),
    )


def v2_features(config: Any, *, streams: bool) -> AskedFeatures:
    """Read the features of a `google.cloud.speech.v2.RecognitionConfig`; raises `Refusal`."""
    unsupported = dict(_unsupported_v2(config, streams=streams))
    if unsupported:
        raise Refusal(Code.INVALID_ARGUMENT, UNSUPPORTED, tuple(unsupported.items()))
    for some in config.adaptation.phrase_sets:
        if some.phrase_set:
            raise _kept_nowhere(some.phrase_set)
    if config.HasField("translation_config"):
        raise Refusal(Code.UNIMPLEMENTED, "this local service does not translate.")
    phrases = [each for some in config.adaptation.phrase_sets for each in some.inline_phrase_set.phrases]
    for phrase in phrases:
        if not 0 <= phrase.boost <= HIGHEST_BOOST:
            raise bad_config(f"the boost of a phrase must be between 0 and {HIGHEST_BOOST}, not {phrase.boost:g}.")
    items = [item.value for each in config.adaptation.custom_classes for item in each.items]
    _check_phrases([*(phrase.value for phrase in phrases), *items])
    _check_alternatives(config.features.max_alternatives)
    return AskedFeatures(
        hints=(*(phrase.value for phrase in phrases), *items),
        alternatives=max(1, config.features.max_alternatives),
        other_languages=tuple(config.language_codes[1:]),
        word_times=config.features.enable_word_time_offsets,
        word_confidence=config.features.enable_word_confidence,
        speakers=config.features.HasField("diarization_config"),
        replacements=_replacements(config.transcript_normalization),
    )


def check_endpointing(features: Any, model: str) -> None:
    """Refuse an endpointing sensitivity in v2's StreamingRecognitionFeatures for a model that has none."""
    if features.endpointing_sensitivity > 1 and model != "chirp_3":
        field = "streaming_features.endpointing_sensitivity"
        raise Refusal(Code.INVALID_ARGUMENT, UNSUPPORTED, ((field, _does_not_support("endpointing_sensitivity")),))


def _unsupported_v2(config: Any, *, streams: bool) -> Iterator[tuple[str, str]]:
    features, model = config.features, config.model
    is_chirp = model.startswith("chirp")
    if is_chirp and features.enable_word_confidence:
        yield "features.enable_word_confidence", _does_not_support("word_level_confidence")
    if is_chirp and features.enable_spoken_punctuation:
        yield "features.enable_spoken_punctuation", _does_not_support("spoken_punctuation")
    if is_chirp and features.max_alternatives > 1:
        yield "features.max_alternatives", _does_not_support("max_alternatives")
    if features.HasField("diarization_config") and (streams or model != "chirp_3"):
        yield "features.diarization_config", _does_not_support("diarization_config")
    if config.HasField("denoiser_config") and model != "chirp_3":
        yield "denoiser_config", _does_not_support("denoiser_config")
    if config.HasField("translation_config") and model != "chirp_2":
        yield "translation_config", _does_not_support("translation")
    if features.HasField("custom_prompt_config") and model != "chirp_3":
        yield "features.custom_prompt_config", _does_not_support("custom_prompt")
    if config.HasField("adaptation") and model == "chirp":
        yield "adaptation", _does_not_support("model_adaptation")


def _does_not_support(feature: str) -> str:
    return f"Recognizer does not support feature: {feature}"


def _replacements(normalization: Any) -> tuple[tuple[re.Pattern[str], str], ...]:
    entries = normalization.entries
    if len(entries) > MOST_REPLACEMENTS or any(len(each.search) > LONGEST_REPLACEMENT for each in entries):
        raise bad_config(
            f"transcript_normalization may have at most {MOST_REPLACEMENTS} entries of {LONGEST_REPLACEMENT} "
            "characters."
        )
    return tuple(
        (re.compile(re.escape(each.search), 0 if each.case_sensitive else re.IGNORECASE), each.replace)
        for each in entries
        if each.search
    )


def _kept_nowhere(name: str) -> Refusal:
    words = f"Requested entity was not found: {name} (this local service keeps no phrase sets and classes)."
    return Refusal(Code.NOT_FOUND, words)


def _adaptation_v1(adaptation: Any) -> Iterator[tuple[str, float]]:
    for reference in adaptation.phrase_set_references:
        raise _kept_nowhere(reference)
    for phrase_set in adaptation.phrase_sets:
        yield from ((phrase.value, phrase.boost) for phrase in phrase_set.phrases)
    for custom in adaptation.custom_classes:
        yield from ((item.value, 0.0) for item in custom.items)


def _check_phrases(phrases: list[str]) -> None:
    if len(phrases) > MOST_PHRASES:
        raise bad_config(
            f"the request has {len(phrases)} phrases, and at most {MOST_PHRASES} phrases are supported."
        )
    if any(len(phrase) > LONGEST_PHRASE for phrase in phrases):
        raise bad_config(f"a phrase may have at most {LONGEST_PHRASE} characters.")
    if sum(map(len, phrases)) > MOST_LETTERS:
        raise bad_config(f"the phrases of a request may have at most {MOST_LETTERS} characters together.")


def _check_alternatives(count: int) -> None:
    if not 0 <= count <= MOST_ALTERNATIVES:
        raise bad_config(f"max_alternatives must be between 0 and {MOST_ALTERNATIVES}.")
