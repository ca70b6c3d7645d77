"""The encoding of a client's audio: read from the API's messages or a WAV header, or refused as Google does.

Raw LINEAR16 and MULAW have any rate from 8,000 to 48,000 Hz, LINEAR16 up to eight channels; a WAV file says of
itself what it is. The sentences are those users of the real service quote, as far as they are known.
"""

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from voicestt.audio.transcode import WAV_MULAW, WAV_PCM, BadSound, wav_layout
from voicestt.emulators.google.limits import Code, Refusal

LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000
MOST_CHANNELS = 8
_V1_ENCODINGS = {1: "LINEAR16", 2: "FLAC", 3: "MULAW"}
_V2_ENCODINGS = {1: "LINEAR16", 2: "MULAW", 6: "FLAC"}
_BYTES_PER_SAMPLE = {"LINEAR16": 2, "MULAW": 1}
_OURS = (
    "this local service takes LINEAR16, MULAW, WAV files of the two, and FLAC; Google itself takes more encodings."
)
_SAYS_NOTHING = "the WAV header does not say what is in it."
_LONGEST_HEADER = 65_536
_ENDLESS = frozenset({0, 0xFFFF_FFFF, 0x7FFF_FFFF})
"""What programs that write to a pipe say of the audio's length."""


def bad_config(words: str) -> Refusal:
    """Return v1's refusal of a configuration."""
    return Refusal(Code.INVALID_ARGUMENT, f"Invalid recognition 'config': {words}")


def bad_field(field: str, words: str) -> Refusal:
    """Return v2's refusal of one field of a configuration."""
    return Refusal(Code.INVALID_ARGUMENT, f"The RecognitionConfig proto is invalid:\n  * {field}: {words}")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The encoding, samples a second and channels of audio; "" and 0 are for a WAV header to say."""

    encoding: str = "LINEAR16"
    rate: int = LOWEST_RATE
    channels: int = 1

    @property
    def frame(self) -> int:
        """The bytes of one moment, all channels together."""
        return _BYTES_PER_SAMPLE.get(self.encoding, 1) * max(1, self.channels)

    def seconds(self, size: int) -> float:
        """Return the duration of `size` bytes, in seconds; 0 while the rate is unknown."""
        return size / (self.rate * self.frame) if self.rate else 0.0


def format_of_v1(config: Any, head: bytes = b"") -> AudioFormat:
    """Read the format in v1's RecognitionConfig; `head` is how a recording begins. Raises `Refusal`.

    Encoding and rate may be left out for a file with a header.
    """
    has_header = head[:4] in {b"RIFF", b"fLaC"}
    if config.encoding == 0 and not has_header:
        raise bad_config("bad encoding..")
    encoding = _known(config.encoding, _V1_ENCODINGS)
    rate, channels = config.sample_rate_hertz, config.audio_channel_count or 1
    if not LOWEST_RATE <= rate <= HIGHEST_RATE and not (rate == 0 and has_header):
        raise bad_config("bad sample rate hertz.")
    if not 1 <= channels <= (1 if encoding == "MULAW" else MOST_CHANNELS):
        raise bad_config("Invalid audio channel count")
    if channels > 1 and config.enable_separate_recognition_per_channel:
        raise bad_config("this local service recognises the first channel only; send each channel by itself.")
    return AudioFormat(encoding, rate, channels)


def format_of_v2(config: Any) -> AudioFormat:
    """Read the format in v2's RecognitionConfig; without numbers where it is to be detected. Raises `Refusal`."""
    if config.features.multi_channel_mode and config.explicit_decoding_config.audio_channel_count != 1:
        raise bad_field(
            "features.multi_channel_mode",
            "this local service recognises the first channel only",
        )
    if config.HasField("auto_decoding_config"):
        return AudioFormat("", 0, 0)
    decoding = config.explicit_decoding_config
    if not config.HasField("explicit_decoding_config") or decoding.encoding == 0:
        raise bad_field("decoding_config", "an encoding must be given, or auto_decoding_config: bad encoding..")
    encoding = _known(decoding.encoding, _V2_ENCODINGS)
    if not LOWEST_RATE <= decoding.sample_rate_hertz <= HIGHEST_RATE:
        raise bad_field("explicit_decoding_config.sample_rate_hertz", "bad sample rate hertz.")
    channels = decoding.audio_channel_count
    if channels < 1:
        words = f"Invalid audio channel count value: {channels}. Values must be non-negative."
        raise Refusal(Code.INVALID_ARGUMENT, words)
    if channels > MOST_CHANNELS:
        raise bad_field("explicit_decoding_config.audio_channel_count", "the maximum allowed value is 8")
    return AudioFormat(encoding, decoding.sample_rate_hertz, channels)


def _known(number: int, encodings: dict[int, str]) -> str:
    if number and number not in encodings:
        raise bad_config(_OURS)
    return encodings.get(number, "")


class WavStart(NamedTuple):
    """A WAV file's format, where its audio begins, and how many bytes of audio follow; None: all that comes."""

    format: AudioFormat
    start: int
    size: int | None


def read_wav_header(head: bytes) -> WavStart | None:
    """Read the header of a WAV file from its first bytes; None while more are needed. Raises `Refusal`."""
    layout: AudioFormat | None = None
    at = 12
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        body = at + 8
        if name == b"data":
            if layout is None:
                raise bad_config(_SAYS_NOTHING)
            return WavStart(layout, body, None if size in _ENDLESS else size)
        if name == b"fmt " and body + size <= len(head):
            layout = _layout(head[body : body + size])
        at = body + size + size % 2
    if at > _LONGEST_HEADER:
        raise bad_config("the WAV header is longer than this local service takes.")
    return None


def _layout(chunk: bytes) -> AudioFormat:
    try:
        layout = wav_layout(chunk)
    except BadSound as error:
        raise bad_config(_SAYS_NOTHING) from error
    encoding = {(WAV_PCM, 16): "LINEAR16", (WAV_MULAW, 8): "MULAW"}.get((layout.kind, layout.bits))
    if encoding is None:
        raise bad_config(f"the WAV header says format {layout.kind} of {layout.bits} bits; {_OURS}")
    if not LOWEST_RATE <= layout.rate <= HIGHEST_RATE:
        raise bad_config("bad sample rate hertz.")
    if not 1 <= layout.channels <= MOST_CHANNELS:
        raise bad_config("Invalid audio channel count")
    return AudioFormat(encoding, layout.rate, layout.channels)


def agreed(asked: AudioFormat, found: AudioFormat, header: str = "WAV") -> AudioFormat:
    """Return the format that a header says, where the client says the same or nothing; raises `Refusal`."""
    if asked.encoding and asked.encoding != found.encoding:
        raise bad_config(
            f"encoding ({asked.encoding}) in RecognitionConfig must either be unspecified or match the value in "
            f"the {header} header ({found.encoding})."
        )
    if asked.rate and asked.rate != found.rate:
        raise bad_config(
            f"sample_rate_hertz ({asked.rate}) in RecognitionConfig must either be unspecified or match the value "
            f"in the {header} header ({found.rate})."
        )
    if asked.channels and asked.channels != found.channels:
        raise bad_config(
            f"Must use single channel (mono) audio, but {header} header indicates {found.channels} channels."
            if asked.channels == 1
            else f"audio_channel_count ({asked.channels}) does not match the {header} header ({found.channels})."
        )
    return found
