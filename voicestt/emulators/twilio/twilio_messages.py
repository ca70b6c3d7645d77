"""Twilio's messages over the media WebSocket: JSON texts, field by field as captured from live calls.

Numbers are strings, except in `mediaFormat`; one sequence counter runs through all messages of a stream and
`connected` does not take part in it. The audio of a frame is reported at 20 ms a frame, and the first
timestamp is "52": a receiver must not expect a stream to begin at 0.
"""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from voicestt.audio.mulaw import BYTES_PER_SECOND

FIRST_TIMESTAMP_MS = 52
CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'


def new_sid(prefix: str) -> str:
    """Make a SID as Twilio does: two letters (CA a call, MZ a stream, AC an account) and 32 hex digits."""
    return prefix + uuid4().hex


@dataclass(frozen=True, slots=True)
class Sids:
    """The SIDs of the account, the call and its stream."""

    account: str = field(default_factory=lambda: new_sid("AC"))
    call: str = field(default_factory=lambda: new_sid("CA"))
    stream: str = field(default_factory=lambda: new_sid("MZ"))

    def next_stream(self) -> "Sids":
        """Make the SIDs of another stream of the same call."""
        return replace(self, stream=new_sid("MZ"))


class StreamMessages:
    """Builds the messages of one stream, numbered in the order in which they are built."""

    def __init__(self, sids: Sids) -> None:
        self._sids = sids
        self._sequence = 0
        self._chunks: Counter[str] = Counter()
        self._audio_bytes: Counter[str] = Counter()
        self._held_ms = 0

    def hold(self, seconds: float) -> None:
        """Move the timestamps on by a pause of `seconds` without frames, as Twilio's do."""
        self._held_ms += round(seconds * 1000)

    def leave_out(self, size: int, track: str) -> None:
        """Move the timestamps of a track on by a frame of `size` bytes that it does not have."""
        self._audio_bytes[track] += size

    def jump(self, count: int) -> None:
        """Shift the next sequence number by `count`, as Twilio never do."""
        self._sequence = max(0, self._sequence + count)

    def start(self, parameters: Mapping[str, str], tracks: Sequence[str] = ("inbound",)) -> str:
        """Build the first numbered message; `parameters` are the `<Parameter>`s of the TwiML."""
        start = {
            "accountSid": self._sids.account,
            "streamSid": self._sids.stream,
            "callSid": self._sids.call,
            "tracks": list(tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
        }
        return self._numbered("start", start)

    def media(self, audio: bytes, track: str = "inbound") -> str:
        """Build one frame of mu-law audio: 160 bytes for 20 ms, but any length is reported truthfully."""
        self._chunks[track] += 1
        elapsed_ms = self._audio_bytes[track] * 1000 // BYTES_PER_SECOND
        self._audio_bytes[track] += len(audio)
        media = {
            "track": track,
            "chunk": str(self._chunks[track]),
            "timestamp": str(FIRST_TIMESTAMP_MS + self._held_ms + elapsed_ms),
            "payload": b64encode(audio).decode("ascii"),
        }
        return self._numbered("media", media)

    def mark(self, name: str) -> str:
        """Build the return of a server's mark, when the audio before it has been played or was cleared."""
        return self._numbered("mark", {"name": name})

    def dtmf(self, digit: str) -> str:
        """Build the message of a pressed key."""
        return self._numbered("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        """Build the message of the stream's end."""
        return self._numbered("stop", {"accountSid": self._sids.account, "callSid": self._sids.call})

    def custom(self, event: str, body: dict[str, Any]) -> bytes:
        """Build a numbered message of any kind, whether Twilio has such a kind or not."""
        return self._numbered(event, body).encode()

    def _numbered(self, event: str, body: dict[str, Any]) -> str:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: body,
            "streamSid": self._sids.stream,
        }
        return json.dumps(message, separators=(",", ":"))
