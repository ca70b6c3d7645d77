"""Whisper on this machine: utterances are recognised in a bounded thread pool of its own.

Whisper is asked where Google failed, so every call may ask it at once: the pool is small, the others wait, and no
thread or model exists before the first utterance comes.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Final, Protocol, runtime_checkable

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.recognisers.single_shot import Recognise
from voicestt.runtime.idle import Idle
from voicestt.runtime.reactor import ReactorLike

THREADS: Final = 2
SOURCE: Final = "whisper"


@runtime_checkable
class TunableUnderstand(Protocol):
    """A blocking recogniser of utterances that takes a call's own options."""

    def __call__(self, audio: bytes) -> Result | None:
        """Recognise one utterance in mu-law."""
        ...

    def understand_with(self, audio: bytes, options: RecognitionOptions) -> Result | None:
        """Recognise one utterance in mu-law."""
        ...


Understand = Callable[[bytes], Result | None] | TunableUnderstand


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
        self._idle = Idle(lambda: not self._taken)

    def __call__(self, audio: bytes, otherwise: Recognise | None = None) -> "Deferred[Result | None]":
        """Recognise one utterance in mu-law, by `otherwise` if it is given; fails with RecogniserError."""
        return Deferred.fromCoroutine(self._take(audio, otherwise or self._recognise))

    async def stop(self) -> None:
        """Fail the utterances that wait and those still to come; return when the ones under way have ended."""
        self._stopping = True
        await self._idle.wait()

    async def _take(self, audio: bytes, recognise: Recognise) -> Result | None:
        self._taken += 1
        try:
            return await self._in_turn(audio, recognise)
        finally:
            self._taken -= 1
            self._idle.look()

    async def _in_turn(self, audio: bytes, recognise: Recognise) -> Result | None:
        await self._places.acquire()
        try:
            if self._stopping:
                raise RecogniserError("CANCELLED", "the server is being stopped")
            return await recognise(audio)
        finally:
            self._places.release()


class Whisper:
    """A Recognise over `load`, which gives a blocking recogniser of utterances in mu-law, good for many threads.

    `load` is called in the pool when the first utterance comes, and again with the next one if it failed. It, and
    what it gives, raise RecogniserError; anything else they raise is a mistake: it is logged, and INTERNAL.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ReactorLike,
        load: Callable[[], Understand],
        *,
        threads: int = THREADS,
    ) -> None:
        self._reactor = reactor
        self._load = load
        self._lock = Lock()
        self._loaded: Understand | None = None
        self._pool = ThreadPool(0, threads, name="whisper")
        self._turns = ConcurrencyLimit(self._in_pool, at_once=threads)

    def __call__(self, audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        """Recognise one utterance (mu-law, any length): its final, or None if nothing was understood.

        Fails with RecogniserError.
        """
        return self._turns(audio, None if options is None else partial(self._in_pool, options=options))

    async def stop(self) -> None:
        """Fail the utterances that wait; return when those under way and the threads have ended."""
        await self._turns.stop()
        if self._pool.started:
            self._pool.stop()

    def _in_pool(self, audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        if not self._pool.started:
            self._pool.start()
        answer: Deferred[Result | None] = deferToThreadPool(
            self._reactor, self._pool, self._understand, audio, options
        )
        return answer

    def _understand(self, audio: bytes, options: RecognitionOptions | None) -> Result | None:
        try:
            understand = self._recogniser()
            if isinstance(understand, TunableUnderstand) and options is not None:
                final = understand.understand_with(audio, options)
            else:
                final = understand(audio)
            return final and replace(final, source=SOURCE)
        except RecogniserError:
            raise
        except Exception as problem:  # noqa: BLE001 - logged, and one call's mistake is not the others'
            self._log.failure("Whisper could not recognise an utterance; the calls go on.")
            raise RecogniserError("INTERNAL", f"Whisper failed ({type(problem).__name__})") from None

    def _recogniser(self) -> Understand:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded
