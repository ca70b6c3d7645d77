"""Audio for the tests: recordings that name the call they belong to, and whole, loud speech for voice activity."""

import wave
from pathlib import Path

import numpy as np

from voicestt.audio import mulaw
from voicestt.emulators.google import watermarked_audio

RATE = 8_000
HEBREW = {
    "utterances": [
        {
            "text": "שלום {key} אני מתקשר אליכם היום בבוקר לגבי ההזמנה שלי שעוד לא הגיעה עד עכשיו ואני דואג",
            "start": 0.5,
            "end": 2.5,
        },
        {"text": "תודה רבה ולהתראות", "start": 3.2, "end": 4.4},
    ],
    "final_delay": 0.5,
}


def speech(number: int, seconds: float, *loud: tuple[float, float]) -> bytes:
    """LINEAR16 that bears the call's number, loud between the given seconds."""
    stretches = [(int(start * RATE), int(end * RATE)) for start, end in loud]
    return watermarked_audio.clip(number, int(seconds * RATE), stretches)


def as_mulaw(pcm: bytes) -> bytes:
    """The same as a telephone line carries it."""
    return mulaw.encode(np.frombuffer(pcm, "<i2"))


def write_wav(path: Path, pcm: bytes, channels: int = 1) -> Path:
    """A recording in a file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)
    return path
