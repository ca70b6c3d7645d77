"""Payloads of events: the JSON texts that the journal stores and delivers, and what JOURNAL_REDACT leaves out."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from twisted.logger import Logger

from voicestt.events import (
    CallStarted,
    Dtmf,
    Event,
    Final,
    Partial,
    Said,
    encode,
    type_of,
)

_MOST_WHOLE = 50_000
_LONGEST_NAME = 256

_encode = msgspec.json.Encoder().encode
_log = Logger()


def payload_of(event: Event) -> bytes:
    """Encode the event as JSON; half of a surrogate pair, which is no character, becomes U+FFFD.

    Raises:
        Exception: for what no JSON can hold.
    """
    try:
        return encode(event)
    except UnicodeEncodeError:
        return _encode(_characters_only(msgspec.to_builtins(event)))


def payload_or_none(event: Event) -> bytes | None:
    """Encode the event as JSON; return None, and say so in the log, for what no JSON can hold."""
    try:
        return payload_of(event)
    except Exception as problem:  # noqa: BLE001 - an application's parameters may hold anything
        _log.error(
            "An event ({kind}) of call {call!r} can be no JSON ({problem}): only handlers are told of it.",
            kind=type_of(event),
            call=event.call_sid,
            problem=type(problem).__name__,
        )
        return None


def clean(name: str) -> str:
    """Make a CallSid or another identifier fit for an index of any database.

    It comes from outside, so NUL and half characters are replaced, and its length is limited.
    """
    if name.isascii() and len(name) <= _LONGEST_NAME and "\0" not in name:
        return name
    return clean_text(name)[:_LONGEST_NAME]


def clean_text(text: str) -> str:
    """Make a text of any length fit for any database: NUL and half characters are replaced."""
    return _whole_characters(text).replace("\0", "\ufffd")


def _characters_only(value: Any) -> Any:
    if isinstance(value, str):
        return _whole_characters(value)
    if isinstance(value, Mapping):
        return {_characters_only(key): _characters_only(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_characters_only(inner) for inner in value]
    return value


def _whole_characters(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class StoredPayloads:
    """Keeps the whole payloads of events that are in the journal with numbers or texts redacted.

    Each is kept until all its destinations have it; the oldest are dropped when there are too many.
    """

    def __init__(self, most: int = _MOST_WHOLE) -> None:
        self._most = most
        self._kept: dict[int, tuple[bytes, set[str]]] = {}

    def keep(self, number: int, payload: bytes, destinations: list[str]) -> None:
        """Keep a payload until each of `destinations` is done with it."""
        if not destinations:
            return
        self._kept[number] = (payload, set(destinations))
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def get(self, number: int, otherwise: str) -> bytes:
        """Return the whole payload, or `otherwise`, the redacted one of the journal."""
        kept = self._kept.get(number)
        return otherwise.encode() if kept is None else kept[0]

    def done(self, destination: str, numbers: list[int]) -> None:
        """Release payloads that the destination does not need any more."""
        for number in numbers:
            if number not in self._kept:
                continue
            waiting = self._kept[number][1]
            waiting.discard(destination)
            if not waiting:
                del self._kept[number]


Redact = Callable[[Event], Event]

# +972-50-123 4567, (050) 123.4567, tel:+972501234567, sip:+972501234567@example.com
_NUMBER = re.compile(r"(?:[a-z]+:)?\+?[\d\s().\-/]+(?:@.*)?", re.IGNORECASE)
_DIGITS = range(7, 16)  # E.164 has at most 15


def redaction(words: str) -> Redact:
    """Return the function that redacts events as "none", "numbers", "texts" or "all" says.

    An event's id and times always stay.
    """
    return {"none": _nothing, "numbers": _numbers, "texts": _texts, "all": _all}[words]


def looks_like_a_number(value: object) -> bool:
    """Return True if the value may be a phone number; in doubt it is taken for one."""
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
        return msgspec.structs.replace(event, text="", words=(), alternatives=())
    if isinstance(event, Said):
        return event if event.text is None else msgspec.structs.replace(event, text="")
    if isinstance(event, Dtmf):
        return msgspec.structs.replace(event, digit="")
    return event


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_numbers(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_without_numbers(inner) for inner in value]
    return None if looks_like_a_number(value) else value
