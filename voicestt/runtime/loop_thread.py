"""Threads with an event loop, and the ways to them and back: all handlers share one, Google's streams another.

A thread for each call makes the interpreter's lock the dearest thing in the process (measured: twice the CPU at a
hundred calls). So one thread carries many streams, and what crosses goes in groups: however much is handed over
before the other side wakes up, it is woken once.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import cached_property, partial
from threading import Thread
from types import FrameType
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.runtime.reactor import ReactorLike
from voicestt.runtime.timer_grid import until_next_point

Action = Callable[[], object]

CANCELLED_SECONDS: Final = 1.0
"""So long may what is cancelled take to tidy up when the thread ends."""


class Mailbox:
    """Actions handed to another thread, in order; `wake` is called only if the other side sleeps."""

    _log = Logger()

    def __init__(self, wake: Callable[[Action], object]) -> None:
        self._wake = wake
        self._waiting: deque[Action] = deque()
        self._woken = False

    def hand(self, action: Action) -> None:
        """Run `action` soon, in the other thread."""
        self._waiting.append(action)
        self._ensure_woken()

    def leave(self, action: Action) -> None:
        """Run `action` in the other thread with the next one that is handed over, or after `collect`."""
        self._waiting.append(action)

    def collect(self) -> None:
        """Run soon what was left, if it still waits."""
        if self._waiting:
            self._ensure_woken()

    def _ensure_woken(self) -> None:
        if not self._woken:
            self._woken = True
            self._wake(self._do_all)

    def _do_all(self) -> None:
        # Lowered first: whatever is handed over from here on either is seen below or wakes us again.
        self._woken = False
        waiting = self._waiting
        while waiting:
            action = waiting.popleft()
            try:
                action()
            except Exception:  # noqa: BLE001 - one call's mistake must not silence the others
                self._log.failure("A hand-over between threads failed; the other calls go on.")


class LoopThread:
    """A daemon thread with an event loop, from `start` to `stop`; most methods are for the reactor's thread.

    All actions handed over within one turn of the reactor cost one wake-up. `complaint` is the log line of a task
    that failed and that nobody awaits.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ReactorLike,
        name: str,
        complaint: str,
        make: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self._reactor = reactor
        self._complaint = complaint
        self._make = make
        self._to_loop = Mailbox(lambda action: reactor.callLater(0, partial(self._soon, action)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._ended: Deferred[None] = Deferred()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The event loop, made when it is first needed: a thread that is never started has nothing to close."""
        return self._make()

    def start(self) -> None:
        """Start the thread."""
        self._loop.set_exception_handler(self._complain)
        self._thread.start()

    def stop(self) -> "Deferred[None]":
        """Cancel what still runs; fires when the thread has ended, which is never if a task blocks it."""
        if self._thread.ident is None:
            return succeed(None)
        self._is_stopping = True
        self.do(self._loop.stop)
        return self._ended

    def do(self, action: Action) -> None:
        """Run `action` in the loop's thread, after those handed over before."""
        # At the end of the reactor's turn: by then what other calls were told waits as well.
        self._to_loop.hand(action)

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        """Run `coroutine` as a task beside the others, cancelled when the thread ends; for the loop's thread."""
        task = self._loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def frame(self) -> FrameType | None:
        """Return the frame that the thread is executing; None if it has ended."""
        return sys._current_frames().get(self._thread.ident or 0)

    def _soon(self, action: Action) -> None:
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(action)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            while not self._is_stopping:
                self._run_loop()
            self._loop.run_until_complete(self._finish())
        except Exception:  # noqa: BLE001 - what closes badly must not keep the server from stopping
            self._log.failure("The thread {name} did not end in order.", name=self._thread.name)
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()
            self._reactor.callFromThread(self._ended.callback, None)

    async def _finish(self) -> None:
        """Do the last work in the loop, which is stopped after it; for subclasses too."""
        await _cancel_all()

    def _run_loop(self) -> None:
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as problem:
            # asyncio lets these two out of the loop; no task of a handler's may end the others.
            self._log.error(
                "A task in the thread {name} raised {kind}. It ends that task and nothing else.",
                name=self._thread.name,
                kind=type(problem).__name__,
            )

    def _complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if isinstance(problem, BlockingIOError):
            return  # gRPC's loops share a wake-up pipe, and one that finds it empty says so: it means nothing.
        if problem is None:
            self._log.error(self._complaint, message=context.get("message"))
        else:
            failure = Failure(problem, type(problem), problem.__traceback__)
            self._log.failure(self._complaint, failure, message=context.get("message"))


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCELLED_SECONDS)


class SessionThread(LoopThread):
    """A thread for streams. Its end cancels them and then closes what they ran over."""

    def __init__(self, reactor: ReactorLike) -> None:
        super().__init__(reactor, "sessions", "In a task of the session thread: {message}.")
        self._to_reactor = Mailbox(reactor.callFromThread)
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._will_collect = False

    def hand_back(self, action: Action) -> None:
        """Run `action` in the reactor's thread; for this thread."""
        self._to_reactor.hand(action)

    def hand_back_at_leisure(self, action: Action) -> None:
        """Run `action` in the reactor's thread when it wakes for its grid of timers; for this thread.

        It runs before what is handed back after it. Waking the reactor costs as much as most of what it is woken
        for, and at a hundred calls results come five hundred times a second.
        """
        self._to_reactor.leave(action)
        if not self._will_collect:
            self._will_collect = True
            self._loop.call_later(until_next_point(self._reactor.seconds()), self._collect)

    def _collect(self) -> None:
        self._will_collect = False
        self._to_reactor.collect()

    def at_end(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await `close` in this thread, before it ends; for this thread."""
        self._closers.append(close)

    async def _finish(self) -> None:
        # Its own tasks only: gRPC's are ended by the closing of its channels.
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._collect()
        for close in self._closers:
            await close()
