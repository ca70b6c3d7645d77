"""A fast path for the usual frames of a call: whole, masked, unfragmented text.

Autobahn takes every frame through a dozen hooks that can cut it anywhere, which is most of what a call costs.
Ninety-nine in a hundred of Twilio's frames are whole when they are read, several at once: those are unmasked
together and handed on here.
All other data (control frames, fragments, half a frame, errors) is left to Autobahn, untouched.

A socket gets at most FRAMES_AT_ONCE frames of the reactor's turn: the rest waits, unread and uncopied, while other
sockets have theirs. Twilio sends fifty frames a second; a client that sends thousands delays only itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from autobahn.twisted.websocket import WebSocketServerProtocol

# FIN, no reserved bit, text; masked, and a length in two bytes: RFC 6455 section 5.2
_TEXT, _USUAL = b"\x81", b"\x81\xfe"
_MASKED = 0x80
_IN_TWO_BYTES = 126  # the shortest length that is written so
_SHORT_HEAD, _LONG_HEAD, _MASK = 6, 8, 4  # bytes; the mask is the head's end
_HEAD = bytes(_LONG_HEAD)  # XORed with heads, which are not masked
FRAMES_AT_ONCE = 64
FRAMES_PER_SECOND = 1_000  # in a flood: twenty times what a call sends

Span = tuple[int, int]
"""Start and end of a frame's payload."""


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

    def onMessages(self, payloads: Sequence[bytes]) -> bool:  # noqa: N802
        """Take messages that came together; False, before any is taken, if they are to be taken one by one."""
        return False

    def processData(self) -> bool:  # noqa: N802
        """Take frames from the buffered data; True if there may be another."""
        if self._frames_left <= 0:
            if not self._is_held:
                self._is_held = True
                self.hold(FRAMES_AT_ONCE / FRAMES_PER_SECOND)
            return False
        if not (self.current_frame or self.inside_message or self.state != self.STATE_OPEN):
            spans = text_spans(self.data, self._frames_left, self.maxFramePayloadSize)
            if spans:
                return self._take_run(spans)
        self._frames_left -= 1
        return bool(super().processData())

    def _take_run(self, spans: Sequence[Span]) -> bool:
        """Take the text frames at `spans`: together, or as far as nobody who gets one says otherwise."""
        data, frames_left = self.data, self._frames_left
        payloads = unmasked(data, spans)
        self.data = data[spans[-1][1] :]
        self._frames_left -= len(spans)
        if self.onMessages(payloads):
            return bool(self.data)
        self.data, self._frames_left = data, frames_left
        for (_, end), payload in zip(spans, payloads, strict=True):
            self._frames_left -= 1
            self.data = rest = data[end:]
            self.onMessage(payload, False)
            # Whoever gets a message may let the rest wait, have let it go on by now, or have closed the socket.
            if self._frames_left <= 0 or self.data is not rest or self.state != self.STATE_OPEN:
                break
        return bool(self.data)


def text_spans(data: bytes, most: int, largest: int) -> list[Span]:
    """Return where the payloads of the whole, unfragmented text frames at the start of `data` begin and end.

    At most `most`, up to the first frame that is another, is not whole, or is longer than `largest` bytes.
    """
    spans: list[Span] = []
    at, size = 0, len(data)
    while len(spans) < most:
        if data[at : at + 2] == _USUAL and at + _LONG_HEAD <= size:
            start = at + _LONG_HEAD
            length = data[at + 2] << 8 | data[at + 3]
            if length < _IN_TWO_BYTES:
                break
        elif data[at : at + 1] == _TEXT and at + 1 < size and _MASKED <= data[at + 1] < _MASKED + _IN_TWO_BYTES:
            start, length = at + _SHORT_HEAD, data[at + 1] - _MASKED
        else:
            break
        at = start + length
        if at > size or length > largest:
            break
        spans.append((start, at))
    return spans


def unmasked(data: bytes, spans: Sequence[Span]) -> list[bytes]:
    """XOR the payload at each of `spans` with the four bytes before it, repeated.

    Source: RFC 6455 section 5.3. All are XORed at once: for one frame numpy's start costs more than the work.
    """
    masks: list[bytes] = []
    at = 0
    for start, end in spans:
        masks += (_HEAD[: start - at], (data[start - _MASK : start] * ((end - start) // _MASK + 1))[: end - start])
        at = end
    masked = np.frombuffer(data, np.uint8, count=at)
    plain = np.bitwise_xor(masked, np.frombuffer(b"".join(masks), np.uint8)).tobytes()
    return [plain[start:end] for start, end in spans]
