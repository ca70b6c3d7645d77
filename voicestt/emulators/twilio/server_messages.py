"""Parses a server's messages to Twilio over the media WebSocket, and refuses invalid ones as Twilio does."""

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from voicestt.emulators.twilio.problems import CallRefused


@dataclass(frozen=True, slots=True)
class AudioToPlay:
    """Mu-law audio to play to the caller, after the audio that already waits."""

    mulaw: bytes


@dataclass(frozen=True, slots=True)
class MarkToReturn:
    """A mark to send back when everything before it has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """An order to drop the audio that waits to be played."""


ServerMessage = AudioToPlay | MarkToReturn | Clear

_BODY_FIELDS = {"media": {"payload"}, "mark": {"name"}, "clear": set[str]()}


def parse_server_message(text: str, stream_sid: str) -> ServerMessage:
    """Parse one text frame; raise `CallRefused` with 31951 for anything Twilio would not take."""
    message = _json_object(text)
    event = message.get("event")
    if not isinstance(event, str) or event not in _BODY_FIELDS:
        raise _invalid(f"the event {event!r} is unknown: only media, mark and clear may be sent")
    _check_fields(event, message)
    if message["streamSid"] != stream_sid:
        raise _invalid(f"{event} names the stream {message['streamSid']!r}, which is not this call's")
    match event:
        case "media":
            return AudioToPlay(_audio(message["media"]["payload"]))
        case "mark":
            return MarkToReturn(str(message["mark"]["name"]))
        case _:
            return Clear()


def _invalid(words: str) -> CallRefused:
    return CallRefused(f"a message of the server's is invalid: {words}", 31951)


def _json_object(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"it is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise _invalid("it is not a JSON object")
    return message


def _check_fields(event: str, message: dict[str, Any]) -> None:
    wanted = {"event", "streamSid"} | ({event} if _BODY_FIELDS[event] else set())
    if set(message) != wanted:
        raise _invalid(f"{event} has the fields {sorted(message)} and must have exactly {sorted(wanted)}")
    body = message.get(event, {})
    if not isinstance(body, dict) or set(body) != _BODY_FIELDS[event]:
        raise _invalid(f"the {event} object must have exactly the fields {sorted(_BODY_FIELDS[event])}")


def _audio(payload: object) -> bytes:
    if not isinstance(payload, str):
        raise _invalid("the payload is not a text")
    try:
        return b64decode(payload, validate=True)
    except ValueError as error:
        raise _invalid(f"the payload is not base64: {error}") from error
