"""JOURNAL_REDACT: removes phone numbers or texts from events before they are stored."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from voicestt.events import (
    CallStarted,
    Dtmf,
    Event,
    Final,
    Partial,
)

Redact = Callable[[Event], Event]

# +972-50-123 4567, (050) 123.4567, tel:+972501234567, sip:+972501234567@example.com
_NUMBER = re.compile(r"(?:[a-z]+:)?\+?[\d\s().\-/]+(?:@.*)?", re.IGNORECASE)
_DIGITS = range(7, 16)  # E.164 has at most 15


def redaction(words: str) -> Redact:
    """Returns the function that redacts events as "none", "numbers", "texts" or "all" says.

    An event's id and times always stay.
    """
    return {"none": _nothing, "numbers": _numbers, "texts": _texts, "all": _all}[words]


def looks_like_a_number(value: object) -> bool:
    """True if the value may be a phone number; in doubt it is taken for one."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    digits = sum(character.isdecimal() for character in text.partition("@")[0])
    return digits in _DIGITS and _NUMBER.fullmatch(text) is not None


def _nothing(event: Event) -> Event:
    return event


def _all(event: Event) -> Event:
    return _numbers(_texts(event))


def _numbers(event: Event) -> Event:
    if not isinstance(event, CallStarted):
        return event
    parameters = _without_numbers(event.parameters)
    return msgspec.structs.replace(event, caller=None, called=None, parameters=parameters)


def _texts(event: Event) -> Event:
    if isinstance(event, Partial):
        return msgspec.structs.replace(event, text="")
    if isinstance(event, Final):
        return msgspec.structs.replace(event, text="", words=())
    if isinstance(event, Dtmf):
        return msgspec.structs.replace(event, digit="")
    return event


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_numbers(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_without_numbers(inner) for inner in value]
    return None if looks_like_a_number(value) else value
