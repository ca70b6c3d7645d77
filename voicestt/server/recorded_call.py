"""A live call whose audio is recorded."""

from collections.abc import Callable, Sequence

from voicestt.call.active_call import CallParts
from voicestt.call.call_audio import Frame
from voicestt.call.facts import CallDescription
from voicestt.call.machine import CallInputs
from voicestt.recording.recorder import StreamRecording
from voicestt.server.callee import OUTBOUND, Callee
from voicestt.server.live_call import LiveCall
from voicestt.server.media_line import MediaLine


class RecordedCall(LiveCall):
    """A LiveCall that hands the audio of its tracks to `recording` too, from its start to its end."""

    def __init__(
        self,
        inputs: CallInputs,
        parts: CallParts,
        hang_up: Callable[[str], None],
        line: MediaLine,
        recording: StreamRecording,
        callee: Callee | None = None,
    ) -> None:
        super().__init__(inputs, parts, hang_up, line, callee)
        self._recording = recording

    def begin(self, call: CallDescription) -> None:
        """Begin the recording before the greeting is said, unless the called number has `recording = false`."""
        if call.plan.recording is not False:
            self._recording.begin(call.call_sid, hears_callee=call.listens_in)
        super().begin(call)

    def media(self, frames: Sequence[Frame]) -> None:
        """Take frames of the caller's audio, and record them."""
        for frame in frames:
            self._recording.caller(frame.payload, frame.timestamp)
        super().media(frames)

    def other_media(self, track: object, frame: Frame) -> None:
        """Take a frame of the callee's, and record it, whether it is recognised or not.

        Where it is not, the call's time begins with the caller: nothing of the callee lies before it.
        """
        if track == OUTBOUND and (self._callee is not None or self._parts.audio.frames):
            self._recording.callee(frame.payload, frame.timestamp)
        super().other_media(track, frame)

    def finish(self, how: str) -> None:
        """End the call's audio, and its recording."""
        super().finish(how)
        self._recording.end()


def live_call(
    inputs: CallInputs,
    parts: CallParts,
    hang_up: Callable[[str], None],
    line: MediaLine,
    recording: StreamRecording | None,
    callee: Callee | None = None,
) -> LiveCall:
    """Make a live call, which is recorded if there is a `recording`."""
    if recording is None:
        return LiveCall(inputs, parts, hang_up, line, callee)
    return RecordedCall(inputs, parts, hang_up, line, recording, callee)
