"""`GET /ws/live`: the events as they happen, each a text message of a WebSocket.

Messages from the client are ignored.
"""

# ruff: noqa: N802, N803 (camelCase is Autobahn's)

from collections.abc import Sequence
from typing import Any, Final

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import IPushProducer
from twisted.web.http import Request

from voicestt.delivery.live.filter import EventFilter
from voicestt.delivery.live.hub import EventHub
from voicestt.delivery.live.subscriber import Farewell, Subscriber
from voicestt.journal.port import Record
from voicestt.runtime.origin import forget_origin
from voicestt.twilio import twiml

LARGEST_MESSAGE: Final = 4_096
PING_SECONDS: Final = 20.0
_PATIENCE_SECONDS: Final = 10.0


class LiveSocket(WebSocketServerProtocol):
    """The WebSocket of a listener."""

    def __init__(self, hub: EventHub, asked: EventFilter) -> None:
        super().__init__()
        self._hub = hub
        self._asked = asked
        self._subscriber: Subscriber | None = None

    def onOpen(self) -> None:
        """Join the event hub: the handshake is over."""
        self._subscriber = self._hub.join(_WebSocketConnection(self), self._asked)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Ignore a message from the client."""

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Leave the event hub: the socket is closed."""
        if self._subscriber is not None:
            self._hub.leave(self._subscriber)


class _WebSocketConnection:
    """A SubscriberConnection over Autobahn."""

    def __init__(self, protocol: LiveSocket) -> None:
        self._protocol = protocol

    def attach(self, producer: IPushProducer) -> None:
        # The HTTP channel that the socket was taken from is still registered.
        self._protocol.unregisterProducer()
        self._protocol.registerProducer(producer, True)

    def send(self, records: Sequence[Record]) -> None:
        # Past Autobahn, which limits us as it limits clients, and makes a line for a log of each write.
        protocol = self._protocol
        if protocol.state == protocol.STATE_OPEN and protocol.transport is not None:
            protocol.transport.write(b"".join(map(self._frame, records)))

    def _frame(self, record: Record) -> bytes:
        frame: bytes = self._protocol.factory.prepareMessage(record.payload, doNotCompress=True).payloadHybi
        return frame

    def keep_alive(self) -> None:
        """Do nothing: Autobahn sends pings, and ends a socket that does not answer them."""

    def close(self, farewell: Farewell) -> None:
        # sendClose refuses the codes that mean something to everybody (RFC 6455 section 7.4.1, and IANA).
        self._protocol.sendCloseFrame(farewell.code, farewell.words.encode())


class LiveSocketFactory(WebSocketServerFactory):
    """Creates the socket of one request."""

    def __init__(self, hub: EventHub, asked: EventFilter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._hub = hub
        self._asked = asked
        self.setProtocolOptions(  # type: ignore[no-untyped-call]
            maxFramePayloadSize=LARGEST_MESSAGE,
            maxMessagePayloadSize=LARGEST_MESSAGE,
            openHandshakeTimeout=10,
            closeHandshakeTimeout=_PATIENCE_SECONDS,
            failByDrop=False,
            autoPingInterval=PING_SECONDS,
            autoPingTimeout=PING_SECONDS,
            perMessageCompressionAccept=lambda _offers: None,
            webStatus=False,
        )

    def buildProtocol(self, _address: object) -> LiveSocket:
        """Create the socket, for Autobahn's resource."""
        protocol = LiveSocket(self._hub, self._asked)
        protocol.factory = self
        return protocol


class LiveResource(WebSocketResource):
    """The resource of an admitted request for a WebSocket."""

    def __init__(self, hub: EventHub, asked: EventFilter) -> None:
        super().__init__(LiveSocketFactory(hub, asked))  # type: ignore[no-untyped-call]

    def render(self, request: Request) -> Any:
        """Answer the request, after taking the token out of it.

        Autobahn reads the request again and may log it.
        """
        request.uri = twiml.LIVE.encode()
        forget_origin(request)
        request.requestHeaders.removeHeader(b"authorization")
        return super().render(request)  # type: ignore[no-untyped-call]
