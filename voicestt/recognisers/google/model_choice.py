"""The choice of a language code and a model that Google accepts together.

Google refuses `phone_call`, `latest_*` and others with Hebrew ("The phone_call model is currently not supported
for language : iw-IL"), and it answers so to the first request of a call: the choice is made before. v2 has other
models than v1, and streams Hebrew with `chirp_3` only.
"""

from dataclasses import dataclass

_GOOGLE_LANGUAGE = {"he": "iw-IL", "he-il": "iw-IL", "iw": "iw-IL", "iw-il": "iw-IL"}
_MODELS_WITH_HEBREW = frozenset({"default", "command_and_search"})
_V2_MODEL_WITH_HEBREW = "chirp_3"
# What v2 calls the models that v1 alone has.
_V2_NAMES = {"phone_call": "telephony", "default": "long", "video": "long", "command_and_search": "short"}


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The `language` and `model` that Google is asked for, and the `asked_model` of the settings."""

    language: str
    model: str
    asked_model: str

    @property
    def changed(self) -> bool:
        """True if the model differs from the one in the settings."""
        return self.model != self.asked_model


def choose_model(asked_model: str, asked_language: str, api: str = "v1") -> ModelChoice:
    """Choose the language and model that Google's `api` ("v1" or "v2") accepts for those asked for."""
    language = _GOOGLE_LANGUAGE.get(asked_language.lower(), asked_language)
    model = _v2_model(asked_model, language) if api == "v2" else _v1_model(asked_model, language)
    return ModelChoice(language, model, asked_model)


def _v1_model(asked: str, language: str) -> str:
    refused = language == "iw-IL" and asked not in _MODELS_WITH_HEBREW
    return "default" if refused else asked


def _v2_model(asked: str, language: str) -> str:
    if language == "iw-IL":
        return _V2_MODEL_WITH_HEBREW
    return _V2_NAMES.get(asked, asked)
