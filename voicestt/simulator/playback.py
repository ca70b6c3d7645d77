"""The loudspeaker at the caller's ear: what the server sent is played in its own time, and marks come back.

Times are seconds of the caller's clock, handed in; nothing here reads one.
"""

from collections import deque

from voicestt.mulaw import BYTES_PER_SECOND
from voicestt.simulator.problems import CallRefused
from voicestt.simulator.server_messages import Audio, Clear, Mark, ServerMessage

MOST_BUFFERED_SECONDS = 600


class Playback:
    """What waits to be played. `received` is everything that came, in order, cleared or not."""

    def __init__(self) -> None:
        self.received = bytearray()
        self._silent_from = 0.0
        self._marks: deque[tuple[float, str]] = deque()
        self._cleared: list[str] = []

    def take(self, message: ServerMessage, now: float) -> None:
        """One message of the server's; raises `CallRefused` with 31931 when too much waits already."""
        match message:
            case Audio(mulaw):
                self._play(mulaw, now)
            case Mark(name):
                self._marks.append((max(now, self._silent_from), name))
            case Clear():
                self._clear(now)

    def played(self, now: float) -> list[str]:
        """The names of the marks that are due, in order; each is given once."""
        due, self._cleared = self._cleared, []
        while self._marks and self._marks[0][0] <= now:
            due.append(self._marks.popleft()[1])
        return due

    def next_due(self) -> float | None:
        """When the next mark comes back; None where none waits."""
        if self._cleared:
            return 0.0
        return self._marks[0][0] if self._marks else None

    def _play(self, audio: bytes, now: float) -> None:
        begins = max(now, self._silent_from)
        if begins - now > MOST_BUFFERED_SECONDS:
            raise CallRefused("more than ten minutes of audio wait to be played; the newest is dropped", 31931)
        self.received += audio
        self._silent_from = begins + len(audio) / BYTES_PER_SECOND

    def _clear(self, now: float) -> None:
        self._silent_from = now
        self._cleared += [name for _, name in self._marks]
        self._marks.clear()
