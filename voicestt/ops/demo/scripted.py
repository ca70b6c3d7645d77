"""Scripts the demonstration in Hebrew: the embedded recogniser understands it badly.

The caller's audio is made here. The demonstration shows the way of partials and finals, not recognition.
"""

import json
from pathlib import Path

import numpy as np

from voicestt.audio import mulaw
from voicestt.emulators.google import watermarked_audio
from voicestt.ops.demo.voices import Voice

NOTICE = (
    "No recogniser listens in this demonstration: the embedded one understands Hebrew badly. A script gives these "
    "words, whatever is said. They take the way that Google's would. To hear a recording of yours: --clip FILE."
)
_UTTERANCES = (
    ("שלום אני מתקשר לגבי ההזמנה שלי", 0.5, 3.0),
    ("מתי היא תגיע", 3.8, 5.2),
    ("תודה רבה ולהתראות", 6.0, 7.4),
)
_SECONDS = 8.0
_CALL = 1


def is_scripted(language: str) -> bool:
    """Tells whether calls in this language (a BCP-47 code) are shown with a script."""
    return language.partition("-")[0].lower() in {"he", "iw"}


def write_script(folder: Path) -> Path:
    """Writes the script for `voicestt google-local --script`."""
    path = folder / "hebrew.json"
    said = [{"text": text, "start": start, "end": end} for text, start, end in _UTTERANCES]
    path.write_text(json.dumps({"utterances": said}, ensure_ascii=False), encoding="utf-8")
    return path


def scripted_voice(folder: Path) -> Voice:
    """Makes a caller whose audio is loud while the script has words."""
    path = folder / "hebrew.ulaw"
    loud = [(_samples(start), _samples(end)) for _, start, end in _UTTERANCES]
    path.write_bytes(mulaw.encode(np.frombuffer(watermarked_audio.clip(_CALL, _samples(_SECONDS), loud), "<i2")))
    return Voice("hebrew", path, " ".join(text for text, _, _ in _UTTERANCES))


def _samples(seconds: float) -> int:
    return int(seconds * mulaw.BYTES_PER_SECOND)
