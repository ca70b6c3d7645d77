"""Whether a socket's transport has room: a caller who reads nothing must not make the server keep much."""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Room:
    """Whether the transport has room: told to the line, and asked before a ping is answered."""

    def __init__(
        self, line: IPushProducer | None = None, answer: Callable[[bytes], object] = lambda _payload: None
    ) -> None:
        self._line = line
        self._answer = answer
        self.is_full = False
        self.ping: bytes | None = None

    def pauseProducing(self) -> None:  # noqa: N802
        """The transport's buffer is full."""
        self.is_full = True
        if self._line is not None:
            self._line.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """There is room again: the ping that waits is answered."""
        self.is_full = False
        ping, self.ping = self.ping, None
        if ping is not None:
            self._answer(ping)
        if self._line is not None:
            self._line.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """The transport is gone."""
        if self._line is not None:
            self._line.stopProducing()
