"""Tracking of the work in other threads: a test goes on when there is none."""

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from zope.interface import implementer

from voicestt.handler.testing.problems import HandlerHangs
from voicestt.runtime.reactor import ReactorLike

Action = Callable[[], object]

_SHOWN_LINES = 6


class Activity:
    """Counter of threads and hand-overs under way, and queue of the actions they hand to the test's thread.

    A worker that passes work on begins the next piece before it ends its own: at zero only the test can begin any.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._handed: deque[Action] = deque()
        self._threads: set[int] = set()

    def begin(self) -> None:
        """Count one more piece of work under way."""
        with self._changed:
            self._count += 1

    def end(self) -> None:
        """Count one piece of work as done."""
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def hand(self, action: Action) -> None:
        """Queue `action` for the test's thread."""
        with self._changed:
            self._handed.append(action)
            self._changed.notify_all()

    def take(self, deadline: float) -> Action | None:
        """Take the oldest action handed over; None if there is none and no work is under way.

        Raises:
            HandlerHangs: if neither is so by `deadline`, a `time.monotonic()`.
        """
        with self._changed:
            if not self._changed.wait_for(self._has_news, max(0.0, deadline - time.monotonic())):
                raise HandlerHangs(f"the handler does not come to rest:\n{self._where()}")
            return self._handed.popleft() if self._handed else None

    def wait(self, seconds: float) -> None:
        """Wait `seconds`, or until something changes."""
        with self._changed:
            self._changed.wait(seconds)

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """Mark this thread as working, so that a hang shows its stack."""
        thread = threading.get_ident()
        self._threads.add(thread)
        try:
            yield
        finally:
            self._threads.discard(thread)

    def _has_news(self) -> bool:
        return bool(self._handed) or self._count <= 0

    def _where(self) -> str:
        frames = sys._current_frames()
        stacks = [traceback.format_stack(frames[thread]) for thread in set(self._threads) if thread in frames]
        return "\n".join("".join(stack[-_SHOWN_LINES:]) for stack in stacks)


@implementer(ReactorLike)
class SimulatedReactor:
    """Stand-in for Twisted's reactor: the test's thread runs its turns, and the test sets its clock."""

    def __init__(self, activity: Activity) -> None:
        self.clock = Clock()
        self._activity = activity

    def seconds(self) -> float:
        """Return the test's time."""
        return self.clock.seconds()

    def callFromThread(  # noqa: N802
        self,
        callable: Callable[..., Any],  # noqa: A002
        *args: object,
        **kwargs: object,
    ) -> None:
        """Run `callable` in the test's thread."""
        self._activity.hand(lambda: callable(*args, **kwargs))

    def callLater(  # noqa: N802
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002
        *args: object,
        **kwargs: object,
    ) -> IDelayedCall:
        """Run `callable` when `delay` seconds of the test's time have passed."""
        return self.clock.callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:  # noqa: N802
        """Return the calls that are still to be made."""
        return self.clock.getDelayedCalls()


class PatientWait:
    """The wait of a plain function for an `Outcome`: in the test's time, while the test can go on."""

    def __init__(self, activity: Activity, reactor: SimulatedReactor) -> None:
        self._activity = activity
        self._reactor = reactor

    def __call__(self, future: "Future[Any]", timeout: float | None) -> None:
        """Return when `future` is known, or after `timeout` seconds of the test's time."""
        woken, lock = threading.Event(), threading.Lock()

        def wake() -> None:
            with lock:
                if not woken.is_set():
                    self._activity.begin()  # by the waking thread: the count never falls to zero
                    woken.set()

        if timeout is not None:
            self._reactor.callFromThread(self._reactor.callLater, max(0.0, timeout), wake)
        future.add_done_callback(lambda _: wake())
        self._activity.end()
        woken.wait()
