"""A limit on concurrent recognitions of utterances; the others wait."""

from twisted.internet.defer import Deferred, DeferredSemaphore

from voicestt.recognisers.port import RecogniserError, Result
from voicestt.recognisers.single_shot import Recognise


class ConcurrencyLimit:
    """A Recognise that asks `recognise` for at most `at_once` utterances at a time, in the order they came.

    The others wait for their turn; cancelling the Deferred gives it up. The audio kept for them is bounded by
    `voicestt.audio.ledger.RetainedAudioLimit`.
    """

    def __init__(self, recognise: Recognise, *, at_once: int) -> None:
        self._recognise = recognise
        self._places = DeferredSemaphore(at_once)
        self._taken = 0
        self._stopping = False
        self._idle: Deferred[None] | None = None

    def __call__(self, audio: bytes) -> "Deferred[Result | None]":
        """Recognise one utterance in mu-law; fails with RecogniserError."""
        return Deferred.fromCoroutine(self._take(audio))

    async def stop(self) -> None:
        """Fail the utterances that wait and those still to come; return when the ones under way have ended."""
        self._stopping = True
        if self._taken:
            self._idle = Deferred()
            await self._idle

    async def _take(self, audio: bytes) -> Result | None:
        self._taken += 1
        try:
            return await self._in_turn(audio)
        finally:
            self._taken -= 1
            if self._idle is not None and not self._taken:
                idle, self._idle = self._idle, None
                idle.callback(None)

    async def _in_turn(self, audio: bytes) -> Result | None:
        await self._places.acquire()
        try:
            if self._stopping:
                raise RecogniserError("CANCELLED", "the server is being stopped")
            return await self._recognise(audio)
        finally:
            self._places.release()
