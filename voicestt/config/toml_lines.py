"""Lines of a TOML file's keys: Python's reader does not tell them, and a person needs them."""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

_HEADER: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_NAME: Final = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY: Final = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")


def lines_of_keys(text: str) -> Mapping[tuple[str, ...], int]:
    """Map the path of each table and key in a TOML text to its line, from 1; not those of inline tables."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header is not None:
            table = _path(header[1])
            lines.setdefault(table, number)
        elif key is not None:
            lines.setdefault((*table, *_path(key[1])), number)
    return lines


def _path(dotted: str) -> tuple[str, ...]:
    """Return the parts of a dotted key; () for what is none, such as a line of a text that looks like one."""
    try:
        inner: object = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(inner, dict):
        name, inner = next(iter(inner.items()))
        parts.append(name)
    return tuple(parts)
