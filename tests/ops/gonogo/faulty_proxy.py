"""A proxy before a real server that does one thing wrong, as proxies do."""

# ruff: noqa: N802 (camelCase is Twisted's)

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

PAGE = b"<!doctype html><html><body>Welcome to our shop</body></html>"
Change = Callable[[bytes], bytes]


def answer(status: str, content_type: str, body: bytes) -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of requests for paths that begin with `path`.

    `instead` is answered in the server's place; `change` is done to what the server answers; `cut_after` seconds
    the connection is reset.
    """

    path: str
    instead: bytes | None = None
    change: Change | None = None
    cut_after: float | None = None


class _Server(Protocol):
    """The proxy's connection to the server."""

    transport: Any

    def __init__(self, client: "_Client", change: Change | None) -> None:
        self._client = client
        self._change = change

    def dataReceived(self, data: bytes) -> None:
        self._client.transport.write(self._change(data) if self._change else data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._client.transport.loseConnection()


class _Client(Protocol):
    """A connection of somebody's to the proxy."""

    transport: Any

    def __init__(self, reactor: Any, port: int, fault: Fault) -> None:
        self._reactor = reactor
        self._port = port
        self._fault = fault
        self._head = b""
        self._asked = False
        self._server: _Server | None = None
        self._timer: Any = None

    def dataReceived(self, data: bytes) -> None:
        if self._server is not None:
            self._server.transport.write(data)
            return
        self._head += data
        if b"\r\n\r\n" in self._head and not self._asked:
            self._asked = True
            self._begin(self._head.split(b" ", 2)[1].decode().startswith(self._fault.path))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._server is not None:
            self._server.transport.loseConnection()

    def _begin(self, is_struck: bool) -> None:
        fault = self._fault
        if is_struck and fault.instead is not None:
            self.transport.write(fault.instead)
            self.transport.loseConnection()
            return
        if is_struck and fault.cut_after is not None:
            self._timer = self._reactor.callLater(fault.cut_after, self.transport.abortConnection)
        server = _Server(self, fault.change if is_struck else None)
        endpoint = TCP4ClientEndpoint(self._reactor, "127.0.0.1", self._port)
        connectProtocol(endpoint, server).addCallbacks(self._connected, lambda _: self.transport.loseConnection())

    def _connected(self, server: _Server) -> None:
        self._server = server
        server.transport.write(self._head)


class _Proxy(Factory):
    noisy = False

    def __init__(self, reactor: Any, port: int, fault: Fault) -> None:
        self._of = reactor, port, fault

    def buildProtocol(self, _address: object) -> _Client:
        return _Client(*self._of)


def faulty_proxy(reactor: Any, port: int, fault: Fault) -> Any:
    """A proxy before the server at `port` of this machine, as the listening port that it is."""
    return reactor.listenTCP(0, _Proxy(reactor, port, fault), interface="127.0.0.1")
