"""Audio of any kind becomes what a telephone line carries: mu-law, 8 kHz, mono.

WAV files are read here, with numpy alone: PCM of 8, 16, 24 and 32 bits, floating point, mu-law and A-law, any rate
and any number of channels. FLAC, Ogg, MP3 and others need soundfile, which the extra `embedded` brings.
Source: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and its WAVEFORMATEXTENSIBLE;
ITU-T G.711 (11/88), table 1a, for A-law.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]

from voicestt import mulaw
from voicestt.mulaw import BYTES_PER_SECOND

Kind = Literal["mulaw", "pcm16", "file"]
Samples = npt.NDArray[np.float32]
"""Full scale is 1.0; of a file, one row for each moment and one column for each channel."""

LONGEST_SECONDS = 14_400.0
"""Four hours, the longest a call can be."""

MULAW_SUFFIXES = frozenset({".ulaw", ".ul", ".mulaw"})
"""Of files without a header, whose bytes are what the line carries."""

SUFFIXES = MULAW_SUFFIXES | {".wav", ".flac", ".ogg", ".mp3"}
"""Of audio files that are known by their names; others are read too."""

RATES = range(1_000, 400_001)
_CHANNELS = range(1, 65)
_EXTENSIBLE = 0xFFFE
_MULAW = 7


class BadSound(ValueError):
    """What cannot be used as audio. The words begin with a verb, to be put behind the name of what was given."""


def to_mulaw(
    data: bytes, kind: Kind = "file", rate: int = BYTES_PER_SECOND, longest: float = LONGEST_SECONDS
) -> bytes:
    """`data` as mu-law, 8,000 bytes a second; empty where it holds no audio.

    `kind` is "file" for the content of an audio file, "mulaw" for what the line carries already, and "pcm16" for
    headerless 16-bit samples (little-endian, mono) at `rate`. `longest` is in seconds.

    Raises:
        BadSound: when it is no such audio, or longer.
    """
    if kind == "mulaw":
        _check(len(data), BYTES_PER_SECOND, longest)
        return data
    if kind == "pcm16":
        samples = _linear(data[: len(data) // 2 * 2], "<i2")
        _check(len(samples), rate, longest)
        return _encoded(samples, rate)
    return _wav(data, longest) if data[:4] == b"RIFF" and data[8:12] == b"WAVE" else _other(data, longest)


def _check(moments: int, rate: int, longest: float) -> None:
    if rate not in RATES:
        raise BadSound(f"has {rate} samples a second; {RATES[0]} to {RATES[-1]} can be used")
    if moments / rate > longest:
        raise BadSound(f"lasts {moments / rate:.0f} s; {longest:.0f} s is the most")


def _encoded(samples: Samples, rate: int) -> bytes:
    at_8k = samples if rate == BYTES_PER_SECOND else soxr.resample(samples, rate, BYTES_PER_SECOND)
    return mulaw.encode(np.clip(np.rint(at_8k * 32_768), -32_768, 32_767).astype(np.int16))


# -- WAV


@dataclass(frozen=True, slots=True)
class _Layout:
    kind: int
    channels: int
    rate: int
    bits: int


def _wav(content: bytes, longest: float) -> bytes:
    chunks = dict(_chunks(content))
    layout = _layout(chunks.get(b"fmt ", b""))
    read = _READERS.get((layout.kind, layout.bits))
    if read is None or layout.channels not in _CHANNELS:
        raise BadSound(
            f"is a WAV file of a kind that cannot be read: format {layout.kind}, {layout.bits} bits, "
            f"{layout.channels} channels"
        )
    data = chunks.get(b"data", b"")
    size = layout.channels * layout.bits // 8
    moments = len(data) // size
    _check(moments, layout.rate, longest)
    data = data[: moments * size]
    if (layout.kind, layout.channels, layout.rate) == (_MULAW, 1, BYTES_PER_SECOND):
        return data
    return _encoded(_one_line(read(data).reshape(moments, layout.channels)), layout.rate)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of the file, a truncated last one as far as it goes; programs that write to a pipe lie of it."""
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _layout(chunk: bytes) -> _Layout:
    if len(chunk) < 16:
        raise BadSound("is a WAV file that does not say what is in it")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        (kind,) = struct.unpack_from("<H", chunk, 24)
    return _Layout(kind, channels, rate, bits)


def _linear(data: bytes, numbers: str) -> Samples:
    """Signed whole numbers, full scale by their width."""
    whole = np.frombuffer(data, numbers)
    return whole.astype(np.float32) / np.float32(2 ** (8 * whole.itemsize - 1))


def _eight_bits(data: bytes) -> Samples:
    return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)


def _three_bytes(data: bytes) -> Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return _linear(wide.tobytes(), "<i4")


def _floating(numbers: str) -> Callable[[bytes], Samples]:
    return lambda data: _tamed(np.frombuffer(data, numbers))


def _tamed(samples: npt.NDArray[Any]) -> Samples:
    """Within full scale, and numbers throughout."""
    tame: Samples = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0).astype(np.float32)
    return tame


def _coded(table: npt.NDArray[np.int16]) -> Callable[[bytes], Samples]:
    floats = table.astype(np.float32) / np.float32(32_768)
    return lambda data: floats.take(np.frombuffer(data, np.uint8))


def _alaw_table() -> npt.NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    mantissa, exponent = (code & 0x0F) << 4, (code & 0x70) >> 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_READERS: Mapping[tuple[int, int], Callable[[bytes], Samples]] = {
    (1, 8): _eight_bits,
    (1, 16): lambda data: _linear(data, "<i2"),
    (1, 24): _three_bytes,
    (1, 32): lambda data: _linear(data, "<i4"),
    (3, 32): _floating("<f4"),
    (3, 64): _floating("<f8"),
    (6, 8): _coded(_alaw_table()),
    (_MULAW, 8): _coded(mulaw.TABLE),
}
"""By the format's number and its bits."""


def _one_line(samples: Samples) -> Samples:
    line: Samples = samples.mean(axis=1, dtype=np.float32)
    return line


# -- everything else


def _other(content: bytes, longest: float) -> bytes:
    try:
        soundfile = import_module("soundfile")
    except ImportError as error:
        raise BadSound(
            "is no WAV file, and soundfile, which reads others, is missing: pip install 'voicestt[embedded]' or it"
        ) from error
    try:
        with soundfile.SoundFile(BytesIO(content)) as file:
            _check(file.frames, file.samplerate, longest)
            samples, rate = file.read(dtype="float32", always_2d=True), file.samplerate
    except (soundfile.SoundFileError, TypeError, MemoryError) as error:
        why = getattr(error, "error_string", "") or type(error).__name__
        raise BadSound(f"is of no kind that can be read: {why}") from error
    return _encoded(_tamed(_one_line(samples)), rate)
