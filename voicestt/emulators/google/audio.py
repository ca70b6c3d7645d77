"""Decodes received audio to what the engines take: LINEAR16 at 8 kHz, whole samples."""

from dataclasses import dataclass

from voicestt.audio import mulaw


@dataclass(slots=True)
class AudioDecoder:
    """Decodes the audio of one stream, message by message; `encoding` is "LINEAR16" or "MULAW", both at 8 kHz.

    A client may cut its messages in the middle of a LINEAR16 sample: the odd byte waits for its other half.
    """

    encoding: str
    _odd: bytes = b""

    def feed(self, audio: bytes) -> bytes:
        """Decodes one message to LINEAR16 little-endian, as far as its samples are whole."""
        if self.encoding == "MULAW":
            return mulaw.decode(audio)
        if self._odd or len(audio) % 2:
            return self._whole_samples(audio)
        return audio

    def _whole_samples(self, audio: bytes) -> bytes:
        joined = self._odd + audio
        even = len(joined) & ~1
        self._odd = joined[even:]
        return joined[:even]
