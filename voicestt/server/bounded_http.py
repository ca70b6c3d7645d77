"""HTTP for strangers: bounded in size, time and number, before anything is parsed or remembered.

Twisted reads a body of any size, and parses a form before a resource is asked; a request may take for ever. Here a
body has at most 64 KiB, whatever the path; a head and its body have ten seconds in all; nothing but the query is
parsed; and once a connection is being closed, nothing more that comes on it is looked at.
"""

# mypy: disable-error-code="no-untyped-call"
# ruff: noqa: N802, N815 (camelCase is Twisted's)

from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from voicestt.server.connections import UNKNOWN, Visitor, Visitors

LARGEST_BODY: Final = 65_536
REQUEST_SECONDS: Final = 10.0
KEEP_ALIVE_SECONDS: Final = 75
_LARGEST_REQUEST: Final = 8 * LARGEST_BODY  # as it is on the wire: chunks of one byte take six
_CLOSING_SECONDS: Final = 12.0
_MOST_DIGITS: Final = 15
MOST_AT_ONCE: Final = 8  # requests in one read; Twilio and proxies send one, and wait for its answer
_NO_LIMITS: Final = Visitors(1_000_000, 1_000_000)
_TOO_LARGE: Final = b"413 Content Too Large", b"The body is larger than %d bytes.\n" % LARGEST_BODY
_BAD: Final = b"400 Bad Request", b"This is no request that can be understood.\n"


class BoundedRequest(Request):
    """A request whose body is kept in memory, up to its bound."""

    channel: "BoundedChannel"
    content: BytesIO

    def gotLength(self, length: int | None) -> None:
        """Keep the body in memory: for one of unknown length Twisted would make a file, and use a descriptor."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body; one that exceeds the limit ends the connection."""
        if self.channel.is_over:
            return
        if self.content.tell() + len(data) > LARGEST_BODY:
            self.channel.refuse(*_TOO_LARGE)
        else:
            self.content.write(data)

    def getRequestHostname(self) -> bytes:
        """Return a fixed name: the router needs one, and answers here never depend on the client's."""
        return b"localhost"


class BoundedChannel(HTTPChannel):
    """A stranger's connection, which speaks HTTP or something else."""

    visitor: Visitor | None = None
    is_over = False
    transport: Any
    callLater: Any
    _deadline: IDelayedCall | None = None
    _is_answering = False
    _taken = 0
    _requests_at_once = 0

    def connectionMade(self) -> None:
        """Start the time limit of the first request."""
        super().connectionMade()
        self._arm(REQUEST_SECONDS)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the network, within the limit of one request."""
        if self.is_over:
            return
        self._requests_at_once = 0
        if not self._is_answering:
            self._taken += len(data)
            if self._deadline is None:
                self._arm(REQUEST_SECONDS)
        super().dataReceived(data)
        if self._taken > _LARGEST_REQUEST and not self.is_over and not self._is_answering:
            self.refuse(*_TOO_LARGE)

    def lineReceived(self, line: bytes) -> None:
        """Take a line of the head; nothing after a refused one."""
        if self.is_over:
            return
        if self._deadline is None:
            self._arm(REQUEST_SECONDS)
        super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """Take a part of a body, or bytes that come while an answer is made."""
        if not self.is_over:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is too long."""
        self.refuse(*_BAD)

    def headerReceived(self, line: bytes) -> bool:
        """Take a header; a Content-Length that is too great or absurd ends the connection."""
        name, _, value = line.partition(b":")
        digits = value.strip(b" \t")
        is_length = name.lower() == b"content-length" and digits.isdigit()
        if is_length and (len(digits) > _MOST_DIGITS or int(digits) > LARGEST_BODY):
            self.refuse(*_TOO_LARGE)
            return False
        return bool(super().headerReceived(line))

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Return True if another request may follow; not where requests come faster than they are answered."""
        self._requests_at_once += 1
        if self._requests_at_once >= MOST_AT_ONCE:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def allContentReceived(self) -> None:
        """End the time limit, because the request is complete, and answer it."""
        if self.is_over:
            return
        self._disarm()
        self._is_answering = True
        self._taken = 0
        if self.visitor is not None:
            self.visitor.moved()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """Note that the answer is written; another request may follow."""
        self._is_answering = False
        super().requestDone(request)

    def refuse(self, status: bytes, words: bytes) -> None:
        """Answer without a request, and close the connection."""
        self.transport.write(
            b"HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%s" % (status, len(words), words)
        )
        self.loseConnection()

    def loseConnection(self) -> None:
        """Close the connection, and cut it off if the other side does not let it close."""
        self.is_over = True
        self.setTimeout(None)
        self._arm(_CLOSING_SECONDS)
        super().loseConnection()

    def timeoutConnection(self) -> None:
        """Close a kept connection that was not used again, without a line in the log."""
        self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Release the connection's timer and its place among the visitors."""
        self._disarm()
        if self.visitor is not None:
            self.visitor.leave()
        super().connectionLost(reason)

    def hand_over(self) -> Visitor | None:
        """Give up the transport to another protocol, with its place among the connections."""
        self._disarm()
        visitor, self.visitor = self.visitor, None
        return visitor

    def cut(self) -> None:
        """Drop the connection at once."""
        self.is_over = True
        if self.transport is not None:
            self.transport.abortConnection()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.callLater(seconds, self.cut)

    def _disarm(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()


class BoundedSite(Site):
    """Serves `resource` to `visitors`; `turned_away` is told the address of a connection that had no room.

    Without an access log: what a webhook brought is logged in words, and a GET's query could hold a number.
    """

    displayTracebacks = False
    noisy = False
    protocol = BoundedChannel  # type: ignore[assignment]  # Twisted's has a wrapper for HTTP/2

    def __init__(
        self,
        resource: IResource,
        visitors: Visitors = _NO_LIMITS,
        turned_away: Callable[[str], object] = lambda _address: None,
        reactor: IReactorTime | None = None,
    ) -> None:
        super().__init__(
            resource, BoundedRequest, parsePOSTFormSubmission=False, timeout=KEEP_ALIVE_SECONDS, reactor=reactor
        )
        self._visitors = visitors
        self._turned_away = turned_away

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the channel of a new connection; None, which closes it at once, if there is no room."""
        channel = super().buildProtocol(addr)
        address = str(getattr(addr, "host", UNKNOWN))
        channel.visitor = self._visitors.admit(address, channel.cut)
        if channel.visitor is None:
            self._turned_away(address)
            return None
        return channel

    def acceptableProtocols(self) -> list[bytes]:
        """Offer HTTP/1.1 only: Twisted may offer HTTP/2, to which no bound here applies."""
        return [b"http/1.1"]

    def log(self, request: object) -> None:
        """Write no access log."""


def visitor_of(request: Any) -> Visitor | None:
    """Return the request's place among the connections that are not calls; None if it has none."""
    visitor: Visitor | None = getattr(request.channel, "visitor", None)
    return visitor


def no_stranger(request: Any) -> None:
    """Stop counting the connection as a stranger's: its owner has shown a token, or is logged in."""
    visitor = visitor_of(request)
    if visitor is not None:
        visitor.leave()
