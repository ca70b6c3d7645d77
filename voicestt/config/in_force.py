"""Formats the settings in force for people: each value and its source, without secrets or phone numbers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from voicestt.config.settings import Settings, setting_fields
from voicestt.config.variable import Variable

_PHONE_NUMBER: Final = re.compile(r"\+?\d[\d\s().-]{5,}\d")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class InForce:
    """The value of one variable as it may be shown, and `source`, which it was taken from.

    A secret is shown as "set" or "not set".
    """

    variable: Variable
    value: str
    source: str


def in_force(settings: Settings, sources: Mapping[str, str]) -> list[InForce]:
    """List all settings. `sources` names the source of each variable that is set; the others are defaults."""
    return [
        InForce(variable, shown(variable, getattr(settings, attribute)), sources.get(variable.name, "default"))
        for attribute, variable in setting_fields()
    ]


def changed_settings(settings: Settings) -> list[str]:
    """List the settings that differ from their defaults, as NAME=VALUE; "NAME is set" for a secret."""
    return [
        f"{variable.name} is set" if variable.secret else f"{variable.name}={shown(variable, value)}"
        for attribute, variable in setting_fields()
        if (value := getattr(settings, attribute)) != _default_of(variable)
    ]


def shown(variable: Variable, value: object) -> str:
    """Format a value for people, without secrets and without phone numbers."""
    if variable.secret:
        # A secret with a default, such as JOURNAL_URL, may be shown where it is that.
        is_default = variable.default is not None and value == _default_of(variable)
        return str(variable.default) if is_default else "not set" if value is None else "set"
    text = _text(value)
    if _is_free_text(value):
        text = _PHONE_NUMBER.sub("…", " ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _is_free_text(value: object) -> bool:
    return isinstance(value, str) and (" " in value or value.startswith("+"))


def _text(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value)) or "not set"
    return str(value)


def _default_of(variable: Variable) -> object:
    return None if variable.default is None else variable.read(variable.default)
