"""A queue that brings an engine's results, and speech events, from any thread, to the service's loop, in order."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from voicestt.emulators.google.speech_activity import SpeechEvent
from voicestt.recognisers.whisper.engine.port import EngineResult


class ResultQueue:
    """An `EngineListener`, made on the loop's thread; `wake` is called on the loop after each result.

    With a `delay` (wall seconds, may be changed) everything arrives so much later.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None], delay: float = 0.0) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._wake = wake
        self.delay = delay
        self._late: deque[Callable[[], None]] = deque()
        self._heard: list[EngineResult | SpeechEvent] = []
        self.is_over = False
        self.error: Exception | None = None

    def heard(self, heard: EngineResult | SpeechEvent) -> None:
        """Queue a partial, a final or a speech event."""
        self._on_loop(lambda: self._heard.append(heard))

    def ended(self, error: Exception | None) -> None:
        """Queue the end of the results."""
        self._on_loop(lambda: self._over(error))

    def take(self) -> list[EngineResult | SpeechEvent]:
        """Return the results and events since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def _over(self, error: Exception | None) -> None:
        self.is_over = True
        self.error = error

    def _on_loop(self, said: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread:
            self._arrived(said)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived, said)

    def _arrived(self, said: Callable[[], None]) -> None:
        if self.delay or self._late:
            self._late.append(said)
            self._loop.call_later(self.delay, self._deliver_late)
        else:
            self._deliver(said)

    def _deliver_late(self) -> None:
        self._deliver(self._late.popleft())  # timers due at once fire in any order; results keep theirs

    def _deliver(self, said: Callable[[], None]) -> None:
        said()
        self._wake()
