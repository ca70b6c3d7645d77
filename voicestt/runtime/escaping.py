"""Escaping of text from outside for print: no character of it may move the cursor or turn the line around."""

import unicodedata
from typing import Final

_BIDI_CONTROLS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def escaped(text: str, longest: int | None = None) -> str:
    r"""Escape control characters, line ends and bidi controls as `\x1b`, `\u202e`; letters are untouched.

    Text longer than `longest` characters is cut, and ends in "…".
    """
    if longest is not None and len(text) > longest:
        text = text[:longest] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escaped, text))


def escaped_in_json(document: str) -> str:
    """Escape such characters in a JSON document as JSON does, keeping its meaning and its line ends."""
    return "".join(f"\\u{ord(each):04x}" if each != "\n" and _moves(each) else each for each in document)


def _escaped(character: str) -> str:
    if not _moves(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _moves(character: str) -> bool:
    return character in _BIDI_CONTROLS or unicodedata.category(character) in _UNPRINTABLE
