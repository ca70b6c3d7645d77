"""Masking of what viewers may not see: phone numbers, wherever they stand, and the keys that callers press.

In doubt a number is taken for a phone number. In texts, a run of five digits or more is masked, so that a partial
does not show the beginning of what its final hides. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

DOT: Final = "•"
_LAST: Final = 4
_FEWEST: Final = 5

_NUMBERS: Final = frozenset({"number", "from", "to", "caller", "called"})
_KEYS: Final = frozenset({"digit", "digits"})
_CUSTOM: Final = frozenset({"parameters", "custom", "memory"})
_SAFE: Final = frozenset(
    {
        "id",
        "event_id",
        "session",
        "call_sid",
        "stream_sid",
        "account_sid",
        "timestamp",
        "version",
        "csrf",
        "cursor",
        "next",
    }
    | {"more", "last_event_id", "at", "since", "started", "ended", "expires", "delivered_at", "continues"}
    | {"written_at", "failed_at", "dead_lettered_at", "event", "type", "kind", "call", "traceparent", "host"}
)
"""Keys whose values are made here or by Twilio, and hold digits that mean something else."""

# A date and time of ours, which stays, or a run of digits with what people put between them.
_RUNS = re.compile(
    r"(?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?![\d-]))"
    r"|(?<!\d)(?<!\d:)\+?\d(?:[ \u00a0().\-–/]{0,3}\d)+"
)
_DIGIT = re.compile(r"\d")


class OwnText(str):
    """A text that is this server's own, such as a destination's name: no digits in it are anybody's number."""

    __slots__ = ()


def masked(value: Any) -> Any:
    """Return a text or a JSON value without phone numbers and pressed keys."""
    return _masked(value, is_custom=False)


@lru_cache(maxsize=4_096)
def masked_payload(payload: bytes) -> bytes:
    """Return an event's JSON without phone numbers; remembered, as all viewers get the same."""
    return msgspec.json.encode(masked(msgspec.json.decode(payload)))


def masked_number(number: str) -> str:
    """Return a phone number as its last four digits, if it has enough of them."""
    digits = _DIGIT.findall(number.partition("@")[0])
    return "…" + ("".join(digits[-_LAST:]) if len(digits) > _LAST else "")


def masked_text(text: str) -> str:
    """Return a text with a dot for each digit of a long number."""
    return _RUNS.sub(lambda run: run[0] if run["date"] else _hidden(run[0]), text)


def has_number(text: str) -> bool:
    """Return True if the text holds what would be masked: a search for it would tell what it hides."""
    return masked_text(text) != text


def _hidden(run: str) -> str:
    return _DIGIT.sub(DOT, run) if len(_DIGIT.findall(run)) >= _FEWEST else run


def _masked(value: Any, *, is_custom: bool) -> Any:
    if isinstance(value, str):
        return value if isinstance(value, OwnText) else masked_text(value)
    if isinstance(value, Mapping):
        return _masked_object(value, is_custom=is_custom)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_masked(each, is_custom=is_custom) for each in value]
    if is_custom and isinstance(value, int | float) and not isinstance(value, bool):
        return DOT if len(_DIGIT.findall(str(value))) >= _FEWEST else value
    return value


def _masked_object(value: Mapping[str, Any], *, is_custom: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if is_custom:
            found[masked_text(name)] = _masked(inner, is_custom=True)
        else:
            found[name] = _masked_field(name, inner)
    if not is_custom and (value.get("who") == "keys" or value.get("kind") == "dtmf"):
        found["text"] = _DIGIT.sub(DOT, str(value.get("text") or ""))
    if not is_custom and "words" in value and value.get("text") != found.get("text"):
        found["words"] = [_without_digits(word) for word in value["words"] or ()]
    return found


def _masked_field(name: str, inner: Any) -> Any:
    if name in _SAFE and not isinstance(
        inner, Mapping | list | tuple
    ):  # an id, and not a whole object of that name
        return inner
    if name in _NUMBERS and isinstance(inner, str):
        return masked_number(inner)
    if name in _KEYS and isinstance(inner, str):
        return DOT * len(inner)
    return _masked(inner, is_custom=name in _CUSTOM)


def _without_digits(word: Any) -> Any:
    """Mask a word of a text in which a number was masked: the number is in pieces there."""
    if not isinstance(word, Mapping):
        return word
    hidden = {key: _DIGIT.sub(DOT, word[key]) for key in ("text", "word") if isinstance(word.get(key), str)}
    return {**word, **hidden}
