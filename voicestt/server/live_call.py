"""A live call: its state machine, its socket and its line."""

from collections.abc import Callable, Sequence
from typing import Final

from twisted.logger import Logger

from voicestt.audio.ledger import AudioTotals, total
from voicestt.call.active_call import CallParts
from voicestt.call.call_audio import Frame
from voicestt.call.facts import CallDescription, Track
from voicestt.call.hearing import HeardAudio
from voicestt.call.machine import CallInputs
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.runtime.clock import Unchanged
from voicestt.runtime.histogram import Percentiles
from voicestt.server.callee import NO_CALLEE, OUTBOUND, Callee
from voicestt.server.change_remarks import CallChanges
from voicestt.server.media_line import MediaLine

MOVED: Final = "moved"
"""The reason of the end of a stream whose call goes on in another process."""

_NOBODY: Final = CallDescription("", "")


class LiveCall:
    """A call, its socket and its line. `activity` counts the signs of life, pongs too.

    `callee` takes the other track of a stream that has both, where BOTH_TRACKS=both.

    `changes` is told how the call's recognition changes.

    `is_being_moved` while Twilio is asked to open the call's next stream elsewhere, and after it has agreed.
    """

    _log = Logger()

    def __init__(
        self,
        inputs: CallInputs,
        parts: CallParts,
        hang_up: Callable[[str], None],
        line: MediaLine,
        callee: Callee | None = None,
    ) -> None:
        self.inputs = inputs
        self.line = line
        self.activity = 0
        self._parts = parts
        self._hang_up = hang_up
        self._callee = callee
        self._description = _NOBODY
        self._reason = ""
        self._silence = Unchanged()
        self._hold = Unchanged()
        self._has_finished = False
        self.is_being_moved = False
        self.call_sid = ""
        self.account_sid = ""
        self.stream_sid = ""
        self.changes: CallChanges | None = None
        line.belong_to(self)

    def begin(self, call: CallDescription) -> None:
        """Start the call after a good `start` of Twilio's. The greeting leaves before anybody else can speak.

        A call that goes on has heard it; into a stream of `<Start>` nothing can be said, so its line stays closed.
        """
        self.stream_sid = call.stream_sid
        self.account_sid = call.account_sid
        self.call_sid = call.call_sid
        self._description = call
        if not call.listens_in:
            self.line.open(call.stream_sid, greets=call.continues is None)
        self.inputs.started(call)

    def warn_of_another(self, other: CallDescription) -> None:
        """Warn that a second socket says that it is this call."""
        self._log.warn(
            "⚠️ Two sockets say that they are this call: {first} is live, and {second} has come. Both go on; the "
            "events of each have its own stream_sid. Either the TwiML forks, or somebody replays a handshake: "
            "REQUIRE_KNOWN_CALL=true refuses the second.",
            first=self.stream_sid,
            second=other.stream_sid,
            log_system=other.call_sid,
        )

    @property
    def has_started(self) -> bool:
        """True once a good `start` of Twilio's has come."""
        return bool(self.call_sid)

    @property
    def has_finished(self) -> bool:
        """True once the socket is closed: only last words may still come."""
        return self._has_finished

    @property
    def reason(self) -> str:
        """The reason that this server ends the call for; "" if it does not."""
        return self._reason

    def is_stream_of(self, call_sid: str) -> bool:
        """Return True if this is a live stream of that call, one that still has its socket."""
        return self.call_sid == call_sid and not self._has_finished

    def media(self, frames: Sequence[Frame]) -> None:
        """Take frames of the caller's audio that came together."""
        self._parts.take(frames)

    def other_media(self, track: object, frame: Frame) -> None:
        """Take a frame of a track that is not the caller's: the callee's, if both are recognised."""
        if self._callee is None or track != OUTBOUND or not self.has_started:
            self.inputs.ignored("media of another track")
        else:
            self._callee.media(self._description, frame)

    @property
    def can_be_moved(self) -> bool:
        """True if its TwiML is this server's own: other TwiML is not replaced, which would part those who talk."""
        return not self._description.listens_in

    @property
    def missing(self) -> int:
        """The bytes of audio that must come before any is processed; 0 if that is not known."""
        other = None if self._callee is None else self._callee.missing
        return self._parts.audio.missing if other is None else min(self._parts.audio.missing, other)

    @property
    def account(self) -> AudioTotals:
        """Totals of the call's audio so far, of both tracks."""
        caller, callee = self._parts.audio.account, None if self._callee is None else self._callee.account
        return caller if callee is None else total([caller, callee])

    @property
    def added_delay(self) -> Percentiles:
        """The delays that the server has added to the call's partials so far."""
        return self._parts.metrics.added

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        """Recognise one side by other options, from its next final or silence on, or `at_once`."""
        if track == "caller":
            self._parts.audio.recognise(options, at_once=at_once)
            if self.changes is not None:
                self.changes.changed(options)
        elif self._callee is not None:
            self._callee.recognise(options, at_once=at_once)
        else:
            self._log.warn(NO_CALLEE, log_system=self.call_sid)

    def look_for_gap(self) -> None:
        """Check whether frames have stopped coming; called every LOOK_SECONDS."""
        self._parts.audio.look()
        if self._callee is not None:
            self._callee.look()

    def mark_reached(self, name: str, cleared: bool) -> None:
        """Report that a mark of the application's was played, or was cleared."""
        self.inputs.mark_reached(name, cleared)

    def caller_heard(self, heard: HeardAudio) -> None:
        """Report what the caller heard of what was said."""
        self.inputs.caller_heard(heard)

    def end(self, reason: str) -> None:
        """Close the socket; the caller's words until it is closed are still taken, then the last finals come."""
        self._reason = self._reason or reason
        self.line.close()
        self._hang_up(reason)

    def finish(self, how: str) -> None:
        """End the call's audio, in both directions."""
        self._has_finished = True
        self.line.close()
        why = MOVED if self.is_being_moved else self._reason or how
        if self._callee is not None:
            self._callee.finish(why)
        self.inputs.finish(why)

    def wait_at_most(self, seconds: float) -> None:
        """Shorten the time that the call waits for its last words once it has ended."""
        self._parts.drain_seconds = min(self._parts.drain_seconds, seconds)
        if self._callee is not None:
            self._callee.wait_at_most(seconds)

    def cut(self) -> None:
        """End the call's audio if it has not ended, and wait no longer for its last words."""
        self.finish(self._reason)
        self._parts.audio.give_up()
        self.inputs.time_is_up()
        if self._callee is not None:
            self._callee.cut()

    def look(self) -> tuple[int, int]:
        """Count the looks in a row without a sign of life, and those without audio."""
        return self._silence.look(self.activity), self._hold.look(self._frames)

    @property
    def _frames(self) -> int:
        return self._parts.audio.frames + (0 if self._callee is None else self._callee.frames)
