"""Twilio's sockets: made from connections to the media path, with their limits."""

from typing import Any

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request

from voicestt.runtime.origin import forget_origin
from voicestt.server.bounded_http import BoundedChannel
from voicestt.server.calls import Calls
from voicestt.server.connections import Visitor
from voicestt.server.flow_control import ReadCoalescer
from voicestt.server.media_socket import MediaStreamProtocol

_LARGEST_MESSAGE = 65_536  # Twilio's are about 350 bytes


class MediaStreamFactory(WebSocketServerFactory):
    """Makes sockets for `calls`, with the limits that Autobahn does not set by itself."""

    def __init__(self, clock: IReactorTime, calls: Calls) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clock = clock
        self._calls = calls
        self._resting = ReadCoalescer(clock)
        self.visitor: Visitor | None = None
        self.setProtocolOptions(  # type: ignore[no-untyped-call]
            maxFramePayloadSize=_LARGEST_MESSAGE,
            maxMessagePayloadSize=_LARGEST_MESSAGE,
            openHandshakeTimeout=10,
            closeHandshakeTimeout=2,
            autoPingInterval=calls.watch.ping_seconds,
            # Without a time-out on the pong: frames and pongs are both signs of life to the calls' own watchdog.
            autoPingTimeout=0,
            # The JSON parser checks the text's encoding, and what it refuses costs a message, not the call.
            utf8validateIncoming=False,
            perMessageCompressionAccept=lambda _offers: None,
            webStatus=False,
        )

    def buildProtocol(self, _address: object) -> MediaStreamProtocol:  # noqa: N802
        """Make a call's own socket."""
        visitor, self.visitor = self.visitor, None
        protocol = MediaStreamProtocol(self._clock, self._calls, self._resting, visitor)
        protocol.factory = self
        return protocol


class MediaResource(WebSocketResource):
    """The resource of the media path: turns the connection into a socket, which keeps its place."""

    def __init__(self, factory: MediaStreamFactory) -> None:
        super().__init__(factory)  # type: ignore[no-untyped-call]
        self._sockets = factory

    def render(self, request: Request) -> Any:
        """Answer the request: start the WebSocket's handshake on its connection."""
        forget_origin(request)
        channel = request.channel
        self._sockets.visitor = channel.hand_over() if isinstance(channel, BoundedChannel) else None
        return super().render(request)  # type: ignore[no-untyped-call]


def media_resource(clock: IReactorTime, calls: Calls) -> WebSocketResource:
    """Make the resource of the media path."""
    return MediaResource(MediaStreamFactory(clock, calls))
