"""Speaks the caller's side of a call in real time, over whichever stream is open, and returns marks."""

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall

from voicestt.emulators.twilio import bad_input
from voicestt.emulators.twilio.call_values import CallOptions, Speech
from voicestt.emulators.twilio.playback import Playback
from voicestt.emulators.twilio.schedule import Insert, Pacer
from voicestt.emulators.twilio.server_messages import AudioToPlay, parse_server_message
from voicestt.emulators.twilio.stream import CallerStream
from voicestt.emulators.twilio.tracks import INBOUND, OUTBOUND, has_frames
from voicestt.runtime.reactor import FullReactor

_PROGRESS_SECONDS = 5.0


class CallerSide:
    """Says the frames, keys and bad input of a call on time; what falls between two streams is not sent.

    `reactor` schedules, `monotonic` tells the time in seconds, `progress` takes a line of text now and then.
    """

    def __init__(
        self,
        reactor: FullReactor,
        monotonic: Callable[[], float],
        speech: Speech,
        options: CallOptions,
        progress: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._monotonic = monotonic
        self._speech = speech
        self._schedule = options.schedule
        self._drop_at = options.drop_at
        self._spans = options.spans
        self._inserts = options.schedule.before_frames(options.inserts, speech.frames)
        self._progress = progress
        self._pacer = Pacer(reactor, monotonic, options.schedule.due)
        self._playback = Playback()
        self._echo: IDelayedCall | None = None
        self._stream: CallerStream | None = None
        self._frames_spoken = 0
        self._unsent: list[tuple[int, int]] = []
        self._told = 0.0
        self._ended_at: float | None = None
        self._is_stopped = False
        self.first_frame_at: float | None = None
        self.frames_sent = 0
        self.bytes_sent: Counter[str] = Counter()
        """By the track, inbound or outbound."""
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

    @property
    def unsent(self) -> tuple[tuple[int, int], ...]:
        """The parts of the audio that were spoken without a stream: first byte, byte after the last."""
        return tuple(self._unsent)

    async def run(self) -> bool:
        """Say everything; return True at its end or after `stop`, False at the time to drop the call."""
        frames = self._speech.frames
        is_dropped = self._drop_at is not None and self._drop_at < self._schedule.due(frames)
        await self._speak(self._drop_at if is_dropped else None)
        if not self._is_stopped and not is_dropped:
            self._say_inserts(frames)
            self._return_marks()
        self._end()
        return self._is_stopped or not is_dropped

    def join(self, stream: CallerStream) -> None:
        """Speak and listens by this stream from now on."""
        self._stream = stream

    def leave(self) -> None:
        """Drop what the stream still had to play; the caller speaks on, to nobody."""
        if self._stream is not None:
            self._stream = None
            self._playback.leave(self._monotonic())
            self._forget_echo()

    def stop(self) -> None:
        """Stop speaking."""
        self._is_stopped = True
        self._pacer.stop()
        self._end()

    async def _speak(self, drop_at: float | None) -> None:
        frames = self._speech.frames
        if drop_at is not None:
            frames = self._schedule.frames_before(drop_at, frames)
        await self._pacer.run(frames, self._say_frame, drop_at)

    def _end(self) -> None:
        """End the playback to the caller: note the time and cancel the next mark."""
        if self._ended_at is None:
            self._ended_at = self._monotonic()
        self._forget_echo()

    def hear(self, stream: CallerStream, text: str) -> None:
        """Take one message of the server; raise `CallRefused` where Twilio would warn."""
        message = parse_server_message(text, stream.sids.stream)
        if stream is self._stream:
            self._playback.take(message, self._monotonic())
            self._return_marks()
        elif isinstance(message, AudioToPlay):
            self._playback.received += message.mulaw

    def spoken_at(self, position: int) -> float | None:
        """Return the time at which the frame with byte `position` was due; None for one that was not sent."""
        frame = position // self._speech.frame_bytes
        if self.first_frame_at is None or frame > self._frames_spoken:
            return None
        return self.first_frame_at + self._schedule.due(frame) - self._schedule.due(0)

    # -- frames

    def _say_frame(self, number: int) -> None:
        self._say_inserts(number)
        if self.first_frame_at is None:
            self.first_frame_at = self._monotonic()
        if self._stream is None:
            self._note_unsent(number)
        else:
            size = self._speech.frame_bytes
            sounds = {INBOUND: self._speech.frame(number), OUTBOUND: self._speech.other_frame(number)}
            come = {track: audio for track, audio in sounds.items() if audio and self._comes(track, number)}
            self.bytes_sent += self._stream.say_frame(come, number * size, size, self._held_just_before(number))
            self.frames_sent += 1
        self._frames_spoken = number + 1
        self._tell_progress()

    def _comes(self, track: str, number: int) -> bool:
        return has_frames(self._spans, track, number * self._schedule.frame_seconds)

    def _note_unsent(self, number: int) -> None:
        size = self._speech.frame_bytes
        begins = number * size
        if self._unsent and self._unsent[-1][1] == begins:
            begins = self._unsent.pop()[0]
        self._unsent.append((begins, (number + 1) * size))

    def _held_just_before(self, number: int) -> float:
        before = self._schedule.held_before(number - 1) if number else 0.0
        return self._schedule.held_before(number) - before

    def _tell_progress(self) -> None:
        spoken = self._frames_spoken * self._schedule.frame_seconds
        if spoken - self._told >= _PROGRESS_SECONDS - 1e-9:
            self._told = spoken
            self._progress(f"{spoken:.0f} s spoken")

    def _say_inserts(self, number: int) -> None:
        for insert in self._inserts.get(number, ()):
            if self._stream is not None:
                self._say_insert(self._stream, insert)

    def _say_insert(self, stream: CallerStream, insert: Insert) -> None:
        if insert.kind == "dtmf":
            stream.socket.say(stream.messages.dtmf(insert.detail))
            self.inserted.append(f"key {insert.detail}")
            return
        message = bad_input.KINDS[insert.kind].make(stream.messages)
        stream.socket.say_bytes(message.payload, message.is_binary)
        self.inserted.append(f"bad {insert.kind}")

    # -- marks

    def _return_marks(self) -> None:
        """Send back the marks that are due and schedules the next."""
        self._forget_echo()
        for name in self._playback.played(self._monotonic()):
            self.marks.append(name)
            if self._stream is not None:
                self._stream.socket.say(self._stream.messages.mark(name))
        next_due = self._playback.next_due()
        if next_due is not None:
            self._echo = self._reactor.callLater(max(0.0, next_due - self._monotonic()), self._return_marks)

    def _forget_echo(self) -> None:
        if self._echo is not None and self._echo.active():
            self._echo.cancel()
        self._echo = None
