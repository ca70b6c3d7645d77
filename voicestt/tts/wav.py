"""Conversion of an engine's WAV files into telephone audio."""

from voicestt.audio.transcode import BadSound, to_mulaw
from voicestt.tts.port import SpeechError


def is_wav(content: bytes) -> bool:
    """Return True if `content` begins as a WAV file does."""
    return content[:4] == b"RIFF" and content[8:12] == b"WAVE"


def telephone_audio(wav: bytes) -> bytes:
    """Convert a WAV file to mu-law, 8 kHz, without a header.

    Raises:
        SpeechError: when it is none.
    """
    try:
        return to_mulaw(wav)
    except BadSound as problem:
        raise SpeechError(f"what the engine answered {problem}") from None
