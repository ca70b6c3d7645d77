"""Reading of recordings: the streams of a call as one WAV file, any part of which can be asked for.

A call that was moved, or whose server was killed, goes on with another stream, often in another process: each has
a recording of its own, and they lie on one time line by when they began. What lies between is silence. Mu-law is
read as it is, or as 16-bit PCM, which everything plays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from voicestt.audio import mulaw
from voicestt.recording.wav import HEADER_BYTES, WavHeader, read_header

Form = Literal["mulaw", "pcm16"]
FORMS: Final[Sequence[Form]] = ("mulaw", "pcm16")
LONGEST_PAUSE: Final = 3_600.0
"""The longest pause between two streams that is kept, in seconds: their machines' clocks may be apart."""

_AT_ONCE: Final = 1 << 18
_WIDTHS: Final = {"mulaw": 1, "pcm16": 2}


class OpenPart(Protocol):
    """A recording of one stream that is open for reading; it blocks."""

    @property
    def size(self) -> int:
        """The bytes of the whole file, with its header."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file; fewer where it ends."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True, slots=True)
class _Placed:
    part: OpenPart
    header: WavHeader
    start: int

    @property
    def end(self) -> int:
        return self.start + self.header.frames


class JoinedAudio:
    """The recordings of one or more streams, in the order of time, as one WAV file of the `form`.

    Raises:
        BadRecording: where one of them is no recording.
    """

    def __init__(self, parts: Sequence[OpenPart], form: Form = "mulaw") -> None:
        headers = [read_header(part.read(0, HEADER_BYTES), part.size) for part in parts]
        self._placed = list(_placed(parts, headers))
        tracks = max(header.tracks for header in headers)
        self.header = WavHeader(tracks, self._placed[-1].end, headers[0].began, _WIDTHS[form])

    @property
    def size(self) -> int:
        """The bytes of the whole file, with its header."""
        return HEADER_BYTES + self.header.data_bytes

    @property
    def seconds(self) -> float:
        """The length of the audio in seconds."""
        return mulaw.seconds(self.header.frames)

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes of the file from `start` on; fewer where it ends."""
        head = self.header.encode()[start : start + length] if start < HEADER_BYTES else b""
        first = start + len(head) - HEADER_BYTES
        most = min(length - len(head), self.header.data_bytes - first)
        return head + self._data(first, most) if most > 0 else head

    def chunks(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield `length` bytes of the file from `start` on, or all that follow, in pieces of limited size."""
        end = self.size if length is None else min(self.size, start + length)
        while start < end:
            chunk = self.read(start, min(_AT_ONCE, end - start))
            yield chunk
            start += len(chunk)

    def close(self) -> None:
        """Close the parts."""
        for placed in self._placed:
            placed.part.close()

    def _data(self, start: int, length: int) -> bytes:
        """Return bytes of the audio: the samples around them, of which the ends are cut off."""
        moment = self.header.tracks * self.header.width
        first, last = start // moment, -(-(start + length) // moment)
        samples = self._samples(first, last)
        audio = mulaw.decode(samples) if self.header.width > 1 else samples
        return audio[start - first * moment :][:length]

    def _samples(self, first: int, last: int) -> bytes:
        tracks = self.header.tracks
        samples = bytearray(mulaw.SILENCE * ((last - first) * tracks))
        for placed in self._placed:
            start, end = max(first, placed.start), min(last, placed.end)
            if start < end:
                own = placed.header.tracks
                audio = placed.part.read(HEADER_BYTES + (start - placed.start) * own, (end - start) * own)
                at = (start - first) * tracks
                if own == tracks:
                    samples[at : at + len(audio)] = audio
                else:  # a recording of the caller alone, beside one of both
                    samples[at : at + len(audio) * tracks : tracks] = audio
        return bytes(samples)


def _placed(parts: Sequence[OpenPart], headers: Sequence[WavHeader]) -> Iterator[_Placed]:
    end, began = 0, headers[0].began
    for part, header in zip(parts, headers, strict=True):
        pause = header.began - began - mulaw.seconds(end)
        start = end + round(min(LONGEST_PAUSE, max(0.0, pause)) * mulaw.BYTES_PER_SECOND)
        placed = _Placed(part, header, start)
        yield placed
        end = placed.end
