"""The file of one recording while it is written: every piece goes to its place, and the header is always true.

A process that is killed leaves a WAV file that plays up to its last write. Nothing here waits for the disk to say
that it has the data: a machine that loses its power may lose the last seconds.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Final

from voicestt.audio import mulaw
from voicestt.recording.timeline import Piece
from voicestt.recording.wav import HEADER_BYTES, WavHeader, read_header

PARTIAL: Final = ".part"
"""The suffix of a file that is being written, or whose writer was killed."""

_FILL_BYTES: Final = 1 << 20


class RecordingFile:
    """A recording that is being written, at `path` with the suffix PARTIAL; `path` itself is there at its end.

    Its lock says that its writer lives. All methods but `close` raise OSError, and may be called again after it.
    """

    def __init__(self, path: Path, tracks: int, began: float) -> None:
        self._path = path
        self._partial = path.with_name(path.name + PARTIAL)
        self._header = WavHeader(tracks, 0, began)
        self._file: int | None = None
        self._frames = 0

    @property
    def frames(self) -> int:
        """The samples of each channel in the file."""
        return self._frames

    def write(self, pieces: Sequence[Piece]) -> None:
        """Write pieces, each to its place; what lies between is silence."""
        file = self._opened()
        tracks = self._header.tracks
        start = min((piece.start for piece in pieces), default=0)
        end = max((piece.start + len(piece.audio) for piece in pieces), default=0)
        if end > start:
            self._fill(file, start)
            block = bytearray(mulaw.SILENCE * ((end - start) * tracks))
            there = os.pread(file, len(block), HEADER_BYTES + start * tracks)
            block[: len(there)] = there
            for piece in pieces:
                first = (piece.start - start) * tracks + piece.track
                block[first : first + len(piece.audio) * tracks : tracks] = piece.audio
            _write(file, block, HEADER_BYTES + start * tracks)
            self._grow(file, end)

    def finish(self) -> None:
        """Give the whole recording its name; without effect where nothing was written."""
        if self._file is not None:
            if self._frames * self._header.tracks % 2:
                _write(self._file, mulaw.SILENCE, HEADER_BYTES + self._frames)  # RIFF counts in words
                self._grow(self._file, self._frames + 1)
            with suppress(FileNotFoundError):  # it was erased
                os.rename(self._partial, self._path)
            self.close()

    def close(self) -> None:
        """Close the file, which is as whole as it is."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)

    def _opened(self) -> int:
        if self._file is None:
            self._partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                flock(file, LOCK_EX | LOCK_NB)
                _write(file, self._header.encode(), 0)
            except OSError:
                os.close(file)
                raise
            self._file = file
        return self._file

    def _fill(self, file: int, start: int) -> None:
        """Fill the file with silence up to `start`, a piece at a time."""
        step = _FILL_BYTES // self._header.tracks
        while self._frames < start:
            length = min(step, start - self._frames)
            tracks = self._header.tracks
            _write(file, mulaw.SILENCE * (length * tracks), HEADER_BYTES + self._frames * tracks)
            self._grow(file, self._frames + length)

    def _grow(self, file: int, frames: int) -> None:
        if frames > self._frames:
            self._frames = frames
            _write(file, WavHeader(self._header.tracks, frames, self._header.began).encode(), 0)


def _write(file: int, data: bytes | bytearray, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written


def repair(partial: Path) -> Path | None:
    """Finish a recording whose writer was killed: correct its sizes, and give it its name, which is returned.

    None where its writer lives, or it holds no audio: that one is deleted. A file that is no recording stays.

    Raises:
        OSError: where it cannot be read or written.
        BadRecording: where it is no recording.
    """
    file = os.open(partial, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return None
        size = os.fstat(file).st_size
        if size <= HEADER_BYTES:
            partial.unlink()
            return None
        return _repaired(file, size, partial)
    finally:
        os.close(file)


def _repaired(file: int, size: int, partial: Path) -> Path:
    header = read_header(os.pread(file, HEADER_BYTES, 0), size)
    frames, tracks = header.frames, header.tracks
    os.ftruncate(file, HEADER_BYTES + frames * tracks)
    if frames * tracks % 2:
        _write(file, mulaw.SILENCE, HEADER_BYTES + frames)
        frames += 1
    _write(file, WavHeader(tracks, frames, header.began).encode(), 0)
    whole = partial.with_name(partial.name.removesuffix(PARTIAL))
    os.rename(partial, whole)
    return whole
