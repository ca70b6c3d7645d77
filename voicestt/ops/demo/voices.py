"""The voices of the demonstration: Debian's recordings with their transcripts, and a scripted text in Hebrew.

The recordings are read where pocketsphinx-testdata puts them and are not copied: LibriVox readings of Jane Austen
(public domain) and a command to a robot. The embedded recogniser understands Hebrew badly: what is heard of a
scripted text is settled before, and its audio is made here. It shows partials and finals, not recognition.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicestt.audio import mulaw
from voicestt.emulators.google import watermarked_audio

POCKETSPHINX = Path("/usr/share/pocketsphinx/test/data")
_TRANSCRIPT = re.compile(r"<s> (?P<text>.*) </s> \((?P<name>\S+)\)")
_GO_FORWARD = "go forward ten meters"


class NoVoices(Exception):
    """There are no recorded voices; the message says which package to install."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A recording and its transcript; `text` is None where there is none."""

    name: str
    path: Path
    text: str | None


def packaged_voices(data: Path = POCKETSPHINX) -> list[Voice]:
    """List the voices of pocketsphinx-testdata; raise `NoVoices`."""
    try:
        transcripts = (data / "librivox" / "transcription").read_text(encoding="utf-8")
    except OSError as error:
        raise NoVoices(
            "There are no recorded voices on this machine. Install some with `apt-get install "
            "pocketsphinx-testdata`, or call with a recording of your own: voicestt demo --clip FILE --text WORDS."
        ) from error
    readings = [
        Voice(f"austen-{found['name'][-4:]}", data / "librivox" / f"{found['name']}.wav", found["text"])
        for found in _TRANSCRIPT.finditer(transcripts)
    ]
    return [*readings, Voice("goforward", data / "goforward.raw", _GO_FORWARD)]


def in_waves(voices: list[Voice]) -> list[list[Voice]]:
    """Group the voices that call at once: the first alone, so that its lines can be followed, then pairs."""
    return [voices[:1], *(voices[at : at + 2] for at in range(1, len(voices), 2))]


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
    """Tell whether calls in this language (a BCP-47 code) are shown with a script."""
    return language.partition("-")[0].lower() in {"he", "iw"}


def write_script(folder: Path) -> Path:
    """Write the script for `voicestt google-local --script`."""
    path = folder / "hebrew.json"
    said = [{"text": text, "start": start, "end": end} for text, start, end in _UTTERANCES]
    path.write_text(json.dumps({"utterances": said}, ensure_ascii=False), encoding="utf-8")
    return path


def scripted_voice(folder: Path) -> Voice:
    """Make a caller whose audio is loud while the script has words."""
    path = folder / "hebrew.ulaw"
    loud = [(_samples(start), _samples(end)) for _, start, end in _UTTERANCES]
    path.write_bytes(mulaw.encode(np.frombuffer(watermarked_audio.clip(_CALL, _samples(_SECONDS), loud), "<i2")))
    return Voice("hebrew", path, " ".join(text for text, _, _ in _UTTERANCES))


def _samples(seconds: float) -> int:
    return int(seconds * mulaw.BYTES_PER_SECOND)
