"""What Google is asked for: the language by Google's own code, and a model that Google has for it.

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
    """`language` and `model` as Google is asked for them, and `asked_model` as the settings had it."""

    language: str
    model: str
    asked_model: str

    @property
    def changed(self) -> bool:
        """Whether the model is another than the one asked for."""
        return self.model != self.asked_model


def choose_model(asked_model: str, asked_language: str, api: str = "v1") -> ModelChoice:
    """The pair Google's `api` ("v1" or "v2") takes for the pair asked for."""
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
