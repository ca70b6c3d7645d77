"""Finds the speech in an utterance and estimates the places of its words.

Whisper says what was said and not when: times of single words would take another pass through the model, and a
final would come later by that. So the words are spread over the voiced frames, the long ones longer. That is an
estimate, but none begins or ends in a pause, and none is out of order.
"""

from collections.abc import Callable
from typing import Final

from voicestt.audio.endpointing import BYTES_PER_FRAME, SAMPLES_PER_FRAME, webrtc_voicing
from voicestt.recognisers.whisper.engine.port import Stretch, TimedWord, word_times_in

VOICING_MODE: Final = 2

Voicing = Callable[[bytes], bool]


def voicing() -> Voicing:
    """Make the voice activity detector for the 20 ms frames of one stream or recording."""
    return webrtc_voicing(VOICING_MODE)


def words_in(text: str, pcm: bytes, start: int) -> tuple[TimedWord, ...]:
    """Estimate the places of the words of `text` in the LINEAR16 `pcm` that begins at sample `start`."""
    return word_times_in(text, _voiced(pcm, start, voicing()) or [(start, start + len(pcm) // 2)])


def _voiced(pcm: bytes, start: int, is_voiced: Voicing) -> list[Stretch]:
    """Return the voiced frames, as stretches of samples."""
    whole = range(0, len(pcm) - BYTES_PER_FRAME + 1, BYTES_PER_FRAME)
    firsts = [start + at // 2 for at in whole if is_voiced(pcm[at : at + BYTES_PER_FRAME])]
    return [(first, first + SAMPLES_PER_FRAME) for first in firsts]
