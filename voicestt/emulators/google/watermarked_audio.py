"""Watermarked audio: each piece of it carries the number of its call and its position in the call.

A recogniser that reads it knows, after any change of streams, replay or fallback, which words it was given and
which not: a lost, doubled or misplaced byte cannot hide. It looks like this, at 8 kHz:

- 320 samples (40 ms) are one period of 80 bits of 4 samples each; the bit is the sign of its samples.
- The bits: 16 of `SYNC`, 16 of the call's number, 24 of the period's index in the call, 16 of a checksum
  (CRC-CCITT of number and index), 8 of padding.
- How loud a sample is carries nothing: loud where somebody speaks, next to silent elsewhere.

All samples are values of G.711 mu-law, so audio that went through a telephone line is the same to the bit.
"""

import binascii
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PERIOD = 320
CALLS = 1 << 16
_BIT = 4
_SYNC = b"\xd3\x91"
_PADDING = b"\x5a"
_QUIET = 8
_LOUD = (1_884, 3_900, 5_884, 3_900)
_SYLLABLE = 1_000

Samples = npt.NDArray[np.int16]
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """An unbroken stretch of a call's audio as one stream received it, in samples.

    `start` and `end` are positions in the call, `offset` is where in the stream the stretch began.
    """

    start: int
    end: int
    offset: int

    @property
    def is_empty(self) -> bool:
        """True as long as the stretch has no samples."""
        return self.start == self.end

    def offset_of(self, position: int) -> int:
        """Return the position in the stream of a position in the call."""
        return self.offset + position - self.start


def clip(number: int, samples: int, speech: Iterable[tuple[int, int]] = ()) -> bytes:
    """Make the first `samples` samples of call `number` (0 to 65535), LINEAR16 at 8 kHz, loud within `speech`.

    `speech` holds stretches as (first sample, sample after the last).
    """
    if not 0 <= number < CALLS:
        raise ValueError(f"a call's number is 0 to {CALLS - 1}, not {number}")
    signs = np.where(_signs_of(number, 0, -(-samples // PERIOD))[:samples], 1, -1)
    return (signs * _loudness(samples, speech)).astype("<i2").tobytes()


def _loudness(samples: int, speech: Iterable[tuple[int, int]]) -> Samples:
    loudness = np.full(samples, _QUIET, np.int16)
    syllables = np.array(_LOUD, np.int16).repeat(_SYLLABLE)
    for start, end in speech:
        loudness[start:end] = np.resize(syllables, max(0, min(end, samples) - start))
    return loudness


def _payload(number: int, index: int) -> bytes:
    place = number.to_bytes(2, "big") + index.to_bytes(3, "big")
    return _SYNC + place + binascii.crc_hqx(place, 0xFFFF).to_bytes(2, "big") + _PADDING


def _signs_of(number: int, index: int, periods: int) -> Bits:
    """Return the signs of `periods` periods from `index` on, one for each sample."""
    payloads = b"".join(_payload(number, index + later) for later in range(periods))
    return np.unpackbits(np.frombuffer(payloads, np.uint8)).astype(np.bool_).repeat(_BIT)


def _find(signs: Bits) -> tuple[int, int, int] | None:
    """Find the first whole period in `signs` (one for each sample): its offset, its call's number, its index."""
    if len(signs) < PERIOD:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(signs, PERIOD)[:PERIOD, ::_BIT]
    rows = np.packbits(windows, axis=1)
    candidates: Sequence[int] = np.flatnonzero((rows[:, 0] == _SYNC[0]) & (rows[:, 1] == _SYNC[1])).tolist()
    for offset in candidates:
        row = rows[offset].tobytes()
        number, index = int.from_bytes(row[2:4], "big"), int.from_bytes(row[4:7], "big")
        if np.array_equal(signs[offset : offset + PERIOD], _signs_of(number, index, 1)):
            return offset, number, index
    return None


class Tracker:
    """Follows one stream's audio through its call; `feed` and `finish` yield the stretches received.

    The first 80 ms decide whether the audio is watermarked at all. If not, the stream is its own call: one stretch
    from 0 on. A stretch that is given again with a later end has grown; another start is a jump.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._received = 0
        self._unread: Bits = np.empty(0, np.bool_)
        self._is_plain = False
        self._span: Span | None = None

    def feed(self, pcm: bytes) -> Iterator[Span]:
        """Take more LINEAR16 audio, whole samples."""
        self._received += len(pcm) // 2
        if self._is_plain:
            yield Span(0, self._received, 0)
            return
        signs = np.frombuffer(pcm, "<i2") > 0
        self._unread = np.concatenate((self._unread, signs)) if len(self._unread) else signs
        yield from self._read()

    def finish(self) -> Iterator[Span]:
        """End the audio; an unfinished last period counts up to its first wrong sample."""
        if self._span is None and not self._is_plain and not self._lock():
            self._is_plain = self.number is None
            if self._is_plain:
                yield Span(0, self._received, 0)
        if self._span is not None:
            yield from self._follow()
            self._grow_by(self._agreeing(len(self._unread)))
            yield self._span

    def _read(self) -> Iterator[Span]:
        while True:
            if self._span is None and not self._search():
                break
            yield from self._follow()
            if self._span is not None or self._is_plain:
                break
        if self._is_plain:
            yield Span(0, self._received, 0)

    def _search(self) -> bool:
        """Look for the position in the call; a stream's first two periods decide whether it is watermarked."""
        if len(self._unread) < 2 * PERIOD:
            return False
        if self._lock():
            return True
        self._is_plain = self.number is None
        self._unread = self._unread[-(PERIOD - 1) :]
        return False

    def _lock(self) -> bool:
        found = _find(self._unread)
        if found is None:
            return False
        offset, self.number, index = found
        start = index * PERIOD - offset
        self._span = Span(start, start, self._received - len(self._unread))
        self._grow_by(offset)
        return True

    def _follow(self) -> Iterator[Span]:
        """Read whole periods as long as they are the expected ones; at an unexpected one the position is lost."""
        if self._span is None:
            return
        whole = len(self._unread) // PERIOD * PERIOD
        right = self._agreeing(whole)
        self._grow_by(right)
        yield self._span
        if right < whole:
            self._span = None

    def _agreeing(self, samples: int) -> int:
        """Count the expected ones among the next `samples` up to the first wrong one, from a period's start."""
        if self._span is None or self.number is None or samples == 0:
            return 0
        expected = _signs_of(self.number, self._span.end // PERIOD, -(-samples // PERIOD))[:samples]
        wrong = np.flatnonzero(self._unread[:samples] != expected)
        return int(wrong[0]) if len(wrong) else samples

    def _grow_by(self, samples: int) -> None:
        if self._span is not None:
            self._span = Span(self._span.start, self._span.end + samples, self._span.offset)
            self._unread = self._unread[samples:]
