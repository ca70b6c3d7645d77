"""The greeting, which a caller hears at once: made at the server's start, and kept."""

import math
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from voicestt.audio import mulaw
from voicestt.audio.transcode import (
    MULAW_SUFFIXES,
    SUFFIXES,
    BadSound,
    Kind,
    SoundTooLong,
    to_mulaw,
)

_PATHS_BEGIN = ("/", "./", "../")
_MOST_BYTES = 100_000_000


class BadGreeting(ValueError):
    """The error of a GREETING that cannot be played; its text says why, and follows the variable's name."""


def greeting_of(greeting: str, max_ms: int, speak: Callable[[str], bytes] | None) -> bytes:
    """Make the greeting in mu-law, 8 kHz: `default` (the chime), `off`, an audio file's path, or a text to speak.

    `greeting` is a path if a file is there, or if it looks like one: it ends as audio files do, or begins with
    `/`, `./` or `../`. `speak` gives a text as mu-law, None where nothing can speak; what it raises is passed on.

    Raises:
        BadGreeting: when it cannot be played, or is longer than `max_ms`.
    """
    word = greeting.lower()
    if word == "off":
        return b""
    if word == "default":
        return _checked(files("voicestt.audio").joinpath("greeting.ulaw").read_bytes(), max_ms, "the chime")
    if _is_path(greeting):
        return _checked(_of_file(Path(greeting), max_ms), max_ms, "the file")
    if speak is None:
        raise BadGreeting(
            "is a text, and nothing here speaks: set TTS_ENGINE, or name an audio file. Nothing that is called so "
            "was found as a file"
        )
    return _checked(speak(greeting), max_ms, "the text, spoken,")


def _is_path(greeting: str) -> bool:
    if greeting.startswith(_PATHS_BEGIN):
        return True
    path = Path(greeting)
    try:
        return path.suffix.lower() in SUFFIXES or path.is_file()
    except OSError:  # longer than a file's name can be
        return False


def _of_file(path: Path, max_ms: int) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise BadSound("is no file")  # a pipe or a device might be read for ever
        if path.stat().st_size > _MOST_BYTES:
            raise BadSound(f"has more than {_MOST_BYTES:,} bytes: no greeting is as long")
        kind: Kind = "mulaw" if path.suffix.lower() in MULAW_SUFFIXES else "file"
        return to_mulaw(path.read_bytes(), kind, longest=(max_ms + 1) / 1000)
    except OSError as problem:
        raise BadGreeting(f"names the file {path}, which cannot be read: {problem.strerror}") from problem
    except SoundTooLong as problem:
        raise _too_long(math.ceil(problem.seconds * 1000), max_ms, "the file") from problem
    except ValueError as problem:
        raise BadGreeting(f"names the file {path}, which {problem}") from problem


def _checked(audio: bytes, max_ms: int, what: str) -> bytes:
    length = len(audio) * 1000 // mulaw.BYTES_PER_SECOND
    if not audio:
        raise BadGreeting(f"has no sound: {what} is empty. For no greeting set GREETING=off")
    if length > max_ms:
        raise _too_long(length, max_ms, what)
    return audio


def _too_long(length: int, max_ms: int, what: str) -> BadGreeting:
    return BadGreeting(
        f"is too long: {what} lasts {length:,} ms, and GREETING_MAX_MS allows {max_ms:,}. Make it shorter, or "
        f"set GREETING_MAX_MS={length} if callers shall wait so long"
    )
