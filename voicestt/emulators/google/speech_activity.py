"""Where speech begins and ends in a stream: the events of voice activity, and the time-outs that end a stream.

Sources: StreamingRecognitionConfig and SpeechEventType in v1's cloud_speech.proto, StreamingRecognitionFeatures in
v2's. Voice is whatever is louder than a quiet line for 60 ms; it has ended when nothing was for 400 ms. An event's
time is where the voice began or ended, and it is told 60 ms or 400 ms of audio later, before the results of what
follows.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_LOUD = 500
_RATE = 8_000
_FRAME = 160
_FRAMES_OF_VOICE = 3
_PAUSE = 3_200


class SpeechEventKind(enum.IntEnum):
    """The speech events, by their numbers on the wire; v2 has no time-out among them."""

    END_OF_SINGLE_UTTERANCE = 1
    SPEECH_ACTIVITY_BEGIN = 2
    SPEECH_ACTIVITY_END = 3
    SPEECH_ACTIVITY_TIMEOUT = 4


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """One event, at sample `at` (8 kHz) of the stream."""

    kind: SpeechEventKind
    at: int


@dataclass(frozen=True, slots=True)
class ActivityRequest:
    """The events and time-outs that a client wants.

    `start` and `end` are seconds of audio without speech at the beginning, and after speech; 0: for ever.
    """

    events: bool = False
    start: float = 0.0
    end: float = 0.0


NO_ACTIVITY = ActivityRequest()


def activity_of(features: Any) -> ActivityRequest:
    """Read a message with `voice_activity_timeout`; without the events the time-outs have no effect."""
    if not features.enable_voice_activity_events:
        return NO_ACTIVITY
    asked = features.voice_activity_timeout
    return ActivityRequest(True, _seconds(asked.speech_start_timeout), _seconds(asked.speech_end_timeout))


class SpeechIsOver(Exception):
    """The end of a stream by a time-out."""


class SpeechActivity:
    """Finds the speech in the audio of one stream."""

    def __init__(self, request: ActivityRequest = NO_ACTIVITY) -> None:
        self._request = request
        self._rest: npt.NDArray[np.int16] = np.empty(0, np.int16)
        self._frames = 0
        self._loud_frames = 0
        self._is_speaking = False
        self._has_begun = False
        self._first_loud = self._loud_end = 0

    def split(self, pcm: bytes) -> Iterator[bytes | SpeechEvent]:
        """Yield LINEAR16 at 8 kHz as it came, cut where events are told, and those; a time-out ends it."""
        if not self._request.events:
            yield pcm
            return
        samples = np.concatenate((self._rest, np.frombuffer(pcm, "<i2")))
        given = len(self._rest)
        whole = len(samples) // _FRAME * _FRAME
        self._rest = samples[whole:]
        loud = np.abs(samples[:whole].astype(np.int32)).reshape(-1, _FRAME) > _LOUD
        for number, frame in enumerate(loud, 1):
            for event in self._judge(frame):
                yield samples[given : number * _FRAME].tobytes()
                given = number * _FRAME
                yield event
                if event.kind is SpeechEventKind.SPEECH_ACTIVITY_TIMEOUT:
                    return
        yield samples[given:].tobytes()

    def finish(self) -> Iterator[SpeechEvent]:
        """Yield the end of a voice that the audio's end cut off."""
        if self._is_speaking:
            yield self._ended()

    def _judge(self, frame: npt.NDArray[np.bool_]) -> Iterator[SpeechEvent]:
        start = self._frames * _FRAME
        self._frames += 1
        places = np.flatnonzero(frame)
        if len(places):
            if not self._loud_frames:
                self._first_loud = start + int(places[0])
            self._loud_frames += 1
            if self._is_speaking or self._loud_frames >= _FRAMES_OF_VOICE:
                self._loud_end = start + int(places[-1]) + 1
                yield from self._speech()
        else:
            self._loud_frames = 0
            yield from self._silence(start + _FRAME)

    def _speech(self) -> Iterator[SpeechEvent]:
        if not self._is_speaking:
            self._is_speaking = self._has_begun = True
            yield SpeechEvent(SpeechEventKind.SPEECH_ACTIVITY_BEGIN, self._first_loud)

    def _silence(self, now: int) -> Iterator[SpeechEvent]:
        limit = self._request.end if self._has_begun else self._request.start
        silent = now - self._loud_end
        is_over = bool(limit) and silent >= limit * _RATE
        if self._is_speaking and (is_over or silent >= _PAUSE):
            yield self._ended()
        if is_over:
            yield SpeechEvent(SpeechEventKind.SPEECH_ACTIVITY_TIMEOUT, now)

    def _ended(self) -> SpeechEvent:
        self._is_speaking = False
        return SpeechEvent(SpeechEventKind.SPEECH_ACTIVITY_END, self._loud_end)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)
