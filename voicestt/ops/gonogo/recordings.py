"""Finds the recording for a test call: a recorded voice, or sound made here.

No recording is shipped: a recogniser that knows voices is called with `--clip` or with Debian's
pocketsphinx-testdata where it is installed; a stand-in for Google, and a server that only has to hold the call,
with watermarked audio (`voicestt.emulators.google.watermarked_audio`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicestt.audio import mulaw
from voicestt.config.settings import Settings
from voicestt.emulators.google import watermarked_audio
from voicestt.emulators.twilio.clip import BadClip, read_clip
from voicestt.ops.demo.voices import NoVoices, Voice, packaged_voices

_RATE = mulaw.BYTES_PER_SECOND
_SPEECH, _LENGTH = (0.4, 2.6), 3.0
_NUMBER = 7_531


@dataclass(frozen=True, slots=True)
class Recording:
    """Mu-law audio, a `name` for people, and its words where they are known."""

    audio: bytes
    name: str
    text: str | None = None


def watermarked_speech(seconds: float, stretches: Sequence[tuple[float, float]]) -> bytes:
    """Makes mu-law audio, loud within `stretches` (seconds), that carries its own position in the call."""
    loud = [(int(start * _RATE), int(end * _RATE)) for start, end in stretches]
    return mulaw.encode(np.frombuffer(watermarked_audio.clip(_NUMBER, int(seconds * _RATE), loud), "<i2"))


def sound() -> Recording:
    """Makes three seconds with something loud in them: no words, but enough for a line to carry."""
    return Recording(watermarked_speech(_LENGTH, [_SPEECH]), "three seconds of watermarked sound")


def find_recording(settings: Settings, clip: Path | None, text: str | None) -> Recording | None:
    """Finds the audio to send to the recogniser of `settings`; None where it needs a voice and none is found.

    Raises:
        BadClip: when `clip` cannot be read.
    """
    if clip is not None:
        return Recording(read_clip(clip), clip.name, text)
    if is_stand_in(settings):
        return sound()
    return _packaged(settings.language)


def is_stand_in(settings: Settings) -> bool:
    """Tells whether the recogniser is a local service in Google's place, whose words are unknown."""
    return settings.insecure and settings.engine != "embedded"


def _packaged(language: str) -> Recording | None:
    """Finds the longest recording of pocketsphinx-testdata, if it is installed and `language` is English."""
    if not language.lower().startswith("en"):
        return None
    try:
        voices = [voice for voice in packaged_voices() if voice.path.suffix == ".wav"]
        voice = max(voices, key=_size)
        return Recording(read_clip(voice.path), voice.name, voice.text)
    except (NoVoices, BadClip, ValueError, OSError):
        return None


def _size(voice: Voice) -> int:
    return voice.path.stat().st_size
