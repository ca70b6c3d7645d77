"""A result that comes later, for both kinds of handlers: awaited on the loop, or waited for in a thread."""

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

Wait = Callable[["Future[Any]", float | None], object]
"""Returns when the future is known, or after so many seconds."""

_of_thread = threading.local()


@contextmanager
def waiting_by(wait: Wait) -> Iterator[None]:
    """Make `Outcome.result` wait by `wait` in this thread, for a test with a time of its own."""
    _of_thread.wait = wait
    try:
        yield
    finally:
        del _of_thread.wait


class Outcome(Generic[Value]):
    """A result that comes later: `await` it in an `async def`, call `.result(timeout)` in a thread, or ignore it.

    To stop waiting for it stops nothing else. The result is set once, from any thread, by `tell` or `fail`; later
    ones are ignored.
    """

    def __init__(self) -> None:
        self._future: Future[Value] = Future()
        # A running future cannot be cancelled: `asyncio.wait_for` would otherwise take it from everybody else.
        self._future.set_running_or_notify_cancel()

    def __await__(self) -> Generator[Any, None, Value]:
        return asyncio.wrap_future(self._future).__await__()

    def __repr__(self) -> str:
        return f"<Outcome, {'known' if self.is_known else 'not known yet'}>"

    @property
    def is_known(self) -> bool:
        """True if `result` returns at once."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Value:
        """Wait for the result, at most `timeout` seconds.

        Raises:
            TimeoutError: if it is not known by then.
            RuntimeError: in an `async def`, whose thread is that of every other call too.
            The exception of `fail`: if there is no result.
        """
        if not self.is_known and _is_on_a_loop():
            raise RuntimeError("`await` it: in an `async def`, .result() would stop the handlers of all calls")
        wait: Wait | None = getattr(_of_thread, "wait", None)
        if wait is None:
            return self._future.result(timeout)
        wait(self._future, timeout)
        return self._future.result(0)

    def tell(self, value: Value) -> None:
        """Set the result."""
        with suppress(InvalidStateError):
            self._future.set_result(value)

    def fail(self, problem: Exception) -> None:
        """Set the exception that `result` raises."""
        with suppress(InvalidStateError):
            self._future.set_exception(problem)


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
