"""The writing thread's side of recordings: time lines and files of the streams that are live."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.recording.audio_file import RecordingFile
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.timeline import CallTimeline, Piece

Act = Literal["caller", "callee", "ours", "cut", "finish"]


class Handed(NamedTuple):
    """Something of a stream's, handed to the thread at the time `at` of the recorder's clock.

    `caller`, `callee`: a frame of theirs, `position` bytes after the first, with Twilio's `timestamp`. `ours`:
    audio that was sent to the caller. `cut`: what was sent and not heard yet is not heard. `finish`: the stream is
    over. `wall` is epoch seconds less those of the clock.
    """

    session: str
    call_sid: str
    act: Act
    at: float
    wall: float
    audio: bytes = b""
    position: int = 0
    timestamp: object = None


@dataclass(slots=True)
class WritingCounts:
    """Counts of recordings finished, and of seconds of audio written, and dropped because they could not be."""

    finished: int = 0
    written_seconds: float = 0.0
    dropped_seconds: float = 0.0


@dataclass(slots=True)
class _OpenRecording:
    name: tuple[str, str]
    wall: float
    timeline: CallTimeline = field(default_factory=CallTimeline)
    pieces: list[Piece] = field(default_factory=list)
    file: RecordingFile | None = None
    is_over: bool = False


class RecordingWriter:
    """Writes the recordings of many streams below `folder`. All of it blocks; one thread calls it."""

    _log = Logger()

    def __init__(self, folder: RecordingFolder, tracks: int) -> None:
        self.counts = WritingCounts()
        self.problem = ""
        """The reason why the last piece could not be written, in words; "" if it could."""
        self._folder = folder
        self._tracks = tracks
        self._open: dict[str, _OpenRecording] = {}

    def take(self, handed: Handed) -> None:
        """Place what was handed over on its stream's time line."""
        recording = self._open.get(handed.session)
        if recording is None:
            recording = _OpenRecording((handed.session, handed.call_sid), handed.wall)
            self._open[handed.session] = recording
        timeline, piece = recording.timeline, None
        match handed.act:
            case "caller":
                piece = timeline.caller(handed.at, handed.audio, handed.position, handed.timestamp)
            case "callee":
                piece = timeline.callee(handed.at, handed.audio, handed.position, handed.timestamp)
            case "ours":
                piece = timeline.ours(handed.at, handed.audio)
            case "cut":
                piece = timeline.cut(handed.at)
            case "finish":
                recording.is_over = True
        if piece is not None:
            recording.pieces.append(piece)

    def flush(self) -> None:
        """Write all pieces, and finish the recordings of streams that are over."""
        for recording in list(self._open.values()):
            pieces, recording.pieces = recording.pieces, []
            if pieces:
                self._write(recording, pieces)
            if recording.is_over:
                self._finish(recording)

    def close(self) -> None:
        """Finish all recordings, because the process ends."""
        for recording in list(self._open.values()):
            self._finish(recording)

    def _write(self, recording: _OpenRecording, pieces: Sequence[Piece]) -> None:
        seconds = mulaw.seconds(sum(len(piece.audio) for piece in pieces))
        try:
            self._file_of(recording).write(pieces)
        except OSError as problem:
            self.counts.dropped_seconds += seconds
            self._fail(problem)
        else:
            self.counts.written_seconds += seconds
            self._succeed()

    def _file_of(self, recording: _OpenRecording) -> RecordingFile:
        if recording.file is None:
            path = self._folder.path_of(*recording.name)
            recording.file = RecordingFile(path, self._tracks, recording.wall + recording.timeline.zero)
        return recording.file

    def _finish(self, recording: _OpenRecording) -> None:
        del self._open[recording.name[0]]
        self.counts.finished += 1
        if recording.file is not None:
            try:
                recording.file.finish()
            except OSError as problem:  # the next start finishes it
                recording.file.close()
                self._fail(problem)

    def _fail(self, problem: OSError) -> None:
        words = problem.strerror or type(problem).__name__
        if words != self.problem:
            self.problem = words
            self._log.error(
                "⚠️ RECORD_DIR cannot be written ({problem}): the recordings of live calls have gaps of silence "
                "until it can. Calls and their words go on. What to do: free the disk, correct RECORD_DIR or its "
                "rights; it is tried again all the time. RECORD=off records nothing.",
                problem=words,
            )

    def _succeed(self) -> None:
        if self.problem:
            self.problem = ""
            self._log.warn(
                "RECORD_DIR is written again; {lost:.1f} s of audio are missing in recordings so far.",
                lost=self.counts.dropped_seconds,
            )
