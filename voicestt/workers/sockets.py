"""Listening sockets that a supervisor opens and its workers accept on, by Twisted's own endpoints on both sides.

An endpoint asks its reactor to listen. The supervisor's is given one that listens and accepts nothing; the
worker's one that takes up the inherited socket instead, with whatever the endpoint puts around it, such as TLS.
"""

# ruff: noqa: N802, N803 (camelCase is Twisted's)

import os
import re
import socket
import stat
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from voicestt.runtime.reactor import SocketReactor
from voicestt.workers.start import SharedSocket

_FROM_SYSTEMD: Final = re.compile(r"systemd:.*$")
_ANY_TCP: Final = "tcp:0"


class _NoProtocol(Factory):
    noisy = False

    def buildProtocol(self, _address: object) -> Protocol | None:
        return None


class OpeningReactor:
    """A reactor for endpoints, which opens their sockets and accepts nothing: `ports` has them."""

    def __init__(self, reactor: SocketReactor) -> None:
        self._reactor: Any = reactor  # endpoints call it by names, and as they like
        self.ports: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, _factory: object, **options: object) -> Any:
        """Listen on a TCP port."""
        return self._opened(self._reactor.listenTCP(port, _NoProtocol(), **options))

    def listenSSL(self, port: int, _factory: object, contextFactory: object, **options: object) -> Any:
        """Listen on a TCP port whose connections speak TLS in the worker."""
        return self._opened(self._reactor.listenTCP(port, _NoProtocol(), **options))

    def listenUNIX(self, address: bytes, _factory: object, **options: object) -> Any:
        """Listen on a Unix socket."""
        return self._opened(self._reactor.listenUNIX(address, _NoProtocol(), **options))

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, _factory: object) -> Any:
        """Take up a socket that somebody else opened, such as systemd."""
        return self._opened(self._reactor.adoptStreamPort(fileDescriptor, addressFamily, _NoProtocol()))

    def _opened(self, port: Any) -> Any:
        port.stopReading()
        self.ports.append(port)
        return port


async def open_sockets(reactor: SocketReactor, endpoint: str) -> list[Any]:
    """Open the sockets of an endpoint, and return their ports, which accept nothing.

    Raises:
        Exception: whatever the endpoint raises where it cannot listen.
    """
    opening = OpeningReactor(reactor)
    await serverFromString(opening, endpoint).listen(_NoProtocol())
    return opening.ports


Taken = Callable[[Any], object]
"""Is given each port that was taken up, which accepts from then on."""


class InheritingReactor:
    """A reactor for endpoints, which takes up inherited `sockets`, one after the other, instead of opening any."""

    def __init__(self, reactor: SocketReactor, sockets: Iterable[SharedSocket], taken: Taken) -> None:
        self._reactor: Any = reactor  # endpoints call it by names, and as they like
        self._sockets = deque(sockets)
        self._taken = taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, _port: int, factory: IProtocolFactory, **_options: object) -> Any:
        """Take up the next socket."""
        return self._take_up(factory)

    def listenSSL(self, _port: int, factory: Any, contextFactory: Any, **_options: object) -> Any:
        """Take up the next socket, for connections that speak TLS."""
        return self._take_up(TLSMemoryBIOFactory(contextFactory, False, factory))

    def listenUNIX(self, _address: bytes, factory: IProtocolFactory, **_options: object) -> Any:
        """Take up the next socket."""
        return self._take_up(factory)

    def _take_up(self, factory: IProtocolFactory) -> IListeningPort:
        shared = self._sockets.popleft()
        if shared.family == socket.AF_UNIX:
            port: Any = SharedUnixPort.taken_up(self._reactor, shared.file, factory)
            port.startListening()
        else:
            port = self._reactor.adoptStreamPort(shared.file, socket.AddressFamily(shared.family), factory)
        os.close(shared.file)  # Twisted has made one of its own
        self._taken(port)
        return port  # type: ignore[no-any-return]


class SharedUnixPort(unix.Port):
    """A Unix socket that is another process's: it stays as it is, also when this process stops listening."""

    _shouldShutdown = False  # noqa: N815 - as tcp.Port has it for inherited sockets: a shutdown is for all processes

    @classmethod
    def taken_up(cls, reactor: SocketReactor, file: int, factory: IProtocolFactory) -> "SharedUnixPort":
        """Make a port of an inherited socket."""
        port: SharedUnixPort = cls._fromListeningDescriptor(reactor, file, factory)  # type: ignore[no-untyped-call]
        with socket.socket(fileno=os.dup(file)) as inherited_one, suppress(OSError, ValueError):
            # Twisted sets the mode when it begins to listen; an abstract socket has no file.
            port.mode = stat.S_IMODE(os.stat(inherited_one.getsockname()).st_mode)
        return port

    def connectionLost(self, reason: Failure) -> None:
        """Stop listening; the file is the supervisor's."""
        tcp.Port.connectionLost(self, reason)


def inherited(
    reactor: SocketReactor, endpoint: str, sockets: Iterable[SharedSocket], taken: Taken
) -> IStreamServerEndpoint:
    """Return an endpoint that listens on inherited sockets."""
    found: IStreamServerEndpoint = serverFromString(
        InheritingReactor(reactor, sockets, taken), in_worker(endpoint)
    )
    return found


def in_worker(endpoint: str) -> str:
    """Return the endpoint as a worker can read it: systemd hands its sockets to the supervisor only."""
    return _FROM_SYSTEMD.sub(_ANY_TCP, endpoint)


def shared(port: Any) -> SharedSocket:
    """Describe the socket of a port, by its descriptor here."""
    return SharedSocket(port.fileno(), int(port.socket.family))
