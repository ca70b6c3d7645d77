"""The safety net: streaming while it is switched on and works, otherwise the single shot with the same audio.

This is the only place that opens recognisers for a call.
"""

from collections.abc import Callable
from dataclasses import replace

from twisted.logger import Logger

from voicestt import mulaw
from voicestt.ledger import Ledger
from voicestt.recogniser import Listener, Recogniser, RecogniserError, Result, Session
from voicestt.recognisers.single_shot import SingleShot

_RETAINED = 60 * mulaw.BYTES_PER_SECOND  # what one `recognize` takes


class Fallback:
    """A Recogniser over two: `streaming`, where `is_streaming()` says so when a call begins, and `single_shot`."""

    def __init__(self, streaming: Recogniser, single_shot: SingleShot, is_streaming: Callable[[], bool]) -> None:
        self._streaming = streaming
        self._single_shot = single_shot
        self._is_streaming = is_streaming

    def open(self, listener: Listener) -> Session:
        """A session by the way that the flag says."""
        if not self._is_streaming():
            return self._single_shot.open(listener)
        return FallbackSession(listener, self._streaming, self._single_shot)


class FallbackSession:
    """Streams, and keeps what no final has covered until the stream has proved that it is not needed any more."""

    _log = Logger()

    def __init__(self, listener: Listener, streaming: Recogniser, single_shot: SingleShot) -> None:
        self._listener = listener
        self._single_shot = single_shot
        self._ledger: Ledger | None = Ledger(_RETAINED)
        self._finished = False
        self._session: Session = streaming.open(self)

    def write(self, audio: bytes) -> None:
        """More audio, to whoever recognises it now."""
        if self._ledger is not None:
            self._ledger.receive(audio)
        self._session.write(audio)

    def finish(self) -> None:
        """No more audio."""
        self._finished = True
        self._session.finish()

    def abort(self) -> None:
        """Nobody listens any more."""
        self._session.abort()

    def heard(self, result: Result) -> None:
        """From the stream: a final covers the audio up to its end, or all of it where it does not say."""
        if result.is_final and self._ledger is not None:
            self._ledger.cover(result.end or self._ledger.received)
        self._listener.heard(result)

    def ended(self, error: RecogniserError | None) -> None:
        """From the stream: over as it should be, or the reason to fall back."""
        if error is None and not self._finished:
            error = RecogniserError("OK", "Google closed the stream before the call was over")
        if error is None or self._ledger is None:
            self._listener.ended(error)
        else:
            self._fall_back(error, self._ledger)

    def _fall_back(self, error: RecogniserError, ledger: Ledger) -> None:
        self._ledger = None
        rest = ledger.uncovered()
        self._log.warn(
            "Streaming failed: {error}. The call goes on with one request per utterance; "
            "the last {seconds:.1f} s of audio are recognised again.",
            error=error,
            seconds=mulaw.seconds(len(rest.audio)),
        )
        self._session = self._single_shot.resume(_Shifted(self._listener, rest.start), rest.audio)
        if self._finished:
            self._session.finish()


class _Shifted:
    """A listener whose session began at `start` of the call."""

    def __init__(self, listener: Listener, start: int) -> None:
        self._listener = listener
        self._start = start

    def heard(self, result: Result) -> None:
        self._listener.heard(replace(result, end=result.end + self._start) if result.end else result)

    def ended(self, error: RecogniserError | None) -> None:
        self._listener.ended(error)
