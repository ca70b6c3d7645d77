"""The engine's threads: a few workers take turns at the work of many streams.

A stream is worked on by one thread at a time, one piece at a time, so its results come in order. Between pieces
it goes to the back of the queue; a stream with something urgent to say goes before the others.
"""

from threading import Condition, Thread
from typing import Protocol


class DecodeWork(Protocol):
    """Work for a thread: a stream with something to decode."""

    def is_urgent(self) -> bool:
        """Tell whether this work goes before others; quick, called with the queue held."""
        ...

    def work(self) -> None:
        """Do one piece, if there is any left; must not raise."""
        ...


class Workers:
    """A pool of `count` daemon threads, started by the first `offer`."""

    def __init__(self, count: int) -> None:
        self._changed = Condition()
        self._waiting: dict[DecodeWork, None] = {}
        self._working: set[DecodeWork] = set()
        self._offered_again: set[DecodeWork] = set()
        self._count = count
        self._threads: list[Thread] = []
        self._closed = False

    def offer(self, work: DecodeWork) -> None:
        """Queue one more call of `work.work()`; an offer that still waits is not doubled."""
        with self._changed:
            if self._closed:
                return
            if work in self._working:
                self._offered_again.add(work)
            else:
                self._waiting[work] = None
                self._changed.notify()
            self._start_threads()

    def close(self) -> None:
        """Drop the queue, let running pieces end and end the threads. Not to be called from one of them."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _start_threads(self) -> None:
        while len(self._threads) < self._count:
            thread = Thread(target=self._run, name=f"whisper-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            work.work()
            self._done(work)

    def _next(self) -> DecodeWork | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            urgent = (work for work in self._waiting if work.is_urgent())
            work = next(urgent, next(iter(self._waiting)))
            del self._waiting[work]
            self._working.add(work)
            return work

    def _done(self, work: DecodeWork) -> None:
        with self._changed:
            self._working.discard(work)
            again = work in self._offered_again
            self._offered_again.discard(work)
        if again:
            self.offer(work)
