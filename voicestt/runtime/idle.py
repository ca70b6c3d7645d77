"""Waiting until nothing is left."""

from collections.abc import Callable

from twisted.internet.defer import Deferred


class Idle:
    """Fires Deferreds when nothing is left, which `is_idle` says; call `look` whenever something has ended."""

    def __init__(self, is_idle: Callable[[], bool]) -> None:
        self._is_idle = is_idle
        self._waiting: list[Deferred[None]] = []

    def wait(self) -> "Deferred[None]":
        """Return a Deferred that fires when nothing is left, at once if that is so now. It may be cancelled."""
        idle: Deferred[None] = Deferred()
        self._waiting.append(idle)
        self.look()
        return idle

    def look(self) -> None:
        """Fire all that wait, if nothing is left."""
        if self._waiting and self._is_idle():
            waiting, self._waiting = self._waiting, []
            for idle in waiting:
                idle.callback(None)
