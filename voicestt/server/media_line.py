"""A live call's line: audio for the caller goes to Twilio over the call's own socket, while the call lives."""

# ruff: noqa: N802 (camelCase is Twisted's)

from collections.abc import Callable
from functools import partial
from typing import Protocol

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import Track
from voicestt.call.hearing import HeardAudio
from voicestt.call.playout import Playout, PlayoutLine
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recording.recorder import StreamRecording
from voicestt.twilio.media_stream import clear_message, mark_message, media_message


class SpokenTo(Protocol):
    """The call that a line belongs to."""

    @property
    def account(self) -> AudioTotals:
        """Totals of the caller's audio so far."""
        ...

    def mark_reached(self, name: str, cleared: bool) -> None:
        """Report that a mark of the application's was played, or was cleared."""
        ...

    def caller_heard(self, heard: HeardAudio) -> None:
        """Report what the caller heard of what was said."""
        ...

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        """Recognise one side by other options."""
        ...

    def end(self, reason: str) -> None:
        """Close the socket."""
        ...


class _MediaSink:
    """A playout's way to Twilio: messages of one stream."""

    def __init__(self, send: Callable[[bytes], object], stream_sid: str) -> None:
        self._send = send
        self._stream_sid = stream_sid

    def media(self, audio: bytes) -> None:
        self._send(media_message(self._stream_sid, audio))

    def mark(self, name: str) -> None:
        self._send(mark_message(self._stream_sid, name))

    def clear(self) -> None:
        self._send(clear_message(self._stream_sid))


@implementer(IPushProducer)
class MediaLine(PlayoutLine):
    """A `voicestt.call.line.Line` over a socket; for the transport it is the producer of its data.

    `send` sends one text message, in any state of the socket. `greeting` is mu-law, and said before all else.
    `recording` is told what is played.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        send: Callable[[bytes], object],
        greeting: bytes = b"",
        recording: StreamRecording | None = None,
    ) -> None:
        self._clock = clock
        self._send = send
        self._greeting = greeting
        self._recording = recording
        self._call: SpokenTo | None = None
        self._is_over = False
        self._has_complained = False

    def belong_to(self, call: SpokenTo) -> None:
        """Set the line's call, which is made after it."""
        self._call = call

    # -- the line, for the application

    @property
    def account(self) -> AudioTotals:
        """Totals of the caller's audio so far."""
        return AudioTotals() if self._call is None else self._call.account

    def mark(self, name: str, reached: Callable[[bool], None]) -> None:
        """Set a mark; `reached` is called once: False if all said before was played, True if it was cleared."""
        super().mark(name, partial(self._reach, reached))

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        """Recognise one side by other options, from its next final or silence on, or `at_once`."""
        if self._call is not None and not self._is_over:
            self._call.recognise(options, at_once=at_once, track=track)

    def end(self, reason: str) -> None:
        """Close the stream; Twilio goes on with what follows `<Connect>` in the TwiML."""
        if self._call is not None and not self._is_over:
            self._call.end(reason)

    # -- the socket's side

    def greet_with(self, greeting: bytes | None) -> None:
        """Set the called number's own greeting, before the line is opened; None for that of all calls."""
        if greeting is not None:
            self._greeting = greeting

    def open(self, stream_sid: str, *, greets: bool = True) -> None:
        """Open the line at Twilio's `start`, and play the greeting. Once in a call; later calls have no effect."""
        if self._playout is None and not self._is_over:
            sink = _MediaSink(self._send, stream_sid)
            recording = self._recording
            self._playout = Playout(
                self._clock, sink if recording is None else recording.beside(sink), self._tell_heard
            )
            if greets:
                self._playout.say(self._greeting)

    def returned(self, mark: str) -> bool:
        """Take a mark that Twilio sent back; False if it is none of ours."""
        return self._is_over or (self._playout is not None and self._playout.returned(mark))

    def close(self) -> None:
        """Close the line, because the call is over or was never one; pending marks are reached as cleared."""
        self._is_over = True
        super().close()

    def pauseProducing(self) -> None:
        """Hold the audio: the transport's buffer is full, because the other end does not read."""
        if self._playout is not None:
            self._playout.hold()
            self._complain()

    def resumeProducing(self) -> None:
        """Send audio again: the transport's buffer is empty."""
        if self._playout is not None:
            self._playout.resume()

    def stopProducing(self) -> None:
        """Do nothing: the socket tells that the transport is gone."""

    def _tell_mark(self, name: str, cleared: bool) -> None:
        if self._call is not None:
            self._call.mark_reached(name, cleared)

    def _tell_heard(self, heard: HeardAudio) -> None:
        if self._call is not None:
            self._call.caller_heard(heard)

    def _reach(self, reached: Callable[[bool], None], cleared: bool) -> None:
        try:
            reached(cleared)
        except Exception:  # noqa: BLE001 - an application's mistake must not cost a call
            self._log.failure("What was to happen at a mark failed; the call goes on.")

    def _complain(self) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._log.warn(
                "Twilio does not take what is said to the caller: the connection is slower than speech. It waits "
                "until it is taken; the caller's own words are not concerned. Said once a call."
            )
