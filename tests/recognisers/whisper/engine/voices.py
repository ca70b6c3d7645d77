"""Real voices that Debian's pocketsphinx-testdata carries, as the telephone brings them, and how they compare."""

import re
from pathlib import Path

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from voicestt.audio import mulaw

VOICES = Path("/usr/share/pocketsphinx/test/data")


def austen_clips() -> dict[str, bytes]:
    """LINEAR16 at 8 kHz, through mu-law, by the words that are spoken: five sentences, 24.7 s, 80 words."""
    lines = (VOICES / "librivox" / "transcription").read_text().splitlines()
    spoken = [re.fullmatch(r"<s> (.*) </s> \((.*)\)", line) for line in lines]
    return {line[1]: _phone_audio(f"librivox/{line[2]}.wav") for line in spoken if line}


def word_errors(spoken: str, heard: str) -> int:
    """Levenshtein's distance in words; case, punctuation and hyphens aside."""
    row = list(range(len(_plain(heard)) + 1))
    for i, said in enumerate(_plain(spoken), 1):
        diagonal, row[0] = row[0], i
        for j, understood in enumerate(_plain(heard), 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (said != understood))
    return row[-1]


def _plain(text: str) -> list[str]:
    text = text.casefold().replace("mr.", "mister").replace("coldhearted", "cold hearted").replace("-", " ")
    return re.findall(r"[a-z']+", text)


def _phone_audio(name: str) -> bytes:
    samples, rate = soundfile.read(VOICES / name, dtype="float64")
    at_8_khz = soxr.resample(samples, rate, 8_000)
    linear = np.clip(at_8_khz * 32_767, -32_768, 32_767).astype(np.int16)
    return mulaw.decode(mulaw.encode(linear))
