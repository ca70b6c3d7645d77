"""The callers' words, and the moments at which a recogniser can know them.

Every call says eight words every four seconds, in audio that carries its own position
(`voicestt.emulators.google.watermarked_audio`): the scripted service recognises the call's number and the round in
it, so a lost, doubled or foreign byte cannot hide.
"""

from typing import Any

import numpy as np

from voicestt.audio import mulaw
from voicestt.audio.mulaw import BYTES_PER_FRAME, BYTES_PER_SECOND
from voicestt.emulators.google import watermarked_audio

WORDS = ("{key}", "{round}", "three", "four", "five", "six", "seven", "eight")
SPOKEN_FROM, SPOKEN_TO, ROUND = 0.5, 2.5, 4.0
FINAL_DELAY = 0.5
BATCH_BYTES = 1_200
FRAMES_A_SECOND = BYTES_PER_SECOND // BYTES_PER_FRAME


def script() -> dict[str, Any]:
    """Make the script for `voicestt google-local --script`, without quirks: every word brings one partial."""
    utterance = {"text": " ".join(WORDS), "start": SPOKEN_FROM, "end": SPOKEN_TO}
    return {"utterances": [utterance], "repeat": ROUND, "final_delay": FINAL_DELAY, "quirks": False}


def audio_of(number: int, frames: int) -> bytes:
    """Make the mu-law of call `number` (0 to 65535), in whole frames of 20 ms."""
    samples = frames * BYTES_PER_FRAME
    rounds = range(int(samples / BYTES_PER_SECOND / ROUND) + 1)
    speech = [(_place(n * ROUND + SPOKEN_FROM), _place(n * ROUND + SPOKEN_TO)) for n in rounds]
    return mulaw.encode(np.frombuffer(watermarked_audio.clip(number, samples, speech), "<i2"))


def words_within(number: int, begins: int, ends: int) -> list[str]:
    """Return the words of call `number` whose audio lies wholly within these bytes of it, in order."""
    found = []
    for turn in range(begins // _place(ROUND), -(-ends // _place(ROUND))):
        starts = _place(turn * ROUND + SPOKEN_FROM)
        length = _place(SPOKEN_TO - SPOKEN_FROM)
        for at, word in enumerate(WORDS):
            first, last = (starts + length * place // len(WORDS) for place in (at, at + 1))
            if begins <= first and last <= ends:
                found.append(word.format(key=number, round=turn))
    return found


def first_partial_frame(number: int) -> int:
    """Return the frame after which the first word of round `number` can be known."""
    return _frame_that_completes(number * ROUND + SPOKEN_FROM + (SPOKEN_TO - SPOKEN_FROM) / len(WORDS))


def final_frame(number: int) -> int:
    """Return the frame after which the final of round `number` can be known."""
    return _frame_that_completes(number * ROUND + SPOKEN_TO + FINAL_DELAY)


def _frame_that_completes(seconds: float) -> int:
    """Find the frame (from 0) that completes the batch holding the audio up to `seconds`.

    A server hands audio on in batches of 150 ms: waiting for that frame is no delay of its own making. Neither
    is the recogniser's wait for whole periods (40 ms) of watermarked audio.
    """
    understood = -(-_place(seconds) // watermarked_audio.PERIOD) * watermarked_audio.PERIOD
    batches = -(-understood // BATCH_BYTES)
    return -(-batches * BATCH_BYTES // BYTES_PER_FRAME) - 1


def _place(seconds: float) -> int:
    return round(seconds * BYTES_PER_SECOND)
