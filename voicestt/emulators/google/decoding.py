"""Turns a client's audio into what an engine takes: LINEAR16, 8 kHz, the first channel.

An engine's positions are samples at 8 kHz, so they are the stream's own time at any rate. The resampler is soxr's
LQ: it is flat to 3 kHz, lets nothing through from above 4 kHz, and is 40 to 60 ms behind until `finish`.
"""

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]

from voicestt.audio import mulaw
from voicestt.audio.transcode import InMemory
from voicestt.emulators.google.audio_format import (
    HIGHEST_RATE,
    LOWEST_RATE,
    AudioFormat,
    agreed,
    bad_config,
    read_wav_header,
)
from voicestt.emulators.google.limits import Refusal

ENGINE_RATE = 8_000
_QUALITY = "LQ"
NO_FLAC_STREAMS = "this local service takes FLAC in recordings only, not in streams."
_UNDETECTED = "this local service detects WAV (LINEAR16, MULAW) and FLAC only, and the audio is neither."

Samples = npt.NDArray[np.int16]


class _Resampler:
    """Resamples mono audio to 8 kHz, piece by piece."""

    def __init__(self, rate: int) -> None:
        self._stream = (
            None if rate == ENGINE_RATE else soxr.ResampleStream(rate, ENGINE_RATE, 1, "int16", _QUALITY)
        )

    def feed(self, samples: Samples, *, last: bool = False) -> bytes:
        if self._stream is None:
            return samples.tobytes()
        resampled: Samples = self._stream.resample_chunk(samples, last=last)
        return resampled.tobytes()


class AudioDecoder:
    """Decodes the audio of one stream, message by message; messages may be cut anywhere, in samples and headers.

    A WAV header, where the audio begins with one, says the format if the client does not. Raises `Refusal`.
    """

    def __init__(self, asked: AudioFormat) -> None:
        if asked.encoding == "FLAC":
            raise bad_config(NO_FLAC_STREAMS)
        self.format = asked
        self._resampler: _Resampler | None = None
        self._head = b""
        self._partial = b""
        self._left: int | None = None

    def feed(self, audio: bytes) -> bytes:
        """Decode one message, as far as its moments are whole."""
        if self._resampler is not None:
            return self._decoded(audio)
        self._head += audio
        return self._begun(is_last=False)

    def finish(self) -> bytes:
        """Return what the resampler still holds, after the last message."""
        rest = self._begun(is_last=True) if self._resampler is None and self._head else b""
        if self._resampler is None:
            return b""
        return rest + self._resampler.feed(np.zeros(0, np.int16), last=True)

    def _begun(self, *, is_last: bool) -> bytes:
        """Look at the beginning: a header, raw audio, or too little to tell."""
        head = self._head
        if not is_last and len(head) < 4 and b"RIFF".startswith(head):
            return b""
        if head.startswith(b"RIFF"):
            header = read_wav_header(head)
            if header is None:
                return b""
            self.format = agreed(self.format, header.format)
            self._left, head = header.size, head[header.start :]
        elif not self.format.encoding or not self.format.rate:
            raise bad_config(NO_FLAC_STREAMS if head.startswith(b"fLaC") else _UNDETECTED)
        self._head = b""
        self._resampler = _Resampler(self.format.rate)
        return self._decoded(head)

    def _decoded(self, audio: bytes) -> bytes:
        if self._left is not None:
            audio = audio[: self._left]
            self._left -= len(audio)
        resampler, frame = self._resampler, self.format.frame
        if self._partial or len(audio) % frame:
            joined = self._partial + audio
            whole = len(joined) // frame * frame
            audio, self._partial = joined[:whole], joined[whole:]
        if resampler is None or not audio:
            return b""
        return resampler.feed(_first_channel(audio, self.format))


def _first_channel(audio: bytes, layout: AudioFormat) -> Samples:
    linear = mulaw.decode(audio) if layout.encoding == "MULAW" else audio
    samples: Samples = np.frombuffer(linear, "<i2")
    return samples if layout.channels == 1 else np.ascontiguousarray(samples[:: layout.channels])


class ClientRecording:
    """The audio of a whole recording: its format and `seconds` are known before any of it is decoded.

    Raises `Refusal` for what is not what the client says.
    """

    def __init__(self, content: bytes, asked: AudioFormat) -> None:
        self._content = content
        self._flac: Any = None
        self.format, size = asked, len(content)
        if content.startswith(b"RIFF"):
            header = read_wav_header(content)
            if header is None:
                raise bad_config("the WAV file has no audio.")
            self.format = agreed(asked, header.format)
            size = min(len(content) - header.start, size if header.size is None else header.size)
        elif content.startswith(b"fLaC"):
            self._flac = _opened(content)
            self.format = _flac_format(self._flac, asked)
        elif content and not (asked.encoding in {"LINEAR16", "MULAW"} and asked.rate):
            raise bad_config(_UNDETECTED)
        self.seconds = self._flac.frames / self.format.rate if self._flac else self.format.seconds(size)

    def pcm(self) -> bytes:
        """Decode all of it to LINEAR16, 8 kHz, the first channel."""
        if self._flac is None:
            decoder = AudioDecoder(self.format)
            return decoder.feed(self._content) + decoder.finish()
        resampler = _Resampler(self.format.rate)
        soundfile = import_module("soundfile")
        try:
            samples = self._flac.read(dtype="int16", always_2d=True)[:, 0]
        except (soundfile.SoundFileError, MemoryError) as error:
            raise _bad_flac() from error
        return resampler.feed(np.ascontiguousarray(samples)) + resampler.feed(np.zeros(0, np.int16), last=True)


def _opened(content: bytes) -> Any:
    try:
        soundfile = import_module("soundfile")
    except ImportError as error:
        raise bad_config(
            "this local service reads FLAC with soundfile, which is missing: pip install '.[embedded]' in "
            "voicestt's folder, or soundfile alone."
        ) from error
    try:
        return soundfile.SoundFile(InMemory(content))
    except (soundfile.SoundFileError, TypeError) as error:
        raise _bad_flac() from error


def _flac_format(flac: Any, asked: AudioFormat) -> AudioFormat:
    if asked.rate not in {0, flac.samplerate}:
        raise bad_config("Sample rate in request does not match FLAC header.")
    found = AudioFormat("FLAC", flac.samplerate, flac.channels)
    if not LOWEST_RATE <= found.rate <= HIGHEST_RATE:
        raise bad_config("bad sample rate hertz.")
    return agreed(asked, found, "FLAC")


def _bad_flac() -> Refusal:
    return bad_config("bad FLAC header or audio.")
