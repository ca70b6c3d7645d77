"""Endpointing: the start and end of utterances, from voiced and unvoiced frames.

Pure: audio is the only clock, and all positions are samples at 8 kHz since the stream's start. A segment
opens when enough frames of a short window are voiced, reaches back by a pre-roll for the soft beginning of the
first word, and closes after a pause. A segment that grows too long is cut where its last seconds are quietest,
which is hardly ever inside a word, and the next one starts at the cut. On a line whose noise passes for a voice
there is no pause: such a segment is cut earlier, in a gap between words.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import webrtcvad  # type: ignore[import-untyped]

SAMPLES_PER_MS = 8
SAMPLES_PER_FRAME = 160
BYTES_PER_FRAME = 320

_GAP_FRAMES = 3  # what is quiet between two words lasts about so long
_CLEAR_GAP_FRAMES = 8  # longer than the closure of a t or a k within a word, which lasts 50 to 100 ms
_CLEARLY_QUIETER = 0.35  # 9 dB below the loud frames
_AS_QUIET = 1.1  # times as loud as the quietest place, and it is as quiet
_LOUD_FRAMES = 90  # the percentile of the frames' loudness
_LOOKS_FOR_GAPS = 10  # frames from one look to the next


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for the start and end of speech, in milliseconds; each is understood in whole 20 ms frames.

    Speech starts when `voiced_ms` of the last `window_ms` are voiced, and its segment begins `pre_roll_ms`
    before the first of those voiced frames. It ends when nothing was voiced for `pause_ms`. It is cut when
    its segment lasts `longest_ms`, where its last `cut_within_ms` are quietest; and from `early_ms` on (0: never),
    within the same time, in the quietest 160 ms, if they are 9 dB quieter than the speech around them.
    """

    voiced_ms: int = 100
    window_ms: int = 160
    pre_roll_ms: int = 400
    pause_ms: int = 600
    longest_ms: int = 14_000
    cut_within_ms: int = 2_000
    early_ms: int = 0

    def __post_init__(self) -> None:
        if not 20 <= self.voiced_ms <= self.window_ms:
            raise ValueError("voiced_ms must be between 20 and window_ms")
        if self.pre_roll_ms < 0 or self.pause_ms < 20:
            raise ValueError("pre_roll_ms cannot be negative, and pause_ms must be at least one frame (20)")
        if self.longest_ms < self.window_ms + self.pre_roll_ms + self.pause_ms:
            raise ValueError("longest_ms must hold at least window_ms, pre_roll_ms and pause_ms together")
        if self.early_ms and not self.cut_within_ms < self.early_ms <= self.longest_ms:
            raise ValueError("early_ms must be longer than cut_within_ms, and no longer than longest_ms")


@dataclass(frozen=True, slots=True)
class Segment:
    """An utterance: the samples [start, end) of the stream.

    The pause that ended it is part of it. `cut` says that its length ended it instead: speech went on, and the
    next segment, if anything voiced follows, starts exactly at `end`. `voiced_until` is the end of the last
    voiced frame in it; a segment is the same segment without it.
    """

    start: int
    end: int
    cut: bool
    voiced_until: int = field(default=0, compare=False)


