"""How the commands write times, numbers and tables."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from voicestt.runtime.escaping import escaped_in_json

_SHOWN_DIGITS = 4


def moment(seconds: float) -> str:
    """Seconds since 1970 as a person reads them, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(seconds: float | None) -> str | None:
    """Seconds since 1970 as a machine reads them: RFC 3339, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def length(seconds: float) -> str:
    """1:02, or 1:00:02."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def masked(number: str | None) -> str | None:
    """A phone number's last four digits."""
    return number and f"…{number[-_SHOWN_DIGITS:]}"


def plain(text: str) -> str:
    """A text in one line, and nothing in it that a terminal would obey."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def json_text(value: object) -> str:
    """A JSON document for people and machines: letters as they are, and nothing that a terminal would obey."""
    return escaped_in_json(json.dumps(value, ensure_ascii=False, indent=2))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, each as wide as what is in it."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]
