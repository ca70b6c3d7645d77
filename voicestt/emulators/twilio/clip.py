"""Reads recordings for a caller to play: finds the files, converts them to mu-law, finds the voice in them."""

import wave
from pathlib import Path

import numpy as np

from voicestt.audio import mulaw
from voicestt.audio.mulaw import BYTES_PER_FRAME
from voicestt.audio.transcode import (
    MULAW_SUFFIXES,
    SUFFIXES,
    BadSound,
    to_mulaw,
)

CLIP_SUFFIXES = SUFFIXES | {".raw"}
_RAW_RATE = 16_000  # Debian's headerless recordings
_VOICED = 0.1
_SIDES = (0, 1)
_BYTES = 2


class BadClip(Exception):
    """The recording cannot be used; the message says why and what to do."""


def read_clip(path: Path) -> bytes:
    """Read the whole recording as mu-law bytes, 8,000 a second; raise `BadClip`."""
    try:
        audio = _mulaw(path, path.read_bytes())
    except OSError as error:
        raise BadClip(f"the recording {path.name} cannot be read: {error.strerror}") from error
    except BadSound as error:
        raise BadClip(f"the recording {path.name} {error}") from error
    if not audio:
        raise BadClip(f"the recording {path.name} holds no audio")
    return audio


def read_both(path: Path) -> tuple[bytes, bytes]:
    """Read a stereo WAV (16 bits) as mu-law: the caller (left) and the callee (right); raise `BadClip`."""
    try:
        with wave.open(str(path)) as file:
            form = file.getnchannels(), file.getsampwidth(), file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") if form[1] == _BYTES else None
    except (OSError, EOFError, wave.Error) as error:
        raise BadClip(f"the recording {path.name} is no WAV file that can be read: {error}") from error
    if samples is None or form[0] != len(_SIDES) or not len(samples):
        raise BadClip(f"the recording {path.name} has to be a WAV file of two channels of 16 bits")
    left, right = (to_mulaw(samples[side :: len(_SIDES)].tobytes(), "pcm16", form[2]) for side in _SIDES)
    return left, right


def clip_files(path: Path) -> list[Path]:
    """List the recordings at `path`: the file itself, or all in the folder by name; raise `BadClip`."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in CLIP_SUFFIXES)
    if not files:
        raise BadClip(f"the folder {path.name} holds no recordings ({', '.join(sorted(CLIP_SUFFIXES))})")
    return files


def voiced_span(audio: bytes) -> tuple[int, int]:
    """Find the start and end of speech, in bytes of `audio` and at whole frames.

    A frame counts as voiced when it is a tenth as loud as the loud ones (their 95th percentile): enough to
    take off the silence around a recording, not a voice activity detector. All of it when nothing is voiced.
    """
    whole = len(audio) // BYTES_PER_FRAME
    if not whole:
        return 0, len(audio)
    frames = np.frombuffer(audio, np.uint8, whole * BYTES_PER_FRAME).reshape(whole, BYTES_PER_FRAME)
    loudness = np.sqrt(np.mean(mulaw.TABLE.take(frames).astype(np.float64) ** 2, axis=1))
    voiced = np.flatnonzero(loudness > max(1.0, _VOICED * float(np.percentile(loudness, 95))))
    if not len(voiced):
        return 0, len(audio)
    return int(voiced[0]) * BYTES_PER_FRAME, (int(voiced[-1]) + 1) * BYTES_PER_FRAME


def _mulaw(path: Path, content: bytes) -> bytes:
    suffix = path.suffix.lower()
    if suffix == ".raw":
        return to_mulaw(content, "pcm16", _RAW_RATE)
    return to_mulaw(content, "mulaw" if suffix in MULAW_SUFFIXES else "file")
