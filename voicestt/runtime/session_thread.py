"""The thread that carries Google's streams: an event loop of its own, and two ways across.

A thread for each call makes the interpreter's lock the dearest thing in the process (measured: twice the CPU at a
hundred calls). So one thread carries many streams, and what crosses goes in groups: however much is handed over
before the other side wakes up, it is woken once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from voicestt.runtime.mailbox import Action, Mailbox
from voicestt.runtime.reactor import ReactorLike


class SessionThread:
    """A thread of `pool` with an event loop, from `start` to `stop`."""

    _log = Logger()

    def __init__(self, reactor: ReactorLike, pool: ThreadPool) -> None:
        self._reactor = reactor
        self._pool = pool
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._stopping = asyncio.Event()
        # Not at once but at the end of the reactor's turn: by then the batches of many calls wait.
        self._to_loop = Mailbox(lambda action: reactor.callLater(0, self._loop.call_soon_threadsafe, action))
        self._to_reactor = Mailbox(reactor.callFromThread)
        self._done: Deferred[None] | None = None

    def start(self) -> None:
        """Take a thread of the pool, and run the loop in it."""
        self._done = deferToThreadPool(self._reactor, self._pool, self._run)
        self._done.addErrback(lambda failure: self._log.failure("A session thread died.", failure))

    def stop(self) -> Deferred[None]:
        """End what still runs in the thread; fires when the thread is given back."""
        assert self._done is not None  # noqa: S101 - stop comes after start
        self.do(self._stopping.set)
        return self._done

    def do(self, action: Action) -> None:
        """Run `action` in this thread; for the reactor's thread."""
        self._to_loop.hand(action)

    def hand_back(self, action: Action) -> None:
        """Run `action` in the reactor's thread; for this thread."""
        self._to_reactor.hand(action)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `coroutine` beside the others, cancelled when the thread ends; for this thread."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def at_end(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await `close` in this thread, before it ends."""
        self._closers.append(close)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._complain)
        try:
            self._loop.run_until_complete(self._until_stopped())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    def _complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # gRPC's loops share a wake-up pipe, and one that finds it empty says so: it means nothing.
        if not isinstance(context.get("exception"), BlockingIOError):
            self._log.error(
                "The session thread's loop: {message}: {problem!r}",
                message=context.get("message"),
                problem=context.get("exception"),
            )

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in self._closers:
            await close()
