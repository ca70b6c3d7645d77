"""Negotiation of features with Google: what it refuses for a model and a language is not asked for again.

Word times and other features go before a model does: calls can do without.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from twisted.logger import Logger

from voicestt.recognisers.google.features import NOTHING, Feature, refused_in
from voicestt.recognisers.google.request import RecognitionRequest
from voicestt.recognisers.port import RecogniserError

# v2 says "Config contains unsupported fields." and names them where not every client sees them.
_UNNAMED: Final = re.compile(r"unsupported field", re.IGNORECASE)
_OF_WORD_TIMES: Final = re.compile(r"word.?(time|level)|time.?(offset|stamp)", re.IGNORECASE)
_OF_WORD_CONFIDENCE: Final = re.compile(r"word.?level.?confidence", re.IGNORECASE)


@dataclass(slots=True)
class _Refused:
    """The refusals of Google for one model and language; `model` is the one to ask instead."""

    word_times: bool = False
    features: list[Feature] = field(default_factory=list)
    model: str | None = None


class FeatureNegotiation:
    """Negotiation of features; `request` is the server's own request from here on, without what was refused."""

    _log = Logger()

    def __init__(self, request: RecognitionRequest) -> None:
        self._default = request
        self._refused: dict[tuple[str, str, str], _Refused] = {}

    @property
    def request(self) -> RecognitionRequest:
        """The server's own request, without what was refused."""
        return self.fit(self._default)

    def fit(self, request: RecognitionRequest) -> RecognitionRequest:
        """Return `request` without what was refused for its model and language."""
        if not self._refused:
            return request
        refused = self._refused.get(_key(request))
        if refused is None:
            return request
        extras = request.extras
        for feature in refused.features:
            extras = feature.removed_from(extras)
        fitting = replace(request, extras=extras, word_times=request.word_times and not refused.word_times)
        return fitting if refused.model is None else self.fit(replace(fitting, model=refused.model))

    def consider(self, error: RecogniserError, refused: RecognitionRequest) -> RecogniserError:
        """Drop the feature that Google's `error` refuses, if any; `refused` is the request that it refuses.

        Returns `error`, or ABORTED, which another attempt can mend, if a feature was given up.
        """
        if error.status != "INVALID_ARGUMENT":
            return error
        dropped = self._dropped_by(error.details, refused)
        if dropped is not None:
            return RecogniserError("ABORTED", f"Google refused {dropped}; it is asked without")
        if "model" in error.details.lower() and refused.model != refused.api.spare_model:
            return self._give_up_model(error, refused)
        return error

    def _dropped_by(self, details: str, refused: RecognitionRequest) -> str | None:
        """Give up what the words of a refusal name, and return its name; None if they name nothing."""
        named = refused_in(details, refused.extras)
        without_confidence = _OF_WORD_CONFIDENCE.sub("", details)
        if refused.word_times and _OF_WORD_TIMES.search(without_confidence):
            self._give_up_word_times(details, refused)
            return "word times"
        if not named and _UNNAMED.search(details):
            if refused.word_times:
                self._give_up_word_times(details, refused)
                return "word times"
            named = _least_missed(refused)
        for feature in named:
            self._give_up(feature, details, refused)
        return " and ".join(feature.name for feature in named) or None

    def _give_up_word_times(self, details: str, refused: RecognitionRequest) -> None:
        known = self._of(refused)
        if not known.word_times:
            known.word_times = True
            self._log.warn(
                "⚠️ Google does not give the times of words with the model {model} and {language}: finals come "
                "without their words one by one from here on. Google said: {words}",
                model=refused.model,
                language=refused.language,
                words=details,
            )

    def _give_up(self, feature: Feature, details: str, refused: RecognitionRequest) -> None:
        known = self._of(refused)
        if feature not in known.features:
            known.features.append(feature)
            self._log.warn(
                "⚠️ Google refuses {feature} with the model {model} and {language}: calls go on without from here "
                "on. Google said: {words}. docs/speech.md says which models have what.",
                feature=feature.name,
                model=refused.model,
                language=refused.language,
                words=details.rstrip("."),
            )

    def _give_up_model(self, error: RecogniserError, refused: RecognitionRequest) -> RecogniserError:
        spare = refused.api.spare_model
        known = self._of(refused)
        if known.model is None:
            known.model = spare
            self._log.warn(
                "⚠️ Google refuses GCP_STT_MODEL={asked} with {language}: {spare} is used from here on. "
                "Google said: {words}. Set GCP_STT_MODEL={spare} to be rid of this line.",
                asked=refused.model,
                spare=spare,
                language=refused.language,
                words=error.details,
            )
        return RecogniserError("ABORTED", f"the model {refused.model} was refused; {spare} is tried")

    def _of(self, request: RecognitionRequest) -> _Refused:
        return self._refused.setdefault(_key(request), _Refused())


def _key(request: RecognitionRequest) -> tuple[str, str, str]:
    return request.api.service, request.model, request.language


def _least_missed(refused: RecognitionRequest) -> list[Feature]:
    """Return what to give up when a refusal names no field: all features but hints, and hints only then."""
    asked = refused.asked_features
    others = [feature for feature in asked if feature.fields != ("hints",)]
    return others or asked if refused.extras != NOTHING else []
