"""WAV files as speech engines write them: into a pipe, so that the lengths in their headers may be wrong."""

import struct
from collections.abc import Iterator

import numpy as np
import soxr  # type: ignore[import-untyped]

from voicestt import mulaw
from voicestt.tts.port import SpeechError


def is_wav(content: bytes) -> bool:
    """Whether `content` begins as a WAV file does."""
    return content[:4] == b"RIFF" and content[8:12] == b"WAVE"


def telephone_audio(wav: bytes) -> bytes:
    """The sound of a mono WAV file (16-bit PCM of any rate, or mu-law at 8 kHz) as mu-law, 8 kHz.

    Raises:
        SpeechError: when it is no such file.
    """
    parts = dict(_parts(wav))
    layout, data = parts.get(b"fmt ", b""), parts.get(b"data", b"")
    kind, channels, rate, bits = struct.unpack_from("<HHI6xH", layout) if len(layout) >= 16 else (0, 0, 0, 0)
    match kind, channels, bits:
        case 7, 1, 8 if rate == mulaw.BYTES_PER_SECOND:
            return data
        case 1, 1, 16 if rate:
            return _resampled(data, rate)
        case _:
            raise SpeechError("the engine answered with audio of a kind that it was not asked for")


def _parts(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _resampled(pcm: bytes, rate: int) -> bytes:
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    at_8k = soxr.resample(samples, rate, mulaw.BYTES_PER_SECOND) if len(samples) else samples
    return mulaw.encode(at_8k)
