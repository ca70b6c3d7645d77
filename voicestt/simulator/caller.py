"""One telephone call, from the first webhook to the last status callback, as Twilio places it.

webhook POST -> TwiML -> WebSocket -> connected, start, media ... media, stop -> close
                         stream-started                                          stream-stopped
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, gatherResults

from voicestt.mulaw import BYTES_PER_FRAME
from voicestt.simulator import twilio_messages
from voicestt.simulator.call_values import CallOptions, CallReport, Speech, Target
from voicestt.simulator.media_socket import Closed, MediaSocket, SocketEvents, open_media_socket
from voicestt.simulator.pacing import FRAME_SECONDS, Pacer
from voicestt.simulator.playback import Playback
from voicestt.simulator.problems import CallRefused, Problem
from voicestt.simulator.server_messages import parse_server_message
from voicestt.simulator.signatures import signed_headers
from voicestt.simulator.twilio_messages import Sids, StreamMessages
from voicestt.simulator.twiml import Stream
from voicestt.simulator.webhooks import Webhooks

_PROGRESS_FRAMES = 250


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where a call takes its time from: `monotonic` in seconds, `unix_ns` for Twilio's timestamps."""

    monotonic: Callable[[], float] = time.monotonic
    unix_ns: Callable[[], int] = time.time_ns


def _in_silence(_words: str) -> None:
    pass


async def place_call(
    reactor: Any,
    target: Target,
    clip: bytes,
    options: CallOptions | None = None,
    progress: Callable[[str], None] = _in_silence,
    clocks: Clocks | None = None,
) -> CallReport:
    """Calls `target` and says `clip` (mu-law, 8 kHz); never raises for what the server does.

    `reactor` provides IReactorTime, IReactorTCP and name resolution. `progress` takes a line of text at each
    step. What went wrong is in the report's `problems`.
    """
    chosen = options or CallOptions()
    return await _Call(reactor, target, Speech.of(clip, chosen), chosen, progress, clocks or Clocks()).run()


