"""Detection of the end of the caller's turn: a final, and then silence for long enough.

Google gives a final in the middle of a thought as well, at any breath. An application that answers waits for the
end of the turn instead: no word after the final, and no voice in the audio. A sound like a voice that becomes no
word, and a partial that never becomes a final, are waited for four times as long, no longer. Time is counted in
audio, as everywhere; the clock is only asked if no audio comes, in a gap or on hold. Voices are looked for only
between a final and the end of the turn.
"""

from collections import deque
from collections.abc import Callable

from voicestt.audio import mulaw
from voicestt.audio.vad import VoiceEar
from voicestt.runtime.clock import Clock, Timer

_KEPT = 4 * mulaw.BYTES_PER_SECOND  # a final comes 0.3 to 1.6 s after its last word
_PATIENCE = 4  # times the silence
_WARM_UP = mulaw.BYTES_PER_SECOND // 2  # a fresh ear takes its first frames for a voice


class TurnWatch:
    """Watch on one call. `silence` is in bytes of mu-law; `over` is called with the position where it began."""

    def __init__(self, clock: Clock, silence: int, over: Callable[[int], None]) -> None:
        self._clock = clock
        self._silence = silence
        self._over = over
        self._kept: deque[tuple[int, bytes]] = deque()
        self._received = 0
        self._is_pending = False
        self._goes_on = False
        self._quiet_since = 0
        self._words_at = 0
        self._ear = VoiceEar(0)
        self._hold = Timer(clock)
        self._paused_at: float | None = None

    @property
    def silent_for(self) -> float:
        """Seconds since the silence began."""
        paused = 0.0 if self._paused_at is None else self._clock.seconds() - self._paused_at
        return mulaw.seconds(self._received - self._quiet_since) + paused

    def pause(self, seconds: float) -> None:
        """Count silence by the clock, because no audio has come for `seconds`."""
        self._paused_at = self._clock.seconds() - seconds
        if self._is_pending:
            self._wait_for_audio()
            self._end_if_silent()

    def audio(self, batch: bytes) -> None:
        """Take more audio of the call, mu-law."""
        self._paused_at = None
        start = self._received
        self._received += len(batch)
        self._kept.append((start, batch))
        while self._kept[0][0] < self._received - _KEPT:
            self._kept.popleft()
        if self._is_pending:
            self._listen(batch)
            self._end_if_silent()

    def partial(self) -> None:
        """Note that the caller goes on."""
        self._goes_on = True
        self._words_at = self._quiet_since = self._received

    def final(self, end: int) -> None:
        """Note a final up to position `end` (0 if that is not known), and wait for silence after it."""
        self._is_pending = True
        self._goes_on = False
        self._words_at = self._received
        self._quiet_since = min(end, self._received)
        self._listen_from(self._quiet_since)
        self._wait_for_audio()
        self._end_if_silent()

    def finish(self) -> None:
        """End the turn, if there is one: no more audio or words will come."""
        if self._is_pending:
            self._end()

    def _listen_from(self, position: int) -> None:
        heard = [(start, batch) for start, batch in self._kept if start + len(batch) > position - _WARM_UP]
        self._ear = VoiceEar(heard[0][0] if heard else self._received)
        for _, batch in heard:
            self._listen(batch)

    def _listen(self, batch: bytes) -> None:
        self._quiet_since = max(self._quiet_since, self._ear.hear(batch))

    def _end_if_silent(self) -> None:
        is_silent = self.silent_for >= mulaw.seconds(self._silence)
        is_long_ago = self._received - self._words_at >= _PATIENCE * self._silence
        if is_silent and is_long_ago if self._goes_on else is_silent or is_long_ago:
            self._end()

    def _end(self) -> None:
        self._is_pending = False
        self._hold.cancel()
        self._over(self._quiet_since)

    def _wait_for_audio(self) -> None:
        received = self._received

        def look() -> None:
            if self._received == received and not self._goes_on:
                self._end()
            elif self._is_pending:
                self._wait_for_audio()

        silence = mulaw.seconds(self._silence)
        self._hold.set(silence if self._paused_at is None else max(0.0, silence - self.silent_for), look)
