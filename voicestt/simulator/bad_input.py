"""What Twilio would never send: for finding out whether a call survives it.

None of it breaks the WebSocket protocol and none of it carries audio of the call: a server that takes calls for a
living ignores it, says so in its log, and loses no word. `KINDS` is the list.
"""

import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voicestt.simulator.schedule import Insert
from voicestt.simulator.twilio_messages import StreamMessages

APART_SECONDS = 0.1
HUGE_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class BadMessage:
    """One WebSocket message."""

    payload: bytes
    is_binary: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of bad input: what it is, and how it is made of the stream's messages."""

    words: str
    make: Callable[[StreamMessages], BadMessage]


def _text(value: object) -> BadMessage:
    return BadMessage(json.dumps(value).encode())


def _media(messages: StreamMessages, **media: object) -> BadMessage:
    return BadMessage(messages.custom("media", {"track": "inbound", "chunk": "1", "timestamp": "1", **media}))


def _out_of_sequence(messages: StreamMessages) -> BadMessage:
    messages.jump(-3)
    return BadMessage(messages.mark("never asked for").encode())


def _another_track(messages: StreamMessages) -> BadMessage:
    return _media(messages, track="outbound", payload=b64encode(b"\x10" * 160).decode())


KINDS: Mapping[str, Kind] = {
    "json": Kind("text that is no JSON", lambda _: BadMessage(b'{"event":"media","media":{"payl')),
    "object": Kind("JSON that is no object", lambda _: _text(["media"])),
    "empty": Kind("an empty message", lambda _: BadMessage(b"")),
    "binary": Kind("a binary message of noise", lambda _: BadMessage(os.urandom(160), is_binary=True)),
    "unknown": Kind("an event nobody knows", lambda m: BadMessage(m.custom("weather", {"sky": "blue"}))),
    "huge": Kind(
        f"a message of {HUGE_BYTES} bytes (Twilio's have about 350)",
        lambda m: BadMessage(m.custom("weather", {"sky": "b" * HUGE_BYTES})),
    ),
    "sequence": Kind("a mark nobody sent; the sequence numbers go back by three", _out_of_sequence),
    "base64": Kind("media whose payload is not base64", lambda m: _media(m, payload="!not base64!")),
    "payload": Kind("media without a payload", _media),
    "types": Kind("media whose fields are of other types", lambda m: _media(m, chunk=1, payload=[])),
    "track": Kind("media of a track that was not asked for", _another_track),
    "silence": Kind("media with no audio in it", lambda m: _media(m, payload="")),
    "start": Kind("a second start", lambda m: BadMessage(m.start({}).encode())),
}


def parse_bad(text: str) -> tuple[Insert, ...]:
    """KIND or KIND@AT, where "all" is every kind: what is to be sent, one every tenth of a second from `AT` on.

    Without `AT` at half a second. Raises ValueError in words.
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
    """The list, for people."""
    return "; ".join(f"{name}: {kind.words}" for name, kind in KINDS.items())
