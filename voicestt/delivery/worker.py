"""A thread for blocking work, done one piece after the other."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

T = TypeVar("T")

_Job = tuple[Callable[[], Any], "Deferred[Any]"]


class WorkerThread:
    """A worker thread that runs from `start` to `stop`.

    It is a daemon: work that does not end keeps no process alive.
    """

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ended: Deferred[None] = Deferred()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def do(self, work: Callable[[], T]) -> "Deferred[T]":
        """Runs `work` in the thread; the Deferred fires with its result.

        Cancelling stops the waiting, not the work.
        """
        done: Deferred[T] = Deferred()
        self._jobs.put((work, done))
        return done

    def stop(self) -> "Deferred[None]":
        """Ends the thread when its queued work is done; the Deferred fires then."""
        if self._thread.ident is None:
            return succeed(None)
        self._jobs.put(None)
        return self._ended

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            self._reactor.callFromThread(done.callback, _result(work))
        self._reactor.callFromThread(self._ended.callback, None)


def _result(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception:  # noqa: BLE001 - it is raised where it is waited for
        return Failure()
