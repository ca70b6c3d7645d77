"""Recordings that tests make: sessions, pieces, files, and a reader that is not ours."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

from voicestt.audio import mulaw
from voicestt.handler.publishing import new_session
from voicestt.recording.audio_file import RecordingFile
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.timeline import CALLER, OURS, Piece

BEGAN = 1_796_000_000.25
SECOND = mulaw.BYTES_PER_SECOND
Samples = npt.NDArray[np.int16]


def session(began: float = BEGAN) -> str:
    return new_session(began)


def tone(length: int, value: int = 7) -> bytes:
    """Audio that is no silence, and of which each sample can be known again."""
    return bytes((value + at) % 120 + 1 for at in range(length))


def recorded(
    folder: RecordingFolder, call_sid: str = "CA1", audio: bytes = b"", ours: bytes = b"", began: float = BEGAN
) -> Path:
    """A whole recording in `folder`, of two tracks if there is something of ours."""
    path = folder.path_of(session(began), call_sid)
    file = RecordingFile(path, 2 if ours else 1, began)
    pieces = [Piece(CALLER, 0, audio or tone(SECOND))]
    file.write([*pieces, Piece(OURS, 0, ours)] if ours else pieces)
    file.finish()
    return path


def played(wav: bytes | Path) -> Samples:
    """The samples that libsndfile plays: a row for each moment, a column for each channel."""
    source: Any = BytesIO(wav) if isinstance(wav, bytes) else wav
    samples, rate = soundfile.read(source, dtype="int16", always_2d=True)
    assert rate == SECOND
    result: Samples = samples
    return result


def sound(*channels: bytes) -> Samples:
    """The samples of mu-law, a column for each channel."""
    decoded: Sequence[Samples] = [np.frombuffer(mulaw.decode(each), np.int16) for each in channels]
    return np.stack(decoded, axis=1)
