"""Twilio's wire format: the JSON messages of a media stream, read straight into typed values, and those we send.

Source: Twilio's "Media Streams: WebSocket messages", and captures of real calls. Twilio writes its numbers as
strings, promises neither a frame's length nor the first timestamp, and may add fields at any time. Towards Twilio
there are three messages with exactly these fields; anything more or less is its warning 31951.
"""

from typing import Any

import msgspec

from voicestt import mulaw

ENCODING = "audio/x-mulaw"


class BadMessage(ValueError):
    """A message that cannot be understood; the text says why, and holds nothing of what was sent."""


class _Message(msgspec.Struct, frozen=True, rename="camel", tag_field="event"):
    pass


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Connected(_Message, frozen=True, tag="connected"):
    """The first message; its version has been "0.2.0" and "1.0.0" and says nothing."""


class MediaFormat(_Part, frozen=True):
    """What the audio is. Twilio knows one format: `audio/x-mulaw`, 8,000 Hz, one channel."""

    encoding: str = ENCODING
    sample_rate: int | str = mulaw.BYTES_PER_SECOND
    channels: int | str = 1

    @property
    def is_mulaw(self) -> bool:
        """Whether this is the one format there is."""
        return (self.encoding, str(self.sample_rate), str(self.channels)) == (ENCODING, "8000", "1")


class StartDetails(_Part, frozen=True):
    """Whose audio it is."""

    call_sid: str
    stream_sid: str = ""
    account_sid: str = ""
    tracks: list[str] | None = None
    media_format: MediaFormat = MediaFormat()
    custom_parameters: dict[str, Any] | None = None


class Start(_Message, frozen=True, tag="start"):
    """The stream begins. Sent once."""

    start: StartDetails
    stream_sid: str = ""


class MediaDetails(_Part, frozen=True, gc=False):
    """One frame: mu-law bytes (base64 on the wire), of the `inbound` track where nothing else is said.

    `timestamp` is as it came: milliseconds, in a string. Few are looked at, so none is checked here.
    """

    payload: bytes
    track: str = "inbound"
    timestamp: Any = None


class Media(_Message, frozen=True, tag="media", gc=False):
    """A frame of audio, usually 160 bytes, but any length may come."""

    media: MediaDetails

    @property
    def is_inbound(self) -> bool:
        """Whether this is the caller speaking."""
        return self.media.track == "inbound"


class DtmfDetails(_Part, frozen=True):
    """A key of the telephone."""

    digit: str


class Dtmf(_Message, frozen=True, tag="dtmf"):
    """The caller pressed a key."""

    dtmf: DtmfDetails


class MarkDetails(_Part, frozen=True):
    """The name a mark was sent with."""

    name: str = ""


class Mark(_Message, frozen=True, tag="mark"):
    """A mark of ours: what was sent before it has been played or cleared."""

    mark: MarkDetails


class Stop(_Message, frozen=True, tag="stop"):
    """The stream is over. It may never come."""


class Unknown(msgspec.Struct, frozen=True):
    """A well-formed message of a kind we do not know."""

    event: str


Message = Connected | Start | Media | Dtmf | Mark | Stop | Unknown

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Connected | Start | Media | Dtmf | Mark | Stop)
_any_decoder = msgspec.json.Decoder(dict[str, Any])
_KNOWN = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})


def parse(data: bytes) -> Message:
    """The message in one WebSocket text frame.

    Raises:
        BadMessage: for whatever is not one; a message of an unknown kind is `Unknown`, not an error.
    """
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as problem:
        return _unknown(data, str(problem))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadMessage(f"not JSON: {problem}") from None


def _unknown(data: bytes, problem: str) -> Unknown:
    try:
        event = _any_decoder.decode(data).get("event")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadMessage("not a JSON object") from None
    if not isinstance(event, str) or event in _KNOWN:
        raise BadMessage(problem) from None
    return Unknown(event[:40])


class _Payload(_Part, frozen=True):
    payload: bytes


class _ToTwilio(_Message, frozen=True):
    stream_sid: str


class _SaidMedia(_ToTwilio, frozen=True, tag="media"):
    media: _Payload


class _SaidMark(_ToTwilio, frozen=True, tag="mark"):
    mark: MarkDetails


class _SaidClear(_ToTwilio, frozen=True, tag="clear"):
    pass


_encoder = msgspec.json.Encoder()


def media_message(stream_sid: str, audio: bytes) -> bytes:
    """Plays `audio` to the caller after what waits already: mu-law, 8 kHz, any length, no header."""
    return _encoder.encode(_SaidMedia(stream_sid, _Payload(audio)))


def mark_message(stream_sid: str, name: str) -> bytes:
    """Twilio sends the mark back when all that was sent before it has been played, or was cleared."""
    return _encoder.encode(_SaidMark(stream_sid, MarkDetails(name)))


def clear_message(stream_sid: str) -> bytes:
    """Empties Twilio's buffer, and makes it send back all pending marks."""
    return _encoder.encode(_SaidClear(stream_sid))
