"""Messages that Twilio never sends, for testing that a call survives them.

None of it breaks the WebSocket protocol and none of it carries audio of the call: a server that takes calls for a
living ignores it, says so in its log, and loses no word. `KINDS` is the list.
"""

import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voicestt.emulators.twilio.schedule import Insert
from voicestt.emulators.twilio.twilio_messages import StreamMessages

APART_SECONDS = 0.1
HUGE_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class FaultyMessage:
    """One WebSocket message to send."""

    payload: bytes
    is_binary: bool = False


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of bad input: its description, and a function that makes it from the stream's messages."""

    words: str
    make: Callable[[StreamMessages], FaultyMessage]


def _text(value: object) -> FaultyMessage:
    return FaultyMessage(json.dumps(value).encode())


def _media(messages: StreamMessages, **media: object) -> FaultyMessage:
    return FaultyMessage(messages.custom("media", {"track": "inbound", "chunk": "1", "timestamp": "1", **media}))


def _out_of_sequence(messages: StreamMessages) -> FaultyMessage:
    messages.jump(-3)
    return FaultyMessage(messages.mark("never asked for").encode())


def _another_track(messages: StreamMessages) -> FaultyMessage:
    return _media(messages, track="outbound", payload=b64encode(b"\x10" * 160).decode())


KINDS: Mapping[str, FaultKind] = {
    "json": FaultKind("text that is no JSON", lambda _: FaultyMessage(b'{"event":"media","media":{"payl')),
    "object": FaultKind("JSON that is no object", lambda _: _text(["media"])),
    "empty": FaultKind("an empty message", lambda _: FaultyMessage(b"")),
    "binary": FaultKind("a binary message of noise", lambda _: FaultyMessage(os.urandom(160), is_binary=True)),
    "unknown": FaultKind("an event nobody knows", lambda m: FaultyMessage(m.custom("weather", {"sky": "blue"}))),
    "huge": FaultKind(
        f"a message of {HUGE_BYTES} bytes (Twilio's have about 350)",
        lambda m: FaultyMessage(m.custom("weather", {"sky": "b" * HUGE_BYTES})),
    ),
    "sequence": FaultKind("a mark nobody sent; the sequence numbers go back by three", _out_of_sequence),
    "base64": FaultKind("media whose payload is not base64", lambda m: _media(m, payload="!not base64!")),
    "payload": FaultKind("media without a payload", _media),
    "types": FaultKind("media whose fields are of other types", lambda m: _media(m, chunk=1, payload=[])),
    "track": FaultKind("media of a track that was not asked for", _another_track),
    "silence": FaultKind("media with no audio in it", lambda m: _media(m, payload="")),
    "start": FaultKind("a second start", lambda m: FaultyMessage(m.start({}).encode())),
}


def parse_bad(text: str) -> tuple[Insert, ...]:
    """Parse KIND or KIND@AT to the messages to send, one every tenth of a second from `AT` on.

    "all" stands for every kind; without `AT` they begin at half a second. Raises ValueError in words.
    """
    name, _, at = text.partition("@")
    kinds = list(KINDS) if name == "all" else [name]
    if not KINDS.keys() >= set(kinds):
        raise ValueError(f"{name!r} is no kind of bad input; these are: {', '.join(KINDS)}, all")
    try:
        begins = float(at or 0.5)
    except ValueError:
        begins = -1.0
    if not 0 <= begins < float("inf"):
        raise ValueError(f"{text!r} is not KIND@AT: {at!r} is no number of seconds")
    return tuple(Insert(begins + number * APART_SECONDS, kind) for number, kind in enumerate(kinds))


def described() -> str:
    """List the kinds with their descriptions as text."""
    return "; ".join(f"{name}: {kind.words}" for name, kind in KINDS.items())
