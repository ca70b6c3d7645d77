"""A setting's variable, and the dataclass field that is made of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable, its default as it would be typed (None: not set), and its meaning.

    The value of a `secret` one is never shown.
    """

    name: str
    default: str | None
    meaning: str
    read: Callable[[str], object]
    required: bool = False
    secret: bool = False


def setting(
    name: str,
    default: str | None,
    reader: Callable[[str], object],
    meaning: str,
    *,
    required: bool = False,
    secret: bool = False,
) -> Any:
    """Make the field of a setting, read from the variable `name` by `reader`."""
    variable = Variable(name, default, meaning, reader, required, secret)
    return field(repr=not secret, metadata={"variable": variable})
