"""Audio as clients of other kinds send it: tones at any rate, and WAV and FLAC files of them."""

import io
import struct

import numpy as np
import numpy.typing as npt
import pytest

Samples = npt.NDArray[np.int16]


def tone(hertz: float, rate: int, seconds: float, *, loud: float = 8_000) -> Samples:
    """A sine wave."""
    return np.asarray(loud * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate), np.int16)


def wav(content: bytes, rate: int = 16_000, *, kind: int = 1, bits: int = 16, channels: int = 1) -> bytes:
    """A WAV file, with a chunk between its header and its audio as many programs write one."""
    frame = channels * bits // 8
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, rate * frame, frame, bits)
    body = layout + b"LIST\x05\x00\x00\x00name!\x00" + struct.pack("<4sI", b"data", len(content)) + content
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body


def flac(samples: Samples, rate: int) -> bytes:
    """A FLAC file."""
    soundfile = pytest.importorskip("soundfile")

    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
