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
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlencode, urlsplit

from voicestt.audio.mulaw import BYTES_PER_FRAME
from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.emulators.twilio.media_socket import USER_AGENT
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.signatures import signed_headers
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


@dataclass(slots=True)
class RawCall:
    """One call; `frames` are bytes for the wire, `audio` is the mu-law in them.

    `key` is the word by which a scripted recogniser names the call, `close_code` the server's.
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

    @property
    def key(self) -> str:
        """The first word of every result in this call."""
        return str(self.number)

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


def open_call(target: ServerTarget, number: int, frames: int) -> RawCall:
    """Place call `number` of `frames` frames up to its `start`: webhook, handshake, status callback.

    Raises `CallRefused` where Twilio would not go on, OSError and HTTPException where nothing answers.
    """
    sids = Sids()
    status, content_type, body = post(target, target.public_url, webhook_forms.incoming_call(sids))
    if status != 200:
        raise CallRefused(f"the webhook {target.webhook_path} answered {status}", 11200)
    stream = parse_twiml(content_type, body)
    line = _shaken_hands(target, stream)
    messages = StreamMessages(sids)
    line.sendall(masked(TEXT, CONNECTED.encode()) + masked(TEXT, messages.start(stream.parameters).encode()))
    tell_status(target, stream, sids, "stream-started")
    line.setblocking(False)
    audio = said.audio_of(number, frames)
    return RawCall(
        number=number,
        sids=sids,
        audio=audio,
        frames=[masked(TEXT, messages.media(piece).encode()) for piece in _pieces(audio)],
        last_words=masked(TEXT, messages.stop().encode()) + masked(CLOSE, struct.pack("!H", 1000)),
        socket=line,
        stream=stream,
    )


def tell_status(target: ServerTarget, stream: StreamNoun, sids: Sids, event: str) -> None:
    """Post the status callback, if the TwiML names one."""
    if stream.status_callback:
        post(target, stream.status_callback, webhook_forms.stream_status(sids, event, None, time.time_ns()))


def _pieces(audio: bytes) -> list[bytes]:
    return [audio[at : at + BYTES_PER_FRAME] for at in range(0, len(audio), BYTES_PER_FRAME)]


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
