"""The chime that a caller hears at once: two notes, made of sines.

`voicestt/audio/greeting.ulaw` is this, rendered: `python -m voicestt.audio.chime > voicestt/audio/greeting.ulaw`.
A test compares.
"""

import sys

import numpy as np
import numpy.typing as npt

from voicestt.audio import mulaw

SECONDS = 0.64
PEAK = 10 ** (-12 / 20)
"""-12 dB of full scale: as loud as a voice on the telephone, not louder."""

_NOTES = ((0.0, 659.26), (0.18, 880.0))
"""The start of each in seconds and its pitch in hertz: E5 and A5, well within the telephone's band."""

_PARTIALS = (1.0, 0.25, 0.08)
_ATTACK_SECONDS = 0.008
_DECAY_SECONDS = 0.2
_FADE_SECONDS = 0.12

Samples = npt.NDArray[np.float64]


def chime() -> bytes:
    """Make the chime as mu-law, 8 kHz: whole frames of 20 ms, the same bytes on every machine."""
    time = np.arange(round(SECONDS * mulaw.BYTES_PER_SECOND)) / mulaw.BYTES_PER_SECOND
    sound = np.sum([_note(time - begins, pitch) for begins, pitch in _NOTES], axis=0) * _rise(
        SECONDS - time, _FADE_SECONDS
    )
    # Sines differ in their last bit from machine to machine. Rounding to whole numbers takes that away.
    return mulaw.encode(np.rint(sound / np.abs(sound).max() * PEAK * 32_767).astype(np.int16))


def _note(time: Samples, pitch: float) -> Samples:
    """Make a note that is struck at 0 and rings on; silent before 0."""
    since = np.maximum(time, 0.0)
    tone = np.sum(
        [share * np.sin(2 * np.pi * pitch * number * since) for number, share in enumerate(_PARTIALS, 1)], axis=0
    )
    struck: Samples = tone * np.exp(-since / _DECAY_SECONDS) * _rise(since, _ATTACK_SECONDS)
    return struck


def _rise(time: Samples, length: float) -> Samples:
    """Make a ramp from 0 at 0 to 1 at `length`, without a corner that could be heard as a click."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(time / length, 0.0, 1.0))


if __name__ == "__main__":
    sys.stdout.buffer.write(chime())
