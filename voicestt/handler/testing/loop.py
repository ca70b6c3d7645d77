"""An asyncio loop in the test's time, which tells when it is idle."""

import asyncio
import heapq
import selectors
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

from voicestt.handler.testing.activity import Activity

Value = TypeVar("Value")
Values = TypeVarTuple("Values")


class _Selector(selectors.DefaultSelector):
    """Selector that counts the loop as idle while it waits for events."""

    def __init__(self, activity: Activity) -> None:
        super().__init__()
        self._activity = activity
        self._is_busy = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            self._work()
            return super().select(timeout)
        self._rest()
        try:
            # Timers are due when the test says so, which wakes us: they are no reason to return.
            return super().select(None)
        finally:
            self._work()

    def _work(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self._activity.begin()

    def _rest(self) -> None:
        if self._is_busy:
            self._is_busy = False
            self._activity.end()


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Event loop in the time `seconds`; whoever changes the time calls `wake`. `tasks` counts the tasks made."""

    def __init__(self, activity: Activity, seconds: Callable[[], float]) -> None:
        self._activity = activity
        self._seconds_of_test = seconds
        self._due: list[float] = []
        self._due_lock = threading.Lock()
        self.tasks = 0
        super().__init__(_Selector(activity))

    def time(self) -> float:
        """Return the test's time."""
        return self._seconds_of_test()

    def run_forever(self) -> None:
        """Run until stopped; the thread is marked, so that a handler that blocks it is found."""
        with self._activity.in_thread():
            super().run_forever()

    def wake(self) -> None:
        """Wake the loop, because the time has changed."""
        with suppress(RuntimeError):  # it is closed
            self.call_soon_threadsafe(lambda: None)

    def next_due(self) -> float | None:
        """Return the time when the next timer is due, which may have been cancelled; None without one."""
        with self._due_lock:
            while self._due and self._due[0] <= self.time():
                heapq.heappop(self._due)
            return self._due[0] if self._due else None

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Values]], object],
        *arguments: *Values,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer, and note when it is due."""
        with self._due_lock:
            heapq.heappush(self._due, when)
        return super().call_at(when, callback, *arguments, context=context)

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Values]], object],
        *arguments: *Values,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Hand over a callback, which counts as work under way until the loop has called it."""
        self._activity.begin()
        try:
            return super().call_soon_threadsafe(callback, *arguments, context=context)
        finally:
            self._end_behind()

    def _end_behind(self) -> None:
        try:
            super().call_soon_threadsafe(self._activity.end)
        except RuntimeError:  # the loop is closed
            self._activity.end()

    def run_in_executor(
        self, executor: Any, function: Callable[[Unpack[Values]], Value], *arguments: *Values
    ) -> "asyncio.Future[Value]":
        """Run `function` in a thread, for `asyncio.to_thread` too; under way until the loop has the result."""
        future = super().run_in_executor(executor, function, *arguments)
        self._activity.begin()
        future.add_done_callback(lambda _: self._activity.end())
        return future

    def create_task(self, *arguments: Any, **options: Any) -> "asyncio.Task[Any]":
        """Start a task, and count it."""
        self.tasks += 1
        return super().create_task(*arguments, **options)
