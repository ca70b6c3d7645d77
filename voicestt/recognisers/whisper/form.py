"""The multipart form of an OpenAI-compatible endpoint: a recording and its options."""

import io
import secrets
import wave
from collections.abc import Mapping
from dataclasses import dataclass

from voicestt.audio import mulaw


@dataclass(frozen=True, slots=True)
class Form:
    """The body of a POST and the value of its Content-Type."""

    content_type: str
    body: bytes


def form_of(audio: bytes, fields: Mapping[str, str]) -> Form:
    """Encode `audio` (mu-law) as `file`, with `fields` and `response_format`; values have no line ends."""
    boundary = f"voicestt-{secrets.token_hex(16)}"
    parts = [
        _part(boundary, f'name="{name}"', value.encode())
        for name, value in {**fields, "response_format": "json"}.items()
    ]
    recording = b"Content-Type: audio/wav\r\n"
    parts.append(_part(boundary, 'name="file"; filename="utterance.wav"', wav_of(audio), recording))
    return Form(f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()]))


def wav_of(audio: bytes) -> bytes:
    """Make a WAV file (LINEAR16, 8 kHz, mono) of mu-law `audio`."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(mulaw.BYTES_PER_SECOND)
        writer.writeframes(mulaw.decode(audio))
    return file.getvalue()


def _part(boundary: str, names: str, content: bytes, more_headers: bytes = b"") -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {names}\r\n".encode()
    return b"".join([head, more_headers, b"\r\n", content, b"\r\n"])