class Endpointer:
    """Finder of the segments of one stream. `is_voiced` judges one 20 ms frame (320 bytes of LINEAR16)."""

    def __init__(self, is_voiced: Callable[[bytes], bool], rules: Rules | None = None) -> None:
        rules = rules or Rules()
        self._is_voiced = is_voiced
        self._enough = rules.voiced_ms // 20
        self._window: deque[bool] = deque(maxlen=rules.window_ms // 20)
        self._pre_roll = rules.pre_roll_ms // 20 * SAMPLES_PER_FRAME
        self._pause = rules.pause_ms // 20 * SAMPLES_PER_FRAME
        self._longest = rules.longest_ms // 20 * SAMPLES_PER_FRAME
        self._early = (rules.early_ms or rules.longest_ms) // 20 * SAMPLES_PER_FRAME
        self._partial_frame = b""
        self._judged = 0
        self._start: int | None = None
        self._detected_at = 0
        self._last_end = 0
        self._last_voiced = 0
        self._loudness: deque[float] = deque(maxlen=rules.cut_within_ms // 20)

    @property
    def position(self) -> int:
        """The number of samples written."""
        return self._judged + len(self._partial_frame) // 2

    @property
    def speaking_since(self) -> int | None:
        """The start of the running segment, pre-roll included; None between segments."""
        return self._start

    @property
    def detected_at(self) -> int:
        """The sample at which the running segment was known to be speech, after its start; 0 before the first."""
        return self._detected_at

    @property
    def last_voiced(self) -> int:
        """The end of the last voiced frame, 0 before the first one."""
        return self._last_voiced

    @property
    def needed_from(self) -> int:
        """The first sample that a segment not yet completed can contain: older audio may be forgotten."""
        if self._start is not None:
            return self._start
        return self._reach_back(self._judged - len(self._window) * SAMPLES_PER_FRAME)

    def write(self, pcm: bytes) -> list[Segment]:
        """Judge `pcm` (LINEAR16 little-endian, 8 kHz, mono, whole samples); return the segments it completes.

        Frames may be split over any number of writes; the segments are the same however they are.
        """
        if len(pcm) % 2:
            raise ValueError("LINEAR16 audio has two bytes for each sample; this has an odd number of bytes")
        audio = self._partial_frame + pcm
        whole = len(audio) - len(audio) % BYTES_PER_FRAME
        self._partial_frame = audio[whole:]
        frames = (audio[at : at + BYTES_PER_FRAME] for at in range(0, whole, BYTES_PER_FRAME))
        return [segment for frame in frames if (segment := self._judge(frame)) is not None]

    def begin(self) -> None:
        """Declare that speech is going on from the current position; without effect while a segment runs."""
        if self._start is None:
            self._open(self.position)

    def cover(self, position: int) -> None:
        """Mark the audio before `position` as recognised; a running segment goes on from there if a voice does."""
        self._last_end = max(self._last_end, position)
        if self._start is not None:
            self._start = max(self._start, position)
            if self._last_voiced <= self._start:
                self._start = None
                self._window.clear()

    def finish(self) -> Segment | None:
        """Close and return the running segment, up to the last sample written; None if nobody was speaking."""
        return self._close(self.position, cut=False)

    def _judge(self, frame: bytes) -> Segment | None:
        voiced = self._is_voiced(frame)
        self._judged += SAMPLES_PER_FRAME
        self._window.append(voiced)
        if voiced:
            self._last_voiced = self._judged
        if self._start is not None:
            self._loudness.append(_loudness_of(frame))
            return self._ending(self._start)
        if sum(self._window) >= self._enough:
            frames_ago = len(self._window) - self._window.index(True)
            self._open(self._reach_back(self._judged - frames_ago * SAMPLES_PER_FRAME))
        return None

    def _open(self, start: int) -> None:
        self._start = start
        self._loudness.clear()
        self._detected_at = max(self._judged, start)

    def _reach_back(self, from_sample: int) -> int:
        return max(from_sample - self._pre_roll, self._last_end)

    def _ending(self, start: int) -> Segment | None:
        silent_since = max(self._last_voiced, start)
        if self._judged - silent_since >= self._pause:
            return self._close(self._judged, cut=False)
        if self._judged - start >= self._longest:
            return self._cut(self._frames_since_quietest())
        if self._judged - start >= self._early and self._judged // SAMPLES_PER_FRAME % _LOOKS_FOR_GAPS == 0:
            gap = self._frames_since_gap()
            return None if gap is None else self._cut(gap)
        return None

    def _cut(self, frames_ago: int) -> Segment | None:
        quietest = self._judged - frames_ago * SAMPLES_PER_FRAME
        segment = self._close(quietest, cut=True)
        self._open(quietest)
        return segment

    def _close(self, end: int, *, cut: bool) -> Segment | None:
        start, self._start = self._start, None
        self._window.clear()
        if start is None or self._last_voiced <= start:
            return None  # nothing was voiced after a cut or a begin()
        self._last_end = end
        return Segment(start, end, cut, min(self._last_voiced, end))

    def _frames_since_quietest(self) -> int:
        """Count the frames since the middle of the quietest gap, the latest of equals; 0 if nothing is quieter."""
        loudness = list(self._loudness)
        gaps = [sum(loudness[at - _GAP_FRAMES : at]) for at in range(_GAP_FRAMES, len(loudness) + 1)]
        if not gaps or min(gaps) == gaps[-1]:
            return 0
        return gaps[::-1].index(min(gaps)) + 1

    def _frames_since_gap(self) -> int | None:
        """Return how long ago the middle of the quietest clear gap was, the latest of equals; None without one."""
        loudness = np.array(self._loudness)
        quiet = loudness <= _CLEARLY_QUIETER * np.percentile(loudness, _LOUD_FRAMES)
        window = np.ones(_CLEAR_GAP_FRAMES)
        is_gap = np.convolve(quiet, window, "valid") == _CLEAR_GAP_FRAMES
        if not is_gap.any():
            return None
        sums = np.convolve(loudness, window, "valid")
        # A soft beginning of a word is quieter than the speech around it too: the quietest place is none.
        places = np.flatnonzero(is_gap & (sums <= _AS_QUIET * sums[is_gap].min()))
        latest = places[np.flatnonzero(np.diff(places, prepend=-2) > 1)[-1] :]  # as one unbroken stretch
        return int(len(loudness) - latest[len(latest) // 2]) - _CLEAR_GAP_FRAMES // 2


def _loudness_of(frame: bytes) -> float:
    return float(np.abs(np.frombuffer(frame, "<i2").astype(np.int32)).mean())


def webrtc_voicing(mode: int) -> Callable[[bytes], bool]:
    """Make a WebRTC voice activity detector for 20 ms frames at 8 kHz; it has a memory: one for each stream.

    `mode` is 0 (most frames pass as voiced) to 3 (fewest).
    """
    detector = webrtcvad.Vad(mode)

    def is_voiced(frame: bytes) -> bool:
        return bool(detector.is_speech(frame, 8_000))

    return is_voiced
