"""Conversion of any audio to the telephone line's: mu-law, 8 kHz, mono.

WAV files are read here, with numpy alone: PCM of 8, 16, 24 and 32 bits, floating point and mu-law, any rate and up
to 64 channels. A-law, FLAC, Ogg, MP3 and others need soundfile, which the extra `embedded` brings. The header is
checked before anything is decoded, for a hundred kilobytes of FLAC may hold hours; then the audio is decoded in
blocks, so that no more than a few megabytes are held beside the input and the output.
Source: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and its WAVEFORMATEXTENSIBLE.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]

from voicestt.audio import mulaw
from voicestt.audio.mulaw import BYTES_PER_SECOND

Kind = Literal["mulaw", "pcm16", "file"]
Samples = npt.NDArray[np.float32]
"""Full scale is 1.0; of a file, one row for each moment and one column for each channel."""

Reader = Callable[[memoryview], Samples]
"""Gives the samples of an encoding, the channels' in turn."""

LONGEST_SECONDS = 14_400.0
"""Four hours, the longest a call can be."""

MULAW_SUFFIXES = frozenset({".ulaw", ".ul", ".mulaw"})
"""The suffixes of files without a header, whose bytes are what the line carries."""

SUFFIXES = MULAW_SUFFIXES | {".wav", ".flac", ".ogg", ".mp3"}
"""The suffixes of audio files that are known by their names; others are read too."""

RATES = range(1_000, 400_001)
MOST_CHANNELS = 64
MOST_SAMPLES_PER_SECOND = 400_000
"""The most of all channels together: eight at 48 kHz, or two at 192 kHz."""

_BLOCK = 262_144  # samples of all channels: a megabyte of floating point
_UNKNOWN = 2**63 - 1  # what libsndfile says of a length that is not in the header
_EXTENSIBLE = 0xFFFE
WAV_PCM, _ALAW, WAV_MULAW = 1, 6, 7


class BadSound(ValueError):
    """The error of unusable audio; its text begins with a verb, to follow the name of the data."""


class SoundTooLong(BadSound):
    """The error of audio of `seconds`, which is more than was allowed."""

    def __init__(self, seconds: float, longest: float) -> None:
        super().__init__(f"lasts {seconds:.0f} s; {longest:.0f} s is the most")
        self.seconds = seconds


