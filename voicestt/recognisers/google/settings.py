"""Google's configuration and address, from the settings."""

from voicestt.config.settings import Settings
from voicestt.recognisers.google.api import ApiVersion
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.config import RecognitionRequest
from voicestt.recognisers.google.model_choice import ModelChoice, choose_model
from voicestt.recognisers.google.v1 import GOOGLE_V1
from voicestt.recognisers.google.v2 import ApiV2

_NO_PROJECT = "local"  # a local service asks for one and does not look at it


def choice_of(settings: Settings) -> ModelChoice:
    """Choose the language and the model that Google's API has for those in the settings."""
    return choose_model(settings.model, settings.language, settings.api)


def asked_of(settings: Settings) -> RecognitionRequest:
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
    """True if the model is one that Google does not offer in the location `global`."""
    to_google = settings.engine == "google" and settings.endpoint is None
    of_v2 = settings.api == "v2" and settings.location == "global"
    return to_google and of_v2 and choice_of(settings).model.startswith("chirp")


def _api(settings: Settings) -> ApiVersion:
    if settings.api == "v1":
        return GOOGLE_V1
    return ApiV2(settings.google_project or _NO_PROJECT, settings.location)
