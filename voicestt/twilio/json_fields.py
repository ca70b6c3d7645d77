"""Reads the fields of a JSON object that may be of any type, and makes values that can be written again."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

_DEEPEST = 8  # levels of lists and objects in a parameter: deeper ones could not be written as JSON again


class JsonFields:
    """Reads the fields of a JSON object; `odd` are the names of fields of a wrong type."""

    def __init__(self, fields: Mapping[str, Any], place: str = "") -> None:
        self._fields = fields
        self._place = place
        self.odd: list[str] = []

    def items(self, name: str) -> list[object]:
        """Return a field that is a list, else an empty one."""
        value = self._fields.get(name)
        if isinstance(value, list):
            return value
        self._note(name, value)
        return []

    def text(self, name: str) -> str:
        """Return a field as a string, "" if it is none."""
        value = self._fields.get(name)
        if isinstance(value, str):
            return _encodable(value)
        self._note(name, value)
        return ""

    def number(self, name: str, default: float) -> float:
        """Return a field that is a number or a string of one, else the default."""
        value = self._fields.get(name)
        try:
            number = float(value) if _is_scalar(value) else math.nan
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
        self._note(name, value)
        return default

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return a field that is an object, else an empty one."""
        value = self._fields.get(name)
        if isinstance(value, dict):
            return value
        self._note(name, value)
        return {}

    def _note(self, name: str, value: object) -> None:
        if value is not None:
            self.odd.append(self._place + name)


def _is_scalar(value: object) -> TypeGuard[float | str]:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def number_of(digits: str) -> float:
    """Read an integer of any size; one that is too long becomes a float."""
    return int(digits) if len(digits) < 20 else float(digits)


def writable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that can be written as JSON again, in UTF-8; what is too deep becomes null."""
    if isinstance(value, str):
        return _encodable(value)
    if depth >= _DEEPEST:
        return None
    if isinstance(value, dict):
        return {_encodable(name): writable(each, depth + 1) for name, each in value.items()}
    return [writable(each, depth + 1) for each in value] if isinstance(value, list) else value


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
