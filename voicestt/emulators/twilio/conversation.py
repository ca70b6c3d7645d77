"""Sends one stream's frames, keys and bad input on time over an open media socket, and returns marks."""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from voicestt.emulators.twilio import bad_input
from voicestt.emulators.twilio.call_values import CallOptions, Speech
from voicestt.emulators.twilio.media_socket import MediaSocket
from voicestt.emulators.twilio.pacing import Pacer
from voicestt.emulators.twilio.playback import Playback
from voicestt.emulators.twilio.schedule import Insert
from voicestt.emulators.twilio.server_messages import parse_server_message
from voicestt.emulators.twilio.twilio_messages import StreamMessages

_PROGRESS_SECONDS = 5.0


class CallerSide:
    """Plays the caller's side of one started stream.

    `reactor` schedules, `monotonic` tells the time in seconds, `progress` takes a line of text now and then.
    """

    def __init__(
        self,
        reactor: Any,
        monotonic: Callable[[], float],
        messages: StreamMessages,
        stream_sid: str,
        speech: Speech,
        options: CallOptions,
        progress: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._monotonic = monotonic
        self._messages = messages
        self._stream_sid = stream_sid
        self._speech = speech
        self._schedule = options.schedule
        self._drop_at = options.drop_at
        self._inserts = options.schedule.before_frames(options.inserts, speech.frames)
        self._progress = progress
        self._pacer = Pacer(reactor, monotonic, options.schedule.due)
        self._playback = Playback()
        self._echo: IDelayedCall | None = None
        self._socket: MediaSocket | None = None
        self._told = 0.0
        self._ended_at: float | None = None
        self._is_stopped = False
        self.first_frame_at: float | None = None
        self.frames_sent = 0
        self.marks: list[str] = []
        self.inserted: list[str] = []

    @property
    def latest(self) -> float:
        """The largest delay of a frame, in seconds."""
        return self._pacer.latest

    @property
    def received(self) -> bytes:
        """The audio that the server sent, mu-law."""
        return bytes(self._playback.received)

    @property
    def heard(self) -> bytes:
        """The audio that the caller heard from the first frame to the end, mu-law."""
        if self.first_frame_at is None or self._ended_at is None:
            return b""
        return self._playback.heard(self.first_frame_at, self._ended_at)

    @property
    def first_heard_at(self) -> float | None:
        """The time of the server's first audio."""
        return self._playback.first_at

    @property
    def cleared_at(self) -> tuple[float, ...]:
        """The times of the server's clears."""
        return tuple(self._playback.cleared_at)

    async def run(self, socket: MediaSocket) -> bool:
        """Sends all audio; returns True at its end or after `stop`, False at the time to drop the call."""
        self._socket = socket
        whole = self._schedule.due(self._speech.frames)
        is_dropped = self._drop_at is not None and self._drop_at < whole
        if not self._is_stopped:
            await self._speak(self._drop_at if is_dropped else None)
        if not self._is_stopped and not is_dropped:
            self._say_inserts(socket, self._speech.frames)
            self._return_marks()
        self._end()
        return self._is_stopped or not is_dropped

    def stop(self) -> None:
        """Stops sending."""
        self._is_stopped = True
        self._pacer.stop()
        self._end()

    async def _speak(self, drop_at: float | None) -> None:
        frames = self._speech.frames
        if drop_at is not None:
            frames = self._schedule.frames_before(drop_at, frames)
        await self._pacer.run(frames, self._send_frame, drop_at)

    def _end(self) -> None:
        """Ends the playback to the caller: notes the time and cancels the next mark."""
        if self._ended_at is None:
            self._ended_at = self._monotonic()
        self._forget_echo()

    def hear(self, text: str) -> None:
        """Takes one message of the server; raises `CallRefused` where Twilio would warn."""
        self._playback.take(parse_server_message(text, self._stream_sid), self._monotonic())
        self._return_marks()

    def spoken_at(self, position: int) -> float | None:
        """The time at which the frame with byte `position` was due; None if the call did not come so far."""
        frame = position // self._speech.frame_bytes
        if self.first_frame_at is None or frame > self.frames_sent:
            return None
        return self.first_frame_at + self._schedule.due(frame) - self._schedule.due(0)

    # -- frames

    def _send_frame(self, number: int) -> None:
        assert self._socket is not None  # noqa: S101 (frames are sent once it is open)
        self._say_inserts(self._socket, number)
        if self.first_frame_at is None:
            self.first_frame_at = self._monotonic()
        self._messages.hold(self._held_just_before(number))
        self._socket.say(self._messages.media(self._speech.frame(number)))
        self.frames_sent += 1
        self._tell_progress()

    def _held_just_before(self, number: int) -> float:
        before = self._schedule.held_before(number - 1) if number else 0.0
        return self._schedule.held_before(number) - before

    def _tell_progress(self) -> None:
        spoken = self.frames_sent * self._schedule.frame_seconds
        if spoken - self._told >= _PROGRESS_SECONDS - 1e-9:
            self._told = spoken
            self._progress(f"{spoken:.0f} s spoken")

    def _say_inserts(self, socket: MediaSocket, number: int) -> None:
        for insert in self._inserts.get(number, ()):
            self._say_insert(socket, insert)

    def _say_insert(self, socket: MediaSocket, insert: Insert) -> None:
        if insert.kind == "dtmf":
            socket.say(self._messages.dtmf(insert.detail))
            self.inserted.append(f"key {insert.detail}")
            return
        message = bad_input.KINDS[insert.kind].make(self._messages)
        socket.say_bytes(message.payload, message.is_binary)
        self.inserted.append(f"bad {insert.kind}")

    # -- marks

    def _return_marks(self) -> None:
        """Sends back the marks that are due and schedules the next."""
        self._forget_echo()
        for name in self._playback.played(self._monotonic()):
            self.marks.append(name)
            if self._socket is not None:
                self._socket.say(self._messages.mark(name))
        next_due = self._playback.next_due()
        if next_due is not None:
            self._echo = self._reactor.callLater(max(0.0, next_due - self._monotonic()), self._return_marks)

    def _forget_echo(self) -> None:
        if self._echo is not None and self._echo.active():
            self._echo.cancel()
        self._echo = None
