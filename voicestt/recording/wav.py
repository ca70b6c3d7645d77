"""The header of a recording: a WAV file of mu-law, 8 kHz, one channel or two. Pure.

The header has a fixed length, so that it can be written before the audio and corrected while it grows. Source:
Microsoft's "Multimedia Programming Interface and Data Specifications 1.0": `fmt `, `fact` (the number of samples,
as mu-law is no PCM), `LIST` of type `INFO` with `ICRD`, when the audio began, and `data`.
"""

import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from voicestt.audio import mulaw
from voicestt.runtime.times import rfc3339

MULAW: Final = 7
PCM: Final = 1
_MOST: Final = 0xFFFFFFFF
_DATE_BYTES: Final = 28  # 2026-11-29T18:48:33.123456Z, and zeros to an even number
_HEAD: Final = struct.Struct("<4sI4s")
_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHHH")
_INFO_BYTES: Final = 4 + _CHUNK.size + _DATE_BYTES

HEADER_BYTES: Final = (
    _HEAD.size + _CHUNK.size + _FORMAT.size + _CHUNK.size + 4 + _CHUNK.size + _INFO_BYTES + _CHUNK.size
)
"""The length of a recording's header."""


class BadRecording(ValueError):
    """The error of a file that is no recording; its text follows the file's name."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """The facts of a recording's header: its channels, its samples on each, and when it began (epoch seconds).

    `width` is the bytes of a sample: 1 for mu-law, 2 for PCM.
    """

    tracks: int
    frames: int
    began: float
    width: int = 1

    @property
    def data_bytes(self) -> int:
        """The length of the audio in bytes."""
        return self.frames * self.tracks * self.width

    def encode(self) -> bytes:
        """Encode the header; sizes beyond what WAV can say are the largest that it can."""
        size, moment = self.data_bytes, self.tracks * self.width
        rate = mulaw.BYTES_PER_SECOND
        kind = MULAW if self.width == 1 else PCM
        date = rfc3339(self.began, "microseconds").encode().ljust(_DATE_BYTES, b"\0")
        return b"".join(
            (
                _HEAD.pack(b"RIFF", min(_MOST, HEADER_BYTES - _CHUNK.size + size), b"WAVE"),
                _CHUNK.pack(b"fmt ", _FORMAT.size),
                _FORMAT.pack(kind, self.tracks, rate, rate * moment, moment, 8 * self.width, 0),
                _CHUNK.pack(b"fact", 4) + struct.pack("<I", min(_MOST, self.frames)),
                _CHUNK.pack(b"LIST", _INFO_BYTES) + b"INFO" + _CHUNK.pack(b"ICRD", _DATE_BYTES) + date,
                _CHUNK.pack(b"data", min(_MOST, size)),
            )
        )


def read_header(head: bytes, file_bytes: int) -> WavHeader:
    """Read the header of a recording of ours, whose file has `file_bytes`: the file's length says how much audio.

    What the header says of sizes is as old as the last write to it: the process may have been killed since.

    Raises:
        BadRecording: for whatever is none.
    """
    began = _began_in(head)
    _, tracks, *_ = _FORMAT.unpack_from(head, _HEAD.size + _CHUNK.size)
    header = WavHeader(tracks, max(0, file_bytes - HEADER_BYTES) // max(1, tracks), began)
    if tracks not in {1, 2} or not _is_ours(head, header):
        raise BadRecording("is not a recording of voicestt")
    return header


def _began_in(head: bytes) -> float:
    if len(head) < HEADER_BYTES:
        raise BadRecording("is shorter than a recording's header")
    date = head[HEADER_BYTES - _CHUNK.size - _DATE_BYTES : HEADER_BYTES - _CHUNK.size].rstrip(b"\0")
    try:
        return datetime.fromisoformat(date.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        raise BadRecording("does not say when it began: it is not a recording of voicestt") from None


def _is_ours(head: bytes, header: WavHeader) -> bool:
    """Compare everything but the sizes."""
    ours = bytearray(header.encode())
    theirs = bytearray(head[:HEADER_BYTES])
    fact = _HEAD.size + _CHUNK.size + _FORMAT.size + _CHUNK.size
    for at in (4, fact, HEADER_BYTES - 4):
        ours[at : at + 4] = theirs[at : at + 4] = bytes(4)
    return ours == theirs
