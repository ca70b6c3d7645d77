"""The media WebSocket as Twilio opens it: exactly its request headers, no extensions, no Origin."""

# ruff: noqa: N802, N803 (camelCase is Autobahn's)

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.types import ConnectionResponse
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IReactorCore, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

from voicestt.emulators.twilio.problems import CallRefused

USER_AGENT = "Twilio.TmeWs/1.0"
SUBPROTOCOL = "audio.twilio.com"
CONNECT_SECONDS = 5
ANSWER_SECONDS = 15
NO_CLOSE_FRAME = 1006
_NOT_TWILIOS = (b"pragma:", b"cache-control:")


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of a socket: the server's close code and reason (None, None without a close frame)."""

    clean: bool
    code: int | None
    reason: str | None


@dataclass(slots=True)
class SocketEvents:
    """The callbacks of a socket: `message(payload, is_binary)` each time, `lost` once if it had been open."""

    message: Callable[[bytes, bool], None]
    lost: Callable[["Closed"], None]
    opened: Deferred["MediaSocket"] = field(default_factory=Deferred)
    closed: Deferred[Closed] = field(default_factory=Deferred)


def as_twilio_asks(request: bytes, host: str) -> bytes:
    """Rewrite Autobahn's opening request: without the headers that Twilio omits, and for the public `host`."""
    lines = [line for line in request.split(b"\r\n") if not line.lower().startswith(_NOT_TWILIOS)]
    return b"\r\n".join(
        b"Host: " + host.encode("ascii") if line.lower().startswith(b"host:") else line for line in lines
    )


class MediaSocket(WebSocketClientProtocol):
    """A media WebSocket, client side."""

    factory: "_Factory"
    transport: Any
    is_up = False
    subprotocol: str | None = None

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Send to the transport for Autobahn, with the opening request rewritten to Twilio's."""
        if self.state == self.STATE_CONNECTING:
            data = as_twilio_asks(data, self.factory.public_host)
        super().sendData(data, sync, chopsize)

    def onConnect(self, response: ConnectionResponse) -> None:
        """Note the subprotocol of the server's 101."""
        self.subprotocol = response.protocol

    def onOpen(self) -> None:
        """Fire `opened`: messages may be sent."""
        self.is_up = True
        self.factory.events.opened.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Pass a message of the server on."""
        self.factory.events.message(payload, isBinary)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Report the end: of an open connection to `lost`, of a failed handshake to `opened`."""
        self.is_up = False
        events, closed = self.factory.events, Closed(wasClean, code if code != NO_CLOSE_FRAME else None, reason)
        if events.opened.called:
            events.lost(closed)
        else:
            events.opened.errback(_refused(getattr(self, "http_status_line", None), reason))
        events.closed.callback(closed)

    def say(self, text: str) -> None:
        """Send a text message; do nothing on a socket that is closed or closing."""
        self.say_bytes(text.encode("utf-8"))

    def say_bytes(self, payload: bytes, is_binary: bool = False) -> None:
        """Send a message as it is, valid or not; do nothing on a socket that is closed or closing."""
        if self.is_up and self.state == self.STATE_OPEN:
            self.sendMessage(payload, is_binary)  # type: ignore[no-untyped-call]

    def read(self, reads: bool) -> None:
        """Switch reading from the transport; a server that sends meanwhile fills its own buffers."""
        if reads:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    def say_goodbye(self) -> None:
        """Close properly, with a close frame of code 1000."""
        if self.is_up:
            self.sendClose(1000)

    def cut(self) -> None:
        """Reset the connection without a close frame."""
        self.is_up = False
        self.dropConnection(abort=True)


class _Factory(WebSocketClientFactory):
    protocol = MediaSocket  # type: ignore[assignment]

    def __init__(self, events: SocketEvents, public_host: str, **autobahns: Any) -> None:
        super().__init__(**autobahns)  # type: ignore[no-untyped-call]
        self.events = events
        self.public_host = public_host


def _refused(status_line: str | None, reason: str | None) -> CallRefused:
    if status_line is None:
        return CallRefused(f"the WebSocket's handshake was not answered: {reason}", 31901)
    why = f": {reason}" if " 101 " in status_line else ", not with 101"
    return CallRefused(f"the WebSocket's handshake was answered with {status_line!r}{why}", 31920)


async def open_media_socket(
    reactor: IReactorCore,
    url: str,
    public_host: str,
    headers: Mapping[str, str],
    events: SocketEvents,
    subprotocol: bool = False,
) -> MediaSocket:
    """Connect to `url` (ws: or wss:) and shake hands; raise `CallRefused` with 31901, 31902 or 31920."""
    factory = _Factory(
        events,
        public_host,
        url=url.replace("wss:", "ws:", 1),  # TLS is the endpoint's business
        reactor=reactor,
        useragent=USER_AGENT,
        headers={name.lower(): value for name, value in headers.items()},
        protocols=[SUBPROTOCOL] if subprotocol else [],
    )
    factory.setProtocolOptions(  # type: ignore[no-untyped-call]
        openHandshakeTimeout=ANSWER_SECONDS, closeHandshakeTimeout=10, serverConnectionDropTimeout=10
    )
    try:
        await _endpoint(reactor, url).connect(factory)
    except ConnectTimeout as error:
        raise CallRefused(
            f"nothing answers at {urlsplit(url).netloc} within {CONNECT_SECONDS} s", 31901
        ) from error
    except (ConnectError, DNSLookupError) as error:
        raise CallRefused(f"the WebSocket's connection was refused: {error}", 31902) from error
    return await events.opened


def _endpoint(reactor: IReactorCore, url: str) -> IStreamClientEndpoint:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    plain = HostnameEndpoint(reactor, host, parts.port or (443 if secure else 80), timeout=CONNECT_SECONDS)
    return wrapClientTLS(optionsForClientTLS(host), plain) if secure else plain
