"""The configuration of recognition requests to Google: from the settings, as Google accepts it.

Google refuses `phone_call`, `latest_*` and others with Hebrew ("The phone_call model is currently not supported
for language : iw-IL"), and it answers so to the first request of a call: the choice is made before. v2 has other
models than v1, and streams Hebrew with `chirp_3` only. So it is with the features: what a model does not have is
not asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Final

from voicestt.config.recognition_options import NOTHING_SAID, RecognitionOptions
from voicestt.config.settings import Settings
from voicestt.recognisers.google.api import GOOGLE_V1, ApiV2, ApiVersion
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.features import FEATURES, NOTHING, Extras, Feature, undocumented
from voicestt.recognisers.google.responses import results_of, utterance_of
from voicestt.recognisers.port import Result
from voicestt.recognisers.punctuation import Clean, unchanged, without_punctuation
from voicestt.runtime.metrics import Stamps

_GOOGLE_LANGUAGE: Final = {"he": "iw-IL", "he-il": "iw-IL", "iw": "iw-IL", "iw-il": "iw-IL"}
_MODELS_WITH_HEBREW: Final = frozenset({"default", "command_and_search"})
_V2_MODEL_WITH_HEBREW: Final = "chirp_3"
# What v2 calls the models that v1 alone has.
_V2_NAMES: Final = {"phone_call": "telephony", "default": "long", "video": "long", "command_and_search": "short"}
_OPENINGS_KEPT: Final = 256
_NO_PROJECT: Final = "local"  # a local service asks for one and does not look at it


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """The configuration of a request: Google's language code and model, punctuation, API version, whether the
    words of finals are wanted with their times, and the optional features.
    """

    language: str
    model: str
    punctuation_interim: bool = False
    punctuation_final: bool = True
    api: ApiVersion = GOOGLE_V1
    word_times: bool = True
    extras: Extras = NOTHING

    @property
    def asked_features(self) -> list[Feature]:
        """The optional features that are asked for."""
        return [feature for feature in FEATURES if feature.is_in(self.extras)]

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
        config = self.api.config(
            self.language, self.model, punctuation=self.punctuation, word_times=self.word_times
        )
        if self.extras is not NOTHING:
            self.api.add_extras(config, self.extras)
        return config

    def opening(self) -> bytes:
        """Make a stream's first message; it is kept, as with thousands of hints it takes a while to make."""
        return _opening_of(self)

    def results_of(self, response: Any, stamps: Stamps | None = None) -> Sequence[Result]:
        """Convert a raw StreamingRecognizeResponse to results whose texts are cleaned, each with its `stamps`."""
        return results_of(response, self.clean_partial, self.clean_final, self.api, stamps)

    def utterance_of(self, response: Any) -> Result | None:
        """Convert a raw RecognizeResponse to a final whose text is cleaned; None if nothing was understood."""
        return utterance_of(response, self.clean_final, self.api)


@lru_cache(maxsize=_OPENINGS_KEPT)
def _opening_of(request: RecognitionRequest) -> bytes:
    return request.api.opening(request.config(), request.extras)


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
    return choice_for(settings, NOTHING_SAID)


def choice_for(settings: Settings, options: RecognitionOptions) -> ModelChoice:
    """Choose the language and the model for what a call wants otherwise than the settings."""
    return choose_model(options.model or settings.model, options.language or settings.language, settings.api)


def request_of(settings: Settings, options: RecognitionOptions = NOTHING_SAID) -> RecognitionRequest:
    """Make the recognition configuration of the settings and of what a call wants otherwise, as Google has it."""
    request, missing = _wanted(settings, options)
    extras = request.extras
    for feature in missing:
        extras = feature.removed_from(extras)
    return replace(request, extras=extras)


def not_asked(settings: Settings, options: RecognitionOptions = NOTHING_SAID) -> list[Feature]:
    """Return the features that are wanted and not asked for: Google does not document them for the model."""
    return _wanted(settings, options)[1]


def _wanted(settings: Settings, options: RecognitionOptions) -> tuple[RecognitionRequest, list[Feature]]:
    wanted = options.over(settings.extras)
    choice = choice_for(settings, options)
    extras = _extras_of(wanted)
    request = RecognitionRequest(
        choice.language, choice.model, *_punctuation(settings, wanted.punctuation), _api(settings), extras=extras
    )
    return request, list(undocumented(extras, settings.api, choice.model, choice.language))


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


def _punctuation(settings: Settings, wanted: bool | None) -> tuple[bool, bool]:
    """Return whether partials and finals are to have punctuation; a call that wants none has none at all."""
    if wanted is None:
        return settings.punctuation_interim, settings.punctuation_final
    return settings.punctuation_interim and wanted, wanted


def _extras_of(options: RecognitionOptions) -> Extras:
    values = {each.name: getattr(options, each.name) for each in fields(Extras)}
    said = {name: value for name, value in values.items() if value is not None}
    languages = (_GOOGLE_LANGUAGE.get(each.lower(), each) for each in said.get("alternative_languages", ()))
    extras = Extras(**{**said, "alternative_languages": tuple(languages)})
    return NOTHING if extras == NOTHING else extras


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
