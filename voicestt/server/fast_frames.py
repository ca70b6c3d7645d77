"""A fast path for the usual frames of a call: whole, masked, unfragmented text.

Autobahn takes every frame through a dozen hooks that can cut it anywhere, which is most of what a call costs.
Ninety-nine in a hundred of Twilio's frames are whole when they are read: those are unmasked and handed on here.
All other data (control frames, fragments, half a frame, errors) is left to Autobahn, untouched.

A socket gets at most FRAMES_AT_ONCE frames of the reactor's turn: the rest waits, unread and uncopied, while other
sockets have theirs. Twilio sends fifty frames a second; a client that sends thousands delays only itself.
"""

from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol

# FIN, no reserved bit, text; masked, and a length in two bytes: RFC 6455 section 5.2
_TEXT, _USUAL = b"\x81", b"\x81\xfe"
_MASKED = 0x80
_IN_TWO_BYTES = 126  # the shortest length that is written so
FRAMES_AT_ONCE = 64
FRAMES_PER_SECOND = 1_000  # in a flood: twenty times what a call sends


class FastFrameProtocol(WebSocketServerProtocol):
    """A WebSocketServerProtocol with a fast path for whole text frames. No extension may be negotiated."""

    current_frame: Any
    maxFramePayloadSize: int  # noqa: N815

    _frames_left = FRAMES_AT_ONCE
    _is_held = False

    def hold(self, seconds: float) -> None:
        """Pause reading, because too many frames came at once, and call `go_on` after `seconds`."""
        raise NotImplementedError

    def hold_the_rest(self) -> None:
        """Take no more frames, not even those that came with this one, until `go_on`."""
        self._is_held = True
        self._frames_left = 0

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take data from the transport, without the debug line that Autobahn formats for each read."""
        if self._is_held:
            self.data += data
        elif self.state == self.STATE_OPEN:
            self.data += data
            self._frames_left = FRAMES_AT_ONCE
            self.consumeData()
        else:
            super().dataReceived(data)

    def go_on(self) -> None:
        """Go on with the data that waited since `hold`."""
        self._is_held = False
        self._frames_left = FRAMES_AT_ONCE
        if self.state != self.STATE_CLOSED:
            self.consumeData()

    def take_the_rest(self) -> None:
        """Take the data that waits on a lost connection, as far as a call can have sent it."""
        self._is_held = False
        self._frames_left = FRAMES_PER_SECOND
        if self.state == self.STATE_OPEN:
            self.consumeData()
        self._is_held = True  # and nothing more

    def processData(self) -> bool:  # noqa: N802
        """Take one frame from the buffered data; True if there may be another."""
        if self._frames_left <= 0:
            if not self._is_held:
                self._is_held = True
                self.hold(FRAMES_AT_ONCE / FRAMES_PER_SECOND)
            return False
        self._frames_left -= 1
        data = self.data
        start, end = text_span(data)
        is_whole = 0 < end <= len(data) and end - start <= self.maxFramePayloadSize
        if not is_whole or self.current_frame or self.inside_message or self.state != self.STATE_OPEN:
            return bool(super().processData())
        self.data = data[end:]
        self.onMessage(unmasked(data[start:end], data[start - 4 : start]), False)
        return end < len(data)


def text_span(data: bytes) -> tuple[int, int]:
    """Return where the payload of an unfragmented text frame starts and ends; zeros for all other frames."""
    if data.startswith(_USUAL):
        length = int.from_bytes(data[2:4])
        return (8, 8 + length) if length >= _IN_TWO_BYTES else (0, 0)
    if data.startswith(_TEXT) and len(data) > 1 and _MASKED <= data[1] < _MASKED + _IN_TWO_BYTES:
        return 6, 6 + data[1] - _MASKED
    return 0, 0


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """XOR `payload` with the repeated four bytes of `mask` (RFC 6455 section 5.3): one long number, no loop."""
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")
