"""Calls and records as the judging parts look at them."""

import hashlib
from typing import Any

from voicestt.audio import mulaw
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.ops.load.said import audio_of


class Call:
    """The attributes of a `RawCall` that are looked at."""

    def __init__(self, number: int, frames: int = 500) -> None:
        self.number, self.key, self.sids = number, str(number), Sids()
        self.audio = audio_of(number, frames)
        self.frames = [b""] * frames
        self.close_code: int | None = 1000


def record(audio: bytes, *finals: str, started: float = 0.0, encoding: str = "LINEAR16") -> dict[str, Any]:
    """A stream that brought this mu-law."""
    data = audio if encoding == "MULAW" else mulaw.decode(audio)
    return {
        "method": "StreamingRecognize",
        "encoding": encoding,
        "audio_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "finals": list(finals),
        "started": started,
    }
