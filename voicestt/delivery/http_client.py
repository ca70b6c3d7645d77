"""Twisted's HTTP client without its log lines for each connection, tolerant of long heads; answers to be shown.

Its parser gives up at a line of more than 16,384 bytes (`LineReceiver.MAX_LENGTH`) with nothing but a lost
connection, as if nobody had answered, and takes heads of any number of lines. So a head is looked at before: one
that is too long is replaced by its first line, and the connection is closed after it.
"""

import codecs
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import ClientFactory, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from voicestt.runtime.escaping import escaped
from voicestt.runtime.reactor import FullReactor

LONGEST: Final = 200
"""Largest number of bytes of an answer that are shown."""

_SHORTEST_SECRET: Final = 4
_SHORTEST_SEGMENT: Final = 10  # shorter ones are words such as "events"
_HIDDEN: Final = "…"

LONGEST_HEAD: Final = 16_384

_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[^\r\n]*\r?\n")
_RETRY_AFTER: Final = re.compile(rb"^retry-after:[^\r\n]{0,100}\r?\n", re.IGNORECASE | re.MULTILINE)
_INSTEAD: Final = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
_BEGINNING: Final = b"HTTP/"


def with_short_heads(factory: Any) -> Any:
    """Wrap a client's factory, so that long heads are shortened.

    The client's own protocol is the `wrappedProtocol` of a connection.
    """
    return _ShortHeadsFactory(factory)  # type: ignore[no-untyped-call]


class _ShortHeads(ProtocolWrapper):
    """Holds back an answer's head until it is complete, and then passes it on or shortens it.

    The first bytes after a request begin an answer.
    """

    def __init__(self, factory: Any, protocol: Any) -> None:
        super().__init__(factory, protocol)
        self._client = protocol
        self._head: bytes | None = b""  # None: what comes is an answer's body
        self._is_over = False

    def write(self, data: bytes) -> None:
        """Write a part of a request."""
        self._look(data)
        super().write(data)  # type: ignore[no-untyped-call]

    def writeSequence(self, data: Sequence[bytes]) -> None:  # noqa: N802
        """Write several parts of a request."""
        self._look(data[0] if data else b"")
        super().writeSequence(data)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Receive a part of an answer."""
        if self._is_over:
            return
        if self._head is None:
            self._client.dataReceived(data)
            return
        self._head += data
        while self._head is not None and self._has_passed_on_one(self._head):
            pass

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Pass on the bytes that were held back, and then the loss of the connection."""
        head, self._head = self._head, None
        if head and not self._is_over:
            self._client.dataReceived(head)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def _look(self, data: bytes) -> None:
        if data.startswith(b"POST "):
            self._head = b""

    def _has_passed_on_one(self, head: bytes) -> bool:
        """Pass on a head if it is complete; True if another may follow it, as after a 100 (Continue)."""
        end = _END.search(head, 0, LONGEST_HEAD)
        status = _STATUS.match(head)
        if not head.startswith(_BEGINNING[: len(head)]) or (end and status is None):
            self._pass_on(head)
        elif end is not None and status is not None and status[1].startswith(b"1"):
            # 100 and the like: the answer itself comes behind it.
            self._head = head[end.end() :]
            self._client.dataReceived(head[: end.end()])
            return bool(self._head)
        elif end is not None:
            self._pass_on(head)
        elif len(head) > LONGEST_HEAD:
            self._shorten(head, status)
        return False

    def _pass_on(self, head: bytes) -> None:
        self._head = None
        self._client.dataReceived(head)

    def _shorten(self, head: bytes, status: re.Match[bytes] | None) -> None:
        if status is None:
            self._pass_on(head)
            return
        after = _RETRY_AFTER.search(head)
        self._pass_on(status[0] + (after[0] if after else b"") + _INSTEAD)
        self._is_over = True
        self.loseConnection()  # type: ignore[no-untyped-call]


class _ShortHeadsFactory(WrappingFactory, ClientFactory):
    noisy = False
    protocol = _ShortHeads


def quiet_agent(reactor: FullReactor, pool: HTTPConnectionPool, connect_seconds: float) -> Agent:
    """Create an Agent that connects within `connect_seconds`; with HTTPS it trusts the machine's certificates."""
    agent: Agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, connect_seconds), pool)
    return agent


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, reactor: FullReactor, seconds: float) -> None:
        self._reactor = reactor
        self._policy = BrowserLikePolicyForHTTPS()
        self._seconds = seconds

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """Create the endpoint of a URI."""
        endpoint: Any = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._seconds)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
        return _Quiet(endpoint)


@implementer(IStreamClientEndpoint)
class _Quiet:
    """An endpoint that connects without the lines "Starting factory" and "Stopping factory"."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        """Connect as the endpoint does, with a quiet factory."""
        factory.noisy = False
        connected: Deferred[Any] = self._endpoint.connect(with_short_heads(factory))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


class Answers:
    """Formats the answers of the receiver at `url`, without secrets.

    The path and the query of `url` may be secret, and error pages often repeat them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        values = [value for _, value in parse_qsl(parts.query)]
        segments = [each for each in parts.path.split("/") if len(each) >= _SHORTEST_SEGMENT]
        secrets = {each for each in (parts.path, parts.query, *values) if len(each) >= _SHORTEST_SECRET}
        self._last = ""
        self._secrets = sorted(secrets.union(segments), key=len, reverse=True)

    def shown(self, body: bytes) -> str:
        """Return the first `LONGEST` bytes of a body as text.

        Control characters and the URL's secrets are left out.
        """
        text = _text(body)
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        shown = escaped(_text(text.encode()[:LONGEST]))
        # Most are alike, and many may wait in memory while the journal cannot be written.
        self._last = self._last if shown == self._last else shown
        return self._last


def without_host(words: str, host: str | None) -> str:
    """Remove the host's name from an error's words, as anybody may see the last error in /healthz."""
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", _HIDDEN, words) if host else words


def _text(data: bytes) -> str:
    # Incremental, so that a character that was cut in two is left out.
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)
