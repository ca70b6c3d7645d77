"""The room in a socket's transport: a caller who reads nothing must not make the server keep much."""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Room:
    """Tracks the transport's room, tells the line of it, and delays a ping's answer until there is some."""

    def __init__(
        self, line: IPushProducer | None = None, answer: Callable[[bytes], object] = lambda _payload: None
    ) -> None:
        self._line = line
        self._answer = answer
        self.is_full = False
        self.ping: bytes | None = None

    def pauseProducing(self) -> None:  # noqa: N802
        """Note that the transport's buffer is full, and pause the line."""
        self.is_full = True
        if self._line is not None:
            self._line.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Note that there is room again: answer the ping that waits, and resume the line."""
        self.is_full = False
        ping, self.ping = self.ping, None
        if ping is not None:
            self._answer(ping)
        if self._line is not None:
            self._line.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """Tell the line that the transport is gone."""
        if self._line is not None:
            self._line.stopProducing()
