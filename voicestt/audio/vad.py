"""Voice activity detection in a piece of audio, or in a whole call.

webrtcvad judges 20 ms frames; its lenient mode hears a voice in much that is none, its strict mode misses some,
and nearly everything of a talker at -50 dBFS. A fresh one takes its first frames for a voice whatever they are, so
a call has one that runs on (`VoiceTrack`). Silero's model tells speech from other sounds far better, at sixty
times the cost (7 ms of CPU for a second of a call; the whole call costs 2.3): where it matters, the recogniser
itself is asked instead, see `recognisers.hang_detection`.
"""

from collections.abc import Callable, Iterator

from voicestt.audio import mulaw
from voicestt.audio.endpointing import BYTES_PER_FRAME, webrtc_voicing
from voicestt.audio.source import AudioSource

_LENIENT, _STRICT = 0, 3
_FRAME = mulaw.BYTES_PER_FRAME
_PRE_ROLL = mulaw.BYTES_PER_SECOND // 2
_WARM_UP = mulaw.BYTES_PER_SECOND // 2
_AT_ONCE = 5 * mulaw.BYTES_PER_SECOND  # 250 frames: about a millisecond


class VoiceTrack:
    """Track of possible voice in a call's audio: each frame is judged at most once, in order, leniently.

    Frames are judged when somebody asks about them: those that are settled before then are not.
    """

    def __init__(self, ledger: AudioSource) -> None:
        self._ledger = ledger
        self._is_voiced = webrtc_voicing(_LENIENT)
        self._start = self._end = ledger.start
        self._judged = 0
        self._voiced = bytearray()

    @property
    def may_wait(self) -> bool:
        """True if judging may be put off: the detector is warm, and what waits can be judged at once later."""
        waits = self._ledger.received - max(self._end, self._ledger.start)
        return self._judged >= _WARM_UP and waits < _AT_ONCE

    def silent_until(self, start: int) -> int:
        """Return the position up to which there can be no word from `start` on: 0.5 s before the next voice."""
        self._follow()
        first = self._voiced.find(1, max(0, start - self._start) // _FRAME)
        if first < 0:
            return max(start, self._end - _PRE_ROLL)
        return max(start, self._start + first * _FRAME - _PRE_ROLL)

    def seconds_of_speech(self, start: int, end: int) -> float:
        """Return the seconds of the bytes [start, end) of the call that may be a voice."""
        self._follow()
        first, last = (max(0, position - self._start) // _FRAME for position in (start, end))
        return self._voiced.count(1, first, last) * mulaw.seconds(_FRAME)

    def _follow(self) -> None:
        ledger = self._ledger
        if self._end < ledger.start:  # it was let go before anybody asked
            self._start = self._end = ledger.start
            self._voiced.clear()
        whole = (ledger.received - self._end) // _FRAME * _FRAME
        if whole:
            self._voiced += bytes(_judged(self._is_voiced, ledger.read(self._end, whole)))
            self._end += whole
            self._judged += whole
        old = (ledger.start - self._start) // _FRAME
        if old > 0:
            del self._voiced[:old]
            self._start += old * _FRAME


class VoiceEar:
    """Detector of certain voice in audio that comes piece by piece, from position `start` of a call on.

    It runs on from piece to piece: a fresh detector takes its first frames for a voice whatever they are.
    """

    def __init__(self, start: int) -> None:
        self._is_voiced = webrtc_voicing(_STRICT)
        self._at = start
        self._rest = b""

    def hear(self, audio: bytes) -> int:
        """Return the call's position where the last voiced frame of the mu-law `audio` ends; 0 for none."""
        audio = self._rest + audio
        whole = len(audio) // _FRAME * _FRAME
        self._rest = audio[whole:]
        last = 0
        for number, is_voiced in enumerate(_judged(self._is_voiced, audio[:whole]), 1):
            if is_voiced:
                last = self._at + number * _FRAME
        self._at += whole
        return last


def silent_until(audio: bytes) -> int:
    """Return the bytes of mu-law `audio`, from its start, that can hold no word: up to 0.5 s before a voice."""
    frames = enumerate(_voiced_frames(audio, _LENIENT))
    first = next((frame * _FRAME for frame, is_voiced in frames if is_voiced), len(audio))
    return max(0, first - _PRE_ROLL)


def is_silent(audio: bytes) -> bool:
    """Return True if no frame of mu-law `audio` has a voice in it."""
    return not any(_voiced_frames(audio, _LENIENT))


def seconds_of_speech(audio: bytes) -> float:
    """Return the seconds of mu-law `audio` that are certainly a voice."""
    return sum(_voiced_frames(audio, _STRICT)) * mulaw.seconds(_FRAME)


def _voiced_frames(audio: bytes, mode: int) -> Iterator[bool]:
    return _judged(webrtc_voicing(mode), audio)


def _judged(is_voiced: Callable[[bytes], bool], audio: bytes) -> Iterator[bool]:
    """Judge each whole frame of mu-law `audio`, in order."""
    pcm = mulaw.decode(audio)
    whole = len(pcm) - len(pcm) % BYTES_PER_FRAME
    return (is_voiced(pcm[at : at + BYTES_PER_FRAME]) for at in range(0, whole, BYTES_PER_FRAME))
