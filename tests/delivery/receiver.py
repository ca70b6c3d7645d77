"""Receivers of webhooks on real sockets: one that answers as the test says, and one that only writes bytes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from tests.certificates import certificate
from tests.recognisers.on_reactor import reactor

Answer = Callable[[Any], Any]


class Receiver(Resource):
    """Keeps what was posted, whatever the path, and answers with a status, or as `answer` does."""

    isLeaf = True  # noqa: N815 - Twisted's

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.answer: Answer = status(204)
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.targets: list[str] = []
        self.connections: set[Any] = set()
        self.listening: Any = None
        self.port = 0
        self.url = ""

    @property
    def ids(self) -> list[str]:
        """The ids of all that came, in order."""
        return [headers["webhook-id"] for headers, _ in self.posts]

    async def stop(self) -> None:
        """Listens no more, and ends its connections."""
        listening, self.listening = self.listening, None
        if listening is not None:
            await listening.stopListening()
        for channel in self.connections:
            if channel.transport is not None:
                channel.transport.loseConnection()

    def render_POST(self, request: Any) -> Any:  # noqa: N802
        headers = {
            name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.posts.append((headers, request.content.read()))
        self.targets.append(request.uri.decode())
        self.connections.add(request.channel)
        return self.answer(request)


def status(code: int, **headers: str) -> Answer:
    def answer(request: Any) -> bytes:
        request.setResponseCode(code)
        for name, value in headers.items():
            request.setHeader(name.replace("_", "-"), value)
        return b"" if code == 204 else b"an answer"

    return answer


def never(_request: object) -> int:
    return NOT_DONE_YET


class QuietSite(Site):
    noisy = False

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource)  # type: ignore[no-untyped-call]

    def log(self, request: object) -> None:
        """Log nothing."""


@implementer(IOpenSSLServerConnectionCreator)
class OwnCertificate:
    """A certificate for localhost that signed itself, and a server with it."""

    def __init__(self, folder: Path) -> None:
        made, key = certificate(folder, days=1)
        self.file = folder / "both.pem"
        self.file.write_bytes(key.read_bytes() + made.read_bytes())

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: N802
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_file(str(self.file))
        context.use_privatekey_file(str(self.file))
        return SSL.Connection(context, None)


@asynccontextmanager
async def receiving(
    path: str = "/hook?token=secret", *, port: int = 0, tls: OwnCertificate | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that listens, on a free port if none is given; with `tls` on localhost."""
    receiver = Receiver()
    if tls is None:
        listening = reactor.listenTCP(port, QuietSite(receiver), interface="127.0.0.1")
        receiver.url = f"http://127.0.0.1:{listening.getHost().port}{path}"
    else:
        listening = reactor.listenSSL(port, QuietSite(receiver), tls, interface="127.0.0.1")
        receiver.url = f"https://localhost:{listening.getHost().port}{path}"
    receiver.listening = listening
    receiver.port = listening.getHost().port
    try:
        yield receiver
    finally:
        await receiver.stop()


class Raw(Protocol):
    """Answers the first bytes that come with `answer`, and closes if that is what it is for."""

    def __init__(self, factory: "RawFactory") -> None:
        self._factory = factory

    def connectionMade(self) -> None:  # noqa: N802
        self._factory.open.append(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._factory.received += data
        if self._factory.answer is not None:
            self.transport.write(self._factory.answer)  # type: ignore[union-attr]
        if self._factory.closes:
            self.transport.loseConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._factory.open.remove(self)


class RawFactory(ServerFactory):
    noisy = False

    def __init__(self, answer: bytes | None, *, closes: bool) -> None:
        self.answer = answer
        self.closes = closes
        self.received = b""
        self.open: list[Raw] = []
        self.url = ""

    def buildProtocol(self, addr: object) -> Raw:  # noqa: N802
        return Raw(self)


@asynccontextmanager
async def bytes_only(answer: bytes | None, *, closes: bool = False) -> AsyncIterator[RawFactory]:
    """Something that listens and is no good receiver; `answer` None: it says nothing."""
    factory = RawFactory(answer, closes=closes)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    factory.url = f"http://127.0.0.1:{port.getHost().port}"
    try:
        yield factory
    finally:
        for protocol in factory.open:
            protocol.transport.abortConnection()  # type: ignore[union-attr]
        await port.stopListening()
