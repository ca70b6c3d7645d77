"""Computes Whisper's log-mel spectrogram straight from 8 kHz audio.

Whisper was trained on 16 kHz: a 400-point Hann window every 160 samples, a Slaney filter bank up to 8 kHz, then
log10, at most 8 below the loudest, scaled by (x + 4) / 4. Telephone audio has nothing above 4 kHz, so a 200-point
window every 80 samples of the 8 kHz signal, at double height, gives the same first 101 bins, and no resampling is
needed. Each mel band spans few bins, so the bank is applied by indexing: no matrix product, hence none of the
BLAS threads that would compete with the recogniser for the cores.
"""

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

FRAMES_PER_SECOND: Final = 100
SAMPLES_PER_SECOND: Final = 8_000

_WINDOW: Final = 200
_HOP: Final = 80
_BINS: Final = _WINDOW // 2 + 1
_QUIETEST: Final = np.float32(1e-10)
_HANN: Final = (2.0 * 0.5 * (1.0 - np.cos(2.0 * np.pi * np.arange(_WINDOW) / _WINDOW))).astype(np.float32)

Floats = npt.NDArray[np.float32]


def log_mel(pcm: bytes, frames: int, bands: int = 80) -> Floats:
    """Compute the spectrogram of LINEAR16 8 kHz `pcm`, padded or cut to `frames` of 10 ms: (1, bands, frames)."""
    samples = np.frombuffer(pcm, "<i2")[: frames * _HOP].astype(np.float32) / 32_768.0
    log = np.full((frames, bands), np.log10(_QUIETEST), np.float32)
    if samples.size:
        log_spoken = np.log10(np.maximum(_bands(_power(samples), bands), _QUIETEST))[:frames]
        log[: len(log_spoken)] = log_spoken
    scaled = (np.maximum(log, log.max() - 8.0) + 4.0) / 4.0
    return np.ascontiguousarray(scaled.T[np.newaxis], np.float32)


def _power(samples: Floats) -> Floats:
    """Compute the power of each bin, shape (frames, 101); frames are centred, the audio's start is mirrored."""
    half = _WINDOW // 2
    head = np.resize(samples[1 : half + 1][::-1], half) if samples.size > 1 else np.zeros(half, np.float32)
    padded = np.concatenate([head, samples, np.zeros(_WINDOW, np.float32)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    spectrum = np.fft.rfft(windows * _HANN, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)


def _bands(power: Floats, bands: int) -> Floats:
    """Apply the filter bank, one bin of every band at a time: shape (frames, bands)."""
    result = np.zeros((len(power), bands), np.float32)
    first, weights = _sparse_bank(bands)
    used = len(first)
    for offset, weight in enumerate(weights):
        result[:, :used] += power.take(np.minimum(first + offset, _BINS - 1), axis=1) * weight
    return result


@cache
def _sparse_bank(bands: int) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the first bin and the weights of bands below 4 kHz; weights: shape (bins in the widest, bands)."""
    bank = filter_bank(bands)
    bank = bank[: int(np.flatnonzero(bank.any(axis=1)).max()) + 1]
    first = (bank > 0).argmax(axis=1)
    widest = int((bank > 0).sum(axis=1).max())
    columns = first + np.arange(widest)[:, np.newaxis]
    inside = columns < _BINS
    weights = bank[np.arange(len(bank)), np.minimum(columns, _BINS - 1)] * inside
    return first, weights.astype(np.float32)


def filter_bank(bands: int) -> Floats:
    """Make Slaney's triangles of equal area (librosa's default) for 16 kHz, below 4 kHz: shape (bands, 101)."""
    edges = _slaney_to_hertz(np.linspace(0.0, _hertz_to_slaney(8_000.0), bands + 2))
    hertz = np.arange(_BINS) * (SAMPLES_PER_SECOND / _WINDOW)
    low, centre, high = edges[:-2, np.newaxis], edges[1:-1, np.newaxis], edges[2:, np.newaxis]
    rising = (hertz - low) / (centre - low)
    falling = (high - hertz) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low)
    return triangles.astype(np.float32)


def _hertz_to_slaney(hertz: float) -> float:
    """Convert to Slaney's scale (Auditory Toolbox): linear to 1 kHz = 15 mels, then 27 mels per factor of 6.4."""
    return 15.0 + 27.0 * float(np.log(hertz / 1_000.0) / np.log(6.4))


def _slaney_to_hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1_000.0 * np.exp((mel - 15.0) / 27.0 * np.log(6.4)))
