"""A TCP balancer for tests: connections go to the backends that /readyz says are ready, in turn."""

import http.client
from collections.abc import Sequence
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

LOOK_SECONDS = 0.1
_PATIENCE = 1


class _Side(Protocol):
    """One side of a connection; what comes here goes to the other."""

    transport: Any

    def __init__(self) -> None:
        self.other: _Side | None = None
        self._waiting: list[bytes] = []
        self._is_lost = False

    def join(self, other: "_Side") -> None:
        """Pass on what came meanwhile, and what comes."""
        self.other, other.other = other, self
        if self._is_lost:
            other.transport.abortConnection()
            return
        other.transport.writeSequence(self._waiting)
        self.transport.registerProducer(other.transport, True)
        other.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.other is None:
            self._waiting.append(data)
        else:
            self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._is_lost = True
        if self.other is not None:
            self.transport.unregisterProducer()
            self.other.transport.unregisterProducer()
            self.other.transport.loseConnection()


class Balancer(Factory):
    """Listens on a port of 127.0.0.1 for backends on ports of their addresses; one that refuses is passed over."""

    noisy = False

    def __init__(self, reactor: Any, backends: Sequence[int], addresses: Sequence[str] = ()) -> None:
        self._reactor = reactor
        self._address = dict(zip(backends, addresses or ["127.0.0.1"] * len(backends), strict=True))
        self._turn = count()
        self._look = LoopingCall(self._look_at_all)
        self._looking: set[int] = set()
        self.is_ready = dict.fromkeys(backends, False)
        self._port = reactor.listenTCP(0, self, interface="127.0.0.1")
        self._look.start(LOOK_SECONDS)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._port.getHost().port)

    async def close(self) -> None:
        """Listen and look no more."""
        self._look.stop()
        await self._port.stopListening()

    def buildProtocol(self, _address: object) -> _Side:  # noqa: N802
        side = _Side()
        self._reactor.callLater(0, lambda: Deferred.fromCoroutine(self._connect(side)))
        return side

    async def _connect(self, side: _Side) -> None:
        for port in self._in_turn():
            try:
                endpoint = TCP4ClientEndpoint(self._reactor, self._address[port], port, _PATIENCE)
                other = await connectProtocol(endpoint, _Side())
            except Exception:  # noqa: BLE001 - whatever it is: the next one
                self.is_ready[port] = False
                continue
            side.join(other)
            return
        side.transport.abortConnection()

    def _in_turn(self) -> list[int]:
        """Those that are ready, the next one first; then the others."""
        ready = [port for port, is_ready in self.is_ready.items() if is_ready]
        first = next(self._turn) % (len(ready) or 1)
        return [*ready[first:], *ready[:first], *(port for port in self.is_ready if port not in ready)]

    def _look_at_all(self) -> None:
        for port in self.is_ready:
            if port not in self._looking:
                self._looking.add(port)
                deferToThread(answers_ready, self._address[port], port).addCallback(self._looked, port)

    def _looked(self, is_ready: bool, port: int) -> None:
        self._looking.discard(port)
        self.is_ready[port] = is_ready


def answers_ready(address: str, port: int) -> bool:
    """True if /readyz says that it takes calls."""
    connection = http.client.HTTPConnection(address, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
