"""Twilio's side of a media socket, written out byte by byte: no WebSocket library has a say in it."""

import json
import os
import socket
import ssl
import struct
import time
from base64 import b64encode
from itertools import zip_longest

from tests.bench.raw_calls import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    unmasked,
)
from tests.end_to_end.rig import PATIENCE
from voicestt.audio.mulaw import BYTES_PER_FRAME
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.emulators.twilio.signatures import signature
from voicestt.emulators.twilio.twilio_messages import CONNECTED, Sids, StreamMessages
from voicestt.ops.services import PUBLIC_HOST

CONTINUATION, BINARY, FIN = 0x00, 0x02, 0x80
MEDIA_PATH = "/ws/twilio-media"
MEDIA_URL = f"wss://{PUBLIC_HOST}{MEDIA_PATH}"


def frame(opcode: int, payload: bytes) -> bytes:
    """One frame of a client's: masked with four random bytes. `opcode` is the whole first byte."""
    size, mask = len(payload), os.urandom(4)
    length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([opcode]) + length + mask + masked


def handshake(auth_token: str, key: str, host: str = PUBLIC_HOST) -> bytes:
    """Twilio's opening request as captured: no Origin, no extensions, no subprotocol; a lower-case signature."""
    signed = signature(auth_token, f"wss://{host}{MEDIA_PATH}")
    lines = [
        f"GET {MEDIA_PATH} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: Twilio.TmeWs/1.0",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"x-twilio-signature: {signed}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


class TwilioLine:
    """A socket that has shaken hands; `answer` is what the server said to that. `sids` are new if not given."""

    def __init__(self, target: ServerTarget, sids: Sids | None = None) -> None:
        self.sids = sids or Sids()
        self.key = b64encode(os.urandom(16)).decode("ascii")
        self._messages = StreamMessages(self.sids)
        self._inbox = bytearray()
        port = int(target.url.rpartition(":")[2])
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.url.startswith("https:"):
            self.socket = ssl.create_default_context().wrap_socket(self.socket, server_hostname="localhost")
        self.socket.sendall(handshake(target.auth_token or "", self.key, target.public_host or PUBLIC_HOST))
        self.answer = self._read_head()

    def __enter__(self) -> "TwilioLine":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.socket.close()

    def begin(self, *tracks: str, **parameters: str) -> None:
        """`connected` and `start`, with the `<Parameter>`s of the TwiML; the inbound track if none is named."""
        self.say(CONNECTED)
        self.say(self._messages.start(parameters, tracks or ("inbound",)))

    def media(self, audio: bytes, track: str = "inbound") -> list[bytes]:
        """The messages that carry `audio`, 20 ms each, not yet sent."""
        pieces = [audio[at : at + BYTES_PER_FRAME] for at in range(0, len(audio), BYTES_PER_FRAME)]
        return [self._messages.media(piece, track).encode() for piece in pieces]

    def say(self, text: str | bytes) -> None:
        """One text message in one frame."""
        self.socket.sendall(frame(TEXT, text.encode() if isinstance(text, str) else text))

    def speak(self, audio: bytes) -> None:
        """All of `audio` at once."""
        self.socket.sendall(b"".join(frame(TEXT, message) for message in self.media(audio)))

    def speak_both(self, caller: bytes, callee: bytes) -> None:
        """All audio of both tracks at once, a frame of each in turn."""
        pairs = zip_longest(self.media(caller), self.media(callee, "outbound"), fillvalue=b"")
        messages = [message for pair in pairs for message in pair if message]
        self.socket.sendall(b"".join(frame(TEXT, message) for message in messages))

    def hang_up(self) -> int | None:
        """`stop` and a close frame; the server's close code."""
        self.say(self._messages.stop())
        return self.close()

    def close(self) -> int | None:
        """A close frame without a `stop`; the server's close code."""
        self.socket.sendall(frame(CLOSE, struct.pack("!H", 1000)))
        return self.close_code()

    def close_code(self) -> int | None:
        """Reads until the server closes; its code, None if it said nothing."""
        code = None
        while (received := self.receive()) is not None:
            if received[0] == CLOSE:
                code = int.from_bytes(received[1][:2], "big")
        return code

    def ping(self, payload: bytes) -> None:
        """Are you there?"""
        self.socket.sendall(frame(PING, payload))

    def pong(self) -> bytes:
        """The server's answer to a ping."""
        received = self.receive()
        while received is not None and received[0] == TEXT:  # the greeting
            received = self.receive()
        assert received is not None
        assert received[0] == PONG
        return received[1]

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame of the server's: its first byte and its payload; None when it has closed."""
        give_up = time.monotonic() + PATIENCE
        while (received := unmasked(self._inbox)) is None:
            try:
                data = self.socket.recv(4_096)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self._inbox += data
            assert time.monotonic() < give_up
        return received

    def _read_head(self) -> str:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, f"the server closed after {head!r}"
            head += byte
        return head.decode("ascii")


def event(name: str, **fields: object) -> str:
    """A message of any kind."""
    return json.dumps({"event": name, **fields})
