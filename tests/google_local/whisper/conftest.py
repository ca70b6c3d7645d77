"""Real voices that Debian's pocketsphinx-testdata carries, as the telephone brings them, and one loaded engine."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from voicestt import mulaw
from voicestt.google_local.whisper import load
from voicestt.google_local.whisper.engine import WhisperEngine

VOICES = Path("/usr/share/pocketsphinx/test/data")


def phone_audio(name: str) -> bytes:
    samples, rate = soundfile.read(VOICES / name, dtype="float64")
    at_8_khz = soxr.resample(samples, rate, 8_000)
    linear = np.clip(at_8_khz * 32_767, -32_768, 32_767).astype(np.int16)
    return mulaw.decode(mulaw.encode(linear))


@pytest.fixture(scope="session")
def austen() -> dict[str, bytes]:
    """LINEAR16 at 8 kHz by the words that are spoken."""
    lines = (VOICES / "librivox" / "transcription").read_text().splitlines()
    spoken = [re.fullmatch(r"<s> (.*) </s> \((.*)\)", line) for line in lines]
    return {line[1]: phone_audio(f"librivox/{line[2]}.wav") for line in spoken if line}


@pytest.fixture(scope="session")
def engine() -> Iterator[WhisperEngine]:
    loaded = load()
    loaded.preload(["en-US"])
    yield loaded
    loaded.close()
