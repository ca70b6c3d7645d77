"""What Google is asked for: the language by Google's own code, and a model that Google has for it.

Google refuses `phone_call`, `latest_*` and others with Hebrew ("The phone_call model is currently not supported
for language : iw-IL"), and it answers so to the first request of a call: the choice is made before.
"""

from dataclasses import dataclass

_GOOGLE_LANGUAGE = {"he": "iw-IL", "he-il": "iw-IL", "iw": "iw-IL", "iw-il": "iw-IL"}
_MODELS_WITH_HEBREW = frozenset({"default", "command_and_search"})


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


def choose_model(asked_model: str, asked_language: str) -> ModelChoice:
    """The pair Google takes for the pair asked for."""
    language = _GOOGLE_LANGUAGE.get(asked_language.lower(), asked_language)
    refused = language == "iw-IL" and asked_model not in _MODELS_WITH_HEBREW
    return ModelChoice(language, "default" if refused else asked_model, asked_model)
