"""The short way for the frames that a call is made of: whole, masked, unfragmented text.

Autobahn takes every frame through a dozen hooks that can cut it anywhere, which is most of what a call costs.
Ninety-nine in a hundred of Twilio's frames are whole when they are read: those are unmasked and handed on here.
Whatever else comes (control frames, fragments, half a frame, errors) is left to Autobahn, untouched.
"""

from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol

_TEXT_IN_ONE_FRAME = 0x81  # FIN, no reserved bit, opcode 1: RFC 6455 section 5.2
_MASKED = 0x80
_LENGTH_IN_TWO_BYTES = 126


class WholeFrames(WebSocketServerProtocol):
    """A WebSocketServerProtocol that is quick with whole text frames. No extension may be negotiated."""

    current_frame: Any
    maxFramePayloadSize: int  # noqa: N815

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """From the transport; Autobahn's own way of it formats a debug line for each read."""
        if self.state == self.STATE_OPEN:
            self.data += data
            self.consumeData()
        else:
            super().dataReceived(data)

    def processData(self) -> bool:  # noqa: N802
        """Takes one frame from the buffered data; True where there may be another."""
        data = self.data
        if (
            len(data) < 6
            or data[0] != _TEXT_IN_ONE_FRAME
            or self.current_frame is not None
            or self.inside_message
            or self.state != self.STATE_OPEN
        ):
            return bool(super().processData())
        length = data[1] - _MASKED
        start = 6
        if length == _LENGTH_IN_TWO_BYTES:
            length = int.from_bytes(data[2:4])
            start = 8
            if length < _LENGTH_IN_TWO_BYTES:
                return bool(super().processData())  # not the shortest way to write it: Autobahn's to refuse
        end = start + length
        if not 0 <= length <= self.maxFramePayloadSize or len(data) < end or data[1] == _MASKED + 127:
            return bool(super().processData())
        self.data = data[end:]
        self.onMessage(unmasked(data[start:end], data[start - 4 : start]), False)
        return end < len(data)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """`payload` XOR the four bytes of `mask` over and over (RFC 6455 section 5.3): one long number, not a loop."""
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")
