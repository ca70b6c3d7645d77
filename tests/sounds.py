"""Twenty sounds of telephone lines that are not speech, made by rule, as mu-law: a Google answers nothing to them.

Levels are in dB below full scale (dBFS, of the root mean square). Each generator takes seconds and gives samples
from -1 to 1; chance is seeded, so that a sound is the same sound every time.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from voicestt.audio import mulaw

Wave = npt.NDArray[np.float64]
_RATE = mulaw.BYTES_PER_SECOND


def _time(seconds: float) -> Wave:
    return np.arange(round(seconds * _RATE)) / _RATE


def _chance(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def at_level(wave: Wave, decibels: float) -> Wave:
    """`wave` so loud that the root mean square of what is not silent in it is `decibels`."""
    heard = wave[np.abs(wave) > 1e-6]
    return wave * (10 ** (decibels / 20) / np.sqrt(np.mean(heard**2))) if len(heard) else wave


def encoded(wave: Wave) -> bytes:
    """Mu-law of samples from -1 to 1."""
    return mulaw.encode((np.clip(wave, -1, 1) * 32_000).astype(np.int16))


def decoded(audio: bytes) -> Wave:
    """Samples from -1 to 1 of mu-law."""
    return np.frombuffer(mulaw.decode(audio), "<i2") / 32_000


def white(seconds: float, seed: int = 1) -> Wave:
    return _chance(seed).normal(0, 1, round(seconds * _RATE))


def coloured(seconds: float, low: float, high: float, *, slope: float = 0.0, seed: int = 2) -> Wave:
    """Noise between two frequencies; `slope` is the power of 1/f that its amplitude follows."""
    spectrum = np.fft.rfft(white(seconds, seed))
    frequency = np.fft.rfftfreq(round(seconds * _RATE), 1 / _RATE)
    shape = ((frequency >= low) & (frequency <= high)) / np.maximum(frequency, 1.0) ** slope
    return np.asarray(np.fft.irfft(spectrum * shape, round(seconds * _RATE)))


def tones(seconds: float, *frequencies: float) -> Wave:
    time = _time(seconds)
    return np.asarray(
        sum((np.sin(2 * np.pi * frequency * time) for frequency in frequencies), np.zeros_like(time))
    )


def cadence(wave: Wave, on: float, off: float) -> Wave:
    """`wave`, `on` seconds of it and `off` seconds of silence in turn."""
    return np.asarray(wave * (np.arange(len(wave)) / _RATE % (on + off) < on))


def _music(seconds: float) -> Wave:
    # Chords of plucked strings with an upper voice, two a second: hold music's regularity, and its overtones.
    wave = np.zeros(round(seconds * _RATE))
    chance = _chance(3)
    scale = 220.0 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    for beat in np.arange(0.0, seconds, 0.5):
        notes = [*chance.choice(scale, 3, replace=False), chance.choice(scale) * 2]
        time = _time(min(0.9, seconds - beat))
        sound = sum(
            np.sin(2 * np.pi * note * number * time) / number**1.3 for note in notes for number in (1, 2, 3, 4)
        ) * np.exp(-3 * time)
        start = round(beat * _RATE)
        wave[start : start + len(time)] += sound[: len(wave) - start]
    return wave


def _dtmf(seconds: float) -> Wave:
    rows, columns = (697, 770, 852, 941), (1_209, 1_336, 1_477)
    chance = _chance(4)
    keys = [cadence(tones(0.3, chance.choice(rows), chance.choice(columns)), 0.12, 0.18) for _ in range(400)]
    return np.asarray(np.concatenate(keys)[: round(seconds * _RATE)])


def _fax(seconds: float) -> Wave:
    calling = cadence(tones(seconds, 1_100), 0.5, 3.0)
    data = np.sign(white(seconds / 100 + 1, 5))[::1][: round(seconds * 300) + 1]
    bits = np.repeat(data, _RATE // 300 + 1)[: round(seconds * _RATE)]
    phase = 2 * np.pi * np.cumsum(1_750 + 100 * np.resize(bits, round(seconds * _RATE))) / _RATE
    return np.asarray(calling + np.sin(phase) * (_time(seconds) % 7 > 4))


def _babble(seconds: float) -> Wave:
    # Twelve voices at once, each a buzz through formants that wander: the sum has no pauses and no words.
    time = _time(seconds)
    wave = np.zeros_like(time)
    for voice in range(12):
        chance = _chance(100 + voice)
        points = np.arange(0, seconds + 1, 0.25)
        pitch = np.interp(time, points, chance.uniform(90, 230, len(points)))
        formant = np.interp(time, points, chance.uniform(300, 1_800, len(points)))
        loud = np.interp(time, points, chance.uniform(0, 1, len(points)))
        phase = 2 * np.pi * np.cumsum(pitch) / _RATE
        for number in range(1, 12):
            wave += loud * np.sin(number * phase) / (1 + ((number * pitch - formant) / 200) ** 2)
    return wave


def _breath(seconds: float) -> Wave:
    swell = np.maximum(0, np.sin(2 * np.pi * 0.35 * _time(seconds))) ** 2
    breath: Wave = coloured(seconds, 200, 3_000, slope=0.7, seed=6) * swell
    return breath


def _car(seconds: float) -> Wave:
    engine = np.sum([tones(seconds, 45.0 * number) / number for number in range(2, 8)], axis=0)
    return np.asarray(at_level(coloured(seconds, 60, 1_200, slope=1.0, seed=7), -20) + at_level(engine, -26))


def _keyboard(seconds: float) -> Wave:
    wave = np.zeros(round(seconds * _RATE))
    chance = _chance(8)
    at = 0.0
    while (at := at + chance.uniform(0.08, 0.35)) < seconds - 0.05:
        click = chance.normal(0, 1, 240) * np.exp(-np.arange(240) / 40) * chance.uniform(0.4, 1)
        wave[round(at * _RATE) : round(at * _RATE) + 240] += click
    return wave


def _crackle(seconds: float) -> Wave:
    chance = _chance(9)
    return np.asarray(white(seconds, 10) * 0.02 + (chance.random(round(seconds * _RATE)) < 0.002) * 1.0)


def _siren(seconds: float) -> Wave:
    frequency = 900 + 400 * np.sin(2 * np.pi * 0.4 * _time(seconds))
    return np.asarray(np.sin(2 * np.pi * np.cumsum(frequency) / _RATE))


def _dog(seconds: float) -> Wave:
    time = _time(seconds) % 1.7
    bark = np.exp(-(((time - 0.15) / 0.07) ** 2))
    return np.asarray(bark * (tones(seconds, 480, 960, 1_440) + white(seconds, 11)))


SOUNDS: dict[str, Callable[[float], Wave]] = {
    "hold music": lambda seconds: at_level(_music(seconds), -20),
    "ringback, US": lambda seconds: at_level(cadence(tones(seconds, 440, 480), 2, 4), -20),
    "ringback, Israel": lambda seconds: at_level(cadence(tones(seconds, 400), 1, 3), -20),
    "busy, US": lambda seconds: at_level(cadence(tones(seconds, 480, 620), 0.5, 0.5), -20),
    "busy, Israel": lambda seconds: at_level(cadence(tones(seconds, 400), 0.5, 0.5), -20),
    "DTMF": lambda seconds: at_level(_dtmf(seconds), -15),
    "fax": lambda seconds: at_level(_fax(seconds), -18),
    "mains hum": lambda seconds: at_level(tones(seconds, 50) + tones(seconds, 100, 150) / 2, -30),
    "DC offset": lambda seconds: 0.1 + at_level(white(seconds, 12), -60),
    "babble": lambda seconds: at_level(_babble(seconds), -25),
    "breath": lambda seconds: at_level(_breath(seconds), -35),
    "car": lambda seconds: at_level(_car(seconds), -25),
    "keyboard": lambda seconds: at_level(_keyboard(seconds), -28),
    "line noise": lambda seconds: at_level(white(seconds, 13), -55),
    "loud noise": lambda seconds: at_level(white(seconds, 14), -30),
    "pink noise": lambda seconds: at_level(coloured(seconds, 60, 3_400, slope=0.5, seed=15), -30),
    "crackling line": lambda seconds: at_level(_crackle(seconds), -35),
    "siren": lambda seconds: at_level(_siren(seconds), -22),
    "barking": lambda seconds: at_level(_dog(seconds), -22),
    "wind": lambda seconds: at_level(
        coloured(seconds, 30, 500, slope=1.0, seed=16) * (1.2 + np.sin(2 * np.pi * 0.3 * _time(seconds))), -25
    ),
}
"""The sounds by name, each at the level at which it is usually heard."""


def sound(name: str, seconds: float) -> bytes:
    """`seconds` of the sound of that name, mu-law."""
    return encoded(SOUNDS[name](seconds))
