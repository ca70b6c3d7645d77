"""A bound around what recognises utterances: so many at once, so many that wait, and no more."""

from typing import Final

from twisted.internet.defer import Deferred, DeferredSemaphore

from voicestt.recogniser import RecogniserError, Result
from voicestt.recognisers.single_shot import Recognise

WAITING: Final = 20


class FewAtOnce:
    """A Recognise that asks `recognise` for at most `at_once` utterances at a time, in the order they came.

    With `waiting` more in the queue the next fails at once, RESOURCE_EXHAUSTED: an answer that comes minutes late
    is worth less than a machine that still serves its calls.
    """

    def __init__(self, recognise: Recognise, *, at_once: int, waiting: int = WAITING) -> None:
        self._recognise = recognise
        self._most = at_once + waiting
        self._places = DeferredSemaphore(at_once)
        self._taken = 0
        self._stopping = False
        self._idle: Deferred[None] | None = None

    def __call__(self, audio: bytes) -> "Deferred[Result | None]":
        """One utterance in mu-law; fails with RecogniserError."""
        return Deferred.fromCoroutine(self._take(audio))

    async def stop(self) -> None:
        """What waits fails, and what comes; returns when what is under way has ended."""
        self._stopping = True
        if self._taken:
            self._idle = Deferred()
            await self._idle

    async def _take(self, audio: bytes) -> Result | None:
        if self._taken >= self._most:
            words = f"{self._taken} utterances are being recognised or wait for it: one more is not taken"
            raise RecogniserError("RESOURCE_EXHAUSTED", words)
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
