"""G.711 mu-law: conversion of the telephone line's bytes to linear samples and back, by table.

One byte of mu-law is one sample at 8 kHz: 8,000 bytes are a second, 160 bytes the usual 20 ms frame.
The values are those of ITU-T G.711 (11/88), table 2a, scaled to 16 bits as all telephony software does.
"""

import numpy as np
import numpy.typing as npt

BYTES_PER_SECOND = 8_000
BYTES_PER_FRAME = 160
SILENCE = b"\xff"

_BIAS = 0x84
_LOUDEST = 32_635


def _decoding_table() -> npt.NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _BIAS) << ((code & 0x70) >> 4)) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _encoding_table() -> npt.NDArray[np.uint8]:
    linear = np.arange(-32_768, 32_768) >> 2 << 2  # G.711 knows 14 bits
    magnitude = np.minimum(np.abs(linear), _LOUDEST) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(int) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(linear < 0, 0x80, 0)
    code: npt.NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return code


TABLE = _decoding_table()
"""256 little-endian int16: the linear sample of each mu-law byte."""

_ENCODING = _encoding_table()


def decode(audio: bytes) -> bytes:
    """Decode mu-law to LINEAR16 (little-endian, 8 kHz, mono): two bytes for each one, any length."""
    return TABLE.take(np.frombuffer(audio, np.uint8)).tobytes()


def encode(samples: npt.NDArray[np.int16]) -> bytes:
    """Encode int16 samples (8 kHz, mono) as mu-law, one byte each."""
    return _ENCODING.take(samples.astype(np.int32) + 32_768).tobytes()


def seconds(audio_bytes: int) -> float:
    """Return the duration of `audio_bytes` bytes of mu-law in seconds."""
    return audio_bytes / BYTES_PER_SECOND
