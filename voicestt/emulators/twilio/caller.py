"""Places one telephone call as Twilio does, from the first webhook to the last status callback.

webhook POST -> TwiML -> WebSocket -> connected, start, media ... media, stop -> close
                         stream-started                                          stream-stopped
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, gatherResults

from voicestt.emulators.twilio import twilio_messages
from voicestt.emulators.twilio.call_values import (
    CallOptions,
    CallReport,
    ServerTarget,
    Speech,
)
from voicestt.emulators.twilio.conversation import CallerSide
from voicestt.emulators.twilio.media_socket import (
    Closed,
    MediaSocket,
    SocketEvents,
    open_media_socket,
)
from voicestt.emulators.twilio.problems import CallRefused, Problem
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.emulators.twilio.twilio_messages import Sids, StreamMessages
from voicestt.emulators.twilio.twiml import StreamNoun
from voicestt.emulators.twilio.webhooks import WebhookClient


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of a call: `monotonic` in seconds, `unix_ns` for Twilio's timestamps."""

    monotonic: Callable[[], float] = time.monotonic
    unix_ns: Callable[[], int] = time.time_ns


class CallControl:
    """Ends a call while the caller still speaks, as Twilio's REST API can.

    For tests of servers that hang up or transfer: to the stream both are one. To be used in the reactor's thread.
    """

    def __init__(self) -> None:
        self.sids = Sids()
        self._asked = False
        self._end: Callable[[], None] | None = None

    @property
    def call_sid(self) -> str:
        """The CallSid, known before the call is placed."""
        return self.sids.call

    def hang_up(self) -> None:
        """Sends `stop` and closes; a call not yet placed then sends no audio between `start` and `stop`."""
        self._asked = True
        if self._end is not None:
            self._end()

    def govern(self, end: Callable[[], None]) -> None:
        """Connects the control to its call: `end` makes the caller stop."""
        self._end = end
        if self._asked:
            end()


def _in_silence(_words: str) -> None:
    pass


async def place_call(
    reactor: Any,
    target: ServerTarget,
    clip: bytes,
    options: CallOptions | None = None,
    progress: Callable[[str], None] = _in_silence,
    clocks: Clocks | None = None,
    control: CallControl | None = None,
) -> CallReport:
    """Calls `target` and plays `clip` (mu-law, 8 kHz); never raises for what the server does.

    `reactor` provides IReactorTime, IReactorTCP and name resolution. `progress` takes a line of text at each
    step. `control`, one for each call, can end it. What went wrong is in the report's `problems`.
    """
    chosen = options or CallOptions()
    speech = Speech.of(clip, chosen)
    call = _Call(reactor, target, speech, chosen, progress, clocks or Clocks(), control or CallControl())
    return await call.run()


