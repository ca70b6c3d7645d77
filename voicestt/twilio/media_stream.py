"""Twilio's wire format: the JSON messages of a media stream, parsed into typed values, and those we send.

Source: Twilio's "Media Streams: WebSocket messages", and captures of real calls. Twilio writes its numbers as
strings, promises neither a frame's length nor the first timestamp, and may add fields at any time. Towards Twilio
there are three messages with exactly these fields; anything more or less is its warning 31951.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from voicestt.audio import mulaw
from voicestt.twilio.json_fields import JsonFields, number_of, writable

ENCODING = "audio/x-mulaw"


class BadMessage(ValueError):
    """A message that cannot be understood; the text says why, and holds nothing of what was sent."""


class BadStart(BadMessage):
    """A `start` message without a CallSid.

    Its SIDs are as they came, "" where they could not be read: where they are printed, they must be escaped.
    """

    def __init__(self, words: str, call_sid: str, stream_sid: str) -> None:
        super().__init__(words)
        self.call_sid = call_sid
        self.stream_sid = stream_sid


class _Message(msgspec.Struct, frozen=True, rename="camel", tag_field="event"):
    pass


class _MessagePart(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Connected(_Message, frozen=True, tag="connected"):
    """The `connected` message, the first one; its version has been "0.2.0" and "1.0.0" and says nothing."""


class MediaFormat(msgspec.Struct, frozen=True):
    """The format of the audio; Twilio knows one: `audio/x-mulaw`, 8,000 Hz, one channel."""

    encoding: str = ENCODING
    sample_rate: float = mulaw.BYTES_PER_SECOND
    channels: float = 1

    @property
    def is_mulaw(self) -> bool:
        """True if this is the one format that Twilio knows."""
        return (self.encoding.lower(), self.sample_rate, self.channels) == (ENCODING, 8_000, 1)


class StartDetails(msgspec.Struct, frozen=True):
    """The details of a `start`: all but the CallSid may be missing; `odd` are fields of a wrong type.

    `tracks` are those that will come: "inbound" is the caller, "outbound" whoever the caller hears.
    """

    call_sid: str
    stream_sid: str = ""
    account_sid: str = ""
    media_format: MediaFormat = MediaFormat()
    custom_parameters: Mapping[str, Any] = {}
    odd: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()


class Start(msgspec.Struct, frozen=True):
    """The `start` message, sent once; without it a call is deaf, so it is read field by field (`_start`)."""

    start: StartDetails


class MediaDetails(_MessagePart, frozen=True, gc=False):
    """A frame of audio: mu-law bytes (base64 on the wire), of the `inbound` track if no other is named.

    `timestamp` is as it came: milliseconds, in a string. Few are looked at, so none is checked here. `track` is
    not checked either: one that is none must not make a call deaf.
    """

    payload: bytes
    track: Any = "inbound"
    timestamp: Any = None


class Media(_Message, frozen=True, tag="media", gc=False):
    """The `media` message with a frame of audio, usually 160 bytes, but any length may come."""

    media: MediaDetails

    @property
    def is_inbound(self) -> bool:
        """True if the audio is the caller's."""
        return self.media.track == "inbound" or not isinstance(self.media.track, str)


class DtmfDetails(_MessagePart, frozen=True):
    """The telephone key of a `dtmf` message."""

    digit: str


class DtmfMessage(_Message, frozen=True, tag="dtmf"):
    """The `dtmf` message: the caller pressed a key."""

    dtmf: DtmfDetails


class MarkDetails(_MessagePart, frozen=True):
    """The name of a mark."""

    name: str = ""


class MarkMessage(_Message, frozen=True, tag="mark"):
    """The `mark` message: the audio sent before our mark has been played or cleared."""

    mark: MarkDetails


class Stop(_Message, frozen=True, tag="stop"):
    """The `stop` message at the end of the stream, which may never come."""


class Unknown(msgspec.Struct, frozen=True):
    """A well-formed message of an unknown kind."""

    event: str


Message = Connected | Start | Media | DtmfMessage | MarkMessage | Stop | Unknown

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(
    Connected | Media | DtmfMessage | MarkMessage | Stop
)
_media_decoder = msgspec.json.Decoder(Media)
_KNOWN = frozenset({"connected", "media", "dtmf", "mark", "stop"})


def parse(data: bytes) -> Message:
    """Parse the message in one WebSocket text frame.

    Raises:
        BadStart: for a `start` that does not say of which call it is.
        BadMessage: for whatever else is no message; one of an unknown kind is `Unknown`, not an error.
    """
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as problem:
        return _start_or_unknown(data, str(problem))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        message = _start_or_unknown(data, f"not JSON: {problem}")
        if isinstance(message, Unknown):
            raise BadMessage(f"not JSON: {problem}") from None
        return message


def inbound_frames(messages: Sequence[bytes]) -> list[MediaDetails] | None:
    """Parse messages that are all frames of the caller's; None if any is not, or is not as Twilio writes it."""
    frames = []
    try:
        for message in messages:
            frame = _media_decoder.decode(message).media
            if frame.track != "inbound":
                return None  # at once: where both tracks come, all are parsed again, one by one
            frames.append(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return frames


def _start_or_unknown(data: bytes, problem: str) -> Start | Unknown:
    try:
        # Python's own parser, which takes what msgspec does not: half of a surrogate pair, numbers of any size.
        message = json.loads(data.decode("utf-8", "replace"), parse_int=number_of)
    except (ValueError, RecursionError):
        raise BadMessage("not JSON") from None
    event = message.get("event") if isinstance(message, dict) else None
    if event == "start":
        return Start(_start(message))
    if not isinstance(event, str) or event in _KNOWN:
        raise BadMessage(problem) from None
    return Unknown(event[:40])


def _start(message: dict[str, Any]) -> StartDetails:
    """Read the fields of a `start`; optional ones that are missing or make no sense get their defaults."""
    given = message.get("start")
    fields = JsonFields(given if isinstance(given, dict) else {})
    call_sid = fields.text("callSid")
    stream_sid = fields.text("streamSid") or JsonFields(message).text("streamSid")
    if not call_sid:
        why = "it has no CallSid" if isinstance(given, dict) else "its `start` is no object"
        raise BadStart(why, call_sid, stream_sid)
    audio = JsonFields(fields.mapping("mediaFormat"), "mediaFormat.")
    audio_format = MediaFormat(
        audio.text("encoding") or ENCODING,
        audio.number("sampleRate", mulaw.BYTES_PER_SECOND),
        audio.number("channels", 1),
    )
    account_sid = fields.text("accountSid")
    parameters = writable(fields.mapping("customParameters"))
    odd = (*fields.odd, *audio.odd)
    tracks = tuple(each for each in fields.items("tracks") if isinstance(each, str))
    return StartDetails(call_sid, stream_sid, account_sid, audio_format, parameters, odd, tracks)


class _Payload(_MessagePart, frozen=True):
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
    """Encode a message that plays `audio` (mu-law, 8 kHz, any length, no header) after what waits already."""
    return _encoder.encode(_SaidMedia(stream_sid, _Payload(audio)))


def mark_message(stream_sid: str, name: str) -> bytes:
    """Encode a mark, which Twilio sends back when all audio before it has been played or cleared."""
    return _encoder.encode(_SaidMark(stream_sid, MarkDetails(name)))


def clear_message(stream_sid: str) -> bytes:
    """Encode a message that empties Twilio's buffer and makes it send back all pending marks."""
    return _encoder.encode(_SaidClear(stream_sid))
