"""The real reactor, session threads on it, and a listener that can be waited for."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred

from tests.recognisers.fakes import Ear
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.runtime.loop_thread import SessionThread

PATIENCE = 30.0

reactor: Any = installed_reactor

Test = TypeVar("Test", bound=Callable[..., Coroutine[Any, Any, None]])


def on_reactor(test: Test) -> Test:
    """A test that is a coroutine and needs the reactor (pytest_twisted.ensureDeferred, with types)."""
    marked: Test = pytest_twisted.ensureDeferred(test)
    return marked


def soon(deferred: Deferred[Any]) -> Deferred[Any]:
    """`deferred`, which fails when it takes too long."""
    return deferred.addTimeout(PATIENCE, reactor)


class Sessions:
    """Started session threads."""

    def __init__(self, count: int) -> None:
        self.threads = [SessionThread(reactor) for _ in range(count)]
        self._is_stopped = False
        for thread in self.threads:
            thread.start()

    @property
    def thread(self) -> SessionThread:
        """The only one."""
        (thread,) = self.threads
        return thread

    async def stop(self) -> None:
        """Gives the threads back; nothing where that was done."""
        if self._is_stopped:
            return
        self._is_stopped = True
        for thread in self.threads:
            await soon(thread.stop())


class WaitingEar(Ear):
    """An Ear that a test can wait with."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def heard(self, result: Result) -> None:
        super().heard(result)
        self._look()

    def ended(self, error: RecogniserError | None) -> None:
        super().ended(error)
        self._look()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until what was heard makes `condition` true."""
        fired: Deferred[None] = Deferred()
        self._waiting.append((condition, fired))
        self._look()
        await soon(fired)

    async def until_heard(self) -> None:
        """Waits for the first words."""
        await self.until(lambda: bool(self.results))

    async def end(self) -> RecogniserError | None:
        """Waits for the end, and says how it was."""
        await self.until(lambda: bool(self.ends))
        return self.ends[0]

    def _look(self) -> None:
        for entry in list(self._waiting):
            condition, fired = entry
            if condition():
                self._waiting.remove(entry)
                fired.callback(None)
