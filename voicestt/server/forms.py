"""Forms and queries of requests, read once and bounded."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

_MOST_FIELDS = 5_000  # a body of 64 KiB holds no more that mean anything

Form = Mapping[str, Sequence[str]]


def parsed(text: str) -> Form:
    """Read a form or a query; one with too many fields is empty."""
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}


def first(form: Form, name: str) -> str | None:
    """Return the first value of a field, None if it has none."""
    values = form.get(name)
    return values[0] if values else None
