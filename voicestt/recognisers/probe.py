"""A probe of streaming: a short silent stream, shared by all calls that ask meanwhile."""

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
    """Opens a stream, sends a fifth of a second of silence and closes it: healthy if that ends well."""

    def __init__(self, clock: Clock, streaming: Recogniser) -> None:
        self._streaming = streaming
        self._timer = Timer(clock)
        self._waiting: list[Answer] = []
        self._session: Session | None = None

    def ask(self, answer: Answer) -> None:
        """Call `answer` with the outcome; those who ask meanwhile share one stream."""
        self._waiting.append(answer)
        if self._session is None:
            self._session = self._streaming.open(self)
            self._session.write(_SILENCE)
            self._session.finish()
            self._timer.set(_PATIENCE, self._too_late)

    def heard(self, _result: Result) -> None:
        """Ignore the result: silence has no words."""

    def ended(self, error: RecogniserError | None) -> None:
        """Answer by the stream's end."""
        self._answer(error is None)

    def stop(self) -> None:
        """Abort the probe without an answer."""
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
