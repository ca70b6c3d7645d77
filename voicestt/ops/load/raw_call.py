"""One cheap call among many: its frames are made in advance, its socket is bare.

A client's WebSocket frames are encoded, and a server's decoded, without a library (RFC 6455, section 5).
"""

import http.client
import os
import socket
import ssl
import struct
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from voicestt.audio.mulaw import BYTES_PER_FRAME
from voicestt.call.facts import Track
from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.emulators.twilio.media_socket import USER_AGENT
from voicestt.emulators.twilio.own_twiml import both_tracks_twiml
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.emulators.twilio.tracks import INBOUND, OUTBOUND
from voicestt.emulators.twilio.twilio_messages import CONNECTED, Sids, StreamMessages
from voicestt.emulators.twilio.twiml import StreamNoun, parse_twiml
from voicestt.ops.load import said

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A


def masked(opcode: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """Encode one frame; `opcode` is its first byte, `mask` four bytes, random and not all zero if not given.

    The mask matters: a receiver may take a shortcut for a mask of zeros, and Twilio's masks are not zero.
    """
    key = mask or os.urandom(3) + b"\x5a"
    size = len(payload)
    length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    number = int.from_bytes(payload, "little") ^ int.from_bytes((key * (size // 4 + 1))[:size], "little")
    return bytes([opcode]) + length + key + number.to_bytes(size, "little")


def unmasked(inbox: bytearray) -> tuple[int, bytes] | None:
    """Take one whole frame of the server off `inbox`: its first byte and its payload; None if there is none."""
    if len(inbox) < 2:
        return None
    size, header = inbox[1] & 0x7F, 2
    if size == 126:
        if len(inbox) < 4:
            return None
        size, header = int.from_bytes(inbox[2:4], "big"), 4
    if len(inbox) < header + size:
        return None
    opcode, payload = inbox[0], bytes(inbox[header : header + size])
    del inbox[: header + size]
    return opcode, payload


ANSWER_SECONDS = 15
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


CALLEES_FROM: Final = 30_000
"""The callee of call 7 says that he is 30007: the audio knows numbers up to 65535."""


@dataclass(frozen=True, slots=True)
class TrackVoice:
    """One side of a call: whoever speaks in its `track` (caller, callee), and the mu-law of what they say."""

    number: int
    audio: bytes
    track: Track = "caller"

    @property
    def key(self) -> str:
        """The word by which a scripted recogniser names the voice: the first of each result."""
        return str(self.number)


@dataclass(slots=True)
class RawCall:
    """One call; `frames` are bytes for the wire, `audio` is the caller's mu-law in them, `callee` the other side.

    `close_code` is the server's.
    """

    number: int
    sids: Sids
    audio: bytes
    frames: list[bytes]
    last_words: bytes
    socket: socket.socket
    stream: StreamNoun
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    closed: bool = False
    close_code: int | None = None
    callee: TrackVoice | None = None

    @property
    def voices(self) -> list[TrackVoice]:
        """All who speak in the call."""
        caller = TrackVoice(self.number, self.audio)
        return [caller] if self.callee is None else [caller, self.callee]

    def send(self, data: bytes) -> None:
        """Send what the socket takes and keep the rest."""
        if self.closed:
            return
        if self.outbox:
            self.outbox += data
            data = bytes(self.outbox)
        try:
            sent = self.socket.send(data)
        except _LATER:
            sent = 0
        except OSError:
            self.closed = True
            return
        self.outbox[:] = data[sent:]

    def receive(self) -> None:
        """Read from the socket: answer pings, note a close."""
        try:
            while data := self.socket.recv(65_536):
                self.inbox += data
            self.closed = True
        except _LATER:
            pass
        except OSError:
            self.closed = True
        while (frame := unmasked(self.inbox)) is not None:
            opcode, payload = frame
            if opcode == PING:
                self.send(masked(PONG, payload))
            elif opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005


def voices_of(calls: Iterable[RawCall]) -> list[TrackVoice]:
    """Return all who speak in `calls`, call by call."""
    return [voice for call in calls for voice in call.voices]


def post(target: ServerTarget, public_url: str, form: Mapping[str, str]) -> tuple[int, str | None, bytes]:
    """Post a signed form: status, content type and body; raise OSError or HTTPException without an answer."""
    here = urlsplit(target.reached_at(public_url))
    headers = signed_headers(target.auth_token, public_url, form) | {
        "Host": urlsplit(public_url).netloc,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    kind = http.client.HTTPSConnection if here.scheme == "https" else http.client.HTTPConnection
    connection = kind(here.netloc, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", here.path, urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read()
    finally:
        connection.close()


def open_call(target: ServerTarget, number: int, frames: int, *, both_tracks: bool = False) -> RawCall:
    """Place call `number` of `frames` frames up to its `start`: webhook, handshake, status callback.

    With `both_tracks` the TwiML is the user's own and the webhook is not asked; each tick has a frame of each.

    Raises `CallRefused` where Twilio would not go on, OSError and HTTPException where nothing answers.
    """
    sids = Sids()
    stream = _stream_of_both(target) if both_tracks else _stream_of(target, sids)
    line = _shaken_hands(target, stream)
    messages = StreamMessages(sids)
    audio = said.audio_of(number, frames)
    callee = _callee_of(number, frames) if both_tracks else None
    sides = {INBOUND: audio} if callee is None else {INBOUND: audio, OUTBOUND: callee.audio}
    opening = messages.start(stream.parameters, tuple(sides)).encode()
    line.sendall(masked(TEXT, CONNECTED.encode()) + masked(TEXT, opening))
    tell_status(target, stream, sids, "stream-started")
    line.setblocking(False)
    return RawCall(
        number=number,
        sids=sids,
        audio=audio,
        frames=[_tick(messages, sides, at) for at in range(0, len(audio), BYTES_PER_FRAME)],
        last_words=masked(TEXT, messages.stop().encode()) + masked(CLOSE, struct.pack("!H", 1000)),
        socket=line,
        stream=stream,
        callee=callee,
    )


def _callee_of(number: int, frames: int) -> TrackVoice:
    other = number + CALLEES_FROM
    return TrackVoice(other, said.audio_of(other, frames), "callee")


def _tick(messages: StreamMessages, sides: Mapping[str, bytes], at: int) -> bytes:
    """Encode the frames of all sides that begin at that byte of theirs."""
    pieces = ((track, audio[at : at + BYTES_PER_FRAME]) for track, audio in sides.items())
    return b"".join(masked(TEXT, messages.media(piece, track).encode()) for track, piece in pieces)


def _stream_of(target: ServerTarget, sids: Sids) -> StreamNoun:
    """Ask the webhook for the stream."""
    status, content_type, body = post(target, target.public_url, webhook_forms.incoming_call(sids))
    if status != 200:
        raise CallRefused(f"the webhook {target.webhook_path} answered {status}", 11200)
    return parse_twiml(content_type, body)


def _stream_of_both(target: ServerTarget) -> StreamNoun:
    """Return the stream of TwiML that is the user's own."""
    return parse_twiml("text/xml", both_tracks_twiml(target).encode())


def tell_status(target: ServerTarget, stream: StreamNoun, sids: Sids, event: str) -> None:
    """Post the status callback, if the TwiML names one."""
    if stream.status_callback:
        post(target, stream.status_callback, webhook_forms.stream_status(sids, event, None, time.time_ns()))


def _shaken_hands(target: ServerTarget, stream: StreamNoun) -> socket.socket:
    here = urlsplit(target.reached_at(stream.url))
    line = _connected(here)
    headers = {
        "Host": urlsplit(stream.url).netloc,
        "User-Agent": USER_AGENT,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **signed_headers(target.auth_token, stream.url),
    }
    lines = [f"GET {here.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    line.sendall("\r\n".join(lines).encode())
    answer = _head(line)
    if not answer.startswith(b"HTTP/1.1 101"):
        line.close()
        raise CallRefused(f"the handshake was answered with {answer.splitlines()[:1]}, not with 101", 31920)
    return line


def _connected(here: SplitResult) -> socket.socket:
    secure = here.scheme == "wss"
    line = socket.create_connection((here.hostname, here.port or (443 if secure else 80)), timeout=ANSWER_SECONDS)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ssl.create_default_context().wrap_socket(line, server_hostname=here.hostname) if secure else line


def _head(line: socket.socket) -> bytes:
    """Read the head of the answer byte by byte: frames may follow it."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = line.recv(1)
        if not byte:
            break
        answer += byte
    return answer
