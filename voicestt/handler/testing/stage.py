"""The stage of simulated calls: the test's thread is the reactor's, and the test moves the time."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from voicestt.handler.outcome import waiting_by
from voicestt.handler.testing.activity import (
    Action,
    Activity,
    PatientWait,
    SimulatedReactor,
)
from voicestt.handler.testing.loop import SimulatedLoop
from voicestt.handler.testing.problems import CallIsOver, HandlerFailed, HandlerHangs
from voicestt.runtime.thread_pool import DaemonThreadPool, Value

_HANDLERS = ("voicestt.handler.", "voicestt.runtime.")
_MOMENT = 0.01
_STOP_STEP = 0.5  # seconds of the test's time, while handlers are being stopped


class _Pool(DaemonThreadPool):
    """A real pool, whose functions wait for outcomes in the test's time."""

    def __init__(self, most: int, name: str, activity: Activity, wait: PatientWait) -> None:
        super().__init__(most, name, activity)
        self._activity = activity
        self._wait = wait

    def run(self, function: Callable[[], Value]) -> Any:
        def run() -> Value:
            with self._activity.in_thread(), waiting_by(self._wait):
                return function()

        return super().run(run)


@implementer(ILogObserver)
class Stage:
    """Makes the handlers' loop and threads, and finds when they have nothing more to do.

    `patience` are real seconds: a handler that computes, or blocks, for longer hangs.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._activity = Activity()
        self.reactor = SimulatedReactor(self._activity)
        self._wait = PatientWait(self._activity, self.reactor)
        self._when_quiet: deque[Action] = deque()
        self._failures: deque[HandlerFailed] = deque()
        self._loop: SimulatedLoop | None = None
        self._hangs = self._has_stopped = False
        self.warnings: list[str] = []
        globalLogPublisher.addObserver(self)

    def __call__(self, event: Any) -> None:
        """Collect the handlers' warnings and failures from the log, in any thread."""
        if not str(event.get("log_namespace", "")).startswith(_HANDLERS):
            return
        if event["log_level"] is LogLevel.warn:
            self.warnings.append(formatEvent(event))
        failure = event.get("log_failure")
        if failure is not None:
            self._failures.append(_problem(formatEvent(event), failure))

    def make_loop(self) -> SimulatedLoop:
        """Make the handlers' loop."""
        self._loop = SimulatedLoop(self._activity, self.reactor.seconds)
        return self._loop

    def make_threads(self, most: int, name: str) -> DaemonThreadPool:
        """Make a thread pool for handlers."""
        return _Pool(most, name, self._activity, self._wait)

    @property
    def tasks(self) -> int:
        """The number of tasks made on the loop."""
        return 0 if self._loop is None else self._loop.tasks

    def when_quiet(self, action: Action) -> None:
        """Run `action` when nothing else is left to be done at this time."""
        self._when_quiet.append(action)

    def settle(self) -> None:
        """Return when nothing more will happen before the test does something.

        Raises:
            HandlerFailed: if a handler raised something.
            HandlerHangs: if it takes too long.
        """
        self._rest()
        self.raise_failure()

    def advance(self, seconds: float, *, to: Callable[[], bool] = lambda: False, raises: bool = True) -> None:
        """Move time on, from one thing that is due to the next, for `seconds` or until `to` is true.

        Unless it `raises`, what handlers raise is kept for `raise_failure`.
        """
        settle = self.settle if raises else self._rest
        end = self.reactor.seconds() + seconds
        settle()
        while not to() and (now := self.reactor.seconds()) < end:
            self._go_on(min(self._next_due(), end) - now)
            settle()

    def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait in real time, until `condition` is true or `seconds` have passed, for something from outside."""
        deadline = time.monotonic() + seconds
        self.settle()
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"what was waited for has not come within {seconds:g} s")
            self._activity.wait(_MOMENT)
            self.settle()

    def run_out(self, done: "Deferred[Any]") -> None:
        """Move time on until `done` has fired, whatever is blocked."""
        moment = _MOMENT if self._hangs else self._patience
        fired: list[object] = []
        done.addBoth(fired.append)
        while not fired:
            deadline = time.monotonic() + moment
            try:
                while not fired and self._turn(deadline):
                    pass
            except HandlerHangs:
                moment = _MOMENT
            if not fired:
                self._go_on(_STOP_STEP)

    def leave(self) -> None:
        """Stop watching the log; nothing can be played from here on."""
        self._has_stopped = True
        globalLogPublisher.removeObserver(self)

    def raise_failure(self) -> None:
        """Raise the handlers' oldest failure, if any, and forget it."""
        if self._failures:
            raise self._failures.popleft()

    def _rest(self) -> None:
        if self._has_stopped:
            raise CallIsOver("the simulated server has stopped: nothing can happen any more")
        deadline = time.monotonic() + self._patience
        while self._turn(deadline):
            pass

    def _turn(self, deadline: float) -> bool:
        """Do one action in the test's thread; return False if there was none."""
        self.reactor.clock.advance(0)
        try:
            action = self._activity.take(deadline)
        except HandlerHangs:
            self._hangs = True
            raise
        if action is None:
            if not self._when_quiet:
                return False
            action = self._when_quiet.popleft()
        action()
        return True

    def _go_on(self, seconds: float) -> None:
        self.reactor.clock.advance(seconds)
        if self._loop is not None:
            self._loop.wake()

    def _next_due(self) -> float:
        due = [call.getTime() for call in self.reactor.clock.getDelayedCalls()]
        on_loop = None if self._loop is None else self._loop.next_due()
        return min([*due, float("inf") if on_loop is None else on_loop])


def _problem(words: str, failure: Failure) -> HandlerFailed:
    problem = failure.value
    failed = HandlerFailed(f"{words}\n{type(problem).__name__}: {problem}")
    if problem is not None:
        failed.__cause__ = problem.with_traceback(failure.getTracebackObject())
    return failed
