"""Calls of the end-to-end tests by bare sockets: the parts of `voicestt load`, and audio that is mere noise."""

import random

from voicestt.audio.mulaw import BYTES_PER_FRAME
from voicestt.ops.load.raw_call import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawCall,
    open_call,
    post,
    unmasked,
)
from voicestt.ops.load.talking import talk

__all__ = [
    "CLOSE",
    "PING",
    "PONG",
    "TEXT",
    "RawCall",
    "audio_of",
    "open_call",
    "post",
    "talk",
    "unmasked",
]


def audio_of(number: int, frames: int) -> bytes:
    """Mu-law that is nobody else's: noise seeded with the call's number."""
    return random.Random(number).randbytes(frames * BYTES_PER_FRAME)
