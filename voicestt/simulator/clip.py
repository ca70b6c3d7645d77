"""A recording becomes what a telephone line carries: mu-law bytes, 8 kHz, mono.

Telephone formats are read with nothing but numpy: WAV files of 8 kHz mono (16-bit PCM or mu-law) and headerless
`.ulaw`. Everything else (other rates, stereo, FLAC, Ogg, MP3, and Debian's headerless `.raw` of 16 kHz
LINEAR16) goes through soundfile and soxr, which the extra `embedded` brings.
"""

import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from voicestt import mulaw
from voicestt.mulaw import BYTES_PER_FRAME, BYTES_PER_SECOND

CLIP_SUFFIXES = frozenset({".wav", ".ulaw", ".ul", ".mulaw", ".raw", ".flac", ".ogg", ".mp3"})
_MULAW_SUFFIXES = {".ulaw", ".ul", ".mulaw"}
_RAW_RATE = 16_000
_EXTENSIBLE = 0xFFFE
_VOICED = 0.1


class BadClip(Exception):
    """The recording cannot be used; the words say why and what to do."""


def read_clip(path: Path) -> bytes:
    """The whole recording as mu-law bytes, 8,000 a second; raises `BadClip`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadClip(f"the recording {path.name} cannot be read: {error.strerror}") from error
    audio = _mulaw(path, content)
    if not audio:
        raise BadClip(f"the recording {path.name} holds no audio")
    return audio


def clip_files(path: Path) -> list[Path]:
    """The recordings that `path` means: itself, or all in the folder, by name; raises `BadClip`."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in CLIP_SUFFIXES)
    if not files:
        raise BadClip(f"the folder {path.name} holds no recordings ({', '.join(sorted(CLIP_SUFFIXES))})")
    return files


def voiced_span(audio: bytes) -> tuple[int, int]:
    """Where speech begins and ends, in bytes of `audio` and at whole frames.

    A frame counts as voiced when it is a tenth as loud as the loud ones (their 95th percentile): enough to
    take off the silence around a recording, not a voice activity detector. All of it when nothing is voiced.
    """
    whole = len(audio) // BYTES_PER_FRAME
    if not whole:
        return 0, len(audio)
    frames = np.frombuffer(audio, np.uint8, whole * BYTES_PER_FRAME).reshape(whole, BYTES_PER_FRAME)
    loudness = np.sqrt(np.mean(mulaw.TABLE.take(frames).astype(np.float64) ** 2, axis=1))
    voiced = np.flatnonzero(loudness > max(1.0, _VOICED * float(np.percentile(loudness, 95))))
    if not len(voiced):
        return 0, len(audio)
    return int(voiced[0]) * BYTES_PER_FRAME, (int(voiced[-1]) + 1) * BYTES_PER_FRAME


def _mulaw(path: Path, content: bytes) -> bytes:
    if path.suffix.lower() in _MULAW_SUFFIXES:
        return content
    if path.suffix.lower() == ".raw":
        return _resampled(np.frombuffer(content[: len(content) // 2 * 2], "<i2"), _RAW_RATE)
    telephone = _telephone_wav(content)
    return telephone if telephone is not None else _decoded(path)


def _telephone_wav(content: bytes) -> bytes | None:
    """The audio of a WAV file that is already as the line wants it; None for every other file."""
    chunks = dict(_chunks(content))
    layout = chunks.get(b"fmt ", b"")
    if len(layout) < 16:
        return None
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", layout)
    if kind == _EXTENSIBLE and len(layout) >= 26:
        (kind,) = struct.unpack_from("<H", layout, 24)
    data = chunks.get(b"data", b"")
    match channels, rate, kind, bits:
        case 1, 8000, 1, 16:
            return mulaw.encode(np.frombuffer(data[: len(data) // 2 * 2], "<i2"))
        case 1, 8000, 7, 8:
            return data
        case _:
            return None


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a RIFF/WAVE file, a truncated last one as far as it goes; none of another file."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _decoded(path: Path) -> bytes:
    soundfile = _extra("soundfile", path)
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise BadClip(f"the recording {path.name} is of no kind that can be read: {error}") from error
    return _resampled(samples.mean(axis=1), rate)


def _resampled(samples: npt.NDArray[np.int16] | npt.NDArray[np.float32], rate: int) -> bytes:
    """Mu-law of samples at any rate; floating-point samples are full-scale at 1.0."""
    soxr = _extra("soxr")
    floats = samples / np.float32(32_768) if samples.dtype == np.int16 else samples
    at_8k = soxr.resample(floats, rate, BYTES_PER_SECOND) if len(samples) else floats
    return mulaw.encode(np.clip(np.rint(at_8k * 32_768), -32_768, 32_767).astype(np.int16))


def _extra(name: str, path: Path | None = None) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        what = path.name if path else "this recording"
        raise BadClip(
            f"{what} is not 8 kHz mono, and to convert it {name} is missing: pip install 'voicestt[embedded]'"
        ) from error
