"""Features of Google's that calls can do without: which model is asked for which, and how a refusal names it.

A feature is asked for only where Google documents it for the model; one that is refused nevertheless is given up,
see `voicestt.recognisers.google.negotiation`. Sources: RecognitionConfig, StreamingRecognitionConfig and
SpeakerDiarizationConfig of v1's cloud_speech.proto, RecognitionFeatures, StreamingRecognitionFeatures and
DenoiserConfig of v2's, and "Chirp 3: feature support and limitations".
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from voicestt.config.hints import NO_HINTS, Hints

HEBREW: Final = "iw-IL"
_SHORT: Final = frozenset({"command_and_search", "latest_short", "short", "telephony_short", "medical_dictation"})
_SEVERAL_LANGUAGES_V1: Final = frozenset({"default", "command_and_search", "latest_short"})
_ANY_CASE: Final = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class Extras:
    """The optional features of a request; the defaults ask for nothing.

    `alternative_languages` are as Google writes them; `speakers` the least and the most, () for none; time-outs
    are in seconds, 0 for none.
    """

    hints: Hints = NO_HINTS
    alternative_languages: tuple[str, ...] = ()
    max_alternatives: int = 1
    profanity_filter: bool = False
    spoken_punctuation: bool = False
    word_confidence: bool = False
    speakers: tuple[int, ...] = ()
    speech_start_timeout: float = 0.0
    speech_end_timeout: float = 0.0
    endpointing: str = "standard"
    denoise: bool = False
    snr_threshold: float = 0.0

    @property
    def ends_streams(self) -> bool:
        """True if Google may end a stream by itself, without an error."""
        return self.speech_start_timeout > 0 or self.speech_end_timeout > 0


NOTHING: Final = Extras()


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its fields in `Extras`, what people call it, and Google's words for it in a refusal.

    `documented` tells whether it is asked for, by the version of the API, the model and the language, and `where`
    says it in words.
    """

    fields: tuple[str, ...]
    name: str
    refusal: re.Pattern[str]
    where: str
    documented: Callable[[str, str, str], bool]

    def is_in(self, extras: Extras) -> bool:
        """Return True if the feature is asked for."""
        return any(getattr(extras, field) != getattr(NOTHING, field) for field in self.fields)

    def removed_from(self, extras: Extras) -> Extras:
        """Return `extras` without the feature."""
        return replace(extras, **{field: getattr(NOTHING, field) for field in self.fields})


def _is_chirp(model: str) -> bool:
    return model.startswith("chirp")


def _everywhere(_api: str, _model: str, _language: str) -> bool:
    return True


def _not_by_chirp(_api: str, model: str, _language: str) -> bool:
    return not _is_chirp(model)


def _by_chirp_3(api: str, model: str, _language: str) -> bool:
    return api == "v2" and model == "chirp_3"


def _by_several_languages(api: str, model: str, _language: str) -> bool:
    return model in _SEVERAL_LANGUAGES_V1 if api == "v1" else not model.startswith("medical")


def _by_speakers(api: str, model: str, language: str) -> bool:
    # v2's chirp_3 does it for recordings only, and its other models say "Recognizer does not support feature".
    return api == "v1" and model not in _SHORT and language != HEBREW


def _by_hints(_api: str, model: str, _language: str) -> bool:
    return model != "chirp"


FEATURES: Final[Sequence[Feature]] = (
    Feature(
        ("word_confidence",),
        "the confidence of words",
        re.compile(r"word.?(level.?)?confidence", _ANY_CASE),
        "all models but chirp",
        _not_by_chirp,
    ),
    Feature(
        ("alternative_languages",),
        "alternative languages",
        re.compile(r"alternative.?language|language.?codes|multiple languages", _ANY_CASE),
        "v1's default and command_and_search, and v2",
        _by_several_languages,
    ),
    Feature(
        ("max_alternatives",),
        "alternatives of finals",
        re.compile(r"max.?alternatives", _ANY_CASE),
        "all models but chirp",
        _not_by_chirp,
    ),
    Feature(
        ("profanity_filter",),
        "the profanity filter",
        re.compile("profanity", _ANY_CASE),
        "all models",
        _everywhere,
    ),
    Feature(
        ("spoken_punctuation",),
        "spoken punctuation",
        re.compile(r"spoken.?punctuation", _ANY_CASE),
        "all models but chirp",
        _not_by_chirp,
    ),
    Feature(
        ("speakers",),
        "telling speakers apart",
        re.compile(r"diari[sz]ation|speaker.?count", _ANY_CASE),
        "v1's models for long speech, and not with Hebrew",
        _by_speakers,
    ),
    Feature(
        ("speech_start_timeout", "speech_end_timeout"),
        "the time-outs of speech",
        re.compile(r"voice.?activity|speech.?(start|end).?timeout", _ANY_CASE),
        "all models",
        _everywhere,
    ),
    Feature(
        ("endpointing",),
        "endpointing sensitivity",
        re.compile("endpointing", _ANY_CASE),
        "v2's chirp_3",
        _by_chirp_3,
    ),
    Feature(
        ("denoise", "snr_threshold"),
        "the denoiser",
        re.compile(r"denois|\bsnr", _ANY_CASE),
        "v2's chirp_3",
        _by_chirp_3,
    ),
    Feature(
        ("hints",),
        "hints",
        re.compile(r"adaptation|phrase|speech.?context|custom.?class|boost", _ANY_CASE),
        "all models but the first chirp",
        _by_hints,
    ),
)
"""All features, those that are missed the least first."""


def undocumented(extras: Extras, api: str, model: str, language: str) -> Iterator[Feature]:
    """Yield the features in `extras` that Google does not document for the model."""
    for feature in FEATURES:
        if feature.is_in(extras) and not feature.documented(api, model, language):
            yield feature


def refused_in(details: str, extras: Extras) -> list[Feature]:
    """Return the features in `extras` that the words of a refusal name."""
    return [feature for feature in FEATURES if feature.is_in(extras) and feature.refusal.search(details)]
