"""The options of one call's recognition, which may change while it goes on, and recognisers that follow them.

A change is on trial until a service has answered to it. One that is refused before is taken back: the call goes on
as before.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.port import Recogniser, RecogniserError, Result, ResultListener, Session

RecogniseWith = Callable[[bytes, RecognitionOptions | None], "Deferred[Result | None]"]


@runtime_checkable
class TunableRecogniser(Protocol):
    """A recogniser of streams that takes options."""

    def open_with(self, listener: ResultListener, options: RecognitionOptions) -> Session:
        """Open a session with these options."""
        ...


class Tuning:
    """One call's options: `options` are those of its next stream or request, None for the server's own.

    `changes` counts the changes.
    """

    def __init__(self, options: RecognitionOptions | None = None) -> None:
        self.options = self._own = options
        self._former: RecognitionOptions | None = None
        self._is_on_trial = False
        self.changes = 0

    def change(self, change: RecognitionOptions) -> bool:
        """Apply `change` to the options; one that says nothing restores those of the call's start.

        Returns False if that changes nothing.
        """
        before = self.options
        after = change.over(before or RecognitionOptions()) if change.said else self._own
        if after == before:
            return False
        if not self._is_on_trial:
            self._former = before
        self.options, self._is_on_trial = after, True
        self.changes += 1
        return True

    def proved(self) -> None:
        """Note that a service has answered to the options: they are not taken back any more."""
        self._is_on_trial = False

    def take_back(self, error: RecogniserError) -> bool:
        """Restore the former options, if `error` refuses those on trial for good; return whether that was done."""
        if not (self._is_on_trial and error.is_fatal):
            return False
        self.options, self._is_on_trial = self._former, False
        self.changes += 1
        return True


class TunedStreams:
    """A Recogniser that opens streams of `streaming` with the options of a call."""

    def __init__(self, streaming: Recogniser, tuning: Tuning) -> None:
        self._streaming = streaming
        self._tuning = tuning

    def open(self, listener: ResultListener) -> Session:
        """Open a session with the options that the call has now."""
        options = self._tuning.options
        if options is None or not isinstance(self._streaming, TunableRecogniser):
            return self._streaming.open(listener)
        return self._streaming.open_with(listener, options)


class TunedRequests:
    """A Recognise that asks `recognise` with the options of a call; a change that is refused is taken back."""

    def __init__(
        self, recognise: RecogniseWith, tuning: Tuning, refused: Callable[[RecogniserError], object]
    ) -> None:
        self._recognise = recognise
        self._tuning = tuning
        self._refused = refused

    def __call__(self, audio: bytes) -> "Deferred[Result | None]":
        """Recognise one utterance in mu-law."""
        changes = self._tuning.changes
        return self._recognise(audio, self._tuning.options).addCallbacks(
            self._answered, self._failed, callbackArgs=(changes,), errbackArgs=(audio, changes)
        )

    def _answered(self, result: Result | None, changes: int) -> Result | None:
        if changes == self._tuning.changes:
            self._tuning.proved()
        return result

    def _failed(self, failure: Failure, audio: bytes, changes: int) -> "Failure | Deferred[Result | None]":
        error = failure.value
        if not isinstance(error, RecogniserError) or not error.is_fatal:
            return failure
        if changes == self._tuning.changes and self._tuning.take_back(error):
            self._refused(error)
        if changes == self._tuning.changes:
            return failure
        return self._recognise(audio, self._tuning.options)
