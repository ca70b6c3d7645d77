"""`WS /page/try`: a browser's microphone, or a file of its own, is heard as a call's audio is.

The browser sends `{"type":"start","csrf":"…","language":"he-IL"}` (no language: the server's), then binary
messages of mu-law at 8 kHz, then `{"type":"stop"}`. It gets the events of a call, each a text message, and once
`{"type":"try_limit","seconds_left":…}`. Audio that comes faster than it would from a microphone is read more
slowly: the recogniser hears real time.
"""

# ruff: noqa: N802, N803 (camelCase is Autobahn's)

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.web.http import Request

from voicestt.audio import mulaw
from voicestt.config.recognition_options import BadOptions, read_options
from voicestt.delivery.live.hub import is_same
from voicestt.page.try_call import TryCall
from voicestt.page.try_limits import USED_UP, TryLimits, TryRefused
from voicestt.runtime.clock import Timer
from voicestt.runtime.origin import forget_origin

SUBPROTOCOL: Final = "voicestt.try"
LARGEST_MESSAGE: Final = 8_192
START_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 60.0
"""A browser that sends nothing for so long is left."""

AHEAD_SECONDS: Final = 1.0
"""So much audio may be ahead of a microphone's; then it is read more slowly."""

_PING_SECONDS: Final = 20.0
_NORMAL: Final = 1000
_LONGEST_REASON: Final = 120  # bytes, by RFC 6455 section 5.5
_BAD_START: Final = 4001
_BAD_MESSAGE: Final = 4005

MakeTryCall = Callable[[Callable[[bytes], object], Callable[[], object]], TryCall]
"""Makes a try of what its events are told to, and what is called at its end."""


class TrySocket(WebSocketServerProtocol):
    """The socket of one try; `csrf` is the login's, which the start must bring."""

    def __init__(self, clock: IReactorTime, csrf: str, limits: TryLimits, make: MakeTryCall) -> None:
        super().__init__()
        self._clock = clock
        self._csrf = csrf
        self._limits = limits
        self._make = make
        self._call: TryCall | None = None
        self._producer: IPushProducer | None = None
        self._silence, self._pace = Timer(clock), Timer(clock)
        self._goodbye = (_NORMAL, "it is over")
        self._began = self._taken = self._most = 0.0
        self._is_finishing = False

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """Select the subprotocol if it was offered."""
        return SUBPROTOCOL if SUBPROTOCOL in request.protocols else None

    def onOpen(self) -> None:
        """Wait for the start."""
        self.unregisterProducer()  # the HTTP channel that this connection was
        self._producer = IPushProducer(self.transport, None)
        self._silence.set(START_SECONDS, lambda: self.finish("no start came", _BAD_START))

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Take audio, the start or the stop."""
        if self._is_finishing:
            return
        if isBinary:
            self._take(payload)
            return
        message = _message(payload)
        match message.get("type"):
            case "start" if self._call is None:
                self._start(message)
            case "stop":
                self.finish("stop")
            case _:
                self.finish("a message cannot be understood, or comes at a wrong time", _BAD_MESSAGE)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """End the try: its browser is gone."""
        self.finish("the socket was closed")

    def finish(self, reason: str, code: int = _NORMAL) -> None:
        """End the audio: the last words are told, then the socket is closed with the code and the reason."""
        if self._is_finishing:
            return
        self._is_finishing = True
        self._goodbye = code, reason
        self._silence.cancel()
        self._pace.cancel()
        self._read_on()
        if self._call is None:
            self._close()
        else:
            self._call.finish(reason)

    def _start(self, message: Mapping[str, Any]) -> None:
        brought = message.get("csrf")
        if not isinstance(brought, str) or not is_same(self._csrf, brought):
            self.finish("the CSRF token is missing or wrong: load the page again", _BAD_START)
            return
        try:
            options = read_options({"language": message.get("language") or None})
            self._limits.begin(self._csrf)
        except TryRefused as refusal:
            self.finish(str(refusal), refusal.code)
            return
        except BadOptions as bad:
            self.finish(str(bad), _BAD_START)
            return
        self._most = self._limits.left
        self._began = self._clock.seconds()
        self._say(json.dumps({"type": "try_limit", "seconds_left": round(self._most)}).encode())
        self._call = self._make(self._say, self._over)
        self._listen()
        self._call.begin(options)

    def _take(self, audio: bytes) -> None:
        seconds = mulaw.seconds(len(audio))
        if self._call is None:
            self.finish("audio came before the start", _BAD_START)
        elif self._taken + seconds > self._most:
            self.finish("the time of this try is used up", USED_UP)
        else:
            self._taken += seconds
            self._limits.use(seconds)
            self._listen()
            self._call.take(audio)
            self._keep_pace()

    def _keep_pace(self) -> None:
        ahead = self._taken - (self._clock.seconds() - self._began)
        if ahead < 0:  # nothing came for a while: that is no time to catch up with
            self._began -= ahead
        elif ahead > AHEAD_SECONDS and not self._pace.is_set:
            if self._producer is not None:
                self._producer.pauseProducing()
            self._pace.set(ahead - AHEAD_SECONDS / 2, self._read_on)

    def _read_on(self) -> None:
        if self._producer is not None:
            self._producer.resumeProducing()

    def _listen(self) -> None:
        self._silence.set(SILENT_SECONDS, lambda: self.finish("nothing came for a minute"))

    def _over(self) -> None:
        self._limits.end(self._csrf)
        self._close()

    def _say(self, message: bytes) -> None:
        if self.state == self.STATE_OPEN:
            self.sendMessage(message)  # type: ignore[no-untyped-call]

    def _close(self) -> None:
        if self.state == self.STATE_OPEN:
            code, reason = self._goodbye
            self.sendClose(code, reason[:_LONGEST_REASON])


def _message(payload: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


class TrySocketFactory(WebSocketServerFactory):
    """Makes the socket of one request."""

    def __init__(self, socket: TrySocket) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._socket = socket
        self.setProtocolOptions(  # type: ignore[no-untyped-call]
            maxFramePayloadSize=LARGEST_MESSAGE,
            maxMessagePayloadSize=LARGEST_MESSAGE,
            openHandshakeTimeout=10,
            closeHandshakeTimeout=5,
            autoPingInterval=_PING_SECONDS,
            autoPingTimeout=_PING_SECONDS,
            perMessageCompressionAccept=lambda _offers: None,
            webStatus=False,
        )

    def buildProtocol(self, _address: object) -> TrySocket:
        """Give out the socket, for Autobahn's resource."""
        self._socket.factory = self
        return self._socket


class TryResource(WebSocketResource):
    """The resource of an admitted request for a try."""

    def __init__(self, socket: TrySocket) -> None:
        super().__init__(TrySocketFactory(socket))  # type: ignore[no-untyped-call]

    def render(self, request: Request) -> Any:
        """Answer the request, without its cookie: Autobahn reads it again and may log it."""
        forget_origin(request)
        request.requestHeaders.removeHeader(b"cookie")
        return super().render(request)  # type: ignore[no-untyped-call]
