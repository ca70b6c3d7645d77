"""Twilio's socket: turns Autobahn's callbacks into inputs of a call. It decides nothing."""

from collections.abc import Callable, Sequence
from functools import partial

from autobahn.websocket.types import ConnectionRequest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.journal.former import FormerStream
from voicestt.runtime.clock import Clock, Timer
from voicestt.runtime.escaping import escaped
from voicestt.server.calls import Calls
from voicestt.server.connections import UNKNOWN, Visitor
from voicestt.server.fast_frames import FastFrameProtocol
from voicestt.server.flow_control import PausedReads, ReadCoalescer, Room
from voicestt.server.live_call import LiveCall
from voicestt.server.starts import Refused
from voicestt.twilio import twiml
from voicestt.twilio.media_stream import (
    BadMessage,
    BadStart,
    Connected,
    DtmfMessage,
    MarkMessage,
    Media,
    Message,
    Start,
    Stop,
    Unknown,
    inbound_frames,
    parse,
)

SUBPROTOCOL = "audio.twilio.com"

START_SECONDS = 10.0
_LONGEST_SID = 64
_KEYS = frozenset("0123456789*#ABCD")
_NORMAL = 1000
_REFUSED = 4003
_PATIENCE_AFTER_STOP = 1.0
_LONGEST_REASON = 120  # bytes, by RFC 6455 section 5.5


