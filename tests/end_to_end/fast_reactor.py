"""A reactor whose time runs faster: all that the server measures in seconds it asks the reactor it was given."""

from collections.abc import Callable
from typing import Any


class FastReactor:
    """`reactor`, but its seconds pass `scale` times as fast."""

    def __init__(self, reactor: Any, scale: float) -> None:
        self._reactor = reactor
        self._scale = scale

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def seconds(self) -> float:
        """Its own time."""
        seconds: float = self._reactor.seconds()
        return seconds * self._scale

    def callLater(self, delay: float, call: Callable[..., object], *args: object) -> Any:  # noqa: N802
        """Does something after `delay` of its own seconds."""
        return self._reactor.callLater(delay / self._scale, call, *args)
