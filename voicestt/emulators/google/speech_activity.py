"""The time-outs of speech: a stream ends by itself when nobody has begun to speak, or has spoken on.

Source: StreamingRecognitionConfig.VoiceActivityTimeout of v1's and v2's cloud_speech.proto. Voice is whatever is
louder than a quiet line.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

_LOUD = 500
_RATE = 8_000


@dataclass(frozen=True, slots=True)
class SpeechTimeouts:
    """Seconds of audio without speech at the start, and after speech, that end a stream; 0: none do."""

    start: float = 0.0
    end: float = 0.0


NO_TIMEOUTS = SpeechTimeouts()


def timeouts_of(features: Any) -> SpeechTimeouts:
    """Read the time-outs of a message with `voice_activity_timeout`; without the events they have no effect."""
    if not features.enable_voice_activity_events:
        return NO_TIMEOUTS
    asked = features.voice_activity_timeout
    return SpeechTimeouts(_seconds(asked.speech_start_timeout), _seconds(asked.speech_end_timeout))


class SpeechIsOver(Exception):
    """The end of a stream by a time-out."""


class SpeechActivity:
    """Watches the audio of one stream for speech."""

    def __init__(self, timeouts: SpeechTimeouts = NO_TIMEOUTS) -> None:
        self._timeouts = timeouts
        self._has_begun = False
        self._silent = 0

    def feed(self, pcm: bytes) -> None:
        """Take LINEAR16 at 8 kHz; raise SpeechIsOver at a time-out."""
        if self._timeouts == NO_TIMEOUTS:
            return
        loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) > _LOUD)
        samples = len(pcm) // 2
        self._silent = samples - 1 - int(loud[-1]) if len(loud) else self._silent + samples
        self._has_begun = self._has_begun or bool(len(loud))
        limit = self._timeouts.end if self._has_begun else self._timeouts.start
        if limit and self._silent >= limit * _RATE:
            raise SpeechIsOver


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)
