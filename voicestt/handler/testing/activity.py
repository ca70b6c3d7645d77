"""Knows whether anything is still being done in other threads: a test goes on when nothing is."""

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from twisted.internet.task import Clock

from voicestt.handler.testing.problems import HandlerHangs

Action = Callable[[], object]

_SHOWN_LINES = 6


class Activity:
    """Counts the threads and hand-overs that are under way, and keeps what they hand to the test's thread.

    Whoever passes work on begins the next piece before ending its own: at zero, nothing can begin but by the test.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._handed: deque[Action] = deque()
        self._threads: set[int] = set()

    def begin(self) -> None:
        """One more thing is under way."""
        with self._changed:
            self._count += 1

    def end(self) -> None:
        """One thing is done."""
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def hand(self, action: Action) -> None:
        """Does `action` soon, in the test's thread."""
        with self._changed:
            self._handed.append(action)
            self._changed.notify_all()

    def take(self, deadline: float) -> Action | None:
        """What was handed over first; None if there is nothing and nothing is under way.

        Raises:
            HandlerHangs: if neither is so by `deadline`, a `time.monotonic()`.
        """
        with self._changed:
            if not self._changed.wait_for(self._has_news, max(0.0, deadline - time.monotonic())):
                raise HandlerHangs(f"the handler does not come to rest:\n{self._where()}")
            return self._handed.popleft() if self._handed else None

    def wait(self, seconds: float) -> None:
        """Waits a moment, or until something changes."""
        with self._changed:
            self._changed.wait(seconds)

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """This thread does some of it: if it never ends, this is where to look."""
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


class SimulatedReactor:
    """What handlers need of Twisted's reactor: the test's thread takes its turns, and the test sets its clock."""

    def __init__(self, activity: Activity) -> None:
        self.clock = Clock()
        self._activity = activity

    def seconds(self) -> float:
        """Now, in the test's time."""
        return self.clock.seconds()

    def callFromThread(self, action: Callable[..., object], *arguments: object) -> None:  # noqa: N802
        """Does it in the test's thread."""
        self._activity.hand(lambda: action(*arguments))

    def callLater(self, delay: float, action: Callable[..., object], *arguments: object) -> Any:  # noqa: N802
        """Does it when the test's time has come so far."""
        return self.clock.callLater(delay, action, *arguments)


class PatientWait:
    """How a plain function waits for an `Outcome`: in the test's time, while the test can go on."""

    def __init__(self, activity: Activity, reactor: SimulatedReactor) -> None:
        self._activity = activity
        self._reactor = reactor

    def __call__(self, future: "Future[Any]", timeout: float | None) -> None:
        """Returns when `future` is known, or after `timeout` seconds of the test's time."""
        woken, lock = threading.Event(), threading.Lock()

        def wake() -> None:
            with lock:
                if not woken.is_set():
                    self._activity.begin()  # by whoever wakes: there is no moment at which nobody works
                    woken.set()

        if timeout is not None:
            self._reactor.callFromThread(self._reactor.callLater, max(0.0, timeout), wake)
        future.add_done_callback(lambda _: wake())
        self._activity.end()
        woken.wait()
