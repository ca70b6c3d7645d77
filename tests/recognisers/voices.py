"""Audio that the voice activity detector takes for speech and for none, without a recording."""

import numpy as np

from voicestt.audio import mulaw

SILENCE = mulaw.SILENCE


def silence(seconds: float) -> bytes:
    """Silence."""
    return SILENCE * round(seconds * mulaw.BYTES_PER_SECOND)


def voice(seconds: float, pitch: float = 140.0) -> bytes:
    """A hum with a voice's overtones, swelling four times a second as syllables do."""
    time = np.arange(round(seconds * mulaw.BYTES_PER_SECOND)) / mulaw.BYTES_PER_SECOND
    overtones = sum(np.sin(2 * np.pi * pitch * number * time) / number for number in range(1, 12))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)
    return mulaw.encode((6_000 * overtones * swell).astype(np.int16))
