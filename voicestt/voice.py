"""Whether there is a voice in a piece of audio, asked only where something depends on it.

webrtcvad judges 20 ms frames; its lenient mode hears a voice in much that is none, its strict mode misses some.
What must not be lost is asked leniently; what must be speech for an alarm is asked strictly.
"""

from collections.abc import Iterator

from voicestt import mulaw
from voicestt.endpointing import BYTES_PER_FRAME, webrtc_voicing

_LENIENT, _STRICT = 0, 3
_FRAME = mulaw.BYTES_PER_FRAME
_PRE_ROLL = mulaw.BYTES_PER_SECOND // 2


def silent_until(audio: bytes) -> int:
    """How many bytes of mu-law `audio`, from its start, can hold no word: up to half a second before a voice."""
    frames = enumerate(_voiced_frames(audio, _LENIENT))
    first = next((frame * _FRAME for frame, is_voiced in frames if is_voiced), len(audio))
    return max(0, first - _PRE_ROLL)


def is_silent(audio: bytes) -> bool:
    """Whether no frame of mu-law `audio` has a voice in it."""
    return not any(_voiced_frames(audio, _LENIENT))


def seconds_of_speech(audio: bytes) -> float:
    """How much of mu-law `audio` is certainly a voice."""
    return sum(_voiced_frames(audio, _STRICT)) * mulaw.seconds(_FRAME)


def voiced_until(audio: bytes) -> int:
    """Where the last frame of mu-law `audio` ends that is certainly a voice, in bytes; 0 where there is none."""
    voiced = [frame for frame, is_voiced in enumerate(_voiced_frames(audio, _STRICT)) if is_voiced]
    return (voiced[-1] + 1) * _FRAME if voiced else 0


def _voiced_frames(audio: bytes, mode: int) -> Iterator[bool]:
    is_voiced = webrtc_voicing(mode)
    pcm = mulaw.decode(audio)
    whole = len(pcm) - len(pcm) % BYTES_PER_FRAME
    return (is_voiced(pcm[at : at + BYTES_PER_FRAME]) for at in range(0, whole, BYTES_PER_FRAME))
