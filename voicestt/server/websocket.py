"""Twilio's socket: Autobahn's callbacks turned into inputs of a call. It decides nothing."""

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger

from voicestt import twiml
from voicestt.media_stream import BadMessage, Connected, Dtmf, Mark, Media, Message, Start, Stop, Unknown, parse
from voicestt.server.calls import Calls, LiveCall, Refused
from voicestt.server.resting import RestingReads
from voicestt.server.whole_frames import WholeFrames

SUBPROTOCOL = "audio.twilio.com"

_LARGEST_MESSAGE = 65_536  # Twilio's are about 350 bytes
_KEYS = frozenset("0123456789*#ABCD")
_NORMAL = 1000
_REFUSED = 4003
_PATIENCE_AFTER_STOP = 1.0
_LONGEST_REASON = 120  # bytes, by RFC 6455 section 5.5


class MediaStreamProtocol(WholeFrames):
    """One call's socket."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, calls: Calls, resting: RestingReads) -> None:
        super().__init__()
        self._clock = clock
        self._calls = calls
        self._resting = resting
        self._producer: IPushProducer | None = None
        self._call: LiveCall | None = None
        self._complained = False
        self._closing: IDelayedCall | None = None

    def onConnect(self, request: ConnectionRequest) -> str | None:  # noqa: N802
        """Selects the subprotocol if it was offered: Twilio itself offers none, and gets none."""
        return SUBPROTOCOL if SUBPROTOCOL in request.protocols else None

    def onOpen(self) -> None:  # noqa: N802
        """A call, or somebody who says so."""
        self._producer = IPushProducer(self.transport, None)
        self._log.info("📞 WebSocket connected: {path}", path=twiml.MEDIA)
        self._call = self._calls.new(self._hang_up, self._say)
        self.unregisterProducer()  # the HTTP channel that this connection was
        self.registerProducer(self._call.line, True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """From the transport; then it rests until there can be enough for a batch."""
        super().dataReceived(data)
        if self._producer is not None and self._call is not None:
            self._resting.rest(self._producer, self._call.missing)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """One message of Twilio's; whatever cannot be understood is counted, and the call goes on."""
        call = self._call
        if call is None:
            return
        call.activity += 1
        try:
            message = parse(payload)
        except BadMessage as problem:
            self._ignore(call, "messages not understood", str(problem))
            return
        if type(message) is Media and message.media.track == "inbound":
            call.media(message.media.payload, message.media.timestamp)
        elif isBinary:
            self._ignore(call, "binary messages", "Twilio sends text")
        else:
            self._take(call, message)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802, N803
        """The socket is gone, with a `stop` before it or without."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        call, self._call = self._call, None
        if call is not None:
            call.finish("the socket was closed" if wasClean else "the socket was lost")

    def _take(self, call: LiveCall, message: Message) -> None:
        match message:
            case Start():
                self._start(call, message)
            case Stop():
                call.finish("stop")
                self._close_soon()
            case Dtmf():
                self._key(call, message.dtmf.digit)
            case Mark():
                if not call.line.returned(message.mark.name):
                    self._ignore(call, "marks never sent", "a mark that was never sent")
            case Unknown(event=event):
                self._ignore(call, "messages of an unknown kind", f"event {event!r}")
            case Media():
                call.inputs.ignored("media of another track")
            case Connected():
                pass

    def _key(self, call: LiveCall, digit: str) -> None:
        if digit in _KEYS:
            call.inputs.key_pressed(digit)
        else:
            self._ignore(call, "keys no telephone has", "a key that no telephone has")

    def _start(self, call: LiveCall, start: Start) -> None:
        try:
            call.begin(self._calls.describe(start))
        except Refused as refusal:
            self._log.error(
                "A call was refused: {refusal}. Twilio will show error 31921 and go on after <Connect>.",
                refusal=refusal,
                log_system=start.start.call_sid,
            )
            call.finish("refused")
            self._hang_up(str(refusal), _REFUSED)

    def _close_soon(self) -> None:
        # Twilio closes after `stop` itself. Were both to close in one turn, Autobahn would drop the connection
        # with our close frame still unsent.
        if self._closing is None:
            self._closing = self._clock.callLater(_PATIENCE_AFTER_STOP, self.sendClose, _NORMAL)

    def _hang_up(self, reason: str, code: int = _NORMAL) -> None:
        self.sendClose(code, reason[:_LONGEST_REASON])

    def _say(self, message: bytes) -> None:
        if self.state == self.STATE_OPEN:  # a timer may come while the socket closes
            self.sendMessage(message)  # type: ignore[no-untyped-call]

    def _ignore(self, call: LiveCall, what: str, why: str) -> None:
        call.inputs.ignored(what)
        if not self._complained:
            self._complained = True
            self._log.warn(
                "A message was ignored ({why}); the call goes on. Further ones are counted: see the call's end.",
                why=why,
            )


class MediaStreamFactory(WebSocketServerFactory):
    """Makes sockets for `calls`, with the limits that Autobahn does not set by itself."""

    def __init__(self, clock: IReactorTime, calls: Calls) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clock = clock
        self._calls = calls
        self._resting = RestingReads(clock)
        self.setProtocolOptions(  # type: ignore[no-untyped-call]
            maxFramePayloadSize=_LARGEST_MESSAGE,
            maxMessagePayloadSize=_LARGEST_MESSAGE,
            openHandshakeTimeout=10,
            closeHandshakeTimeout=2,
            autoPingInterval=20,
            # Without a time-out on the pong: fifty frames a second are proof of life enough, and a socket that
            # says nothing is ended by the calls' own watchdog.
            autoPingTimeout=0,
            # The JSON parser checks the text's encoding, and what it refuses costs a message, not the call.
            utf8validateIncoming=False,
            perMessageCompressionAccept=lambda _offers: None,
            webStatus=False,
        )

    def buildProtocol(self, _address: object) -> MediaStreamProtocol:  # noqa: N802
        """A socket of its own for each call."""
        protocol = MediaStreamProtocol(self._clock, self._calls, self._resting)
        protocol.factory = self
        return protocol


def media_resource(clock: IReactorTime, calls: Calls) -> WebSocketResource:
    """The resource that a request for the media path ends at."""
    return WebSocketResource(MediaStreamFactory(clock, calls))
