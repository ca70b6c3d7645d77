"""Events as the texts that the journal holds."""

from collections.abc import Mapping
from typing import Any

import msgspec

from voicestt.events import Event, encode

_MOST_WHOLE = 50_000
_LONGEST_NAME = 256

_encode = msgspec.json.Encoder().encode


def payload_of(event: Event) -> bytes:
    """The event as JSON. What is no character (half of a surrogate pair) becomes U+FFFD.

    Raises:
        Exception: for what no JSON can hold.
    """
    try:
        return encode(event)
    except UnicodeEncodeError:
        return _encode(_characters_only(msgspec.to_builtins(event)))


def clean(name: str) -> str:
    """A CallSid or the like, as every database takes it: no NUL, nothing that is no character, and of bounded
    length, because it comes from outside and is in an index."""
    if name.isascii() and len(name) <= _LONGEST_NAME and "\0" not in name:
        return name
    return clean_text(name)[:_LONGEST_NAME]


def clean_text(text: str) -> str:
    """A text of any length, as every database takes it."""
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
    """The whole payloads of events that are in the journal without their numbers or texts, until all destinations
    have them; the oldest go first where there are too many."""

    def __init__(self, most: int = _MOST_WHOLE) -> None:
        self._most = most
        self._kept: dict[int, tuple[bytes, set[str]]] = {}

    def keep(self, number: int, payload: bytes, destinations: list[str]) -> None:
        """Until each of `destinations` is done with it."""
        if not destinations:
            return
        self._kept[number] = (payload, set(destinations))
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def get(self, number: int, otherwise: str) -> bytes:
        """The whole payload, or what the journal has."""
        kept = self._kept.get(number)
        return otherwise.encode() if kept is None else kept[0]

    def done(self, destination: str, numbers: list[int]) -> None:
        """The destination wants these no more."""
        for number in numbers:
            if number not in self._kept:
                continue
            waiting = self._kept[number][1]
            waiting.discard(destination)
            if not waiting:
                del self._kept[number]