def to_mulaw(
    data: bytes, kind: Kind = "file", rate: int = BYTES_PER_SECOND, longest: float = LONGEST_SECONDS
) -> bytes:
    """Convert `data` to mu-law, 8,000 bytes a second; empty if it holds no audio.

    `kind` is "file" for the content of an audio file, "mulaw" for what the line carries already, and "pcm16" for
    headerless 16-bit samples (little-endian, mono) at `rate`. `longest` is in seconds.

    Raises:
        BadSound: when it is no such audio, or longer (SoundTooLong), or has more channels or samples a second than
            can be used; nothing of it has been decoded then.
    """
    if kind == "mulaw":
        _check(len(data), BYTES_PER_SECOND, 1, longest)
        return data
    if kind == "pcm16":
        _check(len(data) // 2, rate, 1, longest)
        return _encoded(_mixed(memoryview(data), _READERS[1, 16], 2, 1), rate)
    return _wav(data, longest) if data[:4] == b"RIFF" and data[8:12] == b"WAVE" else _other(data, longest)


def _check(moments: int, rate: int, channels: int, longest: float) -> None:
    if rate not in RATES:
        raise BadSound(f"has {rate} samples a second; {RATES[0]} to {RATES[-1]} can be used")
    if not 1 <= channels <= MOST_CHANNELS:
        raise BadSound(f"has {channels} channels; 1 to {MOST_CHANNELS} can be used")
    if channels * rate > MOST_SAMPLES_PER_SECOND:
        raise BadSound(
            f"has {channels} channels of {rate} samples a second; {MOST_SAMPLES_PER_SECOND} in all is the most"
        )
    if moments / rate > longest:
        raise SoundTooLong(moments / rate, longest)


def _encoded(blocks: Iterable[Samples], rate: int) -> bytes:
    """Encode blocks of mono samples as mu-law, resampled to 8 kHz."""
    if rate == BYTES_PER_SECOND:
        return b"".join(map(_coarse, blocks))
    stream = soxr.ResampleStream(rate, BYTES_PER_SECOND, 1, dtype="float32")
    parts = [_coarse(stream.resample_chunk(block)) for block in blocks]
    return b"".join([*parts, _coarse(stream.resample_chunk(np.zeros(0, np.float32), last=True))])


def _coarse(samples: Samples) -> bytes:
    return mulaw.encode(np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype(np.int16))


def _mixed(data: memoryview, read: Reader, size: int, channels: int) -> Iterator[Samples]:
    """Mix the channels to their mean, in blocks; `size` is a moment's bytes. A partial moment is dropped."""
    step = max(1, _BLOCK // channels) * size
    for at in range(0, len(data) // size * size, step):
        block = data[at : at + step]
        yield _one_line(read(block[: len(block) // size * size]).reshape(-1, channels))


def _one_line(samples: Samples) -> Samples:
    line: Samples = samples.mean(axis=1, dtype=np.float32)
    return line


# -- WAV


@dataclass(frozen=True, slots=True)
class WavLayout:
    """The `fmt ` chunk of a WAV file: the number of its encoding, and the form of its samples."""

    kind: int
    channels: int
    rate: int
    bits: int


def _wav(content: bytes, longest: float) -> bytes:
    chunks = _chunks(content)
    layout = wav_layout(chunks.get(b"fmt ", memoryview(b"")))
    if (layout.kind, layout.bits) == (_ALAW, 8):
        return _other(content, longest, "is in A-law, and soundfile, which reads that, is missing")
    read = _READERS.get((layout.kind, layout.bits))
    if read is None or not layout.channels:
        raise BadSound(
            f"is a WAV file of a kind that cannot be read: format {layout.kind}, {layout.bits} bits, "
            f"{layout.channels} channels"
        )
    data = chunks.get(b"data", memoryview(b""))
    size = layout.channels * layout.bits // 8
    _check(len(data) // size, layout.rate, layout.channels, longest)
    if (layout.kind, layout.channels, layout.rate) == (WAV_MULAW, 1, BYTES_PER_SECOND):
        return bytes(data)
    return _encoded(_mixed(data, read, size, layout.channels), layout.rate)


def _chunks(content: bytes) -> dict[bytes, memoryview]:
    """Find a WAV file's `fmt ` and `data` chunks, without a copy; a truncated one as far as it goes.

    Programs that write to a pipe lie of the audio's length: too much, or none at all in a file that has not even
    room for it.
    """
    whole = memoryview(content)
    (riff,) = struct.unpack_from("<I", content, 4)
    found: dict[bytes, memoryview] = {}
    at = 12
    while at + 8 <= len(content) and len(found) < 2:
        name, size = struct.unpack_from("<4sI", content, at)
        if name == b"data" and not size and riff <= at:
            size = len(content)
        if name in {b"fmt ", b"data"}:
            found.setdefault(name, whole[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return found


def wav_layout(chunk: bytes | memoryview) -> WavLayout:
    """Read a `fmt ` chunk; raises `BadSound` for one that is too short."""
    if len(chunk) < 16:
        raise BadSound("is a WAV file that does not say what is in it")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        (kind,) = struct.unpack_from("<H", chunk, 24)
    return WavLayout(kind, channels, rate, bits)


def _linear(data: memoryview | bytes, numbers: str) -> Samples:
    """Convert signed whole numbers to floats; full scale is given by their width."""
    whole = np.frombuffer(data, numbers)
    return whole.astype(np.float32) / np.float32(2 ** (8 * whole.itemsize - 1))


def _eight_bits(data: memoryview) -> Samples:
    return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)


def _three_bytes(data: memoryview) -> Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return _linear(wide.tobytes(), "<i4")


def _floating(numbers: str) -> Reader:
    return lambda data: _tamed(np.frombuffer(data, numbers))


def _tamed(samples: npt.NDArray[Any]) -> Samples:
    """Clip to full scale, and replace what is no number by 0."""
    tame: Samples = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0).astype(np.float32)
    return tame


def _telephone(data: memoryview) -> Samples:
    return mulaw.TABLE.take(np.frombuffer(data, np.uint8)).astype(np.float32) / np.float32(32_768)


_READERS: Mapping[tuple[int, int], Reader] = {
    (1, 8): _eight_bits,
    (1, 16): lambda data: _linear(data, "<i2"),
    (1, 24): _three_bytes,
    (1, 32): lambda data: _linear(data, "<i4"),
    (3, 32): _floating("<f4"),
    (3, 64): _floating("<f8"),
    (WAV_MULAW, 8): _telephone,
}
"""By the format's number and its bits."""


# -- everything else

_NO_SOUNDFILE = "is no WAV file, and soundfile, which reads others, is missing"


def _other(content: bytes, longest: float, without: str = _NO_SOUNDFILE) -> bytes:
    try:
        soundfile = import_module("soundfile")
    except ImportError as error:
        raise BadSound(f"{without}: pip install '.[embedded]' in voicestt's folder, or soundfile alone") from error
    try:
        with soundfile.SoundFile(InMemory(content)) as file:
            if file.frames >= _UNKNOWN:
                raise BadSound("does not say how long it lasts, as files written to a pipe do not")
            _check(file.frames, file.samplerate, file.channels, longest)
            return _encoded(_decoded(file), file.samplerate)
    except (soundfile.SoundFileError, TypeError, MemoryError) as error:
        why = getattr(error, "error_string", "") or type(error).__name__
        raise BadSound(f"is of no kind that can be read: {why}") from error


class InMemory(BytesIO):
    """File in memory that ignores a seek to an impossible place, which broken headers ask for.

    Raised in a callback of libsndfile it would be a traceback on the terminal, and nothing else.
    """

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place, if it is one, and return where the file is."""
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


def _decoded(file: Any) -> Iterator[Samples]:
    """Decode a `soundfile.SoundFile` to mono samples, in blocks."""
    moments = max(1, _BLOCK // file.channels)
    while len(block := file.read(moments, dtype="float32", always_2d=True)):
        yield _one_line(_tamed(block))