class _Call:
    def __init__(
        self,
        reactor: Any,
        target: ServerTarget,
        speech: Speech,
        options: CallOptions,
        progress: Callable[[str], None],
        clocks: Clocks,
        control: CallControl,
    ) -> None:
        self._reactor = reactor
        self._target = target
        self._speech = speech
        self._options = options
        self._progress = progress
        self._clocks = clocks
        self._sids = control.sids
        self._webhooks = WebhookClient(reactor, target, self._sids)
        self._messages = StreamMessages(self._sids)
        self._conversation = CallerSide(
            reactor, clocks.monotonic, self._messages, self._sids.stream, speech, options, progress
        )
        control.govern(self._conversation.stop)
        self._socket: MediaSocket | None = None
        self._closed = Closed(clean=False, code=None, reason=None)
        self._hung_up = False
        self._dropped = False
        self._statuses: list[tuple[str, int]] = []
        self._problems: list[Problem] = []

    async def run(self) -> CallReport:
        try:
            stream = await self._webhooks.incoming_call()
            self._progress(f"the webhook took the call {self._sids.call}; its audio goes to {stream.url}")
            await self._talk(stream)
        except CallRefused as refused:
            self._trouble(refused.problem)
        return self._report()

    async def _talk(self, stream: StreamNoun) -> None:
        events = SocketEvents(self._heard, self._lost)
        self._socket = socket = await self._open(stream, events)
        socket.read(not self._options.slow_reader)
        started = Deferred.fromCoroutine(self._tell_status(stream, "stream-started"))
        socket.say(twilio_messages.CONNECTED)
        socket.say(self._messages.start(stream.parameters))
        self._progress(f"the stream {self._sids.stream} is open; speaking")
        if await self._conversation.run(socket):
            self._hang_up(socket)
        elif socket.is_up:
            self._drop(socket)
        self._closed = await events.closed
        stopped = Deferred.fromCoroutine(self._tell_status(stream, "stream-stopped"))
        await gatherResults([started, stopped])

    async def _open(self, stream: StreamNoun, events: SocketEvents) -> MediaSocket:
        return await open_media_socket(
            self._reactor,
            self._target.reached_at(stream.url),
            urlsplit(stream.url).netloc,
            signed_headers(self._target.auth_token, stream.url),
            events,
            self._options.subprotocol,
        )

    async def _tell_status(self, stream: StreamNoun, event: str) -> None:
        if not self._options.status_callbacks or stream.status_callback is None:
            return
        try:
            status = await self._webhooks.stream_status(stream, event, self._clocks.unix_ns())
            self._statuses.append((event, status))
        except CallRefused as refused:
            self._trouble(refused.problem)

    def _heard(self, payload: bytes, is_binary: bool) -> None:
        if is_binary:
            self._trouble(Problem("the server sent a binary frame; only text frames are understood", 31950))
            return
        try:
            self._conversation.hear(payload.decode("utf-8"))
        except CallRefused as refused:
            self._trouble(refused.problem)

    # -- the end

    def _hang_up(self, socket: MediaSocket) -> None:
        if not socket.is_up:
            return
        self._hung_up = True
        if not self._options.lose_stop:
            socket.say(self._messages.stop())
        socket.say_goodbye()
        socket.read(True)

    def _drop(self, socket: MediaSocket) -> None:
        self._progress(f"cutting the connection after {self._options.drop_at} s, as asked")
        self._hung_up = self._dropped = True
        socket.cut()

    def _lost(self, closed: Closed) -> None:
        """Handles the loss of a socket that had been open."""
        self._conversation.stop()
        if not self._hung_up:
            self._trouble(_hung_up_on(closed))
        elif not self._dropped and not closed.clean:
            self._trouble(Problem(f"the WebSocket was not closed properly: {closed.reason}", 31924))

    def _trouble(self, problem: Problem) -> None:
        self._problems.append(problem)
        self._progress(f"trouble: {problem}")

    def _report(self) -> CallReport:
        said = self._conversation
        return CallReport(
            call_sid=self._sids.call,
            stream_sid=self._sids.stream,
            bytes_sent=said.frames_sent * self._speech.frame_bytes,
            frames_sent=said.frames_sent,
            seconds=said.frames_sent * self._options.schedule.frame_seconds,
            first_frame_at=said.first_frame_at,
            voice_began_at=said.spoken_at(self._speech.voice_begins),
            voice_ended_at=said.spoken_at(self._speech.voice_ends),
            latest_frame_ms=said.latest * 1000,
            webhook_status=self._webhooks.first_status,
            subprotocol=self._socket.subprotocol if self._socket else None,
            status_callbacks=tuple(self._statuses),
            close_code=self._closed.code,
            close_reason=self._closed.reason,
            received_audio=said.received,
            heard_audio=said.heard,
            first_heard_at=said.first_heard_at,
            cleared_at=said.cleared_at,
            marks_returned=tuple(said.marks),
            inserted=tuple(said.inserted),
            problems=tuple(self._problems),
        )


def _hung_up_on(closed: Closed) -> Problem:
    if closed.code is None or not closed.clean:
        return Problem(f"the connection broke while the caller spoke: {closed.reason}", 31903)
    reason = f" ({closed.reason})" if closed.reason else ""
    return Problem(f"the server hung up while the caller spoke: close code {closed.code}{reason}", 31921)
