"""Encodes a client's WebSocket frames and decodes a server's (RFC 6455 section 5), without a library."""

import os
import struct

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A


def masked(opcode: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """Encodes one frame; `opcode` is its first byte, `mask` four bytes, random and not all zero if not given.

    The mask matters: a receiver may take a shortcut for a mask of zeros, and Twilio's masks are not zero.
    """
    key = mask or os.urandom(3) + b"\x5a"
    size = len(payload)
    length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    number = int.from_bytes(payload, "little") ^ int.from_bytes((key * (size // 4 + 1))[:size], "little")
    return bytes([opcode]) + length + key + number.to_bytes(size, "little")


def unmasked(inbox: bytearray) -> tuple[int, bytes] | None:
    """Takes one whole frame of the server off `inbox`: its first byte and its payload; None if there is none."""
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
