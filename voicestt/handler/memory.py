"""A handler's memory of its call: a small JSON value, which goes with the call when the call goes elsewhere."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

MOST_BYTES: Final = 16_384


class BadMemory(ValueError):
    """A value is no JSON, or too large to be remembered."""


class CallMemory:
    """The value, for any thread. `text` is what a former handler left, as JSON; `keep` takes a new one."""

    def __init__(self, text: str | None = None, keep: Callable[[str], object] = lambda _text: None) -> None:
        self._text = text
        self._keep = keep

    @property
    def value(self) -> Any:
        """The newest value; None if none was set. Each time another copy: what is changed in it is not kept."""
        return None if self._text is None else msgspec.json.decode(self._text)

    def set(self, value: Any) -> None:
        """Remember `value`.

        Raises:
            BadMemory: if it is no JSON, or more than MOST_BYTES of it.
        """
        try:
            data = msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError, OverflowError) as problem:
            raise BadMemory(f"what is to be remembered is no JSON: {problem}") from None
        if len(data) > MOST_BYTES:
            raise BadMemory(
                f"what is to be remembered has {len(data)} bytes as JSON, and {MOST_BYTES} are the most"
            )
        self._text = data.decode()
        self._keep(self._text)
