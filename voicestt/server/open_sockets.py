"""The open sockets of calls: a server that stops lets them close in order, those whose call is over too."""

from typing import Final

from twisted.internet.defer import Deferred

from voicestt.runtime.idle import Idle

CLOSING_SECONDS: Final = 1.2
"""So long a stop waits for sockets to close: Twilio is given a second to close its own after `stop`."""


class OpenSockets:
    """Counts the sockets of calls from their opening to the loss of their connection."""

    def __init__(self) -> None:
        self._open: set[object] = set()
        self._all_closed = Idle(lambda: not self._open)

    def add(self, socket: object) -> None:
        """Count a socket that has been opened."""
        self._open.add(socket)

    def remove(self, socket: object) -> None:
        """Count a socket no more, because its connection is lost; one that was never opened is no mistake."""
        self._open.discard(socket)
        self._all_closed.look()

    def closed(self) -> "Deferred[None]":
        """Return a Deferred that fires when no socket is open."""
        return self._all_closed.wait()
