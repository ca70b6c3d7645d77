"""Tries a request to Google with a silent stream: does Google take it, and what of it?"""

from dataclasses import dataclass

from twisted.internet.defer import Deferred

from voicestt.audio import mulaw
from voicestt.ops.gonogo.run_context import RunContext
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.request import RecognitionRequest, target_of
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.runtime.loop_thread import SessionThread

_SILENCE = mulaw.SILENCE * (mulaw.BYTES_PER_SECOND // 2)
_ATTEMPTS = 6  # Google may refuse features one after the other, and then the model


@dataclass(frozen=True, slots=True)
class TriedRequest:
    """The outcome of a trial: the error that remained, and the `request` that Google takes."""

    error: RecogniserError | None
    request: RecognitionRequest


class _Ear:
    """A listener that waits for the end of a stream and ignores results: silence has no words."""

    def __init__(self) -> None:
        self.end: Deferred[RecogniserError | None] = Deferred()

    def heard(self, _result: Result) -> None:
        pass

    def ended(self, error: RecogniserError | None) -> None:
        if not self.end.called:
            self.end.callback(error)


async def try_request(context: RunContext, request: RecognitionRequest) -> TriedRequest:
    """Stream half a second of silence to Google with `request`, and without what it refuses."""
    thread = SessionThread(context.reactor)
    thread.start()
    try:
        google = GoogleRecogniser([thread], target_of(context.settings), request)
        error = None
        for _ in range(_ATTEMPTS):
            error = await _silent_stream(google)
            if error is None or error.status != "ABORTED":
                break
        return TriedRequest(error, google.features.request)
    finally:
        await thread.stop()


async def _silent_stream(google: GoogleRecogniser) -> RecogniserError | None:
    ear = _Ear()
    session = google.open(ear)
    session.write(_SILENCE)
    session.finish()
    try:
        return await ear.end
    finally:
        session.abort()
