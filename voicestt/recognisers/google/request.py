"""The configuration of recognition requests to Google: from the settings, as Google accepts it.

Google refuses `phone_call`, `latest_*` and others with Hebrew ("The phone_call model is currently not supported
for language : iw-IL"), and it answers so to the first request of a call: the choice is made before. v2 has other
models than v1, and streams Hebrew with `chirp_3` only. A feature that Google refuses nevertheless, and that calls
can do without, is given up for all calls.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from twisted.logger import Logger

from voicestt.config.settings import Settings
from voicestt.recognisers.google.api import GOOGLE_V1, ApiV2, ApiVersion
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.responses import results_of, utterance_of
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.recognisers.punctuation import Clean, unchanged, without_punctuation
from voicestt.runtime.metrics import Stamps

_GOOGLE_LANGUAGE: Final = {"he": "iw-IL", "he-il": "iw-IL", "iw": "iw-IL", "iw-il": "iw-IL"}
_MODELS_WITH_HEBREW: Final = frozenset({"default", "command_and_search"})
_V2_MODEL_WITH_HEBREW: Final = "chirp_3"
# What v2 calls the models that v1 alone has.
_V2_NAMES: Final = {"phone_call": "telephony", "default": "long", "video": "long", "command_and_search": "short"}
_NO_PROJECT: Final = "local"  # a local service asks for one and does not look at it
# v2 says "Config contains unsupported fields." and names them where gRPC's status does not show them.
_OF_WORD_TIMES = re.compile(r"word.?(time|level)|time.?(offset|stamp)|unsupported field", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """The configuration of a request: Google's language code and model, punctuation, API version, and
    whether the words of finals are wanted with their times.
    """

    language: str
    model: str
    punctuation_interim: bool = False
    punctuation_final: bool = True
    api: ApiVersion = GOOGLE_V1
    word_times: bool = True

    @property
    def punctuation(self) -> bool:
        """True if either kind of result is to have punctuation: Google has one flag for both."""
        return self.punctuation_interim or self.punctuation_final

    @property
    def clean_partial(self) -> Clean:
        """The clean-up of a partial's text."""
        return unchanged if self.punctuation_interim or not self.punctuation else without_punctuation

    @property
    def clean_final(self) -> Clean:
        """The clean-up of a final's text."""
        return unchanged if self.punctuation_final or not self.punctuation else without_punctuation

    def config(self) -> Any:
        """Make a raw RecognitionConfig: LINEAR16, 8 kHz, mono."""
        return self.api.config(self.language, self.model, punctuation=self.punctuation, word_times=self.word_times)

    def results_of(self, response: Any, stamps: Stamps | None = None) -> Sequence[Result]:
        """Convert a raw StreamingRecognizeResponse to results whose texts are cleaned, each with its `stamps`."""
        return results_of(response, self.clean_partial, self.clean_final, self.api, stamps)

    def utterance_of(self, response: Any) -> Result | None:
        """Convert a raw RecognizeResponse to a final whose text is cleaned; None if nothing was understood."""
        return utterance_of(response, self.clean_final, self.api)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The `language` and `model` that Google is asked for, and the `wanted_model` of the settings."""

    language: str
    model: str
    wanted_model: str

    @property
    def changed(self) -> bool:
        """True if the model differs from the one in the settings."""
        return self.model != self.wanted_model


def choice_of(settings: Settings) -> ModelChoice:
    """Choose the language and the model that Google's API has for those in the settings."""
    return choose_model(settings.model, settings.language, settings.api)


def request_of(settings: Settings) -> RecognitionRequest:
    """Make the recognition configuration of the settings."""
    choice = choice_of(settings)
    punctuation = settings.punctuation_interim, settings.punctuation_final
    return RecognitionRequest(choice.language, choice.model, *punctuation, _api(settings))


def target_of(settings: Settings) -> GoogleTarget:
    """Make Google's address of the settings: each location of v2 other than `global` has a host of its own."""
    endpoint = settings.endpoint
    if endpoint is None and settings.api == "v2" and settings.location != "global":
        endpoint = f"{settings.location}-speech.googleapis.com:443"
    return GoogleTarget(endpoint, settings.insecure, settings.credentials)


def is_elsewhere(settings: Settings) -> bool:
    """Return True if the model is one that Google does not offer in the location `global`."""
    to_google = settings.engine == "google" and settings.endpoint is None
    of_v2 = settings.api == "v2" and settings.location == "global"
    return to_google and of_v2 and choice_of(settings).model.startswith("chirp")


def choose_model(wanted_model: str, wanted_language: str, api: str = "v1") -> ModelChoice:
    """Choose the language and model that Google's `api` ("v1" or "v2") accepts for those wanted."""
    language = _GOOGLE_LANGUAGE.get(wanted_language.lower(), wanted_language)
    model = _v2_model(wanted_model, language) if api == "v2" else _v1_model(wanted_model, language)
    return ModelChoice(language, model, wanted_model)


class FeatureNegotiation:
    """Negotiation of features: `request` is the configuration from here on. Word times go before a model does."""

    _log = Logger()

    def __init__(self, request: RecognitionRequest) -> None:
        self.request = request

    def consider(self, error: RecogniserError, refused: RecognitionRequest) -> RecogniserError:
        """Drop the feature that Google's `error` refuses, if any; `refused` is the configuration that it refuses.

        Returns `error`, or ABORTED, which another attempt can mend, if a feature was given up.
        """
        if error.status != "INVALID_ARGUMENT":
            return error
        if refused.word_times and _OF_WORD_TIMES.search(error.details):
            return self._give_up_word_times(error, refused)
        if "model" in error.details.lower() and refused.model != refused.api.spare_model:
            return self._give_up_model(error, refused)
        return error

    def _give_up_word_times(self, error: RecogniserError, refused: RecognitionRequest) -> RecogniserError:
        if self.request.word_times:
            self.request = replace(self.request, word_times=False)
            self._log.warn(
                "⚠️ Google does not give the times of words with the model {model} and {language}: finals come "
                "without their words one by one from here on. Google said: {words}",
                model=refused.model,
                language=refused.language,
                words=error.details,
            )
        return RecogniserError("ABORTED", "word times were refused; without them is tried")

    def _give_up_model(self, error: RecogniserError, refused: RecognitionRequest) -> RecogniserError:
        spare = refused.api.spare_model
        if self.request.model == refused.model:
            self.request = replace(self.request, model=spare)
            self._log.warn(
                "⚠️ Google refuses GCP_STT_MODEL={asked} with {language}: {spare} is used from here on. "
                "Google said: {words}. Set GCP_STT_MODEL={spare} to be rid of this line.",
                asked=refused.model,
                spare=spare,
                language=refused.language,
                words=error.details,
            )
        return RecogniserError("ABORTED", f"the model {refused.model} was refused; {spare} is tried")


def _v1_model(model: str, language: str) -> str:
    is_refused = language == "iw-IL" and model not in _MODELS_WITH_HEBREW
    return "default" if is_refused else model


def _v2_model(model: str, language: str) -> str:
    if language == "iw-IL":
        return _V2_MODEL_WITH_HEBREW
    return _V2_NAMES.get(model, model)


def _api(settings: Settings) -> ApiVersion:
    if settings.api == "v1":
        return GOOGLE_V1
    return ApiV2(settings.google_project or _NO_PROJECT, settings.location)
