"""Recorded voices for calls: recordings of Debian's packages, with their transcripts.

They are read where the package puts them and are not copied: LibriVox readings of Jane Austen (public domain)
and a command to a robot, from pocketsphinx-testdata.
"""

import re
from dataclasses import dataclass
from pathlib import Path

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
    """Lists the voices of pocketsphinx-testdata; raises `NoVoices`."""
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
    """Groups the voices that call at once: the first alone, so that its lines can be followed, then pairs."""
    return [voices[:1], *(voices[at : at + 2] for at in range(1, len(voices), 2))]
