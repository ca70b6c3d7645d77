"""Bodies of HTTP requests and answers, whole and in memory, for Twisted's client."""

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer


class TooLong(Exception):
    """The error of an answer longer than the limit, which its text gives."""


def read_body(response: IResponse, longest: int) -> Deferred[bytes]:
    """Read an answer's body, at most `longest` bytes. Cancelling closes the connection.

    An answer that ends with its connection, without having said its length, is taken for whole. Fails with
    TooLong, or with what broke the connection.
    """
    return _Collected(longest).collect(response)


class _Collected(Protocol):
    """Collects an answer's body."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._body = bytearray()
        self._whole: Deferred[bytes] = Deferred(lambda _: self._close())

    def collect(self, response: IResponse) -> Deferred[bytes]:
        response.deliverBody(self)
        return self._whole

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._body += data
        if len(self._body) > self._longest and not self._whole.called:
            self._whole.errback(TooLong(f"more than {self._longest} bytes"))
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self._whole.callback(bytes(self._body))
        else:
            self._whole.errback(reason)

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


class Beginning(Protocol):
    """Reads an answer's body and keeps its first `most` bytes as `kept`.

    `over` fires when the body is at its end, whatever that is: more than `longest` bytes close the connection, and
    so does cancelling.
    """

    def __init__(self, response: IResponse, most: int, longest: int) -> None:
        self.kept = b""
        self.over: Deferred[None] = Deferred(lambda _: self._close())
        self._most = most
        self._left = longest
        response.deliverBody(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take a part of the body."""
        self.kept += data[: self._most - len(self.kept)]
        self._left -= len(data)
        if self._left < 0:
            self._end()
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Take the end of the body."""
        self._end()

    def _end(self) -> None:
        if not self.over.called:
            self.over.callback(None)

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


@implementer(IBodyProducer)
class WholeBody:
    """A request's body that is complete in memory."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802
        """Write the whole body."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:  # noqa: N802
        """Do nothing: everything was written at once."""

    def resumeProducing(self) -> None:  # noqa: N802
        """Do nothing: everything was written at once."""

    def stopProducing(self) -> None:  # noqa: N802
        """Do nothing: everything was written at once."""
