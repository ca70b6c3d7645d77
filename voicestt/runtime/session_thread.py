"""The thread that carries Google's streams: an event loop, and two ways across.

A thread for each call makes the interpreter's lock the dearest thing in the process (measured: twice the CPU at a
hundred calls). So one thread carries many streams, and what crosses goes in groups: however much is handed over
before the other side wakes up, it is woken once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from voicestt.runtime.loop_thread import LoopThread
from voicestt.runtime.mailbox import Action, Mailbox
from voicestt.runtime.reactor import ReactorLike


class SessionThread(LoopThread):
    """A thread for streams. Its end cancels them and then closes what they ran over."""

    def __init__(self, reactor: ReactorLike) -> None:
        super().__init__(reactor, "sessions", "In a task of the session thread: {message}.")
        self._to_reactor = Mailbox(reactor.callFromThread)
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def hand_back(self, action: Action) -> None:
        """Run `action` in the reactor's thread; for this thread."""
        self._to_reactor.hand(action)

    def at_end(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await `close` in this thread, before it ends; for this thread."""
        self._closers.append(close)

    async def _finish(self) -> None:
        # Its own tasks only: gRPC's are ended by the closing of its channels.
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in self._closers:
            await close()