class _Call:
    def __init__(
        self,
        reactor: Any,
        target: Target,
        speech: Speech,
        options: CallOptions,
        progress: Callable[[str], None],
        clocks: Clocks,
    ) -> None:
        self._reactor = reactor
        self._target = target
        self._speech = speech
        self._options = options
        self._progress = progress
        self._clocks = clocks
        self._sids = Sids()
        self._webhooks = Webhooks(reactor, target, self._sids)
        self._messages = StreamMessages(self._sids)
        self._playback = Playback()
        self._pacer = Pacer(reactor, clocks.monotonic)
        self._socket: MediaSocket | None = None
        self._closed = Closed(clean=False, code=None, reason=None)
        self._hung_up = False
        self._statuses: list[tuple[str, int]] = []
        self._marks: list[str] = []
        self._first_frame_at: float | None = None
        self._frames_sent = 0
        self._problems: list[Problem] = []

    async def run(self) -> CallReport:
        try:
            stream = await self._webhooks.incoming_call()
            self._progress(f"the webhook took the call {self._sids.call}; its audio goes to {stream.url}")
            await self._talk(stream)
        except CallRefused as refused:
            self._trouble(refused.problem)
        return self._report()

    async def _talk(self, stream: Stream) -> None:
        events = SocketEvents(self._heard, self._lost)
        self._socket = await self._open(stream, events)
        started = Deferred.fromCoroutine(self._tell_status(stream, "stream-started"))
        self._socket.say(twilio_messages.CONNECTED)
        self._socket.say(self._messages.start(stream.parameters))
        self._progress(f"the stream {self._sids.stream} is open; speaking")
        await self._pacer.run(self._speech.frames, self._send_frame)
        self._hang_up(self._socket)
        self._closed = await events.closed
        stopped = Deferred.fromCoroutine(self._tell_status(stream, "stream-stopped"))
        await gatherResults([started, stopped])

    async def _open(self, stream: Stream, events: SocketEvents) -> MediaSocket:
        return await open_media_socket(
            self._reactor,
            self._target.reached_at(stream.url),
            urlsplit(stream.url).netloc,
            signed_headers(self._target.auth_token, stream.url),
            events,
            self._options.subprotocol,
        )

    async def _tell_status(self, stream: Stream, event: str) -> None:
        if not self._options.status_callbacks or stream.status_callback is None:
            return
        try:
            status = await self._webhooks.stream_status(stream, event, self._clocks.unix_ns())
            self._statuses.append((event, status))
        except CallRefused as refused:
            self._trouble(refused.problem)

    # -- while the socket is open

    def _send_frame(self, number: int) -> None:
        assert self._socket is not None  # noqa: S101 (frames are sent once it is open)
        drop_at = self._options.drop_at
        if drop_at is not None and number * FRAME_SECONDS >= drop_at:
            self._drop(self._socket)
            return
        if self._first_frame_at is None:
            self._first_frame_at = self._clocks.monotonic()
        self._socket.say(self._messages.media(self._speech.frame(number)))
        self._frames_sent += 1
        self._return_marks(self._socket)
        if self._frames_sent % _PROGRESS_FRAMES == 0:
            self._progress(f"{self._frames_sent * FRAME_SECONDS:.0f} s spoken")

    def _return_marks(self, socket: MediaSocket) -> None:
        for name in self._playback.played(self._clocks.monotonic()):
            self._marks.append(name)
            socket.say(self._messages.mark(name))

    def _heard(self, payload: bytes, is_binary: bool) -> None:
        if is_binary:
            self._trouble(Problem("the server sent a binary frame; only text frames are understood", 31950))
            return
        try:
            message = parse_server_message(payload.decode("utf-8"), self._sids.stream)
            self._playback.take(message, self._clocks.monotonic())
        except CallRefused as refused:
            self._trouble(refused.problem)

    # -- the end

    def _hang_up(self, socket: MediaSocket) -> None:
        if self._hung_up or not socket.is_up:
            return
        self._hung_up = True
        self._return_marks(socket)
        if not self._options.lose_stop:
            socket.say(self._messages.stop())
        socket.say_goodbye()

    def _drop(self, socket: MediaSocket) -> None:
        self._progress(f"cutting the connection after {self._options.drop_at} s, as asked")
        self._hung_up = True
        self._pacer.stop()
        socket.cut()

    def _lost(self, closed: Closed) -> None:
        """The socket is gone after it was open."""
        self._pacer.stop()
        if not self._hung_up:
            self._trouble(_hung_up_on(closed))
        elif self._options.drop_at is None and not closed.clean:
            self._trouble(Problem(f"the WebSocket was not closed properly: {closed.reason}", 31924))

    def _trouble(self, problem: Problem) -> None:
        self._problems.append(problem)
        self._progress(f"trouble: {problem}")

    def _report(self) -> CallReport:
        return CallReport(
            call_sid=self._sids.call,
            stream_sid=self._sids.stream,
            bytes_sent=self._frames_sent * BYTES_PER_FRAME,
            frames_sent=self._frames_sent,
            seconds=self._frames_sent * FRAME_SECONDS,
            first_frame_at=self._first_frame_at,
            voice_began_at=self._spoken_at(self._speech.voice_begins),
            voice_ended_at=self._spoken_at(self._speech.voice_ends),
            latest_frame_ms=self._pacer.latest * 1000,
            webhook_status=self._webhooks.first_status,
            subprotocol=self._socket.subprotocol if self._socket else None,
            status_callbacks=tuple(self._statuses),
            close_code=self._closed.code,
            close_reason=self._closed.reason,
            received_audio=bytes(self._playback.received),
            marks_returned=tuple(self._marks),
            problems=tuple(self._problems),
        )

    def _spoken_at(self, position: int) -> float | None:
        """When the frame at so many bytes was due: the clock is absolute."""
        frame = position // BYTES_PER_FRAME
        if self._first_frame_at is None or frame > self._frames_sent:
            return None
        return self._first_frame_at + frame * FRAME_SECONDS


def _hung_up_on(closed: Closed) -> Problem:
    if closed.code is None or not closed.clean:
        return Problem(f"the connection broke while the caller spoke: {closed.reason}", 31903)
    reason = f" ({closed.reason})" if closed.reason else ""
    return Problem(f"the server hung up while the caller spoke: close code {closed.code}{reason}", 31921)
