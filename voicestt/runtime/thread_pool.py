"""A bounded pool for blocking functions. Its threads never keep the process from ending."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any, Protocol, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True, eq=False)
class _Job:
    function: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)

    def do(self) -> None:
        try:
            value = self.function()
        except BaseException as problem:  # noqa: BLE001 - whoever asked is told; the thread goes on
            self.future.set_exception(problem)
        else:
            self.future.set_result(value)


class Work(Protocol):
    """Counter of a pool's functions that wait or run; a test knows by it when there is nothing to wait for."""

    def begin(self) -> None:
        """Count one more function."""
        ...

    def end(self) -> None:
        """Count a function as done: its outcome was told, or it was cancelled or given up."""
        ...


class DaemonThreadPool:
    """Runs at most `most` functions at once, in the order they came, in threads made when they are needed.

    The standard library's pool is joined when the interpreter ends: one function that never returns would keep
    the server from stopping. These threads are daemons, and one that is given up is replaced.
    """

    def __init__(self, most: int, name: str, work: Work | None = None) -> None:
        self._most = most
        self._name = name
        self._counted = work
        self._changed = Condition()
        self._jobs: deque[_Job] = deque()
        self._given_up: set[Future[Any]] = set()
        self._idle = self._alive = self._made = 0
        self._stopped = False

    @property
    def alive(self) -> int:
        """The number of threads, without those that were given up."""
        with self._changed:
            return self._alive

    def run(self, function: Callable[[], Value]) -> "Future[Value]":
        """Run `function` in a thread; return the future of its outcome, which is cancelled after `stop`."""
        job = _Job(function)
        with self._changed:
            if self._stopped:
                job.future.cancel()
                return job.future
            self._count(1)
            self._jobs.append(job)
            self._engage()
        return job.future

    def give_up(self, future: "Future[Any]") -> None:
        """Give up on a function: it is not begun, or its thread counts no longer."""
        with self._changed:
            if future.cancel() or future.done():
                return
            self._given_up.add(future)
            self._alive -= 1
            self._count(-1)
            self._engage()

    def stop(self) -> None:
        """Take no more functions and cancel those not begun. Nobody waits for the ones that run."""
        with self._changed:
            self._stopped = True
            waiting = list(self._jobs)
            self._jobs.clear()
            self._changed.notify_all()
        for job in waiting:
            job.future.cancel()
            self._count(-1)

    def _count(self, change: int) -> None:
        if self._counted is not None:
            (self._counted.begin if change > 0 else self._counted.end)()

    def _engage(self) -> None:
        if len(self._jobs) > self._idle and self._alive < self._most:
            self._alive += 1
            self._made += 1
            Thread(target=self._work, name=f"{self._name}-{self._made}", daemon=True).start()
        else:
            self._changed.notify()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if job.future.set_running_or_notify_cancel():
                job.do()
                if self._is_given_up(job.future):
                    return
            self._count(-1)
            del job  # or an idle thread would keep the last call alive

    def _next(self) -> _Job | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._jobs or self._stopped)
            self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._alive -= 1
            return None

    def _is_given_up(self, future: "Future[Any]") -> bool:
        with self._changed:
            if future not in self._given_up:
                return False
            self._given_up.remove(future)
            return True
