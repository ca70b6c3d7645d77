"""Whether streaming works: a short silent stream, asked for by however many calls at once."""

from collections.abc import Callable

from voicestt.audio import mulaw
from voicestt.recognisers.port import (
    Recogniser,
    RecogniserError,
    Result,
    Session,
)
from voicestt.runtime.clock import Clock, Timer

_PATIENCE = 5.0
_SILENCE = mulaw.SILENCE * (mulaw.BYTES_PER_SECOND // 5)

Answer = Callable[[bool], None]


class Probe:
    """Opens a stream, gives it a fifth of a second of silence and closes it: healthy if that ends well."""

    def __init__(self, clock: Clock, streaming: Recogniser) -> None:
        self._streaming = streaming
        self._timer = Timer(clock)
        self._waiting: list[Answer] = []
        self._session: Session | None = None

    def ask(self, answer: Answer) -> None:
        """Calls `answer` when it is known; those who ask meanwhile share one stream."""
        self._waiting.append(answer)
        if self._session is None:
            self._session = self._streaming.open(self)
            self._session.write(_SILENCE)
            self._session.finish()
            self._timer.set(_PATIENCE, self._too_late)

    def heard(self, _result: Result) -> None:
        """Silence has no words."""

    def ended(self, error: RecogniserError | None) -> None:
        """From the stream."""
        self._answer(error is None)

    def stop(self) -> None:
        """Nobody waits any more."""
        self._waiting.clear()
        if self._session is not None:
            self._session.abort()
            self._answer(False)

    def _too_late(self) -> None:
        if self._session is not None:
            self._session.abort()
        self._answer(False)

    def _answer(self, is_healthy: bool) -> None:
        self._timer.cancel()
        self._session = None
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer(is_healthy)
