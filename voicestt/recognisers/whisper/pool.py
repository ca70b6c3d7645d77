"""Whisper on this machine: utterances are recognised in a bounded thread pool of its own.

Whisper is asked where Google failed, so every call may ask it at once: the pool is small, the others wait, and no
thread or model exists before the first utterance comes.
"""

from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from voicestt.recognisers.limit import ConcurrencyLimit
from voicestt.recognisers.port import RecogniserError, Result

THREADS: Final = 2
SOURCE: Final = "whisper"

Understand = Callable[[bytes], Result | None]


class Whisper:
    """A Recognise over `load`, which gives a blocking recogniser of utterances in mu-law, good for many threads.

    `load` is called in the pool when the first utterance comes, and again with the next one if it failed. It, and
    what it gives, raise RecogniserError; anything else they raise is a mistake: it is logged, and INTERNAL.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
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

    def __call__(self, audio: bytes) -> "Deferred[Result | None]":
        """Recognise one utterance (mu-law, any length): its final, or None if nothing was understood.

        Fails with RecogniserError.
        """
        return self._turns(audio)

    async def stop(self) -> None:
        """Fail the utterances that wait; return when those under way and the threads have ended."""
        await self._turns.stop()
        if self._pool.started:
            self._pool.stop()

    def _in_pool(self, audio: bytes) -> "Deferred[Result | None]":
        if not self._pool.started:
            self._pool.start()
        answer: Deferred[Result | None] = deferToThreadPool(self._reactor, self._pool, self._understand, audio)
        return answer

    def _understand(self, audio: bytes) -> Result | None:
        try:
            final = self._recogniser()(audio)
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