class MediaStreamProtocol(FastFrameProtocol):
    """The socket of one call."""

    _log = Logger()

    def __init__(self, clock: Clock, calls: Calls, resting: ReadCoalescer, visitor: Visitor | None = None) -> None:
        super().__init__()
        self._visitor = visitor
        self._starting, self._holding, self._closing = Timer(clock), Timer(clock), Timer(clock)
        self._room = Room()
        self._calls = calls
        self._resting = resting
        self._producer: PausedReads | None = None
        self._call: LiveCall | None = None
        self._complained = False
        self._begin_without: Callable[[], None] | None = None

    def onConnect(self, request: ConnectionRequest) -> str | None:  # noqa: N802
        """Select the subprotocol if it was offered: Twilio itself offers none, and gets none."""
        return SUBPROTOCOL if SUBPROTOCOL in request.protocols else None

    def onOpen(self) -> None:  # noqa: N802
        """Make a call for the new socket, and limit the time until its `start`."""
        transport = IPushProducer(self.transport, None)
        self._producer = None if transport is None else PausedReads(transport)
        self._log.info("📞 WebSocket connected: {path}", path=twiml.MEDIA)
        call = self._call = self._calls.new(self._hang_up, self._say)
        self._calls.sockets.add(self)
        self.unregisterProducer()  # the HTTP channel that this connection was
        self._room = Room(call.line, self._answer_ping)
        self.registerProducer(self._room, True)
        self._starting.set(START_SECONDS, lambda: self._never_started(call))

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take data from the transport, then pause reading until there can be enough for a batch."""
        super().dataReceived(data)
        if self._producer is not None and self._call is not None:
            self._resting.rest(self._producer.because("resting"), self._call.missing)

    def hold(self, seconds: float) -> None:
        """Pause reading for `seconds`: more frames came at once than any call has."""
        if self._producer is not None:
            self._producer.because("held").pauseProducing()
        self._holding.set(seconds, self._hold_no_more)

    def onPing(self, payload: bytes) -> None:  # noqa: N802
        """Answer a ping; while answers are not read, keep only the last one and answer it when there is room.

        Source: RFC 6455 section 5.5.3. The caller's audio is read all the while.
        """
        if self._room.is_full:
            self._room.ping = payload
        else:
            self._answer_ping(payload)

    def onPong(self, payload: bytes) -> None:  # noqa: N802
        """Count a sign of life: pongs come also on hold, when no audio does."""
        if self._call is not None:
            self._call.activity += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Release timers and places, because the connection is gone, with or without a handshake."""
        if self._begin_without is not None:
            self._begin_without()
        if self._is_held:
            self.take_the_rest()
        self._starting.cancel()
        self._holding.cancel()
        self._leave_visitors()
        self._room = Room()
        super().connectionLost(reason)
        self._calls.sockets.remove(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """Take one message of Twilio's; one that cannot be understood is counted, and the call goes on."""
        call = self._call
        if call is None:
            return
        call.activity += 1
        try:
            message = parse(payload)
        except BadMessage as problem:
            self._not_understood(call, problem)
            return
        if isBinary and not (isinstance(message, Media) and message.is_inbound):
            self._ignore(call, "binary messages", "Twilio sends text")
        else:
            self._take(call, message)

    def onMessages(self, payloads: Sequence[bytes]) -> bool:  # noqa: N802
        """Take frames of the caller's together; False, before any is taken, if there is another message."""
        call, frames = self._call, inbound_frames(payloads)
        if call is None or frames is None:
            return False
        call.activity += len(frames)
        call.media(frames)
        return True

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802, N803
        """End the call, because the socket is gone, with or without a `stop` before."""
        self._closing.cancel()
        call, self._call = self._call, None
        if call is not None:
            call.finish("the socket was closed" if wasClean else "the socket was lost")

    def _take(self, call: LiveCall, message: Message) -> None:
        match message:
            case Media(media=frame) if message.is_inbound:
                call.media((frame,))
            case Media(media=frame):
                call.other_media(frame.track, frame)
            case Start():
                self._start(call, message)
            case Stop():
                call.finish("stop")
                self._close_soon()
            case DtmfMessage():
                self._key(call, message.dtmf.digit)
            case MarkMessage():
                if not call.line.returned(message.mark.name):
                    self._ignore(call, "marks never sent", "a mark that was never sent")
            case Unknown(event=event):
                self._ignore(call, "messages of an unknown kind", f"event {event!r}")
            case Connected():
                pass

    def _key(self, call: LiveCall, digit: str) -> None:
        if digit in _KEYS:
            call.inputs.key_pressed(digit)
        else:
            self._ignore(call, "keys no telephone has", "a key that no telephone has")

    def _not_understood(self, call: LiveCall, problem: BadMessage) -> None:
        if isinstance(problem, BadStart) and not call.has_started:
            self._refuse(
                call, f"its `start` cannot be understood: {problem}", problem.call_sid, problem.stream_sid
            )
        else:
            self._ignore(call, "messages not understood", str(problem))

    def _start(self, call: LiveCall, start: Start) -> None:
        if call.has_started:  # the call goes on with the details of the first one
            call.inputs.ignored("start out of turn")
            return
        former = self._calls.before(call, start)
        if former is None:
            self._begin(call, start, None)
        else:
            self._begin_after(call, start, former)

    def _begin_after(self, call: LiveCall, start: Start, former: "Deferred[FormerStream | None]") -> None:
        """Begin the call when it is known what it was before; its audio waits."""

        def begin(found: FormerStream | None) -> None:
            if self._begin_without is not None:
                self._begin_without = None
                self._begin(call, start, found)
                self.go_on()
                if self._producer is not None:
                    self._producer.because("a former stream").resumeProducing()

        self._begin_without = partial(begin, None)
        self.hold_the_rest()
        if self._producer is not None:
            self._producer.because("a former stream").pauseProducing()
        former.addCallback(begin)

    def _begin(self, call: LiveCall, start: Start, former: FormerStream | None) -> None:
        details = start.start
        try:
            self._calls.begin(call, start, former)
        except Refused as refusal:
            self._refuse(call, str(refusal), details.call_sid, details.stream_sid)
            return
        self._starting.cancel()
        self._leave_visitors()
        if details.odd:
            self._ignore(
                call, "odd fields of start", f"odd in `start`, and taken as not given: {', '.join(details.odd)}"
            )

    def _refuse(self, call: LiveCall, why: str, call_sid: str, stream_sid: str) -> None:
        self._calls.starts_refused += 1
        self._log.error(
            "A call was refused: {why} (CallSid {call}, StreamSid {stream}). Its socket was closed; Twilio shows "
            "error 31921 and goes on after <Connect>.",
            why=why,
            call=_shown(call_sid),
            stream=_shown(stream_sid),
            log_system=_shown(call_sid),
        )
        call.finish("refused")
        self._hang_up(why, _REFUSED)

    def _never_started(self, call: LiveCall) -> None:
        if not call.has_started:
            self._calls.refusals.count(
                f"A WebSocket was closed: it did not say `start` within {START_SECONDS:g} s.",
                UNKNOWN if self._visitor is None else self._visitor.address,
                "Twilio says it at once, so it was not Twilio; or Twilio is in trouble.",
            )
            call.end(f"the socket did not say `start` within {START_SECONDS:g} s")

    def _leave_visitors(self) -> None:
        """Leave the count of connections that are not calls: it is a call now, or gone."""
        if self._visitor is not None:
            self._visitor.leave()

    def _hold_no_more(self) -> None:
        self.go_on()
        if self._producer is not None and not self._is_held:
            self._producer.because("held").resumeProducing()

    def _answer_ping(self, payload: bytes) -> None:
        if self.state == self.STATE_OPEN:
            self.sendPong(payload)  # type: ignore[no-untyped-call]

    def _close_soon(self) -> None:
        # Twilio closes after `stop` itself. Were both to close in one turn, Autobahn would drop the connection
        # with our close frame still unsent.
        if not self._closing.is_set:
            self._closing.set(_PATIENCE_AFTER_STOP, partial(self.sendClose, _NORMAL))

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


def _shown(sid: str) -> str:
    return escaped(sid, _LONGEST_SID) or "not known"
