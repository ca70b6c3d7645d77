"""The models and languages that Google has, by version and location, and its words for those that it has not.

Sources: the table of models in v1's cloud_speech.proto, Google's lists of languages and models for v2 (chirp's
models are in regions, not in `global`), and refusals that users quote.
"""

import re

from voicestt.emulators.google.audio_format import bad_config
from voicestt.emulators.google.limits import Code, Refusal

_BOTH = frozenset(
    {"latest_long", "latest_short", "telephony", "telephony_short", "medical_dictation", "medical_conversation"}
)
V1_MODELS = _BOTH | {"default", "command_and_search", "phone_call", "video"}
V2_MODELS = _BOTH | {"long", "short", "chirp", "chirp_2", "chirp_3"}
_HEBREW = {"v1": frozenset({"default", "command_and_search"}), "v2": frozenset({"chirp_3"})}
_DETECTING = frozenset({"chirp_2", "chirp_3"})
_UNKNOWN = "Incorrect model specified. Please refer to the documentation page for valid model names."
_ANY_LANGUAGE = "auto"
_HEARD_INSTEAD = "en-US"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def language_of(code: str) -> str:
    """Return a BCP-47 code as Google writes it (`he-IL` becomes `iw-IL`); raises `Refusal`."""
    if not _LANGUAGE.fullmatch(code):
        raise bad_config("bad language code.")
    primary, _, region = code.partition("-")
    return f"iw-{region}".rstrip("-") if primary.lower() in {"he", "iw"} else code


def model_of_v1(model: str, language: str) -> str:
    """Return the model of v1 that a client gets in a language; raises `Refusal`."""
    model = model or "default"
    if model not in V1_MODELS:
        raise bad_config(_UNKNOWN)
    if not _hears(model, language, "v1"):
        named = "phone_call" if model == "phone_call" else "requested"
        raise bad_config(f"The {named} model is currently not supported for language : {language}.")
    return model


def pair_of_v2(model: str, code: str, location: str) -> tuple[str, str]:
    """Return model and language that a client of v2 gets in a location; raises `Refusal`.

    Where the model detects the language (`auto`), the engines here hear English.
    """
    if model not in V2_MODELS or (model.startswith("chirp") and location == "global"):
        raise _refused(f'The model "{model}" does not exist in the location named "{location}".')
    if code == _ANY_LANGUAGE and model in _DETECTING:
        return model, _HEARD_INSTEAD
    language = code if code == _ANY_LANGUAGE else language_of(code)
    if code == _ANY_LANGUAGE or not _hears(model, language, "v2"):
        pair = f'The language "{language}" is not supported by the model "{model}"'
        raise _refused(f'{pair} in the location named "{location}".')
    return model, language


def _hears(model: str, language: str, version: str) -> bool:
    if model.startswith("medical_"):
        return language.lower() == "en-us"
    return not language.startswith("iw") or model in _HEBREW[version]


def _refused(words: str) -> Refusal:
    return Refusal(Code.INVALID_ARGUMENT, words)
