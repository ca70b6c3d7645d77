"""Calls and records as the judging parts look at them."""

import hashlib
from typing import Any

from voicestt.audio import mulaw
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.ops.load.raw_call import CALLEES_FROM, TrackVoice
from voicestt.ops.load.said import audio_of


class Call:
    """The attributes of a `RawCall` that are looked at."""

    def __init__(self, number: int, frames: int = 500) -> None:
        self.number, self.sids = number, Sids()
        self.audio = audio_of(number, frames)
        self.frames = [b""] * frames
        self.close_code: int | None = 1000
        self.voices = [TrackVoice(number, self.audio)]


class CallOfTwo(Call):
    """A call of both tracks."""

    def __init__(self, number: int, frames: int = 500) -> None:
        super().__init__(number, frames)
        other = number + CALLEES_FROM
        self.voices.append(TrackVoice(other, audio_of(other, frames), "callee"))


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
