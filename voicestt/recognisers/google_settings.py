"""The settings, as what Google is asked for and where it is."""

from voicestt.model_choice import ModelChoice, choose_model
from voicestt.recognisers.google_asked import Asked
from voicestt.recognisers.google_channels import Target
from voicestt.recognisers.google_dialect import Dialect
from voicestt.recognisers.google_v1 import GOOGLE_V1
from voicestt.recognisers.google_v2 import V2
from voicestt.settings import Settings

_NO_PROJECT = "local"  # a local service asks for one and does not look at it


def choice_of(settings: Settings) -> ModelChoice:
    """The language and the model that the API has for those in the settings."""
    return choose_model(settings.model, settings.language, settings.api)


def asked_of(settings: Settings) -> Asked:
    """What Google is asked for."""
    choice = choice_of(settings)
    punctuation = settings.punctuation_interim, settings.punctuation_final
    return Asked(choice.language, choice.model, *punctuation, _api(settings))


def target_of(settings: Settings) -> Target:
    """Where Google is: a location of v2 other than `global` has a host of its own."""
    endpoint = settings.endpoint
    if endpoint is None and settings.api == "v2" and settings.location != "global":
        endpoint = f"{settings.location}-speech.googleapis.com:443"
    return Target(endpoint, settings.insecure, settings.credentials)


def is_elsewhere(settings: Settings) -> bool:
    """Whether the model is one of those that Google does not have in the location `global`."""
    to_google = settings.engine == "google" and settings.endpoint is None
    of_v2 = settings.api == "v2" and settings.location == "global"
    return to_google and of_v2 and choice_of(settings).model.startswith("chirp")


def _api(settings: Settings) -> Dialect:
    if settings.api == "v1":
        return GOOGLE_V1
    return V2(settings.google_project or _NO_PROJECT, settings.location)
