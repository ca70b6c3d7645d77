"""Many simulated calls from one process, as cheap as they can be made: frames ready in advance, bare sockets.

Frames are masked with the key zero, which RFC 6455 allows and which costs the sender nothing; the receiver
unmasks them like any other. Every call has audio of its own, so what arrives says whose it was and whether any
byte is missing, doubled or elsewhere.
"""

import hashlib
import http.client
import os
import random
import selectors
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from voicestt import mulaw
from voicestt.mulaw import BYTES_PER_FRAME
from voicestt.simulator import webhook_forms
from voicestt.simulator.call_values import Target
from voicestt.simulator.media_socket import USER_AGENT
from voicestt.simulator.signatures import signed_headers
from voicestt.simulator.twilio_messages import CONNECTED, Sids, StreamMessages
from voicestt.simulator.twiml import Stream, parse_twiml

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
SLOTS = 20


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's WebSocket frame, masked with zeros."""
    size = len(payload)
    length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    return bytes([opcode]) + length + b"\0\0\0\0" + payload


def unmasked(inbox: bytearray) -> tuple[int, bytes] | None:
    """Takes one whole frame of the server's off `inbox`: its first byte and its payload."""
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


def audio_of(number: int, frames: int) -> bytes:
    """Mu-law that is nobody else's: noise seeded with the call's number."""
    return random.Random(number).randbytes(frames * BYTES_PER_FRAME)


@dataclass(slots=True)
class RawCall:
    """One call; `frames` are bytes for the wire, `sha256` is over the LINEAR16 a recogniser should get."""

    number: int
    sids: Sids
    frames: list[bytes]
    pcm_bytes: int
    sha256: str
    key: str
    last_words: bytes
    socket: socket.socket
    stream: Stream
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    stalls: int = 0
    closed: bool = False
    close_code: int | None = None

    def send(self, data: bytes) -> None:
        """Sends what the socket takes and keeps the rest."""
        if self.closed:
            return
        if self.outbox:
            self.outbox += data
            data = bytes(self.outbox)
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.closed = True
            return
        self.outbox[:] = data[sent:]
        self.stalls += bool(self.outbox)

    def receive(self) -> None:
        """Reads what came: pings are answered, a close is noted."""
        try:
            data = self.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.closed = self.closed or not data
        self.inbox += data
        while (frame := unmasked(self.inbox)) is not None:
            opcode, payload = frame
            if opcode == PING:
                self.send(masked(PONG, payload))
            elif opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005


def post(target: Target, public_url: str, form: Mapping[str, str]) -> tuple[int, str | None, bytes]:
    """Posts a signed form: status, content type, body."""
    here = urlsplit(target.reached_at(public_url))
    headers = signed_headers(target.auth_token, public_url, form) | {
        "Host": urlsplit(public_url).netloc,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = http.client.HTTPConnection(here.netloc, timeout=15)
    try:
        connection.request("POST", here.path, urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read()
    finally:
        connection.close()


def open_call(target: Target, number: int, frames: int) -> RawCall:
    """Places one call up to its `start`: webhook, handshake, status callback; raises on any refusal."""
    sids = Sids()
    status, content_type, body = post(target, target.public_url, webhook_forms.incoming_call(sids))
    if status != 200:
        raise RuntimeError(f"the webhook answered {status}")
    stream = parse_twiml(content_type, body)
    line = _shaken_hands(target, stream)
    messages = StreamMessages(sids)
    line.sendall(masked(TEXT, CONNECTED.encode()) + masked(TEXT, messages.start(stream.parameters).encode()))
    tell_status(target, stream, sids, "stream-started")
    line.setblocking(False)
    audio = audio_of(number, frames)
    pcm = mulaw.decode(audio)
    return RawCall(
        number=number,
        sids=sids,
        frames=[masked(TEXT, messages.media(piece).encode()) for piece in _pieces(audio)],
        pcm_bytes=len(pcm),
        sha256=hashlib.sha256(pcm).hexdigest(),
        key=hashlib.sha256(pcm[: 2 * BYTES_PER_FRAME]).hexdigest()[:8],
        last_words=masked(TEXT, messages.stop().encode()) + masked(CLOSE, struct.pack("!H", 1000)),
        socket=line,
        stream=stream,
    )


def tell_status(target: Target, stream: Stream, sids: Sids, event: str) -> None:
    """The status callback, if the TwiML names one."""
    if stream.status_callback:
        post(target, stream.status_callback, webhook_forms.stream_status(sids, event, None, time.time_ns()))


def _pieces(audio: bytes) -> list[bytes]:
    return [audio[at : at + BYTES_PER_FRAME] for at in range(0, len(audio), BYTES_PER_FRAME)]


def _shaken_hands(target: Target, stream: Stream) -> socket.socket:
    here = urlsplit(target.reached_at(stream.url))
    line = socket.create_connection((here.hostname, here.port or 80), timeout=15)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = line.recv(1)
        if not byte:
            break
        answer += byte
    if not answer.startswith(b"HTTP/1.1 101"):
        raise RuntimeError(f"the handshake was answered with {answer.splitlines()[:1]}")
    return line


def talk(calls: list[RawCall], moments: Mapping[int, Callable[[], None]]) -> tuple[float, float]:
    """All calls talk at once, in real time: (when frame 0 of call 0 was due, how late a frame ever was).

    Each call has a phase of its own within the 20 ms, as independent callers do. `moments` are called once
    the frame of that number has been sent by all.
    """
    selector = selectors.DefaultSelector()
    for call in calls:
        selector.register(call.socket, selectors.EVENT_READ, call)
    groups = [calls[slot::SLOTS] for slot in range(SLOTS)]
    start, latest = time.monotonic() + 0.05, 0.0
    for tick in range(len(calls[0].frames) * SLOTS):
        number, slot = divmod(tick, SLOTS)
        due = start + tick * 0.001
        if (early := due - time.monotonic()) > 0:
            time.sleep(early)
        for call in groups[slot]:
            call.send(call.frames[number])
        latest = max(latest, time.monotonic() - due)
        if slot == SLOTS - 1:
            _read(selector, 0)
            if number in moments:
                moments[number]()
    _hang_up(calls, selector)
    return start, latest


def _hang_up(calls: list[RawCall], selector: selectors.BaseSelector) -> None:
    for call in calls:
        call.send(call.last_words)
    give_up = time.monotonic() + 20
    while not all(call.closed for call in calls) and time.monotonic() < give_up:
        for call in calls:
            if call.outbox:
                call.send(b"")
        _read(selector, 0.02)
    for call in calls:
        call.socket.close()
    selector.close()


def _read(selector: selectors.BaseSelector, seconds: float) -> None:
    for key, _ in selector.select(seconds):
        key.data.receive()
        if key.data.closed:
            selector.unregister(key.fileobj)
            key.data.socket.close()
