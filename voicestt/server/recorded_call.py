"""A live call whose audio is recorded."""

from collections.abc import Callable

from voicestt.call.active_call import CallParts
from voicestt.call.facts import CallDescription
from voicestt.call.machine import CallInputs
from voicestt.recording.recorder import StreamRecording
from voicestt.server.live_call import LiveCall
from voicestt.server.media_line import MediaLine


class RecordedCall(LiveCall):
    """A LiveCall that hands the caller's audio to `recording` too, from its start to its end."""

    def __init__(
        self,
        inputs: CallInputs,
        parts: CallParts,
        hang_up: Callable[[str], None],
        line: MediaLine,
        recording: StreamRecording,
    ) -> None:
        super().__init__(inputs, parts, hang_up, line)
        self._recording = recording

    def begin(self, call: CallDescription, greeting: bytes | None = None) -> None:
        """Begin the recording before the greeting is said."""
        self._recording.begin(call.call_sid)
        super().begin(call, greeting)

    def media(self, audio: bytes, timestamp: object = None) -> None:
        """Take a frame of the caller's audio, and record it."""
        self._recording.caller(audio, timestamp)
        super().media(audio, timestamp)

    def finish(self, how: str) -> None:
        """End the call's audio, and its recording."""
        super().finish(how)
        self._recording.end()
