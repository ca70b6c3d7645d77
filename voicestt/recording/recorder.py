"""Recording of live calls: the reactor hands audio over, and a thread writes it to each stream's file.

The phone comes first: a disk that is slow or full costs recordings, never calls. What waits for the thread is
bounded; what cannot be written is dropped and counted, its place on the time line is silence, and the log says so
once, loudly.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.writing import Act, Handed, RecordingWriter
from voicestt.runtime.clock import Clock

FLUSH_SECONDS: Final = 0.25
"""So often the files are written: a process that is killed loses no more of a recording."""

MOST_WAITING: Final = 32_000_000
"""Bytes that may wait for the thread: twenty seconds of a hundred calls on both tracks."""

STOP_SECONDS: Final = 3.0
_ITEM_BYTES: Final = 300  # about, beside the audio


class CallerSink(Protocol):
    """The way of audio to the caller (`voicestt.call.playout.PlayoutSink`)."""

    def media(self, audio: bytes) -> None:
        """Send audio to be played after what was sent before."""
        ...

    def mark(self, name: str) -> None:
        """Send a mark."""
        ...

    def clear(self) -> None:
        """Drop what was sent and not played yet."""
        ...


class AudioRecorder:
    """Records the calls of a process into `folder`: the caller alone, or on two `tracks` what they hear too.

    `clock` is the reactor's; `now` gives epoch seconds.
    """

    _log = Logger()

    def __init__(
        self, folder: RecordingFolder, tracks: int, clock: Clock, now: Callable[[], float] = time.time
    ) -> None:
        self.tracks = tracks
        self.folder = folder
        self.begun = 0
        self._clock = clock
        self._now = now
        self._handed: deque[Handed] = deque()
        # Each counter is written by one thread alone: the first two by the reactor's, the last by the other.
        self._given_bytes = 0
        self._refused_bytes = 0
        self._taken_bytes = 0
        self._is_refusing = False
        self._writer = RecordingWriter(folder, tracks)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="recordings", daemon=True)

    @property
    def live(self) -> int:
        """The number of recordings that are being written."""
        return self.begun - self._writer.counts.finished

    @property
    def written_seconds(self) -> float:
        """Seconds of audio that are in recordings."""
        return self._writer.counts.written_seconds

    @property
    def dropped_seconds(self) -> float:
        """Seconds of audio that are in no recording, because the disk was slow or full."""
        return self._writer.counts.dropped_seconds + mulaw.seconds(self._refused_bytes)

    @property
    def trouble(self) -> str:
        """The reason why recordings are not written now, in words; "" if they are."""
        return "it takes too long" if self._is_refusing else self._writer.problem

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Write what waits and finish every recording, in so many seconds at most."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if self._thread.is_alive():
            self._log.error(
                "RECORD_DIR does not take what is written to it, and the server ends: the last {waiting:.0f} s of "
                "audio are in no recording; the next start corrects the files. What to do: see whether the disk or"
                " the network behind it hangs.",
                waiting=mulaw.seconds(sum(len(handed.audio) for handed in list(self._handed))),
            )

    def new(self, session: str) -> "StreamRecording":
        """Make the recording of a media stream that has just been opened."""
        return StreamRecording(self, session)

    def begin(self) -> float:
        """Count a recording that begins; return epoch seconds less those of the clock."""
        self.begun += 1
        return self._now() - self._clock.seconds()

    def hand(
        self, of: "StreamRecording", act: Act, audio: bytes = b"", position: int = 0, timestamp: object = None
    ) -> None:
        """Hand something over to the thread; audio that cannot wait is dropped."""
        if audio and self._must_refuse(len(audio)):
            self._refused_bytes += len(audio)
            return
        at = self._clock.seconds()
        self._given_bytes += len(audio) + _ITEM_BYTES
        self._handed.append(Handed(of.session, of.call_sid, act, at, of.wall, audio, position, timestamp))

    def _must_refuse(self, size: int) -> bool:
        waiting = self._given_bytes - self._taken_bytes
        if self._is_refusing and waiting <= MOST_WAITING // 2:  # one gap instead of many
            self._is_refusing = False
            self._log.warn(
                "Recordings are written again; {lost:.1f} s of audio are missing in them so far.",
                lost=self.dropped_seconds,
            )
        elif not self._is_refusing and waiting + size > MOST_WAITING:
            self._is_refusing = True
            self._log.error(
                "⚠️ RECORD_DIR does not take what is written to it, and no more can wait: the recordings of live "
                "calls have gaps of silence until it does. Calls and their words go on. What to do: see whether "
                "the disk or the network behind it hangs; RECORD=off records nothing."
            )
        return self._is_refusing

    def _write_all(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._write()
        self._write()
        self._writer.close()

    def _write(self) -> None:
        """Write what was handed over; the bytes count as waiting until they are written."""
        taken = 0
        try:
            for _ in range(len(self._handed)):
                handed = self._handed.popleft()
                taken += len(handed.audio) + _ITEM_BYTES
                self._writer.take(handed)
            self._writer.flush()
        except Exception:  # noqa: BLE001 - the thread goes on, whatever a recording has
            self._log.failure("A recording failed in a way that was not foreseen; calls go on.")
        self._taken_bytes += taken


class StreamRecording:
    """The recording of one media stream, as the reactor has it; it never blocks and never raises."""

    def __init__(self, recorder: AudioRecorder, session: str) -> None:
        self.session = session
        self.call_sid = ""
        self.wall = 0.0
        """Epoch seconds less those of the recorder's clock, at the stream's start."""
        self._recorder = recorder
        self._position = self._callee_position = 0
        self._is_on = self._hears_callee = False

    def begin(self, call_sid: str, *, hears_callee: bool = False) -> None:
        """Begin: the stream has said which call it is of.

        `hears_callee`: it brings what the caller hears, which is recorded then; what we send is not heard.
        """
        self.call_sid = call_sid
        self._hears_callee = hears_callee
        self.wall = self._recorder.begin()
        self._is_on = True

    def caller(self, audio: bytes, timestamp: object = None) -> None:
        """Take a frame of the caller's, with Twilio's timestamp."""
        if self._is_on:
            self._recorder.hand(self, "caller", audio, self._position, timestamp)
            self._position += len(audio)

    def callee(self, audio: bytes, timestamp: object = None) -> None:
        """Take a frame of the callee's, with Twilio's timestamp."""
        if self._is_on and self._hears_callee and self._recorder.tracks > 1:
            self._recorder.hand(self, "callee", audio, self._callee_position, timestamp)
            self._callee_position += len(audio)

    def ours(self, audio: bytes) -> None:
        """Take audio that is sent to the caller now."""
        if self._is_on and not self._hears_callee and self._recorder.tracks > 1:
            self._recorder.hand(self, "ours", audio)

    def clear(self) -> None:
        """Note that what was sent and has not been heard is not heard any more."""
        if self._is_on and not self._hears_callee and self._recorder.tracks > 1:
            self._recorder.hand(self, "cut")

    def end(self) -> None:
        """End: the stream is over, and what was sent last is not heard any more. Later calls have no effect."""
        if self._is_on:
            self.clear()
            self._is_on = False
            self._recorder.hand(self, "finish")

    def beside(self, sink: CallerSink) -> CallerSink:
        """Return a sink that records what goes to the caller by `sink`."""
        return _RecordedSink(sink, self)


class _RecordedSink:
    """A way to the caller of which the audio is recorded."""

    def __init__(self, sink: CallerSink, recording: StreamRecording) -> None:
        self._sink = sink
        self._recording = recording
        self.mark = sink.mark

    def media(self, audio: bytes) -> None:
        self._recording.ours(audio)
        self._sink.media(audio)

    def clear(self) -> None:
        self._recording.clear()
        self._sink.clear()
